//! Laws of the scheme, on insecure small rings: what an operation on ciphertexts does to slots.
#![allow(clippy::unwrap_used, missing_docs)]

use ckks_core::*;

struct World {
    params: Params,
    secret: SecretKey,
    seeds: SeedSource,
    encoder: Encoder,
    evaluator: Evaluator,
}

/// Levels of one prime, digits of two.
fn single() -> ParamsSpec {
    ParamsSpec::generate(7, &[30], &vec![vec![28]; 3], &[30, 30], 2, f64::from(1 << 28)).unwrap()
}

/// Levels of two primes each: 50-bit precision.
fn composite() -> ParamsSpec {
    ParamsSpec::generate(7, &[30, 30], &vec![vec![25, 25]; 2], &[30, 30, 30], 3, (1u64 << 50) as f64).unwrap()
}

fn worlds() -> impl Iterator<Item = World> {
    Backend::available().flat_map(|backend| {
        [single(), composite()].map(|spec| World::new(Params::insecure_on(&spec, backend).unwrap()))
    })
}

impl World {
    fn new(params: Params) -> Self {
        let mut seeds = SeedSource::new(&Seed::new([5; 32]));
        Self {
            secret: SecretKey::generate(&params, &seeds.next_seed()),
            encoder: Encoder::new(&params),
            evaluator: Evaluator::new(&params),
            seeds,
            params,
        }
    }

    fn values(&self, salt: f64) -> Vec<f64> {
        (0..self.params.slots()).map(|i| (i as f64 * 0.77 + salt).sin()).collect()
    }

    fn encrypt_at(&mut self, values: &[f64], level: Level) -> Ciphertext {
        let plaintext = self.encoder.encode_real(values, level, self.params.scale_at(level)).unwrap();
        encrypt_symmetric(&self.params, &self.secret, &plaintext, &mut self.seeds)
            .unwrap()
            .expand(&self.params)
            .unwrap()
    }

    fn encrypt(&mut self, values: &[f64]) -> Ciphertext {
        self.encrypt_at(values, self.params.max_level())
    }

    fn decrypt(&self, ciphertext: &Ciphertext) -> Vec<f64> {
        self.encoder.decode_real(&decrypt(&self.params, &self.secret, ciphertext).unwrap()).unwrap()
    }

    fn galois_key(&mut self, element: GaloisElement, level: Level) -> GaloisKey {
        CompressedGaloisKey::generate(&self.params, &self.secret, element, level, &mut self.seeds)
            .unwrap()
            .prepare(&self.params)
            .unwrap()
    }

    fn decrypt_result(&self, result: ResultCiphertexts) -> Vec<Vec<f64>> {
        let mut values = vec![];
        result.decrypt_real(&self.encoder, &self.secret, |_, own| values.push(own.to_vec())).unwrap();
        values
    }

    /// log₂ of the precision that fresh noise leaves here, less a margin for one operation.
    fn bits(&self) -> f64 {
        self.params.scale_at(Level(0)).value().log2().min(48.0) - 12.0
    }

    fn assert_close(&self, got: &[f64], want: &[f64]) {
        let errors = || got.iter().zip(want).map(|(g, w)| (g - w).abs());
        assert!(errors().all(f64::is_finite));
        let worst = errors().fold(0.0, f64::max);
        assert!(
            -worst.log2() > self.bits(),
            "{:.1} bits of precision, wanted {:.1}",
            -worst.log2(),
            self.bits()
        );
    }
}

fn rotated(values: &[f64], steps: i32) -> Vec<f64> {
    let n = values.len() as i32;
    (0..n).map(|i| values[(i + steps).rem_euclid(n) as usize]).collect()
}

#[test]
fn decrypting_a_symmetric_or_public_encryption_gives_the_message() {
    for mut w in worlds() {
        let values = w.values(0.0);
        for level in 0..=w.params.max_level().0 {
            let ciphertext = w.encrypt_at(&values, Level(level));
            w.assert_close(&w.decrypt(&ciphertext), &values);
        }
        let public = PublicKey::generate(&w.params, &w.secret, &mut w.seeds).unwrap();
        let level = Level(1);
        let plaintext = w.encoder.encode_real(&values, level, w.params.scale_at(level)).unwrap();
        let ciphertext = encrypt_public(&w.params, &public, &plaintext, &mut w.seeds).unwrap();
        w.assert_close(&w.decrypt(&ciphertext), &values);
    }
}

