//! Sections 4.8 and 4.9: inferences and jobs.

use ckks_core::Level;
use serde_json::json;

use super::wire;
use crate::{
    case::{Case, Feature, SKIP, Verdict, case, case_with, ensure},
    request::{Sent, key_set_request},
    target::Target,
};

pub(crate) const CASES: &[Case] = &[
    case("4.8.1", "a right request", accepts),
    case("4.8.2", "two encryptions of the same input", answers_agree),
    case_with(Feature::Packages, "4.8.2", "the answer computed in the clear", answers_are_right),
    case("4.8.3", "a whole ciphertext", accepts_whole_ciphertexts),
    case("4.8.4", "no batch_size", batch_size_is_one),
    case("4.8.5", "each field of a ciphertext wrong", refuses_malformed_ciphertexts),
    case("4.8.6", "a second component of zero", refuses_transparent_ciphertexts),
    case("4.8.7", "another params_id", refuses_other_parameters),
    case("4.8.8", "another level", refuses_other_levels),
    case("4.8.9", "another scale", refuses_other_scales),
    case("4.8.10", "no key_id", demands_keys),
    case("4.8.11", "an incomplete key set", demands_all_keys),
    case("4.8.12", "a key set of another model", refuses_keys_of_another_model),
    case("4.8.13", "a batch too large", bounds_the_batch),
    case("4.8.14", "one input too many", counts_inputs),
    case("4.9.1", "a finished job", finished_jobs_have_results),
    case("4.9.2", "jobs that there are not", unknown_jobs),
];

/// How far two encryptions of the same input may lie apart, for values of this size: far above the noise of
/// any usable model, far below what a wrong key or a wrong result gives.
fn tolerance(value: f64) -> f64 {
    0.05 * value.abs().max(1.0)
}

fn close(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| (left - right).abs() <= tolerance(*right))
}

fn accepts(target: &Target) -> Verdict {
    let accepted = target.send(Sent::json("/infer", &target.inference()?))?;
    accepted.expect_status(202)?;
    accepted.expect_schema("infer-accepted.schema.json")?;
    let expected = format!("/jobs/{}", accepted.text("/job_id")?);
    ensure!(
        accepted.header("location") == expected,
        "Location is {:?}, expected {expected}",
        accepted.header("location")
    );
    target.finished(accepted.text("/job_id")?)?;
    Ok(())
}

fn answers_agree(target: &Target) -> Verdict {
    let client = target.client()?;
    let first = client.decrypt(&target.infer(&target.inference()?)?)?;
    let second = client.decrypt(&target.infer(&target.inference_of(&client.encrypt()?)?)?)?;
    ensure!(first.iter().all(|value| value.is_finite()), "the answer is {first:?}");
    ensure!(close(&first, &second), "two encryptions of the same input give {first:?} and {second:?}");
    Ok(())
}

fn answers_are_right(target: &Target) -> Verdict {
    let Some(wanted) = target.clear_answer()? else {
        return Err(format!("{SKIP}no package of this model and version at hand"));
    };
    let found = target.client()?.decrypt(&target.infer(&target.inference()?)?)?;
    ensure!(close(&found, &wanted), "the answer is {found:?}, in the clear it is {wanted:?}");
    Ok(())
}

fn accepts_whole_ciphertexts(target: &Target) -> Verdict {
    let client = target.client()?;
    let seeded = client.decrypt(&target.infer(&target.inference()?)?)?;
    let whole = client.decrypt(&target.infer(&target.inference_of(&client.whole_payload()?)?)?)?;
    ensure!(close(&whole, &seeded), "seeded {seeded:?}, whole {whole:?}");
    Ok(())
}

fn batch_size_is_one(target: &Target) -> Verdict {
    let mut body = target.inference()?;
    if let Some(members) = body.as_object_mut() {
        members.remove("batch_size");
    }
    let job = target.infer(&body)?;
    let diagnostics = &job.tree["result"]["diagnostics"];
    let expected = json!({ "requested_batch_size": 1, "processed_batch_size": 1, "batch_truncated": false });
    ensure!(*diagnostics == expected, "diagnostics are {diagnostics}");
    Ok(())
}

fn refuses_malformed_ciphertexts(target: &Target) -> Verdict {
    let refused = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let answer = target.infer_changed(change)?;
        answer
            .expect_problem_at("INVALID_CIPHERTEXT", "/inputs/0/payload")
            .map_err(|failure| format!("{name}: {failure}"))
    };
    refused("empty", &|payload| payload.clear())?;
    refused("one byte missing", &|payload| payload.truncate(payload.len() - 1))?;
    refused("one byte more", &|payload| payload.push(0))?;
    refused("magic", &|payload| payload[0] ^= 1)?;
    refused("version", &|payload| payload[wire::VERSION] = 1)?;
    refused("kind of a key", &|payload| payload[wire::KIND] = 4)?;
    refused("unknown kind", &|payload| payload[wire::KIND] = 200)?;
    refused("dropped bits", &|payload| payload[wire::KIND + 2] = 1)?;
    refused("argument", &|payload| payload[wire::ARGUMENT] = 1)?;
    for scale in [0.0, -1.0, 0.5, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 2.0] {
        refused(&format!("scale {scale}"), &|payload| {
            payload[wire::SCALE..wire::PARAMS_ID].copy_from_slice(&scale.to_le_bytes())
        })?;
    }
    refused("residue", &|payload| {
        let end = payload.len();
        payload[end - 4..].fill(0xff);
    })
}

fn refuses_transparent_ciphertexts(target: &Target) -> Verdict {
    let answer = target.infer_changed(|payload| {
        payload[wire::KIND] = wire::CIPHERTEXT;
        payload.drain(wire::HEADER..wire::HEADER + wire::SEED);
        payload.resize(2 * payload.len() - wire::HEADER, 0);
    })?;
    answer.expect_problem_at("TRANSPARENT_CIPHERTEXT", "/inputs/0/payload")
}

