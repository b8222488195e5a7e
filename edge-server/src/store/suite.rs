//! What every store must do; each implementation runs it in its tests.

mod put_off;
mod staged;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{
    Claim, ClaimedJob, Failure, Full, Horizon, Idempotency, Inserted, JobRequest, JobState, KeyQuota, KeySet,
    Made, PutKey, QueueBounds, QueueLengths, Remembered, Store, Swept, Usage,
};
use crate::{
    access::TokenRecord,
    id::{JobId, KeyName, KeySetId, ModelKey, TenantId, WorkerId},
    payload::Encoding,
    port::Timestamp,
    problem::Code,
    trace::TraceContext,
};

/// Runs the whole suite on an empty store.
///
/// # Panics
/// When the store breaks an invariant.
pub async fn run(store: &impl Store) {
    jobs_move_forward_only(store).await;
    failures_are_kept(store).await;
    tenants_take_turns(store).await;
    bounds_hold(store).await;
    unfinished_jobs_come_back(store).await;
    put_off::jobs_that_the_store_fails_wait_for_their_time(store).await;
    deleted_jobs_are_gone(store).await;
    other_tenants_see_nothing(store).await;
    keys_never_change(store).await;
    staged::keys_are_read_without_waiting(store).await;
    staged::keys_of_several_tenants_are_staged_side_by_side(store).await;
    staged::keys_that_are_gone_are_not_read(store).await;
    quotas_hold(store).await;
    idempotency_keys_work_once(store).await;
    tokens_are_found_by_their_hash(store).await;
    what_was_kept_long_enough_is_forgotten(store).await;
}

fn alice() -> TenantId {
    TenantId::new("alice")
}

fn bob() -> TenantId {
    TenantId::new("bob")
}

fn model() -> ModelKey {
    ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() }
}

const WIDE: QueueBounds = QueueBounds { total: 1000, tenant: 1000 };
const AMPLE: KeyQuota = KeyQuota { key_sets: 1000, key_bytes: 1 << 40 };
const SECOND: Duration = Duration::from_secs(1);

/// What a worker claims jobs with, for one second from the start of time.
fn claim(worker: u8) -> Claim {
    Claim { worker: WorkerId::from_bytes([worker; 16]), lease: SECOND, now: Timestamp(0) }
}

fn request(number: u8, key_set: Option<KeySetId>) -> JobRequest {
    JobRequest {
        id: JobId::from_bytes([number; 16]),
        tenant: alice(),
        model: model(),
        key_set,
        batch_size: 1,
        encoding: Encoding::Base64,
        accepted: Timestamp(u64::from(number)),
        deadline: Timestamp(1000 + u64::from(number)),
        trace: (number % 2 == 1).then_some(TraceContext { trace: [number; 16], span: [number; 8] }),
    }
}

fn key_set(number: u8) -> KeySet {
    KeySet {
        id: KeySetId::from_bytes([number; 16]),
        tenant: alice(),
        model: model(),
        opened: Timestamp(7),
        announced: 10,
        present: BTreeMap::new(),
    }
}

fn inputs() -> Vec<Bytes> {
    vec![Bytes::from_static(b"first"), Bytes::new(), Bytes::from_static(b"third")]
}

/// Unwraps an answer of the store.
macro_rules! ok {
    ($call:expr) => {
        $call.await.expect("the store answers")
    };
}
use ok;

async fn insert(store: &impl Store, job: &JobRequest) {
    assert_eq!(ok!(store.insert_job(job.clone(), inputs(), None, WIDE)), Inserted::New);
}

async fn finish(store: &impl Store, id: JobId) {
    ok!(store.finish_job(id, Ok(Bytes::new()), Timestamp(9)));
}

/// The job that is claimed next.
async fn next(store: &impl Store) -> Option<JobId> {
    ok!(store.claim_job(claim(1))).job().map(|job| job.request.id)
}

