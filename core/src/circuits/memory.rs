//! How much memory a prepared program and one evaluation of it take, known before either is made.

use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    check::ProgramFacts,
    factors::{FACTORS_AT_ONCE, FactorEncoding},
    program::{Instruction, Program},
};
use crate::scheme::{Level, Params};

impl Program {
    /// An upper bound of the memory, in bytes, that one evaluation takes besides the prepared
    /// program and keys: registers that are still read, and what the hungriest instruction needs.
    ///
    /// `facts` are those of [`Program::check`] for the same parameters.
    #[must_use]
    pub fn working_bytes(&self, params: &Params, facts: &ProgramFacts, encoding: FactorEncoding) -> usize {
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
            held + self.scratch(instruction, level.unwrap_or(self.input_level), encoding, &sizes)
        });
        steps.max().unwrap_or_default()
    }

    /// The memory, in bytes, that the factors of a prepared program take:
    /// what [`PreparedProgram::bytes`](crate::PreparedProgram::bytes) tells afterwards.
    ///
    /// `facts` are those of [`Program::check`] for the same parameters.
    #[must_use]
    pub fn factor_bytes(&self, params: &Params, facts: &ProgramFacts, encoding: FactorEncoding) -> usize {
        if encoding == FactorEncoding::AsUsed {
            return self.table_bytes();
        }
        let sizes = Sizes { params };
        let used = self.instructions.iter().filter_map(|instruction| {
            let level = facts.levels[instruction.operands().next()?.index()];
            match *instruction {
                Instruction::LinearTransform { transform, .. } => Some((Table::Transforms, transform, level)),
                Instruction::AddPlain { constant, .. } | Instruction::MultiplyPlain { constant, .. } => {
                    Some((Table::Constants, constant, level))
                }
                _ => None,
            }
        });
        let used: BTreeSet<_> = used.collect();
        let bytes = used.into_iter().map(|(table, index, level)| match table {
            Table::Constants => sizes.ciphertext(level) / 2,
            Table::Transforms => {
                let transform = &self.transforms[index as usize];
                let one = if transform.is_rotation_free() {
                    sizes.ciphertext(level)
                } else {
                    sizes.extended(level)
                };
                transform.products().len() * one / 2
            }
        });
        bytes.sum()
    }

    /// The memory, in bytes, of the numbers in its tables.
    pub(crate) fn table_bytes(&self) -> usize {
        let diagonals = self.transforms.iter().flat_map(|transform| transform.diagonals.values());
        let numbers = diagonals.chain(&self.constants);
        numbers.map(|values| size_of_val(&values[..])).sum()
    }

    /// An upper bound of the memory, in bytes, that each thread of a [`Team`](crate::Team) takes besides the one that
    /// evaluates, and keeps for later evaluations: two limbs of each digit, and what comes of them.
    #[must_use]
    pub fn helper_bytes(&self, params: &Params, facts: &ProgramFacts) -> usize {
        let digits = facts.levels.iter().map(|&level| params.digits_at(level)).max().unwrap_or_default();
        Sizes { params }.limbs(2 * digits + 3)
    }

    /// What one instruction takes besides operands and result.
    fn scratch(
        &self,
        instruction: &Instruction,
        level: Level,
        encoding: FactorEncoding,
        sizes: &Sizes<'_>,
    ) -> usize {
        let key_switch = sizes.digits(level) + 4 * sizes.extended(level);
        match instruction {
            Instruction::LinearTransform { inputs, outputs, transform } => {
                let transform = &self.transforms[*transform as usize];
                let babies: usize = transform.baby_rotations().values().map(BTreeSet::len).sum();
                // Every input and each of its rotations; every output and its parts.
                let all = babies + inputs.len() + 2 * *outputs as usize;
                let parts = match encoding {
                    FactorEncoding::Ahead => transform.giant_rotations().values().map(Vec::len).sum(),
                    // One, and what is added to it.
                    FactorEncoding::AsUsed => 2,
                };
                let halves = if transform.paired_by.is_some() { 2 } else { 1 };
                key_switch + (all + parts) * sizes.extended(level) + sizes.encoding(encoding, level, halves)
            }
            Instruction::RotateSum { .. } | Instruction::Rotate { .. } | Instruction::Multiply { .. } => {
                key_switch + 2 * sizes.ciphertext(level)
            }
            Instruction::Polynomial { polynomial, .. } => {
                let powers = self.polynomials[*polynomial as usize].coefficients.len();
                key_switch + (powers + 4) * sizes.ciphertext(level)
            }
            Instruction::AddPlain { .. } | Instruction::MultiplyPlain { .. } => {
                sizes.ciphertext(level) + sizes.encoding(encoding, level, 1)
            }
            Instruction::Add { .. } | Instruction::Subtract { .. } | Instruction::DropLevel { .. } => {
                sizes.ciphertext(level)
            }
        }
    }
}

/// A table whose entries are encoded.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Transforms,
    Constants,
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

    /// Factors that are encoded as they are used; of one, the numbers of its one or two halves in all slots, real and
    /// imaginary parts, and coefficients.
    fn encoding(&self, encoding: FactorEncoding, level: Level, halves: usize) -> usize {
        match encoding {
            FactorEncoding::Ahead => 0,
            FactorEncoding::AsUsed => {
                let numbers = (halves + 2) * self.params.slots() + self.params.degree();
                FACTORS_AT_ONCE * self.extended(level) / 2 + numbers * size_of::<f64>()
            }
        }
    }

    /// The decomposition of one half.
    fn digits(&self, level: Level) -> usize {
        let extended = self.params.limbs_at(level) + self.params.special_limbs();
        self.limbs(self.params.digits_at(level) * extended)
    }
}
