//! Slot values to plaintexts and back: the embedding, scaled and rounded, modulo the primes of a level.
//!
//! Slot j of m is `m(ζ^(5^j))` with ζ = e^(iπ/N), so `X → X^(5^k)` moves slot j + k to slot j.
//!
//! Source: Cheon, Kim, Kim, Song (eprint 2016/421), section 3.2.

use alloc::vec::Vec;

use super::{
    ciphertext::{Plaintext, PreparedPlaintext},
    embedding::{Embedding, OffsetIntegers, Slots},
    error::Error,
    level::{Level, Scale},
    params::Params,
};
use crate::{
    ring::{Coeff, MixedRadix, Poly},
    wiped::Wiped,
};

/// A complex slot value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// Of slots that are decoded, 2^53. A fresh ciphertext has primes for far larger ones, each of which would cost
/// another digit of every coefficient.
const LARGEST_VALUE: f64 = 9_007_199_254_740_992.0;

/// Encodes slot vectors as plaintexts and back.
#[derive(Clone, Debug)]
pub struct Encoder {
    params: Params,
    embedding: Embedding,
    radix: MixedRadix,
}

impl Encoder {
    /// Prepares the roots of unity and the constants of a parameter set's primes.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let (ring, main) = (params.ring(), params.limbs_at(params.max_level()));
        Self {
            params: params.clone(),
            embedding: Embedding::new(ring.backend(), params.slots()),
            radix: MixedRadix::new(&ring.moduli()[..main]),
        }
    }

    /// Encodes real values into slots 0, 1, …; the others are 0.
    ///
    /// `plaintext = ⌊scale · embedding⁻¹(values)⌉`; error at most N/2 roundings of 1/2 a coefficient.
    ///
    /// # Errors
    /// [`Error::NoSuchLevel`], [`Error::TooManyValues`], [`Error::ValueOutOfRange`].
    pub fn encode_real(&self, values: &[f64], level: Level, scale: Scale) -> Result<Plaintext, Error> {
        let mut slots = self.empty(values.len())?;
        slots.re[..values.len()].copy_from_slice(values);
        self.encode(slots, level, scale)
    }

    /// Encodes real values as [`Encoder::encode_real`] does, but lets coefficients that do not fit wrap around:
    /// whether any did is told beside the plaintext, which then means nothing.
    ///
    /// For a client whose requests must not show whether its values fit.
    ///
    /// # Errors
    /// [`Error::NoSuchLevel`], [`Error::TooManyValues`].
    pub fn encode_real_wrapping(
        &self,
        values: &[f64],
        level: Level,
        scale: Scale,
    ) -> Result<(Plaintext, bool), Error> {
        let mut slots = self.empty(values.len())?;
        slots.re[..values.len()].copy_from_slice(values);
        let (integers, in_range) = self.to_integers(slots, level, scale)?;
        Ok((self.plaintext(&integers, level, scale), !in_range))
    }

    /// Encodes complex values into slots 0, 1, …; the others are 0.
    ///
    /// # Errors
    /// As [`Encoder::encode_real`].
    pub fn encode_complex(&self, values: &[Complex], level: Level, scale: Scale) -> Result<Plaintext, Error> {
        let mut slots = self.empty(values.len())?;
        for (i, value) in values.iter().enumerate() {
            (slots.re[i], slots.im[i]) = (value.re, value.im);
        }
        self.encode(slots, level, scale)
    }

    /// Decodes the real parts of all slots, for values of absolute value at most 2^53 and below the plaintext's modulus
    /// over twice its scale. Larger ones wrap around.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn decode_real(&self, plaintext: &Plaintext) -> Result<Vec<f64>, Error> {
        Ok(self.decode(plaintext)?.re.into_public())
    }

    /// Decodes all slots, of the same range as in [`Encoder::decode_real`].
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn decode_complex(&self, plaintext: &Plaintext) -> Result<Vec<Complex>, Error> {
        let slots = self.decode(plaintext)?;
        Ok(slots.re.iter().zip(slots.im.iter()).map(|(&re, &im)| Complex { re, im }).collect())
    }

    /// Brings a plaintext into the form that ciphertexts are multiplied with: NTT domain, Montgomery.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn prepare(&self, plaintext: &Plaintext) -> Result<PreparedPlaintext, Error> {
        self.params.check(plaintext.params_id)?;
        let ring = self.params.ring();
        let main = plaintext.poly.limbs();
        let poly = ring.forward_prepared(main, plaintext.poly.clone());
        let Plaintext { params_id, level, scale, .. } = *plaintext;
        Ok(PreparedPlaintext { params_id, poly, level, scale })
    }

    fn empty(&self, count: usize) -> Result<Slots, Error> {
        let slots = self.params.slots();
        if count > slots {
            return Err(Error::TooManyValues { slots, found: count });
        }
        Ok(Slots::zero(slots))
    }

    /// Encodes real and imaginary parts, those left out being 0, as factors of an extended ciphertext: over the special
    /// primes too, prepared.
    pub(crate) fn encode_extended(
        &self,
        [re, im]: [&[f64]; 2],
        level: Level,
        scale: Scale,
    ) -> Result<PreparedPlaintext, Error> {
        let mut slots = self.empty(re.len().max(im.len()))?;
        slots.re[..re.len()].copy_from_slice(re);
        slots.im[..im.len()].copy_from_slice(im);
        let integers = self.fitting_integers(slots, level, scale)?;
        let ring = self.params.ring();
        let main = self.params.limbs_at(level);
        let poly = ring.offset_integers_to_poly(
            &integers.low,
            &integers.high,
            main,
            main + self.params.special_limbs(),
        );
        let poly = ring.forward_prepared(main, poly);
        Ok(PreparedPlaintext { params_id: self.params.id(), poly, level, scale })
    }

    fn encode(&self, slots: Slots, level: Level, scale: Scale) -> Result<Plaintext, Error> {
        let integers = self.fitting_integers(slots, level, scale)?;
        Ok(self.plaintext(&integers, level, scale))
    }

    fn plaintext(&self, integers: &OffsetIntegers, level: Level, scale: Scale) -> Plaintext {
        let main = self.params.limbs_at(level);
        let poly = self.params.ring().offset_integers_to_poly(&integers.low, &integers.high, main, main);
        Plaintext { params_id: self.params.id(), poly, level, scale }
    }

    /// The rounded coefficients, with 2^62 added to each, if all fit.
    fn fitting_integers(&self, slots: Slots, level: Level, scale: Scale) -> Result<OffsetIntegers, Error> {
        let (integers, in_range) = self.to_integers(slots, level, scale)?;
        if in_range { Ok(integers) } else { Err(Error::ValueOutOfRange { scale }) }
    }

    /// The rounded coefficients with 2^62 added to each, modulo 2^63; and whether none wrapped around.
    fn to_integers(&self, slots: Slots, level: Level, scale: Scale) -> Result<(OffsetIntegers, bool), Error> {
        if !self.params.has_level(level) {
            return Err(Error::NoSuchLevel { max: self.params.max_level(), found: level });
        }
        Ok(self.embedding.to_integers(slots, scale.value() / self.params.slots() as f64))
    }

    fn decode(&self, plaintext: &Plaintext) -> Result<Slots, Error> {
        self.params.check(plaintext.params_id)?;
        Ok(self.slots(&plaintext.poly, plaintext.scale))
    }

    /// Decodes a polynomial of these parameters.
    pub(super) fn slots(&self, poly: &Poly<Coeff>, scale: Scale) -> Slots {
        self.embedding.to_slots(&self.centred(poly, scale))
    }

    /// The coefficients as numbers in (−Q/2, Q/2), divided by the scale; Q the product of as many primes as the largest
    /// values need, whatever the values are.
    fn centred(&self, poly: &Poly<Coeff>, scale: Scale) -> Wiped<f64> {
        let limbs = self.limbs_of_values(scale).min(poly.limbs());
        self.radix.to_doubles(self.params.ring().backend(), poly, limbs, scale.value())
    }

    /// How many primes the largest values need.
    pub(super) fn limbs_of_values(&self, scale: Scale) -> usize {
        let mut left = 2.0 * LARGEST_VALUE * scale.value();
        let needed = self.params.ring().moduli().iter().take_while(|prime| {
            let more = left > 1.0;
            left /= f64::from(prime.value());
            more
        });
        needed.count()
    }

    pub(super) fn params(&self) -> &Params {
        &self.params
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::spec::ParamsSpec;

    fn encoder() -> Encoder {
        let spec = ParamsSpec::generate(6, &[30, 30], &[vec![28], vec![28]], &[30, 30], 2, 268_435_456.0);
        Encoder::new(&Params::insecure(&spec.expect("primes exist")).expect("valid"))
    }

    fn values(count: usize) -> Vec<Complex> {
        (0..count)
            .map(|i| Complex { re: libm::sin(i as f64 * 1.7) * 3.0, im: libm::cos(i as f64 * 0.9) - 0.3 })
            .collect()
    }

    #[test]
    fn slot_j_is_the_value_at_zeta_to_the_power_of_five() {
        let encoder = encoder();
        let (input, scale) = (values(32), Scale::new((1u64 << 40) as f64).expect("valid"));
        let plaintext = encoder.encode_complex(&input, Level(2), scale).expect("fits");
        let coefficients = encoder.centred(&plaintext.poly, scale);
        let mut exponent = 1u32;
        for slot in &input {
            let (mut re, mut im) = (0.0, 0.0);
            for (k, c) in coefficients.iter().enumerate() {
                let angle = core::f64::consts::PI * f64::from(exponent) * k as f64 / 64.0;
                re += c * libm::cos(angle);
                im += c * libm::sin(angle);
            }
            assert!((re - slot.re).abs() < 1e-9 && (im - slot.im).abs() < 1e-9);
            exponent = exponent * 5 % 128;
        }
    }

    #[test]
    fn decode_undoes_encode_to_the_rounding_error() {
        let encoder = encoder();
        let input = values(32);
        for level in [Level(0), Level(1), Level(2)] {
            for bits in [28, 40, 55] {
                let scale = Scale::new((1u64 << bits) as f64).expect("valid");
                let decoded = encoder
                    .decode_complex(&encoder.encode_complex(&input, level, scale).expect("fits"))
                    .expect("fits");
                let bound = 64.0 / scale.value() + 1e-13;
                for (a, b) in input.iter().zip(&decoded) {
                    assert!((a.re - b.re).abs() < bound && (a.im - b.im).abs() < bound, "{level} {bits}");
                }
            }
        }
    }

    #[test]
    fn the_largest_values_come_back_from_every_number_of_primes() {
        let encoder = encoder();
        let mut extremes = vec![LARGEST_VALUE, -LARGEST_VALUE, 0.0, 1.0];
        extremes.resize(32, 0.0);
        // All but one slot 0 makes small coefficients, all alike one as large as may be.
        for input in [extremes, vec![LARGEST_VALUE; 32], vec![-LARGEST_VALUE; 32]] {
            for (level, bits) in [(Level(0), 4), (Level(1), 4), (Level(2), 4), (Level(2), 8)] {
                let scale = Scale::new((1u64 << bits) as f64).expect("valid");
                let plaintext = encoder.encode_real(&input, level, scale).expect("fits");
                let decoded = encoder.decode_real(&plaintext).expect("its own parameters");
                for (a, b) in input.iter().zip(&decoded) {
                    assert!((a - b).abs() <= LARGEST_VALUE * 1e-13, "{a} and {b} at {level}, 2^{bits}");
                }
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let encoder = encoder();
        let scale = Scale::new((1u64 << 40) as f64).expect("valid");
        assert_eq!(
            encoder.encode_real(&[0.0; 33], Level(0), scale),
            Err(Error::TooManyValues { slots: 32, found: 33 })
        );
        assert_eq!(encoder.encode_real(&[1e15; 32], Level(0), scale), Err(Error::ValueOutOfRange { scale }));
        assert_eq!(encoder.encode_real(&[f64::NAN], Level(0), scale), Err(Error::ValueOutOfRange { scale }));
        assert_eq!(
            encoder.encode_real(&[1.0], Level(3), scale),
            Err(Error::NoSuchLevel { max: Level(2), found: Level(3) })
        );
    }
}
