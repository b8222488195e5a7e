//! What is wrong with a package: which field breaks which rule.

use std::fmt;

/// A field of the manifest breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageError {
    /// JSON Pointer to the field; empty for the whole manifest.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// What the field should have been, if that is one thing.
    pub expected: Option<String>,
    /// What was found, if that says something.
    pub found: Option<String>,
}

impl PackageError {
    pub(crate) fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into(), expected: None, found: None }
    }

    pub(crate) fn expected(mut self, expected: impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    pub(crate) fn found(mut self, found: impl ToString) -> Self {
        self.found = Some(found.to_string());
        self
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "the manifest" } else { &self.field };
        write!(f, "{field} {}", self.rule)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PackageError {}
