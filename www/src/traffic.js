// A `fetch` that remembers what left this page and what came back: sizes, times, the first bytes that were sent.

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
    const over = (outcome) => {
      Object.assign(request, outcome, { ended: performance.now() });
      this.#changed(request);
    };
    try {
      // Chromium sends a Blob faster than an array; the package does the same when it is not given a `fetch`.
      const response = await fetch(url, init.body ? { ...init, body: new Blob([init.body]) } : init);
      const { status } = response;
      return counted(response, (received) => over({ status, received }), () => over({ failed: true }));
    } catch (error) {
      over({ failed: true });
      throw error;
    }
  };
}

/**
 * The same answer, counted as it is read: nothing is held here, and whoever reads decides how much of it. At its end,
 * or where its reader has enough, `over` is told how many bytes that were; `failed` is called where it breaks off.
 */
function counted(response, over, failed) {
  if (!response.body) {
    over(0);
    return response;
  }
  const { status, statusText, headers } = response;
  const reader = response.body.getReader();
  let received = 0;
  const body = new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          received += value.length;
          return controller.enqueue(value);
        }
      } catch (error) {
        failed();
        throw error;
      }
      over(received);
      controller.close();
    },
    cancel(reason) {
      over(received);
      return reader.cancel(reason);
    },
  });
  return new Response(body, { status, statusText, headers });
}
