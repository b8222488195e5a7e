//! ONNX files for tests, written message by message.

use prost::Message;

use tract_onnx::pb::{
    AttributeProto as Attribute, OperatorSetIdProto, TensorShapeProto, TypeProto,
    attribute_proto::AttributeType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::{GraphProto, Model, Node, Tensor, ValueInfo};

fn info(name: &str, dims: &[i64]) -> ValueInfo {
    let dimension =
        |&extent| Dimension { value: Some(dimension::Value::DimValue(extent)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: dims.iter().map(dimension).collect() };
    let tensor = type_proto::Tensor { elem_type: 1, shape: Some(shape) };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfo { name: name.into(), r#type: Some(r#type), ..ValueInfo::default() }
}

pub(crate) fn tensor(name: &str, dims: &[i64], numbers: &[f32]) -> Tensor {
    let raw_data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Tensor { name: name.into(), dims: dims.to_vec(), data_type: 1, raw_data, ..Tensor::default() }
}

pub(crate) fn integers(name: &str, numbers: &[i64]) -> Tensor {
    let dims = vec![numbers.len() as i64];
    Tensor { name: name.into(), dims, data_type: 7, int64_data: numbers.to_vec(), ..Tensor::default() }
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.into()],
        name: format!("/{output}/{operator}"),
        op_type: operator.into(),
        ..Node::default()
    }
}

/// A node with attributes.
pub(crate) fn with(mut node: Node, attributes: impl IntoIterator<Item = Attribute>) -> Node {
    node.attribute.extend(attributes);
    node
}

pub(crate) fn number(name: &str, f: f32) -> Attribute {
    Attribute { name: name.into(), f, r#type: AttributeType::Float as i32, ..Attribute::default() }
}

pub(crate) fn integer(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, r#type: AttributeType::Int as i32, ..Attribute::default() }
}

pub(crate) fn list(name: &str, ints: &[i64]) -> Attribute {
    let r#type = AttributeType::Ints as i32;
    Attribute { name: name.into(), ints: ints.to_vec(), r#type, ..Attribute::default() }
}

pub(crate) fn text(name: &str, text: &str) -> Attribute {
    let r#type = AttributeType::String as i32;
    Attribute { name: name.into(), s: text.into(), r#type, ..Attribute::default() }
}

/// A model of input `x` [1, 2, 2] and output `y`.
pub(crate) fn model(nodes: Vec<Node>, initializer: Vec<Tensor>) -> Vec<u8> {
    model_of(&[1, 2, 2], nodes, initializer)
}

/// A model of input `x` of a shape and output `y`.
pub(crate) fn model_of(shape: &[i64], nodes: Vec<Node>, initializer: Vec<Tensor>) -> Vec<u8> {
    let graph = GraphProto {
        node: nodes,
        initializer,
        input: vec![info("x", shape)],
        output: vec![ValueInfo { name: "y".into(), ..ValueInfo::default() }],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    Model { ir_version: 8, graph: Some(graph), opset_import, ..Model::default() }.encode_to_vec()
}
