//! One limb to bytes and back, many residues at a time. Knows no primes: a residue is a number of so many bits.
//!
//! Eight residues of b bits are b whole bytes. So every group of eight, or of sixteen, looks the same: where a residue
//! begins and by how much it has to be shifted is worked out once for a limb.

use crate::lanes::{Backend, Kernel, Lanes, MOST_LANES, each};

/// Writes residues of `bits` bits, 1 to 30, over all of `bytes`, which they fill.
pub(crate) fn pack(backend: Backend, limb: &[u32], bits: u32, bytes: &mut [u8]) {
    let done = backend.run(Pack { limb, bits, bytes });
    pack_each(&limb[done..], bits, &mut bytes[done / 8 * bits as usize..]);
}

/// Fills a limb with residues of `bits` bits, 1 to 30, and returns whether all are at most `bound`.
pub(crate) fn unpack(backend: Backend, bytes: &[u8], bits: u32, bound: u32, limb: &mut [u32]) -> bool {
    let (done, within) = backend.run(Unpack { bytes, bits, bound, limb });
    unpack_each(&bytes[done / 8 * bits as usize..], bits, &mut limb[done..]);
    within & limb[done..].iter().all(|&residue| residue <= bound)
}

/// One residue after the other.
fn pack_each(limb: &[u32], bits: u32, bytes: &mut [u8]) {
    let mut residues = limb.iter();
    let (mut accumulator, mut filled) = (0u64, 0);
    for byte in bytes {
        while filled < 8 {
            accumulator |= residues.next().map_or(0, |&residue| u64::from(residue)) << filled;
            filled += bits;
        }
        *byte = accumulator as u8;
        accumulator >>= 8;
        filled -= 8;
    }
}

/// One residue after the other.
fn unpack_each(bytes: &[u8], bits: u32, limb: &mut [u32]) {
    let mut bytes = bytes.iter();
    let (mut accumulator, mut filled) = (0u64, 0);
    for residue in limb {
        while filled < bits {
            accumulator |= bytes.next().map_or(0, |&byte| u64::from(byte)) << filled;
            filled += 8;
        }
        *residue = (accumulator & ((1 << bits) - 1)) as u32;
        accumulator >>= bits;
        filled -= bits;
    }
}

/// How many groups there are whose vectors of words lie within the bytes, which may be fewer at the end.
const fn whole_groups(bytes: usize, step: usize, window: usize) -> usize {
    (bytes + step).saturating_sub(window) / step
}

/// Packs all whole groups and returns how many residues these are.
struct Pack<'a> {
    limb: &'a [u32],
    bits: u32,
    bytes: &'a mut [u8],
}

impl Kernel for Pack<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { limb, bits, bytes } = self;
        if L::WIDTH < 8 || bits < Packer::<L>::LEAST_BITS {
            let pairs = Pairs::new(bits);
            let (limb, step) = (limb.as_chunks().0, bits as usize);
            let whole = whole_groups(bytes.len(), step, 32);
            for (i, residues) in limb[..whole].iter().enumerate() {
                let Some(bytes) = bytes[i * step..].first_chunk_mut() else { break };
                pairs.pack(residues, bytes);
            }
            return 8 * whole;
        }
        let packer = Packer::<L>::new(bits);
        let step = L::WIDTH / 8 * bits as usize;
        let whole = whole_groups(bytes.len(), step, 4 * L::WIDTH);
        for (i, residues) in L::chunks(limb)[..whole].iter().enumerate() {
            packer.pack(L::load(residues)).to_bytes(&mut bytes[i * step..]);
        }
        whole * L::WIDTH
    }
}

/// Unpacks all whole groups and returns how many residues these are, and whether they are at most `bound`.
struct Unpack<'a> {
    bytes: &'a [u8],
    bits: u32,
    bound: u32,
    limb: &'a mut [u32],
}

impl Kernel for Unpack<'_> {
    type Output = (usize, bool);

    #[inline(always)]
    fn run<L: Lanes>(self) -> (usize, bool) {
        let Self { bytes, bits, bound, limb } = self;
        if L::WIDTH < 8 {
            let pairs = Pairs::new(bits);
            let (limb, step) = (limb.as_chunks_mut().0, bits as usize);
            let whole = whole_groups(bytes.len(), step, 32);
            let mut within = u64::MAX;
            for (i, residues) in limb[..whole].iter_mut().enumerate() {
                let Some(bytes) = bytes[i * step..].first_chunk() else { break };
                within &= pairs.unpack(bytes, bound, residues);
            }
            return (8 * whole, within & Pairs::SIGNS == Pairs::SIGNS);
        }
        let unpacker = Unpacker::<L>::new(bits);
        let step = L::WIDTH / 8 * bits as usize;
        let whole = whole_groups(bytes.len(), step, 4 * L::WIDTH);
        let mut least = L::splat(u32::MAX);
        for (i, out) in L::chunks_mut(limb)[..whole].iter_mut().enumerate() {
            let residues = unpacker.unpack(L::from_bytes(&bytes[i * step..]));
            residues.store(out);
            least = least.min(L::splat(u32::MAX).sub(residues));
        }
        let mut lanes = [u32::MAX; MOST_LANES];
        least.store(&mut L::chunks_mut(&mut lanes)[0]);
        (whole * L::WIDTH, lanes.iter().all(|&least| u32::MAX - least <= bound))
    }
}

