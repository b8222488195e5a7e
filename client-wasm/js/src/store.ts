import { EncryptedInferenceError } from "./errors.js";

/** Where keys are kept between visits. The bytes hold the secret key: keep them as you would keep a password. */
export interface KeyStore {
  load(name: string): Promise<Uint8Array | undefined>;
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
 * along, and a copy of the stored entries alone is of no use.
 */
export function browserStore(database = DATABASE): KeyStore {
  let opened: Promise<IDBDatabase> | undefined;
  const entries = async (mode: IDBTransactionMode): Promise<IDBObjectStore> => {
    opened ??= openDatabase(database);
    opened.catch(() => (opened = undefined));
    return (await opened).transaction("entries", mode).objectStore("entries");
  };
  const wrappingKey = async (): Promise<CryptoKey> => {
    const found = await result<CryptoKey | undefined>((await entries("readonly")).get(WRAPPING_KEY));
    if (found) return found;
    const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    // Two pages may get here at once: the first one's key counts.
    const store = await entries("readwrite");
    const first = await result<CryptoKey | undefined>(store.get(WRAPPING_KEY));
    if (!first) await result(store.put(made, WRAPPING_KEY));
    return first ?? made;
  };
  const algorithm = (name: string, nonce: Uint8Array<ArrayBuffer>): AesGcmParams => ({
    name: "AES-GCM",
    iv: nonce,
    additionalData: new TextEncoder().encode(name),
  });
  return {
    load: (name) =>
      stored(async () => {
        const entry = await result<Wrapped | undefined>((await entries("readonly")).get(`keys ${name}`));
        if (!entry) return undefined;
        return new Uint8Array(await crypto.subtle.decrypt(algorithm(name, entry.nonce), await wrappingKey(), entry.bytes));
      }),
    save: (name, bytes) =>
      stored(async () => {
        const nonce = crypto.getRandomValues(new Uint8Array(12));
        const wrapped = await crypto.subtle.encrypt(algorithm(name, nonce), await wrappingKey(), new Uint8Array(bytes));
        await result((await entries("readwrite")).put({ nonce, bytes: wrapped } satisfies Wrapped, `keys ${name}`));
      }),
    delete: (name) => stored(async () => void (await result((await entries("readwrite")).delete(`keys ${name}`)))),
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
