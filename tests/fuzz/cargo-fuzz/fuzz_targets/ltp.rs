//! `fuzz_targets::ltp` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz_targets::ltp(octets));
