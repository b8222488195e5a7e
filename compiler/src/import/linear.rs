//! Operators that are linear in what depends on the input: products with constant matrices,
//! convolutions, averages, normalisation with known statistics.

use std::rc::Rc;

use super::{
    Importer, Meaning,
    attributes::Attributes,
    refuse,
    shape::{broadcast, strides, walk},
    window::Window,
};
use crate::{error::CompileError, graph::Affine, graph::Operation, onnx::Node, sparse::SparseMatrix};

impl Importer<'_> {
    pub(super) fn gemm(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let (weight_shape, weights) = self.constant(node, 1)?;
        if attributes.flag("transA") {
            return Err(refuse(node, "transA is set", "export the model with transA = 0"));
        }
        let (&[batch, inner], &[a, b]) = (&shape[..], weight_shape) else {
            return Err(refuse(node, "an operand is not a matrix", "flatten the input first"));
        };
        let transposed = attributes.flag("transB");
        let (columns, rows) = if transposed { (b, a) } else { (a, b) };
        if inner != columns {
            return Err(mismatch(node, inner, columns, rows));
        }
        let alpha = attributes.number("alpha").unwrap_or(1.0);
        let at =
            |r: usize, c: usize| alpha * weights[if transposed { r * columns + c } else { c * rows + r }];
        let target = vec![batch, rows];
        self.affordable(node, &target, columns)?;
        let matrix = SparseMatrix::from_rows(
            batch * columns,
            (0..batch * rows).map(|i| (0..columns).map(move |c| (i / rows * columns + c, at(i % rows, c)))),
        );
        let mut offset = vec![0.0; batch * rows];
        if Self::has_operand(node, 2) {
            let beta = attributes.number("beta").unwrap_or(1.0);
            let (bias_shape, bias) = self.constant(node, 2)?;
            let index = broadcast(bias_shape, &target)
                .ok_or_else(|| refuse(node, "its bias does not fit", "give one summand per output"))?;
            offset.iter_mut().zip(index).for_each(|(offset, i)| *offset = beta * bias[i]);
        }
        self.define_affine(node, target, x, matrix, offset)
    }

    /// A product with a constant matrix on the right or on the left, by ONNX's rules of batches.
    pub(super) fn mat_mul(&mut self, node: &Node) -> Result<(), CompileError> {
        use Meaning::{Constant, Variable};
        // Axes of extent 1 before a constant matrix say nothing.
        let matrix = |meaning: &Meaning| match meaning {
            Constant { shape, numbers } => {
                let ones =
                    shape.iter().take(shape.len().saturating_sub(2)).take_while(|&&extent| extent == 1);
                Constant { shape: shape[ones.count()..].to_vec(), numbers: Rc::clone(numbers) }
            }
            other => other.clone(),
        };
        match (matrix(self.operand(node, 0)?), matrix(self.operand(node, 1)?)) {
            (Variable { shape, value }, Constant { shape: other, numbers }) => {
                let (&[ref batch @ .., inner], &[columns, rows]) = (&shape[..], &other[..]) else {
                    return Err(refuse(node, "its constant is not a matrix", "multiply by one matrix"));
                };
                if inner != columns {
                    return Err(mismatch(node, inner, columns, rows));
                }
                let target = [batch, &[rows]].concat();
                self.affordable(node, &target, columns)?;
                let count: usize = batch.iter().product();
                let row = |i: usize| {
                    let (sample, r) = (i / rows, i % rows);
                    let numbers = &numbers;
                    (0..columns).map(move |c| (sample * columns + c, numbers[c * rows + r]))
                };
                let matrix = SparseMatrix::from_rows(count * columns, (0..count * rows).map(row));
                let offset = vec![0.0; count * rows];
                self.define_affine(node, target, value, matrix, offset)
            }
            (Constant { shape: other, numbers }, Variable { shape, value }) => {
                let (&[ref batch @ .., inner, width], &[rows, columns]) = (&shape[..], &other[..]) else {
                    return Err(refuse(node, "its constant is not a matrix", "multiply by one matrix"));
                };
                if inner != columns {
                    return Err(mismatch(node, inner, rows, columns));
                }
                let target = [batch, &[rows, width]].concat();
                self.affordable(node, &target, columns)?;
                let count: usize = batch.iter().product();
                let row = |i: usize| {
                    let (sample, r, at) = (i / (rows * width), i / width % rows, i % width);
                    let numbers = &numbers;
                    (0..columns).map(move |c| ((sample * columns + c) * width + at, numbers[r * columns + c]))
                };
                let matrix =
                    SparseMatrix::from_rows(count * columns * width, (0..count * rows * width).map(row));
                let offset = vec![0.0; count * rows * width];
                self.define_affine(node, target, value, matrix, offset)
            }
            _ => Err(refuse(
                node,
                "both operands depend on the input, or neither does",
                "products of two encrypted matrices, as in attention, are not supported",
            )),
        }
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (weight_shape, weights) = self.constant(node, 1)?;
        let (groups, inputs, maps) = channels(node, &shape, weight_shape, false)?;
        let window = Window::new(node, &shape[2..], &weight_shape[2..])?;
        let (outputs, area) = (window.outputs(), shape[2..].iter().product::<usize>());
        let target = [&[1, maps], &outputs[..]].concat();
        let depth = inputs / groups;
        self.affordable(node, &target, depth * window.size())?;
        let windows: usize = outputs.iter().product();
        let taps: Vec<_> = (0..windows).map(|at| window.taps(at)).collect();
        let size = window.size();
        let row = |i: usize| {
            let (map, at) = (i / windows, i % windows);
            let first = map / (maps / groups) * depth;
            let taps = &taps[at];
            (0..depth).flat_map(move |d| {
                taps.iter().map(move |&(k, input)| {
                    ((first + d) * area + input, weights[(map * depth + d) * size + k])
                })
            })
        };
        let matrix = SparseMatrix::from_rows(inputs * area, (0..maps * windows).map(row));
        let offset = self.bias(node, maps, windows)?;
        self.define_affine(node, target, x, matrix, offset)
    }

    /// The transpose of a convolution: every input is added to the places that a window looks at.
    pub(super) fn conv_transpose(&mut self, node: &Node) -> Result<(), CompileError> {
        let (shape, x) = self.variable(node, 0)?;
        let (weight_shape, weights) = self.constant(node, 1)?;
        let (groups, inputs, maps) = channels(node, &shape, weight_shape, true)?;
        let window = Window::transposed(node, &shape[2..], &weight_shape[2..])?;
        let (extents, area) = (window.inputs(), shape[2..].iter().product::<usize>());
        let target = [&[1, maps], &extents[..]].concat();
        let (depth, size) = (maps / groups, window.size());
        self.affordable(node, &target, inputs / groups * size)?;
        let places: usize = extents.iter().product();
        let mut rows = vec![vec![]; maps * places];
        for at in 0..area {
            for (k, place) in window.taps(at) {
                for input in 0..inputs {
                    let first = input / (inputs / groups) * depth;
                    for d in 0..depth {
                        let factor = weights[(input * depth + d) * size + k];
                        rows[(first + d) * places + place].push((input * area + at, factor));
                    }
                }
            }
        }
        let matrix = SparseMatrix::from_rows(inputs * area, rows);
        let offset = self.bias(node, maps, places)?;
        self.define_affine(node, target, x, matrix, offset)
    }

    /// The bias of each map, repeated over its elements.
    fn bias(&self, node: &Node, maps: usize, each: usize) -> Result<Vec<f64>, CompileError> {
        if !Self::has_operand(node, 2) {
            return Ok(vec![0.0; maps * each]);
        }
        let (_, bias) = self.constant(node, 2)?;
        if bias.len() != maps {
            return Err(refuse(node, "its bias does not fit", "give one summand per output channel"));
        }
        Ok(bias.iter().flat_map(|&summand| std::iter::repeat_n(summand, each)).collect())
    }

    pub(super) fn average_pool(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let [1, maps, spatial @ ..] = &shape[..] else {
            return Err(refuse(node, "its input has no batch of 1 and channels", "pool images or signals"));
        };
        let kernel = attributes.integers("kernel_shape").unwrap_or_default();
        let kernel: Option<Vec<usize>> =
            kernel.iter().map(|&k| usize::try_from(k).ok().filter(|k| (1..=1 << 16).contains(k))).collect();
        let kernel = kernel.ok_or_else(|| refuse(node, "its kernel is empty", "check the exported model"))?;
        let window = Window::new(node, spatial, &kernel)?;
        let with_padding = attributes.flag("count_include_pad");
        if with_padding && attributes.flag("ceil_mode") {
            return Err(refuse(
                node,
                "ceil_mode and count_include_pad together are not supported",
                "use one of them",
            ));
        }
        let (outputs, area) = (window.outputs(), spatial.iter().product::<usize>());
        let target = [&[1, *maps], &outputs[..]].concat();
        self.affordable(node, &target, window.size())?;
        let windows: usize = outputs.iter().product();
        let taps: Vec<_> = (0..windows).map(|at| window.taps(at)).collect();
        let row = |i: usize| {
            let (map, taps) = (i / windows, &taps[i % windows]);
            let count = if with_padding { window.size() } else { taps.len() };
            taps.iter().map(move |&(_, input)| (map * area + input, 1.0 / count as f64))
        };
        let matrix = SparseMatrix::from_rows(maps * area, (0..maps * windows).map(row));
        let offset = vec![0.0; maps * windows];
        self.define_affine(node, target, x, matrix, offset)
    }

    /// ReduceMean, ReduceSum and GlobalAveragePool.
    pub(super) fn reduce(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let rank = shape.len() as i64;
        let (axes, keep) = if node.op_type == "GlobalAveragePool" {
            (Some((2..rank).collect()), true)
        } else {
            (self.integers(node, 1, "axes")?, attributes.integer("keepdims") != Some(0))
        };
        let all = axes.as_ref().is_none_or(Vec::is_empty);
        if all && attributes.flag("noop_with_empty_axes") {
            return self.identity(node);
        }
        let axes = if all { (0..rank).collect() } else { axes.unwrap_or_default() };
        let mut reduced = vec![false; shape.len()];
        for axis in axes {
            let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
            match usize::try_from(axis).ok().and_then(|axis| reduced.get_mut(axis)) {
                Some(reduced) => *reduced = true,
                None => return Err(refuse(node, "an axis does not exist", "check the exported model")),
            }
        }
        let part = |wanted: bool| -> (Vec<usize>, Vec<isize>) {
            let axes = shape.iter().zip(strides(&shape)).zip(&reduced);
            axes.filter(|(_, reduced)| **reduced == wanted).map(|((&e, s), _)| (e, s as isize)).unzip()
        };
        let ((kept, kept_steps), (gone, gone_steps)) = (part(false), part(true));
        let count: usize = gone.iter().product();
        self.affordable(node, &kept, count)?;
        let factor = if node.op_type == "ReduceSum" { 1.0 } else { 1.0 / count as f64 };
        let starts = walk(&kept, 0, &kept_steps);
        let row = |&start: &usize| walk(&gone, start, &gone_steps).into_iter().map(move |at| (at, factor));
        let matrix = SparseMatrix::from_rows(shape.iter().product(), starts.iter().map(row));
        let target = shape.iter().zip(&reduced).filter(|(_, gone)| keep || !**gone);
        let target = target.map(|(&extent, &gone)| if gone { 1 } else { extent }).collect();
        let offset = vec![0.0; starts.len()];
        self.define_affine(node, target, x, matrix, offset)
    }

    pub(super) fn batch_normalization(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        if attributes.flag("training_mode") {
            return Err(refuse(node, "it is in training mode", "export the model in evaluation mode"));
        }
        let (shape, x) = self.variable(node, 0)?;
        let maps = shape.get(1).copied().unwrap_or(1);
        let mut statistics: [&[f64]; 4] = [&[]; 4];
        for (at, statistic) in statistics.iter_mut().enumerate() {
            *statistic = self.constant(node, at + 1)?.1;
            if statistic.len() != maps {
                return Err(refuse(node, "its statistics do not fit", "give one per channel"));
            }
        }
        let epsilon = attributes.number("epsilon").unwrap_or(1e-5);
        let each = shape.iter().skip(2).product::<usize>();
        let (mut factor, mut offset) = (vec![], vec![]);
        for map in 0..maps {
            let [scale, shift, mean, variance] = statistics.map(|numbers| numbers[map]);
            let by = scale / (variance + epsilon).sqrt();
            if !by.is_finite() {
                return Err(refuse(node, "a variance is not positive", "check the exported model"));
            }
            factor.extend(std::iter::repeat_n(by, each));
            offset.extend(std::iter::repeat_n(shift - by * mean, each));
        }
        self.define_affine(node, shape, x, SparseMatrix::diagonal(&factor), offset)
    }

    /// Adds every operand.
    pub(super) fn sum(&mut self, node: &Node) -> Result<(), CompileError> {
        let mut shapes = vec![];
        for position in 0..node.input.len() {
            shapes.push(self.variable(node, position)?);
        }
        let Some((shape, _)) = shapes.first().cloned() else {
            return Err(refuse(node, "it adds nothing", "check the exported model"));
        };
        if shapes.iter().any(|(other, _)| *other != shape) {
            return Err(refuse(node, "its operands have different shapes", "use Add"));
        }
        let dimension = shape.iter().product();
        let mut affine = Affine { terms: vec![], offset: vec![0.0; dimension] };
        shapes.into_iter().for_each(|(_, x)| affine.add(x, SparseMatrix::scalar(dimension, 1.0)));
        self.define(node, shape, Operation::Affine(affine))
    }
}

/// Groups, input channels and output channels of a convolution.
fn channels(
    node: &Node,
    shape: &[usize],
    weights: &[usize],
    transposed: bool,
) -> Result<(usize, usize, usize), CompileError> {
    let wrong = || refuse(node, "its weights do not fit its input", "check the exported model");
    let groups = Attributes::of(node).integer("group").unwrap_or(1);
    let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0).ok_or_else(wrong)?;
    let (&[1, inputs, _, ..], &[first, second, _, ..]) = (shape, weights) else { return Err(wrong()) };
    let (maps, depth, divided) = if transposed {
        (second.checked_mul(groups).ok_or_else(wrong)?, first, first)
    } else {
        (first, second, first)
    };
    let fits = if transposed { depth == inputs } else { depth.checked_mul(groups) == Some(inputs) };
    if !fits || shape.len() != weights.len() || divided % groups != 0 {
        return Err(wrong());
    }
    Ok((groups, inputs, maps))
}

fn mismatch(node: &Node, inner: usize, columns: usize, rows: usize) -> CompileError {
    let reason = format!("it multiplies {inner} elements by a matrix of {columns} x {rows}");
    refuse(node, reason, "flatten the input to one row of matching length")
}
