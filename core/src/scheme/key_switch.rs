//! Hybrid key switching with grouped digits. Owns decomposition and the inner product with a key.
//!
//! Source: Han and Ki, "Better Bootstrapping for Approximate Homomorphic Encryption"
//! (eprint 2019/688), section 3.3; hoisting: Halevi and Shoup, "Faster Homomorphic Linear
//! Transformations in HElib" (eprint 2018/244), section 5.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    error::Error,
    evaluator::Evaluator,
    keys::{GaloisKey, SwitchingKey},
    level::Level,
    lifting::{AT_A_TIME, Part, Scaled},
    params::ParamsId,
};
use crate::ring::{Cost, Ntt, Poly, Residues, for_each};

/// The digits of a polynomial before they are lifted.
struct Digits<'a> {
    poly: &'a Poly<Ntt>,
    scaled: Scaled<'a>,
}

impl<'a> Digits<'a> {
    /// All digits of a polynomial at `level`. ℓ inverse transforms.
    fn new(evaluator: &'a Evaluator, level: Level, poly: &'a Poly<Ntt>) -> Self {
        let params = &evaluator.params;
        let converters = params.tables_at(level).digits.iter().enumerate();
        let parts = converters.map(|(j, converter)| {
            let own = params.digit_limbs(level, j);
            let transforms = &poly.residues()[own.start * poly.degree()..own.end * poly.degree()];
            Part { converter, first: own.start, transforms }
        });
        Self { poly, scaled: Scaled::new(evaluator, poly.limbs(), parts.collect()) }
    }

    fn count(&self) -> usize {
        self.scaled.parts.len()
    }

    /// Whether a digit covers a limb.
    fn covers(&self, digit: usize, limb: usize) -> bool {
        let part = &self.scaled.parts[digit];
        (part.first..part.first + part.limbs(self.poly.degree())).contains(&limb)
    }

    /// Lifts every digit to the primes of a few limbs from the `first` on; a digit's are together in `spaces`. Limbs
    /// that a digit covers are left as they are.
    fn lift<'s>(&self, first: usize, spaces: impl Iterator<Item = &'s mut [u32]>) {
        let (ring, degree) = (self.scaled.params.ring(), self.poly.degree());
        let mut lifted = Vec::new();
        for (digit, space) in spaces.enumerate() {
            let part = &self.scaled.parts[digit];
            let own = part.limbs(degree);
            let mut targets = Vec::with_capacity(AT_A_TIME);
            for (limb, space) in (first..).zip(space.chunks_exact_mut(degree)) {
                if !self.covers(digit, limb) {
                    targets.push((if limb < part.first { limb } else { limb - own }, space));
                }
            }
            self.scaled.convert(digit, &mut targets);
            let limb = |target| if target < part.first { target } else { target + own };
            let prime = |target| ring.prime_of_limb(self.poly.limbs(), limb(target));
            lifted.extend(targets.into_iter().map(|(target, limb)| (prime(target), limb)));
        }
        lifted.sort_by_key(|&(prime, _)| prime);
        for (prime, limb) in lifted {
            ring.forward_limb(prime, limb);
        }
    }

    /// Lifting all of them.
    fn cost(&self) -> Cost {
        let extended = self.poly.limbs() + self.scaled.params.special_limbs();
        Cost::transforms(self.count() * extended - self.poly.limbs(), self.poly.degree())
    }
}

/// What a polynomial is switched with, and the permutation that is applied to the result, if any.
#[derive(Clone, Copy)]
pub(super) struct Switch<'a> {
    pub(super) key: &'a SwitchingKey,
    pub(super) permutation: Option<&'a [u32]>,
}

impl<'a> Switch<'a> {
    /// With a key alone.
    pub(super) fn with(key: &'a SwitchingKey) -> Self {
        Self { key, permutation: None }
    }

    /// With a key for an automorphism, and then this.
    pub(super) fn rotating(key: &'a GaloisKey) -> Self {
        Self { key: &key.key, permutation: Some(&key.permutation) }
    }
}

