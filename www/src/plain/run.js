// Evaluates a small ONNX graph on plain numbers, one sample at a time: the twin that encrypted answers are compared
// with. Each operator as the ONNX specification defines it, without batches, groups and dilations.

const size = (shape) => shape.reduce((product, extent) => product * extent, 1);

/** Applies a function to two tensors; the smaller one is repeated along the leading axes. */
const both = (apply) => ([a, b]) => {
  const [larger, smaller] = a.data.length >= b.data.length ? [a, b] : [b, a];
  const data = Float64Array.from({ length: larger.data.length }, (_, i) => {
    const [x, y] = [larger.data[i], smaller.data[i % smaller.data.length]];
    return larger === a ? apply(x, y) : apply(y, x);
  });
  return { shape: larger.shape, data };
};

const each = (apply) => ([{ shape, data }]) => ({ shape, data: Float64Array.from(data, apply) });

/** The sum over `inner` of `a[inner] * b[row][inner]`, or of `b[inner][row]` without `transposed`. */
function product({ data: a }, { shape, data: b }, transposed) {
  const [rows, inner] = transposed ? shape : [shape[1], shape[0]];
  const data = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    for (let i = 0; i < inner; i += 1) sum += a[i] * b[transposed ? row * inner + i : i * rows + row];
    data[row] = sum;
  }
  return { shape: [1, rows], data };
}

/** Two extents, or what belongs to them, of a plane or of a line, which is a plane of height 1. */
const two = (list, height) => (list.length === 1 ? [height, ...list] : list);

/** A tensor of channels of planes; lines become such. */
const planes = ({ shape: [count, channels, ...extents], data }) => ({ shape: [count, channels, ...two(extents, 1)], data });

/**
 * Slides a window over a plane. `at` gets, for each place, the row and the column of the window's upper left corner,
 * which may be outside; it returns the element there.
 */
function slide([height, width], [tall, wide], { pads, strides }, at) {
  const axes = two(strides ?? [1, 1], 1);
  const around = !pads ? [0, 0, 0, 0] : pads.length === 2 ? [0, pads[0], 0, pads[1]] : pads;
  const rows = Math.floor((height + around[0] + around[2] - tall) / axes[0]) + 1;
  const columns = Math.floor((width + around[1] + around[3] - wide) / axes[1]) + 1;
  const data = Float64Array.from({ length: rows * columns }, (_, i) =>
    at(Math.floor(i / columns) * axes[0] - around[0], (i % columns) * axes[1] - around[1]),
  );
  return { extents: [rows, columns], data };
}

/** The sum of `term(y, x, place in the plane)` over the cells of a window that are inside of the plane. */
function inside([height, width], [tall, wide], top, left, term) {
  let sum = 0;
  for (let y = Math.max(0, -top); y < Math.min(tall, height - top); y += 1) {
    for (let x = Math.max(0, -left); x < Math.min(wide, width - left); x += 1) sum += term(y, x, (top + y) * width + left + x);
  }
  return sum;
}

/** Planes one after the other as a tensor. */
function stacked(made) {
  const data = new Float64Array(made.length * made[0].data.length);
  made.forEach((plane, i) => data.set(plane.data, i * plane.data.length));
  return { shape: [1, made.length, ...made[0].extents], data };
}

function convolution([input, weights, bias], attributes) {
  const { shape: [, channels, ...plane], data } = planes(input);
  const { shape: [maps, , ...window], data: kernel } = planes(weights);
  const [planeSize, windowSize] = [size(plane), size(window)];
  const map = (_, number) =>
    slide(plane, window, attributes, (top, left) => {
      let sum = bias?.data[number] ?? 0;
      for (let channel = 0; channel < channels; channel += 1) {
        const [from, weight] = [channel * planeSize, (number * channels + channel) * windowSize];
        sum += inside(plane, window, top, left, (y, x, place) => kernel[weight + y * window[1] + x] * data[from + place]);
      }
      return sum;
    });
  return stacked(Array.from({ length: maps }, map));
}

function averagePool([input], attributes) {
  const { shape: [, channels, ...plane], data } = planes(input);
  const window = two(attributes.kernel_shape, 1);
  const channel = (_, number) =>
    slide(plane, window, attributes, (top, left) => {
      const count = attributes.count_include_pad ? size(window) : inside(plane, window, top, left, () => 1);
      return inside(plane, window, top, left, (y, x, place) => data[number * size(plane) + place]) / count;
    });
  return stacked(Array.from({ length: channels }, channel));
}

/** Exporters write a padding by nothing. */
function padding([input, pads]) {
  if (pads.data.some((count) => count !== 0)) throw new Error("the comparison on plain numbers does not know padding");
  return input;
}

function softmax([{ shape, data }]) {
  const most = Math.max(...data);
  const powers = Float64Array.from(data, (value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return { shape, data: powers.map((power) => power / sum) };
}

const flat = ([{ data }]) => ({ shape: [1, data.length], data });

const OPERATORS = {
  Add: both((x, y) => x + y),
  AveragePool: averagePool,
  Constant: (_, { value }) => value,
  Conv: convolution,
  Div: both((x, y) => x / y),
  Flatten: flat,
  Gemm: ([a, b, c], { transB }) => {
    const multiplied = product(a, b, transB === 1);
    return c ? OPERATORS.Add([multiplied, c]) : multiplied;
  },
  Identity: ([input]) => input,
  MatMul: ([a, b]) => product(a, b, false),
  Mul: both((x, y) => x * y),
  Pad: padding,
  Relu: each((x) => Math.max(x, 0)),
  Reshape: flat,
  Sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  Softmax: softmax,
  Sub: both((x, y) => x - y),
  Tanh: each(Math.tanh),
};

/** Tells whether a graph has nothing but operators that are known here. */
export const isKnown = ({ nodes }) => nodes.every(({ op }) => Object.hasOwn(OPERATORS, op));

/** Evaluates a graph of `readOnnx` on the elements of a sample. */
export function evaluate({ nodes, constants, input, output }, values, shape) {
  if (size(shape) !== values.length) throw new Error(`expected ${size(shape)} values, found ${values.length}`);
  const tensors = new Map(constants).set(input, { shape: [1, ...shape], data: values });
  for (const { op, inputs, outputs, attributes } of nodes) {
    const operator = OPERATORS[op];
    if (!operator) throw new Error(`the comparison on plain numbers does not know the operator ${op}`);
    tensors.set(outputs[0], operator(inputs.map((name) => tensors.get(name)), attributes));
  }
  return [...tensors.get(output).data];
}
