//! `vector-tests write`: writes the vectors anew, into the folder of this package.

use std::{env, fs, path::Path, process::ExitCode};

use ckks_core::Backend;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() != Some("write") {
        eprintln!("usage: vector-tests write");
        return ExitCode::FAILURE;
    }
    for file in vector_tests::compute(Backend::detect()) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file.name);
        if let Err(error) = fs::write(&path, file.to_string()) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}: {} vectors", file.name, file.vectors.len());
    }
    ExitCode::SUCCESS
}
