//! Twins: every instruction on ciphertexts against the same on plain numbers, with stated bits.

use alloc::{borrow::Cow, collections::BTreeMap, sync::Arc, vec, vec::Vec};
use core::cell::Cell;

use super::EncryptedMachine;
use crate::{
    Alone, Backend, Ciphertext, Complex, CompressedGaloisKey, CompressedRelinearizationKey, Diagonal,
    Encoder, Error, EvaluationKeys, FactorEncoding, GaloisElement, GaloisKey, Instruction, KeyRequirements,
    KeySource, Level, LinearTransform, Params, ParamsSpec, Polynomial, PolynomialBasis, PreparedProgram,
    Program, ProgramError, Register, RelinearizationKey, SecretKey, Seed, SeedSource, Team,
    circuits::interpreter, decrypt, encrypt_symmetric,
};

/// A client and a server in one place, with only the keys that a program says it needs.
struct Bench {
    params: Params,
    encoder: Encoder,
    secret: SecretKey,
    seeds: SeedSource,
}

impl Bench {
    fn new(log_degree: u8, levels: &[Vec<u8>], scale_bits: u32) -> Self {
        Self::on(Backend::detect(), log_degree, levels, scale_bits)
    }

    fn on(backend: Backend, log_degree: u8, levels: &[Vec<u8>], scale_bits: u32) -> Self {
        let base = if scale_bits > 30 { &[30, 30][..] } else { &[30] };
        let scale = (1u64 << scale_bits) as f64;
        let spec = ParamsSpec::generate(log_degree, base, levels, &[30, 30], 2, scale).expect("primes exist");
        let params = Params::insecure_on(&spec, backend).expect("valid");
        let secret = SecretKey::generate(&params, &Seed::new([1; 32]));
        let seeds = SeedSource::new(&Seed::new([2; 32]));
        Self { encoder: Encoder::new(&params), params, secret, seeds }
    }

    /// One 28-bit prime per level.
    fn single(log_degree: u8, depth: usize) -> Self {
        Self::new(log_degree, &vec![vec![28]; depth], 28)
    }

    /// Two primes, 50 bits, per level.
    fn double(log_degree: u8, depth: usize) -> Self {
        Self::new(log_degree, &vec![vec![25, 25]; depth], 50)
    }

    fn keys(&mut self, needed: &KeyRequirements) -> EvaluationKeys {
        let mut keys = EvaluationKeys::new();
        let (params, secret, seeds) = (&self.params, &self.secret, &mut self.seeds);
        if let Some(level) = needed.relinearization {
            let key = CompressedRelinearizationKey::generate(params, secret, level, seeds).expect("valid");
            keys.set_relinearization(key.prepare(params).expect("its own parameters"));
        }
        for (&element, &level) in &needed.galois {
            let key = CompressedGaloisKey::generate(params, secret, element, level, seeds).expect("valid");
            keys.insert_galois(key.prepare(params).expect("its own parameters"));
        }
        keys
    }

    fn encrypt(&mut self, values: &[f64], level: Level) -> Ciphertext {
        let plaintext = self.encoder.encode_real(values, level, self.params.scale_at(level)).expect("fits");
        let fresh =
            encrypt_symmetric(&self.params, &self.secret, &plaintext, &mut self.seeds).expect("valid");
        fresh.expand(&self.params).expect("its own parameters")
    }

    /// Runs a program on plain numbers, one sample of the batch after the other.
    fn evaluate_clear(&self, program: &Program, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (slots, batch) = (self.params.slots(), program.batch as usize);
        let mut interleaved = vec![vec![0.0; slots]; program.outputs.len()];
        for b in 0..batch {
            let sample = |all: &Vec<f64>| all.iter().skip(b).step_by(batch).copied().collect();
            let sample: Vec<Vec<f64>> = inputs.iter().map(sample).collect();
            let outputs = program.evaluate_clear(slots / batch, &sample).expect("a valid program");
            for (all, output) in interleaved.iter_mut().zip(&outputs) {
                all.iter_mut().skip(b).step_by(batch).zip(output).for_each(|(slot, value)| *slot = *value);
            }
        }
        interleaved
    }

