//! The binary's command line, and the document that describes it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::start::scratch;

const DOCUMENT: &str = include_str!("../../../../docs/operating.md");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-server"));
    command.env_clear().args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn models() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/breast_cancer_logistic").display().to_string()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = scratch().join("settings.toml");
    fs::write(&file, "queue = 1\nlease = 1\nattempts = 1\n[tenants.alice]\nqueue = 9\n").unwrap();
    let file = file.display().to_string();
    let printed = run(
        &["serve", "--print-config", "--config", &file, "--queue", "3"],
        &[
            ("EDGE_SERVER_QUEUE", "2"),
            ("EDGE_SERVER_LEASE", "2"),
            ("EDGE_SERVER_TOKEN", "a-secret-of-more-than-32-characters"),
        ],
    );
    let printed = text(&printed.stdout);
    for line in ["queue = 3", "lease = 2", "attempts = 1", "max-wait = 30", "[tenants.alice]"] {
        assert!(printed.lines().any(|found| found == line), "{line} in\n{printed}");
    }
    assert!(!printed.contains("a-secret"), "{printed}");
}

#[test]
fn settings_are_checked_without_a_start() {
    let good = run(&["serve", "--check-config", "--models", &models()], &[]);
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("1 model packages are right"));
    for (wrong, word) in [
        (&["--admin", "here"][..], "admin"),
        (&["--tls-key", "key.pem"], "tls-certificate"),
        (&["--open", "--token", "x"], "open"),
        (&["--token", "x"], "32 random characters"),
        (&["--token", "a-secret-of-more-than-32-characters,"], "32 random characters"),
        (&["--static", "/no/such/directory"], "static"),
        (&["--models", "/no/such/directory"], "/no/such/directory"),
        (&["--config", "/no/such/file"], "/no/such/file"),
        (&["--log", "a=b=c"], "log"),
    ] {
        let models = models();
        let mut arguments = vec!["serve", "--check-config"];
        if !wrong.contains(&"--models") {
            arguments.extend(["--models", &models]);
        }
        let output = run(&[&arguments[..], wrong].concat(), &[]);
        assert!(!output.status.success() && text(&output.stderr).contains(word), "{wrong:?}: {output:?}");
    }
}

#[test]
fn a_wrong_value_is_told_by_where_it_came_from() {
    let said = |arguments: &[&str], environment: &[(&str, &str)]| {
        let models = models();
        let start = ["serve", "--check-config", "--models", &models];
        let output = run(&[&start[..], arguments].concat(), environment);
        assert!(!output.status.success());
        text(&output.stderr)
    };
    for (flag, variable, value) in
        [("queue", "EDGE_SERVER_QUEUE", "many"), ("log-format", "EDGE_SERVER_LOG_FORMAT", "xml")]
    {
        let (flagged, set) = (said(&[&format!("--{flag}"), value], &[]), said(&[], &[(variable, value)]));
        assert!(flagged.contains(&format!("'--{flag} ")) && !flagged.contains(variable), "{flagged}");
        assert!(set.contains(variable) && !set.contains(&format!("--{flag}")), "{set}");
        let both = said(&[&format!("--{flag}={value}")], &[(variable, value)]);
        assert!(both.contains(&format!("'--{flag} ")), "the flag wins: {both}");
    }
    let set = said(&[], &[("EDGE_SERVER_ADMIN", "here")]);
    assert!(set.contains("EDGE_SERVER_ADMIN: here is not an address"), "{set}");
    let flagged = said(&["--admin", "here"], &[("EDGE_SERVER_ADMIN", "127.0.0.1:1")]);
    assert!(flagged.contains("edge-server: admin: here"), "{flagged}");
}

#[test]
fn every_setting_is_in_the_document() {
    let help = text(&run(&["serve", "--help"], &[]).stdout);
    let flags = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let names: std::collections::BTreeSet<&str> =
        flags.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphabetic())).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let name = name.split(['=', '[']).next().unwrap();
        assert!(
            matches!(name, "help" | "version")
                || DOCUMENT.contains(&format!("`{name}`"))
                || DOCUMENT.contains(&format!("`--{name}")),
            "{name}"
        );
        let variable = format!("[env: EDGE_SERVER_{}", name.replace('-', "_").to_uppercase());
        let is_setting = !matches!(name, "help" | "version" | "check-config" | "print-config");
        assert!(!is_setting || help.contains(&variable), "{variable}");
    }
}

