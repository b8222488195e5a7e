// One model: its keys, and the newest question put to it.

import { server } from "./server.js";

/**
 * A model and its questions. Only the newest question counts: one that comes while another is being answered
 * waits, and replaces the one that waited before it.
 */
export class Session {
  #name;
  #traffic;
  #on;
  #model;
  #ready;
  #waiting;
  #running = false;
  #closed = false;

  /** `on` has `opened(model, took)`, `keys(progress)`, `ready(report)`, `asked(question)`, `answered(question, prediction, newer)`, `failed(error)`. */
  constructor(name, traffic, on) {
    this.#name = name;
    this.#traffic = traffic;
    this.#on = on;
  }

  /** Makes and uploads the keys before the first question needs them. */
  start() {
    this.#open().catch((error) => this.#on.failed(error));
  }

  /** The model with its keys on the server, once; after a failure it goes on where it stopped. */
  #open() {
    this.#ready ??= this.#prepare().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #prepare() {
    if (!this.#model) {
      const api = await server(this.#traffic.fetch);
      const begun = performance.now();
      this.#model = await api.model(this.#name);
      if (this.#closed) await this.#model.close();
      this.#on.opened(this.#model, { begun, ended: performance.now() });
    }
    const begun = performance.now();
    const report = await this.#model.prepareKeys({ onProgress: (progress) => this.#on.keys(progress) });
    this.#on.ready(report, { begun, ended: performance.now() });
    return this.#model;
  }

  /** Puts a question: `{ input, … }`. Whatever else it has comes back with the answer. */
  ask(question) {
    this.#waiting = question;
    this.#on.asked(question);
    if (!this.#running) this.#answer();
  }

  /** Wipes the secret key, also one that is still being made. Questions asked from then on fail. */
  close() {
    this.#closed = true;
    this.#model?.close();
  }

  /** Does again what failed. */
  retry() {
    if (this.#waiting) this.ask(this.#waiting);
    else this.start();
  }

  async #answer() {
    this.#running = true;
    try {
      const model = await this.#open();
      while (this.#waiting) {
        const question = this.#waiting;
        const begun = performance.now();
        const prediction = await model.predict(question.input);
        // Kept until it is answered, for `retry`.
        const newer = this.#waiting !== question;
        if (!newer) this.#waiting = undefined;
        this.#on.answered(question, { ...prediction, begun }, newer);
      }
    } catch (error) {
      this.#on.failed(error);
    } finally {
      this.#running = false;
    }
  }
}
