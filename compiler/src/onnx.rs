//! ONNX files: the messages are those of the crate `tract-onnx`; what is done here is to take nothing
//! for granted of their contents.

mod extent;
#[cfg(test)]
pub(crate) mod fixtures;

pub(crate) use tract_onnx::pb::{
    GraphProto, ModelProto as Model, NodeProto as Node, TensorProto as Tensor, ValueInfoProto as ValueInfo,
};

use prost::Message;
use tract_onnx::pb::{
    tensor_proto::{DataLocation, DataType},
    tensor_shape_proto::dimension,
    type_proto,
};

use crate::error::CompileError;

/// Files that take more memory are refused before they are decoded; weights take about what they take in
/// the file.
const MAX_BYTES: usize = 1 << 29;

/// Parses a file.
pub(crate) fn parse(bytes: &[u8]) -> Result<GraphProto, CompileError> {
    let decoded = extent::decoded_bytes(bytes);
    let decoded =
        decoded.ok_or_else(|| CompileError::malformed("it ends early, or is no ONNX file at all"))?;
    if decoded > MAX_BYTES {
        let reason = format!("decoding it takes {decoded} bytes, more than {MAX_BYTES}; use a smaller model");
        return Err(CompileError::malformed(reason));
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

/// The elements of a tensor as doubles.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>, CompileError> {
    let wrong = |reason: &str| CompileError::malformed(format!("tensor {:?}: {reason}", tensor.name));
    if tensor.data_location.is_some_and(|location| location != DataLocation::Default as i32) {
        return Err(wrong("its data is in another file; save the model as one file"));
    }
    let integers = || tensor.int32_data.iter().map(|&v| v.into()).collect();
    let numbers: Vec<f64> = match (DataType::try_from(tensor.data_type).ok(), !tensor.raw_data.is_empty()) {
        (Some(DataType::Float), true) => raw(tensor, |bytes| f32::from_le_bytes(bytes).into()),
        (Some(DataType::Float), false) => tensor.float_data.iter().map(|&v| v.into()).collect(),
        (Some(DataType::Int64), true) => raw(tensor, |bytes| i64::from_le_bytes(bytes) as f64),
        (Some(DataType::Int64), false) => tensor.int64_data.iter().map(|&v| v as f64).collect(),
        (Some(DataType::Double), true) => raw(tensor, f64::from_le_bytes),
        (Some(DataType::Double), false) => tensor.double_data.clone(),
        (Some(DataType::Int32), true) => raw(tensor, |bytes| i32::from_le_bytes(bytes).into()),
        (Some(DataType::Uint8 | DataType::Bool), true) => raw(tensor, |bytes: [u8; 1]| bytes[0].into()),
        (Some(DataType::Int8), true) => raw(tensor, |bytes| i8::from_le_bytes(bytes).into()),
        (Some(DataType::Float16), true) => raw(tensor, |bytes| half(u16::from_le_bytes(bytes))),
        (Some(DataType::Float16), false) => tensor.int32_data.iter().map(|&v| half(v as u16)).collect(),
        (Some(DataType::Int32 | DataType::Uint8 | DataType::Int8 | DataType::Bool), false) => integers(),
        _ => {
            let found = tensor.data_type;
            return Err(wrong(&format!("element type {found} is not read; use float, double or int64")));
        }
    };
    let count = tensor_shape(tensor)?.iter().product::<usize>();
    if numbers.len() != count {
        return Err(wrong(&format!("its shape has {count} elements, its data {}", numbers.len())));
    }
    if numbers.iter().any(|v| !v.is_finite()) {
        return Err(wrong("an element is not a finite number"));
    }
    Ok(numbers)
}

/// Whether a type has whole numbers only; a truth value is one.
pub(crate) fn is_whole(of: DataType) -> bool {
    use DataType::{Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    matches!(of, Bool | Int8 | Int16 | Int32 | Int64 | Uint8 | Uint16 | Uint32 | Uint64)
}

/// Whether a tensor holds numbers, not text.
pub(crate) fn has_numbers(tensor: &Tensor) -> bool {
    tensor.data_type != DataType::String as i32
}

/// A number of 16 bits, by IEEE 754.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * (-24f64).exp2(),
        31 => {
            if fraction == 0.0 {
                f64::INFINITY
            } else {
                f64::NAN
            }
        }
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The extents of a tensor.
pub(crate) fn tensor_shape(tensor: &Tensor) -> Result<Vec<usize>, CompileError> {
    checked_shape(&tensor.name, tensor.dims.iter().copied())
}

/// The extents that an input or output declares, 0 where it leaves one open; nothing if it declares none.
pub(crate) fn declared_extents(info: &ValueInfo) -> Option<Vec<i64>> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let extent = |value: &Option<dimension::Value>| match value {
        Some(dimension::Value::DimValue(extent)) => *extent,
        _ => 0,
    };
    Some(tensor.shape.as_ref()?.dim.iter().map(|dim| extent(&dim.value)).collect())
}

fn raw<const N: usize>(tensor: &Tensor, number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (numbers, rest) = tensor.raw_data.as_chunks::<N>();
    // A rest makes the count wrong, which the caller notices.
    let rest = (!rest.is_empty()).then_some(f64::NAN);
    numbers.iter().map(|&bytes| number(bytes)).chain(rest).collect()
}

/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 26;

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
