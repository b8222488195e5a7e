// Elements: found by id, made with properties.

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** A new element; strings become text, never markup. */
export function element(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** A new element of a drawing, with attributes. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

const OPAQUE = new Uint32Array(Uint8Array.of(0, 0, 0, 255).buffer)[0];
const EQUAL = new Uint32Array(Uint8Array.of(1, 1, 1, 0).buffer)[0];

/** Paints grey values, one for each pixel of the canvas. */
export function paintGrey(canvas, grey) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  // One number for each pixel: opaque, and the same in all three colours, so that the order of bytes does not matter.
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = OPAQUE + (grey[i] ?? 0) * EQUAL;
  context.putImageData(image, 0, 0);
}
