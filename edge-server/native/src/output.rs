//! Standard output, whose reader may leave before everything is written: `edge-server inspect … | head`.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
};

/// Writes something that is lost without harm when nobody reads it any more.
pub(crate) fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    match print_all(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Writes something that somebody has to read.
pub(crate) fn print_all(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_fmt(text)?;
    output.flush()
}
