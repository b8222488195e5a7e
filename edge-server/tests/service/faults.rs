//! What goes wrong around the service: the store, the clock, jobs that end their process.

use std::time::Duration;

use edge_server::{
    KeySetId, Settings, WorkerId,
    port::{Host, Timestamp},
    store::{Claim, QueueLengths, Store},
};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use serde_json::json;

use crate::api::{Api, infer};

/// Another process takes a job.
const CLAIM: Claim =
    Claim { worker: WorkerId::from_bytes([9; 16]), lease: Duration::from_secs(60), now: Timestamp(0) };

#[tokio::test]
async fn every_route_that_needs_the_store_says_when_to_come_back_while_it_fails() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let accepted = api.post("/infer", &body).await;
    let (job, set) = (accepted.header("location").to_owned(), format!("/keys/{key_id}"));

    api.service.host().store().fail(true);
    let delete = |path: &str| Request::delete(path.to_owned()).body("").unwrap();
    let open = json!({"model_id": "tiny", "version": "1.0.0"});
    for answer in [
        api.post("/infer", &body).await,
        api.post("/keys", &open).await,
        api.get(&job).await,
        api.get(&set).await,
        api.get("/limits").await,
        api.put(&format!("{set}/relinearization"), vec![0]).await,
        api.send(delete(&job)).await,
        api.send(delete(&set)).await,
    ] {
        assert_eq!(answer.is_problem("STORE_UNAVAILABLE").header("retry-after"), "5");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(api.get("/ready").await.is_problem("NOT_READY").header("retry-after"), "2");
    for path in ["/health", "/models", "/keys"] {
        assert_eq!(api.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert!(api.service.run_next().await.is_err());

    api.service.host().store().fail(false);
    assert_eq!(api.get("/ready").await.status, StatusCode::OK);
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(&job).await.text("/status"), "completed", "nothing was lost");
}

#[tokio::test]
async fn an_outcome_is_offered_until_the_store_takes_it() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    api.service.host().clock().set_impatient(true);
    api.service.host().store().fail_next_outcomes(100);
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "completed");
}

/// The lease cannot be renewed either while the disk is full.
#[tokio::test]
async fn a_job_whose_outcome_waits_for_the_store_is_not_evaluated_again() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let evaluated = api.service.evaluate_next().await.unwrap().evaluated().unwrap();
    api.service.host().store().fail_next_outcomes(1);
    let mut settling = Box::pin(api.service.settle(evaluated));
    assert!((&mut settling).now_or_never().is_none(), "it waits to offer it again");
    for _ in 0..10 {
        api.service.host().clock().pass(Duration::from_secs(31));
        assert_eq!(api.run_jobs().await, 0, "the lease has run out, and the job is here");
    }
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "running");
    drop(settling);
    api.service.host().clock().pass(Duration::from_secs(31));
    let later = Claim { now: Timestamp(u64::MAX), ..CLAIM };
    let claimed = api.service.host().store().claim_job(later).await.unwrap().job().unwrap();
    assert_eq!(claimed.interrupted, 1, "it was started once");
}

#[tokio::test]
async fn an_outcome_that_could_not_be_stored_before_the_end_is_computed_again() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let evaluated = api.service.evaluate_next().await.unwrap().evaluated().unwrap();
    api.service.host().clock().set_impatient(true);
    api.service.host().store().fail_next_outcomes(usize::MAX);
    api.service.halt();
    api.service.settle(evaluated).await.unwrap_err();
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "running");

    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let evaluated = api.service.evaluate_next().await.unwrap().evaluated().unwrap();
    api.service.host().store().fail_next_outcomes(1);
    api.service.host().clock().pass(Duration::from_secs(60 * 60));
    api.service.settle(evaluated).await.expect_err("its time is over");
    assert_eq!(api.run_jobs().await, 1, "it is nobody's");
    let job = api.get(accepted.header("location")).await;
    assert_eq!(job.text("/error/code"), "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn the_next_keys_are_asked_for_before_the_first_has_come() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let store = api.service.host().store();
    store.be_silent_about(KeySetId::parse(&key_id));
    let before = store.key_reads();
    let mut evaluation = Box::pin(api.service.evaluate_next());
    assert!((&mut evaluation).now_or_never().is_none(), "it waits for keys");
    let wanted = api.service.registry().models().next().unwrap().evaluation_keys().len();
    assert!(wanted > 1);
    assert_eq!(store.key_reads() - before, wanted.min(4));
    store.be_silent_about(None);
    let evaluated = evaluation.await.unwrap().evaluated().unwrap();
    api.service.settle(evaluated).await.unwrap();
    assert_eq!(store.key_reads() - before, wanted, "each once");
}

/// The service stops and does not wait for what takes longer than it may.
#[tokio::test]
async fn a_job_that_runs_when_the_service_halts_is_given_back() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    let store = api.service.host().store();
    store.be_silent_about(KeySetId::parse(&key_id));
    let mut evaluation = Box::pin(api.service.evaluate_next());
    assert!((&mut evaluation).now_or_never().is_none(), "it is in the middle of it");
    api.service.halt();
    store.be_silent_about(None);
    assert!(evaluation.await.unwrap().evaluated().is_none());
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "running");
    assert_eq!(store.claim_job(CLAIM).await.unwrap().job().unwrap().interrupted, 0, "that was no start");
}

