//! What was compiled, what was chosen and why, how exact it is: for people, and as JSON.

use std::fmt;

use ckks_core::Backend;
use model_package::{Package, Summary};
use serde::Serialize;

use crate::{assemble::Assembly, candidate::Candidate, layers::Layer, ranking::Ranking, runtime::Agreement};

/// Time of a butterfly of a candidate's cost on this machine, in nanoseconds. The shipped models take 0.33 to 0.5 with
/// AVX2, 0.11 to 0.17 with AVX-512.
fn butterfly_ns() -> f64 {
    if Backend::detect().name() == "avx512" { 0.15 } else { 0.4 }
}

/// Everything about a compilation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name and version.
    pub model: String,
    /// Operations of the imported model, and what fusing left of them.
    pub operations: [usize; 2],
    /// Functions replaced by polynomials.
    pub approximations: Vec<Replaced>,
    /// What was chosen.
    pub parameters: Parameters,
    /// The ring degrees that carry the model, each with the digit groupings of which no other is both faster and has
    /// smaller keys.
    pub candidates: Vec<Candidate>,
    /// What it takes.
    pub sizes: Sizes,
    /// Memory of a server.
    pub memory: Memory,
    /// The steps of the compiled model.
    pub layers: Vec<Layer>,
    /// Precision of encrypted evaluation against the same program on plain numbers.
    pub precision: Precision,
    /// On labelled samples, if there were any.
    pub accuracy: Option<Accuracy>,
    /// The model as imported against the plaintext runtime.
    pub runtime: Agreement,
    #[serde(skip)]
    summary: Summary,
}

/// A function and the polynomial in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replaced {
    /// The node.
    pub node: String,
    /// The operator, or the formula of several.
    pub function: String,
    /// The range that the polynomial is good for: the calibrated one with a margin.
    pub range: [f64; 2],
    /// Degree of the polynomial.
    pub degree: usize,
    /// Largest error on the range.
    pub error: f64,
    /// Root of the mean square of the error over the calibration samples.
    pub typical_error: f64,
    /// Elements of the calibration samples that it was fitted to.
    pub elements: u64,
    /// How many of them are within a twentieth of the calibrated range of an end of it.
    pub near_edge: u64,
}

/// The parameter set in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameters {
    /// log₂ N.
    pub log_degree: u8,
    /// Rescalings.
    pub levels: usize,
    /// Primes in a digit of key switching, and special primes.
    pub digit_primes: u8,
    /// log₂(QP).
    pub log_qp: f64,
    /// Largest log₂(QP) at 128-bit security.
    pub max_log_qp: f64,
    /// Identifier.
    pub params_id: String,
}

/// Counts and bytes of one prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sizes {
    /// Key switches.
    pub key_switches: usize,
    /// Products of two ciphertexts.
    pub multiplications: usize,
    /// Products of a ciphertext and a constant.
    pub plain_multiplications: usize,
    /// Rescalings.
    pub rescalings: usize,
    /// Number of evaluation keys.
    pub keys: usize,
    /// Bytes of all evaluation keys, uploaded once.
    pub key_bytes: usize,
    /// Bytes of the encrypted input.
    pub request_bytes: usize,
    /// Bytes of the encrypted result.
    pub result_bytes: usize,
}

/// What a server holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Encoded weights, once.
    pub model_bytes: usize,
    /// Evaluation keys ready to use, for each client.
    pub client_bytes: usize,
    /// What one evaluation takes besides.
    pub evaluation_bytes: usize,
}

/// Precision asked for and reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// Bits asked for.
    pub asked_bits: u8,
    /// What the noise model expects of what is measured.
    pub predicted_bits: f64,
    /// −log₂ of four standard deviations of the error as a part of the largest output.
    pub measured_bits: f64,
    /// log₂ of the scale that gave it.
    pub scale_bits: u8,
}

/// Encrypted inference against the model in plain numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accuracy {
    /// Samples run.
    pub samples: usize,
    /// Those with a known class.
    pub labelled: usize,
    /// Classified rightly in plain numbers.
    pub plain_correct: usize,
    /// Classified rightly when encrypted.
    pub encrypted_correct: usize,
    /// Those whose class the package gives in plain numbers: polynomials, but no encryption.
    pub clear_correct: usize,
    /// Samples whose class the polynomials change, encrypted or not.
    pub clear_flips: usize,
    /// Largest error of any output.
    pub largest_error: f64,
    /// −log₂ of that as a part of the largest output.
    pub precision_bits: f64,
    /// The same of the sample in the middle.
    pub median_bits: f64,
    /// Samples with different classes.
    pub flips: Vec<Flip>,
    /// The ten largest outputs, of a model with at least a hundred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
}

/// A sample whose class is another one when encrypted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flip {
    /// Its number.
    pub sample: usize,
    /// Class in plain numbers.
    pub plain: usize,
    /// Class when encrypted.
    pub encrypted: usize,
    /// How far the plain output is from another class.
    pub margin: f64,
}