#[test]
fn decrypting_values_gives_the_bits_of_decrypting_and_decoding() {
    for mut w in worlds() {
        let values = w.values(0.5);
        for level in 0..=w.params.max_level().0 {
            let ciphertext = w.encrypt_at(&values, Level(level));
            assert_eq!(decrypt_real(&w.encoder, &w.secret, &ciphertext).unwrap(), w.decrypt(&ciphertext));
        }
    }
}

#[test]
fn sums_differences_and_negations_are_slotwise() {
    for mut w in worlds() {
        let (x, y) = (w.values(0.0), w.values(1.0));
        let (a, b) = (w.encrypt(&x), w.encrypt(&y));
        let zip = |f: fn(f64, f64) -> f64| -> Vec<f64> { x.iter().zip(&y).map(|(&p, &q)| f(p, q)).collect() };
        w.assert_close(&w.decrypt(&w.evaluator.add(&a, &b).unwrap()), &zip(|p, q| p + q));
        w.assert_close(&w.decrypt(&w.evaluator.subtract(&a, &b).unwrap()), &zip(|p, q| p - q));
        w.assert_close(&w.decrypt(&w.evaluator.negate(&a).unwrap()), &zip(|p, _| -p));
        w.assert_close(&w.decrypt(&w.evaluator.add_constant(&a, -2.5).unwrap()), &zip(|p, _| p - 2.5));
        let plain = w.encoder.encode_real(&y, a.level(), a.scale()).unwrap();
        let sum = w.evaluator.add_plain(&a, &w.encoder.prepare(&plain).unwrap()).unwrap();
        w.assert_close(&w.decrypt(&sum), &zip(|p, q| p + q));
    }
}

#[test]
fn multiply_relinearize_rescale_lands_on_the_scale_of_the_level_below() {
    for mut w in worlds() {
        let (x, y) = (w.values(0.0), w.values(1.0));
        let key =
            CompressedRelinearizationKey::generate(&w.params, &w.secret, w.params.max_level(), &mut w.seeds);
        let key = key.unwrap().prepare(&w.params).unwrap();
        let (mut a, b) = (w.encrypt(&x), w.encrypt(&y));
        let product = w.evaluator.relinearize(&w.evaluator.multiply(&a, &b).unwrap(), &key).unwrap();
        let product = w.evaluator.rescale(&product).unwrap();
        assert_eq!(product.scale(), w.params.scale_at(product.level()));
        w.assert_close(&w.decrypt(&product), &x.iter().zip(&y).map(|(p, q)| p * q).collect::<Vec<_>>());
        // Squaring down to level 0 with one key made for the top.
        let mut expected = x;
        while a.level() > Level(0) {
            a = w.evaluator.relinearize(&w.evaluator.multiply(&a, &a).unwrap(), &key).unwrap();
            w.evaluator.rescale_assign(&mut a).unwrap();
            expected.iter_mut().for_each(|v| *v *= *v);
            w.assert_close(&w.decrypt(&a), &expected);
        }
        assert_eq!(w.evaluator.rescale(&a), Err(Error::LevelExhausted));
    }
}

#[test]
fn multiply_by_plaintext_and_constant_scale_slots() {
    for mut w in worlds() {
        let (x, y) = (w.values(0.0), w.values(1.0));
        let a = w.encrypt(&x);
        let scale = w.params.scale_at(a.level());
        let plain = w.encoder.prepare(&w.encoder.encode_real(&y, a.level(), scale).unwrap()).unwrap();
        let mut product = w.evaluator.multiply_plain(&a, &plain).unwrap();
        w.evaluator.rescale_assign(&mut product).unwrap();
        let expected: Vec<f64> = x.iter().zip(&y).map(|(p, q)| p * q).collect();
        w.assert_close(&w.decrypt(&product), &expected);
        // More terms than one 64-bit sum holds.
        let terms = vec![(&a, &plain); 33];
        let mut sum = w.evaluator.multiply_plain_sum(&terms).unwrap();
        w.evaluator.rescale_assign(&mut sum).unwrap();
        let scaled: Vec<f64> = w.decrypt(&sum).iter().map(|v| v / 33.0).collect();
        w.assert_close(&scaled, &expected);
        let mut tripled = w.evaluator.multiply_constant(&a, -3.0, scale).unwrap();
        w.evaluator.rescale_assign(&mut tripled).unwrap();
        w.assert_close(&w.decrypt(&tripled), &x.iter().map(|p| -3.0 * p).collect::<Vec<_>>());
    }
}

