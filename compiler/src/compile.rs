//! All passes in a row.

use crate::{
    approximate::approximate, assemble::Assembly, calibrate::calibrate, error::CompileError, fuse::fuse,
    graph::Graph, import::import, report::Report,
};

/// Scales that are tried in turn, in bits, until the result is precise enough.
const SCALE_BITS: [u8; 3] = [28, 40, 50];

/// What the model is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name of the model.
    pub model_id: String,
    /// Semantic version.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// Names of the outputs, or none.
    pub labels: Vec<String>,
}

/// What the user can decide instead of the compiler.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bits of precision asked for: errors stay below the largest output times 2^−bits.
    pub precision: u8,
    /// log₂ of the ring degree.
    pub log_degree: Option<u8>,
    /// log₂ of the scale.
    pub scale_bits: Option<u8>,
    /// Largest degree of a polynomial in place of a function.
    pub max_degree: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: 10, log_degree: None, scale_bits: None, max_degree: 15 }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// `manifest.json`.
    pub manifest: Vec<u8>,
    /// `weights.bin`.
    pub weights: Vec<u8>,
    /// The model as it was imported, in plain numbers.
    pub graph: Graph,
    /// What was chosen and why.
    pub report: Report,
}

/// Compiles an ONNX file with samples of its input to calibrate on.
///
/// # Errors
/// [`CompileError`]: what cannot be compiled is refused by name.
pub fn compile(
    model: &[u8],
    identity: &Identity,
    calibration: &[Vec<f64>],
    options: &Options,
) -> Result<Compiled, CompileError> {
    let imported = import(model)?;
    if calibration.is_empty() {
        let reason = "calibration takes at least one sample of the input".into();
        return Err(CompileError::Samples { file: "calibration".into(), reason });
    }
    let outputs = imported.values[imported.output()].dimension;
    if !identity.labels.is_empty() && identity.labels.len() != outputs {
        return Err(CompileError::Labels { expected: outputs, found: identity.labels.len() });
    }
    let fused = fuse(imported.clone());
    let ranges = calibrate(&fused, calibration);
    let (input, output) = (ranges[0], ranges[fused.output()]);
    let tolerance = f64::from(options.precision).exp2().recip();
    let (approximated, approximations) = approximate(fused, &ranges, tolerance, options.max_degree);
    let assembly = Assembly {
        identity,
        options,
        graph: fuse(approximated),
        operations: imported.values.len() - 1,
        approximations,
        input,
        magnitude: output.magnitude().max(f64::MIN_POSITIVE),
    };

    let mut best = None;
    for scale_bits in options.scale_bits.map_or(SCALE_BITS.to_vec(), |bits| vec![bits]) {
        let choice = match (assembly.choose(scale_bits), &best) {
            (Ok(choice), _) => choice,
            (Err(error), None) => return Err(error),
            // A larger scale does not fit; what there is stays.
            (Err(_), Some(_)) => break,
        };
        let package = assembly.write(choice, calibration)?;
        let enough = package.report.precision.measured_bits >= f64::from(options.precision);
        best = Some(Compiled {
            manifest: package.manifest,
            weights: package.weights,
            graph: imported.clone(),
            report: package.report,
        });
        if enough {
            break;
        }
    }
    best.ok_or_else(|| CompileError::program("no scale was tried"))
}
