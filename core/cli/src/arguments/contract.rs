//! What can be typed after `retrocast contract`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// How records are written, where their files do not tell; as a source in a job file has it.
#[derive(Debug, Args)]
pub struct Written {
    /// How records are written [default: told by the files' names]
    #[arg(long, value_enum)]
    pub format: Option<Form>,
    /// What stands between the cells of CSV [default: told by the file]
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// Names of the columns of CSV, in place of those in the file
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// The first line of CSV is a record, too
    #[arg(long, requires = "columns")]
    pub no_header: bool,
}

/// A way of writing records.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// An object a line
    Jsonl,
    /// A list of objects
    Json,
    /// Cells
    Csv,
    /// Parquet files
    Parquet,
}

/// What to do with contracts.
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Draft a contract from records as they are
    #[command(after_help = "\
Examples:
  retrocast contract infer 'data/raw/tickets/**/*.jsonl'
  retrocast contract infer export.csv --name ticket --out jobs/contracts/ticket.toml
  retrocast contract infer export.log --format csv --delimiter ';'

A draft says what records look like, not what they must look like: it has comments where somebody
has to decide. How times, numbers and missing values are written is declared where all records agree,
each with the evidence. Records are taken from all files evenly.")]
    Infer {
        /// Which files: a path or pattern, as in a job file
        uri: String,
        /// Name of the contract [default: that of --out, else of the files]
        #[arg(long)]
        name: Option<String>,
        /// Write to this file, which must not be there yet, instead of printing
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// About how many records to look at
        #[arg(long, value_name = "N", default_value_t = retrocast_records::infer::RECORDS,
              value_parser = clap::value_parser!(u64).range(1..))]
        records: u64,
        #[command(flatten)]
        written: Written,
    },
    /// Hold records to a contract: what would be taken in, what refused and why
    #[command(after_help = "\
Examples:
  retrocast contract check 'data/raw/tickets/**/*.jsonl' --contract ticket
  retrocast contract check export.csv --contract drafts/ticket.toml --json

Exit codes: 0 all records meet the contract and what it expects of them, 1 some do not or a file
cannot be read to its end, 2 wrong usage or a contract that cannot be used")]
    Check {
        /// Which files: a path or pattern, as in a job file
        uri: String,
        /// Contract: its name in the jobs folder's contracts/, or the path of a .toml file
        #[arg(long, value_name = "NAME")]
        contract: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Stop after about as many records [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        records: Option<u64>,
        #[command(flatten)]
        written: Written,
    },
    /// List contracts with their titles
    #[command(after_help = "Example:\n  retrocast contract list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
