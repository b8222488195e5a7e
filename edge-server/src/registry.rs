//! The models of a server: loaded whole and checked whole before it listens, unchanged after.

mod error;
mod holding;
mod view;

mod model;

mod checked;

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::Validator;

pub(crate) use self::holding::kept_by_helpers;
use self::{checked::Checked, holding::hold_evaluations};
pub use self::{
    error::RegistryError,
    holding::{DoesNotFit, Figures, Grant, Holding, KeyHolding, Shares, hold},
    model::{KeyRequirement, Model},
    view::{ModelView, ParameterSetView},
};
use crate::{
    id::ModelKey,
    problem::{Code, Problem},
    settings::Settings,
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
    fn of<'a>(models: impl Iterator<Item = &'a Figures>) -> Self {
        let none = Self { envelope_bytes: ENVELOPE_BYTES, infer_bytes: ENVELOPE_BYTES, key_bytes: 0 };
        models.fold(none, |limits, model| Self {
            envelope_bytes: ENVELOPE_BYTES,
            // Hexadecimal text takes two characters a byte.
            infer_bytes: limits.infer_bytes.max(ENVELOPE_BYTES + 2 * model.inputs),
            // A little more than the longest key, so that a key with something after its end
            // is told so, not that it is too large.
            key_bytes: limits.key_bytes.max(model.longest_key + ENVELOPE_BYTES),
        })
    }
}

/// Packages that were checked, of which none is prepared yet: what each takes is known, and how it is to be held can be
/// decided.
#[derive(Debug)]
pub struct CheckedPackages {
    schema: Validator,
    packages: BTreeMap<ModelKey, Checked>,
}

impl CheckedPackages {
    /// Begins with none.
    ///
    /// # Errors
    /// [`RegistryError`] if the published schema is not right, a defect of the build.
    pub fn new() -> Result<Self, RegistryError> {
        let schema = crate::envelope::validator("model-package.schema.json").map_err(|error| {
            RegistryError::new("model-package.schema.json", "", "must be a schema").because(error.reason)
        })?;
        Ok(Self { schema, packages: BTreeMap::new() })
    }

    /// Checks a package: its manifest against the published schema, then its meaning. Its files are not kept.
    ///
    /// # Errors
    /// [`RegistryError`]; also when another package has the same model and version.
    pub fn add(&mut self, files: PackageFiles) -> Result<(), RegistryError> {
        let checked = Checked::new(&self.schema, files)?;
        let key = checked.figures.model.clone();
        if let Some(other) = self.packages.get(&key) {
            return Err(RegistryError::new(
                &checked.origin,
                "/model_id",
                "must name a model and version that no other package has",
            )
            .because(format!("{key} is also in {}", other.origin)));
        }
        self.packages.insert(key, checked);
        Ok(())
    }

    /// What each model takes, by name and version.
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        self.packages.values().map(|package| package.figures.clone()).collect()
    }

    /// Prepares all of them, one after the other, to be held like this; as fast as possible where nothing is said.
    ///
    /// # Errors
    /// [`RegistryError`], when a program does not run.
    pub fn prepare(self, held: &BTreeMap<ModelKey, Holding>) -> Result<Registry, RegistryError> {
        let mut models = BTreeMap::new();
        for (key, package) in self.packages {
            let holding = held.get(&key).copied().unwrap_or(Holding::FASTEST);
            if holding != Holding::FASTEST {
                let Holding { factors, keys } = holding;
                tracing::info!(model = %key, ?factors, ?keys, "held in less memory, at the cost of time");
            }
            models.insert(key, Arc::new(package.prepare(holding)?));
        }
        let limits = Limits::of(models.values().map(|model| model.figures()));
        Ok(Registry { models, limits })
    }
}

/// The models that a server serves.
#[derive(Debug)]
pub struct Registry {
    models: BTreeMap<ModelKey, Arc<Model>>,
    limits: Limits,
}

impl Registry {
    /// Checks every package, and prepares all of them to be as fast as possible.
    ///
    /// # Errors
    /// The first [`RegistryError`]: one bad package, and there is no registry.
    pub fn load(packages: impl IntoIterator<Item = PackageFiles>) -> Result<Self, RegistryError> {
        let mut checked = CheckedPackages::new()?;
        packages.into_iter().try_for_each(|files| checked.add(files))?;
        checked.prepare(&BTreeMap::new())
    }

    /// Checks every package, and prepares all of them for a host whose evaluations have a bound, that of these settings
    /// with so many jobs at once: keys come one at a time where all together are too many.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_within(
        packages: impl IntoIterator<Item = PackageFiles>,
        settings: &Settings,
        parallelism: usize,
    ) -> Result<Self, RegistryError> {
        let mut checked = CheckedPackages::new()?;
        packages.into_iter().try_for_each(|files| checked.add(files))?;
        let held = hold_evaluations(&checked.figures(), settings.evaluation_bytes, parallelism);
        checked.prepare(&held)
    }

    /// Divides a grant between all that takes memory; [`Grant::taken`] is what is taken now.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn divide(&self, grant: Grant) -> Result<Shares, DoesNotFit> {
        Shares::divide(self.models().map(|model| (model.figures(), model.holding())), grant)
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
