//! The command line: commands, options and their help.

mod accuracy;
mod contract;
mod effect;
mod improvement;
mod lake;
mod templates;

pub use accuracy::{AnomalyArguments, DriftArguments, ForecastArguments};
pub use contract::{ContractCommand, FormatArguments, FormatName};
pub use effect::{EffectArguments, MethodArgument};
pub use improvement::{ChangeArguments, Details, ImprovementCommand};
pub use lake::{DecisionArguments, LakeCommand, SweepArguments};
pub use templates::TemplatesCommand;

use clap::{Args, Parser, Subcommand};
use retrocast_engine::job::size::{self, SIZE_HELP};
use std::path::PathBuf;

/// Weekly reports from operational records, with evidence for every claim.
#[derive(Debug, Parser)]
#[command(
    name = "retrocast",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "\
Examples:
  retrocast init review                         a starter workspace
  retrocast check weekly-operations             every mistake in the job file
  retrocast plan weekly-operations              what would run, and why
  retrocast run weekly-operations               report on the last complete week
  retrocast run weekly-operations --window 2026-W46 --set records=data/raw/operations
  retrocast show weekly-operations              findings of its newest run

With --json, stdout is machine-readable: one document, or one object per line from run, rerun, backfill,
watch and schedule. Mistakes in a job file are part of it, under \"diagnostics\" or as lines with the
event \"diagnostic\". Other errors go to stderr.

Exit codes: 0 success, 1 failure, 2 wrong usage or a mistake in the job file, 3 partial result,
4 already running in another process"
)]
pub struct Arguments {
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
    /// Workspace: the folder with jobs/, templates/, data/ and reports/
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
    /// Folder of report templates [default: templates if it exists, else the built-in ones]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Folders")]
    pub templates: Option<PathBuf>,
    /// Location of datasets and cached outcomes: a folder, or `s3://BUCKET/PATH` [default: data/lake]
    #[arg(long, global = true, value_name = "LOCATION", help_heading = "Folders")]
    pub lake: Option<PathBuf>,
    /// Location of the archive: a folder, or `s3://BUCKET/PATH` [default: reports]
    #[arg(long, global = true, value_name = "LOCATION", help_heading = "Folders")]
    pub reports: Option<PathBuf>,
    /// Log more: -v for information, -vv for debug messages (or set `RUST_LOG`)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Command {
    /// The job to resolve, for commands that plan a single run.
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

    /// Returns true for commands that start by reading runs of the archive.
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
                | Self::Evaluate { command: None, .. }
                | Self::Lake {
                    command: LakeCommand::Gc { .. }
                }
        )
    }
}

/// The commands, in the order in which a new user needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a starter workspace with a job and simulated records
    #[command(after_help = "\
Examples:
  retrocast init review && cd review && retrocast run hello
  retrocast init review --until 2026-11-16      always the same records

