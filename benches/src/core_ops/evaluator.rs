//! Operations on ciphertexts that need no secret, all at the highest level.

use ckks_core::{
    CompressedGaloisKey, EvaluationKeys, GaloisElement, Level, Seed, SeedSource, decrypt, encrypt_symmetric,
};

use super::rows::{Rows, bits};
use crate::{Result, world::World};

/// How many terms the sum of products has.
const TERMS: usize = 8;

pub(super) fn measure(rows: &mut Rows<'_>) -> Result<()> {
    let world = rows.world;
    let World { evaluator, values, prepared, ciphertext: x, galois, relinearization: key, .. } = world;
    let (top, slots) = (evaluator.params().max_level(), values.len());
    let below = top.below().unwrap_or(Level(0));
    let of_each = |f: &dyn Fn(usize) -> f64| (0..slots).map(f).collect::<Vec<f64>>();
    let (twice, half) = (of_each(&|i| 2.0 * values[i]), of_each(&|i| values[i] / 2.0));
    let squares = of_each(&|i| values[i] * values[i]);
    let rotated = of_each(&|i| values[(i + 1) % slots]);
    let sum = of_each(&|i| values[i] + rotated[i]);
    let y = &evaluator.apply_galois(x, galois)?;
    let product = evaluator.multiply_plain(x, prepared)?;
    let tensor = evaluator.multiply(x, x)?;
    let hoisted = evaluator.hoist(x)?;

    rows.ciphertext("add", &sum, || evaluator.add(x, y))?;
    rows.in_place("add in place", &sum, x, |a| evaluator.add_assign(a, y))?;
    rows.ciphertext("subtract", &of_each(&|i| values[i] - rotated[i]), || evaluator.subtract(x, y))?;
    rows.ciphertext("negate", &of_each(&|i| -values[i]), || evaluator.negate(x))?;
    rows.ciphertext("add a plaintext", &twice, || evaluator.add_plain(x, prepared))?;
    rows.ciphertext("add a constant", &of_each(&|i| values[i] + 0.5), || evaluator.add_constant(x, 0.5))?;
    rows.ciphertext("multiply by plaintext", &squares, || evaluator.multiply_plain(x, prepared))?;
    let factors = vec![(x.clone(), prepared.clone()); TERMS];
    let terms: Vec<_> = factors.iter().map(|(x, p)| (x, p)).collect();
    let sums = of_each(&|i| TERMS as f64 * squares[i]);
    rows.ciphertext("sum of eight products with plaintexts", &sums, || evaluator.multiply_plain_sum(&terms))?;
    let scale = evaluator.params().scale_at(top);
    rows.ciphertext("multiply by a constant", &half, || evaluator.multiply_constant(x, 0.5, scale))?;
    rows.row(
        "multiply, three components",
        || evaluator.multiply(x, x),
        |result| world.precision(&evaluator.relinearize(&result, key)?, &squares),
    )?;
    rows.ciphertext("relinearize", &squares, || evaluator.relinearize(&tensor, key))?;
    rows.ciphertext("relinearize, rescale", &squares, || evaluator.relinearize_rescale(&tensor, key))?;
    rows.ciphertext("multiply, relinearize, rescale", &squares, || {
        evaluator.multiply_relinearize_rescale(x, x, key)
    })?;
    rows.ciphertext("rescale", &squares, || evaluator.rescale(&product))?;
    rows.in_place("rescale in place", &squares, &product, |a| evaluator.rescale_assign(a))?;
    rows.ciphertext("drop a level", values, || evaluator.drop_level(x, below))?;
    rows.ciphertext("adjust to the scale of the level below", values, || evaluator.adjust_level(x, below))?;
    rows.ciphertext("rotate", &rotated, || evaluator.apply_galois(x, galois))?;
    rows.row(
        "decompose for rotations",
        || evaluator.hoist(x),
        |digits| world.precision(&evaluator.rotate_hoisted(x, &digits, galois)?, &rotated),
    )?;
    rows.ciphertext("rotate, digits at hand", &rotated, || evaluator.rotate_hoisted(x, &hoisted, galois))?;
    conjugate(rows)
}

/// Of complex values, since real ones are their own conjugates.
fn conjugate(rows: &mut Rows<'_>) -> Result<()> {
    let World { evaluator, encoder, secret, complex, .. } = rows.world;
    let params = evaluator.params();
    let top = params.max_level();
    let mut seeds = SeedSource::new(&Seed::new([2; 32]));
    let plaintext = encoder.encode_complex(complex, top, params.scale_at(top))?;
    let x = encrypt_symmetric(params, secret, &plaintext, &mut seeds)?.expand(params)?;
    let element = GaloisElement::conjugation(params);
    let mut keys = EvaluationKeys::new();
    keys.insert_galois(
        CompressedGaloisKey::generate(params, secret, element, top, &mut seeds)?.prepare(params)?,
    );
    let parts = |re: f64, im: f64| [re, im];
    let expected: Vec<f64> = complex.iter().flat_map(|c| parts(c.re, -c.im)).collect();
    rows.row(
        "conjugate",
        || evaluator.conjugate(&x, &keys),
        |result| {
            let found = encoder.decode_complex(&decrypt(params, secret, &result)?)?;
            bits(&found.iter().flat_map(|c| parts(c.re, c.im)).collect::<Vec<_>>(), &expected)
        },
    )
}
