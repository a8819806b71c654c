//! The schedule of a job: due times, retries, and giving up.
//!
//! The archive is the only state. The plan of a scheduled run records its due time, so what is due
//! now follows from the [`calendar`], the [`attempts`] in the archive, and the clock:
//! [`decide`](mod@decide) computes it without files or clocks. Preconditions on the [`machine`] are
//! checked by [`conditions`], and [`words`] formats the status. Configuration for cron, systemd and
//! Kubernetes is written by [`export`].

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
pub use conditions::unmet;
pub use decide::{DueTime, ScheduleStatus, State, Tell, decide};
pub use machine::Machine;
pub use words::{Health, health};

#[cfg(test)]
mod simulation;
