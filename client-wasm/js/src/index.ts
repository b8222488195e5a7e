/**
 * Machine-learning inference on data that the server cannot read.
 *
 * ```js
 * import { connect } from "encrypted-inference";
 *
 * const api = await connect("https://inference.example");
 * const model = await api.model("mnist_mlp");
 * const { best } = await model.predict(pixels);
 * ```
 *
 * @packageDocumentation
 */

export { Api, connect, openKeys, type ConnectOptions, type EngineOptions, type ModelOptions } from "./connect.js";
export { CODES, type ClientCode, type ServerCode } from "./advice.js";
export { EncryptedInferenceError, type ErrorCode, type Problem } from "./errors.js";
export type { EncryptedOutput, InferOptions } from "./infer.js";
export type { CallOptions } from "./keys.js";
export { Model, type BatchOptions, type PredictOptions } from "./model.js";
export type { ModuleSource } from "./platform/platform.js";
export { browserStore, type KeyStore } from "./store.js";
export type {
  BatchPrediction,
  EachPrediction,
  EncryptedInput,
  Features,
  KeyProgress,
  KeyReport,
  ModelInfo,
  Named,
  Nested,
  Numbers,
  Output,
  ParameterSet,
  Prediction,
  Progress,
  RotationReport,
  Sample,
  SampleProgress,
  SlotLayout,
  Tensor,
  Warning,
} from "./types.js";
export type { TokenSource } from "./token.js";
export type { KeyOptions } from "./upload.js";
