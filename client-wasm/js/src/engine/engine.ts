import type { ModelInfo, ParameterSet } from "../types.js";

/** What an engine starts from. */
export interface Start {
  model: ModelInfo;
  parameters: ParameterSet;
  /** A secret key that was kept; a new one is made without it. */
  secret?: Uint8Array;
}

/** The cryptography of one secret key and one model, wherever it runs. */
export interface Engine {
  keyNames(): Promise<string[]>;
  generateKey(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Encrypts one sample: one payload for each of its ciphertexts. */
  encrypt(values: Float64Array): Promise<Uint8Array<ArrayBuffer>[]>;
  decrypt(result: Uint8Array): Promise<{ raw: number[]; values: number[] }>;
  secret(): Promise<Uint8Array<ArrayBuffer>>;
  /** Wipes the secret key. */
  close(): Promise<void>;
}

/** Makes engines, in this thread or in a worker. */
export interface Engines {
  open(start: Start): Promise<Engine>;
}
