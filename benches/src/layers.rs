//! Each layer of the shipped models: what it takes.

use std::{collections::BTreeMap, fs, sync::Arc, time::Instant};

use ckks_core::{Alone, Backend, Instruction, Team};
use serde_json::{Value, json};

use crate::{
    Result,
    shipped::{folder, open},
    timing::median,
};

const MODELS: [&str; 8] = [
    "breast_cancer_logistic",
    "mnist_mlp",
    "mnist_cnn",
    "mnist_lenet",
    "fashion_resnet",
    "gunpoint_cnn",
    "wine_mlp",
    "gloss_search",
];
const RUNS: usize = 21;

/// Prints one line of JSON for each layer of each model: median milliseconds on one thread, with what its report
/// counts.
pub(crate) fn run() -> Result<()> {
    for name in MODELS {
        for line in measure(name)? {
            println!("{line}");
        }
    }
    Ok(())
}

fn measure(name: &str) -> Result<Vec<Value>> {
    let (mut client, server) = open(name)?;
    let report: Value = serde_json::from_slice(&fs::read(folder(name).join("report.json"))?)?;
    let layers = report["layers"].as_array().ok_or("a report has layers")?;
    let layers: Vec<&Value> = layers.iter().filter(|layer| layer["operation"] != "input").collect();
    let input = server.sample();
    let request = client.session.encrypt(&input)?.payloads.remove(0);
    let alone: Arc<dyn Team> = Arc::new(Alone);
    server.check(&input, &client.session.decrypt(&server.answer(&request, &alone)?)?)?;
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    // The first ones make what later ones use again.
    for run in 0..RUNS + 2 {
        let mut begun: Vec<Instant> = Vec::new();
        let outputs = server.evaluate(&request, &alone, |instruction| {
            if begins_layer(instruction) {
                begun.push(Instant::now());
            }
        })?;
        begun.push(Instant::now());
        drop(outputs);
        if begun.len() != layers.len() + 1 {
            return Err(
                format!("{name}: {} layers ran, its report has {}", begun.len() - 1, layers.len()).into()
            );
        }
        if run < 2 {
            continue;
        }
        for (at, pair) in begun.windows(2).enumerate() {
            times.entry(at).or_default().push((pair[1] - pair[0]).as_secs_f64() * 1e3);
        }
    }
    let line = |(layer, mut times): (&Value, Vec<f64>)| {
        json!({
            "model": name,
            "backend": Backend::detect().name(),
            "operation": layer["operation"],
            "node": layer["node"],
            "shape": layer["shape"],
            "level": layer["level"],
            "key_switches": layer["key_switches"],
            "plain_multiplications": layer["plain_multiplications"],
            "milliseconds": median(&mut times),
        })
    };
    Ok(layers.into_iter().zip(times.into_values()).map(line).collect())
}

/// Whether a layer's own computation begins; additions of constants and changes of level belong to the one before.
const fn begins_layer(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::LinearTransform { .. }
            | Instruction::MultiplyPlain { .. }
            | Instruction::Multiply { .. }
            | Instruction::Polynomial { .. }
    )
}
