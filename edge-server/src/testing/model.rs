//! The smallest models that use everything: rotations, in pairs or not, a product of ciphertexts, two levels.

use ckks_core::{Instruction, Level, LinearTransform, Params, ParamsSpec, Program, Register};
use model_package::{Description, Input, Layout, LayoutAxisEntry, Output, write};

use crate::registry::PackageFiles;

/// Elements of input and output.
const DIMENSION: u32 = 4;

/// Writes the package of `tiny`: `out = (M·x)²` elementwise, for four values.
///
/// N = 2^12, so that keys are small and tests fast; `scale_bits` tells models with different
/// parameters apart.
///
/// # Panics
/// Never, unless the package format has changed.
#[must_use]
pub fn tiny_package(model_id: &str, version: &str, scale_bits: u8) -> PackageFiles {
    package(model_id, version, scale_bits, &program(tiny_transform()))
}

/// Writes a package as [`tiny_package`] does, of a transform that does two diagonals by one product.
///
/// # Panics
/// Never, unless the package format has changed.
#[must_use]
pub fn paired_package(model_id: &str, version: &str, scale_bits: u8) -> PackageFiles {
    package(model_id, version, scale_bits, &program(paired_transform()))
}

fn package(model_id: &str, version: &str, scale_bits: u8, program: &Program) -> PackageFiles {
    let scale = f64::from(scale_bits).exp2();
    let levels = [vec![scale_bits], vec![scale_bits]];
    let spec = ParamsSpec::generate(12, &[27], &levels, &[27], 1, scale).expect("there are such primes");
    let params = Params::new(&spec).expect("secure parameters");
    let layout = Layout { axes: vec![LayoutAxisEntry { extent: DIMENSION, stride: 1 }] };
    let description = Description {
        model_id: model_id.to_owned(),
        version: version.to_owned(),
        description: "Squares a mixture of four values.".to_owned(),
        input: Input {
            shape: vec![DIMENSION],
            dimension: DIMENSION,
            ciphertexts: 1,
            layout: layout.clone(),
            level: 2,
            range: Some([-1.0, 1.0]),
            scaling: None,
            name: String::new(),
            feature_names: Vec::new(),
            feature_ranges: Vec::new(),
        },
        output: Output {
            dimension: DIMENSION,
            ciphertexts: 1,
            layout,
            level: 0,
            dropped_bits: 4,
            gain: 1.0,
            range: None,
            labels: Vec::new(),
            postprocessing: "none".to_owned(),
        },
    };
    let (manifest, weights) = write(description, &params, program).expect("the program runs");
    PackageFiles { origin: model_id.to_owned(), manifest, weights }
}

/// Two diagonals.
fn tiny_transform() -> LinearTransform {
    let diagonals = [(0, vec![0.5, -0.25, 0.75, 1.0]), (1, vec![0.25, 0.5, -0.5, 0.125])];
    let diagonals = diagonals.into_iter().map(|(rotation, factors)| (rotation.into(), factors)).collect();
    LinearTransform { diagonals, baby_steps: 2, paired_by: None, folds: vec![] }
}

/// Diagonals of rotations 0 and 2, which one product does, and of 1, which is alone.
fn paired_transform() -> LinearTransform {
    let mut transform = LinearTransform { paired_by: Some(2), ..tiny_transform() };
    transform.diagonals.insert(2.into(), vec![-0.5, 0.25, 0.125, -0.75]);
    transform
}

fn program(transform: LinearTransform) -> Program {
    Program {
        batch: 1,
        inputs: 1,
        input_level: Level(2),
        instructions: vec![
            Instruction::transform(Register(0), 0),
            Instruction::Multiply { left: Register(1), right: Register(1) },
        ],
        transforms: vec![transform],
        constants: Vec::new(),
        polynomials: Vec::new(),
        outputs: vec![Register(2)],
    }
}

/// Computes what the model of [`tiny_package`] computes, in the clear.
///
/// # Panics
/// When there are not four values.
#[must_use]
pub fn tiny_clear(input: &[f64]) -> Vec<f64> {
    clear(&program(tiny_transform()), input)
}

/// Computes what the model of [`paired_package`] computes, in the clear.
///
/// # Panics
/// When there are not four values.
#[must_use]
pub fn paired_clear(input: &[f64]) -> Vec<f64> {
    clear(&program(paired_transform()), input)
}

fn clear(program: &Program, input: &[f64]) -> Vec<f64> {
    let outputs = program.evaluate_clear(DIMENSION as usize, &[input.to_vec()]).expect("four values");
    outputs.into_iter().flatten().collect()
}
