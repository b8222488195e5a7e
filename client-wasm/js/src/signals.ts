/** A controller that aborts when a caller's signal does, until `end`. */
export function follow(signal: AbortSignal | undefined): { controller: AbortController; end(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  return { controller, end: () => signal?.removeEventListener("abort", abort) };
}
