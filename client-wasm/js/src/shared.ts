import { aborted, checkAborted } from "./errors.js";

/** What a caller of shared work passes. */
interface Options<Progress> {
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/**
 * Work that several callers wait for. Each hears of its progress and gives up for itself alone; the work is given up
 * when all of them have.
 */
export class SharedWork<Progress, Result> {
  readonly #controller = new AbortController();
  /** One for each caller that waits. */
  readonly #listeners = new Set<(progress: Progress) => void>();
  readonly #result: Promise<Result>;
  #latest: Progress | undefined;

  constructor(work: (options: Required<Options<Progress>>) => Promise<Result>) {
    const onProgress = (progress: Progress): void => {
      this.#latest = progress;
      for (const listener of [...this.#listeners]) listener(progress);
    };
    this.#result = work({ onProgress, signal: this.#controller.signal });
    // Every caller hears of it by `join`; one that has left does not want to know.
    this.settled = this.#result.then(
      () => undefined,
      () => undefined,
    );
  }

  /** Fulfilled when the work is over, well or badly. */
  readonly settled: Promise<void>;

  /** Whether all callers have left, so that it cannot be joined any more. */
  get isGivenUp(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Waits for the work, until `signal` fires or `onProgress` throws. */
  async join({ onProgress, signal }: Options<Progress>): Promise<Result> {
    checkAborted(signal);
    return new Promise<Result>((resolve, reject) => {
      const leave = (reason: unknown): void => {
        if (!this.#listeners.has(listener)) return;
        end();
        reject(reason);
        if (this.#listeners.size === 0) this.#controller.abort(reason);
      };
      const giveUp = (): void => leave(aborted(signal as AbortSignal));
      const listener = (progress: Progress): void => {
        try {
          onProgress?.(progress);
        } catch (error) {
          leave(error);
        }
      };
      const end = (): void => {
        this.#listeners.delete(listener);
        signal?.removeEventListener("abort", giveUp);
      };
      this.#listeners.add(listener);
      signal?.addEventListener("abort", giveUp);
      if (this.#latest !== undefined) listener(this.#latest);
      void this.settled.then(end);
      this.#result.then(resolve, reject);
    });
  }
}
