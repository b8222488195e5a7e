//! Keys, inputs and results as objects.

use std::time::Duration;

use bytes::Bytes;
use edge_server::{JobId, KeyName, KeySetId, store::StoreError};
use futures_util::{StreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig, path::Path};

use super::{Hash, Result};

/// How long a call may be tried again before its caller hears of the failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// Objects that are deleted at once.
const AT_ONCE: usize = 16;

/// What the object of a key is named after.
pub(super) type KeyObject = (KeySetId, KeyName, Hash);

/// A folder of an object store.
#[derive(Debug)]
pub(super) struct Objects {
    store: Box<dyn ObjectStore>,
    folder: Path,
}

impl Objects {
    /// Understands an address; endpoint and credentials are in `AWS_…` variables.
    pub(super) fn new(address: &str) -> std::result::Result<Self, String> {
        // The one implementation of cryptography that is built in.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let url = reqwest::Url::parse(address).map_err(|error| format!("{address}: {error}"))?;
        if url.scheme() != "s3" {
            return Err(format!("{address}: expected s3://bucket/folder"));
        }
        let folder = Path::from(url.path());
        let retry = RetryConfig { max_retries: 5, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let store = object_store::aws::AmazonS3Builder::from_env()
            .with_url(address)
            .with_retry(retry)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { store: Box::new(store), folder })
    }

    fn path(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.folder.clone(), |path, part| path.join(*part))
    }

    fn input(&self, job: JobId, number: usize) -> Path {
        self.path(&["inputs", &job.to_string(), &number.to_string()])
    }

    fn result_path(&self, job: JobId, sha256: Hash) -> Path {
        self.path(&["results", &job.to_string(), &hexadecimal(sha256)])
    }

    fn key_path(&self, set: KeySetId, name: KeyName, sha256: Hash) -> Path {
        self.path(&["keys", &set.to_string(), &name.to_string(), &hexadecimal(sha256)])
    }

    async fn put(&self, path: &Path, bytes: Bytes) -> Result<()> {
        self.store.put(path, bytes.into()).await.map(drop).map_err(StoreError::new)
    }

    async fn get(&self, path: &Path) -> Result<Bytes> {
        let found = self.store.get(path).await.map_err(StoreError::new)?;
        found.bytes().await.map_err(StoreError::new)
    }

    /// The same, but tells an object that is not there from a store that does not answer.
    async fn find(&self, path: &Path) -> Result<Option<Bytes>> {
        match self.store.get(path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(StoreError::new),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::new(error)),
        }
    }

    /// Deletes an object that no row names any more. One that cannot be deleted is rubbish and does no harm.
    async fn delete(&self, path: &Path) {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, %path, "an object is left behind"),
        }
    }

    async fn delete_all(&self, paths: impl Iterator<Item = Path>) {
        stream::iter(paths).for_each_concurrent(AT_ONCE, async |path| self.delete(&path).await).await;
    }

    /// Finds out whether objects can be written and read.
    pub(super) async fn check(&self) -> Result<()> {
        let path = self.path(&["check"]);
        self.put(&path, Bytes::from_static(b"edge-server")).await?;
        self.get(&path).await.map(drop)
    }

    pub(super) async fn put_inputs(&self, job: JobId, inputs: &[Bytes]) -> Result<()> {
        for (number, bytes) in inputs.iter().enumerate() {
            self.put(&self.input(job, number), bytes.clone()).await?;
        }
        Ok(())
    }

    /// All inputs of a job, or nothing if one of them is gone from a store that is otherwise sound.
    pub(super) async fn inputs(&self, job: JobId, count: usize) -> Result<Option<Vec<Bytes>>> {
        let mut inputs = Vec::with_capacity(count);
        for number in 0..count {
            match self.find(&self.input(job, number)).await? {
                Some(input) => inputs.push(input),
                None => return self.check().await.map(|()| None),
            }
        }
        Ok(Some(inputs))
    }

    pub(super) async fn delete_inputs(&self, job: JobId, count: usize) {
        for number in 0..count {
            self.delete(&self.input(job, number)).await;
        }
    }

    pub(super) async fn put_result(&self, job: JobId, sha256: Hash, result: &Bytes) -> Result<()> {
        self.put(&self.result_path(job, sha256), result.clone()).await
    }

    pub(super) async fn result(&self, job: JobId, sha256: Hash) -> Result<Bytes> {
        self.get(&self.result_path(job, sha256)).await
    }

    pub(super) async fn delete_result(&self, job: JobId, sha256: Hash) {
        self.delete(&self.result_path(job, sha256)).await;
    }

    pub(super) async fn delete_results(&self, jobs: Vec<(JobId, Option<Hash>)>) {
        let path = |(job, hash): (JobId, Option<Hash>)| hash.map(|hash| self.result_path(job, hash));
        self.delete_all(jobs.into_iter().filter_map(path)).await;
    }

    pub(super) async fn put_key(
        &self,
        set: KeySetId,
        name: KeyName,
        sha256: Hash,
        bytes: Bytes,
    ) -> Result<()> {
        self.put(&self.key_path(set, name, sha256), bytes).await
    }

    pub(super) async fn key(&self, set: KeySetId, name: KeyName, sha256: Hash) -> Result<Bytes> {
        self.get(&self.key_path(set, name, sha256)).await
    }

    pub(super) async fn delete_keys(&self, keys: Vec<KeyObject>) {
        self.delete_all(keys.into_iter().map(|(set, name, hash)| self.key_path(set, name, hash))).await;
    }

    pub(super) async fn delete_key(&self, set: KeySetId, name: KeyName, sha256: Hash) {
        self.delete(&self.key_path(set, name, sha256)).await;
    }
}

fn hexadecimal(hash: Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
