// The drawing area.

import { EDGE } from "./centre.js";
import { element, paintGrey } from "./dom.js";

const STROKE = 42;

/** Draws what a pointer does on a square canvas, white on black. */
export class Pad {
  #canvas;
  #context;
  #isExample = false;
  #last;

  /** `drawn` is called after each movement of the pen, `done` when it is lifted. */
  constructor(canvas, { drawn, done }) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
    this.clear();
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      if (this.#isExample) this.clear();
      this.#last = this.#position(event);
      this.#line([this.#last]);
      drawn();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#last || !event.isPrimary) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      this.#line((passed.length ? passed : [event]).map((each) => this.#position(each)));
      drawn();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (!this.#last || !event.isPrimary) return;
        this.#last = undefined;
        done();
      });
    }
  }

  /** Pixels along an edge. */
  get size() {
    return this.#canvas.width;
  }

  clear() {
    this.#isExample = false;
    this.#context.fillStyle = "#000";
    this.#context.fillRect(0, 0, this.size, this.size);
  }

  /** Shows 28 by 28 grey values; the next stroke begins a new drawing. */
  show(grey) {
    const small = element("canvas", { width: EDGE, height: EDGE });
    paintGrey(small, grey);
    this.#context.imageSmoothingEnabled = true;
    this.#context.drawImage(small, 0, 0, this.size, this.size);
    this.#isExample = true;
  }

  /** The brightness of every pixel. */
  brightness() {
    const { data } = this.#context.getImageData(0, 0, this.size, this.size);
    return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
  }

  #position(event) {
    const box = this.#canvas.getBoundingClientRect();
    const scale = this.size / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  #line(points) {
    const context = this.#context;
    context.strokeStyle = "#fff";
    context.lineWidth = STROKE;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...this.#last);
    for (const point of points) context.lineTo(...point);
    context.stroke();
    this.#last = points.at(-1);
  }
}
