//! From operations on vectors to instructions on slots: assigns levels, joins branches, places
//! constants. Everything is one ciphertext per vector.

use ckks_core::{Instruction, Level, Program, Register, SlotLayout};

use crate::{
    arrange::Arrangement,
    error::CompileError,
    graph::{Affine, Graph, Operation},
    place::{Placement, place},
};

/// A program with the layouts at its ends.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) program: Program,
    pub(crate) input: SlotLayout,
    pub(crate) output: SlotLayout,
}

/// The levels that the whole model takes.
pub(crate) fn depth(graph: &Graph) -> u32 {
    depths(graph)[graph.output()]
}

/// The levels that each value is below the input.
fn depths(graph: &Graph) -> Vec<u32> {
    let mut depths: Vec<u32> = Vec::with_capacity(graph.values.len());
    for value in &graph.values {
        let own = match &value.operation {
            Operation::Affine(affine) => u32::from(!affine.is_free()),
            Operation::Product(..) => 1,
            Operation::Polynomial(_, polynomial) => polynomial.depth(),
            Operation::Input | Operation::Map(..) => 0,
        };
        depths.push(above(&depths, &value.operation) + own);
    }
    depths
}

/// The lowest of the operands.
fn above(depths: &[u32], operation: &Operation) -> u32 {
    operation.operands().into_iter().map(|x| depths[x]).max().unwrap_or(0)
}

/// Lowers a graph whose functions have been replaced.
///
/// # Errors
/// [`CompileError::TooWide`] when a vector or a layer does not fit the slots.
pub(crate) fn lower(graph: &Graph, slots: usize) -> Result<Lowered, CompileError> {
    let depths = depths(graph);
    let total = depths[graph.output()];
    // Limbs times digits of two, and the special ones.
    let weight = |depth: u32| (f64::from(total - depth) / 2.0 + 2.5) * (f64::from(total - depth) + 3.0);
    let weights: Vec<f64> =
        graph.values.iter().map(|value| weight(above(&depths, &value.operation))).collect();
    let placement = place(graph, &weights, slots)?;
    let level = |depth: u32| Level((total - depth) as u8);
    let program = Program {
        inputs: 1,
        input_level: level(0),
        instructions: vec![],
        transforms: vec![],
        constants: vec![],
        polynomials: vec![],
        outputs: vec![],
    };
    let mut lowering = Lowering { program, placement };
    let mut registers: Vec<Register> = vec![];
    for (index, value) in graph.values.iter().enumerate() {
        let deepest = above(&depths, &value.operation);
        // Operands at the lowest of their levels.
        let at = |lowering: &mut Lowering, x: usize| {
            if depths[x] == deepest {
                return registers[x];
            }
            lowering.push(Instruction::DropLevel { input: registers[x], level: level(deepest) })
        };
        let register = match &value.operation {
            Operation::Input => Register(0),
            Operation::Affine(affine) => {
                let operands: Vec<Register> =
                    affine.terms.iter().map(|(x, _)| at(&mut lowering, *x)).collect();
                lowering.affine(index, &operands, affine)
            }
            Operation::Polynomial(x, polynomial) => {
                lowering.program.polynomials.push(polynomial.clone());
                let polynomial = lowering.program.polynomials.len() as u32 - 1;
                lowering.push(Instruction::Polynomial { input: registers[*x], polynomial })
            }
            &Operation::Product(x, y) => {
                let left = at(&mut lowering, x);
                let right = if x == y { left } else { at(&mut lowering, y) };
                lowering.push(Instruction::Multiply { left, right })
            }
            Operation::Map(_, function) => {
                return Err(CompileError::program(format!("{} was not approximated", function.name())));
            }
        };
        registers.push(register);
    }
    let Lowering { mut program, placement } = lowering;
    program.outputs = vec![registers[graph.output()]];
    let [input, output] = [0, graph.output()].map(|x| placement.arrangements[x].layout.clone());
    Ok(Lowered { program, input, output })
}

struct Lowering {
    program: Program,
    placement: Placement,
}

impl Lowering {
    fn push(&mut self, instruction: Instruction) -> Register {
        self.program.instructions.push(instruction);
        Register((self.program.registers() - 1) as u32)
    }

    fn affine(&mut self, index: usize, operands: &[Register], affine: &Affine) -> Register {
        let sum = if affine.is_free() { self.sum(operands, affine) } else { self.product(index, operands) };
        if affine.offset.iter().all(|&offset| offset == 0.0) {
            return sum;
        }
        let arrangement: &Arrangement = &self.placement.arrangements[index];
        self.program.constants.push(arrangement.spread(&affine.offset));
        let constant = self.program.constants.len() as u32 - 1;
        self.push(Instruction::AddPlain { input: sum, constant })
    }

    /// Adds and subtracts operands, an added one first.
    fn sum(&mut self, operands: &[Register], affine: &Affine) -> Register {
        let signed = operands.iter().zip(&affine.terms);
        let mut signed: Vec<(Register, bool)> =
            signed.map(|(&operand, (_, matrix))| (operand, matrix.as_scalar() == Some(1.0))).collect();
        signed.sort_by_key(|(_, added)| !added);
        let (first, rest) = signed.split_first().expect("a map has a term");
        rest.iter().fold(first.0, |left, &(right, added)| {
            self.push(match added {
                true => Instruction::Add { left, right },
                false => Instruction::Subtract { left, right },
            })
        })
    }

