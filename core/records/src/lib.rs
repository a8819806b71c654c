//! Records: where they are, what they must look like, and reading them into columns.
//!
//! ```text
//! URI -> source: files -> read: blocks, records held to a contract -> batches, and what was refused
//! ```
//!
//! Nothing here knows of datasets: what is read is handed on in order, with bounded memory, and what
//! becomes of it is decided elsewhere. So formats, contracts and storage can be tested, and attacked,
//! alone.

pub mod contract;
mod format;
pub mod source;
pub mod storage;

pub mod read;

pub mod check;
pub mod dictionary;
pub mod infer;
mod input;

pub mod error;

pub use contract::Contract;
pub use error::{Remedy, Skipped, SourceError};
pub use format::Format;
pub use input::Input;
pub use read::Dialect;
pub use source::{Glance, Hashes, Listing, SourceFile};
