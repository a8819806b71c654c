//! The command line: commands, options and their help.

mod accuracy;
mod archive;
mod contract;
mod effect;
mod finding;
mod improvement;
mod lake;
mod report;
mod resources;
mod schedule;
mod templates;
mod why;

pub use accuracy::{AnomalyArguments, DriftArguments, ForecastArguments};
pub use archive::{ArchiveCommand, PruneArguments};
pub use contract::{ContractCommand, FormatArguments, FormatName};
pub use effect::{EffectArguments, MethodArgument};
pub use finding::{DecisionArguments, FindingCommand};
pub use improvement::{ChangeArguments, Details, ImprovementCommand};
pub use lake::{GcArguments, LakeCommand};
pub use report::{ExportFormat, ReportCommand, SchemaKind};
pub use resources::{ForceArguments, ResourceArguments, WatchArguments};
pub use schedule::{ExportTo, ScheduleCommand};
pub use templates::TemplatesCommand;
pub use why::WhyArguments;

use clap::{Args, Parser, Subcommand};
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
  retrocast show weekly-operations              findings of its latest run

With --json, stdout is machine-readable: one document, or one object per line from run, rerun,
backfill, watch and schedule. Mistakes in a job file go to stdout, too: under \"diagnostics\", or
as lines with the event \"diagnostic\". Other errors go to stderr.

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
                | Self::Why(_)
                | Self::Diff { .. }
                | Self::Report { .. }
                | Self::Verify { .. }
                | Self::Export { .. }
                | Self::Archive { .. }
                | Self::Finding { .. }
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
  retrocast init review --until 2026-11-16      the same records every time

The simulated records end yesterday, so that a run without options has a complete week to report
on.")]
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
    /// Maintain the register of improvements; runs measure their effects
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
    /// Show why a node would run or be reused: inputs that changed, with old and new values
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
  retrocast run weekly-operations --date 2026-11-16        the last complete week before that day
  retrocast run weekly-operations --window 2026-W40 --select stage.rhythm
  retrocast run weekly-operations --window 2026-W40 --date 2026-10-12
                                                           a specific window and report date
  retrocast run weekly-operations --note 'Friday was a planned test.'
  retrocast run weekly-operations --memory 2GiB
  retrocast run weekly-operations --from stage.rhythm      this node and its dependents
  retrocast run github-incidents --set records=/srv/records/incidents --json")]
    Run {
        #[command(flatten)]
        job: JobArguments,
        #[command(flatten)]
        force: ForceArguments,
        /// Your own note on this run, printed in its reports as written; an empty line starts a paragraph
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        resources: ResourceArguments,
    },
    /// Export and check the templates of reports
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

Runs each window that ends in the range. Finished windows are reused, so the same command resumes
an interrupted backfill.")]
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

On local disks, new and changed files are detected immediately; elsewhere, sources are listed
repeatedly. Without --window, the window is the current one: a weekly job reports on the days
since Monday. Stop with Ctrl-C or SIGTERM.")]
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

Prints one line per scheduled job; jobs that need attention come first. A job is overdue if it was
due at least an hour ago and has not succeeded, failing if its last attempt failed, and unreadable
if its job file is invalid. Without scheduled jobs, the exit code is 0, even with --check.")]
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
    /// Send the reports and notifications of a run to the recipients in its job file
    #[command(after_help = "\
Examples:
  retrocast deliver latest
  retrocast deliver weekly-operations/2026-W46 --report executive
  retrocast deliver latest --dry-run out        write the messages to a folder, send nothing

