//! `fuzz_targets::bundle` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz_targets::bundle(octets));