impl Report {
    pub(crate) fn new(
        assembly: &Assembly<'_>,
        package: &Package,
        candidates: Vec<Candidate>,
        precision: Precision,
    ) -> Self {
        let (facts, summary) = (&package.facts, package.summary());
        let approximations = assembly.approximations.iter().map(|made| Replaced {
            node: made.node.clone(),
            function: made.function.name(),
            range: [made.seen.range.low, made.seen.range.high],
            degree: made.fit.coefficients.len() - 1,
            error: made.fit.largest_error,
            typical_error: made.fit.typical_error,
            elements: made.seen.total(),
            near_edge: made.seen.near_edge,
        });
        Self {
            model: summary.model.clone(),
            operations: [assembly.operations, assembly.graph.values.len() - 1],
            approximations: approximations.collect(),
            parameters: Parameters {
                log_degree: summary.log_degree,
                levels: summary.level_bits.len() - 1,
                digit_primes: package.params.spec().digit_primes,
                log_qp: summary.log_qp,
                max_log_qp: summary.max_log_qp,
                params_id: summary.params_id.clone(),
            },
            candidates,
            sizes: Sizes {
                key_switches: facts.key_switches,
                multiplications: facts.multiplications,
                plain_multiplications: facts.plain_multiplications,
                rescalings: facts.rescalings,
                keys: summary.keys.len(),
                key_bytes: summary.key_bytes(),
                request_bytes: summary.request_bytes,
                result_bytes: summary.result_bytes,
            },
            memory: Memory::default(),
            layers: vec![],
            precision,
            accuracy: None,
            runtime: assembly.runtime.clone(),
            summary,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        writeln!(f)?;
        let [imported, fused] = self.operations;
        writeln!(f, "{:<18}{imported} imported, {fused} after fusing", "operations")?;
        for made in &self.approximations {
            let [low, high] = made.range;
            writeln!(
                f,
                "{:<18}{} ({}) by degree {} on [{low:.3}, {high:.3}], error at most {:.2e}, {:.2e} typically; {} of {} values near an end",
                "approximation",
                made.node,
                made.function,
                made.degree,
                made.error,
                made.typical_error,
                made.near_edge,
                made.elements
            )?;
        }
        for candidate in &self.candidates {
            let Candidate { log_degree, digit_primes, key_switches, cost, key_bytes, batch } = candidate;
            let is_chosen =
                (*log_degree, *digit_primes) == (self.parameters.log_degree, self.parameters.digit_primes);
            let chosen = if is_chosen { ", chosen" } else { "" };
            let milliseconds = cost * butterfly_ns();
            writeln!(
                f,
                "{:<18}2^{log_degree}, digits of {digit_primes}: {key_switches} key switches, about {milliseconds:.0} ms, {key_bytes} bytes of keys, batch {batch}{chosen}",
                "candidate"
            )?;
        }
        writeln!(
            f,
            "{:<18}{:.1} MB of weights, {:.1} MB of keys for each client, {:.1} MB for each evaluation",
            "memory",
            self.memory.model_bytes as f64 / 1e6,
            self.memory.client_bytes as f64 / 1e6,
            self.memory.evaluation_bytes as f64 / 1e6
        )?;
        self.layers.iter().try_for_each(|layer| {
            let Layer { node, operation, level, key_switches, paired_by, milliseconds, .. } = layer;
            let pairs = paired_by.map_or(String::new(), |distance| format!(", in pairs {distance} apart"));
            writeln!(
                f,
                "{:<18}level {level:<3}{key_switches:>4} key switches {milliseconds:>8.1} ms  {operation} {node}{pairs}",
                "layer"
            )
        })?;
        let Precision { asked_bits, predicted_bits, measured_bits, scale_bits } = self.precision;
        writeln!(
            f,
            "{:<18}{measured_bits:.1} bits measured, {predicted_bits:.1} predicted, {asked_bits} asked for, scale 2^{scale_bits}",
            "precision"
        )?;
        if measured_bits < f64::from(asked_bits) {
            writeln!(
                f,
                "{:<18}the precision asked for is not reached; lower the depth, or leave out --log-degree and --scale-bits",
                "WARNING"
            )?;
        }
        match &self.runtime {
            Agreement::LargestDifference(difference) => {
                writeln!(
                    f,
                    "{:<18}the imported model differs by at most {difference:.1e} of the largest output",
                    "runtime"
                )?;
            }
            Agreement::Refused(reason) => writeln!(f, "{:<18}not compared: {reason}", "WARNING")?,
        }
        let Some(accuracy) = &self.accuracy else { return Ok(()) };
        writeln!(
            f,
            "{:<18}{} samples: {:.1} bits at least, {:.1} in the middle, largest error {:.2e}",
            "held out",
            accuracy.samples,
            accuracy.precision_bits,
            accuracy.median_bits,
            accuracy.largest_error
        )?;
        if accuracy.labelled > 0 {
            let percent = |right: usize| 100.0 * right as f64 / accuracy.labelled as f64;
            writeln!(
                f,
                "{:<18}{:.2} % as in ONNX, {:.2} % with polynomials, {:.2} % encrypted, of {} labelled",
                "accuracy",
                percent(accuracy.plain_correct),
                percent(accuracy.clear_correct),
                percent(accuracy.encrypted_correct),
                accuracy.labelled
            )?;
        }
        if let Some(Ranking { samples, same, same_order, widest_swap }) = &accuracy.ranking {
            writeln!(
                f,
                "{:<18}the same for {same} of {samples} samples, in the same order for {same_order}, widest swap {widest_swap:.1e}",
                "ten best"
            )?;
        }
        writeln!(
            f,
            "{:<18}{} samples with another class; {} by the polynomials alone",
            "flips",
            accuracy.flips.len(),
            accuracy.clear_flips
        )?;
        accuracy.flips.iter().try_for_each(|Flip { sample, plain, encrypted, margin }| {
            writeln!(f, "  sample {sample}: {plain} became {encrypted}, margin {margin:.4}")
        })
    }
}
