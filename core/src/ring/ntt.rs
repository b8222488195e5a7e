//! The negacyclic number-theoretic transform modulo one prime, over any width of vectors.
//! Owns its twiddle factors. Entry i of the transform is the value at ψ^(2·rev(i)+1), ψ a
//! primitive 2N-th root of unity.
//!
//! Layers are done two at a time on whole vectors; the last ones, whose pairs lie closer together
//! than a vector is wide, on pairs of vectors with shuffles between layers, so that memory is
//! passed over ⌈(log₂ N − 1 − log₂ width)/2⌉ + 1 times. Values stay in [0, 4q) on the way forward and
//! in [0, 2q) on the way back.
//!
//! Source: Longa and Naehrig, "Speeding up the Number Theoretic Transform for Faster Ideal
//! Lattice-Based Cryptography" (eprint 2016/504), algorithms 1 and 2, for the order of the
//! twiddle factors; Harvey (arXiv 1205.2926), section 3, for the lazy butterflies.

use alloc::vec::Vec;

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Backend, Kernel, Lanes},
};

/// Twiddle factors of one prime, laid out for one backend.
pub(crate) struct NttTable {
    modulus: Modulus,
    backend: Backend,
    forward: Twiddles,
    inverse: Twiddles,
    /// N⁻¹, and N⁻¹ times the last inverse twiddle factor.
    scaling: [ShoupFactor; 2],
}

struct Twiddles {
    /// ψ^rev(i) (or its inverse), i < N.
    head: Vec<ShoupFactor>,
    /// For each pair of vectors, for each layer inside vectors: factors, then quotients.
    tail: Vec<u32>,
}

impl NttTable {
    pub(crate) fn new(modulus: Modulus, log_degree: u8, backend: Backend) -> Self {
        let psi = primitive_root(modulus, log_degree);
        let degree_inverse = modulus.invert(1 << log_degree);
        let forward = Twiddles::new(modulus, psi, log_degree, backend);
        let inverse = Twiddles::new(modulus, modulus.invert(psi), log_degree, backend);
        let last = modulus.mul(degree_inverse, inverse.head[1].value);
        let scaling = [modulus.shoup(degree_inverse), modulus.shoup(last)];
        Self { modulus, backend, forward, inverse, scaling }
    }

    /// Transforms residues in place.
    pub(crate) fn forward(&self, values: &mut [u32]) {
        self.backend.run(Forward { table: self, values });
    }

    /// Undoes [`NttTable::forward`] in place.
    pub(crate) fn inverse(&self, values: &mut [u32]) {
        self.backend.run(Inverse { table: self, values });
    }
}

/// The least primitive 2N-th root of unity mod q. The choice is part of the format.
pub(crate) fn primitive_root(modulus: Modulus, log_degree: u8) -> u32 {
    let order = 2u64 << log_degree;
    let cofactor = (u64::from(modulus.value()) - 1) / order;
    let minus_one = modulus.value() - 1;
    let root = (2..modulus.value())
        .map(|candidate| modulus.pow(candidate, cofactor))
        .find(|&root| modulus.pow(root, order / 2) == minus_one)
        .unwrap_or(minus_one);
    // The primitive roots are the odd powers of any one of them.
    let square = modulus.mul(root, root);
    let mut power = root;
    let mut least = root;
    for _ in 0..order / 2 {
        least = least.min(power);
        power = modulus.mul(power, square);
    }
    least
}

impl Twiddles {
    fn new(modulus: Modulus, psi: u32, log_degree: u8, backend: Backend) -> Self {
        let degree = 1usize << log_degree;
        let mut head = alloc::vec![modulus.shoup(1); degree];
        let mut power = 1;
        for exponent in 0..degree {
            let index = exponent.reverse_bits() >> (usize::BITS - u32::from(log_degree));
            head[index] = modulus.shoup(power);
            power = modulus.mul(power, psi);
        }
        let tail = backend.run(LayTail { head: &head });
        Self { head, tail }
    }
}

