//! `cargo xtask bench worker`: the Worker beside the native server, and the table in `docs/deploy-worker.md`.

use std::fmt::Write;

use serde_json::Value;

use super::{E2E, lines};
use crate::error::TaskError;
use crate::progress::Progress;
use crate::verbs::{wasm, worker};
use crate::workspace::Workspace;
use crate::{document, node, process, server};

/// A row: what it says, and what it shows of one model.
type Row = (&'static str, fn(&Value) -> String);

const ROWS: [Row; 10] = [
    ("Evaluation, p50", |model| both(model, "evaluate_ms")),
    ("Evaluation, the first: its keys are read", |model| both(model, "first_ms")),
    ("Files of R2 that this one reads", |model| model["worker"]["files"].to_string()),
    ("Whole prediction from Node over HTTP, p50", |model| both(model, "total_ms")),
    ("Make and upload all keys", |model| both(model, "keys_ms")),
    ("Inferences a second, eight callers at once", |model| rates(model, "inferences_per_second")),
    ("Requests a second that evaluate nothing, the same way", |model| rates(model, "requests_per_second")),
    ("From a start to the first answer", |model| both(model, "first_answer_ms")),
    ("Memory of the module: models loaded", |model| megabytes(&model["worker"]["loaded_bytes"])),
    ("Memory of the module: the most", |model| megabytes(&model["worker"]["peak_bytes"])),
];

/// Measures, and rewrites the table.
pub(super) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let mut progress = Progress::new(wasm::STEPS + 4);
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || server::build(workspace))?;
    progress.step("Build the Worker", || worker::build(workspace))?;
    let measured = progress.step("Measure both", || {
        node::install(workspace, E2E)?;
        let mut command = node::node(&workspace.path("edge-server/worker"));
        command.arg("local/measure.mjs").env("EDGE_SERVER", server::program(workspace));
        lines(&process::capture(&mut command)?)
    })?;
    progress.step("Rewrite the table of docs/deploy-worker.md", || {
        let table = render(&measured);
        print!("\n{table}\n");
        document::rewrite(&workspace.path("docs/deploy-worker.md"), "bench worker", &table)
    })
}

/// Writes the table as Markdown; the last line is that of the script.
fn render(measured: &[Value]) -> String {
    let (models, script) = measured.split_at(measured.len().saturating_sub(1));
    let mut text = format!(
        "Two times are the Worker in workerd and the native server, on the same machine in the same run: {}. \
         The clock of workerd counts whole milliseconds.\n\n|",
        document::processor()
    );
    for model in models {
        let _ = write!(text, " | `{}`", model["model"].as_str().unwrap_or_default());
    }
    let _ = write!(text, " |\n|---|{}", "---|".repeat(models.len()));
    for (title, show) in ROWS {
        let _ = write!(text, "\n| {title}");
        for model in models {
            let _ = write!(text, " | {}", show(model));
        }
        text.push_str(" |");
    }
    for script in script {
        let _ = write!(
            text,
            "\n\nThe script has {}, compressed {}; V8 compiles the module in {}.",
            megabytes(&script["bytes"]),
            megabytes(&script["compressed_bytes"]),
            milliseconds(&script["compile_ms"])
        );
    }
    text.push('\n');
    text
}

fn both(model: &Value, field: &str) -> String {
    format!("{}; {}", milliseconds(&model["worker"][field]), milliseconds(&model["native"][field]))
}

fn rates(model: &Value, field: &str) -> String {
    let rate = |host: &str| {
        let rate = model[host][field].as_f64().unwrap_or(f64::NAN);
        if rate < 9.95 { format!("{rate:.1}") } else { format!("{rate:.0}") }
    };
    format!("{}; {}", rate("worker"), rate("native"))
}

fn milliseconds(value: &Value) -> String {
    let time = value.as_f64().unwrap_or(f64::NAN);
    if time < 10.0 { format!("{time:.1} ms") } else { format!("{time:.0} ms") }
}

fn megabytes(value: &Value) -> String {
    format!("{:.1} MB", value.as_f64().unwrap_or(f64::NAN) / 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn the_table_has_a_column_for_each_model_and_a_sentence_for_the_script() {
        let of = |factor: f64| {
            json!({"evaluate_ms": factor, "total_ms": 20.0 * factor, "keys_ms": 9.96, "first_answer_ms": 100.4,
                "first_ms": 3.0 * factor, "files": 28,
                "inferences_per_second": 6.04 * factor, "requests_per_second": 1000.0,
                "loaded_bytes": 45_800_000, "peak_bytes": 60_000_000})
        };
        let table = render(&[
            json!({"model": "m", "worker": of(2.0), "native": of(1.0)}),
            json!({"bytes": 6_900_000, "compressed_bytes": 2_000_000, "compile_ms": 30.6}),
        ]);
        for row in [
            "| `m` |",
            "| Evaluation, p50 | 2.0 ms; 1.0 ms |",
            "| Whole prediction from Node over HTTP, p50 | 40 ms; 20 ms |",
            "| Evaluation, the first: its keys are read | 6.0 ms; 3.0 ms |",
            "| Files of R2 that this one reads | 28 |",
            "| Inferences a second, eight callers at once | 12; 6.0 |",
            "| Memory of the module: the most | 60.0 MB |",
            "The script has 6.9 MB, compressed 2.0 MB; V8 compiles the module in 31 ms.",
        ] {
            assert!(table.contains(row), "{row} in\n{table}");
        }
    }
}
