//! Whole inferences of the shipped models: what the client does, what the server does, how many bytes travel.

use std::sync::Arc;

use ckks_core::{Alone, Backend, FactorEncoding, Team};
use serde_json::{Value, json};

use crate::{
    Result,
    shipped::{Client, make_keys, open},
    timing::{alternating_micros, median_micros},
};

const MODELS: [&str; 3] = ["breast_cancer_logistic", "mnist_mlp", "mnist_cnn"];
const RUNS: usize = 51;
/// Samples in the request that is compared with one of a single sample.
const BATCH: usize = 16;

/// Prints one line of JSON for each model: median milliseconds on one thread, of the evaluation also on all cores
/// that this process may use, bytes, and how much longer a batch takes than one sample, from input to output.
/// Measures the models of the README, or those that are named, by name or by the folder of a package.
pub(crate) fn run(named: &[String]) -> Result<()> {
    let shipped = MODELS.map(str::to_owned);
    for name in if named.is_empty() { &shipped[..] } else { named } {
        println!("{}", measure(name)?);
    }
    Ok(())
}

fn measure(name: &str) -> Result<Value> {
    let (Client { model, parameters, mut session, keys }, server) = open(name)?;
    let input = server.sample();
    let request = session.encrypt(&input)?.payloads.remove(0);
    let alone: Arc<dyn Team> = Arc::new(Alone);
    let (cores, everybody) = everybody()?;
    let result = server.answer(&request, &alone)?;
    if server.answer(&request, &everybody)? != result {
        return Err(format!("{name}: {cores} threads give another result than one").into());
    }
    server.check(&input, &session.decrypt(&result)?)?;

    let milliseconds = |micros: f64| micros / 1e3;
    let mut whole = |samples: usize| -> Result<f64> {
        let samples = vec![&input[..]; samples];
        let mut predict = || -> Result<Vec<Vec<f64>>> {
            let request = session.encrypt_batch(&samples)?.payloads.remove(0);
            Ok(session.decrypt_batch(&server.answer(&request, &alone)?, samples.len())?)
        };
        predict()?;
        Ok(milliseconds(median_micros(RUNS, || predict().is_ok())))
    };
    let (batch, single) = (model.constraints.max_batch_size.min(BATCH), whole(1)?);
    let (several, again) = (whole(batch)?, whole(1)?);
    let [one_core, all_cores] = alternating_micros(
        RUNS,
        [&mut || server.answer(&request, &alone).is_ok(), &mut || {
            server.answer(&request, &everybody).is_ok()
        }],
    );
    let package = &server.package;
    let working_memory =
        package.program.working_bytes(&package.params, &package.facts, FactorEncoding::Ahead);
    Ok(json!({
        "model": name,
        "backend": Backend::detect().name(),
        "log_degree": parameters.log_degree,
        "log_qp": package.params.log_qp(),
        "keys": keys.len(),
        "keys_ms": milliseconds(median_micros(RUNS / 2, || make_keys(&mut session).is_ok())),
        "encrypt_ms": milliseconds(median_micros(RUNS, || session.encrypt(&input).is_ok())),
        "evaluate_ms": milliseconds(one_core),
        "cores": cores,
        "evaluate_on_all_cores_ms": milliseconds(all_cores),
        "decrypt_ms": milliseconds(median_micros(RUNS, || session.decrypt(&result).is_ok())),
        "batch": batch,
        "batch_ratio": several / single.min(again),
        "program_memory": server.program.bytes(),
        "keys_memory": server.keys.bytes(),
        "working_memory": working_memory,
        "keys_bytes": keys.iter().map(Vec::len).sum::<usize>(),
        "request_bytes": request.len(),
        "result_bytes": result.len(),
    }))
}

/// Everybody who may evaluate, and how many that are.
#[cfg(not(target_family = "wasm"))]
fn everybody() -> Result<(usize, Arc<dyn Team>)> {
    let cores = std::thread::available_parallelism()?;
    Ok((cores.get(), Arc::new(evaluation_team::Pool::new(cores)?.join(cores))))
}

#[cfg(target_family = "wasm")]
fn everybody() -> Result<(usize, Arc<dyn Team>)> {
    Ok((1, Arc::new(Alone)))
}
