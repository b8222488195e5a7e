//! Waiting, idempotency, a full queue, restarts.

use std::time::Duration;

use edge_server::{
    JobId, KeySetId, Settings, WorkerId,
    port::{Host, Timestamp},
    store::{Claim, Store},
};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use serde_json::json;

use crate::api::{Api, infer};

#[tokio::test]
async fn waiting_answers_with_the_finished_job() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let wait = [("prefer", "wait=5")];
    let run = async {
        while api.run_jobs().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(api.post_with("/infer", &body, &wait), run);
    assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::OK, "wait=5"));
    assert_eq!(answer.text("/status"), "completed");
    let again = api.get(answer.header("location")).await;
    assert_eq!(again.tree, answer.tree, "the result never changes");
}

#[tokio::test]
async fn waiting_ends_in_time() {
    let api = Api::with(Settings { max_wait: Duration::from_secs(3), ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    api.service.host().clock().set_impatient(true);
    let answer = api.post_with("/infer", &body, &[("prefer", "wait=60")]).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::ACCEPTED, "wait=3"));

    let request = Request::get(answer.header("location")).header("prefer", "wait=60");
    let job = api.send(request.body("").unwrap()).await;
    assert_eq!(job.text("/status"), "queued");
}

#[tokio::test]
async fn waiting_for_a_job_hears_its_end() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let request = || Request::get(accepted.header("location")).header("prefer", "wait=5").body("").unwrap();
    let (job, ran) = tokio::join!(api.send(request()), api.run_jobs());
    assert_eq!((job.text("/status"), ran), ("completed", 1));
    assert_eq!(api.send(request()).await.text("/status"), "completed", "no wait for what is over");
}

#[tokio::test]
async fn an_idempotency_key_runs_a_request_once() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let header = [("idempotency-key", "\"one\"")];
    let first = api.post_with("/infer", &body, &header).await;
    let second = api.post_with("/infer", &body, &header).await;
    assert_eq!(first.tree, second.tree);
    assert_eq!(api.run_jobs().await, 1);
    let third = api.post_with("/infer", &body, &header).await;
    assert_eq!(first.tree, third.tree);
    assert_eq!(api.run_jobs().await, 0);

    let other = infer(&session.encrypt(&[0.25; 4]).unwrap().payloads[0], &key_id);
    api.post_with("/infer", &other, &header).await.is_problem("IDEMPOTENCY_CONFLICT");
    let open = json!({"model_id": "tiny", "version": "1.0.0"});
    api.post_with("/keys", &open, &header).await.is_problem("IDEMPOTENCY_CONFLICT");
    api.post_with("/infer", &body, &[("idempotency-key", "")]).await.is_problem("INVALID_ENVELOPE");
}

#[tokio::test]
async fn opening_a_key_set_is_idempotent_too() {
    let api = Api::new();
    let open = json!({"model_id": "tiny", "version": "1.0.0"});
    let header = [("idempotency-key", "open")];
    let first = api.post_with("/keys", &open, &header).await;
    let second = api.post_with("/keys", &open, &header).await;
    assert_eq!(first.text("/key_id"), second.text("/key_id"));
    assert_ne!(api.post("/keys", &open).await.text("/key_id"), first.text("/key_id"));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let api = Api::with(Settings { waiting_jobs: 1, ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    assert_eq!(api.post("/infer", &body).await.status, StatusCode::ACCEPTED);
    let refused = api.post("/infer", &body).await;
    assert_eq!(refused.is_problem("QUEUE_FULL").header("retry-after"), "1");
    assert_eq!(refused.tree["retryable"], true);
}

#[tokio::test]
async fn unfinished_jobs_run_again_after_a_restart() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    assert_eq!(api.service.host().executor().woken(), 1);
    let claim =
        Claim { worker: WorkerId::from_bytes([9; 16]), lease: Duration::from_secs(60), now: Timestamp(0) };
    let lost = api.service.host().store().claim_job(claim).await.unwrap();
    assert!(lost.job().is_some());
    assert_eq!(api.run_jobs().await, 0, "it is another's");
    assert_eq!(api.service.resume().await.unwrap(), 1);
    assert_eq!(api.service.host().executor().woken(), 3, "once for each thread");
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "completed");
}

#[tokio::test]
async fn a_job_whose_keys_are_gone_fails_alone() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let gone = api.send(Request::delete(format!("/keys/{key_id}")).body("").unwrap()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    api.run_jobs().await;
    let job = api.get(accepted.header("location")).await;
    assert_eq!((job.text("/status"), job.text("/error/code")), ("failed", "EVALUATION_FAILED"));
}

#[tokio::test]
async fn deleted_jobs_are_gone_whatever_their_state() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let delete = |path: &str| Request::delete(path.to_owned()).body("").unwrap();

    let over = api.post("/infer", &body).await.header("location").to_owned();
    assert_eq!(api.run_jobs().await, 1);
    let waiting = api.post_with("/infer", &body, &[("idempotency-key", "gone")]).await;
    let waiting = waiting.header("location").to_owned();
    for path in [&over, &waiting] {
        let answer = api.send(delete(path)).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
        api.get(path).await.is_problem("UNKNOWN_JOB");
        api.send(delete(path)).await.is_problem("UNKNOWN_JOB");
    }
    assert_eq!(api.run_jobs().await, 0, "it does not run any more");
    let repeated = api.post_with("/infer", &body, &[("idempotency-key", "gone")]).await;
    repeated.is_problem("UNKNOWN_JOB");
    assert_eq!(api.run_jobs().await, 0, "nor again");
}

#[tokio::test]
async fn whoever_waits_for_a_deleted_job_hears_of_it() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let path = accepted.header("location").to_owned();
    let wait = Request::get(&path).header("prefer", "wait=5").body("").unwrap();
    let (job, gone) = tokio::join!(api.send(wait), api.send(Request::delete(&path).body("").unwrap()));
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    job.is_problem("UNKNOWN_JOB");
}

#[tokio::test]
async fn a_job_that_is_over_elsewhere_stops_here() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let store = api.service.host().store();
    store.be_silent_about(KeySetId::parse(&key_id));
    let mut evaluation = Box::pin(api.service.evaluate_next());
    assert!((&mut evaluation).now_or_never().is_none(), "it is in the middle");
    api.service.announce(JobId::parse(accepted.text("/job_id")).unwrap());
    store.be_silent_about(None);
    api.service.settle(evaluation.await.unwrap().evaluated().unwrap()).await.unwrap();
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "running", "it has no outcome");
}

#[tokio::test]
async fn unknown_jobs_are_not_found() {
    let api = Api::new();
    for id in ["00000000000000000000000000000000", "x", "..", "%00"] {
        api.get(&format!("/jobs/{id}")).await.is_problem("UNKNOWN_JOB");
    }
}
