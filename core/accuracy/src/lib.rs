//! Scores methods on labelled data.

pub mod drift;
pub mod forecasts;
pub mod table;
