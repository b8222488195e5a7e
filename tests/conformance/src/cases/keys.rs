//! Sections 4.4 to 4.7: sets of evaluation keys.

use std::collections::BTreeMap;

use ckks_client::KeyName;
use http::Method;
use serde_json::Value;

use super::wire;
use crate::{
    answer::Answer,
    case::{Case, SKIP, Verdict, case, ensure},
    request::{Sent, key_set_request},
    target::Target,
};

pub(crate) const CASES: &[Case] = &[
    case("4.4.1", "a new set", opens_an_incomplete_set),
    case("4.4.2", "the keys of a new set", lists_exactly_the_keys),
    case("4.4.3", "models and versions that there are not", refuses_unknown_models),
    case("4.5.1", "a set while it fills", says_what_is_missing),
    case("4.5.2", "sets that there are not", unknown_sets),
    case("4.6.1", "a right key", stores_a_key),
    case("4.6.2", "the same key again", stores_a_key_again),
    case("4.6.3", "another key under the same name", refuses_another_key),
    case("4.6.4", "bytes that are not the key", refuses_malformed_keys),
    case("4.6.5", "a key of other parameters, of another level", refuses_foreign_keys),
    case("4.6.6", "names that the model does not need", refuses_other_names),
    case("4.6.7", "a refused key afterwards", does_not_store_refused_keys),
    case("4.7.1", "a deleted set", deletes_a_set),
];

const UNKNOWN: &str = "00112233445566778899aabbccddeeff";

/// The first key of the subject: its name and bytes.
fn first_key(target: &Target) -> Result<(&str, &[u8]), String> {
    let key = target.client()?.keys.first_key_value();
    key.map(|(name, key)| (name.as_str(), key.as_slice()))
        .ok_or_else(|| format!("{SKIP}no model needs evaluation keys"))
}

fn read(target: &Target, key_id: &str) -> Result<Answer, String> {
    let answer = target.send(Sent::get(format!("/keys/{key_id}")))?;
    answer.expect_status(200)?;
    Ok(answer)
}

fn open(target: &Target) -> Result<Answer, String> {
    let (model_id, version) = target.subject_key()?;
    target.send(Sent::json("/keys", &key_set_request(model_id, version)))
}

/// What a set says of one key.
#[derive(Debug, PartialEq)]
struct Entry {
    level: Option<u64>,
    bytes: Option<u64>,
    present: Option<bool>,
}

/// The keys of a set by name.
fn keys_of(set: &Answer) -> BTreeMap<&str, Entry> {
    let entry = |key: &Value| Entry {
        level: key["level"].as_u64(),
        bytes: key["bytes"].as_u64(),
        present: key["present"].as_bool(),
    };
    let keys = set.tree["keys"].as_array().into_iter().flatten();
    keys.filter_map(|key| Some((key["name"].as_str()?, entry(key)))).collect()
}

