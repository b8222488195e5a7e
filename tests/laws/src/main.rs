//! `decoder-laws seeds DIR`: writes right inputs for every law, one folder each.

use std::{env, fs, io, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [verb, folder] = words.as_slice() else {
        eprintln!("usage: decoder-laws seeds DIR");
        return ExitCode::FAILURE;
    };
    if verb != "seeds" {
        eprintln!("usage: decoder-laws seeds DIR");
        return ExitCode::FAILURE;
    }
    match write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    for (name, seeds) in decoder_laws::seeds() {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
