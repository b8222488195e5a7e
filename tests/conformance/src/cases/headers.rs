//! Chapter 5: headers.

use std::{thread, time::Instant};

use http::Method;

use crate::{
    answer::Answer,
    case::{Case, Feature, SKIP, Verdict, case, case_with, ensure},
    request::{Sent, key_set_request},
    target::Target,
};

pub(crate) const CASES: &[Case] = &[
    case_with(Feature::Access, "5.1.1", "no token, and unknown ones", demands_a_token),
    case_with(Feature::Tenants, "5.1.2", "key sets and jobs of another tenant", hides_other_tenants),
    case("5.2.1", "the same request twice", carries_out_once),
    case("5.2.2", "another request under the same key", refuses_a_used_key),
    case("5.2.3", "keys that are empty or too long", refuses_unusable_keys),
    case("5.3.1", "wait=30", waits_for_the_job),
    case("5.3.2", "the wait that was applied", says_how_long_it_waits),
    case("5.3.3", "preferences that cannot be read", ignores_unreadable_preferences),
    case("5.4.1", "ETag of models and keys", has_entity_tags),
    case("5.4.2", "If-None-Match", answers_not_modified),
    case_with(Feature::Overload, "5.5.1", "many inferences at once", says_when_to_retry),
    case("5.6.1", "X-Request-Id of every answer", has_request_ids),
    case("5.6.2", "X-Request-Id of the request", keeps_harmless_request_ids),
    case("5.7.1", "Cache-Control of what belongs to somebody", is_not_stored_by_caches),
    case("5.7.2", "X-Content-Type-Options", is_not_sniffed),
    case("5.7.3", "Vary", names_what_answers_depend_on),
    case_with(Feature::Cors, "5.8.1", "a preflight", allows_preflights),
    case_with(Feature::Cors, "5.8.2", "exposed headers", exposes_headers),
];

fn demands_a_token(target: &Target) -> Verdict {
    let paths = [
        (Method::GET, "/models"),
        (Method::GET, "/keys"),
        (Method::POST, "/keys"),
        (Method::POST, "/infer"),
        (Method::GET, "/jobs/x"),
        (Method::GET, "/keys/x"),
    ];
    for (method, path) in paths {
        let without = Sent::new(method.clone(), path).anonymous();
        let wrong = ["Bearer wrong", "Basic eDp5", "Bearer", "wrong"]
            .map(|value| Sent::new(method.clone(), path).header("authorization", value));
        for sent in [vec![without], wrong.to_vec()].concat() {
            let answer = target.send(sent)?;
            answer.expect_problem("UNAUTHORIZED")?;
            let challenge = answer.header("www-authenticate");
            ensure!(challenge.starts_with("Bearer"), "{}: WWW-Authenticate is {challenge:?}", answer.name);
        }
    }
    Ok(())
}

/// What tells two refusals apart, but for identifiers.
fn shape(answer: &Answer) -> (u16, String) {
    (answer.status, answer.tree.to_string())
}

/// A request about a key set and a job.
type Ask<'a> = &'a dyn Fn(&str, &str) -> Sent;

fn hides_other_tenants(target: &Target) -> Verdict {
    const UNKNOWN: &str = "00112233445566778899aabbccddeeff";
    let other = target.other_tenant.as_ref().ok_or("no second token")?;
    let (key_id, job) = (&target.client()?.key_id, target.infer(&target.inference()?)?);
    let job_id = job.text("/job_id")?;
    let (name, key) = target
        .client()?
        .keys
        .first_key_value()
        .ok_or_else(|| format!("{SKIP}no model needs evaluation keys"))?;
    let asks: [Ask<'_>; 4] = [
        &|_, job| Sent::get(format!("/jobs/{job}")),
        &|set, _| Sent::get(format!("/keys/{set}")),
        &|set, _| Sent::new(Method::DELETE, format!("/keys/{set}")),
        &|set, _| Sent::put(format!("/keys/{set}/{name}"), key.clone()),
    ];
    for ask in asks {
        let (theirs, nobodys) = (other.send(ask(key_id, job_id))?, other.send(ask(UNKNOWN, UNKNOWN))?);
        ensure!(
            theirs.status == 404 && shape(&theirs) == shape(&nobodys),
            "{}: {}, of nobody: {}",
            theirs.name,
            theirs.short(),
            nobodys.short()
        );
    }
    let mut body = target.inference()?;
    let theirs = other.send(Sent::json("/infer", &body))?;
    body["key_id"] = UNKNOWN.into();
    let nobodys = other.send(Sent::json("/infer", &body))?;
    ensure!(
        theirs.status == 404 && shape(&theirs) == shape(&nobodys),
        "{}: {}, of nobody: {}",
        theirs.name,
        theirs.short(),
        nobodys.short()
    );
    // The owner still has both.
    target.send(Sent::get(format!("/keys/{key_id}")))?.expect_status(200)?;
    target.send(Sent::get(format!("/jobs/{job_id}")))?.expect_status(200)
}