    /// Runs a program both ways and returns the bits of the worst slot of all outputs.
    fn precision(&mut self, program: &Program, inputs: &[Vec<f64>]) -> f64 {
        let prepared = PreparedProgram::new(&self.params, program).expect("a valid program");
        let keys = self.keys(&prepared.facts().keys);
        let encrypted: Vec<_> =
            inputs.iter().map(|values| self.encrypt(values, program.input_level)).collect();
        let outputs = prepared.evaluate(&encrypted, &keys).expect("levels and keys suffice");
        let expected = self.evaluate_clear(program, inputs);
        assert_eq!(outputs.len(), expected.len());
        let mut worst = 0.0f64;
        for ((output, expected), &level) in outputs.iter().zip(&expected).zip(&prepared.facts().output_levels)
        {
            assert_eq!((output.level(), output.scale()), (level, self.params.scale_at(level)));
            let plaintext = decrypt(&self.params, &self.secret, output).expect("same parameters");
            for (got, want) in
                self.encoder.decode_real(&plaintext).expect("its own parameters").iter().zip(expected)
            {
                worst = worst.max((got - want).abs());
            }
        }
        -worst.log2()
    }
}

macro_rules! assert_precision {
    ($bench:expr, $program:expr, $inputs:expr, $bits:expr) => {
        let bits = $bench.precision(&$program, $inputs);
        assert!(bits >= f64::from($bits), "{bits:.1} bits, expected {}", $bits);
    };
}

// Below the macro that it uses.
mod pairs;

/// Pseudorandom numbers in [−1, 1].
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: u64) -> u32 {
        (self.next() % bound) as u32
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 30) as f64 - 1.0
    }

    fn vector(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.unit()).collect()
    }
}

const INPUT: Register = Register(0);

fn program(input_level: u8, instructions: Vec<Instruction>) -> Program {
    let outputs = vec![Register(instructions.len() as u32)];
    let (transforms, constants, polynomials) = (vec![], vec![], vec![]);
    Program {
        batch: 1,
        inputs: 1,
        input_level: Level(input_level),
        instructions,
        transforms,
        constants,
        polynomials,
        outputs,
    }
}

fn transform(rotations: &[u32], baby_steps: u32, period: usize, numbers: &mut Numbers) -> LinearTransform {
    let diagonals: BTreeMap<_, _> = rotations.iter().map(|&k| (k.into(), numbers.vector(period))).collect();
    LinearTransform { diagonals, baby_steps, paired_by: None, folds: vec![] }
}

fn with_transform(level: u8, transform: LinearTransform) -> Program {
    let instructions = vec![Instruction::transform(INPUT, 0)];
    Program { transforms: vec![transform], ..program(level, instructions) }
}

#[test]
fn a_special_modulus_too_large_to_divide_at_once_is_divided_first() {
    let levels = [vec![25, 25], vec![25, 25]];
    let spec = ParamsSpec::generate(7, &[30, 30], &levels, &[30; 14], 6, (1u64 << 50) as f64);
    let params = Params::insecure(&spec.expect("primes exist")).expect("valid");
    let mut bench = Bench { params, ..Bench::double(7, 2) };
    bench.encoder = Encoder::new(&bench.params);
    bench.secret = SecretKey::generate(&bench.params, &Seed::new([1; 32]));
    let mut numbers = Numbers(1);
    let dense = with_transform(2, transform(&[0, 1, 2, 9], 4, 16, &mut numbers));
    assert_precision!(bench, dense, &[numbers.vector(64)], 30);
}

