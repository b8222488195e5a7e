//! A package put to the test: the same samples in plain numbers and through real encryption.

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, EvaluationKeys, PreparedProgram,
    ResultCiphertexts, Seed, SeededCiphertext,
};
use model_package::{Manifest, Package};

use crate::{
    error::CompileError,
    graph::Graph,
    reference,
    report::{Accuracy, Flip},
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
                    keys.set_relinearization(key.map_err(CompileError::program)?.prepare(params));
                }
                KeyName::Galois(_) => {
                    let key = CompressedGaloisKey::from_bytes(params, &bytes);
                    keys.insert_galois(key.map_err(CompileError::program)?.prepare(params));
                }
            }
        }
        Ok(Self { package, prepared, session, keys })
    }

    /// The output before post-processing, by way of the bytes that would travel.
    pub(crate) fn predict(&mut self, input: &[f64]) -> Result<Vec<f64>, CompileError> {
        let params = &self.package.params;
        let payloads = self.session.encrypt(input).map_err(CompileError::program)?;
        let received = payloads.iter().map(|bytes| {
            let ciphertext = SeededCiphertext::from_bytes(params, bytes).map_err(CompileError::program)?;
            Ok(ciphertext.expand(params))
        });
        let inputs: Vec<Ciphertext> = received.collect::<Result<_, CompileError>>()?;
        let outputs = self.prepared.evaluate(&inputs, &self.keys).map_err(CompileError::program)?;
        let result = ResultCiphertexts::new(params, &outputs, self.package.manifest.output.dropped_bits);
        let bytes = result.map_err(CompileError::program)?.to_bytes(params);
        self.session.decrypt(&bytes).map_err(CompileError::program)
    }

    /// The same program on plain numbers, with the same layouts.
    pub(crate) fn predict_clear(&self, input: &[f64]) -> Result<Vec<f64>, CompileError> {
        let (manifest, program) = (&self.package.manifest, &self.package.program);
        let slots = self.package.params.slots() / program.batch as usize;
        let packed = manifest.input.layout.to_layout().pack(input, slots * program.inputs as usize);
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
    let (mut error, mut magnitude) = (0.0f64, 0.0f64);
    for (sample, input) in samples.inputs.iter().enumerate() {
        let expected = reference::evaluate(graph, input);
        let found = encrypted.predict(input)?;
        for (e, f) in expected.iter().zip(&found) {
            error = error.max((e - f).abs());
            magnitude = magnitude.max(e.abs());
        }
        let class = |output: &[f64]| reference::class(graph.postprocessing, output);
        let (plain, decrypted) = (class(&expected), class(&found));
        if let Some(&label) = samples.classes.get(sample) {
            accuracy.labelled += 1;
            accuracy.plain_correct += usize::from(plain == label);
            accuracy.encrypted_correct += usize::from(decrypted == label);
        }
        if plain != decrypted {
            let margin = reference::margin(graph.postprocessing, &expected);
            accuracy.flips.push(Flip { sample, plain, encrypted: decrypted, margin });
        }
        progress();
    }
    accuracy.largest_error = error;
    accuracy.precision_bits = (magnitude / error.max(f64::MIN_POSITIVE)).log2();
    Ok(accuracy)
}
