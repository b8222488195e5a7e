//! Graphs written as ONNX messages, imported, and evaluated by hand.

use ckks_client::Postprocessing;
use tract_onnx::pb::AttributeProto as Attribute;

use super::import;
use crate::{
    error::CompileError,
    graph::Graph,
    onnx::{
        Node, Tensor,
        fixtures::{integer, integers, model, node, tensor, text, with},
    },
    reference::evaluate,
};

fn imported(nodes: Vec<Node>, initializer: Vec<Tensor>) -> Graph {
    import(&model(nodes, initializer)).expect("imports")
}

const X: [f64; 4] = [1.0, -2.0, 3.0, 0.5];

fn assert_values(graph: &Graph, expected: &[f64]) {
    let found = evaluate(graph, &X);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
}

#[test]
fn gemm_multiplies_by_its_transposed_weights_with_alpha_and_beta() {
    let mut gemm = node("Gemm", &["flat", "w", "b"], "y");
    let number = |name: &str, f| Attribute { name: name.into(), f, ..Attribute::default() };
    let flag = Attribute { name: "transB".into(), i: 1, ..Attribute::default() };
    gemm.attribute = vec![number("alpha", 2.0), number("beta", 0.5), flag];
    let weights = tensor("w", &[2, 4], &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0]);
    let graph =
        imported(vec![node("Flatten", &["x"], "flat"), gemm], vec![weights, tensor("b", &[2], &[1.0, -1.0])]);
    assert_values(&graph, &[2.5, 5.5]);
    assert_eq!(graph.values[0].shape, [2, 2]);
}

#[test]
fn mat_mul_multiplies_a_row_from_the_left() {
    let nodes = vec![node("Reshape", &["x", "shape"], "row"), node("MatMul", &["row", "w"], "y")];
    let weights = tensor("w", &[4, 2], &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 4.0]);
    let graph = imported(nodes, vec![integers("shape", &[1, -1]), weights]);
    assert_values(&graph, &[6.0, 2.0]);
}

#[test]
fn constants_broadcast_over_the_variable() {
    let nodes = vec![
        node("Sub", &["x", "column"], "a"),
        node("Div", &["a", "row"], "b"),
        node("Mul", &["b", "two"], "c"),
        node("Sub", &["two", "c"], "d"),
        node("Add", &["d", "x"], "y"),
    ];
    let constants = vec![
        tensor("column", &[2, 1], &[1.0, 2.0]),
        tensor("row", &[2], &[1.0, 0.5]),
        tensor("two", &[], &[2.0]),
    ];
    // (x − column)/row = (0, −6, 1, −3)
    assert_values(&imported(nodes, constants), &[3.0, 12.0, 3.0, 8.5]);
}

#[test]
fn squares_are_found_however_they_are_written() {
    let square = imported(vec![node("Mul", &["x", "x"], "y")], vec![]);
    let power = imported(vec![node("Pow", &["x", "n"], "y")], vec![tensor("n", &[], &[2.0])]);
    assert_eq!(square.values[1].operation, power.values[1].operation);
    assert_values(&square, &[1.0, 4.0, 9.0, 0.25]);
}

#[test]
fn activations_inside_are_kept_and_a_last_one_is_left_to_the_client() {
    let nodes = vec![
        node("Relu", &["x"], "a"),
        node("Tanh", &["a"], "b"),
        node("Sigmoid", &["b"], "c"),
        node("Sigmoid", &["c"], "y"),
    ];
    let graph = imported(nodes, vec![]);
    assert_eq!((graph.values.len(), graph.postprocessing), (4, Postprocessing::Sigmoid));
    let expected = X.map(|x| 1.0 / (1.0 + (-x.max(0.0).tanh()).exp()));
    assert_values(&graph, &expected);
}

/// Nodes that read the input as one vector `f`.
fn of_vector(nodes: impl IntoIterator<Item = Node>) -> Vec<Node> {
    [node("Flatten", &["x"], "f")].into_iter().chain(nodes).collect()
}

#[test]
fn a_class_is_left_to_the_client_after_what_keeps_the_order() {
    let class = |operator: &str, of: &str| with(node(operator, &[of], "c"), [integer("axis", 1)]);
    let named = |class: Node| [class, node("Identity", &["c"], "y")];
    let softmax = node("Softmax", &["f"], "p");
    let graph = imported(of_vector([softmax].into_iter().chain(named(class("ArgMax", "p")))), vec![]);
    assert_eq!((graph.values.len(), graph.postprocessing), (1, Postprocessing::Argmax));
    let smallest = imported(of_vector(named(class("ArgMin", "f"))), vec![]);
    assert_eq!(smallest.postprocessing.apply(&evaluate(&smallest, &X)), [1.0]);
    // Along the batch there is nothing to choose from.
    let batch = of_vector(named(node("ArgMax", &["f"], "c")));
    assert_eq!(refusal(batch, vec![]).1, "ArgMax");
}

