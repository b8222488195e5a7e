//! A program with everything that does not depend on the input done once: all factors encoded,
//! all schedules made. Owns encoding; what the instructions do is in `encrypted`.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use super::{
    check::ProgramFacts,
    error::{InstructionError, ProgramError},
    program::{Instruction, Program},
    schedule::Schedule,
    transform::LinearTransform,
};
use crate::scheme::{
    Ciphertext, Encoder, Error, EvaluationKeys, Evaluator, Level, Params, PreparedPlaintext,
};

/// A program ready to run on ciphertexts, as often as wanted and on several threads at once.
///
/// ```
/// use ckks_core::*;
///
/// // x² + ½, on parameters with one level.
/// let spec = ParamsSpec::generate(12, &[28], &[vec![26]], &[28], 1, f64::from(1 << 26))?;
/// let params = Params::new(&spec)?;
/// let input = Register(0);
/// let program = Program {
///     batch: 1,
///     inputs: 1,
///     input_level: Level(1),
///     instructions: vec![
///         Instruction::Multiply { left: input, right: input },
///         Instruction::AddPlain { input: Register(1), constant: 0 },
///     ],
///     transforms: vec![],
///     constants: vec![vec![0.5]],
///     polynomials: vec![],
///     outputs: vec![Register(2)],
/// };
/// let prepared = PreparedProgram::new(&params, &program)?;
///
/// // The client has the secret key, and makes the keys that the program needs.
/// let mut seeds = SeedSource::new(&Seed::new([7; 32]));
/// let secret = SecretKey::generate(&params, &seeds.next_seed());
/// let mut keys = EvaluationKeys::new();
/// let level = prepared.facts().keys.relinearization.expect("it multiplies");
/// let key = CompressedRelinearizationKey::generate(&params, &secret, level, &mut seeds)?;
/// keys.set_relinearization(key.prepare(&params)?);
///
/// let encoder = Encoder::new(&params);
/// let plaintext = encoder.encode_real(&[3.0], Level(1), params.scale_at(Level(1)))?;
/// let ciphertext = encrypt_symmetric(&params, &secret, &plaintext, &mut seeds)?.expand(&params)?;
///
/// // The server has neither.
/// let outputs = prepared.evaluate(&[ciphertext], &keys)?;
///
/// let values = encoder.decode_real(&decrypt(&params, &secret, &outputs[0])?)?;
/// assert!((values[0] - 9.5).abs() < 0.001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedProgram {
    pub(crate) evaluator: Evaluator,
    /// The program without its tables.
    pub(crate) code: Program,
    facts: ProgramFacts,
    /// Entries of the tables by index and level of the operand.
    pub(crate) transforms: BTreeMap<(u32, Level), PreparedTransform>,
    pub(crate) constants: BTreeMap<(u32, Level), PreparedPlaintext>,
    pub(crate) schedules: BTreeMap<(u32, Level), Schedule>,
}

/// The diagonals of a linear transform, encoded.
#[derive(Clone, Debug)]
pub(crate) enum PreparedTransform {
    /// No rotation: for each output, inputs and their factors.
    Slotwise(Vec<Vec<(usize, PreparedPlaintext)>>),
    /// Grouped by giant step.
    Rotations {
        /// Input and baby step of what is multiplied, in this order.
        rotated: Vec<(usize, u32)>,
        /// For each output, from the largest giant step down.
        giants: Vec<Vec<Giant>>,
        /// Rotations by which the sum is added to itself, the trivial ones too.
        folds: Vec<u32>,
    },
}

/// `rotate(sum so far + Σ factor · rotated[number], rotation)`.
#[derive(Clone, Debug)]
pub(crate) struct Giant {
    /// Down to the next giant step.
    pub(crate) rotation: u32,
    /// By number among the rotated inputs, over the special primes too; each factor is rotated back by the
    /// giant step.
    pub(crate) terms: Vec<(usize, PreparedPlaintext)>,
}

impl PreparedTransform {
    fn factors(&self) -> Vec<&PreparedPlaintext> {
        match self {
            Self::Slotwise(outputs) => outputs.iter().flatten().map(|(_, factor)| factor).collect(),
            Self::Rotations { giants, .. } => {
                giants.iter().flatten().flat_map(|giant| &giant.terms).map(|(_, factor)| factor).collect()
            }
        }
    }
}

impl PreparedProgram {
    /// Checks a program and encodes all its factors.
    ///
    /// Takes one encoding, an FFT and a transform per limb, for each diagonal and constant.
    ///
    /// # Errors
    /// As [`Program::check`].
    pub fn new(params: &Params, program: &Program) -> Result<Self, ProgramError> {
        let facts = program.check(params)?;
        let preparation =
            Preparation { params, encoder: Encoder::new(params), batch: program.batch as usize };
        let (mut transforms, mut constants, mut schedules) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (at, instruction) in program.instructions.iter().enumerate() {
            let Some(operand) = instruction.operands().next() else { continue };
            let level = facts.levels[operand.index()];
            let refusal = |reason| ProgramError::Instruction { instruction: at, reason };
            match *instruction {
                Instruction::LinearTransform { transform, .. }
                    if !transforms.contains_key(&(transform, level)) =>
                {
                    let diagonals = &program.transforms[transform as usize];
                    let prepared = preparation.transform(diagonals, level).map_err(refusal)?;
                    transforms.insert((transform, level), prepared);
                }
                Instruction::AddPlain { constant, .. } | Instruction::MultiplyPlain { constant, .. }
                    if !constants.contains_key(&(constant, level)) =>
                {
                    let values = &program.constants[constant as usize];
                    let prepared = preparation.factors(values, 0, level).map_err(refusal)?;
                    constants.insert((constant, level), prepared);
                }
                Instruction::Polynomial { polynomial, .. }
                    if !schedules.contains_key(&(polynomial, level)) =>
                {
                    let entry = &program.polynomials[polynomial as usize];
                    let schedule = Schedule::new(params, entry, level).map_err(refusal)?;
                    schedules.insert((polynomial, level), schedule);
                }
                _ => {}
            }
        }
        let code = Program {
            batch: program.batch,
            inputs: program.inputs,
            input_level: program.input_level,
            instructions: program.instructions.clone(),
            transforms: Vec::new(),
            constants: Vec::new(),
            polynomials: Vec::new(),
            outputs: program.outputs.clone(),
        };
        Ok(Self { evaluator: Evaluator::new(params), code, facts, transforms, constants, schedules })
    }

