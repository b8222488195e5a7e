//! What an evaluation allocates when it runs again, and at most.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{borrow::Cow, collections::BTreeMap};

use allocation_counter::measure;
use ckks_core::*;

/// Rotations, a polynomial, a product, and a sum of rotations.
fn program(slots: usize, paired_by: Option<u32>) -> Program {
    let diagonal = |k: u32| (0..slots).map(|i| (i as f64 * f64::from(k + 1)).sin() / 8.0).collect();
    let diagonals = (0..9).map(|k| (k.into(), diagonal(k))).collect();
    let transform = LinearTransform { baby_steps: 3, paired_by, folds: vec![16], diagonals };
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

/// A client's keys, as they are sent, and an input.
struct Client {
    params: Params,
    relinearization: Option<CompressedRelinearizationKey>,
    galois: BTreeMap<GaloisElement, CompressedGaloisKey>,
    input: [Ciphertext; 1],
}

impl Client {
    fn new(params: &Params, needed: &KeyRequirements) -> Self {
        let mut seeds = SeedSource::new(&Seed::new([3; 32]));
        let secret = SecretKey::generate(params, &seeds.next_seed());
        let relinearization = needed
            .relinearization
            .map(|level| CompressedRelinearizationKey::generate(params, &secret, level, &mut seeds).unwrap());
        let galois = needed.galois.iter().map(|(&element, &level)| {
            (element, CompressedGaloisKey::generate(params, &secret, element, level, &mut seeds).unwrap())
        });
        let galois = galois.collect();
        let level = params.max_level();
        let plaintext =
            Encoder::new(params).encode_real(&[0.5, -0.25], level, params.scale_at(level)).unwrap();
        let input =
            encrypt_symmetric(params, &secret, &plaintext, &mut seeds).unwrap().expand(params).unwrap();
        Self { params: params.clone(), relinearization, galois, input: [input] }
    }

    fn keys(&self) -> EvaluationKeys {
        let mut keys = EvaluationKeys::new();
        if let Some(key) = &self.relinearization {
            keys.set_relinearization(key.prepare(&self.params).unwrap());
        }
        self.galois.values().for_each(|key| keys.insert_galois(key.prepare(&self.params).unwrap()));
        keys
    }
}

/// Prepares each key when it is asked for it.
impl KeySource for Client {
    fn are_at_hand(&self) -> bool {
        false
    }

    fn relinearization(&self) -> Result<Cow<'_, RelinearizationKey>, Error> {
        let key = self.relinearization.as_ref().ok_or(Error::MissingRelinearizationKey)?;
        key.prepare(&self.params).map(Cow::Owned)
    }

    fn galois(&self, element: GaloisElement) -> Result<Cow<'_, GaloisKey>, Error> {
        let key = self.galois.get(&element).ok_or(Error::MissingGaloisKey { element })?;
        key.prepare(&self.params).map(Cow::Owned)
    }
}

fn params() -> Params {
    let spec = ParamsSpec::generate(13, &[30], &vec![vec![28]; 4], &[30, 30], 2, f64::from(1 << 28)).unwrap();
    Params::new(&spec).unwrap()
}

#[test]
fn an_evaluation_that_runs_again_allocates_only_its_outputs() {
    let limb = (size_of::<u32>() * params().degree()) as u64;
    let [first, _] = [None, Some(3)].map(allocated_at_first);
    assert!(first > 50 * limb, "the first one allocates");
}

/// The bytes that the first evaluation allocates, where those after it allocate their outputs only.
fn allocated_at_first(paired_by: Option<u32>) -> u64 {
    let params = params();
    let prepared = PreparedProgram::new(&params, &program(params.slots(), paired_by)).unwrap();
    let client = Client::new(&params, &prepared.facts().keys);
    let keys = client.keys();

    let evaluate = || prepared.evaluate(&client.input, &keys).unwrap();
    let mut results = Vec::new();
    let runs = [(); 4].map(|()| measure(|| results.push(evaluate())));
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "memory is clean");
    let output: usize =
        results[0].iter().flat_map(Ciphertext::components).map(|c| size_of_val(c.residues())).sum();
    let limb = (size_of::<u32>() * params.degree()) as u64;
    println!("{} bytes of output; {runs:?}", output);
    for again in &runs[2..] {
        let besides = again.bytes_total.saturating_sub(output as u64);
        assert!(besides < limb, "{besides} bytes besides the output of {output}");
    }
    runs[0].bytes_total
}

/// In WebAssembly all tests share a thread, and its memory.
#[cfg(not(target_family = "wasm"))]
#[test]
fn keys_one_at_a_time_and_factors_as_used_take_what_is_told_beforehand() {
    for paired_by in [None, Some(3)] {
        assert_takes_what_is_told_beforehand(paired_by);
    }
}

#[cfg(not(target_family = "wasm"))]
fn assert_takes_what_is_told_beforehand(paired_by: Option<u32>) {
    let params = params();
    let program = program(params.slots(), paired_by);
    let facts = program.check(&params).unwrap();
    let client = Client::new(&params, &facts.keys);
    let expected = PreparedProgram::new(&params, &program).unwrap();
    let expected = expected.evaluate(&client.input, &client.keys()).unwrap();
    let encoding = FactorEncoding::AsUsed;
    let working = program.working_bytes(&params, &facts, encoding);
    let key = facts.keys.largest_prepared_bytes(&params);
    let (diagonals, table) =
        (program.transforms[0].diagonals.len(), program.factor_bytes(&params, &facts, encoding));
    assert_eq!(table, diagonals * params.slots() * size_of::<f64>());

    let team: std::sync::Arc<dyn Team> = std::sync::Arc::new(Alone);
    let prepared = PreparedProgram::encoding_as_used(&params, program).unwrap();
    // In a thread of its own, which has no memory of earlier evaluations.
    let evaluation = std::thread::scope(|scope| {
        let measured = || {
            let mut outputs = None;
            let found = measure(|| {
                outputs = prepared.evaluate_from(&client.input, &client, &team, |_| true).unwrap();
            });
            (found, outputs)
        };
        scope.spawn(measured).join()
    });
    let (found, outputs) = evaluation.unwrap();
    assert_eq!(outputs, Some(expected));
    println!("{} bytes at most, {working} and a key of {key} were told", found.bytes_max);
    assert!(found.bytes_max <= (working + key) as u64);
    assert!(2 * found.bytes_max > working as u64, "the bound is not idle");
}
