use std::{env, fs, path::PathBuf, pin::pin, process, time::Duration};

use edge_server::{
    ModelKey, WorkerId,
    payload::Encoding,
    store::{ClaimedJob, JobState, suite},
};
use futures_util::future::{Either, join_all, select};
use rusqlite::params;

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

fn request(number: u8) -> JobRequest {
    JobRequest {
        id: JobId::from_bytes([number; 16]),
        tenant: TenantId::public(),
        model: ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: Encoding::Bytes,
        accepted: Timestamp(1),
        deadline: Timestamp(1000),
        trace: None,
    }
}

async fn insert(store: &SqliteStore, number: u8, inputs: &[Bytes]) -> Result<()> {
    let inserted = store.insert_job(request(number), inputs.to_vec(), None, BOUNDS).await?;
    assert_eq!(inserted, Inserted::New);
    Ok(())
}

async fn is_there(store: &SqliteStore, number: u8) -> bool {
    let id = JobId::from_bytes([number; 16]);
    store.job(&TenantId::public(), id).await.expect("the store answers").is_some()
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let scratch = Scratch::new("restart");
    let (request, inputs) = (request(1), vec![Bytes::from_static(b"input")]);
    {
        let store = SqliteStore::open(&scratch.0).expect("opens");
        insert(&store, 1, &inputs).await.expect("stored");
        store.claim_job(claim()).await.expect("claimed");
    }
    let store = SqliteStore::open(&scratch.0).expect("opens again");
    assert_eq!(store.claim_job(claim()).await.expect("asked").job(), None, "it still seems to run");
    assert_eq!(store.release_jobs().await.expect("released"), 1);
    let claimed = store.claim_job(claim()).await.expect("claimed again").job();
    assert_eq!(
        claimed,
        Some(ClaimedJob {
            request: request.clone(),
            inputs: Some(inputs.clone()),
            interrupted: 1,
            failures: 0,
            midway: 0
        })
    );
    assert!(store.start_again(claim(), request.id).await.expect("counted"));
    drop(store);
    let store = SqliteStore::open(&scratch.0).expect("opens once more");
    assert_eq!(store.release_jobs().await.expect("released"), 1);
    let claimed = store.claim_job(claim()).await.expect("claimed a third time").job();
    assert_eq!(
        claimed,
        Some(ClaimedJob { request, inputs: Some(inputs), interrupted: 2, failures: 0, midway: 0 }),
        "a start that was counted stays so"
    );
}

const BOUNDS: QueueBounds = QueueBounds { total: 1000, tenant: 1000 };

fn claim() -> Claim {
    Claim { worker: WorkerId::from_bytes([1; 16]), lease: Duration::from_secs(1), now: Timestamp(0) }
}

