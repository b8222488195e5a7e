//! A shipped model with other digits: its program with every number of primes in a digit, and of special ones, that its
//! ring carries at 128-bit security. What the compiler's cost model is measured against. Models with many groupings do
//! not stay in the caches from one turn to the next: ratios of these times count.

use std::{fs, sync::Arc, time::Instant};

use ckks_core::{Alone, Backend, Params, ParamsSpec, Team};
use serde_json::{Value, json};

use crate::{
    Result,
    shipped::{Client, Server, folder, open_package},
    timing::median,
};

/// Bits of special primes, from the smallest.
const SPECIAL_BITS: std::ops::RangeInclusive<u8> = 20..=30;
/// Runs that are not counted.
const FIRST: usize = 2;

/// A server with a request, and what its evaluations took, in milliseconds.
struct Measured {
    server: Server,
    request: Vec<u8>,
    key_bytes: usize,
    times: Vec<f64>,
}

/// Prints one line of JSON for each grouping: median milliseconds of an evaluation on one thread, in turns with the
/// other ones for so many seconds, bytes of the keys, and what the program counts.
pub(crate) fn run(name: &str, seconds: f64) -> Result<()> {
    let folder = folder(name);
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)?;
    let weights = fs::read(folder.join("weights.bin"))?;
    let (_, shipped) = open_package(&serde_json::to_vec(&manifest)?, &weights)?;
    let spec = shipped.package.params.spec();
    let limbs = spec.levels.iter().flatten().count();
    let counts = (1..=limbs).flat_map(|digit| (1..=digit).map(move |special| (digit, special)));
    let mut all = vec![];
    for params in counts.filter_map(|(digit, special)| regrouped(spec, digit, special)) {
        all.push(Measured::new(&manifest, &weights, &params)?);
    }
    let alone: Arc<dyn Team> = Arc::new(Alone);
    let start = Instant::now();
    let mut run = 0;
    while run <= FIRST || start.elapsed().as_secs_f64() < seconds {
        for Measured { server, request, times, .. } in &mut all {
            let begun = Instant::now();
            server.answer(request, &alone)?;
            if run >= FIRST {
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        run += 1;
    }
    for Measured { server, key_bytes, mut times, .. } in all {
        let (params, facts) = (&server.package.params, &server.package.facts);
        let line = json!({
            "model": name,
            "backend": Backend::detect().name(),
            "log_degree": spec.log_degree,
            "limbs": limbs,
            "digit_primes": params.spec().digit_primes,
            "special_primes": params.special_limbs(),
            "shipped": params == &shipped.package.params,
            "runs": times.len(),
            "evaluate_ms": median(&mut times),
            "keys_bytes": key_bytes,
            "limb_transforms": facts.limb_transforms,
            "limb_products": facts.limb_products,
            "limb_conversions": facts.limb_conversions,
            "switched_limbs": facts.switched_limbs,
        });
        println!("{line}");
    }
    Ok(())
}

/// The same chain with so many primes in a digit, and so many special ones, the smallest that do; none where these are
/// too few for a digit, or too many for the ring.
fn regrouped(spec: &ParamsSpec, digit: usize, special: usize) -> Option<Params> {
    let is_shipped = digit == usize::from(spec.digit_primes) && special == spec.special_primes.len();
    if is_shipped {
        return Params::new(spec).ok();
    }
    let main: Vec<u32> = spec.levels.iter().flatten().copied().collect();
    SPECIAL_BITS.into_iter().find_map(|bits| {
        // As many more as may be in the chain.
        let sizes = vec![bits; special + main.len()];
        let found = ParamsSpec::generate(spec.log_degree, &[bits], &[], &sizes, 1, spec.scale).ok()?;
        let unused = found.special_primes.into_iter().filter(|prime| !main.contains(prime));
        let special_primes = unused.take(special).collect();
        Params::new(&ParamsSpec { special_primes, digit_primes: digit as u8, ..spec.clone() }).ok()
    })
}

impl Measured {
    /// The package with other parameters, which answers right.
    fn new(manifest: &Value, weights: &[u8], params: &Params) -> Result<Self> {
        let mut manifest = manifest.clone();
        let fields = &mut manifest["parameters"];
        fields["special_primes"] = json!(params.spec().special_primes);
        fields["digit_primes"] = json!(params.spec().digit_primes);
        fields["params_id"] = json!(params.id().to_string());
        let (Client { mut session, keys, .. }, server) =
            open_package(&serde_json::to_vec(&manifest)?, weights)?;
        let input = server.sample();
        let request = session.encrypt(&input)?.payloads.remove(0);
        let alone: Arc<dyn Team> = Arc::new(Alone);
        server.check(&input, &session.decrypt(&server.answer(&request, &alone)?)?)?;
        Ok(Self { server, request, key_bytes: keys.iter().map(Vec::len).sum(), times: vec![] })
    }
}
