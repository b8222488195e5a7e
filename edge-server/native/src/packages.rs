//! Reads model packages from disk.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use edge_server::PackageFiles;

/// A package could not be read.
#[derive(Debug)]
pub struct PackagesError {
    path: PathBuf,
    reason: io::Error,
}

impl fmt::Display for PackagesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for PackagesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, PackagesError> {
    result.map_err(|reason| PackagesError { path: path.to_owned(), reason })
}

const MANIFEST: &str = "manifest.json";
const DEFAULT_WEIGHTS: &str = "weights.bin";

/// Reads one package: `manifest.json` and the file of weights beside it.
///
/// # Errors
/// [`PackagesError`] when a file is missing or cannot be read.
pub fn read_package(directory: &Path) -> Result<PackageFiles, PackagesError> {
    let path = directory.join(MANIFEST);
    let manifest = at(&path, fs::read(&path))?;
    let path = directory.join(weights_name(&manifest));
    let weights = at(&path, fs::read(&path))?;
    Ok(PackageFiles { origin: directory.display().to_string(), manifest, weights })
}

/// The name of the file of weights; a manifest that has none, or one that leaves the directory,
/// is refused later, by the registry.
fn weights_name(manifest: &[u8]) -> String {
    let tree: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    let name = tree["weights"]["file"].as_str().unwrap_or(DEFAULT_WEIGHTS);
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    if plain { name.to_owned() } else { DEFAULT_WEIGHTS.to_owned() }
}

/// Reads every package of a directory, in the order of their names: its sub-directories that hold
/// a `manifest.json`, themselves or in a folder `package`; or the directory itself, if it is one.
///
/// # Errors
/// [`PackagesError`]; also when there is no package at all.
pub fn read_packages(directory: &Path) -> Result<Vec<PackageFiles>, PackagesError> {
    if directory.join(MANIFEST).is_file() {
        return Ok(vec![read_package(directory)?]);
    }
    let mut found = Vec::new();
    for entry in at(directory, fs::read_dir(directory))? {
        let path = at(directory, entry)?.path();
        found.extend([path.join("package"), path].into_iter().find(|path| path.join(MANIFEST).is_file()));
    }
    if found.is_empty() {
        let reason = io::Error::new(
            io::ErrorKind::NotFound,
            "no model package here: no directory has a manifest.json",
        );
        return at(directory, Err(reason));
    }
    found.sort();
    found.iter().map(|path| read_package(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_stay_in_their_directory() {
        assert_eq!(weights_name(br#"{"weights":{"file":"w.bin"}}"#), "w.bin");
        for escaping in ["../w.bin", "/etc/passwd", "a/b", "..", ""] {
            let manifest = serde_json::json!({ "weights": { "file": escaping } }).to_string();
            assert_eq!(weights_name(manifest.as_bytes()), DEFAULT_WEIGHTS);
        }
    }

    #[test]
    fn a_directory_without_packages_is_an_error() {
        let error = read_packages(Path::new(env!("CARGO_MANIFEST_DIR"))).expect_err("no packages");
        assert!(error.to_string().contains("no model package"));
    }
}
