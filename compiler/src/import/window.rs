//! The windows of convolutions and pools: which elements of the input each output looks at.

use super::{attributes::Attributes, refuse};
use crate::{error::CompileError, onnx::Node};

/// The geometry over all spatial axes.
pub(super) struct Window {
    axes: Vec<Axis>,
}

struct Axis {
    input: usize,
    kernel: usize,
    output: usize,
    stride: usize,
    dilation: usize,
    /// Padding before the first element.
    before: i64,
}

impl Window {
    /// Reads strides, dilations and padding of a node.
    ///
    /// # Errors
    /// [`CompileError::Unsupported`] for what does not fit together.
    pub(super) fn new(node: &Node, input: &[usize], kernel: &[usize]) -> Result<Self, CompileError> {
        Self::read(node, input, kernel, false)
    }

    /// The same for a transposed convolution, the roles of input and output being exchanged: `taps` of an
    /// element of the node's input are the places in its output that it is added to.
    pub(super) fn transposed(node: &Node, input: &[usize], kernel: &[usize]) -> Result<Self, CompileError> {
        Self::read(node, input, kernel, true)
    }

    fn read(node: &Node, given: &[usize], kernel: &[usize], transposed: bool) -> Result<Self, CompileError> {
        let attributes = Attributes::of(node);
        let rank = given.len();
        let wrong = |what: &str| refuse(node, format!("its {what} do not fit"), "check the exported model");
        let positive = |name: &str| -> Result<Vec<usize>, CompileError> {
            let found = attributes.integers(name).unwrap_or(vec![1; rank]);
            let extents: Option<Vec<usize>> = found
                .iter()
                .map(|&n| usize::try_from(n).ok().filter(|n| (1..=1 << 16).contains(n)))
                .collect();
            extents.filter(|extents| extents.len() == rank).ok_or_else(|| wrong(name))
        };
        let (strides, dilations) = (positive("strides")?, positive("dilations")?);
        if kernel.len() != rank || rank == 0 {
            return Err(wrong("kernel"));
        }
        let pads = attributes.integers("pads").unwrap_or(vec![0; 2 * rank]);
        if pads.len() != 2 * rank || pads.iter().any(|pad| !(0..=1 << 16).contains(pad)) {
            return Err(wrong("pads"));
        }
        let extra = attributes.integers("output_padding").unwrap_or(vec![0; rank]);
        if extra.len() != rank || extra.iter().any(|pad| !(0..=1 << 16).contains(pad)) {
            return Err(wrong("output_padding"));
        }
        if attributes.integers("output_shape").is_some() {
            return Err(refuse(node, "it fixes its output shape", "give pads instead"));
        }
        let auto = attributes.text("auto_pad").unwrap_or_default();
        let axis = |at: usize| {
            let (stride, dilation, kernel) = (strides[at], dilations[at], kernel[at]);
            let reach = (dilation * (kernel - 1) + 1) as i64;
            let (given, step) = (given[at] as i64, stride as i64);
            let (mut before, mut after) = (pads[at], pads[at + rank]);
            if matches!(auto.as_str(), "SAME_UPPER" | "SAME_LOWER") {
                let total = if transposed {
                    (reach + extra[at] - step).max(0)
                } else {
                    ((given - 1) / step * step + reach - given).max(0)
                };
                before = if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 };
                after = total - before;
            }
            if transposed {
                let output = (given - 1) * step + reach + extra[at] - before - after;
                let output = usize::try_from(output).ok().filter(|&output| output > 0)?;
                return Some(Axis {
                    input: output,
                    kernel,
                    output: given as usize,
                    stride,
                    dilation,
                    before,
                });
            }
            let room = given + before + after - reach;
            let mut output = room.checked_div(step).filter(|_| room >= 0)? + 1;
            if attributes.flag("ceil_mode") && room % step != 0 && output * step < given + before {
                output += 1;
            }
            Some(Axis { input: given as usize, kernel, output: output as usize, stride, dilation, before })
        };
        if !matches!(auto.as_str(), "" | "NOTSET" | "VALID" | "SAME_UPPER" | "SAME_LOWER") {
            return Err(wrong("auto_pad"));
        }
        let axes: Option<Vec<Axis>> = (0..rank).map(axis).collect();
        Ok(Self { axes: axes.ok_or_else(|| wrong("kernel and pads"))? })
    }

    /// Extents of what the windows lie over.
    pub(super) fn inputs(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.input).collect()
    }

    /// Extents of what has one element per window.
    pub(super) fn outputs(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.output).collect()
    }

    /// Number of elements of the kernel.
    pub(super) fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    /// The pairs of kernel element and input element of window number `window`; padding is left out.
    pub(super) fn taps(&self, window: usize) -> Vec<(usize, usize)> {
        let mut positions = vec![0; self.axes.len()];
        let mut rest = window;
        for (position, axis) in positions.iter_mut().zip(&self.axes).rev() {
            (*position, rest) = (rest % axis.output, rest / axis.output);
        }
        self.axes.iter().zip(positions).fold(vec![(0, 0)], |taps, (axis, position)| {
            let along = |(kernel, input): (usize, usize)| {
                (0..axis.kernel).filter_map(move |k| {
                    let at = (position * axis.stride + k * axis.dilation) as i64 - axis.before;
                    let at = usize::try_from(at).ok().filter(|&at| at < axis.input)?;
                    Some((kernel * axis.kernel + k, input * axis.input + at))
                })
            };
            taps.into_iter().flat_map(along).collect()
        })
    }
}
