//! The forecasters: simple ones that are hard to beat, and a few that sometimes do.

use super::typical;
use crate::seasonal::{is_seasonal, line, smooth};
use augurs::{Fit, Predict, ets::AutoETS};

/// Extrapolates a series.
pub trait Forecaster: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// The next `horizon` values; `None` if the history is too short.
    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>>;
}

/// The forecasters that [`super::forecast`] combines, for a season of this length.
pub fn standard(period: usize) -> Vec<Box<dyn Forecaster>> {
    let mut all: Vec<Box<dyn Forecaster>> = vec![
        Box::new(Level { period }),
        Box::new(Drift { period }),
        Box::new(Theta { period }),
        Box::new(Ets),
    ];
    if period > 1 {
        all.push(Box::new(SeasonalNaive { period }));
        all.push(Box::new(SeasonalMean { period }));
        all.push(Box::new(MstlEts { period }));
    }
    all
}

/// Repeats the last season.
#[derive(Debug, Clone, Copy)]
pub struct SeasonalNaive {
    /// Length of the season; 1 repeats the last value.
    pub period: usize,
}

impl Forecaster for SeasonalNaive {
    fn name(&self) -> &'static str {
        "seasonal naive"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let last = &history[history.len().checked_sub(self.period.max(1))?..];
        Some((0..horizon).map(|step| last[step % last.len()]).collect())
    }
}

/// The mean of the last six values of the same phase.
#[derive(Debug, Clone, Copy)]
pub struct SeasonalMean {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for SeasonalMean {
    fn name(&self) -> &'static str {
        "seasonal mean"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let period = self.period.max(1);
        let seasons = (history.len() / period).min(6);
        if seasons == 0 {
            return None;
        }
        let start = history.len() - seasons * period;
        let means: Vec<f64> = (0..period)
            .map(|phase| {
                let values = history[start + phase..].iter().step_by(period);
                values.sum::<f64>() / seasons as f64
            })
            .collect();
        Some((0..horizon).map(|step| means[step % period]).collect())
    }
}

/// The mean of the last four seasons (at least seven values), for every step.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for Level {
    fn name(&self) -> &'static str {
        "recent mean"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let recent = &history[history.len().saturating_sub((4 * self.period).max(7))..];
        let mean = recent.iter().sum::<f64>() / recent.len() as f64;
        mean.is_finite().then(|| vec![mean; horizon])
    }
}

/// The straight line through the last twelve seasons of the season-adjusted series, with the season
/// restored.
#[derive(Debug, Clone, Copy)]
pub struct Drift {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for Drift {
    fn name(&self) -> &'static str {
        "seasonal line"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let adjusted = Adjusted::of(history, self.period);
        let recent = &adjusted.values[adjusted
            .values
            .len()
            .saturating_sub((12 * self.period).max(28))..];
        if recent.len() < 3 {
            return None;
        }
        let (intercept, slope) = line(recent);
        let line = (0..horizon).map(|step| intercept + slope * (recent.len() + step) as f64);
        Some(adjusted.put_back(line))
    }
}

/// The standard Theta method: simple exponential smoothing plus half the slope of the straight line,
/// on the season-adjusted series (Assimakopoulos and Nikolopoulos, 2000; Hyndman and Billah, 2003).
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
        Some(adjusted.put_back(line))
    }
}

/// The smoothing weight with the smallest squared one-step error, by golden-section search, and the
/// last level.
fn smoothing(values: &[f64]) -> (f64, f64) {
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

/// Exponential smoothing with error and trend chosen by the corrected Akaike criterion, without a
/// season (Hyndman et al., 2008; `augurs`). Only its point forecast is used.
#[derive(Debug, Clone, Copy)]
pub struct Ets;

/// Maximum number of values used: exponential smoothing forgets, and more only take time.
const ETS_VALUES: usize = 126;

impl Forecaster for Ets {
    fn name(&self) -> &'static str {
        "ETS"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let recent = &history[history.len().saturating_sub(ETS_VALUES)..];
        let (low, high) = recent
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |r, value| {
                (r.0.min(*value), r.1.max(*value))
            });
        if recent.len() < 10 || !recent.iter().all(|value| value.abs() <= 1e100) {
            return None;
        }
        if high - low <= 1e-12 * high.abs().max(1e-300) {
            return Some(vec![recent[0]; horizon]);
        }
        let fitted = AutoETS::new(1, "ZZN").ok()?.fit(recent).ok()?;
        let point = fitted.predict(horizon, None).ok()?.point;
        // Rejects a diverging fit.
        let limit = 10.0 * typical(recent, 7).max(high.abs().max(low.abs()));
        point
            .iter()
            .all(|value| value.is_finite() && value.abs() <= limit)
            .then_some(point)
    }
}

/// Robust STL, exponential smoothing of the season-adjusted series, and the season restored (the
/// recipe of MSTL; Bandara, Hyndman and Bergmeir, 2021).
#[derive(Debug, Clone, Copy)]
pub struct MstlEts {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for MstlEts {
    fn name(&self) -> &'static str {
        "MSTL + ETS"
    }

    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>> {
        let parts = smooth(history, self.period)?;
        let adjusted: Vec<f64> = history
            .iter()
            .zip(&parts.season)
            .map(|(value, season)| value - season)
            .collect();
        let mut point = Ets.forecast(&adjusted, horizon)?;
        let last = &parts.season[history.len() - self.period..];
        point
            .iter_mut()
            .enumerate()
            .for_each(|(step, value)| *value += last[step % self.period]);
        Some(point)
    }
}

/// A series without its season, and the pattern to restore it.
struct Adjusted {
    values: Vec<f64>,
    /// Factors or offsets for the steps after the series.
    pattern: Vec<f64>,
    multiplicative: bool,
}

