//! `parameters.json`.

use ckks_core::{Backend, Level, Params, ParamsSpec};

use crate::{
    file::{File, Vector, hex},
    models,
    world::{composite, describe, small},
};

pub(crate) fn file(backend: Backend) -> File {
    let sets = [
        ("small", "levels of one prime, digits of two, insecure".to_owned(), small()),
        ("composite", "a level of two primes, insecure".to_owned(), composite()),
    ];
    let shipped = models::packages().map(|(name, package)| {
        (name, "the parameters of a shipped model".to_owned(), package.params.spec().clone())
    });
    let vectors =
        sets.into_iter().chain(shipped).map(|(name, shows, spec)| vector(name, &shows, &spec, backend));
    File {
        name: "parameters.json",
        about: "The canonical encoding of a parameter set, its identifier, and the scale of each level.",
        vectors: vectors.collect(),
    }
}

fn vector(name: &str, shows: &str, spec: &ParamsSpec, backend: Backend) -> Vector {
    let params = Params::insecure_on(spec, backend).unwrap();
    let scales: Vec<f64> =
        (0..=params.max_level().0).map(|level| params.scale_at(Level(level)).value()).collect();
    Vector::new(name, shows)
        .given("parameters", describe(spec))
        .gives("bytes", hex(spec.to_bytes()))
        .gives("params_id", params.id().to_string())
        .gives("scales", scales)
}
