//! Storage: from files of records to versioned datasets, and from datasets to rows.
//!
//! ```text
//! files -> source -> ingest (held to a contract) -> dataset -> sql    -> dataset
//!                                                           -> bridge -> frames of the analysis
//! ```
//!
//! Modules are listed in the order in which data flows. Everything here is asynchronous at the
//! border and works on threads of its own inside; nothing is committed before all of it is there.

pub mod contract;
pub mod source;

pub mod ingest;

pub mod dataset;

pub mod bridge;
pub mod sql;

pub mod error;
mod near;
pub mod room;
mod staging;

pub use arrow_schema::Schema;
pub use contract::Contract;
pub use dataset::{Before, Lake, MADE_FROM, Properties, Scan, VersionNote};
pub use error::{Remedy, SqlError, StoreError};
pub use ingest::{
    Control, Format, Ingested, Progress, SourceSpec, glance, ingest, source_identity,
};
pub use room::{Limits, Room, Share};
pub use source::Glance;
pub use sql::{Sql, SqlTable};
