//! Evaluation keys as files of the bucket: `keys/<set>/<name>/<hash>`.

use bytes::Bytes;
use edge_server::store::StoreError;
use edge_server_sqlite::KeyFile;
use worker::Bucket;

use super::{Result, failed};

/// Files that one call deletes at most.
const AT_ONCE: usize = 1000;

/// The files of keys.
#[derive(Debug)]
pub(super) struct KeyFiles(Bucket);

fn path(file: &KeyFile) -> String {
    let hash: String = file.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("keys/{}/{}/{hash}", file.set, file.name)
}

impl KeyFiles {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }

    pub(super) async fn put(&self, file: KeyFile, bytes: Bytes) -> Result<()> {
        self.0.put(path(&file), Vec::from(bytes)).execute().await.map(drop).map_err(failed)
    }

    pub(super) async fn read(&self, file: KeyFile) -> Result<Bytes> {
        let path = path(&file);
        let object = self.0.get(&path).execute().await.map_err(failed)?;
        let body = object.as_ref().and_then(worker::Object::body);
        let body = body.ok_or_else(|| StoreError::new(format!("{path} is not in the bucket")))?;
        body.bytes().await.map(Bytes::from).map_err(failed)
    }

    /// Deletes files that no row names any more. One that cannot be deleted is rubbish and does no harm.
    pub(super) async fn delete(&self, files: &[KeyFile]) {
        for files in files.chunks(AT_ONCE) {
            if let Err(error) = self.0.delete_multiple(files.iter().map(path).collect()).await {
                tracing::warn!(%error, count = files.len(), "keys are left behind in the bucket");
            }
        }
    }
}
