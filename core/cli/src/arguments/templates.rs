//! Arguments of `retrocast templates`.

use clap::Subcommand;
use std::path::PathBuf;

/// Subcommands of `retrocast templates`.
#[derive(Debug, Subcommand)]
pub enum TemplatesCommand {
    /// Write the built-in templates to a folder, to change them
    #[command(after_help = "\
Examples:
  retrocast templates export templates
  retrocast templates check                 after each change

A workspace uses the files in its templates folder and the built-in templates for all others: keep
only the files that you change.")]
    Export {
        /// Folder to write to; it must not contain changed templates
        folder: PathBuf,
    },
    /// Check a folder of templates by rendering sample reports with them
    #[command(after_help = "\
Examples:
  retrocast templates check
  retrocast templates check drafts/templates --json

Prints mistakes with file, line and column. The exit code is 2 if there are any, else 0.")]
    Check {
        /// Folder of templates [default: the workspace's]
        folder: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
