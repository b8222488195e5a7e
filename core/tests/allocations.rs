//! What an evaluation allocates when it runs again.
#![allow(clippy::unwrap_used, missing_docs)]

use allocation_counter::measure;
use ckks_core::*;

/// Rotations, a polynomial, a product, and a sum of rotations.
fn program(slots: usize) -> Program {
    let diagonal = |k: u32| (0..slots).map(|i| (i as f64 * f64::from(k + 1)).sin() / 8.0).collect();
    let diagonals = (0..9).map(|k| (k.into(), diagonal(k))).collect();
    let transform = LinearTransform { baby_steps: 3, folds: vec![16], diagonals };
    let polynomial = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![0.1, 0.5, 0.25, -0.125] };
    Program {
        batch: 1,
        inputs: 1,
        input_level: Level(4),
        instructions: vec![
            Instruction::LinearTransform { inputs: vec![Register(0)], outputs: 1, transform: 0 },
            Instruction::Polynomial { input: Register(1), polynomial: 0 },
            Instruction::Multiply { left: Register(2), right: Register(2) },
            Instruction::RotateSum { input: Register(3), steps: vec![1, 2] },
        ],
        transforms: vec![transform],
        constants: vec![],
        polynomials: vec![polynomial],
        outputs: vec![Register(4)],
    }
}

#[test]
fn an_evaluation_that_runs_again_allocates_only_its_outputs() {
    let spec = ParamsSpec::generate(13, &[30], &vec![vec![28]; 4], &[30, 30], 2, f64::from(1 << 28)).unwrap();
    let params = Params::new(&spec).unwrap();
    let mut seeds = SeedSource::new(&Seed::new([3; 32]));
    let secret = SecretKey::generate(&params, &seeds.next_seed());
    let prepared = PreparedProgram::new(&params, &program(params.slots())).unwrap();
    let mut keys = EvaluationKeys::new();
    let needed = &prepared.facts().keys;
    if let Some(level) = needed.relinearization {
        let key = CompressedRelinearizationKey::generate(&params, &secret, level, &mut seeds).unwrap();
        keys.set_relinearization(key.prepare(&params).unwrap());
    }
    for (&element, &level) in &needed.galois {
        let key = CompressedGaloisKey::generate(&params, &secret, element, level, &mut seeds).unwrap();
        keys.insert_galois(key.prepare(&params).unwrap());
    }
    let level = params.max_level();
    let plaintext = Encoder::new(&params).encode_real(&[0.5, -0.25], level, params.scale_at(level)).unwrap();
    let input =
        [encrypt_symmetric(&params, &secret, &plaintext, &mut seeds).unwrap().expand(&params).unwrap()];

    let evaluate = || prepared.evaluate(&input, &keys).unwrap();
    let mut results = Vec::new();
    let runs = [(); 4].map(|()| measure(|| results.push(evaluate())));
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "memory is clean");
    let output: usize =
        results[0].iter().flat_map(Ciphertext::components).map(|c| size_of_val(c.residues())).sum();
    let limb = (size_of::<u32>() * params.degree()) as u64;
    println!("{} bytes of output; {runs:?}", output);
    assert!(runs[0].bytes_total > 50 * limb, "the first one allocates");
    for again in &runs[2..] {
        let besides = again.bytes_total.saturating_sub(output as u64);
        assert!(besides < limb, "{besides} bytes besides the output of {output}");
    }
}
