//! `fuzz_targets::sketch` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz_targets::sketch(octets));
