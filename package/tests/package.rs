//! Packages: what is written is read back, and each broken rule is named.

#![allow(clippy::unwrap_used)]

use ckks_core::{
    Instruction, Level, LinearTransform, Params, ParamsSpec, Polynomial, PolynomialBasis, Program, Register,
};
use model_package::{Description, Input, Layout, LayoutAxisEntry, Output, Package, scaled, write};
use serde_json::{Value, json};

/// A program with every sort of instruction that a register can follow another by.
fn program() -> Program {
    let weights = vec![0.5, -0.25, 0.75, 1.0];
    Program {
        batch: 1,
        inputs: 1,
        input_level: Level(3),
        instructions: vec![
            Instruction::transform(Register(0), 0),
            Instruction::AddPlain { input: Register(1), constant: 0 },
            Instruction::Rotate { input: Register(2), steps: 1 },
            Instruction::Add { left: Register(2), right: Register(3) },
            Instruction::RotateSum { input: Register(4), steps: vec![2, 1] },
            Instruction::Subtract { left: Register(5), right: Register(4) },
            Instruction::MultiplyPlain { input: Register(6), constant: 0 },
            Instruction::DropLevel { input: Register(7), level: Level(1) },
            Instruction::Multiply { left: Register(8), right: Register(8) },
        ],
        transforms: vec![LinearTransform {
            diagonals: [(0.into(), weights.clone()), (1.into(), weights.clone())].into(),
            baby_steps: 2,
            paired_by: None,
            folds: vec![],
        }],
        constants: vec![weights],
        polynomials: Vec::new(),
        outputs: vec![Register(9)],
    }
}

fn params() -> Params {
    let spec = ParamsSpec::generate(13, &[30], &vec![vec![25]; 3], &[30], 1, f64::from(1 << 25)).unwrap();
    Params::new(&spec).unwrap()
}

fn description(input_level: u8) -> Description {
    let layout = Layout { axes: vec![LayoutAxisEntry { extent: 4, stride: 1 }] };
    Description {
        model_id: "sample".to_owned(),
        version: "1.2.3".to_owned(),
        description: "A sample.".to_owned(),
        input: Input {
            shape: vec![2, 2],
            dimension: 4,
            ciphertexts: 1,
            layout: layout.clone(),
            level: input_level,
            range: None,
            scaling: None,
            name: String::new(),
            feature_names: Vec::new(),
            feature_ranges: Vec::new(),
        },
        output: Output {
            dimension: 4,
            ciphertexts: 1,
            layout,
            level: 0,
            dropped_bits: 3,
            gain: 1.0,
            range: None,
            labels: Vec::new(),
            postprocessing: "softmax".to_owned(),
        },
    }
}

fn written() -> (Vec<u8>, Vec<u8>) {
    write(description(3), &params(), &program()).unwrap()
}

/// The refusal of a package with one value of its manifest replaced.
fn refused(pointer: &str, value: Value) -> model_package::PackageError {
    let (manifest, weights) = written();
    let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
    *tree.pointer_mut(pointer).unwrap_or_else(|| panic!("there is no {pointer}")) = value;
    Package::from_bytes(tree.to_string().as_bytes(), &weights).unwrap_err()
}

#[test]
fn what_is_written_is_read_back() {
    let (manifest, weights) = written();
    let package = Package::from_bytes(&manifest, &weights).unwrap();
    assert_eq!(package.program, program());
    assert_eq!(package.params.id(), params().id());
    let again = write(description(3), &package.params, &package.program).unwrap();
    assert_eq!(again, (manifest, weights), "and written the same again");
}

#[test]
fn pairs_of_rotations_are_read_back_and_their_keys_listed() {
    let mut program = program();
    program.transforms[0].paired_by = Some(1);
    let (manifest, weights) = write(description(3), &params(), &program).unwrap();
    let package = Package::from_bytes(&manifest, &weights).unwrap();
    assert_eq!(package.program, program);
    let elements: Vec<u32> = package.manifest.evaluation_keys.galois.iter().map(|key| key.element).collect();
    assert!(elements.contains(&(2 * 8192 - 1)), "{elements:?}");
    let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
    for distance in [0, 4096] {
        tree["transforms"][0]["paired_by"] = json!(distance);
        let refusal = Package::from_bytes(tree.to_string().as_bytes(), &weights).unwrap_err();
        assert_eq!(refusal.field, "/program");
        let found = refusal.found.unwrap_or_default();
        assert!(found.contains(&format!("below 4096, the number of slots; found {distance}")), "{found}");
    }
}

