//! The engine: checks, plans, executes and records runs of a job.
//!
//! It orders and runs nodes, but does not know what they do. [`Kinds`] provides the stage kinds and
//! their params, [`Executor`] executes nodes, [`Clock`] provides the time. The engine can therefore
//! be tested without storage, data frames or fonts.
//!
//! Modules are listed in the order in which a job becomes a run: the [`executor`] of nodes, the
//! [`job`] file, the visible part of the [`ledger`], the [`plan`], [`fingerprint`]s that decide
//! what can be reused, the [`outcome_store`] with cached outcomes, the [`run`], and the
//! [`schedule`]. The [`lease`] that serialises runs of one window, and shared storage, come from
//! [`retrocast_storage`]; the plan and the run's folder have their types in [`retrocast_run`].

pub mod kinds;

pub mod executor;

pub mod job;

pub mod ledger;

pub mod plan;

pub mod fingerprint;

pub mod outcome_store;

mod checksums;

pub mod run;

pub mod schedule;

#[cfg(test)]
mod test_support;

pub use checksums::altered_files;
pub use executor::{
    Clock, Environment, Executor, Failure, FailureKind, NoProgress, Progress, RunContext,
    SystemClock,
};
pub use fingerprint::{Components, Decision};
pub use job::{CheckOptions, CheckedJob, Job, check, render};
pub use kinds::{Kinds, SqlError};
pub use ledger::{LedgerRun, LedgerView};
pub use outcome_store::{OutcomeStore, Record};
pub use plan::PlanOptions;
pub use retrocast_storage::{Holder, LakeFiles, Lease, Mirror, SharedStore, lease};
pub use run::{EngineError, Force, RecordedSources, RunOptions, RunResult, Runner};
pub use schedule::{Attempt, Calendar, ScheduleStatus, decide};
