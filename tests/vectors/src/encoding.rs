//! `encoding.json`.

use ckks_core::{Backend, Complex, Level, Scale};
use serde_json::json;

use crate::{
    file::{File, Vector},
    world::{World, composite, residues, small},
};

pub(crate) fn file(backend: Backend) -> File {
    let world = World::new(&small(), backend);
    let slots = world.params.slots();
    let mut vectors: Vec<Vector> = [0, 1, slots - 1]
        .into_iter()
        .map(|at| {
            let mut values = vec![0.0; at + 1];
            values[at] = 1.0;
            real(&world, &format!("slot {at}"), "one in one slot, zero in the others", &values, Level(0))
        })
        .collect();
    for level in 0..=world.params.max_level().0 {
        let values = world.values(0.1);
        vectors.push(real(
            &world,
            &format!("level {level}"),
            "real values at the scale of a level",
            &values,
            Level(level),
        ));
    }
    let wide = World::new(&composite(), backend);
    vectors.push(real(&wide, "scale 2^50", "coefficients of more than 32 bits", &wide.values(0.1), Level(1)));
    vectors.push(real(&world, "nothing", "no values at all", &[], Level(0)));
    vectors.push(complex(&world));
    File {
        name: "encoding.json",
        about: "Slots to residues of coefficients, and back: the canonical embedding. Parameters `small`, for `scale 2^50` `composite`.",
        vectors,
    }
}

fn real(world: &World, name: &str, shows: &str, values: &[f64], level: Level) -> Vector {
    let plaintext = world.encode(values, level);
    Vector::new(name, shows)
        .given("values", values)
        .given("level", level.0)
        .given("scale", world.params.scale_at(level).value())
        .gives("residues", residues(plaintext.poly()))
        .gives("decoded", world.encoder.decode_real(&plaintext).unwrap())
}

fn complex(world: &World) -> Vector {
    let (re, im) = (world.values(0.3), world.values(0.9));
    let values: Vec<Complex> = re.iter().zip(&im).map(|(&re, &im)| Complex { re, im }).collect();
    let scale = Scale::new(f64::from(1 << 20)).unwrap();
    let plaintext = world.encoder.encode_complex(&values, Level(0), scale).unwrap();
    let decoded: Vec<_> = world
        .encoder
        .decode_complex(&plaintext)
        .unwrap()
        .iter()
        .map(|value| json!([value.re, value.im]))
        .collect();
    Vector::new("complex", "complex values at a scale of the caller's")
        .given("values", re.iter().zip(&im).map(|(re, im)| json!([re, im])).collect::<Vec<_>>())
        .given("level", 0)
        .given("scale", scale.value())
        .gives("residues", residues(plaintext.poly()))
        .gives("decoded", decoded)
}
