//! `cargo xtask bench core`: every operation of the core, natively and in WebAssembly.

use std::fmt::Write;

use serde_json::Value;

use super::table::machine;
use crate::error::TaskError;
use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{document, node};

const PART: [&str; 2] = ["core", "--fastest"];
const SETS: [&str; 3] = ["P1", "P2", "P3"];

/// Measures, and rewrites the table of the document about performance.
pub(super) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    let mut progress = Progress::new(3);
    let native = progress.step("Measure natively", || super::natively(workspace, &PART))?;
    let webassembly = progress.step("Measure in WebAssembly", || super::in_webassembly(workspace, &PART))?;
    progress.step("Rewrite the table of docs/performance.md", || {
        let table = render(&native, &webassembly);
        print!("\n{table}\n");
        document::rewrite(&workspace.path("docs/performance.md"), "bench core", &table)
    })
}

/// Writes the table as Markdown, without the rows of bytes, which stand beside those of rivals.
fn render(native: &[Value], webassembly: &[Value]) -> String {
    let mut text = format!(
        "Median microseconds on one core, native ({}) and in WebAssembly (Node). {}\n\n| | {} | bits of precision |\n|---|{}\n",
        native[0]["backend"].as_str().unwrap_or_default(),
        machine(),
        ["native", "WebAssembly"].map(|side| SETS.map(|set| format!("{side} {set}")).join(" | ")).join(" | "),
        "---|".repeat(2 * SETS.len() + 1),
    );
    let of_first = |line: &&Value| line["set"] == SETS[0];
    for operation in native.iter().filter(of_first).filter_map(|line| line["operation"].as_str()) {
        if operation.starts_with("bytes ") {
            continue;
        }
        let fields = |lines: &[Value], field: &str| {
            SETS.map(|set| {
                lines
                    .iter()
                    .find(|line| line["operation"] == operation && line["set"] == set)
                    .and_then(|line| line[field].as_f64())
            })
        };
        let times = [native, webassembly].map(|lines| fields(lines, "value").map(micros).join(" | "));
        let bits =
            fields(native, "precision_bits").map(|bits| bits.map_or(String::new(), |b| format!("{b:.0}")));
        let bits = if bits[0].is_empty() { String::new() } else { bits.join("; ") };
        let _ = writeln!(text, "| {operation} | {} | {bits} |", times.join(" | "));
    }
    text
}

fn micros(time: Option<f64>) -> String {
    match time {
        Some(time) if time < 1.0 => format!("{time:.2}"),
        Some(time) if time < 100.0 => format!("{time:.1}"),
        Some(time) => format!("{time:.0}"),
        None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{SETS, render};

    #[test]
    fn table_has_a_row_for_each_operation_with_all_sets_side_by_side() {
        let lines = |factor: f64, backend: &str| -> Vec<Value> {
            let line = |operation: &str, set: &str, value: f64, bits: Option<f64>| json!({"operation": operation, "set": set, "backend": backend, "value": value * factor, "precision_bits": bits});
            let of_set = |(k, set): (usize, &&str)| {
                let value = 10f64.powi(k as i32);
                [
                    line("add", set, value, Some(value + 20.0)),
                    line("read", set, value, None),
                    line("bytes of it", set, 5.0, None),
                ]
            };
            SETS.iter().enumerate().flat_map(of_set).collect()
        };
        let table = render(&lines(1.0, "avx2"), &lines(0.25, "simd128"));
        assert!(table.contains("| | native P1 | native P2 | native P3 | WebAssembly P1 |"), "{table}");
        let rows = "| add | 1.0 | 10.0 | 100 | 0.25 | 2.5 | 25.0 | 21; 30; 120 |\n\
                    | read | 1.0 | 10.0 | 100 | 0.25 | 2.5 | 25.0 |  |\n";
        assert!(table.ends_with(rows), "{table}");
    }
}
