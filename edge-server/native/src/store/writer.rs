//! The one thread that writes. Writes that arrive while the disk is busy share the next commit, so that
//! the disk is waited for once for all of them, however many there are.
//!
//! A write is answered when its commit is over. One that fails fails alone: the others are written again
//! without it.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use edge_server::store::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::Result;

/// The most writes of one commit.
const GROUP: usize = 64;

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// When the disk has it.
    Disk,
    /// When the operating system has it: it outlives the process, and no later write outlives it.
    Process,
}

impl Durability {
    /// SQLite's word for it, in a store that is written ahead.
    fn synchronous(self) -> &'static str {
        match self {
            Self::Disk => "FULL",
            Self::Process => "NORMAL",
        }
    }
}

/// A write that waits for its turn.
trait Write: Send {
    fn durability(&self) -> Durability;

    /// Does it; may be called again after a commit that did not come about.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()>;

    /// Tells whoever waits how it went.
    fn end(self: Box<Self>, committed: Result<()>);
}

struct Pending<T, F> {
    durability: Durability,
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&Transaction<'_>) -> Result<T> + Send> Write for Pending<T, F> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction)));
        self.value = Some(done.unwrap_or_else(|_| Err(broken("a write panicked")))?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<()>) {
        let Self { value, reply, .. } = *self;
        let value = committed.and_then(|()| value.ok_or_else(|| broken("a write was left out")));
        // Whoever stopped waiting need not hear it.
        let _ = reply.send(value);
    }
}

fn broken(what: &'static str) -> StoreError {
    StoreError::new(what)
}

/// The thread, and the way to it. Dropping it ends both, after what was asked before.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a thread that has this connection.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = thread::Builder::new().name("store".to_owned()).spawn(|| serve(connection, receiver))?;
        Ok(Self { queue: Some(sender), thread: Some(thread) })
    }

    /// Runs a transaction, together with those of others that wait. `work` may run twice, the first
    /// time without effect.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnMut(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let write = Box::new(Pending { durability, work, value: None, reply });
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(write).is_ok());
        if !sent {
            return Err(StoreError::new("the thread that writes is gone"));
        }
        answer.await.map_err(StoreError::new)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes panicked");
        }
    }
}

fn serve(mut connection: Connection, queue: Receiver<Box<dyn Write>>) {
    let mut current = None;
    while let Ok(first) = queue.recv() {
        let group = std::iter::once(first).chain(queue.try_iter().take(GROUP - 1));
        let (lasting, passing): (Vec<_>, Vec<_>) =
            group.partition(|write| write.durability() == Durability::Disk);
        // Whoever does not need the disk does not wait for those who do.
        for (durability, writes) in [(Durability::Process, passing), (Durability::Disk, lasting)] {
            if writes.is_empty() {
                continue;
            }
            if current != Some(durability) {
                let set = connection.pragma_update(None, "synchronous", durability.synchronous());
                current = set.is_ok().then_some(durability);
                if let Err(error) = set {
                    // Without it nothing may be said to be on disk.
                    tracing::error!(%error, "the store does not take its setting");
                    writes.into_iter().for_each(|write| write.end(Err(broken("the store takes no setting"))));
                    continue;
                }
            }
            commit(&mut connection, writes);
        }
    }
}

/// Commits writes together, or each alone if that fails. A transaction that does not even begin is none of
/// the writes' doing: then all that are left fail, so that a lock is waited for once and not once for each.
fn commit(connection: &mut Connection, mut writes: Vec<Box<dyn Write>>) {
    let mut began = Ok(());
    if writes.len() > 1 {
        match transact(connection, &mut writes) {
            Ok(Ok(())) => return writes.into_iter().for_each(|write| write.end(Ok(()))),
            Ok(Err(_)) => {}
            Err(error) => began = Err(error.to_string()),
        }
    }
    for mut write in writes {
        let committed = match &began {
            Ok(()) => transact(connection, std::slice::from_mut(&mut write)).unwrap_or_else(|error| {
                began = Err(error.to_string());
                Err(StoreError::new(error))
            }),
            Err(error) => Err(StoreError::new(error.clone())),
        };
        write.end(committed);
    }
}

/// The outer error says that the transaction did not begin.
fn transact(connection: &mut Connection, writes: &mut [Box<dyn Write>]) -> rusqlite::Result<Result<()>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    Ok(run(&transaction, writes).and_then(|()| transaction.commit().map_err(StoreError::new)))
}

