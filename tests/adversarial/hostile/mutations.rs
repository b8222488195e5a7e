//! Random damage to right requests: whatever comes of it is documented, and never the server's failure.

use http::StatusCode;

use crate::world::{CBOR, JSON, world};

const ROUNDS: u32 = 400;
const SEED: u64 = 0x00c0_ffee;

/// Numbers that look random: SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Damages bytes in one of five ways, at a place among the first `front` every second time.
    fn damage(&mut self, bytes: &mut Vec<u8>, front: usize) {
        let length = bytes.len();
        let at =
            if self.next().is_multiple_of(2) { self.below(front.min(length)) } else { self.below(length) };
        match self.below(5) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, self.next().to_le_bytes()[0]),
            3 => drop(bytes.remove(at)),
            _ => {
                let until = (at + 1 + self.below(64)).min(length);
                for byte in &mut bytes[at..until] {
                    *byte = self.next().to_le_bytes()[0];
                }
            }
        }
    }
}

/// `{"model_id", "version", "key_id", "inputs": [{"encoding": "bytes", "payload": h'…'}]}`
fn cbor() -> Vec<u8> {
    let mut body = vec![0xa4];
    let text = |body: &mut Vec<u8>, text: &str| {
        body.extend([0x78, u8::try_from(text.len()).unwrap()]);
        body.extend(text.as_bytes());
    };
    for (name, value) in [("model_id", "tiny"), ("version", "1.0.0"), ("key_id", world().key_id.as_str())] {
        text(&mut body, name);
        text(&mut body, value);
    }
    text(&mut body, "inputs");
    body.extend([0x81, 0xa2]);
    text(&mut body, "encoding");
    text(&mut body, "bytes");
    text(&mut body, "payload");
    body.push(0x5a);
    body.extend(u32::try_from(world().payload.len()).unwrap().to_be_bytes());
    body.extend(&world().payload);
    body
}

fn is_documented(name: &str, status: StatusCode, body: &serde_json::Value) {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        assert_eq!(body["code"], "QUEUE_FULL", "{name}");
        return;
    }
    assert!(status.is_success() || status.is_client_error(), "{name}: {status} {body}");
}

#[test]
fn damaged_inferences_are_refused_or_evaluated_never_failed() {
    let mut random = Random(SEED);
    for (media, body) in [(CBOR, cbor()), (JSON, world().inference().to_string().into_bytes())] {
        assert!(world().post("/infer", media, &body).status.is_success(), "undamaged, it is accepted");
        let mut accepted = 0;
        for round in 0..ROUNDS {
            let mut damaged = body.clone();
            random.damage(&mut damaged, 256);
            let answer = world().post("/infer", media, &damaged);
            is_documented(&format!("{media}, seed {SEED:#x}, round {round}"), answer.status, &answer.tree);
            accepted += u32::from(answer.status.is_success());
        }
        assert!(accepted < ROUNDS / 2, "damage is mostly noticed: {accepted} of {ROUNDS} went through");
        world().still_serves();
    }
}

#[test]
fn damaged_keys_are_refused_or_stored_never_failed() {
    let mut random = Random(SEED);
    let names = world().key_names();
    let name = names[0];
    let key = world().key(name);
    for round in 0..ROUNDS / 4 {
        // A set of its own, so that what happens to be a key is no conflict for the next round.
        let key_id = world().open_keys("tiny");
        let mut damaged = key.clone();
        random.damage(&mut damaged, 128);
        let answer = world().put_key(&key_id, &name.to_string(), &damaged);
        is_documented(&format!("seed {SEED:#x}, round {round}"), answer.status, &answer.tree);
    }
    world().still_serves();
}
