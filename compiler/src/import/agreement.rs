//! Every operator against another implementation of ONNX.

use super::{OPERATORS, Support, import};
use crate::{
    error::CompileError,
    onnx::{
        Node, Tensor,
        fixtures::{integer, integers, list, model, model_of, node, number, tensor, text, with},
    },
    reference::evaluate,
    runtime::Runtime,
};

fn numbers(count: usize, salt: f32) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 + salt) * 1.7).sin()).collect()
}

fn weights(name: &str, dims: &[i64]) -> Tensor {
    tensor(name, dims, &numbers(dims.iter().product::<i64>() as usize, name.len() as f32))
}

/// Imports a model, and compares it with the runtime on one input.
fn assert_agrees(shape: &[i64], nodes: Vec<Node>, tensors: Vec<Tensor>) {
    let what = format!("{:?}", nodes.iter().map(|node| &node.op_type).collect::<Vec<_>>());
    let bytes = model_of(shape, nodes, tensors);
    let graph = import(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let runtime = Runtime::new(&bytes, &graph).unwrap_or_else(|error| panic!("{what}: {error}"));
    let x: Vec<f64> = numbers(graph.values[0].dimension(), 0.3).into_iter().map(f64::from).collect();
    let (found, expected) = (evaluate(&graph, &x), runtime.run(&x).expect("runs"));
    assert_eq!(found.len(), expected.len(), "{what}");
    let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs()));
    assert!(near, "{what}: {found:?}, not {expected:?}");
}

fn one(node: Node) -> Vec<Node> {
    vec![node]
}

#[test]
fn convolutions_agree() {
    let conv = |attributes: Vec<_>| one(with(node("Conv", &["x", "w", "b"], "y"), attributes));
    let plain = || vec![weights("w", &[3, 2, 3, 3]), weights("b", &[3])];
    assert_agrees(&[1, 2, 5, 6], conv(vec![]), plain());
    assert_agrees(&[1, 2, 5, 6], conv(vec![list("strides", &[2, 1]), list("pads", &[1, 0, 2, 1])]), plain());
    assert_agrees(&[1, 2, 7, 6], conv(vec![list("dilations", &[2, 2])]), plain());
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"] {
        assert_agrees(&[1, 2, 5, 6], conv(vec![text("auto_pad", auto), list("strides", &[2, 2])]), plain());
    }
    let grouped = vec![weights("w", &[4, 1, 2, 2]), weights("b", &[4])];
    assert_agrees(&[1, 2, 4, 4], conv(vec![integer("group", 2)]), grouped);
    let signal = vec![weights("w", &[2, 3, 4]), weights("b", &[2])];
    assert_agrees(&[1, 3, 9], conv(vec![list("pads", &[2, 1]), list("strides", &[2])]), signal);
}

#[test]
fn transposed_convolutions_agree() {
    let conv = |attributes: Vec<_>| one(with(node("ConvTranspose", &["x", "w", "b"], "y"), attributes));
    let plain = || vec![weights("w", &[2, 3, 3, 3]), weights("b", &[3])];
    assert_agrees(&[1, 2, 3, 4], conv(vec![list("strides", &[2, 1]), list("pads", &[1, 1, 0, 1])]), plain());
    let extra = list("output_padding", &[1, 1]);
    assert_agrees(&[1, 2, 3, 4], conv(vec![list("strides", &[2, 2]), extra]), plain());
    let grouped = vec![weights("w", &[2, 2, 2, 2]), weights("b", &[4])];
    assert_agrees(&[1, 2, 3, 3], conv(vec![integer("group", 2), list("dilations", &[2, 1])]), grouped);
}

