//! Every operation of `ckks-core` at the parameter sets that rivals are measured at, with the precision of
//! its result.

use ckks_core::{
    Backend, Ciphertext, CompressedGaloisKey, Kernels, Level, Params, ParamsSpec, decrypt, encrypt_symmetric,
};
use serde_json::json;

use crate::{Result, timing::median_micros, world::World};

/// A parameter set: name, log₂ N, base group, other groups and how many of them, bits of the special primes.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    log_degree: u8,
    base: &'static [u8],
    group: &'static [u8],
    depth: usize,
    special: usize,
}

/// log₂(QP) is 200, 400 and 840; the largest scale that fits the groups.
pub(crate) const SETS: [Set; 3] = [
    Set { name: "P1", log_degree: 13, base: &[25, 25], group: &[30], depth: 3, special: 2 },
    Set { name: "P2", log_degree: 14, base: &[30, 30], group: &[25, 25], depth: 5, special: 3 },
    Set { name: "P3", log_degree: 15, base: &[30, 30], group: &[25, 25], depth: 12, special: 6 },
];

impl Set {
    fn scale(&self) -> f64 {
        f64::from(self.group.iter().map(|&bits| u32::from(bits)).sum::<u32>()).exp2()
    }

    pub(crate) fn spec(&self) -> Result<ParamsSpec> {
        Ok(ParamsSpec::generate(
            self.log_degree,
            self.base,
            &vec![self.group.to_vec(); self.depth],
            &vec![30; self.special],
            self.special as u8,
            self.scale(),
        )?)
    }
}

/// Prints one line of JSON for each set, operation and kind of vector instructions: median microseconds on
/// one thread, and the bits of precision of the result where there is one.
pub(crate) fn run(only_fastest: bool) -> Result<()> {
    for set in &SETS {
        let (scale, spec) = (set.scale(), set.spec()?);
        for backend in Backend::available().filter(|&b| !only_fastest || b == Backend::detect()) {
            let params = Params::insecure_on(&spec, backend)?;
            assert_eq!(params.security_bits(), 128, "{} is in the table", set.name);
            for (operation, value, precision) in measure(&params)? {
                let line = json!({
                    "program": "this", "backend": backend.name(), "set": set.name, "operation": operation,
                    "value": value, "precision_bits": precision, "log_qp": params.log_qp(),
                    "depth": set.depth, "scale_bits": scale.log2(),
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// Prints the time of one limb's transforms only.
pub(crate) fn kernels() -> Result<()> {
    for (log_degree, backend) in (13..16).flat_map(|d| Backend::available().map(move |b| (d, b))) {
        let spec = ParamsSpec::generate(log_degree, &[30], &[], &[30], 1, f64::from(1 << 28))?;
        let mut kernels = Kernels::new(&Params::insecure_on(&spec, backend)?);
        let forward = median_micros(2001, || kernels.forward());
        let inverse = median_micros(2001, || kernels.inverse());
        println!("2^{log_degree} {}: {forward:.1} {inverse:.1} µs", backend.name());
    }
    Ok(())
}

/// Name, microseconds (or bytes, where the name says so), bits of precision.
type Row = (&'static str, f64, Option<f64>);

fn measure(params: &Params) -> Result<Vec<Row>> {
    let World {
        mut seeds,
        secret,
        encoder,
        evaluator,
        values,
        plaintext,
        prepared,
        ciphertext,
        element,
        compressed,
        galois,
        relinearization,
        fresh_bytes,
    } = World::new(params)?;
    let (top, slots) = (params.max_level(), params.slots());
    let scale = params.scale_at(top);
    let squares: Vec<f64> = values.iter().map(|v| v * v).collect();
    let rotated: Vec<f64> = (0..slots).map(|i| values[(i + 1) % slots]).collect();
    let low = evaluator.drop_level(&ciphertext, Level(0))?;
    let hoisted = evaluator.hoist(&ciphertext)?;
    let other = ciphertext.clone();
    let multiply = || evaluator.multiply_relinearize_rescale(&ciphertext, &other, &relinearization);

    let precision = |ciphertext: &Ciphertext, expected: &[f64]| -> Result<Option<f64>> {
        let found = encoder.decode_real(&decrypt(params, &secret, ciphertext)?)?;
        let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < 1e-3, "a result is wrong by {error}");
        Ok(Some(-error.log2()))
    };
    let product = evaluator.multiply_plain(&ciphertext, &prepared)?;
    let rotation = evaluator.apply_galois(&ciphertext, &galois)?;

    let runs = if params.degree() > 1 << 13 { 25 } else { 101 };
    let mut kernels = Kernels::new(params);
    Ok(vec![
        ("forward transform, 30 bits of modulus", median_micros(runs * 8, || kernels.forward()), None),
        ("inverse transform, 30 bits of modulus", median_micros(runs * 8, || kernels.inverse()), None),
        ("prepare parameters", median_micros(5, || Params::insecure(params.spec())), None),
        ("encode", median_micros(runs, || encoder.encode_real(&values, top, scale)), None),
        (
            "decode",
            median_micros(runs, || encoder.decode_real(&plaintext)),
            Some(
                -encoder
                    .decode_real(&plaintext)?
                    .iter()
                    .zip(&values)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f64::max)
                    .log2(),
            ),
        ),
        (
            "encrypt symmetrically",
            median_micros(runs, || encrypt_symmetric(params, &secret, &plaintext, &mut seeds)),
            precision(&ciphertext, &values)?,
        ),
        (
            "decrypt and decode",
            median_micros(runs, || encoder.decode_real(&decrypt(params, &secret, &ciphertext)?)),
            precision(&ciphertext, &values)?,
        ),
        (
            "decrypt and decode at level 0",
            median_micros(runs, || encoder.decode_real(&decrypt(params, &secret, &low)?)),
            precision(&low, &values)?,
        ),
        (
            "make one Galois key",
            median_micros(runs, || CompressedGaloisKey::generate(params, &secret, element, top, &mut seeds)),
            None,
        ),
        ("prepare one Galois key", median_micros(runs, || compressed.prepare(params)), None),
        (
            "rotate",
            median_micros(runs, || evaluator.apply_galois(&ciphertext, &galois)),
            precision(&rotation, &rotated)?,
        ),
        (
            "rotate, digits at hand",
            median_micros(runs, || evaluator.rotate_hoisted(&ciphertext, &hoisted, &galois)),
            precision(&rotation, &rotated)?,
        ),
        ("multiply, relinearize, rescale", median_micros(runs, multiply), precision(&multiply()?, &squares)?),
        (
            "multiply by plaintext",
            median_micros(runs, || evaluator.multiply_plain(&ciphertext, &prepared)),
            precision(&product, &squares)?,
        ),
        ("rescale", median_micros(runs, || evaluator.rescale(&ciphertext)), None),
        ("bytes of a fresh ciphertext", fresh_bytes as f64, None),
        ("bytes of one Galois key", compressed.to_bytes(params)?.len() as f64, None),
    ])
}
