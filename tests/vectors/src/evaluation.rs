//! `evaluation.json`.

use ckks_core::{Backend, Ciphertext, GaloisElement, Level, Ntt, Poly, TensorCiphertext};
use serde_json::Value;

use crate::{
    file::{File, Vector, hex},
    world::{World, composite, residues, seeds, small},
};

pub(crate) fn file(backend: Backend) -> File {
    let world = World::new(&small(), backend);
    let level = Level(3);
    let (a, b) = (world.values(0.2), world.values(1.1));
    let (x, y) = (world.encrypt_whole(&a, level), world.encrypt_whole(&b, level));
    let evaluator = &world.evaluator;
    let plain = world.encoder.prepare(&world.encode(&b, level)).unwrap();
    let relinearization = world.relinearization_key(level).prepare(&world.params).unwrap();
    let tensor = evaluator.multiply(&x, &y).unwrap();
    let product = evaluator.relinearize(&tensor, &relinearization).unwrap();
    let galois = |element| world.galois_key(element, level).prepare(&world.params).unwrap();
    let rotated =
        |steps| evaluator.apply_galois(&x, &galois(GaloisElement::rotation(&world.params, steps))).unwrap();
    let conjugated = evaluator.apply_galois(&x, &galois(GaloisElement::conjugation(&world.params))).unwrap();
    let product_steps = |vector| with_steps(&world, vector, &tensor, level);
    let digits = || digits(evaluator.hoist(&x).unwrap().digits());
    let one = |name, shows, result: &Ciphertext| vector(&world, name, shows, &a, None, result);
    let two = |name, shows, result: &Ciphertext| vector(&world, name, shows, &a, Some(&b), result);

    let mut vectors = vec![
        two("add", "a + b", &evaluator.add(&x, &y).unwrap()),
        two("subtract", "a - b", &evaluator.subtract(&x, &y).unwrap()),
        one("negate", "-a", &evaluator.negate(&x).unwrap()),
        one("add constant", "a + 0.75", &evaluator.add_constant(&x, 0.75).unwrap()),
        two(
            "multiply plain",
            "a times b, b in the clear, not rescaled",
            &evaluator.multiply_plain(&x, &plain).unwrap(),
        ),
        product_steps(two("multiply", "a times b, relinearized, not rescaled", &product)),
        product_steps(two(
            "multiply, rescale",
            "a times b, relinearized and rescaled",
            &evaluator.rescale(&product).unwrap(),
        )),
        one("drop level", "a at level 1, primes discarded", &evaluator.drop_level(&x, Level(1)).unwrap()),
        one(
            "adjust level",
            "a at level 1 with exactly that level's scale",
            &evaluator.adjust_level(&x, Level(1)).unwrap(),
        ),
        one("rotate 1", "slot i + 1 to slot i", &rotated(1)).gives("digits", digits()),
        one("rotate -1", "slot i to slot i + 1", &rotated(-1)).gives("digits", digits()),
        one("conjugate", "the conjugate of every slot", &conjugated).gives("digits", digits()),
    ];
    let wide = World::new(&composite(), backend);
    let (a, b) = (wide.values(0.2), wide.values(1.1));
    let seeded = [&a, &b].map(|values| wide.encrypt(values, Level(1)));
    let [x, y] = seeded.clone().map(|ciphertext| ciphertext.expand(&wide.params).unwrap());
    let key = wide.relinearization_key(Level(1)).prepare(&wide.params).unwrap();
    let tensor = wide.evaluator.multiply(&x, &y).unwrap();
    let product = wide.evaluator.relinearize(&tensor, &key).unwrap();
    let rescaled = wide.evaluator.rescale(&product).unwrap();
    let composite = vector(&wide, "composite", "a times b, rescaled by two primes", &a, Some(&b), &rescaled);
    // At this scale doubles round some coefficients either way, so the ciphertexts are given.
    let [x, y] = seeded.map(|ciphertext| hex(ciphertext.to_bytes(&wide.params).unwrap()));
    vectors.push(with_steps(&wide, composite.given("x", x).given("y", y), &tensor, Level(1)));
    File {
        name: "evaluation.json",
        about: "Operations on whole ciphertexts of the highest level, encrypted as in `ciphertexts.json`, keys as in `keys.json` at that level. `tensor` is a product before relinearization, `digits` what key switching decomposes (its last component, or c₁) lifted to all primes. Parameters `small`, for `composite` `composite`.",
        vectors,
    }
}

/// The polynomials of a decomposition.
fn digits(polys: &[Poly<Ntt>]) -> Value {
    polys.iter().map(residues).collect::<Vec<_>>().into()
}

/// Adds what lies between the ciphertexts and their relinearized product.
fn with_steps(world: &World, vector: Vector, tensor: &TensorCiphertext, level: Level) -> Vector {
    let parts = tensor.components();
    // A ciphertext whose second component is what relinearization decomposes.
    let template = world.encrypt_whole(&[], level);
    let last = world.evaluator.hoist(&world.with_second_component(&template, &parts[2])).unwrap();
    vector
        .gives("tensor", parts.iter().map(residues).collect::<Vec<_>>())
        .gives("digits", digits(last.digits()))
}

fn vector(
    world: &World,
    name: &str,
    shows: &str,
    a: &[f64],
    b: Option<&[f64]>,
    result: &Ciphertext,
) -> Vector {
    let mut vector = Vector::new(name, shows).given("a", a);
    if let Some(b) = b {
        vector = vector.given("b", b);
    }
    seeds()
        .into_iter()
        .fold(vector, |vector, (name, value)| vector.given(name, value))
        .gives("level", result.level().0)
        .gives("scale", result.scale().value())
        .gives("bytes", hex(result.to_bytes(&world.params).unwrap()))
        .gives("decoded", world.encoder.decode_real(&world.decrypt(result)).unwrap())
}
