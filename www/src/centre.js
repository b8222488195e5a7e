// A drawing as the digits of MNIST are: scaled to a box of 20 by 20, its centre of mass in the middle of 28 by 28.
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", description of the files.

/** Pixels along an edge of the model's input. */
export const EDGE = 28;
const BOX = 20;

/**
 * Reduces a square drawing of `size` by `size` brightnesses (0 to 255) to 28 by 28; nothing if it is empty.
 * Each pixel is the mean brightness of the square it stands for.
 */
export function centred(drawing, size) {
  const extent = measure(drawing, size);
  if (!extent) return undefined;
  const { centreX, centreY, side } = extent;
  const step = side / BOX;
  const edgesX = edges(centreX, step);
  const edgesY = edges(centreY, step);
  const result = new Uint8Array(EDGE * EDGE);
  for (let row = 0; row < EDGE; row += 1) {
    for (let column = 0; column < EDGE; column += 1) {
      const [left, right] = [edgesX[column], edgesX[column + 1]];
      const [top, bottom] = [edgesY[row], edgesY[row + 1]];
      let sum = 0;
      for (let y = Math.max(top, 0); y < Math.min(bottom, size); y += 1) {
        for (let x = Math.max(left, 0); x < Math.min(right, size); x += 1) sum += drawing[y * size + x];
      }
      result[row * EDGE + column] = Math.round(sum / ((right - left) * (bottom - top)));
    }
  }
  return result;
}

/** Where the 28 squares along an axis begin, and the last one ends; each is at least a pixel wide. */
function edges(centre, step) {
  const width = Math.max(step, 1);
  return Array.from({ length: EDGE + 1 }, (_, i) => Math.ceil(centre + (i - EDGE / 2) * width));
}

/** The centre of mass and the longer side of the box around everything drawn. */
function measure(drawing, size) {
  let [left, right, top, bottom] = [size, -1, size, -1];
  let [mass, momentX, momentY] = [0, 0, 0];
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const brightness = drawing[y * size + x];
      if (brightness === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
      mass += brightness;
      momentX += brightness * (x + 0.5);
      momentY += brightness * (y + 0.5);
    }
  }
  if (mass === 0) return undefined;
  const side = Math.max(right - left, bottom - top) + 1;
  return { centreX: momentX / mass, centreY: momentY / mass, side };
}
