//! Memory: an isolate has 128 MB for everything, and what does not fit is refused before it is served.

use edge_server::{Registry, Settings};

use crate::isolate::Models;

/// What Cloudflare grants an isolate.
const ISOLATE: usize = 128 << 20;
/// What is left to JavaScript: the engine's heap, and bodies, rows and files on their way.
const JAVASCRIPT: usize = 24 << 20;
/// The most that the module's memory may grow to.
const MODULE: usize = ISOLATE - JAVASCRIPT;
/// Request bodies that are read at once, in longest bodies and their copies.
const BODIES: usize = 12;

/// Divides what the loaded models leave between bodies, evaluations and prepared keys.
///
/// # Errors
/// The figures, when a model does not fit.
pub(crate) fn divide(models: &Models, settings: &mut Settings) -> Result<(), String> {
    let Models { registry, loaded } = models;
    settings.body_bytes = BODIES * registry.limits().infer_bytes;
    longest_rows(registry)?;
    let left = MODULE.saturating_sub(loaded + settings.body_bytes);
    let Some(largest) = registry.models().max_by_key(|model| model.evaluation_bytes()) else { return Ok(()) };
    let needed = largest.evaluation_bytes();
    if needed > left {
        return Err(format!(
            "model {} does not fit a Worker: an evaluation takes {:.1} MB, {:.1} MB are left of {:.1} MB when the \
             models ({:.1} MB) and request bodies ({:.1} MB) have theirs; leave it to a native server, or out",
            largest.key(),
            megabytes(needed),
            megabytes(left),
            megabytes(MODULE),
            megabytes(*loaded),
            megabytes(settings.body_bytes),
        ));
    }
    settings.evaluation_bytes = needed;
    // One job runs at a time, and room is made before keys are prepared: the keys of the job are within
    // the cache's share, beside them is what it works with.
    let working = registry.models().map(|model| model.evaluation_bytes() - model.prepared_key_bytes()).max();
    settings.key_cache_bytes = left - working.unwrap_or_default();
    tracing::info!(
        loaded,
        bodies = settings.body_bytes,
        evaluations = settings.evaluation_bytes,
        prepared_keys = settings.key_cache_bytes,
        "memory"
    );
    Ok(())
}

/// A value of the object's database has at most 2 MB.
fn longest_rows(registry: &Registry) -> Result<(), String> {
    const LONGEST: usize = 2_000_000;
    for model in registry.models() {
        let input = model.max_input_bytes() / (model.input_ciphertexts() as usize).max(1);
        for (what, bytes) in [("an input", input), ("a result", model.result_bytes())] {
            if bytes > LONGEST {
                return Err(format!(
                    "model {} does not fit a Worker: {what} has {:.1} MB, the database keeps {:.1} MB at most; \
                     leave it to a native server, or out",
                    model.key(),
                    megabytes(bytes),
                    megabytes(LONGEST),
                ));
            }
        }
    }
    Ok(())
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