fn missing(set: &Answer) -> Vec<&str> {
    set.tree["missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn opens_an_incomplete_set(target: &Target) -> Verdict {
    let set = open(target)?;
    set.expect_status(201)?;
    set.expect_schema("key-set.schema.json")?;
    let expected = format!("/keys/{}", set.text("/key_id")?);
    ensure!(
        set.header("location") == expected,
        "Location is {:?}, expected {expected}",
        set.header("location")
    );
    let status = if target.client()?.key_names.is_empty() { "complete" } else { "incomplete" };
    ensure!(set.text("/status")? == status, "a new set is {}", set.text("/status")?);
    let params_id = &target.subject()?["encryption_parameters"]["params_id"];
    ensure!(
        set.tree["params_id"] == *params_id,
        "params_id is {}, the model has {params_id}",
        set.tree["params_id"]
    );
    Ok(())
}

fn lists_exactly_the_keys(target: &Target) -> Verdict {
    let (set, client, needs) = (open(target)?, target.client()?, &target.subject()?["evaluation_keys"]);
    let mut levels = BTreeMap::new();
    if let Some(level) = needs["relinearization"]["level"].as_u64() {
        levels.insert("relinearization".to_owned(), level);
    }
    for galois in needs["galois"].as_array().into_iter().flatten() {
        levels.insert(format!("galois-{}", galois["element"]), galois["level"].as_u64().unwrap_or(u64::MAX));
    }
    let found = keys_of(&set);
    ensure!(
        found.keys().copied().eq(levels.keys().map(String::as_str)),
        "the set lists {:?}, the model needs {:?}",
        found.keys(),
        levels.keys()
    );
    for (name, entry) in found {
        let (level, bytes) = (Some(levels[name]), Some(client.keys[name].len() as u64));
        let wanted = Entry { level, bytes, present: Some(false) };
        ensure!(entry == wanted, "{name}: {entry:?}, expected {wanted:?}");
    }
    Ok(())
}

fn refuses_unknown_models(target: &Target) -> Verdict {
    let (model_id, version) = target.subject_key()?;
    for (model_id, version) in [("no-such-model", version), (model_id, "999.0.0")] {
        target
            .send(Sent::json("/keys", &key_set_request(model_id, version)))?
            .expect_problem("UNKNOWN_MODEL")?;
        let mut body = target.inference()?;
        (body["model_id"], body["version"]) = (model_id.into(), version.into());
        target.send(Sent::json("/infer", &body))?.expect_problem("UNKNOWN_MODEL")?;
    }
    Ok(())
}

fn says_what_is_missing(target: &Target) -> Verdict {
    let (key_id, client) = (target.open_key_set()?, target.client()?);
    first_key(target)?;
    for (uploaded, (name, key)) in client.keys.iter().enumerate() {
        let set = read(target, &key_id)?;
        ensure!(
            missing(&set).len() == client.keys.len() - uploaded,
            "{uploaded} keys uploaded, missing {:?}",
            missing(&set)
        );
        ensure!(missing(&set).contains(&name.as_str()), "{name} is not missing");
        ensure!(
            set.text("/status")? == "incomplete",
            "{} with {:?} missing",
            set.text("/status")?,
            missing(&set)
        );
        target.send(Sent::put(format!("/keys/{key_id}/{name}"), key.clone()))?.expect_status(200)?;
    }
    let set = read(target, &key_id)?;
    let all_present = keys_of(&set).values().all(|key| key.present == Some(true));
    ensure!(
        set.text("/status")? == "complete" && missing(&set).is_empty() && all_present,
        "all keys uploaded: {}",
        set.short()
    );
    Ok(())
}

fn unknown_sets(target: &Target) -> Verdict {
    let long = "a".repeat(300);
    for id in [UNKNOWN, "0", "%00", "..%2f..", &long] {
        target.send(Sent::get(format!("/keys/{id}")))?.expect_problem("UNKNOWN_KEY")?;
        target.send(Sent::new(Method::DELETE, format!("/keys/{id}")))?.expect_problem("UNKNOWN_KEY")?;
        target
            .send(Sent::put(format!("/keys/{id}/relinearization"), *b"x"))?
            .expect_problem("UNKNOWN_KEY")?;
    }
    let mut body = target.inference()?;
    body["key_id"] = UNKNOWN.into();
    target.send(Sent::json("/infer", &body))?.expect_problem_at("UNKNOWN_KEY", "/key_id")
}

fn stores_a_key(target: &Target) -> Verdict {
    let (name, key) = first_key(target)?;
    let key_id = target.open_key_set()?;
    let set = target.send(Sent::put(format!("/keys/{key_id}/{name}"), key))?;
    set.expect_status(200)?;
    set.expect_schema("key-set.schema.json")?;
    ensure!(
        keys_of(&set).get(name).is_some_and(|key| key.present == Some(true)),
        "{name} is not present: {}",
        set.short()
    );
    Ok(())
}

fn stores_a_key_again(target: &Target) -> Verdict {
    let (name, key) = first_key(target)?;
    let key_id = target.open_key_set()?;
    let path = format!("/keys/{key_id}/{name}");
    let (first, second) = (target.send(Sent::put(&path, key))?, target.send(Sent::put(&path, key))?);
    second.expect_status(200)?;
    ensure!(first.tree == second.tree, "the second answer is {}", second.short());
    Ok(())
}

fn refuses_another_key(target: &Target) -> Verdict {
    let (name, key) = first_key(target)?;
    let path = format!("/keys/{}/{name}", target.open_key_set()?);
    target.send(Sent::put(&path, key))?.expect_status(200)?;
    let parsed = KeyName::parse(name).ok_or_else(|| format!("the name {name}"))?;
    let other = target.session(target.subject()?)?.generate_key(parsed).map_err(|error| error.to_string())?;
    target.send(Sent::put(&path, other))?.expect_problem("KEY_CONFLICT")
}

/// Uploads a key with one thing changed.
fn upload_changed(
    target: &Target,
    key_id: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Answer, String> {
    let (name, key) = first_key(target)?;
    let mut key = key.to_vec();
    change(&mut key);
    target.send(Sent::put(format!("/keys/{key_id}/{name}"), key))
}

fn refuses_malformed_keys(target: &Target) -> Verdict {
    let key_id = target.open_key_set()?;
    let refused = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        upload_changed(target, &key_id, change)?
            .expect_problem("INVALID_KEY")
            .map_err(|failure| format!("{name}: {failure}"))
    };
    refused("empty", &|key| key.clear())?;
    refused("one byte missing", &|key| key.truncate(key.len() - 1))?;
    refused("one byte more", &|key| key.push(0))?;
    refused("magic", &|key| key[0] ^= 1)?;
    refused("version", &|key| key[wire::VERSION] = 1)?;
    refused("kind", &|key| key[wire::KIND] = wire::CIPHERTEXT)?;
    refused("scale", &|key| key[wire::SCALE] = 1)?;
    refused("element", &|key| key[wire::ARGUMENT] ^= 2)?;
    refused("residue", &|key| {
        let end = key.len();
        key[end - 4..].fill(0xff);
    })
}

fn refuses_foreign_keys(target: &Target) -> Verdict {
    let key_id = target.open_key_set()?;
    upload_changed(target, &key_id, |key| key[wire::PARAMS_ID] ^= 1)?.expect_problem("PARAMETER_MISMATCH")?;
    upload_changed(target, &key_id, |key| key[wire::KIND + 1] = 63)?.expect_problem("LEVEL_MISMATCH")
}

fn refuses_other_names(target: &Target) -> Verdict {
    let key_id = target.open_key_set()?;
    for name in ["galois-3", "galois-05", "galois", "Relinearization", "secret", "x"] {
        target
            .send(Sent::put(format!("/keys/{key_id}/{name}"), *b"x"))?
            .expect_problem("UNKNOWN_KEY_NAME")?;
    }
    Ok(())
}

fn does_not_store_refused_keys(target: &Target) -> Verdict {
    let (name, _) = first_key(target)?;
    let key_id = target.open_key_set()?;
    upload_changed(target, &key_id, |key| key.truncate(wire::HEADER))?.expect_problem("INVALID_KEY")?;
    let set = read(target, &key_id)?;
    ensure!(missing(&set).contains(&name), "a refused key is not missing: {}", set.short());
    Ok(())
}

fn deletes_a_set(target: &Target) -> Verdict {
    let key_id = target.open_key_set()?;
    for (name, key) in &target.client()?.keys {
        target.send(Sent::put(format!("/keys/{key_id}/{name}"), key.clone()))?.expect_status(200)?;
    }
    let path = format!("/keys/{key_id}");
    let answer = target.send(Sent::new(Method::DELETE, &path))?;
    answer.expect_status(204)?;
    ensure!(answer.body.is_empty(), "204 with a body");
    target.send(Sent::get(&path))?.expect_problem("UNKNOWN_KEY")?;
    target.send(Sent::new(Method::DELETE, &path))?.expect_problem("UNKNOWN_KEY")?;
    let mut body = target.inference()?;
    body["key_id"] = key_id.into();
    target.send(Sent::json("/infer", &body))?.expect_problem("UNKNOWN_KEY")
}
