//! One measurement after the other, each with a look at the result.

use std::{hint::black_box, time::Instant};

use ckks_core::{Ciphertext, Plaintext, decrypt, reusing_memory};

use crate::{Result, checked::largest_error, timing::median_micros_with, world::World};

type Failure = Box<dyn std::error::Error>;

/// Name, microseconds (or bytes, where the name says so), bits of precision.
pub(crate) type Row = (String, f64, Option<f64>);

/// As many runs as fit this time, but not fewer or more than these.
const SECONDS: f64 = 0.15;
const RUNS: [f64; 2] = [7.0, 101.0];

/// For so long an operation runs before it is measured: engines of WebAssembly begin with code that is made in haste.
const WARM_UP: f64 = 0.03;

/// What has been measured so far in a world.
pub(super) struct Rows<'a> {
    pub(super) world: &'a World,
    pub(super) measured: Vec<Row>,
}

impl Rows<'_> {
    /// Measures an operation on what `input` makes anew for each run, whose time does not count, in memory that earlier
    /// runs have left, as clients and evaluations work. `check` looks at the first result, and gives the bits of its
    /// precision if it has a value.
    pub(super) fn row_with<I, T, E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        mut input: impl FnMut() -> I,
        mut operation: impl FnMut(I) -> core::result::Result<T, E>,
        check: impl FnOnce(T) -> Result<Option<f64>>,
    ) -> Result<()> {
        let result = operation(input()).map_err(Into::into)?;
        let name = name.into();
        let precision = check(result).map_err(|error| format!("{name}: {error}"))?;
        // Made within as well: what is dropped within is kept, and would pile up.
        let mut input = || reusing_memory(&mut input);
        let mut again = |input| reusing_memory(|| operation(input).map(|result| drop(black_box(result))));
        let mut last = 0.0;
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < WARM_UP {
            let input = input();
            let begun = Instant::now();
            again(input).map_err(Into::into)?;
            last = begun.elapsed().as_secs_f64();
        }
        let runs = (SECONDS / last).clamp(RUNS[0], RUNS[1]);
        self.measured.push((name, median_micros_with(runs as usize, input, again), precision));
        Ok(())
    }

    /// Measures an operation whose input can be used again.
    pub(super) fn row<T, E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        mut operation: impl FnMut() -> core::result::Result<T, E>,
        check: impl FnOnce(T) -> Result<Option<f64>>,
    ) -> Result<()> {
        self.row_with(name, || (), |()| operation(), check)
    }

    /// Measures an operation whose result must decrypt to these values.
    pub(super) fn ciphertext<E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        expected: &[f64],
        operation: impl FnMut() -> core::result::Result<Ciphertext, E>,
    ) -> Result<()> {
        let world = self.world;
        self.row(name, operation, |result| world.precision(&result, expected))
    }

    /// Measures an operation that changes a ciphertext into one that must decrypt to these values.
    pub(super) fn in_place<E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        expected: &[f64],
        from: &Ciphertext,
        mut operation: impl FnMut(&mut Ciphertext) -> core::result::Result<(), E>,
    ) -> Result<()> {
        let world = self.world;
        self.row_with(
            name,
            || from.clone(),
            |mut changed| operation(&mut changed).map(|()| changed),
            |result| world.precision(&result, expected),
        )
    }

    /// Measures an operation whose result must decode to these values.
    pub(super) fn plaintext<E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        expected: &[f64],
        operation: impl FnMut() -> core::result::Result<Plaintext, E>,
    ) -> Result<()> {
        let world = self.world;
        self.row(name, operation, |result| bits(&world.encoder.decode_real(&result)?, expected))
    }

    /// Measures an operation whose result must be equal to another.
    pub(super) fn equal<T: PartialEq, E: Into<Failure>>(
        &mut self,
        name: impl Into<String>,
        expected: &T,
        operation: impl FnMut() -> core::result::Result<T, E>,
    ) -> Result<()> {
        self.row(name, operation, |result| same(&result, expected))
    }

    /// Notes a number of bytes.
    pub(super) fn bytes(&mut self, name: impl Into<String>, count: usize) {
        self.measured.push((name.into(), count as f64, None));
    }
}

impl World {
    /// The bits of precision of what a ciphertext decrypts to.
    pub(super) fn precision(&self, ciphertext: &Ciphertext, expected: &[f64]) -> Result<Option<f64>> {
        let found = decrypt(self.evaluator.params(), &self.secret, ciphertext)?;
        bits(&self.encoder.decode_real(&found)?, expected)
    }
}

/// −log₂ of the largest error, which must not be more than a slip of the scheme.
pub(super) fn bits(found: &[f64], expected: &[f64]) -> Result<Option<f64>> {
    let error = largest_error(found, expected, 1e-3)?;
    Ok(Some(-error.log2()))
}

/// Refuses what is not equal.
pub(super) fn same<T: PartialEq>(found: &T, expected: &T) -> Result<Option<f64>> {
    if found == expected { Ok(None) } else { Err("another result than expected".into()) }
}
