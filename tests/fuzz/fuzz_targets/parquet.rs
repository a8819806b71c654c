#![no_main]

use std::panic::{set_hook, take_hook};

libfuzzer_sys::fuzz_target!(
    init: {
        // A panic of a library on a damaged file is caught and reported as an error. Any other
        // panic is a defect.
        let default_hook = take_hook();
        set_hook(Box::new(move |panic| {
            let file = panic.location().map_or("", |location| location.file());
            if !file.contains("/parquet-") && !file.contains("/arrow-") {
                default_hook(panic);
            }
        }));
    },
    |data: &[u8]| retrocast_fuzz::records::parquet(data)
);
