//! Arguments of `retrocast evaluate anomaly` and `drift`.

use clap::Args;
use retrocast_stats::detector::Method;
use std::path::PathBuf;

/// Labelled series, and the detector that is measured on them.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  retrocast evaluate anomaly --data nab/data --labels nab/labels/combined_windows.json
  retrocast evaluate anomaly --data series --labels windows.json --method sub-pca --json

Layout of the Numenta Anomaly Benchmark: CSV files with the columns timestamp and value, and a JSON file that
gives the anomalous stretches of each: {\"folder/file.csv\": [[\"2014-04-10 07:15:00\", \"2014-04-11 16:45:00\"]]}.")]
pub struct AnomalyArguments {
    /// Folder of the series
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// JSON file of the anomalous stretches
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    /// Detector: router (the default: it chooses by the behaviour of a series), sub-pca, poly,
    /// matrix-profile, kmeans, spectral-residual, isolation-forest, seasonal-residual, windowed-gaussian
    #[arg(long, value_name = "NAME", default_value = "router")]
    pub method: Method,
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

Up to 1,000 rows of the reference a column drifts when a test says so at 0.05 (Kolmogorov-Smirnov for numbers,
chi-square for categories, z for shares); with more, when its distance reaches 0.1 (Wasserstein over the standard
deviation for numbers, Jensen-Shannon for categories). The table drifts when half of its columns do.")]
pub struct DriftArguments {
    /// CSV file with a header: the reference
    pub reference: PathBuf,
    /// CSV file with a header: what is compared with it
    pub current: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
