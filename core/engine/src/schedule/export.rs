//! Writes configuration for cron, systemd and Kubernetes that calls the program regularly.
//!
//! All of them only call `retrocast schedule tick`, about every quarter of an hour; it runs the
//! jobs that are due. Due times, time zones, retries and recovery from outages are therefore the
//! same everywhere, and depend only on the job file. After an edit of the job file, export again
//! only if the minute has changed. Every due time coincides with a call: the minutes of the calls
//! include those of the job, and offsets of time zones are whole quarters of an hour.

mod cron;
mod kubernetes;
mod systemd;

pub use cron::cron;
pub use kubernetes::kubernetes;
pub use systemd::{Unit, systemd};

use super::Calendar;
use crate::job::Schedule;
use std::{path::PathBuf, time::Duration};

/// A scheduled job, and the command that runs it.
#[derive(Debug, Clone)]
pub struct ScheduledCommand<'a> {
    /// Name of the job.
    pub job: &'a str,
    /// Times at which the job is due.
    pub schedule: &'a Schedule,
    /// The schedule as a calendar.
    pub calendar: &'a Calendar,
    /// Name of its time zone.
    pub timezone: &'a str,
    /// Path of the program.
    pub program: PathBuf,
    /// Options that name folders, such as `--workspace`.
    pub folders: Vec<String>,
    /// Folders that the program writes to.
    pub writes: Vec<PathBuf>,
    /// The user that runs the program.
    pub user: Option<String>,
    /// The program's container image.
    pub image: String,
}

impl ScheduledCommand<'_> {
    /// The words of the command line.
    fn command_line(&self, options: &[&str]) -> Vec<String> {
        let program = self.program.display().to_string();
        let folders = self.folders.iter().cloned();
        let options = options.iter().map(ToString::to_string);
        let command = ["schedule", "tick", self.job].map(str::to_string);
        std::iter::once(program)
            .chain(folders)
            .chain(command)
            .chain(options)
            .collect()
    }

    /// Describes the due times for a comment.
    fn describe_due(&self) -> String {
        format!("due \"{}\" in {}", self.schedule.cron, self.timezone)
    }

    /// Minutes of the hour at which to check: those at which the job may be due, and others, so
    /// that checks are at most `longest` minutes apart, and at most the shortest wait before a
    /// retry.
    fn check_times(&self, longest: u32) -> CheckTimes {
        let waits = self.schedule.retry.iter().min();
        let shortest = waits.map_or(u64::MAX, Duration::as_secs) / 60;
        let is_short_enough = |step: &u32| *step <= longest && u64::from(*step) <= shortest;
        let step = [60, 30, 15, 10, 5]
            .into_iter()
            .find(is_short_enough)
            .unwrap_or(1);
        let due = self.calendar.minutes();
        let is_checked = |minute: &u32| due.iter().any(|due| due % step == minute % step);
        let minutes: Vec<u32> = (0..60).filter(is_checked).collect();
        CheckTimes { minutes, step }
    }
}

/// Minutes of the hour at which to check.
struct CheckTimes {
    minutes: Vec<u32>,
    step: u32,
}

impl CheckTimes {
    /// The minutes as a field: all of them, every nth, or a list.
    fn field(&self, every: impl Fn(u32, u32) -> String) -> String {
        match self.minutes.as_slice() {
            minutes if minutes.len() == 60 => "*".to_string(),
            [first, _, ..] if self.minutes.len() as u32 == 60 / self.step => {
                every(*first, self.step)
            }
            minutes => {
                let minutes: Vec<String> = minutes.iter().map(u32::to_string).collect();
                minutes.join(",")
            }
        }
    }

    /// Describes the frequency.
    fn describe(&self) -> String {
        match 60 / self.minutes.len().max(1) {
            1 => "every minute".to_string(),
            60 => "every hour".to_string(),
            n => format!("every {n} minutes"),
        }
    }

    /// The minutes in the syntax of cron and Kubernetes.
    fn cron(&self) -> String {
        self.field(|first, step| match first {
            0 => format!("*/{step}"),
            first => format!("{first}-59/{step}"),
        })
    }
}

/// A name for units and objects: lowercase letters, digits and hyphens, at most `max_length`
/// characters, distinct for distinct jobs.
fn name(job: &str, max_length: usize) -> String {
    let to_allowed = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let name: String = format!("retrocast-{job}").chars().map(to_allowed).collect();
    let name = name.trim_end_matches('-').to_string();
    if name.len() <= max_length && name == format!("retrocast-{job}") {
        return name;
    }
    let hash = blake3::hash(job.as_bytes()).to_hex();
    format!("{}-{}", &name[..name.len().min(max_length - 9)], &hash[..8])
}

#[cfg(test)]
mod tests;
