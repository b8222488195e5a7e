//! Reads model packages from the bucket: `packages/<name>/manifest.json`, and the file of weights beside it.

use std::collections::BTreeMap;

use edge_server::PackageFiles;
use worker::{Bucket, Error, Result};

const FOLDER: &str = "packages/";
const MANIFEST: &str = "manifest.json";

/// Reads every package in the order of their names, and hands each over before the next one is read.
pub(crate) async fn read(bucket: &Bucket, mut take: impl FnMut(PackageFiles) -> Result<()>) -> Result<()> {
    for (origin, names) in folders(bucket).await? {
        let weights = match &names[..] {
            [one, other] if one == MANIFEST => other,
            [one, other] if other == MANIFEST => one,
            _ => {
                let found = names.join(", ");
                return Err(Error::RustError(format!(
                    "{origin}: expected {MANIFEST} and one file of weights, found {found}"
                )));
            }
        };
        let manifest = object(bucket, format!("{origin}/{MANIFEST}")).await?;
        let weights = object(bucket, format!("{origin}/{weights}")).await?;
        take(PackageFiles { origin, manifest, weights })?;
    }
    Ok(())
}

/// The names of the files in each folder of a package.
async fn folders(bucket: &Bucket) -> Result<BTreeMap<String, Vec<String>>> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let list = bucket.list().prefix(FOLDER);
        let page = match cursor {
            Some(cursor) => list.cursor(cursor),
            None => list,
        }
        .execute()
        .await?;
        for object in page.objects() {
            let key = object.key();
            if let Some((folder, name)) = key.rsplit_once('/') {
                folders.entry(folder.to_owned()).or_default().push(name.to_owned());
            }
        }
        cursor = page.cursor();
        if !page.truncated() || cursor.is_none() {
            return Ok(folders);
        }
    }
}

async fn object(bucket: &Bucket, key: String) -> Result<Vec<u8>> {
    let gone = || Error::RustError(format!("{key} is not in the bucket"));
    let object = bucket.get(&key).execute().await?.ok_or_else(gone)?;
    object.body().ok_or_else(gone)?.bytes().await
}