#[test]
fn rotate_left_by_k_moves_slot_k_to_slot_0() {
    for mut w in worlds() {
        let x = w.values(0.0);
        let a = w.encrypt(&x);
        let digits = w.evaluator.hoist(&a).unwrap();
        for steps in [1, 5, -3, 31] {
            let element = GaloisElement::rotation(&w.params, steps);
            let key = w.galois_key(element, a.level());
            w.assert_close(&w.decrypt(&w.evaluator.apply_galois(&a, &key).unwrap()), &rotated(&x, steps));
            let hoisted = w.evaluator.rotate_hoisted(&a, &digits, &key).unwrap();
            assert_eq!(hoisted, w.evaluator.apply_galois(&a, &key).unwrap());
            let plain = w.encoder.encode_real(&x, a.level(), a.scale()).unwrap();
            let plain = w.encoder.decode_real(&plain.apply_galois(&w.params, element).unwrap()).unwrap();
            w.assert_close(&plain, &rotated(&x, steps));
        }
    }
}

#[test]
fn conjugate_negates_imaginary_parts() {
    for mut w in worlds() {
        let x: Vec<Complex> =
            w.values(0.0).iter().zip(w.values(1.0)).map(|(&re, im)| Complex { re, im }).collect();
        let level = w.params.max_level();
        let plaintext = w.encoder.encode_complex(&x, level, w.params.scale_at(level)).unwrap();
        let a = encrypt_symmetric(&w.params, &w.secret, &plaintext, &mut w.seeds)
            .unwrap()
            .expand(&w.params)
            .unwrap();
        let key = w.galois_key(GaloisElement::conjugation(&w.params), level);
        let conjugate = w.evaluator.apply_galois(&a, &key).unwrap();
        let got = w.encoder.decode_complex(&decrypt(&w.params, &w.secret, &conjugate).unwrap()).unwrap();
        w.assert_close(
            &got.iter().map(|c| -c.im).collect::<Vec<_>>(),
            &x.iter().map(|c| c.im).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn a_key_of_a_level_serves_that_level_and_those_below_only() {
    for mut w in worlds() {
        let x = w.values(0.0);
        let element = GaloisElement::rotation(&w.params, 1);
        let key = w.galois_key(element, Level(1));
        for level in [Level(0), Level(1)] {
            let a = w.encrypt_at(&x, level);
            w.assert_close(&w.decrypt(&w.evaluator.apply_galois(&a, &key).unwrap()), &rotated(&x, 1));
        }
        let top = w.encrypt_at(&x, Level(2));
        assert_eq!(
            w.evaluator.apply_galois(&top, &key),
            Err(Error::KeyLevelTooLow { needed: Level(2), found: Level(1) })
        );
    }
}

#[test]
fn adjusting_the_level_lands_on_its_scale_and_keeps_the_message() {
    for mut w in worlds() {
        let x = w.values(0.0);
        let a = w.encrypt(&x);
        for level in 0..w.params.max_level().0 {
            let adjusted = w.evaluator.adjust_level(&a, Level(level)).unwrap();
            assert_eq!((adjusted.level(), adjusted.scale()), (Level(level), w.params.scale_at(Level(level))));
            w.assert_close(&w.decrypt(&adjusted), &x);
        }
        let dropped = w.evaluator.drop_level(&a, Level(0)).unwrap();
        assert_eq!(dropped.scale(), a.scale());
    }
}

#[test]
fn results_keep_the_message_when_noise_bits_are_cut_off() {
    for mut w in worlds() {
        let x = w.values(0.0);
        let a = w.encrypt_at(&x, Level(0));
        let max = ResultCiphertexts::max_dropped_bits(&w.params, Level(0));
        assert_eq!(
            ResultCiphertexts::new(&w.params, core::slice::from_ref(&a), max + 1),
            Err(Error::TooManyDroppedBits { max, found: max + 1 })
        );
        for dropped_bits in [0, max.min(6)] {
            let result = ResultCiphertexts::new(&w.params, &[a.clone(), a.clone()], dropped_bits).unwrap();
            let expanded = result.expand(&w.params).unwrap();
            assert_eq!(expanded.len(), 2);
            if dropped_bits == 0 {
                assert_eq!(expanded[1], a);
            }
            let values = w.decrypt_result(result);
            assert_eq!(values, [(); 2].map(|()| w.decrypt(&expanded[0])), "bit for bit");
            let scale = w.params.scale_at(Level(0)).value();
            let found = w.decrypt(&expanded[0]);
            let mut errors = found.iter().zip(&x).map(|(g, v)| (g - v).abs() * scale);
            assert!(errors.all(|error| error < f64::from(1 << (dropped_bits + 11))));
        }
    }
}

#[test]
fn results_of_every_level_decrypt_to_the_values_of_their_ciphertexts() {
    for mut w in worlds() {
        let x = w.values(0.5);
        for level in 0..=w.params.max_level().0 {
            let a = w.encrypt_at(&x, Level(level));
            let result = ResultCiphertexts::new(&w.params, core::slice::from_ref(&a), 0).unwrap();
            let values = w.decrypt_result(result);
            assert_eq!(values, [w.decrypt(&a)], "bit for bit at level {level}");
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused_with_what_was_found() {
    let mut worlds = worlds();
    let (mut w, mut other) = (worlds.next().unwrap(), worlds.next().unwrap());
    let x = w.values(0.0);
    let (a, low) = (w.encrypt(&x), w.encrypt_at(&x, Level(1)));
    assert_eq!(w.evaluator.add(&a, &low), Err(Error::LevelMismatch { expected: Level(3), found: Level(1) }));
    let dropped =
        w.evaluator.drop_level(&w.evaluator.multiply_constant(&a, 1.0, a.scale()).unwrap(), Level(1));
    let (dropped, scale) = (dropped.unwrap(), low.scale());
    let found = dropped.scale();
    assert_eq!(w.evaluator.add(&low, &dropped), Err(Error::ScaleMismatch { expected: scale, found }));
    assert!(matches!(w.evaluator.negate(&other.encrypt(&x[..10])), Err(Error::ParamsMismatch { .. })));
}

#[test]
fn whatever_belongs_to_a_chain_of_the_same_shape_is_refused_by_every_operation() {
    // Degree, primes and digits are the same: only the identifiers tell the two apart.
    let mut w = worlds().next().unwrap();
    let spec = ParamsSpec { scale: w.params.spec().scale * 1.001, ..w.params.spec().clone() };
    let mut other = World::new(Params::insecure(&spec).unwrap());
    let top = w.params.max_level();
    let (x, expected, found) = (w.values(0.0), w.params.id(), other.params.id());
    let mismatch = Error::ParamsMismatch { expected, found };
    let (a, foreign) = (w.encrypt(&x), other.encrypt(&x));
    let plain = other.encoder.encode_real(&x, top, a.scale()).unwrap();
    let prepared = other.encoder.prepare(&plain).unwrap();
    let element = GaloisElement::rotation(&w.params, 1);
    let galois = CompressedGaloisKey::generate(&other.params, &other.secret, element, top, &mut other.seeds);
    let galois = galois.unwrap();
    let relinearization =
        CompressedRelinearizationKey::generate(&other.params, &other.secret, top, &mut other.seeds).unwrap();
    let seeded = encrypt_symmetric(&other.params, &other.secret, &plain, &mut other.seeds).unwrap();
    let result = ResultCiphertexts::new(&other.params, std::slice::from_ref(&foreign), 0).unwrap();

    assert_eq!(decrypt(&w.params, &w.secret, &foreign).unwrap_err(), mismatch);
    assert_eq!(decrypt(&w.params, &other.secret, &a).unwrap_err(), mismatch);
    assert_eq!(decrypt_real(&w.encoder, &w.secret, &foreign).unwrap_err(), mismatch);
    assert_eq!(decrypt_real(&w.encoder, &other.secret, &a).unwrap_err(), mismatch);
    assert_eq!(encrypt_symmetric(&w.params, &w.secret, &plain, &mut w.seeds).unwrap_err(), mismatch);
    assert_eq!(w.encoder.prepare(&plain).unwrap_err(), mismatch);
    assert_eq!(w.encoder.decode_real(&plain).unwrap_err(), mismatch);
    assert_eq!(plain.apply_galois(&w.params, element).unwrap_err(), mismatch);
    assert_eq!(seeded.expand(&w.params).unwrap_err(), mismatch);
    assert_eq!(result.expand(&w.params).unwrap_err(), mismatch);
    assert_eq!(result.clone().decrypt_real(&w.encoder, &w.secret, |_, _| ()).unwrap_err(), mismatch);
    let own = ResultCiphertexts::new(&w.params, std::slice::from_ref(&a), 0).unwrap();
    assert_eq!(own.decrypt_real(&w.encoder, &other.secret, |_, _| ()).unwrap_err(), mismatch);
    assert_eq!(galois.prepare(&w.params).unwrap_err(), mismatch);
    assert_eq!(relinearization.prepare(&w.params).unwrap_err(), mismatch);
    assert_eq!(w.evaluator.add_plain(&a, &prepared).unwrap_err(), mismatch);
    assert_eq!(w.evaluator.multiply_plain(&a, &prepared).unwrap_err(), mismatch);
    assert_eq!(w.evaluator.add(&a, &foreign).unwrap_err(), mismatch);
    assert_eq!(w.evaluator.multiply(&a, &foreign).unwrap_err(), mismatch);
    let galois = galois.prepare(&other.params).unwrap();
    assert_eq!(w.evaluator.apply_galois(&a, &galois).unwrap_err(), mismatch);
    let own = w.galois_key(element, top);
    assert_eq!(
        w.evaluator.rotate_hoisted(&a, &other.evaluator.hoist(&foreign).unwrap(), &own).unwrap_err(),
        mismatch
    );
    let tensor = w.evaluator.multiply(&a, &a).unwrap();
    let relinearization = relinearization.prepare(&other.params).unwrap();
    assert_eq!(w.evaluator.relinearize(&tensor, &relinearization).unwrap_err(), mismatch);
}

#[test]
fn fresh_noise_matches_its_prediction() {
    // Coefficient noise of a symmetric encryption is the error itself: σ² = 10.5.
    let spec = ParamsSpec::generate(12, &[30], &[vec![28]], &[30], 1, f64::from(1 << 28)).unwrap();
    let params = Params::new(&spec).unwrap();
    let mut seeds = SeedSource::new(&Seed::new([9; 32]));
    let secret = SecretKey::generate(&params, &seeds.next_seed());
    let encoder = Encoder::new(&params);
    let zero = encoder.encode_real(&[], Level(0), params.scale_at(Level(0))).unwrap();
    let mut squares = 0.0;
    for _ in 0..16 {
        let fresh = encrypt_symmetric(&params, &secret, &zero, &mut seeds).unwrap().expand(&params).unwrap();
        let noise = decrypt(&params, &secret, &fresh).unwrap();
        let q = i64::from(spec.levels[0][0]);
        let centred = |&r: &u32| if i64::from(r) > q / 2 { i64::from(r) - q } else { i64::from(r) };
        squares += noise.poly().limb(0).iter().map(|r| (centred(r) * centred(r)) as f64).sum::<f64>();
    }
    // 2^16 samples: the standard deviation of the mean square is about 0.06.
    let variance = squares / f64::from(1 << 16);
    assert!((variance - 10.5).abs() < 0.3, "{variance}");
}

#[test]
fn too_large_a_modulus_is_refused_by_the_security_table() {
    let spec = ParamsSpec::generate(12, &[30], &[vec![28], vec![28]], &[30], 1, f64::from(1 << 28)).unwrap();
    let Err(ParamsError::Insecure { max_log_qp, found_log_qp }) = Params::new(&spec) else {
        panic!("accepted 116 bits at N = 2^12");
    };
    assert!(max_log_qp == 106.0 && found_log_qp > 115.0);
    assert!(Params::insecure(&spec).is_ok());
}
