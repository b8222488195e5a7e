//! What `docs/wire-format.md` shows and demands is what the vectors have.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/wire-format.md");

/// Sentences that no refusal shows, and what does.
const BY_OTHER_TESTS: [(&str, &str); 4] = [
    ("0.1", "the fuzz targets of every decoder: what is read is written back as it was"),
    ("0.2", "adversarial-tests: lengths, counts and levels that lie"),
    ("6.1", "conformance 4.3.1; client: ckks-client's session tests, npm's (11.1.1)"),
    ("6.2", "conformance 4.3.2; core's tests of the security table, npm's (11.1.2)"),
];

fn vectors(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let tree: Value = serde_json::from_str(&text).unwrap();
    tree["vectors"].as_array().unwrap().clone()
}

#[test]
fn annotated_bytes_are_those_of_the_vectors() {
    let mut lines = DOCUMENT.lines();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(named) = line.strip_prefix("<!-- bytes: ").and_then(|line| line.strip_suffix(" -->")) else {
            continue;
        };
        let (file, name) = named.split_once(", ").unwrap();
        assert_eq!(lines.next(), Some("```hex"));
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let is_part = block.last() == Some(&"…");
        let shown: String = block
            .iter()
            .flat_map(|line| line.split("  ").next().unwrap().split(' '))
            .filter(|word| *word != "…")
            .collect();
        let vector = vectors(file).into_iter().find(|vector| vector["name"] == name).unwrap();
        let bytes = vector["output"]["bytes"].as_str().unwrap();
        assert!(bytes.starts_with(&shown), "{named}: {shown} is not the start of {bytes}");
        assert!(is_part || bytes == shown, "{named}: the block ends too early");
        count += 1;
    }
    assert_eq!(count, DOCUMENT.matches("```hex").count());
    assert!(count >= 4);
}

#[test]
fn the_table_of_the_header_has_no_gaps() {
    let (_, table) = DOCUMENT.split_once("| Offset | Bytes | Field | |\n|---|---|---|---|\n").unwrap();
    let mut at = 0;
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1].parse::<usize>().unwrap(), at, "{row}");
        at += cells[2].parse::<usize>().unwrap();
    }
    assert_eq!(at, 52);
}

#[test]
fn every_demand_has_a_vector_or_a_test() {
    let numbered = |line: &'static str| line.strip_prefix("- **")?.split_once("** ");
    let demands = |line: &&str| line.contains("MUST") && !line.contains("RFC 2119");
    let unnumbered: Vec<&str> =
        DOCUMENT.lines().filter(demands).filter(|line| numbered(line).is_none()).collect();
    assert_eq!(unnumbered, Vec::<&str>::new());
    let numbers: BTreeSet<&str> = DOCUMENT.lines().filter_map(numbered).map(|sentence| sentence.0).collect();
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for vector in vectors("refusals.json") {
        *shown.entry(vector["output"]["rule"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let others: BTreeMap<&str, &str> = BY_OTHER_TESTS.into();
    for number in shown.keys() {
        assert!(numbers.contains(number.as_str()), "{number} is no sentence");
    }
    let without: Vec<_> = numbers
        .iter()
        .filter(|number| !shown.contains_key(**number) && !others.contains_key(*number))
        .collect();
    assert!(without.is_empty(), "without a vector or test: {without:?}");
    println!(
        "{} demands of the wire format: {} with refused vectors, {} with other tests",
        numbers.len(),
        shown.len(),
        others.len()
    );
}
