#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tkms_mpc::sim::fuzz::parse(data));
