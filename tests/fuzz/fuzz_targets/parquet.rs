#![no_main]

use std::panic::{set_hook, take_hook};

libfuzzer_sys::fuzz_target!(
    init: {
        // A panic of the library on a damaged file is caught and reported. A panic of our own code
        // is a defect.
        let ends = take_hook();
        set_hook(Box::new(move |panic| {
            let place = panic.location().map_or("", |place| place.file());
            if !place.contains("/parquet-") && !place.contains("/arrow-") {
                ends(panic);
            }
        }));
    },
    |data: &[u8]| retrocast_fuzz::records::parquet(data)
);
