//! Lets the power fail at any moment of a server's life, as far as its store can tell.
//!
//! A server works under `strace`, which notes each write to the store's files, each synchronisation and
//! each answer. From that, the files are made as a disk may have them if the power fails between two
//! steps: all that was synchronised, and of what was not any part, in any order, the last write torn.
//! Whatever a caller had been told by then has to be in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use rusqlite::Connection;

use crate::{
    Place,
    client::Client,
    random::Random,
    server::Start,
    trace::{self, Event},
};

#[derive(Args)]
pub(crate) struct Plan {
    /// Jobs that the server does meanwhile.
    #[arg(long, default_value_t = 100)]
    jobs: u32,
    /// How often the power fails.
    #[arg(long, default_value_t = 200)]
    failures: u32,
    /// Of these, how often the server starts again and finishes what it had accepted.
    #[arg(long, default_value_t = 3)]
    starts: u32,
    /// What the random choices start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const MODEL: &str = "breast_cancer_logistic";
const STORE: &str = "edge-server.sqlite";
/// What a disk writes as a whole.
const SECTOR: usize = 512;
const END: Duration = Duration::from_secs(30);

pub(crate) fn run(place: &Place, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let path = place.scratch.join("power.trace");
    let strace = ["strace".to_owned(), "-o".to_owned(), path.display().to_string()];
    let strace = [&strace[..], &trace::OPTIONS.map(str::to_owned)].concat();
    let start = Start::new(place, "power", &[MODEL], &["--threads", "1"])?;
    let mut server = start.at_under(&strace)?;
    let client = Client::new(server.address(), MODEL, 1)?;
    let key_id = client.upload_keys("power")?;
    let mut wanted = String::new();
    for number in 0..plan.jobs {
        let answer = client.infer(&key_id, None, number.is_multiple_of(2).then_some(30))?;
        if number == 0 {
            wanted = answer.text("/result/payload").to_owned();
        }
    }
    server.kill_traced()?;
    let events = trace::read(&path)?;

    let mut disk = Disk::default();
    for event in &events {
        disk.apply(event);
    }
    for (name, file) in &disk.files {
        if fs::read(start.data().join(name))? != file.written() {
            return Err(format!("the trace does not explain {name}").into());
        }
    }
    let first = events.iter().position(|event| told(event).is_some()).ok_or("nobody was told anything")?;
    let mut random = Random(plan.seed);
    let mut moments: Vec<usize> =
        (0..plan.failures).map(|_| first + random.below((events.len() - first) as u64) as usize).collect();
    moments.sort_unstable();
    let (mut disk, mut known, mut done) = (Disk::default(), Known::default(), 0);
    let (mut checked, mut lost_writes) = (0, 0);
    let result = data_encoding::BASE64.decode(wanted.as_bytes())?;
    for (index, moment) in moments.iter().enumerate() {
        for event in &events[done..=*moment] {
            disk.apply(event);
            known.hear(event);
        }
        done = *moment + 1;
        let folder = start.data().with_file_name(format!("power-{index}"));
        fs::create_dir_all(&folder)?;
        lost_writes += disk.fail(&folder, &mut random)?;
        checked += known.check(&folder, &result).map_err(|error| {
            format!(
                "the power failed at step {moment} (seed {}): {error}; see {}",
                plan.seed,
                folder.display()
            )
        })?;
        if (index as u32).is_multiple_of((plan.failures / plan.starts.max(1)).max(1)) {
            known.finish(&start.on(&folder), &client, &wanted)?;
        }
        fs::remove_dir_all(&folder)?;
    }
    println!(
        "{} power failures in {} steps of the store (seed {}): {checked} acknowledged jobs and results looked for, 0 \
         lost; {lost_writes} writes were not on the disk yet.",
        plan.failures,
        events.len(),
        plan.seed
    );
    if lost_writes == 0 || known.accepted.is_empty() || known.completed.is_empty() {
        return Err("no write was lost, or nothing was acknowledged, so that nothing was shown".into());
    }
    Ok(())
}

/// The store's files on a disk that keeps what it was told to keep.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, File>,
}

