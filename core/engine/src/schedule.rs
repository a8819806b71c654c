//! The schedule of a job: due times, retries, and giving up.
//!
//! The archive is the only state. The plan of a scheduled run records its due time. The
//! [`calendar`], the [`attempts`] in the archive and the current time therefore determine what is
//! due: [`decide`](mod@decide) computes it without files or clocks. [`conditions`] checks
//! preconditions on the [`machine`], and [`words`] formats the status. [`export`] writes
//! configuration for cron, systemd and Kubernetes.

pub mod calendar;

mod cron;

pub mod attempts;

pub mod decide;

pub mod conditions;

pub mod machine;

pub mod words;

pub mod export;

pub use attempts::{Attempt, ManualRun};
pub use calendar::{Calendar, CalendarError};
pub use conditions::unmet_conditions;
pub use decide::{DueAlert, DueTime, ScheduleStatus, State, decide};
pub use machine::Machine;
pub use words::{Health, health};

#[cfg(test)]
mod simulation;
