//! Arguments of `retrocast schedule`.

use super::ResourceArguments;
use clap::Subcommand;
use std::path::PathBuf;

/// Subcommands of `retrocast schedule`.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Run jobs when they are due, in the foreground, until Ctrl-C or SIGTERM
    #[command(after_help = "\
Examples:
  retrocast schedule run                            every scheduled job
  retrocast schedule run weekly-operations

Runs jobs one after another. Job files are read again before every check, and the archive is the
only state, so the scheduler can be stopped, started and moved at any time. Without scheduled
jobs, it exits with code 2.")]
    Run {
        /// Jobs [default: every scheduled job]
        job: Vec<String>,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Run the jobs that are due now, then exit; for cron, systemd and Kubernetes
    #[command(after_help = "\
Examples:
  retrocast schedule tick                            every due job
  retrocast schedule tick weekly-operations --again  retry after giving up

Later ticks retry failed runs and catch up missed runs, as configured in the job file. The exit
code is the most severe of all jobs. On a full disk, old reports are removed as [retention]
allows; if that does not free enough space, nothing runs, the exit code is 1, and the
administrator is mailed once.")]
    Tick {
        /// Jobs [default: every scheduled job]
        job: Vec<String>,
        /// Also run jobs that wait for a retry, were given up or were missed
        #[arg(long)]
        again: bool,
        /// Ignore jobs that are not run: print nothing about them, and exit with code 0
        #[arg(long)]
        quiet: bool,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Print configuration for cron, systemd or Kubernetes that calls `schedule tick`
    #[command(after_help = "\
Examples:
  retrocast schedule export cron >> crontab.txt
  retrocast schedule export systemd --out /etc/systemd/system
  retrocast schedule export kubernetes weekly-operations | kubectl apply -f -")]
    Export {
        /// Target
        to: ExportTo,
        /// Jobs [default: every scheduled job]
        job: Vec<String>,
        /// Write files to this folder instead of printing them
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Container image, for Kubernetes [default: retrocast:VERSION]
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
    },
}

/// Target of an exported schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportTo {
    /// Lines for a crontab
    Cron,
    /// A service and a timer per job
    Systemd,
    /// A volume claim, and one `CronJob` per job
    Kubernetes,
}