async fn jobs_move_forward_only(store: &impl Store) {
    let (one, two) = (request(1, None), request(2, Some(KeySetId::from_bytes([9; 16]))));
    insert(store, &one).await;
    insert(store, &two).await;
    let job = ok!(store.job(&alice(), one.id)).expect("stored");
    assert_eq!((job.request, job.state), (one.clone(), JobState::Queued));
    assert_eq!(ok!(store.queue()), QueueLengths { waiting: 2, running: 0 });

    let claimed = ok!(store.claim_job(claim(1))).job().expect("waits");
    assert_eq!(
        claimed,
        ClaimedJob { request: one.clone(), inputs: Some(inputs()), interrupted: 0, failures: 0, midway: 0 },
        "the oldest first"
    );
    assert_eq!(ok!(store.job(&alice(), one.id)).expect("stored").state, JobState::Running);
    assert_eq!(ok!(store.queue()), QueueLengths { waiting: 1, running: 1 });

    let result = Bytes::from_static(b"result");
    let late = Err(Failure { code: Code::Internal, detail: String::new() });
    ok!(store.finish_job(one.id, Ok(result.clone()), Timestamp(5)));
    ok!(store.finish_job(one.id, Ok(Bytes::from_static(b"another")), Timestamp(5)));
    ok!(store.finish_job(one.id, late, Timestamp(5)));
    assert_eq!(ok!(store.job(&alice(), one.id)).expect("stored").state, JobState::Completed { result });
    assert_eq!(next(store).await, Some(two.id), "a finished job does not run");
    finish(store, two.id).await;
    assert_eq!(next(store).await, None);
    finish(store, JobId::from_bytes([99; 16])).await;
}

async fn failures_are_kept(store: &impl Store) {
    let failing = request(3, None);
    let failure = Failure { code: Code::EvaluationFailed, detail: "why".to_owned() };
    insert(store, &failing).await;
    ok!(store.finish_job(failing.id, Err(failure.clone()), Timestamp(5)));
    assert_eq!(ok!(store.job(&alice(), failing.id)).expect("stored").state, JobState::Failed { failure });
    assert_eq!(ok!(store.queue()), QueueLengths::default());
}

async fn tenants_take_turns(store: &impl Store) {
    for number in 10..13 {
        insert(store, &request(number, None)).await;
    }
    for number in 13..15 {
        insert(store, &JobRequest { tenant: bob(), ..request(number, None) }).await;
    }
    let mut order = Vec::new();
    while let Some(id) = next(store).await {
        order.push(id.to_bytes()[0]);
        finish(store, id).await;
    }
    // Alice had the last turn; bob never had one.
    assert_eq!(order, [13, 10, 14, 11, 12]);
}

async fn bounds_hold(store: &impl Store) {
    let bounds = QueueBounds { total: 3, tenant: 2 };
    let mut put = Vec::new();
    for (number, tenant) in [(20, alice()), (21, alice()), (22, alice()), (23, bob()), (24, bob())] {
        let job = JobRequest { tenant, ..request(number, None) };
        put.push(ok!(store.insert_job(job, inputs(), None, bounds)));
    }
    let full = |full| Inserted::Refused(full);
    assert_eq!(put, [Inserted::New, Inserted::New, full(Full::Tenant), Inserted::New, full(Full::Total)]);
    assert_eq!(ok!(store.usage(&alice())).waiting_jobs, 2);
    assert_eq!(ok!(store.job(&alice(), JobId::from_bytes([22; 16]))), None, "nothing is stored");
    let first = next(store).await.expect("waits");
    let job = JobRequest { tenant: bob(), ..request(25, None) };
    assert_eq!(ok!(store.insert_job(job, inputs(), None, bounds)), Inserted::New, "what runs does not wait");
    finish(store, first).await;
    while let Some(id) = next(store).await {
        finish(store, id).await;
    }
}

