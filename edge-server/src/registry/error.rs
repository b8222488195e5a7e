//! What is wrong with a package.

use std::fmt;

/// Names the file, the field and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    /// The file or directory.
    pub file: String,
    /// JSON Pointer to the field of the manifest; empty for the whole.
    pub field: String,
    /// The rule: what the field should have been or done.
    pub rule: String,
    /// What was found instead.
    pub reason: String,
}

impl RegistryError {
    /// Starts an error without a reason.
    pub fn new(file: impl Into<String>, field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { file: file.into(), field: field.into(), rule: rule.into(), reason: String::new() }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "/" } else { &self.field };
        write!(f, "{}: field {field}, rule: {}", self.file, self.rule)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({})", self.reason) }
    }
}

impl std::error::Error for RegistryError {}