impl Adjusted {
    /// Classical decomposition by centred moving averages, multiplicative for positive values, if
    /// the series is seasonal at all.
    fn of(history: &[f64], period: usize) -> Self {
        if !is_seasonal(history, period) {
            return Self {
                values: history.to_vec(),
                pattern: vec![0.0],
                multiplicative: false,
            };
        }
        let multiplicative = history.iter().all(|value| *value > 0.0);
        let apart = |value: f64, part: f64| {
            if multiplicative {
                value / part
            } else {
                value - part
            }
        };
        let level = centred_average(history, period);
        let mut pattern: Vec<f64> = (0..period)
            .map(|phase| {
                let rest: Vec<f64> = (phase..history.len())
                    .step_by(period)
                    .filter_map(|i| level[i].map(|level| apart(history[i], level)))
                    .collect();
                rest.iter().sum::<f64>() / rest.len() as f64
            })
            .collect();
        let mean = pattern.iter().sum::<f64>() / period as f64;
        for part in &mut pattern {
            *part = apart(*part, mean);
        }
        let values = history
            .iter()
            .enumerate()
            .map(|(i, value)| apart(*value, pattern[i % period]))
            .collect();
        pattern.rotate_left(history.len() % period);
        Self {
            values,
            pattern,
            multiplicative,
        }
    }

    fn put_back(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        values
            .enumerate()
            .map(|(step, value)| {
                let part = self.pattern[step % self.pattern.len()];
                if self.multiplicative {
                    value * part
                } else {
                    value + part
                }
            })
            .collect()
    }
}

/// Centred moving average over one period; for an even one, the average of two neighbouring
/// averages.
fn centred_average(values: &[f64], period: usize) -> Vec<Option<f64>> {
    let half = period / 2;
    (0..values.len())
        .map(|i| {
            if i < half || i + half >= values.len() {
                return None;
            }
            let around = &values[i - half..=i + half];
            let mut sum: f64 = around.iter().sum();
            if period.is_multiple_of(2) {
                sum -= f64::midpoint(around[0], around[period]);
            }
            Some(sum / period as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{mase, smape};

    /// Box and Jenkins' series G: airline passengers in thousands, 1949 to 1960.
    const AIR: [f64; 144] = [
        112., 118., 132., 129., 121., 135., 148., 148., 136., 119., 104., 118., 115., 126., 141.,
        135., 125., 149., 170., 170., 158., 133., 114., 140., 145., 150., 178., 163., 172., 178.,
        199., 199., 184., 162., 146., 166., 171., 180., 193., 181., 183., 218., 230., 242., 209.,
        191., 172., 194., 196., 196., 236., 235., 229., 243., 264., 272., 237., 211., 180., 201.,
        204., 188., 235., 227., 234., 264., 302., 293., 259., 229., 203., 229., 242., 233., 267.,
        269., 270., 315., 364., 347., 312., 274., 237., 278., 284., 277., 317., 313., 318., 374.,
        413., 405., 355., 306., 271., 306., 315., 301., 356., 348., 355., 422., 465., 467., 404.,
        347., 305., 336., 340., 318., 362., 348., 363., 435., 491., 505., 404., 359., 310., 337.,
        360., 342., 406., 396., 420., 472., 548., 559., 463., 407., 362., 405., 417., 391., 419.,
        461., 472., 535., 622., 606., 508., 461., 390., 432.,
    ];

    fn check(forecaster: &dyn Forecaster, horizon: usize, expected: f64, tolerance: f64) {
        let (train, test) = AIR.split_at(144 - horizon);
        let forecast = forecaster.forecast(train, horizon).unwrap();
        let error = smape(test, &forecast);
        let scaled = mase(train, 12, test, &forecast);
        eprintln!(
            "{}: sMAPE {error:.6}, MASE {scaled:.3} over {horizon}",
            forecaster.name()
        );
        assert!(
            (error - expected).abs() <= tolerance,
            "{}: {error}",
            forecaster.name()
        );
    }

    /// sMAPE over the last 36 months as the sktime forecasting tutorial prints it: seasonal naive
    /// 0.145428, Theta 0.086615.
    #[test]
    fn published_errors_on_airline_passengers() {
        check(&SeasonalNaive { period: 12 }, 36, 0.145_428, 1e-6);
        check(&Theta { period: 12 }, 36, 0.086_615, 2e-3);
    }

    #[test]
    fn smoothing_with_season_beats_the_naive_one() {
        let (train, test) = AIR.split_at(132);
        let naive = SeasonalNaive { period: 12 }.forecast(train, 12).unwrap();
        let mstl = MstlEts { period: 12 }.forecast(train, 12).unwrap();
        assert!(smape(test, &mstl) < smape(test, &naive));
    }

    #[test]
    fn every_forecaster_survives_odd_series() {
        let zeros = vec![0.0; 60];
        let spike: Vec<f64> = (0..60).map(|i| if i == 30 { 1e12 } else { 0.0 }).collect();
        let sign = |i: usize| if i.is_multiple_of(3) { -1.0 } else { 1.0 };
        let huge: Vec<f64> = (0..60).map(|i| 1e308 * sign(i)).collect();
        let broken: Vec<f64> = (0..60)
            .map(|i| if i == 9 { f64::NAN } else { 1.0 })
            .collect();
        for forecaster in standard(7) {
            for series in [&zeros[..], &spike, &zeros[..1], &huge, &broken] {
                // Overflow is detected later; nothing panics here.
                let is_sane = series.iter().all(|value| value.abs() < 1e100);
                if let Some(values) = forecaster.forecast(series, 10).filter(|_| is_sane) {
                    assert!(
                        values.iter().all(|value| value.is_finite()),
                        "{}",
                        forecaster.name()
                    );
                }
            }
        }
    }
}
