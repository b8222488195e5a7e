//! From ONNX to a [`Graph`]. Every shape is known; whatever does not depend on the input is computed
//! on the way, and every linear operator becomes a sparse matrix.

mod activation;
#[cfg(test)]
mod agreement;
mod arithmetic;
mod attributes;
mod client;
mod fold;
#[cfg(test)]
mod hostile;
mod learn;
mod linear;
mod movement;
mod operators;
mod shape;
#[cfg(test)]
mod tests;
mod window;

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use ckks_client::Postprocessing;

use crate::{
    error::CompileError,
    graph::{Affine, Graph, Operation, Value},
    onnx::{
        self, GraphProto, Node, ValueInfo, checked_shape, declared_extents, has_numbers, numbers,
        tensor_shape,
    },
    sparse::SparseMatrix,
};

pub use operators::{OPERATORS, Support, operator_table};

/// More nodes than any model that can be evaluated encrypted.
const MAX_NODES: usize = 1 << 14;
/// More elements than any tensor that is computed from the input.
const MAX_ELEMENTS: usize = 1 << 22;
/// More factors than any linear map; takes 512 MB.
const MAX_FACTORS: usize = 1 << 25;
/// More numbers than all constants and maps of a model together; takes up to 1 GB.
const MAX_NUMBERS: usize = 1 << 26;
/// More axes than any tensor.
const MAX_RANK: usize = 16;

/// What an ONNX name stands for.
#[derive(Clone, Debug)]
enum Meaning {
    /// Numbers that are known.
    Constant { shape: Vec<usize>, numbers: Rc<[f64]> },
    /// A value of the graph.
    Variable { shape: Vec<usize>, value: usize },
    /// What the client computes of a value after decryption.
    Client { shape: Vec<usize>, value: usize, postprocessing: Postprocessing },
}

/// The state of an import.
struct Importer<'a> {
    proto: &'a GraphProto,
    names: HashMap<String, Meaning>,
    values: Vec<Value>,
    /// Names of the output's elements.
    labels: Vec<String>,
    /// Names that something other than an end of the model reads.
    inner: HashSet<&'a str>,
    /// Names of constants of a whole type.
    whole: HashSet<String>,
    /// Numbers that may still be made.
    budget: usize,
}

/// Reads an ONNX file.
///
/// # Errors
/// [`CompileError::Malformed`], [`CompileError::Unsupported`].
pub fn import(bytes: &[u8]) -> Result<Graph, CompileError> {
    let proto = onnx::parse(bytes)?;
    if proto.node.len() > MAX_NODES {
        return Err(CompileError::malformed(format!("{} nodes are more than {MAX_NODES}", proto.node.len())));
    }
    let constants: HashSet<&str> = proto.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut inputs = proto.input.iter().filter(|info| !constants.contains(info.name.as_str()));
    let input = match (inputs.next(), inputs.next()) {
        (Some(input), None) => input,
        (None, _) => return Err(CompileError::malformed("the graph has no input")),
        (Some(_), Some(_)) => {
            return Err(CompileError::malformed(
                "the graph has more than one input; export a model with one",
            ));
        }
    };
    let shape = shape_of_sample(input)?;
    let variable = Meaning::Variable { shape: [&[1], &shape[..]].concat(), value: 0 };
    let first = Value { name: input.name.clone(), shape, operation: Operation::Input };
    let mut importer = Importer {
        proto: &proto,
        names: HashMap::from([(input.name.clone(), variable)]),
        values: vec![first],
        labels: Vec::new(),
        inner: client::inner_names(&proto),
        whole: HashSet::new(),
        budget: MAX_NUMBERS,
    };
    // Text may stand in a file that never reads it.
    for tensor in proto.initializer.iter().filter(|tensor| has_numbers(tensor)) {
        let numbers = numbers(tensor)?.into();
        if fold::whole_type(tensor.data_type) {
            importer.whole.insert(tensor.name.clone());
        }
        importer.name(&tensor.name, Meaning::Constant { shape: tensor_shape(tensor)?, numbers })?;
    }
    for node in &proto.node {
        importer.node(node)?;
        if importer.gives_whole(node) {
            importer.whole.extend(node.output.iter().cloned());
        }
    }
    importer.finish()
}

