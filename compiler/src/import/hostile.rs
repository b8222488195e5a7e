//! Files that are damaged, lie, or ask for more memory than there is: each ends in an error that says why.

use prost::Message as _;
use tract_onnx::pb::AttributeProto as Attribute;

use super::import;
use crate::{
    error::CompileError,
    onnx::{
        GraphProto, Model, Node, Tensor,
        fixtures::{integer, integers, list, model, model_of, node, tensor, with},
    },
};

fn malformed(bytes: &[u8]) -> String {
    match import(bytes) {
        Err(CompileError::Malformed { reason }) => reason,
        Err(other) => panic!("expected a malformed file, found {other}"),
        Ok(_) => panic!("expected a malformed file, it was imported"),
    }
}

fn refused(nodes: Vec<Node>, tensors: Vec<Tensor>) -> String {
    match import(&model(nodes, tensors)) {
        Err(error @ CompileError::Unsupported { .. }) => error.to_string(),
        Err(other) => panic!("expected a refusal, found {other}"),
        Ok(_) => panic!("expected a refusal, it was imported"),
    }
}

fn relu() -> Vec<Node> {
    vec![node("Relu", &["x"], "y")]
}

/// A small network that uses every kind of field.
fn network() -> Vec<u8> {
    let conv = with(node("Conv", &["x", "k"], "c"), [list("pads", &[1, 1, 1, 1]), integer("group", 1)]);
    let nodes = vec![
        node("Unsqueeze", &["x", "one"], "u"),
        Node { input: vec!["u".into(), "k".into()], ..conv },
        node("Relu", &["c"], "r"),
        with(node("Flatten", &["r"], "f"), [integer("axis", 1)]),
        node("MatMul", &["f", "w"], "y"),
    ];
    let kernel: Vec<f32> = (0..9).map(|i| i as f32 / 9.0).collect();
    let tensors =
        vec![integers("one", &[1]), tensor("k", &[1, 1, 3, 3], &kernel), tensor("w", &[4, 2], &[0.5; 8])];
    model(nodes, tensors)
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let whole = network();
    import(&whole).expect("imports");
    for length in 0..whole.len() {
        import(&whole[..length]).expect_err("cut off");
    }
}

#[test]
fn no_changed_byte_does_more_than_change_the_model() {
    let whole = network();
    for at in 0..whole.len() {
        for flip in [0x01, 0x04, 0x10, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            // Either way is right; what counts is that it returns.
            let _ = import(&changed);
        }
    }
}

#[test]
fn tensors_that_lie_about_their_size_are_refused() {
    let with_tensor = |tensor: Tensor| malformed(&model(relu(), vec![tensor]));
    let short = with_tensor(tensor("w", &[3], &[1.0]));
    assert_eq!(short, "tensor \"w\": its shape has 3 elements, its data 1");
    for dims in [&[i64::MAX, i64::MAX][..], &[1 << 40], &[-1], &[0], &[1 << 26, 2]] {
        assert_eq!(with_tensor(tensor("w", dims, &[1.0])), "the shape of \"w\" is empty or too large");
    }
    let odd = Tensor { raw_data: vec![0; 7], ..tensor("w", &[2], &[]) };
    assert_eq!(with_tensor(odd), "tensor \"w\": an element is not a finite number");
    assert_eq!(
        with_tensor(tensor("w", &[1], &[f32::INFINITY])),
        "tensor \"w\": an element is not a finite number"
    );
    let strange = Tensor { data_type: 99, ..tensor("w", &[1], &[1.0]) };
    assert_eq!(with_tensor(strange), "tensor \"w\": element type 99 is not read; use float, double or int64");
    let outside = Tensor { data_location: Some(1), raw_data: vec![], ..tensor("w", &[1], &[]) };
    assert_eq!(with_tensor(outside), "tensor \"w\": its data is in another file; save the model as one file");
    let axes = with_tensor(tensor("w", &[1; 17], &[1.0]));
    assert_eq!(axes, "\"w\" has 17 axes, more than 16");
}

