//! Evaluation keys as files of the bucket: `keys/<set>/<name>/<hash>`.

use bytes::Bytes;
use edge_server::store::StoreError;
use edge_server_sqlite::KeyFile;
use js_sys::ArrayBuffer;
use tokio::sync::Semaphore;
use wasm_bindgen::prelude::*;
use worker::Bucket;

use super::{Result, failed};
use crate::buffer::{self, Lent};

/// Files that one call deletes at most.
const AT_ONCE: usize = 1000;
/// Bytes of files that are on their way into the bucket at most, and of one file if it has more: they are JavaScript's.
const UNDER_WAY: u32 = 4 << 20;

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
    under_way: Semaphore,
}

fn path(file: &KeyFile) -> String {
    let hash: String = file.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("keys/{}/{}/{hash}", file.set, file.name)
}

impl KeyFiles {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, under_way: Semaphore::new(UNDER_WAY as usize) }
    }

    /// The bucket as the runtime has it: whose buffers are seen, and can be let go.
    fn files(&self) -> &Files {
        self.bucket.unchecked_ref()
    }

    pub(super) async fn put(&self, file: KeyFile, bytes: Bytes) -> Result<()> {
        let length = u32::try_from(bytes.len()).map_or(UNDER_WAY, |length| length.min(UNDER_WAY));
        let _turn =
            self.under_way.acquire_many(length).await.map_err(|error| StoreError::new(error.to_string()))?;
        let lent = Lent::new(&bytes);
        drop(bytes);
        self.files().put(&path(&file), lent.as_ref()).await.map(drop).map_err(thrown)
    }

    pub(super) async fn read(&self, file: KeyFile) -> Result<Bytes> {
        let path = path(&file);
        let found = self.files().get(&path).await.map_err(thrown)?;
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