#[test]
fn linear_transforms_agree_for_every_split() {
    let (mut bench, mut numbers) = (Bench::single(7, 2), Numbers(1));
    let input = vec![numbers.vector(64)];
    for baby_steps in [1, 2, 3, 4, 8, 16, 64] {
        let all: Vec<u32> = (0..16).collect();
        let dense = with_transform(2, transform(&all, baby_steps, 16, &mut numbers));
        assert_precision!(bench, dense, &input, 18);
        let sparse = with_transform(1, transform(&[3, 17, 50, 63], baby_steps, 64, &mut numbers));
        let folds = vec![16, 0, 5];
        let folded = LinearTransform { folds, ..transform(&[0, 1, 9], baby_steps, 64, &mut numbers) };
        assert_precision!(bench, with_transform(2, folded), &input, 11);
        assert_precision!(bench, sparse, &input, 18);
    }
}

/// A program of one transform from several inputs to several outputs.
fn of_blocks(level: u8, [inputs, outputs]: [u32; 2], transform: LinearTransform) -> Program {
    let inputs = (0..inputs).map(Register).collect::<Vec<_>>();
    let first = inputs.len() as u32;
    let instruction = Instruction::LinearTransform { inputs, outputs, transform: 0 };
    let outputs = (first..first + outputs).map(Register).collect();
    Program { inputs: first, outputs, ..with_transform(level, transform) }.with(instruction)
}

impl Program {
    fn with(self, instruction: Instruction) -> Self {
        Self { instructions: vec![instruction], ..self }
    }
}

/// Blocks of random diagonals.
fn blocks([inputs, outputs]: [u32; 2], rotations: &[u32], numbers: &mut Numbers) -> LinearTransform {
    let mut diagonals = BTreeMap::new();
    for at in 0..inputs * outputs {
        for &rotation in rotations {
            let rotation = (rotation + 5 * at) % 64;
            let at = Diagonal { output: at / inputs, input: at % inputs, rotation };
            diagonals.insert(at, numbers.vector(32));
        }
    }
    LinearTransform { diagonals, baby_steps: 8, paired_by: None, folds: vec![] }
}

#[test]
fn transforms_take_several_vectors_to_several() {
    let (mut bench, mut numbers) = (Bench::single(7, 2), Numbers(8));
    let inputs: Vec<_> = (0..3).map(|_| numbers.vector(64)).collect();
    let transform = blocks([3, 2], &[0, 1, 9, 40], &mut numbers);
    assert_precision!(bench, of_blocks(2, [3, 2], transform.clone()), &inputs, 17);
    let folded = LinearTransform { folds: vec![32], ..transform };
    assert_precision!(bench, of_blocks(2, [3, 2], folded), &inputs, 16);
    let mut slotwise = blocks([3, 2], &[0], &mut numbers);
    let unrotated = |(at, factors)| (Diagonal { rotation: 0, ..at }, factors);
    slotwise.diagonals = slotwise.diagonals.into_iter().map(unrotated).collect();
    assert_precision!(bench, of_blocks(1, [3, 2], slotwise.clone()), &inputs, 19);
    // An input that plays no part, and two outputs of which one needs no rotation.
    slotwise.diagonals.retain(|at, _| at.input != 1);
    slotwise.diagonals.insert(Diagonal { output: 1, input: 2, rotation: 3 }, vec![0.5]);
    assert_precision!(bench, of_blocks(1, [3, 2], slotwise), &inputs, 19);
}

#[test]
fn inputs_share_giant_steps_and_outputs_share_baby_steps() {
    let bench = Bench::single(7, 1);
    let blocks = |inputs, outputs| {
        let all = (0..inputs * outputs * 16).map(|k| Diagonal {
            output: k / 16 / inputs,
            input: k / 16 % inputs,
            rotation: k % 16,
        });
        let diagonals = all.map(|at| (at, vec![0.5])).collect();
        let transform = LinearTransform { diagonals, baby_steps: 4, paired_by: None, folds: vec![] };
        let facts = of_blocks(1, [inputs, outputs], transform).check(&bench.params).expect("valid");
        (facts.key_switches, facts.hoisted, facts.plain_multiplications)
    };
    assert_eq!(blocks(1, 1), (3 + 3, 2, 16));
    assert_eq!(blocks(1, 5), (3 + 5 * 3, 2, 80));
    assert_eq!(blocks(5, 1), (5 * 3 + 3, 10, 80));
}

