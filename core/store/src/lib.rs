//! Storage: ingests records into versioned datasets, and queries datasets.
//!
//! ```text
//! records (a separate crate)   -> ingest -> dataset -> sql    -> dataset
//!                                                  -> bridge -> frames of the analysis
//! finished runs                         -> ledger  -> sql
//! ```
//!
//! Modules are listed in the order of the data flow. The interface is asynchronous and uses
//! threads internally; everything is committed atomically.

pub use retrocast_records::{contract, source};

pub mod ingest;

pub mod dataset;
pub mod maintenance;

pub mod bridge;
pub mod sql;

pub mod ledger;

pub mod export;

pub mod error;
mod origin;
pub mod resources;
pub mod root;

pub use arrow_schema::{DataType, Schema};
pub use dataset::{DatasetVersion, FINGERPRINT, Lake, Properties, Scan, TimeLimit, check_name};
pub use error::{Remedy, SqlError, StoreError};
pub use export::{ExportedTable, TableFormat};
pub use ingest::{
    Control, Ingestion, Progress, SourceSpec, ingest, listing_summary, note::recount,
    source_identity,
};
pub use ledger::Ledger;
pub use resources::{Limits, Reservation, ResourcePool};
pub use retrocast_records::Contract;
pub use retrocast_records::{Dialect, Format, Hashes, SourceError};
pub use root::LakeRoot;
pub use source::{Days, ListingSummary};
pub use sql::{Sql, SqlRows, SqlTable};
