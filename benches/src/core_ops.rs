//! Every operation of `ckks-core` at the parameter sets that rivals are measured at.

use ckks_core::{
    Backend, CompressedGaloisKey, CompressedRelinearizationKey, Encoder, Evaluator, GaloisElement, Params,
    ParamsSpec, SecretKey, Seed, SeedSource, decrypt, encrypt_symmetric,
};

use crate::{Result, timing::median_micros};

/// Name, log₂ N, number of 28-bit levels, special primes, digit size.
const SETS: [(&str, u8, usize, usize, u8); 3] =
    [("2^13, 174 bits", 13, 3, 2, 2), ("2^14, 400 bits", 14, 10, 3, 3), ("2^15, 836 bits", 15, 22, 6, 6)];

/// Prints one table per parameter set: microseconds by operation and backend.
pub(crate) fn run() -> Result<()> {
    for (name, log_degree, levels, special, digit_primes) in SETS {
        let scale = f64::from(1 << 28);
        let spec = ParamsSpec::generate(
            log_degree,
            &[30],
            &vec![vec![28]; levels],
            &vec![30; special],
            digit_primes,
            scale,
        )?;
        let columns = Backend::available()
            .map(|backend| Ok((backend.name(), measure(&Params::insecure_on(&spec, backend)?)?)))
            .collect::<Result<Vec<_>>>()?;
        println!("\nN = {name}; one thread, median microseconds\n");
        let header: Vec<&str> = columns.iter().map(|(backend, _)| *backend).collect();
        println!("| operation | {} |\n|---|{}", header.join(" | "), "---|".repeat(header.len()));
        for (row, (operation, _)) in columns[0].1.iter().enumerate() {
            let cells: Vec<String> = columns.iter().map(|(_, rows)| format!("{:.0}", rows[row].1)).collect();
            println!("| {operation} | {} |", cells.join(" | "));
        }
    }
    Ok(())
}

fn measure(params: &Params) -> Result<Vec<(&'static str, f64)>> {
    let mut seeds = SeedSource::new(&Seed::new([1; 32]));
    let secret = SecretKey::generate(params, &seeds.next_seed());
    let (encoder, evaluator) = (Encoder::new(params), Evaluator::new(params));
    let top = params.max_level();
    let scale = params.scale_at(top);
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
    let plaintext = encoder.encode_real(&values, top, scale)?;
    let prepared = encoder.prepare(&plaintext);
    let ciphertext = encrypt_symmetric(params, &secret, &plaintext, &mut seeds)?.expand(params);
    let low = evaluator.drop_level(&ciphertext, ckks_core::Level(0))?;
    let element = GaloisElement::rotation(params, 1);
    let compressed = CompressedGaloisKey::generate(params, &secret, element, top, &mut seeds)?;
    let galois = compressed.prepare(params);
    let relinearization =
        CompressedRelinearizationKey::generate(params, &secret, top, &mut seeds)?.prepare(params);
    let hoisted = evaluator.hoist(&ciphertext)?;
    let square = || {
        let product =
            evaluator.relinearize(&evaluator.multiply(&ciphertext, &ciphertext)?, &relinearization)?;
        evaluator.rescale(&product)
    };
    let runs = if params.degree() > 1 << 13 { 15 } else { 51 };
    Ok(vec![
        ("prepare parameters", median_micros(5, || Params::insecure(params.spec()))),
        ("encode", median_micros(runs, || encoder.encode_real(&values, top, scale))),
        (
            "encrypt, symmetric",
            median_micros(runs, || encrypt_symmetric(params, &secret, &plaintext, &mut seeds)),
        ),
        (
            "decrypt and decode, level 0",
            median_micros(runs, || {
                Ok::<_, ckks_core::Error>(encoder.decode_real(&decrypt(params, &secret, &low)?))
            }),
        ),
        (
            "one Galois key",
            median_micros(runs, || CompressedGaloisKey::generate(params, &secret, element, top, &mut seeds)),
        ),
        ("prepare a Galois key", median_micros(runs, || compressed.prepare(params))),
        ("rotate", median_micros(runs, || evaluator.apply_galois(&ciphertext, &galois))),
        (
            "rotate, digits at hand",
            median_micros(runs, || evaluator.rotate_hoisted(&ciphertext, &hoisted, &galois)),
        ),
        ("multiply, relinearize, rescale", median_micros(runs, square)),
        ("multiply by plaintext", median_micros(runs, || evaluator.multiply_plain(&ciphertext, &prepared))),
        ("rescale", median_micros(runs, || evaluator.rescale(&ciphertext))),
    ])
}
