//! What a case is, and how one ends.

use std::fmt;

use crate::target::Target;

/// What a case says of a server: nothing, or what is wrong, in words.
pub type Verdict = Result<(), String>;

/// A part of the protocol that a server or the caller of the suite may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// The server demands tokens, and the suite has one.
    Access,
    /// The suite has a second token, of another tenant.
    Tenants,
    /// The server lets pages of any origin call it.
    Cors,
    /// The suite may send more than the server takes.
    Overload,
    /// The suite has the model packages, and so knows the right answers.
    Packages,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Access, Self::Tenants, Self::Cors, Self::Overload, Self::Packages];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Tenants => "tenants",
            Self::Cors => "cors",
            Self::Overload => "overload",
            Self::Packages => "packages",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One case: it tests one sentence.
#[derive(Clone, Copy)]
pub struct Case {
    /// The number of the sentence.
    pub sentence: &'static str,
    /// What is done, in a few words.
    pub title: &'static str,
    /// What it takes, beyond a server.
    pub needs: Option<Feature>,
    pub(crate) run: fn(&Target) -> Verdict,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sentence, self.title)
    }
}

/// A case that any server must pass.
pub(crate) const fn case(sentence: &'static str, title: &'static str, run: fn(&Target) -> Verdict) -> Case {
    Case { sentence, title, needs: None, run }
}

/// A case that takes more.
pub(crate) const fn case_with(
    needs: Feature,
    sentence: &'static str,
    title: &'static str,
    run: fn(&Target) -> Verdict,
) -> Case {
    Case { sentence, title, needs: Some(needs), run }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server does what the sentence says.
    Passed,
    /// It does not.
    Failed(String),
    /// The sentence could not be tested here, and why.
    Skipped(String),
}

/// What a case returns when the models at hand do not allow it.
pub(crate) const SKIP: &str = "skip: ";

/// Fails with a message unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        let holds: bool = $holds;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;
