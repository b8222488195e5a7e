//! Functions of single elements.

use std::{rc::Rc, sync::Arc};

use super::{Importer, Meaning, attributes::Attributes, refuse, shape::broadcast};
use crate::{
    error::CompileError,
    function::{Expression, Function},
    graph::{Affine, Operation},
    onnx::Node,
    sparse::SparseMatrix,
};

impl Importer<'_> {
    pub(super) fn activation(&mut self, node: &Node) -> Result<(), CompileError> {
        let function = self.function(node)?;
        if let Meaning::Constant { shape, numbers } = self.operand(node, 0)?.clone() {
            let numbers: Rc<[f64]> = numbers.iter().map(|&number| function.at(number)).collect();
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(refuse(node, "a constant is not finite", "check the exported model"));
            }
            return self.mean(node, 0, Meaning::Constant { shape, numbers });
        }
        let (shape, x) = self.variable(node, 0)?;
        self.define(node, shape, Operation::Map(x, function))
    }

    fn function(&self, node: &Node) -> Result<Function, CompileError> {
        let attributes = Attributes::of(node);
        let number = |name: &str, otherwise: f64| attributes.number(name).unwrap_or(otherwise);
        Ok(match node.op_type.as_str() {
            "Relu" => Function::Relu,
            "LeakyRelu" => Function::LeakyRelu { alpha: number("alpha", 0.01) },
            "Sigmoid" => Function::Sigmoid,
            "HardSigmoid" => Function::HardSigmoid { alpha: number("alpha", 0.2), beta: number("beta", 0.5) },
            "Tanh" => Function::Tanh,
            "Elu" => Function::Elu { alpha: number("alpha", 1.0) },
            "Selu" => Function::Selu {
                alpha: number("alpha", 1.673_263_242_354_377_2),
                gamma: number("gamma", 1.050_700_987_355_480_5),
            },
            "Softplus" => Function::Softplus,
            "Softsign" => Function::Softsign,
            "Swish" if number("alpha", 1.0) != 1.0 => {
                let x = Arc::new(Expression::Argument);
                let scaled = Expression::Sum(vec![(number("alpha", 1.0), Arc::clone(&x))], 0.0);
                let gate = Expression::Apply(Function::Sigmoid, Arc::new(scaled));
                Function::Composed(Arc::new(Expression::Product(x, Arc::new(gate))))
            }
            "Silu" | "Swish" => Function::Silu,
            "HardSwish" => Function::HardSwish,
            "Mish" => Function::Mish,
            "Gelu" if attributes.text("approximate").is_some_and(|how| how == "tanh") => Function::GeluTanh,
            "Gelu" => Function::Gelu,
            "Erf" => Function::Erf,
            "Exp" => Function::Exp,
            "Sqrt" => Function::Sqrt,
            "Abs" => Function::Abs,
            "Clip" => {
                let bound = |position: usize, name: &str, otherwise: f64| {
                    if Self::has_operand(node, position) {
                        Ok(self.constant(node, position)?.1.first().copied().unwrap_or(otherwise))
                    } else {
                        Ok(number(name, otherwise))
                    }
                };
                Function::Clip { low: bound(1, "min", f64::MIN)?, high: bound(2, "max", f64::MAX)? }
            }
            other => unreachable!("{other} is not an activation"),
        })
    }

    /// `slope·x + (1 − slope)·relu(x)`.
    pub(super) fn prelu(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (slope_shape, slopes) = self.constant(node, 1)?;
        let from = broadcast(slope_shape, &shape)
            .ok_or_else(|| refuse(node, "its slopes do not broadcast", "give one per channel"))?;
        let slopes: Vec<f64> = from.into_iter().map(|i| slopes[i]).collect();
        self.value(node, shape.clone(), Operation::Map(x, Function::Relu))?;
        let relu = self.values.len() - 1;
        let mut affine = Affine::linear(x, SparseMatrix::diagonal(&slopes));
        let rest: Vec<f64> = slopes.iter().map(|slope| 1.0 - slope).collect();
        affine.add(relu, SparseMatrix::diagonal(&rest));
        self.define(node, shape, Operation::Affine(affine))
    }
}
