//! The Theta method and its dynamic optimised form.

use super::{Forecaster, forecasters::Adjusted, minimise::minimise};
use crate::seasonal::line;

/// The standard Theta method: simple exponential smoothing plus half the slope of the straight
/// line, on the season-adjusted series (Assimakopoulos and Nikolopoulos, 2000; Hyndman and Billah,
/// 2003).
#[derive(Debug, Clone, Copy)]
pub struct Theta {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for Theta {
    fn name(&self) -> &'static str {
        "Theta"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        if history.len() < 5 {
            return None;
        }
        let adjusted = Adjusted::of(history, self.period);
        let (alpha, level) = smoothing(&adjusted.values);
        let (_, slope) = line(&adjusted.values);
        let n = adjusted.values.len() as f64;
        let start = (1.0 - (1.0 - alpha).powf(n)) / alpha;
        let line = (0..horizon).map(|step| level + slope / 2.0 * (step as f64 + start));
        Some(adjusted.restore(line))
    }
}

/// The smoothing weight with the smallest squared one-step error, by golden-section search, and the
/// last level.
pub(super) fn smoothing(values: &[f64]) -> (f64, f64) {
    let run = |alpha: f64| {
        let mut level = values[0];
        let mut squares = 0.0;
        for value in &values[1..] {
            let error = value - level;
            squares += error * error;
            level += alpha * error;
        }
        (squares, level)
    };
    let (mut low, mut high) = (0.001, 0.999);
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    for _ in 0..40 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if run(a).0 <= run(b).0 {
            high = b;
        } else {
            low = a;
        }
    }
    let alpha = f64::midpoint(low, high);
    (alpha, run(alpha).1)
}

/// The dynamic optimised Theta model on the season-adjusted series: weight of the line, smoothing
/// and first level are estimated, and the line follows the series (Fiorucci, Pellegrini, Louzada,
/// Petropoulos and Koehler, 2016). One line runs through all values, so the model reacts slowly to
/// a change of slope.
#[derive(Debug, Clone, Copy)]
pub struct DynamicTheta {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for DynamicTheta {
    fn name(&self) -> &'static str {
        "dynamic Theta"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        if history.len() < 8 || !history.iter().all(|value| value.abs() <= 1e100) {
            return None;
        }
        let adjusted = Adjusted::of(history, self.period);
        let values = &adjusted.values;
        let size = values.iter().map(|value| value.abs()).fold(1e-12, f64::max);
        let target = |x: &[f64]| {
            if !(0.1..=0.99).contains(&x[0]) || !(0.0..=1.0).contains(&x[1]) {
                return f64::INFINITY;
            }
            Model::new(x[0], x[1], x[2] * size).fit(values)
        };
        let start = [0.5, 0.5, values[0] / 2.0 / size];
        let (x, _) = minimise(target, &start, &[0.2, 0.3, 0.25], 200);
        let mut model = Model::new(x[0], x[1], x[2] * size);
        model.fit(values);
        let steps = (0..horizon).map(|_| {
            let expected = model.expected();
            model.add(expected);
            expected
        });
        Some(adjusted.restore(steps))
    }
}

/// The model's state after some values.
struct Model {
    alpha: f64,
    /// Weight 1 − 1/θ of the line.
    share: f64,
    level: f64,
    mean: f64,
    intercept: f64,
    slope: f64,
    /// (1 − α) to the power of the number of values.
    power: f64,
    n: f64,
}

impl Model {
    fn new(alpha: f64, share: f64, level: f64) -> Self {
        Self {
            alpha,
            share,
            level,
            mean: 0.0,
            intercept: 0.0,
            slope: 0.0,
            power: 1.0,
            n: 0.0,
        }
    }

    fn expected(&self) -> f64 {
        let reach = (1.0 - self.power * (1.0 - self.alpha)) / self.alpha;
        self.level + self.share * (self.power * self.intercept + reach * self.slope)
    }

    fn add(&mut self, value: f64) {
        self.n += 1.0;
        let n = self.n;
        self.level += self.alpha * (value - self.level);
        self.power *= 1.0 - self.alpha;
        if n > 1.0 {
            self.slope = ((n - 2.0) * self.slope + 6.0 / n * (value - self.mean)) / (n + 1.0);
        }
        self.mean += (value - self.mean) / n;
        self.intercept = self.mean - self.slope * (n + 1.0) / 2.0;
    }

    /// Sum of squared errors from the third value on; earlier values do not determine a line.
    fn fit(&mut self, values: &[f64]) -> f64 {
        let mut squares = 0.0;
        for (i, value) in values.iter().enumerate() {
            if i >= 2 {
                squares += (value - self.expected()).powi(2);
            }
            self.add(*value);
        }
        squares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_least_squares_line() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * 7919 % 13 + i)).collect();
        let mut model = Model::new(0.3, 0.5, 1.0);
        model.fit(&values);
        let (intercept, slope) = line(&values);
        assert!((model.slope - slope).abs() < 1e-9);
        assert!((model.intercept - (intercept - slope)).abs() < 1e-9);
    }

    #[test]
    fn a_line_is_extrapolated() {
        let values: Vec<f64> = (0..40).map(|i| 5.0 + 2.0 * f64::from(i)).collect();
        let forecast = DynamicTheta { period: 1 }.forecast(&values, 5).unwrap();
        assert!((forecast[4] - 93.0).abs() < 0.5, "{forecast:?}");
    }
}
