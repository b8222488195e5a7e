//! Puts what samples go through before a model in front of its graph, so that callers hand over what they have:
//! bytes of an image, where the model was trained on standardised numbers.
//!
//! Being linear, it becomes part of the first layer, and nothing of it is left for clients to know.

use prost::Message;

use crate::{
    error::CompileError,
    graph::Graph,
    import::import,
    onnx::{Model, Node, Tensor},
};

/// `out_i = scale_i · x_i + offset_i`: for each of the two one number for all elements, one for each index of the first
/// axis of a tensor of several, its channels, or one for each element; none for what is not done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preprocessing {
    /// Factors.
    pub scale: Vec<f64>,
    /// Summands.
    pub offset: Vec<f64>,
}

impl Preprocessing {
    /// The ONNX file of a model that does this to its input first.
    ///
    /// # Errors
    /// [`CompileError::Preprocessing`] for a number of numbers that does not fit the input, or one that is not finite;
    /// those of [`import`].
    pub fn before(&self, model: &[u8]) -> Result<Vec<u8>, CompileError> {
        let imported = import(model)?;
        let mut proto = Model::decode(model).map_err(|error| CompileError::malformed(error.to_string()))?;
        let Some(graph) = &mut proto.graph else {
            return Err(CompileError::malformed("there is no graph in it"));
        };
        let names =
            graph.node.iter().flat_map(|node| &node.output).chain(graph.initializer.iter().map(|t| &t.name));
        let names: Vec<&String> = names.chain(graph.input.iter().map(|info| &info.name)).collect();
        let mut prefix = String::from("preprocessing");
        while names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('_');
        }

        let input = imported.values[0].name.clone();
        let mut last = input.clone();
        let mut nodes = vec![];
        for (operator, part, numbers) in [("Mul", "scale", &self.scale), ("Add", "offset", &self.offset)] {
            if numbers.is_empty() {
                continue;
            }
            let (constant, output) = (format!("{prefix}/{part}"), format!("{prefix}/{operator}"));
            graph.initializer.push(tensor(constant.clone(), numbers, &imported)?);
            nodes.push(Node {
                input: vec![last, constant],
                output: vec![output.clone()],
                name: output.clone(),
                op_type: operator.into(),
                ..Node::default()
            });
            last = output;
        }
        for name in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|name| **name == input) {
            name.clone_from(&last);
        }
        graph.node.splice(..0, nodes);
        Ok(proto.encode_to_vec())
    }
}

/// Numbers in a shape that repeats along the input of a graph.
fn tensor(name: String, numbers: &[f64], graph: &Graph) -> Result<Tensor, CompileError> {
    let (shape, dimension) = (&graph.values[0].shape, graph.values[0].dimension());
    let channels = if shape.len() > 1 { shape[0] } else { 1 };
    let found = numbers.iter().filter(|number| number.is_finite()).count();
    let dims = match numbers.len() {
        1 => vec![],
        count if count == dimension => [&[1], &shape[..]].concat(),
        count if count == channels => {
            let ones = vec![1; shape.len() - 1];
            [&[1, channels], &ones[..]].concat()
        }
        _ => return Err(CompileError::Preprocessing { channels, dimension, found }),
    };
    if found != numbers.len() {
        return Err(CompileError::Preprocessing { channels, dimension, found });
    }
    Ok(Tensor {
        name,
        dims: dims.iter().map(|&extent| extent as i64).collect(),
        data_type: 1,
        raw_data: numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect(),
        ..Tensor::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compile::{Identity, Options, compile},
        onnx::fixtures::{model_of, node, tensor as constant},
        reference::evaluate,
        runtime::largest_difference,
        samples::Samples,
        verify::verify,
    };

    /// Two channels of two elements, a dense layer, a square.
    fn network() -> Vec<u8> {
        let weights: Vec<f32> = (0..12).map(|i| (i as f32 * 1.3).sin()).collect();
        let nodes = vec![
            node("Flatten", &["x"], "flat"),
            node("MatMul", &["flat", "preprocessing/scale"], "a"),
            node("Mul", &["a", "a"], "y"),
        ];
        model_of(&[1, 2, 2], nodes, vec![constant("preprocessing/scale", &[4, 3], &weights)])
    }

    fn bytes() -> Vec<Vec<f64>> {
        (0..30).map(|i| (0..4).map(|j| f64::from((i * 53 + j * 91) % 256)).collect()).collect()
    }

    #[test]
    fn a_model_takes_what_callers_have() {
        let (plain, sample) = (import(&network()).expect("imports"), &bytes()[7]);
        for (scale, offset) in [
            (vec![1.0 / 255.0], vec![]),
            (vec![], vec![-3.0]),
            (vec![0.01, 0.02], vec![-0.5, 0.25]),
            (vec![0.01, 0.02, 0.03, 0.04], vec![0.5]),
        ] {
            let at = |numbers: &[f64], i: usize, none: f64| match numbers.len() {
                0 => none,
                count => numbers[i * count / 4],
            };
            let prepared: Vec<f64> = sample
                .iter()
                .enumerate()
                .map(|(i, x)| x * at(&scale, i, 1.0) + at(&offset, i, 0.0))
                .collect();
            let preprocessing = Preprocessing { scale, offset };
            let model = preprocessing.before(&network()).expect("fits");
            let graph = import(&model).expect("imports");
            let (found, expected) = (evaluate(&graph, sample), evaluate(&plain, &prepared));
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
            assert!(largest_difference(&model, &graph, &bytes()).expect("runs") < 1e-5);
        }
    }

    /// What is linear before the first layer takes no level, and its range is that of the callers' numbers.
    #[test]
    fn it_costs_nothing_encrypted() {
        let preprocessing = Preprocessing { scale: vec![1.0 / 255.0], offset: vec![-0.5] };
        let prepared: Vec<Vec<f64>> =
            bytes().iter().map(|sample| sample.iter().map(|x| x / 255.0 - 0.5).collect()).collect();
        let compiled = |model: &[u8], samples: &[Vec<f64>]| {
            compile(model, &Identity::default(), samples, &Options::default()).expect("compiles")
        };
        let with = compiled(&preprocessing.before(&network()).expect("fits"), &bytes());
        let without = compiled(&network(), &prepared);
        assert_eq!(with.report.sizes, without.report.sizes);
        assert_eq!(with.report.parameters, without.report.parameters);
        let manifest: serde_json::Value = serde_json::from_slice(&with.manifest).expect("is JSON");
        assert_eq!(manifest["input"]["scaling"], serde_json::json!([1.0 / 256.0]));
        assert!(manifest["input"]["range"][1].as_f64().is_some_and(|most| most > 250.0));
        let samples = Samples { inputs: bytes()[..5].to_vec(), classes: vec![] };
        let accuracy = verify(&with.graph, &with.manifest, &with.weights, &samples, &|| ()).expect("runs");
        assert!(accuracy.precision_bits >= 9.0, "{accuracy:?}");
    }

    #[test]
    fn numbers_that_do_not_fit_the_input_are_refused() {
        for (numbers, found) in [(vec![1.0; 3], 3), (vec![f64::NAN], 0), (vec![1.0, f64::INFINITY], 1)] {
            let preprocessing = Preprocessing { scale: numbers, offset: vec![] };
            let refused = preprocessing.before(&network()).expect_err("does not fit");
            assert_eq!(refused, CompileError::Preprocessing { channels: 2, dimension: 4, found });
        }
    }
}
