//! Parameters for a depth: one candidate for each ring degree that carries it.

use ckks_core::{Params, ParamsSpec};

/// log₂ of the ring degrees that are tried.
pub(crate) const LOG_DEGREES: std::ops::RangeInclusive<u8> = 12..=15;
/// Bits of a prime that nothing else determines.
const PRIME_BITS: u8 = 30;
/// Bits that the base modulus has above the scale; the output is scaled down to leave a margin in them.
const HEADROOM: u8 = 2;

fn base(scale_bits: u8) -> Vec<u8> {
    if scale_bits + HEADROOM <= PRIME_BITS { vec![PRIME_BITS] } else { vec![PRIME_BITS; 2] }
}

/// The largest output that the base modulus holds at a scale of 2^`scale_bits`: half of their ratio.
pub(crate) fn largest_output(scale_bits: u8) -> f64 {
    let base: u8 = base(scale_bits).iter().sum();
    (f64::from(base) - f64::from(scale_bits) - 1.0).exp2()
}

/// The parameters of ring degree 2^`log_degree` that carry `depth` levels at a scale of
/// 2^`scale_bits`, if 128-bit security allows: with the digit grouping that makes keys smallest.
pub(crate) fn parameters(log_degree: u8, depth: u32, scale_bits: u8) -> Option<Params> {
    let base = base(scale_bits);
    let level = if scale_bits <= PRIME_BITS {
        vec![scale_bits]
    } else {
        vec![scale_bits.div_ceil(2), scale_bits / 2]
    };
    let levels = vec![level; depth as usize];
    let limbs = base.len() + levels.iter().map(Vec::len).sum::<usize>();
    let candidates = (1..=limbs).filter_map(|digit| {
        let special = vec![PRIME_BITS; digit];
        let scale = f64::from(scale_bits).exp2();
        let spec = ParamsSpec::generate(log_degree, &base, &levels, &special, digit as u8, scale).ok()?;
        Some((limbs.div_ceil(digit) * (limbs + digit), Params::new(&spec).ok()?))
    });
    candidates.min_by_key(|(key_limbs, _)| *key_limbs).map(|(_, params)| params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shallow_model_gets_the_smallest_ring_and_a_deep_one_a_larger_one() {
        let smallest = |depth| LOG_DEGREES.into_iter().find(|&log| parameters(log, depth, 28).is_some());
        assert_eq!([1, 5, 6, 20].map(smallest), [12, 13, 14, 15].map(Some));
    }

    #[test]
    fn digits_are_grouped_as_far_as_security_allows() {
        let params = parameters(13, 3, 28).expect("fits");
        assert_eq!((params.spec().digit_primes, params.special_limbs()), (2, 2));
        assert!(params.log_qp() <= params.max_log_qp().expect("secure"));
    }

    #[test]
    fn large_scales_take_two_primes_a_level() {
        let params = parameters(14, 3, 45).expect("fits");
        assert!(params.spec().levels.iter().all(|group| group.len() == 2));
    }
}