/// Lays the factors of the layers inside vectors in the order in which `Lanes::split` deals the
/// entries: the instance's own shuffles, run on indices, tell which entry stands where.
struct LayTail<'a> {
    head: &'a [ShoupFactor],
}

impl Kernel for LayTail<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<u32> {
        let degree = self.head.len();
        let mut tail = Vec::with_capacity(degree * L::TAIL);
        for pair in 0..degree / (2 * L::WIDTH) {
            let start = (2 * L::WIDTH * pair) as u32;
            let indices: Vec<u32> = (start..start + 2 * L::WIDTH as u32).collect();
            let chunks = L::chunks(&indices);
            let (mut a, mut b) = (L::load(&chunks[0]), L::load(&chunks[1]));
            for stage in 0..L::TAIL {
                (a, b) = L::split(stage, a, b);
                let mut entries = chunks[0];
                a.store(&mut entries);
                // A block of this layer is WIDTH >> stage entries long; layer m has degree/length blocks.
                let length = L::WIDTH >> stage;
                let factors =
                    || entries.as_ref().iter().map(|&i| self.head[degree / length + i as usize / length]);
                tail.extend(factors().map(|w| w.value));
                tail.extend(factors().map(|w| w.quotient));
            }
        }
        tail
    }
}

/// A constant factor in every lane.
#[derive(Clone, Copy)]
struct Factor<L> {
    value: L,
    quotient: L,
}

impl<L: Lanes> Factor<L> {
    #[inline(always)]
    fn splat(w: ShoupFactor) -> Self {
        Self { value: L::splat(w.value), quotient: L::splat(w.quotient) }
    }

    #[inline(always)]
    fn load(tail: &[L::Chunk], stage: usize) -> Self {
        Self { value: L::load(&tail[2 * stage]), quotient: L::load(&tail[2 * stage + 1]) }
    }
}

/// q and 2q in every lane, and the two butterflies.
#[derive(Clone, Copy)]
struct Lazy<L> {
    q: L,
    two_q: L,
}

impl<L: Lanes> Lazy<L> {
    #[inline(always)]
    fn new(modulus: Modulus) -> Self {
        Self { q: L::splat(modulus.value()), two_q: L::splat(2 * modulus.value()) }
    }

    #[inline(always)]
    fn mul(self, x: L, w: Factor<L>) -> L {
        x.mul_shoup(w.value, w.quotient, self.q)
    }

    /// `(a + wb, a − wb)`; from and to [0, 4q).
    #[inline(always)]
    fn cooley_tukey(self, a: L, b: L, w: Factor<L>) -> (L, L) {
        let a = a.reduce_once(self.two_q);
        let t = self.mul(b, w);
        (a.add(t), a.sub(t).add(self.two_q))
    }

    /// `(a + b, w(a − b))`; from and to [0, 2q).
    #[inline(always)]
    fn gentleman_sande(self, a: L, b: L, w: Factor<L>) -> (L, L) {
        let sum = a.add(b).reduce_once(self.two_q);
        (sum, self.mul(a.sub(b).add(self.two_q), w))
    }

    /// From [0, 4q) to [0, q).
    #[inline(always)]
    fn finish(self, x: L) -> L {
        x.reduce_once(self.two_q).reduce_once(self.q)
    }
}

struct Forward<'a> {
    table: &'a NttTable,
    values: &'a mut [u32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let NttTable { modulus, forward: Twiddles { head, tail }, .. } = self.table;
        let lazy = Lazy::<L>::new(*modulus);
        let values = L::chunks_mut(self.values);
        let mut blocks = 1;
        // Layers whose pairs are at least two vectors apart, two at a time, after one alone if odd.
        let whole_layers = (values.len() / 2).trailing_zeros();
        if whole_layers % 2 == 1 {
            forward_layer(lazy, values, head[1]);
            blocks = 2;
        }
        while values.len() / blocks > 2 {
            let length = values.len() / blocks;
            for (i, block) in values.chunks_exact_mut(length).enumerate() {
                let (w1, w2) = (head[blocks + i], [head[2 * (blocks + i)], head[2 * (blocks + i) + 1]]);
                forward_two_layers(lazy, block, w1, w2);
            }
            blocks *= 4;
        }
        let tail = L::chunks(tail);
        for (i, pair) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let w = Factor::splat(head[blocks + i]);
            let (mut a, mut b) = lazy.cooley_tukey(L::load(&pair[0]), L::load(&pair[1]), w);
            let tail = &tail[2 * L::TAIL * i..][..2 * L::TAIL];
            for stage in 0..L::TAIL {
                (a, b) = L::split(stage, a, b);
                (a, b) = lazy.cooley_tukey(a, b, Factor::load(tail, stage));
            }
            let (a, b) = L::join_all(lazy.finish(a), lazy.finish(b));
            a.store(&mut pair[0]);
            b.store(&mut pair[1]);
        }
    }
}

