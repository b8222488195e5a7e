//! Models that take less memory at the cost of time: the same answers, and nothing is lost when the store fails.

use ckks_core::FactorEncoding;
use edge_server::{
    Holding, KeyHolding, KeyName, Settings, WorkerId,
    port::{Clock, Host},
    store::{Claim, Store, put_off::LONGEST_DELAY},
};
use http::Request;

use crate::api::{Api, infer};

const SMALLEST: Holding = Holding { factors: FactorEncoding::AsUsed, keys: KeyHolding::OneAtATime };

/// Runs one inference; says where its job is.
async fn ask(api: &Api) -> String {
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5, -0.25, 0.125, 1.0]).unwrap().payloads[0], &key_id);
    api.post("/infer", &body).await.header("location").to_owned()
}

#[tokio::test]
async fn the_answer_does_not_depend_on_how_a_model_is_held() {
    let mut results = Vec::new();
    for factors in [FactorEncoding::Ahead, FactorEncoding::AsUsed] {
        for keys in [KeyHolding::Together, KeyHolding::OneAtATime] {
            let api = Api::held(Settings::default(), Holding { factors, keys });
            let job = ask(&api).await;
            assert_eq!(api.run_jobs().await, 1);
            results.push(api.get(&job).await.text("/result/payload").to_owned());
        }
    }
    assert!(results[0].len() > 1000, "{} characters", results[0].len());
    assert!(results.iter().all(|result| *result == results[0]));
}

#[tokio::test]
async fn keys_that_come_one_at_a_time_are_read_in_every_evaluation() {
    let api = Api::held(Settings::default(), SMALLEST);
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let store = api.service.host().store();
    let mut reads = Vec::new();
    for _ in 0..2 {
        api.post("/infer", &body).await;
        let before = store.staged_reads();
        assert_eq!(api.run_jobs().await, 1);
        reads.push(store.staged_reads() - before);
    }
    // A rotation and a product.
    assert_eq!((reads, store.key_reads()), (vec![2, 2], 0));
    let model = api.service.registry().models().next().unwrap();
    let figures = model.figures();
    assert_eq!(model.evaluation_bytes(), figures.working_as_used + figures.inputs + 2 * figures.largest_key);
    assert_eq!(
        (figures.loaded_bytes(SMALLEST), figures.loaded_bytes(Holding::FASTEST)),
        (0, figures.factors)
    );
}

/// Lets a job's next time come.
fn wait(api: &Api) {
    api.service.host().clock().pass(LONGEST_DELAY);
}

#[tokio::test]
async fn a_job_waits_again_when_the_store_fails_in_the_middle_of_it() {
    let api = Api::held(Settings::default(), SMALLEST);
    let job = ask(&api).await;
    let store = api.service.host().store();
    store.fail_next_keys(1);
    assert_eq!(api.run_jobs().await, 0, "keys could not be staged");
    assert_eq!(api.get(&job).await.text("/status"), "running");
    for name in [KeyName::Relinearization, KeyName::Galois(5)] {
        wait(&api);
        store.fail_staged_key(Some(name));
        let reads = store.staged_reads();
        assert_eq!(api.run_jobs().await, 0);
        assert!(store.staged_reads() > reads, "it was being evaluated");
        assert_eq!(api.get(&job).await.text("/status"), "running", "{name}");
    }
    store.fail_staged_key(None);
    wait(&api);
    let now = api.service.host().clock().now();
    let claim = Claim { worker: WorkerId::from_bytes([9; 16]), lease: LONGEST_DELAY, now };
    let claimed = store.claim_job(claim).await.unwrap().job().unwrap();
    assert_eq!((claimed.interrupted, claimed.failures, claimed.midway), (0, 3, 2), "it has lost no start");
    store.give_back(claim, claimed.request.id, 0, None).await.unwrap();
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(&job).await.text("/status"), "completed");
}

#[tokio::test]
async fn a_job_whose_key_can_never_be_read_is_given_up() {
    let api = Api::held(Settings { attempts: 3, ..Settings::default() }, SMALLEST);
    let job = ask(&api).await;
    api.service.host().store().fail_staged_key(Some(KeyName::Galois(5)));
    for _ in 0..2 {
        assert_eq!(api.run_jobs().await, 0);
        assert_eq!(api.get(&job).await.text("/status"), "running");
        wait(&api);
    }
    assert_eq!(api.run_jobs().await, 1);
    let failed = api.get(&job).await;
    assert_eq!(failed.text("/error/code"), "EVALUATION_FAILED");
    assert!(failed.text("/error/detail").contains("3 failures of the store"), "{}", failed.tree);
}

/// That the store was away says nothing about whether a job can be evaluated.
#[tokio::test]
async fn failures_before_an_evaluation_are_not_counted_with_those_in_the_middle() {
    let api = Api::held(Settings { attempts: 3, ..Settings::default() }, SMALLEST);
    let job = ask(&api).await;
    let store = api.service.host().store();
    store.fail_staged_key(Some(KeyName::Galois(5)));
    let mut midway = 0;
    for is_midway in [false, false, false, true, false, true, false] {
        let reads = store.staged_reads();
        store.fail_next_keys(usize::from(!is_midway));
        assert_eq!(api.run_jobs().await, 0, "{midway} in the middle");
        assert_eq!(store.staged_reads() > reads, is_midway);
        assert_eq!(api.get(&job).await.text("/status"), "running");
        midway += u32::from(is_midway);
        wait(&api);
    }
    assert_eq!((midway, api.run_jobs().await), (2, 1));
    let failed = api.get(&job).await;
    assert_eq!(failed.text("/error/code"), "EVALUATION_FAILED");
    assert!(failed.text("/error/detail").contains("3 failures of the store"), "{}", failed.tree);
}

#[tokio::test]
async fn a_job_whose_keys_are_deleted_fails_and_says_which() {
    let api = Api::held(Settings::default(), SMALLEST);
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let job = api.post("/infer", &body).await.header("location").to_owned();
    api.send(Request::delete(format!("/keys/{key_id}")).body("").unwrap()).await;
    assert_eq!(api.run_jobs().await, 1);
    let failed = api.get(&job).await;
    assert_eq!(failed.text("/error/code"), "EVALUATION_FAILED");
    assert!(failed.text("/error/detail").contains("was deleted before the job ran"), "{}", failed.tree);
}
