import { EncryptedInferenceError } from "./errors.js";

/** Where keys are kept between visits. The bytes hold the secret key: keep them as you would keep a password. */
export interface KeyStore {
  /** Gives a copy of what was saved last under this name, which is another one for each server, model, version and parameter set. It is wiped after use. */
  load(name: string): Promise<Uint8Array | undefined>;
  /** Saves a copy: the bytes are wiped afterwards. */
  save(name: string, bytes: Uint8Array): Promise<void>;
  delete(name: string): Promise<void>;
}

const DATABASE = "encrypted-inference";
const WRAPPING_KEY = "wrapping-key";

interface Wrapped {
  nonce: Uint8Array<ArrayBuffer>;
  bytes: ArrayBuffer;
}

/**
 * Keeps keys in this browser's IndexedDB, encrypted with AES-GCM. The key for that is kept beside them as a
 * WebCrypto key that cannot be exported: scripts of the same origin can use it while they run and cannot take it
 * along. Whoever copies the browser's profile from the disk has both, since browsers write such keys as they are.
 */
export function browserStore(database = DATABASE): KeyStore {
  let opened: Promise<IDBDatabase> | undefined;
  const connection = (): Promise<IDBDatabase> => {
    opened ??= openDatabase(database);
    opened.catch(() => (opened = undefined));
    return opened;
  };
  const read = async <T>(name: string): Promise<T | undefined> =>
    result((await connection()).transaction("entries").objectStore("entries").get(name) as IDBRequest<T | undefined>);
  /** Carries out a change. It is over when it is on the disk: what a request has done can still be taken back. */
  const change = async <T>(make: (entries: IDBObjectStore) => Promise<T>): Promise<T> => {
    const transaction = (await connection()).transaction("entries", "readwrite", { durability: "strict" });
    const [made] = await Promise.all([make(transaction.objectStore("entries")), completed(transaction)]);
    return made;
  };
  const wrappingKey = async (): Promise<CryptoKey> => {
    const found = await read<CryptoKey>(WRAPPING_KEY);
    if (found) return found;
    const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    // Two pages may get here at once: the first one's key counts.
    return change(async (entries) => {
      const first = await result<CryptoKey | undefined>(entries.get(WRAPPING_KEY));
      if (!first) await result(entries.put(made, WRAPPING_KEY));
      return first ?? made;
    });
  };
  const algorithm = (name: string, nonce: Uint8Array<ArrayBuffer>): AesGcmParams => ({
    name: "AES-GCM",
    iv: nonce,
    additionalData: new TextEncoder().encode(name),
  });
  return {
    load: (name) =>
      stored(async () => {
        const entry = await read<Wrapped>(`keys ${name}`);
        if (!entry) return undefined;
        return new Uint8Array(await crypto.subtle.decrypt(algorithm(name, entry.nonce), await wrappingKey(), entry.bytes));
      }),
    save: (name, bytes) =>
      stored(async () => {
        const nonce = crypto.getRandomValues(new Uint8Array(12));
        const wrapped = await crypto.subtle.encrypt(algorithm(name, nonce), await wrappingKey(), bytes as Uint8Array<ArrayBuffer>);
        await change((entries) => result(entries.put({ nonce, bytes: wrapped } satisfies Wrapped, `keys ${name}`)));
      }),
    delete: (name) => stored(() => change((entries) => result(entries.delete(`keys ${name}`)))),
  };
}

async function stored<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EncryptedInferenceError("STORAGE", `Keys cannot be kept in this browser: ${reason}`, { cause });
  }
}

function openDatabase(name: string): Promise<IDBDatabase> {
  if (typeof indexedDB === "undefined") throw new Error("there is no IndexedDB here");
  if (!globalThis.crypto?.subtle) throw new Error("WebCrypto needs a page served over TLS or from localhost");
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("entries");
  return result(request);
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Waits until a transaction is on the disk. */
function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the change was taken back"));
  });
}
