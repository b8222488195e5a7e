//! A package that was checked and is not prepared yet.

use std::collections::BTreeMap;

use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, FactorEncoding, GaloisElement, Level,
    Params, PreparedProgram, Program,
};
use jsonschema::Validator;
use model_package::{Manifest, Package, PackageError, Summary};

use super::{Figures, Holding, KeyRequirement, Model, PackageFiles, RegistryError};
use crate::id::{KeyName, ModelKey};

/// A package that was checked: what it takes is known.
#[derive(Debug)]
pub(super) struct Checked {
    /// Its directory, for messages.
    pub(super) origin: String,
    pub(super) figures: Figures,
    manifest: Manifest,
    summary: Summary,
    params: Params,
    program: Program,
    evaluation_keys: BTreeMap<KeyName, KeyRequirement>,
}

/// The file that messages name.
fn manifest_of(origin: &str) -> String {
    format!("{origin}/manifest.json")
}

impl Checked {
    /// Checks a package: its manifest against the published schema, then its meaning.
    pub(super) fn new(schema: &Validator, files: PackageFiles) -> Result<Self, RegistryError> {
        let PackageFiles { origin, manifest, weights } = files;
        let file = manifest_of(&origin);
        let wrong = |field: &str, rule: &str| RegistryError::new(&file, field, rule);
        let tree: serde_json::Value = serde_json::from_slice(&manifest)
            .map_err(|error| wrong("", "must be JSON").because(error.to_string()))?;
        schema.validate(&tree).map_err(|error| {
            let rule = format!("must match model-package.schema.json, {}", error.schema_path());
            wrong(error.instance_path().as_str(), &rule).because(error.to_string())
        })?;
        drop(tree);
        let package = Package::from_bytes(&manifest, &weights)
            .map_err(|error| wrong(&error.field, &error.rule).because(reason(&error)))?;
        drop(weights);
        let summary = package.summary();
        let Package { manifest, params, program, facts } = package;
        let evaluation_keys = requirements(&params, facts.keys.relinearization, &facts.keys.galois);
        let level = Level(manifest.input.level);
        let working = |encoding| program.working_bytes(&params, &facts, encoding);
        let figures = Figures {
            model: ModelKey { model_id: manifest.model_id.clone(), version: manifest.version.clone() },
            factors: program.factor_bytes(&params, &facts, FactorEncoding::Ahead),
            working: working(FactorEncoding::Ahead),
            working_as_used: working(FactorEncoding::AsUsed),
            inputs: manifest.input.ciphertexts as usize * Ciphertext::encoded_len(&params, level),
            keys: facts.keys.prepared_bytes(&params),
            largest_key: facts.keys.largest_prepared_bytes(&params),
            helper: program.helper_bytes(&params, &facts),
            longest_key: evaluation_keys.values().map(|key| key.bytes).max().unwrap_or_default(),
        };
        Ok(Self { origin, figures, manifest, summary, params, program, evaluation_keys })
    }

    /// Prepares the program for evaluations.
    pub(super) fn prepare(self, holding: Holding) -> Result<Model, RegistryError> {
        let Self { origin, figures, manifest, summary, params, program, evaluation_keys } = self;
        let program = match holding.factors {
            FactorEncoding::Ahead => PreparedProgram::new(&params, &program),
            FactorEncoding::AsUsed => PreparedProgram::encoding_as_used(&params, program),
        };
        let program = program.map_err(|error| {
            RegistryError::new(manifest_of(&origin), "/program", "must run").because(error.to_string())
        })?;
        Ok(Model { manifest, summary, params, program, evaluation_keys, figures, holding })
    }
}

fn requirements(
    params: &Params,
    relinearization: Option<Level>,
    galois: &BTreeMap<GaloisElement, Level>,
) -> BTreeMap<KeyName, KeyRequirement> {
    let relinearization = relinearization.map(|level| {
        let bytes = CompressedRelinearizationKey::encoded_len(params, level);
        (KeyName::Relinearization, KeyRequirement { level, bytes })
    });
    let galois = galois.iter().map(|(element, &level)| {
        let bytes = CompressedGaloisKey::encoded_len(params, level);
        (KeyName::Galois(element.value()), KeyRequirement { level, bytes })
    });
    relinearization.into_iter().chain(galois).collect()
}

/// What was expected and found, without the field and the rule again.
fn reason(error: &PackageError) -> String {
    let expected = error.expected.as_ref().map(|expected| format!("expected {expected}"));
    let found = error.found.as_ref().map(|found| format!("found {found}"));
    expected.into_iter().chain(found).collect::<Vec<_>>().join(", ")
}
