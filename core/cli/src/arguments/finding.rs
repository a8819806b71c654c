//! Arguments of `retrocast finding`.

use super::date;
use clap::{Args, Subcommand};
use jiff::civil::Date;

/// Subcommands of `retrocast finding`.
#[derive(Debug, Subcommand)]
pub enum FindingCommand {
    /// Mark a finding as known; reports show it as before, with the decision
    #[command(after_help = "\
Example:
  retrocast finding acknowledge latest#3f9a1c20b7de --by ann --why 'new disks are ordered'")]
    Acknowledge {
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// Mark a finding as wrong; reports list it under "Set aside"
    #[command(after_help = "\
Example:
  retrocast finding wrong weekly-operations/2026-W46#3f9a --by ann --why 'a load test'")]
    Wrong {
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// Keep a finding off the first page until a day
    #[command(after_help = "\
Example:
  retrocast finding snooze latest#3f9a1c20b7de --until 2026-12-01 --why 'fixed in the next release'")]
    Snooze {
        #[command(flatten)]
        decision: DecisionArguments,
        /// First day on which the finding is back on the first page
        #[arg(long, value_name = "DATE", value_parser = date)]
        until: Date,
    },
    /// Revoke the decision on a finding
    #[command(after_help = "\
Example:
  retrocast finding reopen latest#3f9a1c20b7de --by ann --why 'it happened again'")]
    Reopen {
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// List the decisions on findings, newest first
    #[command(after_help = "\
Examples:
  retrocast finding list                        decisions in force, of all jobs
  retrocast finding list weekly-operations --all --json")]
    List {
        /// Name of the job [default: all jobs]
        job: Option<String>,
        /// Include decisions that are no longer in force
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A decision to record.
#[derive(Debug, Args)]
pub struct DecisionArguments {
    /// Run, as in `retrocast show`, and id of a finding, or the start of its id; `retrocast show RUN
    /// --json` prints ids
    #[arg(value_name = "RUN#FINDING")]
    pub finding: String,
    /// Reason
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Person or team that decided [default: the current user]
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
}
