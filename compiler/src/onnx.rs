//! The messages of `onnx.proto` that are read; field numbers as in ONNX IR version 8 and later.
//! Unread fields are skipped.

#[cfg(test)]
pub(crate) mod fixtures;

use prost::Message;

use crate::error::CompileError;

/// Larger files are refused before they are read.
const MAX_BYTES: usize = 1 << 30;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, tag = "2")]
    pub(crate) f: f32,
    #[prost(int64, tag = "3")]
    pub(crate) i: i64,
    #[prost(message, optional, tag = "5")]
    pub(crate) t: Option<Tensor>,
    #[prost(int64, repeated, tag = "8")]
    pub(crate) ints: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(crate) float_data: Vec<f32>,
    #[prost(int64, repeated, tag = "7")]
    pub(crate) int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) double_data: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(crate) data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(crate) dim_value: Option<i64>,
}

/// Parses a file.
pub(crate) fn parse(bytes: &[u8]) -> Result<GraphProto, CompileError> {
    if bytes.len() > MAX_BYTES {
        return Err(CompileError::malformed(format!("{} bytes are more than {MAX_BYTES}", bytes.len())));
    }
    let model = Model::decode(bytes).map_err(|error| CompileError::malformed(error.to_string()))?;
    let opset = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version = opset.map_or(0, |set| set.version);
    if model.ir_version < 3 || version < 7 {
        return Err(CompileError::malformed(format!(
            "IR version {} and opset {version} are too old or missing; export again with opset 13 or later",
            model.ir_version
        )));
    }
    model.graph.ok_or_else(|| CompileError::malformed("there is no graph in it"))
}

impl Tensor {
    /// The elements as doubles.
    pub(crate) fn numbers(&self) -> Result<Vec<f64>, CompileError> {
        let wrong = |reason: &str| CompileError::malformed(format!("tensor {:?}: {reason}", self.name));
        if self.data_location != 0 {
            return Err(wrong("its data is in another file; save the model as one file"));
        }
        let numbers: Vec<f64> = match self.data_type {
            1 if self.raw_data.is_empty() => self.float_data.iter().map(|&v| v.into()).collect(),
            1 => self.raw(|bytes: [u8; 4]| f32::from_le_bytes(bytes).into()),
            7 if self.raw_data.is_empty() => self.int64_data.iter().map(|&v| v as f64).collect(),
            7 => self.raw(|bytes: [u8; 8]| i64::from_le_bytes(bytes) as f64),
            11 if self.raw_data.is_empty() => self.double_data.clone(),
            11 => self.raw(f64::from_le_bytes),
            other => {
                return Err(wrong(&format!("element type {other} is not read; use float, double or int64")));
            }
        };
        let count = self.shape()?.iter().product::<usize>();
        if numbers.len() != count {
            return Err(wrong(&format!("its shape has {count} elements, its data {}", numbers.len())));
        }
        if numbers.iter().any(|v| !v.is_finite()) {
            return Err(wrong("an element is not a finite number"));
        }
        Ok(numbers)
    }

    /// The extents.
    pub(crate) fn shape(&self) -> Result<Vec<usize>, CompileError> {
        checked_shape(&self.name, self.dims.iter().copied())
    }

    fn raw<const N: usize>(&self, number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (numbers, rest) = self.raw_data.as_chunks::<N>();
        // A rest makes the count wrong, which the caller notices.
        let rest = (!rest.is_empty()).then_some(f64::NAN);
        numbers.iter().map(|&bytes| number(bytes)).chain(rest).collect()
    }
}

/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 28;

/// Extents that are positive and not too many.
pub(crate) fn checked_shape(name: &str, dims: impl Iterator<Item = i64>) -> Result<Vec<usize>, CompileError> {
    let mut elements = 1usize;
    dims.map(|extent| {
        let extent = usize::try_from(extent).ok().filter(|&extent| extent > 0);
        elements = extent.and_then(|extent| elements.checked_mul(extent)).unwrap_or(usize::MAX);
        let fits = extent.filter(|_| elements <= MAX_ELEMENTS);
        fits.ok_or_else(|| CompileError::malformed(format!("the shape of {name:?} is empty or too large")))
    })
    .collect()
}
