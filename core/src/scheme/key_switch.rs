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
    lifting::{AT_A_TIME, Part, Scaled, Target},
    params::ParamsId,
};
use crate::ring::{Cost, Ntt, Poly, Residues, Summand, for_each};

/// The digits of a polynomial before they are lifted.
pub(super) struct Digits<'a> {
    poly: &'a Poly<Ntt>,
    scaled: Scaled<'a>,
}

impl<'a> Digits<'a> {
    /// All digits of a polynomial at `level`. ℓ inverse transforms.
    pub(super) fn new(evaluator: &'a Evaluator, level: Level, poly: &'a Poly<Ntt>) -> Self {
        let params = &evaluator.params;
        let converters = params.tables_at(level).digits.iter().enumerate();
        let parts = converters.map(|(j, converter)| {
            let own = params.digit_limbs(level, j);
            let transforms = &poly.residues()[own.start * poly.degree()..own.end * poly.degree()];
            Part { converter, first: own.start, transforms }
        });
        Self { poly, scaled: Scaled::new(evaluator, poly.limbs(), parts.collect()) }
    }

    /// Whether a digit covers a limb.
    fn covers(&self, digit: usize, limb: usize) -> bool {
        let part = &self.scaled.parts[digit];
        (part.first..part.first + part.limbs(self.poly.degree())).contains(&limb)
    }

    /// Lifts every digit to the primes of a few limbs from the `first` on, and begins to transform them; a digit's are
    /// together in `spaces`. Limbs that a digit covers are left as they are.
    fn begin<'s>(&self, first: usize, spaces: impl Iterator<Item = &'s mut [u32]>) {
        let (ring, degree) = (self.scaled.params.ring(), self.poly.degree());
        for (digit, space) in spaces.enumerate() {
            let part = &self.scaled.parts[digit];
            let own = part.limbs(degree);
            let limbs = (first..).zip(space.chunks_exact_mut(degree));
            let mut targets = Vec::with_capacity(AT_A_TIME);
            targets.extend(limbs.filter(|&(limb, _)| !self.covers(digit, limb)).map(|(i, limb)| Target {
                number: if i < part.first { i } else { i - own },
                prime: ring.prime_of_limb(self.poly.limbs(), i),
                limb,
            }));
            self.scaled.begin_targets(digit, &mut targets);
        }
    }

    /// The rest of the transforms of a limb of every digit: one after the other, as they share their factors.
    fn finish<'s>(&self, limb: usize, digits: impl Iterator<Item = &'s mut [u32]>) {
        let ring = self.scaled.params.ring();
        let prime = ring.prime_of_limb(self.poly.limbs(), limb);
        for (_, lifted) in digits.enumerate().filter(|&(digit, _)| !self.covers(digit, limb)) {
            ring.finish_forward(prime, lifted);
        }
    }
}

/// Digits over all primes of a level and the special ones, some limbs at a time.
pub(super) trait Lifted: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// What they cost.
    fn cost(&self) -> Cost;
    /// Calls back with each of some limbs: with its number and with that limb of every digit.
    fn for_limbs(&self, limbs: Range<usize>, work: &mut dyn FnMut(usize, &[&[u32]]));
}

impl Lifted for Digits<'_> {
    fn count(&self) -> usize {
        self.scaled.parts.len()
    }

    /// Lifting all of them.
    fn cost(&self) -> Cost {
        let extended = self.poly.limbs() + self.scaled.params.special_limbs();
        Cost::transforms(self.count() * extended - self.poly.limbs(), self.poly.degree())
    }

    fn for_limbs(&self, limbs: Range<usize>, work: &mut dyn FnMut(usize, &[&[u32]])) {
        let (degree, together) = (self.poly.degree(), limbs.len());
        let mut space = Residues::stale(self.count() * together * degree);
        self.begin(limbs.start, space.chunks_exact_mut(together * degree));
        for (i, limb) in limbs.enumerate() {
            self.finish(limb, space.chunks_exact_mut(degree).skip(i).step_by(together));
            let lifted = space.chunks_exact(degree).skip(i).step_by(together).enumerate();
            let left: Vec<&[u32]> = lifted
                .map(|(digit, lifted)| if self.covers(digit, limb) { self.poly.limb(limb) } else { lifted })
                .collect();
            work(limb, &left);
        }
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

    pub(super) fn params_id(&self) -> ParamsId {
        self.params_id
    }

    /// The digits, each over the level's primes and then the special ones.
    #[must_use]
    pub fn digits(&self) -> &[Poly<Ntt>] {
        &self.digits
    }
}

impl Lifted for HoistedDigits {
    fn count(&self) -> usize {
        self.digits.len()
    }

    /// They are at hand.
    fn cost(&self) -> Cost {
        Cost::passes(0, 0)
    }

