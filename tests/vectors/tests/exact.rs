//! What is computed here and now is what is committed, whatever computes it.

#![allow(clippy::unwrap_used, missing_docs)]

use ckks_core::Backend;

/// The committed files, compiled in: WebAssembly has no folder to read them from.
const COMMITTED: &[(&str, &str)] = &[
    ("parameters.json", include_str!("../parameters.json")),
    ("encoding.json", include_str!("../encoding.json")),
    ("keys.json", include_str!("../keys.json")),
    ("ciphertexts.json", include_str!("../ciphertexts.json")),
    ("evaluation.json", include_str!("../evaluation.json")),
    ("refusals.json", include_str!("../refusals.json")),
    ("models.json", include_str!("../models.json")),
    #[cfg(not(target_arch = "wasm32"))]
    ("exchange.json", include_str!("../exchange.json")),
];

#[test]
fn every_backend_computes_the_committed_vectors() {
    for backend in Backend::available() {
        let computed = vector_tests::compute(backend);
        assert_eq!(computed.len(), COMMITTED.len());
        for (file, &(name, committed)) in computed.iter().zip(COMMITTED) {
            assert_eq!(file.name, name);
            let text = file.to_string();
            let differing = text.lines().zip(committed.lines()).position(|(a, b)| a != b);
            if let Some(line) = differing {
                let [found, wanted] =
                    [&text, committed].map(|text| text.lines().nth(line).unwrap_or_default());
                let cut = |line: &str| line.chars().take(200).collect::<String>();
                panic!(
                    "{name}, line {}, {}: {} instead of {}",
                    line + 1,
                    backend.name(),
                    cut(found),
                    cut(wanted)
                );
            }
            assert_eq!(text.len(), committed.len(), "{name}, {}", backend.name());
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn every_file_matches_the_schema_and_names_are_unique() {
    let schema = serde_json::from_str(include_str!("../vectors.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for &(name, text) in COMMITTED {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        if let Err(error) = validator.validate(&file) {
            panic!("{name} at {}: {error}", error.instance_path());
        }
        let mut names: Vec<&str> = file["vectors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|vector| vector["name"].as_str().unwrap())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{name}");
    }
}
