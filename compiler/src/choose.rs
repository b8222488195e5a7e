//! Parameters for a depth: one candidate for each ring degree that carries it.

use ckks_core::{Level, Params, ParamsSpec};

/// log₂ of the ring degrees that are tried.
pub(crate) const LOG_DEGREES: std::ops::RangeInclusive<u8> = 12..=15;
/// Bits of the largest primes.
const PRIME_BITS: u8 = 30;
/// Bits of the smallest special primes that are worth trying.
const SMALLEST_SPECIAL: u8 = 22;

/// The largest output that the base modulus holds: half of its ratio to the scale.
pub(crate) fn largest_output(params: &Params) -> f64 {
    params.level_divisor(Level(0)) / params.scale_at(Level(0)).value() / 2.0
}

/// The parameters of ring degree 2^`log_degree` that carry `depth` levels at a scale of
/// 2^`scale_bits`, if 128-bit security allows: with the digit grouping that makes keys smallest,
/// and then the largest base and the smallest special modulus.
pub(crate) fn parameters(log_degree: u8, depth: u32, scale_bits: u8) -> Option<Params> {
    let (bases, level) = if scale_bits < PRIME_BITS {
        // One bit above the scale is the least that holds an output.
        ((scale_bits + 1..=PRIME_BITS).rev().map(|bits| vec![bits]).collect(), vec![scale_bits])
    } else {
        (vec![vec![PRIME_BITS; 2]], vec![scale_bits.div_ceil(2), scale_bits / 2])
    };
    let levels = vec![level; depth as usize];
    let limbs = bases[0].len() + levels.iter().map(Vec::len).sum::<usize>();
    let scale = f64::from(scale_bits).exp2();
    let fits = |digit: usize| {
        let specials = SMALLEST_SPECIAL..=PRIME_BITS;
        let sizes = bases.iter().flat_map(|base| specials.clone().map(move |special| (base, special)));
        sizes
            .filter_map(|(base, special)| {
                let special = vec![special; digit];
                let spec =
                    ParamsSpec::generate(log_degree, base, &levels, &special, digit as u8, scale).ok()?;
                Params::new(&spec).ok()
            })
            .next()
    };
    let mut digits: Vec<usize> = (1..=limbs).collect();
    digits.sort_by_key(|digit| limbs.div_ceil(*digit) * (limbs + digit));
    digits.into_iter().find_map(fits)
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
