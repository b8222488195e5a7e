//! Counts what was tried, how it was refused, and panics, of which there must be none.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic,
    path::Path,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Panics of the server's threads since the start.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Distinct requests, and refusals by code.
static TALLY: LazyLock<Mutex<Tally>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Tally {
    distinct: HashSet<u64>,
    refused: BTreeMap<String, usize>,
}

/// Counts every panic but those of a failing test, whose threads have the test's name.
pub(crate) fn count_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let thread = thread::current();
        if thread.name().is_none_or(|name| !name.contains("::")) {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        before(information);
    }));
}

/// Counts one request and the code of its answer, if it was refused.
pub(crate) fn count(request: impl Hash, code: Option<&str>) {
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    let mut tally = TALLY.lock().unwrap();
    tally.distinct.insert(hasher.finish());
    if let Some(code) = code {
        *tally.refused.entry(code.to_owned()).or_default() += 1;
    }
}

/// Demands that nothing has panicked, and leaves the counts where `cargo xtask test` finds them.
pub(crate) fn check() {
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "a thread of the server panicked");
    let tally = TALLY.lock().unwrap();
    let refused: usize = tally.refused.values().sum();
    let text = format!(
        "{} distinct hostile requests, {refused} refused with {} codes, 0 panics",
        tally.distinct.len(),
        tally.refused.len(),
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.txt"), text).unwrap();
}
