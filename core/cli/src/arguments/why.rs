//! Arguments of `retrocast why`.

use clap::Args;

/// A printed figure, and the details to show.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast why weekly-operations/2026-W46#k1   the figure marked k1 in its report
  retrocast why latest#f2 --rows 5              with example rows behind it
  retrocast why latest                          every figure with its ID

Prints the definition of the figure and the versions of the datasets that it was computed from,
and checks that its stage computes the same value from them again. The workspace does not change.
If the value differs or can no longer be computed, the command lists the reasons and exits with
code 1.")]
pub struct WhyArguments {
    /// Run and ID of the figure; a run without an ID lists its figures. Run: "latest", JOB, WINDOW,
    /// JOB/WINDOW, JOB/WINDOW/RUN, an id, or a folder
    #[arg(value_name = "RUN#ID")]
    pub figure: String,
    /// Show this many of the rows behind the figure
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
