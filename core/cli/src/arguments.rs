//! What can be typed: commands, options and their help.

mod contract;
mod lake;

pub use contract::{ContractCommand, Form, Written};
pub use lake::{DecisionArguments, LakeCommand, SweepArguments};

use clap::{Args, Parser, Subcommand};
use retrocast_engine::job::size::{self, SIZE_HELP};
use std::path::PathBuf;

/// Weekly, evidence-grade reports from operational records, and proof that fixes worked.
#[derive(Debug, Parser)]
#[command(
    name = "retrocast",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "\
Examples:
  retrocast init review                         a starter workspace that runs
  retrocast check weekly-operations             all mistakes of a job file at once
  retrocast plan weekly-operations              what would run, and why
  retrocast run weekly-operations               the last complete week
  retrocast run weekly-operations --window 2026-W46 --set records=data/raw/operations
  retrocast show weekly-operations              what its newest run found

With --json, standard output is for programs: one document, or from run, rerun, backfill, watch and
schedule one object a line. Mistakes in a job file are part of it, under \"diagnostics\" or as lines
with the event \"diagnostic\". Other errors go to stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage or job file, 3 done but partial,
4 another process is at it already"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Folder that holds jobs/, templates/, data/ and reports/
    #[arg(
        long,
        global = true,
        default_value = ".",
        value_name = "DIR",
        help_heading = "Folders"
    )]
    pub workspace: PathBuf,
    /// Folder of job files and their contracts/ [default: jobs]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Folders")]
    pub jobs: Option<PathBuf>,
    /// Folder of report templates [default: templates, else those built in]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Folders")]
    pub templates: Option<PathBuf>,
    /// Place of Lance datasets and kept outcomes: a folder, or `s3://BUCKET/PATH` [default: data/lake]
    #[arg(long, global = true, value_name = "PLACE", help_heading = "Folders")]
    pub lake: Option<PathBuf>,
    /// Place of the archive: a folder, or `s3://BUCKET/PATH` [default: reports]
    #[arg(long, global = true, value_name = "PLACE", help_heading = "Folders")]
    pub reports: Option<PathBuf>,
    /// Say more: -v for information, -vv for everything (or set `RUST_LOG`)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Command {
    /// The job and how to resolve it, of commands that plan one run.
    pub fn job(&self) -> Option<&JobArguments> {
        match self {
            Self::Check { job, .. }
            | Self::Plan { job, .. }
            | Self::Explain { job, .. }
            | Self::Run { job, .. }
            | Self::Watch { job, .. } => Some(job),
            _ => None,
        }
    }

    /// Whether it looks at runs of the archive before it does anything.
    pub fn reads_archive(&self) -> bool {
        matches!(
            self,
            Self::Rerun { .. }
                | Self::Backfill { .. }
                | Self::Status { .. }
                | Self::Deliver { .. }
                | Self::List { .. }
                | Self::Show { .. }
                | Self::Diff { .. }
                | Self::Evaluate { .. }
                | Self::Lake {
                    command: LakeCommand::Gc { .. }
                }
        )
    }
}

/// The commands, in the order in which a new user needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a starter workspace that runs
    #[command(after_help = "\
Examples:
  retrocast init review && cd review && retrocast run hello
  retrocast init review --until 2026-11-16      the same records whenever it is typed

