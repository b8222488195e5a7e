//! The command line of the suite.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use conformance::{Feature, Options, cases, report, run};
use model_package::Package;

/// Checks a server against the numbered sentences of docs/api.md.
///
/// Makes keys, uploads them, encrypts, infers and decrypts as a client does; then sends requests that are
/// wrong in one thing and expects one exact problem. What it makes on the server is small and its own.
#[derive(Debug, Parser)]
#[command(
    name = "conformance",
    version,
    after_long_help = "Examples:\n  conformance --url http://127.0.0.1:8080\n  conformance --url https://inference.example --token … --only 4.8 --strict"
)]
struct Arguments {
    /// Address of the server.
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// Bearer token, if the server demands one.
    #[arg(long, env = "CONFORMANCE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Token of a second tenant, to test that tenants do not see each other.
    #[arg(long, env = "CONFORMANCE_OTHER_TOKEN", hide_env_values = true)]
    other_token: Option<String>,
    /// Run only sentences, sections or chapters with these numbers: 4, 4.8, 4.8.2.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    only: Vec<String>,
    /// Count what SHOULD be as if it MUST.
    #[arg(long)]
    strict: bool,
    /// Also test an optional part: overload.
    #[arg(long, value_name = "PART", value_parser = part)]
    with: Vec<Feature>,
    /// Do not test a part: access, tenants, cors, overload, packages.
    #[arg(long, value_name = "PART", value_parser = part)]
    without: Vec<Feature>,
    /// Directory of the packages that the server serves, to check that its answers are right.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// Write JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a badge (SVG) to this file.
    #[arg(long, value_name = "FILE")]
    badge: Option<PathBuf>,
    /// List the cases and run none.
    #[arg(long)]
    list: bool,
}

fn part(name: &str) -> Result<Feature, String> {
    let names = Feature::ALL.map(Feature::name).join(", ");
    Feature::ALL
        .into_iter()
        .find(|feature| feature.name() == name)
        .ok_or_else(|| format!("not one of: {names}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for case in cases() {
            println!("{:<8} {}", case.sentence, case.title);
        }
        return ExitCode::SUCCESS;
    }
    match check(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn check(arguments: Arguments) -> Result<bool, String> {
    let url = arguments.url.unwrap_or_default();
    let options = Options {
        url: url.clone(),
        token: arguments.token,
        other_token: arguments.other_token,
        only: arguments.only,
        with: HashSet::from_iter(arguments.with),
        without: HashSet::from_iter(arguments.without),
        packages: arguments.packages.as_deref().map_or(Ok(Vec::new()), packages)?,
        strict: arguments.strict,
    };
    let runs = run(options, |run| println!("{}", report::line(run)));
    if runs.is_empty() {
        return Err("no case has such a number; --list shows them".to_owned());
    }
    let outputs = [
        (arguments.junit, report::junit(&url, &runs)),
        (arguments.json, report::json(&url, &runs).to_string()),
        (arguments.html, report::html(&url, &runs)),
        (arguments.badge, report::badge(&runs)),
    ];
    for (path, text) in outputs {
        if let Some(path) = path {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    println!("{}", report::summary(&runs));
    Ok(report::count(&runs).failed == 0)
}

/// Reads every package below a directory.
fn packages(directory: &Path) -> Result<Vec<Package>, String> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut packages = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| wrong(directory, &error))? {
        let path = entry.map_err(|error| wrong(directory, &error))?.path();
        let folder =
            [path.join("package"), path].into_iter().find(|path| path.join("manifest.json").is_file());
        let Some(folder) = folder else { continue };
        let read =
            |name: &str| fs::read(folder.join(name)).map_err(|error| wrong(&folder.join(name), &error));
        let (manifest, weights) = (read("manifest.json")?, read("weights.bin")?);
        packages.push(Package::from_bytes(&manifest, &weights).map_err(|error| wrong(&folder, &error))?);
    }
    Ok(packages)
}
