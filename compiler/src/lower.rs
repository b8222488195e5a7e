//! From operations on vectors to instructions on slots: assigns levels, joins branches, places
//! constants. A vector is one ciphertext, or several where it does not fit.

use std::ops::Range;

use ckks_core::{Instruction, Level, Program, Register, SlotLayout};

use crate::{
    arrange::Arrangement,
    error::CompileError,
    graph::{Affine, Graph, Operation},
    pack::{Conditions, Packing, transform},
    place::{Placement, place},
};

/// A program with the layouts at its ends.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) program: Program,
    pub(crate) input: SlotLayout,
    pub(crate) output: SlotLayout,
    /// The longest pattern of any vector, in slots of a sample.
    pub(crate) period: usize,
    /// For each value of the graph, the instructions that compute it.
    pub(crate) spans: Vec<Range<usize>>,
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

/// Lowers a graph whose functions have been replaced, for so many slots of a sample; `batch` is 1.
///
/// # Errors
/// [`CompileError::TooWide`] when a vector or a layer does not fit the slots.
pub(crate) fn lower(graph: &Graph, conditions: Conditions) -> Result<Lowered, CompileError> {
    let depths = depths(graph);
    let total = depths[graph.output()];
    // Limbs times digits of two, and the special ones.
    let weight = |depth: u32| (f64::from(total - depth) / 2.0 + 2.5) * (f64::from(total - depth) + 3.0);
    let weights: Vec<f64> =
        graph.values.iter().map(|value| weight(above(&depths, &value.operation))).collect();
    let placement = place(graph, &weights, conditions)?;
    let level = |depth: u32| Level((total - depth) as u8);
    let program = Program {
        batch: 1,
        inputs: placement.arrangements[0].ciphertexts(conditions.slots) as u32,
        input_level: level(0),
        instructions: vec![],
        transforms: vec![],
        constants: vec![],
        polynomials: vec![],
        outputs: vec![],
    };
    let mut lowering = Lowering { program, placement, conditions };
    let mut registers: Vec<Registers> = vec![];
    let mut spans = Vec::with_capacity(graph.values.len());
    for (index, value) in graph.values.iter().enumerate() {
        let start = lowering.program.instructions.len();
        let deepest = above(&depths, &value.operation);
        // Operands at the lowest of their levels.
        let at = |lowering: &mut Lowering, x: usize| {
            if depths[x] == deepest {
                return registers[x].clone();
            }
            let level = level(deepest);
            lowering.each(&registers[x], |input| Instruction::DropLevel { input, level })
        };
        let result = match &value.operation {
            Operation::Input => (0..lowering.program.inputs).map(Register).collect(),
            Operation::Affine(affine) => {
                let operands: Vec<Registers> =
                    affine.terms.iter().map(|(x, _)| at(&mut lowering, *x)).collect();
                lowering.affine(index, &operands, affine)
            }
            Operation::Polynomial(x, polynomial) => {
                lowering.program.polynomials.push(polynomial.clone());
                let polynomial = lowering.program.polynomials.len() as u32 - 1;
                lowering.each(&registers[*x], |input| Instruction::Polynomial { input, polynomial })
            }
            &Operation::Product(x, y) => {
                let left = at(&mut lowering, x);
                let right = if x == y { left.clone() } else { at(&mut lowering, y) };
                lowering.both(&left, &right, |left, right| Instruction::Multiply { left, right })
            }
            Operation::Map(_, function) => {
                return Err(CompileError::program(format!("{} was not approximated", function.name())));
            }
        };
        registers.push(result);
        spans.push(start..lowering.program.instructions.len());
    }
    let Lowering { mut program, placement, .. } = lowering;
    program.outputs.clone_from(&registers[graph.output()]);
    let [input, output] = [0, graph.output()].map(|x| placement.arrangements[x].layout.clone());
    let period = placement.arrangements.iter().map(|arrangement| arrangement.period()).max().unwrap_or(1);
    Ok(Lowered { program, input, output, period, spans })
}

/// The ciphertexts of a vector.
type Registers = Vec<Register>;

struct Lowering {
    program: Program,
    placement: Placement,
    conditions: Conditions,
}

impl Lowering {
    /// Adds an instruction that defines one register.
    fn push(&mut self, instruction: Instruction) -> Register {
        let next = Register(self.program.registers() as u32);
        self.program.instructions.push(instruction);
        next
    }

    fn each(&mut self, inputs: &[Register], instruction: impl Fn(Register) -> Instruction) -> Registers {
        inputs.iter().map(|&input| self.push(instruction(input))).collect()
    }

    fn both(
        &mut self,
        left: &[Register],
        right: &[Register],
        instruction: impl Fn(Register, Register) -> Instruction,
    ) -> Registers {
        left.iter().zip(right).map(|(&left, &right)| self.push(instruction(left, right))).collect()
    }

    fn affine(&mut self, index: usize, operands: &[Registers], affine: &Affine) -> Registers {
        let sums = if affine.is_free() { self.sum(operands, affine) } else { self.product(index, operands) };
        let arrangement: &Arrangement = &self.placement.arrangements[index];
        let offsets = arrangement.spread(&affine.offset);
        let offsets = offsets.chunks(self.conditions.slots).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let added = sums.into_iter().zip(offsets).map(|(input, offsets)| {
            if offsets.iter().all(|&offset| offset == 0.0) {
                return input;
            }
            self.program.constants.push(offsets);
            let constant = self.program.constants.len() as u32 - 1;
            self.push(Instruction::AddPlain { input, constant })
        });
        added.collect()
    }

