//! Parameters as somebody states them, before anything is checked.

use alloc::{vec, vec::Vec};
use core::fmt;

use crate::arithmetic::ntt_primes_near;

/// The complete, still untrusted description of a parameter set.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamsSpec {
    /// log₂ N, where N is the ring degree.
    pub log_degree: u8,
    /// The modulus chain by level: `levels[0]` is the base group that decryption needs,
    /// `levels[l]` holds the one or two primes that the rescaling `l → l − 1` divides away.
    pub levels: Vec<Vec<u32>>,
    /// The primes of the special modulus P of key switching.
    pub special_primes: Vec<u32>,
    /// How many primes one key-switching digit groups.
    pub digit_primes: u8,
    /// The scale Δ of a fresh ciphertext at the highest level.
    pub scale: f64,
}

/// Why a [`ParamsSpec`] is not a parameter set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParamsError {
    /// log₂ N is outside the supported range.
    DegreeOutOfRange {
        /// Smallest accepted log₂ N.
        min: u8,
        /// Largest accepted log₂ N.
        max: u8,
        /// What was given.
        found: u8,
    },
    /// There is no level, or there are too many.
    LevelCount {
        /// Largest accepted number of groups.
        max: usize,
        /// What was given.
        found: usize,
    },
    /// A group of the chain has no prime or more than two.
    GroupSize {
        /// Index of the group in `levels`.
        level: usize,
        /// Its number of primes.
        found: usize,
    },
    /// The special modulus has no prime or too many.
    SpecialCount {
        /// Largest accepted number of special primes.
        max: usize,
        /// What was given.
        found: usize,
    },
    /// A modulus is not a prime ≡ 1 mod 2N between 2^20 and 2^30.
    NotAnNttPrime {
        /// The offending modulus.
        found: u32,
    },
    /// A prime stands twice in the chain.
    RepeatedPrime {
        /// The offending prime.
        found: u32,
    },
    /// Digits hold no prime, or a single evaluation would need more digits than fit 64-bit sums.
    DigitSize {
        /// Primes per digit that were asked for.
        found: u8,
    },
    /// The special modulus is smaller than the largest digit, so key switching would drown the message.
    SpecialModulusTooSmall {
        /// log₂ of the largest digit.
        needed_bits: f64,
        /// log₂ P.
        found_bits: f64,
    },
    /// log₂(QP) is above what the ring degree carries at 128 bits of security.
    Insecure {
        /// Largest log₂(QP) for this degree.
        max_log_qp: f64,
        /// log₂(QP) of this specification.
        found_log_qp: f64,
    },
    /// The scale is not a finite number of at least 2^10, or some level's scale leaves the range [2^10, 2^60].
    ScaleOutOfRange {
        /// The level whose scale is out of range.
        level: u8,
        /// That scale.
        found: f64,
    },
    /// No NTT primes of the asked size are left.
    NoPrime {
        /// The size asked for, in bits.
        bits: u8,
    },
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DegreeOutOfRange { min, max, found } => {
                write!(f, "log2 of the ring degree must be {min} to {max}, found {found}")
            }
            Self::LevelCount { max, found } => write!(f, "a chain has 1 to {max} groups, found {found}"),
            Self::GroupSize { level, found } => {
                write!(f, "level {level} must consist of 1 or 2 primes, found {found}")
            }
            Self::SpecialCount { max, found } => {
                write!(f, "the special modulus has 1 to {max} primes, found {found}")
            }
            Self::NotAnNttPrime { found } => {
                write!(f, "{found} is not a prime congruent to 1 mod 2N between 2^20 and 2^30")
            }
            Self::RepeatedPrime { found } => write!(f, "the prime {found} stands twice in the chain"),
            Self::DigitSize { found } => write!(
                f,
                "{found} primes per digit: use at least 1, and enough that the chain has at most 15 digits"
            ),
            Self::SpecialModulusTooSmall { needed_bits, found_bits } => write!(
                f,
                "the special modulus has {found_bits:.1} bits but the largest digit has {needed_bits:.1}; add special primes or make digits smaller"
            ),
            Self::Insecure { max_log_qp, found_log_qp } => write!(
                f,
                "log2(QP) is {found_log_qp:.1}, above the {max_log_qp} that this ring degree carries at 128-bit security; use a larger degree or fewer primes"
            ),
            Self::ScaleOutOfRange { level, found } => write!(
                f,
                "the scale at level {level} is {found}, outside 2^10 to 2^60; choose primes nearer to the scale"
            ),
            Self::NoPrime { bits } => {
                write!(f, "no unused NTT prime of about {bits} bits is left below 2^30")
            }
        }
    }
}

impl core::error::Error for ParamsError {}

impl ParamsSpec {
    /// Finds primes of the sizes asked for and assembles a specification.
    ///
    /// `base_bits` sizes the base group, `level_bits[l]` the group of level `l + 1`. A size of
    /// `b` bits means the unused prime nearest to 2^b, and for 30 the largest below 2^30.
    /// Primes of a level are chosen so that the scale stays near `scale` on the way down.
    ///
    /// # Errors
    /// [`ParamsError::NoPrime`] when a size has no unused prime left.
    pub fn generate(
        log_degree: u8,
        base_bits: &[u8],
        level_bits: &[Vec<u8>],
        special_bits: &[u8],
        digit_primes: u8,
        scale: f64,
    ) -> Result<Self, ParamsError> {
        let mut used = Vec::new();
        let mut pick = |target: f64, bits: u8| {
            let prime = ntt_primes_near(target, log_degree).find(|q| !used.contains(q));
            used.extend(prime);
            prime.ok_or(ParamsError::NoPrime { bits })
        };
        let nominal = |bits: u8| libm::exp2(f64::from(bits));
        let special_primes =
            special_bits.iter().map(|&b| pick(nominal(b), b)).collect::<Result<Vec<_>, _>>()?;
        let base = base_bits.iter().map(|&b| pick(nominal(b), b)).collect::<Result<Vec<_>, _>>()?;
        // From the top level down: the last prime of a group is aimed at the divisor that brings
        // the squared scale back to the nominal one, so deviations do not double from level to level.
        let mut groups = Vec::new();
        let mut current = scale;
        for sizes in level_bits.iter().rev() {
            let mut divisor = current * current / scale;
            let mut group = vec![];
            for (position, &bits) in sizes.iter().enumerate() {
                let last = position + 1 == sizes.len();
                let close = libm::fabs(libm::log2(divisor) - f64::from(bits)) < 1.0;
                let target = if last && close { divisor } else { nominal(bits) };
                let prime = pick(target, bits)?;
                divisor /= f64::from(prime);
                group.push(prime);
            }
            current = current * current / group.iter().map(|&q| f64::from(q)).product::<f64>();
            groups.push(group);
        }
        groups.push(base);
        groups.reverse();
        Ok(Self { log_degree, levels: groups, special_primes, digit_primes, scale })
    }
}