#[test]
fn one_server_at_a_time() {
    let scratch = Scratch::new("lock");
    let first = SqliteStore::open(&scratch.0).expect("opens");
    assert!(matches!(SqliteStore::open(&scratch.0), Err(OpenError::InUse { .. })));
    SqliteStore::attach(&scratch.0).expect("tokens can be made meanwhile");
    drop(first);
    SqliteStore::open(&scratch.0).expect("the lock is gone");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_a_new_directory() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("private");
    assert!(matches!(SqliteStore::attach(&scratch.0), Err(OpenError::Missing { .. })));
    assert!(!scratch.0.exists(), "a mistyped directory is not made");
    drop(SqliteStore::attach_or_make(&scratch.0).expect("opens"));
    let mode = fs::metadata(&scratch.0).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
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

/// `token` and `backup` of a newer program leave the tables of a server that runs as they are.
#[test]
fn tables_are_not_changed_under_an_older_server() {
    let scratch = Scratch::new("older-server");
    fs::create_dir_all(&scratch.0).expect("made");
    let old = Connection::open(scratch.0.join(FILE)).expect("opens");
    old.execute_batch(sqlite::MIGRATIONS[0]).expect("the tables of the first version");
    old.pragma_update(None, "user_version", 1).expect("set");
    let server = schema::lock(&scratch.0).expect("it runs");
    for attach in [SqliteStore::attach, SqliteStore::attach_or_make] {
        let error = attach(&scratch.0).expect_err("must be refused");
        assert!(matches!(error, OpenError::Older { found: 1, .. }), "{error}");
    }
    let version: i64 = old.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    assert_eq!(version, 1);
    drop(server);
    let attached = SqliteStore::attach(&scratch.0).expect("nobody uses it");
    SqliteStore::open(&scratch.0).expect("a server starts beside it");
    drop(attached);
}

#[tokio::test]
async fn what_is_forgotten_goes_back_to_the_file_system() {
    let scratch = Scratch::new("vacuum");
    let store = SqliteStore::open(&scratch.0).expect("opens");
    let pages = async |what: &str| {
        let query = format!("PRAGMA {what}");
        store.read(move |sql| sql.count(&query, &[])).await.expect("answers")
    };
    let empty = pages("page_count").await;
    for number in 1..=8 {
        insert(&store, number, &[]).await.expect("stored");
        let result = Bytes::from(vec![number; 2 << 20]);
        store.finish_job(request(number).id, Ok(result), Timestamp(5)).await.expect("stored");
    }
    let full = pages("page_count").await;
    assert!(full > empty + 3 * STEP_PAGES, "{empty} {full}: several steps");
    let horizon = Horizon { finished: Timestamp(6), key_sets: Timestamp(0) };
    let step = store.write(move |sql| sqlite::sweep_step(sql, horizon)).await.expect("swept");
    assert_eq!((step.swept.jobs, step.is_last), (2, false), "4 MiB are enough for a step");
    assert_eq!(store.sweep(horizon).await.expect("swept").jobs, 6);
    assert_eq!(pages("freelist_count").await, 0);
    assert!(pages("page_count").await < empty + STEP_PAGES);
}

/// Whoever writes has his turn between the steps of a sweep, however much there is to forget.
#[tokio::test]
async fn leases_are_renewed_beside_a_long_sweep() {
    const RECORDS: u16 = 2000;
    let scratch = Scratch::new("sweep");
    let store = SqliteStore::open(&scratch.0).expect("opens");
    insert(&store, 1, &[]).await.expect("stored");
    let running = store.claim_job(claim()).await.expect("answers").job().expect("waits").request.id;
    let old = |number: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        id
    };
    let jobs = (1000..1000 + RECORDS).map(async |number| {
        let job = JobRequest { id: JobId::from_bytes(old(number)), ..request(0) };
        let idempotency = Idempotency { key: format!("{number}"), fingerprint: [0; 32] };
        let bounds = QueueBounds { total: u64::MAX, tenant: u64::MAX };
        store.insert_job(job.clone(), Vec::new(), Some(idempotency), bounds).await.expect("stored");
        store.finish_job(job.id, Ok(Bytes::from_static(&[7; 2000])), Timestamp(5)).await.expect("stored");
    });
    join_all(jobs).await;
    // Each of them fills a step, and has few pages to be given back.
    for number in 1..=8 {
        let set = KeySet {
            id: KeySetId::from_bytes([number; 16]),
            tenant: TenantId::public(),
            model: request(0).model,
            opened: Timestamp(5),
            announced: 5 << 20,
            present: [].into(),
        };
        let quota = KeyQuota { key_sets: 100, key_bytes: u64::MAX };
        store.insert_key_set(set.clone(), None, quota).await.expect("stored");
        store
            .put_key(&set.tenant, set.id, KeyName::Galois(5), Bytes::from_static(b"five"))
            .await
            .expect("stored");
    }
    let horizon = Horizon { finished: Timestamp(6), key_sets: Timestamp(6) };
    let steps = u64::from(RECORDS) * 2 / 256 + 8;
    let mut sweep = pin!(store.sweep(horizon));
    let (mut renewed, mut now) = (0, 0);
    let swept = loop {
        now += 1;
        let claim = Claim { now: Timestamp(now), ..claim() };
        let renewal = store.renew_leases(claim, vec![running]);
        match select(&mut sweep, pin!(renewal)).await {
            Either::Left((swept, _)) => break swept.expect("swept"),
            Either::Right((renewal, _)) => renewal.expect("renewed"),
        }
        renewed += 1;
    };
    assert_eq!(swept, Swept { jobs: u64::from(RECORDS), key_sets: 8 });
    assert!(renewed >= steps / 2, "{renewed} renewals beside about {steps} steps");
    assert_eq!(store.usage(&TenantId::public()).await.expect("answers").key_sets, 0);
    for number in [1000, 1000 + RECORDS - 1] {
        let remembered = store.remembered(&TenantId::public(), &number.to_string()).await;
        assert_eq!(remembered.expect("answers"), None);
    }
    let at = |now| Claim { now: Timestamp(now), worker: WorkerId::from_bytes([2; 16]), ..claim() };
    assert_eq!(store.claim_job(at(now + 900)).await.expect("answers").job(), None, "it was renewed");
    assert_eq!(
        store.claim_job(at(now + 1001)).await.expect("answers").job().expect("free").request.id,
        running
    );
}

