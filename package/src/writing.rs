//! From a program to the bytes of a package.

use std::collections::HashMap;

use ckks_core::{Params, Program, ProgramError};

use crate::{
    manifest::{
        BatchConstraints, ConstantEntry, DiagonalEntry, EvaluationKeyRequirements, FORMAT, Input,
        InstructionEntry, Manifest, Output, Parameters, PolynomialEntry, TransformEntry, WeightsEntry,
    },
    weights::sha256,
};

/// What a package says besides its program.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Name of the model.
    pub model_id: String,
    /// Semantic version.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// How inputs are encrypted.
    pub input: Input,
    /// How results are read.
    pub output: Output,
}

/// Writes a package: the bytes of `manifest.json` and of `weights.bin`. Numbers are rounded to
/// single precision.
///
/// # Errors
/// When the program does not run on the parameters.
pub fn write(
    description: Description,
    params: &Params,
    program: &Program,
) -> Result<(Vec<u8>, Vec<u8>), ProgramError> {
    let facts = program.check(params)?;
    let mut pool = Pool::default();
    let transforms = program.transforms.iter().map(|transform| {
        let diagonals = transform.diagonals.iter().map(|(at, factors)| {
            let ConstantEntry { offset, length } = pool.place(factors);
            DiagonalEntry { output: at.output, input: at.input, rotation: at.rotation, offset, length }
        });
        TransformEntry {
            diagonals: diagonals.collect(),
            baby_steps: transform.baby_steps,
            paired_by: transform.paired_by,
            folds: transform.folds.clone(),
        }
    });
    let transforms = transforms.collect();
    let constants = program.constants.iter().map(|values| pool.place(values)).collect();
    let weights = pool.bytes;
    let manifest = Manifest {
        format: FORMAT.into(),
        model_id: description.model_id,
        version: description.version,
        description: description.description,
        parameters: Parameters::of(params),
        input: description.input,
        output: description.output,
        evaluation_keys: EvaluationKeyRequirements::of(&facts.keys),
        constraints: BatchConstraints { max_batch_size: program.batch },
        program: program.instructions.iter().map(InstructionEntry::from_instruction).collect(),
        outputs: program.outputs.iter().map(|register| register.0).collect(),
        transforms,
        constants,
        polynomials: program.polynomials.iter().map(PolynomialEntry::from_polynomial).collect(),
        weights: WeightsEntry {
            file: "weights.bin".into(),
            bytes: weights.len() as u64,
            sha256: sha256(&weights),
        },
    };
    // Serialising data without maps or foreign types cannot fail.
    let mut json = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    json.push(b'\n');
    Ok((json, weights))
}

/// The weights file while it is filled; equal vectors are stored once.
#[derive(Default)]
struct Pool {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, ConstantEntry>,
}

impl Pool {
    fn place(&mut self, values: &[f64]) -> ConstantEntry {
        let bytes: Vec<u8> = values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        let next = ConstantEntry { offset: (self.bytes.len() / 4) as u32, length: values.len() as u32 };
        *self.known.entry(bytes).or_insert_with_key(|bytes| {
            self.bytes.extend_from_slice(bytes);
            next
        })
    }
}
