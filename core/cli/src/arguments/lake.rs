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
        arguments: GcArguments,
    },
    /// Query datasets with SQL; DATASET@VERSION is an earlier version
    #[command(after_help = "\
Examples:
  retrocast lake query weekly-operations 'select component, count(*) from tickets group by 1'
  retrocast lake query weekly-operations 'select count(*) from tickets@3'
  retrocast lake query weekly-operations \\
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

/// Options of `retrocast lake gc`.
#[derive(Debug, Args)]
pub struct GcArguments {
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
