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
    modulus: Modulus,
    /// See [`Twiddles::has_room`].
    room: bool,
    /// ψ^rev(k) (or its inverse) for node k < N; there is no node 0.
    nodes: Vec<ShoupFactor>,
    /// What [`Inside`] reads.
    tail: Vec<u32>,
}

impl Twiddles {
    pub(super) fn new(modulus: Modulus, psi: u32, log_degree: u8, backend: Backend) -> Self {
        let room = backend.run(HasRoom { modulus });
        let values = powers(modulus, psi, log_degree, backend);
        let mut quotients = values.clone();
        pointwise::shoup_quotients(backend, modulus, &mut quotients);
        let factors = values.into_iter().zip(quotients);
        let factors = factors.map(|(value, quotient)| ShoupFactor { value, quotient });
        let nodes: Vec<_> = factors.map(|factor| stored(modulus, room, factor)).collect();
        let tail = backend.run(LayTail { nodes: &nodes });
        Self { modulus, room, nodes, tail }
    }

    /// Whether butterflies compute with signed numbers and do not reduce: where [−32q, 32q) fits 32 bits, sixteen layers
    /// stay within it.
    #[inline(always)]
    pub(super) fn has_room<L: Lanes>(&self) -> bool {
        L::SIGNED_TRANSFORMS && self.room
    }

    /// A factor as they are stored: where there is room, q less if its quotient, as a signed number, is 2^32 less.
    #[inline(always)]
    pub(super) fn stored(&self, factor: ShoupFactor) -> ShoupFactor {
        stored(self.modulus, self.room, factor)
    }

    /// The factor of the first layer, below q.
    pub(super) fn root(&self) -> ShoupFactor {
        let ShoupFactor { value, quotient } = self.nodes[1];
        ShoupFactor { value: value.min(value.wrapping_add(self.modulus.value())), quotient }
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

    /// The factors of the layers inside so many vectors, pairs of which are nodes, from such a pair on.
    #[inline(always)]
    pub(super) fn inside<L: Lanes>(&self, first: usize, vectors: usize) -> Inside<'_, L> {
        let pair = first - self.nodes.len() / (2 * L::WIDTH);
        let (per_pair, chunks) = (2 * layers_stored::<L>(), L::chunks(&self.tail));
        let (places, factors) = chunks.split_at(layers_spread::<L>());
        let mut spread = [L::splat(0); 3];
        spread.iter_mut().zip(places).for_each(|(spread, places)| *spread = L::load(places));
        Inside { spread, factors: &factors[per_pair * pair..][..per_pair * vectors / 2] }
    }
}

fn stored(modulus: Modulus, room: bool, ShoupFactor { value, quotient }: ShoupFactor) -> ShoupFactor {
    let negative = room && quotient >> 31 == 1;
    ShoupFactor { value: if negative { value.wrapping_sub(modulus.value()) } else { value }, quotient }
}

struct HasRoom {
    modulus: Modulus,
}

impl Kernel for HasRoom {
    type Output = bool;

    fn run<L: Lanes>(self) -> bool {
        L::SIGNED_TRANSFORMS && self.modulus.value() < 1 << 26
    }
}

/// How many of the layers inside vectors have their factors stored once for each block: all but the last one, whose
/// blocks are single entries, where such factors are spread by shuffles.
const fn layers_spread<L: Lanes>() -> usize {
    if L::SPREADS_FACTORS { L::TAIL - 1 } else { 0 }
}

/// How many layers' factors the layers inside vectors have the size of.
const fn layers_stored<L: Lanes>() -> usize {
    if L::SPREADS_FACTORS { 2 } else { L::TAIL }
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

/// How many times as many vectors as are worked on side by side come before those whose factors are asked for: so many
/// that the third cache has the time to answer.
const GROUPS_AHEAD: usize = 4;

/// The factors of the layers inside vectors that are worked on side by side, in the order of their use: for each
/// layer, for each pair, factors, then quotients. Where they are spread, all layers but the last are one.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a, L: Lanes> {
    /// For each layer that is spread: where each lane's factor stands.
    spread: [L; 3],
    factors: &'a [L::Chunk],
}

impl<L: Lanes> Inside<'_, L> {
    /// The factors of one layer inside one pair.
    #[inline(always)]
    pub(super) fn factor(self, pair: usize, stage: usize) -> Factor<L> {
        let spread = layers_spread::<L>();
        let layer = if stage < spread { 0 } else { stage + 1 - spread.max(1) };
        let at = L::VECTORS_AT_ONCE * layer + 2 * pair;
        if stage == 0 || stage >= spread {
            let ahead = GROUPS_AHEAD * self.factors.len() * L::WIDTH;
            L::prefetch_to_keep(&self.factors[at], ahead);
            L::prefetch_to_keep(&self.factors[at + 1], ahead);
        }
        let [values, quotients] = [L::load(&self.factors[at]), L::load(&self.factors[at + 1])];
        if stage < spread {
            let spread = self.spread[stage];
            Factor::of_stage(stage, values.shuffle(spread), quotients.shuffle(spread))
        } else {
            Factor::of_stage(stage, values, quotients)
        }
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
            // A block of this layer is WIDTH >> stage entries long.
            let blocks: Vec<u32> = entries.as_ref().iter().map(|&i| i / (L::WIDTH as u32 >> stage)).collect();
            stages.push(blocks);
        }
        let (spread, whole) = stages.split_at(layers_spread::<L>());
        let mut tail = Vec::with_capacity(degree * layers_stored::<L>() + L::WIDTH * spread.len());
        for (stage, blocks) in spread.iter().enumerate() {
            tail.extend(blocks.iter().map(|block| (2 << stage) - 2 + block));
        }
        // Layer m has degree/length blocks, and the pair that starts at entry s begins with block s/length of it.
        let nodes =
            |start: usize, stage: usize| &self.nodes[(degree + start) / (L::WIDTH >> stage)..][..2 << stage];
        let mut blocks_of_all = [self.nodes[0]; 16];
        for group in (0..degree).step_by(L::VECTORS_AT_ONCE * L::WIDTH) {
            let pairs = || (group..).step_by(2 * L::WIDTH).take(L::VECTORS_AT_ONCE / 2);
            if !spread.is_empty() {
                for start in pairs() {
                    for stage in 0..spread.len() {
                        blocks_of_all[(2 << stage) - 2..][..2 << stage].copy_from_slice(nodes(start, stage));
                    }
                    lay(&mut tail, blocks_of_all[..L::WIDTH].iter());
                }
            }
            for (stage, blocks) in (spread.len()..).zip(whole) {
                for start in pairs() {
                    let nodes = nodes(start, stage);
                    lay(&mut tail, blocks.iter().map(|&block| &nodes[block as usize]));
                }
            }
        }
        tail
    }
}

/// Appends factors, then their quotients.
#[inline(always)]
fn lay<'a>(tail: &mut Vec<u32>, factors: impl Iterator<Item = &'a ShoupFactor> + Clone) {
    tail.extend(factors.clone().map(|w| w.value));
    tail.extend(factors.map(|w| w.quotient));
}
