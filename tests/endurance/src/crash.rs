//! Kills the server at random points while clients upload keys and ask for inferences.
//!
//! Every client repeats a request under its idempotency key until it is answered, as the protocol says.
//! At the end: every accepted job is completed; every result is, and always was, the same bytes; no
//! request ran as two jobs; every key set whose keys were acknowledged is complete.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use rusqlite::Connection;

use crate::{
    Place,
    client::{Answer, Asked, Client},
    random::Random,
    server::{Server, Start},
};

#[derive(Args)]
pub(crate) struct Plan {
    /// How often to kill.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Longest time, in seconds, for all of it.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// What the random times start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const LOGISTIC: &str = "breast_cancer_logistic";
const DIGITS: &str = "mnist_mlp";
const MODELS: [&str; 3] = [LOGISTIC, DIGITS, DIGITS];

/// How long the server lives between two kills.
const LIFE: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(900));
/// How long accepted jobs may take to complete after the last kill.
const END: Duration = Duration::from_secs(60);
/// How long a client waits before it asks again a server that is gone.
const AGAIN: Duration = Duration::from_millis(10);

/// What one client saw.
#[derive(Default)]
struct Seen {
    accepted: BTreeSet<String>,
    key_sets: BTreeSet<String>,
    /// The one result that all its jobs must have.
    result: Option<String>,
    /// Times that a result was read and compared.
    compared: u64,
    /// Requests that were repeated.
    repeated: u64,
}

pub(crate) fn run(place: &Place, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let start = Start::new(place, "crash", &[LOGISTIC, DIGITS], &["--threads", "2"])?;
    let begun = Instant::now();
    let mut server = start.at(([127, 0, 0, 1], 0).into())?;
    let address = server.address();
    let clients = MODELS.iter().zip(1..).map(|(model, seed)| Client::new(address, model, seed));
    let clients = clients.collect::<Result<Vec<_>, _>>()?;

    let stop = AtomicBool::new(false);
    let problem = Mutex::new(None);
    let mut random = Random(plan.seed);
    let mut kills = 0;
    let seen: Vec<Seen> = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let work = |(number, client)| {
            let (stop, problem, random) = (&stop, &problem, Random(plan.seed ^ (number as u64 + 1)));
            scope.spawn(move || {
                let mut seen = Seen::default();
                if let Err(error) = use_server(client, number, random, stop, &mut seen) {
                    problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
                seen
            })
        };
        let threads: Vec<_> = clients.iter().enumerate().map(work).collect();
        let killed = (|| -> Result<(), Box<dyn Error>> {
            while kills < plan.kills && begun.elapsed() < Duration::from_secs(plan.limit) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(random.between(LIFE.0, LIFE.1));
                server.kill()?;
                server = restart(&start, address)?;
                kills += 1;
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let seen = threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect();
        killed.map(|()| seen)
    })?;
    if let Some(error) = problem.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut checked = 0;
    for (client, seen) in clients.iter().zip(&seen) {
        checked += check(client, seen)?;
    }
    server.kill()?;
    let jobs = stored_jobs(&start)?;
    let count = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    let accepted = count(|seen| seen.accepted.len() as u64);
    println!(
        "{kills} kills in {:.0} s (seed {}): {accepted} jobs accepted, {checked} completed, 0 lost; {} results \
         compared, 0 changed; {} key sets complete; {} requests repeated, {jobs} jobs stored.",
        begun.elapsed().as_secs_f64(),
        plan.seed,
        count(|seen| seen.compared) + checked,
        count(|seen| seen.key_sets.len() as u64),
        count(|seen| seen.repeated),
    );
    if jobs != accepted {
        return Err(format!("{jobs} jobs are stored, {accepted} were accepted: a request ran twice").into());
    }
    if kills < plan.kills {
        return Err(format!("time is up after {kills} of {} kills", plan.kills).into());
    }
    if accepted == 0 || count(|seen| seen.compared) == 0 {
        return Err("nothing was accepted or compared, so that nothing was shown".into());
    }
    Ok(())
}

/// Starts the server again where it was. The system may hold the port for a moment.
fn restart(start: &Start, address: std::net::SocketAddr) -> Result<Server, Box<dyn Error>> {
    let begun = Instant::now();
    loop {
        match start.at(address) {
            Err(_) if begun.elapsed() < Duration::from_secs(5) => thread::sleep(Duration::from_millis(50)),
            other => return other,
        }
    }
}

/// Asks until there is an answer that is not "come back later"; `None` when the test is over.
fn ask(stop: &AtomicBool, repeated: &mut u64, request: impl Fn() -> Asked) -> Option<Answer> {
    loop {
        match request() {
            Ok(answer) if answer.status != 503 && answer.status != 429 => return Some(answer),
            _ if stop.load(Ordering::Relaxed) => return None,
            _ => {
                *repeated += 1;
                thread::sleep(AGAIN);
            }
        }
    }
}

/// Uploads keys and asks for inferences until the test is over.
fn use_server(
    client: &Client,
    number: usize,
    mut random: Random,
    stop: &AtomicBool,
    seen: &mut Seen,
) -> Result<(), String> {
    let mut turn = 0;
    let mut key_id = String::new();
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        if turn % 12 == 1 {
            let Some(new) = upload(client, &format!("keys-{number}-{turn}"), stop, &mut seen.repeated)?
            else {
                return Ok(());
            };
            seen.key_sets.insert(new.clone());
            key_id = new;
        }
        let name = format!("job-{number}-{turn}");
        let Some(answer) = ask(stop, &mut seen.repeated, || {
            client.infer(&key_id, Some(&name), (turn % 3 == 0).then_some(5))
        }) else {
            // Unknown whether it was accepted: ask once more at the end, under the same name.
            if let Ok(answer) = client.infer(&key_id, Some(&name), None)
                && matches!(answer.status, 200 | 202)
            {
                seen.accepted.insert(answer.text("/job_id").to_owned());
            }
            return Ok(());
        };
        match answer.status {
            200 => compare(seen, &answer)?,
            202 => {}
            status => return Err(format!("an inference was answered with {status}: {}", answer.body)),
        }
        seen.accepted.insert(answer.text("/job_id").to_owned());
        let earlier = seen.accepted.iter().nth(random.below(seen.accepted.len() as u64) as usize).cloned();
        let path = format!("/jobs/{}", earlier.unwrap_or_default());
        let Some(job) = ask(stop, &mut seen.repeated, || client.get(&path)) else { return Ok(()) };
        match job.text("/status") {
            "completed" => compare(seen, &job)?,
            "queued" | "running" => {}
            _ => return Err(format!("{path}: {} {}", job.status, job.body)),
        }
    }
    Ok(())
}

