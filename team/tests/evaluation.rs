//! Evaluations on a pool: the bits of one thread, and no memory but the outputs' from the second one on.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
};

use allocation_counter::measure;
use ckks_core::*;
use evaluation_team::{Member, Pool};

/// Rotations, a polynomial, a product, and a sum of rotations.
fn program(slots: usize) -> Program {
    let diagonal = |k: u32| (0..slots).map(|i| (i as f64 * f64::from(k + 1)).sin() / 8.0).collect();
    let diagonals = (0..9).map(|k| (k.into(), diagonal(k))).collect();
    let transform = LinearTransform { baby_steps: 3, paired_by: None, folds: vec![16], diagonals };
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

struct World {
    prepared: PreparedProgram,
    keys: EvaluationKeys,
    input: [Ciphertext; 1],
    limb: u64,
}

fn world() -> World {
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
    World { prepared, keys, input, limb: (size_of::<u32>() * params.degree()) as u64 }
}

impl World {
    fn evaluate(&self, team: &Arc<dyn Team>) -> Vec<Ciphertext> {
        self.prepared.evaluate_while(&self.input, &self.keys, team, |_| true).unwrap().unwrap()
    }
}

/// Counts what helpers do and allocate.
#[derive(Debug)]
struct Counted {
    member: Member,
    evaluates: ThreadId,
    pieces: AtomicUsize,
    bytes: AtomicU64,
}

impl Team for Counted {
    fn share(&self, others: usize, step: &(dyn Fn() -> bool + Sync)) {
        self.member.share(others, &|| {
            let mut more = false;
            let taken = measure(|| more = step());
            if thread::current().id() != self.evaluates {
                self.pieces.fetch_add(usize::from(more), Ordering::Relaxed);
                self.bytes.fetch_add(taken.bytes_total, Ordering::Relaxed);
            }
            more
        });
    }
}

#[test]
fn a_pool_gives_the_bits_of_one_thread() {
    let world = world();
    let alone = world.evaluate(&(Arc::new(Alone) as Arc<dyn Team>));
    for cores in 1..=8 {
        let pool = Pool::new(NonZeroUsize::new(cores).unwrap()).unwrap();
        // Alone, then three at once.
        let team: Arc<dyn Team> = Arc::new(pool.join(NonZeroUsize::MAX));
        assert_eq!(world.evaluate(&team), alone, "{cores} cores");
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let team: Arc<dyn Team> = Arc::new(pool.join(NonZeroUsize::MAX));
                    assert_eq!(world.evaluate(&team), alone, "{cores} cores for several");
                });
            }
        });
    }
}

#[test]
fn a_helper_allocates_nothing_when_an_evaluation_runs_again() {
    let world = world();
    let pool = Pool::new(NonZeroUsize::new(2).unwrap()).unwrap();
    let counted = Arc::new(Counted {
        member: pool.join(NonZeroUsize::MAX),
        evaluates: thread::current().id(),
        pieces: AtomicUsize::new(0),
        bytes: AtomicU64::new(0),
    });
    let team: Arc<dyn Team> = Arc::clone(&counted) as _;
    // Until it has helped with everything there is: pieces go to whoever is free.
    let mut quiet = 0;
    for run in 0.. {
        let (pieces, bytes) = (counted.pieces.load(Ordering::Relaxed), counted.bytes.load(Ordering::Relaxed));
        world.evaluate(&team);
        let pieces = counted.pieces.load(Ordering::Relaxed) - pieces;
        let bytes = counted.bytes.load(Ordering::Relaxed) - bytes;
        // Short lists of limbs remain.
        quiet = if bytes < world.limb { quiet + usize::from(pieces > 0) } else { 0 };
        if quiet == 10 {
            break;
        }
        assert!(run < 2_000, "{bytes} bytes in {pieces} pieces after {run} evaluations");
    }
}
