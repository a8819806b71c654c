//! Simple forecasters, which are hard to beat.

use crate::seasonal::{is_seasonal, line};

/// Extrapolates a series.
pub trait Forecaster: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// The next `horizon` values; `None` if the history is too short.
    fn forecast(&self, history: &[f64], horizon: usize) -> Option<Vec<f64>>;

    /// Forecasts several histories, each the beginning of the next, so that costly choices can be
    /// reused from one to the next. `None` if a history has no forecast.
    fn forecasts(&self, histories: &[&[f64]], horizon: usize) -> Option<Vec<Vec<f64>>> {
        let histories = histories.iter();
        histories
            .map(|history| self.forecast(history, horizon))
            .collect()
    }
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
pub struct RecentMean {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for RecentMean {
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
pub struct SeasonalLine {
    /// Length of the season.
    pub period: usize,
}

impl Forecaster for SeasonalLine {
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
        Some(adjusted.restore(line))
    }
}

/// A series without its season, and the pattern to restore it.
pub(super) struct Adjusted {
    pub(super) values: Vec<f64>,
    /// Factors or offsets for the steps after the series.
    pattern: Vec<f64>,
    multiplicative: bool,
}

impl Adjusted {
    /// Removes the season by classical decomposition with centred moving averages, multiplicative
    /// for positive values. A series without a season is unchanged.
    pub(super) fn of(history: &[f64], period: usize) -> Self {
        if !is_seasonal(history, period) {
            return Self {
                values: history.to_vec(),
                pattern: vec![0.0],
                multiplicative: false,
            };
        }
        let multiplicative = history.iter().all(|value| *value > 0.0);
        let without = |value: f64, part: f64| apart(value, part, multiplicative);
        let level = centred_average(history, period);
        let mut pattern: Vec<f64> = (0..period)
            .map(|phase| {
                let deviations: Vec<f64> = (phase..history.len())
                    .step_by(period)
                    .filter_map(|i| level[i].map(|level| without(history[i], level)))
                    .collect();
                deviations.iter().sum::<f64>() / deviations.len() as f64
            })
            .collect();
        let mean = pattern.iter().sum::<f64>() / period as f64;
        for part in &mut pattern {
            *part = without(*part, mean);
        }
        Self::without(history, pattern, multiplicative)
    }

    /// Removes a pattern, whose first value is that of the first step.
    pub(super) fn without(history: &[f64], mut pattern: Vec<f64>, multiplicative: bool) -> Self {
        let period = pattern.len();
        let values = history
            .iter()
            .enumerate()
            .map(|(i, value)| apart(*value, pattern[i % period], multiplicative))
            .collect();
        pattern.rotate_left(history.len() % period);
        Self {
            values,
            pattern,
            multiplicative,
        }
    }

    pub(super) fn restore(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
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

/// A value without its seasonal factor or offset.
fn apart(value: f64, part: f64, multiplicative: bool) -> f64 {
    if multiplicative {
        value / part
    } else {
        value - part
    }
}

/// Centred moving average over one period; for an even period, the average of two neighbouring
/// averages.
pub(super) fn centred_average(values: &[f64], period: usize) -> Vec<Option<f64>> {
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
pub(super) mod tests {
    /// Box and Jenkins' series G: airline passengers in thousands, 1949 to 1960.
    pub(crate) const AIR: [f64; 144] = [
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
}
