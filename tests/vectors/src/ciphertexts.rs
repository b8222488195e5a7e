//! `ciphertexts.json`.

use ckks_core::{Backend, Level, PublicKey, ResultCiphertexts, encrypt_public};

use crate::{
    file::{File, Vector, hex},
    world::{World, composite, residues, seeds, small, stream},
};

pub(crate) fn file(backend: Backend) -> File {
    let (world, wide) = (World::new(&small(), backend), World::new(&composite(), backend));
    let mut vectors: Vec<Vector> =
        (0..=3).map(|level| symmetric(&world, &format!("symmetric, level {level}"), Level(level))).collect();
    vectors.push(symmetric(&wide, "symmetric, composite", Level(1)));
    vectors.push(public(&world));
    for dropped_bits in [0, 1, 12] {
        vectors.push(result(&world, dropped_bits));
    }
    File {
        name: "ciphertexts.json",
        about: "Encryption with fixed seeds, byte for byte: the seeded form, the whole one, what decryption gives before decoding. Parameters `small`, for `symmetric, composite` `composite`.",
        vectors,
    }
}

fn given(world: &World, name: &str, shows: &str, level: Level) -> (Vector, Vec<f64>) {
    let values = world.values(0.6);
    let vector = Vector::new(name, shows).given("values", values.clone()).given("level", level.0);
    (seeds().into_iter().fold(vector, |vector, (name, value)| vector.given(name, value)), values)
}

fn symmetric(world: &World, name: &str, level: Level) -> Vector {
    let (vector, values) = given(world, name, "a fresh ciphertext under the secret key", level);
    let seeded = world.encrypt(&values, level);
    let bytes = seeded.to_bytes(&world.params).unwrap();
    let whole = seeded.expand(&world.params).unwrap();
    let message = world.decrypt(&whole);
    vector
        .gives("bytes", hex(bytes))
        .gives("c1", residues(whole.components()[1]))
        .gives("whole", hex(whole.to_bytes(&world.params).unwrap()))
        .gives("message", residues(message.poly()))
        .gives("decoded", world.encoder.decode_real(&message).unwrap())
}

fn public(world: &World) -> Vector {
    let (vector, values) =
        given(world, "public", "a ciphertext under the public key of `keys.json`", Level(2));
    let key = PublicKey::generate(&world.params, &world.secret, &mut stream()).unwrap();
    let ciphertext =
        encrypt_public(&world.params, &key, &world.encode(&values, Level(2)), &mut stream()).unwrap();
    let message = world.decrypt(&ciphertext);
    vector
        .gives("bytes", hex(ciphertext.to_bytes(&world.params).unwrap()))
        .gives("message", residues(message.poly()))
        .gives("decoded", world.encoder.decode_real(&message).unwrap())
}

fn result(world: &World, dropped_bits: u8) -> Vector {
    let name = format!("result, {dropped_bits} bits dropped");
    let (vector, values) =
        given(world, &name, "two ciphertexts of level 0 as an answer carries them", Level(0));
    let second: Vec<f64> = values.iter().map(|value| -value).collect();
    let ciphertexts = [world.encrypt_whole(&values, Level(0)), world.encrypt_whole(&second, Level(0))];
    let result = ResultCiphertexts::new(&world.params, &ciphertexts, dropped_bits).unwrap();
    let decoded: Vec<Vec<f64>> = result
        .expand(&world.params)
        .unwrap()
        .iter()
        .map(|ciphertext| world.encoder.decode_real(&world.decrypt(ciphertext)).unwrap())
        .collect();
    vector
        .given("second_values", second)
        .given("dropped_bits", dropped_bits)
        .gives("bytes", hex(result.to_bytes(&world.params).unwrap()))
        .gives("decoded", decoded)
}