#[test]
fn averages_agree() {
    let pool = |attributes: Vec<_>| one(with(node("AveragePool", &["x"], "y"), attributes));
    let kernel = || list("kernel_shape", &[3, 2]);
    assert_agrees(&[1, 2, 6, 5], pool(vec![kernel(), list("strides", &[2, 2])]), vec![]);
    assert_agrees(&[1, 2, 6, 5], pool(vec![kernel(), list("pads", &[1, 0, 1, 1])]), vec![]);
    let counted = vec![kernel(), list("pads", &[1, 0, 1, 1]), integer("count_include_pad", 1)];
    assert_agrees(&[1, 2, 6, 5], pool(counted), vec![]);
    let ceiled = vec![kernel(), list("strides", &[2, 2]), integer("ceil_mode", 1)];
    assert_agrees(&[1, 2, 6, 5], pool(ceiled), vec![]);
    assert_agrees(&[1, 2, 6, 5], one(node("GlobalAveragePool", &["x"], "y")), vec![]);
    for (axes, keep) in [(&[1, -1][..], 1), (&[2][..], 0), (&[0, 1, 2, 3][..], 1)] {
        let mean = with(node("ReduceMean", &["x"], "y"), [list("axes", axes), integer("keepdims", keep)]);
        assert_agrees(&[1, 2, 3, 4], one(mean), vec![]);
        let sum = with(node("ReduceSum", &["x", "axes"], "y"), [integer("keepdims", keep)]);
        assert_agrees(&[1, 2, 3, 4], one(sum), vec![integers("axes", axes)]);
    }
}

#[test]
fn products_with_matrices_agree() {
    let gemm = |attributes: Vec<_>| one(with(node("Gemm", &["x", "w", "b"], "y"), attributes));
    assert_agrees(&[1, 5], gemm(vec![]), vec![weights("w", &[5, 3]), weights("b", &[3])]);
    let scaled = vec![integer("transB", 1), number("alpha", 0.5), number("beta", -2.0)];
    assert_agrees(&[1, 5], gemm(scaled), vec![weights("w", &[3, 5]), weights("b", &[1, 3])]);
    assert_agrees(&[1, 4, 5], one(node("MatMul", &["x", "w"], "y")), vec![weights("w", &[5, 3])]);
    assert_agrees(&[1, 4, 5], one(node("MatMul", &["w", "x"], "y")), vec![weights("w", &[3, 4])]);
    assert_agrees(&[1, 4, 5], one(node("MatMul", &["x", "w"], "y")), vec![weights("w", &[1, 5, 3])]);
}

