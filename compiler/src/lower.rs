//! From operations on vectors to instructions on slots: assigns levels, joins branches, places
//! constants. Everything is one ciphertext per vector.

use ckks_core::{Instruction, Level, Program, Register, SlotLayout};

use crate::{
    error::CompileError,
    graph::{Affine, Graph, Operation},
    pack::{Packing, repeated},
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
        let above = value.operation.operands().into_iter().map(|x| depths[x]).max().unwrap_or(0);
        let own = match &value.operation {
            Operation::Affine(_, Affine::Elementwise { factor, .. }) => {
                u32::from(factor.iter().any(|&f| f != 1.0))
            }
            Operation::Affine(_, Affine::Dense { .. }) | Operation::Product(..) => 1,
            Operation::Polynomial(_, polynomial) => polynomial.depth(),
            _ => 0,
        };
        depths.push(above + own);
    }
    depths
}

/// Lowers a graph whose functions have been replaced.
///
/// # Errors
/// [`CompileError::TooWide`] when a vector or a layer does not fit the slots.
pub(crate) fn lower(graph: &Graph, slots: usize) -> Result<Lowered, CompileError> {
    if let Some(value) = graph.values.iter().find(|value| value.dimension.next_power_of_two() > slots) {
        return Err(CompileError::TooWide { node: value.name.clone(), dimension: value.dimension, slots });
    }
    let packing = input_packing(graph, slots)?;
    let input = packing.map_or_else(|| repeated(graph.values[0].dimension), Packing::input_layout);
    let depths = depths(graph);
    let level = |depth: u32| Level((depths[graph.output()] - depth) as u8);
    let program = Program {
        inputs: 1,
        input_level: level(0),
        instructions: vec![],
        transforms: vec![],
        constants: vec![],
        polynomials: vec![],
        outputs: vec![],
    };
    let mut lowering = Lowering { program, packing };
    let mut registers: Vec<Register> = vec![];
    for value in &graph.values {
        let at = |x: usize| registers[x];
        // Brings the operands of a binary operation to the lower of their levels.
        let pair = |lowering: &mut Lowering, x: usize, y: usize| {
            let deepest = depths[x].max(depths[y]);
            let mut brought = [x, y].map(|operand| {
                if depths[operand] == deepest {
                    return at(operand);
                }
                lowering.push(Instruction::DropLevel { input: at(operand), level: level(deepest) })
            });
            if x == y {
                brought[1] = brought[0];
            }
            (brought[0], brought[1])
        };
        let register = match &value.operation {
            Operation::Input => Register(0),
            Operation::Affine(x, affine) => lowering.affine(at(*x), *x == 0, affine),
            Operation::Polynomial(x, polynomial) => {
                lowering.program.polynomials.push(polynomial.clone());
                let polynomial = lowering.program.polynomials.len() as u32 - 1;
                lowering.push(Instruction::Polynomial { input: at(*x), polynomial })
            }
            &Operation::Sum(x, y) => {
                let (left, right) = pair(&mut lowering, x, y);
                lowering.push(Instruction::Add { left, right })
            }
            &Operation::Difference(x, y) => {
                let (left, right) = pair(&mut lowering, x, y);
                lowering.push(Instruction::Subtract { left, right })
            }
            &Operation::Product(x, y) => {
                let (left, right) = pair(&mut lowering, x, y);
                lowering.push(Instruction::Multiply { left, right })
            }
            Operation::Map(_, function) => {
                return Err(CompileError::program(format!("{} was not approximated", function.name())));
            }
        };
        registers.push(register);
    }
    let mut program = lowering.program;
    program.outputs = vec![registers[graph.output()]];
    let output =
        if graph.output() == 0 { input.clone() } else { repeated(graph.values[graph.output()].dimension) };
    Ok(Lowered { program, input, output })
}

/// The packing of the only layer that reads the input, if it is one that can choose.
fn input_packing(graph: &Graph, slots: usize) -> Result<Option<Packing>, CompileError> {
    let mut readers = graph.values.iter().filter(|value| value.operation.operands().contains(&0));
    let (Some(reader), None) = (readers.next(), readers.next()) else { return Ok(None) };
    let Operation::Affine(_, Affine::Dense { matrix, .. }) = &reader.operation else { return Ok(None) };
    let packing = Packing::of_input(matrix, slots);
    let wide = || CompileError::TooWide {
        node: reader.name.clone(),
        dimension: matrix.rows.max(matrix.columns),
        slots,
    };
    packing.map(Some).ok_or_else(wide)
}