/// A store of the first version is brought up to date with everything in it.
#[tokio::test]
async fn older_stores_are_brought_up_to_date() {
    let scratch = Scratch::new("older");
    fs::create_dir_all(&scratch.0).expect("made");
    let old = Connection::open(scratch.0.join(FILE)).expect("opens");
    old.execute_batch(sqlite::MIGRATIONS[0]).expect("the tables of the first version");
    old.pragma_update(None, "user_version", 1).expect("set");
    for (state, result) in [(0u8, None), (2, Some(&b"result"[..]))] {
        old.execute(
            "INSERT INTO jobs (id, tenant, model_id, version, batch_size, encoding, accepted, state, result)
             VALUES (?1, 'public', 'tiny', '1.0.0', 1, 'hex', 5, ?2, ?3)",
            params![[state; 16], state, result],
        )
        .expect("a job");
    }
    let set = [7u8; 16];
    old.execute("INSERT INTO key_sets VALUES (?1, 'public', 'tiny', '1.0.0', 5)", [set]).expect("a set");
    old.execute("INSERT INTO keys VALUES (?1, 'galois-5', ?2, 3, x'010203')", params![set, [0u8; 32]])
        .expect("a key");
    drop(old);

    let store = SqliteStore::open(&scratch.0).expect("opens");
    let done = store.job(&TenantId::public(), JobId::from_bytes([2; 16])).await.expect("answers");
    assert_eq!(done.expect("kept").state, JobState::Completed { result: Bytes::from_static(b"result") });
    assert_eq!(store.claim_job(claim()).await.expect("answers").job().expect("waits").interrupted, 0);
    let usage = store.usage(&TenantId::public()).await.expect("answers");
    assert_eq!((usage.key_sets, usage.key_bytes), (1, 3));
    let key = store.key(&TenantId::public(), KeySetId::from_bytes(set), KeyName::Galois(5)).await;
    assert_eq!(key.expect("answers"), Some(Bytes::from_static(&[1, 2, 3])));
    drop(store);
    SqliteStore::open(&scratch.0).expect("opens once more");
}

