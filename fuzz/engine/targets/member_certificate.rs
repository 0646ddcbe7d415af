//! libFuzzer around one property.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kerf_fuzz::member_certificate(bytes));
