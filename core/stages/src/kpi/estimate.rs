//! A figure of one window with its interval and variance, and the test of a change.

use super::metric::{Metric, MetricKind};
use retrocast_stats::{
    describe::{mean, mean_interval, quantile_interval, quantile_sorted, sorted, variance},
    test::{
        chi_square_upper, mann_whitney, newcombe, poisson_interval, poisson_rate_ratio, t_p,
        t_quantile, welch, wilson,
    },
};

/// Fewest values of a sum for which an interval can be told.
const SUM_MIN: usize = 8;

/// Records of one window.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    records: u64,
    counting: u64,
    values: Vec<f64>,
}

impl Sample {
    pub(super) fn add(&mut self, counts: bool, value: Option<f64>) {
        self.records += 1;
        self.counting += u64::from(counts);
        self.values.extend(value);
    }

    pub(super) fn with(mut self, other: &Self) -> Self {
        self.records += other.records;
        self.counting += other.counting;
        self.values.extend_from_slice(&other.values);
        self
    }
}

/// A figure of one window.
#[derive(Debug, Clone)]
pub(super) struct Estimate {
    /// `None` when there were no records to make it from.
    pub(super) value: Option<f64>,
    /// 95 % interval.
    pub(super) interval: Option<[f64; 2]>,
    /// Variance of `value` if records are independent; NaN when it cannot be told.
    variance: f64,
    /// Records behind it.
    pub(super) n: u64,
}

impl Estimate {
    pub(super) fn of(metric: &Metric, sample: &Sample, days: f64) -> Self {
        let n = sample.records as f64;
        let none = Self {
            value: None,
            interval: None,
            variance: f64::NAN,
            n: sample.records,
        };
        match metric.kind {
            MetricKind::Count => Self {
                value: Some(n),
                interval: Some(poisson_interval(n, 0.95)),
                variance: n.max(1.0),
                n: sample.records,
            },
            MetricKind::Rate => Self::of(
                &Metric {
                    kind: MetricKind::Count,
                    ..clone(metric)
                },
                sample,
                days,
            )
            .per(days),
            MetricKind::Share if n == 0.0 => none,
            MetricKind::Share => {
                let counting = sample.counting as f64;
                // Agresti and Coull (1998): a share of 0 or 1 has a variance too.
                let smooth = (counting + 2.0) / (n + 4.0);
                Self {
                    value: Some(counting / n),
                    interval: Some(wilson(counting, n, 0.95)),
                    variance: smooth * (1.0 - smooth) / (n + 4.0),
                    n: sample.records,
                }
            }
            _ if sample.values.is_empty() => none,
            MetricKind::Sum => {
                let sum: f64 = sample.values.iter().sum();
                let variance: f64 = sample.values.iter().map(|x| x * x).sum();
                let half = 1.96 * variance.sqrt();
                // The normal law needs some values to be near.
                let enough = sample.values.len() >= SUM_MIN;
                Self {
                    value: Some(sum),
                    interval: enough.then_some([sum - half, sum + half]),
                    variance: if enough { variance } else { f64::NAN },
                    ..none
                }
            }
            MetricKind::Mean => Self {
                value: Some(mean(&sample.values)),
                interval: mean_interval(&sample.values, 0.95),
                variance: variance(&sample.values) / n,
                ..none
            },
            MetricKind::Median | MetricKind::Percentile => {
                let p = if metric.kind == MetricKind::Median {
                    0.5
                } else {
                    metric.p
                };
                let values = sorted(&sample.values);
                let interval = quantile_interval(&values, p, 0.95);
                Self {
                    value: Some(quantile_sorted(&values, p)),
                    interval,
                    variance: interval.map_or(f64::NAN, |[l, u]| ((u - l) / (2.0 * 1.96)).powi(2)),
                    ..none
                }
            }
        }
    }

