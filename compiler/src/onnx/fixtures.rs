//! ONNX files for tests, written message by message.

use prost::Message;

use super::{Dimension, GraphProto, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo};

fn info(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().map(|&extent| Dimension { dim_value: Some(extent) }).collect();
    let tensor_type = Some(TensorType { shape: Some(Shape { dim }) });
    ValueInfo { name: name.into(), r#type: Some(Type { tensor_type }) }
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

/// A model of input `x` [1, 2, 2] and output `y`.
pub(crate) fn model(nodes: Vec<Node>, initializer: Vec<Tensor>) -> Vec<u8> {
    let graph = GraphProto {
        node: nodes,
        initializer,
        input: vec![info("x", &[1, 2, 2])],
        output: vec![info("y", &[1, 4])],
    };
    let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
    Model { ir_version: 8, graph: Some(graph), opset_import }.encode_to_vec()
}
