/** A model as `GET /models` describes it; what is not listed here is passed on as it came. */
export interface ModelInfo {
  model_id: string;
  version: string;
  description: string;
  he_scheme: "CKKS";
  encryption_parameters: {
    poly_modulus_degree: number;
    scale: number;
    coeff_modulus_bits: number[];
    max_multiplicative_depth: number;
    params_id: string;
  };
  input: { shape: number[]; dimension: number; ciphertexts: number; level: number; range?: [number, number] };
  output: {
    dimension: number;
    ciphertexts: number;
    level: number;
    labels?: string[];
    postprocessing: "none" | "sigmoid" | "softmax";
  };
  evaluation_keys: { galois: unknown[]; relinearization?: unknown; bytes: number };
  sizes: { request_bytes: number; result_bytes: number };
}

/** A parameter set as `GET /keys` describes it. */
export interface ParameterSet {
  params_id: string;
  log_degree: number;
  poly_modulus_degree: number;
  levels: number[][];
  special_primes: number[];
  digit_primes: number;
  scale: number;
  security: { bits: number; log_qp: number; max_log_qp: number };
}

/** How far the evaluation keys are. */
export interface KeyProgress {
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

/** What making and uploading evaluation keys took. */
export interface KeyReport {
  keyId: string;
  /** Keys made now; those that the server had already are not made again. */
  made: number;
  /** Bytes uploaded now. */
  bytes: number;
  /** Milliseconds. Making and uploading overlap. */
  timings: { generate: number; total: number };
}

/** A step of a prediction. */
export type Step = "encrypt" | "infer" | "decrypt";

/** A decrypted answer. */
export interface Prediction {
  /** The output, post-processed: probabilities for a classifier. */
  values: number[];
  /** The output before post-processing. */
  raw: number[];
  /** Names of the elements, if the model has any. */
  labels: string[];
  /** Milliseconds. */
  timings: { encrypt: number; roundTrip: number; decrypt: number; total: number };
  /** Bytes of the bodies of request and answer. */
  bytes: { request: number; response: number };
  /** The encrypted input as it was sent, one element per ciphertext. */
  sent: Uint8Array[];
  jobId: string;
}

/** Numbers as JavaScript has them. */
export type Numbers = ArrayLike<number>;
