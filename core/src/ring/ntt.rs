//! The negacyclic number-theoretic transform modulo one prime, over any width of vectors.
//! Owns the order of the values: entry i of the transform is the value at ψ^(2·rev(i)+1), ψ a
//! primitive 2N-th root of unity.
//!
//! The transform is a binary tree: node 1 is the whole polynomial, and the layer that splits node k
//! into the nodes 2k and 2k + 1 multiplies by the k-th twiddle factor. Several layers are done at a
//! time in registers; after the first ones, each part of the polynomial is finished before the next one
//! is begun, since it fits the nearest cache. The last layers, whose pairs lie closer together than a
//! vector is wide, are done on pairs of vectors with shuffles between layers. Values stay in [0, 4q)
//! on the way forward and in [0, 2q) on the way back. For primes below 2^26 they are signed numbers
//! in [−32q, 32q) instead, which are reduced at the end, and on the way back between steps where
//! they are sums of sums: a butterfly has three instructions fewer. From less than 4q they grow by 3q/2
//! in a layer on the way down; on the way up each step begins with numbers below 4q and has three
//! layers at most.
//!
//! Source: Longa and Naehrig, "Speeding up the Number Theoretic Transform for Faster Ideal
//! Lattice-Based Cryptography" (eprint 2016/504), algorithms 1 and 2, for the order of the
//! twiddle factors; Harvey (arXiv 1205.2926), section 3, for the lazy butterflies.

mod twiddles;

mod butterfly;
mod parts;

mod forward;
mod inverse;

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::Backend,
};
use forward::{Begin, Finish};
use inverse::Inverse;
use twiddles::{Twiddles, powers};

/// Fewest vectors of a transform: each of the parts that the first step makes has as many as are done together, or
/// several times that.
const LEAST_VECTORS: usize = 64;

/// Twiddle factors of one prime, laid out for one backend.
pub(crate) struct NttTable {
    modulus: Modulus,
    backend: Backend,
    forward: Twiddles,
    inverse: Twiddles,
    /// N⁻¹, and N⁻¹ times the last inverse twiddle factor.
    scaling: [ShoupFactor; 2],
}

impl NttTable {
    pub(crate) fn new(modulus: Modulus, log_degree: u8, backend: Backend) -> Self {
        let backend = backend.with_vectors(LEAST_VECTORS, 1 << log_degree);
        let psi = primitive_root(modulus, log_degree, backend);
        let forward = Twiddles::new(modulus, psi, log_degree, backend);
        let inverse = Twiddles::new(modulus, modulus.invert(psi), log_degree, backend);
        let degree_inverse = modulus.invert(1 << log_degree);
        let last = modulus.mul(degree_inverse, inverse.root().value);
        let scaling = [modulus.shoup(degree_inverse), modulus.shoup(last)];
        Self { modulus, backend, forward, inverse, scaling }
    }

    /// Transforms numbers below 4q in place, to residues.
    pub(crate) fn forward(&self, values: &mut [u32]) {
        self.begin(values);
        self.finish(values);
    }

    /// The first layers of [`NttTable::forward`], which need few factors.
    pub(crate) fn begin(&self, values: &mut [u32]) {
        let Self { modulus, forward: twiddles, .. } = self;
        self.backend.run(Begin { modulus: *modulus, twiddles, values });
    }

    /// The layers that are left after [`NttTable::begin`].
    pub(crate) fn finish(&self, values: &mut [u32]) {
        let Self { modulus, forward: twiddles, .. } = self;
        self.backend.run(Finish { modulus: *modulus, twiddles, values });
    }

    /// ψ^(N/2), a root of −1: the factor of the first layer.
    pub(crate) fn imaginary_unit(&self) -> ShoupFactor {
        self.forward.root()
    }

    /// Undoes [`NttTable::forward`] in place.
    pub(crate) fn inverse(&self, values: &mut [u32]) {
        self.run_inverse(self.scaling, None, values);
    }

    /// Undoes [`NttTable::forward`] and multiplies by a constant, at no cost.
    pub(crate) fn inverse_scaled(&self, w: ShoupFactor, from: &[u32], values: &mut [u32]) {
        let m = self.modulus;
        self.run_inverse(
            self.scaling.map(|factor| m.shoup(m.mul(factor.value, w.value))),
            Some(from),
            values,
        );
    }

    fn run_inverse(&self, scaling: [ShoupFactor; 2], from: Option<&[u32]>, values: &mut [u32]) {
        let Self { modulus, inverse: twiddles, .. } = self;
        self.backend.run(Inverse { modulus: *modulus, twiddles, scaling, from, values });
    }
}

