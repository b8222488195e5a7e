import type { EncryptedInferenceError } from "./errors.js";

/**
 * Which element of a vector each slot holds: the slot number is split into digits, one for each axis, least significant
 * first; the element is the sum of digit times stride.
 */
export interface SlotLayout {
  axes: { extent: number; stride: number }[];
}

/**
 * A model as `GET /models` describes it, with the names of the protocol (`schemas/model.schema.json`). What is not
 * listed here, of a newer server, is passed on as it came.
 */
export interface ModelInfo {
  model_id: string;
  /** Semantic version. */
  version: string;
  description: string;
  he_scheme: "CKKS";
  encryption_parameters: {
    /** Ring degree N. */
    poly_modulus_degree: number;
    /** Scale of a fresh ciphertext. */
    scale: number;
    /** Bits of every prime: the chain from level 0 up, then the special primes. */
    coeff_modulus_bits: number[];
    /** Rescalings that a fresh ciphertext has. */
    max_multiplicative_depth: number;
    /** Names the parameter set in `api.parameterSets`. */
    params_id: string;
  };
  /** What version 1.0 of the protocol says of a model; `input` and `output` say more. */
  inference: { input_dimension: number; output_dimension: number; activation: string };
  constraints: {
    /** Samples that share the ciphertexts of one request. */
    max_batch_size: number;
    /** Longest body of a request, in bytes. */
    max_request_bytes: number;
  };
  input: {
    /** The tensor whose elements, in row-major order, are the input vector. */
    shape: number[];
    /** Elements in all. */
    dimension: number;
    /** Ciphertexts that a request takes. */
    ciphertexts: number;
    layout: SlotLayout;
    /** Rescalings that the ciphertexts have left. */
    level: number;
    /** Smallest and largest value that the model was calibrated for: `[0, 255]` for the bytes of an image. */
    range?: [number, number];
    /**
     * What this package multiplies the elements with before it encrypts, one factor for all or one for each: the model
     * takes the caller's numbers as they are.
     */
    scaling?: number[];
    /** What the tensor is called: `predict({ [name]: pixels })`. */
    name?: string;
    /** Names of the elements: `predict({ [feature]: 17.99, … })` takes them in any order. */
    feature_names?: string[];
    /** Smallest and largest value of each element that the model was calibrated for, in the order of the names. */
    feature_ranges?: [number, number][];
  };
  output: {
    /** Elements in all. */
    dimension: number;
    /** Ciphertexts that a result takes. */
    ciphertexts: number;
    layout: SlotLayout;
    level: number;
    /** Low bits of every residue that a result leaves out, since they hold noise only. */
    dropped_bits?: number;
    /** What this package multiplies decrypted values with before anything else; 1 if not set. */
    gain?: number;
    /** Smallest and largest value that the model can give, before post-processing. */
    range?: [number, number];
    /** Names of the elements. */
    labels?: string[];
    /** What this package applies to decrypted values. */
    postprocessing:
      | "none"
      | "sigmoid"
      | "softmax"
      | "argmax"
      | "normalize_l1"
      | "normalize_l2"
      | "normalize_max"
      | "sigmoid_normalize_l1";
  };
  evaluation_keys: {
    galois: { element: number; level: number }[];
    /** Whether the model needs this key too. */
    relinearization: { level: number } | null;
    /** All keys together. */
    bytes: number;
  };
  /** Bytes of the ciphertexts of a request, and of its result. */
  sizes: { request_bytes: number; result_bytes: number };
}

/** A parameter set as `GET /keys` describes it, with the names of the protocol (`schemas/parameter-sets.schema.json`). */
export interface ParameterSet {
  /** SHA-256 of the set's canonical bytes. */
  params_id: string;
  /** log₂ of the ring degree. */
  log_degree: number;
  /** Ring degree N. */
  poly_modulus_degree: number;
  /** Primes by level. */
  levels: number[][];
  /** Primes that exist during key switching only. */
  special_primes: number[];
  /** Primes that one key-switching digit groups. */
  digit_primes: number;
  /** Scale of a fresh ciphertext at the highest level. */
  scale: number;
  /** Bits against classical attackers; log₂ of the whole modulus, and the largest that the table allows for them. */
  security: { bits: number; log_qp: number; max_log_qp: number };
  /** The models that use the set. */
  models: { model_id: string; version: string }[];
}

/** How far making and uploading evaluation keys is. */
export interface KeyProgress {
  step: "keys";
  /** The key that was uploaded last, empty at first. */
  name: string;
  /** Keys that the server has. */
  done: number;
  /** Keys in all. */
  total: number;
  /** Bytes that the server has. */
  bytes: number;
  /** Bytes in all. */
  totalBytes: number;
}

