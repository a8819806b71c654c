//! Arguments of `retrocast archive`.

use clap::{Args, Subcommand};

/// Subcommands of `retrocast archive`.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Write every page of the archive again
    #[command(after_help = "\
Examples:
  retrocast archive rebuild
  retrocast archive rebuild --templates templates

Runs update the pages automatically. Rebuild the archive after pages were removed or edited by
hand.")]
    Rebuild {
        /// Write only pages whose contents have changed, as a run does
        #[arg(long)]
        changed: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep the files of a run, whatever its age
    #[command(after_help = "\
Examples:
  retrocast archive pin weekly-operations/2026-W46 --why 'board meeting'
  retrocast archive pin latest")]
    Pin {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        run: String,
        /// Reason to show on the run's page
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        why: String,
    },
    /// Let retention apply to a run again
    #[command(after_help = "Example:\n  retrocast archive unpin weekly-operations/2026-W46")]
    Unpin {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        run: String,
    },
    /// Remove the files of old runs; their summaries and histories stay
    #[command(after_help = "\
Examples:
  retrocast archive prune --dry-run
  retrocast archive prune weekly-operations --keep 90d
  retrocast archive prune --keep '26 weeks' --at-least 8

Without --keep, [retention] in each job file decides, and jobs without it are unchanged. Pinned
runs and runs on the newest windows are kept. A removed run keeps its summary, setup, journal and
results, and its page shows what was removed, when and why.")]
    Prune(PruneArguments),
}

/// Options of `retrocast archive prune`.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Jobs [default: every job of the archive]
    pub job: Vec<String>,
    /// Maximum age of a window, such as 90d, "26 weeks" or "2 years" [default: keep in the job file]
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub keep: Option<String>,
    /// Number of newest windows that are always kept [default: `at_least` in the job file, else 4]
    #[arg(long, value_name = "N")]
    pub at_least: Option<u32>,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Checks a period of whole days.
fn period(text: &str) -> Result<String, String> {
    if retrocast_engine::job::retention::is_period(text) {
        Ok(text.to_string())
    } else {
        Err("use a period of at least a day, such as 90d, \"26 weeks\" or \"2 years\"".to_string())
    }
}
