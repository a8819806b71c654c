//! The values of a series with their noise.

/// The values of a series, and the noise of each.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// One value per step; `None` for missing values.
    pub values: &'a [Option<f64>],
    /// Variance of `e` at each step, relative to that at a usual step: of means of records, the
    /// usual number of records over that of the step. Covers training and forecast steps. Empty if
    /// all are 1.
    pub noise: &'a [f64],
}

impl<'a> Sample<'a> {
    /// Values with the same noise.
    pub fn even(values: &'a [Option<f64>]) -> Self {
        Self { values, noise: &[] }
    }

    /// Relative variance of `e` at a step.
    pub(crate) fn noise_at(&self, step: usize) -> f64 {
        self.noise.get(step).copied().unwrap_or(1.0)
    }
}
