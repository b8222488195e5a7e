//! Benchmarks, one per layer. Tables go to standard output, as Markdown.

mod core_ops;
mod timing;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None | Some("core") => core_ops::run(),
        Some(other) => Err(format!("no bench named {other}; there is: core").into()),
    }
}
