//! How the shipped models are held where memory is as on Cloudflare, and where it is short on a server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    alloc::System,
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ckks_core::FactorEncoding::{Ahead, AsUsed};
use edge_server::{
    CheckedPackages, Grant, Holding,
    KeyHolding::{OneAtATime, Together},
    PackageFiles, Registry, Service, Settings, hold,
    testing::TestHost,
};
use stats_alloc::StatsAlloc;

#[global_allocator]
static HEAP: StatsAlloc<System> = StatsAlloc::system();

/// What an isolate leaves to the module, and what that takes of it for itself: its log tells 1.9 MB.
const GRANT: Grant = Grant { bytes: 104 << 20, taken: 2_000_000, bodies: 12 };

/// What of the heap is in use.
fn heap_bytes() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Nothing else runs in the process: its heap is measured.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn package(model: &str) -> PackageFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(model).join("package");
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let (manifest, weights) = (read("manifest.json"), read("weights.bin"));
    PackageFiles { origin: model.to_owned(), manifest, weights }
}

/// How these models are held together, in the order of their names. What they take is measured here, where words are
/// twice as long as in a module, so that it is no less.
fn held(models: &[&str]) -> Vec<Holding> {
    let _alone = alone();
    let before = heap_bytes();
    let taken = || GRANT.taken + heap_bytes() - before;
    let mut packages = CheckedPackages::new().unwrap();
    models.iter().for_each(|model| packages.add(package(model)).unwrap());
    let (figures, checked) = (packages.figures(), taken());
    let held = hold(&figures, Grant { taken: checked, ..GRANT })
        .unwrap_or_else(|error| panic!("{models:?}: {error}"));
    let decided: usize = figures.iter().map(|model| model.loaded_bytes(held[&model.model])).sum();
    let registry = packages.prepare(&held).unwrap();
    let loaded = taken();
    println!("{models:?}: {figures:#?} {held:#?} checked {checked}, decided {decided}, loaded {loaded}");
    assert!(
        loaded <= checked + decided,
        "{models:?}: {loaded} are taken, {checked} + {decided} were expected"
    );
    let shares = registry.divide(Grant { taken: loaded, ..GRANT }).unwrap();
    println!("{shares:#?}");
    assert!(
        loaded + shares.body_bytes + shares.evaluation_bytes <= GRANT.bytes,
        "{models:?}: {loaded}, {shares:?}"
    );
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
    let _alone = alone();
    for (megabytes, keys) in [(1000, Together), (16, OneAtATime)] {
        let settings = Settings { evaluation_bytes: megabytes * 1_000_000, ..Settings::default() };
        let registry = Registry::load_within([package("mnist_mlp")], &settings, 2).unwrap();
        let holding = registry.models().next().unwrap().holding();
        assert_eq!(holding, Holding { factors: Ahead, keys }, "{megabytes} MB");
        Service::new(TestHost::new(), Arc::new(registry), settings).expect("it fits");
    }
}
