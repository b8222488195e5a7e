//! The key stream of ChaCha with 20 or 8 rounds as 32-bit words, as many blocks at a time as a vector has lanes. Takes
//! the same time whatever key, nonce and words are; knows nothing of what the words are for.
//!
//! Source: RFC 8439, section 2.3; with eight rounds, Bernstein, "ChaCha, a variant of Salsa20" (2008).

use zeroize::Zeroize;

use crate::lanes::{Backend, Kernel, Lanes, MOST_LANES};

/// Words that are made at a time at most: 96 blocks.
pub(crate) const WORDS: usize = 3 * STEP;
/// A multiple of the words that the widest vectors make together.
pub(crate) const STEP: usize = GROUPS * MOST_LANES * BLOCK;
/// So few words are made one block after the other, since vectors would make many more.
const FEW: usize = 64;
const BLOCK: usize = 16;
/// Word 12 of a state counts blocks.
const COUNTER: usize = 12;
/// How many groups of blocks, as many in each as there are lanes, are worked on in turns: the operations on one group
/// wait for each other, and the processor fills the gaps with those on the other.
const GROUPS: usize = 2;
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574];
const NUMBERS: [u32; MOST_LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// How often a block is mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// For streams that everybody may expand.
    Eight = 8,
    /// For secret ones.
    Twenty = 20,
}

/// A key stream from its beginning; what it holds is wiped when dropped, if it is secret.
pub(crate) struct KeyStream {
    backend: Backend,
    rounds: Rounds,
    /// The first block's state.
    state: [u32; BLOCK],
    words: [u32; WORDS],
}

impl KeyStream {
    pub(crate) fn new(backend: Backend, rounds: Rounds, key: &[u8; 32], nonce: &[u8; 12]) -> Self {
        let mut state = [0; BLOCK];
        state[..4].copy_from_slice(&CONSTANTS);
        let bytes = key.as_chunks().0.iter().chain(nonce.as_chunks().0);
        // Word 12 is the block counter, between key and nonce.
        let places = (4..12).chain(13..16);
        places.zip(bytes).for_each(|(place, word)| state[place] = u32::from_le_bytes(*word));
        Self { backend, rounds, state, words: [0; WORDS] }
    }

    /// The next words: as many as are wanted, rounded up to whole steps unless they are few, and [`WORDS`] at most.
    pub(crate) fn next_words(&mut self, wanted: usize) -> &[u32] {
        let Self { backend, rounds, state, words } = self;
        let (backend, count) = match wanted {
            ..=FEW => (Backend::SCALAR, FEW),
            _ => (*backend, wanted.next_multiple_of(STEP).min(WORDS)),
        };
        let words = &mut words[..count];
        backend.run(Expand { rounds: *rounds, state, words });
        state[COUNTER] = state[COUNTER].wrapping_add((count / BLOCK) as u32);
        words
    }
}

impl Drop for KeyStream {
    fn drop(&mut self) {
        if self.rounds == Rounds::Twenty {
            self.state.zeroize();
            self.words.zeroize();
        }
    }
}

struct Expand<'a> {
    rounds: Rounds,
    state: &'a [u32; BLOCK],
    words: &'a mut [u32],
}

impl Kernel for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { rounds, state, words } = self;
        let lane_numbers = L::load(&L::chunks(&NUMBERS)[0]);
        for (i, blocks) in L::chunks_mut(words).as_chunks_mut::<{ GROUPS * BLOCK }>().0.iter_mut().enumerate()
        {
            let mut initial = [[L::splat(0); BLOCK]; GROUPS];
            for (group, s) in initial.iter_mut().enumerate() {
                // Not mapped: the compiler may call what maps, with vectors through memory.
                s.iter_mut().zip(state).for_each(|(word, &state)| *word = L::splat(state));
                let first_block = ((GROUPS * i + group) * L::WIDTH) as u32;
                s[COUNTER] = s[COUNTER].add(L::splat(first_block)).add(lane_numbers);
            }
            let mut groups = initial;
            for _ in 0..rounds as u32 / 2 {
                let [a, b] = &mut groups;
                column_round(a);
                column_round(b);
                diagonal_round(a);
                diagonal_round(b);
            }
            let groups = groups.into_iter().zip(initial);
            for (blocks, (mut s, initial)) in blocks.as_chunks_mut::<BLOCK>().0.iter_mut().zip(groups) {
                s.iter_mut().zip(initial).for_each(|(word, initial)| *word = word.add(initial));
                blocks.iter_mut().zip(L::transposed(s)).for_each(|(chunk, words)| words.store(chunk));
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
    use alloc::{vec, vec::Vec};
    use chacha20::{
        ChaCha8, ChaCha20,
        cipher::{KeyIvInit, StreamCipher},
    };

    #[test]
    fn every_backend_gives_the_words_of_chacha() {
        let (key, nonce) = (core::array::from_fn(|i| 7 * i as u8), core::array::from_fn(|i| 200 + i as u8));
        let cipher_key = <[u8; 32]>::into(key);
        let cipher_nonce = <[u8; 12]>::into(nonce);
        let twenty = words_of(ChaCha20::new(&cipher_key, &cipher_nonce));
        let eight = words_of(ChaCha8::new(&cipher_key, &cipher_nonce));
        for (rounds, expected) in [(Rounds::Twenty, twenty), (Rounds::Eight, eight)] {
            for backend in Backend::available() {
                let mut stream = KeyStream::new(backend, rounds, &key, &nonce);
                let mut expected = &expected[..];
                for wanted in [WORDS, 1, FEW, FEW + 1, STEP + 1, WORDS + 1] {
                    let words = stream.next_words(wanted);
                    assert!(words.len() >= wanted.min(WORDS));
                    assert_eq!(words, &expected[..words.len()], "{rounds:?} on {}", backend.name());
                    expected = &expected[words.len()..];
                }
            }
        }
    }

    fn words_of(mut cipher: impl StreamCipher) -> Vec<u32> {
        let mut bytes = vec![0; 4 * 4 * WORDS];
        cipher.apply_keystream(&mut bytes);
        bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }
}