    /// Multiplies each operand by its matrix and adds the products; parts are added up once for all
    /// operands that need the same rotations for it.
    fn product(&mut self, index: usize, operands: &[Register]) -> Register {
        let packings = &self.placement.packings;
        let packings: Vec<_> = (0..operands.len()).map(|term| packings[&(index, term)].clone()).collect();
        let mut collected: Vec<(Vec<u32>, Register)> = vec![];
        for (&input, packing) in operands.iter().zip(&packings) {
            // Folds that nobody shares cost less, and add no noise, inside the transform.
            let shared = packings.iter().filter(|other| other.folds == packing.folds).count() > 1;
            let mut transform = packing.transform();
            let (inside, after) =
                if shared { (vec![], packing.folds.clone()) } else { (packing.folds.clone(), vec![]) };
            transform.folds = inside;
            self.program.transforms.push(transform);
            let transform = self.program.transforms.len() as u32 - 1;
            let right = self.push(Instruction::LinearTransform { input, transform });
            match collected.iter().position(|(folds, _)| *folds == after) {
                Some(at) => {
                    let left = collected[at].1;
                    collected[at].1 = self.push(Instruction::Add { left, right });
                }
                None => collected.push((after, right)),
            }
        }
        let sums: Vec<Register> =
            collected
                .into_iter()
                .map(|(steps, input)| {
                    if steps.is_empty() { input } else { self.push(Instruction::RotateSum { input, steps }) }
                })
                .collect();
        let (&first, rest) = sums.split_first().expect("a map has a term");
        rest.iter().fold(first, |left, &right| self.push(Instruction::Add { left, right }))
    }
}

#[cfg(test)]
mod tests {
    use ckks_core::{Polynomial, PolynomialBasis};

    use super::*;
    use crate::{
        graph::{Postprocessing, Value},
        reference::evaluate,
        sparse::SparseMatrix,
    };

    const SLOTS: usize = 256;

    fn dense(source: usize, rows: usize, columns: usize) -> Operation {
        let entry = move |r: usize, c: usize| ((r * columns + c) as f64 * 0.7).sin() / 4.0;
        let rows = (0..rows).map(|r| (0..columns).map(move |c| (c, entry(r, c))));
        let mut affine = Affine::linear(source, SparseMatrix::from_rows(columns, rows));
        affine.offset.fill(0.25);
        Operation::Affine(affine)
    }

    fn scaled(terms: &[(usize, f64)], dimension: usize) -> Operation {
        let mut affine = Affine { terms: vec![], offset: vec![0.0; dimension] };
        terms.iter().for_each(|&(x, factor)| affine.add(x, SparseMatrix::scalar(dimension, factor)));
        Operation::Affine(affine)
    }

    fn graph(operations: Vec<(usize, Operation)>) -> Graph {
        let values = operations.into_iter().map(|(dimension, operation)| Value {
            name: "node".into(),
            shape: vec![dimension],
            operation,
        });
        Graph { values: values.collect(), postprocessing: Postprocessing::None }
    }

    fn assert_same_values(graph: &Graph, levels: u32) {
        let lowered = lower(graph, SLOTS).expect("lowers");
        assert_eq!(depth(graph), levels);
        assert_eq!(u32::from(lowered.program.input_level.0), levels);
        let x: Vec<f64> = (0..graph.values[0].dimension()).map(|i| (i as f64).cos()).collect();
        let slots = lowered.program.evaluate_clear(SLOTS, &[lowered.input.pack(&x, SLOTS)]).expect("runs");
        let dimension = graph.values[graph.output()].dimension();
        let found = lowered.output.unpack(&slots[0], dimension);
        for (a, b) in found.iter().zip(evaluate(graph, &x)) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        let spread = lowered.output.pack(&found, SLOTS);
        assert!(slots[0].iter().zip(spread).all(|(a, b)| (a - b).abs() < 1e-9), "pads stay empty");
    }

    #[test]
    fn layers_and_squares_run_on_slots() {
        let network = vec![
            (7, Operation::Input),
            (5, dense(0, 5, 7)),
            (5, Operation::Product(1, 1)),
            (3, dense(2, 3, 5)),
        ];
        assert_same_values(&graph(network), 3);
    }

    #[test]
    fn branches_join_at_the_lower_level() {
        let cube = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![0.0, 1.0, 0.0, 0.5] };
        let branches = vec![
            (4, Operation::Input),
            (4, Operation::Polynomial(0, cube)),
            (4, scaled(&[(0, 0.5)], 4)),
            (4, scaled(&[(1, 1.0), (2, 1.0)], 4)),
            (4, scaled(&[(0, -1.0), (3, 1.0)], 4)),
            (4, Operation::Product(4, 0)),
            (6, dense(5, 6, 4)),
        ];
        assert_same_values(&graph(branches), 4);
    }

    #[test]
    fn shifting_alone_takes_no_level() {
        let mut shift = Affine::linear(0, SparseMatrix::scalar(4, 1.0));
        shift.offset.fill(2.0);
        assert_same_values(&graph(vec![(4, Operation::Input), (4, Operation::Affine(shift))]), 0);
    }

    #[test]
    fn a_vector_longer_than_the_slots_is_refused() {
        let wide = graph(vec![(SLOTS + 1, Operation::Input)]);
        assert!(matches!(lower(&wide, SLOTS), Err(CompileError::TooWide { .. })));
    }
}
