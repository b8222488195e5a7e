//! What is computed on. Owns the data and its level and scale; no operation.

use alloc::vec::Vec;

use super::{
    error::Error,
    galois::GaloisElement,
    level::{Level, Scale},
    params::{Params, ParamsId},
    sampling,
    seed::Seed,
};
use crate::ring::{Coeff, Ntt, Poly};

/// An encoded message: integer coefficients modulo the primes of its level.
#[derive(Clone, Debug, PartialEq)]
pub struct Plaintext {
    pub(crate) params_id: ParamsId,
    pub(crate) poly: Poly<Coeff>,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
}

impl Plaintext {
    /// The parameter set it belongs to.
    #[must_use]
    pub fn params_id(&self) -> ParamsId {
        self.params_id
    }

    /// The level, hence the number of limbs.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The scale Δ.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The residues.
    #[must_use]
    pub fn poly(&self) -> &Poly<Coeff> {
        &self.poly
    }

    /// Applies an automorphism to an encoded message, as key switching does to an encrypted one.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn apply_galois(&self, params: &Params, element: GaloisElement) -> Result<Self, Error> {
        params.check(self.params_id)?;
        let poly = params.ring().automorphism(self.poly.limbs(), element.value(), &self.poly);
        Ok(Self { poly, ..*self })
    }
}

impl zeroize::Zeroize for Plaintext {
    fn zeroize(&mut self) {
        self.poly.zeroize();
    }
}

/// A plaintext factor or summand ready for use: NTT domain, Montgomery form.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedPlaintext {
    pub(crate) params_id: ParamsId,
    pub(crate) poly: Poly<Ntt>,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
}

impl PreparedPlaintext {
    /// The level, hence the number of limbs.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The scale Δ.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }
}

/// `(c₀, c₁)` with `c₀ + c₁·s ≈ Δ·m`, NTT domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Ciphertext {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
    pub(crate) c0: Poly<Ntt>,
    pub(crate) c1: Poly<Ntt>,
}

impl Ciphertext {
    /// The parameter set it belongs to.
    #[must_use]
    pub fn params_id(&self) -> ParamsId {
        self.params_id
    }

    /// The rescalings left.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The scale Δ.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The polynomials `c₀` and `c₁`.
    #[must_use]
    pub fn components(&self) -> [&Poly<Ntt>; 2] {
        [&self.c0, &self.c1]
    }

    /// Tells whether `c₁ = 0`, so that anybody can read the message.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.c1.residues().iter().all(|&r| r == 0)
    }
}

/// The product of two ciphertexts before relinearization: `d₀ + d₁·s + d₂·s² ≈ Δ·m`, NTT domain.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorCiphertext {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
    pub(crate) d: [Poly<Ntt>; 3],
}

impl TensorCiphertext {
    /// The three polynomials: the message is `d₀ + d₁·s + d₂·s²`.
    #[must_use]
    pub fn components(&self) -> &[Poly<Ntt>; 3] {
        &self.d
    }
}

/// A fresh symmetric ciphertext whose `c₁` is the expansion of a public seed; half the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct SeededCiphertext {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
    pub(crate) c0: Poly<Ntt>,
    pub(crate) seed: Seed,
}

impl SeededCiphertext {
    /// The parameter set it belongs to.
    #[must_use]
    pub fn params_id(&self) -> ParamsId {
        self.params_id
    }

    /// The rescalings left.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The scale Δ.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Expands `c₁` from the seed.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn expand(self, params: &Params) -> Result<Ciphertext, Error> {
        params.check(self.params_id)?;
        let limbs = self.c0.limbs();
        let c1 = sampling::uniform(params.ring(), &self.seed, sampling::Stream::CIPHERTEXT, limbs, 0);
        Ok(Ciphertext { params_id: self.params_id, level: self.level, scale: self.scale, c0: self.c0, c1 })
    }
}

/// The answer of an evaluation as it travels: coefficients of ciphertexts at a low level, the
/// lowest `dropped_bits` of every residue cut off since they hold noise only.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultCiphertexts {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    pub(crate) scale: Scale,
    pub(crate) dropped_bits: u8,
    /// `(c₀, c₁)` of each ciphertext, residues shifted right by `dropped_bits`.
    pub(crate) ciphertexts: Vec<[Poly<Coeff>; 2]>,
}
