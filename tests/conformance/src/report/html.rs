//! The report as a page: one file, no scripts, readable in print.

use std::fmt::Write;

use super::{Counts, count, escape, reason, section, text_of, word};
use crate::suite::Run;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
h2{margin:2em 0 .5em;font-size:1.1em}table{border-collapse:collapse;width:100%}td{padding:.4em .6em;border-top:1px solid #ddd;vertical-align:top}\
td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums;width:4em}td:last-child{width:5em;font-weight:600}\
.passed{color:#2e7d32}.failed{color:#b71c1c}.skipped,.advised{color:#666}small{color:#555;display:block}code{background:#f2f2f2;padding:0 .2em}";

/// The text of a sentence with its code spans marked.
fn markdown(text: &str) -> String {
    let parts = escape(text);
    let spans = parts
        .split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() });
    spans.collect()
}

pub(super) fn page(url: &str, runs: &[Run]) -> String {
    let Counts { passed, failed, advised, skipped } = count(runs);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Conformance of {0}</title><style>{STYLE}</style>\n\
         <h1>Encrypted inference 1.1</h1>\n<p>{0}: <b class=\"passed\">{passed} passed</b>, <b class=\"failed\">{failed} failed</b>, {advised} pieces of advice not followed, {skipped} skipped</p>\n",
        escape(url)
    );
    let mut last = String::new();
    for run in runs {
        let section = section(run.case.sentence);
        // Writing to a string does not fail.
        if section != last {
            let end = if last.is_empty() { "" } else { "</table>\n" };
            let _ = writeln!(html, "{end}<h2>{}</h2>\n<table>", escape(&section));
            last = section;
        }
        let reason = if reason(run).is_empty() {
            String::new()
        } else {
            format!("<small class=\"{0}\">{1}</small>", word(run), escape(reason(run)))
        };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}<small>{}</small>{reason}</td><td class=\"{3}\">{3}</td></tr>",
            run.case.sentence,
            escape(run.case.title),
            markdown(text_of(run.case.sentence)),
            word(run),
        );
    }
    html.push_str("</table>\n</html>\n");
    html
}