#[test]
fn samples_of_a_batch_do_not_meet() {
    let mut numbers = Numbers(9);
    let batched = |batch: u32, numbers: &mut Numbers| {
        let mut random = random_program(numbers, 64 / batch as usize, 4);
        random.batch = batch;
        random
    };
    for batch in [1, 2, 4] {
        let mut bench = Bench::double(7, 4);
        let inputs = [numbers.vector(64), numbers.vector(64)];
        assert_precision!(bench, batched(batch, &mut numbers), &inputs, 30);
    }
    let whole = Program { batch: 128, ..batched(1, &mut numbers) };
    let found = whole.check(&Bench::double(7, 4).params);
    assert_eq!(found, Err(ProgramError::Batch { slots: 64, found: 128 }));
}

#[test]
fn the_split_does_not_change_the_map() {
    let mut numbers = Numbers(2);
    let input = numbers.vector(64);
    let naive = transform(&(0..64).collect::<Vec<_>>(), 64, 64, &mut numbers);
    let mut bench = Bench::double(7, 1);
    for baby_steps in [1, 8] {
        let split = LinearTransform { baby_steps, ..naive.clone() };
        assert_precision!(bench, with_transform(1, split), std::slice::from_ref(&input), 38);
    }
}

#[test]
fn more_diagonals_than_one_sum_holds() {
    let (mut bench, mut numbers) = (Bench::single(7, 1), Numbers(3));
    let input = vec![numbers.vector(64)];
    let wide = with_transform(1, transform(&(0..40).collect::<Vec<_>>(), 64, 8, &mut numbers));
    assert_precision!(bench, wide, &input, 17);
}

#[test]
fn every_simple_instruction_agrees() {
    let mut numbers = Numbers(4);
    let inputs = [numbers.vector(64), numbers.vector(64)];
    let constants = vec![numbers.vector(64), numbers.vector(4), vec![0.5]];
    let (left, right) = (Register(0), Register(1));
    for (instruction, bits) in [
        (Instruction::RotateSum { input: left, steps: vec![1, 2, 4, 8, 16, 32] }, 17),
        (Instruction::RotateSum { input: left, steps: vec![0, 5] }, 19),
        (Instruction::AddPlain { input: left, constant: 0 }, 20),
        (Instruction::AddPlain { input: left, constant: 2 }, 20),
        (Instruction::MultiplyPlain { input: left, constant: 1 }, 20),
        (Instruction::Add { left, right }, 20),
        (Instruction::Subtract { left, right }, 20),
        (Instruction::Multiply { left, right }, 20),
        (Instruction::Multiply { left, right: left }, 20),
        (Instruction::DropLevel { input: left, level: Level(2) }, 20),
        (Instruction::DropLevel { input: left, level: Level(1) }, 20),
        (Instruction::DropLevel { input: left, level: Level(0) }, 20),
        (Instruction::Rotate { input: left, steps: 0 }, 20),
        (Instruction::Rotate { input: left, steps: 63 }, 20),
    ] {
        for level in [3, 2] {
            let mut one = program(level, vec![instruction.clone()]);
            (one.inputs, one.outputs, one.constants) = (2, vec![Register(2)], constants.clone());
            let mut bench = Bench::single(7, 3);
            assert_precision!(bench, one, &inputs, bits);
        }
    }
}

fn polynomial_program(level: u8, basis: PolynomialBasis, coefficients: Vec<f64>) -> Program {
    let instructions = vec![Instruction::Polynomial { input: INPUT, polynomial: 0 }];
    Program { polynomials: vec![Polynomial { basis, coefficients }], ..program(level, instructions) }
}

