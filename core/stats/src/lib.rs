//! Statistics of slices: tests, detectors, forecasters. No data frames, no I/O, no clock; random
//! numbers are seeded.

pub mod count;
pub mod describe;
pub mod dispersion;
pub mod distribution;
pub mod drift;
pub mod rate;
pub mod test;
pub mod threshold;
pub mod window;

pub mod bend;
pub mod change_point;
pub mod end_line;
mod linear;
pub mod positive_line;
mod random;
pub mod search;
pub mod shape;
pub mod trend;

pub mod anomaly;
pub mod burst;
pub mod counterfactual;
pub mod detector;
pub mod effect;
pub mod few_records;
pub mod forecast;
pub mod intervention;
pub mod isolation_forest;
pub mod panel;
pub mod screening;
pub mod seasonal;
mod structural;
pub mod stuck;
pub mod yearly;
