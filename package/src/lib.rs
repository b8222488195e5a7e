//! The encrypted model package: manifest, weights, program.