The records are made up and reach up to yesterday, so that a run without options has a full week to
report on.")]
    Init {
        /// Folder to make
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Day after the last made-up record [default: today]
        #[arg(long, value_name = "DATE", value_parser = date)]
        until: Option<jiff::civil::Date>,
    },
    /// Check a job file: every mistake at once, with its place and a suggestion
    Check {
        #[command(flatten)]
        job: JobArguments,
        /// Print diagnostics as one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Draft a contract from records, hold records to one, or list what there are
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Contract {
        /// What to do.
        #[command(subcommand)]
        command: ContractCommand,
    },
    /// Look into the lake of a job, as it is and as it was, and clean it up
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Lake {
        /// What to do.
        #[command(subcommand)]
        command: LakeCommand,
    },
    /// Show what a run would do, and why
    #[command(after_help = "Example:\n  retrocast plan weekly-operations --mermaid > plan.mmd")]
    Plan {
        #[command(flatten)]
        job: JobArguments,
        /// Print the graph as a Mermaid diagram
        #[arg(long, conflicts_with = "json")]
        mermaid: bool,
        /// Print the plan as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show why a node would run again or not, with old and new values
    #[command(after_help = "\
Examples:
  retrocast explain weekly-operations stage.failures
  retrocast explain weekly-operations report.executive --set records=data/raw/operations")]
    Explain {
        #[command(flatten)]
        job: JobArguments,
        /// Node, such as stage.failures
        node: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a job
    #[command(after_help = "\
Examples:
  retrocast run weekly-operations
  retrocast run weekly-operations --date 2026-11-16        as on that day: the week before it
  retrocast run weekly-operations --window 2026-W40 --select stage.rhythm
  retrocast run weekly-operations --window 2026-W40 --date 2026-10-12
                                                           that window, the report dated so
  retrocast run weekly-operations --memory 2GiB
  retrocast run weekly-operations --from stage.rhythm      it and what depends on it, again
  retrocast run github-incidents --set records=/srv/records/incidents --json")]
    Run {
        #[command(flatten)]
        job: JobArguments,
        #[command(flatten)]
        again: AgainArguments,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Run a run again, as it was recorded or with the job and records of today
    #[command(after_help = "\
Examples:
  retrocast rerun latest                   the same job file on the same records
  retrocast rerun weekly-operations/2026-W46
  retrocast rerun 1a2b3c4d --current       the same window, with the job and records of today")]
    Rerun {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        run: String,
        /// The recorded job file, on the records as they were taken then [the default]
        #[arg(long, conflicts_with = "current")]
        as_recorded: bool,
        /// The job file and the records of today
        #[arg(long)]
        current: bool,
        /// As recorded, although program, stages or contracts are others now: sources are used as
        /// they were read in then
        #[arg(long, conflicts_with = "current")]
        any_build: bool,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Run a job for every window of a range, oldest first
    #[command(after_help = "\
Example:
  retrocast backfill weekly-operations --from 2026-09-01 --to 2026-11-16

A window is run when it ends in the range. What was done is reused: broken off, the same
command goes on where it was.")]
    Backfill {
        /// Job: its name in the jobs folder, or the path of a .toml file
        job: String,
        /// First day
        #[arg(long, value_name = "DATE", value_parser = date)]
        from: jiff::civil::Date,
        /// Day after the last day
        #[arg(long, value_name = "DATE", value_parser = date)]
        to: jiff::civil::Date,
        /// Set a parameter of the job
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// As many windows as may be run
        #[arg(long, value_name = "N", default_value_t = 400)]
        most: usize,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Take new records in as they come, and tell what they show
    #[command(after_help = "\
Examples:
  retrocast watch weekly-operations
  retrocast watch weekly-operations --window 2026-W46 --every 30

Files that come or change are noticed at once on local disks, and by listing elsewhere. Without
--window the window is the one under way: a week's job reports on the days since Monday. Ctrl-C or
SIGTERM ends it.")]
    Watch {
        #[command(flatten)]
        job: JobArguments,
        #[command(flatten)]
        watching: WatchArguments,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Run what is due, or have it run
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Schedule {
        /// How.
        #[command(subcommand)]
        command: ScheduleCommand,
    },
    /// Say how jobs stand with their schedules: last success, next due, overdue, failing
    #[command(after_help = "\
Examples:
  retrocast status
  retrocast status --check                 exit code 1 when somebody should look: for monitors

A line for each job with a schedule, those that need somebody first. A job is overdue when it was
due an hour ago or longer and did not succeed, failing when its last attempt failed, unreadable when
its job file cannot be used. When no job has a schedule, that is said, and with --check too the exit
code is 0: nothing is late.")]
    Status {
        /// Only this job
        job: Option<String>,
        /// End with code 1 when a job is overdue, failing or unreadable
        #[arg(long)]
        check: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send the reports of a run as mail to the recipients in its job file
    #[command(after_help = "\
Examples:
  retrocast deliver latest
  retrocast deliver weekly-operations/2026-W46 --report executive
  retrocast deliver latest --dry-run mail       write the messages to a folder, send nothing

mail.toml in the workspace names sender and server. What a server accepted is not sent again; what
was refused or given up is tried once more. The exit code is 0 when a server accepted all, 3 when
some wait for another attempt, 1 when some were refused.")]
    Deliver {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        run: String,
        /// Only this report: executive or technical
        #[arg(long, value_name = "NAME")]
        report: Option<String>,
        /// Write .eml files to this folder and send nothing
        #[arg(long, value_name = "DIR")]
        dry_run: Option<PathBuf>,
    },
    /// Try the settings for mail
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Mail {
        /// What to do.
        #[command(subcommand)]
        command: MailCommand,
    },
    /// List jobs and runs, newest first
    List {
        /// Only this job
        job: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a run found
    #[command(after_help = "\
Examples:
  retrocast show                                the run of the newest date
  retrocast show weekly-operations              the same of one job
  retrocast show 2026-W45                       the newest run on that window
  retrocast show weekly-operations 2026-W45
  retrocast show weekly-operations/2026-W46/1a2b3c4d")]
    Show {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        #[arg(default_value = "latest")]
        run: String,
        /// Window, when RUN is a job
        window: Option<String>,
        /// Print findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what differs between two runs: findings, figures, records and config
    #[command(after_help = "\
Examples:
  retrocast diff weekly-operations/2026-W45 latest
  retrocast diff 1a2b3c4d 5e6f7a8b --json")]
    Diff {
        /// First run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        #[arg(value_name = "RUN")]
        old: String,
        /// Second run: what is new is new in this one
        #[arg(value_name = "RUN")]
        new: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a company's operations with planted, written-down truth
    #[command(after_help = "\
Example:
  retrocast simulate data/raw/operations --seed 7 --weeks 60 --until 2026-11-16")]
    Simulate {
        /// Folder to write to
        #[arg(default_value = "data/raw/operations")]
        out: PathBuf,
        /// Seed: the same seed gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Weeks of history
        #[arg(long, default_value_t = 60)]
        weeks: u32,
        /// Day after the last simulated day
        #[arg(long, value_name = "DATE", default_value = "2026-11-16", value_parser = date)]
        until: jiff::civil::Date,
        /// About how many tickets, decisions, pipeline executions and metrics together; the other
        /// types come on top, with about half as many [default: about 7 000 a week]
        #[arg(long, value_name = "N")]
        records: Option<u64>,
    },
    /// Compare a run's findings with the truth of a simulation
    #[command(after_help = "Example:\n  retrocast evaluate data/raw/operations/truth.json latest")]
    Evaluate {
        /// truth.json of a simulation
        truth: PathBuf,
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        #[arg(default_value = "latest")]
        run: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List stage kinds, or print the manual of one
    Kinds {
        /// Kind
        kind: Option<String>,
    },
    /// Print the JSON Schema of job files, for editors
    Schema,
    /// Write what every record type and result holds, field by field, as one page
    #[command(after_help = "\
Examples:
  retrocast dictionary --out dictionary.html
  retrocast dictionary --format markdown > DICTIONARY.md")]
    Dictionary {
        /// File to write [default: print]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How it is written
        #[arg(long, value_enum, default_value_t = DictionaryFormat::Html)]
        format: DictionaryFormat,
    },
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  retrocast completions bash > /etc/bash_completion.d/retrocast"
    )]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// How a data dictionary is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DictionaryFormat {
    /// A page for the browser and for paper
    Html,
    /// Text with tables
    Markdown,
}

/// Ways to run what is due.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Run what is due when it is due, in the foreground, until Ctrl-C or SIGTERM
    #[command(after_help = "\
Examples:
  retrocast schedule run                            every job that has a schedule
  retrocast schedule run weekly-operations

Runs are made one after the other. Job files are read anew before every look, and nothing is
remembered but the archive: it can be stopped, started and moved at any time. When no job has a
schedule there is nothing to wait for: it ends with code 2.")]
    Run {
        /// Jobs [default: all that have a schedule]
        job: Vec<String>,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Run what is due now, and end: for cron, systemd and Kubernetes
    #[command(after_help = "\
Examples:
  retrocast schedule tick                           what is due of every job
  retrocast schedule tick weekly-operations --again what was given up is tried once more

What failed is tried again by a later tick, as the job file says; what was missed is made up for.
The exit code is the worst of all jobs'. On a full disk, room is made as [retention] allows; when
that is not enough, nothing is run, the code is 1, and the administrator is told once by mail.")]
    Tick {
        /// Jobs [default: all that have a schedule]
        job: Vec<String>,
        /// Run what waits after a failure, was given up or was missed, too
        #[arg(long)]
        again: bool,
        /// Say nothing of jobs that are left alone, and call that done
        #[arg(long)]
        quiet: bool,
        #[command(flatten)]
        means: MeansArguments,
    },
    /// Print what makes cron, systemd or Kubernetes call `schedule tick`
    #[command(after_help = "\
Examples:
  retrocast schedule export cron >> crontab.txt
  retrocast schedule export systemd --out /etc/systemd/system
  retrocast schedule export kubernetes weekly-operations | kubectl apply -f -")]
    Export {
        /// What for
        to: ExportTo,
        /// Jobs [default: all that have a schedule]
        job: Vec<String>,
        /// Write files to this folder instead of printing them
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Container image, for Kubernetes [default: retrocast and its version]
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
    },
}

/// What to do with the settings for mail.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum MailCommand {
    /// Connect to the server and log in; nothing is sent
    Check,
}

/// What calls the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportTo {
    /// Lines for a crontab
    Cron,
    /// A service and a timer for each job
    Systemd,
    /// A volume, and a cron job for each job
    Kubernetes,
}

/// What a run may use, and how it tells of itself.
#[derive(Debug, Clone, Copy, Args)]
pub struct MeansArguments {
    /// Print events as JSON, one object a line, instead of progress
    #[arg(long)]
    pub json: bool,
    /// Threads for analysis [default: one a core]
    #[arg(long, value_name = "N", env = "RETROCAST_THREADS",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Memory that all nodes share, such as "2 GiB", 2G, 512MiB or 2GB; a number alone is MiB. A query
    /// takes up to half of it before it spills to disk [default: half of what is free]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// What queries may have on disk at a time, together: a size like that of --memory
    #[arg(long, value_name = "SIZE", default_value = "10 GiB", value_parser = size)]
    pub spill: u64,
    /// Send no mail, whatever the job says
    #[arg(long)]
    pub no_mail: bool,
}

/// How to watch.
#[derive(Debug, Clone, Copy, Args)]
pub struct WatchArguments {
    /// Seconds between two listings of the sources
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub every: u16,
    /// End after as many runs
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
}

/// What to run although nothing changed.
#[derive(Debug, Args)]
pub struct AgainArguments {
    /// Run everything again, whether or not it changed
    #[arg(long, conflicts_with = "from")]
    pub force: bool,
    /// Run this node and all that depends on it again
    #[arg(long, value_name = "NODE")]
    pub from: Vec<String>,
}

const MIB: u64 = 1 << 20;

/// Bytes, of a size in which a number alone is MiB.
fn size(text: &str) -> Result<u64, String> {
    size::parse(text, MIB).ok_or_else(|| format!("{SIZE_HELP}; a number alone is MiB"))
}

/// Bytes of memory that a run can work with.
fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    let most = u64::from(u32::MAX) * MIB;
    if (16 * MIB..=most).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("a run needs at least 16 MiB and takes less than 4096 TiB".to_string())
    }
}

/// A date of the calendar in the years that records come from.
fn date(text: &str) -> Result<jiff::civil::Date, String> {
    const YEARS: std::ops::RangeInclusive<i16> = 1970..=9998;
    let date = text.trim().parse::<jiff::civil::Date>().ok();
    let plain = text.trim().len() == "2026-11-16".len();
    match date.filter(|_| plain) {
        Some(date) if YEARS.contains(&date.year()) => Ok(date),
        Some(_) => Err("years from 1970 to 9998 can be reported on".to_string()),
        None => Err("write a day of the calendar such as 2026-11-16".to_string()),
    }
}

/// A job and how to resolve it.
#[derive(Debug, Clone, Args)]
pub struct JobArguments {
    /// Job: its name in the jobs folder, or the path of a .toml file
    pub job: String,
    /// Date to run for: the window is the last complete one before it [default: today]. Beside
    /// --window it only dates the report, and must not lie before the window's end
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub date: Option<jiff::civil::Date>,
    /// Window to report on, such as 2026-W46, 2026-11, 2026-Q4, 2026-11-15 or
    /// 2026-11-01..2026-11-16. The report is dated the day after it, unless --date says otherwise
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,
    /// Set a parameter of the job
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Only these nodes and what they need (stage.name; globs allowed; name+ adds descendants)
    #[arg(long, value_name = "NODE")]
    pub select: Vec<String>,
    /// Up to this node: it and what it needs, nothing after it
    #[arg(long, value_name = "NODE", conflicts_with = "select")]
    pub until: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units_and_numbers_are_mib() {
        for (text, bytes) in [
            ("512", 512 << 20),
            ("512MiB", 512 << 20),
            ("2 GiB", 2 << 30),
            ("2G", 2 << 30),
            ("2GB", 2_000_000_000),
            ("16", 16 << 20),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(size("0"), Ok(0));
        for (text, words) in [
            ("15", "at least 16 MiB"),
            ("512 B", "at least 16 MiB"),
            ("much", "\"2 GiB\""),
            ("2 gigs", "a number alone is MiB"),
        ] {
            let error = memory(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
