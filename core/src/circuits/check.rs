//! What a program takes, found without running it; and the refusal of everything that could not
//! run. Invariant: a program that passes never panics and never runs out of levels.

#[cfg(test)]
mod tests;

use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    error::{InstructionError, ProgramError},
    program::{Instruction, Program, Register},
    schedule::{self, Schedule},
};
use crate::scheme::{GaloisElement, KeyRequirements, Level, Params};

/// More inputs than any model has; keeps a hostile number from allocating memory.
const MAX_INPUTS: u32 = 1 << 12;
/// More registers than any model has, for the same reason.
const MAX_REGISTERS: usize = 1 << 16;

/// What a program takes, by [`Program::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramFacts {
    /// The level of every register.
    pub levels: Vec<Level>,
    /// The level of every output.
    pub output_levels: Vec<Level>,
    /// The evaluation keys it uses, each up to the highest level it is used at.
    pub keys: KeyRequirements,
    /// Key switches in all: rotations and relinearizations.
    pub key_switches: usize,
    /// Those rotations among them that share the decomposition of another one.
    pub hoisted: usize,
    /// Products of two ciphertexts.
    pub multiplications: usize,
    /// Products of a ciphertext and an encoded vector.
    pub plain_multiplications: usize,
    /// Rescalings.
    pub rescalings: usize,
    /// Transforms of one limb, the measure of the time it takes: for ℓ limbs, k special primes
    /// and d digits, d(ℓ + k) a decomposition, 2(ℓ + k) the rest of a key switch, 2ℓ a rescaling.
    pub limb_transforms: usize,
    /// Products of one limb with another one, summed without reduction: 2d(ℓ + k) a key switch, 2(ℓ + k) a
    /// diagonal. Next to transforms they matter where there are many diagonals.
    pub limb_products: usize,
    /// Products of one limb with a constant, summed without reduction, in base conversions: s(ℓ + k − s) for each
    /// digit of s primes, kℓ for each half that is divided by the special modulus. What large digits save in
    /// transforms they take back here.
    pub limb_conversions: usize,
    /// Limbs of what key switches give, before anything is divided: 2(ℓ + k) each, which are written, permuted and
    /// added up.
    pub switched_limbs: usize,
}

impl Program {
    /// Checks that the program runs on these parameters, and finds out what that takes.
    ///
    /// # Errors
    /// The first [`ProgramError`] that applies: tables, indices of instructions, outputs, levels.
    pub fn check(&self, params: &Params) -> Result<ProgramFacts, ProgramError> {
        self.check_structure(self.slots(params)?)?;
        if self.input_level > params.max_level() {
            return Err(ProgramError::InputLevel { max: params.max_level(), found: self.input_level });
        }
        let levels = alloc::vec![self.input_level; self.inputs as usize];
        let mut check =
            Check { params, program: self, facts: ProgramFacts { levels, ..ProgramFacts::default() } };
        for (at, instruction) in self.instructions.iter().enumerate() {
            let level = check.level_after(instruction).map_err(refusal(at))?;
            let results = core::iter::repeat_n(level, instruction.results() as usize);
            check.facts.levels.extend(results);
        }
        let mut facts = check.facts;
        facts.output_levels = self.outputs.iter().map(|output| facts.levels[output.index()]).collect();
        Ok(facts)
    }

    /// The slots of one sample.
    ///
    /// # Errors
    /// [`ProgramError::Batch`].
    pub(crate) fn slots(&self, params: &Params) -> Result<usize, ProgramError> {
        let (slots, batch) = (params.slots(), self.batch as usize);
        if !batch.is_power_of_two() || batch > slots {
            return Err(ProgramError::Batch { slots, found: self.batch });
        }
        Ok(slots / batch)
    }

