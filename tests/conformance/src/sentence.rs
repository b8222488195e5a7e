//! The normative sentences of `docs/api.md`, and its table of errors.

use std::collections::BTreeMap;

/// The document, compiled in.
pub const API: &str = include_str!("../../../docs/api.md");

/// How much a sentence demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// SHOULD, and no MUST.
    Should,
    /// MUST or MUST NOT.
    Must,
}

/// A numbered sentence.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// Chapter, section, place: `4.8.2`.
    pub number: &'static str,
    /// What it demands.
    pub demand: Demand,
    /// The text, in Markdown.
    pub text: &'static str,
}

/// The words that make a sentence normative.
const WORDS: [&str; 3] = ["MUST", "SHOULD", "MAY"];

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

fn numbered(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (number, text) = line.strip_prefix("- **")?.split_once("** ")?;
    let parts: Vec<&str> = number.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(digits)).then_some((number, text))
}

/// All sentences, in the order of the document.
#[must_use]
pub fn sentences() -> Vec<Sentence> {
    let sentence = |(number, text): (&'static str, &'static str)| {
        let demand = if words(text).any(|word| word == "MUST") { Demand::Must } else { Demand::Should };
        Sentence { number, demand, text }
    };
    API.lines().filter_map(numbered).map(sentence).collect()
}

/// Lines that demand something and have no number; there must be none, but for the explanation of the words.
#[must_use]
pub fn unnumbered() -> Vec<&'static str> {
    let demands = |line: &&str| words(line).any(|word| WORDS.contains(&word));
    API.lines()
        .filter(|line| numbered(line).is_none())
        .filter(demands)
        .filter(|line| !line.contains("RFC 2119"))
        .collect()
}

/// The heading of a section, by its number: `4.8`.
#[must_use]
pub fn heading(section: &str) -> Option<&'static str> {
    API.lines().find_map(|line| {
        line.trim_start_matches('#')
            .trim_start()
            .strip_prefix(section)?
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
    })
}

/// One row of the table of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// The status.
    pub status: u16,
    /// Whether the same request can succeed later.
    pub retryable: bool,
}

/// The table of errors, by code.
#[must_use]
pub fn errors() -> BTreeMap<&'static str, ErrorRow> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let code = cells.next()?.strip_suffix('`')?;
        let status = cells.next()?.parse().ok()?;
        Some((code, ErrorRow { status, retryable: cells.next()? == "yes" }))
    };
    API.lines().filter_map(row).collect()
}