/// The worst precision over degrees 1 to 31, dense and odd, on an interval.
fn assert_polynomials(bench: &mut Bench, basis: PolynomialBasis, range: f64, bits: f64) {
    let mut numbers = Numbers(5);
    for degree in 1..=31usize {
        let input = numbers.vector(bench.params.slots()).iter().map(|x| x * range).collect::<Vec<_>>();
        let dense: Vec<f64> =
            numbers.vector(degree + 1).iter().map(|c| c + 1.5).map(|c| c / degree as f64).collect();
        let odd: Vec<f64> =
            dense.iter().enumerate().map(|(i, c)| if i % 2 == 1 { *c } else { 0.0 }).collect();
        for coefficients in [dense, odd] {
            let program = polynomial_program(bench.params.max_level().0, basis, coefficients);
            let found = bench.precision(&program, std::slice::from_ref(&input));
            assert!(found >= bits, "degree {degree}: {found:.1} bits");
        }
    }
}

#[test]
fn polynomials_agree_with_horner() {
    assert_polynomials(&mut Bench::single(6, 5), PolynomialBasis::Power, 1.0, 17.0);
}

#[test]
fn polynomials_agree_with_clenshaw() {
    let basis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };
    assert_polynomials(&mut Bench::single(6, 5), basis, 1.0, 14.0);
}

#[test]
fn polynomials_agree_on_other_intervals_and_with_two_primes_per_level() {
    let basis = PolynomialBasis::Chebyshev { low: -8.0, high: 9.0 };
    assert_polynomials(&mut Bench::double(6, 6), basis, 8.0, 38.0);
}

/// A random program of every kind of instruction that keeps values small.
fn random_program(numbers: &mut Numbers, slots: usize, level: u8) -> Program {
    let mut random = program(level, vec![]);
    random.inputs = 2;
    random.constants = vec![numbers.vector(slots), numbers.vector(2)];
    random.transforms = vec![transform(&[0, 1, 5, 9], 4, slots, numbers), transform(&[2, 3], 2, 1, numbers)];
    random.transforms[0].paired_by = [None, Some(1), Some(4), Some(8)][numbers.below(4) as usize];
    random.transforms.iter_mut().for_each(|t| t.diagonals.values_mut().flatten().for_each(|f| *f /= 4.0));
    let half = |basis, count| Polynomial { basis, coefficients: vec![0.25; count] };
    random.polynomials =
        vec![half(PolynomialBasis::Power, 3), half(PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 }, 4)];
    let mut levels = vec![level; 2];
    for _ in 0..12 {
        let input = Register(numbers.below(levels.len() as u64));
        let at = levels[input.index()];
        let entry = numbers.below(2);
        let same: Vec<usize> = (0..levels.len()).filter(|&i| levels[i] == at).collect();
        let right = Register(same[numbers.below(same.len() as u64) as usize] as u32);
        let (instruction, level) = match numbers.below(9) {
            0 if at > 0 => (Instruction::transform(input, entry), at - 1),
            1 => (Instruction::Rotate { input, steps: numbers.below(slots as u64) }, at),
            2 => (Instruction::AddPlain { input, constant: entry }, at),
            3 if at > 0 => (Instruction::MultiplyPlain { input, constant: entry }, at - 1),
            4 => (Instruction::Subtract { left: input, right }, at),
            5 if at > 0 => (Instruction::Multiply { left: input, right }, at - 1),
            6 if at > 1 => (Instruction::Polynomial { input, polynomial: entry }, at - 2),
            7 if at > 0 => (Instruction::DropLevel { input, level: Level(at - 1) }, at - 1),
            _ => (Instruction::Add { left: input, right }, at),
        };
        random.instructions.push(instruction);
        levels.push(level);
    }
    random.outputs = vec![Register(levels.len() as u32 - 1), Register(levels.len() as u32 - 3), INPUT];
    random
}

