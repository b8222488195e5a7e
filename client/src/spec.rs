//! A model as `GET /models` and `GET /keys` describe it: the fields that a client computes with.
//! Unknown fields are ignored, so that a newer server can say more.

use ckks_core::{LayoutAxis, ParamsSpec, SlotLayout};
use serde::{Deserialize, Serialize};

use crate::postprocess::Postprocessing;

/// One entry of `GET /models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// How the input vector is encrypted.
    pub input: InputSpec,
    /// How the output vector is decrypted.
    pub output: OutputSpec,
    /// Which evaluation keys the server needs.
    pub evaluation_keys: EvaluationKeySpec,
    /// Limits on requests.
    #[serde(default)]
    pub constraints: ConstraintsSpec,
}

/// Limits on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstraintsSpec {
    /// Samples that share the ciphertexts of one request.
    pub max_batch_size: usize,
}

impl Default for ConstraintsSpec {
    fn default() -> Self {
        Self { max_batch_size: 1 }
    }
}

/// One parameter set of `GET /keys`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterSpec {
    /// Identifier that the set must hash to, in lower-case hexadecimal.
    pub params_id: String,
    /// log₂ N.
    pub log_degree: u8,
    /// Primes by level, the base group first.
    pub levels: Vec<Vec<u32>>,
    /// Special primes of key switching.
    pub special_primes: Vec<u32>,
    /// Primes per key-switching digit.
    pub digit_primes: u8,
    /// Scale of a fresh ciphertext at the highest level.
    pub scale: f64,
}

/// How the input vector is encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Elements of the vector.
    pub dimension: usize,
    /// Ciphertexts that a batch takes.
    pub ciphertexts: usize,
    /// Where each element sits among the slots of a sample, of all ciphertexts one after the other.
    pub layout: LayoutSpec,
    /// Level to encrypt at.
    pub level: u8,
    /// What the elements are multiplied with before: one factor for all, or one for each; nothing where there is none.
    #[serde(default)]
    pub scaling: Option<Vec<f64>>,
}

/// How the output vector is decrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Elements of the vector.
    pub dimension: usize,
    /// Ciphertexts that a result takes.
    pub ciphertexts: usize,
    /// Where each element sits among the slots of a sample, of all ciphertexts one after the other.
    pub layout: LayoutSpec,
    /// Level of the result.
    pub level: u8,
    /// Names of the elements, if they have names.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What is applied to the decrypted values.
    #[serde(default)]
    pub postprocessing: Postprocessing,
    /// Factor that decrypted values are multiplied by first.
    #[serde(default = "one")]
    pub gain: f64,
    /// Smallest and largest value that the model can give, after the gain.
    #[serde(default)]
    pub range: Option<[f64; 2]>,
}

const fn one() -> f64 {
    1.0
}

/// Which evaluation keys the server needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationKeySpec {
    /// The relinearization key, if one is needed.
    #[serde(default)]
    pub relinearization: Option<RelinearizationSpec>,
    /// The Galois keys.
    #[serde(default)]
    pub galois: Vec<GaloisSpec>,
}

/// A relinearization key to make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelinearizationSpec {
    /// Highest level it is used at.
    pub level: u8,
}

/// A Galois key to make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaloisSpec {
    /// The Galois element.
    pub element: u32,
    /// Highest level it is used at.
    pub level: u8,
}

/// An arrangement of a vector in slots, as mixed-radix digits of the slot number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayoutSpec {
    /// The digits, least significant first.
    pub axes: Vec<LayoutAxisSpec>,
}

/// One digit of a slot number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayoutAxisSpec {
    /// How many values the digit takes.
    pub extent: u32,
    /// By how much the digit moves in the vector.
    pub stride: u32,
}

impl LayoutSpec {
    pub(crate) fn to_layout(&self) -> SlotLayout {
        let axis = |axis: &LayoutAxisSpec| LayoutAxis { extent: axis.extent, stride: axis.stride };
        SlotLayout { axes: self.axes.iter().map(axis).collect() }
    }
}

impl ParameterSpec {
    pub(crate) fn to_params_spec(&self) -> ParamsSpec {
        ParamsSpec {
            log_degree: self.log_degree,
            levels: self.levels.clone(),
            special_primes: self.special_primes.clone(),
            digit_primes: self.digit_primes,
            scale: self.scale,
        }
    }
}
