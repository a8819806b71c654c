#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| retrocast_fuzz::records::json_array(data));
