//! Runs cases against a server.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use model_package::Package;

use crate::{
    case::{Case, Feature, Outcome, SKIP},
    cases::all,
    request::Server,
    sentence::{Demand, sentences},
    target::Target,
};

/// What to run, against what.
#[derive(Debug, Default)]
pub struct Options {
    /// Address of the server, with a path if it is not at the root.
    pub url: String,
    /// Token of the caller.
    pub token: Option<String>,
    /// Token of another tenant.
    pub other_token: Option<String>,
    /// Numbers of sentences, sections or chapters; all if empty.
    pub only: Vec<String>,
    /// Parts to test although they are optional, and not to test although they could be.
    pub with: HashSet<Feature>,
    /// See [`Self::with`].
    pub without: HashSet<Feature>,
    /// Packages of the models that the server serves, for the right answers.
    pub packages: Vec<Package>,
    /// Whether what SHOULD be must be.
    pub strict: bool,
}

/// A case that has run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The case.
    pub case: Case,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a failure only breaks a SHOULD, and is not counted.
    pub is_advice: bool,
    /// How long it took.
    pub took: Duration,
}

/// All cases, in the order of the document.
#[must_use]
pub fn cases() -> Vec<Case> {
    all()
}

/// Whether a number is one of those wanted, or below one.
fn is_wanted(number: &str, only: &[String]) -> bool {
    let below = |wanted: &String| {
        number.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    only.is_empty() || only.iter().any(below)
}

impl Options {
    /// Why a part is not tested here, if it is not.
    fn left_out(&self, feature: Feature) -> Option<String> {
        if self.without.contains(&feature) {
            return Some(format!("left out with --without {feature}"));
        }
        match feature {
            Feature::Access if self.token.is_none() => Some("no --token".to_owned()),
            Feature::Tenants if self.other_token.is_none() => Some("no --other-token".to_owned()),
            Feature::Packages if self.packages.is_empty() => Some("no --packages".to_owned()),
            Feature::Overload if !self.with.contains(&feature) => Some(format!("asks for --with {feature}")),
            _ => None,
        }
    }
}

/// Runs the cases, calling `seen` after each.
pub fn run(options: Options, mut seen: impl FnMut(&Run)) -> Vec<Run> {
    let advice: HashSet<&str> = sentences()
        .iter()
        .filter(|sentence| sentence.demand == Demand::Should)
        .map(|sentence| sentence.number)
        .collect();
    let chosen: Vec<(Case, Option<String>)> = all()
        .into_iter()
        .filter(|case| is_wanted(case.sentence, &options.only))
        .map(|case| (case, case.needs.and_then(|feature| options.left_out(feature))))
        .collect();
    let Options { url, token, other_token, packages, strict, .. } = options;
    let server = Server::new(&url, token);
    let other = other_token.map(|token| server.with_token(Some(token)));
    let target = Target::new(server, other, packages);
    let mut runs = Vec::new();
    for (case, left_out) in chosen {
        let begun = Instant::now();
        let outcome = match left_out {
            Some(reason) => Outcome::Skipped(reason),
            None => match (case.run)(&target) {
                Ok(()) => Outcome::Passed,
                Err(failure) => match failure.strip_prefix(SKIP) {
                    Some(reason) => Outcome::Skipped(reason.to_owned()),
                    None => Outcome::Failed(failure),
                },
            },
        };
        let is_advice = !strict && advice.contains(case.sentence);
        let run = Run { case, outcome, is_advice, took: begun.elapsed() };
        seen(&run);
        runs.push(run);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_chosen_by_chapter_section_or_sentence() {
        for (only, wanted) in
            [("4", true), ("4.2", true), ("4.2.1", true), ("4.21", false), ("2", false), ("4.2.1.0", false)]
        {
            assert_eq!(is_wanted("4.2.1", &[only.to_owned()]), wanted, "{only}");
        }
        assert!(is_wanted("4.2.1", &[]));
    }
}
