// A `fetch` that remembers what left this page and what came back: sizes, times, the first bytes.

/** Bytes of a body that are kept to be looked at. */
const HEAD = 512;

/** Everything that was asked of servers, in order. */
export class Traffic {
  #requests = [];
  #changed;

  /** `changed` is called with each request, when it is sent and when it is over. */
  constructor(changed) {
    this.#changed = changed;
  }

  get requests() {
    return this.#requests;
  }

  /** To be handed to the package in place of `fetch`. */
  fetch = async (url, init) => {
    const body = init.body ?? new Uint8Array();
    const request = {
      method: init.method,
      path: new URL(url, location.href).pathname,
      headers: Object.entries(init.headers).filter(([name]) => name !== "authorization"),
      sent: body.length,
      head: body.slice(0, HEAD),
      begun: performance.now(),
    };
    this.#requests.push(request);
    this.#changed(request);
    try {
      // Chromium sends a Blob faster than an array; the package does the same when it is not given a `fetch`.
      const response = await fetch(url, init.body ? { ...init, body: new Blob([init.body]) } : init);
      const answer = new Uint8Array(await response.clone().arrayBuffer());
      Object.assign(request, { status: response.status, received: answer.length, answer: answer.slice(0, HEAD) });
      return response;
    } catch (error) {
      request.failed = true;
      throw error;
    } finally {
      request.ended = performance.now();
      this.#changed(request);
    }
  };
}
