//! A client against the operations that a server does, without one.
#![allow(clippy::unwrap_used, missing_docs)]

use ckks_client::*;
use ckks_core::*;

fn published() -> (ModelSpec, ParameterSpec, Params) {
    let spec = ParamsSpec::generate(12, &[30], &[vec![28]], &[30], 1, f64::from(1 << 28)).unwrap();
    let params = Params::new(&spec).unwrap();
    let element = GaloisElement::rotation(&params, 1).value();
    let model = format!(
        r#"{{"model_id": "m", "input": {{"dimension": 3, "ciphertexts": 1, "layout": {{"axes": [{{"extent": 4, "stride": 1}}]}}, "level": 1}},
            "output": {{"dimension": 2, "ciphertexts": 1, "layout": {{"axes": [{{"extent": 2, "stride": 1}}]}}, "level": 0,
                        "labels": ["a", "b"], "postprocessing": "softmax", "gain": 2.0}},
            "evaluation_keys": {{"relinearization": {{"level": 1}}, "galois": [{{"element": {element}, "level": 0}}]}}}}"#
    );
    let parameters = ParameterSpec {
        params_id: params.id().to_string(),
        log_degree: spec.log_degree,
        levels: spec.levels.clone(),
        special_primes: spec.special_primes.clone(),
        digit_primes: spec.digit_primes,
        scale: spec.scale,
    };
    (serde_json::from_str(&model).unwrap(), parameters, params)
}

fn session() -> (Session, Params) {
    let (model, parameters, params) = published();
    (Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap(), params)
}

