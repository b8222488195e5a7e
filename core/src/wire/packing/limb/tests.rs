use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;

/// Residue by residue, word by word: the twin of what is tested.
fn pack_slowly(limb: &[u32], bits: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut accumulator, mut filled) = (0u64, 0);
    for &residue in limb {
        accumulator |= u64::from(residue) << filled;
        filled += bits;
        if filled >= 32 {
            bytes.extend((accumulator as u32).to_le_bytes());
            accumulator >>= 32;
            filled -= 32;
        }
    }
    assert_eq!(filled, 0, "lengths are multiples of 32");
    bytes
}

/// Numbers of so many bits without a pattern, the largest and 0 among them.
fn numbers(bits: u32, length: usize) -> Vec<u32> {
    let largest = (1 << bits) - 1;
    let mut limb: Vec<u32> =
        (1..=length as u32).map(|i| i.wrapping_mul(0x9E37_79B9).rotate_left(i) & largest).collect();
    (limb[0], limb[length / 2], limb[length - 1]) = (largest, 0, largest);
    limb
}

#[test]
fn every_backend_agrees_with_one_residue_at_a_time() {
    for backend in Backend::available() {
        for (bits, length) in (1..=30).flat_map(|bits| [32, 64, 96, 256, 1024].map(|length| (bits, length))) {
            let limb = numbers(bits, length);
            let expected = pack_slowly(&limb, bits);
            // Bytes that are there already do not matter.
            let mut bytes = vec![0xA5; expected.len()];
            pack(backend, &limb, bits, &mut bytes);
            assert_eq!(bytes, expected, "{} {bits} {length}", backend.name());
            let mut back = vec![u32::MAX; length];
            assert!(unpack(backend, &bytes, bits, (1 << bits) - 1, &mut back));
            assert_eq!(back, limb, "{} {bits} {length}", backend.name());
        }
    }
}

#[test]
fn bytes_may_begin_anywhere() {
    let limb = numbers(29, 64);
    for (backend, offset) in Backend::available().flat_map(|backend| (0..8).map(move |i| (backend, i))) {
        let mut bytes = vec![0; offset + 64 / 8 * 29];
        pack(backend, &limb, 29, &mut bytes[offset..]);
        let mut back = vec![0; 64];
        assert!(unpack(backend, &bytes[offset..], 29, (1 << 29) - 1, &mut back));
        assert_eq!(back, limb);
    }
}

#[test]
fn a_residue_above_the_bound_is_seen_at_every_place() {
    for (backend, bits) in
        Backend::available().flat_map(|backend| [2, 15, 16, 25, 30].map(|bits| (backend, bits)))
    {
        let bound = (1 << bits) - 2;
        for place in 0..96 {
            let mut limb = vec![bound; 96];
            let mut back = vec![0; 96];
            assert!(unpack(backend, &pack_slowly(&limb, bits), bits, bound, &mut back));
            limb[place] = bound + 1;
            assert!(!unpack(backend, &pack_slowly(&limb, bits), bits, bound, &mut back));
            assert_eq!(back, limb, "{} {bits} {place}", backend.name());
        }
    }
}

#[test]
fn bits_go_in_least_significant_first() {
    let mut limb = [0; 32];
    (limb[0], limb[1], limb[2]) = (0b101, 0b011, 0b111);
    for backend in Backend::available() {
        let mut bytes = [0; 12];
        pack(backend, &limb, 3, &mut bytes);
        assert_eq!(bytes[..2], [0b1101_1101, 0b1]);
    }
}

proptest! {
    #[test]
    fn unpacking_undoes_packing(values in prop::collection::vec(any::<u32>(), 64), bits in 1u32..=30) {
        let limb: Vec<u32> = values.iter().map(|v| v & ((1 << bits) - 1)).collect();
        for backend in Backend::available() {
            let mut bytes = vec![0; 8 * bits as usize];
            pack(backend, &limb, bits, &mut bytes);
            prop_assert_eq!(&bytes, &pack_slowly(&limb, bits));
            let mut back = vec![0; 64];
            unpack(backend, &bytes, bits, 0, &mut back);
            prop_assert_eq!(&back, &limb);
        }
    }
}

/// Shifts lane i by i, 31 + i and 40 bits, to the left and to the right.
struct Shifts;

impl Kernel for Shifts {
    type Output = Vec<(usize, u32, [u32; 2])>;

    fn run<L: Lanes>(self) -> Self::Output {
        let value = 0xF0F0_A5C3;
        let mut found = Vec::new();
        for count in [(|lane| lane) as fn(u32) -> u32, |lane| 31 + lane, |_| 40] {
            let mut out = [[0; MOST_LANES]; 2];
            let counts: L = lanes(count);
            L::splat(value).shift_left_each(counts).store(&mut L::chunks_mut(&mut out[0])[0]);
            L::splat(value).shift_right_each(counts).store(&mut L::chunks_mut(&mut out[1])[0]);
            found.extend((0..L::WIDTH).map(|i| (i, count(i as u32), [out[0][i], out[1][i]])));
        }
        found
    }
}

#[test]
fn lanes_are_shifted_each_by_its_own_count() {
    for backend in Backend::available() {
        for (lane, count, shifted) in backend.run(Shifts) {
            let expected = [0xF0F0_A5C3u32.checked_shl(count), 0xF0F0_A5C3u32.checked_shr(count)];
            assert_eq!(
                shifted,
                expected.map(|value| value.unwrap_or(0)),
                "{} {lane} {count}",
                backend.name()
            );
        }
    }
}
