//! Every subcommand with nobody who reads what it prints, as in `edge-server inspect … | head -1`.

use std::{
    io::pipe,
    path::Path,
    process::{Command, Output},
};

use crate::start::scratch;

/// Runs the binary; its output goes nowhere.
fn unread(arguments: &[&str]) -> Output {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-server"));
    command.env_clear().args(arguments).stdout(writer).output().unwrap()
}

fn read(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_edge-server")).env_clear().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let folder = scratch();
    let (data, copy) = (folder.join("data").display().to_string(), folder.join("copy").display().to_string());
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").display().to_string();
    let token = |rest: &[&'static str]| {
        ["token", "--data", &data]
            .into_iter()
            .chain(rest.iter().copied())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    read(&["token", "--data", &data, "create", "--tenant", "alice"]);
    let list = read(&["token", "--data", &data, "list"]);
    let name = list.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();

    let fail: Vec<Vec<String>> = vec![token(&["create", "--tenant", "bob"])];
    let mut revoke = token(&["revoke"]);
    revoke.push(name);
    let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let succeed = vec![
        plain(&["inspect", &models]),
        plain(&["serve", "--print-config"]),
        plain(&["serve", "--check-config", "--models", &models]),
        token(&["list"]),
        revoke,
        plain(&["backup", "--data", &data, &copy]),
        plain(&["help"]),
        plain(&["serve", "--help"]),
        plain(&["--version"]),
    ];
    for arguments in succeed.iter().chain(&fail) {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = unread(&words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{words:?}: {errors}");
        assert_eq!(output.status.success(), !fail.contains(arguments), "{words:?}: {errors}");
    }
    // The token of bob was shown to nobody, and alice's is revoked.
    assert_eq!(read(&["token", "--data", &data, "list"]).lines().count(), 1);

    // A subcommand without a line above fails here.
    let help = read(&["help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    for command in commands.lines().take_while(|line| !line.is_empty()) {
        let command = command.split_whitespace().next().unwrap();
        assert!(succeed.iter().any(|arguments| arguments[0] == command), "{command} is not tried");
    }
}
