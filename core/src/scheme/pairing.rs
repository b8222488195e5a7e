//! A ciphertext and a rotation of it as real and imaginary parts of one, for transforms that do two diagonals by one
//! product.

use super::{
    ciphertext::Ciphertext,
    error::Error,
    evaluator::Evaluator,
    extended::ExtendedCiphertext,
    key_switch::{HoistedDigits, limbs_of},
    keys::GaloisKey,
};
use crate::ring::{Cost, Poly, for_each};

impl Evaluator {
    /// `P·(a + i·rotate(a))`. One key switch, of which no half is divided; 2(ℓ + k)N multiplications for i.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`].
    pub(crate) fn pair(&self, a: &Ciphertext, key: &GaloisKey) -> Result<ExtendedCiphertext, Error> {
        let [r0, r1] = self.key_switch(a.level, &a.c1, key, |i, [b, _]| {
            self.add_limb_times_special(i, b, &a.c0);
        })?;
        let mut sum = self.extend(a);
        let (ring, main, degree) = (self.params.ring(), self.params.limbs_at(a.level), self.params.degree());
        let cost = Cost::passes(4 * 2 * r0.limbs(), degree);
        let rotated = [&r0, &r1];
        let limbs = limbs_of(degree, [&mut sum.c0, &mut sum.c1].map(Poly::residues_mut));
        for_each(&*self.team, cost, limbs, |(k, i, limb)| {
            ring.add_times_imaginary_unit(ring.prime_of_limb(main, i), limb, rotated[k].limb(i));
        });
        Ok(sum)
    }

    /// Decomposes a sum for several automorphisms: its c₁ alone is divided by P.
    ///
    /// # Errors
    /// None: what is divided is at hand.
    pub(crate) fn hoist_extended(&self, a: &ExtendedCiphertext) -> Result<HoistedDigits, Error> {
        let division = &self.params.tables_at(a.level).special;
        let [c1] = self.divide(a.level, division, || Ok([&a.c1]))?;
        Ok(self.decompose(a.level, &c1))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use crate::{Backend, Params, ParamsSpec};

    #[test]
    fn the_imaginary_unit_is_the_monomial_of_half_the_degree() {
        let spec = ParamsSpec::generate(7, &[30], &vec![vec![25, 25]; 2], &[30, 30], 2, (1u64 << 50) as f64);
        let spec = spec.expect("primes exist");
        for backend in Backend::available() {
            let params = Params::insecure_on(&spec, backend).expect("valid");
            let ring = params.ring();
            for (prime, modulus) in ring.moduli().iter().enumerate() {
                let input: Vec<u32> = (0..128).map(|k| modulus.reduce_public((k + 1) << 40)).collect();
                let (start, end) = input.split_at(64);
                let negated = end.iter().map(|&coefficient| modulus.sub(0, coefficient));
                let expected: Vec<u32> = negated.chain(start.iter().copied()).collect();
                let (mut transform, mut sum) = (input.clone(), vec![0; 128]);
                ring.forward_limb(prime, &mut transform);
                ring.add_times_imaginary_unit(prime, &mut sum, &transform);
                ring.inverse_limb(prime, &mut sum);
                assert_eq!(sum, expected, "prime {prime} on {}", backend.name());
            }
        }
    }
}
