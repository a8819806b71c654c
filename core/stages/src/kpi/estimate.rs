//! A figure of one window with its interval and variance, and the test of a change.

use super::{
    metric::{Metric, MetricKind},
    samples::Sample,
};
use retrocast_domain::{estimate::Estimate, number};
use retrocast_stats::{
    describe::{mean, mean_interval, quantile_interval, quantile_sorted, sorted, variance},
    dispersion::{self, Dispersion, Level, LevelModel, PAIRS_MIN, Part},
    distribution::{t_p, t_quantile},
    test::{
        mann_whitney, newcombe, poisson_interval, poisson_rate_ratio_exact, share_interval, welch,
    },
};

/// Text for a count that fell to zero.
pub(super) const NONE: &str = "none";
/// Minimum number of values for an interval of a sum.
const SUM_MIN: usize = 8;
/// Number of records in both windows below which counts must pass the exact test, too.
const EXACT_TEST_BELOW: u64 = 50;

/// A figure of one window.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    /// `None` without records to compute it from.
    pub(super) value: Option<f64>,
    /// Lower and upper bound of the 95 % interval.
    pub(super) interval: Option<[f64; 2]>,
    /// Variance of `value` if records are independent; NaN if unknown.
    variance: f64,
    /// Number of records.
    pub(super) n: u64,
    /// Number of records without a value.
    pub(super) without_value: u64,
}

impl Measurement {
    /// Creates a measurement from only a value and its interval.
    #[cfg(test)]
    pub(super) fn from_interval(value: f64, interval: Option<[f64; 2]>) -> Self {
        Self {
            value: Some(value),
            interval,
            variance: f64::NAN,
            n: 10,
            without_value: 0,
        }
    }

    /// Computes a metric over `days` days; the variance of its records is `factor` times that of
    /// independent ones.
    pub(super) fn compute(metric: &Metric, sample: &Sample, days: f64, factor: f64) -> Self {
        let n = sample.records as f64;
        let no_value = Self {
            value: None,
            interval: None,
            variance: f64::NAN,
            n: sample.records,
            without_value: sample.without_value,
        };
        // The effective number of independent records.
        let effective_n = n / factor;
        let widen = |value: f64, bounds: Option<[f64; 2]>| {
            bounds.map(|bounds| bounds.map(|bound| value + (bound - value) * factor.sqrt()))
        };
        match metric.kind {
            MetricKind::Count | MetricKind::Rate => {
                let scale = if metric.kind == MetricKind::Rate {
                    days
                } else {
                    1.0
                };
                let interval =
                    poisson_interval(effective_n, 0.95).map(|bound| bound * factor / scale);
                Self {
                    value: Some(n / scale),
                    interval: Some(interval),
                    variance: n.max(1.0) / (scale * scale),
                    ..no_value
                }
            }
            MetricKind::Share if n == 0.0 => no_value,
            MetricKind::Share => {
                let numerator = sample.numerator as f64;
                // Agresti and Coull (1998): a share of 0 or 1 has a variance, too.
                let smooth = (numerator + 2.0) / (n + 4.0);
                Self {
                    value: Some(numerator / n),
                    interval: Some(share_interval(numerator / factor, effective_n, 0.95)),
                    variance: smooth * (1.0 - smooth) / (n + 4.0),
                    ..no_value
                }
            }
            // Without records, a sum is zero.
            MetricKind::Sum if sample.records == 0 && sample.without_value == 0 => Self {
                value: Some(0.0),
                ..no_value
            },
            _ if sample.values.is_empty() => no_value,
            MetricKind::Sum => {
                let sum: f64 = sample.values.iter().sum();
                let variance: f64 = sample.values.iter().map(|x| x * x).sum();
                let half = 1.96 * (variance * factor).sqrt();
                let least = if sample.values.iter().any(|x| *x < 0.0) {
                    f64::NEG_INFINITY
                } else {
                    0.0
                };
                // The normal approximation needs a minimum number of values.
                let enough = sample.values.len() >= SUM_MIN;
                Self {
                    value: Some(sum),
                    interval: enough.then_some([(sum - half).max(least), sum + half]),
                    variance: if enough { variance } else { f64::NAN },
                    ..no_value
                }
            }
            MetricKind::Mean => {
                let mean = mean(&sample.values);
                Self {
                    value: Some(mean),
                    interval: widen(mean, mean_interval(&sample.values, 0.95)),
                    variance: variance(&sample.values) / n,
                    ..no_value
                }
            }
            MetricKind::Median | MetricKind::Percentile => {
                let p = metric.quantile();
                let values = sorted(&sample.values);
                let value = quantile_sorted(&values, p);
                let interval = quantile_interval(&values, p, 0.95);
                Self {
                    value: Some(value),
                    interval: widen(value, interval),
                    variance: interval.map_or(f64::NAN, |[l, u]| ((u - l) / (2.0 * 1.96)).powi(2)),
                    ..no_value
                }
            }
        }
    }

