//! What a program takes, found without running it; and the refusal of everything that could not
//! run. Invariant: a program that passes never panics and never runs out of levels.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use super::{
    error::{InstructionError, ProgramError},
    program::{Instruction, Program, Register},
    schedule::{self, Schedule},
};
use crate::scheme::{GaloisElement, KeyRequirements, Level, Params};

/// More inputs than any model has; keeps a hostile number from allocating memory.
const MAX_INPUTS: u32 = 1 << 12;

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
}

impl Program {
    /// Checks that the program runs on these parameters, and finds out what that takes.
    ///
    /// # Errors
    /// The first [`ProgramError`] that applies: tables, indices of instructions, outputs, levels.
    pub fn check(&self, params: &Params) -> Result<ProgramFacts, ProgramError> {
        self.check_structure(params.slots())?;
        if self.input_level > params.max_level() {
            return Err(ProgramError::InputLevel { max: params.max_level(), found: self.input_level });
        }
        let levels = alloc::vec![self.input_level; self.inputs as usize];
        let mut check =
            Check { params, program: self, facts: ProgramFacts { levels, ..ProgramFacts::default() } };
        for (at, instruction) in self.instructions.iter().enumerate() {
            let level = check.level_after(instruction).map_err(refusal(at))?;
            check.facts.levels.push(level);
        }
        let mut facts = check.facts;
        facts.output_levels = self.outputs.iter().map(|output| facts.levels[output.index()]).collect();
        Ok(facts)
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
        for (at, instruction) in self.instructions.iter().enumerate() {
            self.check_indices(slots, at, instruction).map_err(refusal(at))?;
        }
        let registers = self.registers();
        if let Some((output, &found)) = self.outputs.iter().enumerate().find(|(_, r)| r.index() >= registers)
        {
            return Err(ProgramError::Output { output, registers, found });
        }
        if self.outputs.is_empty() { Err(ProgramError::NoOutput) } else { Ok(()) }
    }

    fn check_indices(
        &self,
        slots: usize,
        at: usize,
        instruction: &Instruction,
    ) -> Result<(), InstructionError> {
        let defined = self.inputs as usize + at;
        if let Some(found) = instruction.operands().into_iter().find(|operand| operand.index() >= defined) {
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
            Instruction::LinearTransform { transform, .. } => entry(self.transforms.len(), *transform),
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
            Instruction::LinearTransform { input, transform } => self.linear_transform(*input, *transform),
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

    fn linear_transform(&mut self, input: Register, transform: u32) -> Result<Level, InstructionError> {
        let level = self.level(input);
        let transform = &self.program.transforms[transform as usize];
        self.fits(transform.magnitude(), level)?;
        let babies = transform.baby_rotations();
        let mut outer = transform.giant_rotations();
        outer.extend(transform.folds.iter().filter(|&&steps| steps != 0));
        let is_extended = transform.diagonals.keys().any(|&k| k != 0) || !transform.folds.is_empty();
        let extended = self.params.limbs_at(level) + self.params.special_limbs();
        // Baby steps share one decomposition, a giant step or a fold divides one half only, and the division
        // of the result is part of the rescaling.
        let count = babies.len() + outer.len();
        let decompositions = usize::from(!babies.is_empty()) + outer.len();
        self.facts.limb_transforms += decompositions * self.decomposition(level) + outer.len() * extended;
        if is_extended {
            self.facts.limb_transforms += 2 * self.params.special_limbs();
        }
        self.facts.key_switches += count;
        self.facts.hoisted += babies.len().saturating_sub(1);
        for &steps in babies.iter().chain(&outer) {
            self.require_rotation(steps, level);
        }
        self.facts.plain_multiplications += transform.diagonals.len();
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
        let element = GaloisElement::rotation(self.params, steps as i32);
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
    }

    fn decomposition(&self, level: Level) -> usize {
        self.params.digits_at(level) * (self.params.limbs_at(level) + self.params.special_limbs())
    }

    fn rescaling(&mut self, level: Level) {
        self.facts.rescalings += 1;
        self.facts.limb_transforms += 2 * self.params.limbs_at(level);
    }
}