async fn unfinished_jobs_come_back(store: &impl Store) {
    let job = request(30, None);
    insert(store, &job).await;
    let at = |milliseconds| Claim { now: Timestamp(milliseconds), ..claim(2) };
    assert_eq!(ok!(store.claim_job(at(0))).job().expect("waits").interrupted, 0);
    if store.is_shared() {
        // Its clock is its own, and nobody waits for it here.
        assert_eq!(ok!(store.claim_job(at(0))).job(), None, "it is another's");
        assert_eq!(ok!(store.release_jobs()), 0, "others may have it");
        assert!(!ok!(store.start_again(claim(3), job.id)), "it is another's");
        assert!(ok!(store.start_again(at(0), job.id)));
        a_claim_is_given_back(store, at(0), job.id).await;
    } else {
        ok!(store.renew_leases(at(500), vec![job.id]));
        assert_eq!(ok!(store.claim_job(at(1400))).job(), None, "the lease was renewed");
        let claimed = ok!(store.claim_job(at(1501))).job().expect("the lease has run out");
        assert_eq!(
            claimed,
            ClaimedJob {
                request: job.clone(),
                inputs: Some(inputs()),
                interrupted: 1,
                failures: 0,
                midway: 0
            }
        );
        assert_eq!(ok!(store.release_jobs()), 1);
        assert_eq!(ok!(store.queue()), QueueLengths { waiting: 1, running: 0 });
        assert_eq!(ok!(store.job(&alice(), job.id)).expect("stored").state, JobState::Running, "as it was");
        assert!(!ok!(store.start_again(at(0), job.id)), "it is nobody's");
        assert_eq!(ok!(store.claim_job(at(0))).job().expect("waits").interrupted, 1, "that was no start");
        assert!(!ok!(store.start_again(claim(3), job.id)), "it is another's");
        assert!(ok!(store.start_again(at(0), job.id)));
        assert_eq!(ok!(store.release_jobs()), 1);
        assert_eq!(ok!(store.claim_job(at(0))).job().expect("waits").interrupted, 2);
        a_claim_is_given_back(store, at(0), job.id).await;
    }
    finish(store, job.id).await;
    assert!(!ok!(store.start_again(at(0), job.id)), "it is over");
}

/// A job that runs waits again, as if this start had never been.
async fn a_claim_is_given_back(store: &impl Store, own: Claim, job: JobId) {
    ok!(store.give_back(claim(3), job, 0, None));
    assert_eq!(ok!(store.job(&alice(), job)).expect("stored").state, JobState::Running, "it is another's");
    for interrupted in [0, 1] {
        ok!(store.give_back(own, job, interrupted, None));
        assert_eq!(ok!(store.queue()), QueueLengths { waiting: 1, running: 0 });
        assert_eq!(ok!(store.job(&alice(), job)).expect("stored").state, JobState::Running, "as it was");
        let claimed = ok!(store.claim_job(own)).job().expect("waits");
        assert_eq!((claimed.request.id, claimed.interrupted), (job, interrupted));
        assert_eq!(claimed.inputs, Some(inputs()));
    }
}

async fn deleted_jobs_are_gone(store: &impl Store) {
    let (waiting, running) = (request(40, None), request(41, None));
    insert(store, &running).await;
    assert_eq!(next(store).await, Some(running.id));
    insert(store, &waiting).await;
    assert!(!ok!(store.delete_job(&bob(), waiting.id)), "it is not his");
    for id in [waiting.id, running.id] {
        assert!(ok!(store.delete_job(&alice(), id)));
        assert!(!ok!(store.delete_job(&alice(), id)));
        assert_eq!(ok!(store.job(&alice(), id)), None);
    }
    finish(store, running.id).await;
    assert_eq!(ok!(store.job(&alice(), running.id)), None, "its outcome does not bring it back");
    assert_eq!(next(store).await, None);
}

async fn other_tenants_see_nothing(store: &impl Store) {
    let set = key_set(1);
    let name = KeyName::Relinearization;
    assert_eq!(ok!(store.insert_key_set(set.clone(), None, AMPLE)), Inserted::New);
    assert_eq!(ok!(store.put_key(&alice(), set.id, name, Bytes::from_static(b"key"))), PutKey::Stored);
    assert_eq!(ok!(store.job(&bob(), JobId::from_bytes([1; 16]))), None);
    assert_eq!(ok!(store.key_set(&bob(), set.id)), None);
    assert_eq!(ok!(store.key(&bob(), set.id, name)), None);
    assert_eq!(ok!(store.put_key(&bob(), set.id, name, Bytes::new())), PutKey::NoSet);
    assert!(!ok!(store.delete_key_set(&bob(), set.id)));
    assert_eq!(ok!(store.usage(&bob())), Usage::default());
    assert!(ok!(store.key_set(&alice(), set.id)).is_some());
}