fn refuses_other_parameters(target: &Target) -> Verdict {
    for byte in [0, 31] {
        let answer = target.infer_changed(|payload| payload[wire::PARAMS_ID + byte] ^= 0x80)?;
        answer.expect_problem_at("PARAMETER_MISMATCH", "/inputs/0/payload")?;
    }
    Ok(())
}

fn refuses_other_levels(target: &Target) -> Verdict {
    let client = target.client()?;
    let level = target.subject()?["input"]["level"]
        .as_u64()
        .and_then(|level| u8::try_from(level).ok())
        .ok_or("no level")?;
    let highest = client.params.max_level().0;
    for other in (0..=highest).filter(|other| *other != level) {
        let payload = client.payload_at(Level(other))?;
        let answer = target.send(Sent::json("/infer", &target.inference_of(&payload)?))?;
        answer.expect_problem_at("LEVEL_MISMATCH", "/inputs/0/payload")?;
    }
    target.infer_changed(|payload| payload[wire::KIND + 1] = highest + 1)?.expect_problem("LEVEL_MISMATCH")
}

fn refuses_other_scales(target: &Target) -> Verdict {
    let client = target.client()?;
    let bytes = client.payload[wire::SCALE..wire::PARAMS_ID].try_into().map_err(|_| "no scale")?;
    let scale = f64::from_le_bytes(bytes);
    for other in [2.0 * scale, 0.5 * scale, scale.next_up(), scale.next_down(), f64::MAX] {
        let answer = target.infer_changed(|payload| {
            payload[wire::SCALE..wire::PARAMS_ID].copy_from_slice(&other.to_le_bytes())
        })?;
        answer
            .expect_problem_at("SCALE_MISMATCH", "/inputs/0/payload")
            .map_err(|failure| format!("scale {other}: {failure}"))?;
    }
    Ok(())
}

fn demands_keys(target: &Target) -> Verdict {
    ensure!(!target.client()?.key_names.is_empty(), "{SKIP}no model needs evaluation keys");
    let mut body = target.inference()?;
    if let Some(members) = body.as_object_mut() {
        members.remove("key_id");
    }
    target.send(Sent::json("/infer", &body))?.expect_problem("EVALUATION_KEYS_REQUIRED")
}

fn demands_all_keys(target: &Target) -> Verdict {
    let client = target.client()?;
    ensure!(!client.key_names.is_empty(), "{SKIP}no model needs evaluation keys");
    let key_id = target.open_key_set()?;
    let mut body = target.inference()?;
    body["key_id"] = key_id.clone().into();
    for (name, key) in &client.keys {
        target.send(Sent::json("/infer", &body))?.expect_problem("EVALUATION_KEYS_INCOMPLETE")?;
        target.send(Sent::put(format!("/keys/{key_id}/{name}"), key.clone()))?.expect_status(200)?;
    }
    target.infer(&body).map(drop)
}

fn refuses_keys_of_another_model(target: &Target) -> Verdict {
    let subject = target.subject()?;
    let is_other = |model: &&serde_json::Value| {
        (&model["model_id"], &model["version"]) != (&subject["model_id"], &subject["version"])
    };
    let other = target.discovered()?.models.iter().find(is_other);
    let other = other.ok_or_else(|| format!("{SKIP}the server has one model"))?;
    let (model_id, version) =
        (other["model_id"].as_str().unwrap_or(""), other["version"].as_str().unwrap_or(""));
    let opened = target.send(Sent::json("/keys", &key_set_request(model_id, version)))?;
    let mut body = target.inference()?;
    body["key_id"] = opened.text("/key_id")?.into();
    target.send(Sent::json("/infer", &body))?.expect_problem_at("KEY_MODEL_MISMATCH", "/key_id")
}

fn bounds_the_batch(target: &Target) -> Verdict {
    let most = target.subject()?["constraints"]["max_batch_size"].as_u64().unwrap_or(0);
    let mut body = target.inference()?;
    body["batch_size"] = (most + 1).into();
    target.send(Sent::json("/infer", &body))?.expect_problem_at("BATCH_TOO_LARGE", "/batch_size")
}

fn counts_inputs(target: &Target) -> Verdict {
    let mut body = target.inference()?;
    let input = body["inputs"][0].clone();
    if let Some(inputs) = body["inputs"].as_array_mut() {
        inputs.push(input);
    }
    target.send(Sent::json("/infer", &body))?.expect_problem_at("INPUT_COUNT_MISMATCH", "/inputs")
}

fn finished_jobs_have_results(target: &Target) -> Verdict {
    let job = target.infer(&target.inference()?)?;
    job.expect_schema("job.schema.json")?;
    let (model_id, version) = target.subject_key()?;
    let result = &job.tree["result"];
    ensure!(
        result["model_id"] == model_id && result["version"] == version,
        "a result of {} {}",
        result["model_id"],
        result["version"]
    );
    ensure!(job.tree["error"].is_null(), "a completed job with an error");
    // One that has only just been accepted has neither, or is over.
    let accepted = target.send(Sent::json("/infer", &target.inference()?))?;
    let early = target.send(Sent::get(format!("/jobs/{}", accepted.text("/job_id")?)))?;
    early.expect_schema("job.schema.json")
}

fn unknown_jobs(target: &Target) -> Verdict {
    let long = "a".repeat(300);
    for id in ["00112233445566778899aabbccddeeff", "0", "%00", "..%2f..", &long] {
        target.send(Sent::get(format!("/jobs/{id}")))?.expect_problem("UNKNOWN_JOB")?;
    }
    Ok(())
}
