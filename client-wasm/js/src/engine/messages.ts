import type { Engine, Start } from "./engine.js";

/** Tells this package's messages from others that pass through the same worker. */
export const MARK = "encrypted-inference";

type Method = Exclude<keyof Engine, "close">;

/** A call of an engine, as it travels to a worker. */
export type EngineCall = { [Name in Method]: { method: Name; parameters: Parameters<Engine[Name]> } }[Method];

/** What a worker is asked. `engine` is a number that the asking side chooses. */
export type Question = { mark: typeof MARK; id: number; engine: number } & (
  | { open: Start; module: WebAssembly.Module }
  | { call: EngineCall }
  | { close: true }
);

/** What it answers; at its start it says once that it is ready. */
export type Reply =
  | { mark: typeof MARK; ready: true }
  | ({ mark: typeof MARK; id: number } & ({ value: unknown } | { error: { code: string; message: string } }));
