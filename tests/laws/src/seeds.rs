//! Right bytes for every law, from which a fuzzer starts.

use ckks_core::{
    CompressedGaloisKey, CompressedRelinearizationKey, Encoder, GaloisElement, Level, PublicKey,
    ResultCiphertexts, SecretKey, Seed, SeedSource, encrypt_symmetric,
};
use edge_server::testing::{paired_package, tiny_package};

use crate::wire::PARAMS;

const REQUEST: &str = r#"{"api_version":"1.1","model_id":"tiny","version":"1.0.0","batch_size":1,"key_id":"00112233445566778899aabbccddeeff","inputs":[{"encoding":"hex","payload":"434b4b53"}]}"#;

/// Every law's name with a few right inputs.
///
/// # Panics
/// Never, unless a decoder and its encoder disagree.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let params = &*PARAMS;
    let mut seeds = SeedSource::new(&Seed::new([1; 32]));
    let secret = SecretKey::generate(params, &seeds.next_seed());
    let mut fresh = |level: u8| {
        let level = Level(level);
        let plaintext =
            Encoder::new(params).encode_real(&[0.5, -0.25], level, params.scale_at(level)).unwrap();
        encrypt_symmetric(params, &secret, &plaintext, &mut seeds).unwrap()
    };
    let (seeded, whole) =
        ([0, 2].map(&mut fresh), [0, 1].map(&mut fresh).map(|ciphertext| ciphertext.expand(params).unwrap()));
    let bottom = fresh(0).expand(params).unwrap();
    let results = [0, 12].map(|dropped| {
        ResultCiphertexts::new(params, std::slice::from_ref(&bottom), dropped)
            .unwrap()
            .to_bytes(params)
            .unwrap()
    });
    let public = PublicKey::generate(params, &secret, &mut seeds).unwrap().to_bytes(params).unwrap();
    let mut relinearization = |level| {
        CompressedRelinearizationKey::generate(params, &secret, Level(level), &mut seeds)
            .unwrap()
            .to_bytes(params)
            .unwrap()
    };
    let relinearization = [0, 2].map(&mut relinearization);
    let galois = [GaloisElement::rotation(params, 1), GaloisElement::conjugation(params)].map(|g| {
        CompressedGaloisKey::generate(params, &secret, g, Level(1), &mut seeds)
            .unwrap()
            .to_bytes(params)
            .unwrap()
    });
    let models = [tiny_package("tiny", "1.0.0", 22), paired_package("pairs", "1.0.0", 22)];
    let models = models.map(|model| [model.manifest, vec![0], model.weights].concat());
    let cbor = [
        // {"model_id": "tiny", "version": "1.0.0"}
        &b"\xa2\x68model_id\x64tiny\x67version\x651.0.0"[..],
        // {"inputs": [{"payload": h'434b4b53', "encoding": "bytes"}], "batch_size": 1.0}
        b"\xa2\x66inputs\x81\xa2\x67payload\x44CKKS\x68encoding\x65bytes\x6abatch_size\xf9\x3c\x00",
        // [_ -1, null, true, 2^53, (_ "a", "b")]
        b"\x9f\x20\xf6\xf5\x1b\x00\x20\x00\x00\x00\x00\x00\x00\x7f\x61a\x61b\xff\xff",
    ];
    vec![
        ("params", vec![params.spec().to_bytes()]),
        ("secret_key", vec![secret.to_bytes().to_vec()]),
        ("public_key", vec![public]),
        ("relinearization_key", relinearization.to_vec()),
        ("galois_key", galois.to_vec()),
        ("seeded_ciphertext", seeded.iter().map(|ciphertext| ciphertext.to_bytes(params).unwrap()).collect()),
        ("ciphertext", whole.iter().map(|ciphertext| ciphertext.to_bytes(params).unwrap()).collect()),
        ("result", results.to_vec()),
        ("json", vec![REQUEST.into(), br#"[1e2,-0.0,"\u00e9",{"a":{}}]"#.to_vec()]),
        ("cbor", cbor.map(<[u8]>::to_vec).to_vec()),
        ("package", models.to_vec()),
        ("onnx", vec![include_bytes!("../../../models/breast_cancer_logistic/model.onnx").to_vec()]),
    ]
}
