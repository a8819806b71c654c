//! The engine: checks, plans, executes and records runs of a job.
//!
//! It orders and runs nodes without knowing their work. [`Kinds`] provides the stage kinds and
//! their params, [`Executor`] executes nodes, [`Clock`] gives the time. So the engine is tested
//! without storage, data frames or fonts.
//!
//! Modules are listed in the order in which a job becomes a run: the [`executor`] of nodes, the
//! [`job`] file, the visible part of the [`ledger`], the [`plan`], [`fingerprint`]s that decide what can be
//! reused, the [`outcome_store`] with cached outcomes, the [`lease`] that serialises runs of one window,
//! the [`run`], and the [`schedule`]. Data shared between machines is in a [`shared_store`], the archive
//! through a [`mirror`]. The plan and the run's folder have their types in [`retrocast_run`].

pub mod kinds;

pub mod executor;

pub mod job;

pub mod ledger;

pub mod plan;

pub mod fingerprint;

pub mod shared_store;

pub mod outcome_store;

pub mod lease;

pub mod mirror;

pub mod run;

pub mod schedule;

#[cfg(test)]
mod test_support;

pub use executor::{
    Clock, Environment, Executor, Failure, FailureKind, Progress, Quiet, RunContext, SystemClock,
};
pub use fingerprint::{Components, Decision};
pub use job::{CheckOptions, Checked, Job, check, render};
pub use kinds::{Kinds, SqlError};
pub use lease::{Holder, Lease};
pub use ledger::{LedgerRun, LedgerView};
pub use mirror::Mirror;
pub use outcome_store::{OutcomeStore, Record};
pub use plan::PlanOptions;
pub use run::{EngineError, Force, RecordedSources, RunOptions, RunResult, Runner};
pub use schedule::{Attempt, Calendar, ScheduleStatus, decide};
pub use shared_store::{LakeFiles, SharedStore};
