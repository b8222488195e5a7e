//! The database goes away while jobs wait and one is evaluated; then it comes back.

use std::{
    env,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Place,
    client::Client,
    outage::{complete, is, is_away, path_of},
    proxy::Proxy,
    server::Start,
};

/// It takes long enough to be running when the database goes.
const MODEL: &str = "mnist_lenet";
const JOBS: usize = 8;

/// The address of the database behind another one, which is an address and a port.
fn behind(database: &str, address: std::net::SocketAddr) -> Option<(std::net::SocketAddr, String)> {
    let (user, rest) = database.split_once('@')?;
    let (host, path) = rest.split_once('/')?;
    Some((host.parse().ok()?, format!("{user}@{address}/{path}")))
}

pub(crate) fn run(place: &Place) -> Result<(), Box<dyn Error>> {
    let database = env::var("EDGE_SERVER_POSTGRES")?;
    let unknown = || format!("{database} is not postgres://user@address:port/database");
    let (own, _) = behind(&database, ([127, 0, 0, 1], 0).into()).ok_or_else(unknown)?;
    let line = Proxy::start(own)?;
    let (_, address) = behind(&database, line.address()).ok_or_else(unknown)?;
    let start = Start::new(place, "database", &[MODEL], &["--threads", "1", "--lease", "2"])?
        .with_environment("EDGE_SERVER_POSTGRES", address);
    let server = start.at(([127, 0, 0, 1], 0).into())?;
    let client = Client::new(server.address(), MODEL, 1)?;
    let key_id = client.upload_keys("database")?;
    let reference = is(200, "an inference", client.infer(&key_id, None, Some(30))?)?;
    let wanted = reference.text("/result/payload").to_owned();

    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(path_of(&is(202, "an inference", client.infer(&key_id, None, None)?)?));
    }
    let of = |status: &str| -> Result<usize, Box<dyn Error>> {
        let states = jobs.iter().map(|job| client.get(job)).collect::<Result<Vec<_>, _>>()?;
        Ok(states.iter().filter(|job| job.text("/status") == status).count())
    };
    while of("running")? == 0 {
        if of("completed")? == JOBS {
            return Err("all jobs were over before the database went, so that nothing was shown".into());
        }
    }
    line.cut();
    let begun = Instant::now();
    let repeated = Some("while the database is away");
    is_away("an inference", &client.infer(&key_id, repeated, None)?)?;
    is_away("a job", &client.get(&jobs[0])?)?;
    is_away("a key set", &client.get(&format!("/keys/{key_id}"))?)?;
    is(503, "whether it is ready", client.get("/ready")?)?;
    is(200, "whether it is alive", client.get("/health")?)?;
    // The evaluation ends meanwhile, its lease runs out, and nobody takes its result.
    thread::sleep(Duration::from_secs(5));
    is_away("a job", &client.get(&jobs[0])?)?;
    let away = begun.elapsed();
    line.mend();
    let mended = Instant::now();
    let left = JOBS - of("completed")?;
    complete(&client, jobs.clone(), &wanted)?;
    let back = mended.elapsed();
    is(200, "whether it is ready", client.get("/ready")?)?;
    if left == 0 {
        return Err("all jobs were over before the database went, so that nothing was shown".into());
    }
    let accepted = client.infer(&key_id, repeated, None)?;
    complete(&client, [path_of(&is(202, "the same inference", accepted)?)], &wanted)?;
    println!(
        "The database was cut off for {:.0} s while jobs waited and one ran, {left} of {JOBS} were not over: requests were told \
         so, and all jobs completed with the same bytes within {:.1} s of its return.",
        away.as_secs_f64(),
        back.as_secs_f64()
    );
    Ok(())
}
