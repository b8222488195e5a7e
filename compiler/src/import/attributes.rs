//! The attributes of a node, by name and type.

use crate::onnx::{Node, Tensor};

pub(super) struct Attributes<'a>(&'a Node);

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self(node)
    }

    fn find(&self, name: &str) -> Option<&'a tract_onnx::pb::AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.find(name).map(|attribute| attribute.f.into())
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.find(name).map(|attribute| attribute.i)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.integer(name).unwrap_or(0) != 0
    }

    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.find(name).map(|attribute| attribute.ints.clone())
    }

    pub(super) fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.find(name).map(|attribute| attribute.floats.iter().map(|&number| number.into()).collect())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.find(name).map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        self.find(name).map(|attribute| attribute.strings.iter().map(text).collect())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'a Tensor> {
        self.find(name).and_then(|attribute| attribute.t.as_ref())
    }
}