    /// Divides the value and its uncertainty by a number.
    pub(super) fn divided_by(&self, scale: f64) -> Self {
        Self {
            value: self.value.map(|value| value / scale),
            interval: self
                .interval
                .map(|interval| interval.map(|bound| bound / scale)),
            variance: self.variance / (scale * scale),
            ..self.clone()
        }
    }

    fn level(&self) -> Option<Level> {
        let (value, variance) = (self.value?, self.variance);
        (variance > 0.0).then_some(Level { value, variance })
    }
}

/// Overdispersion of a figure relative to independent records, from the days of all covered windows
/// and from the differences between earlier windows. `None` if unknown.
pub(super) fn dispersion(
    metric: &Metric,
    samples: &[&Sample],
    earlier: &[Option<Measurement>],
) -> Option<Dispersion> {
    let levels: Vec<Option<Level>> = earlier
        .iter()
        .map(|value| value.as_ref()?.level())
        .collect();
    let is_negative = |sample: &&Sample| sample.values.iter().any(|x| *x < 0.0);
    let model = match metric.kind {
        MetricKind::Count | MetricKind::Rate => LevelModel::Multiplicative,
        MetricKind::Sum if !samples.iter().any(is_negative) => LevelModel::Multiplicative,
        _ => LevelModel::Additive,
    };
    let windows: Vec<Vec<Part>> = samples.iter().map(|sample| parts(metric, sample)).collect();
    dispersion::combine(
        dispersion::between_windows(&levels),
        dispersion::within_windows(&windows, model),
    )
}

/// Returns true if there are enough earlier windows to estimate the dispersion of their
/// differences.
pub(super) fn has_enough_pairs(covered: &[bool]) -> bool {
    let pairs = covered.get(1..).unwrap_or_default().windows(2);
    pairs.filter(|pair| pair[0] && pair[1]).count() >= PAIRS_MIN
}

/// The days of a window as parts of its figure.
fn parts(metric: &Metric, sample: &Sample) -> Vec<Part> {
    let n = sample.records as f64;
    let limit = match metric.kind {
        MetricKind::Median | MetricKind::Percentile if !sample.values.is_empty() => {
            quantile_sorted(&sorted(&sample.values), metric.quantile())
        }
        _ => 0.0,
    };
    let below = |values: &[f64]| values.iter().filter(|x| **x <= limit).count() as f64;
    let record_variance = match metric.kind {
        MetricKind::Count | MetricKind::Rate | MetricKind::Sum => 1.0,
        MetricKind::Share => {
            let share = (sample.numerator as f64 + 2.0) / (n + 4.0);
            share * (1.0 - share)
        }
        MetricKind::Mean => Some(variance(&sample.values))
            .filter(|variance| variance.is_finite())
            .unwrap_or(0.0),
        MetricKind::Median | MetricKind::Percentile => {
            let share = (below(&sample.values) + 2.0) / (n + 4.0);
            share * (1.0 - share)
        }
    };
    sample
        .days
        .iter()
        .filter(|day| !day.is_missing)
        .map(|day| {
            let records = day.records as f64;
            let (sum, exposure, variance) = match metric.kind {
                MetricKind::Count | MetricKind::Rate => (records, 1.0, records),
                MetricKind::Sum => (
                    day.values.iter().sum(),
                    1.0,
                    day.values.iter().map(|x| x * x).sum(),
                ),
                MetricKind::Share => (day.numerator as f64, records, records * record_variance),
                MetricKind::Mean => (day.values.iter().sum(), records, records * record_variance),
                MetricKind::Median | MetricKind::Percentile => {
                    (below(&day.values), records, records * record_variance)
                }
            };
            Part {
                slot: day.weekday,
                sum,
                exposure,
                variance,
            }
        })
        .collect()
}

