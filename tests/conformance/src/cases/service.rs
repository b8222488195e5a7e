//! Sections 4.12 to 4.14 and 5.9: what a caller may do and take back, and whether a server takes work.

use http::Method;

use crate::{
    case::{Case, SKIP, Verdict, case, ensure},
    request::Sent,
    target::Target,
};

pub(crate) const CASES: &[Case] = &[
    case("4.12.1", "a finished job, and one that may wait", forgets_deleted_jobs),
    case("4.12.2", "the idempotency key of a deleted job", does_not_repeat_deleted_jobs),
    case("4.13.1", "limits after a key set was opened", tells_limits_and_usage),
    case("4.14.1", "readiness without a token", says_whether_it_is_ready),
    case("5.9.1", "the rate of an answer and of a refusal", tells_the_rate),
];

fn forgets_deleted_jobs(target: &Target) -> Verdict {
    let finished = target.infer(&target.inference()?)?;
    let fresh = target.send(Sent::json("/infer", &target.inference()?))?;
    for job in [finished.text("/job_id")?, fresh.text("/job_id")?] {
        let path = format!("/jobs/{job}");
        let deleted = target.send(Sent::new(Method::DELETE, &path))?;
        deleted.expect_status(204)?;
        target.send(Sent::get(&path))?.expect_problem("UNKNOWN_JOB")?;
        target.send(Sent::new(Method::DELETE, &path))?.expect_problem("UNKNOWN_JOB")?;
    }
    Ok(())
}

fn does_not_repeat_deleted_jobs(target: &Target) -> Verdict {
    let sent = Sent::json("/infer", &target.inference()?).header("idempotency-key", target.fresh_name()?);
    let accepted = target.send(sent.clone())?;
    let path = format!("/jobs/{}", accepted.text("/job_id")?);
    target.send(Sent::new(Method::DELETE, &path))?.expect_status(204)?;
    target.send(sent)?.expect_problem("UNKNOWN_JOB")
}

fn tells_limits_and_usage(target: &Target) -> Verdict {
    let key_id = target.open_key_set()?;
    let set = target.send(Sent::get(format!("/keys/{key_id}")))?;
    let announced: u64 =
        set.tree["keys"].as_array().into_iter().flatten().filter_map(|key| key["bytes"].as_u64()).sum();
    let limits = target.send(Sent::get("/limits"))?;
    limits.expect_status(200)?;
    limits.expect_schema("limits.schema.json")?;
    for (member, least) in [("key_sets", 1), ("key_bytes", announced)] {
        let used = limits.tree[member]["used"].as_u64().unwrap_or_default();
        ensure!(used >= least, "{member}: {used} used, at least {least} are");
    }
    target.send(Sent::new(Method::DELETE, format!("/keys/{key_id}")))?.expect_status(204)
}

fn says_whether_it_is_ready(target: &Target) -> Verdict {
    let answer = target.send(Sent::get("/ready").anonymous())?;
    answer.expect_status(200)?;
    answer.expect_schema("health.schema.json")
}

fn tells_the_rate(target: &Target) -> Verdict {
    let limits = target.send(Sent::get("/limits"))?;
    let Some(quota) = limits.tree["requests_per_minute"].as_u64() else {
        return Err(format!("{SKIP}the server does not limit the rate of this tenant"));
    };
    for answer in [limits, target.send(Sent::get("/models"))?, target.send(Sent::get("/jobs/x"))?] {
        let (policy, left) = (answer.header("ratelimit-policy"), answer.header("ratelimit"));
        ensure!(
            policy.contains(&format!("\"requests\";q={quota};w=60")),
            "{}: policy {policy:?}",
            answer.name
        );
        ensure!(left.contains("\"requests\";r="), "{}: RateLimit {left:?}", answer.name);
    }
    Ok(())
}
