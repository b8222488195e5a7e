//! Chapters 6 to 8: order of validation, invariants, problems.

use http::Method;
use serde_json::{Value, json};

use super::wire;
use crate::{
    answer::{Answer, error_row},
    case::{Case, Verdict, case, ensure},
    request::{CBOR, JSON, Sent, key_set_request},
    target::{Target, payload_of},
};

pub(crate) const CASES: &[Case] = &[
    case("6.1.1", "requests wrong in every layer from one on", first_wrong_layer_answers),
    case("6.1.2", "a refused request and its Idempotency-Key", refused_requests_leave_nothing),
    case("7.1.1", "the states of a job", states_move_forward),
    case("7.1.2", "a result read twice", results_do_not_change),
    case("7.1.3", "the same ciphertext twice", evaluation_is_deterministic),
    case("7.1.4", "models and keys after everything else", registry_does_not_change),
    case("8.1.1", "the form of problems", problems_have_their_form),
    case("8.1.2", "type and status of problems", problems_name_themselves),
    case("8.1.3", "codes of problems", problems_are_in_the_table),
    case("8.1.4", "a payload with a mark", problems_repeat_no_payload),
];

/// A request that is wrong in as many layers as possible, layer by layer made right.
fn first_wrong_layer_answers(target: &Target) -> Verdict {
    let right = target.inference()?;
    let limit = target.subject()?["constraints"]["max_request_bytes"].as_u64().unwrap_or(0);
    let too_long = vec![b' '; usize::try_from(limit).unwrap_or(0) + 1];
    let used_key = target.fresh_name()?;
    let first = target.send(Sent::json("/infer", &right).header("idempotency-key", &used_key))?;
    ensure!([200, 202].contains(&first.status), "{}: {}", first.name, first.short());
    // A body that is wrong from its payload on: `batch_size`, inputs and keys too.
    let mut wrong = right.clone();
    wrong["batch_size"] = 60_000.into();
    wrong["key_id"] = "00112233445566778899aabbccddeeff".into();
    let with = |pointer: &str, value: Value| {
        let mut body = wrong.clone();
        body[pointer] = value;
        body
    };
    let payload = |text: &str| json!([{ "encoding": "base64", "payload": text }]);
    let mut foreign = target.client()?.payload.clone();
    foreign[wire::PARAMS_ID] ^= 1;
    foreign.push(0);
    let foreign_text = data_encoding::BASE64.encode(&foreign);
    let version = json!({ "api_version": "9.9", "extra": 1 });
    let post =
        |media: &str, body: Vec<u8>| Sent::post("/infer", media, body).header("idempotency-key", &used_key);
    let steps: Vec<(&str, &str, Sent)> = vec![
        (
            "method",
            "METHOD_NOT_ALLOWED",
            Sent::new(Method::PUT, "/infer")
                .header("accept", "text/html")
                .header("content-type", "text/plain")
                .body(too_long.clone())
                .anonymous(),
        ),
        ("Accept", "NOT_ACCEPTABLE", post("text/plain", too_long.clone()).header("accept", "text/html")),
        ("Content-Type", "UNSUPPORTED_MEDIA_TYPE", post("text/plain", too_long.clone())),
        ("size", "PAYLOAD_TOO_LARGE", post(JSON, too_long)),
        ("form", "MALFORMED_BODY", post(JSON, b"{\"api_version\": \"9.9\", \"extra\": 1,".to_vec())),
        ("version", "UNSUPPORTED_API_VERSION", post(JSON, version.to_string().into_bytes())),
        ("envelope", "INVALID_ENVELOPE", post(JSON, with("extra", 1.into()).to_string().into_bytes())),
        (
            "Idempotency-Key",
            "IDEMPOTENCY_CONFLICT",
            post(JSON, with("model_id", "no-such-model".into()).to_string().into_bytes()),
        ),
        ("model", "UNKNOWN_MODEL", {
            let mut body = with("model_id", "no-such-model".into());
            body["inputs"] = payload("A");
            Sent::json("/infer", &body)
        }),
        ("encoding", "INVALID_PAYLOAD_ENCODING", Sent::json("/infer", &with("inputs", payload("A")))),
        ("structure", "INVALID_CIPHERTEXT", Sent::json("/infer", &with("inputs", payload("AAAA")))),
        ("parameters", "PARAMETER_MISMATCH", Sent::json("/infer", &with("inputs", payload(&foreign_text)))),
        ("keys", "UNKNOWN_KEY", Sent::json("/infer", &wrong)),
        ("constraints", "BATCH_TOO_LARGE", {
            let mut body = right.clone();
            body["batch_size"] = 60_000.into();
            Sent::json("/infer", &body)
        }),
    ];
    for (layer, code, sent) in steps {
        target.send(sent)?.expect_problem(code).map_err(|failure| format!("layer {layer}: {failure}"))?;
    }
    Ok(())
}

fn refused_requests_leave_nothing(target: &Target) -> Verdict {
    let name = target.fresh_name()?;
    let mut body = target.inference()?;
    body["batch_size"] = 60_000.into();
    let refused = target.send(Sent::json("/infer", &body).header("idempotency-key", &name))?;
    refused.expect_problem("BATCH_TOO_LARGE")?;
    ensure!(
        refused.tree["job_id"].is_null() && refused.header("location").is_empty(),
        "a refusal that names a job: {}",
        refused.short()
    );
    // Had anything been stored, the key would now be used.
    let right = target.send(Sent::json("/infer", &target.inference()?).header("idempotency-key", &name))?;
    ensure!([200, 202].contains(&right.status), "after the refusal: {}", right.short());
    Ok(())
}