#[test]
fn every_test_that_the_document_names_exists() {
    let sources = [
        include_str!("../../src/store/tests.rs"),
        include_str!("../../src/store/writer.rs"),
        include_str!("../../src/tls.rs"),
        include_str!("traces.rs"),
        include_str!("transport.rs"),
        include_str!("../../../tests/service/faults.rs"),
        include_str!("../../../tests/service/holding.rs"),
        include_str!("../../../tests/service/put_off.rs"),
    ]
    .concat();
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |"));
    let named = rows.flat_map(|row| row.split('`')).filter(|word| word.contains("::"));
    let mut count = 0;
    for name in named {
        let function = name.rsplit("::").next().unwrap().trim_end_matches('…');
        if name != "service::registry" {
            assert!(sources.contains(&format!("fn {function}")), "{name}");
            count += 1;
        }
    }
    assert!(count > 6);
}

#[test]
fn tokens_are_shown_once_listed_and_revoked() {
    let data = scratch().display().to_string();
    let token = |words: &[&str]| run(&[&["token", "--data", &data], words].concat(), &[]);
    let created = token(&["create", "--tenant", "alice", "--label", "laptop", "--expires", "90"]);
    assert!(created.status.success(), "{}", text(&created.stderr));
    let secret = text(&created.stdout).trim().to_owned();
    assert!(secret.starts_with("ei_") && secret.len() == 46, "{secret}");
    let list = text(&token(&["list"]).stdout);
    let row = list.lines().nth(1).unwrap();
    assert!(row.contains("alice") && row.contains("in 90 days") && row.ends_with("laptop"), "{list}");
    assert!(!list.contains(&secret));
    let stored = fs::read(Path::new(&data).join("edge-server.sqlite")).unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()));
    let name = row.split_whitespace().next().unwrap();
    assert!(token(&["revoke", name]).status.success());
    assert!(!token(&["revoke", name]).status.success());
    assert_eq!(text(&token(&["list"]).stdout).lines().count(), 1);
    assert!(!token(&["create", "--tenant", "Alice!"]).status.success());
}

#[test]
fn a_backup_is_a_store() {
    let (data, copy) = (scratch(), scratch());
    let words = |folder: &Path| ["token".to_owned(), "--data".to_owned(), folder.display().to_string()];
    let token = |folder: &Path, rest: &[&str]| {
        let words = words(folder);
        run(&[&words.iter().map(String::as_str).collect::<Vec<_>>()[..], rest].concat(), &[])
    };
    assert!(token(&data, &["create", "--tenant", "alice"]).status.success());
    let file = copy.join("edge-server.sqlite").display().to_string();
    let backup = run(&["backup", "--data", &data.display().to_string(), &file], &[]);
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(text(&token(&copy, &["list"]).stdout).contains("alice"));
    let again = run(&["backup", "--data", &data.display().to_string(), &file], &[]);
    assert!(!again.status.success(), "an existing file is left alone");
}

/// Requests and jobs have `drain` to end, and half a minute more are the server's own.
#[test]
fn whoever_stops_the_server_gives_it_the_time_that_it_takes() {
    let printed = text(&run(&["serve", "--print-config"], &[]).stdout);
    let number = |text: &str, key: &str| {
        let line =
            text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("{key}"));
        line.trim_end_matches(" }").parse::<u64>().unwrap()
    };
    let takes = number(&printed, "drain = ") + 30;
    let unit = include_str!("../../../../deploy/edge-server.service");
    assert!(number(unit, "TimeoutStopSec=") >= takes);
    assert_eq!(number(unit, "StartLimitIntervalSec="), 0, "it is the server that gives a job up");
    let single = include_str!("../../../../deploy/kubernetes.yaml");
    assert!(number(single, "terminationGracePeriodSeconds: ") >= takes);
    let several = include_str!("../../../../deploy/kubernetes-cluster.yaml");
    let before = number(several, "sleep: { seconds: ");
    assert!(number(several, "terminationGracePeriodSeconds: ") >= before + takes);
}
