//! Two servers on one store: one is killed, and its jobs finish on the other; then how much both do.

use std::{
    error::Error,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Place,
    client::{Answer, Asked, Client},
    server::{Server, Start},
};

#[derive(Args)]
pub(crate) struct Plan {
    /// Jobs that are accepted before one server is killed.
    #[arg(long, default_value_t = 40)]
    jobs: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Clients of each measurement.
    #[arg(long, default_value_t = 4)]
    clients: usize,
}

/// What the killed server evaluates: many short jobs.
const MODEL: &str = "mnist_mlp";
/// What is measured: the object store of the tests takes about 50 jobs a second, whatever evaluates them, so that
/// each job has to take long enough for the servers to be what limits.
const LONG_MODEL: &str = "mnist_lenet";
/// How long a silent server keeps its jobs, in seconds.
const LEASE: &str = "2";
/// Threads that submit jobs, so that they come faster than they are evaluated.
const SUBMITTERS: usize = 8;
/// Requests before each measurement, in which every server reads and prepares the keys of all clients.
const WARM_UP: Duration = Duration::from_secs(12);
/// Memory for prepared keys, in MiB: enough for those of all clients.
const KEY_CACHE: &str = "4096";
const END: Duration = Duration::from_secs(90);

/// Where the store is, the servers find in their environment.
pub(crate) fn run(place: &Place, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let options = [
        "--threads",
        "1",
        "--lease",
        LEASE,
        "--queue",
        "1000",
        "--tenant-queue",
        "1000",
        "--key-cache",
        KEY_CACHE,
    ];
    let node =
        |name: &str| Start::new(place, name, &[MODEL, LONG_MODEL], &options)?.at(([127, 0, 0, 1], 0).into());
    let (mut first, second) = (node("first")?, node("second")?);
    fail_over(&mut first, &second, plan)?;

    let alone = throughput(&[&second], plan)?;
    let first = node("first")?;
    let both = throughput(&[&first, &second], plan)?;
    println!(
        "`{LONG_MODEL}` with {} clients, one evaluation thread for each server: {alone:.1} requests/s with one server, \
         {both:.1} with two.",
        plan.clients
    );
    Ok(())
}

/// Jobs go to the first server, which is killed while it evaluates some of them.
fn fail_over(first: &mut Server, second: &Server, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let client = Client::new(first.address(), MODEL, 1)?;
    let key_id = client.upload_keys("fail-over")?;
    let reference = client.infer(&key_id, None, Some(30))?;
    let wanted = reference.text("/result/payload").to_owned();
    if wanted.is_empty() {
        return Err(format!("no result: {} {}", reference.status, reference.body).into());
    }
    let each = plan.jobs.div_ceil(SUBMITTERS);
    let accepted = thread::scope(|scope| {
        let submit = || (0..each).map(|_| client.infer(&key_id, None, None)).collect::<Vec<Asked>>();
        let threads: Vec<_> = (0..SUBMITTERS).map(|_| scope.spawn(submit)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<Asked>>()
    });
    let mut jobs = Vec::new();
    for accepted in accepted {
        let accepted = accepted?;
        if accepted.status != 202 {
            return Err(
                format!("an inference was answered with {}: {}", accepted.status, accepted.body).into()
            );
        }
        jobs.push(accepted.text("/job_id").to_owned());
    }
    first.kill()?;
    let killed = Instant::now();
    let other = client.at(second.address());
    let state = |id: &str| -> Result<Answer, Box<dyn Error>> { Ok(other.get(&format!("/jobs/{id}"))?) };
    let mut left = 0;
    for id in &jobs {
        left += usize::from(state(id)?.text("/status") != "completed");
    }
    for id in &jobs {
        loop {
            let job = state(id)?;
            match job.text("/status") {
                "completed" if job.text("/result/payload") == wanted => break,
                "queued" | "running" if killed.elapsed() < END => thread::sleep(Duration::from_millis(20)),
                _ => return Err(format!("job {id} was lost: {} {}", job.status, job.body).into()),
            }
        }
    }
    if left == 0 {
        return Err("all jobs were over before the server was killed, so that nothing was shown".into());
    }
    println!(
        "One of two servers was killed: of {} accepted jobs {left} were not over; all of them completed on the other \
         one within {:.1} s, with the same bytes.",
        jobs.len(),
        killed.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Requests a second of clients that each wait for their answer, spread over servers.
fn throughput(servers: &[&Server], plan: &Plan) -> Result<f64, Box<dyn Error>> {
    let clients = (0..plan.clients).map(|number| {
        let client = Client::new(servers[number % servers.len()].address(), LONG_MODEL, number as u8)?;
        let key_id = client.upload_keys(&format!("throughput-{}-{number}", servers.len()))?;
        Ok::<_, Box<dyn Error>>((client, key_id))
    });
    let clients = clients.collect::<Result<Vec<_>, _>>()?;
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs(plan.seconds);
    thread::scope(|scope| {
        for (client, key_id) in &clients {
            scope.spawn(|| {
                while Instant::now() < end {
                    let answer = client.infer(key_id, None, Some(30));
                    let completed = answer.is_ok_and(|answer| answer.text("/status") == "completed");
                    if !completed {
                        failed.fetch_add(1, Ordering::Relaxed);
                    } else if Instant::now() >= begin {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        0 => Ok(done.into_inner() as f64 / plan.seconds as f64),
        count => Err(format!("{count} inferences failed").into()),
    }
}
