//! Structural time series: local level, optional slope, season and regression on controls, by Kalman
//! filter.
//!
//! The observation is `level + season + controls · coefficients + noise`. Level follows a random walk
//! (plus a fixed slope in some of the variants), season and coefficients are constant (Harvey, 1989; Durbin and Koopman, 2012; as a counterfactual: Brodersen et al., 2015).
//!
//! How fast the level wanders is hardly known from a hundred days: the likelihood is flat and its
//! maximum is often at zero, which makes plain maximum-likelihood intervals too narrow. So the ratio
//! of level noise to observation noise is not chosen but averaged: a grid of ratios, each with and
//! without slope, weighted by its marginal likelihood (the variance integrated out) and a weak prior.
//! Forecast variances hold state, coefficient, observation and this uncertainty of parameters. There
//! is no optimiser and no randomness. Missing values are skipped by the filter.

/// One variant of the structure with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Standard deviation of the level's daily step relative to that of the observation noise.
    pub level_ratio: f64,
    /// Whether there is a slope.
    pub slope: bool,
    /// Posterior weight.
    pub weight: f64,
}

/// Which variants a series supports; made by [`weigh`].
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Variants whose weight matters, summing to one.
    pub variants: Vec<Variant>,
    /// Length of the season; 1 for none.
    pub period: usize,
}

/// What is expected after the training values.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Expected value per step.
    pub mean: Vec<f64>,
    /// Variance of an observation per step.
    pub variance: Vec<f64>,
    /// Expected sum over the steps asked for.
    pub sum: f64,
    /// Variance of that sum, with the correlation between steps.
    pub sum_variance: f64,
    /// Degrees of freedom for Student's t intervals.
    pub freedom: f64,
    /// One-step-ahead expectation for each training value; `None` until the filter has settled.
    pub fitted: Vec<Option<f64>>,
}

const RATIOS: [f64; 10] = [0.0, 0.01, 0.02, 0.04, 0.07, 0.12, 0.2, 0.35, 0.6, 1.2];
/// Prior standard deviation of the slope, per step, in units of observation noise.
const SLOPE_SD: f64 = 0.01;
/// Prior odds of a slope: most metrics of operations do not rise or fall for months.
const SLOPE_WEIGHT: f64 = 0.2;
/// Variance of what is not known at all, in units of observation noise.
const DIFFUSE: f64 = 1e7;
/// Prior variance of coefficients of standardised controls: wide, but controls that move together
/// stay apart.
const COEFFICIENT: f64 = 1e4;

/// Weak prior: ratios around a fiftieth are likeliest, large ones are not excluded.
fn prior(ratio: f64) -> f64 {
    let size = ratio.max(0.005) / 0.02;
    size / (1.0 + size * size)
}

/// Positions of the state's parts: level, slope if any, season, coefficients of controls.
#[derive(Debug, Clone, Copy)]
struct Layout {
    slope: bool,
    /// Where the coefficients of controls begin.
    controls: usize,
    size: usize,
}

impl Layout {
    fn new(slope: bool, period: usize, controls: usize) -> Self {
        let start = usize::from(slope) + period.max(1);
        Self {
            slope,
            controls: start,
            size: start + controls,
        }
    }

