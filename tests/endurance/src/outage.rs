//! The object store goes away while keys are uploaded, while jobs wait, and while results are read; then it
//! comes back.

use std::{
    env,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Place,
    client::{Answer, Client},
    proxy::Proxy,
    server::Start,
};

const MODEL: &str = "breast_cancer_logistic";
const END: Duration = Duration::from_secs(60);

/// What the server says while a part of its store is away.
pub(crate) fn is_away(what: &str, answer: &Answer) -> Result<(), String> {
    match (answer.status, answer.text("/code"), answer.retry_after) {
        (503, "STORE_UNAVAILABLE", Some(1..)) => Ok(()),
        _ => Err(format!("{what} without the store: {} {}", answer.status, answer.body)),
    }
}

/// Waits until all of these jobs have this result.
pub(crate) fn complete(
    client: &Client,
    paths: impl IntoIterator<Item = String>,
    wanted: &str,
) -> Result<(), Box<dyn Error>> {
    let mended = Instant::now();
    for path in paths {
        loop {
            let job = client.get(&path)?;
            match job.text("/status") {
                "completed" if job.text("/result/payload") == wanted => break,
                "queued" | "running" if mended.elapsed() < END => thread::sleep(Duration::from_millis(20)),
                _ if job.status == 503 && mended.elapsed() < END => thread::sleep(Duration::from_millis(20)),
                _ => return Err(format!("{path} was lost: {} {}", job.status, job.body).into()),
            }
        }
    }
    Ok(())
}

pub(crate) fn path_of(accepted: &Answer) -> String {
    format!("/jobs/{}", accepted.text("/job_id"))
}

pub(crate) fn is(status: u16, what: &str, answer: Answer) -> Result<Answer, String> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(format!("{what}: {} {}", answer.status, answer.body))
    }
}

pub(crate) fn run(place: &Place) -> Result<(), Box<dyn Error>> {
    let objects = env::var("AWS_ENDPOINT")?;
    let objects = objects.strip_prefix("http://").ok_or("the object store speaks http here")?.parse()?;
    let line = Proxy::start(objects)?;
    let start = Start::new(place, "outage", &[MODEL], &["--threads", "1", "--lease", "2"])?
        .with_environment("AWS_ENDPOINT", format!("http://{}", line.address()));
    let server = start.at(([127, 0, 0, 1], 0).into())?;
    let client = Client::new(server.address(), MODEL, 1)?;

    // Between two keys of a set.
    let key_id = client.open_keys("outage")?.text("/key_id").to_owned();
    let [first, second, rest @ ..] = &client.key_names()[..] else { return Err("too few keys".into()) };
    is(200, "the first key", client.put_key(&key_id, first)?)?;
    line.cut();
    is_away("a key", &client.put_key(&key_id, second)?)?;
    line.mend();
    let set = client.get(&format!("/keys/{key_id}"))?;
    let missing = set.body["missing"].as_array().map_or(0, Vec::len);
    if missing != rest.len() + 1 {
        return Err(format!("a key was half stored: {}", set.body).into());
    }
    for name in [second].into_iter().chain(rest) {
        is(200, "a key afterwards", client.put_key(&key_id, name)?)?;
    }

    // Before a job, while one waits, and while its result is read.
    let reference = is(200, "an inference", client.infer(&key_id, None, Some(30))?)?;
    let wanted = reference.text("/result/payload").to_owned();
    line.cut();
    is_away("an inference", &client.infer(&key_id, Some("inference"), None)?)?;
    line.mend();
    let accepted = is(202, "the same inference", client.infer(&key_id, Some("inference"), None)?)?;
    let path = path_of(&accepted);
    let many = (0..20).map(|_| client.infer(&key_id, None, None)).collect::<Result<Vec<_>, _>>()?;
    line.cut();
    let begun = Instant::now();
    let waiting = many.iter().filter(|job| job.status == 202).count();
    // Long enough for claims to fail and to be given back.
    thread::sleep(Duration::from_secs(4));
    let done = path_of(&reference);
    is_away("a result", &client.get(&done)?)?;
    let away = begun.elapsed();
    line.mend();
    let mended = Instant::now();
    complete(&client, many.iter().map(path_of).chain([path, done]), &wanted)?;
    println!(
        "The object store was cut off in the middle of a key set, of {waiting} jobs and of reading results, for {:.0} s \
         at the longest: every request was told so, nothing was half stored, and all jobs completed with the same \
         bytes within {:.1} s of its return.",
        away.as_secs_f64(),
        mended.elapsed().as_secs_f64()
    );
    Ok(())
}