/// The scale of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Relative to the earlier value.
    Relative,
    /// In the figure's unit; shares in percentage points.
    Amount,
}

/// The change of a figure, such as from the previous window.
#[derive(Debug, Clone)]
pub(super) struct Change {
    scale: Scale,
    size: f64,
    interval: Option<[f64; 2]>,
    /// The compared value, scaled to the same number of days.
    pub(super) before: f64,
    /// p-value; `None` if the dispersion of the records is unknown.
    pub(super) p: Option<f64>,
    /// Inflation of the variance of independent records.
    pub(super) inflation: f64,
}

impl Change {
    /// The difference of two values, without a test; `None` if one is missing.
    pub(super) fn compute(
        metric: &Metric,
        value: Option<f64>,
        before: Option<f64>,
    ) -> Option<Self> {
        let (value, before) = (value?, before?);
        let is_amount = metric.is_share() || metric.unit() == "%" || before <= 0.0 || value < 0.0;
        let (scale, size) = if is_amount {
            (Scale::Amount, value - before)
        } else {
            (Scale::Relative, value / before - 1.0)
        };
        Some(Self {
            scale,
            size,
            interval: None,
            before,
            p: None,
            inflation: 1.0,
        })
    }

    /// Tests the current window (the first of `samples` and of `scaled`) against the previous
    /// window. `lengths` are the lengths of the windows, in days.
    pub(super) fn test(
        metric: &Metric,
        samples: &[Sample],
        scaled: &[Option<Measurement>],
        lengths: [f64; 2],
        dispersion: Option<Dispersion>,
    ) -> Option<Self> {
        let ([now, before], [sample_now, sample_before]) = (scaled.get(..2)?, samples.get(..2)?)
        else {
            return None;
        };
        let (now, before) = (now.as_ref()?, before.as_ref()?);
        let mut change = Self::compute(metric, now.value, before.value)?;
        let (Some(a), Some(b), Some(Dispersion { factor, df })) =
            (now.level(), before.level(), dispersion)
        else {
            return Some(change);
        };
        change.inflation = factor;
        let t = t_quantile(0.975, df);
        let is_count = matches!(metric.kind, MetricKind::Count | MetricKind::Rate);
        // The logarithm of a ratio of positive values is symmetric.
        let (z, interval) = if change.scale == Scale::Relative && a.value > 0.0 {
            let relative = |level: Level| level.variance / level.value.powi(2);
            let error = (factor * (relative(a) + relative(b))).sqrt();
            let bound = |side: f64| a.value / b.value * (side * t * error).exp() - 1.0;
            ((a.value / b.value).ln() / error, [bound(-1.0), bound(1.0)])
        } else if change.scale == Scale::Relative {
            // A count of zero is tested by the exact test below.
            (f64::INFINITY, [-1.0, -1.0])
        } else {
            let error = (factor * (a.variance + b.variance)).sqrt();
            let difference = a.value - b.value;
            (
                difference / error,
                [difference - t * error, difference + t * error],
            )
        };
        let is_zero = z == f64::INFINITY;
        if is_zero && !is_count {
            return Some(change);
        }
        let mut p = if is_zero { 0.0 } else { t_p(z, df) };
        let mut hull = interval;
        let mut combine = |test_p: f64, bounds: Option<[f64; 2]>| {
            p = p.max(test_p);
            if let Some([low, high]) = bounds {
                hull = [hull[0].min(low), hull[1].max(high)];
            }
        };
        // The textbook test for independent records guards against small numbers.
        match metric.kind {
            _ if is_count
                && (is_zero || sample_now.records + sample_before.records < EXACT_TEST_BELOW) =>
            {
                let [x, y] =
                    [sample_now, sample_before].map(|sample| sample.records as f64 / factor);
                let exact = poisson_rate_ratio_exact(x, lengths[0], y, lengths[1], 0.95);
                let bounds = [exact.lower - 1.0, exact.upper - 1.0];
                combine(exact.p, (change.scale == Scale::Relative).then_some(bounds));
            }
            MetricKind::Share => {
                let [x, y] =
                    [sample_now, sample_before].map(|s| (s.numerator as f64, s.records as f64));
                let score = newcombe(x.0, x.1, y.0, y.1, 0.95);
                combine(score.p, Some([score.lower, score.upper]));
            }
            MetricKind::Mean => {
                let test = welch(&sample_now.values, &sample_before.values, 0.95);
                combine(test.map_or(1.0, |test| test.p), None);
            }
            MetricKind::Median => {
                let test = mann_whitney(&sample_now.values, &sample_before.values);
                combine(test.map_or(1.0, |test| test.p), None);
            }
            _ => {}
        }
        change.p = Some(p);
        change.interval = Some(hull);
        Some(change)
    }

