//! Every normative sentence has a test, or a reason why it has none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use conformance::{
    cases,
    sentence::{errors, sentences, unnumbered},
};
use edge_server::Code;

/// Sentences that no request can test, and what stands in for a case.
const BY_OTHER_TESTS: [(&str, &str); 4] = [
    ("4.8.15", "needs more time to pass than a suite has: tests of the service move its clock"),
    ("5.9.2", "needs a rate that a suite can exceed: tests of the service set one"),
    ("7.1.5", "needs the server's process to end: tests of the native store and of `resume` do it"),
    (
        "7.1.6",
        "says what is in no answer at all; the schemas have no member for it, and 3.1.6 checks every answer",
    ),
];

/// The tests of the npm package, whose titles end with the number of a sentence in parentheses.
fn client_tests() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client-wasm/js/test");
    fs::read_to_string(folder.join("conformance.test.mjs")).unwrap()
}

#[test]
fn every_sentence_has_a_case_and_every_case_a_sentence() {
    let sentences = sentences();
    let numbers: BTreeSet<&str> = sentences.iter().map(|sentence| sentence.number).collect();
    assert_eq!(numbers.len(), sentences.len(), "a number stands twice");
    let mut tested: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases() {
        assert!(numbers.contains(case.sentence), "{case:?} tests a sentence that there is not");
        *tested.entry(case.sentence).or_default() += 1;
    }
    let (others, clients): (BTreeMap<&str, &str>, String) = (BY_OTHER_TESTS.into(), client_tests());
    let by_client = |number: &str| clients.contains(&format!("({number})\", async"));
    let (mut client, mut without) = (0, Vec::new());
    for sentence in &sentences {
        let number = sentence.number;
        let by_other = others.contains_key(number);
        assert!(!(by_other && tested.contains_key(number)), "{number} has a case and a reason to have none");
        client += usize::from(by_client(number));
        if !tested.contains_key(number) && !by_other && !by_client(number) {
            without.push(format!("{number} {}", sentence.text));
        }
    }
    println!(
        "{} normative sentences: {} with {} conformance cases, {client} with tests of the client, {} with other tests",
        sentences.len(),
        tested.len(),
        cases().len(),
        others.len(),
    );
    assert!(without.is_empty(), "without a test:\n{}", without.join("\n"));
}

#[test]
fn no_demand_is_without_a_number() {
    assert_eq!(unnumbered(), Vec::<&str>::new());
}

#[test]
fn numbers_are_in_order_and_without_gaps() {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for sentence in sentences() {
        let (section, place) = sentence.number.rsplit_once('.').unwrap();
        let before = last.insert(section, place.parse().unwrap()).unwrap_or(0);
        assert_eq!(place.parse::<usize>().unwrap(), before + 1, "{}", sentence.number);
    }
}

#[test]
fn the_table_of_errors_is_read_whole() {
    let table = errors();
    assert_eq!(table.len(), Code::TABLE.len());
    for entry in Code::TABLE {
        assert_eq!(table[entry.name].status, entry.status.as_u16());
        assert_eq!(table[entry.name].retryable, entry.retryable);
    }
}
