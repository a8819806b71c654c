//! The Numenta Anomaly Benchmark: labelled series in folders, and its score.
//!
//! Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
//! Benchmark", ICMLA 2015.

mod read;
mod score;

pub use read::{Corpus, LabelledSeries, read};
pub use score::{Alerts, Optimum, Profile, optimize, probation, score};
