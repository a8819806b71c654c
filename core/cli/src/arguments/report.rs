//! Arguments of `retrocast report`, `export` and `schema`.

use clap::Subcommand;
use std::path::PathBuf;

/// Subcommands of `retrocast report`.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Render the reports of a run again, with the current templates
    #[command(after_help = "\
Examples:
  retrocast report render latest --out rendered
  retrocast report render weekly-operations/2026-W46 --report executive --templates new-templates

Reads only report.json of the run; neither records nor datasets are needed. The same build and
templates give the same bytes; the command reports files that differ from those in the run.
Nothing in the archive is changed.")]
    Render {
        /// Run: "latest", JOB, WINDOW, JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
        run: String,
        /// Render only this report: executive or technical
        #[arg(long, value_name = "NAME")]
        report: Option<String>,
        /// Folder to write to [default: JOB-WINDOW-RUN]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Files of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Tables as JSON, report.json, findings.json and their schemas
    Json,
    /// Tables as CSV
    Csv,
    /// Tables as Parquet
    Parquet,
    /// A Jupyter notebook with the charts
    Ipynb,
    /// All of these
    All,
}

/// A file with a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// A job file
    Job,
    /// report.json of a run
    Report,
    /// findings.json of a run
    Findings,
}
