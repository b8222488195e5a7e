//! The log: one line of JSON for each event, on the console, where `wrangler tail` and Workers Logs read it.

use std::{io, sync::Once};

/// Starts to log, once for all objects of the isolate.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing_subscriber::fmt().json().without_time().with_ansi(false).with_writer(|| Console).init();
    });
}

/// Gets every event in one piece.
struct Console;

impl io::Write for Console {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        worker::console_log!("{}", String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
