//! One RNS prime and its constants. Owns scalar modular arithmetic on `u32`;
//! knows nothing of polynomials. Invariant: `2^20 < q < 2^30`, `q` odd prime.

/// A prime below 2^30 with the constants of Montgomery reduction (R = 2^32).
///
/// Source: Montgomery, "Modular multiplication without trial division" (1985);
/// the signed-free variant `hi − high(lo·q⁻¹·q)` is the one of Seiler,
/// "Faster AVX2 optimized NTT multiplication" (eprint 2018/039), section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    value: u32,
    /// q⁻¹ mod 2^32.
    inverse: u32,
    /// 2^64 mod q: brings a residue into Montgomery form.
    r_squared: u32,
}

/// A constant factor with its Shoup quotient `⌊w·2^32/q⌋`.
///
/// Source: Harvey, "Faster arithmetic for number-theoretic transforms"
/// (arXiv 1205.2926), section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShoupFactor {
    /// The factor w, below q.
    pub(crate) value: u32,
    /// ⌊w·2^32/q⌋.
    pub(crate) quotient: u32,
}

impl Modulus {
    /// Derives the constants of an odd `value` below 2^30 and above 2^20.
    pub(crate) const fn new(value: u32) -> Self {
        // Newton's iteration doubles the correct low bits of q⁻¹ each time: 3, 6, 12, 24, 48.
        let mut inverse = value;
        let mut round = 0;
        while round < 4 {
            inverse = inverse.wrapping_mul(2u32.wrapping_sub(value.wrapping_mul(inverse)));
            round += 1;
        }
        let r = (1u64 << 32) % value as u64;
        let r_squared = (r * r % value as u64) as u32;
        Self { value, inverse, r_squared }
    }

    /// Returns q.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.value
    }

    /// Returns q⁻¹ mod 2^32.
    pub(crate) const fn inverse(self) -> u32 {
        self.inverse
    }

    /// Returns ⌈log₂ q⌉, the width of a residue on the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        32 - (self.value - 1).leading_zeros()
    }

    /// Returns `x` mod q by division; for set-up and public values only.
    pub(crate) const fn reduce_public(self, x: u64) -> u32 {
        (x % self.value as u64) as u32
    }

    /// Returns the residue of a public signed integer, by division.
    pub(crate) const fn reduce_signed_public(self, x: i64) -> u32 {
        x.rem_euclid(self.value as i64) as u32
    }

    /// Returns `a + b` mod q for residues.
    #[inline(always)]
    pub(crate) const fn add(self, a: u32, b: u32) -> u32 {
        subtract_if_reached(a + b, self.value)
    }

    /// Returns `a − b` mod q for residues.
    #[inline(always)]
    pub(crate) const fn sub(self, a: u32, b: u32) -> u32 {
        subtract_if_reached(a + self.value - b, self.value)
    }

    /// Returns `t / 2^32` mod q for `t < q·2^32`.
    #[inline(always)]
    pub(crate) const fn montgomery_reduce(self, t: u64) -> u32 {
        let m = (t as u32).wrapping_mul(self.inverse);
        let high = (t >> 32) as u32;
        let correction = ((m as u64 * self.value as u64) >> 32) as u32;
        subtract_if_reached(high + self.value - correction, self.value)
    }

    /// Returns `x·2^32` mod q, the Montgomery form of a residue.
    #[inline(always)]
    pub(crate) const fn to_montgomery(self, x: u32) -> u32 {
        self.montgomery_reduce(x as u64 * self.r_squared as u64)
    }

    /// Returns `a·b` mod q for residues, in constant time.
    #[inline(always)]
    pub(crate) const fn mul(self, a: u32, b: u32) -> u32 {
        self.montgomery_reduce(a as u64 * self.to_montgomery(b) as u64)
    }

    /// Returns `base^exponent` mod q; the exponent is public.
    pub(crate) const fn pow(self, base: u32, mut exponent: u64) -> u32 {
        let mut result = 1 % self.value;
        let mut square = base;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, square);
            }
            square = self.mul(square, square);
            exponent >>= 1;
        }
        result
    }

    /// Returns `x⁻¹` mod q for a non-zero public residue.
    pub(crate) const fn invert(self, x: u32) -> u32 {
        self.pow(x, self.value as u64 - 2)
    }

    /// Pairs a residue with its Shoup quotient.
    ///
    /// `w·2^32` less its remainder is a multiple of q, and modulo 2^32 it is minus that remainder; so the quotient is
    /// minus the Montgomery form times q⁻¹.
    pub(crate) const fn shoup(self, value: u32) -> ShoupFactor {
        let quotient = self.to_montgomery(value).wrapping_neg().wrapping_mul(self.inverse);
        ShoupFactor { value, quotient }
    }

    /// Returns `x·w` mod q for any `x` below 2^32: the twin of the vectors' product.
    #[cfg(test)]
    pub(crate) const fn mul_shoup(self, x: u32, w: ShoupFactor) -> u32 {
        let estimate = ((x as u64 * w.quotient as u64) >> 32) as u32;
        let lazy = x.wrapping_mul(w.value).wrapping_sub(estimate.wrapping_mul(self.value));
        subtract_if_reached(lazy, self.value)
    }
}

/// Returns `x − q` when `x ≥ q`, else `x`, without a branch (`x < 2^32`, `q < 2^31`).
#[inline(always)]
pub(crate) const fn subtract_if_reached(x: u32, q: u32) -> u32 {
    let difference = x.wrapping_sub(q);
    // The top bit of the borrow tells; x − q never needs bit 31 otherwise, as x < 2q < 2^31.
    let mask = ((difference as i32) >> 31) as u32;
    difference.wrapping_add(q & mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIMES: [u32; 4] = [1_073_479_681, 536_641_537, 134_176_769, 1_179_649];

    proptest! {
        #[test]
        fn products_agree_with_division(index in 0usize..4, a in any::<u32>(), b in any::<u32>()) {
            let m = Modulus::new(PRIMES[index]);
            let q = u64::from(m.value());
            let (x, y) = (a % m.value(), b % m.value());
            prop_assert_eq!(u64::from(m.mul(x, y)), u64::from(x) * u64::from(y) % q);
            prop_assert_eq!(u64::from(m.mul_shoup(a, m.shoup(y))), u64::from(a) * u64::from(y) % q);
            prop_assert_eq!(u64::from(m.shoup(y).quotient), (u64::from(y) << 32) / q);
            prop_assert_eq!(u64::from(m.add(x, y)), (u64::from(x) + u64::from(y)) % q);
            prop_assert_eq!(u64::from(m.sub(x, y)), (u64::from(x) + q - u64::from(y)) % q);
        }

        #[test]
        fn inverse_times_value_is_one(index in 0usize..4, a in any::<u32>()) {
            let m = Modulus::new(PRIMES[index]);
            let x = a % (m.value() - 1) + 1;
            prop_assert_eq!(m.mul(x, m.invert(x)), 1);
        }
    }
}
