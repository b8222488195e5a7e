//! How evaluation keys are called where they travel.

use alloc::string::ToString;
use core::fmt;

/// Names one evaluation key within a set. Its text is that of `docs/api.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// The relinearization key.
    Relinearization,
    /// The key of one Galois element, which no parameters have vouched for.
    Galois(u32),
}

impl KeyName {
    /// Reads `relinearization` or `galois-<element>`, in canonical form only: no sign, no leading zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = match text.strip_prefix("galois-") {
            None => (text == "relinearization").then_some(Self::Relinearization),
            Some(element) => element.parse().ok().map(Self::Galois),
        }?;
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relinearization => f.write_str("relinearization"),
            Self::Galois(element) => write!(f, "galois-{element}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_names_are_read() {
        assert_eq!(KeyName::parse("relinearization"), Some(KeyName::Relinearization));
        assert_eq!(KeyName::parse("galois-5"), Some(KeyName::Galois(5)));
        for wrong in [
            "",
            "Relinearization",
            "galois",
            "galois-",
            "galois-05",
            "galois-+5",
            "galois-4294967296",
            "Galois-5",
            "galois--5",
        ] {
            assert_eq!(KeyName::parse(wrong), None, "{wrong}");
        }
    }
}
