import type { Engine } from "./engine/engine.js";
import type { KeySetUpload } from "./upload.js";

/**
 * A secret key in use: where it is, its evaluation keys on the server, and the calls that need both. A call takes it
 * once and stays with it, whatever key its model has by then.
 */
export class SecretKey {
  /** Whether the server has all evaluation keys, as far as is known. */
  isPrepared = false;
  #users = 0;
  #idle: (() => void)[] = [];

  constructor(
    /** Names the key in what is encrypted with it. Says nothing of the key, and no server hears of it. */
    readonly id: string,
    readonly engine: Engine,
    /** Nothing when there is no server. */
    readonly upload: KeySetUpload | undefined,
    /** The set of evaluation keys that it had on a server when it was exported. */
    readonly exportedKeyId?: string,
  ) {}

  /** The set of its evaluation keys on the server. */
  get keyId(): string | undefined {
    return this.upload ? this.upload.keyId : this.exportedKeyId;
  }

  /** Carries out a call for which the key must stay, here and on the server. */
  async use<T>(call: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await call();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Waits until no call needs the key. */
  async idle(): Promise<void> {
    if (this.#users > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