#[inline(always)]
fn forward_layer<L: Lanes>(lazy: Lazy<L>, block: &mut [L::Chunk], w: ShoupFactor) {
    let w = Factor::splat(w);
    let (low, high) = block.split_at_mut(block.len() / 2);
    for (x, y) in low.iter_mut().zip(high) {
        let (a, b) = lazy.cooley_tukey(L::load(x), L::load(y), w);
        a.store(x);
        b.store(y);
    }
}

#[inline(always)]
fn forward_two_layers<L: Lanes>(
    lazy: Lazy<L>,
    block: &mut [L::Chunk],
    w1: ShoupFactor,
    w2: [ShoupFactor; 2],
) {
    let (w1, w2, w3) = (Factor::splat(w1), Factor::splat(w2[0]), Factor::splat(w2[1]));
    for [x0, x1, x2, x3] in quarters::<L>(block) {
        let (a0, a2) = lazy.cooley_tukey(L::load(x0), L::load(x2), w1);
        let (a1, a3) = lazy.cooley_tukey(L::load(x1), L::load(x3), w1);
        let (a0, a1) = lazy.cooley_tukey(a0, a1, w2);
        let (a2, a3) = lazy.cooley_tukey(a2, a3, w3);
        a0.store(x0);
        a1.store(x1);
        a2.store(x2);
        a3.store(x3);
    }
}

/// The corresponding entries of the four quarters of a block.
#[inline(always)]
fn quarters<L: Lanes>(block: &mut [L::Chunk]) -> impl Iterator<Item = [&mut L::Chunk; 4]> {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let (q0, q1) = low.split_at_mut(low.len() / 2);
    let (q2, q3) = high.split_at_mut(high.len() / 2);
    q0.iter_mut().zip(q1).zip(q2.iter_mut().zip(q3)).map(|((x0, x1), (x2, x3))| [x0, x1, x2, x3])
}

struct Inverse<'a> {
    table: &'a NttTable,
    values: &'a mut [u32],
}

impl Kernel for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let NttTable { modulus, inverse: Twiddles { head, tail }, scaling, .. } = self.table;
        let lazy = Lazy::<L>::new(*modulus);
        let values = L::chunks_mut(self.values);
        let tail = L::chunks(tail);
        let mut blocks = values.len() / 2;
        for (i, pair) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let (mut a, mut b) = L::split_all(L::load(&pair[0]), L::load(&pair[1]));
            let tail = &tail[2 * L::TAIL * i..][..2 * L::TAIL];
            for stage in (0..L::TAIL).rev() {
                (a, b) = lazy.gentleman_sande(a, b, Factor::load(tail, stage));
                (a, b) = L::join(stage, a, b);
            }
            (a, b) = lazy.gentleman_sande(a, b, Factor::splat(head[blocks + i]));
            a.store(&mut pair[0]);
            b.store(&mut pair[1]);
        }
        while blocks > 4 {
            blocks /= 4;
            for (i, block) in values.chunks_exact_mut(values.len() / blocks).enumerate() {
                let (w1, w2) = (head[blocks + i], [head[2 * (blocks + i)], head[2 * (blocks + i) + 1]]);
                inverse_two_layers(lazy, block, w1, w2);
            }
        }
        let scaling = scaling.map(Factor::splat);
        if blocks == 4 {
            inverse_last_two_layers(lazy, values, [head[2], head[3]], scaling);
        } else {
            inverse_last_layer(lazy, values, scaling);
        }
    }
}