#[tokio::test]
async fn a_service_that_ceases_ends_what_runs_and_starts_nothing() {
    let api = Api::new();
    let (mut session, silent_keys) = api.ready().await;
    let payload = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
    let keys = api.upload_keys(&mut session, "tiny").await;
    let mut accepted = Vec::new();
    for key_id in [&silent_keys, &keys, &keys] {
        accepted.push(api.post("/infer", &infer(&payload, key_id)).await.header("location").to_owned());
    }
    let store = api.service.host().store();
    // Two ended processes: the first job runs alone, with the third thread in line behind the second.
    for start in 0..2 {
        let job = store.claim_job(CLAIM).await.unwrap().job().unwrap();
        assert!(start == 0 || store.start_again(CLAIM, job.request.id).await.unwrap());
        api.service.resume().await.unwrap();
    }
    store.be_silent_about(KeySetId::parse(&silent_keys));
    let mut alone = Box::pin(api.run_jobs());
    assert!((&mut alone).now_or_never().is_none());
    let mut behind = Box::pin(api.run_jobs());
    assert!((&mut behind).now_or_never().is_none());
    api.service.cease();
    store.be_silent_about(None);
    assert_eq!(alone.await, 1);
    assert_eq!(behind.await, 0);
    for (path, status) in accepted.iter().zip(["completed", "queued", "queued"]) {
        assert_eq!(api.get(path).await.text("/status"), status);
    }
}

