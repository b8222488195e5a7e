//! Memory: an isolate has 128 MB for everything. How it is divided is the library's rule.

use std::{alloc::System, sync::OnceLock};

use edge_server::{Grant, Registry};
use stats_alloc::StatsAlloc;

use crate::host::memory_bytes;

/// Counts what is in use. The module's memory only tells the most that it has been, which after a start that failed is
/// that of the models that were not loaded.
#[global_allocator]
static HEAP: StatsAlloc<System> = StatsAlloc::system();

/// What Cloudflare grants an isolate.
const ISOLATE: usize = 128 << 20;
/// What is left to JavaScript: the engine's heap, and bodies, rows and files on their way. It needs 2 MB, buffers have up
/// to 8 MiB, which the tests assert, and how much garbage the heap has is V8's choice: see docs/deploy-worker.md.
const JAVASCRIPT: usize = 24 << 20;
/// The most request bodies that are read at once, in longest bodies and their copies.
const BODIES: usize = 12;
/// A value of the object's database has at most 2 MB.
const LONGEST_VALUE: usize = 2_000_000;

/// What the module may take, and what it takes now.
pub(crate) fn grant() -> Grant {
    Grant { bytes: ISOLATE - JAVASCRIPT, taken: fixed_bytes() + heap_bytes(), bodies: BODIES }
}

/// What of the heap is in use.
fn heap_bytes() -> usize {
    let stats = HEAP.stats();
    // Both count beyond what a word holds, and their difference does not.
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// What the module has besides its heap: stack and constants. As it is when this is called first.
fn fixed_bytes() -> usize {
    static FIXED: OnceLock<usize> = OnceLock::new();
    *FIXED.get_or_init(|| memory_bytes().saturating_sub(heap_bytes()))
}

/// Refuses models whose inputs or results are longer than a value of the database.
///
/// # Errors
/// The model, and the figures.
pub(crate) fn check_values(registry: &Registry) -> Result<(), String> {
    for model in registry.models() {
        let input = model.max_input_bytes() / (model.input_ciphertexts() as usize).max(1);
        for (what, bytes) in [("an input", input), ("a result", model.result_bytes())] {
            if bytes > LONGEST_VALUE {
                return Err(format!(
                    "model {} does not fit a Worker: {what} has {:.1} MB, the database keeps {:.1} MB at most; \
                     leave it to a native server, or out",
                    model.key(),
                    bytes as f64 / 1e6,
                    LONGEST_VALUE as f64 / 1e6,
                ));
            }
        }
    }
    Ok(())
}
