//! Scores methods on labelled data, by the published definitions of public benchmarks.

mod error;
mod table;

pub mod anomaly;
pub mod nab;
pub mod range_f1;
pub mod vus;

pub mod forecasts;

pub mod drift;

pub use error::Error;
