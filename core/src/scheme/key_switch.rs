//! Hybrid key switching with grouped digits. Owns decomposition, the inner product with a key,
//! and exact division by the special modulus or by a level's primes.
//!
//! Source: Han and Ki, "Better Bootstrapping for Approximate Homomorphic Encryption"
//! (eprint 2019/688), section 3.3; hoisting: Halevi and Shoup, "Faster Homomorphic Linear
//! Transformations in HElib" (eprint 2018/244), section 5.

use alloc::vec::Vec;

use super::{
    error::Error,
    evaluator::Evaluator,
    keys::{GaloisKey, SwitchingKey},
    level::Level,
    params::{Params, ParamsId},
    tables::Division,
};
use crate::ring::{BaseConverter, Cost, Ntt, Poly, Residues, for_each};

/// Limbs that are converted together: those of a polynomial from the `first` on, as transforms.
struct Part<'a> {
    converter: &'a BaseConverter,
    first: usize,
    transforms: &'a [u32],
}

/// Limbs scaled for one or several conversions, and the quotients of each.
struct Scaled<'a> {
    params: &'a Params,
    parts: Vec<Part<'a>>,
    limbs: Residues,
    quotients: Residues,
}

impl<'a> Scaled<'a> {
    /// From parts of polynomials over `main` main primes and, if they have more limbs, the special ones. An inverse
    /// transform for each limb.
    fn new(evaluator: &'a Evaluator, main: usize, parts: Vec<Part<'a>>) -> Self {
        let (params, team) = (&evaluator.params, &*evaluator.team);
        let (ring, degree) = (params.ring(), params.degree());
        let count = parts.iter().map(|part| part.transforms.len()).sum::<usize>() / degree;
        let mut limbs = Residues::stale(count * degree);
        let transforms = parts.iter().flat_map(|part| {
            part.transforms.chunks_exact(degree).enumerate().map(move |(i, transform)| (part, i, transform))
        });
        let cost = Cost::transforms(count, degree);
        for_each(
            team,
            cost,
            transforms.zip(limbs.chunks_exact_mut(degree)),
            |((part, i, transform), limb)| {
                limb.copy_from_slice(transform);
                let prime = ring.prime_of_limb(main, part.first + i);
                ring.inverse_limb_scaled(prime, part.converter.scaling(i), limb);
            },
        );
        let mut quotients = Residues::stale(parts.len() * degree);
        let each = quotients.chunks_exact_mut(degree).enumerate();
        for_each(team, Cost::passes(count, degree), each, |(part, quotients)| {
            let sources = sources(degree, &parts, &limbs, part);
            parts[part].converter.quotients(ring.backend(), &sources, quotients);
        });
        Self { params, parts, limbs, quotients }
    }

    /// Converts a part to a target of its converter, which has the number `prime` in the ring, and transforms.
    fn lift(&self, part: usize, target: usize, prime: usize, out: &mut [u32]) {
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let quotients = &self.quotients[part * degree..][..degree];
        let converter = self.parts[part].converter;
        let sources = sources(degree, &self.parts, &self.limbs, part);
        converter.convert(ring.backend(), target, &sources, quotients, out);
        ring.forward_limb(prime, out);
    }
}