#[test]
fn polynomials_of_both_bases_are_read_back() {
    let interval = PolynomialBasis::Chebyshev { low: -2.0, high: 3.0 };
    for basis in [PolynomialBasis::Power, interval] {
        let polynomial = Polynomial { basis, coefficients: vec![0.1, 0.2, 0.3] };
        let program = Program {
            instructions: vec![Instruction::Polynomial { input: Register(0), polynomial: 0 }],
            transforms: Vec::new(),
            constants: Vec::new(),
            polynomials: vec![polynomial],
            outputs: vec![Register(1)],
            ..program()
        };
        let facts = program.check(&params()).unwrap();
        let mut description = description(3);
        description.output.level = facts.output_levels[0].0;
        description.output.dropped_bits = 0;
        let (manifest, weights) = write(description, &params(), &program).unwrap();
        assert_eq!(Package::from_bytes(&manifest, &weights).unwrap().program, program);
    }
}

/// A parser that is off by one bit in the last place gives another program than the one that was compiled.
#[test]
fn numbers_are_read_to_the_last_bit() {
    let coefficients = vec![27.788281209843046, 13.117391378678779, -0.00041019813854582685];
    let program = Program {
        instructions: vec![Instruction::Polynomial { input: Register(0), polynomial: 0 }],
        transforms: Vec::new(),
        constants: Vec::new(),
        polynomials: vec![Polynomial { basis: PolynomialBasis::Power, coefficients }],
        outputs: vec![Register(1)],
        ..program()
    };
    let mut description = description(3);
    description.output.level = program.check(&params()).unwrap().output_levels[0].0;
    description.output.dropped_bits = 0;
    let (manifest, weights) = write(description, &params(), &program).unwrap();
    assert_eq!(Package::from_bytes(&manifest, &weights).unwrap().program, program);
}

#[test]
fn equal_weights_are_stored_once() {
    let (_, weights) = written();
    assert_eq!(weights.len(), 4 * 4, "two diagonals and a constant share four numbers");
}

#[test]
fn every_broken_rule_is_named_with_its_field() {
    let cases = [
        ("/format", json!("encrypted-inference-model/2"), "/format"),
        ("/parameters/params_id", json!("0".repeat(64)), "/parameters/params_id"),
        ("/parameters/levels/1/0", json!(33_554_431), "/parameters"),
        ("/parameters/log_degree", json!(12), "/parameters"),
        ("/parameters/scale", json!(0.0), "/parameters"),
        ("/input/shape", json!([2, 3]), "/input/dimension"),
        ("/input/shape", json!([65_536, 65_536, 65_536]), "/input/dimension"),
        ("/input/layout/axes/0/extent", json!(3), "/input/layout"),
        ("/input/layout/axes/0/extent", json!(2), "/input/layout"),
        ("/input/level", json!(4), "/program"),
        ("/input/level", json!(1), "/program"),
        ("/output/layout/axes/0/stride", json!(2), "/output/layout"),
        ("/output/ciphertexts", json!(2), "/output"),
        ("/output/level", json!(1), "/output/level"),
        ("/output/dropped_bits", json!(29), "/output/dropped_bits"),
        ("/output/labels", json!(["one"]), "/output/labels"),
        ("/output/postprocessing", json!("median"), "/output/postprocessing"),
        ("/constraints/max_batch_size", json!(0), "/constraints/max_batch_size"),
        ("/program/0/transform", json!(1), "/program"),
        ("/program/3/left", json!(9), "/program"),
        ("/outputs/0", json!(10), "/program"),
        ("/transforms/0/diagonals/1/rotation", json!(0), "/transforms/0/diagonals/1/rotation"),
        ("/transforms/0/diagonals/1/offset", json!(1), "/transforms/0/diagonals/1"),
        ("/constants/0/offset", json!(u32::MAX), "/constants/0"),
        ("/constants/0/length", json!(u32::MAX), "/constants/0"),
        ("/evaluation_keys/relinearization", json!(null), "/evaluation_keys"),
        ("/evaluation_keys/galois/0/level", json!(0), "/evaluation_keys"),
        ("/weights/file", json!("../weights.bin"), "/weights/file"),
        ("/weights/bytes", json!(12), "/weights/bytes"),
        ("/weights/sha256", json!("0".repeat(64)), "/weights/sha256"),
    ];
    for (pointer, value, field) in cases {
        let error = refused(pointer, value.clone());
        assert!(error.field.starts_with(field), "{pointer} = {value}: {error}");
        assert!(!error.rule.is_empty());
    }
}

