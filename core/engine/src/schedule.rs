//! The schedule of a job: what is due, what is tried again, what is given up.
//!
//! There is no state but the archive. A run that was made for a due time says so in its plan, so what
//! is due now follows from the [`calendar`], the [`attempts`] the archive knows of, and the clock:
//! [`decide`](mod@decide) says so, and knows neither files nor clocks. What must hold on the
//! [`machine`] before a run is begun is told by [`conditions`], what stands where in [`words`]. What
//! calls the program again and again (cron, systemd, Kubernetes) is written by [`export`].

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
