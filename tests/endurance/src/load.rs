//! Measures the server on a loopback address: clients that each wait for their answer before they ask
//! again, and then more than it can take.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Place,
    client::Client,
    memory::{Samples, Trend},
    server::{Server, Start},
};

#[derive(Args)]
pub(crate) struct Plan {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many clients, one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    clients: Vec<usize>,
}

const MODELS: [&str; 2] = ["breast_cancer_logistic", "mnist_mlp"];
/// Memory for prepared keys, in MiB: enough for those of all clients.
const KEY_CACHE: &str = "4096";
/// Jobs that may wait in the server that gets too many.
const NARROW: &str = "16";
/// Requests of all clients before each measurement, after one of each that has its keys prepared.
const WARM_UP: Duration = Duration::from_secs(2);
const END: Duration = Duration::from_secs(120);

pub(crate) fn run(place: &Place, plan: &Plan) -> Result<(), Box<dyn Error>> {
    println!("| Model | Clients | Requests/s | p50 | p95 | p99 | Memory | Its growth over the run |");
    println!("|---|---|---|---|---|---|---|---|");
    for model in MODELS {
        let start = Start::new(place, model, &[model], &["--tenant-queue", "256", "--key-cache", KEY_CACHE])?;
        let server = start.at(([127, 0, 0, 1], 0).into())?;
        for &count in &plan.clients {
            println!("{}", measure(&server, model, count, Duration::from_secs(plan.seconds))?);
        }
    }
    println!();
    let start = Start::new(place, "narrow", &MODELS[1..], &["--queue", NARROW, "--tenant-queue", NARROW])?;
    overload(&start.at(([127, 0, 0, 1], 0).into())?, MODELS[1])
}

fn clients(server: &Server, model: &str, count: usize) -> Result<Vec<(Client, String)>, Box<dyn Error>> {
    let made = (0..count).map(|number| {
        let client = Client::new(server.address(), model, number as u8)?;
        let key_id = client.upload_keys(&format!("{model}-{count}-{number}"))?;
        Ok((client, key_id))
    });
    made.collect()
}

/// One row: so many clients, each with keys of its own, for so long.
fn measure(server: &Server, model: &str, count: usize, time: Duration) -> Result<String, Box<dyn Error>> {
    let clients = clients(server, model, count)?;
    for (client, key_id) in &clients {
        let answer = client.infer(key_id, None, Some(30))?;
        if answer.text("/status") != "completed" {
            return Err(format!("{} {}", answer.status, answer.body).into());
        }
    }
    let (latencies, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
    let begin = Instant::now() + WARM_UP;
    let memory = thread::scope(|scope| {
        for (client, key_id) in &clients {
            let (latencies, failed) = (&latencies, &failed);
            scope.spawn(move || {
                let mut own = Vec::new();
                while Instant::now() < begin + time {
                    let asked = Instant::now();
                    match client.infer(key_id, None, Some(30)) {
                        Ok(answer) if answer.text("/status") == "completed" => {}
                        Ok(answer) => {
                            let text = format!("{} {}", answer.status, answer.body);
                            lock(failed).get_or_insert(text);
                            return;
                        }
                        Err(error) => {
                            lock(failed).get_or_insert(error.to_string());
                            return;
                        }
                    }
                    if asked >= begin {
                        own.push(asked.elapsed());
                    }
                }
                lock(latencies).extend(own);
            });
        }
        thread::sleep(WARM_UP);
        Samples::of(server, time)
    });
    if let Some(text) = lock(&failed).take() {
        return Err(text.into());
    }
    let Trend { mean, growth } =
        memory.trend().is_flat().map_err(|text| format!("{model}, {count} clients: {text}"))?;
    let mut latencies = latencies.into_inner().unwrap_or_else(PoisonError::into_inner);
    latencies.sort();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies
            .get(index)
            .map_or("–".to_owned(), |latency| format!("{:.1} ms", latency.as_secs_f64() * 1e3))
    };
    Ok(format!(
        "| `{model}` | {count} | {:.0} | {} | {} | {} | {:.0} MB | {:+.1} MB |",
        latencies.len() as f64 / time.as_secs_f64(),
        at(0.5),
        at(0.95),
        at(0.99),
        mean / 1e6,
        growth / 1e6,
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Offers far more than the queue takes: what is refused is told when to come back, what was accepted
/// completes.
fn overload(server: &Server, model: &str) -> Result<(), Box<dyn Error>> {
    let clients = clients(server, model, 16)?;
    let (accepted, refused, bad) = (Mutex::new(Vec::new()), AtomicU64::new(0), Mutex::new(None));
    let unannounced = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        for (client, key_id) in &clients {
            scope.spawn(|| {
                while begun.elapsed() < Duration::from_secs(5) {
                    match client.infer(key_id, None, None) {
                        Ok(answer) if answer.status == 202 => {
                            lock(&accepted).push(answer.text("/job_id").to_owned());
                        }
                        Ok(answer) if matches!(answer.status, 429 | 503) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            if answer.retry_after.is_none_or(|seconds| seconds == 0) {
                                unannounced.store(true, Ordering::Relaxed);
                            }
                        }
                        Ok(answer) => {
                            lock(&bad).get_or_insert(format!("{} {}", answer.status, answer.body));
                        }
                        Err(error) => {
                            lock(&bad).get_or_insert(error.to_string());
                        }
                    }
                }
            });
        }
    });
    if let Some(text) = lock(&bad).take() {
        return Err(text.into());
    }
    let accepted = accepted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let refused = refused.into_inner();
    if refused == 0 || unannounced.into_inner() {
        return Err("the server did not refuse, or did not say when to come back".into());
    }
    let end = Instant::now() + END;
    let (client, _) = clients.first().ok_or("no clients")?;
    for id in &accepted {
        let job = client.get(&format!("/jobs/{id}"))?;
        let job = if job.text("/status") == "completed" { job } else { wait(client, id, end)? };
        if job.text("/status") != "completed" {
            return Err(format!("job {id}: {} {}", job.status, job.body).into());
        }
    }
    println!(
        "Overload: 16 clients that do not wait, {NARROW} jobs may: {} accepted, all of them completed; {refused} \
         refused, all with Retry-After.",
        accepted.len()
    );
    Ok(())
}

fn wait(client: &Client, id: &str, end: Instant) -> Result<crate::client::Answer, Box<dyn Error>> {
    loop {
        let job = client.get(&format!("/jobs/{id}"))?;
        if !matches!(job.text("/status"), "queued" | "running") || Instant::now() > end {
            return Ok(job);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
