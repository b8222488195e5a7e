//! Every operation of `ckks-core` at the parameter sets that rivals are measured at, with the precision of
//! its result.

mod rows;

mod client;
mod evaluator;
mod wire;

use ckks_core::{Backend, Error, Kernels, Params, ParamsSpec};
use serde_json::json;

use crate::{Result, world::World};
use rows::{Row, Rows, same};

/// A parameter set: name, log₂ N, bits of the base group, of the other groups and how many of them, of the special primes,
/// as many of which are in a digit.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    log_degree: u8,
    base: &'static [u8],
    group: &'static [u8],
    depth: usize,
    special: &'static [u8],
}

/// log₂(QP) is 204, 414 and 838, and the scale the largest that fits the groups. The base has 12 bits more than the scale at
/// P1, 6 at P2 and P3: what is left goes to special primes, so that digits are few.
pub(crate) const SETS: [Set; 3] = [
    Set { name: "P1", log_degree: 13, base: &[21, 21], group: &[30], depth: 3, special: &[24; 3] },
    Set { name: "P2", log_degree: 14, base: &[30, 26], group: &[25, 25], depth: 5, special: &[27; 4] },
    Set { name: "P3", log_degree: 15, base: &[30, 26], group: &[25, 25], depth: 12, special: &[26; 7] },
];

impl Set {
    fn scale(&self) -> f64 {
        f64::from(self.group.iter().map(|&bits| u32::from(bits)).sum::<u32>()).exp2()
    }

    pub(crate) fn spec(&self) -> Result<ParamsSpec> {
        Ok(ParamsSpec::generate(
            self.log_degree,
            self.base,
            &vec![self.group.to_vec(); self.depth],
            self.special,
            self.special.len() as u8,
            self.scale(),
        )?)
    }
}

/// Prints one line of JSON for each set, operation and kind of vector instructions: median microseconds on
/// one thread, and the bits of precision of the result where there is one.
pub(crate) fn run(only_fastest: bool) -> Result<()> {
    for set in &SETS {
        let (scale, spec) = (set.scale(), set.spec()?);
        for backend in Backend::available().filter(|&b| !only_fastest || b == Backend::detect()) {
            let params = Params::insecure_on(&spec, backend)?;
            assert_eq!(params.security_bits(), 128, "{} is in the table", set.name);
            for (operation, value, precision) in measure(&params)? {
                let line = json!({
                    "program": "this", "backend": backend.name(), "set": set.name, "operation": operation,
                    "value": value, "precision_bits": precision, "log_qp": params.log_qp(),
                    "depth": set.depth, "scale_bits": scale.log2(),
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn measure(params: &Params) -> Result<Vec<Row>> {
    let world = &World::new(params)?;
    let mut rows = Rows { world, measured: Vec::new() };
    transforms(&mut rows, &mut Kernels::new(params))?;
    client::measure(&mut rows)?;
    evaluator::measure(&mut rows)?;
    wire::measure(&mut rows)?;
    Ok(rows.measured)
}

/// One limb's, modulo the largest prime, by its bits. Each undoes the other.
fn transforms(rows: &mut Rows<'_>, kernels: &mut Kernels) -> Result<()> {
    let before = kernels.limb().to_vec();
    kernels.forward();
    kernels.inverse();
    let undone = same(&kernels.back(), &&before[..])?;
    let done = |()| Ok(undone);
    let forward = || {
        kernels.forward();
        Ok::<_, Error>(())
    };
    rows.row("forward transform, 30 bits of modulus", forward, done)?;
    let inverse = || {
        kernels.inverse();
        Ok::<_, Error>(())
    };
    rows.row("inverse transform, 30 bits of modulus", inverse, done)?;
    let of_30 = 30.0 / f64::from(kernels.bits());
    rows.measured.iter_mut().for_each(|(_, micros, _)| *micros *= of_30);
    Ok(())
}
