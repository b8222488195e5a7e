//! Jobs that the store fails.

use std::time::Duration;

use edge_server::{
    KeySetId, Next, WorkerId,
    port::{Clock, Host},
    store::{Claim, Store, put_off::LONGEST_DELAY},
};
use futures_util::FutureExt;
use http::{HeaderMap, Method};
use serde_json::json;

use crate::api::{Api, infer};

/// Lets a job's next time come.
fn wait_for(api: &Api, time: Duration) {
    api.service.host().clock().pass(time);
}

#[tokio::test]
async fn a_job_whose_keys_the_store_does_not_give_waits_and_was_not_started() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let store = api.service.host().store();
    let mut wait = Duration::from_millis(250);
    for failures in 1..=20 {
        store.fail_next_keys(1);
        let Next::Idle(until) = api.service.evaluate_next().await.unwrap() else {
            panic!("keys are missing")
        };
        assert_eq!(until, Some(wait), "after {failures} failures");
        let job = api.get(accepted.header("location")).await;
        assert_eq!(job.text("/status"), "running", "after {failures} failures: {}", job.tree);
        wait_for(&api, wait - Duration::from_millis(1));
        assert_eq!(api.run_jobs().await, 0, "it is not its time");
        wait_for(&api, Duration::from_millis(1));
        wait = (2 * wait).min(LONGEST_DELAY);
    }
    let now = api.service.host().clock().now();
    let claim = Claim { worker: WorkerId::from_bytes([9; 16]), lease: LONGEST_DELAY, now };
    let claimed = store.claim_job(claim).await.unwrap().job().unwrap();
    assert_eq!((claimed.interrupted, claimed.failures), (0, 20));
    store.give_back(claim, claimed.request.id, 0, None).await.unwrap();
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "completed");
    let metrics = api.service.handle_admin(&Method::GET, "/metrics", &HeaderMap::new()).await;
    let metrics = String::from_utf8(metrics.into_body().to_vec()).unwrap();
    let waits = metrics.lines().find(|line| line.starts_with("edge_server_queue_seconds_count"));
    assert_eq!(waits, Some("edge_server_queue_seconds_count 1"), "it was first taken once");
}

/// However long its waits have become, it fails when its time is over, and not later.
#[tokio::test]
async fn a_job_whose_keys_the_store_never_gives_fails_at_its_deadline() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let mut body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    body["deadline_seconds"] = json!(60);
    let accepted = api.post("/infer", &body).await;
    api.service.host().store().fail_next_keys(usize::MAX);
    let (mut tries, mut passed) = (0, Duration::ZERO);
    let late = loop {
        match api.service.evaluate_next().await.unwrap() {
            Next::Evaluated(late) => break late,
            Next::Idle(until) => {
                let until = until.unwrap_or_else(|| panic!("it waits for its time, after {tries} tries"));
                tries += 1;
                passed += until;
                wait_for(&api, until);
            }
        }
    };
    assert_eq!((tries, passed), (9, Duration::from_secs(60)));
    api.service.settle(late).await.unwrap();
    let job = api.get(accepted.header("location")).await;
    assert_eq!((job.text("/status"), job.text("/error/code")), ("failed", "DEADLINE_EXCEEDED"));
}

/// Jobs with a key set each.
async fn jobs_with_keys_of_their_own(api: &Api, count: usize) -> Vec<(String, String)> {
    let mut jobs = Vec::new();
    for _ in 0..count {
        let (mut session, key_id) = api.ready().await;
        let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
        jobs.push((key_id, api.post("/infer", &body).await.header("location").to_owned()));
    }
    jobs
}

async fn states(api: &Api, jobs: &[(String, String)]) -> Vec<String> {
    let mut states = Vec::new();
    for (_, job) in jobs {
        states.push(api.get(job).await.text("/status").to_owned());
    }
    states
}

#[tokio::test]
async fn a_job_that_the_store_fails_stops_no_other() {
    for run_all in [false, true] {
        let api = Api::new();
        let jobs = jobs_with_keys_of_their_own(&api, 3).await;
        api.service.host().store().fail_next_keys(1);
        if run_all {
            api.service.run_all().await.unwrap();
        } else {
            assert_eq!(api.run_jobs().await, 2);
        }
        assert_eq!(states(&api, &jobs).await, ["running", "completed", "completed"]);
        wait_for(&api, Duration::from_millis(250));
        api.service.run_all().await.unwrap();
        assert_eq!(states(&api, &jobs).await, ["completed"; 3]);
    }
}

#[tokio::test]
async fn a_job_whose_inputs_cannot_be_read_waits_and_stops_no_other() {
    let api = Api::new();
    let jobs = jobs_with_keys_of_their_own(&api, 3).await;
    let store = api.service.host().store();
    store.fail_next_inputs(2);
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(states(&api, &jobs).await, ["running", "running", "completed"]);
    assert_eq!(store.key_reads(), 2, "those of the job that has its inputs");
    wait_for(&api, Duration::from_millis(250));
    store.fail_next_inputs(1);
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(states(&api, &jobs).await, ["running", "completed", "completed"]);
    wait_for(&api, Duration::from_millis(500));
    let claim = Claim {
        worker: WorkerId::from_bytes([9; 16]),
        lease: LONGEST_DELAY,
        now: api.service.host().clock().now(),
    };
    let claimed = store.claim_job(claim).await.unwrap().job().unwrap();
    assert_eq!((claimed.interrupted, claimed.failures), (0, 2), "it has lost no start");
    store.give_back(claim, claimed.request.id, 0, None).await.unwrap();
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(states(&api, &jobs).await, ["completed"; 3]);
}

#[tokio::test]
async fn each_job_is_tried_once_in_its_time_although_the_store_fails_all_of_them() {
    let api = Api::new();
    let jobs = jobs_with_keys_of_their_own(&api, 3).await;
    let store = api.service.host().store();
    store.fail_next_keys(usize::MAX);
    for wait in [250, 500] {
        let before = store.key_reads();
        for _ in 0..2 {
            api.service.run_all().await.unwrap();
        }
        assert_eq!(store.key_reads() - before, jobs.len(), "the first key of each");
        assert_eq!(states(&api, &jobs).await, ["running"; 3]);
        wait_for(&api, Duration::from_millis(wait));
    }
    store.fail(true);
    api.service.run_all().await.expect_err("nothing can be taken");
    store.fail(false);
    store.fail_next_keys(0);
    api.service.run_all().await.unwrap();
    assert_eq!(states(&api, &jobs).await, ["completed"; 3]);
}

#[tokio::test]
async fn a_job_that_the_store_fails_has_its_next_turn_in_its_time_in_a_run_without_end() {
    let api = Api::new();
    let jobs = jobs_with_keys_of_their_own(&api, 3).await;
    let store = api.service.host().store();
    store.fail_next_keys(1);
    store.be_silent_about(KeySetId::parse(&jobs[1].0));
    let mut run = Box::pin(api.service.run_all());
    assert!((&mut run).now_or_never().is_none(), "it waits for the second one's keys");
    assert_eq!(states(&api, &jobs).await, ["running", "running", "queued"]);
    wait_for(&api, Duration::from_millis(250));
    store.be_silent_about(KeySetId::parse(&jobs[2].0));
    assert!((&mut run).now_or_never().is_none(), "it waits for the third one's keys");
    assert_eq!(states(&api, &jobs).await, ["completed", "completed", "running"], "the first has its place");
    store.be_silent_about(None);
    run.await.unwrap();
    assert_eq!(states(&api, &jobs).await, ["completed"; 3]);
}
