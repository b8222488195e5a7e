//! Against a real PostgreSQL and a real object store, which `cargo xtask cluster` starts.

use std::env;

use edge_server::store::suite;

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
    gives_a_claim_back_when_the_inputs_are_away(&store).await;
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
    client.execute("UPDATE edge_server SET version = 99", &[]).await.expect("set");
    let (postgres, objects) = addresses();
    let refused = ClusterStore::open(&postgres, &objects).await;
    assert!(matches!(refused, Err(ClusterError::Newer { found: 99, .. })));
    client.execute("UPDATE edge_server SET version = 1", &[]).await.expect("set");
    open().await;
}

/// The object store loses what it has, or does not answer: that is no start of the job.
async fn gives_a_claim_back_when_the_inputs_are_away(store: &ClusterStore) {
    let id = JobId::from_bytes([201; 16]);
    let job = JobRequest {
        id,
        tenant: TenantId::public(),
        model: edge_server::ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: edge_server::payload::Encoding::Hex,
        accepted: Timestamp(1),
        deadline: Timestamp(2),
    };
    let bounds = QueueBounds { total: 100, tenant: 100 };
    store.insert_job(job, vec![Bytes::from_static(b"input")], None, bounds).await.expect("stored");
    store.objects().delete_inputs(id, 1).await;
    let claim = Claim {
        worker: edge_server::WorkerId::from_bytes([1; 16]),
        lease: std::time::Duration::from_secs(60),
        now: Timestamp(0),
    };
    store.claim_job(claim).await.expect_err("the input is away");
    store.objects().put_inputs(id, &[Bytes::from_static(b"input")]).await.expect("back again");
    let claimed = store.claim_job(claim).await.expect("answers").expect("it waits");
    assert_eq!((claimed.interrupted, claimed.request.id), (0, id));
    store.finish_job(id, Ok(Bytes::from_static(b"result")), Timestamp(3)).await.expect("stored");
    assert!(store.delete_job(&TenantId::public(), id).await.expect("answers"));
    let hash = Sha256::digest(b"result").into();
    store.objects().result(id, hash).await.expect_err("its result is gone too");
}
