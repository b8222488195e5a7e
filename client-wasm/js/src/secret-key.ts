import { packKeys } from "./bundle.js";
import type { Engine } from "./engine/engine.js";
import type { ModelInfo, ParameterSet } from "./types.js";
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

  /** Has the key stay, here and on the server, until what this gives is called. */
  hold(): () => void {
    this.#users += 1;
    return () => {
      this.#users -= 1;
      if (this.#users === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
  }

  /** Carries out a call for which the key must stay. */
  async use<T>(call: () => Promise<T>): Promise<T> {
    const release = this.hold();
    try {
      return await call();
    } finally {
      release();
    }
  }

  /** The secret key with all it takes to use it for a model. */
  async export(model: ModelInfo, parameters: ParameterSet): Promise<Uint8Array<ArrayBuffer>> {
    const secret = await this.engine.secret();
    try {
      return packKeys({ model, parameters, secret, secretId: this.id, keyId: this.keyId });
    } finally {
      secret.fill(0);
    }
  }

  /** Waits until no call needs the key. */
  async idle(): Promise<void> {
    if (this.#users > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
