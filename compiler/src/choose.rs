//! Parameters for a depth: for each ring degree, one candidate for each digit grouping that it carries.

use ckks_core::{Level, Params, ParamsSpec};

use crate::noise::is_quiet;

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

/// The parameters of ring degree 2^`log_degree` that carry `depth` levels at a scale of 2^`scale_bits`: for each number
/// of primes in a digit, and as many special ones, as far as 128-bit security allows, those with the largest base and
/// then the smallest special modulus with which errors of key switches do not count, or, where none is secure, the
/// smallest that holds a digit.
pub(crate) fn groupings(log_degree: u8, depth: u32, scale_bits: u8) -> Vec<Params> {
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
        bases.iter().find_map(|base| {
            let mut secure = (SMALLEST_SPECIAL..=PRIME_BITS).filter_map(|special| {
                let special = vec![special; digit];
                let spec =
                    ParamsSpec::generate(log_degree, base, &levels, &special, digit as u8, scale).ok()?;
                Params::new(&spec).ok()
            });
            let smallest = secure.next()?;
            let is_quiet = |params: &Params| is_quiet(params.spec());
            if is_quiet(&smallest) { Some(smallest) } else { secure.find(is_quiet).or(Some(smallest)) }
        })
    };
    (1..=limbs).filter_map(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shallow_model_gets_the_smallest_ring_and_a_deep_one_a_larger_one() {
        let smallest = |depth| LOG_DEGREES.into_iter().find(|&log| !groupings(log, depth, 28).is_empty());
        assert_eq!([1, 5, 6, 20].map(smallest), [12, 13, 14, 15].map(Some));
    }

    #[test]
    fn digits_are_grouped_in_each_way_that_security_allows() {
        let found = groupings(13, 3, 28);
        let found: Vec<_> =
            found.iter().map(|params| (params.spec().digit_primes, params.special_limbs())).collect();
        assert_eq!(found, [(1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn special_primes_are_as_large_as_keeps_key_switches_quiet_where_security_allows() {
        let grouping = |log_degree, depth, scale_bits, digit| {
            let found = groupings(log_degree, depth, scale_bits);
            let mut of_size = found.iter().filter(|params| params.spec().digit_primes == digit);
            of_size.next().map(|params| is_quiet(params.spec()))
        };
        assert_eq!(grouping(13, 3, 24, 2), Some(true));
        // A base of 30 bits is a digit, and no special prime is larger.
        assert_eq!(grouping(13, 3, 28, 1), Some(false));
    }

    #[test]
    fn all_groupings_are_secure_and_carry_the_depth() {
        for (log_degree, depth, scale_bits) in
            [(12, 1, 24), (13, 5, 24), (14, 9, 28), (14, 3, 45), (15, 9, 26)]
        {
            let found = groupings(log_degree, depth, scale_bits);
            assert!(!found.is_empty(), "{log_degree} {depth} {scale_bits}");
            for params in found {
                assert!(params.log_qp() <= params.max_log_qp().expect("a bound"), "{params:?}");
                assert_eq!((params.max_level(), params.security_bits()), (Level(depth as u8), 128));
            }
        }
    }

    #[test]
    fn large_scales_take_two_primes_a_level() {
        for params in groupings(14, 3, 45) {
            assert!(params.spec().levels.iter().all(|group| group.len() == 2));
        }
    }
}
