//! Arithmetic on vectors of residues modulo one prime. Owns the constants that every loop over
//! residues keeps in registers, and how late each operation reduces.

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::Lanes,
};

/// Factors with their Shoup quotients.
#[derive(Clone, Copy)]
pub(super) struct Factor<L: Lanes> {
    value: L,
    quotient: L::Multiplier,
}

impl<L: Lanes> Factor<L> {
    /// The same factor in every lane.
    #[inline(always)]
    pub(super) fn splat(w: ShoupFactor) -> Self {
        Self { value: L::splat(w.value), quotient: L::constant(w.quotient) }
    }

    /// See [`Lanes::in_turn`].
    #[inline(always)]
    pub(super) fn in_turn(self) -> Self {
        Self { quotient: L::in_turn(self.quotient), ..self }
    }

    /// A factor for each lane, in the layer behind [`Lanes::split`] of this stage.
    #[inline(always)]
    pub(super) fn of_stage(stage: usize, values: L, quotients: L) -> Self {
        Self { value: values, quotient: L::stage_multiplier(stage, quotients) }
    }
}

/// Whether so many products of two residues sum up to less than `q·2^32`.
pub(super) fn fits(modulus: Modulus, products: usize) -> bool {
    products as u64 * u64::from(modulus.value()) <= 1 << 32
}

/// The constants of one prime q.
#[derive(Clone, Copy)]
pub(super) struct Field<L: Lanes> {
    pub(super) q: L,
    pub(super) two_q: L,
    q_multiplier: L::Multiplier,
    inverse: L::Multiplier,
    /// ⌊2^32/q⌋.
    reciprocal: L::Multiplier,
    /// 32q, for primes below 2^26.
    room: L,
}

impl<L: Lanes> Field<L> {
    #[inline(always)]
    pub(super) fn new(modulus: Modulus) -> Self {
        Self {
            q: L::splat(modulus.value()),
            two_q: L::splat(2 * modulus.value()),
            q_multiplier: L::constant(modulus.value()),
            inverse: L::constant(modulus.inverse()),
            reciprocal: L::constant(modulus.shoup(1).quotient),
            room: L::splat(modulus.value().wrapping_mul(32)),
        }
    }

    /// See [`Lanes::in_turn`].
    #[inline(always)]
    pub(super) fn in_turn(self) -> Self {
        Self { q_multiplier: L::in_turn(self.q_multiplier), ..self }
    }

    /// `a + b` for residues.
    #[inline(always)]
    pub(super) fn add(self, a: L, b: L) -> L {
        a.add(b).reduce_once(self.q)
    }

    /// `a − b` for residues.
    #[inline(always)]
    pub(super) fn sub(self, a: L, b: L) -> L {
        self.non_negative(a.sub(b))
    }

    /// `x·w`, in [0, 2q) for any x.
    #[inline(always)]
    pub(super) fn mul_lazy(self, x: L, w: Factor<L>) -> L {
        x.mul_low(w.value).sub(x.mul_high(w.quotient).mul_low(self.q))
    }

    /// `x·w`, in [0, q) for any x.
    #[inline(always)]
    pub(super) fn mul(self, x: L, w: Factor<L>) -> L {
        self.mul_lazy(x, w).reduce_once(self.q)
    }

    /// `x·w`, in (−q/2, 3q/2) for any signed x; the quotient of w, as a signed number, is that of its value.
    #[inline(always)]
    pub(super) fn mul_signed(self, x: L, w: Factor<L>) -> L {
        x.mul_low(w.value).sub(x.mul_high_signed(w.quotient).mul_low(self.q))
    }

    /// The same residue in (−q/2, 3q/2), for any signed x.
    #[inline(always)]
    pub(super) fn settle(self, x: L) -> L {
        x.sub(x.mul_high_signed(self.reciprocal).mul_low(self.q))
    }

    /// The residue in [0, q), for a prime below 2^26 and x in [−32q, 32q).
    #[inline(always)]
    pub(super) fn residue(self, x: L) -> L {
        let x = x.add(self.room);
        x.sub(x.mul_high(self.reciprocal).mul_low(self.q)).reduce_once(self.q)
    }

    /// The residue in [0, q), for x in (−q, 2q).
    #[inline(always)]
    pub(super) fn residue_near(self, x: L) -> L {
        self.non_negative(x).reduce_once(self.q)
    }

    /// `t/2^32`, in [0, q) for `t < q·2^32`.
    #[inline(always)]
    pub(super) fn montgomery(self, t: L::Wide) -> L {
        self.non_negative(L::wide_high(t).sub(self.correction(t)))
    }

    /// `t/2^32`, in [0, q) for `t < 4q·2^32`.
    #[inline(always)]
    pub(super) fn montgomery_sum(self, t: L::Wide) -> L {
        let high = L::wide_high(t).reduce_once(self.two_q);
        self.non_negative(high.sub(self.correction(t))).reduce_once(self.q)
    }

    /// The one of the two above that the bound asks for: `fits` tells that `t < q·2^32`.
    #[inline(always)]
    pub(super) fn montgomery_if(self, fits: bool, t: L::Wide) -> L {
        if fits { self.montgomery(t) } else { self.montgomery_sum(t) }
    }

    /// `t/2^32`, in [0, 4q): for signed t in [−q·2^32, q·2^32), or for unsigned ones below `4q·2^32`.
    #[inline(always)]
    pub(super) fn montgomery_signed_if(self, signed: bool, t: L::Wide) -> L {
        if signed { L::wide_high(t).sub(self.correction(t)).add(self.two_q) } else { self.montgomery_sum(t) }
    }

    #[inline(always)]
    fn correction(self, t: L::Wide) -> L {
        L::wide_correction(t, self.inverse, self.q_multiplier)
    }

    /// `x + q` where x is negative, else x; for x in (−q, 2q) modulo 2^32.
    #[inline(always)]
    fn non_negative(self, x: L) -> L {
        // Negative numbers are the largest ones as unsigned numbers, until q carries them over 2^32.
        x.min(x.add(self.q))
    }
}
