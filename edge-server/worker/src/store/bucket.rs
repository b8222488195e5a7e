//! Evaluation keys as files of the bucket: `keys/<set>/<name>/<hash>`.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use edge_server::store::StoreError;
use edge_server_sqlite::KeyFile;
use futures_util::future::{Either, select};
use js_sys::ArrayBuffer;
use tokio::sync::Semaphore;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::{Bucket, Delay};

use super::{Result, failed};
use crate::buffer::{self, Lent};

/// Files that one call deletes at most.
const AT_ONCE: usize = 1000;
/// Bytes of files that are on their way into the bucket at most, and of one file if it has more: they are JavaScript's.
const UNDER_WAY: u32 = 4 << 20;
/// Bytes of files at most that give up their turns when the bucket has not taken them in time. A put cannot be called
/// off: until it settles they are JavaScript's as well. Further ones keep their turns until then.
const OVERDUE: u32 = 4 << 20;
/// How long a file waits for its turn, and how long the bucket may take for it, before its caller hears of the failure.
const PATIENCE: Duration = Duration::from_secs(10);

#[wasm_bindgen]
extern "C" {
    type Files;

    /// Reads a file's head, or `null` if there is none.
    #[wasm_bindgen(method, catch)]
    async fn get(this: &Files, path: &str) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn put(this: &Files, path: &str, bytes: &JsValue) -> std::result::Result<JsValue, JsValue>;

    type File;

    #[wasm_bindgen(method, catch, js_name = arrayBuffer)]
    async fn array_buffer(this: &File) -> std::result::Result<JsValue, JsValue>;
}

/// Wraps what the runtime threw.
fn thrown(error: JsValue) -> StoreError {
    failed(worker::Error::from(error))
}

/// The files of keys.
#[derive(Debug)]
pub(super) struct KeyFiles {
    bucket: Bucket,
    under_way: Arc<Semaphore>,
    overdue: Arc<Semaphore>,
}

fn path(file: &KeyFile) -> String {
    let hash: String = file.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("keys/{}/{}/{hash}", file.set, file.name)
}

/// The bucket as the runtime has it: whose buffers are seen, and can be let go.
fn files(bucket: &Bucket) -> &Files {
    bucket.unchecked_ref()
}

/// Gives a file to the bucket. Its bytes are JavaScript's until this is over: the bucket reads them when it likes.
async fn hand_over(bucket: Bucket, path: String, bytes: Bytes) -> Result<()> {
    let lent = Lent::new(&bytes);
    drop(bytes);
    files(&bucket).put(&path, lent.as_ref()).await.map(drop).map_err(thrown)
}

/// Waits for something, but no longer than patience lasts.
async fn in_time<F: Future>(future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(Delay::from(PATIENCE))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

impl KeyFiles {
    pub(super) fn new(bucket: Bucket) -> Self {
        let room = |bytes| Arc::new(Semaphore::new(bytes as usize));
        Self { bucket, under_way: room(UNDER_WAY), overdue: room(OVERDUE) }
    }

    /// Puts a file into the bucket.
    ///
    /// # Errors
    /// [`StoreError`]: the bucket refuses it, or patience is over, in which case it may still take it.
    pub(super) async fn put(&self, file: KeyFile, bytes: Bytes) -> Result<()> {
        let path = path(&file);
        let length = u32::try_from(bytes.len()).map_or(UNDER_WAY, |length| length.min(UNDER_WAY));
        let Some(turn) = in_time(Arc::clone(&self.under_way).acquire_many_owned(length)).await else {
            return Err(StoreError::new(format!("others kept {path} from the bucket for {PATIENCE:?}")));
        };
        let turn = turn.map_err(|error| StoreError::new(error.to_string()))?;
        let mut put = Box::pin(hand_over(self.bucket.clone(), path.clone(), bytes));
        if let Some(taken) = in_time(&mut put).await {
            return taken;
        }
        let failure = StoreError::new(format!("the bucket has not taken {path} in {PATIENCE:?}"));
        let held = Arc::clone(&self.overdue).try_acquire_many_owned(length).unwrap_or(turn);
        spawn_local(async move {
            let taken = put.await;
            drop(held);
            tracing::warn!(path, is_taken = taken.is_ok(), "the bucket has answered after its time");
        });
        Err(failure)
    }

    pub(super) async fn read(&self, file: KeyFile) -> Result<Bytes> {
        let path = path(&file);
        let found = files(&self.bucket).get(&path).await.map_err(thrown)?;
        if found.is_null() {
            return Err(StoreError::new(format!("{path} is not in the bucket")));
        }
        let buffer = found.unchecked_ref::<File>().array_buffer().await.map_err(thrown)?;
        Ok(buffer::take(buffer.unchecked_ref::<ArrayBuffer>()).into())
    }

    /// Deletes files that no row names any more. One that cannot be deleted is rubbish and does no harm.
    pub(super) async fn delete(&self, files: &[KeyFile]) {
        for files in files.chunks(AT_ONCE) {
            if let Err(error) = self.bucket.delete_multiple(files.iter().map(path).collect()).await {
                tracing::warn!(%error, count = files.len(), "keys are left behind in the bucket");
            }
        }
    }
}