#[test]
fn random_programs_agree_and_their_keys_are_exactly_enough() {
    let (mut bench, mut numbers) = (Bench::double(6, 4), Numbers(6));
    for _ in 0..30 {
        let random = random_program(&mut numbers, 32, 4);
        let inputs = [numbers.vector(32), numbers.vector(32)];
        let largest = random
            .evaluate_clear(32, &inputs)
            .expect("valid")
            .concat()
            .iter()
            .fold(1.0f64, |m, v| m.max(v.abs()));
        let bits = bench.precision(&random, &inputs) + largest.log2();
        assert!(bits > 36.0, "{bits:.1} bits of {random:?}");
        assert_keys_are_tight(&mut bench, &random);
    }
}

/// Without any single key, and with any key one level lower, the program itself fails.
fn assert_keys_are_tight(bench: &mut Bench, program: &Program) {
    let prepared = PreparedProgram::new(&bench.params, program).expect("valid");
    let inputs: Vec<_> = (0..program.inputs).map(|_| bench.encrypt(&[0.5], program.input_level)).collect();
    let needed = prepared.facts().keys.clone();
    let mut outcome = |fewer: &KeyRequirements| {
        let keys = bench.keys(fewer);
        let machine = EncryptedMachine::new(&prepared, &keys, prepared.evaluator.clone());
        let result = interpreter::run(&machine, &prepared.code, &inputs);
        assert_eq!(prepared.check_keys(&keys).err(), result.as_ref().err().cloned());
        result.map(|_| ())
    };
    for (&element, &level) in &needed.galois {
        let mut fewer = needed.clone();
        fewer.galois.remove(&element);
        assert_eq!(outcome(&fewer), Err(Error::MissingGaloisKey { element }));
        if let Some(below) = level.below() {
            fewer.galois.insert(element, below);
            assert_eq!(outcome(&fewer), Err(Error::KeyLevelTooLow { needed: level, found: below }));
        }
    }
    if let Some(level) = needed.relinearization {
        let none = KeyRequirements { relinearization: None, ..needed.clone() };
        assert_eq!(outcome(&none), Err(Error::MissingRelinearizationKey));
        let below = level.below().expect("a product takes a level");
        let lower = KeyRequirements { relinearization: Some(below), ..needed.clone() };
        assert_eq!(outcome(&lower), Err(Error::KeyLevelTooLow { needed: level, found: below }));
    }
    assert_eq!(outcome(&needed), Ok(()));
}

#[test]
fn polynomial_relinearizes_up_to_the_stated_level() {
    let mut bench = Bench::single(6, 5);
    for degree in [2, 3, 5, 8, 15, 20] {
        let basis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };
        assert_keys_are_tight(&mut bench, &polynomial_program(5, basis, vec![0.5; degree + 1]));
    }
}

#[test]
fn refuses_inputs_that_do_not_fit() {
    let mut bench = Bench::single(6, 2);
    let instructions = vec![Instruction::Rotate { input: INPUT, steps: 1 }];
    let prepared = PreparedProgram::new(&bench.params, &program(2, instructions)).expect("valid");
    let keys = bench.keys(&prepared.facts().keys);
    let (right, low) = (bench.encrypt(&[1.0], Level(2)), bench.encrypt(&[1.0], Level(1)));
    assert_eq!(prepared.evaluate(&[], &keys), Err(Error::InputCount { expected: 1, found: 0 }));
    let refusal = prepared.evaluate(std::slice::from_ref(&low), &keys);
    assert_eq!(refusal, Err(Error::LevelMismatch { expected: Level(2), found: Level(1) }));
    let wrong_scale = Ciphertext { scale: bench.params.scale_at(Level(0)), ..right.clone() };
    assert!(matches!(prepared.evaluate(&[wrong_scale], &keys), Err(Error::ScaleMismatch { .. })));
    let element = GaloisElement::rotation(&bench.params, 1);
    let missing = prepared.evaluate(std::slice::from_ref(&right), &EvaluationKeys::new());
    assert_eq!(missing, Err(Error::MissingGaloisKey { element }));
    let other = Bench::single(7, 2).encrypt(&[1.0], Level(2));
    assert!(matches!(prepared.evaluate(&[other], &keys), Err(Error::ParamsMismatch { .. })));
    assert_eq!(prepared.evaluate(std::slice::from_ref(&right), &keys), prepared.evaluate(&[right], &keys));
}

