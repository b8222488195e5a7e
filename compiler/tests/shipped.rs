//! The models in `models/`, from their ONNX files to encrypted predictions.

use std::{fs, path::PathBuf};

use model_compiler::{
    Compiled, Identity, Objective, Options, Parameters, Precision, Report, Samples, compile, evaluate,
    import, largest_difference, operator_table, read_samples, verify,
};
use serde_json::Value;

const MODELS: [&str; 8] = [
    "breast_cancer_logistic",
    "fashion_resnet",
    "gloss_search",
    "gunpoint_cnn",
    "mnist_cnn",
    "mnist_lenet",
    "mnist_mlp",
    "wine_mlp",
];

fn file(model: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(model).join(name)
}

fn read(model: &str, name: &str) -> Vec<u8> {
    fs::read(file(model, name)).expect("a committed file")
}

fn json(model: &str, name: &str) -> Value {
    serde_json::from_slice(&read(model, name)).expect("JSON")
}

fn samples(model: &str, name: &str, most: usize) -> Samples {
    let dimension = import(&read(model, "model.onnx")).expect("imports").values[0].dimension();
    let mut samples = read_samples(&file(model, name), dimension).expect("reads");
    samples.inputs.truncate(most);
    samples.classes.truncate(most);
    samples
}

fn compiled(model: &str) -> Compiled {
    compiled_for(model, Objective::default())
}

fn compiled_for(model: &str, objective: Objective) -> Compiled {
    let metadata = json(model, "metadata.json");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let names = |field: &str| metadata[field].as_array().into_iter().flatten().map(text).collect();
    let identity = Identity {
        model_id: model.into(),
        version: "1.0.0".into(),
        description: text(&metadata["description"]),
        feature_names: names("feature_names"),
        labels: names("labels"),
    };
    let calibration = samples(model, "calibration.npz", usize::MAX);
    let decided = |name: &str| metadata["compile"][name].as_u64().map(|number| number as usize);
    let otherwise = Options::default();
    let options = Options {
        precision: decided("precision").map_or(otherwise.precision, |bits| bits as u8),
        max_degree: decided("max_degree").unwrap_or(otherwise.max_degree),
        batch: decided("batch").unwrap_or(otherwise.batch),
        objective,
        ..otherwise
    };
    compile(&read(model, "model.onnx"), &identity, &calibration.inputs, &options).expect("compiles")
}

/// Those that take long to compile.
const LARGE: [&str; 2] = ["fashion_resnet", "mnist_lenet"];

#[test]
fn committed_packages_are_what_the_compiler_writes() {
    MODELS.into_iter().filter(|model| !LARGE.contains(model)).for_each(assert_is_what_the_compiler_writes);
}

#[test]
#[ignore = "minutes; run with `cargo test -p model-compiler -- --ignored`"]
fn large_committed_packages_are_what_the_compiler_writes() {
    LARGE.into_iter().for_each(assert_is_what_the_compiler_writes);
}

fn assert_is_what_the_compiler_writes(model: &str) {
    let compiled = compiled(model);
    assert!(compiled.manifest == read(model, "package/manifest.json"), "{model}: run `cargo xtask models`");
    assert!(compiled.weights == read(model, "package/weights.bin"), "{model}: run `cargo xtask models`");
    let Precision { predicted_bits, measured_bits, .. } = compiled.report.precision;
    let off = (predicted_bits - measured_bits).abs();
    assert!(off < 2.0, "{model}: {predicted_bits} bits predicted, {measured_bits} measured");
}

/// Polynomials in place of ReLU and tanh are errors of their own, which change no class here.
#[test]
fn networks_with_fitted_activations_classify_alike_when_encrypted() {
    for (model, most) in [("gunpoint_cnn", 10), ("mnist_lenet", 5), ("wine_mlp", 10)] {
        let graph = import(&read(model, "model.onnx")).expect("imports");
        let (manifest, weights) = (read(model, "package/manifest.json"), read(model, "package/weights.bin"));
        let accuracy = verify(&graph, &manifest, &weights, &samples(model, "samples.npz", most), &|| ());
        assert_eq!(accuracy.expect("runs").flips, [], "{model}");
    }
}

#[test]
fn the_ten_best_of_a_search_are_those_of_plain_numbers() {
    let (model, most) = ("gloss_search", 40);
    let graph = import(&read(model, "model.onnx")).expect("imports");
    let (manifest, weights) = (read(model, "package/manifest.json"), read(model, "package/weights.bin"));
    let samples = samples(model, "samples.npz", most);
    let accuracy = verify(&graph, &manifest, &weights, &samples, &|| ()).expect("runs");
    let ranking = accuracy.ranking.expect("2,000 outputs");
    assert_eq!((ranking.samples, ranking.same), (most, most));
}

