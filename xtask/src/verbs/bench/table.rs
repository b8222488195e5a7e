//! The table of the README.

use std::fmt::Write;
use std::process::Command;

use serde_json::Value;

use crate::{document, process};

/// A row: what it says, and what it shows of one model, natively, in WebAssembly, over HTTP.
type Row = (&'static str, fn([&Value; 3]) -> String);

const ROWS: [Row; 13] = [
    ("Ring degree; log₂(QP)", |[native, ..]| {
        format!("2^{}; {:.0}", native["log_degree"], number(native, "log_qp"))
    }),
    ("Make all evaluation keys, once", |measured| pair(measured, "keys_ms")),
    ("Encrypt", |measured| pair(measured, "encrypt_ms")),
    ("Evaluate, on the server", |measured| pair(measured, "evaluate_ms")),
    ("The same with all cores idle, native", |[native, ..]| {
        format!("{} ({} cores)", milliseconds(native, "evaluate_on_all_cores_ms"), native["cores"])
    }),
    ("Decrypt", |measured| pair(measured, "decrypt_ms")),
    ("Whole prediction over HTTP, to the native server: from Node; from Chromium", |measured| {
        callers(measured, "total_ms")
    }),
    ("Make and upload all keys, the same way", |measured| callers(measured, "keys_ms")),
    ("First encryption in a fresh process, module and secret key included", |[.., http]| {
        milliseconds(http, "first_ms")
    }),
    ("Memory on the server: encoded model; keys of a client; one evaluation, at most", |[native, ..]| {
        ["program_memory", "keys_memory", "working_memory"].map(|field| bytes(native, field)).join("; ")
    }),
    ("Evaluation keys, uploaded once", |[native, ..]| {
        format!("{} ({} keys)", bytes(native, "keys_bytes"), native["keys"])
    }),
    ("Request", |[.., http]| bytes(http, "request")),
    ("Response", |[.., http]| bytes(http, "response")),
];

/// Writes the table as Markdown.
pub(super) fn render(native: &[Value], webassembly: &[Value], http: &[Value]) -> String {
    let mut text = format!(
        "Median times on one core where no other number is given; two times are native ({}) and WebAssembly (Node). {}\n\n|",
        native[0]["backend"].as_str().unwrap_or_default(),
        machine()
    );
    for model in native {
        let _ = write!(text, " | `{}`", model["model"].as_str().unwrap_or_default());
    }
    let _ = write!(text, " |\n|---|{}", "---|".repeat(native.len()));
    for (title, show) in ROWS {
        let _ = write!(text, "\n| {title}");
        for ((native, webassembly), http) in native.iter().zip(webassembly).zip(http) {
            let _ = write!(text, " | {}", show([native, webassembly, http]));
        }
        text.push_str(" |");
    }
    text.push('\n');
    text
}

fn number(of: &Value, field: &str) -> f64 {
    of[field].as_f64().unwrap_or(f64::NAN)
}

pub(super) fn milliseconds(of: &Value, field: &str) -> String {
    let time = number(of, field);
    if time < 1.0 {
        format!("{time:.2} ms")
    } else if time < 10.0 {
        format!("{time:.1} ms")
    } else {
        format!("{time:.0} ms")
    }
}

fn pair([native, webassembly, _]: [&Value; 3], field: &str) -> String {
    format!("{}; {}", milliseconds(native, field), milliseconds(webassembly, field))
}

fn callers([.., http]: [&Value; 3], field: &str) -> String {
    format!("{}; {}", milliseconds(http, field), milliseconds(&http["chromium"], field))
}

fn bytes(of: &Value, field: &str) -> String {
    let count = number(of, field);
    if count < 1e6 { format!("{:.1} KB", count / 1e3) } else { format!("{:.2} MB", count / 1e6) }
}

/// The processor, if the system tells, and the compilers.
pub(super) fn machine() -> String {
    let version = |program: &str| {
        let text = process::capture(Command::new(program).arg("--version")).unwrap_or_default();
        text.split_whitespace().find(|word| word.contains('.')).unwrap_or_default().to_owned()
    };
    let processor = document::processor();
    format!("Processor: {processor}; Rust {}, Node {}.", version("rustc"), version("node"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn table_has_a_column_for_each_model() {
        let native = json!({"model": "m", "backend": "avx2", "log_degree": 12, "log_qp": 87.6, "keys": 5, "keys_ms": 0.488,
            "encrypt_ms": 1.25, "program_memory": 1_500, "keys_memory": 2_000_000, "working_memory": 3_000, "evaluate_ms": 12.7, "evaluate_on_all_cores_ms": 6.5, "cores": 2, "decrypt_ms": 0.06, "keys_bytes": 154_020});
        let http = json!({"total_ms": 3.8, "first_ms": 36.4, "keys_ms": 41.3, "request": 30_415, "response": 27_913,
            "chromium": {"total_ms": 4.9, "keys_ms": 52.1}});
        let native = [native];
        let table = render(&native, &native, &[http]);
        for row in [
            "| `m` |",
            "| 2^12; 88 |",
            "| 0.49 ms; 0.49 ms |",
            "| 13 ms; 13 ms |",
            "| 6.5 ms (2 cores) |",
            "| 154.0 KB (5 keys) |",
            "| 30.4 KB |",
            "| 1.5 KB; 2.00 MB; 3.0 KB |",
            "| 36 ms |",
            "| 3.8 ms; 4.9 ms |",
            "| 41 ms; 52 ms |",
        ] {
            assert!(table.contains(row), "{row} in\n{table}");
        }
    }
}