/// The last butterfly with the division by N, to [0, q).
#[inline(always)]
fn last_butterfly<L: Lanes>(lazy: Lazy<L>, a: L, b: L, scaling: [Factor<L>; 2]) -> (L, L) {
    let sum = lazy.mul(a.add(b), scaling[0]);
    let difference = lazy.mul(a.sub(b).add(lazy.two_q), scaling[1]);
    (sum.reduce_once(lazy.q), difference.reduce_once(lazy.q))
}

#[inline(always)]
fn inverse_last_layer<L: Lanes>(lazy: Lazy<L>, values: &mut [L::Chunk], scaling: [Factor<L>; 2]) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    for (x, y) in low.iter_mut().zip(high) {
        let (a, b) = last_butterfly(lazy, L::load(x), L::load(y), scaling);
        a.store(x);
        b.store(y);
    }
}

#[inline(always)]
fn inverse_last_two_layers<L: Lanes>(
    lazy: Lazy<L>,
    values: &mut [L::Chunk],
    w: [ShoupFactor; 2],
    scaling: [Factor<L>; 2],
) {
    let [w0, w1] = w.map(Factor::splat);
    for [x0, x1, x2, x3] in quarters::<L>(values) {
        let (a0, a1) = lazy.gentleman_sande(L::load(x0), L::load(x1), w0);
        let (a2, a3) = lazy.gentleman_sande(L::load(x2), L::load(x3), w1);
        let (a0, a2) = last_butterfly(lazy, a0, a2, scaling);
        let (a1, a3) = last_butterfly(lazy, a1, a3, scaling);
        a0.store(x0);
        a1.store(x1);
        a2.store(x2);
        a3.store(x3);
    }
}

#[inline(always)]
fn inverse_two_layers<L: Lanes>(
    lazy: Lazy<L>,
    block: &mut [L::Chunk],
    w1: ShoupFactor,
    w2: [ShoupFactor; 2],
) {
    let (w1, w2, w3) = (Factor::splat(w1), Factor::splat(w2[0]), Factor::splat(w2[1]));
    for [x0, x1, x2, x3] in quarters::<L>(block) {
        let (a0, a1) = lazy.gentleman_sande(L::load(x0), L::load(x1), w2);
        let (a2, a3) = lazy.gentleman_sande(L::load(x2), L::load(x3), w3);
        let (a0, a2) = lazy.gentleman_sande(a0, a2, w1);
        let (a1, a3) = lazy.gentleman_sande(a1, a3, w1);
        a0.store(x0);
        a1.store(x1);
        a2.store(x2);
        a3.store(x3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ntt_primes_near;

    fn tables(log_degree: u8) -> impl Iterator<Item = NttTable> {
        let primes: Vec<u32> = [30, 28, 25]
            .iter()
            .filter_map(|&bits| ntt_primes_near(f64::from(1u32 << bits), log_degree).next())
            .collect();
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
    fn entry_i_is_the_value_at_the_odd_power_of_psi_with_reversed_index() {
        for table in tables(5) {
            let (m, psi) = (table.modulus, primitive_root(table.modulus, 5));
            let input = residues(m.value(), 32, 7);
            let mut output = input.clone();
            table.forward(&mut output);
            for (i, &got) in output.iter().enumerate() {
                let point = m.pow(psi, 2 * u64::from((i as u32).reverse_bits() >> 27) + 1);
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
    fn products_agree_with_the_schoolbook_negacyclic_product() {
        for table in tables(6) {
            let m = table.modulus;
            let (a, b) = (residues(m.value(), 64, 11), residues(m.value(), 64, 13));
            let mut expected = alloc::vec![0u32; 64];
            for (i, &x) in a.iter().enumerate() {
                for (j, &y) in b.iter().enumerate() {
                    let (k, product) = ((i + j) % 64, m.mul(x, y));
                    expected[k] =
                        if i + j < 64 { m.add(expected[k], product) } else { m.sub(expected[k], product) };
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
