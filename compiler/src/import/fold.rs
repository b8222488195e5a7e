//! Operators that are computed of constants alone: exporters write them to reckon with shapes.

use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;

use super::{
    Importer, Meaning,
    attributes::Attributes,
    refuse,
    shape::{broadcast, common},
};
use crate::{
    error::CompileError,
    onnx::{Node, is_whole},
};

/// What an operator makes of one element of each operand.
type Elementwise = fn(&[f64]) -> f64;

/// An operator's function, and how many operands it takes.
fn elementwise(operator: &str) -> Option<(Elementwise, std::ops::RangeInclusive<usize>)> {
    let binary = |function: Elementwise| Some((function, 2..=2));
    let unary = |function: Elementwise| Some((function, 1..=1));
    match operator {
        "And" => binary(|x| f64::from(x[0] != 0.0 && x[1] != 0.0)),
        "Ceil" => unary(|x| x[0].ceil()),
        "Equal" => binary(|x| f64::from(x[0] == x[1])),
        "Floor" => unary(|x| x[0].floor()),
        "Greater" => binary(|x| f64::from(x[0] > x[1])),
        "GreaterOrEqual" => binary(|x| f64::from(x[0] >= x[1])),
        "Less" => binary(|x| f64::from(x[0] < x[1])),
        "LessOrEqual" => binary(|x| f64::from(x[0] <= x[1])),
        "Max" => Some((|x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max), 1..=usize::MAX)),
        "Min" => Some((|x| x.iter().copied().fold(f64::INFINITY, f64::min), 1..=usize::MAX)),
        "Not" => unary(|x| f64::from(x[0] == 0.0)),
        "Or" => binary(|x| f64::from(x[0] != 0.0 || x[1] != 0.0)),
        "Where" => Some((|x| if x[0] == 0.0 { x[2] } else { x[1] }, 3..=3)),
        _ => None,
    }
}

impl Importer<'_> {
    /// Computes a node whose operands are all constant, if it is one of these operators.
    pub(super) fn fold(&mut self, node: &Node) -> Result<bool, CompileError> {
        if node.op_type == "Size" {
            let count = self.shape(node, 0)?.iter().product::<usize>() as f64;
            self.mean(node, 0, Meaning::Constant { shape: vec![], numbers: [count].into() })?;
            return Ok(true);
        }
        let function = elementwise(&node.op_type);
        if function.is_none() && node.op_type != "Range" {
            return Ok(false);
        }
        let mut operands = Vec::with_capacity(node.input.len());
        for position in 0..node.input.len() {
            match self.operand(node, position)?.clone() {
                Meaning::Constant { shape, numbers } => operands.push((shape, numbers)),
                _ => return Ok(false),
            }
        }
        let (shape, numbers) = match function {
            Some((function, counts)) if counts.contains(&operands.len()) => {
                self.each_element(node, &operands, function)?
            }
            Some(_) => return Err(refuse(node, "it has too few or too many operands", "check the model")),
            None => self.range(node, &operands)?,
        };
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(refuse(node, "a constant is not finite", "check the exported model"));
        }
        self.mean(node, 0, Meaning::Constant { shape, numbers })?;
        Ok(true)
    }

    fn each_element(
        &self,
        node: &Node,
        operands: &[(Vec<usize>, Rc<[f64]>)],
        function: Elementwise,
    ) -> Result<(Vec<usize>, Rc<[f64]>), CompileError> {
        let together = |all: Option<Vec<usize>>, (shape, _): &(Vec<usize>, _)| common(&all?, shape);
        let target = operands.iter().fold(Some(vec![]), together);
        let target =
            target.ok_or_else(|| refuse(node, "its operands do not broadcast", "make the shapes equal"))?;
        if !target.contains(&0) {
            self.affordable(node, &target, operands.len())?;
        }
        let places: Vec<Vec<usize>> =
            operands.iter().map(|(shape, _)| broadcast(shape, &target).unwrap_or_default()).collect();
        let element = |i: usize| {
            let column: Vec<f64> =
                operands.iter().zip(&places).map(|((_, numbers), from)| numbers[from[i]]).collect();
            function(&column)
        };
        let count: usize = target.iter().product();
        Ok((target, (0..count).map(element).collect()))
    }

    fn range(
        &self,
        node: &Node,
        operands: &[(Vec<usize>, Rc<[f64]>)],
    ) -> Result<(Vec<usize>, Rc<[f64]>), CompileError> {
        let single = |at: usize| operands.get(at).filter(|(_, numbers)| numbers.len() == 1);
        let ends = (single(0), single(1), single(2));
        let (Some((_, start)), Some((_, limit)), Some((_, step))) = ends else {
            return Err(refuse(node, "it takes three numbers", "check the exported model"));
        };
        let count = ((limit[0] - start[0]) / step[0]).ceil().max(0.0);
        if !count.is_finite() {
            return Err(refuse(node, "its steps lead nowhere", "check the exported model"));
        }
        let shape = vec![count as usize];
        if count > 0.0 {
            self.affordable(node, &shape, 1)?;
        }
        Ok((shape, (0..count as usize).map(|i| start[0] + i as f64 * step[0]).collect()))
    }

    /// Cast: numbers stay as they are, but whole ones are what a whole type asks for.
    pub(super) fn cast(&mut self, node: &Node) -> Result<(), CompileError> {
        let to = target_type(node);
        let meaning = match self.operand(node, 0)?.clone() {
            Meaning::Constant { shape, numbers } if to == Some(DataType::Bool) => {
                let numbers = numbers.iter().map(|&number| f64::from(number != 0.0)).collect();
                Meaning::Constant { shape, numbers }
            }
            Meaning::Constant { shape, numbers } if to.is_some_and(is_whole) => {
                let numbers = numbers.iter().map(|number| number.trunc()).collect();
                Meaning::Constant { shape, numbers }
            }
            class @ Meaning::Client { postprocessing: ckks_client::Postprocessing::Argmax, .. } => class,
            Meaning::Variable { .. } | Meaning::Client { .. } if to.is_some_and(is_whole) => {
                return Err(refuse(node, "rounding has no good polynomial", "leave it to the client"));
            }
            same => same,
        };
        self.mean(node, 0, meaning)
    }

    /// Whether the outputs of a node are of a whole type, as far as that matters to constants.
    pub(super) fn gives_whole(&self, node: &Node) -> bool {
        let attributes = Attributes::of(node);
        let of_value = || attributes.tensor("value").is_some_and(|tensor| whole_type(tensor.data_type));
        let is_whole_operand = |name: &String| name.is_empty() || self.whole.contains(name);
        match node.op_type.as_str() {
            "Shape" | "Size" => true,
            "Constant" => {
                let lists =
                    attributes.integer("value_int").is_some() || attributes.integers("value_ints").is_some();
                of_value() || lists
            }
            "ConstantOfShape" => of_value(),
            "Cast" => target_type(node).is_some_and(is_whole),
            "Where" => node.input.iter().skip(1).all(is_whole_operand),
            _ => !node.input.is_empty() && node.input.iter().all(is_whole_operand),
        }
    }
}

/// The type that a Cast asks for.
fn target_type(node: &Node) -> Option<DataType> {
    let number = Attributes::of(node).integer("to")?;
    DataType::try_from(i32::try_from(number).ok()?).ok()
}

/// Whether a type of ONNX, by its number, has whole numbers only.
pub(super) fn whole_type(number: i32) -> bool {
    DataType::try_from(number).is_ok_and(is_whole)
}
