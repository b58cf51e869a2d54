//! See `fuzz::connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::connection(bytes));
