//! A job that the store fails.

use std::{sync::Arc, time::Duration};

use edge_server::{
    Code, Host, JobId, KeySetId, ModelKey, TenantId,
    memory::MemoryStore,
    payload::Encoding,
    port::Timestamp,
    store::{Failure, JobRequest, JobState, QueueBounds, QueueLengths, Store},
    testing::FaultyStore,
};
use tokio::time::{sleep, timeout};

use crate::start::{LIMIT, config};

fn job(number: u8, key_set: Option<KeySetId>) -> JobRequest {
    JobRequest {
        id: JobId::from_bytes([number; 16]),
        tenant: TenantId::public(),
        model: ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set,
        batch_size: 1,
        encoding: Encoding::Bytes,
        accepted: Timestamp(u64::from(number)),
        deadline: Timestamp(u64::MAX),
        trace: None,
    }
}

/// Waits until this is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, waiting).await.expect("in time");
}

async fn failure(store: &impl Store, id: JobId) -> Option<Failure> {
    match store.job(&TenantId::public(), id).await.unwrap().unwrap().state {
        JobState::Failed { failure } => Some(failure),
        _ => None,
    }
}

/// Nobody asks and nothing else comes in: it is tried again all the same, each time after a longer wait.
#[tokio::test]
async fn a_job_that_the_store_fails_stops_no_other_and_is_tried_again_in_its_time() {
    let store = FaultyStore::<MemoryStore>::default();
    let failing = job(1, Some(KeySetId::from_bytes([7; 16])));
    let other = job(2, None);
    let bounds = QueueBounds { total: 2, tenant: 2 };
    for job in [&failing, &other] {
        store.insert_job(job.clone(), vec![], None, bounds).await.unwrap();
    }
    store.fail_next_keys(usize::MAX);
    let server = edge_server_native::Server::start(config(), store).await.unwrap();
    let service = Arc::clone(server.service());
    let store = service.host().store();
    until(async || failure(store, other.id).await.is_some()).await;
    until(async || store.queue().await.unwrap() == QueueLengths { waiting: 1, running: 0 }).await;
    let reads = store.key_reads();
    until(async || store.key_reads() >= 3 * reads).await;
    assert_eq!(failure(store, failing.id).await, None, "it waits");
    store.fail_next_keys(0);
    until(async || failure(store, failing.id).await.is_some()).await;
    let Failure { code, detail } = failure(store, failing.id).await.unwrap();
    assert_eq!(code, Code::EvaluationFailed);
    assert!(detail.contains("was deleted before the job ran"), "it was asked for at last: {detail}");
    timeout(LIMIT, server.stop()).await.expect("it stops");
}