#[tokio::test]
async fn a_job_that_keeps_ending_its_process_is_given_up() {
    let api = Api::with(Settings { attempts: 2, ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let accepted =
        api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    for interrupted in 0..2 {
        let store = api.service.host().store();
        let job = store.claim_job(CLAIM).await.unwrap().job().unwrap();
        assert_eq!(job.interrupted, interrupted);
        assert!(interrupted == 0 || store.start_again(CLAIM, job.request.id).await.unwrap());
        assert_eq!(api.service.resume().await.unwrap(), 1);
    }
    assert_eq!(api.run_jobs().await, 1);
    let job = api.get(accepted.header("location")).await;
    assert_eq!((job.text("/status"), job.text("/error/code")), ("failed", "EVALUATION_FAILED"));
    assert!(job.text("/error/detail").contains("2 starts"), "{}", job.tree);
}

/// Jobs that were interrupted twice run one at a time and alone, so that a job that ends its process takes
/// two starts at most from those that happen to run beside it.
#[tokio::test]
async fn a_job_that_ends_its_process_spends_two_starts_of_others_at_most() {
    let api = Api::new();
    let (mut session, poison_keys) = api.ready().await;
    let payload = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
    let keys = api.upload_keys(&mut session, "tiny").await;
    let mut accepted = Vec::new();
    for key_id in [&keys, &poison_keys, &keys, &keys] {
        accepted.push(api.post("/infer", &infer(&payload, key_id)).await.header("location").to_owned());
    }
    let store = api.service.host().store();
    // Both were being evaluated when the first two processes ended.
    for start in 0..2 {
        for _ in 0..2 {
            let job = store.claim_job(CLAIM).await.unwrap().job().unwrap();
            assert!(start == 0 || store.start_again(CLAIM, job.request.id).await.unwrap());
        }
        assert_eq!(api.service.resume().await.unwrap(), 2);
    }
    store.be_silent_about(KeySetId::parse(&poison_keys));
    let mut ends = 2;
    loop {
        // Two threads, as long as neither waits.
        let mut threads = [(); 2].map(|()| Box::pin(api.run_jobs()));
        let over = threads.each_mut().map(|thread| thread.now_or_never().is_some());
        if over == [true; 2] {
            break;
        }
        // The job that is silent runs alone, and the process ends with it.
        assert_eq!(over, [false; 2], "another job runs beside it");
        drop(threads);
        ends += 1;
        assert!(api.service.resume().await.unwrap() > 0);
    }
    assert_eq!(ends, Settings::default().attempts);
    for (path, status) in accepted.iter().zip(["completed", "failed", "completed", "completed"]) {
        let job = api.get(path).await;
        assert_eq!(job.text("/status"), status, "{}", job.tree);
        assert!(status == "completed" || job.text("/error/detail").contains("5 starts"), "{}", job.tree);
    }
}

/// One `kill` is no reason to evaluate everything that ran one by one.
#[tokio::test]
async fn jobs_whose_process_ended_once_run_beside_others_unless_it_is_their_last_start() {
    for (attempts, alone) in [(5, false), (2, true)] {
        let api = Api::with(Settings { attempts, ..Settings::default() });
        let (mut session, silent_keys) = api.ready().await;
        let payload = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
        let keys = api.upload_keys(&mut session, "tiny").await;
        for key_id in [&silent_keys, &keys] {
            api.post("/infer", &infer(&payload, key_id)).await;
        }
        let store = api.service.host().store();
        for _ in 0..2 {
            store.claim_job(CLAIM).await.unwrap().job().unwrap();
        }
        assert_eq!(api.service.resume().await.unwrap(), 2);
        store.be_silent_about(KeySetId::parse(&silent_keys));
        let mut first = Box::pin(api.run_jobs());
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(api.run_jobs());
        assert_eq!((&mut second).now_or_never().is_none(), alone, "{attempts} attempts");
        store.be_silent_about(None);
        tokio::join!(first, async {
            if alone {
                second.await;
            }
        });
        assert_eq!(store.queue().await.unwrap(), QueueLengths::default());
    }
}

#[tokio::test]
async fn jobs_that_wait_too_long_fail_with_their_deadline() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let mut body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    body["deadline_seconds"] = json!(10);
    let name = [("idempotency-key", "late")];
    let late_body = body.clone();
    let (late, timely) = (api.post_with("/infer", &body, &name).await, {
        body["deadline_seconds"] = json!(11);
        api.post("/infer", &body).await
    });
    api.service.host().clock().pass(Duration::from_secs(10));
    assert_eq!(api.run_jobs().await, 2);
    let job = api.get(late.header("location")).await;
    assert_eq!((job.text("/status"), job.text("/error/code")), ("failed", "DEADLINE_EXCEEDED"));
    assert_eq!(api.get(timely.header("location")).await.text("/status"), "completed");
    // Its name names the job that failed, and no other.
    let again = api.post_with("/infer", &late_body, &name).await;
    assert_eq!(again.text("/job_id"), late.text("/job_id"));
    assert_eq!(api.run_jobs().await, 0);

    let api = Api::with(Settings { job_time: Duration::from_secs(5), ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let mut body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    body["deadline_seconds"] = json!(1000);
    let accepted = api.post("/infer", &body).await;
    api.service.host().clock().pass(Duration::from_secs(5));
    api.run_jobs().await;
    assert_eq!(api.get(accepted.header("location")).await.text("/error/code"), "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_clock_that_jumps_forward_makes_nothing_old() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let done = api.post("/infer", &body).await;
    api.run_jobs().await;
    let waiting = api.post("/infer", &body).await;
    api.service.host().clock().jump(Duration::from_secs(365 * 24 * 60 * 60));
    api.service.sweep().await.unwrap();
    assert_eq!(api.get(done.header("location")).await.text("/status"), "completed");
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(waiting.header("location")).await.text("/status"), "completed");
}

#[tokio::test]
async fn a_clock_that_jumps_back_keeps_things_longer_and_stops_nothing() {
    let (day, year) = (Duration::from_secs(24 * 60 * 60), Duration::from_secs(365 * 24 * 60 * 60));
    let api = Api::new();
    api.service.host().clock().pass(2 * year);
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let (done, waiting) = (api.post("/infer", &body).await, api.post("/infer", &body).await);
    assert!(api.service.run_next().await.unwrap());
    api.service.host().clock().jump_back(year);
    assert_eq!(api.run_jobs().await, 1, "what waits runs");
    let later = api.post("/infer", &body).await;
    assert_eq!(api.run_jobs().await, 1, "so does what comes");
    api.service.host().clock().pass(2 * day);
    assert_eq!(
        api.service.sweep().await.unwrap().jobs,
        2,
        "what ended after the jump is old by its own time"
    );
    assert_eq!(api.get(done.header("location")).await.text("/status"), "completed", "and this one later");
    for path in [waiting, later].map(|answer| answer.header("location").to_owned()) {
        api.get(&path).await.is_problem("UNKNOWN_JOB");
    }
}

#[tokio::test]
async fn results_and_unused_keys_are_forgotten_in_time() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let done = api.post("/infer", &infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id)).await;
    api.run_jobs().await;
    let hour = Duration::from_secs(60 * 60);
    api.service.host().clock().pass(24 * hour);
    api.service.sweep().await.unwrap();
    assert_eq!(api.get(done.header("location")).await.text("/status"), "completed");
    api.service.host().clock().pass(hour);
    assert_eq!(api.service.sweep().await.unwrap().jobs, 1);
    api.get(done.header("location")).await.is_problem("UNKNOWN_JOB");
    assert_eq!(api.get(&format!("/keys/{key_id}")).await.text("/status"), "complete");
    api.service.host().clock().pass(30 * 24 * hour);
    assert_eq!(api.service.sweep().await.unwrap().key_sets, 1);
    api.get(&format!("/keys/{key_id}")).await.is_problem("UNKNOWN_KEY");
}

#[tokio::test]
async fn a_server_that_stops_is_alive_but_not_ready() {
    let api = Api::new();
    assert_eq!(api.get("/ready").await.status, StatusCode::OK);
    api.service.drain();
    api.get("/ready").await.is_problem("NOT_READY");
    assert_eq!(api.get("/health").await.status, StatusCode::OK);
}
