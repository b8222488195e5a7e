//! `models.json`.

use ckks_core::{
    Backend, CompressedGaloisKey, CompressedRelinearizationKey, Encoder, EvaluationKeys, Level, Params,
    PreparedProgram, ResultCiphertexts, SecretKey, Seed, decrypt, encrypt_symmetric,
};
use model_package::{Package, scaled};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    file::{File, Vector, hex},
    world::{SECRET_SEED, seeds, stream},
};

/// A shipped model, compiled in.
macro_rules! package {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../models/", $name, "/package/manifest.json")).as_slice(),
            include_bytes!(concat!("../../../models/", $name, "/package/weights.bin")).as_slice(),
        )
    };
}

/// The shipped models.
pub(crate) fn packages() -> impl Iterator<Item = (&'static str, Package)> {
    [package!("breast_cancer_logistic"), package!("mnist_mlp")]
        .into_iter()
        .map(|(name, manifest, weights)| (name, Package::from_bytes(manifest, weights).unwrap()))
}

pub(crate) fn file(backend: Backend) -> File {
    File {
        name: "models.json",
        about: "Whole inferences of the shipped models at their secure parameters: SHA-256 of keys, request and result. Keys are made in the order of their names in `keys`, then the input is encrypted, all from one stream of seeds.",
        vectors: packages().map(|(name, package)| vector(name, &package, backend)).collect(),
    }
}

fn digest(bytes: &[u8]) -> serde_json::Value {
    hex(Sha256::digest(bytes))
}

fn vector(name: &str, package: &Package, backend: Backend) -> Vector {
    let params = Params::insecure_on(package.params.spec(), backend).unwrap();
    let Package { manifest, program, facts, .. } = package;
    let secret = SecretKey::generate(&params, &Seed::new(SECRET_SEED));
    let mut seeds_left = stream();

    let (mut keys, mut digests) = (EvaluationKeys::new(), Vec::new());
    if let Some(level) = facts.keys.relinearization {
        let key = CompressedRelinearizationKey::generate(&params, &secret, level, &mut seeds_left).unwrap();
        digests.push(json!({"name": "relinearization", "sha256": digest(&key.to_bytes(&params).unwrap())}));
        keys.set_relinearization(key.prepare(&params).unwrap());
    }
    for (&element, &level) in &facts.keys.galois {
        let key = CompressedGaloisKey::generate(&params, &secret, element, level, &mut seeds_left).unwrap();
        digests.push(
            json!({"name": format!("galois-{}", element.value()), "sha256": digest(&key.to_bytes(&params).unwrap())}),
        );
        keys.insert_galois(key.prepare(&params).unwrap());
    }

    // Multiples of a power of two within the range of the input.
    let highest = manifest.input.range.map_or(1.0, |[_, high]| high);
    let values: Vec<f64> =
        (0..manifest.input.dimension).map(|i| highest * f64::from(i * 37 % 64) / 64.0).collect();
    // The same sample at every place of the batch.
    let batch = program.batch as usize;
    let scaled = scaled(&values, manifest.input.scaling.as_deref());
    let sample = manifest.input.layout.to_layout().pack(&scaled, params.slots() / batch);
    let slots: Vec<f64> = sample.iter().flat_map(|&value| std::iter::repeat_n(value, batch)).collect();
    let level = Level(manifest.input.level);
    let plaintext = Encoder::new(&params).encode_real(&slots, level, params.scale_at(level)).unwrap();
    let request = encrypt_symmetric(&params, &secret, &plaintext, &mut seeds_left).unwrap();

    let prepared = PreparedProgram::new(&params, program).unwrap();
    let request_bytes = request.to_bytes(&params).unwrap();
    let outputs = prepared.evaluate(&[request.expand(&params).unwrap()], &keys).unwrap();
    let result = ResultCiphertexts::new(&params, &outputs, manifest.output.dropped_bits).unwrap();
    let decoded = Encoder::new(&params)
        .decode_real(&decrypt(&params, &secret, &result.expand(&params).unwrap()[0]).unwrap())
        .unwrap();
    let decoded: Vec<f64> = decoded.into_iter().step_by(batch).collect();
    let dimension = usize::try_from(manifest.output.dimension).unwrap();
    let answer: Vec<f64> = manifest
        .output
        .layout
        .to_layout()
        .unpack(&decoded, dimension)
        .iter()
        .map(|value| value * manifest.output.gain)
        .collect();

    let vector = Vector::new(name, "what a client sends and what comes back, with fixed seeds")
        .given("values", values);
    seeds()
        .into_iter()
        .fold(vector, |vector, (name, value)| vector.given(name, value))
        .gives("params_id", params.id().to_string())
        .gives("keys", digests)
        .gives("request_sha256", digest(&request_bytes))
        .gives("result_sha256", digest(&result.to_bytes(&params).unwrap()))
        .gives("answer", answer)
}
