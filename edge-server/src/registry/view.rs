//! Models and parameter sets as callers see them. Never weights.

use ckks_core::Params;
use serde::Serialize;
use serde_json::Value;

use super::{Limits, Model};
use crate::id::{KeyName, ModelKey};

/// One entry of `GET /models`.
#[derive(Clone, Debug, Serialize)]
pub struct ModelView {
    model_id: String,
    version: String,
    description: String,
    he_scheme: &'static str,
    encryption_parameters: EncryptionParameters,
    inference: Inference,
    constraints: Constraints,
    /// As in the package.
    input: Value,
    /// As in the package.
    output: Value,
    evaluation_keys: EvaluationKeysView,
    sizes: Sizes,
}

#[derive(Clone, Debug, Serialize)]
struct EncryptionParameters {
    poly_modulus_degree: usize,
    scale: f64,
    coeff_modulus_bits: Vec<u32>,
    max_multiplicative_depth: u8,
    params_id: String,
}

#[derive(Clone, Debug, Serialize)]
struct Inference {
    input_dimension: u32,
    output_dimension: u32,
    activation: Value,
}

#[derive(Clone, Debug, Serialize)]
struct Constraints {
    max_batch_size: u32,
    max_request_bytes: usize,
}

#[derive(Clone, Debug, Serialize)]
struct EvaluationKeysView {
    relinearization: Option<RelinearizationView>,
    galois: Vec<GaloisView>,
    bytes: usize,
}

#[derive(Clone, Debug, Serialize)]
struct RelinearizationView {
    level: u8,
}

#[derive(Clone, Debug, Serialize)]
struct GaloisView {
    element: u32,
    level: u8,
}

#[derive(Clone, Debug, Serialize)]
struct Sizes {
    request_bytes: usize,
    result_bytes: usize,
}

impl ModelView {
    pub(super) fn new(model: &Model, limits: Limits) -> Self {
        let (manifest, params) = (model.manifest(), model.params());
        let spec = params.spec();
        let primes = spec.levels.iter().flatten().chain(&spec.special_primes);
        // The manifest was read from JSON, so it can be written as JSON.
        let input = serde_json::to_value(&manifest.input).unwrap_or_default();
        let output = serde_json::to_value(&manifest.output).unwrap_or_default();
        Self {
            model_id: manifest.model_id.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            he_scheme: "CKKS",
            encryption_parameters: EncryptionParameters {
                poly_modulus_degree: params.degree(),
                scale: spec.scale,
                coeff_modulus_bits: primes.map(|q| u32::BITS - q.leading_zeros()).collect(),
                max_multiplicative_depth: model.input_level().0,
                params_id: params.id().to_string(),
            },
            inference: Inference {
                input_dimension: manifest.input.dimension,
                output_dimension: manifest.output.dimension,
                activation: output["postprocessing"].clone(),
            },
            constraints: Constraints {
                max_batch_size: model.max_batch_size(),
                max_request_bytes: limits.infer_bytes,
            },
            input,
            output,
            evaluation_keys: EvaluationKeysView::new(model),
            sizes: Sizes { request_bytes: model.request_bytes(), result_bytes: model.result_bytes() },
        }
    }
}

impl EvaluationKeysView {
    fn new(model: &Model) -> Self {
        let keys = model.evaluation_keys();
        let galois = keys.iter().filter_map(|(name, key)| match *name {
            KeyName::Galois(element) => Some(GaloisView { element, level: key.level.0 }),
            KeyName::Relinearization => None,
        });
        Self {
            relinearization: keys
                .get(&KeyName::Relinearization)
                .map(|key| RelinearizationView { level: key.level.0 }),
            galois: galois.collect(),
            bytes: keys.values().map(|key| key.bytes).sum(),
        }
    }
}

/// One entry of `GET /keys`.
#[derive(Clone, Debug, Serialize)]
pub struct ParameterSetView {
    params_id: String,
    log_degree: u8,
    poly_modulus_degree: usize,
    levels: Vec<Vec<u32>>,
    special_primes: Vec<u32>,
    digit_primes: u8,
    scale: f64,
    security: Security,
    models: Vec<ModelKey>,
}

#[derive(Clone, Debug, Serialize)]
struct Security {
    bits: u32,
    log_qp: f64,
    max_log_qp: f64,
}

impl ParameterSetView {
    pub(super) fn new(params: &Params) -> Self {
        let spec = params.spec();
        Self {
            params_id: params.id().to_string(),
            log_degree: spec.log_degree,
            poly_modulus_degree: params.degree(),
            levels: spec.levels.clone(),
            special_primes: spec.special_primes.clone(),
            digit_primes: spec.digit_primes,
            scale: spec.scale,
            security: Security {
                bits: params.security_bits(),
                log_qp: params.log_qp(),
                max_log_qp: params.max_log_qp().unwrap_or_default(),
            },
            models: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, model: &ModelKey) {
        self.models.push(model.clone());
    }
}