fn carries_out_once(target: &Target) -> Verdict {
    let (model_id, version) = target.subject_key()?;
    let requests = [
        ("/infer", target.inference()?, "/job_id"),
        ("/keys", key_set_request(model_id, version), "/key_id"),
    ];
    for (path, body, id) in requests {
        let sent = Sent::json(path, &body).header("idempotency-key", target.fresh_name()?);
        let (first, second) = (target.send(sent.clone())?, target.send(sent)?);
        ensure!(first.text(id)? == second.text(id)?, "{path}: {} and {}", first.short(), second.short());
        ensure!(first.status == second.status, "{path}: {} and {}", first.status, second.status);
        let third = target.send(Sent::json(path, &body).header("idempotency-key", target.fresh_name()?))?;
        ensure!(first.text(id)? != third.text(id)?, "{path}: another key, the same answer");
    }
    Ok(())
}

fn refuses_a_used_key(target: &Target) -> Verdict {
    let name = target.fresh_name()?;
    let keyed = |sent: Sent| target.send(sent.header("idempotency-key", &name));
    let first = keyed(Sent::json("/infer", &target.inference()?))?;
    ensure!([200, 202].contains(&first.status), "{}: {}", first.name, first.short());
    let other = target.client()?.encrypt()?;
    keyed(Sent::json("/infer", &target.inference_of(&other)?))?.expect_problem("IDEMPOTENCY_CONFLICT")?;
    let (model_id, version) = target.subject_key()?;
    keyed(Sent::json("/keys", &key_set_request(model_id, version)))?.expect_problem("IDEMPOTENCY_CONFLICT")
}

fn refuses_unusable_keys(target: &Target) -> Verdict {
    let (model_id, version) = target.subject_key()?;
    for name in [String::new(), "\"\"".to_owned(), "k".repeat(256)] {
        for sent in [
            Sent::json("/infer", &target.inference()?),
            Sent::json("/keys", &key_set_request(model_id, version)),
        ] {
            target.send(sent.header("idempotency-key", &name))?.expect_problem("INVALID_ENVELOPE")?;
        }
    }
    let longest = format!("{}{}", target.fresh_name()?, "k".repeat(255));
    let sent =
        Sent::json("/keys", &key_set_request(model_id, version)).header("idempotency-key", &longest[..255]);
    target.send(sent)?.expect_status(201)
}

fn waits_for_the_job(target: &Target) -> Verdict {
    let body = target.inference()?;
    let begun = Instant::now();
    let answer = target.send(Sent::json("/infer", &body).header("prefer", "wait=30"))?;
    answer.expect_status(200)?;
    answer.expect_schema("job.schema.json")?;
    ensure!(
        ["completed", "failed"].contains(&answer.text("/status")?),
        "200 with a job that is {}",
        answer.text("/status")?
    );
    ensure!(begun.elapsed().as_secs() < 30, "answered after {:?} only", begun.elapsed());
    let expected = format!("/jobs/{}", answer.text("/job_id")?);
    ensure!(
        answer.header("location") == expected,
        "Location is {:?}, expected {expected}",
        answer.header("location")
    );
    Ok(())
}