#[test]
fn what_is_encrypted_comes_back_times_the_gain() {
    let (mut session, params) = session();
    let payload = session.encrypt(&[0.5, -1.25, 3.0]).unwrap().payloads.remove(0);
    let input =
        SeededCiphertext::from_bytes_at(&params, Level(1), &payload).unwrap().expand(&params).unwrap();
    let low = Evaluator::new(&params).adjust_level(&input, Level(0)).unwrap();
    let result = ResultCiphertexts::new(&params, &[low], 4).unwrap().to_bytes(&params).unwrap();
    let values = session.decrypt(&result).unwrap();
    assert!((values[0] - 1.0).abs() < 1e-3 && (values[1] + 2.5).abs() < 1e-3, "{values:?}");
    let probabilities = session.postprocess(&values);
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn samples_of_a_batch_share_ciphertexts_and_come_back_apart() {
    let (mut model, parameters, params) = published();
    model.constraints.max_batch_size = 4;
    model.output.range = Some([-4.0, 4.0]);
    let mut session = Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap();
    let samples: [&[f64]; 3] = [&[0.5, -1.25, 3.0], &[1.0, 2.5, 0.0], &[-3.0, 0.25, 0.0]];
    let payloads = session.encrypt_batch(&samples).unwrap().payloads;
    assert_eq!(payloads.len(), 1);
    let input =
        SeededCiphertext::from_bytes_at(&params, Level(1), &payloads[0]).unwrap().expand(&params).unwrap();
    let low = Evaluator::new(&params).adjust_level(&input, Level(0)).unwrap();
    let result = ResultCiphertexts::new(&params, &[low], 4).unwrap().to_bytes(&params).unwrap();
    let values = session.decrypt_batch(&result, 4).unwrap();
    // The last place holds the first sample again.
    for (found, expected) in values.iter().zip(samples.iter().cycle()) {
        assert!(found.iter().zip(*expected).all(|(a, b)| (a - 2.0 * b).abs() < 1e-3), "{found:?}");
    }
    assert_eq!(session.decrypt(&result).unwrap(), values[0]);
    assert_eq!(values.iter().map(|v| session.is_in_range(v)).collect::<Vec<_>>(), [true, false, false, true]);

    let size = |found| ClientError::BatchSize { max: 4, found };
    assert_eq!(session.encrypt_batch(&[]), Err(size(0)));
    assert_eq!(session.encrypt_batch(&[&[0.0; 3][..]; 5]), Err(size(5)));
    assert_eq!(session.decrypt_batch(&result, 5), Err(size(5)));
    let wrong = session.encrypt_batch(&[&[0.0; 3][..], &[0.0; 2]]);
    assert_eq!(wrong, Err(ClientError::InputDimension { expected: 3, found: 2 }));
    for found in [0, 3, 4096] {
        model.constraints.max_batch_size = found;
        let refused = Session::new(&model, &parameters, &Seed::new([0; 32]));
        assert_eq!(refused.map(drop), Err(ClientError::Batch { slots: 2048, found }));
    }
}

#[test]
fn elements_are_scaled_before_encryption() {
    let (mut model, parameters, params) = published();
    model.input.scaling = Some(vec![0.25, 0.5, 1.0]);
    let mut session = Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap();
    let payload = session.encrypt(&[2.0, -3.0, 1.0]).unwrap().payloads.remove(0);
    let input =
        SeededCiphertext::from_bytes_at(&params, Level(1), &payload).unwrap().expand(&params).unwrap();
    let low = Evaluator::new(&params).adjust_level(&input, Level(0)).unwrap();
    let result = ResultCiphertexts::new(&params, &[low], 4).unwrap().to_bytes(&params).unwrap();
    let values = session.decrypt(&result).unwrap();
    assert!((values[0] - 1.0).abs() < 1e-3 && (values[1] + 3.0).abs() < 1e-3, "{values:?}");
    model.input.scaling = Some(vec![0.5]);
    let mut session = Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap();
    let payload = session.encrypt(&[2.0, -3.0, 1.0]).unwrap().payloads.remove(0);
    let input =
        SeededCiphertext::from_bytes_at(&params, Level(1), &payload).unwrap().expand(&params).unwrap();
    let low = Evaluator::new(&params).adjust_level(&input, Level(0)).unwrap();
    let result = ResultCiphertexts::new(&params, &[low], 4).unwrap().to_bytes(&params).unwrap();
    let values = session.decrypt(&result).unwrap();
    assert!((values[0] - 2.0).abs() < 1e-3 && (values[1] + 3.0).abs() < 1e-3, "{values:?}");
    for (scaling, found) in [(vec![1.0; 2], 2), (vec![1.0, 0.0, f64::NAN], 1), (vec![], 0)] {
        model.input.scaling = Some(scaling);
        let refused = Session::new(&model, &parameters, &Seed::new([0; 32]));
        assert_eq!(refused.map(drop), Err(ClientError::Scaling { expected: 3, found }));
    }
}

#[test]
fn keys_are_made_by_name_at_the_level_that_the_model_states() {
    let (mut session, params) = session();
    let names: Vec<String> = session.key_names().iter().map(KeyName::to_string).collect();
    assert_eq!(names, ["relinearization".to_owned(), format!("galois-{}", 5)]);
    let bytes = session.generate_key(KeyName::Relinearization).unwrap();
    assert_eq!(CompressedRelinearizationKey::from_bytes(&params, &bytes).unwrap().level(), Level(1));
    let bytes = session.generate_key(KeyName::Galois(5)).unwrap();
    assert_eq!(CompressedGaloisKey::from_bytes(&params, &bytes).unwrap().level(), Level(0));
    let unknown = ClientError::UnknownKey { found: "galois-25".into() };
    assert_eq!(session.generate_key(KeyName::Galois(25)), Err(unknown));
}

#[test]
fn a_stored_secret_decrypts_what_the_first_session_encrypted() {
    let (mut session, params) = session();
    let (model, parameters, _) = published();
    let payload = session.encrypt(&[1.0, 2.0, 0.0]).unwrap().payloads.remove(0);
    let again =
        Session::from_secret(&model, &parameters, &session.secret_bytes(), &Seed::new([1; 32])).unwrap();
    let input = SeededCiphertext::from_bytes(&params, &payload).unwrap().expand(&params).unwrap();
    let low = Evaluator::new(&params).adjust_level(&input, Level(0)).unwrap();
    let result = ResultCiphertexts::new(&params, &[low], 0).unwrap().to_bytes(&params).unwrap();
    assert_eq!(again.decrypt(&result), session.decrypt(&result));
    assert!((again.decrypt(&result).unwrap()[1] - 4.0).abs() < 1e-3);
}

#[test]
fn wrong_inputs_results_and_publications_are_refused() {
    let (mut session, params) = session();
    assert_eq!(session.encrypt(&[1.0]), Err(ClientError::InputDimension { expected: 3, found: 1 }));
    assert_eq!(session.encrypt(&[f64::NAN, 0.0, 0.0]), Err(ClientError::InputValue));
    let payload = session.encrypt(&[0.0; 3]).unwrap().payloads.remove(0);
    assert!(matches!(session.decrypt(&payload), Err(ClientError::Decode(DecodeError::WrongKind { .. }))));
    let input = SeededCiphertext::from_bytes(&params, &payload).unwrap().expand(&params).unwrap();
    let high = ResultCiphertexts::new(&params, std::slice::from_ref(&input), 0);
    let high = high.unwrap().to_bytes(&params).unwrap();
    let refused = |result: &[u8]| match session.decrypt(result) {
        Err(error @ ClientError::Decode(_)) => (error.code(), error.to_string()),
        other => panic!("{other:?}"),
    };
    assert!(refused(&high).1.contains("level"));
    let evaluator = Evaluator::new(&params);
    let unscaled = evaluator.drop_level(&input, Level(0)).unwrap();
    let unscaled = ResultCiphertexts::new(&params, &[unscaled], 0).unwrap().to_bytes(&params).unwrap();
    assert!(refused(&unscaled).1.contains("scale"));
    let low = evaluator.adjust_level(&input, Level(0)).unwrap();
    let two = ResultCiphertexts::new(&params, &[low.clone(), low], 0).unwrap().to_bytes(&params).unwrap();
    assert!(refused(&two).1.contains("expected 1 ciphertexts, found 2"));
    assert!([high, unscaled, two].iter().all(|result| refused(result).0 == "INVALID_RESULT"));

    let (model, parameters, _) = published();
    let seed = Seed::new([0; 32]);
    let renamed = ParameterSpec { params_id: "00".repeat(32), ..parameters.clone() };
    assert!(matches!(Session::new(&model, &renamed, &seed), Err(ClientError::ParamsId { .. })));
    let mut weak = parameters.clone();
    weak.levels.push(vec![1_073_479_681]);
    assert!(matches!(Session::new(&model, &weak, &seed), Err(ClientError::Params(_))));
    let mut odd = model.clone();
    odd.output.layout.axes[0].extent = 3;
    assert!(matches!(Session::new(&odd, &parameters, &seed), Err(ClientError::Layout(_))));
    let mut high = model.clone();
    high.input.level = 7;
    assert!(matches!(Session::new(&high, &parameters, &seed), Err(ClientError::Model(_))));
    for found in [0, 4097, usize::MAX / 2] {
        let mut many = model.clone();
        many.output.ciphertexts = found;
        assert_eq!(
            Session::new(&many, &parameters, &seed).unwrap_err(),
            ClientError::Ciphertexts { max: 4096, found }
        );
    }
    for found in [0.0, 1e-300, 1e300, f64::INFINITY, -1e-20] {
        let mut gain = model.clone();
        gain.output.gain = found;
        assert_eq!(Session::new(&gain, &parameters, &seed).unwrap_err(), ClientError::Gain { found });
    }
}

#[test]
fn a_server_that_chose_the_scaling_gets_a_request_whether_or_not_a_value_fits() {
    let (mut model, parameters, params) = published();
    model.input.scaling = Some(vec![2f64.powi(40), 2f64.powi(-64), 2f64.powi(-64)]);
    let mut session = Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap();
    for (value, fits) in [(1e-9, true), (1e9, false), (1e300, false), (-1e300, false)] {
        let input = session.encrypt(&[value, 1.0, 1.0]).unwrap();
        let sizes: Vec<usize> = input.payloads.iter().map(Vec::len).collect();
        assert_eq!(sizes, [SeededCiphertext::encoded_len(&params, Level(1))]);
        assert_eq!(input.fits, fits, "{value}");
    }
    for factor in [1e-300, 1e300, 2f64.powi(65)] {
        model.input.scaling = Some(vec![1.0, factor, 1.0]);
        let refused = Session::new(&model, &parameters, &Seed::new([0; 32])).unwrap_err();
        assert_eq!(refused, ClientError::Scaling { expected: 3, found: 2 });
    }
}

#[test]
fn copies_of_a_session_encrypt_with_different_seeds_once_something_is_mixed_in() {
    let [mut one, mut other] = [(); 2].map(|()| session().0);
    assert_eq!(one.encrypt(&[0.5; 3]), other.encrypt(&[0.5; 3]), "the same seed, the same bytes");
    one.mix(&Seed::new([1; 32]));
    other.mix(&Seed::new([2; 32]));
    // The seed of c₁ follows the header of 52 bytes.
    let seed = |session: &mut Session| session.encrypt(&[0.5; 3]).unwrap().payloads[0][52..84].to_vec();
    assert_ne!(seed(&mut one), seed(&mut other));
}