    /// The difference as an estimate; `proven` is the result of the test, corrected for multiple
    /// testing.
    pub(super) fn estimate<'a>(&self, metric: &'a Metric, proven: bool) -> Estimate<'a> {
        match self.scale {
            Scale::Relative => Estimate::relative(self.size, self.interval, proven),
            Scale::Amount if metric.is_share() => {
                Estimate::points(self.size, self.interval, proven)
            }
            Scale::Amount => Estimate::amount(self.size, self.interval, metric.unit(), proven),
        }
    }

    /// The signed difference for a table: "+33 %"; "+5 builds" if the earlier count was zero;
    /// "none" if the current count is zero. A difference without an interval has the digits that
    /// the interval of `like` supports.
    pub(super) fn signed(&self, metric: &Metric, proven: bool, like: Option<&Self>) -> String {
        if self.fell_to_zero(metric) {
            return NONE.to_string();
        }
        if metric.is_whole() && self.scale == Scale::Amount && self.size.fract() == 0.0 {
            let size = number::with_unit(self.size, metric.unit());
            return if self.size > 0.0 {
                format!("+{size}")
            } else {
                size
            };
        }
        let like = like.filter(|like| like.scale == self.scale).unwrap_or(self);
        self.estimate(metric, proven)
            .signed_like(&like.estimate(metric, false))
    }

    /// Returns true if a count or a sum fell to zero.
    pub(super) fn fell_to_zero(&self, metric: &Metric) -> bool {
        let is_amount = metric.kind == MetricKind::Rate || metric.grows_with_length();
        is_amount && self.is_relative() && self.size <= -1.0
    }

    /// Returns true if it is relative to the previous value.
    pub(super) fn is_relative(&self) -> bool {
        self.scale == Scale::Relative
    }

    /// The difference in the figure's unit, with its bounds if it has any.
    pub(super) fn difference(&self) -> (f64, Option<[f64; 2]>) {
        let scale = match self.scale {
            Scale::Relative => self.before,
            Scale::Amount => 1.0,
        };
        let interval = self
            .interval
            .map(|bounds| bounds.map(|bound| bound * scale));
        (self.size * scale, interval)
    }

    /// Returns true if the interval excludes "no difference".
    pub(super) fn excludes_zero(&self) -> bool {
        self.interval
            .is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }

    /// The absolute size relative to the earlier value or, for a share, to its complement if that
    /// is smaller.
    pub(super) fn relative_size(&self, metric: &Metric) -> f64 {
        if self.scale == Scale::Relative {
            return self.size.abs();
        }
        let relative_to = |whole: f64| (self.size / whole.abs().max(f64::MIN_POSITIVE)).abs();
        if metric.is_share() {
            relative_to(self.before).max(relative_to(1.0 - self.before))
        } else {
            relative_to(self.before)
        }
    }

    /// The sign of the difference.
    pub(super) fn sign(&self) -> std::cmp::Ordering {
        self.size.total_cmp(&0.0)
    }
}