#[test]
fn every_kind_of_vector_instructions_gives_the_same_bits() {
    let random = random_program(&mut Numbers(7), 64, 4);
    let outputs = Backend::available().map(|backend| {
        let mut bench = Bench::on(backend, 7, &vec![vec![28]; 4], 28);
        let prepared = PreparedProgram::new(&bench.params, &random).expect("valid");
        let keys = bench.keys(&prepared.facts().keys);
        let inputs = [0.25, -0.5].map(|value| bench.encrypt(&[value; 64], Level(4)));
        prepared.evaluate(&inputs, &keys).expect("levels and keys suffice")
    });
    let outputs: Vec<_> = outputs.collect();
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

/// Makes each key when it is asked for it, and counts how often it was for that of products.
struct OnDemand<'a>(&'a EvaluationKeys, Cell<usize>);

impl KeySource for OnDemand<'_> {
    fn are_at_hand(&self) -> bool {
        false
    }

    fn relinearization(&self) -> Result<Cow<'_, RelinearizationKey>, Error> {
        self.1.set(self.1.get() + 1);
        self.0.relinearization().cloned().map(Cow::Owned)
    }

    fn galois(&self, element: GaloisElement) -> Result<Cow<'_, GaloisKey>, Error> {
        self.0.galois(element).cloned().map(Cow::Owned)
    }
}

#[test]
fn factors_as_used_and_keys_on_demand_give_the_same_bits() {
    let mut numbers = Numbers(12);
    for seed in 0..12 {
        let mut bench = if seed % 2 == 0 { Bench::single(7, 4) } else { Bench::double(7, 4) };
        let mut random = random_program(&mut numbers, bench.params.slots(), 4);
        let rotations: Vec<u32> = (0..11).collect();
        random.transforms[0] = transform(&rotations, 6, bench.params.slots(), &mut numbers);
        random.transforms[0].paired_by = [None, Some(3), Some(6)][seed % 3];
        let ahead = PreparedProgram::new(&bench.params, &random).expect("valid");
        let as_used = PreparedProgram::encoding_as_used(&bench.params, random.clone()).expect("valid");
        for (prepared, encoding) in [(&ahead, FactorEncoding::Ahead), (&as_used, FactorEncoding::AsUsed)] {
            assert_eq!(random.factor_bytes(&bench.params, ahead.facts(), encoding), prepared.bytes());
        }
        let keys = bench.keys(&ahead.facts().keys);
        let needed = &ahead.facts().keys;
        assert_eq!(keys.bytes(), needed.prepared_bytes(&bench.params));
        let inputs: Vec<_> =
            (0..random.inputs).map(|_| bench.encrypt(&numbers.vector(64), random.input_level)).collect();
        let expected = ahead.evaluate(&inputs, &keys).expect("levels and keys suffice");
        let team = Arc::new(Alone) as Arc<dyn Team>;
        let sources: [&dyn KeySource; 2] = [&keys, &OnDemand(&keys, Cell::new(0))];
        for prepared in [&ahead, &as_used] {
            for source in sources {
                let outputs = prepared.evaluate_from(&inputs, source, &team, |_| true);
                assert_eq!(outputs.expect("levels and keys suffice"), Some(expected.clone()));
            }
        }
    }
}