    fn for_limbs(&self, limbs: Range<usize>, work: &mut dyn FnMut(usize, &[&[u32]])) {
        for limb in limbs {
            let left: Vec<&[u32]> = self.digits.iter().map(|digit| digit.limb(limb)).collect();
            work(limb, &left);
        }
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
            lifted.begin(first, outs.iter_mut().map(|out| &mut **out));
            for i in 0..outs.first().map_or(0, |out| out.len() / degree) {
                let limbs = outs.iter_mut().map(|out| &mut out[i * degree..(i + 1) * degree]);
                lifted.finish(first + i, limbs);
            }
        });
        HoistedDigits { params_id: self.params.id(), level, digits }
    }

    /// The inner product of digits with each of several keys, over the level's primes and the special ones, rotated:
    /// `P` times the rotated polynomials. For `finish` see [`Self::key_switch`].
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
    pub(super) fn inner_products_of(
        &self,
        digits: &HoistedDigits,
        keys: &[&GaloisKey],
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<Vec<[Poly<Ntt>; 2]>, Error> {
        self.params.check(digits.params_id)?;
        self.inner_products(digits.level, digits, 1, keys, finish)
    }

    /// Switches a polynomial at `level` with a key, and rotates: `(b, a)` with `b + a·s ≈ P·σ(poly·s)`, over the
    /// level's primes and the special ones.
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
        key: &GaloisKey,
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<[Poly<Ntt>; 2], Error> {
        let digits = Digits::new(self, level, poly);
        let switched = self.inner_products(level, &digits, AT_A_TIME, &[key], finish)?;
        Ok(switched.into_iter().next().expect("one key gives one product"))
    }

    /// The inner product of digits with each of several keys, rotated, so many limbs at a time.
    fn inner_products(
        &self,
        level: Level,
        digits: &impl Lifted,
        together: usize,
        keys: &[&GaloisKey],
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<Vec<[Poly<Ntt>; 2]>, Error> {
        keys.iter().try_for_each(|key| self.check_key(level, &key.key))?;
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let limbs = self.params.limbs_at(level) + self.params.special_limbs();
        let unwritten = |_: &_| [(); 2].map(|()| Poly::unwritten(degree, limbs));
        let mut out: Vec<[Poly<Ntt>; 2]> = keys.iter().map(unwritten).collect();
        // The special primes first: no digit covers them, so that they take longest. A limb of the digits is
        // multiplied with all keys while it is in the cache.
        let mut parts: Vec<_> = out
            .iter_mut()
            .map(|halves| {
                let [b, a] = halves.each_mut().map(|half| half.residues_mut().chunks_mut(together * degree));
                (0..limbs).step_by(together).zip(b.zip(a)).rev()
            })
            .collect();
        let pieces = (0usize..).map_while(move |n| {
            let k = n.checked_rem(parts.len())?;
            parts[k].next().map(|(first, halves)| (keys[k], first, halves))
        });
        let cost = digits.cost().and(self.cost_of_products(digits, limbs * keys.len()));
        for_each(&*self.team, cost, pieces, |(GaloisKey { key, permutation, .. }, first, (b, a))| {
            let mut halves = Residues::stale(2 * degree);
            let (half0, half1) = halves.split_at_mut(degree);
            digits.for_limbs(first..first + b.len() / degree, &mut |limb, left| {
                self.multiply_with_key((level, key), limb, left, None, [&mut *half0, &mut *half1]);
                finish(limb, [&mut *half0, &mut *half1]);
                let own = (limb - first) * degree..(limb - first + 1) * degree;
                ring.permute_limb(permutation, half0, &mut b[own.clone()]);
                ring.permute_limb(permutation, half1, &mut a[own]);
            });
        });
        Ok(out)
    }

    /// Checks that a key fits what is switched.
    pub(super) fn check_key(&self, level: Level, key: &SwitchingKey) -> Result<(), Error> {
        self.params.check(key.params_id)?;
        if key.level < level {
            return Err(Error::KeyLevelTooLow { needed: level, found: key.level });
        }
        Ok(())
    }

    /// Reading so many limbs of every digit and of a key, and writing what comes out.
    pub(super) fn cost_of_products(&self, digits: &impl Lifted, limbs: usize) -> Cost {
        Cost::passes(limbs * (3 * digits.count() + 4), self.params.degree())
    }

    /// The inner product of a limb of digits at `level` with that of a key, plus the special modulus times two
    /// polynomials.
    pub(super) fn multiply_with_key(
        &self,
        (level, key): (Level, &SwitchingKey),
        limb: usize,
        left: &[&[u32]],
        summands: Option<[&Poly<Ntt>; 2]>,
        halves: [&mut [u32]; 2],
    ) {
        let (ring, main) = (self.params.ring(), self.params.limbs_at(level));
        let key_limb = if limb < main { limb } else { self.params.limbs_at(key.level) + limb - main };
        // Modulo its own primes it is zero.
        let summand = summands.filter(|_| limb < main).map(|polys| Summand {
            limbs: polys.map(|poly| poly.limb(limb)),
            factor: ring.moduli()[limb].to_montgomery(self.special_product(limb).value),
        });
        ring.inner_products_with_key(
            ring.prime_of_limb(main, limb),
            left,
            &key.limbs[key_limb],
            summand,
            halves,
        );
    }
}