#[test]
fn normalisation_and_arithmetic_agree() {
    let mut variance = weights("v", &[3]);
    variance.raw_data = [0.5f32, 1.5, 2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let statistics = vec![weights("s", &[3]), weights("b", &[3]), weights("m", &[3]), variance];
    let norm = with(node("BatchNormalization", &["x", "s", "b", "m", "v"], "y"), [number("epsilon", 1e-3)]);
    assert_agrees(&[1, 3, 2, 2], one(norm), statistics);
    for operator in ["Add", "Sub", "Mul", "Div"] {
        let column = || vec![weights("c", &[2, 1])];
        assert_agrees(&[1, 2, 3], one(node(operator, &["x", "c"], "y")), column());
        if operator != "Div" {
            assert_agrees(&[1, 2, 3], one(node(operator, &["c", "x"], "y")), column());
            assert_agrees(&[1, 1, 3], one(node(operator, &["x", "c"], "y")), column());
            let with_itself = vec![node("Transpose", &["x"], "t"), node(operator, &["x", "t"], "y")];
            assert_agrees(&[1, 1, 1], with_itself, vec![]);
        }
    }
    let gate = vec![
        with(node("ReduceMean", &["x"], "m"), [list("axes", &[2]), integer("keepdims", 1)]),
        node("Mul", &["x", "m"], "y"),
    ];
    assert_agrees(&[1, 2, 3], gate, vec![]);
    assert_agrees(&[1, 4], one(node("Neg", &["x"], "y")), vec![]);
    assert_agrees(&[1, 4], one(node("Sum", &["x", "x", "x"], "y")), vec![]);
    assert_agrees(&[1, 4], one(node("Pow", &["x", "n"], "y")), vec![tensor("n", &[], &[3.0])]);
}

#[test]
fn movements_agree() {
    let shape = [1, 2, 3, 4];
    let case = |nodes: Vec<Node>, tensors: Vec<Tensor>| assert_agrees(&shape, nodes, tensors);
    case(one(with(node("Transpose", &["x"], "y"), [list("perm", &[0, 3, 1, 2])])), vec![]);
    case(one(node("Transpose", &["x"], "y")), vec![]);
    let bounds = vec![
        integers("s", &[-1, 1]),
        integers("e", &[i64::MIN, 3]),
        integers("a", &[3, 2]),
        integers("t", &[-2, 1]),
    ];
    case(one(node("Slice", &["x", "s", "e", "a", "t"], "y")), bounds);
    case(
        one(with(node("Gather", &["x", "i"], "y"), [integer("axis", 2)])),
        vec![integers("i", &[2, 0, -1, 2])],
    );
    for mode in ["constant", "edge", "reflect"] {
        let pads = vec![integers("p", &[0, 0, 1, 2, 0, 0, 2, 1]), tensor("f", &[], &[0.5])];
        let inputs: &[&str] = if mode == "constant" { &["x", "p", "f"] } else { &["x", "p"] };
        case(one(with(node("Pad", inputs, "y"), [text("mode", mode)])), pads);
    }
    let mut split = with(node("Split", &["x", "sizes"], "a"), [integer("axis", 3)]);
    split.output = vec!["a".into(), "b".into()];
    let swapped = with(node("Concat", &["b", "c", "a"], "y"), [integer("axis", 3)]);
    case(vec![split, swapped], vec![integers("sizes", &[1, 3]), weights("c", &[1, 2, 3, 2])]);
    case(one(node("Expand", &["x", "e"], "y")), vec![integers("e", &[2, 1, 3, 4])]);
    case(one(with(node("Flatten", &["x"], "y"), [integer("axis", 2)])), vec![]);
    let squeezed = vec![
        node("Unsqueeze", &["x", "a"], "u"),
        node("Squeeze", &["u", "b"], "s"),
        node("Reshape", &["s", "r"], "y"),
    ];
    let tensors = vec![integers("a", &[1, 4]), integers("b", &[1]), integers("r", &[0, -1, 2])];
    case(squeezed, tensors);
}

#[test]
fn shapes_that_are_computed_are_folded() {
    let nodes = vec![
        node("Shape", &["x"], "shape"),
        node("Gather", &["shape", "zero"], "batch"),
        with(node("Concat", &["batch", "rest"], "wanted"), [integer("axis", 0)]),
        node("Reshape", &["x", "wanted"], "y"),
    ];
    assert_agrees(&[1, 2, 3], nodes, vec![integers("zero", &[0]), integers("rest", &[-1])]);
}

#[test]
fn activations_agree() {
    let plain = ["Relu", "Tanh", "Elu", "Selu", "Softplus", "Softsign", "HardSwish", "Erf", "Exp", "Abs"];
    for operator in plain {
        assert_agrees(&[1, 8], one(node(operator, &["x"], "y")), vec![]);
    }
    assert_agrees(&[1, 8], one(with(node("LeakyRelu", &["x"], "y"), [number("alpha", 0.3)])), vec![]);
    let hard = [number("alpha", 0.4), number("beta", 0.3)];
    assert_agrees(&[1, 8], one(with(node("HardSigmoid", &["x"], "y"), hard)), vec![]);
    let bounds = || vec![tensor("low", &[], &[-0.5]), tensor("high", &[], &[0.25])];
    assert_agrees(&[1, 8], one(node("Clip", &["x", "low", "high"], "y")), bounds());
    assert_agrees(&[1, 2, 4], one(node("PRelu", &["x", "w"], "y")), vec![weights("w", &[2, 1])]);
    for gate in ["Sigmoid", "HardSigmoid"] {
        let attributes = if gate == "Sigmoid" { vec![] } else { vec![number("alpha", 1.0 / 6.0)] };
        let gated = vec![with(node(gate, &["x"], "g"), attributes), node("Mul", &["g", "x"], "y")];
        assert_agrees(&[1, 8], gated, vec![]);
    }
}

#[test]
fn supported_operators_without_operands_are_malformed_and_others_refused() {
    for (operator, support) in OPERATORS {
        let found = import(&model(vec![node(operator, &[], "y")], vec![]));
        match (support, found) {
            (Support::Refused(..), Err(CompileError::Unsupported { .. })) => {}
            (Support::Refused(..), found) => panic!("{operator}: {found:?}"),
            (_, Err(_)) => {}
            (_, Ok(graph)) => panic!("{operator}: {graph:?}"),
        }
    }
}