/// The least primitive 2N-th root of unity mod q. The choice is part of the format.
pub(crate) fn primitive_root(modulus: Modulus, log_degree: u8, backend: Backend) -> u32 {
    let (degree, minus_one) = (1u64 << log_degree, modulus.value() - 1);
    let cofactor = u64::from(minus_one) / (2 * degree);
    let root = (2..modulus.value())
        .map(|candidate| modulus.pow(candidate, cofactor))
        .find(|&root| modulus.pow(root, degree) == minus_one)
        .unwrap_or(minus_one);
    // The primitive roots are the odd powers of any one of them: those in the second half of its table, and their
    // negatives.
    let powers = powers(modulus, root, log_degree, backend);
    let odd = powers[powers.len() / 2..].iter();
    odd.fold(root, |least, &power| least.min(power).min(modulus.value() - power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ntt_primes_near;
    use alloc::vec::Vec;

    fn tables(log_degree: u8) -> impl Iterator<Item = NttTable> {
        let near = |bits: u32| ntt_primes_near(f64::from(1u32 << bits), log_degree);
        let first = [30, 28, 25].into_iter().filter_map(|bits| near(bits).next());
        // The largest for which numbers with a sign have room.
        let primes: Vec<u32> = first.chain(near(26).find(|&q| q < 1 << 26)).collect();
        Backend::available().flat_map(move |backend| {
            primes.clone().into_iter().map(move |q| NttTable::new(Modulus::new(q), log_degree, backend))
        })
    }

    fn residues(q: u32, degree: usize, salt: u32) -> Vec<u32> {
        let mut state = salt | 1;
        let mut step = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let mut values: Vec<u32> = (0..degree).map(|_| step() % q).collect();
        values[0] = q - 1;
        values[degree - 1] = q - 1;
        values
    }

    #[test]
    fn root_is_the_least_that_powers_of_a_generator_give() {
        for q in [1_073_479_681, 1_179_649] {
            let m = Modulus::new(q);
            let least = (2..q).find(|&x| m.pow(x, 32) == q - 1);
            for backend in Backend::available() {
                assert_eq!(Some(primitive_root(m, 5, backend)), least);
            }
        }
    }

    #[test]
    fn entry_i_is_the_value_at_the_odd_power_of_psi_with_reversed_index() {
        for table in tables(10) {
            let (m, psi) = (table.modulus, primitive_root(table.modulus, 10, table.backend));
            let input = residues(m.value(), 1024, 7);
            let mut output = input.clone();
            table.forward(&mut output);
            for (i, &got) in output.iter().enumerate() {
                let point = m.pow(psi, 2 * u64::from((i as u32).reverse_bits() >> 22) + 1);
                let value = input.iter().rev().fold(0, |sum, &c| m.add(m.mul(sum, point), c));
                assert_eq!(got, value, "entry {i} on {}", table.backend.name());
            }
        }
    }

    #[test]
    fn inverse_undoes_forward_at_every_degree() {
        for log_degree in 5..=16 {
            for table in tables(log_degree) {
                let input = residues(table.modulus.value(), 1 << log_degree, 3);
                let mut values = input.clone();
                table.forward(&mut values);
                assert!(values.iter().all(|&r| r < table.modulus.value()));
                table.inverse(&mut values);
                assert_eq!(values, input, "N = 2^{log_degree} on {}", table.backend.name());
            }
        }
    }

    #[test]
    fn numbers_below_four_times_the_prime_are_transformed_as_their_residues_are() {
        for log_degree in [5, 10, 16] {
            for table in tables(log_degree) {
                let q = table.modulus.value();
                let mut residues = residues(q, 1 << log_degree, 5);
                residues[..16].fill(q - 1);
                let mut values: Vec<u32> = residues.iter().zip(0u32..).map(|(&r, i)| r + i % 4 * q).collect();
                values[..16].fill(4 * q - 1);
                table.forward(&mut residues);
                table.forward(&mut values);
                assert_eq!(values, residues, "N = 2^{log_degree} on {}", table.backend.name());
            }
        }
    }

    #[test]
    fn products_agree_with_the_schoolbook_negacyclic_product() {
        for table in tables(10) {
            let m = table.modulus;
            let (a, b) = (residues(m.value(), 1024, 11), residues(m.value(), 1024, 13));
            let mut expected = alloc::vec![0u32; 1024];
            for (i, &x) in a.iter().enumerate() {
                for (j, &y) in b.iter().enumerate() {
                    let (k, product) = ((i + j) % 1024, m.mul(x, y));
                    expected[k] =
                        if i + j < 1024 { m.add(expected[k], product) } else { m.sub(expected[k], product) };
                }
            }
            let (mut x, mut y) = (a, b);
            table.forward(&mut x);
            table.forward(&mut y);
            x.iter_mut().zip(&y).for_each(|(x, &y)| *x = m.mul(*x, y));
            table.inverse(&mut x);
            assert_eq!(x, expected);
        }
    }

    #[test]
    fn every_backend_gives_the_same_bits() {
        for log_degree in [5, 8, 13] {
            let outputs: Vec<Vec<u32>> = tables(log_degree)
                .map(|table| {
                    let mut values = residues(table.modulus.value(), 1 << log_degree, 5);
                    table.forward(&mut values);
                    values
                })
                .collect();
            let per_backend = outputs.len() / Backend::available().count();
            for other in outputs.chunks(per_backend) {
                assert_eq!(other, &outputs[..per_backend]);
            }
        }
    }
}
