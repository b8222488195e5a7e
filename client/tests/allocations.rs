//! What an encryption and a decryption allocate when they run again.
#![allow(clippy::unwrap_used, missing_docs)]

use allocation_counter::measure;
use ckks_client::*;
use ckks_core::*;

/// A model of so many ciphertexts, three values in and two out in each place of a batch of four.
fn session(ciphertexts: usize) -> (Session, Params) {
    let spec = ParamsSpec::generate(13, &[28, 30], &[vec![28], vec![28]], &[30, 30], 2, f64::from(1 << 28));
    let spec = spec.unwrap();
    let params = Params::new(&spec).unwrap();
    let model = format!(
        r#"{{"model_id": "m",
            "input": {{"dimension": 3, "ciphertexts": {ciphertexts}, "layout": {{"axes": [{{"extent": 4, "stride": 1}}]}}, "level": 2}},
            "output": {{"dimension": 2, "ciphertexts": {ciphertexts}, "layout": {{"axes": [{{"extent": 2, "stride": 1}}]}}, "level": 0,
                        "labels": ["a", "b"], "postprocessing": "softmax"}},
            "constraints": {{"max_batch_size": 4}},
            "evaluation_keys": {{"relinearization": null, "galois": []}}}}"#
    );
    let parameters = ParameterSpec {
        params_id: params.id().to_string(),
        log_degree: spec.log_degree,
        levels: spec.levels.clone(),
        special_primes: spec.special_primes.clone(),
        digit_primes: spec.digit_primes,
        scale: spec.scale,
    };
    let model = serde_json::from_str(&model).unwrap();
    (Session::new(&model, &parameters, &Seed::new([8; 32])).unwrap(), params)
}

/// The answer of a server that gives the input back.
fn answer(params: &Params, payloads: &[Vec<u8>]) -> Vec<u8> {
    let evaluator = Evaluator::new(params);
    let low = payloads.iter().map(|payload| {
        let input = SeededCiphertext::from_bytes(params, payload).unwrap().expand(params).unwrap();
        evaluator.adjust_level(&input, Level(0)).unwrap()
    });
    ResultCiphertexts::new(params, &low.collect::<Vec<_>>(), 0).unwrap().to_bytes(params).unwrap()
}

#[test]
fn an_encryption_that_runs_again_allocates_its_payloads() {
    for ciphertexts in [1, 3] {
        let (mut session, _) = session(ciphertexts);
        let samples: [&[f64]; 2] = [&[0.5, -1.25, 3.0], &[1.0, 2.5, 0.0]];
        let mut given = Vec::with_capacity(4);
        let runs = [(); 4].map(|()| measure(|| given.push(session.encrypt_batch(&samples).unwrap())));
        let payloads = &given[3].payloads;
        let bytes = payloads.iter().map(Vec::len).sum::<usize>() + size_of_val(&payloads[..]);
        println!("{ciphertexts} ciphertexts: {runs:?}");
        // Memory that one session has left serves the next one.
        assert!(ciphertexts > 1 || runs[0].bytes_total > 2 * bytes as u64, "the first one allocates");
        for again in &runs[1..] {
            let found = (again.count_total, again.bytes_total);
            assert_eq!(found, (1 + ciphertexts as u64, bytes as u64), "the payloads and the list of them");
        }
    }
}

#[test]
fn a_decryption_that_runs_again_allocates_its_values() {
    for ciphertexts in [1, 3] {
        let (mut session, params) = session(ciphertexts);
        let samples: [&[f64]; 2] = [&[0.5, -1.25, 3.0], &[1.0, 2.5, 0.0]];
        let result = answer(&params, &session.encrypt_batch(&samples).unwrap().payloads);
        let mut given = Vec::with_capacity(4);
        let runs = [(); 4].map(|()| measure(|| given.push(session.decrypt_batch(&result, 2).unwrap())));
        println!("{ciphertexts} ciphertexts: {runs:?}");
        assert!(given.windows(2).all(|pair| pair[0] == pair[1]), "memory is clean");
        for again in &runs[1..] {
            // Of vectors, of ciphertexts and of moduli.
            let lists = 3;
            assert_eq!(again.count_total, 2 + lists, "vectors and lists");
            assert!(again.bytes_total < 1024, "{} bytes", again.bytes_total);
        }
    }
}
