import { checkAborted } from "./errors.js";

/** Groups that are at work at the same time. */
const PARALLEL = 2;
/** Groups that may be done before the one whose turn it is. */
const AHEAD = 8;

/** A group at work: once it is over, its result or what it failed with. */
interface Entry<Result> {
  over?: { result: Result } | { error: unknown };
}

/**
 * Takes items in groups of `size`, has two groups at work at a time, and gives the results in order. Items are taken
 * and groups begun when one is done, not when a result is asked for, as long as few results wait: a source of any
 * length is never held as a whole. A failure ends it when its turn comes; a source that fails, when all that it gave
 * before is done. A signal ends it as soon as it has nothing to give. Whoever leaves early ends the source, and nothing
 * that is at work: that is for the signal.
 */
export async function* inOrder<Item, Result>(
  source: Iterable<Item> | AsyncIterable<Item>,
  size: number,
  work: (group: Item[], at: number) => Promise<Result>,
  signal: AbortSignal,
): AsyncGenerator<Result, void> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const waiting: Entry<Result>[] = [];
  let running = 0;
  let taken = 0;
  let isTaking = false;
  /** Nothing more is to be had from the source, or to be taken from it. */
  let isOver = false;
  let isBroken = false;
  let failure: { error: unknown } | undefined;
  let wake = (): void => undefined;
  signal.addEventListener("abort", () => wake(), { once: true });

  const goOn = (): void => {
    if (!isOver && !isBroken && !isTaking && running < PARALLEL && waiting.length < AHEAD) void take();
    wake();
  };
  const begin = (group: Item[]): void => {
    const entry: Entry<Result> = {};
    waiting.push(entry);
    running += 1;
    void work(group, taken)
      .then(
        (result) => void (entry.over = { result }),
        (error: unknown) => {
          entry.over = { error };
          isBroken = true;
        },
      )
      .then(() => {
        running -= 1;
        goOn();
      });
    taken += group.length;
  };
  const take = async (): Promise<void> => {
    isTaking = true;
    const group: Item[] = [];
    try {
      while (group.length < size) {
        const { done, value } = await items.next();
        isOver = done === true;
        if (isOver) break;
        group.push(value);
      }
    } catch (error) {
      isOver = true;
      failure = { error };
    }
    isTaking = false;
    if (group.length > 0 && !isBroken) begin(group);
    goOn();
  };

  try {
    for (;;) {
      goOn();
      const first = waiting[0];
      if (first?.over) {
        waiting.shift();
        if ("error" in first.over) throw first.over.error;
        yield first.over.result;
      } else if (isTaking || first) {
        checkAborted(signal);
        // A source may have nothing to give for long.
        await new Promise<void>((resolve) => (wake = resolve));
      } else {
        break;
      }
    }
    if (failure) throw failure.error;
  } finally {
    isBroken = true;
    // Not waited for: a source may be in the middle of an item that never comes.
    if (!isOver) void (async () => items.return?.())().catch(() => undefined);
  }
}
