//! What every store must do; each implementation runs it in its tests.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Failure, Idempotency, Inserted, JobRequest, JobState, KeySet, Made, PutKey, Remembered, Store};
use crate::{
    id::{JobId, KeyName, KeySetId, ModelKey, TenantId},
    payload::Encoding,
    port::Timestamp,
    problem::Code,
};

/// Runs the whole suite on an empty store.
///
/// # Panics
/// When the store breaks an invariant.
pub async fn run(store: &impl Store) {
    jobs_move_forward_only(store).await;
    failures_are_kept(store).await;
    other_tenants_see_nothing(store).await;
    keys_never_change(store).await;
    idempotency_keys_work_once(store).await;
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

fn request(number: u8, key_set: Option<KeySetId>) -> JobRequest {
    JobRequest {
        id: JobId::from_bytes([number; 16]),
        tenant: alice(),
        model: model(),
        key_set,
        batch_size: 1,
        encoding: Encoding::Base64,
        accepted: Timestamp(u64::from(number)),
    }
}

fn key_set(number: u8) -> KeySet {
    KeySet {
        id: KeySetId::from_bytes([number; 16]),
        tenant: alice(),
        model: model(),
        opened: Timestamp(7),
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

async fn jobs_move_forward_only(store: &impl Store) {
    let (one, two) = (request(1, None), request(2, Some(KeySetId::from_bytes([9; 16]))));
    assert_eq!(ok!(store.insert_job(one.clone(), inputs(), None)), Inserted::New);
    assert_eq!(ok!(store.insert_job(two.clone(), inputs(), None)), Inserted::New);
    let job = ok!(store.job(&alice(), one.id)).expect("stored");
    assert_eq!((job.request, job.state), (one.clone(), JobState::Queued));
    assert_eq!(ok!(store.unfinished_jobs()), [one.id, two.id]);

    assert_eq!(ok!(store.start_job(one.id)), Some((one.clone(), inputs())));
    assert_eq!(ok!(store.job(&alice(), one.id)).expect("stored").state, JobState::Running);
    assert_eq!(ok!(store.start_job(one.id)), Some((one.clone(), inputs())), "runs again after a restart");
    assert_eq!(ok!(store.unfinished_jobs()), [one.id, two.id]);

    let result = Bytes::from_static(b"result");
    ok!(store.finish_job(one.id, Ok(result.clone())));
    ok!(store.finish_job(one.id, Ok(Bytes::from_static(b"another"))));
    ok!(store.finish_job(one.id, Err(Failure { code: Code::Internal, detail: String::new() })));
    assert_eq!(ok!(store.job(&alice(), one.id)).expect("stored").state, JobState::Completed { result });
    assert_eq!(ok!(store.start_job(one.id)), None, "a finished job does not run");
    assert_eq!(ok!(store.unfinished_jobs()), [two.id]);
    ok!(store.finish_job(two.id, Ok(Bytes::new())));
    assert_eq!(ok!(store.start_job(JobId::from_bytes([99; 16]))), None);
}

async fn failures_are_kept(store: &impl Store) {
    let failing = request(3, None);
    let failure = Failure { code: Code::EvaluationFailed, detail: "why".to_owned() };
    ok!(store.insert_job(failing.clone(), inputs(), None));
    ok!(store.finish_job(failing.id, Err(failure.clone())));
    assert_eq!(ok!(store.job(&alice(), failing.id)).expect("stored").state, JobState::Failed { failure });
    assert!(ok!(store.unfinished_jobs()).is_empty());
}

async fn other_tenants_see_nothing(store: &impl Store) {
    let set = key_set(1);
    let name = KeyName::Relinearization;
    assert_eq!(ok!(store.insert_key_set(set.clone(), None)), Inserted::New);
    assert_eq!(ok!(store.put_key(&alice(), set.id, name, Bytes::from_static(b"key"))), PutKey::Stored);
    assert_eq!(ok!(store.job(&bob(), JobId::from_bytes([1; 16]))), None);
    assert_eq!(ok!(store.key_set(&bob(), set.id)), None);
    assert_eq!(ok!(store.key(&bob(), set.id, name)), None);
    assert_eq!(ok!(store.put_key(&bob(), set.id, name, Bytes::new())), PutKey::NoSet);
    assert!(!ok!(store.delete_key_set(&bob(), set.id)));
    assert!(ok!(store.key_set(&alice(), set.id)).is_some());
}

async fn keys_never_change(store: &impl Store) {
    let set = key_set(2);
    let (five, bytes) = (KeyName::Galois(5), Bytes::from_static(b"five"));
    assert_eq!(ok!(store.put_key(&alice(), set.id, five, bytes.clone())), PutKey::NoSet);
    ok!(store.insert_key_set(set.clone(), None));
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

async fn idempotency_keys_work_once(store: &impl Store) {
    let idempotency =
        |fingerprint: u8| Some(Idempotency { key: "once".to_owned(), fingerprint: [fingerprint; 32] });
    let (first, second) = (request(4, None), request(5, None));
    let earlier = Remembered { fingerprint: [1; 32], made: Made::Job(first.id) };
    assert_eq!(ok!(store.remembered(&alice(), "once")), None);
    assert_eq!(ok!(store.insert_job(first, inputs(), idempotency(1))), Inserted::New);
    assert_eq!(
        ok!(store.insert_job(second.clone(), inputs(), idempotency(1))),
        Inserted::Remembered(earlier.clone())
    );
    assert_eq!(ok!(store.job(&alice(), second.id)), None, "nothing is stored the second time");
    let taken = ok!(store.insert_key_set(key_set(3), idempotency(2)));
    assert_eq!(taken, Inserted::Remembered(earlier.clone()));
    assert_eq!(ok!(store.key_set(&alice(), key_set(3).id)), None);
    assert_eq!(ok!(store.remembered(&alice(), "once")), Some(earlier));
    assert_eq!(ok!(store.remembered(&bob(), "once")), None, "another tenant has its own");
    let other = KeySet { tenant: bob(), ..key_set(4) };
    assert_eq!(ok!(store.insert_key_set(other.clone(), idempotency(3))), Inserted::New);
    let remembered = Remembered { fingerprint: [3; 32], made: Made::KeySet(other.id) };
    assert_eq!(ok!(store.remembered(&bob(), "once")), Some(remembered));
}
