//! `cargo xtask bench page`: how long visitors wait, the client in Chromium, and what `README.md` says of both.

use std::fmt::Write;
use std::thread;

use serde_json::Value;

use super::table::milliseconds;
use super::{E2E, lines};
use crate::browser::CHROMIUM;
use crate::error::TaskError;
use crate::progress::Progress;
use crate::verbs::wasm;
use crate::workspace::Workspace;
use crate::{document, node, process, server};

/// Until the first encryption the project allows itself: kilobytes of the compressed module, and milliseconds from when
/// that is compiled.
const BUDGET: (u32, u32) = (150, 100);

/// A row: what it says, and what it shows of one model.
type Row = (&'static str, fn(&Value) -> String);

const ROWS: [Row; 5] = [
    ("From navigation to the first encryption; the longest", |model| first(&model["navigated"])),
    ("From the compiled module to the first encryption; the longest", |model| first(&model["compiled"])),
    ("Make all evaluation keys, in the Web Worker", |model| milliseconds(model, "keys")),
    ("Encrypt; decrypt, in the Web Worker", both),
    ("The same for the page, the way to the Web Worker and back included", |model| both(&model["waited"])),
];

/// Measures, and rewrites that part of the README.
pub(super) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let chromium = CHROMIUM.require()?;
    let mut progress = Progress::new(wasm::STEPS + 3);
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || server::build(workspace))?;
    let measured = progress.step("Measure visits", || {
        node::install(workspace, E2E)?;
        let mut script = node::script(&workspace.path(E2E), "bench:page");
        script.env("EDGE_SERVER", server::program(workspace)).env(CHROMIUM.variable, chromium);
        let text = process::capture(&mut script)?;
        print!("{text}");
        lines(&text)
    })?;
    progress.step("Rewrite the times of the page in README.md", || {
        let measured = measured.first().unwrap_or(&Value::Null);
        let text = render(measured, thread::available_parallelism().map_or(1, usize::from));
        print!("\n{text}\n");
        document::rewrite(&workspace.path("README.md"), "bench page", &text)
    })
}

/// Writes a paragraph and a table as Markdown.
fn render(measured: &Value, cores: usize) -> String {
    let models = measured["models"].as_array().map_or(&[][..], Vec::as_slice);
    let in_units = |field: &str, unit: f64| measured[field].as_f64().unwrap_or(f64::NAN) / unit;
    let (kilobytes, milliseconds_after) = BUDGET;
    let mut text = format!(
        "A visitor of the page waits {:.2} s from opening it to the first answer with new keys ({:.2} s of it for \
         making and uploading them) and {} for each one after that. The page loads {:.2} MB before the first question, not compressed. \
         A page that imports the package and has keys at hand:\n\n|",
        in_units("first_ms", 1e3),
        in_units("keys_ms", 1e3),
        milliseconds(measured, "another_ms"),
        in_units("loaded_bytes", 1e6),
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
    let _ = writeln!(
        text,
        "\n\nThe project allows itself {milliseconds_after} ms from the compiled module to the first encryption, and \
         {kilobytes} KB for the compressed module, which has {:.0}. All times but the longest are medians on loopback, those \
         of the page and to the first encryption over {} fresh profiles of Chromium; browser and server share {cores} {}.",
        in_units("module_bytes", 1e3),
        measured["visits"],
        if cores == 1 { "core" } else { "cores" },
    );
    text
}

fn first(times: &Value) -> String {
    format!("{}; {}", milliseconds(times, "median"), milliseconds(times, "longest"))
}

fn both(times: &Value) -> String {
    format!("{}; {}", milliseconds(times, "encrypt"), milliseconds(times, "decrypt"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn visits_are_told_with_a_column_for_each_model() {
        let model = json!({"model": "m", "navigated": {"median": 120.4, "longest": 180.0},
            "compiled": {"median": 36.2, "longest": 51.0}, "keys": 9.44, "encrypt": 0.362, "decrypt": 0.114,
            "waited": {"encrypt": 0.7, "decrypt": 0.328}});
        let measured = json!({"visits": 15, "first_ms": 612.0, "keys_ms": 240.4, "another_ms": 28.1,
            "loaded_bytes": 430_000, "module_bytes": 116_686, "models": [model]});
        let text = render(&measured, 1);
        for part in [
            "waits 0.61 s from opening it to the first answer with new keys (0.24 s of it",
            " and 28 ms for each one",
            "loads 0.43 MB",
            "| `m` |",
            "| From navigation to the first encryption; the longest | 120 ms; 180 ms |",
            "| From the compiled module to the first encryption; the longest | 36 ms; 51 ms |",
            "| Make all evaluation keys, in the Web Worker | 9.4 ms |",
            "| Encrypt; decrypt, in the Web Worker | 0.36 ms; 0.11 ms |",
            "included | 0.70 ms; 0.33 ms |",
            "itself 100 ms",
            "150 KB for the compressed module, which has 117.",
            "over 15 fresh profiles",
            "share 1 core.",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
