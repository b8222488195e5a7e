use std::{env, fs, path::PathBuf, process};

use edge_server::store::suite;

use super::*;

/// A directory that is deleted when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("edge-server-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn passes_the_suite_of_stores() {
    let scratch = Scratch::new("suite");
    suite::run(&SqliteStore::open(&scratch.0).expect("opens")).await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let scratch = Scratch::new("restart");
    let (tenant, id) = (TenantId::public(), JobId::from_bytes([1; 16]));
    let request = JobRequest {
        id,
        tenant: tenant.clone(),
        model: edge_server::ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: edge_server::payload::Encoding::Bytes,
        accepted: edge_server::port::Timestamp(1),
    };
    let inputs = vec![Bytes::from_static(b"input")];
    {
        let store = SqliteStore::open(&scratch.0).expect("opens");
        store.insert_job(request.clone(), inputs.clone(), None).await.expect("stored");
        store.start_job(id).await.expect("started");
    }
    let store = SqliteStore::open(&scratch.0).expect("opens again");
    assert_eq!(store.unfinished_jobs().await.expect("listed"), [id]);
    assert_eq!(store.start_job(id).await.expect("started again"), Some((request, inputs)));
}

#[test]
fn leaves_a_newer_store_alone() {
    let scratch = Scratch::new("newer");
    drop(SqliteStore::open(&scratch.0).expect("opens"));
    let path = scratch.0.join("edge-server.sqlite");
    let connection = Connection::open(&path).expect("opens");
    connection.pragma_update(None, "user_version", 99).expect("set");
    drop(connection);
    let error = SqliteStore::open(&scratch.0).expect_err("must be refused");
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}
