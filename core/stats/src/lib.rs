//! Numerics over slices: tests, detectors, forecasters. No frames, no I/O, no clock; everything
//! random takes a seed.

pub mod trend;
pub mod change_point;
