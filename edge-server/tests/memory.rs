//! The memory that an evaluation is accounted with, against what it takes.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, num::NonZeroUsize, path::Path, sync::Arc, thread};

use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, Encoder, EvaluationKeys, FactorEncoding,
    PreparedProgram, SecretKey, Seed, SeedSource, Team, encrypt_symmetric,
};
use evaluation_team::Pool;
use model_package::Package;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How far the bound may lie above what is taken: so far that nobody waits for memory that is free.
const SLACK: usize = 4;

#[test]
fn an_evaluation_takes_no_more_than_it_is_accounted_with() {
    // A thread for each, since a thread keeps memory for its next evaluation.
    for model in ["breast_cancer_logistic", "mnist_mlp", "mnist_cnn"] {
        thread::spawn(move || evaluate(model)).join().unwrap();
    }
}

fn evaluate(model: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(model).join("package");
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let package = Package::from_bytes(&read("manifest.json"), &read("weights.bin")).unwrap();
    let (params, facts) = (&package.params, &package.facts);
    let mut seeds = SeedSource::new(&Seed::new([1; 32]));
    let secret = SecretKey::generate(params, &seeds.next_seed());
    let mut keys = EvaluationKeys::new();
    if let Some(level) = facts.keys.relinearization {
        let key = CompressedRelinearizationKey::generate(params, &secret, level, &mut seeds).unwrap();
        keys.set_relinearization(key.prepare(params).unwrap());
    }
    for (&element, &level) in &facts.keys.galois {
        let key = CompressedGaloisKey::generate(params, &secret, element, level, &mut seeds).unwrap();
        keys.insert_galois(key.prepare(params).unwrap());
    }
    let level = package.program.input_level;
    let zero = Encoder::new(params).encode_real(&[0.0], level, params.scale_at(level)).unwrap();
    let inputs: Vec<_> = (0..package.program.inputs)
        .map(|_| encrypt_symmetric(params, &secret, &zero, &mut seeds).unwrap().expand(params).unwrap())
        .collect();
    let prepared = PreparedProgram::new(params, &package.program).unwrap();

    // One thread, then with others, which keep what they have worked with; the first has what it needs by then.
    let mut first = true;
    for cores in [1, 1, 1, 4] {
        let pool = Pool::new(NonZeroUsize::new(cores).unwrap()).unwrap();
        let team: Arc<dyn Team> = Arc::new(pool.join(NonZeroUsize::MAX));
        let evaluate = || prepared.evaluate_while(&inputs, &keys, &team, |_| true).unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outputs = evaluate();
        let taken = MEMORY.peak_usage() - before;
        let helpers = (cores - 1) * package.program.helper_bytes(params, facts);
        let kept = outputs.iter().flatten().flat_map(Ciphertext::components);
        let kept: usize = kept.map(|poly| size_of_val(poly.residues())).sum();
        let accounted = match cores {
            1 => package.program.working_bytes(params, facts, FactorEncoding::Ahead),
            _ => helpers + kept + (64 << 10),
        };
        println!("{model}, {cores} cores: {taken} bytes taken, {accounted} accounted");
        assert!(taken <= accounted, "{model}: {taken} taken, {accounted} accounted");
        if first {
            assert!(accounted <= SLACK * taken, "{model}: {taken} taken, {accounted} accounted");
        }
        first = false;
        drop(outputs);
    }
}