    /// Checks everything that does not depend on levels and scales.
    pub(crate) fn check_structure(&self, slots: usize) -> Result<(), ProgramError> {
        if !(1..=MAX_INPUTS).contains(&self.inputs) {
            return Err(ProgramError::InputCount { max: MAX_INPUTS, found: self.inputs });
        }
        for (transform, entry) in self.transforms.iter().enumerate() {
            entry.validate(slots).map_err(|reason| ProgramError::Transform { transform, reason })?;
        }
        for (constant, values) in self.constants.iter().enumerate() {
            if values.is_empty() || !slots.is_multiple_of(values.len()) {
                return Err(ProgramError::ConstantPeriod { constant, slots, found: values.len() });
            }
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                return Err(ProgramError::ConstantNotFinite { constant, index });
            }
        }
        for (polynomial, entry) in self.polynomials.iter().enumerate() {
            entry.validate().map_err(|reason| ProgramError::Polynomial { polynomial, reason })?;
        }
        let mut registers = self.inputs as usize;
        for (at, instruction) in self.instructions.iter().enumerate() {
            self.check_indices(slots, registers, instruction).map_err(refusal(at))?;
            registers += instruction.results() as usize;
            if registers > MAX_REGISTERS {
                return Err(ProgramError::Registers { max: MAX_REGISTERS, found: registers });
            }
        }
        if let Some((output, &found)) = self.outputs.iter().enumerate().find(|(_, r)| r.index() >= registers)
        {
            return Err(ProgramError::Output { output, registers, found });
        }
        if self.outputs.is_empty() { Err(ProgramError::NoOutput) } else { Ok(()) }
    }

    fn check_indices(
        &self,
        slots: usize,
        defined: usize,
        instruction: &Instruction,
    ) -> Result<(), InstructionError> {
        if let Some(found) = instruction.operands().find(|operand| operand.index() >= defined) {
            return Err(InstructionError::UnknownRegister { defined, found });
        }
        let entry = |count: usize, found: u32| {
            let known = (found as usize) < count;
            known.then_some(()).ok_or(InstructionError::UnknownEntry { count, found })
        };
        let rotations = |steps: &[u32]| match steps.iter().find(|&&steps| steps as usize >= slots) {
            Some(&found) => Err(InstructionError::Rotation { slots, found }),
            None => Ok(()),
        };
        match instruction {
            Instruction::LinearTransform { inputs, outputs, transform } => {
                entry(self.transforms.len(), *transform)?;
                let inputs = inputs.len().min(u32::MAX as usize) as u32;
                let fits = self.transforms[*transform as usize].validate_shape(inputs, *outputs);
                fits.map_err(|reason| InstructionError::Shape { reason })
            }
            Instruction::AddPlain { constant, .. } | Instruction::MultiplyPlain { constant, .. } => {
                entry(self.constants.len(), *constant)
            }
            Instruction::Polynomial { polynomial, .. } => entry(self.polynomials.len(), *polynomial),
            Instruction::RotateSum { steps, .. } => rotations(steps),
            Instruction::Rotate { steps, .. } => rotations(&[*steps]),
            Instruction::Add { .. }
            | Instruction::Subtract { .. }
            | Instruction::Multiply { .. }
            | Instruction::DropLevel { .. } => Ok(()),
        }
    }
}

fn refusal(instruction: usize) -> impl Fn(InstructionError) -> ProgramError {
    move |reason| ProgramError::Instruction { instruction, reason }
}

struct Check<'a> {
    params: &'a Params,
    program: &'a Program,
    facts: ProgramFacts,
}

