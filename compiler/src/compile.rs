//! All passes in a row.

use std::collections::BTreeSet;

use crate::{
    amplify::amplify,
    approximate::{MARGIN, approximate},
    assemble::{Assembled, Assembly, Choice},
    attempts::{Attempt, Attempts},
    calibrate::{calibrate, element_ranges, histograms},
    compose::compose,
    error::CompileError,
    fuse::fuse,
    graph::Graph,
    import::import,
    normalise::normalise,
    pack::Prices,
    report::Report,
    runtime::agreement,
};

/// Scales that are tried, in bits, rising; [`Attempts`] says in which order.
const SCALE_BITS: [u8; 5] = [24, 26, 28, 46, 56];

/// Samples that the plaintext runtime is compared on, at the most.
const COMPARED: usize = 100;

/// How far, in bits, the measured precision may be from the predicted one.
pub(crate) const PREDICTION_TOLERANCE: f64 = 2.0;

/// What the model is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name of the model.
    pub model_id: String,
    /// Semantic version.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// Names of the input's elements, or none.
    pub feature_names: Vec<String>,
    /// Names of the outputs, or none.
    pub labels: Vec<String>,
}

/// What is made as small as possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// The time of one request; where the cost model cannot tell times apart, the bytes of the evaluation keys.
    #[default]
    Latency,
    /// The bytes of the evaluation keys.
    Keys,
    /// The time of one sample, many being sent together; otherwise as [`Objective::Latency`].
    Throughput,
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
    /// What is made as small as possible.
    pub objective: Objective,
    /// Samples that one request has to hold at least.
    pub batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            precision: 10,
            log_degree: None,
            scale_bits: None,
            max_degree: 15,
            objective: Objective::default(),
            batch: 1,
        }
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

