import type { Progress, SampleProgress } from "./types.js";

/** Counts the samples of a call through the steps of their predictions. */
export class SampleSteps {
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #over = { encrypt: { done: 0, bytes: 0 }, infer: { done: 0, bytes: 0 }, decrypt: { done: 0, bytes: 0 } };

  constructor(
    onProgress: ((progress: Progress) => void) | undefined,
    /** How many there are, where that is known. */
    readonly total: number | undefined,
  ) {
    this.#onProgress = onProgress;
  }

  /** A step of some samples begins. */
  begin(step: SampleProgress["step"]): void {
    this.end(step, 0, 0);
  }

  /** A step of so many samples is over. */
  end(step: SampleProgress["step"], samples: number, bytes: number): void {
    const over = this.#over[step];
    over.done += samples;
    over.bytes += bytes;
    this.#onProgress?.({ step, ...over, total: this.total });
  }
}
