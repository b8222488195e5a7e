//! Checked parameters: the only way in. Owns the security table and every precomputed table;
//! past this door an operation can fail only for level, scale or key mismatch.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

use sha2::{Digest, Sha256};

use super::{
    error::Error,
    level::{Level, Scale},
    spec::{ParamsError, ParamsSpec},
    tables::LevelTables,
};
use crate::{arithmetic::is_prime, lanes::Backend, ring::Ring};

/// Largest log₂(QP) by log₂ N for 128-bit classical security with a ternary secret and σ ≈ 3.2.
///
/// Source: Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption"
/// (eprint 2024/463), Table 5.2.
const MAX_LOG_QP: [(u8, f64); 5] = [(12, 106.0), (13, 214.0), (14, 430.0), (15, 868.0), (16, 1747.0)];

const MIN_INSECURE_LOG_DEGREE: u8 = 5;
const MAX_LOG_DEGREE: u8 = 16;
const MAX_GROUPS: usize = 64;
const MAX_SPECIAL: usize = 15;
/// 64-bit sums of products of 30-bit residues hold fifteen terms and a correction.
const MAX_DIGITS: usize = 15;

/// SHA-256 of the canonical encoding of a parameter set; printed in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamsId(pub [u8; 32]);

impl fmt::Display for ParamsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ParamsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A checked parameter set with its tables; clones share them.
#[derive(Clone)]
pub struct Params(Arc<Inner>);

struct Inner {
    spec: ParamsSpec,
    id: ParamsId,
    ring: Ring,
    scales: Vec<Scale>,
    levels: Vec<LevelTables>,
    log_qp: f64,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params").field("id", &self.0.id).field("spec", &self.0.spec).finish()
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Params {
    /// Checks a specification against the security table and prepares its tables.
    ///
    /// # Errors
    /// The first [`ParamsError`] that applies.
    pub fn new(spec: &ParamsSpec) -> Result<Self, ParamsError> {
        let max_log_qp = max_log_qp(spec.log_degree).ok_or(ParamsError::DegreeOutOfRange {
            min: MAX_LOG_QP[0].0,
            max: MAX_LOG_DEGREE,
            found: spec.log_degree,
        })?;
        check_shape(spec)?;
        let found_log_qp = log_qp(spec);
        if found_log_qp > max_log_qp {
            return Err(ParamsError::Insecure { max_log_qp, found_log_qp });
        }
        Self::build(spec, Backend::detect())
    }

    /// Like [`Params::new`] without the security table, down to N = 32. For tests only.
    ///
    /// # Errors
    /// Every [`ParamsError`] but [`ParamsError::Insecure`].
    pub fn insecure(spec: &ParamsSpec) -> Result<Self, ParamsError> {
        Self::insecure_on(spec, Backend::detect())
    }

    /// Like [`Params::insecure`], computing with a given kind of vector instructions.
    ///
    /// # Errors
    /// As [`Params::insecure`].
    pub fn insecure_on(spec: &ParamsSpec, backend: Backend) -> Result<Self, ParamsError> {
        let (min, max) = (MIN_INSECURE_LOG_DEGREE, MAX_LOG_DEGREE);
        if !(min..=max).contains(&spec.log_degree) {
            return Err(ParamsError::DegreeOutOfRange { min, max, found: spec.log_degree });
        }
        check_shape(spec)?;
        Self::build(spec, backend)
    }

    fn build(spec: &ParamsSpec, backend: Backend) -> Result<Self, ParamsError> {
        let scales = level_scales(spec)?;
        let main: Vec<u32> = spec.levels.iter().flatten().copied().collect();
        let ring = Ring::new(spec.log_degree, &main, &spec.special_primes, backend);
        let levels = LevelTables::for_chain(spec, &ring);
        let id = ParamsId(Sha256::digest(crate::wire::encode_params(spec)).into());
        Ok(Self(Arc::new(Inner { id, ring, scales, levels, log_qp: log_qp(spec), spec: spec.clone() })))
    }

    /// The specification that was checked.
    #[must_use]
    pub fn spec(&self) -> &ParamsSpec {
        &self.0.spec
    }

    /// Tells whether an operand belongs to this set.
    pub(crate) fn check(&self, found: ParamsId) -> Result<(), Error> {
        let expected = self.id();
        (found == expected).then_some(()).ok_or(Error::ParamsMismatch { expected, found })
    }

    /// The identifier of this exact set: SHA-256 of its canonical encoding.
    #[must_use]
    pub fn id(&self) -> ParamsId {
        self.0.id
    }

    /// The ring degree N.
    #[must_use]
    pub fn degree(&self) -> usize {
        1 << self.0.spec.log_degree
    }

    /// The number of complex slots, N/2.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.degree() / 2
    }

    /// The level of a fresh ciphertext.
    #[must_use]
    pub fn max_level(&self) -> Level {
        Level((self.0.spec.levels.len() - 1) as u8)
    }

    /// The scale that every ciphertext has at `level` between two instructions:
    /// `scale_at(max) = Δ`, `scale_at(l − 1) = scale_at(l)² / ∏ levels[l]`.
    ///
    /// # Panics
    /// When `level` is above [`Params::max_level`].
    #[must_use]
    pub fn scale_at(&self, level: Level) -> Scale {
        self.0.scales[level.index()]
    }