#[test]
fn encrypted_classes_are_those_of_the_model_in_plain_numbers() {
    for (model, most, bits) in
        [("breast_cancer_logistic", 143, 9.0), ("mnist_cnn", 20, 9.0), ("mnist_mlp", 20, 9.0)]
    {
        let graph = import(&read(model, "model.onnx")).expect("imports");
        let (manifest, weights) = (read(model, "package/manifest.json"), read(model, "package/weights.bin"));
        let samples = samples(model, "samples.npz", most);
        let accuracy = verify(&graph, &manifest, &weights, &samples, &|| ()).expect("runs");
        assert_eq!((accuracy.samples, accuracy.labelled), (most, most));
        assert_eq!(accuracy.flips, [], "{model}");
        assert!(accuracy.precision_bits >= bits, "{model}: {} bits", accuracy.precision_bits);
    }
}

/// The reference of every other comparison is compared with ONNX Runtime, whose numbers are committed.
#[test]
fn the_imported_model_computes_what_onnx_runtime_does() {
    let patients = ("breast_cancer_logistic", "demo_patients.json", "patients", "values", "logit");
    let digits = ("mnist_mlp", "demo_digits.json", "digits", "pixels", "logits");
    for (model, name, list, input, output) in [patients, digits] {
        let graph = import(&read(model, "model.onnx")).expect("imports");
        let demo = json(model, name);
        let entries = demo[list].as_array().expect("a list");
        assert!(!entries.is_empty());
        for entry in entries {
            let numbers = |name: &str| -> Vec<f64> {
                let value = &entry[name];
                let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                list.iter().map(|number| number.as_f64().expect("a number")).collect()
            };
            for (found, expected) in evaluate(&graph, &numbers(input)).iter().zip(numbers(output)) {
                assert!((found - expected).abs() < 1e-3, "{model}: {found} {expected}");
            }
        }
    }
}

#[test]
fn the_plaintext_runtime_agrees_with_the_imported_models() {
    for model in MODELS {
        let bytes = read(model, "model.onnx");
        let graph = import(&bytes).expect("imports");
        let inputs = samples(model, "samples.npz", 20).inputs;
        let difference = largest_difference(&bytes, &graph, &inputs).expect("the runtime runs it");
        assert!(difference < 1e-5, "{model}: {difference}");
    }
}

#[test]
fn the_table_of_operators_is_what_the_compiler_does() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    let written = fs::read_to_string(path).expect("a committed file");
    assert!(written == operator_table(), "run `model-compiler operators > docs/operators.md`");
}

/// The committed reports hold what the search expected, and the time that layers took on the machine that wrote them.
#[test]
fn the_cost_model_counts_key_switches_and_orders_models_as_time_does() {
    let mut ratios: Vec<f64> = MODELS
        .map(|model| {
            let report = json(model, "package/report.json");
            let parameters = &report["parameters"];
            let candidates = report["candidates"].as_array().expect("a list");
            let is_chosen = |one: &&Value| {
                ["log_degree", "digit_primes"].iter().all(|field| one[field] == parameters[field])
            };
            let chosen = candidates.iter().find(is_chosen).expect("the one chosen");
            assert_eq!(chosen["key_switches"], report["sizes"]["key_switches"], "{model}");
            let layers = report["layers"].as_array().expect("a list").iter();
            let time: f64 = layers.map(|layer| layer["milliseconds"].as_f64().expect("a number")).sum();
            time / chosen["cost"].as_f64().expect("a number")
        })
        .into();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios[ratios.len() / 2];
    let near = |ratio: &f64| (0.4..=2.5).contains(&(ratio / middle));
    assert!(ratios.iter().all(near), "milliseconds for each million butterflies: {ratios:?}");
}

#[test]
fn the_report_says_what_was_chosen() {
    let text = compiled("mnist_mlp").report.to_string();
    for expected in ["2^13", "128 bits", "27 key switches", "relinearization", "asked for", "chosen"] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
}

/// Of its four primes, digits of two are faster by a seventh, and one digit of all has keys smaller by a third.
#[test]
fn digits_are_grouped_for_what_is_to_be_small() {
    let report = |objective| compiled_for("mnist_mlp", objective).report;
    let [latency, keys] = [Objective::Latency, Objective::Keys].map(report);
    let least = |report: &Report| report.candidates.iter().map(|one| one.key_bytes).min();
    assert_eq!([&latency, &keys].map(|report| report.parameters.digit_primes), [2, 4]);
    assert_eq!(least(&keys), Some(keys.sizes.key_bytes));
    assert!(least(&latency) < Some(latency.sizes.key_bytes));
    for Parameters { log_qp, max_log_qp, .. } in [latency.parameters, keys.parameters] {
        assert!(log_qp <= max_log_qp);
    }
}
