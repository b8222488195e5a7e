//! One model: its package, checked, and its program, ready to run.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ckks_core::{
    Ciphertext, Instruction, KeySource, Level, Params, PreparedProgram, ResultCiphertexts, Team,
};
use model_package::{Manifest, Summary};

use super::{Figures, Holding, Limits, ModelView};
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
    pub(super) manifest: Manifest,
    pub(super) summary: Summary,
    pub(super) params: Params,
    pub(super) program: PreparedProgram,
    pub(super) evaluation_keys: BTreeMap<KeyName, KeyRequirement>,
    pub(super) figures: Figures,
    pub(super) holding: Holding,
}

impl Model {
    /// Its name and version.
    #[must_use]
    pub fn key(&self) -> &ModelKey {
        &self.figures.model
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

    /// What it takes, in bytes.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How it is held in memory.
    #[must_use]
    pub fn holding(&self) -> Holding {
        self.holding
    }

    /// Most memory that one evaluation takes, prepared keys included; what the program itself takes
    /// is shared by all.
    #[must_use]
    pub fn evaluation_bytes(&self) -> usize {
        self.figures.evaluation_bytes(self.holding)
    }

    /// Memory that its evaluation keys take when all of them are prepared.
    #[must_use]
    pub fn prepared_key_bytes(&self) -> usize {
        self.figures.keys
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
        self.figures.inputs
    }

    /// The model as `GET /models` shows it.
    #[must_use]
    pub fn view(&self, limits: Limits) -> ModelView {
        ModelView::new(self, limits)
    }

    /// Evaluates the model on encoded inputs, with keys of any source and a team that shares the work, and encodes the
    /// result.
    ///
    /// Before each instruction `go_on` is asked with its number in the program; `None` if it says no.
    ///
    /// # Errors
    /// `EVALUATION_FAILED`, and what the inputs would have been refused for.
    pub fn evaluate(
        &self,
        inputs: &[Bytes],
        keys: &dyn KeySource,
        team: &Arc<dyn Team>,
        mut go_on: impl FnMut(usize, &Instruction) -> bool,
    ) -> Result<Option<Bytes>, Problem> {
        let failed = |error: ckks_core::Error| {
            Problem::new(Code::EvaluationFailed, format!("The evaluation failed: {error}."))
        };
        let ciphertexts = inputs.iter().map(|bytes| decode::input(&self.params, self.input_level(), bytes));
        let ciphertexts: Vec<Ciphertext> = ciphertexts.collect::<Result<_, _>>()?;
        let mut index = 0;
        let outputs = self.program.evaluate_from(&ciphertexts, keys, team, |instruction| {
            index += 1;
            go_on(index - 1, instruction)
        });
        let Some(outputs) = outputs.map_err(failed)? else { return Ok(None) };
        let result = ResultCiphertexts::new(&self.params, &outputs, self.manifest.output.dropped_bits)
            .map_err(failed)?;
        Ok(Some(result.to_bytes(&self.params).map_err(failed)?.into()))
    }
}
