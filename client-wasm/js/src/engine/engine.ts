import type { ModelInfo, ParameterSet } from "../types.js";

/** What an engine starts from. */
export interface Start {
  model: ModelInfo;
  parameters: ParameterSet;
  /** A secret key that was kept; a new one is made without it. */
  secret?: Uint8Array;
}

/** An output of the model, before and after post-processing. Those of a batch are parts of the same memory. */
export interface Decrypted {
  raw: Float64Array<ArrayBuffer>;
  values: Float64Array<ArrayBuffer>;
  /** Whether the model can give such values. */
  inRange: boolean;
}

/** Samples, encrypted together. */
export interface Encrypted {
  /** One for each ciphertext. */
  payloads: Uint8Array<ArrayBuffer>[];
  /** Whether all values fit the model's scale. The server must not learn of it: no request may depend on it. */
  fits: boolean;
}

/** The cryptography of one secret key and one model, wherever it runs. */
export interface Engine {
  keyNames(): Promise<string[]>;
  generateKey(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Encrypts so many samples, one after the other in `values`, together. `values` is given away: its memory may go to
   * another thread.
   */
  encrypt(values: Float64Array<ArrayBuffer>, samples: number): Promise<Encrypted>;
  /** Decrypts the outputs of so many samples. `result` stays as it is: it may be the caller's. */
  decrypt(result: Uint8Array, samples: number): Promise<Decrypted[]>;
  secret(): Promise<Uint8Array<ArrayBuffer>>;
  /** Wipes the secret key. */
  close(): Promise<void>;
}

/** Makes engines, in this thread or in a worker. */
export interface Engines {
  /** Begins with what every engine needs; failures are reported by `open`. */
  prepare(): void;
  open(start: Start): Promise<Engine>;
}
