//! How much memory one evaluation takes, known before it starts.

use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    check::ProgramFacts,
    program::{Instruction, Program},
};
use crate::scheme::{Level, Params};

impl Program {
    /// An upper bound of the memory, in bytes, that one evaluation takes besides the prepared
    /// program and keys: registers that are still read, and what the hungriest instruction needs.
    ///
    /// `facts` are those of [`Program::check`] for the same parameters.
    #[must_use]
    pub fn working_bytes(&self, params: &Params, facts: &ProgramFacts) -> usize {
        let sizes = Sizes { params };
        let last_uses = self.last_uses();
        // The registers before the instruction's own.
        let mut before = self.inputs as usize;
        let steps = self.instructions.iter().enumerate().map(|(at, instruction)| {
            let results = before..before + instruction.results() as usize;
            let live = facts.levels[..before].iter().zip(&last_uses);
            let live = live.filter(|(_, last)| last.is_some_and(|last| last >= at)).map(|(level, _)| level);
            before = results.end;
            let held =
                live.chain(&facts.levels[results]).map(|level| sizes.ciphertext(*level)).sum::<usize>();
            let level = instruction.operands().map(|operand| facts.levels[operand.index()]).max();
            held + self.scratch(instruction, level.unwrap_or(self.input_level), &sizes)
        });
        steps.max().unwrap_or_default()
    }

    /// An upper bound of the memory, in bytes, that each thread of a [`Team`](crate::Team) takes besides the one that
    /// evaluates, and keeps for later evaluations: a limb of each digit, and of what comes of them.
    #[must_use]
    pub fn helper_bytes(&self, params: &Params, facts: &ProgramFacts) -> usize {
        let digits = facts.levels.iter().map(|&level| params.digits_at(level)).max().unwrap_or_default();
        Sizes { params }.limbs(digits + 3)
    }

    /// What one instruction takes besides operands and result.
    fn scratch(&self, instruction: &Instruction, level: Level, sizes: &Sizes<'_>) -> usize {
        let key_switch = sizes.digits(level) + 4 * sizes.extended(level);
        match instruction {
            Instruction::LinearTransform { inputs, outputs, transform } => {
                let transform = &self.transforms[*transform as usize];
                let babies: usize = transform.baby_rotations().values().map(BTreeSet::len).sum();
                let giants: usize = transform.giant_rotations().values().map(Vec::len).sum();
                // Every input and each of its rotations; every output and each of its parts.
                let all = babies + inputs.len() + giants + 2 * *outputs as usize;
                key_switch + all * sizes.extended(level)
            }
            Instruction::RotateSum { .. } | Instruction::Rotate { .. } | Instruction::Multiply { .. } => {
                key_switch + 2 * sizes.ciphertext(level)
            }
            Instruction::Polynomial { polynomial, .. } => {
                let powers = self.polynomials[*polynomial as usize].coefficients.len();
                key_switch + (powers + 4) * sizes.ciphertext(level)
            }
            Instruction::AddPlain { .. }
            | Instruction::MultiplyPlain { .. }
            | Instruction::Add { .. }
            | Instruction::Subtract { .. }
            | Instruction::DropLevel { .. } => sizes.ciphertext(level),
        }
    }
}

/// Bytes of what an evaluation holds.
struct Sizes<'a> {
    params: &'a Params,
}

impl Sizes<'_> {
    fn limbs(&self, count: usize) -> usize {
        count * self.params.degree() * size_of::<u32>()
    }

    /// Over the primes of its level.
    fn ciphertext(&self, level: Level) -> usize {
        self.limbs(2 * self.params.limbs_at(level))
    }

    /// Over the special primes too.
    fn extended(&self, level: Level) -> usize {
        self.limbs(2 * (self.params.limbs_at(level) + self.params.special_limbs()))
    }

    /// The decomposition of one half.
    fn digits(&self, level: Level) -> usize {
        let extended = self.params.limbs_at(level) + self.params.special_limbs();
        self.limbs(self.params.digits_at(level) * extended)
    }
}
