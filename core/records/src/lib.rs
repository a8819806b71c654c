//! Records: locations, contracts, and parsing into columns.
//!
//! ```text
//! URI -> source: files -> read: blocks, checked records -> batches, refused records
//! ```
//!
//! This crate is independent of datasets: it passes records on in order, with bounded memory, and
//! other crates store them. Formats, contracts and storage can therefore be tested and fuzzed
//! separately.

pub mod contract;
mod format;
pub mod source;

pub mod read;

pub mod write;

pub mod check;
pub mod dictionary;
pub mod infer;
mod input;

pub mod error;

pub use contract::Contract;
pub use error::{Remedy, SkippedFile, SourceError};
pub use format::Format;
pub use input::Input;
pub use read::Dialect;
pub use source::{Hashes, Listing, ListingSummary, SourceFile};
