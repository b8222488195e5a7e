import type { ModelInfo, ParameterSet } from "./types.js";

/** What an engine starts from. */
export interface Start {
  model: ModelInfo;
  parameters: ParameterSet;
  /** A secret key that was kept; a new one is made without it. */
  secret?: Uint8Array;
}

/** The cryptography of one model, wherever it runs. */
export interface Engine {
  keyNames(): Promise<string[]>;
  generateKey(name: string): Promise<Uint8Array<ArrayBuffer>>;
  encrypt(values: Float64Array): Promise<Uint8Array<ArrayBuffer>[]>;
  decrypt(result: Uint8Array): Promise<{ raw: number[]; values: number[] }>;
  secret(): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** A call of an engine, as it travels to a worker. */
export type EngineCall = {
  [Name in keyof Engine]: { method: Name; parameters: Parameters<Engine[Name]> };
}[keyof Engine];