/// The limbs of one of several parts that stand one after the other.
fn sources<'l>(degree: usize, parts: &[Part<'_>], limbs: &'l [u32], part: usize) -> Vec<&'l [u32]> {
    let start: usize = parts[..part].iter().map(|part| part.transforms.len()).sum();
    limbs[start..][..parts[part].transforms.len()].chunks_exact(degree).collect()
}

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
        (part.first..part.first + part.transforms.len() / self.poly.degree()).contains(&limb)
    }

    /// Lifts a digit to the prime of a limb that it does not cover.
    fn lift(&self, digit: usize, limb: usize, out: &mut [u32]) {
        let (scaled, first) = (&self.scaled, self.scaled.parts[digit].first);
        let own = scaled.parts[digit].transforms.len() / self.poly.degree();
        let target = if limb < first { limb } else { limb - own };
        scaled.lift(digit, target, scaled.params.ring().prime_of_limb(self.poly.limbs(), limb), out);
    }

    /// The digit modulo the prime of one limb: the polynomial's own limb where it covers that, else
    /// lifted into `space`.
    fn limb<'s>(&'s self, digit: usize, limb: usize, space: &'s mut [u32]) -> &'s [u32] {
        if self.covers(digit, limb) {
            return self.poly.limb(limb);
        }
        self.lift(digit, limb, space);
        space
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

/// The limbs of several polynomials of equal shape, with the numbers of polynomial and limb: all that have one
/// prime together, so that its twiddle factors stay in the cache.
pub(super) fn limbs_of<'p>(
    degree: usize,
    polys: impl IntoIterator<Item = &'p mut [u32]>,
) -> impl Iterator<Item = (usize, usize, &'p mut [u32])> + Send {
    let mut each: Vec<_> = polys.into_iter().map(|poly| poly.chunks_exact_mut(degree)).collect();
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
        let limbs = limbs_of(poly.degree(), digits.iter_mut().map(Poly::residues_mut));
        for_each(&*self.team, lifted.cost(), limbs, |(digit, limb, out)| {
            if lifted.covers(digit, limb) {
                out.copy_from_slice(poly.limb(limb));
            } else {
                lifted.lift(digit, limb, out);
            }
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
        let with_limb = |limb, multiply: &mut dyn FnMut(&[&[u32]])| {
            let left: Vec<&[u32]> = digits.digits.iter().map(|digit| digit.limb(limb)).collect();
            multiply(&left);
        };
        self.inner_products(digits.level, switches, cost, with_limb, finish)
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
        let with_limb = |limb, multiply: &mut dyn FnMut(&[&[u32]])| {
            let mut space = Residues::stale(digits.count() * degree);
            let spaces = space.chunks_exact_mut(degree).enumerate();
            let left: Vec<&[u32]> = spaces.map(|(digit, space)| digits.limb(digit, limb, space)).collect();
            multiply(&left);
        };
        let switched = self.inner_products(level, &[switch], digits.cost(), with_limb, finish)?;
        Ok(switched.into_iter().next().expect("one key gives one product"))
    }

    /// The inner product of digits with each of several keys. `with_limb` calls back with the given limb of every
    /// digit.
    fn inner_products(
        &self,
        level: Level,
        switches: &[Switch<'_>],
        cost: Cost,
        with_limb: impl Fn(usize, &mut dyn FnMut(&[&[u32]])) + Sync,
        finish: impl Fn(usize, [&mut [u32]; 2]) + Sync,
    ) -> Result<Vec<[Poly<Ntt>; 2]>, Error> {
        for Switch { key, .. } in switches {
            self.params.check(key.params_id)?;
            if key.level < level {
                return Err(Error::KeyLevelTooLow { needed: level, found: key.level });
            }
        }
        let ring = self.params.ring();
        let (main, special) = (self.params.limbs_at(level), self.params.special_limbs());
        let multiply = |key: &SwitchingKey, limb: usize, mut out: [&mut [u32]; 2]| {
            let key_main = self.params.limbs_at(key.level);
            let key_limb = if limb < main { limb } else { key_main + limb - main };
            with_limb(limb, &mut |left| {
                let (prime, out) = (ring.prime_of_limb(main, limb), out.each_mut().map(|half| &mut **half));
                ring.inner_products_with_key(prime, left, &key.limbs[key_limb], out);
            });
            finish(limb, out);
        };
        let unwritten = |_: &_| [(); 2].map(|()| Poly::unwritten(ring.degree(), main + special));
        let mut out: Vec<[Poly<Ntt>; 2]> = switches.iter().map(unwritten).collect();
        // The special primes first: no digit covers them, so that they take longest. A limb of the digits is
        // multiplied with all keys while it is in the cache.
        let mut limbs: Vec<_> =
            out.iter_mut().map(|[b, a]| b.iter_mut().zip(a.iter_mut()).enumerate().rev()).collect();
        let pieces = (0usize..).map_while(move |n| {
            let k = n.checked_rem(limbs.len())?;
            limbs[k].next().map(|(limb, halves)| (switches[k], limb, halves))
        });
        for_each(&*self.team, cost, pieces, |(switch, limb, (b, a))| match switch.permutation {
            None => multiply(switch.key, limb, [b, a]),
            Some(permutation) => {
                let mut halves = Residues::stale(2 * ring.degree());
                let (half0, half1) = halves.split_at_mut(ring.degree());
                multiply(switch.key, limb, [&mut *half0, &mut *half1]);
                ring.permute_limb(permutation, half0, b);
                ring.permute_limb(permutation, half1, a);
            }
        });
        Ok(out)
    }

    /// Divides polynomials over the primes of `level` and the special ones by the special modulus.
    pub(super) fn mod_down<const COUNT: usize>(
        &self,
        level: Level,
        polys: [Poly<Ntt>; COUNT],
    ) -> [Poly<Ntt>; COUNT] {
        let main = self.params.limbs_at(level);
        self.divide(&self.params.tables_at(level).special, main, polys)
    }

    /// Divides, with rounding, by the primes of the last limbs, which go away. `main` of the limbs belong to
    /// main primes.
    pub(super) fn divide<const COUNT: usize>(
        &self,
        division: &Division,
        main: usize,
        polys: [Poly<Ntt>; COUNT],
    ) -> [Poly<Ntt>; COUNT] {
        self.divide_into(division, main, polys, core::iter::repeat(()), |_, _, _, ()| ())
    }

    /// As [`Self::divide`]; `finish` gets the number of each polynomial, the number of each limb, the limb
    /// while it is in the cache, and a place for what becomes of it, of which there is one for each in the order of
    /// [`limbs_of`].
    pub(super) fn divide_into<const COUNT: usize, P: Send>(
        &self,
        division: &Division,
        main: usize,
        mut polys: [Poly<Ntt>; COUNT],
        places: impl Iterator<Item = P> + Send,
        finish: impl Fn(usize, usize, &mut [u32], P) + Sync,
    ) -> [Poly<Ntt>; COUNT] {
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let remaining = division.inverses.len();
        let (kept, divided): (Vec<_>, Vec<_>) =
            polys.iter_mut().map(|poly| poly.residues_mut().split_at_mut(remaining * degree)).unzip();
        let parts = divided.into_iter().map(|transforms| Part {
            converter: &division.converter,
            first: remaining,
            transforms,
        });
        let remainders = Scaled::new(self, main, parts.collect());
        let cost = Cost::transforms(COUNT * remaining, degree);
        for_each(&*self.team, cost, limbs_of(degree, kept).zip(places), |((k, i, limb), place)| {
            let mut lifted = Residues::stale(degree);
            remainders.lift(k, i, i, &mut lifted);
            ring.subtract_and_scale(i, division.inverses[i], limb, &lifted);
            finish(k, i, limb, place);
        });
        polys.map(|mut poly| {
            poly.truncate(remaining);
            poly
        })
    }
}
