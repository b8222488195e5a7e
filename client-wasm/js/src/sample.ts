import { EncryptedInferenceError } from "./errors.js";
import type { ModelInfo, Nested, Numbers, Sample, Tensor, Warning } from "./types.js";

type InputInfo = ModelInfo["input"];

/** How far beyond its range a feature may be, as a part of it: as far as the polynomials of a model reach. */
const MARGIN = 0.1;
/** Features that a warning tells about. */
const TOLD = 3;

/** The elements of a sample in row-major order, after a check of whatever shape it comes with. */
export function flatten(sample: Sample, input: InputInfo): Float64Array {
  if (typeof sample !== "object" || sample === null) throw wrongType(typeof sample);
  const { shape, dimension } = input;
  if (isTensor(sample)) {
    if (!fits(sample.shape, shape)) throw wrongShape(shape, sample.shape);
    return checked(sample.data, dimension);
  }
  if (Array.isArray(sample) && Array.isArray(sample[0])) return fromNested(sample as Nested, shape);
  return isNamed(sample, input) ? fromNames(sample, input) : checked(sample as Numbers, dimension);
}

function isTensor(sample: object): sample is Tensor {
  return Array.isArray((sample as Partial<Tensor>).shape) && typeof (sample as Partial<Tensor>).data === "object";
}

/** Names with what they stand for, and not what is like an array, unless one of the names is `length`. */
function isNamed(sample: object, { feature_names: features = [] }: InputInfo): sample is Readonly<Record<string, unknown>> {
  if (Array.isArray(sample) || ArrayBuffer.isView(sample)) return false;
  return typeof (sample as { length?: unknown }).length !== "number" || features.includes("length");
}

/** A sample under the tensor's name, or the values of features by their names. */
function fromNames(named: Readonly<Record<string, unknown>>, input: InputInfo): Float64Array {
  const { name, feature_names: features = [], dimension } = input;
  if (name === undefined && features.length === 0) throw wrongType("names, of which the model has none");
  const found = Object.keys(named);
  if (name !== undefined && found.length === 1 && found[0] === name && typeof named[name] === "object") {
    return flatten(named[name] as Sample, input);
  }
  const missing = features.filter((feature) => !Object.hasOwn(named, feature));
  const unknown = found.filter((each) => !features.includes(each));
  if (features.length === 0 || missing.length > 0 || unknown.length > 0) throw wrongNames(input, missing, unknown);
  const values = features.map((feature) => named[feature]);
  const wrong = values.findIndex((value) => typeof value !== "number");
  if (wrong >= 0) throw wrongType(`${features[wrong]} that is ${typeof values[wrong]}`);
  return checked(values as number[], dimension);
}

/** Several samples: a list of them, or a tensor with one more axis in front. All are checked before one is used. */
export function split(batch: readonly Sample[] | Tensor, input: InputInfo): Float64Array[] {
  if (Array.isArray(batch)) return batch.map((sample) => flatten(sample, input));
  if (!isTensor(batch)) throw wrongType("something that is no list of samples");
  const [count = 0, ...shape] = batch.shape;
  if (!fits(shape, input.shape)) throw wrongShape([count, ...input.shape], batch.shape);
  const all = checked(batch.data, count * input.dimension);
  return Array.from({ length: count }, (_, i) => all.slice(i * input.dimension, (i + 1) * input.dimension));
}

/** Tells what makes the answer to a sample doubtful. Computed here; the server does not learn of it. */
export function warningsOf(values: Float64Array, input: InputInfo): Warning[] {
  const { range, feature_ranges: ranges } = input;
  if (ranges?.length === values.length) return featureWarnings(values, ranges, input.feature_names ?? []);
  if (!range) return [];
  const [least, most] = range;
  // Values that a caller computed in single precision may lie a rounding outside.
  const slack = 1e-6 * Math.max(Math.abs(least), Math.abs(most), most - least);
  const count = values.reduce((sum, value) => sum + Number(value < least - slack || value > most + slack), 0);
  if (count === 0) return [];
  const message = `${count} of ${values.length} values are outside of ${least} to ${most}, which the model was calibrated for`;
  return [{ code: "INPUT_RANGE", message, count }];
}

/** The same where each element has a range of its own. */
function featureWarnings(values: Float64Array, ranges: readonly [number, number][], names: readonly string[]): Warning[] {
  const isOutside = (at: number): boolean => {
    const [least, most] = ranges[at] as [number, number];
    const slack = Math.max(MARGIN * (most - least), 1e-6 * Math.max(Math.abs(least), Math.abs(most)));
    const value = values[at] as number;
    return value < least - slack || value > most + slack;
  };
  const outside = [...values.keys()].filter(isOutside);
  if (outside.length === 0) return [];
  const name = (at: number): string => names[at] ?? `value ${at}`;
  const told = outside.slice(0, TOLD).map((at) => {
    const [value, least, most] = [values[at] as number, ...(ranges[at] as [number, number])].map((number) => String(Number(number.toPrecision(5))));
    return `${name(at)} is ${value} (${least} to ${most})`;
  });
  if (outside.length > TOLD) told.push(`and ${outside.length - TOLD} more`);
  const message = `${outside.length} of ${values.length} values are outside of what the model was calibrated for: ${told.join(", ")}`;
  return [{ code: "INPUT_RANGE", message, count: outside.length, features: outside.map(name) }];
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

function wrongNames({ name, feature_names: features = [] }: InputInfo, missing: string[], unknown: string[]): EncryptedInferenceError {
  const parts = [
    // All of them are named as what is expected.
    missing.length > 0 && missing.length < features.length && `missing: ${missing.join(", ")}`,
    unknown.length > 0 && `unknown: ${unknown.join(", ")}`,
  ].filter(Boolean);
  const expected = features.length > 0 ? features.join(", ") : `${name}, the whole tensor`;
  const happened = ["The names of the input are not the model's", ...parts, `expected: ${expected}`].join("; ");
  return new EncryptedInferenceError("INPUT_NAMES", happened);
}

function wrongType(found: string): EncryptedInferenceError {
  return new EncryptedInferenceError("INPUT_TYPE", `A sample must be made of numbers, found ${found}`);
}