#[test]
fn circles_and_loose_ends_are_named() {
    let circle = vec![node("Add", &["x", "b"], "a"), node("Relu", &["a"], "b"), node("Relu", &["b"], "y")];
    assert_eq!(
        malformed(&model(circle, vec![])),
        "node \"/a/Add\" reads \"b\" before \"/b/Relu\" computes it: its nodes run in a circle, or are not in order"
    );
    let loose = vec![node("Relu", &["nothing"], "y")];
    assert_eq!(
        malformed(&model(loose, vec![])),
        "node \"/y/Relu\" reads \"nothing\", which nothing computes"
    );
    let constant = vec![node("Relu", &["w"], "y")];
    assert_eq!(
        malformed(&model(constant, vec![tensor("w", &[1], &[1.0])])),
        "output \"y\" does not depend on the input"
    );
}

#[test]
fn huge_inputs_and_results_are_refused_before_they_are_made() {
    assert_eq!(malformed(&model_of(&[1, 1 << 23], relu(), vec![])), "input \"x\" has too many elements");
    let expand = vec![node("Expand", &["x", "s"], "y")];
    let text = refused(expand, vec![integers("s", &[1 << 21, 2, 2])]);
    assert!(text.contains("takes more than"), "{text}");
    let pads = integers("p", &[0, 0, 0, 1 << 20, 1 << 20, 1 << 20]);
    let pad = |of: &str| vec![node("Pad", &[of, "p"], "c"), node("Add", &["x", "c"], "y")];
    assert!(refused(pad("x"), vec![pads.clone()]).contains("takes more than"));
    assert!(refused(pad("w"), vec![pads, tensor("w", &[1, 1, 1], &[1.0])]).contains("takes more than"));
}

#[test]
fn constants_that_add_up_to_all_memory_are_refused() {
    let fill = |i: usize| node("ConstantOfShape", &["s"], &format!("c{i}"));
    let nodes = (0..1000).map(fill).chain(relu()).collect();
    let reason = malformed(&model(nodes, vec![integers("s", &[1 << 22])]));
    assert!(reason.contains("more than 67108864 numbers"), "{reason}");
    // Names for the same constant take nothing.
    let same = |i: usize| node("Identity", &[&format!("c{i}")], &format!("c{}", i + 1));
    let nodes = [fill(0)].into_iter().chain((0..1000).map(same)).chain(relu()).collect();
    import(&model(nodes, vec![integers("s", &[1 << 22])])).expect("imports");
}

#[test]
fn many_small_messages_are_refused_before_they_are_decoded() {
    // 4 MB of empty nodes would become hundreds.
    let mut bytes = vec![0x08, 8, 0x3a, 0x80, 0x80, 0x80, 0x02];
    bytes.extend([0x0a, 0x00].repeat(1 << 21));
    let reason = malformed(&bytes);
    assert!(reason.starts_with("decoding it takes 1073"), "{reason}");
}

#[test]
fn more_nodes_than_any_model_are_refused() {
    let nodes: Vec<Node> = (0..=1 << 14).map(|_| node("Relu", &["x"], "y")).collect();
    assert_eq!(malformed(&model(nodes, vec![])), "16385 nodes are more than 16384");
}

#[test]
fn a_graph_as_deep_as_it_may_be_is_imported() {
    let name = |i: usize| if i == 0 { "x".to_owned() } else { format!("v{i}") };
    let mut nodes: Vec<Node> = (0..5000).map(|i| node("Tanh", &[&name(i)], &name(i + 1))).collect();
    nodes.push(node("Tanh", &[&name(5000)], "y"));
    assert_eq!(import(&model(nodes, vec![])).expect("imports").values.len(), 5002);
}

#[test]
fn graphs_inside_of_graphs_end_somewhere() {
    let mut inner = GraphProto { node: relu(), ..GraphProto::default() };
    for _ in 0..200 {
        let branch = Attribute { name: "then_branch".into(), g: Some(inner), ..Attribute::default() };
        inner = GraphProto { node: vec![with(node("If", &["x"], "y"), [branch])], ..GraphProto::default() };
    }
    malformed(&Model { ir_version: 8, graph: Some(inner), ..Model::default() }.encode_to_vec());
}

#[test]
fn files_of_other_kinds_and_versions_are_refused() {
    for bytes in [&[][..], b"PK\x03\x04 a zip file", &[0xff; 40]] {
        malformed(bytes);
    }
    let old = Model { ir_version: 2, graph: Some(GraphProto::default()), ..Model::default() };
    assert!(malformed(&old.encode_to_vec()).contains("too old or missing"));
}
