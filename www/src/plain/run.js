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

function convolution([input, kernel, bias], { pads = [0, 0, 0, 0], strides = [1, 1] }) {
  const [, channels, height, width] = input.shape;
  const [maps, , tall, wide] = kernel.shape;
  const rows = Math.floor((height + pads[0] + pads[2] - tall) / strides[0]) + 1;
  const columns = Math.floor((width + pads[1] + pads[3] - wide) / strides[1]) + 1;
  const data = new Float64Array(maps * rows * columns);
  let at = 0;
  for (let map = 0; map < maps; map += 1) {
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1, at += 1) {
        let sum = bias?.data[map] ?? 0;
        for (let channel = 0; channel < channels; channel += 1) {
          for (let y = 0; y < tall; y += 1) {
            const from = row * strides[0] + y - pads[0];
            if (from < 0 || from >= height) continue;
            for (let x = 0; x < wide; x += 1) {
              const left = column * strides[1] + x - pads[1];
              if (left < 0 || left >= width) continue;
              const weight = kernel.data[((map * channels + channel) * tall + y) * wide + x];
              sum += weight * input.data[(channel * height + from) * width + left];
            }
          }
        }
        data[at] = sum;
      }
    }
  }
  return { shape: [1, maps, rows, columns], data };
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