fn states_move_forward(target: &Target) -> Verdict {
    let order = |status: &str| ["queued", "running", "completed"].iter().position(|state| *state == status);
    let accepted = target.send(Sent::json("/infer", &target.inference()?))?;
    let path = format!("/jobs/{}", accepted.text("/job_id")?);
    let mut last = 0;
    for _ in 0..20_000 {
        let job = target.send(Sent::get(&path))?;
        let state = order(job.text("/status")?).ok_or_else(|| format!("the state {}", job.short()))?;
        ensure!(state >= last, "{} after {}", job.text("/status")?, ["queued", "running", "completed"][last]);
        if last == 2 {
            return Ok(());
        }
        last = state;
    }
    Err("the job is not over after 20,000 looks".to_owned())
}

fn results_do_not_change(target: &Target) -> Verdict {
    let first = target.infer(&target.inference()?)?;
    let path = format!("/jobs/{}", first.text("/job_id")?);
    for _ in 0..3 {
        let again = target.send(Sent::get(&path))?;
        ensure!(again.tree == first.tree, "the job was {}, and is {}", first.short(), again.short());
    }
    Ok(())
}

fn evaluation_is_deterministic(target: &Target) -> Verdict {
    let body = target.inference()?;
    let (first, second) = (target.infer(&body)?, target.infer(&body)?);
    ensure!(first.text("/job_id")? != second.text("/job_id")?, "two requests are one job");
    ensure!(payload_of(&first)? == payload_of(&second)?, "the same request gives different bytes");
    Ok(())
}

fn registry_does_not_change(target: &Target) -> Verdict {
    for path in ["/models", "/keys"] {
        let first = target.send(Sent::get(path))?;
        target.infer(&target.inference()?)?;
        let second = target.send(Sent::get(path))?;
        ensure!(
            first.body == second.body && first.header("etag") == second.header("etag"),
            "{path} has changed"
        );
    }
    Ok(())
}

/// One refusal of many layers.
fn refusals(target: &Target) -> Result<Vec<Answer>, String> {
    let mut batch = target.inference()?;
    batch["batch_size"] = 60_000.into();
    [
        Sent::new(Method::PATCH, "/models"),
        Sent::get("/jobs/none"),
        Sent::get("/keys/none"),
        Sent::get("/schemas/none"),
        Sent::json("/keys", &key_set_request("no-such-model", "1.0.0")),
        Sent::post("/keys", "text/plain", "x"),
        Sent::post("/keys", JSON, "{"),
        Sent::json("/keys", &json!({})),
        Sent::json("/infer", &batch),
    ]
    .into_iter()
    .map(|sent| target.send(sent))
    .collect()
}

fn problems_have_their_form(target: &Target) -> Verdict {
    for answer in refusals(target)? {
        ensure!(
            answer.header("content-type") == "application/problem+json",
            "{}: in {}",
            answer.name,
            answer.header("content-type")
        );
        answer.expect_schema("problem.schema.json")?;
    }
    let cbor = target.send(Sent::get("/jobs/none").header("accept", CBOR))?;
    ensure!(cbor.header("content-type") == CBOR, "{}: in {}", cbor.name, cbor.header("content-type"));
    cbor.expect_schema("problem.schema.json")?;
    cbor.expect_problem("UNKNOWN_JOB")
}

fn problems_name_themselves(target: &Target) -> Verdict {
    for answer in refusals(target)? {
        let expected = format!(
            "https://encrypted-inference.dev/problems/{}",
            answer.text("/code")?.to_ascii_lowercase().replace('_', "-")
        );
        ensure!(
            answer.text("/type")? == expected,
            "{}: type {}, expected {expected}",
            answer.name,
            answer.text("/type")?
        );
        ensure!(
            answer.tree["status"] == answer.status,
            "{}: status {}, answered with {}",
            answer.name,
            answer.tree["status"],
            answer.status
        );
    }
    Ok(())
}

fn problems_are_in_the_table(target: &Target) -> Verdict {
    for answer in refusals(target)? {
        let code = answer.text("/code")?;
        let row = error_row(code).ok_or_else(|| format!("{}: {code} is not in the table", answer.name))?;
        answer.expect_status(row.status)?;
        ensure!(
            answer.tree["retryable"] == row.retryable,
            "{}: {code} is retryable: {}, by the table {}",
            answer.name,
            answer.tree["retryable"],
            row.retryable
        );
    }
    Ok(())
}

fn problems_repeat_no_payload(target: &Target) -> Verdict {
    const MARK: &str = "5ec2e7da7a5ec2e7da7a";
    for (encoding, payload) in
        [("hex", MARK.to_owned()), ("hex", format!("{MARK}zz")), ("base64", format!("{MARK}===="))]
    {
        let mut body = target.inference()?;
        body["inputs"][0] = json!({ "encoding": encoding, "payload": payload });
        let answer = target.send(Sent::json("/infer", &body))?;
        ensure!(answer.status >= 400, "{}: {}", answer.name, answer.short());
        let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
        ensure!(!text.contains(MARK), "{}: the answer holds the payload: {}", answer.name, answer.short());
    }
    Ok(())
}
