//! Arguments of `retrocast evaluate anomaly`, `forecast` and `drift`.

use clap::Args;
use retrocast_stats::detector::Method;
use std::path::PathBuf;

/// Labelled series, and the detector to score.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast evaluate anomaly --data nab/data --labels nab/labels/combined_windows.json
  retrocast evaluate anomaly --data series --labels windows.json --method sub-pca --json

Expects the layout of the Numenta Anomaly Benchmark: CSV files with the columns timestamp and
value, and a JSON file with the anomaly windows of each file: {\"folder/file.csv\": [[\"2014-04-10
07:15:00\", \"2014-04-11 16:45:00\"]]}.")]
pub struct AnomalyArguments {
    /// Folder of the series
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// JSON file of the anomaly windows
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    /// Detector: router (chooses one by the behaviour of a series), sub-pca, poly, matrix-profile, kmeans,
    /// spectral-residual, isolation-forest, seasonal-residual, windowed-gaussian
    #[arg(long, value_name = "NAME", default_value = "router")]
    pub method: Method,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Series to forecast, and the values that followed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast evaluate forecast --train Hourly-train.csv --test Hourly-test.csv \\
      --season 24,168 --horizon 48
  retrocast evaluate forecast --train train.csv --test test.csv --season 52 --horizon 13 --json

Expects the layout of the M4 competition: one series per row, its name first, then its values;
shorter rows may end with empty cells or NA. The test file has the next values under the same
names. Cells are separated by commas, semicolons, tabs or bars.")]
pub struct ForecastArguments {
    /// CSV file of the series to forecast
    #[arg(long, value_name = "FILE")]
    pub train: PathBuf,
    /// CSV file of the values that followed
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// Season lengths in steps, shortest first, such as 24,168; 1 for none. Naive2 and MASE use the first
    #[arg(long, value_name = "STEPS", value_delimiter = ',', default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub season: Vec<u32>,
    /// Number of steps to forecast
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub horizon: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Two tables with the same columns.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast evaluate drift last_month.csv this_month.csv
  retrocast evaluate drift reference.csv current.csv --json

With up to 1,000 reference rows, a column drifts if a test rejects equality at 0.05
(Kolmogorov-Smirnov for numbers, chi-square for categories, z for shares). With more rows, its
distance must also reach 0.1 (Wasserstein over the standard deviation for numbers, Jensen-Shannon
for categories). The table drifts if at least half of its columns do.")]
pub struct DriftArguments {
    /// CSV file with the reference table; the first row is a header
    pub reference: PathBuf,
    /// CSV file with the table to compare; the first row is a header
    pub current: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
