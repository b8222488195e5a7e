//! Keys of a job that runs, in a file of this machine, where they are read without waiting. The memory of evaluations
//! has no room for all of them as they were uploaded, and an object is read over the network.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    future::Future,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use edge_server::{
    KeyName,
    store::{StagedKeys, StoreError},
};
use futures_util::{StreamExt, stream};

use super::Result;

/// Keys that are in memory at once on their way to the file. One has half the bytes of its prepared form at most, and
/// an evaluation's memory has room for two of those.
const READ_AHEAD: usize = 4;

/// Keys in a file that no folder names: nobody else opens it, and it goes with its last handle, however the process
/// ends.
#[derive(Debug)]
pub struct SpooledKeys {
    folder: PathBuf,
    file: Mutex<File>,
    /// Where each key is in the file, and its length.
    keys: BTreeMap<KeyName, (u64, usize)>,
    end: u64,
}

/// Wraps a failure of the disk.
fn failed(folder: &Path, error: &io::Error) -> StoreError {
    StoreError::new(format!(
        "{}: {error}; expected room for the keys of the jobs that run: set TMPDIR to a folder that has it",
        folder.display()
    ))
}

impl SpooledKeys {
    /// Opens an empty file where the system has its temporary ones.
    pub(super) fn new() -> Result<Self> {
        Self::within(&env::temp_dir())
    }

    fn within(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|error| failed(folder, &error))?;
        Ok(Self { folder: folder.to_owned(), file: Mutex::new(file), keys: BTreeMap::new(), end: 0 })
    }

    /// Writes keys as they come, a few on their way at a time; without those that the set does not have any more.
    pub(super) async fn fill<F>(mut self, reads: impl IntoIterator<Item = F>) -> Result<Self>
    where
        F: Future<Output = Result<(KeyName, Option<Bytes>)>>,
    {
        let mut reads = stream::iter(reads).buffer_unordered(READ_AHEAD);
        while let Some(read) = reads.next().await {
            if let (name, Some(bytes)) = read? {
                self.add(name, &bytes).map_err(|error| failed(&self.folder, &error))?;
            }
        }
        drop(reads);
        Ok(self)
    }

    fn add(&mut self, name: KeyName, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(bytes)?;
        self.keys.insert(name, (self.end, bytes.len()));
        self.end += bytes.len() as u64;
        Ok(())
    }
}

impl StagedKeys for SpooledKeys {
    fn key(&self, name: KeyName) -> Result<Option<Bytes>> {
        let Some(&(start, length)) = self.keys.get(&name) else { return Ok(None) };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| failed(&self.folder, &error))?;
        Ok(Some(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    fn name(number: usize) -> KeyName {
        KeyName::Galois(2 * number as u32 + 1)
    }

    fn bytes(number: usize) -> Bytes {
        (0..1000 * number).map(|index| (index * 7 + number) as u8).collect()
    }

    #[tokio::test]
    async fn keys_are_read_as_they_were_written_in_any_order() {
        let spool = SpooledKeys::new().expect("there is a disk");
        let spool = spool.fill((0..20).map(async |number| Ok((name(number), Some(bytes(number))))));
        let spool = spool.await.expect("it is written");
        for number in (0..20).rev().chain([7, 3, 7]) {
            assert_eq!(spool.key(name(number)).expect("it is read"), Some(bytes(number)));
        }
        assert_eq!(spool.key(name(20)).expect("it is read"), None);
    }

    #[tokio::test]
    async fn a_few_keys_at_a_time_are_on_their_way() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let spool = SpooledKeys::new().expect("there is a disk");
        let reads = (0..20).map(async |number| {
            most.fetch_max(under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            Ok((name(number), Some(bytes(number))))
        });
        spool.fill(reads).await.expect("it is written");
        assert_eq!(most.into_inner(), READ_AHEAD);
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_an_error() {
        let spool = SpooledKeys::new().expect("there is a disk");
        let reads = (0..3).map(async |number| match number {
            1 => Err(StoreError::new("away")),
            _ => Ok((name(number), Some(bytes(number)))),
        });
        spool.fill(reads).await.expect_err("it is away");
    }

    #[tokio::test]
    async fn a_key_that_is_gone_is_not_there() {
        let spool = SpooledKeys::new().expect("there is a disk");
        let reads = (0..3).map(async |number| Ok((name(number), (number != 1).then(|| bytes(number)))));
        let spool = spool.fill(reads).await.expect("it is written");
        assert_eq!(spool.key(name(1)).expect("it is read"), None);
        assert_eq!(spool.key(name(2)).expect("it is read"), Some(bytes(2)));
    }

    #[test]
    fn the_file_has_no_name() {
        let folder = env::temp_dir().join(format!("edge-server-spool-{}", std::process::id()));
        fs::create_dir(&folder).expect("it is new");
        let mut spool = SpooledKeys::within(&folder).expect("there is a disk");
        spool.add(name(1), b"key").expect("it is written");
        assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0);
        fs::remove_dir(&folder).expect("it is empty");
        let error = SpooledKeys::within(&folder).expect_err("it is gone").to_string();
        assert!(error.contains("set TMPDIR"), "{error}");
    }

    /// What is always full.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_an_error() {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let spool = SpooledKeys { file: Mutex::new(full), ..SpooledKeys::new().expect("there is a disk") };
        let error = spool.fill([async { Ok((name(1), Some(bytes(1)))) }]).await.expect_err("it is full");
        assert!(error.to_string().contains("No space left"), "{error}");
    }
}
