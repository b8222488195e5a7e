//! The native server conforms, and the binary says so.

use std::{fs, path::Path, process::Command};

use conformance::{Options, Outcome, cases, report, run};
use edge_server::{Access, Token};

use crate::world::{TOKEN, options, read, scaled_package, serve, server, start};

#[test]
fn the_native_server_passes_every_case() {
    let mut lines = Vec::new();
    let runs = run(options(format!("http://{}", server().address())), |run| lines.push(report::line(run)));
    let text = lines.join("\n");
    println!("{text}\n{}", report::summary(&runs));
    assert!(runs.iter().all(|run| run.outcome == Outcome::Passed), "{text}");
    assert_eq!(runs.len(), cases().len());
}

#[test]
fn a_model_with_scaled_inputs_is_asked_for_what_it_can_answer() {
    let server = serve(vec![scaled_package()], Access::Tokens(vec![Token::new(TOKEN)]), 4);
    let options = options(format!("http://{}", server.address()));
    let packages = vec![read(&scaled_package())];
    let options = Options { packages, only: vec!["4.8.2".to_owned()], ..options };
    let runs = run(options, |_| ());
    assert!(runs.iter().all(|run| run.outcome == Outcome::Passed), "{runs:?}");
    assert_eq!(runs.len(), 2);
}

#[test]
fn the_binary_reports_in_every_form() {
    let server = start(Access::Open, 16);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let outputs = ["xml", "json", "html", "svg"]
        .map(|kind| folder.join(format!("report-{}.{kind}", std::process::id())));
    let [junit, json, html, badge] = &outputs;
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["--url", &format!("http://{}", server.address()), "--only", "4.1,4.9,5.1"])
        .arg("--junit")
        .arg(junit)
        .arg("--json")
        .arg(json)
        .arg("--html")
        .arg(html)
        .arg("--badge")
        .arg(badge)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    // Access and tenants need tokens.
    assert_eq!(text.lines().last(), Some("4 passed, 0 failed, 2 skipped"), "{text}");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert!(read(junit).contains("tests=\"6\" failures=\"0\" skipped=\"2\""));
    let tree: serde_json::Value = serde_json::from_str(&read(json)).unwrap();
    assert_eq!(tree["counts"]["passed"], 4);
    assert!(read(html).contains("<h2>4.1 GET /health</h2>"));
    assert!(read(badge).contains("4 of 4"));
}

#[test]
fn a_server_that_is_not_there_fails() {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["--url", "http://127.0.0.1:1", "--only", "4.1.1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let wrong = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["--url", "http://127.0.0.1:1", "--only", "99"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}
