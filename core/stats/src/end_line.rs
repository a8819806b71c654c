//! The straight line at the end of a series, with intervals that allow for autocorrelation.

use crate::{
    change_point::clip_outliers,
    distribution::{t_p, t_quantile},
    search::{Candidate, NoisePosterior, Search, repeated_share, simulated_p},
    seasonal::line,
    trend::median_of,
};

/// A straight line through the last values of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct EndLine {
    /// Number of values on the line.
    pub length: usize,
    /// Height at the last value.
    pub height: f64,
    /// Change per step.
    pub slope: f64,
    /// Standard deviation of a value around the line.
    pub noise: f64,
    /// Factor by which autocorrelation increases the variance of a mean.
    pub inflation: f64,
    /// Degrees of freedom of the noise.
    freedom: f64,
}

impl EndLine {
    /// The line through the last `length` of `n` values, which leaves these squares and this
    /// autocorrelation.
    pub(crate) fn new(
        length: usize,
        height: f64,
        slope: f64,
        n: usize,
        residual_squares: f64,
        rho: f64,
    ) -> Self {
        let inflation = (1.0 + rho) / (1.0 - rho);
        Self {
            length,
            height,
            slope,
            noise: (residual_squares / (n as f64 - 3.0).max(1.0)).sqrt(),
            inflation,
            freedom: (n as f64 / inflation - 3.0).max(2.0),
        }
    }

    /// Height so many steps after the last value.
    pub fn at(&self, ahead: f64) -> f64 {
        self.height + self.slope * ahead
    }

    /// Half the width of the interval of the line (not of a single value) so many steps after the
    /// last value.
    pub fn half_width(&self, ahead: f64, level: f64) -> f64 {
        self.quantile(level) * self.variance(ahead).sqrt()
    }

    /// Half the width of the interval of the slope.
    pub fn slope_half_width(&self, level: f64) -> f64 {
        let [_, slope] = self.variances();
        self.quantile(level) * slope.sqrt()
    }

    /// Half the width of the interval of an average of so many values around the line.
    pub fn noise_half_width(&self, values: usize, level: f64) -> f64 {
        let inflation = if values > 1 { self.inflation } else { 1.0 };
        self.quantile(level) * self.noise * (inflation / values as f64).sqrt()
    }

    /// Variance of the height so many steps after the last value.
    pub(crate) fn variance(&self, ahead: f64) -> f64 {
        let [middle, slope] = self.variances();
        middle + slope * ((self.length as f64 - 1.0) / 2.0 + ahead).powi(2)
    }

    /// Variance of a mean of so many values.
    pub(crate) fn mean_variance(&self, values: usize) -> f64 {
        self.noise.powi(2) * self.inflation / values as f64
    }

    /// Half the width of a two-sided interval in standard errors.
    pub(crate) fn quantile(&self, level: f64) -> f64 {
        t_quantile(0.5 + level.clamp(0.0, 0.9999) / 2.0, self.freedom)
    }

    /// Variances of the height in the middle of the line, and of the slope.
    fn variances(&self) -> [f64; 2] {
        let n = self.length as f64;
        let middle = self.mean_variance(self.length);
        [middle, 12.0 * middle / (n * n - 1.0).max(1.0)]
    }
}

/// p-value above which no simulation is needed: autocorrelation is underestimated, so the simulated
/// p-value is larger still.
const SIMULATION_P_MAX: f64 = 0.01;

/// The least-squares line through all values, and the p-value of its slope: 1 if the series is
/// constant or shorter than two segments of a [`search`](crate::search). Outliers are clipped as
/// for a [`bend`](crate::bend::bend).
pub(crate) fn straight_line(values: &[f64], search: &Search) -> (EndLine, f64) {
    let (n, m) = (values.len(), search.segment_min.max(2));
    let (intercept, slope) = line(&clip_outliers(values, m));
    let clean = clip_around(values, |i| intercept + slope * i as f64);
    let (intercept, slope) = line(&clean);
    let end = |residual_squares: f64, rho: f64| {
        let height = intercept + slope * (n as f64 - 1.0);
        EndLine::new(n, height, slope, n, residual_squares, rho)
    };
    let Some(candidate) = best_line(&clean, m) else {
        return (end(0.0, 0.0), 1.0);
    };
    let squares = candidate.residual_squares;
    if n < 2 * m {
        return (end(squares, candidate.correlation.first.max(0.0)), 1.0);
    }
    let noise = NoisePosterior::new(best_line, &clean, candidate.correlation, search);
    let fitted = end(squares, noise.autocorrelation());
    let p = t_p(candidate.statistic, fitted.freedom);
    let p = if p < SIMULATION_P_MAX {
        simulated_p(best_line, &clean, &candidate, search)
    } else {
        p
    };
    (fitted, p)
}

/// Clips values farther than three and a half robust standard deviations from a line. If more than
/// half of the values are equal, as with rare counts, the others are no outliers: their distance
/// from the line measures no scatter.
pub(crate) fn clip_around(values: &[f64], line: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if repeated_share(&sorted) > 0.5 {
        return values.to_vec();
    }
    let deviations = values
        .iter()
        .enumerate()
        .map(|(i, value)| (value - line(i)).abs());
    let limit = 3.5 * 1.4826 * median_of(&mut deviations.collect::<Vec<_>>());
    if limit <= 0.0 {
        return values.to_vec();
    }
    let clip = |(i, value): (usize, &f64)| value.clamp(line(i) - limit, line(i) + limit);
    values.iter().enumerate().map(clip).collect()
}

/// The straight line as the only candidate of a search; `None` for a constant segment.
fn best_line(values: &[f64], _segment_min: usize) -> Option<Candidate> {
    let (intercept, slope) = line(values);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let residuals: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, value)| value - intercept - slope * i as f64)
        .collect();
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let squares: f64 = residuals.iter().map(|residual| residual.powi(2)).sum();
    Candidate::new(0, (total - squares).max(0.0), total, mean, &residuals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Noise;

    /// Share of level series with a proven slope, and of intervals that hold the level 30 steps
    /// ahead.
    fn shares(rho: f64) -> [f64; 2] {
        let search = Search {
            segment_min: 14,
            ..Search::default()
        };
        let mut noise = Noise::new((10.0 * rho) as u64);
        let (mut found, mut held) = (0.0, 0.0);
        let tries = 100;
        for _ in 0..tries {
            let (line, p) = straight_line(&noise.autoregressive(182, rho), &search);
            found += f64::from(u8::from(p < 0.02)) / f64::from(tries);
            let is_held = line.at(30.0).abs() <= line.half_width(30.0, 0.95);
            held += f64::from(u8::from(is_held)) / f64::from(tries);
        }
        [found, held]
    }

    #[test]
    fn a_level_series_has_no_slope_and_its_interval_holds() {
        for rho in [0.0, 0.5, 0.8] {
            let [found, held] = shares(rho);
            assert!(found <= 0.06, "autocorrelation {rho}: {found}");
            assert!(held >= 0.85, "autocorrelation {rho}: {held}");
        }
    }

    #[test]
    fn a_constant_series_has_an_exact_line() {
        let (line, p) = straight_line(&[4.0; 80], &Search::default());
        assert_eq!(
            (line.at(5.0), line.half_width(5.0, 0.95), p),
            (4.0, 0.0, 1.0)
        );
    }
}
