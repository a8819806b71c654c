//! The plan and the folder of a run as types, shared by the engine, which writes them, and all
//! readers.
//!
//! Modules are listed in the order in which a run proceeds: the [`plan`], the part of the
//! [`ledger`] that it sees, the [`published`] figures that it compares, its [`record`] in the run's
//! folder, the [`fingerprint`] of each of its nodes, the [`journal`] of events, the [`status`] at
//! the end, and the [`summary`] for the archive. A [`folder`] contains all of them, as [`files`].
//! The crate holds only data: planning, execution and delivery are elsewhere.

pub mod plan;

pub mod ledger;

pub mod published;

mod lineage;

pub mod record;

pub mod fingerprint;

pub mod journal;

pub mod status;

pub mod summary;

pub mod folder;

pub mod files;

pub mod slices;

pub use files::Error;
pub use fingerprint::Fingerprint;
pub use folder::{NodeState, RunFolder};
pub use journal::{Event, EventKind, Journal};
pub use ledger::{LedgerRun, LedgerView};
pub use plan::{Node, NodeSpec, Plan, Recipients, ReportSpec, SliceSpec, SourceSpec};
pub use published::{Lineage, PublishedFigures, PublishedStage, PublishedWindow};
pub use record::{RecordedPlan, RunOrigin, SourceRecords};
pub use slices::{SliceFile, SliceIndex};
pub use status::RunStatus;
pub use summary::RunSummary;

#[cfg(test)]
mod tests;