    /// What the program takes.
    #[must_use]
    pub fn facts(&self) -> &ProgramFacts {
        &self.facts
    }

    /// The parameter set it was prepared for.
    #[must_use]
    pub fn params(&self) -> &Params {
        self.evaluator.params()
    }

    /// The memory that the encoded factors take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let factors = self.transforms.values().flat_map(PreparedTransform::factors);
        let factors = factors.chain(self.constants.values());
        factors.map(|factor| size_of_val(factor.poly.residues())).sum()
    }

    /// Checks that a set of keys has all that the program needs.
    ///
    /// # Errors
    /// [`Error::MissingRelinearizationKey`], [`Error::MissingGaloisKey`], [`Error::KeyLevelTooLow`].
    pub fn check_keys(&self, keys: &EvaluationKeys) -> Result<(), Error> {
        let high_enough = |needed: Level, found: Level| {
            if found < needed { Err(Error::KeyLevelTooLow { needed, found }) } else { Ok(()) }
        };
        if let Some(needed) = self.facts.keys.relinearization {
            high_enough(needed, keys.relinearization()?.switching_key().level())?;
        }
        for (&element, &needed) in &self.facts.keys.galois {
            high_enough(needed, keys.galois(element)?.switching_key().level())?;
        }
        Ok(())
    }

    pub(crate) fn check_inputs(&self, inputs: &[Ciphertext]) -> Result<(), Error> {
        let expected = self.code.inputs as usize;
        if inputs.len() != expected {
            return Err(Error::InputCount { expected, found: inputs.len() });
        }
        let level = self.code.input_level;
        let scale = self.params().scale_at(level);
        for input in inputs {
            self.params().check(input.params_id())?;
            if input.level() != level {
                return Err(Error::LevelMismatch { expected: level, found: input.level() });
            }
            if !scale.matches(input.scale()) {
                return Err(Error::ScaleMismatch { expected: scale, found: input.scale() });
            }
        }
        Ok(())
    }
}

struct Preparation<'a> {
    params: &'a Params,
    encoder: Encoder,
    batch: usize,
}

impl Preparation<'_> {
    fn transform(
        &self,
        transform: &LinearTransform,
        level: Level,
    ) -> Result<PreparedTransform, InstructionError> {
        let outputs = transform.diagonals.keys().map(|at| at.output as usize + 1).max().unwrap_or(0);
        if transform.is_rotation_free() {
            let mut sums = vec![vec![]; outputs];
            for (at, diagonal) in &transform.diagonals {
                let factors = self.factors(diagonal, 0, level)?;
                sums[at.output as usize].push((at.input as usize, factors));
            }
            return Ok(PreparedTransform::Slotwise(sums));
        }
        let rotated =
            transform.diagonals.keys().map(|at| (at.input as usize, transform.split(at.rotation).1));
        let rotated: BTreeSet<(usize, u32)> = rotated.collect();
        let rotated: Vec<(usize, u32)> = rotated.into_iter().collect();
        let mut grouped: Vec<BTreeMap<u32, Vec<(usize, PreparedPlaintext)>>> = vec![BTreeMap::new(); outputs];
        for (at, diagonal) in &transform.diagonals {
            let (giant, baby) = transform.split(at.rotation);
            let spread = self.spread(diagonal, giant);
            let factors = self.encoder.encode_extended(&spread, level, self.params.scale_at(level));
            let number = rotated.binary_search(&(at.input as usize, baby)).unwrap_or_default();
            let terms = grouped[at.output as usize].entry(giant).or_default();
            terms.push((number, factors.map_err(out_of_range)?));
        }
        let giants = grouped.into_iter().map(|grouped| {
            let below = core::iter::once(0).chain(grouped.keys().copied()).collect::<Vec<_>>();
            let giants = grouped.into_iter().zip(below);
            giants.map(|((giant, terms), below)| Giant { rotation: giant - below, terms }).rev().collect()
        });
        Ok(PreparedTransform::Rotations { giants: giants.collect(), rotated, folds: transform.folds.clone() })
    }

    /// Periodic values in all slots, the same for all samples, rotated to the right.
    fn spread(&self, values: &[f64], right: u32) -> Vec<f64> {
        let slots = self.params.slots() / self.batch;
        let start = slots - right as usize;
        let one = (start..start + slots).map(|slot| values[slot % values.len()]);
        one.flat_map(|value| core::iter::repeat_n(value, self.batch)).collect()
    }

    /// Encodes periodic values, rotated to the right, at the scale of the level.
    fn factors(
        &self,
        values: &[f64],
        right: u32,
        level: Level,
    ) -> Result<PreparedPlaintext, InstructionError> {
        let plaintext =
            self.encoder.encode_real(&self.spread(values, right), level, self.params.scale_at(level));
        plaintext.and_then(|p| self.encoder.prepare(&p)).map_err(out_of_range)
    }
}

/// What the check let through can exceed the range by rounding only.
fn out_of_range(_: Error) -> InstructionError {
    InstructionError::ValueOutOfRange { log2: 62.0 }
}
