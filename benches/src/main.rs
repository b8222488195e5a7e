//! Benchmarks, one per layer of the library: `kernels` prints the innermost loops, `core` tables of every operation,
//! `models` one line of JSON per shipped model, `layers` one per layer of each, `groupings` one per way to group the
//! digits of one, `instructions` is for a profiler. One thread; the same program runs natively and, compiled for WASI,
//! in Node.

mod checked;
mod shipped;
mod timing;
mod world;

mod core_ops;
mod groupings;
mod instructions;
mod kernels;
mod layers;
mod models;

/// The server's allocator.
#[cfg(not(target_family = "wasm"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    run()?;
    // Returning from here into JavaScript, Node 20 crashes when its optimising compiler has been at work.
    #[cfg(target_family = "wasm")]
    std::process::exit(0);
    #[cfg(not(target_family = "wasm"))]
    Ok(())
}

fn run() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("core") => core_ops::run(std::env::args().any(|word| word == "--fastest")),
        Some("kernels") => kernels::run(),
        Some("models") => models::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("groupings") => {
            let words: Vec<String> = std::env::args().skip(2).collect();
            let [name, seconds] = &words[..] else {
                return Err("groupings takes a model and seconds".into());
            };
            groupings::run(name, seconds.parse()?)
        }
        Some("layers") => layers::run(),
        Some("instructions") => instructions::run(&std::env::args().nth(2).unwrap_or_default()),
        other => Err(format!(
            "no bench named {:?}; there are: core, kernels, models, layers, groupings, instructions",
            other.unwrap_or("")
        )
        .into()),
    }
}