/// The digits of a polynomial, each lifted to all primes of the level and the special ones: the
/// expensive half of a key switch, shared by all rotations of one ciphertext.
#[derive(Clone, Debug)]
pub struct HoistedDigits {
    params_id: ParamsId,
    level: Level,
    digits: Vec<Poly<Ntt>>,
}

impl HoistedDigits {
    /// The level of the polynomial that was decomposed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The digits, each over the level's primes and then the special ones.
    #[must_use]
    pub fn digits(&self) -> &[Poly<Ntt>] {
        &self.digits
    }
}

/// The limbs of several polynomials of equal shape, or a few at a time, with the numbers of polynomial and limb: all
/// that have one prime together, so that its twiddle factors stay in the cache.
pub(super) fn limbs_of<'p>(
    length: usize,
    polys: impl IntoIterator<Item = &'p mut [u32]>,
) -> impl Iterator<Item = (usize, usize, &'p mut [u32])> + Send {
    let mut each: Vec<_> = polys.into_iter().map(|poly| poly.chunks_mut(length)).collect();
    (0usize..).map_while(move |n| {
        let k = n.checked_rem(each.len())?;
        let i = n / each.len();
        each[k].next().map(|limb| (k, i, limb))
    })
}

impl Evaluator {
    /// Decomposes a polynomial at `level`.
    ///
    /// Cost for ℓ limbs, k special primes and d digits: ℓ inverse and d(ℓ + k) − ℓ forward transforms.
    pub(super) fn decompose(&self, level: Level, poly: &Poly<Ntt>) -> HoistedDigits {
        let limbs = self.params.limbs_at(level) + self.params.special_limbs();
        let lifted = Digits::new(self, level, poly);
        let unwritten = |_| Poly::unwritten(self.params.degree(), limbs);
        let mut digits: Vec<Poly<Ntt>> = (0..lifted.count()).map(unwritten).collect();
        let degree = poly.degree();
        let mut rests: Vec<_> =
            digits.iter_mut().map(|digit| digit.residues_mut().chunks_mut(AT_A_TIME * degree)).collect();
        let pieces = (0..limbs)
            .step_by(AT_A_TIME)
            .map(|first| (first, rests.iter_mut().filter_map(Iterator::next).collect::<Vec<&mut [u32]>>()));
        for_each(&*self.team, lifted.cost(), pieces, |(first, mut outs)| {
            for (digit, out) in outs.iter_mut().enumerate() {
                for (out, limb) in out.chunks_exact_mut(degree).zip(first..) {
                    if lifted.covers(digit, limb) {
                        out.copy_from_slice(poly.limb(limb));
                    }
                }
            }
            lifted.lift(first, outs.into_iter());
        });
        HoistedDigits { params_id: self.params.id(), level, digits }
    }

