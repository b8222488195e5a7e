//! Against a real PostgreSQL and a real object store, which `cargo xtask cluster` starts.

use std::{collections::BTreeMap, env};

use edge_server::store::{
    StagedKeys,
    put_off::{Failed, LONGEST_DELAY},
    suite,
};

use super::*;

/// The addresses of both.
fn addresses() -> (String, String) {
    let of = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name}: run `cargo xtask cluster`"));
    (of("EDGE_SERVER_POSTGRES"), of("EDGE_SERVER_OBJECTS"))
}

async fn open() -> ClusterStore {
    let (postgres, objects) = addresses();
    ClusterStore::open(&postgres, &objects).await.expect("opens")
}

#[tokio::test]
#[ignore = "needs PostgreSQL and an object store; `cargo xtask cluster` starts both"]
async fn passes_the_suite_of_stores() {
    let store = open().await;
    suite::run(&store).await;
    let heard = Arc::new(tokio::sync::Notify::new());
    let listener = store.listen({
        let heard = Arc::clone(&heard);
        move |notice| {
            if notice == Notice::Finished(JobId::from_bytes([7; 16])) {
                heard.notify_one();
            }
        }
    });
    let say = async {
        loop {
            notices::finished(&**store.client().await.expect("answers"), JobId::from_bytes([7; 16]))
                .await
                .expect("said");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = heard.notified() => {}
        () = say => {}
        () = tokio::time::sleep(std::time::Duration::from_secs(20)) => panic!("nothing was heard"),
    }
    listener.abort();
    talks_to_the_database_in_secret(&store).await;
    leaves_newer_tables_alone(&store).await;
    says_that_inputs_are_away(&store).await;
    a_job_without_inputs_stops_no_other(&store).await;
    inputs_stay_when_an_insertion_ends_in_an_error(&store).await;
    staged_keys_are_on_this_machine(&store).await;
}

/// The connection is encrypted, and not made with a server that nobody vouches for.
async fn talks_to_the_database_in_secret(store: &ClusterStore) {
    let client = store.client().await.expect("answers");
    let row = client
        .query_one("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .await
        .expect("answers");
    assert_eq!((row.get::<_, bool>(0), row.get::<_, &str>(1)), (true, "TLSv1.3"));
    let (postgres, objects) = addresses();
    let nobody = ClusterStore::open_trusting(&postgres, &objects, RootCertStore::empty()).await;
    assert!(matches!(nobody, Err(ClusterError::Address { of: "postgres", .. })));
    let own = rcgen::generate_simple_self_signed(["other.example".to_owned()]).expect("a certificate");
    let mut others = RootCertStore::empty();
    others.add(own.cert.der().clone()).expect("a certificate");
    let stranger = ClusterStore::open_trusting(&postgres, &objects, others).await;
    assert!(matches!(stranger, Err(ClusterError::Store(_))), "{stranger:?}");
    let plain = postgres.replace("sslmode=require", "sslmode=disable");
    ClusterStore::open(&plain, &objects).await.expect("a private network needs none");
}

async fn leaves_newer_tables_alone(store: &ClusterStore) {
    let client = store.client().await.expect("answers");
    let version: i32 = client.query_one("SELECT version FROM edge_server", &[]).await.expect("read").get(0);
    client.execute("UPDATE edge_server SET version = 99", &[]).await.expect("set");
    let (postgres, objects) = addresses();
    let refused = ClusterStore::open(&postgres, &objects).await;
    assert!(matches!(refused, Err(ClusterError::Newer { found: 99, .. })));
    client.execute("UPDATE edge_server SET version = $1", &[&version]).await.expect("set");
    open().await;
}

fn request(number: u8) -> JobRequest {
    JobRequest {
        id: JobId::from_bytes([number; 16]),
        tenant: TenantId::public(),
        model: edge_server::ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: edge_server::payload::Encoding::Hex,
        accepted: Timestamp(u64::from(number)),
        deadline: Timestamp(1000),
        trace: None,
    }
}

const BOUNDS: QueueBounds = QueueBounds { total: 100, tenant: 100 };

fn claim() -> Claim {
    Claim {
        worker: edge_server::WorkerId::from_bytes([1; 16]),
        lease: std::time::Duration::from_secs(60),
        now: Timestamp(0),
    }
}

const PUT_OFF: PutOff = PutOff { delay: LONGEST_DELAY, failed: Failed::Before };

async fn insert(store: &ClusterStore, number: u8) -> Result<Inserted<Full>> {
    store.insert_job(request(number), vec![Bytes::from_static(b"input")], None, BOUNDS).await
}

/// The object store does not answer as one does: jobs come without their inputs, and wait for their time when they are
/// put off, or do not if a clock was set back. When one is late, whoever takes it sees that without its inputs.
async fn says_that_inputs_are_away(store: &ClusterStore) {
    let (id, other) = (request(201).id, request(206).id);
    for number in [201, 206] {
        insert(store, number).await.expect("stored");
    }
    let away = ClusterStore(Arc::new(Shared {
        pool: store.0.pool.clone(),
        config: store.0.config.clone(),
        tls: store.0.tls.clone(),
        objects: Objects::new("s3://no-such-bucket/test").expect("an address"),
    }));
    for waiting in [id, other] {
        let claimed = away.claim_job(claim()).await.expect("answers").job().expect("it waits");
        assert_eq!((claimed.request.id, claimed.inputs), (waiting, None));
        store.give_back(claim(), waiting, 0, (waiting == id).then_some(PUT_OFF)).await.expect("answers");
    }
    let claimed = store.claim_job(claim()).await.expect("answers").job().expect("the other one waits");
    assert_eq!((claimed.request.id, claimed.inputs), (other, Some(vec![Bytes::from_static(b"input")])));
    assert!(store.delete_job(&TenantId::public(), other).await.expect("answers"));
    let Claimed::Nothing(Some(until)) = store.claim_job(claim()).await.expect("answers") else {
        panic!("it is not its time")
    };
    assert!(until <= LONGEST_DELAY, "{until:?}");
    let client = store.client().await.expect("answers");
    const SET_BACK: &str = "UPDATE jobs SET not_before = now() + interval '1 hour' WHERE id = $1";
    client.execute(SET_BACK, &[&&id.to_bytes()[..]]).await.expect("set");
    assert_eq!(jobs::until(&**client).await.expect("answers"), None, "the clock has been set back since");
    let late = away.claim_job(Claim { now: request(201).deadline, ..claim() }).await.expect("answers");
    assert_eq!(late.job().expect("it is its time").inputs, None);
    store.give_back(claim(), id, 0, None).await.expect("answers");
    let claimed = store.claim_job(claim()).await.expect("answers").job().expect("it waits");
    assert_eq!((claimed.interrupted, claimed.failures, claimed.request.id), (0, 1, id));
    assert_eq!(claimed.inputs, Some(vec![Bytes::from_static(b"input")]));
    store.finish_job(id, Ok(Bytes::from_static(b"result")), Timestamp(3)).await.expect("stored");
    assert!(store.delete_job(&TenantId::public(), id).await.expect("answers"));
    let hash = Sha256::digest(b"result").into();
    store.objects().result(id, hash).await.expect_err("its result is gone too");
}

/// A job whose inputs are lost fails, and those behind it run.
async fn a_job_without_inputs_stops_no_other(store: &ClusterStore) {
    for number in [202, 203] {
        assert_eq!(insert(store, number).await.expect("answers"), Inserted::New);
    }
    store.objects().delete_inputs(request(202).id, 1).await;
    let claimed = store.claim_job(claim()).await.expect("answers").job().expect("the next one");
    assert_eq!(claimed.request, request(203));
    let lost = store.job(&TenantId::public(), request(202).id).await.expect("answers").expect("stored");
    assert_eq!(lost.state, JobState::Failed { failure: inputs_gone() });
    for number in [202, 203] {
        assert!(store.delete_job(&TenantId::public(), request(number).id).await.expect("answers"));
    }
}

/// An error does not say that the row is not there.
async fn inputs_stay_when_an_insertion_ends_in_an_error(store: &ClusterStore) {
    assert_eq!(insert(store, 204).await.expect("answers"), Inserted::New);
    insert(store, 204).await.expect_err("the row is there");
    let claimed = store.claim_job(claim()).await.expect("answers").job().expect("it waits");
    assert_eq!((claimed.request.id, claimed.inputs.map_or(0, |inputs| inputs.len())), (request(204).id, 1));
    assert!(store.delete_job(&TenantId::public(), request(204).id).await.expect("answers"));
}

/// An evaluation that has begun reads its keys although their objects are gone, and none begins without one of them.
async fn staged_keys_are_on_this_machine(store: &ClusterStore) {
    let (tenant, id) = (TenantId::public(), KeySetId::from_bytes([205; 16]));
    let set = KeySet {
        id,
        tenant: tenant.clone(),
        model: request(205).model,
        opened: Timestamp(1),
        announced: 0,
        present: BTreeMap::new(),
    };
    let quota = KeyQuota { key_sets: 100, key_bytes: 1 << 40 };
    assert_eq!(store.insert_key_set(set, None, quota).await.expect("answers"), Inserted::New);
    let names: Vec<KeyName> = (1..=9).map(|number| KeyName::Galois(2 * number + 1)).collect();
    let bytes = |name: &KeyName| Bytes::from(name.to_string().repeat(100_000));
    for name in &names {
        store.put_key(&tenant, id, *name, bytes(name)).await.expect("stored");
    }
    let staged = store.stage_keys(&tenant, id, names.clone()).await.expect("staged");
    let hash = Sha256::digest(bytes(&names[4])).into();
    store.objects().delete_key(id, names[4], hash).await;
    for name in &names {
        assert!(staged.key(*name).expect("it is read") == Some(bytes(name)), "{name}");
    }
    store.stage_keys(&tenant, id, names.clone()).await.expect_err("an object is gone");
    store.key(&tenant, id, names[4]).await.expect_err("an object is gone");
    assert!(store.delete_key_set(&tenant, id).await.expect("answers"));
    // Its row was read before the set was deleted.
    assert_eq!(store.read_key(&tenant, id, names[4], hash).await.expect("answers"), None);
    assert!(staged.key(names[0]).expect("it is read").is_some());
    let gone = store.stage_keys(&tenant, id, names.clone()).await.expect("staged");
    assert_eq!(gone.key(names[0]).expect("it is read"), None);
}
