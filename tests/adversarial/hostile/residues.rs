//! Residues, counts, seeds, levels and elements at the edges of what they may be.

use serde_json::Value;

use crate::{
    ciphertexts::{ARGUMENT, HEADER, KIND, LEVEL, SCALE},
    world::world,
};

const SEED: usize = 32;
const DEGREE: usize = 4096;

/// The main primes of the model `tiny` up to a level, then the special ones.
fn primes(level: usize) -> (Vec<u32>, Vec<u32>) {
    let models = world().get("/models").tree;
    let model =
        models["models"].as_array().unwrap().iter().find(|model| model["model_id"] == "tiny").unwrap();
    let sets = world().get("/keys").tree;
    let id = &model["encryption_parameters"]["params_id"];
    let set = sets["parameter_sets"].as_array().unwrap().iter().find(|set| set["params_id"] == *id).unwrap();
    let numbers = |list: &Value| -> Vec<u32> {
        list.as_array().unwrap().iter().map(|prime| prime.as_u64().unwrap() as u32).collect()
    };
    let groups = set["levels"].as_array().unwrap()[..=level].iter();
    (groups.flat_map(numbers).collect(), numbers(&set["special_primes"]))
}

fn bits(prime: u32) -> usize {
    (u32::BITS - (prime - 1).leading_zeros()) as usize
}

/// Writes a residue of so many bits, `at` bits after the start.
fn write(bytes: &mut [u8], at: usize, bits: usize, residue: u32) {
    for bit in 0..bits {
        let (byte, mask) = ((at + bit) / 8, 1 << ((at + bit) % 8));
        bytes[byte] = if residue >> bit & 1 == 1 { bytes[byte] | mask } else { bytes[byte] & !mask };
    }
}

/// Where the first, a middle and the last residue of every limb stand, in bits, with the limb's prime.
fn places(start: usize, primes: &[u32]) -> Vec<(usize, u32)> {
    let (mut at, mut places) = (8 * start, Vec::new());
    for &prime in primes {
        places.extend([0, DEGREE / 2 + 1, DEGREE - 1].map(|index| (at + index * bits(prime), prime)));
        at += DEGREE * bits(prime);
    }
    places
}

#[test]
fn residues_are_taken_below_their_prime_and_refused_from_it_on() {
    let (main, _) = primes(2);
    for (at, prime) in places(HEADER + SEED, &main) {
        let with = |residue: u32| {
            let mut payload = world().payload.clone();
            write(&mut payload, at, bits(prime), residue);
            world().post_json("/infer", &world().inference_of(&payload))
        };
        for residue in [prime, prime + 1, u32::MAX] {
            with(residue).is("INVALID_CIPHERTEXT", &format!("residue {residue} of {prime}"));
        }
        for residue in [0, 1, prime - 1] {
            let answer = with(residue);
            assert!(answer.status.is_success(), "residue {residue} of {prime}: {}", answer.tree);
        }
    }
    world().still_serves();
}

#[test]
fn residues_of_keys_too() {
    for name in world().key_names() {
        let key = world().key(name);
        let (main, special) = primes(key[LEVEL].into());
        // Digits of one prime: as many digits as main primes, each over all primes.
        let digit = [main.clone(), special].concat();
        let all: Vec<u32> = main.iter().flat_map(|_| digit.clone()).collect();
        for (at, prime) in places(HEADER + SEED, &all) {
            let with = |residue: u32| {
                let mut changed = key.clone();
                write(&mut changed, at, bits(prime), residue);
                (world().put_key(&world().open_keys("tiny"), &name.to_string(), &changed), residue)
            };
            for residue in [prime, u32::MAX] {
                with(residue).0.is("INVALID_KEY", &format!("{name}: residue {residue} of {prime}"));
            }
            assert!(with(prime - 1).0.status.is_success(), "{name}: the largest residue of {prime}");
        }
    }
    world().still_serves();
}

#[test]
fn levels_and_kinds_and_counts_have_one_answer_each() {
    for level in (0..=255).filter(|level| *level != 2) {
        let mut payload = world().payload.clone();
        payload[LEVEL] = level;
        // A level that exists has another length; one that does not is told so.
        let code = if level < 2 { "INVALID_CIPHERTEXT" } else { "LEVEL_MISMATCH" };
        world().post_json("/infer", &world().inference_of(&payload)).is(code, &format!("level {level}"));
    }
    for count in [0u32, 1, 2, 4096, 4097, 1 << 31, u32::MAX] {
        let mut payload = world().payload.clone();
        payload[KIND] = 8;
        payload[ARGUMENT..SCALE].copy_from_slice(&count.to_le_bytes());
        let answer = world().post_json("/infer", &world().inference_of(&payload));
        answer.is("INVALID_CIPHERTEXT", &format!("a result of {count} ciphertexts"));
    }
    world().still_serves();
}

#[test]
fn any_seed_is_taken() {
    for fill in [0, 1, 0x7f, 0xff] {
        let mut payload = world().payload.clone();
        payload[HEADER..HEADER + SEED].fill(fill);
        let answer = world().post_json("/infer", &world().inference_of(&payload));
        assert!(answer.status.is_success(), "a seed of {fill}: {}", answer.tree);
    }
    world().still_serves();
}

#[test]
fn galois_elements_that_are_none_are_refused() {
    let name = world().key_names().into_iter().find(|name| name.to_string().starts_with("galois-")).unwrap();
    let right: u32 = name.to_string()["galois-".len()..].parse().unwrap();
    let key_id = world().open_keys("tiny");
    let order = 2 * DEGREE as u32;
    let wrong = [
        0,
        1,
        2,
        4,
        right - 1,
        right + 1,
        right + 2,
        order - 2,
        order - 1,
        order,
        order + 1,
        order + right,
        u32::MAX - 1,
        u32::MAX,
    ];
    for element in wrong {
        let mut key = world().key(name);
        key[ARGUMENT..SCALE].copy_from_slice(&element.to_le_bytes());
        let answer = world().put_key(&key_id, &name.to_string(), &key);
        answer.is("INVALID_KEY", &format!("element {element} under the name {name}"));
    }
    world().still_serves();
}

#[test]
fn no_bit_pattern_of_a_scale_but_the_right_one_is_taken() {
    let right = u64::from_le_bytes(world().payload[SCALE..SCALE + 8].try_into().unwrap());
    let patterns = (0..64).flat_map(|bit| [1u64 << bit, !(1u64 << bit), right ^ (1 << bit), u64::MAX << bit]);
    for pattern in patterns.filter(|pattern| *pattern != right) {
        let scale = f64::from_bits(pattern);
        let code = if scale.is_finite() && scale >= 1.0 { "SCALE_MISMATCH" } else { "INVALID_CIPHERTEXT" };
        let mut payload = world().payload.clone();
        payload[SCALE..SCALE + 8].copy_from_slice(&pattern.to_le_bytes());
        world().post_json("/infer", &world().inference_of(&payload)).is(code, &format!("scale {pattern:#x}"));
    }
    world().still_serves();
}
