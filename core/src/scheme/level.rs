//! The two numbers every ciphertext carries.

/// How many rescalings a ciphertext has left: fresh is the highest, the last is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub u8);

impl Level {
    /// The level below, or `None` at level 0.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(level) => Some(Self(level)),
            None => None,
        }
    }

    /// The level as an index into the chain's groups.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// The factor Δ between a message and its integer encoding: finite, at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(f64);

impl Scale {
    /// Accepts a finite factor of at least 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 1.0).then_some(Self(value))
    }

    /// The factor itself, not its logarithm.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// Tells whether two scales differ by less than one part in 2^40, far below any noise.
    ///
    /// Scales that were computed along different paths differ by rounding only.
    #[must_use]
    pub fn matches(self, other: Self) -> bool {
        let difference = self.0 - other.0;
        let magnitude = if difference < 0.0 { -difference } else { difference };
        magnitude <= self.0 * (1.0 / (1u64 << 40) as f64)
    }

    /// The scale of a product: `self · other`.
    pub(crate) fn times(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }

    /// The scale after division by a level's primes, never below 1.
    pub(crate) fn divided_by(self, divisor: f64) -> Self {
        let quotient = self.0 / divisor;
        Self(if quotient < 1.0 { 1.0 } else { quotient })
    }
}

impl core::fmt::Display for Scale {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "2^{:.3}", libm::log2(self.0))
    }
}
