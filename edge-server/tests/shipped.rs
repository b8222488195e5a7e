//! How the shipped models are held where memory is as on Cloudflare, and where it is short on a server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, path::Path, sync::Arc};

use ckks_core::FactorEncoding::{Ahead, AsUsed};
use edge_server::{
    CheckedPackages, Figures, Grant, Holding,
    KeyHolding::{OneAtATime, Together},
    PackageFiles, Registry, Service, Settings, Shares, hold,
    testing::TestHost,
};

/// What an isolate leaves to the module, and what that takes of it for itself.
const GRANT: Grant = Grant { bytes: 104 << 20, taken: 4 << 20, bodies: 12 };

fn package(model: &str) -> PackageFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(model).join("package");
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let (manifest, weights) = (read("manifest.json"), read("weights.bin"));
    PackageFiles { origin: model.to_owned(), manifest, weights }
}

fn figures(models: &[&str]) -> Vec<Figures> {
    let mut packages = CheckedPackages::new().unwrap();
    models.iter().for_each(|model| packages.add(package(model)).unwrap());
    packages.figures()
}

/// How these models are held together, in the order of their names.
fn held(models: &[&str]) -> Vec<Holding> {
    let figures = figures(models);
    let held = hold(&figures, GRANT).unwrap_or_else(|error| panic!("{models:?}: {error}"));
    let loaded: usize = figures.iter().map(|model| model.loaded_bytes(held[&model.model])).sum();
    let grant = Grant { taken: GRANT.taken + loaded, ..GRANT };
    let shares = Shares::divide(figures.iter().map(|model| (model, held[&model.model])), grant).unwrap();
    println!("{models:?}: {figures:#?} {held:#?} {loaded} {shares:#?}");
    assert!(loaded + GRANT.taken + shares.body_bytes + shares.evaluation_bytes <= GRANT.bytes);
    held.into_values().collect()
}

#[test]
fn small_models_are_held_as_fast_as_possible_together() {
    assert_eq!(held(&["breast_cancer_logistic", "mnist_cnn", "mnist_mlp"]), [Holding::FASTEST; 3]);
}

#[test]
fn each_of_the_large_models_fits() {
    for (model, factors, keys) in [
        ("wine_mlp", Ahead, OneAtATime),
        ("gunpoint_cnn", AsUsed, OneAtATime),
        ("fashion_resnet", AsUsed, OneAtATime),
        ("mnist_lenet", AsUsed, OneAtATime),
        ("gloss_search", Ahead, Together),
    ] {
        assert_eq!(held(&[model]), [Holding { factors, keys }], "{model}");
    }
}

#[test]
fn a_server_with_little_memory_for_evaluations_prepares_one_key_at_a_time() {
    for (megabytes, keys) in [(1000, Together), (16, OneAtATime)] {
        let settings = Settings { evaluation_bytes: megabytes * 1_000_000, ..Settings::default() };
        let registry = Registry::load_within([package("mnist_mlp")], &settings, 2).unwrap();
        let holding = registry.models().next().unwrap().holding();
        assert_eq!(holding, Holding { factors: Ahead, keys }, "{megabytes} MB");
        Service::new(TestHost::new(), Arc::new(registry), settings).expect("it fits");
    }
}