mail.toml in the workspace sets the sender and the server of mail; [notify.NAME] in the job file
sets a webhook, Slack or Teams. Messages that a server accepted are not sent again; messages that
were refused or given up are tried once more. The exit code is 0 if a server accepted all
messages, 3 if some wait for another attempt, 1 if some were refused.")]
    Deliver {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, its id, or a folder
        run: String,
        /// Send only the mail of this report: executive or technical
        #[arg(long, value_name = "NAME")]
        report: Option<String>,
        /// Write .eml and .json files to this folder and send nothing
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
  retrocast show                                the latest run, by the date of its report
  retrocast show weekly-operations              the latest run of a job
  retrocast show 2026-W45                       the latest run of a window
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
    /// Explain a printed figure and compute it again
    Why(WhyArguments),
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
    /// Render the reports of a run again
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Report {
        /// Command to run.
        #[command(subcommand)]
        command: ReportCommand,
    },
    /// Verify that a report is unchanged: its data, checksums, cited datasets and bytes
    #[command(after_help = "\
Examples:
  retrocast verify weekly-operations-2026-W46-executive.pdf    a PDF from a mail or elsewhere
  retrocast verify weekly-operations/2026-W46                  all reports of a run
  retrocast verify latest --json

Answers each check with \"yes\", \"no\" or \"not possible\", and the reason:
  contents   the PDF has its data attached
  run        the archive has the run that created it
  copy       the archive's PDF has the same bytes
  data       the archive has the same data
  checksums  the files of the run are unchanged
  datasets   every cited version of a dataset is in the lake
  render     rendering it again gives the same bytes

The exit code is 0 if all answers are yes, else 1.")]
    Verify {
        /// PDF file, or run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        #[arg(value_name = "FILE|RUN")]
        target: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Acknowledge or snooze a finding, mark it as wrong, or reopen it
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Finding {
        /// Command to run.
        #[command(subcommand)]
        command: FindingCommand,
    },
    /// List figures of earlier windows that changed after publication, and why
    #[command(after_help = "\
Examples:
  retrocast restated weekly-operations
  retrocast restated weekly-operations --since 2026-W40 --json

Each run compares the figures of earlier windows with the published ones. The list comes from the
newest run of each window in the ledger.")]
    Restated {
        /// Name of the job
        job: String,
        /// List only figures from reports on this window and later ones
        #[arg(long, value_name = "WINDOW")]
        since: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Export the results of a run as JSON, CSV, Parquet and a notebook
    #[command(after_help = "\
Examples:
  retrocast export latest
  retrocast export weekly-operations/2026-W46 --format csv --out figures
  retrocast export latest --format ipynb --out notebook && jupyter lab notebook/notebook.ipynb

Writes findings, key figures, effects, health, recommendations and the dataset of each stage as
tables. JSON exports also have report.json and findings.json with their JSON Schemas.
datapackage.json describes all files (Data Package, frictionlessdata.io). The notebook reads the
cited dataset versions with pylance and polars. In CSV, text that a spreadsheet would read as a
formula is preceded by an apostrophe. The exit code is 3 if a dataset version no longer exists.")]
    Export {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        run: String,
        /// Files to write
        #[arg(long, value_enum, default_value_t = ExportFormat::All)]
        format: ExportFormat,
        /// Folder to write to [default: JOB-WINDOW-RUN]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print the descriptor of all files as JSON
        #[arg(long)]
        json: bool,
    },
    /// Maintain the archive: its pages, pinned runs, and the removal of old runs
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Archive {
        /// Command to run.
        #[command(subcommand)]
        command: ArchiveCommand,
    },
    /// Simulate the records of a company, with planted facts for testing reports
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
        /// Improvements in the register: 3 (one is effective, one has no effect, one is too recent) or 6 (two
        /// are effective, two have no effect, one is harmful, one is too recent)
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = three_or_six)]
        improvements: u32,
    },
    /// Score a run against planted facts, measure a change, or score detectors and forecasts
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
    /// Print the JSON Schema of job files, for editors, or of the files of a run
    #[command(after_help = "\
Examples:
  retrocast schema > job.schema.json
  retrocast schema report > report.schema.json")]
    Schema {
        /// File that the schema describes
        #[arg(value_enum, default_value_t = SchemaKind::Job)]
        of: SchemaKind,
    },
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

/// Commands on the mail settings.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum MailCommand {
    /// Connect to the server and log in; nothing is sent
    Check,
}

/// Evaluations of something other than a run.
#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Measure the effect of a change from a CSV file
    Effect(EffectArguments),
    /// Score an anomaly detector on labelled series
    Anomaly(AnomalyArguments),
    /// Score forecasts against the values that followed
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
    /// it only sets the date of the report, and must not be before the window's end
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
