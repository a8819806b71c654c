//! What the fuzz targets run. Each target is one function here, so that ordinary tests of the crates can
//! run it over the corpus, without a nightly toolchain (`the_corpus_is_survived`).
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run TARGET        # jsonl, json_array, csv, parquet, contract, job
//! ```
//!
//! What a target finds becomes a file in `corpus/TARGET`.

pub mod job;
pub mod records;
