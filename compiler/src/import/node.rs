//! One ONNX node at a time. Whatever is not here is refused by name.

use super::{Importer, Meaning, is_read, refuse};
use crate::{
    error::CompileError,
    graph::{Affine, Function, Matrix, Operation, Postprocessing},
    onnx::{GraphProto, Node, numbers, tensor_shape},
};

const KNOWN: &str = "supported are Add, Cast, Constant, Div, Dropout, Flatten, Gemm, Identity, MatMul, Mul, Neg, \
                     Pow, Relu, Reshape, Sigmoid, Softmax, Squeeze, Sub, Tanh, Unsqueeze";

/// A tensor that depends on the input: its shape and its value.
type Variable = (Vec<usize>, usize);

impl Importer {
    pub(super) fn node(&mut self, node: &Node, proto: &GraphProto) -> Result<(), CompileError> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(refuse(node, format!("operators of {:?} are not supported", node.domain), KNOWN));
        }
        match node.op_type.as_str() {
            "Constant" => self.constant(node),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Identity" | "Dropout" | "Cast" => self.identity(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.mat_mul(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "Neg" => {
                let (shape, x) = self.variable(node, 0)?;
                let n = shape.iter().product();
                let negation = Affine::Elementwise { factor: vec![-1.0; n], offset: vec![0.0; n] };
                self.define(node, shape, Operation::Affine(x, negation))
            }
            "Pow" => self.power(node),
            "Relu" => self.map(node, Function::Relu),
            "Tanh" => self.map(node, Function::Tanh),
            "Sigmoid" if self.is_final(node, proto) => self.leave_to_client(node, Postprocessing::Sigmoid),
            "Sigmoid" => self.map(node, Function::Sigmoid),
            "Softmax" if self.is_final(node, proto) => self.leave_to_client(node, Postprocessing::Softmax),
            "Softmax" => Err(refuse(
                node,
                "it is not the last node",
                "a softmax inside a model has no polynomial substitute",
            )),
            "MaxPool" => Err(refuse(node, "a maximum cannot be computed on ciphertexts", "use AveragePool")),
            "LeakyRelu" | "Elu" | "Selu" | "Gelu" | "Softplus" | "HardSigmoid" | "Silu" => Err(refuse(
                node,
                "this activation is not supported yet",
                "use Relu, Tanh, Sigmoid or a square",
            )),
            _ => Err(refuse(node, "this operator is not supported", KNOWN)),
        }
    }

    fn meaning(&self, node: &Node, position: usize) -> Result<&Meaning, CompileError> {
        let name = node.input.get(position).filter(|name| !name.is_empty());
        let missing =
            || CompileError::malformed(format!("node {:?} misses input {position}", super::title(node)));
        let name = name.ok_or_else(missing)?;
        self.names.get(name).ok_or_else(|| CompileError::malformed(format!("nothing computes {name:?}")))
    }

    fn variable(&self, node: &Node, position: usize) -> Result<Variable, CompileError> {
        match self.meaning(node, position)? {
            Meaning::Variable { shape, value } => Ok((shape.clone(), *value)),
            Meaning::Constant { .. } => {
                Err(refuse(node, "its operand is constant", "let the exporter fold constants"))
            }
        }
    }

    fn constant_operand(&self, node: &Node, position: usize) -> Result<(&[usize], &[f64]), CompileError> {
        match self.meaning(node, position)? {
            Meaning::Constant { shape, numbers } => Ok((shape, numbers)),
            Meaning::Variable { .. } => Err(refuse(
                node,
                format!("input {position} depends on the model's input"),
                "only constants are supported there",
            )),
        }
    }

    fn constant(&mut self, node: &Node) -> Result<(), CompileError> {
        let tensor = node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
        let tensor = tensor.ok_or_else(|| refuse(node, "it has no tensor", "use the attribute `value`"))?;
        let meaning = Meaning::Constant { shape: tensor_shape(tensor)?, numbers: numbers(tensor)? };
        self.mean(node, meaning)
    }

    fn identity(&mut self, node: &Node) -> Result<(), CompileError> {
        let meaning = self.meaning(node, 0)?.clone();
        self.mean(node, meaning)
    }

    /// Everything that keeps the order of elements is a new name for the same vector.
    fn reshape(&mut self, node: &Node) -> Result<(), CompileError> {
        let meaning = self.meaning(node, 0)?.clone();
        let shape = match &meaning {
            Meaning::Constant { shape, .. } | Meaning::Variable { shape, .. } => shape.clone(),
        };
        let elements: usize = shape.iter().product();
        let target = match node.op_type.as_str() {
            "Flatten" => vec![1, elements],
            "Reshape" => {
                let (_, numbers) = self.constant_operand(node, 1)?;
                reshaped(&shape, numbers)
                    .ok_or_else(|| refuse(node, "its shape does not fit", "keep the number of elements"))?
            }
            "Squeeze" => {
                std::iter::once(1).chain(shape.iter().skip(1).copied().filter(|&e| e != 1)).collect()
            }
            // Where the new axes go changes no order; the batch axis stays first.
            _ => shape.iter().copied().chain([1]).collect(),
        };
        let meaning = match meaning {
            Meaning::Constant { numbers, .. } => Meaning::Constant { shape: target, numbers },
            Meaning::Variable { value, .. } => Meaning::Variable { shape: target, value },
        };
        self.mean(node, meaning)
    }

    fn gemm(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (weight_shape, weights) = self.constant_operand(node, 1)?;
        let number = |name: &str| node.attribute.iter().find(|a| a.name == name).map_or(1.0, |a| a.f.into());
        let flag = |name: &str| node.attribute.iter().any(|a| a.name == name && a.i != 0);
        if flag("transA") {
            return Err(refuse(node, "transA is set", "export the model with transA = 0"));
        }
        let matrix = weight_matrix(node, &shape, weight_shape, weights, flag("transB"), number("alpha"))?;
        let rows = matrix.rows;
        let beta: f64 = number("beta");
        let offset = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(_) => {
                let (bias_shape, bias) = self.constant_operand(node, 2)?;
                let bias = broadcast(bias_shape, bias, &[1, rows]);
                let bias =
                    bias.ok_or_else(|| refuse(node, "its bias does not fit", "give one summand per output"))?;
                bias.iter().map(|b| beta * b).collect()
            }
            None => vec![0.0; rows],
        };
        self.define(node, vec![1, rows], Operation::Affine(x, Affine::Dense { matrix, offset }))
    }

    fn mat_mul(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (weight_shape, weights) = self.constant_operand(node, 1)?;
        let matrix = weight_matrix(node, &shape, weight_shape, weights, false, 1.0)?;
        let offset = vec![0.0; matrix.rows];
        self.define(node, vec![1, matrix.rows], Operation::Affine(x, Affine::Dense { matrix, offset }))
    }

    /// Add, Sub, Mul, Div: with a constant an affine map, between variables an operation of its own.
    fn arithmetic(&mut self, node: &Node) -> Result<(), CompileError> {
        let operator = node.op_type.as_str();
        let (left, right) = (self.meaning(node, 0)?.clone(), self.meaning(node, 1)?.clone());
        match (left, right) {
            (Meaning::Variable { shape, value: x }, Meaning::Variable { shape: other, value: y }) => {
                if shape.iter().product::<usize>() != other.iter().product::<usize>() {
                    return Err(refuse(node, "its operands have different sizes", "make the shapes equal"));
                }
                let operation = match operator {
                    "Add" => Operation::Sum(x, y),
                    "Sub" => Operation::Difference(x, y),
                    "Mul" if x == y => Operation::Map(x, Function::Power(2)),
                    "Mul" => Operation::Product(x, y),
                    _ => {
                        return Err(refuse(
                            node,
                            "division by a variable has no exact form",
                            "divide by constants only",
                        ));
                    }
                };
                self.define(node, shape, operation)
            }
            (Meaning::Variable { shape, value }, Meaning::Constant { shape: other, numbers }) => {
                let c = broadcast(&other, &numbers, &shape).ok_or_else(|| {
                    refuse(node, "its constant does not broadcast", "give it the variable's shape")
                })?;
                let n = c.len();
                let (factor, offset) = match operator {
                    "Add" => (vec![1.0; n], c),
                    "Sub" => (vec![1.0; n], c.iter().map(|c| -c).collect()),
                    "Mul" => (c, vec![0.0; n]),
                    _ => (c.iter().map(|c| 1.0 / c).collect(), vec![0.0; n]),
                };
                self.elementwise(node, shape, value, factor, offset)
            }
            (Meaning::Constant { shape: other, numbers }, Meaning::Variable { shape, value }) => {
                let c = broadcast(&other, &numbers, &shape).ok_or_else(|| {
                    refuse(node, "its constant does not broadcast", "give it the variable's shape")
                })?;
                let n = c.len();
                let (factor, offset) = match operator {
                    "Add" => (vec![1.0; n], c),
                    "Sub" => (vec![-1.0; n], c),
                    "Mul" => (c, vec![0.0; n]),
                    _ => {
                        return Err(refuse(
                            node,
                            "division by a variable has no exact form",
                            "divide by constants only",
                        ));
                    }
                };
                self.elementwise(node, shape, value, factor, offset)
            }
            (Meaning::Constant { .. }, Meaning::Constant { .. }) => {
                Err(refuse(node, "both operands are constant", "let the exporter fold constants"))
            }
        }
    }

    fn elementwise(
        &mut self,
        node: &Node,
        shape: Vec<usize>,
        value: usize,
        factor: Vec<f64>,
        offset: Vec<f64>,
    ) -> Result<(), CompileError> {
        if factor.iter().any(|f| !f.is_finite()) {
            return Err(refuse(node, "it divides by zero", "remove constant features before training"));
        }
        self.define(node, shape, Operation::Affine(value, Affine::Elementwise { factor, offset }))
    }

    fn power(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (_, exponents) = self.constant_operand(node, 1)?;
        let exact = exponents.first().copied().filter(|n| exponents.iter().all(|m| m == n));
        match exact.filter(|n| n.fract() == 0.0 && (2.0..=16.0).contains(n)) {
            Some(n) => self.define(node, shape, Operation::Map(x, Function::Power(n as u32))),
            None => {
                Err(refuse(node, "its exponent is not one whole number from 2 to 16", "use such an exponent"))
            }
        }
    }

    fn map(&mut self, node: &Node, function: Function) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        self.define(node, shape, Operation::Map(x, function))
    }

    /// Whether nothing but the output of the model comes after a node.
    fn is_final(&self, node: &Node, proto: &GraphProto) -> bool {
        node.output.first().is_some_and(|name| *name == self.output && !is_read(proto, name))
    }

    fn leave_to_client(&mut self, node: &Node, postprocessing: Postprocessing) -> Result<(), CompileError> {
        let (shape, value) = self.variable(node, 0)?;
        if postprocessing == Postprocessing::Softmax {
            let axis = node.attribute.iter().find(|a| a.name == "axis").map_or(-1, |a| a.i);
            let last = shape.len() as i64 - 1;
            let whole = shape[..shape.len() - 1].iter().all(|&extent| extent == 1);
            if !whole || (axis != -1 && axis != last) {
                return Err(refuse(node, "it is not over the whole output", "apply Softmax to one vector"));
            }
        }
        self.mean(node, Meaning::Variable { shape, value })?;
        self.postprocessing = postprocessing;
        Ok(())
    }
}

