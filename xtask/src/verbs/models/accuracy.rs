//! The README's table of how models classify under encryption.

use std::fmt::Write;

use serde_json::Value;

/// A row for each model with labels, from the reports that the compiler wrote.
pub(super) fn render(reports: &[(String, Value)]) -> String {
    let mut text = "\n| | Held-out samples, inferred under encryption | Accuracy of the ONNX model; under encryption | Classes that differ; by polynomials alone | Largest error of a logit; bits |\n|---|---|---|---|---|\n".to_owned();
    for (model, report) in reports {
        let accuracy = &report["accuracy"];
        let number = |field: &str| accuracy[field].as_f64().unwrap_or(f64::NAN);
        let Some(labelled) = accuracy["labelled"].as_f64().filter(|&count| count > 0.0) else { continue };
        let share = |field: &str| format!("{:.2} %", 100.0 * number(field) / labelled);
        let differ = accuracy["flips"].as_array().map_or(0, Vec::len);
        let _ = writeln!(
            text,
            "| `{model}` | {} | {}; {} | {differ}; {} | {}; {:.1} |",
            number("samples"),
            share("plain_correct"),
            share("encrypted_correct"),
            number("clear_flips"),
            significant(number("largest_error")),
            number("precision_bits"),
        );
    }
    text
}

/// Two significant digits.
fn significant(value: f64) -> String {
    let places = (1.0 - value.abs().max(1e-9).log10().floor()).max(0.0) as usize;
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::{super::reports, render, significant};

    #[test]
    fn two_digits_are_shown() {
        assert_eq!([0.006_178, 0.0153, 1.148, 43.2].map(significant), ["0.0062", "0.015", "1.1", "43"]);
    }

    #[test]
    fn models_without_labels_have_no_row() {
        let report = |labelled: u32| {
            json!({"accuracy": {"samples": 200, "labelled": labelled, "plain_correct": 150, "encrypted_correct": 148,
                "clear_flips": 1, "largest_error": 0.02, "precision_bits": 9.64, "flips": [{}, {}]}})
        };
        let table = render(&[("a".to_owned(), report(200)), ("b".to_owned(), report(0))]);
        let without = json!({"accuracy": null});
        assert_eq!(render(&[("c".to_owned(), without)]), render(&[]));
        assert!(table.ends_with("|\n| `a` | 200 | 75.00 %; 74.00 % | 2; 1 | 0.020; 9.6 |\n"), "{table}");
    }

    #[test]
    fn the_readme_has_what_the_reports_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let table = render(&reports(&root.join("models")).expect("reports"));
        assert!(fs::read_to_string(root.join("README.md")).expect("README.md").contains(&table), "{table}");
    }
}
