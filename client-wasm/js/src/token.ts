import { EncryptedInferenceError } from "./errors.js";

/** A bearer token, or what gives one: called when one is needed first, and again when the server refuses it. */
export type TokenSource = string | (() => string | Promise<string>);

interface Given {
  token: Promise<string>;
  /** Once it is known. */
  value?: string;
}

/** The token that requests carry. */
export class Credentials {
  readonly #source: TokenSource | undefined;
  #current: Given | undefined;

  constructor(source: TokenSource | undefined) {
    this.#source = source;
  }

  /** The token to send. Requests that need one at the same time ask for it once. */
  async token(): Promise<string | undefined> {
    const source = this.#source;
    if (typeof source !== "function") return source;
    const current = (this.#current ??= { token: (async () => source())() });
    try {
      return (current.value = await current.token);
    } catch (cause) {
      this.#drop(current);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EncryptedInferenceError("TOKEN", `There is no token: ${reason}`, { cause });
    }
  }

  /** Whether there is another token than one that the server refused. */
  async renew(refused: string | undefined): Promise<boolean> {
    if (typeof this.#source !== "function") return false;
    // Another request may have renewed it already.
    if (this.#current?.value === refused) this.#drop(this.#current);
    return (await this.token()) !== refused;
  }

  #drop(entry: Given | undefined): void {
    if (this.#current === entry) this.#current = undefined;
  }
}
