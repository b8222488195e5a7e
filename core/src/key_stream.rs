//! The ChaCha20 key stream as 32-bit words, as many blocks at a time as a vector has lanes. Takes the
//! same time whatever key, nonce and words are; knows nothing of what the words are for.
//!
//! Source: RFC 8439, section 2.3.

use zeroize::Zeroize;

use crate::lanes::{Backend, Kernel, Lanes};

/// Words that are made at a time: 64 blocks.
pub(crate) const WORDS: usize = 1024;
/// So few words are made one block after the other, since vectors would make many more.
const FEW: usize = 64;
const BLOCK: usize = 16;
/// Word 12 of a state counts blocks.
const COUNTER: usize = 12;
/// How many groups of blocks, as many in each as there are lanes, are worked on in turns: the operations on one group
/// wait for each other, and the processor fills the gaps with those on the other.
const GROUPS: usize = 2;
/// Lanes of the widest instance.
const MOST_LANES: usize = 16;
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574];
const NUMBERS: [u32; MOST_LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A key stream from its beginning; what it holds is wiped when dropped.
pub(crate) struct KeyStream {
    backend: Backend,
    /// The first block's state.
    state: [u32; BLOCK],
    words: [u32; WORDS],
}

impl KeyStream {
    pub(crate) fn new(backend: Backend, key: &[u8; 32], nonce: &[u8; 12]) -> Self {
        let mut state = [0; BLOCK];
        state[..4].copy_from_slice(&CONSTANTS);
        let bytes = key.as_chunks().0.iter().chain(nonce.as_chunks().0);
        // Word 12 is the block counter, between key and nonce.
        let places = (4..12).chain(13..16);
        places.zip(bytes).for_each(|(place, word)| state[place] = u32::from_le_bytes(*word));
        Self { backend, state, words: [0; WORDS] }
    }

    /// The next words: [`WORDS`] of them, or as many as are asked for where that is few.
    pub(crate) fn next_words(&mut self, wanted: usize) -> &[u32] {
        let Self { backend, state, words } = self;
        let (backend, count) = if wanted <= FEW { (Backend::SCALAR, FEW) } else { (*backend, WORDS) };
        let words = &mut words[..count];
        backend.run(Expand { state, words });
        state[COUNTER] = state[COUNTER].wrapping_add((count / BLOCK) as u32);
        words
    }
}

impl Drop for KeyStream {
    fn drop(&mut self) {
        self.state.zeroize();
        self.words.zeroize();
    }
}

struct Expand<'a> {
    state: &'a [u32; BLOCK],
    words: &'a mut [u32],
}

impl Kernel for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { state, words } = self;
        let lane_numbers = L::load(&L::chunks(&NUMBERS)[0]);
        for (i, blocks) in L::chunks_mut(words).as_chunks_mut::<{ GROUPS * BLOCK }>().0.iter_mut().enumerate()
        {
            let mut initial = [state.map(L::splat); GROUPS];
            for (group, s) in initial.iter_mut().enumerate() {
                let first_block = ((GROUPS * i + group) * L::WIDTH) as u32;
                s[COUNTER] = s[COUNTER].add(L::splat(first_block)).add(lane_numbers);
            }
            let mut groups = initial;
            for _ in 0..10 {
                let [a, b] = &mut groups;
                column_round(a);
                column_round(b);
                diagonal_round(a);
                diagonal_round(b);
            }
            let groups = groups.into_iter().zip(initial);
            for (blocks, (mut s, initial)) in blocks.as_chunks_mut::<BLOCK>().0.iter_mut().zip(groups) {
                s.iter_mut().zip(initial).for_each(|(word, initial)| *word = word.add(initial));
                blocks.iter_mut().zip(transposed(s)).for_each(|(chunk, words)| words.store(chunk));
            }
        }
    }
}

#[inline(always)]
fn column_round<L: Lanes>(s: &mut [L; BLOCK]) {
    quarter_round::<L, 0, 4, 8, 12>(s);
    quarter_round::<L, 1, 5, 9, 13>(s);
    quarter_round::<L, 2, 6, 10, 14>(s);
    quarter_round::<L, 3, 7, 11, 15>(s);
}

#[inline(always)]
fn diagonal_round<L: Lanes>(s: &mut [L; BLOCK]) {
    quarter_round::<L, 0, 5, 10, 15>(s);
    quarter_round::<L, 1, 6, 11, 12>(s);
    quarter_round::<L, 2, 7, 8, 13>(s);
    quarter_round::<L, 3, 4, 9, 14>(s);
}

/// From vectors with one word of several blocks to vectors with several words of one block, block after block.
///
/// Each step deals the vectors of both halves out in turns, which moves the highest bit of a word's place behind
/// all others of its index; after four of them the number of its block is in front.
#[inline(always)]
fn transposed<L: Lanes>(mut s: [L; BLOCK]) -> [L; BLOCK] {
    for _ in 0..BLOCK.ilog2() {
        let before = s;
        for i in 0..BLOCK / 2 {
            (s[2 * i], s[2 * i + 1]) = L::interleave(before[i], before[i + BLOCK / 2]);
        }
    }
    s
}

#[inline(always)]
fn quarter_round<L: Lanes, const A: usize, const B: usize, const C: usize, const D: usize>(
    s: &mut [L; BLOCK],
) {
    s[A] = s[A].add(s[B]);
    s[D] = s[D].xor(s[A]).rotate_left(16);
    s[C] = s[C].add(s[D]);
    s[B] = s[B].xor(s[C]).rotate_left(12);
    s[A] = s[A].add(s[B]);
    s[D] = s[D].xor(s[A]).rotate_left(8);
    s[C] = s[C].add(s[D]);
    s[B] = s[B].xor(s[C]).rotate_left(7);
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::{
        ChaCha20,
        cipher::{KeyIvInit, StreamCipher},
    };

    #[test]
    fn every_backend_gives_the_words_of_chacha20() {
        let (key, nonce) = (core::array::from_fn(|i| 7 * i as u8), core::array::from_fn(|i| 200 + i as u8));
        let mut bytes = alloc::vec![0; 3 * 4 * WORDS];
        ChaCha20::new(&<[u8; 32]>::into(key), &<[u8; 12]>::into(nonce)).apply_keystream(&mut bytes);
        let expected: alloc::vec::Vec<u32> =
            bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        for backend in Backend::available() {
            let mut stream = KeyStream::new(backend, &key, &nonce);
            let mut expected = &expected[..];
            for wanted in [WORDS, 1, FEW, FEW + 1] {
                let words = stream.next_words(wanted);
                assert!(words.len() >= wanted);
                assert_eq!(words, &expected[..words.len()], "on {}", backend.name());
                expected = &expected[words.len()..];
            }
        }
    }
}