impl Check<'_> {
    /// Notes what an instruction takes and returns the level of its result.
    fn level_after(&mut self, instruction: &Instruction) -> Result<Level, InstructionError> {
        match instruction {
            Instruction::LinearTransform { inputs, outputs, transform } => {
                self.linear_transform(inputs, *outputs, *transform)
            }
            Instruction::RotateSum { input, steps } => {
                let level = self.level(*input);
                steps.iter().for_each(|&steps| self.rotation(steps, level));
                Ok(level)
            }
            Instruction::AddPlain { input, constant } => {
                let level = self.level(*input);
                self.fits(self.magnitude(*constant), level)?;
                Ok(level)
            }
            Instruction::MultiplyPlain { input, constant } => {
                let level = self.level(*input);
                self.fits(self.magnitude(*constant), level)?;
                self.facts.plain_multiplications += 1;
                self.rescaled(level)
            }
            Instruction::Add { left, right } | Instruction::Subtract { left, right } => {
                self.common_level(*left, *right)
            }
            Instruction::Multiply { left, right } => {
                let level = self.common_level(*left, *right)?;
                let below = self.rescaled(level)?;
                self.facts.multiplications += 1;
                self.relinearization(level);
                Ok(below)
            }
            Instruction::Polynomial { input, polynomial } => self.polynomial(*input, *polynomial),
            Instruction::DropLevel { input, level } => {
                let max = self.level(*input);
                if *level > max {
                    return Err(InstructionError::LevelAbove { max, found: *level });
                }
                if schedule::drop_takes_rescaling(self.params, max, *level)? {
                    self.rescaling(Level(level.0 + 1));
                }
                Ok(*level)
            }
            Instruction::Rotate { input, steps } => {
                let level = self.level(*input);
                self.rotation(*steps, level);
                Ok(level)
            }
        }
    }

    fn linear_transform(
        &mut self,
        inputs: &[Register],
        outputs: u32,
        transform: u32,
    ) -> Result<Level, InstructionError> {
        // A transform has a diagonal, and that an input.
        let level = self.level(inputs[0]);
        inputs.iter().try_for_each(|&input| self.common_level(inputs[0], input).map(drop))?;
        let transform = &self.program.transforms[transform as usize];
        self.fits(transform.magnitude(), level)?;
        let babies = transform.baby_rotations();
        let mut outer: Vec<u32> = transform.giant_rotations().into_values().flatten().collect();
        let folds = transform.folds.iter().filter(|&&steps| steps != 0);
        outer.extend(core::iter::repeat_n(folds, outputs as usize).flatten());
        let (limbs, special) = (self.params.limbs_at(level), self.params.special_limbs());
        let paired = transform.paired_inputs();
        let conjugations = if transform.paired_by.is_some() { outputs as usize } else { 0 };
        // Baby steps of an input share one decomposition, a giant step or a fold divides one half only, and the
        // division of a result is part of the rescaling. A conjugation takes what a giant step does, and a pair too,
        // if there are baby steps of it.
        let count: usize = babies.values().map(BTreeSet::len).sum();
        let alone = outer.len() + conjugations + paired.len();
        let halves = alone - paired.iter().filter(|input| !babies.contains_key(input)).count();
        let products = transform.products().len();
        let extended = if transform.is_rotation_free() { limbs } else { limbs + special };
        self.facts.limb_transforms +=
            (babies.len() + alone) * self.decomposition(level) + halves * (limbs + special);
        self.facts.limb_transforms += 2 * (extended - limbs) * outputs as usize;
        self.facts.limb_conversions += (babies.len() + alone) * self.lifting(level)
            + halves * self.division(level)
            + 2 * outputs as usize * limbs * (extended - limbs);
        self.facts.switched_limbs += 2 * (count + alone) * (limbs + special);
        self.facts.limb_products += 2 * extended * products;
        self.facts.limb_products += (count + alone) * self.inner_product(level);
        self.facts.key_switches += count + alone;
        self.facts.hoisted += count - babies.len();
        let distance = transform.paired_by.iter().filter(|_| !paired.is_empty());
        for &steps in babies.values().flatten().chain(&outer).chain(distance) {
            self.require_rotation(steps, level);
        }
        if conjugations > 0 {
            self.facts.keys.require_galois(GaloisElement::conjugation(self.params), level);
        }
        self.facts.plain_multiplications += products;
        for _ in 1..outputs {
            self.rescaling(level);
        }
        self.rescaled(level)
    }

    fn polynomial(&mut self, input: Register, polynomial: u32) -> Result<Level, InstructionError> {
        let level = self.level(input);
        let polynomial = &self.program.polynomials[polynomial as usize];
        let schedule = Schedule::new(self.params, polynomial, level)?;
        schedule.relinearization_levels().iter().for_each(|&level| self.relinearization(level));
        self.facts.multiplications += schedule.plan().multiplications();
        schedule.rescaling_levels().iter().for_each(|&level| self.rescaling(level));
        Ok(schedule.target())
    }

    fn level(&self, register: Register) -> Level {
        self.facts.levels[register.index()]
    }

    fn common_level(&self, left: Register, right: Register) -> Result<Level, InstructionError> {
        let (left, right) = (self.level(left), self.level(right));
        if left == right { Ok(left) } else { Err(InstructionError::LevelMismatch { left, right }) }
    }

    fn rescaled(&mut self, level: Level) -> Result<Level, InstructionError> {
        self.rescaling(level);
        level.below().ok_or(InstructionError::LevelExhausted { needed: 1, found: level })
    }

    fn magnitude(&self, constant: u32) -> f64 {
        self.program.constants[constant as usize].iter().fold(0.0, |most, value| most.max(value.abs()))
    }

    fn fits(&self, magnitude: f64, level: Level) -> Result<(), InstructionError> {
        schedule::check_value(magnitude, self.params.scale_at(level))
    }

    fn rotation(&mut self, steps: u32, level: Level) {
        if steps != 0 {
            self.require_rotation(steps, level);
            self.key_switch(level);
        }
    }

    fn require_rotation(&mut self, steps: u32, level: Level) {
        let element = GaloisElement::rotation(self.params, (steps * self.program.batch) as i32);
        self.facts.keys.require_galois(element, level);
    }

    fn relinearization(&mut self, level: Level) {
        self.facts.keys.require_relinearization(level);
        self.key_switch(level);
    }

    fn key_switch(&mut self, level: Level) {
        let extended = self.params.limbs_at(level) + self.params.special_limbs();
        self.facts.key_switches += 1;
        self.facts.limb_transforms += self.decomposition(level) + 2 * extended;
        self.facts.limb_products += self.inner_product(level);
        self.facts.limb_conversions += self.lifting(level) + 2 * self.division(level);
        self.facts.switched_limbs += 2 * extended;
    }

    /// The products of converting each digit to all primes but its own.
    fn lifting(&self, level: Level) -> usize {
        let extended = self.params.limbs_at(level) + self.params.special_limbs();
        let digits =
            (0..self.params.digits_at(level)).map(|digit| self.params.digit_limbs(level, digit).len());
        digits.map(|own| own * (extended - own)).sum()
    }

    /// Those of dividing one half by the special modulus.
    fn division(&self, level: Level) -> usize {
        self.params.limbs_at(level) * self.params.special_limbs()
    }

    /// The products of a decomposition with a key.
    fn inner_product(&self, level: Level) -> usize {
        2 * self.decomposition(level)
    }

    fn decomposition(&self, level: Level) -> usize {
        self.params.digits_at(level) * (self.params.limbs_at(level) + self.params.special_limbs())
    }

    fn rescaling(&mut self, level: Level) {
        self.facts.rescalings += 1;
        self.facts.limb_transforms += 2 * self.params.limbs_at(level);
    }
}