/// Compiles an ONNX file with samples of its input to calibrate on. On some of them, the model as imported is compared
/// with what a plaintext runtime computes from the same file.
///
/// # Errors
/// [`CompileError`]: what cannot be compiled is refused by name, and [`CompileError::Runtime`] where the plaintext
/// runtime gives other numbers.
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
    let outputs = imported.values[imported.output()].dimension();
    let named = if identity.labels.is_empty() { imported.labels.clone() } else { identity.labels.clone() };
    let identity = &Identity { labels: named, ..identity.clone() };
    if !identity.labels.is_empty() && identity.labels.len() != outputs {
        return Err(CompileError::Labels { expected: outputs, found: identity.labels.len() });
    }
    let (inputs, names) = (imported.values[0].dimension(), &identity.feature_names);
    let distinct = names.iter().collect::<BTreeSet<_>>().len();
    if !names.is_empty() && (names.len() != inputs || distinct != inputs) {
        return Err(CompileError::FeatureNames { expected: inputs, found: names.len(), distinct });
    }
    let runtime = agreement(model, &imported, &calibration[..calibration.len().min(COMPARED)])?;
    let fused = fuse(compose(imported.clone()));
    let ranges = calibrate(&fused, calibration);
    let (input, output) = (ranges[0], ranges[fused.output()]);
    let tolerance = f64::from(options.precision).exp2().recip();
    let seen = histograms(&fused, calibration, &ranges, MARGIN);
    let (approximated, approximations) = approximate(fused, &seen, tolerance, options.max_degree)?;
    let approximated = fuse(approximated);
    let ranges = calibrate(&approximated, calibration);
    let (graph, scaling) = normalise(amplify(approximated, &ranges), calibration);
    let assembly = Assembly {
        identity,
        options,
        graph,
        scaling,
        operations: imported.values.len() - 1,
        runtime,
        approximations,
        input,
        features: if names.is_empty() { vec![] } else { element_ranges(calibration) },
        magnitude: output.magnitude().max(f64::MIN_POSITIVE),
    };

    let wanted = f64::from(options.precision);
    // The most precise that was measured, and the most precise of those that are not worth it.
    let (mut best, mut hopeless): (Option<Assembled>, Option<(f64, Choice)>) = (None, None);
    let scales = options.scale_bits.map_or(SCALE_BITS.to_vec(), |bits| vec![bits]);
    let choose = |scale_bits, prices| assembly.choose(scale_bits, prices).map(Attempt::from);
    let mut attempts = Attempts::new(scales, Prices::of(options.objective), choose);
    while let Some(choice) = attempts.next()? {
        // What is hopeless is not worth keys and encrypted samples, unless there is nothing else.
        let predicted = assembly.predicted_bits(&choice, calibration)?;
        if predicted < wanted - PREDICTION_TOLERANCE {
            if hopeless.as_ref().is_none_or(|(most, _)| predicted > *most) {
                hopeless = Some((predicted, choice));
            }
            continue;
        }
        let package = assembly.write(choice, calibration)?;
        let bits = |package: &Assembled| package.report.precision.measured_bits;
        if best.as_ref().is_none_or(|best| bits(&package) > bits(best)) {
            best = Some(package);
        }
        if best.as_ref().is_some_and(|best| bits(best) >= wanted) {
            break;
        }
    }
    if let (None, Some((_, choice))) = (&best, hopeless) {
        best = Some(assembly.write(choice, calibration)?);
    }
    let Assembled { manifest, weights, report } =
        best.ok_or_else(|| CompileError::program("no scale was tried"))?;
    Ok(Compiled { manifest, weights, graph: imported, report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        onnx::fixtures::{model, model_of, node, tensor},
        runtime::Agreement,
        samples::Samples,
        verify::verify,
    };

    /// Dense, activation, dense, on `x` [1, 2, 2].
    fn network(activation: &str) -> Vec<u8> {
        let weights = |count: usize| (0..count).map(|i| (i as f32 * 1.7).sin() / 2.0).collect::<Vec<f32>>();
        let nodes = vec![
            node("Flatten", &["x"], "flat"),
            node("MatMul", &["flat", "w"], "a"),
            node("Add", &["a", "b"], "h"),
            node(activation, &["h"], "t"),
            node("MatMul", &["t", "v"], "y"),
        ];
        let tensors = vec![
            tensor("w", &[4, 8], &weights(32)),
            tensor("b", &[8], &weights(8)),
            tensor("v", &[8, 3], &weights(24)),
        ];
        model(nodes, tensors)
    }

    fn inputs() -> Vec<Vec<f64>> {
        (0..40).map(|i| (0..4).map(|j| f64::from(i * 5 + j * 7).sin()).collect()).collect()
    }

    fn options() -> Options {
        Options { precision: 8, ..Options::default() }
    }

    #[test]
    fn activations_are_evaluated_encrypted_as_precisely_as_their_polynomials() {
        for (activation, bits) in [("Sigmoid", 7.0), ("Tanh", 7.0), ("Relu", 3.5)] {
            let compiled = compile(&network(activation), &Identity::default(), &inputs(), &options());
            let Compiled { manifest, weights, graph, report } = compiled.expect("compiles");
            assert_eq!(report.approximations.len(), 1, "{activation}");
            assert!(report.precision.measured_bits >= 8.0, "{activation}: {:?}", report.precision);
            let agrees = matches!(report.runtime, Agreement::LargestDifference(least) if least < 1e-5);
            assert!(agrees, "{activation}: {:?}", report.runtime);
            let samples = Samples { inputs: inputs()[..3].to_vec(), classes: vec![] };
            let accuracy = verify(&graph, &manifest, &weights, &samples, &|| ()).expect("runs");
            assert!(accuracy.precision_bits >= bits, "{activation}: {accuracy:?}");
        }
    }

    #[test]
    fn more_precision_takes_a_larger_scale() {
        let options = Options { precision: 20, ..Options::default() };
        let compiled =
            compile(&network("Sigmoid"), &Identity::default(), &inputs(), &options).expect("compiles");
        assert!(compiled.report.precision.scale_bits > 28);
        assert!(compiled.report.precision.measured_bits >= 20.0, "{:?}", compiled.report.precision);
    }

    /// At a scale of 28 bits, pairs give 11.8 of the 12 bits asked for and no pairs 12.6; a larger scale costs more.
    #[test]
    fn pairs_of_diagonals_are_given_up_where_they_are_not_precise_enough() {
        let weights: Vec<f32> = (0..32 * 32).map(|i| (i as f32 * 1.7).sin() / 2.0).collect();
        let nodes = vec![node("MatMul", &["x", "w"], "y")];
        let dense = model_of(&[1, 32], nodes, vec![tensor("w", &[32, 32], &weights)]);
        let inputs = (0..40).map(|i| (0..32).map(|j| 0.75 * f64::from(i * 5 + j * 7).sin()).collect());
        let inputs: Vec<Vec<f64>> = inputs.collect();
        let found = [11, 12].map(|precision| {
            // So many that no slots are left for copies of the input, which would take fewer diagonals.
            let options = Options { precision, batch: 64, ..options() };
            let report = compile(&dense, &Identity::default(), &inputs, &options).expect("compiles").report;
            assert!(report.precision.measured_bits >= f64::from(precision), "{:?}", report.precision);
            let layer = report.layers.last().expect("a layer");
            (report.precision.scale_bits, layer.paired_by, layer.plain_multiplications)
        });
        assert_eq!(found, [(28, Some(16), 16), (28, None, 32)]);
    }

    #[test]
    fn what_the_user_decides_is_kept() {
        let options = Options { log_degree: Some(14), scale_bits: Some(27), ..options() };
        let compiled =
            compile(&network("Tanh"), &Identity::default(), &inputs(), &options).expect("compiles");
        assert_eq!((compiled.report.parameters.log_degree, compiled.report.precision.scale_bits), (14, 27));
    }

    #[test]
    fn many_samples_share_a_request_where_that_is_what_is_wanted() {
        let batch = |options: &Options| {
            let compiled =
                compile(&network("Tanh"), &Identity::default(), &inputs(), options).expect("compiles");
            let manifest: serde_json::Value = serde_json::from_slice(&compiled.manifest).expect("is JSON");
            let batch = manifest["constraints"]["max_batch_size"].as_u64().expect("a number");
            let samples = Samples { inputs: inputs(), classes: vec![] };
            let Compiled { manifest, weights, graph, report } = compiled;
            let accuracy = verify(&graph, &manifest, &weights, &samples, &|| ()).expect("runs");
            assert!(accuracy.precision_bits >= 7.0, "{accuracy:?}");
            (batch, report.sizes.key_switches, report.sizes.key_bytes)
        };
        let (_, switches, bytes) = batch(&options());
        let throughput = batch(&Options { objective: Objective::Throughput, ..options() });
        assert!(throughput.0 >= 512, "{throughput:?}");
        assert!(throughput.1 <= switches + 2, "{throughput:?}, {switches}");
        let (held, ..) = batch(&Options { batch: 100, ..options() });
        assert!(held >= 128, "{held}");
        let (.., fewer) = batch(&Options { objective: Objective::Keys, ..options() });
        assert!(fewer <= bytes, "{fewer} {bytes}");
        let refused = compile(
            &network("Tanh"),
            &Identity::default(),
            &inputs(),
            &Options { batch: 1 << 20, ..options() },
        );
        assert!(matches!(refused, Err(CompileError::Batch { .. })));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let identity = Identity { labels: vec!["one".into()], ..Identity::default() };
        let refused = compile(&network("Tanh"), &identity, &inputs(), &options());
        assert_eq!(refused.expect_err("labels"), CompileError::Labels { expected: 3, found: 1 });
        let identity = Identity { feature_names: vec!["one".into(), "one".into()], ..Identity::default() };
        let refused = compile(&network("Tanh"), &identity, &inputs(), &options());
        let repeated = CompileError::FeatureNames { expected: 4, found: 2, distinct: 1 };
        assert_eq!(refused.expect_err("names"), repeated);
        let refused = compile(&network("Tanh"), &Identity::default(), &[], &options());
        assert!(matches!(refused, Err(CompileError::Samples { .. })));
        let small = Options { log_degree: Some(12), ..options() };
        let refused = compile(&network("Tanh"), &Identity::default(), &inputs(), &small);
        assert!(matches!(refused, Err(CompileError::TooDeep { .. })));
    }
}
