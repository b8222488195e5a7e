//! `manifest.json` as data. Field by field as `schemas/model-package.schema.json` says; unknown
//! fields are refused.

use serde::{Deserialize, Serialize};

/// The value of [`Manifest::format`].
pub const FORMAT: &str = "encrypted-inference-model/1";

/// A model: how to encrypt for it, how to evaluate it, how to read its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the model.
    pub model_id: String,
    /// Semantic version.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// The CKKS parameters.
    pub parameters: Parameters,
    /// How inputs are encrypted.
    pub input: Input,
    /// How results are read.
    pub output: Output,
    /// The evaluation keys that the program uses, no more and no fewer.
    pub evaluation_keys: EvaluationKeyRequirements,
    /// Limits on requests.
    pub constraints: BatchConstraints,
    /// The instructions; each defines the next register after the inputs.
    pub program: Vec<InstructionEntry>,
    /// The registers that are the result.
    pub outputs: Vec<u32>,
    /// Linear transforms by index.
    pub transforms: Vec<TransformEntry>,
    /// Constants by index.
    pub constants: Vec<ConstantEntry>,
    /// Polynomials by index.
    pub polynomials: Vec<PolynomialEntry>,
    /// The file that offsets point into.
    pub weights: WeightsEntry,
}

/// CKKS parameters with their identifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
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
    /// SHA-256 of the canonical encoding, lower-case hexadecimal.
    pub params_id: String,
}

/// How inputs are encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Shape of the tensor whose elements, in row-major order, are the input vector.
    pub shape: Vec<u32>,
    /// Elements of the input vector.
    pub dimension: u32,
    /// Ciphertexts that a batch takes.
    pub ciphertexts: u32,
    /// Where each element sits among the slots of a sample.
    pub layout: Layout,
    /// Level to encrypt at.
    pub level: u8,
    /// Smallest and largest value that the model was calibrated for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// What a client multiplies the elements with before it encrypts: one factor for all, or one for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Vec<f64>>,
    /// What the tensor is called, or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Names of the elements, all different, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_names: Vec<String>,
    /// Smallest and largest value of each element that the model was calibrated for, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_ranges: Vec<[f64; 2]>,
}

/// The elements of an input as a client encrypts them: `out_i = values_i · scaling_i`, one factor being that of all
/// elements and no factor 1.
#[must_use]
pub fn scaled(values: &[f64], scaling: Option<&[f64]>) -> Vec<f64> {
    let scaling = match scaling {
        Some([factor]) => std::iter::repeat_n(*factor, values.len()).collect(),
        Some(factors) => factors.to_vec(),
        None => vec![1.0; values.len()],
    };
    values.iter().zip(scaling).map(|(value, factor)| value * factor).collect()
}

/// How results are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Elements of the output vector.
    pub dimension: u32,
    /// Ciphertexts that a result takes.
    pub ciphertexts: u32,
    /// Where each element sits among the slots of a sample.
    pub layout: Layout,
    /// Level of the result.
    pub level: u8,
    /// Low-order bits of every residue that the result leaves out.
    pub dropped_bits: u8,
    /// Factor that decrypted values are multiplied by.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub gain: f64,
    /// Smallest and largest value that the model can give, after the gain: what is decrypted beyond them came
    /// of an input unlike those that the model was calibrated for, and means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Names of the elements, or none.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What the client applies after decryption: a name of the schema, such as `none`, `softmax` or `argmax`.
    pub postprocessing: String,
}

const fn one() -> f64 {
    1.0
}

fn is_one(gain: &f64) -> bool {
    *gain == 1.0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_first(number: &u32) -> bool {
    *number == 0
}

/// A layout of [`ckks_core::SlotLayout`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The digits of a slot number, least significant first.
    pub axes: Vec<LayoutAxisEntry>,
}

/// One digit of a slot number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutAxisEntry {
    /// How many values the digit takes.
    pub extent: u32,
    /// By how much it moves in the vector.
    pub stride: u32,
}

/// Evaluation keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationKeyRequirements {
    /// The relinearization key, if one is used.
    pub relinearization: Option<RelinearizationRequirement>,
    /// The Galois keys, by rising element.
    pub galois: Vec<GaloisRequirement>,
}

/// Use of the relinearization key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelinearizationRequirement {
    /// Highest level it is used at.
    pub level: u8,
}

/// Use of a Galois key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaloisRequirement {
    /// The Galois element.
    pub element: u32,
    /// Highest level it is used at.
    pub level: u8,
}

/// Limits on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConstraints {
    /// Samples in one request: they share its ciphertexts, slot `s·max_batch_size + b` being slot s of sample b.
    pub max_batch_size: u32,
}

/// One instruction of [`ckks_core::Instruction`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // The fields are those of `ckks_core::Instruction`, documented there.
pub enum InstructionEntry {
    /// Applies a linear transform.
    LinearTransform { inputs: Vec<u32>, outputs: u32, transform: u32 },
    /// Adds rotations of itself, one after the other.
    RotateSum { input: u32, steps: Vec<u32> },
    /// Adds a constant.
    AddPlain { input: u32, constant: u32 },
    /// Multiplies by a constant.
    MultiplyPlain { input: u32, constant: u32 },
    /// Adds.
    Add { left: u32, right: u32 },
    /// Subtracts.
    Subtract { left: u32, right: u32 },
    /// Multiplies.
    Multiply { left: u32, right: u32 },
    /// Evaluates a polynomial.
    Polynomial { input: u32, polynomial: u32 },
    /// Goes down to a level.
    DropLevel { input: u32, level: u8 },
    /// Rotates.
    Rotate { input: u32, steps: u32 },
}

/// A linear transform by its diagonals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformEntry {
    /// How many rotations are inner ones.
    pub baby_steps: u32,
    /// The distance of two rotations that one product does, if there are such pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_by: Option<u32>,
    /// Rotations by which the result is added to itself, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<u32>,
    /// The diagonals by rising rotation.
    pub diagonals: Vec<DiagonalEntry>,
}

/// Where a diagonal's factors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagonalEntry {
    /// Number of the output it adds to.
    #[serde(default, skip_serializing_if = "is_first")]
    pub output: u32,
    /// Number of the input it takes.
    #[serde(default, skip_serializing_if = "is_first")]
    pub input: u32,
    /// Rotation to the left.
    pub rotation: u32,
    /// First element in the weights, counted in 32-bit floats.
    pub offset: u32,
    /// Number of elements; divides the slots.
    pub length: u32,
}

/// Where a constant's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantEntry {
    /// First element in the weights, counted in 32-bit floats.
    pub offset: u32,
    /// Number of elements; divides the slots.
    pub length: u32,
}

/// A polynomial of [`ckks_core::Polynomial`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "basis", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // The fields are those of `ckks_core::Polynomial`, documented there.
pub enum PolynomialEntry {
    /// Coefficients of 1, x, x², …
    Power { coefficients: Vec<f64> },
    /// Coefficients of Chebyshev polynomials on an interval.
    Chebyshev { low: f64, high: f64, coefficients: Vec<f64> },
}

/// The file of weights: little-endian IEEE 754 single-precision numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsEntry {
    /// Name of the file beside the manifest.
    pub file: String,
    /// Its exact length.
    pub bytes: u64,
    /// SHA-256 of it, lower-case hexadecimal.
    pub sha256: String,
}