struct Lowering {
    program: Program,
    /// Of the layer that reads the input.
    packing: Option<Packing>,
}

impl Lowering {
    fn push(&mut self, instruction: Instruction) -> Register {
        self.program.instructions.push(instruction);
        Register((self.program.registers() - 1) as u32)
    }

    fn constant(&mut self, values: &[f64]) -> u32 {
        let period = values.len().next_power_of_two();
        self.program.constants.push(repeated(values.len()).pack(values, period));
        self.program.constants.len() as u32 - 1
    }

    fn affine(&mut self, input: Register, reads_input: bool, affine: &Affine) -> Register {
        let (product, offset) = match affine {
            Affine::Elementwise { factor, offset } => {
                if factor.iter().all(|&f| f == 1.0) {
                    (input, offset)
                } else {
                    let constant = self.constant(factor);
                    (self.push(Instruction::MultiplyPlain { input, constant }), offset)
                }
            }
            Affine::Dense { matrix, offset } => {
                let chosen = self.packing.filter(|_| reads_input);
                let packing = chosen.unwrap_or_else(|| Packing::of_repeated(matrix));
                self.program.transforms.push(packing.transform(matrix));
                let transform = self.program.transforms.len() as u32 - 1;
                let collected = self.push(Instruction::LinearTransform { input, transform });
                let steps = packing.folds();
                if steps.is_empty() {
                    (collected, offset)
                } else {
                    (self.push(Instruction::RotateSum { input: collected, steps }), offset)
                }
            }
        };
        if offset.iter().all(|&o| o == 0.0) {
            return product;
        }
        let constant = self.constant(offset);
        self.push(Instruction::AddPlain { input: product, constant })
    }
}

#[cfg(test)]
mod tests {
    use ckks_core::{Polynomial, PolynomialBasis};

    use super::*;
    use crate::{
        graph::{Matrix, Postprocessing, Value},
        reference::evaluate,
    };

    const SLOTS: usize = 256;

    fn dense(rows: usize, columns: usize) -> Affine {
        let entries = (0..rows * columns).map(|i| (i as f64 * 0.7).sin() / 4.0).collect();
        Affine::Dense { matrix: Matrix { rows, columns, entries }, offset: vec![0.25; rows] }
    }

    fn graph(operations: Vec<(usize, Operation)>) -> Graph {
        let values = operations.into_iter().map(|(dimension, operation)| Value {
            name: "node".into(),
            dimension,
            operation,
        });
        Graph { input_shape: vec![7], values: values.collect(), postprocessing: Postprocessing::None }
    }

    fn assert_same_values(graph: &Graph, levels: u32) {
        let lowered = lower(graph, SLOTS).expect("lowers");
        assert_eq!(depth(graph), levels);
        assert_eq!(u32::from(lowered.program.input_level.0), levels);
        let x: Vec<f64> = (0..graph.values[0].dimension).map(|i| (i as f64).cos()).collect();
        let slots = lowered.program.evaluate_clear(SLOTS, &[lowered.input.pack(&x, SLOTS)]).expect("runs");
        let dimension = graph.values[graph.output()].dimension;
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
            (5, Operation::Affine(0, dense(5, 7))),
            (5, Operation::Product(1, 1)),
            (3, Operation::Affine(2, dense(3, 5))),
        ];
        assert_same_values(&graph(network), 3);
    }

    #[test]
    fn branches_join_at_the_lower_level() {
        let cube = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![0.0, 1.0, 0.0, 0.5] };
        let scaled = Affine::Elementwise { factor: vec![0.5; 4], offset: vec![0.0; 4] };
        let branches = vec![
            (4, Operation::Input),
            (4, Operation::Polynomial(0, cube)),
            (4, Operation::Affine(0, scaled)),
            (4, Operation::Sum(1, 2)),
            (4, Operation::Difference(3, 0)),
            (4, Operation::Product(4, 0)),
            (6, Operation::Affine(5, dense(6, 4))),
        ];
        assert_same_values(&graph(branches), 4);
    }

    #[test]
    fn shifting_alone_takes_no_level() {
        let shift = Affine::Elementwise { factor: vec![1.0; 4], offset: vec![2.0; 4] };
        assert_same_values(&graph(vec![(4, Operation::Input), (4, Operation::Affine(0, shift))]), 0);
    }

    #[test]
    fn a_vector_longer_than_the_slots_is_refused() {
        let wide = graph(vec![(SLOTS + 1, Operation::Input)]);
        assert!(matches!(lower(&wide, SLOTS), Err(CompileError::TooWide { .. })));
    }
}
