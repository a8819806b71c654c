//! Arguments of `retrocast contract`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Format of the records, if the files do not determine it. The keys are those of a source.
#[derive(Debug, Args)]
pub struct FormatArguments {
    /// Format of the records [default: from the file names]
    #[arg(long, value_enum)]
    pub format: Option<FormatName>,
    /// Delimiter of CSV [default: detected]
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// Column names of CSV, instead of those in the file
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// The first line of CSV is a record, not a header
    #[arg(long, requires = "columns")]
    pub no_header: bool,
    /// Encoding of text without a byte-order mark, such as windows-1252 [default: UTF-8]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
}

/// Format of records.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatName {
    /// One JSON object per line
    Jsonl,
    /// Arrays of JSON objects
    Json,
    /// Comma-separated values
    Csv,
    /// Parquet files
    Parquet,
}

/// Subcommands of `retrocast contract`.
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Draft a contract from records
    #[command(after_help = "\
Examples:
  retrocast contract infer 'data/raw/tickets/**/*.jsonl'
  retrocast contract infer export.csv --name ticket --out jobs/contracts/ticket.toml
  retrocast contract infer export.log --format csv --delimiter ';'

The draft describes the records that were read; comments mark what you must decide. It declares
formats of times, numbers and missing values where all records agree, with the evidence. If there
are more than --records, they are sampled from all files, and the draft lists the values of a
field as a comment only.")]
    Infer {
        /// Files: a path or pattern, as in a job file
        uri: String,
        /// Name of the contract [default: from --out, else from the files]
        #[arg(long)]
        name: Option<String>,
        /// Write to this new file instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Number of records to read; if there are more, they are sampled
        #[arg(long, value_name = "N", default_value_t = retrocast_records::infer::RECORDS_DEFAULT,
              value_parser = clap::value_parser!(u64).range(1..))]
        records: u64,
        #[command(flatten)]
        format: FormatArguments,
    },
    /// Test records against a contract: which are accepted, which refused, and why
    #[command(after_help = "\
Examples:
  retrocast contract check 'data/raw/tickets/**/*.jsonl' --contract ticket
  retrocast contract check export.csv --contract drafts/ticket.toml --json

Exit codes: 0 all records conform to the contract and its expectations, 1 some records do not, or
a file cannot be read completely, 2 wrong usage or an invalid contract")]
    Check {
        /// Files: a path or pattern, as in a job file
        uri: String,
        /// Contract: its name in jobs/contracts/, or the path of a .toml file
        #[arg(long, value_name = "NAME")]
        contract: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Approximate number of records to test [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        records: Option<u64>,
        #[command(flatten)]
        format: FormatArguments,
    },
    /// List contracts and their titles
    #[command(after_help = "Example:\n  retrocast contract list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
