//! The functions of the fuzz targets. Each target is one function here, so that ordinary tests
//! of the crates can run it without a nightly toolchain, on the corpus and on inputs derived from
//! it ([`pass`]).
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET  # jsonl, json_array, csv, parquet, contract, job
//! ```
//!
//! New findings of a target become files in `corpus/TARGET`.

pub mod job;
pub mod pass;
pub mod records;
