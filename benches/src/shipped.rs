//! A shipped model with a client's keys and a request of it, and what a server does with one: no network, no store.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, EvaluationKeys, Instruction, Level,
    PreparedProgram, ResultCiphertexts, Seed, SeededCiphertext, Team,
};
use model_package::Package;
use serde_json::Value;

use crate::{Result, checked::largest_error};

/// Of a result, against the largest value or 1: packages promise 2^−10 of the largest that they are made for.
const LARGEST_ERROR: f64 = 1.0 / 128.0;

/// What a client has of it.
pub(crate) struct Client {
    pub(crate) model: ModelSpec,
    pub(crate) parameters: ParameterSpec,
    pub(crate) session: Session,
    /// The evaluation keys, as they are sent.
    pub(crate) keys: Vec<Vec<u8>>,
}

/// What a server has of it.
pub(crate) struct Server {
    pub(crate) package: Package,
    pub(crate) program: PreparedProgram,
    pub(crate) keys: EvaluationKeys,
}

/// Reads the package of a model that ships, or that has this folder, and makes keys.
pub(crate) fn open(name: &str) -> Result<(Client, Server)> {
    let folder = folder(name);
    open_package(&fs::read(folder.join("manifest.json"))?, &fs::read(folder.join("weights.bin"))?)
}

/// The same of the bytes of a package.
pub(crate) fn open_package(manifest: &[u8], weights: &[u8]) -> Result<(Client, Server)> {
    let package = Package::from_bytes(manifest, weights)?;
    let tree: Value = serde_json::from_slice(manifest)?;
    let model: ModelSpec = serde_json::from_value(tree.clone())?;
    let parameters: ParameterSpec = serde_json::from_value(tree["parameters"].clone())?;
    let mut session = Session::new(&model, &parameters, &Seed::new([1; 32]))?;
    let keys = make_keys(&mut session)?;
    let server = Server::new(package, &session.key_names(), &keys)?;
    Ok((Client { model, parameters, session, keys }, server))
}

/// Where the package of a model is.
pub(crate) fn folder(name: &str) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name).join("package");
    if shipped.is_dir() { shipped } else { name.into() }
}

/// Makes all evaluation keys.
pub(crate) fn make_keys(session: &mut Session) -> Result<Vec<Vec<u8>>> {
    session.key_names().into_iter().map(|name| Ok(session.generate_key(name)?)).collect()
}

impl Server {
    fn new(package: Package, names: &[KeyName], bytes: &[Vec<u8>]) -> Result<Self> {
        let params = &package.params;
        let mut keys = EvaluationKeys::new();
        for (name, bytes) in names.iter().zip(bytes) {
            match name {
                KeyName::Relinearization => {
                    let key = CompressedRelinearizationKey::from_bytes(params, bytes)?;
                    keys.set_relinearization(key.prepare(params)?);
                }
                KeyName::Galois(_) => {
                    keys.insert_galois(CompressedGaloisKey::from_bytes(params, bytes)?.prepare(params)?);
                }
            }
        }
        let program = PreparedProgram::new(params, &package.program)?;
        Ok(Self { package, program, keys })
    }

    /// From the bytes of the request to the bytes of the result.
    pub(crate) fn answer(&self, request: &[u8], team: &Arc<dyn Team>) -> Result<Vec<u8>> {
        let Package { manifest, params, .. } = &self.package;
        let outputs = self.evaluate(request, team, |_| ())?;
        Ok(ResultCiphertexts::new(params, &outputs, manifest.output.dropped_bits)?.to_bytes(params)?)
    }

    /// A sample: the middle of each feature's range, where the package tells ranges, since polynomials mean nothing far
    /// outside of them.
    pub(crate) fn sample(&self) -> Vec<f64> {
        let input = &self.package.manifest.input;
        let middles = input.feature_ranges.iter().map(|[low, high]| low.midpoint(*high));
        let anything = std::iter::repeat(0.5);
        middles.chain(anything).take(input.dimension as usize).collect()
    }

    /// Refuses values that are not what the program gives of the input in plain numbers.
    pub(crate) fn check(&self, input: &[f64], found: &[f64]) -> Result<()> {
        let Package { manifest, params, program, .. } = &self.package;
        let slots = params.slots() / program.batch as usize;
        let factors = manifest.input.scaling.as_deref().unwrap_or(&[1.0]).iter().cycle();
        let scaled: Vec<f64> = input.iter().zip(factors).map(|(value, factor)| value * factor).collect();
        let packed = manifest.input.layout.to_layout().pack(&scaled, slots * program.inputs as usize);
        let inputs: Vec<Vec<f64>> = packed.chunks(slots).map(<[f64]>::to_vec).collect();
        let outputs = program.evaluate_clear(slots, &inputs)?.concat();
        let expected =
            manifest.output.layout.to_layout().unpack(&outputs, manifest.output.dimension as usize);
        let gain = manifest.output.gain;
        let expected: Vec<f64> = expected.iter().map(|value| value * gain).collect();
        let largest = expected.iter().map(|value| value.abs()).fold(1.0, f64::max);
        largest_error(found, &expected, largest * LARGEST_ERROR)?;
        Ok(())
    }

    /// From the bytes of the request to ciphertexts; `told` hears of each instruction before it is carried out.
    pub(crate) fn evaluate(
        &self,
        request: &[u8],
        team: &Arc<dyn Team>,
        mut told: impl FnMut(&Instruction),
    ) -> Result<Vec<Ciphertext>> {
        let Package { manifest, params, .. } = &self.package;
        let input =
            SeededCiphertext::from_bytes_at(params, Level(manifest.input.level), request)?.expand(params)?;
        let outputs = self.program.evaluate_while(&[input], &self.keys, team, |instruction| {
            told(instruction);
            true
        })?;
        Ok(outputs.ok_or("nobody stops it")?)
    }
}
