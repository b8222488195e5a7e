//! The innermost loops on one limb, with what the processor does in a cycle of it.

use std::{hint::black_box, time::Instant};

use ckks_core::{Backend, Kernels, Params};

use crate::{Result, core_ops::SETS, timing::median_micros};

/// A kernel: its name, the bytes that it reads and writes for each coefficient of a limb, and itself.
type Row = (&'static str, fn([usize; 2]) -> usize, fn(&mut Kernels));

/// Bytes of a residue; of a double.
const WORD: usize = 4;
const DOUBLE: usize = 8;

const ROWS: [Row; 14] = [
    ("forward transform", |_| 2 * WORD, Kernels::forward),
    ("inverse transform", |_| 2 * WORD, Kernels::inverse),
    ("lay side by side", |[_, primes]| 2 * primes * WORD, Kernels::lay),
    ("convert to two primes", |[_, primes]| (primes + 2) * WORD, Kernels::convert_two),
    ("inner products with a key", |[digits, _]| (3 * digits + 2) * WORD, Kernels::inner_products),
    ("divide", |_| 4 * WORD, Kernels::divide),
    ("permute", |_| 3 * WORD, Kernels::permute),
    ("key stream, 8 rounds", |_| WORD, Kernels::key_stream_of_eight),
    ("key stream, 20 rounds", |_| WORD, Kernels::key_stream_of_twenty),
    ("uniform residues", |_| WORD, Kernels::uniform),
    ("errors", |_| WORD, Kernels::errors),
    ("slots to integers", |_| DOUBLE + 2 * WORD, Kernels::from_slots),
    ("coefficients to slots", |_| 2 * DOUBLE, Kernels::to_slots),
    ("residues to doubles", |_| DOUBLE, Kernels::to_doubles),
];

/// Prints one line for each set, kind of vector instructions and kernel, and before them what a copy takes.
pub(crate) fn run() -> Result<()> {
    let clock = gigahertz();
    println!("{clock:.2} GHz");
    for (set, backend) in SETS.iter().flat_map(|set| Backend::available().map(move |b| (set, b))) {
        let params = Params::insecure_on(&set.spec()?, backend)?;
        let mut kernels = Kernels::new(&params);
        let (degree, terms) = (params.degree(), kernels.terms());
        println!("{} {}: {} digits of {} primes", set.name, backend.name(), terms[0], terms[1]);
        let print = |name: &str, bytes: usize, micros: f64| {
            let cycles = micros * 1e3 * clock / degree as f64;
            let speed = bytes as f64 / micros / 1e3;
            println!(
                "  {name}: {micros:.2} µs, {:.2} cycles for 16 residues, {speed:.1} GB/s",
                16.0 * cycles
            );
        };
        let (from, mut to) = (vec![1u32; degree], vec![0u32; degree]);
        print("copy", 2 * WORD * degree, median_micros(2001, || to.copy_from_slice(black_box(&from))));
        for (name, bytes, kernel) in ROWS {
            print(name, bytes(terms) * degree, median_micros(501, || kernel(&mut kernels)));
        }
        let packed = degree / 8 * kernels.bits() as usize;
        print("pack", WORD * degree + packed, median_micros(2001, || kernels.pack()));
        print("unpack", WORD * degree + packed, median_micros(2001, || kernels.unpack()));
    }
    Ok(())
}

/// The clock of the processor, by a chain of instructions that wait for each other: a product of 64-bit numbers is
/// ready after three cycles and a disjunction after one, on processors of x86-64 of the last ten years.
fn gigahertz() -> f64 {
    const STEPS: u32 = 100_000;
    const CYCLES: f64 = 4.0;
    let chain = || (0..STEPS).fold(black_box(3u64), |x, _| x.wrapping_mul(x | 1));
    let begun = Instant::now();
    // The clock rises with the work.
    while begun.elapsed().as_secs_f64() < 0.2 {
        black_box(chain());
    }
    CYCLES * f64::from(STEPS) / median_micros(101, chain) / 1e3
}
