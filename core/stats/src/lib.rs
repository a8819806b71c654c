//! Numerics over slices: tests, detectors, forecasters. No frames, no I/O, no clock; everything
//! random takes a seed.

pub mod describe;
pub mod test;
pub mod rate;
pub mod threshold;

pub mod trend;
pub mod change_point;

pub mod seasonal;
pub mod anomaly;
pub mod isolation_forest;
pub mod forecast;
pub mod structural;
pub mod effect;
