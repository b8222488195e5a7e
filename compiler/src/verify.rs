//! A package put to the test: the same samples in plain numbers and through real encryption.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::{
    Alone, Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, EvaluationKeys, FactorEncoding,
    PreparedProgram, ResultCiphertexts, Seed, SeededCiphertext, Team,
};
use model_package::{Manifest, Package, scaled};

use crate::{
    error::CompileError,
    graph::Graph,
    ranking::Ranking,
    reference,
    report::{Accuracy, Flip, Memory},
    samples::Samples,
};

/// Keys are made from a fixed seed, so that a report can be reproduced.
const SEED: [u8; 32] = *b"model-compiler verification seed";

/// Client and server of one package in one place.
pub(crate) struct Encrypted {
    package: Package,
    prepared: PreparedProgram,
    session: Session,
    keys: EvaluationKeys,
    /// The shortest time that each instruction took.
    times: Vec<Duration>,
}

impl Encrypted {
    /// Reads a package as a server does, and makes keys for it as a client does.
    pub(crate) fn new(manifest: &[u8], weights: &[u8]) -> Result<Self, CompileError> {
        let package = Package::from_bytes(manifest, weights).map_err(CompileError::program)?;
        let params = &package.params;
        let prepared = PreparedProgram::new(params, &package.program).map_err(CompileError::program)?;
        let (model, parameters) = published(&package.manifest)?;
        let mut session =
            Session::new(&model, &parameters, &Seed::new(SEED)).map_err(CompileError::program)?;
        let mut keys = EvaluationKeys::new();
        for name in session.key_names() {
            let bytes = session.generate_key(name).map_err(CompileError::program)?;
            match name {
                KeyName::Relinearization => {
                    let key = CompressedRelinearizationKey::from_bytes(params, &bytes);
                    let key = key.map_err(CompileError::program)?.prepare(params);
                    keys.set_relinearization(key.map_err(CompileError::program)?);
                }
                KeyName::Galois(_) => {
                    let key = CompressedGaloisKey::from_bytes(params, &bytes);
                    let key = key.map_err(CompileError::program)?.prepare(params);
                    keys.insert_galois(key.map_err(CompileError::program)?);
                }
            }
        }
        let times = vec![Duration::MAX; package.program.instructions.len()];
        Ok(Self { package, prepared, session, keys, times })
    }

    /// Samples of one request.
    pub(crate) fn max_batch_size(&self) -> usize {
        self.session.max_batch_size()
    }

    /// The outputs of samples of one request before post-processing, by way of the bytes that would travel.
    pub(crate) fn predict(&mut self, samples: &[&[f64]]) -> Result<Vec<Vec<f64>>, CompileError> {
        let params = &self.package.params;
        let input = self.session.encrypt_batch(samples).map_err(CompileError::program)?;
        let received = input.payloads.iter().map(|bytes| {
            let ciphertext = SeededCiphertext::from_bytes(params, bytes).map_err(CompileError::program)?;
            ciphertext.expand(params).map_err(CompileError::program)
        });
        let inputs: Vec<Ciphertext> = received.collect::<Result<_, CompileError>>()?;
        let mut starts = Vec::with_capacity(self.times.len() + 1);
        let alone: Arc<dyn Team> = Arc::new(Alone);
        let outputs = self.prepared.evaluate_while(&inputs, &self.keys, &alone, |_| {
            starts.push(Instant::now());
            true
        });
        let outputs = outputs.map_err(CompileError::program)?.unwrap_or_default();
        starts.push(Instant::now());
        for (time, pair) in self.times.iter_mut().zip(starts.windows(2)) {
            *time = (*time).min(pair[1] - pair[0]);
        }
        let result = ResultCiphertexts::new(params, &outputs, self.package.manifest.output.dropped_bits);
        let bytes = result.and_then(|result| result.to_bytes(params)).map_err(CompileError::program)?;
        self.session.decrypt_batch(&bytes, samples.len()).map_err(CompileError::program)
    }

    /// The shortest time that each instruction took in any prediction so far.
    pub(crate) fn times(&self) -> &[Duration] {
        &self.times
    }

