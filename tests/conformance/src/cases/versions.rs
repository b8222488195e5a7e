//! Chapters 9 and 10: versions and limits.

use http::Method;
use serde_json::{Value, json};

use crate::{
    case::{Case, Verdict, case, ensure},
    request::{JSON, Sent, key_set_request},
    target::Target,
};

pub(crate) const CASES: &[Case] = &[
    case("9.1.1", "no api_version", version_may_be_absent),
    case("9.1.2", "1.0 and 1.1", accepts_its_versions),
    case("9.1.3", "other versions", refuses_other_versions),
    case("9.1.4", "requests and answers of version 1.0", keeps_version_1_0),
    case("10.1.1", "the longest inference, and one byte more", bounds_inferences),
    case("10.1.2", "the longest POST /keys, and one byte more", bounds_envelopes),
    case("10.1.3", "a key that is too long", bounds_keys),
];

fn documents(target: &Target) -> Result<[(&'static str, Value); 2], String> {
    let (model_id, version) = target.subject_key()?;
    Ok([("/keys", key_set_request(model_id, version)), ("/infer", target.inference()?)])
}

/// Sends both documents with a version, or without.
fn with_version(target: &Target, version: Option<&str>) -> Verdict {
    for (path, mut body) in documents(target)? {
        if let Some(version) = version {
            body["api_version"] = version.into();
        }
        let answer = target.send(Sent::json(path, &body))?;
        ensure!(
            [200, 201, 202].contains(&answer.status),
            "{path}, api_version {version:?}: {}",
            answer.short()
        );
    }
    Ok(())
}

fn version_may_be_absent(target: &Target) -> Verdict {
    with_version(target, None)
}

fn accepts_its_versions(target: &Target) -> Verdict {
    with_version(target, Some("1.0"))?;
    with_version(target, Some("1.1"))
}

fn refuses_other_versions(target: &Target) -> Verdict {
    for version in ["2.0", "0.9", "1", "1.99", "v1.1", ""] {
        for (path, mut body) in documents(target)? {
            body["api_version"] = version.into();
            let answer = target.send(Sent::json(path, &body))?;
            answer.expect_problem_at("UNSUPPORTED_API_VERSION", "/api_version")?;
            let accepted = answer.tree["expected"].as_array().cloned().unwrap_or_default();
            ensure!(
                accepted.contains(&json!("1.0")) && accepted.contains(&json!("1.1")),
                "expected is {accepted:?}"
            );
        }
    }
    Ok(())
}

/// The members that the documents of version 1.0 list.
const MODEL_1_0: [&str; 15] = [
    "/model_id",
    "/version",
    "/description",
    "/he_scheme",
    "/encryption_parameters/poly_modulus_degree",
    "/encryption_parameters/scale",
    "/encryption_parameters/coeff_modulus_bits",
    "/encryption_parameters/max_multiplicative_depth",
    "/inference/input_dimension",
    "/inference/output_dimension",
    "/inference/activation",
    "/constraints/max_batch_size",
    "/encryption_parameters",
    "/inference",
    "/constraints",
];
const RESULT_1_0: [&str; 6] = [
    "/result/model_id",
    "/result/version",
    "/result/payload",
    "/result/diagnostics/requested_batch_size",
    "/result/diagnostics/processed_batch_size",
    "/result/diagnostics/batch_truncated",
];

fn keeps_version_1_0(target: &Target) -> Verdict {
    for model in &target.discovered()?.models {
        for member in MODEL_1_0 {
            ensure!(model.pointer(member).is_some(), "{}: no {member}", model["model_id"]);
        }
        ensure!(model["he_scheme"] == "CKKS", "he_scheme {}", model["he_scheme"]);
    }
    let health = target.send(Sent::get("/health"))?;
    ensure!(health.tree["status"] == "ok", "health is {}", health.short());
    // `key_id` is all that a request of 1.1 has more, where the model needs keys.
    let mut body = target.inference()?;
    body["api_version"] = "1.0".into();
    let accepted = target.send(Sent::json("/infer", &body))?;
    accepted.expect_status(202)?;
    ensure!(accepted.text("/status")? == "accepted", "status {}", accepted.text("/status")?);
    let job = target.finished(accepted.text("/job_id")?)?;
    for member in RESULT_1_0 {
        ensure!(job.tree.pointer(member).is_some(), "the job has no {member}");
    }
    Ok(())
}

/// A document with so many spaces after it that it has this length.
fn padded(body: &Value, length: usize) -> Vec<u8> {
    let mut text = body.to_string().into_bytes();
    text.resize(length.max(text.len()), b' ');
    text
}

fn bounds(target: &Target, path: &str, body: &Value, limit: usize) -> Verdict {
    let fits = target.send(Sent::post(path, JSON, padded(body, limit)))?;
    ensure!([200, 201, 202].contains(&fits.status), "{path} with {limit} bytes: {}", fits.short());
    target.send(Sent::post(path, JSON, padded(body, limit + 1)))?.expect_problem("PAYLOAD_TOO_LARGE")
}

fn bounds_inferences(target: &Target) -> Verdict {
    let limit = target.subject()?["constraints"]["max_request_bytes"]
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok());
    bounds(target, "/infer", &target.inference()?, limit.ok_or("no max_request_bytes")?)?;
    let token = target
        .server
        .token
        .as_ref()
        .map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST /infer HTTP/1.1\r\nhost: x\r\n{token}content-type: {JSON}\r\ncontent-length: 99999999999\r\n\r\n"
    );
    let Some(answer) = target.server.talk(head.as_bytes()) else { return Ok(()) };
    let answer = answer.map_err(|error| format!("a length that is announced: no answer: {error}"))?;
    ensure!(
        answer.starts_with(b"HTTP/1.1 413"),
        "a length that is announced: {:?}",
        String::from_utf8_lossy(&answer).lines().next()
    );
    Ok(())
}

fn bounds_envelopes(target: &Target) -> Verdict {
    let (model_id, version) = target.subject_key()?;
    bounds(target, "/keys", &key_set_request(model_id, version), 16 << 10)
}

fn bounds_keys(target: &Target) -> Verdict {
    let Some((name, key)) = target.client()?.keys.first_key_value() else {
        return Err(format!("{}no model needs evaluation keys", crate::case::SKIP));
    };
    let path = format!("/keys/{}/{name}", target.open_key_set()?);
    for more in [1, 1 << 20] {
        let mut long = key.clone();
        long.resize(key.len() + more, 0);
        let answer = target.send(
            Sent::new(Method::PUT, &path).header("content-type", "application/octet-stream").body(long),
        )?;
        answer.expect_problem("INVALID_KEY").or_else(|_| answer.expect_problem("PAYLOAD_TOO_LARGE"))?;
    }
    Ok(())
}