async fn keys_never_change(store: &impl Store) {
    let set = key_set(2);
    let (five, bytes) = (KeyName::Galois(5), Bytes::from_static(b"five"));
    assert_eq!(ok!(store.put_key(&alice(), set.id, five, bytes.clone())), PutKey::NoSet);
    ok!(store.insert_key_set(set.clone(), None, AMPLE));
    assert_eq!(ok!(store.key_set(&alice(), set.id)), Some(set.clone()));
    assert_eq!(ok!(store.key(&alice(), set.id, five)), None);

    assert_eq!(ok!(store.put_key(&alice(), set.id, five, bytes.clone())), PutKey::Stored);
    assert_eq!(ok!(store.put_key(&alice(), set.id, five, bytes.clone())), PutKey::Stored);
    assert_eq!(ok!(store.put_key(&alice(), set.id, five, Bytes::from_static(b"four"))), PutKey::Conflict);
    assert_eq!(ok!(store.put_key(&alice(), set.id, KeyName::Relinearization, bytes.clone())), PutKey::Stored);
    assert_eq!(ok!(store.key(&alice(), set.id, five)), Some(bytes));
    let present = ok!(store.key_set(&alice(), set.id)).expect("stored").present;
    assert_eq!(present, BTreeMap::from([(five, 4), (KeyName::Relinearization, 4)]));

    assert!(ok!(store.delete_key_set(&alice(), set.id)));
    assert!(!ok!(store.delete_key_set(&alice(), set.id)));
    assert_eq!(ok!(store.key_set(&alice(), set.id)), None);
    assert_eq!(ok!(store.key(&alice(), set.id, five)), None);
}

async fn quotas_hold(store: &impl Store) {
    let before = ok!(store.usage(&bob()));
    assert_eq!(before, Usage::default());
    let set = |number| KeySet { tenant: bob(), ..key_set(number) };
    let quota = KeyQuota { key_sets: 2, key_bytes: 1000 };
    assert_eq!(ok!(store.insert_key_set(set(60), None, quota)), Inserted::New);
    assert_eq!(ok!(store.insert_key_set(set(61), None, quota)), Inserted::New);
    let usage = Usage { key_sets: 2, key_bytes: 20, waiting_jobs: 0 };
    assert_eq!(ok!(store.insert_key_set(set(62), None, quota)), Inserted::Refused(usage));
    let narrow = KeyQuota { key_sets: 9, key_bytes: 29 };
    assert_eq!(ok!(store.insert_key_set(set(62), None, narrow)), Inserted::Refused(usage));
    assert_eq!(ok!(store.usage(&bob())), usage);
    for number in [60, 61] {
        assert!(ok!(store.delete_key_set(&bob(), set(number).id)));
    }
    assert_eq!(ok!(store.usage(&bob())), Usage::default());
}

async fn idempotency_keys_work_once(store: &impl Store) {
    let idempotency =
        |fingerprint: u8| Some(Idempotency { key: "once".to_owned(), fingerprint: [fingerprint; 32] });
    let (first, second) = (request(4, None), request(5, None));
    let earlier = Remembered { fingerprint: [1; 32], made: Made::Job(first.id) };
    assert_eq!(ok!(store.remembered(&alice(), "once")), None);
    assert_eq!(ok!(store.insert_job(first.clone(), inputs(), idempotency(1), WIDE)), Inserted::New);
    let none = QueueBounds { total: 0, tenant: 0 };
    assert_eq!(
        ok!(store.insert_job(second.clone(), inputs(), idempotency(1), none)),
        Inserted::Remembered(earlier.clone()),
        "what is remembered needs no room"
    );
    assert_eq!(ok!(store.job(&alice(), second.id)), None, "nothing is stored the second time");
    let taken = ok!(store.insert_key_set(key_set(3), idempotency(2), AMPLE));
    assert_eq!(taken, Inserted::Remembered(earlier.clone()));
    assert_eq!(ok!(store.key_set(&alice(), key_set(3).id)), None);
    assert_eq!(ok!(store.remembered(&alice(), "once")), Some(earlier));
    assert_eq!(ok!(store.remembered(&bob(), "once")), None, "another tenant has its own");
    let other = KeySet { tenant: bob(), ..key_set(4) };
    assert_eq!(ok!(store.insert_key_set(other.clone(), idempotency(3), AMPLE)), Inserted::New);
    let remembered = Remembered { fingerprint: [3; 32], made: Made::KeySet(other.id) };
    assert_eq!(ok!(store.remembered(&bob(), "once")), Some(remembered));
    finish(store, first.id).await;
}