/// The matrix that takes a row vector of `shape` times weights to a column of outputs.
fn weight_matrix(
    node: &Node,
    shape: &[usize],
    weight_shape: &[usize],
    weights: &[f64],
    transposed: bool,
    alpha: f64,
) -> Result<Matrix, CompileError> {
    let inputs: usize = shape.iter().product();
    let ([_, rest @ ..], &[a, b]) = (shape, weight_shape) else {
        return Err(refuse(node, "its weights are not a matrix", "flatten the input first"));
    };
    let (columns, rows) = if transposed { (b, a) } else { (a, b) };
    let is_row = rest.iter().rev().skip(1).all(|&extent| extent == 1);
    if inputs != columns || !is_row {
        let reason = format!("it multiplies a vector of {inputs} by {columns} x {rows} weights");
        return Err(refuse(node, reason, "flatten the input to one row of matching length"));
    }
    let at = |r: usize, c: usize| weights[if transposed { r * columns + c } else { c * rows + r }];
    let entries = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| alpha * at(r, c));
    Ok(Matrix { rows, columns, entries: entries.collect() })
}

/// Numbers of one shape repeated over another by ONNX's broadcasting rules.
fn broadcast(from: &[usize], numbers: &[f64], to: &[usize]) -> Option<Vec<f64>> {
    if from.len() > to.len() {
        // Leading axes of extent 1 say nothing.
        let (extra, rest) = from.split_at(from.len() - to.len());
        return extra.iter().all(|&extent| extent == 1).then(|| broadcast(rest, numbers, to))?;
    }
    let skipped = to.len() - from.len();
    let fits = from.iter().zip(&to[skipped..]).all(|(f, t)| f == t || *f == 1);
    let total: usize = to.iter().product();
    fits.then(|| {
        (0..total)
            .map(|flat| {
                let (mut rest, mut index, mut stride) = (flat, 0, 1);
                for (axis, &extent) in to.iter().enumerate().rev() {
                    let digit = rest % extent;
                    rest /= extent;
                    if let Some(&f) = axis.checked_sub(skipped).and_then(|axis| from.get(axis)) {
                        index += if f == 1 { 0 } else { digit * stride };
                        stride *= f;
                    }
                }
                numbers[index]
            })
            .collect()
    })
}

/// The shape that Reshape's second input asks for: 0 keeps an extent, −1 takes what is left.
fn reshaped(shape: &[usize], wanted: &[f64]) -> Option<Vec<usize>> {
    let total: usize = shape.iter().product();
    let mut open = None;
    let mut target = Vec::with_capacity(wanted.len());
    for (axis, &extent) in wanted.iter().enumerate() {
        match extent as i64 {
            -1 if open.is_none() => {
                open = Some(axis);
                target.push(1);
            }
            0 => target.push(*shape.get(axis)?),
            extent => target.push(usize::try_from(extent).ok()?),
        }
    }
    let known = target.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))?;
    if let Some(axis) = open {
        target[axis] = total.checked_div(known)?;
    }
    let product = target.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))?;
    (product == total).then_some(target)
}
