//! Twiddle factors: one for each node of the transform's tree, and those of the layers inside
//! vectors once more in the order in which they are used.

use alloc::vec::Vec;

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Backend, Kernel, Lanes},
    ring::{field::Factor, pointwise},
};

/// The twiddle factors of one direction.
pub(super) struct Twiddles {
    /// ψ^rev(k) (or its inverse) for node k < N; there is no node 0.
    nodes: Vec<ShoupFactor>,
    /// For each pair of vectors, for each layer inside vectors: factors, then quotients.
    tail: Vec<u32>,
}

impl Twiddles {
    pub(super) fn new(modulus: Modulus, psi: u32, log_degree: u8, backend: Backend) -> Self {
        let values = powers(modulus, psi, log_degree, backend);
        let mut quotients = values.clone();
        pointwise::shoup_quotients(backend, modulus, &mut quotients);
        let factors = values.into_iter().zip(quotients);
        let nodes: Vec<_> = factors.map(|(value, quotient)| ShoupFactor { value, quotient }).collect();
        let tail = backend.run(LayTail { nodes: &nodes });
        Self { nodes, tail }
    }

    /// The factor of one node.
    #[inline(always)]
    pub(super) fn node(&self, node: usize) -> ShoupFactor {
        self.nodes[node]
    }

    /// The factors of the two children of a node, in every lane.
    #[inline(always)]
    pub(super) fn children<L: Lanes>(&self, node: usize) -> [Factor<L>; 2] {
        [Factor::splat(self.nodes[2 * node]), Factor::splat(self.nodes[2 * node + 1])]
    }

    /// The factors of the layers inside pairs of vectors, each of which is a node.
    #[inline(always)]
    pub(super) fn inside<L: Lanes>(&self, first: usize, pairs: usize) -> Inside<'_, L> {
        let pair = first - self.nodes.len() / (2 * L::WIDTH);
        Inside(&L::chunks(&self.tail)[2 * L::TAIL * pair..][..2 * L::TAIL * pairs])
    }
}

/// ψ^rev(k) for all k < N.
///
/// The highest bit of an index is the lowest one of the exponent that is not known yet: each step doubles the table by
/// products with one factor.
pub(super) fn powers(modulus: Modulus, psi: u32, log_degree: u8, backend: Backend) -> Vec<u32> {
    let mut values = alloc::vec![1; 1 << log_degree];
    for layer in 0..log_degree {
        let half = 1 << layer;
        let factor = modulus.shoup(modulus.pow(psi, 1 << (log_degree - 1 - layer)));
        let (known, next) = values[..2 * half].split_at_mut(half);
        next.copy_from_slice(known);
        pointwise::scale(backend.with_vectors(1, half), modulus, factor, next);
    }
    values
}

/// For each of some pairs of vectors, for each layer inside vectors: factors, then quotients.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a, L: Lanes>(&'a [L::Chunk]);

impl<L: Lanes> Inside<'_, L> {
    /// The factors of one layer inside one pair.
    #[inline(always)]
    pub(super) fn factor(self, pair: usize, stage: usize) -> Factor<L> {
        let at = 2 * (L::TAIL * pair + stage);
        Factor::load(stage, &self.0[at], &self.0[at + 1])
    }
}

/// Lays the factors of the layers inside vectors in the order in which `Lanes::split` deals the
/// entries: the instance's own shuffles, run on indices, tell which entry stands where.
struct LayTail<'a> {
    nodes: &'a [ShoupFactor],
}

impl Kernel for LayTail<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<u32> {
        let degree = self.nodes.len();
        let indices: Vec<u32> = (0..2 * L::WIDTH as u32).collect();
        let chunks = L::chunks(&indices);
        let mut pair = (L::load(&chunks[0]), L::load(&chunks[1]));
        // Of each stage: which entries of the first pair stand in the first vector.
        let mut stages = Vec::with_capacity(L::TAIL);
        for stage in 0..L::TAIL {
            pair = L::split(stage, pair.0, pair.1);
            let mut entries = chunks[0];
            pair.0.store(&mut entries);
            stages.push(entries);
        }
        let mut tail = Vec::with_capacity(degree * L::TAIL);
        for start in (0..degree).step_by(2 * L::WIDTH) {
            for (stage, entries) in stages.iter().enumerate() {
                // A block of this layer is WIDTH >> stage entries long; layer m has degree/length blocks.
                let length = L::WIDTH >> stage;
                let nodes = &self.nodes[(degree + start) / length..][..2 << stage];
                let factors = || entries.as_ref().iter().map(|&i| nodes[i as usize / length]);
                tail.extend(factors().map(|w| w.value));
                tail.extend(factors().map(|w| w.quotient));
            }
        }
        tail
    }
}
