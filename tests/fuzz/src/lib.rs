//! What the fuzz targets run. Each target is one function here, so that ordinary tests of the crates can
//! run it, over the corpus and over inputs made from it ([`pass`]), without a nightly toolchain.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET  # jsonl, json_array, csv, parquet, contract, job
//! ```
//!
//! What a target finds becomes a file in `corpus/TARGET`.

pub mod job;
pub mod pass;
pub mod records;
