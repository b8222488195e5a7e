//! A shipped model with a client's keys and a request of it, and what a server does with one: no network, no store.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, EvaluationKeys, Instruction, Level,
    PreparedProgram, ResultCiphertexts, Seed, SeededCiphertext, Team,
};
use model_package::Package;
use serde_json::Value;

use crate::Result;

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