fn run(transaction: &Transaction<'_>, writes: &mut [Box<dyn Write>]) -> Result<()> {
    writes.iter_mut().try_for_each(|write| write.run(transaction))
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        path::Path,
        process,
        time::{Duration, Instant},
    };

    use futures_util::future::join_all;

    use super::*;

    /// Transactions that a file of written-ahead pages ends with or holds: frames that say how long the
    /// database is after them.
    fn commits(wal: &Path) -> usize {
        let bytes = fs::read(wal).expect("read");
        let page = u32::from_be_bytes(bytes[8..12].try_into().expect("four")) as usize;
        bytes[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
    }

    /// Sixteen writes wait for a lock that somebody else does not let go of: as long as one would.
    #[tokio::test]
    async fn a_lock_is_waited_for_once_for_all_writes_of_a_group() {
        let folder = env::temp_dir().join(format!("edge-server-writer-lock-{}", process::id()));
        fs::create_dir_all(&folder).expect("made");
        let path = folder.join("locked");
        let connection = Connection::open(&path).expect("opens");
        let patience = Duration::from_millis(300);
        connection.busy_timeout(patience).expect("set");
        connection.pragma_update(None, "journal_mode", "WAL").expect("set");
        let other = Connection::open(&path).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("locked");
        let writer = Writer::start(connection).expect("a thread");
        let started = Instant::now();
        let write = async || writer.write(Durability::Disk, |_| Ok(())).await;
        let ends = join_all((0..16).map(|_| write())).await;
        // The first may have been taken alone.
        assert!(started.elapsed() < 3 * patience, "{:?}", started.elapsed());
        for end in ends {
            let error = end.expect_err("it is locked");
            assert!(error.to_string().contains("locked"), "{error}");
        }
        other.execute_batch("ROLLBACK").expect("released");
        write().await.expect("it is free");
        drop(writer);
        let _ = fs::remove_dir_all(folder);
    }

    /// Writes that wait together, one of which fails and one of which panics.
    #[tokio::test]
    async fn writes_of_one_moment_share_a_commit_and_fail_alone() {
        let folder = env::temp_dir().join(format!("edge-server-writer-{}", process::id()));
        fs::create_dir_all(&folder).expect("made");
        let open = |name: &str| {
            let connection = Connection::open(folder.join(name)).expect("opens");
            connection.busy_timeout(Duration::from_secs(10)).expect("set");
            connection.pragma_update(None, "journal_mode", "WAL").expect("set");
            connection.execute_batch("CREATE TABLE numbers (number INTEGER PRIMARY KEY)").expect("made");
            connection
        };
        for (name, refused) in [("sound", None), ("broken", Some(3))] {
            let writer = Writer::start(open(name)).expect("a thread");
            let wal = folder.join(format!("{name}-wal"));
            let before = commits(&wal);
            let other = Connection::open(folder.join(name)).expect("opens");
            let insert = async |number: i64| {
                let work = move |transaction: &Transaction<'_>| {
                    let run = |statement: &str| transaction.execute_batch(statement).map_err(StoreError::new);
                    run(&format!("INSERT INTO numbers VALUES ({number})"))?;
                    match refused {
                        Some(refused) if number == refused => run("nonsense"),
                        Some(refused) if number == refused + 1 => panic!("as it was told to"),
                        _ => Ok(()),
                    }
                };
                writer.write(Durability::Disk, work).await.is_ok()
            };
            // The writer is busy with one, so that the others come together.
            let (starts, mut has_started) = tokio::sync::mpsc::unbounded_channel();
            let (release, released) = std::sync::mpsc::channel();
            let first = writer.write(Durability::Disk, move |transaction: &Transaction<'_>| {
                starts.send(()).map_err(StoreError::new)?;
                released.recv().map_err(StoreError::new)?;
                transaction.execute_batch("INSERT INTO numbers VALUES (10)").map_err(StoreError::new)
            });
            let others = async {
                has_started.recv().await.expect("the first one");
                tokio::join!(join_all((0..10).map(insert)), async { release.send(()).expect("it waits") }).0
            };
            let (first, stored) = tokio::join!(first, others);
            first.expect("stored");
            let expected: Vec<bool> = (0..10)
                .map(|number| refused.is_none_or(|refused| number != refused && number != refused + 1))
                .collect();
            assert_eq!(stored, expected, "{name}");
            let rows: i64 =
                other.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0)).expect("read");
            let wanted = expected.iter().filter(|stored| **stored).count();
            assert_eq!(rows as usize, 1 + wanted, "{name}");
            let others = if refused.is_none() { 1 } else { wanted };
            assert_eq!(commits(&wal) - before, 1 + others, "{name}");
        }
        let _ = fs::remove_dir_all(folder);
    }
}
