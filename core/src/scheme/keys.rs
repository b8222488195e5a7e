//! Secret, public and evaluation keys as data, in their lives: compressed (seeded, as sent) and
//! prepared (NTT domain, Montgomery form, ready to use). Generation is in `keygen`.

use alloc::{collections::BTreeMap, vec::Vec};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{
    error::Error,
    galois::GaloisElement,
    level::Level,
    params::{Params, ParamsId},
    seed::Seed,
};
use crate::ring::{Interleaved, Ntt, Poly};

/// The secret polynomial s with uniform ternary coefficients; wiped when dropped.
#[derive(Clone)]
pub struct SecretKey {
    pub(crate) params_id: ParamsId,
    /// s over every prime of the chain and every special prime, NTT domain, Montgomery form.
    pub(crate) poly: Poly<Ntt>,
    /// The seed that s was expanded from, which is how the key is stored.
    pub(crate) seed: Seed,
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.poly.zeroize();
    }
}

impl ZeroizeOnDrop for SecretKey {}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// An encryption of zero, `(b, a)` with `b = −a·s + e`, that lets others encrypt. NTT domain.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicKey {
    pub(crate) params_id: ParamsId,
    pub(crate) b: Poly<Ntt>,
    pub(crate) seed: Seed,
}

/// A switching key as it travels: the `b` halves, and the seed of the `a` halves.
///
/// Digit j holds `b_j = −a_j·s_to + e_j + P·w_j·s_from`, where `w_j` is 1 modulo the primes of
/// digit j and 0 modulo the others; limbs are the main primes of `level`, then the special ones.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressedSwitchingKey {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    pub(crate) seed: Seed,
    pub(crate) digits: Vec<Poly<Ntt>>,
}

impl CompressedSwitchingKey {
    /// The highest level of ciphertexts it can be used on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

/// Switches s² to s, as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressedRelinearizationKey(pub(crate) CompressedSwitchingKey);

/// Switches s to σ_g⁻¹(s), as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressedGaloisKey {
    pub(crate) element: GaloisElement,
    pub(crate) key: CompressedSwitchingKey,
}

impl CompressedRelinearizationKey {
    /// The highest level of ciphertexts it can be used on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.0.level
    }

    /// Expands the seed and brings the key into the form that key switching multiplies with.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn prepare(&self, params: &Params) -> Result<RelinearizationKey, Error> {
        self.0.prepare(params).map(RelinearizationKey)
    }
}

impl CompressedGaloisKey {
    /// The automorphism it is for.
    #[must_use]
    pub fn element(&self) -> GaloisElement {
        self.element
    }

    /// The highest level of ciphertexts it can be used on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.key.level
    }

    /// Expands the seed and brings the key into the form that key switching multiplies with.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn prepare(&self, params: &Params) -> Result<GaloisKey, Error> {
        let key = self.key.prepare(params)?;
        let permutation = params.ring().ntt_permutation(self.element.value());
        Ok(GaloisKey { element: self.element, key, permutation })
    }
}

/// A switching key ready to use.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchingKey {
    pub(crate) params_id: ParamsId,
    pub(crate) level: Level,
    /// For each limb, the main ones first, rows `b₀, a₀, b₁, a₁, …`: NTT domain, Montgomery form.
    pub(crate) limbs: Vec<Interleaved>,
}

impl SwitchingKey {
    /// The highest level of ciphertexts it can be used on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.limbs.iter().map(Interleaved::bytes).sum()
    }
}

/// Switches s² to s, ready to use.
#[derive(Clone, Debug, PartialEq)]
pub struct RelinearizationKey(pub(crate) SwitchingKey);

impl RelinearizationKey {
    /// The switching key.
    #[must_use]
    pub fn switching_key(&self) -> &SwitchingKey {
        &self.0
    }
}

/// Switches s to σ_g⁻¹(s), ready to use, with the permutation that applies σ_g.
#[derive(Clone, Debug, PartialEq)]
pub struct GaloisKey {
    pub(crate) element: GaloisElement,
    pub(crate) key: SwitchingKey,
    pub(crate) permutation: Vec<u32>,
}

impl GaloisKey {
    /// The automorphism it is for.
    #[must_use]
    pub fn element(&self) -> GaloisElement {
        self.element
    }

    /// The switching key.
    #[must_use]
    pub fn switching_key(&self) -> &SwitchingKey {
        &self.key
    }
}

/// Everything a server needs to evaluate: a relinearization key and Galois keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationKeys {
    relinearization: Option<RelinearizationKey>,
    galois: BTreeMap<GaloisElement, GaloisKey>,
}

impl EvaluationKeys {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the relinearization key.
    pub fn set_relinearization(&mut self, key: RelinearizationKey) {
        self.relinearization = Some(key);
    }

    /// Adds a Galois key, in place of one for the same element.
    pub fn insert_galois(&mut self, key: GaloisKey) {
        self.galois.insert(key.element, key);
    }

    /// Looks up the relinearization key.
    ///
    /// # Errors
    /// [`Error::MissingRelinearizationKey`].
    pub fn relinearization(&self) -> Result<&RelinearizationKey, Error> {
        self.relinearization.as_ref().ok_or(Error::MissingRelinearizationKey)
    }

    /// Looks up the key of an automorphism.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`].
    pub fn galois(&self, element: GaloisElement) -> Result<&GaloisKey, Error> {
        self.galois.get(&element).ok_or(Error::MissingGaloisKey { element })
    }

    /// The memory the keys take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.relinearization.iter().map(|key| key.0.bytes()).sum::<usize>()
            + self
                .galois
                .values()
                .map(|key| key.key.bytes() + size_of_val(&key.permutation[..]))
                .sum::<usize>()
    }
}

/// Which keys an evaluation needs, and up to which level each is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRequirements {
    /// Level of the relinearization key, if one is needed.
    pub relinearization: Option<Level>,
    /// Level of each Galois key.
    pub galois: BTreeMap<GaloisElement, Level>,
}

impl KeyRequirements {
    /// Notes that a relinearization happens at `level`.
    pub fn require_relinearization(&mut self, level: Level) {
        self.relinearization = self.relinearization.max(Some(level));
    }

    /// Notes that an automorphism happens at `level`.
    pub fn require_galois(&mut self, element: GaloisElement, level: Level) {
        let known = self.galois.entry(element).or_insert(level);
        *known = level.max(*known);
    }

    /// The memory that these keys take when they are prepared, in bytes: what [`EvaluationKeys::bytes`] tells of
    /// keys made for exactly these levels.
    #[must_use]
    pub fn prepared_bytes(&self, params: &Params) -> usize {
        self.each_prepared_bytes(params).sum()
    }

    /// The memory that the largest of these keys takes when it is prepared, in bytes.
    #[must_use]
    pub fn largest_prepared_bytes(&self, params: &Params) -> usize {
        self.each_prepared_bytes(params).max().unwrap_or_default()
    }

    fn each_prepared_bytes(&self, params: &Params) -> impl Iterator<Item = usize> {
        let switching =
            |level: Level| 2 * params.digits_at(level) * (params.limbs_at(level) + params.special_limbs());
        // A Galois key holds its permutation too, which is as long as a limb.
        let galois = self.galois.values().map(move |&level| switching(level) + 1);
        let limbs = self.relinearization.map(switching).into_iter().chain(galois);
        limbs.map(|limbs| limbs * params.degree() * size_of::<u32>())
    }
}
