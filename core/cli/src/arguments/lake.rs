//! Arguments of `retrocast lake`.

use clap::{Args, Subcommand};

/// Subcommands of `retrocast lake`.
#[derive(Debug, Subcommand)]
pub enum LakeCommand {
    /// List the datasets of a job and their newest versions
    List {
        /// Name of the job
        job: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the columns of a dataset and the inputs of its version
    #[command(after_help = "Example:\n  retrocast lake show weekly-operations tickets@3")]
    Show {
        /// Name of the job
        job: String,
        /// Dataset, or DATASET@VERSION
        dataset: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the versions of a dataset: time, run, and whether a report cites them
    Versions {
        /// Name of the job
        job: String,
        /// Dataset
        dataset: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove versions that no report cites, and compact small files
    #[command(after_help = "\
Examples:
  retrocast lake gc weekly-operations --dry-run
  retrocast lake gc weekly-operations --keep-days 30

The newest version of each dataset and the versions cited by reports in the archive are kept.")]
    Gc {
        /// Name of the job
        job: String,
        #[command(flatten)]
        sweep: SweepArguments,
    },
    /// Record a decision on a finding, key figure or effect
    #[command(after_help = "\
Example:
  retrocast lake decide weekly-operations findings 3f9a1c20b7de dismissed --why 'load test' --who ann

Decisions are appended: the latest one on an item takes effect, and ledger.decisions keeps all of
them. A run sees decisions made before its date.")]
    Decide {
        /// Name of the job
        job: String,
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// List the decisions in force
    Decisions {
        /// Name of the job
        job: String,
        /// Include decisions that were replaced by later ones
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Query datasets with SQL; DATASET@VERSION is an earlier version
    #[command(after_help = "\
Examples:
  retrocast lake query weekly-operations 'select component, count(*) from tickets group by 1'
  retrocast lake query weekly-operations 'select count(*) from tickets@3'
  retrocast lake query weekly-operations \
      \"select since, times, sentence from ledger.findings where state = 'persisting'\"
  retrocast lake query weekly-operations 'select reason, line, raw from tickets__quarantine'
  retrocast lake query weekly-operations 'select name, records from tickets__manifest' --csv")]
    Query {
        /// Name of the job
        job: String,
        /// SQL query
        sql: String,
        /// Maximum number of rows to show
        #[arg(long, value_name = "N", default_value_t = 1000)]
        rows: usize,
        /// Time zone of displayed times
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        timezone: String,
        /// Print CSV
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
}

/// A decision to record.
#[derive(Debug, Args)]
pub struct DecisionArguments {
    /// Table of the item: findings, kpis or effects
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Item: id of the finding, metric of the key figure, or id of the improvement
    pub key: String,
    /// Decision, such as accepted, dismissed or reopened
    pub decision: String,
    /// Reason
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Person or team that decided [default: the current user]
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub who: Option<String>,
}

/// Options of `retrocast lake gc`.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// Keep versions newer than this many days
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub keep_days: u32,
    /// Only print what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