    /// The inner product of digits with each of several keys, over the level's primes and the special ones: `P`
    /// times the switched polynomials. For `finish` see [`Self::key_switch`].
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
    pub(super) fn inner_products_of(
        &self,
        digits: &HoistedDigits,
        switches: &[Switch<'_>],
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<Vec<[Poly<Ntt>; 2]>, Error> {
        self.params.check(digits.params_id)?;
        let limbs = self.params.limbs_at(digits.level) + self.params.special_limbs();
        // Each digit, twice as much of the key, what comes out.
        let passes = limbs * switches.len() * (3 * digits.digits.len() + 4);
        let cost = Cost::passes(passes, self.params.degree());
        let with_limbs = |limbs: Range<usize>, multiply: &mut dyn FnMut(usize, &[&[u32]])| {
            for limb in limbs {
                let left: Vec<&[u32]> = digits.digits.iter().map(|digit| digit.limb(limb)).collect();
                multiply(limb, &left);
            }
        };
        self.inner_products(digits.level, switches, (1, cost), with_limbs, finish)
    }

    /// Switches a polynomial at `level` with a key: `(b, a)` with `b + a·s_to ≈ P·poly·s_from`, over the level's
    /// primes and the special ones.
    ///
    /// As [`Self::decompose`] and [`Self::inner_products_of`], with one limb of each digit in memory. While they
    /// are in the cache, `finish` gets each limb's number and its two halves, before they are permuted.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
    pub(super) fn key_switch(
        &self,
        level: Level,
        poly: &Poly<Ntt>,
        switch: Switch<'_>,
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<[Poly<Ntt>; 2], Error> {
        let degree = self.params.degree();
        let digits = Digits::new(self, level, poly);
        let with_limbs = |limbs: Range<usize>, multiply: &mut dyn FnMut(usize, &[&[u32]])| {
            let mut space = Residues::stale(digits.count() * limbs.len() * degree);
            digits.lift(limbs.start, space.chunks_exact_mut(limbs.len() * degree));
            for (i, limb) in limbs.clone().enumerate() {
                let lifted = space.chunks_exact(degree).skip(i).step_by(limbs.len()).enumerate();
                let left: Vec<&[u32]> = lifted
                    .map(|(digit, lifted)| if digits.covers(digit, limb) { poly.limb(limb) } else { lifted })
                    .collect();
                multiply(limb, &left);
            }
        };
        let work = (AT_A_TIME, digits.cost());
        let switched = self.inner_products(level, &[switch], work, with_limbs, finish)?;
        Ok(switched.into_iter().next().expect("one key gives one product"))
    }

    /// The inner product of digits with each of several keys, so many limbs at a time. `with_limbs` calls back with
    /// each of the given limbs of every digit.
    fn inner_products(
        &self,
        level: Level,
        switches: &[Switch<'_>],
        (together, cost): (usize, Cost),
        with_limbs: impl Fn(Range<usize>, &mut dyn FnMut(usize, &[&[u32]])) + Sync,
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<Vec<[Poly<Ntt>; 2]>, Error> {
        for Switch { key, .. } in switches {
            self.params.check(key.params_id)?;
            if key.level < level {
                return Err(Error::KeyLevelTooLow { needed: level, found: key.level });
            }
        }
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let (main, special) = (self.params.limbs_at(level), self.params.special_limbs());
        let multiply = |key: &SwitchingKey, limb: usize, left: &[&[u32]], [b, a]: [&mut [u32]; 2]| {
            let key_main = self.params.limbs_at(key.level);
            let key_limb = if limb < main { limb } else { key_main + limb - main };
            let prime = ring.prime_of_limb(main, limb);
            ring.inner_products_with_key(prime, left, &key.limbs[key_limb], [&mut *b, &mut *a]);
            finish(limb, [b, a]);
        };
        let unwritten = |_: &_| [(); 2].map(|()| Poly::unwritten(degree, main + special));
        let mut out: Vec<[Poly<Ntt>; 2]> = switches.iter().map(unwritten).collect();
        // The special primes first: no digit covers them, so that they take longest. A limb of the digits is
        // multiplied with all keys while it is in the cache.
        let mut parts: Vec<_> = out
            .iter_mut()
            .map(|halves| {
                let [b, a] = halves.each_mut().map(|half| half.residues_mut().chunks_mut(together * degree));
                (0..main + special).step_by(together).zip(b.zip(a)).rev()
            })
            .collect();
        let pieces = (0usize..).map_while(move |n| {
            let k = n.checked_rem(parts.len())?;
            parts[k].next().map(|(first, halves)| (switches[k], first, halves))
        });
        for_each(&*self.team, cost, pieces, |(switch, first, (b, a))| {
            let mut halves = Residues::stale(switch.permutation.map_or(0, |_| 2 * degree));
            with_limbs(first..first + b.len() / degree, &mut |limb, left| {
                let own = (limb - first) * degree..(limb - first + 1) * degree;
                let [b, a] = [&mut b[own.clone()], &mut a[own]];
                let Some(permutation) = switch.permutation else {
                    return multiply(switch.key, limb, left, [b, a]);
                };
                let (half0, half1) = halves.split_at_mut(degree);
                multiply(switch.key, limb, left, [&mut *half0, &mut *half1]);
                ring.permute_limb(permutation, half0, b);
                ring.permute_limb(permutation, half1, a);
            });
        });
        Ok(out)
    }
}
