//! `edge-server inspect`: what a model package is, for people.

use std::{error::Error, path::Path};

use edge_server::Registry;

use crate::{output::print, packages::read_packages};

/// Checks packages as `serve` would, and prints what they are.
pub(crate) fn inspect(path: &Path) -> Result<(), Box<dyn Error>> {
    let registry = Registry::load(read_packages(path)?)?;
    for (index, model) in registry.models().enumerate() {
        if index > 0 {
            print(format_args!("\n"))?;
        }
        print(format_args!("{}", model.summary()))?;
    }
    Ok(())
}
