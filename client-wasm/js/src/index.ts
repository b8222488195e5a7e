/**
 * Machine-learning inference on data that the server cannot read.
 *
 * @packageDocumentation
 */

export { Api, connect, type ConnectOptions, type ModelOptions } from "./connect.js";
export { EncryptedInferenceError, type ClientCode, type Problem } from "./errors.js";
export { Model, type PredictOptions } from "./model.js";
export type { KeyOptions } from "./keys.js";
export type { KeyProgress, KeyReport, ModelInfo, Numbers, ParameterSet, Prediction, Step } from "./types.js";
