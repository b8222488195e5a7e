//! The models of a server: loaded whole and checked whole before it listens, unchanged after.

mod error;
mod model;
mod view;

use std::{collections::BTreeMap, sync::Arc};

pub use self::{
    error::RegistryError,
    model::{KeyRequirement, Model},
    view::{ModelView, ParameterSetView},
};
use crate::{
    id::ModelKey,
    problem::{Code, Problem},
};

/// The files of one package, as a host read them.
#[derive(Clone, Debug)]
pub struct PackageFiles {
    /// Where they come from, for messages: the path of the directory, say.
    pub origin: String,
    /// `manifest.json`
    pub manifest: Vec<u8>,
    /// The file of weights that the manifest names.
    pub weights: Vec<u8>,
}

/// How long bodies may be, as the models demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bodies without payloads.
    pub envelope_bytes: usize,
    /// Bodies of `POST /infer`.
    pub infer_bytes: usize,
    /// Bodies of `PUT /keys/{key_id}/{name}`.
    pub key_bytes: usize,
}

/// What a body may have besides its payloads.
const ENVELOPE_BYTES: usize = 16 << 10;

impl Limits {
    /// The smallest limits that let through whatever a model of this list takes.
    fn of<'a>(models: impl Iterator<Item = &'a Model>) -> Self {
        let none = Self { envelope_bytes: ENVELOPE_BYTES, infer_bytes: ENVELOPE_BYTES, key_bytes: 0 };
        models.fold(none, |limits, model| {
            let longest_key = model.evaluation_keys().values().map(|key| key.bytes).max().unwrap_or(0);
            Self {
                envelope_bytes: ENVELOPE_BYTES,
                // Hexadecimal text takes two characters a byte.
                infer_bytes: limits.infer_bytes.max(ENVELOPE_BYTES + 2 * model.max_input_bytes()),
                // A little more than the longest key, so that a key with something after its end
                // is told so, not that it is too large.
                key_bytes: limits.key_bytes.max(longest_key + ENVELOPE_BYTES),
            }
        })
    }
}

/// The models that a server serves.
#[derive(Debug)]
pub struct Registry {
    models: BTreeMap<ModelKey, Arc<Model>>,
    limits: Limits,
}

impl Registry {
    /// Checks every package: its manifest against the published schema, then its meaning.
    ///
    /// # Errors
    /// The first [`RegistryError`]: one bad package, and there is no registry.
    pub fn load(packages: impl IntoIterator<Item = PackageFiles>) -> Result<Self, RegistryError> {
        let schema = crate::envelope::validator("model-package.schema.json").map_err(|error| {
            RegistryError::new("model-package.schema.json", "", "must be a schema").because(error.reason)
        })?;
        let mut models = BTreeMap::new();
        let mut origins: BTreeMap<ModelKey, String> = BTreeMap::new();
        for files in packages {
            let model = Model::load(&schema, &files)?;
            if let Some(other) = origins.insert(model.key().clone(), files.origin.clone()) {
                return Err(RegistryError::new(
                    &files.origin,
                    "/model_id",
                    "must name a model and version that no other package has",
                )
                .because(format!("{} is also in {other}", model.key())));
            }
            models.insert(model.key().clone(), Arc::new(model));
        }
        let limits = Limits::of(models.values().map(Arc::as_ref));
        Ok(Self { models, limits })
    }

    /// The models, by name and version.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(Arc::as_ref)
    }

    /// How long bodies may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Finds a model.
    ///
    /// # Errors
    /// `UNKNOWN_MODEL`.
    pub fn model(&self, key: &ModelKey) -> Result<&Model, Problem> {
        self.find(key).map(Arc::as_ref)
    }

    /// Finds a model for use elsewhere.
    pub(crate) fn shared_model(&self, key: &ModelKey) -> Result<Arc<Model>, Problem> {
        self.find(key).cloned()
    }

    fn find(&self, key: &ModelKey) -> Result<&Arc<Model>, Problem> {
        self.models.get(key).ok_or_else(|| {
            let versions: Vec<&str> = self
                .models
                .keys()
                .filter(|known| known.model_id == key.model_id)
                .map(|known| known.version.as_str())
                .collect();
            let problem = Problem::new(
                Code::UnknownModel,
                "There is no such model; GET /models lists those there are.",
            );
            if versions.is_empty() {
                problem.found(key.model_id.as_str()).at("/model_id")
            } else {
                problem.expected(versions).found(key.version.as_str()).at("/version")
            }
        })
    }

    /// The parameter sets in use, each with its models.
    pub(crate) fn parameter_sets(&self) -> Vec<ParameterSetView> {
        let mut sets: BTreeMap<[u8; 32], ParameterSetView> = BTreeMap::new();
        for model in self.models() {
            let params = model.params();
            sets.entry(params.id().0).or_insert_with(|| ParameterSetView::new(params)).add(model.key());
        }
        sets.into_values().collect()
    }
}