    /// What a server holds in memory for the model, and for each client whose keys it has ready.
    pub(crate) fn memory(&self) -> Memory {
        let params = &self.package.params;
        let facts = self.prepared.facts();
        Memory {
            model_bytes: self.prepared.bytes(),
            client_bytes: facts.keys.prepared_bytes(params),
            evaluation_bytes: self.package.program.working_bytes(params, facts, FactorEncoding::Ahead),
        }
    }

    /// The same program on plain numbers, with the same layouts.
    pub(crate) fn predict_clear(&self, input: &[f64]) -> Result<Vec<f64>, CompileError> {
        let (manifest, program) = (&self.package.manifest, &self.package.program);
        let slots = self.package.params.slots() / program.batch as usize;
        let input = scaled(input, manifest.input.scaling.as_deref());
        let packed = manifest.input.layout.to_layout().pack(&input, slots * program.inputs as usize);
        let inputs: Vec<Vec<f64>> = packed.chunks(slots).map(<[f64]>::to_vec).collect();
        let outputs = program.evaluate_clear(slots, &inputs).map_err(CompileError::program)?.concat();
        let values = manifest.output.layout.to_layout().unpack(&outputs, manifest.output.dimension as usize);
        Ok(values.into_iter().map(|value| value * manifest.output.gain).collect())
    }
}

/// What a server would publish of a manifest.
fn published(manifest: &Manifest) -> Result<(ModelSpec, ParameterSpec), CompileError> {
    let model = serde_json::to_value(manifest).and_then(serde_json::from_value);
    let parameters = serde_json::to_value(&manifest.parameters).and_then(serde_json::from_value);
    Ok((model.map_err(CompileError::program)?, parameters.map_err(CompileError::program)?))
}

/// Runs samples through the model in plain numbers and through its package, encrypted, and compares.
///
/// `progress` is called after each sample.
///
/// # Errors
/// [`CompileError::Program`] when the package does not run.
pub fn verify(
    graph: &Graph,
    manifest: &[u8],
    weights: &[u8],
    samples: &Samples,
    progress: &dyn Fn(),
) -> Result<Accuracy, CompileError> {
    let mut encrypted = Encrypted::new(manifest, weights)?;
    let mut accuracy = Accuracy { samples: samples.inputs.len(), ..Accuracy::default() };
    let (mut errors, mut magnitude) = (vec![], 0.0f64);
    let inputs: Vec<&[f64]> = samples.inputs.iter().map(Vec::as_slice).collect();
    let batches = inputs.chunks(encrypted.max_batch_size());
    let mut found = vec![];
    for batch in batches {
        found.extend(encrypted.predict(batch)?);
        batch.iter().for_each(|_| progress());
    }
    accuracy.ranking = Ranking::of(graph.values[graph.output()].dimension());
    for (sample, (input, found)) in inputs.iter().zip(found).enumerate() {
        let expected = reference::evaluate(graph, input);
        errors.push(expected.iter().zip(&found).fold(0.0f64, |most, (e, f)| most.max((e - f).abs())));
        magnitude = expected.iter().fold(magnitude, |most, e| most.max(e.abs()));
        if let Some(ranking) = &mut accuracy.ranking {
            ranking.add(&expected, &found);
        }
        let class = |output: &[f64]| reference::class(graph.postprocessing, output);
        let (plain, decrypted) = (class(&expected), class(&found));
        let clear = class(&encrypted.predict_clear(input)?);
        accuracy.clear_flips += usize::from(clear != plain);
        if let Some(&label) = samples.classes.get(sample) {
            accuracy.labelled += 1;
            accuracy.plain_correct += usize::from(plain == label);
            accuracy.encrypted_correct += usize::from(decrypted == label);
            accuracy.clear_correct += usize::from(clear == label);
        }
        if plain != decrypted {
            let margin = reference::margin(graph.postprocessing, &expected);
            accuracy.flips.push(Flip { sample, plain, encrypted: decrypted, margin });
        }
    }
    errors.sort_by(f64::total_cmp);
    let bits = |error: f64| (magnitude / error.max(f64::MIN_POSITIVE)).log2();
    accuracy.largest_error = errors.last().copied().unwrap_or(0.0);
    accuracy.precision_bits = bits(accuracy.largest_error);
    accuracy.median_bits = bits(errors.get(errors.len() / 2).copied().unwrap_or(0.0));
    Ok(accuracy)
}