fn says_how_long_it_waits(target: &Target) -> Verdict {
    let body = target.inference()?;
    for asked in [1, 5, 100_000] {
        let answer = target.send(Sent::json("/infer", &body).header("prefer", format!("wait={asked}")))?;
        let applied = answer
            .header("preference-applied")
            .strip_prefix("wait=")
            .and_then(|wait| wait.parse::<u64>().ok());
        ensure!(
            applied.is_some_and(|applied| applied <= asked),
            "wait={asked}: Preference-Applied is {:?}",
            answer.header("preference-applied")
        );
    }
    Ok(())
}

fn ignores_unreadable_preferences(target: &Target) -> Verdict {
    let body = target.inference()?;
    for prefer in ["wait=", "wait=-1", "wait=soon", "wait", "handling=lenient", "=", ";;,,"] {
        let answer = target.send(Sent::json("/infer", &body).header("prefer", prefer))?;
        ensure!(answer.status == 202, "Prefer {prefer}: {}", answer.short());
        ensure!(
            answer.header("preference-applied").is_empty(),
            "Prefer {prefer}: applied {:?}",
            answer.header("preference-applied")
        );
    }
    Ok(())
}

fn has_entity_tags(target: &Target) -> Verdict {
    for path in ["/models", "/keys"] {
        let tag = target.send(Sent::get(path))?.header("etag").to_owned();
        ensure!(
            tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"') && tag.len() > 2,
            "{path}: ETag {tag:?}"
        );
    }
    Ok(())
}

fn answers_not_modified(target: &Target) -> Verdict {
    for path in ["/models", "/keys"] {
        let tag = target.send(Sent::get(path))?.header("etag").to_owned();
        ensure!(!tag.is_empty(), "{path} has no ETag");
        let weak = format!("W/{}", tag.trim_start_matches("W/"));
        for known in [tag.clone(), weak, format!("\"other\", {tag}")] {
            let answer = target.send(Sent::get(path).header("if-none-match", &known))?;
            ensure!(
                answer.status == 304 && answer.body.is_empty(),
                "{path}, If-None-Match {known}: {}",
                answer.short()
            );
        }
        target.send(Sent::get(path).header("if-none-match", "\"other\""))?.expect_status(200)?;
    }
    Ok(())
}

/// What a server may say when it has too much to do, whichever of its limits is reached first.
const BUSY: [&str; 4] = ["QUEUE_FULL", "TOO_MANY_JOBS", "RATE_LIMITED", "OVERLOADED"];

fn says_when_to_retry(target: &Target) -> Verdict {
    const THREADS: usize = 16;
    const EACH: usize = 200;
    let body = target.inference()?;
    let flood = || -> Result<Option<Answer>, String> {
        for _ in 0..EACH {
            let answer = target.server.send_once(Sent::json("/infer", &body))?;
            if BUSY.iter().any(|code| answer.tree["code"] == *code) {
                return Ok(Some(answer));
            }
            ensure!(answer.status == 202, "{}: {}", answer.name, answer.short());
        }
        Ok(None)
    };
    let full = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(flood)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread broke off".to_owned())?)
            .collect::<Result<Vec<_>, String>>()
    })?;
    let full = full
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(|| format!("{SKIP}{} inferences were not too many", THREADS * EACH))?;
    full.expect_problem(full.text("/code")?)?;
    let seconds = full.header("retry-after").parse::<u64>().unwrap_or(0);
    ensure!(seconds >= 1, "Retry-After is {:?}", full.header("retry-after"));
    Ok(())
}

/// One answer of each sort.
fn all_sorts(target: &Target) -> Result<Vec<Answer>, String> {
    let (model_id, version) = target.subject_key()?;
    [
        Sent::get("/health"),
        Sent::get("/models"),
        Sent::get("/keys"),
        Sent::get("/openapi.yaml"),
        Sent::get("/schemas/common.schema.json"),
        Sent::json("/keys", &key_set_request(model_id, version)),
        Sent::json("/infer", &target.inference()?),
        Sent::get("/jobs/none"),
        Sent::json("/keys", &serde_json::json!({})),
        Sent::new(Method::OPTIONS, "/models"),
    ]
    .into_iter()
    .map(|sent| target.send(sent))
    .collect()
}