    /// Adds and subtracts operands, an added one first.
    fn sum(&mut self, operands: &[Registers], affine: &Affine) -> Registers {
        let signed = operands.iter().zip(&affine.terms);
        let mut signed: Vec<(&Registers, bool)> =
            signed.map(|(operand, (_, matrix))| (operand, matrix.as_scalar() == Some(1.0))).collect();
        signed.sort_by_key(|(_, added)| !added);
        let (first, rest) = signed.split_first().expect("a map has a term");
        rest.iter().fold(first.0.clone(), |left, (right, added)| {
            self.both(&left, right, |left, right| match added {
                true => Instruction::Add { left, right },
                false => Instruction::Subtract { left, right },
            })
        })
    }

    /// Multiplies each operand by its matrix and adds the products: in one transform for all operands whose
    /// parts are added up by the same rotations.
    fn product(&mut self, index: usize, operands: &[Registers]) -> Registers {
        let packings = &self.placement.packings;
        let mut groups: Vec<(Vec<&Packing>, Registers)> = vec![];
        for (term, operand) in operands.iter().enumerate() {
            let packing = &packings[&(index, term)];
            match groups.iter_mut().find(|(group, _)| group[0].folds == packing.folds) {
                Some((group, inputs)) => {
                    group.push(packing);
                    inputs.extend(operand);
                }
                None => groups.push((vec![packing], operand.clone())),
            }
        }
        let outputs = self.placement.arrangements[index].ciphertexts(self.conditions.slots) as u32;
        let prices = self.conditions.prices;
        let transforms = groups.into_iter().map(|(group, inputs)| (transform(&group, prices), inputs));
        let transforms: Vec<_> = transforms.collect();
        let mut sums: Option<Registers> = None;
        for (entry, inputs) in transforms {
            self.program.transforms.push(entry);
            let transform = self.program.transforms.len() as u32 - 1;
            let first = self.push(Instruction::LinearTransform { inputs, outputs, transform }).0;
            let products: Registers = (first..first + outputs).map(Register).collect();
            sums = Some(match sums {
                Some(left) => self.both(&left, &products, |left, right| Instruction::Add { left, right }),
                None => products,
            });
        }
        sums.expect("a map has a term")
    }
}

#[cfg(test)]
mod tests {
    use ckks_core::{Polynomial, PolynomialBasis};

    use super::*;
    use crate::{compile::Objective, graph::Value, pack::Prices, reference::evaluate, sparse::SparseMatrix};

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
        Graph::new(values.collect())
    }

    fn conditions(slots: usize) -> Conditions {
        Conditions { slots, prices: Prices::of(Objective::Latency) }
    }

    /// In one ciphertext a vector, and in several.
    fn assert_same_values(graph: &Graph, levels: u32) {
        assert_eq!(depth(graph), levels);
        for slots in [SLOTS, 8, 4, 2] {
            let lowered = lower(graph, conditions(slots)).expect("lowers");
            assert_eq!(u32::from(lowered.program.input_level.0), levels);
            let x: Vec<f64> = (0..graph.values[0].dimension()).map(|i| (i as f64).cos()).collect();
            let packed = lowered.input.pack(&x, slots * lowered.program.inputs as usize);
            let inputs: Vec<Vec<f64>> = packed.chunks(slots).map(<[f64]>::to_vec).collect();
            let outputs = lowered.program.evaluate_clear(slots, &inputs).expect("runs").concat();
            let dimension = graph.values[graph.output()].dimension();
            let found = lowered.output.unpack(&outputs, dimension);
            for (a, b) in found.iter().zip(evaluate(graph, &x)) {
                assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
            let spread = lowered.output.pack(&found, outputs.len());
            assert!(outputs.iter().zip(spread).all(|(a, b)| (a - b).abs() < 1e-9), "pads stay empty");
        }
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
    fn a_vector_of_too_many_ciphertexts_is_refused() {
        let wide = graph(vec![(2 * 256 + 1, Operation::Input)]);
        assert!(matches!(lower(&wide, conditions(2)), Err(CompileError::TooWide { .. })));
    }

    #[test]
    fn branches_are_added_in_one_transform() {
        let mut sum =
            Affine::linear(1, SparseMatrix::from_rows(4, (0..4).map(|i| [(i, 1.0), ((i + 1) % 4, 2.0)])));
        sum.add(2, SparseMatrix::from_rows(4, (0..4).map(|i| [(i, 0.5), ((i + 1) % 4, 3.0)])));
        let squares = vec![
            (4, Operation::Input),
            (4, Operation::Product(0, 0)),
            (4, scaled(&[(0, 0.5)], 4)),
            (4, Operation::Affine(sum)),
        ];
        let graph = graph(squares);
        assert_same_values(&graph, 2);
        let transforms = lower(&graph, conditions(SLOTS)).expect("lowers").program.transforms;
        assert_eq!(transforms.len(), 2);
        assert_eq!(transforms[1].diagonals.keys().filter(|at| at.input == 1).count(), 2);
    }
}