    /// The number of main limbs of a ciphertext at `level`.
    ///
    /// # Panics
    /// When `level` is above [`Params::max_level`].
    #[must_use]
    pub fn limbs_at(&self, level: Level) -> usize {
        self.0.levels[level.index()].limbs
    }

    /// The number of special primes.
    #[must_use]
    pub fn special_limbs(&self) -> usize {
        self.0.spec.special_primes.len()
    }

    /// The number of key-switching digits of a polynomial at `level`.
    #[must_use]
    pub fn digits_at(&self, level: Level) -> usize {
        self.limbs_at(level).div_ceil(usize::from(self.0.spec.digit_primes))
    }

    /// The limbs that digit number `digit` covers at `level`.
    pub(crate) fn digit_limbs(&self, level: Level, digit: usize) -> Range<usize> {
        let size = usize::from(self.0.spec.digit_primes);
        digit * size..((digit + 1) * size).min(self.limbs_at(level))
    }

    /// log₂ of the whole modulus QP.
    #[must_use]
    pub fn log_qp(&self) -> f64 {
        self.0.log_qp
    }

    /// Largest log₂(QP) that this degree carries at 128-bit security; `None` for test degrees.
    #[must_use]
    pub fn max_log_qp(&self) -> Option<f64> {
        max_log_qp(self.0.spec.log_degree)
    }

    /// 128 when the set is inside the security table, else 0.
    #[must_use]
    pub fn security_bits(&self) -> u32 {
        match self.max_log_qp() {
            Some(max) if self.0.log_qp <= max => 128,
            _ => 0,
        }
    }

    /// The product of the primes that the rescaling from `level` divides away, as a number.
    #[must_use]
    pub fn level_divisor(&self, level: Level) -> f64 {
        group_product(&self.0.spec.levels[level.index()])
    }

    /// Checks that `level` exists.
    pub(crate) fn has_level(&self, level: Level) -> bool {
        level <= self.max_level()
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.0.ring
    }

    pub(crate) fn tables_at(&self, level: Level) -> &LevelTables {
        &self.0.levels[level.index()]
    }
}

fn max_log_qp(log_degree: u8) -> Option<f64> {
    MAX_LOG_QP.iter().find(|(degree, _)| *degree == log_degree).map(|(_, max)| *max)
}

fn group_product(group: &[u32]) -> f64 {
    group.iter().map(|&q| f64::from(q)).product()
}

fn log_qp(spec: &ParamsSpec) -> f64 {
    spec.levels.iter().flatten().chain(&spec.special_primes).map(|&q| libm::log2(f64::from(q))).sum()
}

fn check_shape(spec: &ParamsSpec) -> Result<(), ParamsError> {
    if spec.levels.is_empty() || spec.levels.len() > MAX_GROUPS {
        return Err(ParamsError::LevelCount { max: MAX_GROUPS, found: spec.levels.len() });
    }
    for (level, group) in spec.levels.iter().enumerate() {
        if group.is_empty() || group.len() > 2 {
            return Err(ParamsError::GroupSize { level, found: group.len() });
        }
    }
    if spec.special_primes.is_empty() || spec.special_primes.len() > MAX_SPECIAL {
        return Err(ParamsError::SpecialCount { max: MAX_SPECIAL, found: spec.special_primes.len() });
    }
    let main: Vec<u32> = spec.levels.iter().flatten().copied().collect();
    let mut seen = Vec::with_capacity(main.len() + spec.special_primes.len());
    for &q in main.iter().chain(&spec.special_primes) {
        let splits = u64::from(q) % (2 << spec.log_degree) == 1;
        if !(q > 1 << 20 && q < 1 << 30 && splits && is_prime(q)) {
            return Err(ParamsError::NotAnNttPrime { found: q });
        }
        if seen.contains(&q) {
            return Err(ParamsError::RepeatedPrime { found: q });
        }
        seen.push(q);
    }
    check_digits(spec, &main)
}

fn check_digits(spec: &ParamsSpec, main: &[u32]) -> Result<(), ParamsError> {
    let size = usize::from(spec.digit_primes);
    if size == 0 || size > MAX_DIGITS || main.len().div_ceil(size) > MAX_DIGITS {
        return Err(ParamsError::DigitSize { found: spec.digit_primes });
    }
    let bits = |primes: &[u32]| primes.iter().map(|&q| libm::log2(f64::from(q))).sum::<f64>();
    let needed_bits = main.chunks(size).map(bits).fold(0.0, f64::max);
    let found_bits = bits(&spec.special_primes);
    // A quarter of a bit of slack: only the order of magnitude matters for the noise.
    if found_bits + 0.25 < needed_bits {
        return Err(ParamsError::SpecialModulusTooSmall { needed_bits, found_bits });
    }
    Ok(())
}

fn level_scales(spec: &ParamsSpec) -> Result<Vec<Scale>, ParamsError> {
    let (lowest, highest) = (f64::from(1u32 << 10), (1u64 << 60) as f64);
    let mut scales = Vec::with_capacity(spec.levels.len());
    let mut current = spec.scale;
    for (level, group) in spec.levels.iter().enumerate().rev() {
        let valid = (lowest..=highest).contains(&current);
        let scale = Scale::new(current).filter(|_| valid);
        scales.push(scale.ok_or(ParamsError::ScaleOutOfRange { level: level as u8, found: current })?);
        current = current * current / group_product(group);
    }
    scales.reverse();
    Ok(scales)
}