#[test]
fn gains_that_erase_a_result_are_refused() {
    let (manifest, weights) = written();
    let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
    tree["output"]["gain"] = json!(0.0);
    assert_eq!(Package::from_bytes(tree.to_string().as_bytes(), &weights).unwrap_err().field, "/output/gain");
}

#[test]
fn scalings_that_lose_elements_are_refused() {
    let (manifest, weights) = written();
    let field = |scaling: Value| {
        let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
        tree["input"]["scaling"] = scaling;
        Package::from_bytes(tree.to_string().as_bytes(), &weights).map_err(|error| error.field)
    };
    assert!(field(json!([1.0, 0.5, 2.0, 4.0])).is_ok());
    assert!(field(json!([0.5])).is_ok());
    assert_eq!(field(json!([])).unwrap_err(), "/input/scaling");
    assert_eq!(field(json!([1.0, 0.5])).unwrap_err(), "/input/scaling");
    assert_eq!(field(json!([1.0, 0.5, 0.0, 4.0])).unwrap_err(), "/input/scaling/2");
}

#[test]
fn names_that_miss_or_repeat_elements_are_refused() {
    let (manifest, weights) = written();
    let field = |names: Value| {
        let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
        tree["input"]["feature_names"] = names;
        Package::from_bytes(tree.to_string().as_bytes(), &weights).map_err(|error| error.field)
    };
    assert!(field(json!(["a", "b", "c", "d"])).is_ok());
    assert_eq!(field(json!(["a", "b", "c"])).unwrap_err(), "/input/feature_names");
    assert_eq!(field(json!(["a", "b", "a", "d"])).unwrap_err(), "/input/feature_names/2");
}

#[test]
fn ranges_that_miss_elements_or_fall_are_refused() {
    let (manifest, weights) = written();
    let field = |ranges: Value| {
        let mut tree: Value = serde_json::from_slice(&manifest).unwrap();
        tree["input"]["feature_ranges"] = ranges;
        Package::from_bytes(tree.to_string().as_bytes(), &weights).map_err(|error| error.field)
    };
    assert!(field(json!([[0, 1], [2.5, 2.5], [-3, -1], [0, 0]])).is_ok());
    assert_eq!(field(json!([[0, 1]])).unwrap_err(), "/input/feature_ranges");
    assert_eq!(field(json!([[0, 1], [0, 1], [1, 0], [0, 1]])).unwrap_err(), "/input/feature_ranges/2");
}

#[test]
fn elements_are_scaled_by_one_factor_or_by_one_each() {
    let values = [3.0, -4.0];
    assert_eq!(scaled(&values, None), values);
    assert_eq!(scaled(&values, Some(&[0.5])), [1.5, -2.0]);
    assert_eq!(scaled(&values, Some(&[0.5, 0.25])), [1.5, -1.0]);
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    let (manifest, weights) = written();
    let tree: Value = serde_json::from_slice(&manifest).unwrap();
    for name in tree.as_object().unwrap().keys() {
        let mut without = tree.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(Package::from_bytes(without.to_string().as_bytes(), &weights).is_err(), "without {name}");
    }
    let mut with = tree;
    with["secret"] = json!(1);
    assert!(Package::from_bytes(with.to_string().as_bytes(), &weights).is_err());
}

#[test]
fn weights_that_were_touched_are_refused() {
    let (manifest, weights) = written();
    for change in [
        |weights: &mut Vec<u8>| weights[0] ^= 1,
        |weights: &mut Vec<u8>| weights.truncate(15),
        |weights: &mut Vec<u8>| weights.clear(),
    ] {
        let mut weights = weights.clone();
        change(&mut weights);
        let error = Package::from_bytes(&manifest, &weights).unwrap_err();
        assert!(error.field.starts_with("/weights"), "{error}");
    }
}

#[test]
fn summary_says_what_inspect_shows() {
    let (manifest, weights) = written();
    let summary = Package::from_bytes(&manifest, &weights).unwrap().summary();
    assert_eq!(summary.model, "sample 1.2.3");
    assert_eq!(summary.keys[0].name, "relinearization");
    assert!(summary.log_qp <= summary.max_log_qp);
    assert_eq!(summary.key_bytes(), summary.keys.iter().map(|key| key.bytes).sum::<usize>());
    assert!(summary.to_string().contains(&summary.params_id));
}
