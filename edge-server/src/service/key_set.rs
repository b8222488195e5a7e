//! Sets of evaluation keys: open, upload key by key, read, delete.

use std::collections::BTreeMap;

use http::StatusCode;

use super::{
    Call, Reply, Service, key_set_path,
    repetition::{self, idempotency},
    store_failed,
};
use crate::{
    decode,
    document::Document,
    id::{KeyName, KeySetId},
    media::{Media, expect_octets},
    message::{KeySetRequest, KeySetView, KeyView, unknown_key},
    port::{Executor, Host},
    problem::{Code, Problem},
    registry::Model,
    store::{Inserted, KeyQuota, KeySet, Made, PutKey, Remembered, Store, Usage},
};

impl<H: Host> Service<H> {
    /// `POST /keys`
    pub(super) async fn open_key_set<B: http_body::Body>(
        &self,
        call: &Call,
        body: B,
    ) -> Result<Reply, Problem>
    where
        B::Error: std::fmt::Display,
    {
        let limit = self.registry.limits().envelope_bytes;
        let (media, bytes, _loan) = self.receive_document(call, body, limit).await?;
        let document = Document::read(media, &bytes)?;
        self.envelopes.check_key_set(&document)?;
        let idempotency = idempotency(call, media, &bytes)?;
        let fingerprint = idempotency.as_ref().map(|own| own.fingerprint);
        if let Some(earlier) = self.remembered(call, idempotency.as_ref()).await? {
            return self.opened_before(call, &earlier, fingerprint).await;
        }
        let model = self.registry.model(&KeySetRequest::model_from(document)?)?;
        let set = KeySet {
            id: KeySetId::random(self.host.entropy()),
            tenant: call.tenant.clone(),
            model: model.key().clone(),
            opened: self.now(),
            announced: model.evaluation_keys().values().map(|key| key.bytes as u64).sum(),
            present: BTreeMap::new(),
        };
        let quota = self.limits_of(&call.tenant).keys;
        let stored = self.host.store().insert_key_set(set.clone(), idempotency, quota).await;
        match stored.map_err(store_failed)? {
            Inserted::New => opened(call.media, model, &set),
            Inserted::Remembered(earlier) => self.opened_before(call, &earlier, fingerprint).await,
            Inserted::Refused(usage) => Err(quota_exceeded(quota, usage, set.announced)),
        }
    }

    /// Answers a repeated `POST /keys` with the set that the first one opened.
    async fn opened_before(
        &self,
        call: &Call,
        earlier: &Remembered,
        fingerprint: Option<[u8; 32]>,
    ) -> Result<Reply, Problem> {
        match earlier.made {
            Made::KeySet(id) if Some(earlier.fingerprint) == fingerprint => {
                let (set, model) = self.key_set(call, id).await?;
                opened(call.media, model, &set)
            }
            _ => Err(repetition::conflict()),
        }
    }

    /// `GET /keys/{key_id}`
    pub(super) async fn read_key_set(&self, call: &Call) -> Result<Reply, Problem> {
        let (set, model) = self.key_set(call, key_set_id(call)?).await?;
        Reply::json_or_cbor(call.media, &view(model, &set))
    }

    /// `DELETE /keys/{key_id}`
    pub(super) async fn delete_key_set(&self, call: &Call) -> Result<Reply, Problem> {
        let id = key_set_id(call)?;
        if !self.host.store().delete_key_set(&call.tenant, id).await.map_err(store_failed)? {
            return Err(unknown_key());
        }
        self.prepared_keys.remove(id);
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }

    /// `PUT /keys/{key_id}/{name}`
    pub(super) async fn put_key<B: http_body::Body>(&self, call: &Call, body: B) -> Result<Reply, Problem>
    where
        B::Error: std::fmt::Display,
    {
        expect_octets(&call.parts.headers)?;
        let (set, model) = self.key_set(call, key_set_id(call)?).await?;
        let names: Vec<String> = model.evaluation_keys().keys().map(KeyName::to_string).collect();
        let (name, requirement) = KeyName::parse(call.parameter(1))
            .and_then(|name| Some((name, *model.evaluation_keys().get(&name)?)))
            .ok_or_else(|| {
                Problem::new(Code::UnknownKeyName, "The model needs no key of this name.").expected(names)
            })?;
        let (bytes, _loan) = self.receive(call, body, self.registry.limits().key_bytes, 1).await?;
        let (params, checked) = (model.params().clone(), bytes.clone());
        self.host
            .executor()
            .offload(move || decode::check_key(&params, name, requirement.level, &checked))
            .await?;
        match self.host.store().put_key(&call.tenant, set.id, name, bytes).await.map_err(store_failed)? {
            PutKey::Stored => self.read_key_set(call).await,
            PutKey::NoSet => Err(unknown_key()),
            PutKey::Conflict => Err(Problem::new(
                Code::KeyConflict,
                "Another key is stored under this name; keys of one set belong to one secret key. Open a new set.",
            )),
        }
    }

    /// Finds a key set of the caller, with its model.
    pub(super) async fn key_set(&self, call: &Call, id: KeySetId) -> Result<(KeySet, &Model), Problem> {
        let set = self
            .host
            .store()
            .key_set(&call.tenant, id)
            .await
            .map_err(store_failed)?
            .ok_or_else(unknown_key)?;
        let model = self.registry.model(&set.model)?;
        Ok((set, model))
    }
}

fn quota_exceeded(quota: KeyQuota, usage: Usage, announced: u64) -> Problem {
    let detail =
        "There is no room for this set; delete one that is not needed, GET /limits says what there is.";
    Problem::new(Code::KeyQuotaExceeded, detail)
        .expected(serde_json::json!({ "key_sets": quota.key_sets, "key_bytes": quota.key_bytes }))
        .found(serde_json::json!({
            "key_sets": usage.key_sets + 1,
            "key_bytes": usage.key_bytes.saturating_add(announced),
        }))
}

fn key_set_id(call: &Call) -> Result<KeySetId, Problem> {
    KeySetId::parse(call.parameter(0)).ok_or_else(unknown_key)
}

/// Names of the keys that are still to be uploaded.
pub(super) fn missing(model: &Model, set: &KeySet) -> Vec<String> {
    let missing = model.evaluation_keys().keys().filter(|name| !set.present.contains_key(name));
    missing.map(KeyName::to_string).collect()
}

fn opened(media: Media, model: &Model, set: &KeySet) -> Result<Reply, Problem> {
    let reply = Reply::json_or_cbor(media, &view(model, set))?;
    Ok(reply.status_is(StatusCode::CREATED).with(http::header::LOCATION, &key_set_path(set.id)))
}

fn view(model: &Model, set: &KeySet) -> KeySetView {
    let missing = missing(model, set);
    let keys = model.evaluation_keys().iter().map(|(name, requirement)| KeyView {
        name: name.to_string(),
        level: requirement.level.0,
        bytes: requirement.bytes as u64,
        present: set.present.contains_key(name),
    });
    KeySetView {
        key_id: set.id,
        model_id: set.model.model_id.clone(),
        version: set.model.version.clone(),
        params_id: model.params().id().to_string(),
        status: if missing.is_empty() { "complete" } else { "incomplete" },
        keys: keys.collect(),
        missing,
    }
}
