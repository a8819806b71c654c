//! Arguments of `retrocast evaluate effect`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The outcome in a CSV file, the change, and the method.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast evaluate effect --csv smoking.csv --time year --value packs \\
      --unit state --treated California --start 1989
  retrocast evaluate effect --csv daily.csv --time day --value errors \\
      --controls requests,latency --start 2026-03-02

The method auto depends only on the number of units and periods. For a panel, it is synthetic
difference in differences (sdid), or difp if five or more units changed, or did if there are too
few units or periods for weights. For a single series, it is a regression on season and controls.")]
pub struct EffectArguments {
    /// CSV file with a header, delimited by commas, semicolons, tabs or vertical bars
    #[arg(long, value_name = "FILE")]
    pub csv: PathBuf,
    /// Column of times: days, weeks, months, quarters, years or whole numbers
    #[arg(long, value_name = "COLUMN")]
    pub time: String,
    /// Column of the outcome
    #[arg(long, value_name = "COLUMN")]
    pub value: String,
    /// Column of units, for a panel
    #[arg(long, value_name = "COLUMN", requires = "treated")]
    pub unit: Option<String>,
    /// Unit that was changed; may be repeated
    #[arg(long, value_name = "UNIT", requires = "unit")]
    pub treated: Vec<String>,
    /// Columns that the change could not affect, for a single series
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        conflicts_with = "unit"
    )]
    pub controls: Vec<String>,
    /// First period after the change, in the format of the column of times
    #[arg(long, value_name = "TIME")]
    pub start: String,
    /// Estimator
    #[arg(long, value_enum, default_value_t = MethodArgument::Auto)]
    pub method: MethodArgument,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Values of `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum MethodArgument {
    /// Choose by the number of units and periods
    Auto,
    /// Difference in differences; needs --unit
    Did,
    /// Synthetic control; needs --unit
    SyntheticControl,
    /// Synthetic difference in differences; needs --unit
    Sdid,
    /// Synthetic control of demeaned series; needs --unit
    Difp,
    /// Regression on season and controls with autocorrelated errors
    Regression,
    /// Structural time series: time-varying level and season, controls
    Structural,
    /// Interrupted time series: a straight line on both sides of the change
    Interrupted,
}
