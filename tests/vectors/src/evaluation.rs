//! `evaluation.json`.

use ckks_core::{Backend, Ciphertext, GaloisElement, Level};

use crate::{
    file::{File, Vector, hex},
    world::{World, composite, seeds, small},
};

pub(crate) fn file(backend: Backend) -> File {
    let world = World::new(&small(), backend);
    let level = Level(3);
    let (a, b) = (world.values(0.2), world.values(1.1));
    let (x, y) = (world.encrypt_whole(&a, level), world.encrypt_whole(&b, level));
    let evaluator = &world.evaluator;
    let plain = world.encoder.prepare(&world.encode(&b, level));
    let relinearization = world.relinearization_key(level).prepare(&world.params);
    let product = evaluator.relinearize(&evaluator.multiply(&x, &y).unwrap(), &relinearization).unwrap();
    let galois = |element| world.galois_key(element, level).prepare(&world.params);
    let rotated =
        |steps| evaluator.apply_galois(&x, &galois(GaloisElement::rotation(&world.params, steps))).unwrap();
    let conjugated = evaluator.apply_galois(&x, &galois(GaloisElement::conjugation(&world.params))).unwrap();
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
        two("multiply", "a times b, relinearized, not rescaled", &product),
        two(
            "multiply, rescale",
            "a times b, relinearized and rescaled",
            &evaluator.rescale(&product).unwrap(),
        ),
        one("drop level", "a at level 1, primes discarded", &evaluator.drop_level(&x, Level(1)).unwrap()),
        one(
            "adjust level",
            "a at level 1 with exactly that level's scale",
            &evaluator.adjust_level(&x, Level(1)).unwrap(),
        ),
        one("rotate 1", "slot i + 1 to slot i", &rotated(1)),
        one("rotate -1", "slot i to slot i + 1", &rotated(-1)),
        one("conjugate", "the conjugate of every slot", &conjugated),
    ];
    let wide = World::new(&composite(), backend);
    let (a, b) = (wide.values(0.2), wide.values(1.1));
    let (x, y) = (wide.encrypt_whole(&a, Level(1)), wide.encrypt_whole(&b, Level(1)));
    let key = wide.relinearization_key(Level(1)).prepare(&wide.params);
    let product = wide.evaluator.relinearize(&wide.evaluator.multiply(&x, &y).unwrap(), &key).unwrap();
    let rescaled = wide.evaluator.rescale(&product).unwrap();
    vectors.push(vector(&wide, "composite", "a times b, rescaled by two primes", &a, Some(&b), &rescaled));
    File {
        name: "evaluation.json",
        about: "Operations on whole ciphertexts of the highest level, encrypted as in `ciphertexts.json`, keys as in `keys.json` at that level. Parameters `small`, for `composite` `composite`.",
        vectors,
    }
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
        .gives("bytes", hex(result.to_bytes(&world.params)))
        .gives("decoded", world.encoder.decode_real(&world.decrypt(result)))
}
