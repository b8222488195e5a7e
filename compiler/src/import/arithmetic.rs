//! Add, Sub, Mul, Div, Pow, Neg: of constants at once, with a constant an affine map, of two values a
//! sum or a product.

use std::rc::Rc;

use super::{
    Importer, Meaning, refuse,
    shape::{broadcast, common},
};
use crate::{
    error::CompileError,
    function::Function,
    graph::{Affine, Operation},
    onnx::Node,
    sparse::SparseMatrix,
};

impl Importer<'_> {
    pub(super) fn arithmetic(&mut self, node: &Node) -> Result<(), CompileError> {
        let operator = node.op_type.as_str();
        let (a, b) = (self.shape(node, 0)?, self.shape(node, 1)?);
        let target = common(&a, &b);
        let target =
            target.ok_or_else(|| refuse(node, "its operands do not broadcast", "make the shapes equal"))?;
        self.affordable(node, &target, 1)?;
        let [from_a, from_b] = [&a, &b].map(|shape| broadcast(shape, &target).unwrap_or_default());
        let spread = |numbers: &[f64], from: &[usize]| from.iter().map(|&i| numbers[i]).collect::<Vec<f64>>();
        let dimension = from_a.len();
        match (self.operand(node, 0)?.clone(), self.operand(node, 1)?.clone()) {
            (Meaning::Constant { numbers: x, .. }, Meaning::Constant { numbers: y, .. }) => {
                let operation: fn(f64, f64) -> f64 = match operator {
                    "Add" => |x, y| x + y,
                    "Sub" => |x, y| x - y,
                    "Mul" => |x, y| x * y,
                    _ if node.input.iter().all(|name| self.whole.contains(name)) => |x, y| (x / y).trunc(),
                    _ => |x, y| x / y,
                };
                let pairs = spread(&x, &from_a).into_iter().zip(spread(&y, &from_b));
                let numbers: Rc<[f64]> = pairs.map(|(x, y)| operation(x, y)).collect();
                if numbers.iter().any(|number| !number.is_finite()) {
                    return Err(refuse(node, "a constant is not finite", "check the exported model"));
                }
                self.mean(node, 0, Meaning::Constant { shape: target, numbers })
            }
            (Meaning::Variable { value: x, .. }, Meaning::Variable { value: y, .. }) => {
                let sign = match operator {
                    "Add" => 1.0,
                    "Sub" => -1.0,
                    "Mul" => return self.product(node, target, [(x, from_a), (y, from_b)]),
                    _ => {
                        return Err(refuse(
                            node,
                            "division by a value that depends on the input has no exact form",
                            "divide by constants only",
                        ));
                    }
                };
                let mut affine = Affine { terms: vec![], offset: vec![0.0; dimension] };
                affine.add(x, self.spread(x, &from_a));
                affine.add(y, self.spread(y, &from_b).times(sign));
                self.define(node, target, Operation::Affine(affine))
            }
            (Meaning::Variable { value, .. }, Meaning::Constant { numbers, .. }) => {
                let c = spread(&numbers, &from_b);
                let (factor, offset) = match operator {
                    "Add" => (vec![1.0; dimension], c),
                    "Sub" => (vec![1.0; dimension], c.iter().map(|c| -c).collect()),
                    "Mul" => (c, vec![0.0; dimension]),
                    _ => (c.iter().map(|c| 1.0 / c).collect(), vec![0.0; dimension]),
                };
                self.scaled(node, target, (value, from_a), &factor, offset)
            }
            (Meaning::Constant { numbers, .. }, Meaning::Variable { value, .. }) => {
                let c = spread(&numbers, &from_a);
                let (factor, offset) = match operator {
                    "Add" => (vec![1.0; dimension], c),
                    "Sub" => (vec![-1.0; dimension], c),
                    "Mul" => (c, vec![0.0; dimension]),
                    _ => {
                        return Err(refuse(
                            node,
                            "division by a value that depends on the input has no exact form",
                            "divide by constants only",
                        ));
                    }
                };
                self.scaled(node, target, (value, from_b), &factor, offset)
            }
            (Meaning::Client { .. }, _) => self.variable(node, 0).map(|_| ()),
            (_, Meaning::Client { .. }) => self.variable(node, 1).map(|_| ()),
        }
    }

    pub(super) fn negate(&mut self, node: &Node) -> Result<(), CompileError> {
        if let Meaning::Constant { shape, numbers } = self.operand(node, 0)?.clone() {
            let numbers = numbers.iter().map(|number| -number).collect();
            return self.mean(node, 0, Meaning::Constant { shape, numbers });
        }
        let (shape, x) = self.variable(node, 0)?;
        let dimension = shape.iter().product();
        self.define_affine(node, shape, x, SparseMatrix::scalar(dimension, -1.0), vec![0.0; dimension])
    }

    pub(super) fn power(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (_, exponents) = self.constant(node, 1)?;
        let exact = exponents.first().copied().filter(|n| exponents.iter().all(|m| m == n));
        let operation = match exact {
            Some(1.0) => return self.identity(node),
            Some(0.5) => Operation::Map(x, Function::Sqrt),
            Some(n) if n.fract() == 0.0 && (2.0..=16.0).contains(&n) => {
                Operation::Map(x, Function::Power(n as u32))
            }
            _ => {
                return Err(refuse(
                    node,
                    "its exponent is not one whole number from 1 to 16, nor 0.5",
                    "use such an exponent",
                ));
            }
        };
        self.define(node, shape, operation)
    }

    /// `factor·x + offset`, x being repeated first.
    fn scaled(
        &mut self,
        node: &Node,
        shape: Vec<usize>,
        (value, from): (usize, Vec<usize>),
        factor: &[f64],
        offset: Vec<f64>,
    ) -> Result<(), CompileError> {
        if factor.iter().any(|factor| !factor.is_finite()) {
            return Err(refuse(node, "it divides by zero", "remove constant features before training"));
        }
        let columns = self.values[value].dimension();
        let rows = from.into_iter().zip(factor).map(|(column, &factor)| [(column, factor)]);
        self.define_affine(node, shape, value, SparseMatrix::from_rows(columns, rows), offset)
    }

    fn product(
        &mut self,
        node: &Node,
        shape: Vec<usize>,
        factors: [(usize, Vec<usize>); 2],
    ) -> Result<(), CompileError> {
        let mut operands = vec![];
        for (value, from) in factors {
            if from.iter().enumerate().all(|(i, &from)| i == from) {
                operands.push(value);
                continue;
            }
            let affine = Affine::linear(value, self.spread(value, &from));
            self.value(node, shape.clone(), Operation::Affine(affine))?;
            operands.push(self.values.len() - 1);
        }
        let operation = match operands[..] {
            [x, y] if x == y => Operation::Map(x, Function::Power(2)),
            [x, y] => Operation::Product(x, y),
            _ => unreachable!("a product has two factors"),
        };
        self.define(node, shape, operation)
    }

    /// The map that repeats a value.
    fn spread(&self, value: usize, from: &[usize]) -> SparseMatrix {
        let from: Vec<_> = from.iter().copied().map(Some).collect();
        SparseMatrix::selection(self.values[value].dimension(), &from)
    }
}
