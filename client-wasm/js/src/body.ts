/** The longest result that a model may announce, and the longest description of what a server offers. */
const LARGEST = { result: 2 ** 26, offer: 2 ** 24 };
/** What an answer about a model may have beside a result: a list of keys, a problem. */
const BESIDE = 2 ** 20;

/** The longest answer that is read before a model is chosen, in bytes. */
export const LARGEST_OFFER = LARGEST.offer;

/** The longest answer that is read about a model whose results have so many bytes. */
export const largestAnswer = (resultBytes: number | undefined): number =>
  Math.min(Math.max(Number(resultBytes) || 0, 0), LARGEST.result) + BESIDE;

/** Reads a body; gives it up, with nothing for a result, as soon as it is longer than so many bytes. */
export async function readBody({ body }: Response, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (const reader = body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
    if (length <= limit) continue;
    void reader.cancel().catch(() => undefined);
    return undefined;
  }
  const [first = new Uint8Array()] = chunks;
  if (chunks.length <= 1) return first;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