fn has_request_ids(target: &Target) -> Verdict {
    for answer in all_sorts(target)? {
        ensure!(!answer.header("x-request-id").is_empty(), "{}: no X-Request-Id", answer.name);
    }
    Ok(())
}

fn keeps_harmless_request_ids(target: &Target) -> Verdict {
    for id in ["a", "A-1_b.c", &"x".repeat(64)] {
        let found = target.send(Sent::get("/health").header("x-request-id", id))?;
        ensure!(found.header("x-request-id") == id, "sent {id:?}, found {:?}", found.header("x-request-id"));
    }
    for id in ["", "a b", "a;b", "\"a\"", &"x".repeat(65)] {
        let found = target.send(Sent::get("/health").header("x-request-id", id))?;
        ensure!(
            !found.header("x-request-id").is_empty() && found.header("x-request-id") != id,
            "sent {id:?}, found {:?}",
            found.header("x-request-id")
        );
    }
    Ok(())
}

fn is_not_stored_by_caches(target: &Target) -> Verdict {
    let job = target.infer(&target.inference()?)?;
    let set = target.send(Sent::get(format!("/keys/{}", target.client()?.key_id)))?;
    let problem = target.send(Sent::get("/jobs/none"))?;
    for answer in [job, set, problem] {
        ensure!(
            answer.header("cache-control").contains("no-store"),
            "{}: Cache-Control is {:?}",
            answer.name,
            answer.header("cache-control")
        );
    }
    Ok(())
}

fn is_not_sniffed(target: &Target) -> Verdict {
    for answer in all_sorts(target)? {
        ensure!(
            answer.header("x-content-type-options") == "nosniff",
            "{}: X-Content-Type-Options is {:?}",
            answer.name,
            answer.header("x-content-type-options")
        );
    }
    Ok(())
}

const ORIGIN: &str = "https://page.example";

/// The words of a header that is a list, in lower case.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
}

fn expect_words(answer: &Answer, header: &str, wanted: &[&str]) -> Verdict {
    let found = list(answer.header(header));
    ensure!(
        wanted.iter().all(|word| found.iter().any(|found| found == word || found == "*")),
        "{}: {header} is {found:?}, expected {wanted:?}",
        answer.name
    );
    Ok(())
}

fn names_what_answers_depend_on(target: &Target) -> Verdict {
    for path in ["/models", "/keys", "/jobs/none"] {
        let answer = target.send(Sent::get(path).header("origin", ORIGIN))?;
        expect_words(&answer, "vary", &["accept"])?;
        if answer.header("access-control-allow-origin") == ORIGIN {
            expect_words(&answer, "vary", &["origin"])?;
        }
    }
    Ok(())
}

fn allows_preflights(target: &Target) -> Verdict {
    for (path, method) in [
        ("/infer", "POST"),
        ("/keys", "POST"),
        ("/keys/x/relinearization", "PUT"),
        ("/keys/x", "DELETE"),
        ("/jobs/x", "GET"),
    ] {
        let preflight = Sent::new(Method::OPTIONS, path)
            .anonymous()
            .header("origin", ORIGIN)
            .header("access-control-request-method", method);
        let answer =
            target.send(preflight.header("access-control-request-headers", "authorization, content-type"))?;
        ensure!(answer.status / 100 == 2, "{}: {}", answer.name, answer.short());
        expect_words(&answer, "access-control-allow-origin", &[ORIGIN])?;
        expect_words(&answer, "access-control-allow-methods", &[&method.to_ascii_lowercase()])?;
        let headers = [
            "accept",
            "authorization",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "prefer",
            "x-request-id",
        ];
        expect_words(&answer, "access-control-allow-headers", &headers)?;
    }
    Ok(())
}

fn exposes_headers(target: &Target) -> Verdict {
    for path in ["/models", "/jobs/none"] {
        let answer = target.send(Sent::get(path).header("origin", ORIGIN))?;
        expect_words(&answer, "access-control-allow-origin", &[ORIGIN])?;
        let headers = [
            "etag",
            "location",
            "preference-applied",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ];
        expect_words(&answer, "access-control-expose-headers", &headers)?;
    }
    Ok(())
}
