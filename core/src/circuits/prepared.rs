//! A program with what does not depend on the input done once: it is checked, all schedules are made, and factors
//! encoded unless that is left to the evaluation. What the instructions do is in `encrypted`.

use alloc::{borrow::Cow, collections::BTreeMap, vec::Vec};

use super::{
    check::ProgramFacts,
    error::{InstructionError, ProgramError},
    factors::{FactorEncoder, FactorEncoding, PreparedTransform, Term},
    key_source::KeySource,
    program::{Instruction, Program},
    schedule::Schedule,
};
use crate::scheme::{Ciphertext, Error, Evaluator, Level, Params, PreparedPlaintext};

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
/// let values = decrypt_real(&encoder, &secret, &outputs[0])?;
/// assert!((values[0] - 9.5).abs() < 0.001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedProgram {
    pub(crate) evaluator: Evaluator,
    /// The program; without its tables, unless these are encoded as they are used.
    pub(crate) code: Program,
    facts: ProgramFacts,
    pub(crate) encoding: FactorEncoding,
    encoder: FactorEncoder,
    tables: Tables,
}

/// Entries of a program's tables by index and level of the operand.
#[derive(Clone, Debug, Default)]
struct Tables {
    transforms: BTreeMap<(u32, Level), PreparedTransform>,
    /// Those that are encoded ahead.
    constants: BTreeMap<(u32, Level), PreparedPlaintext>,
    schedules: BTreeMap<(u32, Level), Schedule>,
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
        let encoder = FactorEncoder::new(params, program.batch);
        let encoding = FactorEncoding::Ahead;
        let tables = Tables::new(params, program, &facts, &encoder, encoding)?;
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
        Ok(Self { evaluator: Evaluator::new(params), code, facts, encoding, encoder, tables })
    }

    /// Checks a program and keeps it as it is: each factor is encoded when an evaluation comes to it, to the same
    /// bits as by [`Self::new`].
    ///
    /// For programs whose encoded factors do not fit the memory: [`Program::factor_bytes`] tells what both take.
    ///
    /// # Errors
    /// As [`Program::check`].
    pub fn encoding_as_used(params: &Params, program: Program) -> Result<Self, ProgramError> {
        let facts = program.check(params)?;
        let encoder = FactorEncoder::new(params, program.batch);
        let encoding = FactorEncoding::AsUsed;
        let tables = Tables::new(params, &program, &facts, &encoder, encoding)?;
        Ok(Self { evaluator: Evaluator::new(params), code: program, facts, encoding, encoder, tables })
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

    /// The memory that the factors take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let encoded = self.tables.transforms.values().flat_map(PreparedTransform::encoded);
        let encoded = encoded.chain(self.tables.constants.values());
        encoded.map(|factors| size_of_val(factors.poly.residues())).sum::<usize>() + self.code.table_bytes()
    }

    /// Checks that a source has all keys that the program needs, asking for each once.
    ///
    /// # Errors
    /// [`Error::MissingRelinearizationKey`], [`Error::MissingGaloisKey`], [`Error::KeyLevelTooLow`], and what the
    /// source fails with.
    pub fn check_keys(&self, keys: &dyn KeySource) -> Result<(), Error> {
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

    pub(crate) fn transform(&self, transform: u32, level: Level) -> &PreparedTransform {
        &self.tables.transforms[&(transform, level)]
    }

    pub(crate) fn schedule(&self, polynomial: u32, level: Level) -> &Schedule {
        &self.tables.schedules[&(polynomial, level)]
    }

    /// What a term of a transform is multiplied with, at the level of the operand.
    pub(crate) fn factors<'a>(
        &'a self,
        transform: u32,
        term: &'a Term,
        level: Level,
    ) -> Result<Cow<'a, PreparedPlaintext>, Error> {
        match &term.factors {
            Some(factors) => Ok(Cow::Borrowed(factors)),
            None => {
                let transform = &self.code.transforms[transform as usize];
                self.encoder.diagonal(transform, term.at, level).map(Cow::Owned)
            }
        }
    }

    /// The constant at the level of the operand.
    pub(crate) fn constant(&self, constant: u32, level: Level) -> Result<Cow<'_, PreparedPlaintext>, Error> {
        match self.tables.constants.get(&(constant, level)) {
            Some(factors) => Ok(Cow::Borrowed(factors)),
            None => self.encoder.constant(&self.code.constants[constant as usize], level).map(Cow::Owned),
        }
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

impl Tables {
    fn new(
        params: &Params,
        program: &Program,
        facts: &ProgramFacts,
        encoder: &FactorEncoder,
        encoding: FactorEncoding,
    ) -> Result<Self, ProgramError> {
        let Self { mut transforms, mut constants, mut schedules } = Self::default();
        for (at, instruction) in program.instructions.iter().enumerate() {
            let Some(operand) = instruction.operands().next() else { continue };
            let level = facts.levels[operand.index()];
            let refusal = |reason| ProgramError::Instruction { instruction: at, reason };
            // What the check let through can exceed the range by rounding only.
            let out_of_range = |_| refusal(InstructionError::ValueOutOfRange { log2: 62.0 });
            match *instruction {
                Instruction::LinearTransform { transform, .. }
                    if !transforms.contains_key(&(transform, level)) =>
                {
                    let entry = &program.transforms[transform as usize];
                    let prepared = encoder.transform(entry, level, encoding).map_err(out_of_range)?;
                    transforms.insert((transform, level), prepared);
                }
                Instruction::AddPlain { constant, .. } | Instruction::MultiplyPlain { constant, .. }
                    if encoding == FactorEncoding::Ahead && !constants.contains_key(&(constant, level)) =>
                {
                    let values = &program.constants[constant as usize];
                    let prepared = encoder.constant(values, level).map_err(out_of_range)?;
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
        Ok(Self { transforms, constants, schedules })
    }
}
