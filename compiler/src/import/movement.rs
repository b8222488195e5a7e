//! Operators that only move elements: each is a list of where its elements come from, for constants
//! and for values alike.

use std::rc::Rc;

use super::{
    Importer, Meaning,
    attributes::Attributes,
    refuse,
    shape::{broadcast, choose, common, reshaped, strides, walk},
};
use crate::{
    error::CompileError,
    graph::{Affine, Operation},
    onnx::{Node, numbers, tensor_shape},
    sparse::SparseMatrix,
};

impl Importer<'_> {
    pub(super) fn constant_node(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let list =
            |numbers: Vec<f64>| Meaning::Constant { shape: vec![numbers.len()], numbers: numbers.into() };
        let single = |number: f64| Meaning::Constant { shape: vec![], numbers: [number].into() };
        let whole = |integers: Vec<i64>| integers.into_iter().map(|i| i as f64).collect();
        let meaning = if let Some(tensor) = attributes.tensor("value") {
            Meaning::Constant { shape: tensor_shape(tensor)?, numbers: numbers(tensor)?.into() }
        } else if let Some(number) = attributes.number("value_float") {
            single(number)
        } else if let Some(number) = attributes.integer("value_int") {
            single(number as f64)
        } else if let Some(numbers) = attributes.numbers("value_floats") {
            list(numbers)
        } else if let Some(numbers) = attributes.integers("value_ints") {
            list(whole(numbers))
        } else {
            return Err(refuse(node, "it has no numbers", "give it the attribute `value`"));
        };
        self.mean(node, 0, meaning)
    }

    /// A constant of a shape that an operand gives, all elements being the same.
    pub(super) fn constant_of_shape(&mut self, node: &Node) -> Result<(), CompileError> {
        let (_, extents) = self.constant(node, 0)?;
        let shape = whole_extents(node, extents)?;
        self.affordable(node, &shape, 1)?;
        let value = match Attributes::of(node).tensor("value") {
            Some(tensor) => numbers(tensor)?.first().copied().unwrap_or(0.0),
            None => 0.0,
        };
        let numbers = vec![value; shape.iter().product()].into();
        self.mean(node, 0, Meaning::Constant { shape, numbers })
    }

    pub(super) fn shape_of(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let attributes = Attributes::of(node);
        let (start, end) = (attributes.integer("start").unwrap_or(0), attributes.integer("end"));
        let at = |position: i64| clamped(position, shape.len());
        let range = at(start)..at(end.unwrap_or(i64::MAX)).max(at(start));
        let numbers: Rc<[f64]> = shape[range].iter().map(|&extent| extent as f64).collect();
        self.mean(node, 0, Meaning::Constant { shape: vec![numbers.len()], numbers })
    }

    pub(super) fn identity(&mut self, node: &Node) -> Result<(), CompileError> {
        let meaning = self.operand(node, 0)?.clone();
        self.mean(node, 0, meaning)
    }

    /// Everything that keeps the order of elements is a new name for the same vector.
    pub(super) fn reshape(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = match self.operand(node, 0)? {
            Meaning::Client { shape, .. } => shape.clone(),
            _ => self.shape(node, 0)?,
        };
        let wrong = || refuse(node, "its shape does not fit", "keep the number of elements");
        let target = match node.op_type.as_str() {
            "Flatten" => {
                let axis = Attributes::of(node).integer("axis").unwrap_or(1);
                let (first, rest) = shape.split_at(clamped(axis, shape.len()));
                vec![first.iter().product(), rest.iter().product()]
            }
            "Reshape" => {
                let wanted = self.integers(node, 1, "shape")?.unwrap_or_default();
                reshaped(&shape, &wanted).ok_or_else(wrong)?
            }
            "Squeeze" => {
                let axes = self.integers(node, 1, "axes")?;
                let gone = axes.map(|axes| positions(&axes, shape.len()).ok_or_else(wrong)).transpose()?;
                let is_gone = |axis: usize, extent: usize| match &gone {
                    Some(gone) => gone.contains(&axis),
                    None => extent == 1,
                };
                shape.iter().enumerate().filter(|(axis, e)| !is_gone(*axis, **e)).map(|(_, &e)| e).collect()
            }
            _ => {
                let axes = self.integers(node, 1, "axes")?.unwrap_or_default();
                let rank = shape.len() + axes.len();
                let new = positions(&axes, rank).ok_or_else(wrong)?;
                let mut old = shape.iter().copied();
                let target = (0..rank).map(|axis| if new.contains(&axis) { Some(1) } else { old.next() });
                target.collect::<Option<Vec<usize>>>().ok_or_else(wrong)?
            }
        };
        if target.iter().product::<usize>() != shape.iter().product::<usize>() {
            return Err(wrong());
        }
        let meaning = match self.operand(node, 0)?.clone() {
            Meaning::Constant { numbers, .. } => Meaning::Constant { shape: target, numbers },
            Meaning::Variable { value, .. } => Meaning::Variable { shape: target, value },
            Meaning::Client { value, postprocessing, .. } => {
                Meaning::Client { shape: target, value, postprocessing }
            }
        };
        self.mean(node, 0, meaning)
    }

    pub(super) fn transpose(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let reversed = || (0..shape.len() as i64).rev().collect();
        let order = Attributes::of(node).integers("perm").unwrap_or_else(reversed);
        let order = positions(&order, shape.len()).filter(|order| order.len() == shape.len());
        let order = order.ok_or_else(|| refuse(node, "its order of axes does not fit", "check the model"))?;
        let steps = strides(&shape);
        let (target, steps): (Vec<usize>, Vec<isize>) =
            order.iter().map(|&axis| (shape[axis], steps[axis] as isize)).unzip();
        let from = walk(&target, 0, &steps).into_iter().map(Some).collect();
        self.moved(node, target, from, 0.0)
    }

    pub(super) fn expand(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let (_, extents) = self.constant(node, 1)?;
        let target = common(&shape, &whole_extents(node, extents)?);
        let target = target.ok_or_else(|| refuse(node, "its shape does not broadcast", "check the model"))?;
        self.affordable(node, &target, 1)?;
        let from = broadcast(&shape, &target).unwrap_or_default();
        self.moved(node, target, from.into_iter().map(Some).collect(), 0.0)
    }

    pub(super) fn slice(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let wrong = || refuse(node, "its bounds do not fit", "check the exported model");
        let starts = self.integers(node, 1, "starts")?.ok_or_else(wrong)?;
        let ends = self.integers(node, 2, "ends")?.ok_or_else(wrong)?;
        let axes = self.integers(node, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = match Self::has_operand(node, 4) {
            true => self.integers(node, 4, "steps")?.ok_or_else(wrong)?,
            false => vec![1; starts.len()],
        };
        let axes = positions(&axes, shape.len()).ok_or_else(wrong)?;
        if [ends.len(), axes.len(), steps.len()].iter().any(|&count| count != starts.len()) {
            return Err(wrong());
        }
        let mut lists = all_of(&shape);
        for (((axis, start), end), step) in axes.into_iter().zip(starts).zip(ends).zip(steps) {
            let extent = shape[axis] as i64;
            let wrapped = |bound: i64| if bound < 0 { bound.saturating_add(extent) } else { bound };
            lists[axis] = match step {
                0 => return Err(wrong()),
                1.. => {
                    let (from, to) = (wrapped(start).clamp(0, extent), wrapped(end).clamp(0, extent));
                    (from..to).step_by(step as usize).map(|at| Some(at as usize)).collect()
                }
                _ => {
                    let (from, to) =
                        (wrapped(start).clamp(-1, extent - 1), wrapped(end).clamp(-1, extent - 1));
                    (to + 1..=from)
                        .rev()
                        .step_by(step.unsigned_abs() as usize)
                        .map(|at| Some(at as usize))
                        .collect()
                }
            };
        }
        self.chosen(node, &shape, &lists, 0.0)
    }

    pub(super) fn gather(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let wrong = || refuse(node, "an index or its axis does not exist", "check the exported model");
        let axis = Attributes::of(node).integer("axis").unwrap_or(0);
        let axis = positions(&[axis], shape.len()).ok_or_else(wrong)?[0];
        let (index_shape, indices) = self.constant(node, 1)?;
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let target = [&shape[..axis], index_shape, &shape[axis + 1..]].concat();
        let list: Option<Vec<usize>> =
            indices.iter().map(|&index| positions(&[index], shape[axis]).map(|found| found[0])).collect();
        let mut lists = all_of(&shape);
        lists[axis] = list.ok_or_else(wrong)?.into_iter().map(Some).collect();
        self.affordable(node, &target, 1)?;
        let from = choose(&shape, &lists);
        self.moved(node, target, from, 0.0)
    }

    pub(super) fn pad(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let attributes = Attributes::of(node);
        let wrong = || refuse(node, "its pads do not fit", "check the exported model");
        let pads = self.integers(node, 1, "pads")?.ok_or_else(wrong)?;
        let fill = if Self::has_operand(node, 2) {
            self.constant(node, 2)?.1.first().copied().unwrap_or(0.0)
        } else {
            attributes.number("value").unwrap_or(0.0)
        };
        let axes = self.integers(node, 3, "axes")?.unwrap_or_else(|| (0..shape.len() as i64).collect());
        let axes = positions(&axes, shape.len()).ok_or_else(wrong)?;
        if pads.len() != 2 * axes.len() || pads.iter().any(|pad| !(-(1 << 20)..=1 << 20).contains(pad)) {
            return Err(wrong());
        }
        let mode = attributes.text("mode").unwrap_or_else(|| "constant".into());
        let mut lists = all_of(&shape);
        for (at, &axis) in axes.iter().enumerate() {
            let extent = shape[axis] as i64;
            let positions = -pads[at]..extent + pads[at + axes.len()];
            let inside = |position: i64| (0..extent).contains(&position).then_some(position as usize);
            let source = |position: i64| match mode.as_str() {
                "constant" => Some(inside(position)),
                "edge" => Some(Some(position.clamp(0, extent - 1) as usize)),
                "reflect" if extent == 1 => inside(position).map(Some),
                "reflect" => {
                    let folded = position.rem_euclid(2 * (extent - 1));
                    Some(Some(folded.min(2 * (extent - 1) - folded) as usize))
                }
                "wrap" => Some(Some(position.rem_euclid(extent) as usize)),
                _ => None,
            };
            let list: Option<Vec<Option<usize>>> = positions.map(source).collect();
            lists[axis] =
                list.ok_or_else(|| refuse(node, format!("its mode {mode:?} is not known"), "use constant"))?;
        }
        self.chosen(node, &shape, &lists, fill)
    }

    pub(super) fn split(&mut self, node: &Node) -> Result<(), CompileError> {
        let shape = self.shape(node, 0)?;
        let wrong = || refuse(node, "its parts do not fit", "check the exported model");
        let axis = Attributes::of(node).integer("axis").unwrap_or(0);
        let axis = positions(&[axis], shape.len()).ok_or_else(wrong)?[0];
        let count = node.output.len();
        let sizes = match self.integers(node, 1, "split")? {
            Some(sizes) => sizes
                .into_iter()
                .map(|size| usize::try_from(size).ok())
                .collect::<Option<_>>()
                .ok_or_else(wrong)?,
            None => {
                let each = shape[axis].div_ceil(count.max(1));
                (0..count).map(|part| each.min(shape[axis].saturating_sub(part * each))).collect::<Vec<_>>()
            }
        };
        let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sizes.len() != count || total != Some(shape[axis]) {
            return Err(wrong());
        }
        let mut start = 0;
        for (part, size) in sizes.into_iter().enumerate() {
            let mut lists = all_of(&shape);
            lists[axis] = (start..start + size).map(Some).collect();
            start += size;
            let target = lists.iter().map(Vec::len).collect();
            let meaning = self.moved_meaning(node, target, choose(&shape, &lists), 0.0)?;
            self.mean(node, part, meaning)?;
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<(), CompileError> {
        let wrong = || refuse(node, "its operands do not fit", "check the exported model");
        let first = self.shape(node, 0)?;
        let axis = Attributes::of(node).integer("axis").unwrap_or(0);
        let axis = positions(&[axis], first.len()).ok_or_else(wrong)?[0];
        let mut target = first.clone();
        target[axis] = 0;
        let mut shapes = vec![];
        for position in 0..node.input.len() {
            let shape = self.shape(node, position)?;
            let fits = shape.len() == first.len()
                && shape.iter().zip(&first).enumerate().all(|(at, (a, b))| at == axis || a == b);
            target[axis] += if fits { shape[axis] } else { return Err(wrong()) };
            shapes.push(shape);
        }
        // Each operand is looked for among all elements.
        self.affordable(node, &target, shapes.len())?;
        let dimension = target.iter().product();
        let mut affine = Affine { terms: vec![], offset: vec![0.0; dimension] };
        let mut start = 0;
        for (position, shape) in shapes.into_iter().enumerate() {
            let mut lists = all_of(&target);
            let inside = |at: usize| at.checked_sub(start).filter(|&at| at < shape[axis]);
            lists[axis] = (0..target[axis]).map(inside).collect();
            start += shape[axis];
            let from = choose(&shape, &lists);
            match self.operand(node, position)? {
                Meaning::Constant { numbers, .. } => {
                    let filled = affine.offset.iter_mut().zip(&from);
                    filled.for_each(|(offset, from)| *offset += from.map_or(0.0, |from| numbers[from]));
                }
                Meaning::Variable { value, .. } => {
                    affine.add(*value, SparseMatrix::selection(shape.iter().product(), &from));
                }
                Meaning::Client { .. } => return Err(wrong()),
            }
        }
        if affine.terms.is_empty() {
            return self.mean(node, 0, Meaning::Constant { shape: target, numbers: affine.offset.into() });
        }
        self.define(node, target, Operation::Affine(affine))
    }

    /// The shape of an operand.
    pub(super) fn shape(&self, node: &Node, position: usize) -> Result<Vec<usize>, CompileError> {
        match self.operand(node, position)? {
            Meaning::Constant { shape, .. } | Meaning::Variable { shape, .. } => Ok(shape.clone()),
            Meaning::Client { .. } => self.variable(node, position).map(|(shape, _)| shape),
        }
    }

    /// A part of the first operand, by the indices along each axis.
    fn chosen(
        &mut self,
        node: &Node,
        shape: &[usize],
        lists: &[Vec<Option<usize>>],
        fill: f64,
    ) -> Result<(), CompileError> {
        let target: Vec<usize> = lists.iter().map(Vec::len).collect();
        // A constant may well be empty.
        if !(target.contains(&0) && matches!(self.operand(node, 0)?, Meaning::Constant { .. })) {
            self.affordable(node, &target, 1)?;
        }
        self.moved(node, target, choose(shape, lists), fill)
    }

    /// The elements of the first operand in another order, and `fill` where there is none.
    fn moved(
        &mut self,
        node: &Node,
        target: Vec<usize>,
        from: Vec<Option<usize>>,
        fill: f64,
    ) -> Result<(), CompileError> {
        let meaning = self.moved_meaning(node, target, from, fill)?;
        self.mean(node, 0, meaning)
    }

    fn moved_meaning(
        &mut self,
        node: &Node,
        target: Vec<usize>,
        from: Vec<Option<usize>>,
        fill: f64,
    ) -> Result<Meaning, CompileError> {
        match self.operand(node, 0)? {
            Meaning::Constant { numbers, .. } => {
                let numbers = from.into_iter().map(|from| from.map_or(fill, |from| numbers[from])).collect();
                Ok(Meaning::Constant { shape: target, numbers })
            }
            &Meaning::Variable { value, .. } => {
                let dimension = self.values[value].dimension();
                if from.len() == dimension && from.iter().enumerate().all(|(i, from)| *from == Some(i)) {
                    return Ok(Meaning::Variable { shape: target, value });
                }
                let mut affine = Affine::linear(value, SparseMatrix::selection(dimension, &from));
                let filled = affine.offset.iter_mut().zip(from).filter(|(_, from)| from.is_none());
                filled.for_each(|(offset, _)| *offset = fill);
                self.value(node, target, Operation::Affine(affine))
            }
            Meaning::Client { .. } => {
                self.variable(node, 0).map(|(shape, value)| Meaning::Variable { shape, value })
            }
        }
    }
}

/// Positions that may count from the end, if all exist and none twice.
fn positions(found: &[i64], count: usize) -> Option<Vec<usize>> {
    let wrapped = |position: i64| if position < 0 { position.saturating_add(count as i64) } else { position };
    let positions = found.iter().map(|&position| usize::try_from(wrapped(position)).ok());
    let positions: Vec<usize> = positions.collect::<Option<_>>()?;
    let distinct = (1..positions.len()).all(|at| !positions[..at].contains(&positions[at]));
    (distinct && positions.iter().all(|&position| position < count)).then_some(positions)
}

/// A bound that may count from the end, brought inside.
fn clamped(bound: i64, count: usize) -> usize {
    let count = count as i64;
    let bound = if bound < 0 { bound.saturating_add(count) } else { bound };
    bound.clamp(0, count) as usize
}

/// Every index along every axis.
fn all_of(shape: &[usize]) -> Vec<Vec<Option<usize>>> {
    shape.iter().map(|&extent| (0..extent).map(Some).collect()).collect()
}

fn whole_extents(node: &Node, extents: &[f64]) -> Result<Vec<usize>, CompileError> {
    let whole =
        |&extent: &f64| ((0.0..=1e9).contains(&extent) && extent.fract() == 0.0).then_some(extent as usize);
    let shape: Option<Vec<usize>> = extents.iter().map(whole).collect();
    shape.ok_or_else(|| refuse(node, "its shape is not one of whole numbers", "check the exported model"))
}