/// The disk is full: what does not fit is refused whole, what was acknowledged stays, and when there is
/// room again the store goes on.
#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let scratch = Scratch::new("full");
    let store = SqliteStore::open(&scratch.0).expect("opens");
    let pages = async |count: i64| {
        let set = format!("PRAGMA max_page_count = {count}");
        store.write(move |sql| sql.run(&set, &[])).await.expect("set");
    };
    pages(200).await;
    let inputs = [Bytes::from(vec![7; 100_000])];
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for number in 1..40 {
        match insert(&store, number, &inputs).await {
            Ok(()) => acknowledged.push(number),
            Err(error) => refused = Some((number, error)),
        }
    }
    let (number, error) = refused.expect("200 pages are not enough");
    assert!(error.to_string().contains("full"), "{error}");
    assert!(acknowledged.len() > 3 && !is_there(&store, number).await);
    for &number in &acknowledged {
        assert!(is_there(&store, number).await);
    }
    let first = store.claim_job(claim()).await.expect("answers").job().expect("waits");
    assert_eq!(first.inputs.expect("are there"), inputs);
    pages(100_000).await;
    insert(&store, 99, &inputs).await.expect("there is room again");
}

/// Another process holds the write lock: calls wait, and fail when it takes too long; nothing is lost.
#[tokio::test]
async fn a_locked_file_is_waited_for() {
    let scratch = Scratch::new("locked");
    let store = SqliteStore::open(&scratch.0).expect("opens");
    insert(&store, 1, &[]).await.expect("stored");
    store
        .write(|sql| sql.0.busy_timeout(Duration::from_millis(300)).map_err(StoreError::new))
        .await
        .expect("set");
    let other = Connection::open(scratch.0.join(FILE)).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(is_there(&store, 1).await, "readers do not wait");
    let error = insert(&store, 2, &[]).await.expect_err("it is locked for too long");
    assert!(error.to_string().contains("locked"), "{error}");
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.execute_batch("ROLLBACK").expect("released");
    };
    let (inserted, ()) = tokio::join!(insert(&store, 2, &[]), release);
    inserted.expect("it was released in time");
}

/// The power fails: what the file system had not been asked to keep is gone, in part or as a whole, or is
/// garbage. Whatever was acknowledged before is there.
#[tokio::test]
async fn a_power_failure_loses_nothing_that_was_acknowledged() {
    let scratch = Scratch::new("power");
    let store = SqliteStore::open(&scratch.0).expect("opens");
    let wal = scratch.0.join(format!("{FILE}-wal"));
    let length = || fs::metadata(&wal).map_or(0, |metadata| metadata.len());
    let mut noise = 1u64;
    for number in 1..=8 {
        insert(&store, number, &[Bytes::from(vec![number; 3000])]).await.expect("stored");
        // The call has returned, so that the disk has at least this much.
        let kept = length();
        // Taking a job is not waited for: it is the tail that may be lost.
        store.claim_job(claim()).await.expect("answers").job().expect("waits");
        let tail = length() - kept;
        assert!(tail > 0);
        for cut in [0, 1, tail / 3, tail / 2, tail - 1, tail] {
            for garbage in [false, true] {
                let after = Scratch::new("power-after");
                fs::create_dir_all(&after.0).expect("made");
                fs::copy(scratch.0.join(FILE), after.0.join(FILE)).expect("copied");
                let mut bytes = fs::read(&wal).expect("read");
                let keep = (kept + tail - cut) as usize;
                if garbage {
                    for byte in &mut bytes[keep..] {
                        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        *byte = (noise >> 56) as u8;
                    }
                } else {
                    bytes.truncate(keep);
                }
                fs::write(after.0.join(format!("{FILE}-wal")), bytes).expect("written");
                let store = SqliteStore::open(&after.0).expect("opens after the failure");
                for earlier in 1..=number {
                    assert!(is_there(&store, earlier).await, "{earlier} of {number}, {cut} of {tail} cut");
                }
                store.release_jobs().await.expect("answers");
                for _ in 1..=number {
                    let job = store.claim_job(claim()).await.expect("answers").job().expect("waits");
                    assert_eq!(job.inputs.expect("are there"), [vec![job.request.id.to_bytes()[0]; 3000]]);
                }
            }
        }
    }
}