#[test]
fn a_polynomial_asks_once_for_the_key_of_its_products() {
    for (degree, asked) in [(1, 0), (2, 1), (15, 1)] {
        let mut bench = Bench::single(7, 4);
        let polynomial = polynomial_program(4, PolynomialBasis::Power, vec![0.5; degree + 1]);
        let prepared = PreparedProgram::new(&bench.params, &polynomial).expect("valid");
        let keys = bench.keys(&prepared.facts().keys);
        let source = OnDemand(&keys, Cell::new(0));
        let input = bench.encrypt(&[0.25; 64], Level(4));
        let team = Arc::new(Alone) as Arc<dyn Team>;
        prepared.evaluate_from(&[input], &source, &team, |_| true).expect("levels and keys suffice");
        assert_eq!(source.1.get(), asked, "degree {degree}");
    }
}

#[test]
fn a_key_that_is_missing_is_named_before_the_first_instruction_where_keys_are_at_hand() {
    let mut bench = Bench::single(6, 2);
    let rotate = Instruction::Rotate { input: Register(1), steps: 3 };
    let square = Instruction::Multiply { left: Register(0), right: Register(0) };
    let program = Program {
        batch: 1,
        inputs: 1,
        input_level: Level(2),
        instructions: vec![square, rotate],
        transforms: vec![],
        constants: vec![],
        polynomials: vec![],
        outputs: vec![Register(2)],
    };
    let prepared = PreparedProgram::new(&bench.params, &program).expect("valid");
    let element = GaloisElement::rotation(&bench.params, 3);
    let mut needed = prepared.facts().keys.clone();
    needed.galois.remove(&element).expect("it rotates");
    let keys = bench.keys(&needed);
    let inputs = [bench.encrypt(&[0.5], Level(2))];
    let team = Arc::new(Alone) as Arc<dyn Team>;
    let sources: [(&dyn KeySource, usize); 2] = [(&keys, 0), (&OnDemand(&keys, Cell::new(0)), 2)];
    for (source, expected) in sources {
        let mut instructions = 0;
        let outcome = prepared.evaluate_from(&inputs, source, &team, |_| {
            instructions += 1;
            true
        });
        assert_eq!(outcome, Err(Error::MissingGaloisKey { element }));
        assert_eq!(instructions, expected);
    }
}

/// One prepared program serves several threads.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<PreparedProgram>();
};

/// WebAssembly has no threads.
#[cfg(not(target_family = "wasm"))]
mod teams {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// As many threads for each task as were asked for, and how many that were in all.
    #[derive(Debug, Default)]
    struct Crowd(usize, AtomicUsize);

    impl Team for Crowd {
        fn share(&self, others: usize, step: &(dyn Fn() -> bool + Sync)) {
            std::thread::scope(|scope| {
                for _ in 0..others.min(self.0) {
                    self.1.fetch_add(1, Ordering::Relaxed);
                    scope.spawn(|| while step() {});
                }
                while step() {}
            });
        }
    }

    #[test]
    fn any_team_gives_the_same_bits() {
        let mut numbers = Numbers(11);
        for seed in 0..6 {
            let mut bench = if seed % 2 == 0 { Bench::single(7, 4) } else { Bench::double(7, 4) };
            let random = random_program(&mut numbers, bench.params.slots(), 4);
            let prepared = PreparedProgram::new(&bench.params, &random).expect("a valid program");
            let keys = bench.keys(&prepared.facts().keys);
            let inputs: Vec<_> = (0..random.inputs)
                .map(|_| bench.encrypt(&numbers.vector(bench.params.slots()), random.input_level))
                .collect();
            let alone = prepared.evaluate(&inputs, &keys).expect("levels and keys suffice");
            for others in 1..8 {
                let crowd = Arc::new(Crowd(others, AtomicUsize::new(0)));
                let team: Arc<dyn Team> = Arc::clone(&crowd) as _;
                let shared = prepared.evaluate_while(&inputs, &keys, &team, |_| true);
                assert_eq!(shared.expect("as before"), Some(alone.clone()), "{others} others");
                assert!(crowd.1.load(Ordering::Relaxed) >= others, "nothing was shared");
            }
        }
    }
}
