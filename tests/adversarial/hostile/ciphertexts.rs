//! Payloads that are not right ciphertexts: each field of the header, the length, each sort of residue.

use crate::world::world;

/// Where things are, from `docs/wire-format.md`.
pub(crate) const VERSION: usize = 4;
pub(crate) const KIND: usize = 5;
pub(crate) const LEVEL: usize = 6;
pub(crate) const DROPPED_BITS: usize = 7;
pub(crate) const ARGUMENT: usize = 8;
pub(crate) const SCALE: usize = 12;
pub(crate) const PARAMS_ID: usize = 20;
pub(crate) const HEADER: usize = 52;
const SEED: usize = 32;
/// The kinds.
const SEEDED_CIPHERTEXT: u8 = 6;
const CIPHERTEXT: u8 = 7;
/// Bytes of the last limb: N residues of 22 bits.
const LAST_LIMB: usize = 4096 * 22 / 8;

fn refuses(name: &str, code: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = world().payload.clone();
    change(&mut payload);
    assert_ne!(payload, world().payload, "{name} changes something");
    world().post_json("/infer", &world().inference_of(&payload)).is(code, name);
}

#[test]
fn every_wrong_header_has_its_problem() {
    for bit in 0..32 {
        refuses(&format!("bit {bit} of the magic"), "INVALID_CIPHERTEXT", |payload| {
            payload[bit / 8] ^= 1 << (bit % 8)
        });
    }
    for bit in 0..8 {
        refuses("the version", "INVALID_CIPHERTEXT", |payload| payload[VERSION] ^= 1 << bit);
        refuses("dropped bits", "INVALID_CIPHERTEXT", |payload| payload[DROPPED_BITS] ^= 1 << bit);
    }
    for kind in (0..=255).filter(|&kind| kind != SEEDED_CIPHERTEXT) {
        refuses(&format!("kind {kind}"), "INVALID_CIPHERTEXT", |payload| payload[KIND] = kind);
    }
    for level in [3, 4, 127, 255] {
        refuses("a level that does not exist", "LEVEL_MISMATCH", |payload| payload[LEVEL] = level);
    }
    for bit in 0..32 {
        refuses("an argument", "INVALID_CIPHERTEXT", |payload| payload[ARGUMENT + bit / 8] ^= 1 << (bit % 8));
    }
    for bit in 0..256 {
        refuses("the parameters", "PARAMETER_MISMATCH", |payload| {
            payload[PARAMS_ID + bit / 8] ^= 1 << (bit % 8)
        });
    }
    world().still_serves();
}

#[test]
fn scales_must_be_the_one_of_the_level_to_the_last_bit() {
    let scale = f64::from_le_bytes(world().payload[SCALE..SCALE + 8].try_into().unwrap());
    for wrong in [scale * 2.0, scale / 2.0, scale.next_up(), scale.next_down(), 1.0, f64::MAX] {
        refuses(&format!("scale {wrong}"), "SCALE_MISMATCH", |payload| {
            payload[SCALE..SCALE + 8].copy_from_slice(&wrong.to_le_bytes());
        });
    }
    for none in [0.0, -0.0, -scale, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
        refuses(&format!("scale {none}"), "INVALID_CIPHERTEXT", |payload| {
            payload[SCALE..SCALE + 8].copy_from_slice(&none.to_le_bytes());
        });
    }
    world().still_serves();
}

#[test]
fn lengths_must_be_exact() {
    let length = world().payload.len();
    for cut in [0, 1, 3, 4, KIND, HEADER - 1, HEADER, HEADER + SEED, length / 2, length - 1] {
        refuses(&format!("cut to {cut}"), "INVALID_CIPHERTEXT", |payload| payload.truncate(cut));
    }
    refuses("one byte more", "INVALID_CIPHERTEXT", |payload| payload.push(0));
    refuses("twice", "INVALID_CIPHERTEXT", |payload| payload.extend_from_within(..));
    world().still_serves();
}

#[test]
fn a_ciphertext_of_another_level_is_refused() {
    refuses("a level too low", "LEVEL_MISMATCH", |payload| {
        payload[LEVEL] = 1;
        payload.truncate(payload.len() - LAST_LIMB);
    });
    refuses("a level too low for its length", "INVALID_CIPHERTEXT", |payload| payload[LEVEL] = 1);
    world().still_serves();
}

#[test]
fn a_residue_that_is_not_below_its_prime_is_refused() {
    for at in [HEADER + SEED, world().payload.len() - LAST_LIMB, world().payload.len() - 4] {
        refuses(&format!("all ones at {at}"), "INVALID_CIPHERTEXT", |payload| payload[at..at + 4].fill(0xff));
    }
    world().still_serves();
}

#[test]
fn a_ciphertext_that_hides_nothing_is_refused() {
    refuses("c₁ = 0", "TRANSPARENT_CIPHERTEXT", |payload| {
        payload[KIND] = CIPHERTEXT;
        payload.drain(HEADER..HEADER + SEED);
        payload.resize(HEADER + 2 * (payload.len() - HEADER), 0);
    });
    refuses("c₀ = c₁ = 0", "TRANSPARENT_CIPHERTEXT", |payload| {
        payload[KIND] = CIPHERTEXT;
        let polynomial = payload.len() - HEADER - SEED;
        payload.truncate(HEADER);
        payload.resize(HEADER + 2 * polynomial, 0);
    });
    world().still_serves();
}

#[test]
fn a_ciphertext_of_another_model_is_refused() {
    let foreign = world().other_session("other").encrypt(&[0.0; 4]).unwrap().payloads.remove(0);
    refuses("other parameters", "PARAMETER_MISMATCH", |payload| *payload = foreign);
    world().still_serves();
}