The simulated records end yesterday, so that a run without options has a complete week to report on.")]
    Init {
        /// Folder to create
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Day after the last simulated record [default: today]
        #[arg(long, value_name = "DATE", value_parser = date)]
        until: Option<jiff::civil::Date>,
    },
    /// Check a job file: report every mistake with its location and a suggestion
    Check {
        #[command(flatten)]
        job: JobArguments,
        /// Print diagnostics as one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Infer a contract from records, test records against a contract, or list contracts
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Contract {
        /// Command to run.
        #[command(subcommand)]
        command: ContractCommand,
    },
    /// Query and maintain the datasets of a job
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Lake {
        /// Command to run.
        #[command(subcommand)]
        command: LakeCommand,
    },
    /// Maintain the register of improvements, whose effects runs measure
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Improvement {
        /// Command to run.
        #[command(subcommand)]
        command: ImprovementCommand,
    },
    /// Show which nodes would run, and why
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
    /// Show why a node would run or be reused, with old and new values
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
  retrocast run weekly-operations --date 2026-11-16        as on that day: the week before
  retrocast run weekly-operations --window 2026-W40 --select stage.rhythm
  retrocast run weekly-operations --window 2026-W40 --date 2026-10-12
                                                           a given window and date of the report
  retrocast run weekly-operations --note 'Friday was a planned test.'
  retrocast run weekly-operations --memory 2GiB
  retrocast run weekly-operations --from stage.rhythm      this node and its dependents
  retrocast run github-incidents --set records=/srv/records/incidents --json")]
    Run {
        #[command(flatten)]
        job: JobArguments,
        #[command(flatten)]
        force: ForceArguments,
        /// Your own words on this run, printed in its reports as they are; an empty line starts a paragraph
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Write and check the templates of reports
    Templates {
        #[command(subcommand)]
        command: TemplatesCommand,
    },
    /// Repeat a run, as recorded or with the current job file and records
    #[command(after_help = "\
Examples:
  retrocast rerun latest                   the recorded job file and records
  retrocast rerun weekly-operations/2026-W46
  retrocast rerun 1a2b3c4d --current       the same window, with the current job file and records")]
    Rerun {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        run: String,
        /// Use the recorded job file and dataset versions [default]
        #[arg(long, conflicts_with = "current")]
        as_recorded: bool,
        /// Use the current job file and records
        #[arg(long)]
        current: bool,
        /// Repeat as recorded even if program, stages or contracts have changed; sources are read from
        /// the recorded dataset versions
        #[arg(long, conflicts_with = "current")]
        any_build: bool,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Run a job for every window of a range, oldest first
    #[command(after_help = "\
Example:
  retrocast backfill weekly-operations --from 2026-09-01 --to 2026-11-16

Runs each window that ends in the range. Finished windows are reused, so the same command resumes an
interrupted backfill.")]
    Backfill {
        /// Name of the job in the jobs folder, or the path of a .toml file
        job: String,
        /// First day of the range
        #[arg(long, value_name = "DATE", value_parser = date)]
        from: jiff::civil::Date,
        /// Day after the last day of the range
        #[arg(long, value_name = "DATE", value_parser = date)]
        to: jiff::civil::Date,
        /// Set a parameter of the job
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Maximum number of windows
        #[arg(long, value_name = "N", default_value_t = 400)]
        limit: usize,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Read new records continuously and report new findings
    #[command(after_help = "\
Examples:
  retrocast watch weekly-operations
  retrocast watch weekly-operations --window 2026-W46 --every 30

New and changed files are noticed immediately on local disks, and by listing elsewhere. Without --window,
the window is the current one: a weekly job reports on the days since Monday. Stop with Ctrl-C or
SIGTERM.")]
    Watch {
        #[command(flatten)]
        job: JobArguments,
        #[command(flatten)]
        options: WatchArguments,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Run scheduled jobs, or export schedules for cron, systemd and Kubernetes
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Schedule {
        /// Command to run.
        #[command(subcommand)]
        command: ScheduleCommand,
    },
    /// Show the status of scheduled jobs: last success, next due, overdue, failing
    #[command(after_help = "\
Examples:
  retrocast status
  retrocast status --check                 exit code 1 when a job needs attention, for monitoring

Prints one line per scheduled job, those that need attention first. A job is overdue when it was due
at least an hour ago and has not succeeded, failing when its last attempt failed, unreadable when its
job file is invalid. Without scheduled jobs, the exit code is 0, also with --check.")]
    Status {
        /// Only this job
        job: Option<String>,
        /// Exit with code 1 when a job is overdue, failing or unreadable
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

mail.toml in the workspace names sender and server. Messages that a server accepted are not sent
again; refused and given-up ones are tried once more. The exit code is 0 when a server accepted all,
3 when some wait for another attempt, 1 when some were refused.")]
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
    /// Check the settings for mail
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Mail {
        /// Command to run.
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
    /// Show the findings of a run
    #[command(after_help = "\
Examples:
  retrocast show                                the newest run
  retrocast show weekly-operations              the newest run of a job
  retrocast show 2026-W45                       the newest run of a window
  retrocast show weekly-operations 2026-W45
  retrocast show weekly-operations/2026-W46/1a2b3c4d")]
    Show {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        #[arg(default_value = "latest")]
        run: String,
        /// Window, if RUN is a job
        window: Option<String>,
        /// Print findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare two runs: findings, figures, records and configuration
    #[command(after_help = "\
Examples:
  retrocast diff weekly-operations/2026-W45 latest
  retrocast diff 1a2b3c4d 5e6f7a8b --json")]
    Diff {
        /// First run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        #[arg(value_name = "RUN")]
        old: String,
        /// Second run; new findings are those that only this run has
        #[arg(value_name = "RUN")]
        new: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Simulate the records of a company, with planted facts to test reports against
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
        /// Approximate number of tickets, decisions, pipeline executions and metrics; the other
        /// types add about half as many [default: about 7 000 per week]
        #[arg(long, value_name = "N")]
        records: Option<u64>,
        /// Improvements on the register: 3 (one is effective, one has no effect, one is too recent) or 6 (two
        /// are effective, two have no effect, one is harmful, one is too recent)
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = three_or_six)]
        improvements: u32,
    },
    /// Compare the findings of a run with a simulation, measure a change, or measure methods on known data
    #[command(
        after_help = "\
Examples:
  retrocast evaluate data/raw/operations/truth.json latest
  retrocast evaluate effect --help
  retrocast evaluate anomaly --help
  retrocast evaluate forecast --help
  retrocast evaluate drift last_month.csv this_month.csv",
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Evaluate {
        /// Evaluation of something other than a run.
        #[command(subcommand)]
        command: Option<EvaluateCommand>,
        /// File truth.json of the simulation
        #[arg(required = true)]
        truth: Option<PathBuf>,
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        #[arg(default_value = "latest")]
        run: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List stage kinds, or print the manual of a kind
    Kinds {
        /// Stage kind
        kind: Option<String>,
    },
    /// Print the JSON Schema of job files, for editors
    Schema,
    /// Write the data dictionary: the fields of every record type and result
    #[command(after_help = "\
Examples:
  retrocast dictionary --out dictionary.html
  retrocast dictionary --format markdown > DICTIONARY.md")]
    Dictionary {
        /// File to write [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t = DictionaryFormat::Html)]
        format: DictionaryFormat,
    },
    /// Print shell completions
    #[command(
        after_help = "Example:\n  retrocast completions bash > /etc/bash_completion.d/retrocast"
    )]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// Output format of a data dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DictionaryFormat {
    /// A web page that also prints well
    Html,
    /// Markdown
    Markdown,
}

/// Subcommands of `retrocast schedule`.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Run jobs when they are due, in the foreground, until Ctrl-C or SIGTERM
    #[command(after_help = "\
Examples:
  retrocast schedule run                            every scheduled job
  retrocast schedule run weekly-operations

Runs jobs one after the other. Job files are read again before every check, and the archive is the only
state, so the scheduler can be stopped, started and moved at any time. Without scheduled jobs it exits
with code 2.")]
    Run {
        /// Jobs [default: every scheduled job]
        job: Vec<String>,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Run the jobs that are due now, then exit; for cron, systemd and Kubernetes
    #[command(after_help = "\
Examples:
  retrocast schedule tick                           every due job
  retrocast schedule tick weekly-operations --again retry after giving up

A later tick retries failures and catches up missed runs, as the job file declares. The exit code is
the worst of all jobs. On a full disk, old reports are removed as [retention] allows; if that is not
enough, nothing runs, the exit code is 1, and the administrator is mailed once.")]
    Tick {
        /// Jobs [default: every scheduled job]
        job: Vec<String>,
        /// Also run jobs that wait for a retry, were given up or were missed
        #[arg(long)]
        again: bool,
        /// Print nothing about jobs that are not run, and exit with code 0 for them
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

/// Commands on the mail settings.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum MailCommand {
    /// Connect to the server and log in; nothing is sent
    Check,
}

/// Target of an exported schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportTo {
    /// Lines for a crontab
    Cron,
    /// A service and a timer per job
    Systemd,
    /// A volume, and a cron job per job
    Kubernetes,
}

/// Resources of a run, and the form of its output.
#[derive(Debug, Clone, Copy, Args)]
pub struct ResourceArguments {
    /// Print events as JSON, one object per line, instead of progress
    #[arg(long)]
    pub json: bool,
    /// Threads for analysis [default: one per core]
    #[arg(long, value_name = "N", env = "RETROCAST_THREADS",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Memory shared by all nodes, such as "2 GiB", 2G, 512MiB or 2GB; a plain number is MiB. A query
    /// uses up to half of it before it spills to disk [default: half of the free memory]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Disk space for spilled queries, in the same units as --memory
    #[arg(long, value_name = "SIZE", default_value = "10 GiB", value_parser = size)]
    pub spill: u64,
    /// Send no mail, even if the job says so
    #[arg(long)]
    pub no_mail: bool,
}

/// Options of `retrocast watch`.
#[derive(Debug, Clone, Copy, Args)]
pub struct WatchArguments {
    /// Seconds between listings of the sources
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub every: u16,
    /// Stop after this many runs
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
}

/// Nodes to run even if nothing changed.
#[derive(Debug, Args)]
pub struct ForceArguments {
    /// Run every node, even if nothing changed
    #[arg(long, conflicts_with = "from")]
    pub force: bool,
    /// Run this node and its dependents, even if nothing changed
    #[arg(long, value_name = "NODE")]
    pub from: Vec<String>,
}

const MIB: u64 = 1 << 20;

/// Parses a size into bytes; a plain number is MiB.
fn size(text: &str) -> Result<u64, String> {
    size::parse(text, MIB).ok_or_else(|| format!("{SIZE_HELP}; a number alone is MiB"))
}

/// Parses the memory of a run into bytes, within the supported range.
fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    let maximum = u64::from(u32::MAX) * MIB;
    if (16 * MIB..=maximum).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("memory must be at least 16 MiB and less than 4096 TiB".to_string())
    }
}

/// Evaluations of something other than a run.
#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Measure the effect of a change from a CSV file
    Effect(EffectArguments),
    /// Measure an anomaly detector on labelled series
    Anomaly(AnomalyArguments),
    /// Measure forecasts with the values that came after them
    Forecast(ForecastArguments),
    /// Compare two tables: which columns have drifted
    Drift(DriftArguments),
}

/// Parses the number of simulated improvements.
fn three_or_six(text: &str) -> Result<u32, String> {
    let number = text.trim().parse::<u32>().ok();
    number
        .filter(|number| matches!(number, 3 | 6))
        .ok_or_else(|| "write 3 or 6".to_string())
}

/// Parses a date within the supported years.
fn date(text: &str) -> Result<jiff::civil::Date, String> {
    const YEARS: std::ops::RangeInclusive<i16> = 1970..=9998;
    let date = text.trim().parse::<jiff::civil::Date>().ok();
    let has_no_time = text.trim().len() == "2026-11-16".len();
    match date.filter(|_| has_no_time) {
        Some(date) if YEARS.contains(&date.year()) => Ok(date),
        Some(_) => Err("the year must be from 1970 to 9998".to_string()),
        None => Err("write a date such as 2026-11-16".to_string()),
    }
}

/// A job and how to resolve it.
#[derive(Debug, Clone, Args)]
pub struct JobArguments {
    /// Name of the job in the jobs folder, or the path of a .toml file
    pub job: String,
    /// Date of the run; the window is the last complete one before it [default: today]. With --window
    /// it only dates the report, and must not be before the window's end
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub date: Option<jiff::civil::Date>,
    /// Window to report on, such as 2026-W46, 2026-11, 2026-Q4, 2026-11-15 or
    /// 2026-11-01..2026-11-16. The report is dated the day after it unless --date is given
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,
    /// Set a parameter of the job
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run only these nodes and their dependencies (stage.NAME; globs allowed; NAME+ adds dependents)
    #[arg(long, value_name = "NODE")]
    pub select: Vec<String>,
    /// Run up to this node: the node and its dependencies
    #[arg(long, value_name = "NODE", conflicts_with = "select")]
    pub until: Vec<String>,
}

#[cfg(test)]
mod tests;