#[test]
fn the_client_takes_the_whole_output_along_its_axis_only() {
    let softmax = || node("Softmax", &["f"], "p");
    // The axis of ArgMax is 0 if it names none.
    let batch = of_vector([softmax(), node("ArgMax", &["p"], "y")]);
    assert_eq!(refusal(batch, vec![]).1, "ArgMax");
    let rows = vec![node("Sigmoid", &["x"], "p"), with(node("ArgMax", &["p"], "y"), [integer("axis", -1)])];
    assert_eq!(refusal(rows, vec![]).1, "ArgMax");
    let turned =
        of_vector([softmax(), node("Reshape", &["p", "rows"], "r"), node("Normalizer", &["r"], "y")]);
    assert_eq!(refusal(turned, vec![integers("rows", &[2, 2])]).1, "Normalizer");
    let column = of_vector([
        softmax(),
        node("Reshape", &["p", "column"], "r"),
        with(node("ArgMax", &["r"], "y"), [integer("axis", 0)]),
    ]);
    assert_eq!(imported(column, vec![integers("column", &[4, 1])]).postprocessing, Postprocessing::Argmax);
}

#[test]
fn whole_numbers_are_divided_and_cast_as_such() {
    let shape = |nodes: Vec<Node>, seven: Tensor| {
        let last = node("Reshape", &["x", "s"], "y");
        imported(nodes.into_iter().chain([last]).collect(), vec![seven, integers("two", &[2])])
    };
    let product = || vec![node("Div", &["a", "two"], "q"), node("Mul", &["q", "two"], "s")];
    // 2·2 elements fit; 2.5·2 would not.
    shape(product(), integers("a", &[5]));
    let to = |by: i64| with(node("Cast", &["a"], "s"), [integer("to", by)]);
    shape(vec![to(7)], tensor("a", &[1], &[4.75]));
    let rounded = with(node("Cast", &["x"], "y"), [integer("to", 7)]);
    assert_eq!(refusal(vec![rounded], vec![]).1, "Cast");
}

#[test]
fn comparisons_of_constants_are_computed() {
    // As an exporter writes Expand: −1 keeps an extent.
    let nodes = vec![
        node("Equal", &["wanted", "open"], "is"),
        node("Where", &["is", "ones", "wanted"], "s"),
        node("Expand", &["x", "s"], "e"),
        node("Size", &["x"], "n"),
        node("Range", &["zero", "n", "step"], "r"),
        node("Max", &["r", "one"], "m"),
        node("Reshape", &["m", "square"], "k"),
        node("Mul", &["e", "k"], "y"),
    ];
    let single = |name: &str, number: i64| Tensor { dims: vec![], ..integers(name, &[number]) };
    let constants = vec![
        integers("wanted", &[-1, 2, -1]),
        integers("open", &[-1]),
        integers("ones", &[1, 1, 1]),
        single("zero", 0),
        single("step", 1),
        single("one", 1),
        integers("square", &[1, 2, 2]),
    ];
    assert_values(&imported(nodes, constants), &[1.0, -2.0, 6.0, 1.5]);
    assert_eq!(refusal(vec![node("Greater", &["x", "x"], "y")], vec![]).1, "Greater");
}

#[test]
fn norms_are_left_to_the_client_after_what_they_fit() {
    let norm = |of: &str, norm: &str| with(node("Normalizer", &[of], "y"), [text("norm", norm)]);
    let after = |first: &str, by: &str| of_vector([node(first, &["f"], "a"), norm("a", by)]);
    let postprocessing = |nodes| imported(nodes, vec![]).postprocessing;
    assert_eq!(postprocessing(of_vector([norm("f", "L2")])), Postprocessing::NormalizeL2);
    assert_eq!(postprocessing(after("Sigmoid", "L1")), Postprocessing::SigmoidNormalizeL1);
    assert_eq!(postprocessing(after("Softmax", "L1")), Postprocessing::Softmax);
    assert_eq!(refusal(after("Softmax", "L2"), vec![]).1, "Normalizer");
    let mut inner = of_vector([norm("f", "L1"), node("Relu", &["y"], "z")]);
    inner.push(node("Identity", &["z"], "w"));
    assert_eq!(refusal(inner, vec![]).1, "Normalizer");
}

fn refusal(nodes: Vec<Node>, initializer: Vec<Tensor>) -> (String, String) {
    match import(&model(nodes, initializer)) {
        Err(CompileError::Unsupported { node, operator, .. }) => (node, operator),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refused = |operator: &str| refusal(vec![node(operator, &["x"], "y")], vec![]);
    for operator in ["MaxPool", "Log", "Where", "LSTM", "Div0"] {
        assert_eq!(refused(operator), (format!("/y/{operator}"), operator.to_owned()));
    }
    let inner = vec![node("Softmax", &["x"], "s"), node("Relu", &["s"], "y")];
    assert_eq!(refusal(inner, vec![]).1, "Softmax");
    assert_eq!(refusal(vec![node("Div", &["one", "x"], "y")], vec![tensor("one", &[], &[1.0])]).1, "Div");
    assert_eq!(refusal(vec![node("Div", &["x", "z"], "y")], vec![tensor("z", &[], &[0.0])]).1, "Div");
    assert_eq!(refusal(vec![node("Pow", &["x", "n"], "y")], vec![tensor("n", &[], &[1.5])]).1, "Pow");
}

#[test]
fn a_refusal_says_node_reason_and_advice() {
    let error = import(&model(vec![node("MaxPool", &["x"], "y")], vec![])).expect_err("refused");
    let expected = "node \"/y/MaxPool\" (MaxPool): a maximum cannot be computed on ciphertexts; use AveragePool, or a convolution with stride";
    assert_eq!(error.to_string(), expected);
}