/// The shape without the batch axis, which may be 1 or left open.
fn shape_of_sample(info: &ValueInfo) -> Result<Vec<usize>, CompileError> {
    let extents = declared_extents(info);
    let extents =
        extents.ok_or_else(|| CompileError::malformed(format!("input {:?} has no shape", info.name)))?;
    let mut dims = extents.into_iter();
    if dims.len() < 2 || !matches!(dims.next(), Some(0 | 1)) {
        return Err(CompileError::malformed(format!(
            "input {:?} must have a batch axis of 1 or of open size first; export the model so",
            info.name
        )));
    }
    let shape = checked_shape(&info.name, dims)?;
    if shape.iter().product::<usize>() > MAX_ELEMENTS {
        return Err(CompileError::malformed(format!("input {:?} has too many elements", info.name)));
    }
    Ok(shape)
}

impl Importer<'_> {
    fn finish(self) -> Result<Graph, CompileError> {
        let mut found: Option<(usize, usize, Postprocessing)> = None;
        for (position, info) in self.proto.output.iter().enumerate() {
            let (value, postprocessing) = match self.names.get(&info.name) {
                Some(Meaning::Variable { value, .. }) => (*value, Postprocessing::None),
                Some(Meaning::Client { value, postprocessing, .. }) => (*value, *postprocessing),
                _ => {
                    return Err(CompileError::malformed(format!(
                        "output {:?} does not depend on the input",
                        info.name
                    )));
                }
            };
            if found.is_some_and(|(_, other, _)| other != value) {
                return Err(CompileError::malformed(
                    "the graph has more than one output; export a model with one",
                ));
            }
            // Classifiers give the class beside the probabilities, which say more.
            if found.is_none_or(|(.., other)| client::says_more(postprocessing, other)) {
                found = Some((position, value, postprocessing));
            }
        }
        let (position, value, postprocessing) =
            found.ok_or_else(|| CompileError::malformed("the graph has no output"))?;
        // The output is the last value.
        let mut values = self.values;
        values.truncate(value + 1);
        let labels = Some(self.labels).filter(|labels| labels.len() == values[value].dimension());
        let graph = Graph { values, postprocessing, labels: labels.unwrap_or_default(), position };
        Ok(graph.without_unused())
    }

    /// What an operand stands for.
    fn operand(&self, node: &Node, position: usize) -> Result<&Meaning, CompileError> {
        let name = node.input.get(position).filter(|name| !name.is_empty());
        let missing = || CompileError::malformed(format!("node {:?} misses input {position}", title(node)));
        let name = name.ok_or_else(missing)?;
        self.names.get(name).ok_or_else(|| {
            let later = self.proto.node.iter().find(|other| other.output.contains(name));
            CompileError::malformed(match later {
                Some(other) => format!(
                    "node {:?} reads {name:?} before {:?} computes it: its nodes run in a circle, or are not in order",
                    title(node),
                    title(other)
                ),
                None => format!("node {:?} reads {name:?}, which nothing computes", title(node)),
            })
        })
    }

    /// An operand that must depend on the input of the model: its shape and its value.
    fn variable(&self, node: &Node, position: usize) -> Result<(Vec<usize>, usize), CompileError> {
        match self.operand(node, position)? {
            Meaning::Variable { shape, value } => Ok((shape.clone(), *value)),
            Meaning::Constant { .. } => {
                Err(refuse(node, "its operand is constant", "let the exporter fold constants"))
            }
            Meaning::Client { .. } => Err(refuse(
                node,
                "it follows a function that is left to the client",
                "end the model with that function",
            )),
        }
    }

    /// An operand that must be known.
    fn constant(&self, node: &Node, position: usize) -> Result<(&[usize], &[f64]), CompileError> {
        match self.operand(node, position)? {
            Meaning::Constant { shape, numbers } => Ok((shape, numbers)),
            Meaning::Variable { .. } | Meaning::Client { .. } => Err(refuse(
                node,
                format!("input {position} depends on the model's input"),
                "only constants are supported there",
            )),
        }
    }

    fn has_operand(node: &Node, position: usize) -> bool {
        node.input.get(position).is_some_and(|name| !name.is_empty())
    }

    /// Whole numbers that are an operand or, in older files, an attribute.
    fn integers(&self, node: &Node, position: usize, name: &str) -> Result<Option<Vec<i64>>, CompileError> {
        if Self::has_operand(node, position) {
            let (_, numbers) = self.constant(node, position)?;
            return Ok(Some(numbers.iter().map(|&number| number as i64).collect()));
        }
        Ok(attributes::Attributes::of(node).integers(name))
    }

    /// Adds a value and gives the first output of a node that meaning.
    fn define(&mut self, node: &Node, shape: Vec<usize>, operation: Operation) -> Result<(), CompileError> {
        let meaning = self.value(node, shape, operation)?;
        self.mean(node, 0, meaning)
    }

    /// Adds a value.
    fn value(
        &mut self,
        node: &Node,
        shape: Vec<usize>,
        operation: Operation,
    ) -> Result<Meaning, CompileError> {
        self.affordable(node, &shape, 1)?;
        if let Operation::Affine(affine) = &operation {
            self.spend(affine.terms.iter().map(|(_, matrix)| matrix.count()).sum())?;
        }
        let value = self.values.len();
        // The batch axis says nothing.
        let sample = shape.iter().skip(usize::from(shape.first() == Some(&1))).copied().collect();
        self.values.push(Value { name: title(node), shape: sample, operation });
        Ok(Meaning::Variable { shape, value })
    }

    /// Adds the value `matrix·source + offset`.
    fn define_affine(
        &mut self,
        node: &Node,
        shape: Vec<usize>,
        source: usize,
        matrix: SparseMatrix,
        offset: Vec<f64>,
    ) -> Result<(), CompileError> {
        let affine = Affine { terms: vec![(source, matrix)], offset };
        self.define(node, shape, Operation::Affine(affine))
    }

    /// Gives an output of a node its meaning.
    fn mean(&mut self, node: &Node, position: usize, meaning: Meaning) -> Result<(), CompileError> {
        let missing = || CompileError::malformed(format!("node {:?} has no output {position}", title(node)));
        self.name(node.output.get(position).ok_or_else(missing)?, meaning)
    }

    fn name(&mut self, name: &str, meaning: Meaning) -> Result<(), CompileError> {
        if let Meaning::Constant { numbers, .. } = &meaning
            && Rc::strong_count(numbers) == 1
        {
            self.spend(numbers.len())?;
        }
        if let Meaning::Constant { shape, .. } | Meaning::Variable { shape, .. } = &meaning
            && shape.len() > MAX_RANK
        {
            let reason = format!("{name:?} has {} axes, more than {MAX_RANK}", shape.len());
            return Err(CompileError::malformed(reason));
        }
        self.names.insert(name.to_owned(), meaning);
        Ok(())
    }

    /// Counts numbers that are kept, so that no file takes all memory.
    fn spend(&mut self, numbers: usize) -> Result<(), CompileError> {
        let rest = self.budget.checked_sub(numbers);
        let reason =
            || format!("its constants and maps have more than {MAX_NUMBERS} numbers; use a smaller model");
        self.budget = rest.ok_or_else(|| CompileError::malformed(reason()))?;
        Ok(())
    }

    /// Refuses tensors and maps that would not fit the memory.
    fn affordable(&self, node: &Node, shape: &[usize], factors: usize) -> Result<(), CompileError> {
        let elements = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        let all = elements.and_then(|elements| elements.checked_mul(factors));
        match (elements, all) {
            (Some(0), _) => Err(refuse(node, "its result is empty", "check the exported model")),
            (Some(elements), Some(all)) if elements <= MAX_ELEMENTS && all <= MAX_FACTORS => Ok(()),
            _ => Err(refuse(
                node,
                format!("its result of shape {shape:?} takes more than {MAX_FACTORS} factors"),
                "use smaller layers",
            )),
        }
    }
}

/// The name of a node for messages.
fn title(node: &Node) -> String {
    if node.name.is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name.clone() }
}

fn refuse(node: &Node, reason: impl Into<String>, advice: impl Into<String>) -> CompileError {
    CompileError::Unsupported {
        node: title(node),
        operator: node.op_type.clone(),
        reason: reason.into(),
        advice: advice.into(),
    }
}