#[derive(Default)]
struct File {
    kept: Vec<u8>,
    /// What was done to it since.
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Cut(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Cut(length) => content.resize(*length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl File {
    /// As the process sees it.
    fn written(&self) -> Vec<u8> {
        let mut content = self.kept.clone();
        self.pending.iter().for_each(|change| change.apply(&mut content));
        content
    }
}

impl Disk {
    fn apply(&mut self, event: &Event) {
        let (path, change) = match event {
            Event::Told { .. } => return,
            Event::Removed { file } => {
                self.files.remove(name_of(file));
                return;
            }
            Event::Synced { file } => (file, None),
            Event::Cut { file, length } => (file, Some(Change::Cut(*length))),
            Event::Written { file, offset, bytes } => {
                (file, Some(Change::Write { offset: *offset, bytes: bytes.clone() }))
            }
        };
        let name = name_of(path);
        // The index beside the written-ahead pages is made anew at each start.
        if !name.starts_with(STORE) || name.ends_with("-shm") {
            return;
        }
        let file = self.files.entry(name.to_owned()).or_default();
        match change {
            Some(change) => file.pending.push(change),
            None => {
                file.kept = file.written();
                file.pending.clear();
            }
        }
    }

    /// Writes the files to a folder as the disk may have them; says how many changes it lost.
    fn fail(&self, folder: &Path, random: &mut Random) -> Result<usize, Box<dyn Error>> {
        let mut lost = 0;
        for (name, file) in &self.files {
            let mut content = file.kept.clone();
            let style = random.below(4);
            let prefix = random.below(file.pending.len() as u64 + 1) as usize;
            for (index, change) in file.pending.iter().enumerate() {
                let kept = match style {
                    // Nothing; in order up to somewhere; anything in any combination.
                    0 => false,
                    1 => index < prefix,
                    _ => random.below(2) == 0,
                };
                match (kept, change) {
                    (true, change) => change.apply(&mut content),
                    (false, Change::Write { offset, bytes }) if style == 3 && bytes.len() > SECTOR => {
                        let sectors = random.below((bytes.len() / SECTOR) as u64) as usize;
                        let bytes = bytes[..sectors * SECTOR].to_vec();
                        Change::Write { offset: *offset, bytes }.apply(&mut content);
                        lost += 1;
                    }
                    (false, _) => lost += 1,
                }
            }
            fs::write(folder.join(name), content)?;
        }
        Ok(lost)
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A job that an answer is about, and whether it said that the job is completed.
fn told(event: &Event) -> Option<(String, bool)> {
    const FIELD: &str = "\"job_id\":\"";
    let Event::Told { bytes } = event else { return None };
    let text = String::from_utf8_lossy(bytes);
    if !text.starts_with("HTTP/1.1 20") {
        return None;
    }
    let (_, rest) = text.split_once(FIELD)?;
    Some((rest.get(..32)?.to_owned(), text.contains("\"status\":\"completed\"")))
}

/// What callers have been told.
#[derive(Default)]
struct Known {
    accepted: BTreeSet<String>,
    completed: BTreeSet<String>,
}

impl Known {
    fn hear(&mut self, event: &Event) {
        if let Some((job, is_completed)) = told(event) {
            if is_completed {
                self.completed.insert(job.clone());
            }
            self.accepted.insert(job);
        }
    }

    /// Looks for all of it in a store that the power failed under; says how much it has looked for.
    fn check(&self, folder: &Path, result: &[u8]) -> Result<usize, Box<dyn Error>> {
        let store = Connection::open(folder.join(STORE))?;
        let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(format!("the store is damaged: {sound}").into());
        }
        let mut query = store.prepare(
            "SELECT (SELECT state FROM jobs WHERE id = ?1), (SELECT count(*) FROM inputs WHERE job = ?1),
                 (SELECT bytes FROM results WHERE job = ?1)",
        )?;
        for job in &self.accepted {
            let id = data_encoding::HEXLOWER.decode(job.as_bytes())?;
            let (state, inputs, found) = query.query_row([id], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
            })?;
            match (state, inputs, found) {
                (Some(2), 0, Some(found)) if found == result => {}
                (Some(0 | 1), 1, None) if !self.completed.contains(job) => {}
                (state, inputs, _) => {
                    return Err(format!("job {job} is in state {state:?} with {inputs} inputs").into());
                }
            }
        }
        Ok(self.accepted.len() + self.completed.len())
    }

    /// Starts the server on it, which finishes all that was accepted.
    fn finish(&self, start: &Start, client: &Client, wanted: &str) -> Result<(), Box<dyn Error>> {
        let server = start.at(([127, 0, 0, 1], 0).into())?;
        let (client, begun) = (client.at(server.address()), Instant::now());
        for id in &self.accepted {
            loop {
                let job = client.get(&format!("/jobs/{id}"))?;
                match job.text("/status") {
                    "completed" if job.text("/result/payload") == wanted => break,
                    "queued" | "running" if begun.elapsed() < END => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    _ => return Err(format!("job {id} was lost: {} {}", job.status, job.body).into()),
                }
            }
        }
        Ok(())
    }
}