    /// The observation vector of each step. The season is coded as deviations that sum to zero: one
    /// coefficient a phase, the last phase being minus the sum of the others.
    fn rows(self, controls: &[Vec<f64>]) -> Vec<f64> {
        let season = 1 + usize::from(self.slope);
        let period = self.controls - season + 1;
        let mut rows = vec![0.0; self.size * controls.len()];
        for (i, (row, values)) in rows.chunks_exact_mut(self.size).zip(controls).enumerate() {
            row[0] = 1.0;
            match i % period {
                phase if phase + 1 < period => row[season + phase] = 1.0,
                _ => row[season..self.controls].fill(-1.0),
            }
            row[self.controls..].copy_from_slice(values);
        }
        rows
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The filter: mean and covariance of the state, in units of observation noise.
#[derive(Debug, Clone)]
struct Filter {
    layout: Layout,
    level_variance: f64,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    gain: Vec<f64>,
    /// Sum of squared standardised innovations.
    squares: f64,
    /// Sum of logarithms of their variances.
    log_variances: f64,
    seen: usize,
}

impl Filter {
    fn new(layout: Layout, level_ratio: f64, start: f64) -> Self {
        let size = layout.size;
        let mut covariance = vec![0.0; size * size];
        for i in 0..size {
            covariance[i * size + i] = if i >= layout.controls {
                COEFFICIENT
            } else if layout.slope && i == 1 {
                SLOPE_SD * SLOPE_SD
            } else {
                DIFFUSE
            };
        }
        let mut mean = vec![0.0; size];
        mean[0] = start;
        Self {
            layout,
            level_variance: level_ratio * level_ratio,
            mean,
            covariance,
            gain: vec![0.0; size],
            squares: 0.0,
            log_variances: 0.0,
            seen: 0,
        }
    }

    /// Takes in one observation; returns what was expected and its variance.
    fn update(&mut self, value: Option<f64>, row: &[f64]) -> (f64, f64) {
        let size = self.layout.size;
        for (slot, line) in self.gain.iter_mut().zip(self.covariance.chunks_exact(size)) {
            *slot = dot(line, row);
        }
        let expected = dot(&self.mean, row);
        let variance = dot(&self.gain, row) + 1.0;
        if let Some(value) = value {
            let innovation = value - expected;
            self.squares += innovation * innovation / variance;
            self.log_variances += variance.ln();
            self.seen += 1;
            for i in 0..size {
                let share = self.gain[i] / variance;
                self.mean[i] += share * innovation;
                let row = &mut self.covariance[i * size..(i + 1) * size];
                for (slot, gain) in row.iter_mut().zip(&self.gain) {
                    *slot -= share * gain;
                }
            }
        }
        (expected, variance)
    }

    /// Moves one step on in time: the level takes its slope and a random step.
    fn advance(&mut self) {
        if self.layout.slope {
            let size = self.layout.size;
            self.mean[0] += self.mean[1];
            for i in 0..size {
                self.covariance[i] += self.covariance[size + i];
            }
            for i in 0..size {
                self.covariance[i * size] += self.covariance[i * size + 1];
            }
        }
        self.covariance[0] += self.level_variance;
    }

    /// Number of observations beyond those that fix the unknown start.
    fn freedom(&self) -> f64 {
        let fixed = self.layout.size - usize::from(self.layout.slope);
        (self.seen as f64 - fixed as f64).max(1.0)
    }

    /// Estimated variance of the observation noise.
    fn noise(&self) -> f64 {
        self.squares / self.freedom()
    }

    /// Logarithm of the marginal likelihood with the noise variance integrated out.
    fn log_likelihood(&self) -> f64 {
        -0.5 * self.freedom() * self.squares.max(f64::MIN_POSITIVE).ln() - 0.5 * self.log_variances
    }
}

/// Controls on a common scale (by their training part), one row a step.
fn standardised(controls: &[&[f64]], train: usize, steps: usize) -> Vec<Vec<f64>> {
    let mut rows = vec![Vec::with_capacity(controls.len()); steps];
    for control in controls {
        let known = &control[..train.min(control.len())];
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let square = known
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        let sd = (square / known.len().max(1) as f64).sqrt();
        for (row, value) in rows.iter_mut().zip(control.iter()) {
            row.push(if sd > 0.0 { (value - mean) / sd } else { 0.0 });
        }
    }
    rows
}

fn start(values: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.is_empty() {
        0.0
    } else {
        known.iter().sum::<f64>() / known.len() as f64
    }
}

/// Weighs the variants by how well they explain the training values.
///
/// `controls` are as long as `values` or longer. At least `period + controls + 4` known values are
/// needed for anything sensible; fewer give the prior.
pub fn weigh(values: &[Option<f64>], controls: &[&[f64]], period: usize) -> Noise {
    let controls = standardised(controls, values.len(), values.len());
    let start = start(values);
    let mut scored = Vec::new();
    for slope in [false, true] {
        let layout = Layout::new(slope, period, controls.first().map_or(0, Vec::len));
        let rows = layout.rows(&controls);
        for level_ratio in RATIOS {
            let mut filter = Filter::new(layout, level_ratio, start);
            for (value, row) in values.iter().zip(rows.chunks_exact(layout.size)) {
                filter.update(*value, row);
                filter.advance();
            }
            let prior = prior(level_ratio) * if slope { SLOPE_WEIGHT } else { 1.0 };
            scored.push((level_ratio, slope, filter.log_likelihood() + prior.ln()));
        }
    }
    let best = scored
        .iter()
        .map(|(_, _, score)| *score)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut variants: Vec<Variant> = scored
        .into_iter()
        .map(|(level_ratio, slope, score)| Variant {
            level_ratio,
            slope,
            weight: (score - best).exp(),
        })
        .filter(|variant| variant.weight > 0.05)
        .collect();
    let total: f64 = variants.iter().map(|variant| variant.weight).sum();
    for variant in &mut variants {
        variant.weight /= total;
    }
    Noise { variants, period }
}

/// Expected values after `values`, for as many steps as `counted` is long; the sum is over the steps
/// where `counted` is true. `controls` cover training and forecast steps.
pub fn forecast(
    noise: &Noise,
    values: &[Option<f64>],
    controls: &[&[f64]],
    counted: &[bool],
) -> Forecast {
    let (train, horizon) = (values.len(), counted.len());
    let scaled = standardised(controls, train, train + horizon);
    let start = start(values);
    let parts: Vec<(f64, Forecast)> = noise
        .variants
        .iter()
        .map(|variant| {
            let layout = Layout::new(variant.slope, noise.period, controls.len());
            let filter = Filter::new(layout, variant.level_ratio, start);
            (
                variant.weight,
                forecast_one(filter, values, &layout.rows(&scaled), counted),
            )
        })
        .collect();
    mix(&parts)
}

fn forecast_one(
    mut filter: Filter,
    values: &[Option<f64>],
    rows: &[f64],
    counted: &[bool],
) -> Forecast {
    let layout = filter.layout;
    let mut fitted = Vec::with_capacity(values.len());
    for (value, row) in values.iter().zip(rows.chunks_exact(layout.size)) {
        let (expected, variance) = filter.update(*value, row);
        fitted.push((variance < 25.0).then_some(expected));
        filter.advance();
    }
    let noise = filter.noise();
    let (mut mean, mut variance) = (Vec::new(), Vec::new());
    let (mut sum, mut sum_variance) = (0.0, 0.0);
    // Covariance of the state with the sum so far.
    let mut shared = vec![0.0; layout.size];
    let ahead = &rows[values.len() * layout.size..];
    for (row, counted) in ahead.chunks_exact(layout.size).zip(counted) {
        let (expected, spread) = filter.update(None, row);
        mean.push(expected);
        variance.push(spread * noise);
        if *counted {
            sum += expected;
            sum_variance += 2.0 * dot(&shared, row) + spread;
            shared
                .iter_mut()
                .zip(&filter.gain)
                .for_each(|(slot, gain)| *slot += gain);
        }
        if layout.slope {
            shared[0] += shared[1];
        }
        filter.advance();
    }
    let freedom = filter.freedom();
    Forecast {
        mean,
        variance,
        sum,
        sum_variance: sum_variance * noise,
        freedom,
        fitted,
    }
}

/// The mixture of the variants' forecasts: their spread counts as variance.
fn mix(parts: &[(f64, Forecast)]) -> Forecast {
    let average = |value: &dyn Fn(&Forecast) -> f64| -> f64 {
        parts
            .iter()
            .map(|(weight, part)| weight * value(part))
            .sum()
    };
    let (_, first) = &parts[0];
    let steps = first.mean.len();
    let mean: Vec<f64> = (0..steps).map(|i| average(&|part| part.mean[i])).collect();
    let variance = (0..steps)
        .map(|i| average(&|part| part.variance[i] + (part.mean[i] - mean[i]).powi(2)))
        .collect();
    let sum = average(&|part| part.sum);
    let sum_variance = average(&|part| part.sum_variance + (part.sum - sum).powi(2));
    let fitted = (0..first.fitted.len())
        .map(|i| {
            let settled = parts.iter().all(|(_, part)| part.fitted[i].is_some());
            settled.then(|| average(&|part| part.fitted[i].unwrap_or(0.0)))
        })
        .collect();
    Forecast {
        mean,
        variance,
        sum,
        sum_variance,
        freedom: average(&|part| part.freedom),
        fitted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn known(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
        values.into_iter().map(Some).collect()
    }

    /// Without level noise the structure is ordinary regression on a constant: the forecast is the
    /// mean and its variance s² (1 + 1/n), the sum's s² (h + h²/n).
    #[test]
    fn a_constant_level_gives_the_textbook_mean() {
        let values = known([4.0, 6.0, 5.0, 7.0, 3.0, 5.0, 6.0, 4.0]);
        let variant = Variant {
            level_ratio: 0.0,
            slope: false,
            weight: 1.0,
        };
        let noise = Noise {
            variants: vec![variant],
            period: 1,
        };
        let result = forecast(&noise, &values, &[], &[true, true]);
        let s2 = 12.0 / 7.0;
        assert!((result.mean[1] - 5.0).abs() < 1e-5);
        assert!((result.variance[0] - s2 * (1.0 + 1.0 / 8.0)).abs() < 1e-5);
        assert!((result.sum_variance - s2 * (2.0 + 4.0 / 8.0)).abs() < 1e-5);
        assert_eq!(result.freedom, 7.0);
    }

    #[test]
    fn season_and_control_are_carried_on_and_gaps_are_skipped() {
        let control: Vec<f64> = (0..80).map(|i| f64::from(i * 37 % 11)).collect();
        let season = [3.0, 0.0, 0.0, -1.0, 0.0, -1.0, -1.0];
        let truth = |i: usize| 20.0 + season[i % 7] + 0.5 * control[i];
        let jitter = |i: usize| f64::from((i * 7919 % 10) as u8) * 0.002;
        let mut values = known((0..70).map(|i| truth(i) + jitter(i)));
        values[30] = None;
        let noise = weigh(&values, &[&control], 7);
        let result = forecast(&noise, &values, &[&control], &[true; 10]);
        for (i, mean) in result.mean.iter().enumerate() {
            assert!(
                (mean - truth(70 + i)).abs() < 0.05,
                "{i}: {mean} {}",
                truth(70 + i)
            );
        }
        assert!(result.fitted[30].is_some());
    }

    #[test]
    fn a_wandering_level_widens_with_the_horizon() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut level = 0.0;
        let values = known((0..200).map(|_| {
            level += random.random::<f64>() - 0.5;
            level
        }));
        let noise = weigh(&values, &[], 1);
        let result = forecast(&noise, &values, &[], &[true; 30]);
        assert!(result.variance[29] > 5.0 * result.variance[0]);
        assert!(
            noise
                .variants
                .iter()
                .all(|variant| variant.level_ratio >= 0.6)
        );
    }
}
