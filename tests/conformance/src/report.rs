//! What came out: for people, and as JUnit XML, JSON, HTML and a badge.

mod html;

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{
    case::Outcome,
    sentence::{heading, sentences},
    suite::Run,
};

/// Numbers of cases by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed and counted as such.
    pub failed: usize,
    /// Failed, but only advice.
    pub advised: usize,
    /// Not run.
    pub skipped: usize,
}

/// Counts cases.
#[must_use]
pub fn count(runs: &[Run]) -> Counts {
    let mut counts = Counts::default();
    for run in runs {
        let place = match &run.outcome {
            Outcome::Passed => &mut counts.passed,
            Outcome::Failed(_) if run.is_advice => &mut counts.advised,
            Outcome::Failed(_) => &mut counts.failed,
            Outcome::Skipped(_) => &mut counts.skipped,
        };
        *place += 1;
    }
    counts
}

/// How a case ended, in a word.
fn word(run: &Run) -> &'static str {
    match run.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) if run.is_advice => "advised",
        Outcome::Failed(_) => "failed",
        Outcome::Skipped(_) => "skipped",
    }
}

fn reason(run: &Run) -> &str {
    match &run.outcome {
        Outcome::Passed => "",
        Outcome::Failed(reason) | Outcome::Skipped(reason) => reason,
    }
}

/// The text of a sentence.
fn text_of(number: &str) -> &'static str {
    sentences().iter().find(|sentence| sentence.number == number).map_or("", |sentence| sentence.text)
}

/// The section of a sentence: `4.8 POST /infer`.
fn section(number: &str) -> String {
    let section = number.rsplit_once('.').map_or(number, |(section, _)| section);
    let chapter = section.split('.').next().unwrap_or(section);
    let title = heading(section).or_else(|| heading(chapter)).unwrap_or("");
    format!("{section} {}", title.replace('`', ""))
}

/// One line for a case, and what failed.
#[must_use]
pub fn line(run: &Run) -> String {
    let mark = match word(run) {
        "passed" => "ok    ",
        "skipped" => "skip  ",
        "advised" => "advice",
        _ => "FAILED",
    };
    let line = format!("{mark} {:<8} {}", run.case.sentence, run.case.title);
    match &run.outcome {
        Outcome::Passed => line,
        Outcome::Skipped(reason) => format!("{line} ({reason})"),
        Outcome::Failed(reason) => {
            format!(
                "{line}\n         docs/api.md says: {}\n         found: {reason}",
                text_of(run.case.sentence)
            )
        }
    }
}

/// The closing lines.
#[must_use]
pub fn summary(runs: &[Run]) -> String {
    let Counts { passed, failed, advised, skipped } = count(runs);
    let advice =
        if advised > 0 { format!("{advised} pieces of advice not followed\n") } else { String::new() };
    format!("{advice}{passed} passed, {failed} failed, {skipped} skipped")
}

/// All as JSON.
#[must_use]
pub fn json(url: &str, runs: &[Run]) -> Value {
    let Counts { passed, failed, advised, skipped } = count(runs);
    let case = |run: &Run| {
        json!({
            "sentence": run.case.sentence, "section": section(run.case.sentence), "title": run.case.title,
            "says": text_of(run.case.sentence), "outcome": word(run), "reason": reason(run),
            "seconds": run.took.as_secs_f64(),
        })
    };
    json!({
        "server": url, "protocol": "1.1",
        "counts": { "passed": passed, "failed": failed, "advised": advised, "skipped": skipped },
        "cases": runs.iter().map(case).collect::<Vec<_>>(),
    })
}

/// Makes text harmless in XML and HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write them.
            control if control.is_control() && control != '\n' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// All as JUnit XML, as CI systems read it.
#[must_use]
pub fn junit(url: &str, runs: &[Run]) -> String {
    let Counts { passed, failed, advised, skipped } = count(runs);
    let seconds: f64 = runs.iter().map(|run| run.took.as_secs_f64()).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"encrypted inference 1.1\" hostname=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{}\" errors=\"0\" time=\"{seconds:.3}\">\n",
        escape(url),
        passed + failed + advised + skipped,
        skipped + advised,
    );
    for run in runs {
        let inner = match word(run) {
            "passed" => String::new(),
            "failed" => format!("<failure message=\"{}\"/>", escape(reason(run))),
            _ => format!("<skipped message=\"{}\"/>", escape(reason(run))),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            xml,
            "  <testcase classname=\"{}\" name=\"{} {}\" time=\"{:.3}\">{inner}</testcase>",
            escape(&section(run.case.sentence)),
            run.case.sentence,
            escape(run.case.title),
            run.took.as_secs_f64(),
        );
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// A page for people.
#[must_use]
pub fn html(url: &str, runs: &[Run]) -> String {
    html::page(url, runs)
}

/// A badge, as SVG.
#[must_use]
pub fn badge(runs: &[Run]) -> String {
    let counts = count(runs);
    let ran = counts.passed + counts.failed;
    let (text, colour) = if counts.failed == 0 {
        (format!("{ran} of {ran}"), "#2e7d32")
    } else {
        (format!("{} of {ran}", counts.passed), "#b71c1c")
    };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="250" height="20" role="img" aria-label="encrypted inference 1.1: {text}"><title>encrypted inference 1.1: {text}</title><rect width="160" height="20" fill="#444"/><rect x="160" width="90" height="20" fill="{colour}"/><g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle"><text x="80" y="14">encrypted inference 1.1</text><text x="205" y="14">{text}</text></g></svg>
"##
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cases;

    fn runs() -> Vec<Run> {
        let outcomes = [
            Outcome::Passed,
            Outcome::Failed("a <b> & \"c\"\u{0}".to_owned()),
            Outcome::Skipped("why".to_owned()),
        ];
        let run = |(case, outcome)| Run { case, outcome, is_advice: false, took: Duration::from_millis(5) };
        cases().into_iter().zip(outcomes).map(run).collect()
    }

    #[test]
    fn counts_and_closing_line_agree() {
        let mut runs = runs();
        assert_eq!(count(&runs), Counts { passed: 1, failed: 1, advised: 0, skipped: 1 });
        assert_eq!(summary(&runs), "1 passed, 1 failed, 1 skipped");
        runs[1].is_advice = true;
        assert_eq!(count(&runs), Counts { passed: 1, failed: 0, advised: 1, skipped: 1 });
    }

    #[test]
    fn machine_reports_escape_what_servers_say() {
        let (xml, html) = (junit("http://x", &runs()), html("http://x", &runs()));
        for text in [&xml, &html] {
            assert!(text.contains("a &lt;b&gt; &amp; &quot;c&quot;\u{fffd}"), "{text}");
            assert!(!text.contains('\u{0}'));
        }
        assert!(xml.contains("failures=\"1\" skipped=\"1\""));
        assert_eq!(json("http://x", &runs())["counts"]["failed"], 1);
        assert!(badge(&runs()).contains("1 of 2"));
    }

    #[test]
    fn every_case_has_a_section_with_a_title() {
        for case in cases() {
            assert!(section(case.sentence).len() > 5, "{}", case.sentence);
        }
    }
}
