//! ONNX files as exporters write them, under `tests/onnx`: some compile, the others are refused with the message
//! that tells their author what to do.

use std::{collections::BTreeSet, fs, path::PathBuf};

use model_compiler::{
    CompileError, Compiled, Graph, Identity, Options, Samples, compile, evaluate, import, largest_difference,
    verify,
};
use serde::Deserialize;

/// An input, and what ONNX Runtime computes of it.
#[derive(Deserialize)]
struct Sample {
    x: Vec<f64>,
    y: Vec<f64>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx").join(name)
}

/// Names and contents of the ONNX files of a folder.
fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(name)).expect("a folder").map(|entry| entry.expect("an entry").path());
    let models = entries.filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    models.map(|path| (name(&path), fs::read(&path).expect("a file"))).collect()
}

fn samples(name: &str) -> Vec<Sample> {
    let bytes = fs::read(folder("accepted").join(format!("{name}.json"))).expect("a file");
    serde_json::from_slice(&bytes).expect("samples")
}

fn assert_near(name: &str, graph: &Graph, found: Vec<f64>, expected: &[f64], bound: f64) {
    let found = graph.postprocessing.apply(&found);
    // A classifier of two classes gives both probabilities; one number says the same.
    let found = if (found.len(), expected.len()) == (1, 2) { vec![1.0 - found[0], found[0]] } else { found };
    assert_eq!(found.len(), expected.len(), "{name}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= bound * (1.0 + b.abs()), "{name}: {found:?}, not {expected:?}");
    }
}

#[test]
fn exported_models_compute_what_onnx_runtime_does() {
    let models = files("accepted");
    let tools: BTreeSet<&str> = models.iter().filter_map(|(name, _)| name.split('_').next()).collect();
    assert_eq!(tools, BTreeSet::from(["hand", "keras", "pytorch", "sklearn"]));
    assert!(models.len() >= 10);
    for (name, bytes) in models {
        let graph = import(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        for Sample { x, y } in samples(&name) {
            assert_near(&name, &graph, evaluate(&graph, &x), &y, 1e-5);
        }
    }
}

#[test]
fn names_of_classes_come_from_the_file() {
    let labels = |name: &str| {
        let bytes = fs::read(folder("accepted").join(format!("{name}.onnx"))).expect("a file");
        import(&bytes).expect("imports").labels
    };
    assert_eq!(labels("sklearn_one_versus_rest"), ["high", "low", "middle"]);
    assert_eq!(labels("hand_one_versus_rest"), ["no", "perhaps", "yes"]);
    assert_eq!(labels("sklearn_mlp"), ["0", "1", "2"]);
    // It has none.
    assert!(labels("hand_class").is_empty());
}

#[test]
fn exported_models_compute_what_tract_does() {
    for (name, bytes) in files("accepted") {
        let graph = import(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let inputs: Vec<Vec<f64>> = samples(&name).into_iter().map(|sample| sample.x).collect();
        match largest_difference(&bytes, &graph, &inputs) {
            Ok(difference) => assert!(difference < 1e-5, "{name}: {difference}"),
            // It does not know scikit-learn's operators, or gives a label first.
            Err(CompileError::Runtime { .. }) => {
                assert!(name.starts_with("sklearn") || name == "hand_one_versus_rest", "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Inputs to calibrate on, around those of the file.
fn calibration(samples: &[Sample]) -> Vec<Vec<f64>> {
    let turned = |x: &[f64], by: usize| -> Vec<f64> {
        (0..x.len())
            .map(|i| x[(i + by) % x.len()] * if (i + by).is_multiple_of(3) { -1.0 } else { 1.0 })
            .collect()
    };
    let plain = samples.iter().map(|sample| sample.x.clone());
    plain.chain((0..16).flat_map(|by| samples.iter().map(move |sample| turned(&sample.x, by)))).collect()
}

#[test]
fn exported_models_compile_and_agree_when_encrypted() {
    for name in ["pytorch_residual", "pytorch_gelu", "sklearn_ridge", "sklearn_one_versus_rest", "hand_class"]
    {
        let bytes = fs::read(folder("accepted").join(format!("{name}.onnx"))).expect("a file");
        let samples = samples(name);
        let calibration = calibration(&samples);
        let options = Options { precision: 9, ..Options::default() };
        let compiled = compile(&bytes, &Identity::default(), &calibration, &options);
        let Compiled { manifest, weights, graph, report } =
            compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
        let measured = &report.precision;
        assert!(measured.measured_bits >= 9.0, "{name}: {measured:?}");
        let inputs = samples.into_iter().map(|sample| sample.x).take(2).collect();
        let accuracy = verify(&graph, &manifest, &weights, &Samples { inputs, classes: vec![] }, &|| ());
        let accuracy = accuracy.expect("runs");
        // A corner costs precision that smooth functions do not.
        let bits = if name == "pytorch_residual" { 3.0 } else { 7.0 };
        assert!(accuracy.precision_bits >= bits, "{name}: {accuracy:?}\n{report}");
    }
}

#[test]
fn the_others_are_refused_with_the_message_that_helps() {
    let expected = fs::read_to_string(folder("refused").join("messages.txt")).expect("a file");
    let mut found: Vec<String> = files("refused")
        .into_iter()
        .map(|(name, bytes)| match import(&bytes) {
            Err(error) => format!("{name}: {error}\n"),
            Ok(_) => panic!("{name} was imported"),
        })
        .collect();
    found.sort();
    assert!(found.len() >= 10);
    assert_eq!(found.concat(), expected, "write what is found to messages.txt if it is right");
}
