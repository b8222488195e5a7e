import { EncryptedInferenceError } from "./errors.js";
import type { ModelInfo, Nested, Numbers, Sample, Warning } from "./types.js";

type InputInfo = ModelInfo["input"];

/** The elements of a sample in row-major order, after a check of whatever shape it comes with. */
export function flatten(sample: Sample, { shape, dimension }: InputInfo): Float64Array {
  if (typeof sample !== "object" || sample === null) throw wrongType(typeof sample);
  if ("data" in sample && "shape" in sample) {
    if (!fits(sample.shape, shape)) throw wrongShape(shape, sample.shape);
    return checked(sample.data, dimension);
  }
  if (Array.isArray(sample) && Array.isArray(sample[0])) return fromNested(sample as Nested, shape);
  return checked(sample as Numbers, dimension);
}

/** Several samples: a list of them, or a tensor with one more axis in front. */
export function split(batch: readonly Sample[] | { data: Numbers; shape: readonly number[] }, input: InputInfo): Float64Array[] {
  if (!("data" in batch)) return batch.map((sample) => flatten(sample, input));
  const [count = 0, ...shape] = batch.shape;
  if (!fits(shape, input.shape)) throw wrongShape([count, ...input.shape], batch.shape);
  const all = checked(batch.data, count * input.dimension);
  return Array.from({ length: count }, (_, i) => all.slice(i * input.dimension, (i + 1) * input.dimension));
}

/** Tells what makes the answer to a sample doubtful. Computed here; the server does not learn of it. */
export function warningsOf(values: Float64Array, { range }: InputInfo): Warning[] {
  if (!range) return [];
  const [least, most] = range;
  // Values that a caller computed in single precision may lie a rounding outside.
  const slack = 1e-6 * Math.max(Math.abs(least), Math.abs(most), most - least);
  const count = values.reduce((sum, value) => sum + Number(value < least - slack || value > most + slack), 0);
  if (count === 0) return [];
  const message = `${count} of ${values.length} values are outside of ${least} to ${most}, which the model was calibrated for`;
  return [{ code: "INPUT_RANGE", message, count }];
}

/** Axes of length 1 in front are a matter of taste. */
function fits(found: readonly number[], expected: readonly number[]): boolean {
  const trim = (shape: readonly number[]) => shape.slice(shape.findIndex((extent) => extent !== 1));
  const [a, b] = [trim(found), trim(expected)];
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

function fromNested(nested: Nested, shape: readonly number[]): Float64Array {
  const values: number[] = [];
  const found: number[] = [];
  const walk = (level: Nested, depth: number): void => {
    found[depth] ??= level.length;
    if (level.length !== found[depth]) throw wrongShape(shape, "rows of different lengths");
    for (const item of level) {
      if (Array.isArray(item)) walk(item, depth + 1);
      else if (typeof item === "number" && depth === found.length - 1) values.push(item);
      else throw wrongType("a mixture");
    }
  };
  walk(nested, 0);
  if (!fits(found, shape)) throw wrongShape(shape, found);
  return Float64Array.from(values);
}

function checked(numbers: Numbers, dimension: number): Float64Array {
  if (typeof numbers?.length !== "number" || typeof numbers === "string") throw wrongType(typeof numbers);
  if (numbers.length !== dimension) {
    throw new EncryptedInferenceError("INPUT_DIMENSION", `The model takes ${dimension} values, found ${numbers.length}`);
  }
  const values = Float64Array.from(numbers);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new EncryptedInferenceError("INPUT_VALUE", `Value ${wrong} of the input is not a finite number`);
  return values;
}

function wrongShape(expected: readonly number[], found: readonly number[] | string): EncryptedInferenceError {
  const text = typeof found === "string" ? found : found.join(" × ");
  return new EncryptedInferenceError("INPUT_DIMENSION", `The model takes a tensor of ${expected.join(" × ")}, found ${text}`);
}

function wrongType(found: string): EncryptedInferenceError {
  return new EncryptedInferenceError("INPUT_TYPE", `A sample must be made of numbers, found ${found}`);
}
