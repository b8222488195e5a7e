//! The loop that runs a program, once for every machine. Owns the registers and frees each after
//! its last use; knows nothing of what a value is.

use alloc::{borrow::Cow, vec, vec::Vec};

use super::program::{Instruction, Program};
use crate::scheme::Level;

/// What executes single instructions: the cleartext twin or the encrypted evaluation.
///
/// Table entries come as their index, so that a machine can look up its own prepared form.
pub(crate) trait Machine {
    /// The content of a register.
    type Value: Clone;
    /// What can go wrong.
    type Error;

    fn linear_transform(
        &self,
        inputs: &[&Self::Value],
        outputs: u32,
        transform: u32,
    ) -> Result<Vec<Self::Value>, Self::Error>;
    fn rotate_sum(&self, input: &Self::Value, steps: &[u32]) -> Result<Self::Value, Self::Error>;
    fn add_plain(&self, input: &Self::Value, constant: u32) -> Result<Self::Value, Self::Error>;
    fn multiply_plain(&self, input: &Self::Value, constant: u32) -> Result<Self::Value, Self::Error>;
    fn add(&self, left: &Self::Value, right: &Self::Value) -> Result<Self::Value, Self::Error>;
    fn subtract(&self, left: &Self::Value, right: &Self::Value) -> Result<Self::Value, Self::Error>;
    fn multiply(&self, left: &Self::Value, right: &Self::Value) -> Result<Self::Value, Self::Error>;
    fn polynomial(&self, input: &Self::Value, polynomial: u32) -> Result<Self::Value, Self::Error>;
    fn drop_level(&self, input: &Self::Value, level: Level) -> Result<Self::Value, Self::Error>;
    fn rotate(&self, input: &Self::Value, steps: u32) -> Result<Self::Value, Self::Error>;
}

/// Runs a program that was checked, on as many inputs as it takes.
pub(crate) fn run<M: Machine>(
    machine: &M,
    program: &Program,
    inputs: &[M::Value],
) -> Result<Vec<M::Value>, M::Error> {
    run_while(machine, program, inputs, |_| true).map(|outputs| outputs.expect("nobody stops it"))
}

/// The same, but asks before each instruction whether to go on; `None` if not.
pub(crate) fn run_while<M: Machine>(
    machine: &M,
    program: &Program,
    inputs: &[M::Value],
    mut go_on: impl FnMut(&Instruction) -> bool,
) -> Result<Option<Vec<M::Value>>, M::Error> {
    let last_uses = program.last_uses();
    let mut registers: Vec<Option<Cow<'_, M::Value>>> =
        inputs.iter().map(|input| Some(Cow::Borrowed(input))).collect();
    for (at, instruction) in program.instructions.iter().enumerate() {
        if !go_on(instruction) {
            return Ok(None);
        }
        let results = execute(machine, instruction, &registers)?;
        for operand in instruction.operands() {
            if last_uses[operand.index()] == Some(at) {
                registers[operand.index()] = None;
            }
        }
        for result in results {
            let used = last_uses[registers.len()].is_some();
            registers.push(used.then_some(Cow::Owned(result)));
        }
    }
    let outputs = program.outputs.iter();
    Ok(Some(outputs.filter_map(|output| registers[output.index()].as_deref().cloned()).collect()))
}

fn execute<M: Machine>(
    machine: &M,
    instruction: &Instruction,
    registers: &[Option<Cow<'_, M::Value>>],
) -> Result<Vec<M::Value>, M::Error> {
    let value = |register: super::program::Register| {
        registers[register.index()].as_deref().expect("a register lives until its last use")
    };
    let result = match instruction {
        Instruction::LinearTransform { inputs, outputs, transform } => {
            let inputs: Vec<_> = inputs.iter().map(|&input| value(input)).collect();
            return machine.linear_transform(&inputs, *outputs, *transform);
        }
        Instruction::RotateSum { input, steps } => machine.rotate_sum(value(*input), steps),
        Instruction::AddPlain { input, constant } => machine.add_plain(value(*input), *constant),
        Instruction::MultiplyPlain { input, constant } => machine.multiply_plain(value(*input), *constant),
        Instruction::Add { left, right } => machine.add(value(*left), value(*right)),
        Instruction::Subtract { left, right } => machine.subtract(value(*left), value(*right)),
        Instruction::Multiply { left, right } => machine.multiply(value(*left), value(*right)),
        Instruction::Polynomial { input, polynomial } => machine.polynomial(value(*input), *polynomial),
        Instruction::DropLevel { input, level } => machine.drop_level(value(*input), *level),
        Instruction::Rotate { input, steps } => machine.rotate(value(*input), *steps),
    };
    Ok(vec![result?])
}