/** How far predictions are: reported as each step begins, and as it is over. */
export interface SampleProgress {
  /** Encrypting; sending, waiting and receiving; decrypting. */
  step: "encrypt" | "infer" | "decrypt";
  /** Samples for which this step is over. */
  done: number;
  /** Samples in all, if that is known. */
  total: number | undefined;
  /** Bytes that came of the step so far: of ciphertexts, of what was sent and received, of what was decrypted. */
  bytes: number;
}

/** How far a call is. Keys come first, if the server does not have them yet. */
export type Progress = KeyProgress | SampleProgress;

/** What making and uploading evaluation keys took. */
export interface KeyReport {
  /** Names the set of keys on the server. */
  keyId: string;
  /** Keys made now; those that the server had already are not made again. */
  made: number;
  /** Bytes uploaded now. */
  bytes: number;
  /** Milliseconds. Making and uploading overlap. */
  timings: { generate: number; total: number };
}

/** What a rotation took, and what is left of the old keys. */
export interface RotationReport extends KeyReport {
  /**
   * Why the old evaluation keys are still on the server, if they are. The rotation is over all the same: the old secret
   * key is wiped, and nobody can read anything with what is left.
   */
  notDeleted?: EncryptedInferenceError;
}

/** Something about an input that makes the answer doubtful, though it can be computed. */
export interface Warning {
  /**
   * `INPUT_RANGE`: values outside of what the model was calibrated for. `OUTPUT_RANGE`: the output is such as the
   * model cannot give, so that the values mean nothing.
   */
  code: "INPUT_RANGE" | "OUTPUT_RANGE";
  message: string;
  /** How many values of the input it concerns. */
  count: number;
  /** Which values those are, by the names of the model's features; of a model that has a range for each. */
  features?: string[];
}

/** Samples that were encrypted to be sent later. Hand on `input`, not the object: `fits` is for the owner of the values. */
export interface EncryptedInput {
  /** For `api.send`, in another program even. Does not hold the secret key, nor whether the values fit. */
  input: Uint8Array<ArrayBuffer>;
  /**
   * Whether all values fit the model's scale. Where they do not, the answer will mean nothing. Send the input all the
   * same: the server chose the scale, and an input that does not come would tell it of the values.
   */
  fits: boolean;
}

/** What a decrypted output says. */
export interface Output {
  /** The output, post-processed: probabilities for a classifier, the class alone for a model that ends with it. */
  values: number[];
  /** The output before post-processing. */
  raw: number[];
  /** Names of the elements, if the model has any. */
  labels: string[];
  /** What makes the answer doubtful; empty if nothing does. Do not tell the server. */
  warnings: Warning[];
  /**
   * The largest element of the output: its position, its post-processed value (its score, if the model gives the class
   * alone), its name. The only probability of a model that gives one has no name where it is below one half: the model
   * says that it is not `labels[0]`.
   */
  best: { index: number; value: number; label: string | undefined };
}

/** A decrypted answer of many, with what it took. */
export interface BatchPrediction extends Output {
  /** The place of the sample among all samples of the call. */
  index: number;
  /** Milliseconds, of the request that the sample was in. */
  timings: { encrypt: number; roundTrip: number; decrypt: number; total: number };
  /** Bytes of the bodies of request and answer, which the samples of a request share. */
  bytes: { request: number; response: number };
  /** Requests that had to be sent again. */
  retries: number;
  /** Names the job on the server. */
  jobId: string;
  /** The encrypted input as it was sent, one element per ciphertext; for `ciphertexts: true`. */
  sent?: Uint8Array[];
  /** The encrypted output as it came; for `ciphertexts: true`. */
  received?: Uint8Array;
}

/** What `predictEach` gives for each sample. */
export interface EachPrediction extends BatchPrediction {
  /** Why the answer cannot be decrypted, or means nothing: then all numbers of the output are `NaN`, `best.index` is -1, and `best` has no label. Do not tell the server. */
  error?: EncryptedInferenceError;
}

/** A decrypted answer, with what it took. */
export interface Prediction extends BatchPrediction {
  sent: Uint8Array[];
  received: Uint8Array;
}

/** Numbers as JavaScript has them: arrays and typed arrays. */
export type Numbers = ArrayLike<number>;

/** Nested arrays of a tensor's shape. */
export type Nested = readonly (number | Nested)[];

/** A tensor: its elements in row-major order, and its extents. */
export interface Tensor {
  data: Numbers;
  shape: readonly number[];
}

/** The elements of a sample by the names that the model gives them, `model.info.input.feature_names`. */
export type Features = Readonly<Record<string, number>>;

/** A sample under the name of the model's tensor, `model.info.input.name`. */
export type Named = Readonly<Record<string, Numbers | Nested | Tensor>>;

/**
 * One sample: its elements in row-major order, nested arrays of the model's shape, a tensor, any of these under the
 * tensor's name, or numbers by the names of the model's features.
 */
export type Sample = Numbers | Nested | Tensor | Named | Features;