    /// The figure divided by a number.
    pub(super) fn per(&self, scale: f64) -> Self {
        Self {
            value: self.value.map(|value| value / scale),
            interval: self
                .interval
                .map(|interval| interval.map(|bound| bound / scale)),
            variance: self.variance / (scale * scale),
            n: self.n,
        }
    }

    fn known(&self) -> Option<(f64, f64)> {
        Some((self.value?, self.variance)).filter(|(_, variance)| *variance > 0.0)
    }
}

fn clone(metric: &Metric) -> Metric {
    Metric {
        name: metric.name.clone(),
        kind: metric.kind,
        value: None,
        where_column: None,
        equals: Vec::new(),
        filter_column: None,
        filter_equals: Vec::new(),
        p: metric.p,
        unit: None,
        lower_is_better: metric.lower_is_better,
        target: None,
    }
}

/// The difference between the current window and the one before.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Difference with its 95 % interval, per day for figures that grow with days.
    pub(super) difference: [f64; 3],
    /// p-value.
    pub(super) p: f64,
    /// By how much the variance of independent records is enlarged.
    pub(super) inflation: f64,
}

/// Fewest pairs of earlier windows from which clustering is judged.
const PAIRS_MIN: usize = 4;

/// Tests the current window (the first of `scaled`) against the one before.
pub(super) fn change(
    metric: &Metric,
    samples: &[Sample],
    scaled: &[Option<Estimate>],
) -> Option<Change> {
    let (value, variance) = scaled.first()?.as_ref()?.known()?;
    let (before, variance_before) = scaled.get(1)?.as_ref()?.known()?;
    let (inflation, df) = inflation(&scaled[1..]);
    let error = (inflation * (variance + variance_before)).sqrt();
    let difference = value - before;
    let half = t_quantile(0.975, df) * error;
    let p = t_p(difference / error, df).max(independent_p(metric, samples));
    Some(Change {
        difference: [difference, difference - half, difference + half],
        p,
        inflation,
    })
}

/// How much more earlier windows differ from their neighbours than their records explain, and the
/// degrees of freedom of that estimate; infinite where nothing speaks against independent records.
fn inflation(earlier: &[Option<Estimate>]) -> (f64, f64) {
    let squares: Vec<f64> = earlier
        .windows(2)
        .filter_map(|pair| {
            let (a, variance_a) = pair[0].as_ref()?.known()?;
            let (b, variance_b) = pair[1].as_ref()?.known()?;
            Some((a - b).powi(2) / (variance_a + variance_b))
        })
        .collect();
    if squares.len() < PAIRS_MIN {
        return (1.0, f64::INFINITY);
    }
    let sum: f64 = squares.iter().sum();
    let pairs = squares.len() as f64;
    // Neighbouring differences share a window: together they are worth two thirds as many.
    let df = pairs * 2.0 / 3.0;
    if chi_square_upper(sum * 2.0 / 3.0, df) > 0.2 {
        return ((sum / pairs).max(1.0), f64::INFINITY);
    }
    (sum / pairs, df)
}

/// The textbook test that takes records as independent; it guards against small numbers.
fn independent_p(metric: &Metric, samples: &[Sample]) -> f64 {
    let [now, before] = samples else { return 0.0 };
    match metric.kind {
        MetricKind::Count | MetricKind::Rate if now.records + before.records < 50 => {
            poisson_rate_ratio(now.records as f64, 1.0, before.records as f64, 1.0, 0.95).p
        }
        MetricKind::Share if now.records > 0 && before.records > 0 => {
            let [a, b] = [now, before].map(|s| (s.counting as f64, s.records as f64));
            newcombe(a.0, a.1, b.0, b.1, 0.95).p
        }
        MetricKind::Mean => welch(&now.values, &before.values, 0.95).map_or(1.0, |test| test.p),
        MetricKind::Median => mann_whitney(&now.values, &before.values).map_or(1.0, |test| test.p),
        _ => 0.0,
    }
}
