//! One model: its package, checked, and its program, ready to run.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, EvaluationKeys, FactorEncoding,
    GaloisElement, Instruction, Level, Params, PreparedProgram, ResultCiphertexts, Team,
};
use jsonschema::Validator;
use model_package::{Manifest, Package, PackageError, Summary};

use super::{Limits, ModelView, PackageFiles, RegistryError};
use crate::{
    decode,
    id::{KeyName, ModelKey},
    problem::{Code, Problem},
};

/// One evaluation key that a model needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRequirement {
    /// The level it must be made for.
    pub level: Level,
    /// Its exact length as it is uploaded.
    pub bytes: usize,
}

/// A model that can be served.
#[derive(Debug)]
pub struct Model {
    key: ModelKey,
    manifest: Manifest,
    summary: Summary,
    params: Params,
    program: PreparedProgram,
    evaluation_keys: BTreeMap<KeyName, KeyRequirement>,
    prepared_key_bytes: usize,
    working_bytes: usize,
    helper_bytes: usize,
}

impl Model {
    /// Checks a package: its manifest against the published schema, then its meaning; then
    /// prepares its program.
    pub(super) fn load(schema: &Validator, files: &PackageFiles) -> Result<Self, RegistryError> {
        let file = format!("{}/manifest.json", files.origin);
        let wrong = |field: &str, rule: &str| RegistryError::new(&file, field, rule);
        let tree: serde_json::Value = serde_json::from_slice(&files.manifest)
            .map_err(|error| wrong("", "must be JSON").because(error.to_string()))?;
        schema.validate(&tree).map_err(|error| {
            let rule = format!("must match model-package.schema.json, {}", error.schema_path());
            wrong(error.instance_path().as_str(), &rule).because(error.to_string())
        })?;
        let package = Package::from_bytes(&files.manifest, &files.weights)
            .map_err(|error| wrong(&error.field, &error.rule).because(reason(&error)))?;
        let summary = package.summary();
        let Package { manifest, params, program, facts } = package;
        let evaluation_keys = requirements(&params, facts.keys.relinearization, &facts.keys.galois);
        let prepared_key_bytes = facts.keys.prepared_bytes(&params);
        let working_bytes = program.working_bytes(&params, &facts, FactorEncoding::Ahead);
        let helper_bytes = program.helper_bytes(&params, &facts);
        let program = PreparedProgram::new(&params, &program)
            .map_err(|error| wrong("/program", "must run").because(error.to_string()))?;
        let key = ModelKey { model_id: manifest.model_id.clone(), version: manifest.version.clone() };
        Ok(Self {
            key,
            manifest,
            summary,
            params,
            program,
            evaluation_keys,
            prepared_key_bytes,
            working_bytes,
            helper_bytes,
        })
    }

    /// Its name and version.
    #[must_use]
    pub fn key(&self) -> &ModelKey {
        &self.key
    }

    /// What its package says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it takes, for people.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The evaluation keys it needs.
    #[must_use]
    pub fn evaluation_keys(&self) -> &BTreeMap<KeyName, KeyRequirement> {
        &self.evaluation_keys
    }

    /// Most memory that one evaluation takes, prepared keys included; what the program itself takes
    /// is shared by all.
    #[must_use]
    pub fn evaluation_bytes(&self) -> usize {
        self.working_bytes + self.prepared_key_bytes + self.max_input_bytes()
    }

    /// Memory that a thread keeps which has helped with an evaluation.
    #[must_use]
    pub fn helper_bytes(&self) -> usize {
        self.helper_bytes
    }

    /// Memory that its evaluation keys take when they are prepared.
    #[must_use]
    pub fn prepared_key_bytes(&self) -> usize {
        self.prepared_key_bytes
    }

    /// Level of its inputs.
    #[must_use]
    pub fn input_level(&self) -> Level {
        Level(self.manifest.input.level)
    }

    /// Ciphertexts of one request, which all samples of its batch share.
    #[must_use]
    pub fn input_ciphertexts(&self) -> u32 {
        self.manifest.input.ciphertexts
    }

    /// Samples of one request.
    #[must_use]
    pub fn max_batch_size(&self) -> u32 {
        self.manifest.constraints.max_batch_size
    }

    /// Bytes of the encrypted inputs of one request, as clients make them.
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.summary.request_bytes
    }

    /// Bytes of one result.
    #[must_use]
    pub fn result_bytes(&self) -> usize {
        self.summary.result_bytes
    }

    /// Most bytes that the inputs of one request can have: whole ciphertexts.
    #[must_use]
    pub fn max_input_bytes(&self) -> usize {
        self.input_ciphertexts() as usize * Ciphertext::encoded_len(&self.params, self.input_level())
    }

    /// The model as `GET /models` shows it.
    #[must_use]
    pub fn view(&self, limits: Limits) -> ModelView {
        ModelView::new(self, limits)
    }

    /// Evaluates the model on encoded inputs, with a team that shares the work, and encodes the result.
    ///
    /// Before each instruction `go_on` is asked with its number in the program; `None` if it says no.
    ///
    /// # Errors
    /// `EVALUATION_FAILED`, and what the inputs would have been refused for.
    pub fn evaluate(
        &self,
        inputs: &[Bytes],
        keys: &EvaluationKeys,
        team: &Arc<dyn Team>,
        mut go_on: impl FnMut(usize, &Instruction) -> bool,
    ) -> Result<Option<Bytes>, Problem> {
        let failed = |error: ckks_core::Error| {
            Problem::new(Code::EvaluationFailed, format!("The evaluation failed: {error}."))
        };
        let ciphertexts = inputs.iter().map(|bytes| decode::input(&self.params, self.input_level(), bytes));
        let ciphertexts: Vec<Ciphertext> = ciphertexts.collect::<Result<_, _>>()?;
        let mut index = 0;
        let outputs = self.program.evaluate_while(&ciphertexts, keys, team, |instruction| {
            index += 1;
            go_on(index - 1, instruction)
        });
        let Some(outputs) = outputs.map_err(failed)? else { return Ok(None) };
        let result = ResultCiphertexts::new(&self.params, &outputs, self.manifest.output.dropped_bits)
            .map_err(failed)?;
        Ok(Some(result.to_bytes(&self.params).map_err(failed)?.into()))
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
