//! The cases, one file for each chapter of the document.

mod discovery;
mod headers;
mod inference;
mod keys;
mod messages;
mod rules;
mod service;
mod versions;
mod wire;

use crate::case::Case;

/// All cases, in the order of the document.
pub(crate) fn all() -> Vec<Case> {
    let chapters = [
        messages::CASES,
        discovery::CASES,
        keys::CASES,
        inference::CASES,
        headers::CASES,
        rules::CASES,
        service::CASES,
        versions::CASES,
    ];
    let mut cases = chapters.concat();
    cases.sort_by_key(|case| {
        case.sentence.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>()
    });
    cases
}