async fn tokens_are_found_by_their_hash(store: &impl Store) {
    let token = |number: u8, expires| TokenRecord {
        hash: [number; 32],
        tenant: alice(),
        label: "laptop".to_owned(),
        created: Timestamp(u64::from(number)),
        expires,
    };
    let (lasting, passing) = (token(1, None), token(2, Some(Timestamp(99))));
    ok!(store.insert_token(lasting.clone()));
    ok!(store.insert_token(passing.clone()));
    assert_eq!(ok!(store.token([1; 32])), Some(lasting.clone()));
    assert_eq!(ok!(store.token([2; 32])), Some(passing.clone()));
    assert_eq!(ok!(store.token([3; 32])), None);
    assert_eq!(ok!(store.tokens()), [lasting, passing.clone()]);
    assert!(ok!(store.delete_token([1; 32])));
    assert!(!ok!(store.delete_token([1; 32])));
    assert_eq!(ok!(store.token([1; 32])), None);
    assert_eq!(ok!(store.tokens()), [passing]);
}

async fn what_was_kept_long_enough_is_forgotten(store: &impl Store) {
    // Whatever the tests before have left.
    let end = Timestamp(1 << 40);
    ok!(store.sweep(Horizon { finished: end, key_sets: end }));
    assert_eq!(ok!(store.remembered(&alice(), "once")), None);

    let opened = |number, at| KeySet { opened: Timestamp(at), ..key_set(number) };
    for set in [opened(70, 100), opened(71, 100), opened(72, 200)] {
        ok!(store.insert_key_set(set, None, AMPLE));
    }
    ok!(store.put_key(&alice(), opened(70, 0).id, KeyName::Galois(5), Bytes::from_static(b"five")));
    let job = |number, key_set: Option<u8>| JobRequest {
        accepted: Timestamp(150),
        ..request(number, key_set.map(|number| KeySetId::from_bytes([number; 16])))
    };
    let (done, fresh, unfinished) = (job(70, None), job(71, Some(71)), job(72, None));
    for job in [&done, &fresh, &unfinished] {
        insert(store, job).await;
    }
    ok!(store.finish_job(done.id, Ok(Bytes::new()), Timestamp(100)));
    ok!(store.finish_job(fresh.id, Ok(Bytes::new()), Timestamp(150)));

    let horizon = Horizon { finished: Timestamp(150), key_sets: Timestamp(150) };
    assert_eq!(ok!(store.sweep(horizon)), Swept { jobs: 1, key_sets: 1 });
    assert_eq!(ok!(store.job(&alice(), done.id)), None);
    for kept in [&fresh, &unfinished] {
        assert!(ok!(store.job(&alice(), kept.id)).is_some());
    }
    assert_eq!(ok!(store.key_set(&alice(), opened(70, 0).id)), None);
    assert_eq!(ok!(store.key(&alice(), opened(70, 0).id, KeyName::Galois(5))), None);
    for kept in [71, 72] {
        assert!(ok!(store.key_set(&alice(), opened(kept, 0).id)).is_some(), "used or opened since");
    }
    assert_eq!(ok!(store.sweep(horizon)), Swept::default());
    finish(store, unfinished.id).await;
}
