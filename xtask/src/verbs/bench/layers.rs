//! `cargo xtask bench layers`: each layer of the shipped models, natively and in WebAssembly.

use std::fmt::Write;

use serde_json::Value;

use super::table::{machine, milliseconds};
use crate::error::TaskError;
use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{document, node};

/// Measures, and rewrites the table of the document about performance.
pub(super) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    let mut progress = Progress::new(3);
    let native = progress.step("Measure natively", || super::natively(workspace, &["layers"]))?;
    let webassembly =
        progress.step("Measure in WebAssembly", || super::in_webassembly(workspace, &["layers"]))?;
    progress.step("Rewrite the table of docs/performance.md", || {
        let table = render(&native, &webassembly);
        print!("\n{table}\n");
        document::rewrite(&workspace.path("docs/performance.md"), "bench layers", &table)
    })
}

/// Writes the table as Markdown.
fn render(native: &[Value], webassembly: &[Value]) -> String {
    let backend = native[0]["backend"].as_str().unwrap_or_default();
    let mut text = format!(
        "Median times on one core, native ({backend}) and in WebAssembly (Node). {}\n\n\
         | | layer | shape | level | key switches | products with plaintexts | native | WebAssembly |\n\
         |---|---|---|---|---|---|---|---|\n",
        machine()
    );
    for (layer, webassembly) in native.iter().zip(webassembly) {
        let of = |field: &str| layer[field].as_str().unwrap_or_default();
        let shape: Vec<String> =
            layer["shape"].as_array().into_iter().flatten().map(Value::to_string).collect();
        let _ = writeln!(
            text,
            "| `{}` | {}, {} | {} | {} | {} | {} | {} | {} |",
            of("model"),
            of("operation"),
            of("node"),
            shape.join(" × "),
            layer["level"],
            layer["key_switches"],
            layer["plain_multiplications"],
            milliseconds(layer, "milliseconds"),
            milliseconds(webassembly, "milliseconds"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn table_has_a_row_for_each_layer() {
        let layer = json!({"model": "m", "backend": "avx2", "operation": "linear", "node": "conv", "shape": [5, 13, 13],
            "level": 4, "key_switches": 11, "plain_multiplications": 36, "milliseconds": 2.86});
        let table = render(&[layer.clone(), layer.clone()], &[layer.clone(), layer]);
        let row = "| `m` | linear, conv | 5 × 13 × 13 | 4 | 11 | 36 | 2.9 ms | 2.9 ms |\n";
        assert!(table.ends_with(&row.repeat(2)), "{table}");
    }
}