/// Opens a set and uploads what is missing until nothing is.
fn upload(
    client: &Client,
    name: &str,
    stop: &AtomicBool,
    repeated: &mut u64,
) -> Result<Option<String>, String> {
    let Some(opened) = ask(stop, repeated, || client.open_keys(name)) else { return Ok(None) };
    let key_id = opened.text("/key_id").to_owned();
    if opened.status != 201 {
        return Err(format!("a key set was answered with {}: {}", opened.status, opened.body));
    }
    loop {
        let Some(set) = ask(stop, repeated, || client.get(&format!("/keys/{key_id}"))) else {
            return Ok(None);
        };
        let missing: Vec<String> = set.body["missing"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|m| m.as_str().map(str::to_owned))
            .collect();
        if set.text("/status") == "complete" {
            return Ok(Some(key_id));
        }
        if missing.is_empty() {
            return Err(format!("key set {key_id} was answered with {}: {}", set.status, set.body));
        }
        for name in missing {
            let Some(put) = ask(stop, repeated, || client.put_key(&key_id, &name)) else { return Ok(None) };
            if put.status != 200 {
                return Err(format!("key {name} was answered with {}: {}", put.status, put.body));
            }
        }
    }
}

/// Compares a completed job's result with every earlier one of the same client.
fn compare(seen: &mut Seen, job: &Answer) -> Result<(), String> {
    let result = job.text("/result/payload").to_owned();
    if result.is_empty() {
        return Err(format!("no result: {}", job.body));
    }
    seen.compared += 1;
    match &seen.result {
        Some(first) if *first != result => Err(format!("job {} has another result", job.text("/job_id"))),
        Some(_) => Ok(()),
        None => {
            seen.result = Some(result);
            Ok(())
        }
    }
}

/// Waits for every accepted job, and looks at every key set.
fn check(client: &Client, seen: &Seen) -> Result<u64, Box<dyn Error>> {
    let end = Instant::now() + END;
    for id in &seen.accepted {
        loop {
            let job = client.get(&format!("/jobs/{id}"))?;
            match job.text("/status") {
                "completed"
                    if seen.result.as_deref().is_none_or(|first| first == job.text("/result/payload")) =>
                {
                    break;
                }
                "completed" => return Err(format!("job {id} has another result").into()),
                "queued" | "running" if Instant::now() < end => thread::sleep(AGAIN),
                _ => return Err(format!("job {id} was lost: {} {}", job.status, job.body).into()),
            }
        }
    }
    for id in &seen.key_sets {
        let set = client.get(&format!("/keys/{id}"))?;
        if set.text("/status") != "complete" {
            return Err(format!("key set {id} has lost keys: {} {}", set.status, set.body).into());
        }
    }
    Ok(seen.accepted.len() as u64)
}

/// Counts the jobs that the store has, and lets SQLite look through its file.
fn stored_jobs(start: &Start) -> Result<u64, Box<dyn Error>> {
    let store = Connection::open(start.data().join("edge-server.sqlite"))?;
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(format!("the store is damaged: {sound}").into());
    }
    let count: i64 = store.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
