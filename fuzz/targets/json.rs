#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoder_laws::check("json", bytes));
