//! What can be typed after `retrocast lake`.

use clap::{Args, Subcommand};

/// What to do with a job's lake.
#[derive(Debug, Subcommand)]
pub enum LakeCommand {
    /// List the datasets of a job with their newest versions
    List {
        /// Job: its name
        job: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the columns of a dataset and what its version was made from
    #[command(after_help = "Example:\n  retrocast lake show weekly-operations tickets@3")]
    Show {
        /// Job: its name
        job: String,
        /// Dataset, or DATASET@VERSION
        dataset: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the versions of a dataset: when, by which run, and whether a report cites them
    Versions {
        /// Job: its name
        job: String,
        /// Dataset
        dataset: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove versions that no report cites, and write many small files as few
    #[command(after_help = "\
Examples:
  retrocast lake gc weekly-operations --dry-run
  retrocast lake gc weekly-operations --keep-days 30

The newest version of each dataset stays, and so do those that a report in the archive was made from.")]
    Gc {
        /// Job: its name
        job: String,
        #[command(flatten)]
        sweep: SweepArguments,
    },
    /// Record what was decided about a finding, key figure or effect
    #[command(after_help = "\
Example:
  retrocast lake decide weekly-operations findings 3f9a1c20b7de dismissed --why 'load test' --who ann

Nothing is overwritten: a later decision about the same takes its place, and both stay in
ledger.decisions. Runs see decisions from before their date.")]
    Decide {
        /// Job: its name
        job: String,
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// List the decisions in force
    Decisions {
        /// Job: its name
        job: String,
        /// List all decisions, also those that later ones replaced
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the lake in SQL; DATASET@VERSION is a dataset as it was
    #[command(after_help = "\
Examples:
  retrocast lake query weekly-operations 'select component, count(*) from tickets group by 1'
  retrocast lake query weekly-operations 'select count(*) from tickets@3'
  retrocast lake query weekly-operations \
      \"select since, times, sentence from ledger.findings where state = 'persisting'\"
  retrocast lake query weekly-operations 'select reason, line, raw from tickets__quarantine'
  retrocast lake query weekly-operations 'select name, records from tickets__manifest' --csv")]
    Query {
        /// Job: its name
        job: String,
        /// Query
        sql: String,
        /// Most rows to show
        #[arg(long, value_name = "N", default_value_t = 1000)]
        rows: usize,
        /// Time zone of times
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

/// What was decided.
#[derive(Debug, Args)]
pub struct DecisionArguments {
    /// What it is about: findings, kpis or effects
    pub noun: String,
    /// Which of them: id of the finding, metric of the key figure, identity of the improvement
    pub key: String,
    /// Decision, such as accepted, dismissed or reopened
    pub decision: String,
    /// Reason
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Person or team that decided [default: the user of this machine]
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub who: Option<String>,
}

/// What a clean-up may do.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// Keep versions younger than this
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub keep_days: u32,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
