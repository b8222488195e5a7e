//! Uploads that are not the key they should be.

use crate::{
    ciphertexts::{ARGUMENT, DROPPED_BITS, HEADER, KIND, LEVEL, PARAMS_ID, SCALE, VERSION},
    world::world,
};

struct Target {
    key_id: String,
    name: String,
    key: Vec<u8>,
}

/// An empty set, and for each sort of key a right one that is not in it.
fn targets() -> Vec<Target> {
    let names = world().key_names();
    let key_id = world().open_keys("tiny");
    let sorts = ["relinearization", "galois-"].map(|sort| {
        *names
            .iter()
            .find(|name| name.to_string().starts_with(sort))
            .unwrap_or_else(|| panic!("a key {sort}"))
    });
    sorts.map(|name| Target { key_id: key_id.clone(), name: name.to_string(), key: world().key(name) }).into()
}

impl Target {
    fn refuses(&self, what: &str, code: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut key = self.key.clone();
        change(&mut key);
        assert_ne!(key, self.key, "{what} changes something");
        world().put_key(&self.key_id, &self.name, &key).is(code, &format!("{}: {what}", self.name));
    }
}

#[test]
fn every_wrong_header_has_its_problem() {
    for target in targets() {
        for bit in 0..8 {
            target.refuses("the magic", "INVALID_KEY", |key| key[0] ^= 1 << bit);
            target.refuses("the version", "INVALID_KEY", |key| key[VERSION] ^= 1 << bit);
            target.refuses("dropped bits", "INVALID_KEY", |key| key[DROPPED_BITS] ^= 1 << bit);
            target.refuses("a scale", "INVALID_KEY", |key| key[SCALE + 7] ^= 1 << bit);
            target.refuses("the parameters", "PARAMETER_MISMATCH", |key| key[PARAMS_ID + 31] ^= 1 << bit);
            target.refuses("another Galois element, or one at all", "INVALID_KEY", |key| {
                key[ARGUMENT] ^= 1 << bit
            });
        }
        let right = target.key[KIND];
        for kind in (0..=255).filter(|&kind| kind != right) {
            target.refuses(&format!("kind {kind}"), "INVALID_KEY", |key| key[KIND] = kind);
        }
        for level in [3, 255] {
            target.refuses("a level that does not exist", "LEVEL_MISMATCH", |key| key[LEVEL] = level);
        }
    }
    world().still_serves();
}

#[test]
fn lengths_must_be_exact() {
    for target in targets() {
        for cut in [0, 1, HEADER - 1, HEADER, HEADER + 32, target.key.len() - 1] {
            target.refuses(&format!("cut to {cut}"), "INVALID_KEY", |key| key.truncate(cut));
        }
        target.refuses("one byte more", "INVALID_KEY", |key| key.push(0));
        target.refuses("ten times as long", "PAYLOAD_TOO_LARGE", |key| key.resize(10 * key.len(), 0));
    }
    world().still_serves();
}

#[test]
fn residues_must_be_below_their_primes() {
    for target in targets() {
        for at in [HEADER + 32, target.key.len() / 2, target.key.len() - 4] {
            target.refuses(&format!("all ones at {at}"), "INVALID_KEY", |key| key[at..at + 4].fill(0xff));
        }
    }
    world().still_serves();
}

#[test]
fn a_key_under_another_name_is_refused() {
    let [relinearization, galois] = targets().try_into().ok().unwrap();
    let Target { key_id, .. } = &galois;
    world()
        .put_key(
            key_id,
            &galois.name,
            &relinearization.key[..galois.key.len().min(relinearization.key.len())],
        )
        .is("INVALID_KEY", "a relinearization key");
    for name in [
        "galois-0",
        "galois-1",
        "galois-2",
        "galois-3",
        "galois-8191",
        "galois-99999999999",
        "galois-05",
        "secret",
        "Relinearization",
    ] {
        world().put_key(key_id, name, &galois.key).is("UNKNOWN_KEY_NAME", name);
    }
    world().still_serves();
}

#[test]
fn keys_of_another_model_are_refused() {
    let mut session = world().other_session("other");
    for target in targets() {
        let name = *session.key_names().iter().find(|name| name.to_string() == target.name).unwrap();
        let mut foreign = session.generate_key(name).unwrap();
        // Its primes are a bit wider: cut, so that the length is not what is refused.
        foreign.truncate(target.key.len());
        target.refuses("other parameters", "PARAMETER_MISMATCH", |key| *key = foreign);
    }
    world().still_serves();
}

#[test]
fn a_key_that_is_there_is_not_replaced() {
    let mut session = world().other_session("tiny");
    for target in targets() {
        for _ in 0..2 {
            let put = world().put_key(&target.key_id, &target.name, &target.key);
            assert!(put.status.is_success(), "the same bytes again are welcome: {}", put.tree);
        }
        let name = *session.key_names().iter().find(|name| name.to_string() == target.name).unwrap();
        let another = session.generate_key(name).unwrap();
        target.refuses("another key", "KEY_CONFLICT", |key| *key = another);
    }
    world().still_serves();
}