/// How words come from a vector of residues.
struct Packer<L> {
    /// The residue that a word begins with, and by how much it is shifted to the right.
    first: (L, L),
    /// The next two, and by how much they are shifted to the left; 32 and more leave nothing.
    next: [(L, L); 2],
}

impl<L: Lanes> Packer<L> {
    /// Of fewer bits, more than three meet in a word.
    const LEAST_BITS: u32 = 16;

    #[inline(always)]
    fn new(bits: u32) -> Self {
        // Words that begin behind the last residue do not matter.
        let first = |word: u32| 32 * word / bits;
        let left =
            |nth| (lanes(|word| first(word) + nth), lanes(|word| (first(word) + nth) * bits - 32 * word));
        Self { first: (lanes(first), lanes(|word| 32 * word - first(word) * bits)), next: [left(1), left(2)] }
    }

    #[inline(always)]
    fn pack(&self, residues: L) -> L {
        let mut words = residues.shuffle(self.first.0).shift_right_each(self.first.1);
        for (index, left) in self.next {
            words = words.add(residues.shuffle(index).shift_left_each(left));
        }
        words
    }
}

/// How residues come from a vector of words.
struct Unpacker<L> {
    /// The word that a residue ends in, by how much it is shifted to the left, and then all of them to the right.
    last: (L, L),
    down: u32,
    /// The word before that, if the residue begins there, and by how much it is shifted to the right; 32 leaves nothing.
    before: (L, L),
}

impl<L: Lanes> Unpacker<L> {
    #[inline(always)]
    fn new(bits: u32) -> Self {
        let start = |residue: u32| residue * bits;
        let end = |residue: u32| start(residue) + bits;
        let last = |residue: u32| (end(residue) - 1) / 32;
        let before = |residue| if start(residue) / 32 < last(residue) { start(residue) % 32 } else { 32 };
        Self {
            last: (lanes(last), lanes(|residue| 32 * (last(residue) + 1) - end(residue))),
            down: 32 - bits,
            before: (lanes(|residue| start(residue) / 32), lanes(before)),
        }
    }

    #[inline(always)]
    fn unpack(&self, words: L) -> L {
        let high = words.shuffle(self.last.0).shift_left_each(self.last.1).shift_right(self.down);
        high.add(words.shuffle(self.before.0).shift_right_each(self.before.1))
    }
}

/// A vector with an entry for each lane.
#[inline(always)]
fn lanes<L: Lanes>(entry: impl Fn(u32) -> u32) -> L {
    let entries: [u32; MOST_LANES] = each(|i| entry(i as u32));
    L::load(&L::chunks(&entries)[0])
}

/// How eight residues become bytes where lanes cannot be shifted each by a number of its own: in words of 64 bits, which
/// have room for two residues wherever in a byte they begin.
struct Pairs {
    bits: u32,
    /// The byte that a pair begins in, and at which of its bits.
    places: [(usize, u32); 4],
    /// Half of the bits from that byte to the next pair's.
    half: [u32; 4],
}

impl Pairs {
    /// The highest bits of both halves of a word.
    const SIGNS: u64 = 1 << 63 | 1 << 31;

    #[inline(always)]
    fn new(bits: u32) -> Self {
        // Never more than 24; said so, it needs no check later.
        let byte = |pair: u32| (2 * bits * pair / 8).min(24);
        Self {
            bits,
            places: each(|i| (byte(i as u32) as usize, 2 * bits * i as u32 % 8)),
            half: each(|i| (4 * (2 * bits * (i as u32 + 1) / 8 - byte(i as u32))).min(32)),
        }
    }

    #[inline(always)]
    fn pack(&self, residues: &[u32; 8], bytes: &mut [u8; 32]) {
        let mut carry = 0;
        for ((&[a, b], &(byte, bit)), &half) in
            residues.as_chunks().0.iter().zip(&self.places).zip(&self.half)
        {
            let word = (u64::from(a) | u64::from(b) << self.bits) << bit | carry;
            bytes[byte..byte + 8].copy_from_slice(&word.to_le_bytes());
            carry = word >> half >> half;
        }
    }

    /// Where the result has [`Pairs::SIGNS`], all are at most `bound`.
    #[inline(always)]
    fn unpack(&self, bytes: &[u8; 32], bound: u32, residues: &mut [u32; 8]) -> u64 {
        let mask = (1 << self.bits) - 1;
        let bounds = u64::from(bound) << 32 | u64::from(bound) | Self::SIGNS;
        let mut within = u64::MAX;
        for (out, &(byte, bit)) in residues.as_chunks_mut().0.iter_mut().zip(&self.places) {
            let word = bytes[byte..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) >> bit;
            let pair = word & mask | word << (32 - self.bits) & mask << 32;
            *out = [pair as u32, (pair >> 32) as u32];
            within &= bounds - pair;
        }
        within
    }
}

#[cfg(test)]
mod tests;
