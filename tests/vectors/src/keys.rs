//! `keys.json`.

use ckks_core::{Backend, GaloisElement, Level, PublicKey};

use crate::{
    file::{File, Vector, hex},
    world::{World, seeds, small, stream},
};

pub(crate) fn file(backend: Backend) -> File {
    let world = World::new(&small(), backend);
    let params = &world.params;
    let seeded = |name: &str, shows: &str| {
        seeds().into_iter().fold(Vector::new(name, shows), |vector, (name, value)| vector.given(name, value))
    };
    let mut seed_stream = stream();
    let first: Vec<_> = (0..3).map(|_| hex(seed_stream.next_seed().as_bytes())).collect();
    let mut vectors = vec![
        Vector::new("stream", "the first seeds of a stream")
            .given("stream_seed", hex(crate::world::STREAM_SEED))
            .gives("seeds", first),
        Vector::new("secret", "the ternary coefficients of a secret key, and its bytes")
            .given("secret_seed", hex(crate::world::SECRET_SEED))
            .gives("coefficients", world.secret_coefficients())
            .gives("bytes", hex(&*world.secret.to_bytes())),
        seeded("public", "a public key").gives(
            "bytes",
            hex(PublicKey::generate(params, &world.secret, &mut stream()).unwrap().to_bytes(params).unwrap()),
        ),
    ];
    for level in [3, 1, 0] {
        let key = world.relinearization_key(Level(level));
        let name = format!("relinearization, level {level}");
        vectors.push(
            seeded(&name, "the key from s² to s, for ciphertexts up to a level")
                .given("level", level)
                .gives("bytes", hex(key.to_bytes(params).unwrap())),
        );
    }
    let elements = [
        GaloisElement::rotation(params, 1),
        GaloisElement::rotation(params, -1),
        GaloisElement::conjugation(params),
    ];
    for element in elements {
        let key = world.galois_key(element, Level(2));
        let name = format!("galois-{}", element.value());
        vectors.push(
            seeded(&name, "the key of an automorphism")
                .given("element", element.value())
                .given("level", 2)
                .gives("bytes", hex(key.to_bytes(params).unwrap())),
        );
    }
    File { name: "keys.json", about: "Keys from seeds, byte for byte. Parameters `small`.", vectors }
}
