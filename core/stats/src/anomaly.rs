//! Anomalies: values that neither their past nor their future explains.
//!
//! After the season is removed robustly, up to four experts predict each value: from a short and a
//! long window before it, and the same after it, never using the value itself. Each expert is
//! calibrated on its own errors over the whole series (spread, and weight of the tails). The
//! reported probability is that of the *least* surprised expert. So a step is not an anomaly (its
//! future explains it), a slow drift is not (the line through the long window follows it), but an
//! outage is one from either side. At the end of the series there is no future yet, and only the
//! past decides.
//!
//! Counts are tested with the negative binomial distribution and their observed dispersion, which
//! is valid for two as well as two thousand per day; other values with Student's t on the
//! residual's robust scale. Windows use medians, Huber's clipped mean for counts, and Siegel's
//! repeated-median line (Siegel, 1982; Davies, Fried and Gather, 2004) for values that may drift.

use crate::describe::{median, quantile};
use crate::seasonal::interpolate;
use crate::yearly::YearlySeason;
use statrs::distribution::{
    ContinuousCDF, DiscreteCDF, NegativeBinomial, Normal, Poisson, StudentsT,
};

mod season;

use season::{Season, clipped_mean};

/// Type of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Numbers of events: integers, not negative.
    Count,
    /// Other numbers.
    Continuous,
}

/// Lengths, in steps of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Length of the season; 1 for none.
    pub period: usize,
    /// Length of the experts' short windows.
    pub short: usize,
    /// Length of the experts' long windows.
    pub long: usize,
}

impl Options {
    /// For daily values with a weekly season.
    pub const DAILY: Self = Self {
        period: 7,
        short: 14,
        long: 35,
    };
    /// For hourly values with a weekly season.
    pub const HOURLY: Self = Self {
        period: 168,
        short: 72,
        long: 336,
    };
    /// For hourly values with too little history for a weekly season.
    pub const HOURLY_SHORT: Self = Self {
        period: 24,
        short: 24,
        long: 120,
    };

    /// For weekly values: windows of a quarter and of half a year, without a season.
    pub const WEEKLY: Self = Self {
        period: 1,
        short: 13,
        long: 26,
    };
    /// For monthly values: windows of one year and of two, without a season.
    pub const MONTHLY: Self = Self {
        period: 1,
        short: 12,
        long: 24,
    };

    /// Minimum number of known values for a season and a calibration.
    pub fn need(&self) -> usize {
        (6 * self.period).max(2 * self.short)
    }
}

/// A value compared with its expectation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Observed value.
    pub value: f64,
    /// Expected value, from the least surprised expert.
    pub expected: f64,
    /// Lower bound of the usual range (95 %).
    pub low: f64,
    /// Upper bound of the usual range (95 %).
    pub high: f64,
    /// Probability of a value as large or larger.
    pub p_up: f64,
    /// Probability of a value as small or smaller.
    pub p_down: f64,
    /// Normal score of the smaller probability, with the sign of the deviation.
    pub z: f64,
}

impl Score {
    /// The same score with probabilities that are at least as large: the value is less surprising.
    #[must_use]
    pub fn with_at_least(self, p_up: f64, p_down: f64) -> Self {
        let (p_up, p_down) = (self.p_up.max(p_up), self.p_down.max(p_down));
        Self {
            p_up,
            p_down,
            z: if self.z > 0.0 {
                normal_score(p_up.min(0.5))
            } else {
                -normal_score(p_down.min(0.5))
            },
            ..self
        }
    }
}

/// Scores every known value; `None` for missing values, and for those with too few others around
/// them.
///
/// Series shorter than [`Options::need`] give only `None`.
pub fn score(values: &[Option<f64>], quantity: Quantity, options: Options) -> Vec<Option<Score>> {
    score_with(values, quantity, options, None)
}

/// The same for a series with a season of the year, which is removed before and restored after.
pub fn score_within_year(
    values: &[Option<f64>],
    quantity: Quantity,
    options: Options,
    year: &YearlySeason,
) -> Vec<Option<Score>> {
    if let (Quantity::Count, YearlySeason::Factors(factors)) = (quantity, year) {
        return score_with(values, quantity, options, Some(Season::of_year(factors)));
    }
    let at = |(i, value): (usize, &Option<f64>)| value.map(|value| year.remove(i, value));
    let level: Vec<Option<f64>> = values.iter().enumerate().map(at).collect();
    let scores = score(&level, Quantity::Continuous, options).into_iter();
    let restore = |(i, score): (usize, Option<Score>)| {
        score.map(|score| Score {
            value: year.restore(i, score.value),
            expected: year.restore(i, score.expected),
            low: year.restore(i, score.low),
            high: year.restore(i, score.high),
            ..score
        })
    };
    scores.enumerate().map(restore).collect()
}

fn score_with(
    values: &[Option<f64>],
    quantity: Quantity,
    options: Options,
    season: Option<Season>,
) -> Vec<Option<Score>> {
    if values.iter().flatten().count() < options.need() {
        return vec![None; values.len()];
    }
    let filled = interpolate(values);
    let season = season.unwrap_or_else(|| match quantity {
        Quantity::Count => Season::factors(&filled, options),
        Quantity::Continuous => Season::offsets(&filled, options),
    });
    let experts: Vec<Expert> = View::ALL
        .iter()
        .map(|view| Expert::new(*view, &filled, quantity, &season, options))
        .collect();
    (0..values.len())
        .map(|i| {
            let value = values[i].filter(|value| value.is_finite())?;
            combine(value, i, &experts)
        })
        .collect()
}

/// Combines the experts: the least surprised one decides in each direction.
fn combine(value: f64, i: usize, experts: &[Expert]) -> Option<Score> {
    let views: Vec<(f64, Tails)> = experts
        .iter()
        .filter_map(|expert| expert.expected[i].map(|mean| (mean, expert.tails(value, mean))))
        .collect();
    if views.is_empty() {
        return None;
    }
    let p_up = views.iter().map(|(_, tails)| tails.up).fold(0.0, f64::max);
    let p_down = views
        .iter()
        .map(|(_, tails)| tails.down)
        .fold(0.0, f64::max);
    let is_up = p_up < p_down;
    let (expected, tails) = views
        .iter()
        .max_by(|(_, a), (_, b)| {
            if is_up {
                a.up.total_cmp(&b.up)
            } else {
                a.down.total_cmp(&b.down)
            }
        })
        .copied()?;
    let score = normal_score(p_up.min(p_down));
    Some(Score {
        value,
        expected,
        low: expected - tails.half_width,
        high: expected + tails.half_width,
        p_up,
        p_down,
        z: if is_up { score } else { -score },
    })
}

/// Features of each scored value for an isolation forest: its score, the change from the previous
/// score, the mean of three scores, and the size of the score. Missing ones are zeros.
pub fn features(scores: &[Option<Score>]) -> Vec<Vec<f64>> {
    let z: Vec<f64> = scores
        .iter()
        .map(|score| score.map_or(0.0, |score| score.z))
        .collect();
    (0..z.len())
        .map(|i| {
            let before = z[i.saturating_sub(1)];
            let around = &z[i.saturating_sub(1)..(i + 2).min(z.len())];
            let mean = around.iter().sum::<f64>() / around.len() as f64;
            vec![z[i], z[i] - before, mean, z[i].abs()]
        })
        .collect()
}

/// The window of an expert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    past: bool,
    long: bool,
}

impl View {
    const ALL: [Self; 4] = [
        Self {
            past: true,
            long: false,
        },
        Self {
            past: true,
            long: true,
        },
        Self {
            past: false,
            long: false,
        },
        Self {
            past: false,
            long: true,
        },
    ];

    /// The values around `i` in the window of this expert, if there are enough.
    fn range(self, i: usize, n: usize, options: Options) -> Option<std::ops::Range<usize>> {
        let length = if self.long {
            options.long
        } else {
            options.short
        };
        let range = if self.past {
            i.saturating_sub(length)..i
        } else {
            i + 1..(i + 1 + length).min(n)
        };
        // A long window is only useful if it has more values than the short one.
        let length_min = if self.long {
            options.short + options.short / 2
        } else {
            options.short / 2
        };
        (range.len() >= length_min).then_some(range)
    }
}

/// Tail probabilities of a value, and half the width of the usual range.
#[derive(Debug, Clone, Copy)]
struct Tails {
    up: f64,
    down: f64,
    half_width: f64,
}

/// An expert: its expectations and its calibration.
struct Expert {
    quantity: Quantity,
    expected: Vec<Option<f64>>,
    /// Counts: variance over mean. Others: scale of the residuals.
    spread: f64,
    /// Counts: variance beyond the mean, over the squared mean.
    quadratic: f64,
    /// Factor by which normal scores are too wide in the centre.
    stretch: f64,
    /// Degrees of freedom of the tails; `None` for normal tails.
    freedom: Option<f64>,
}

impl Expert {
    fn new(
        view: View,
        values: &[f64],
        quantity: Quantity,
        season: &Season,
        options: Options,
    ) -> Self {
        let adjusted: Vec<f64> = match quantity {
            Quantity::Count => Vec::new(),
            Quantity::Continuous => values
                .iter()
                .enumerate()
                .map(|(i, value)| value - season.at(i))
                .collect(),
        };
        let expected: Vec<Option<f64>> = (0..values.len())
            .map(|i| {
                let range = view.range(i, values.len(), options)?;
                Some(match quantity {
                    Quantity::Count => {
                        (clipped_mean(values, season, range) * season.at(i)).max(0.02)
                    }
                    // A line through hundreds of values is slow and hardly better than the median.
                    Quantity::Continuous if view.long && options.long <= 60 => {
                        line_at(&adjusted, range, i) + season.without(i)
                    }
                    Quantity::Continuous => median(&adjusted[range]) + season.without(i),
                })
            })
            .collect();
        let mut expert = Self {
            quantity,
            expected,
            spread: 1.0,
            quadratic: 0.0,
            stretch: 1.0,
            freedom: None,
        };
        expert.calibrate(values);
        expert
    }

    fn calibrate(&mut self, values: &[f64]) {
        let pairs: Vec<(f64, f64)> = values
            .iter()
            .zip(&self.expected)
            .filter_map(|(value, mean)| mean.map(|mean| (*value, mean)))
            .collect();
        if pairs.is_empty() {
            return;
        }
        let pairs = match self.quantity {
            Quantity::Count => self.one_per_episode(&pairs),
            Quantity::Continuous => pairs,
        };
        match self.quantity {
            Quantity::Count => {
                self.spread = dispersion(&pairs, |mean| mean).max(1.0);
                self.quadratic = quadratic_dispersion(&pairs);
            }
            Quantity::Continuous => self.spread = robust_scale(&pairs),
        }
        let sizes: Vec<f64> = pairs
            .iter()
            .map(|(value, mean)| self.raw_score(*value, *mean).abs())
            .collect();
        let middle = (quantile(&sizes, 0.5) / 0.6745).max(1.0);
        let tail = quantile(&sizes, 0.95) / (middle * 0.6745);
        // The ratio of the quantiles is itself uncertain. Counts have a distribution with a tail of
        // its own, so only an excess beyond the uncertainty makes it heavier; other values have no
        // such distribution, so the uncertainty makes their tails heavier.
        let uncertainty = match self.quantity {
            Quantity::Count => 5.0 / (sizes.len() as f64).sqrt(),
            Quantity::Continuous => -0.1,
        };
        self.stretch = middle;
        self.freedom = heavy_tail(tail - uncertainty);
    }

    /// Leaves only the largest deviation of each episode: consecutive counts that all lie far above,
    /// or all far below, their expectation. An outage of several days is one event, and would else
    /// define by its length what is usual (runs declustering: Smith and Weissman 1994). Episodes
    /// that recur are usual, and keep all their counts.
    fn one_per_episode(&mut self, pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
        self.spread = median_dispersion(pairs).max(1.0);
        let score = |pair: &(f64, f64)| self.raw_score(pair.0, pair.1);
        let scored: Vec<(f64, (f64, f64))> =
            pairs.iter().map(|pair| (score(pair), *pair)).collect();
        let is_far = |score: f64| score.abs() > FAR;
        let episodes: Vec<&[(f64, (f64, f64))]> = scored
            .chunk_by(|(a, _), (b, _)| is_far(*a) && is_far(*b) && a * b > 0.0)
            .collect();
        let count = episodes.iter().filter(|episode| episode.len() > 1).count();
        if count as f64 > (EPISODES_PER_VALUE_MAX * pairs.len() as f64).max(EPISODES_MAX) {
            return pairs.to_vec();
        }
        let largest = episodes.into_iter().filter_map(|episode| {
            let sizes = episode.iter();
            sizes.max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()))
        });
        largest.map(|(_, pair)| *pair).collect()
    }

    /// Normal score of a value before the correction for tails; positive above the expectation.
    fn raw_score(&self, value: f64, mean: f64) -> f64 {
        match self.quantity {
            Quantity::Continuous => (value - mean) / self.spread,
            Quantity::Count => {
                let (up, down) = count_tails(value, mean, self.variance(mean) / mean);
                if value > mean {
                    normal_score(up)
                } else {
                    -normal_score(down)
                }
            }
        }
    }

    /// Variance of a count: proportional to the mean, or growing with its square, whichever is
    /// larger.
    fn variance(&self, mean: f64) -> f64 {
        (self.spread * mean).max(mean + self.quadratic * mean * mean)
    }

    fn tails(&self, value: f64, mean: f64) -> Tails {
        let score = self.raw_score(value, mean) / self.stretch;
        // Lower bound of probabilities, for finite logarithms and readable reports.
        let tail = |score: f64| self.tail(score).max(1e-16);
        let spread = match self.quantity {
            Quantity::Count => self.variance(mean).sqrt(),
            Quantity::Continuous => self.spread,
        };
        Tails {
            up: tail(score),
            down: tail(-score),
            half_width: 1.96 * self.stretch * spread,
        }
    }

    /// Probability of a score at least this large.
    fn tail(&self, score: f64) -> f64 {
        match self
            .freedom
            .and_then(|freedom| StudentsT::new(0.0, 1.0, freedom).ok())
        {
            Some(t) => {
                // Scaled to the quartiles of the normal distribution.
                let scale = t.inverse_cdf(0.75) / 0.6745;
                t.sf(score * scale)
            }
            None => Normal::standard().sf(score),
        }
    }
}

/// Normal score from which consecutive counts form an episode.
const FAR: f64 = 3.5;
/// Maximum number of episodes that are not usual, and the same per value. A long outage can be
/// followed by another episode: to an expert that knows only its days, the days after it are too
/// high.
const EPISODES_MAX: f64 = 2.0;
const EPISODES_PER_VALUE_MAX: f64 = 0.02;

/// Variance over mean of counts from the median squared residual, for normal values.
fn median_dispersion(pairs: &[(f64, f64)]) -> f64 {
    let squares = pairs
        .iter()
        .map(|(value, mean)| (value - mean).powi(2) / mean);
    quantile(&squares.collect::<Vec<_>>(), 0.5) / 0.6745_f64.powi(2)
}

/// Mean of squared residuals over the variance given by `law`, without the largest 2 %.
fn dispersion(pairs: &[(f64, f64)], law: impl Fn(f64) -> f64) -> f64 {
    // Mean of a squared standard normal value whose size is below the 98th percentile.
    const TRIMMED_MEAN: f64 = 0.873;
    let mut squares: Vec<f64> = pairs
        .iter()
        .map(|(value, mean)| (value - mean).powi(2) / law(*mean))
        .collect();
    squares.sort_by(f64::total_cmp);
    let count = ((squares.len() as f64 * 0.98).floor() as usize).max(1);
    squares[..count].iter().sum::<f64>() / count as f64 / TRIMMED_MEAN
}

/// The `a` with which the variance `mean + a mean²` explains the residuals; 0 if the mean alone
/// does.
fn quadratic_dispersion(pairs: &[(f64, f64)]) -> f64 {
    let (mut low, mut high) = (0.0, 4.0);
    if dispersion(pairs, |mean| mean) <= 1.0 {
        return 0.0;
    }
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        if dispersion(pairs, |mean| mean + middle * mean * mean) > 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Scale of residuals from their median size; from higher quantiles if more than half are equal.
fn robust_scale(pairs: &[(f64, f64)]) -> f64 {
    let sizes: Vec<f64> = pairs
        .iter()
        .map(|(value, mean)| (value - mean).abs())
        .collect();
    let level = median(&pairs.iter().map(|(_, mean)| mean.abs()).collect::<Vec<_>>());
    let scale = quantile(&sizes, 0.5) / 0.6745;
    if scale > 1e-9 * level {
        return scale;
    }
    let square = sizes.iter().map(|size| size * size).sum::<f64>() / sizes.len() as f64;
    (quantile(&sizes, 0.95) / 1.96)
        .max(square.sqrt())
        .max(1e-9 * level)
        .max(f64::MIN_POSITIVE)
}

/// Probabilities of a count at least, and at most, this large; `dispersion` is the variance over
/// the mean.
pub(crate) fn count_tails(value: f64, mean: f64, dispersion: f64) -> (f64, f64) {
    let k = value.max(0.0).round() as u64;
    let (at_most, below) = if dispersion > 1.0 + 1e-6 {
        let size = mean / (dispersion - 1.0);
        let Ok(law) = NegativeBinomial::new(size, 1.0 / dispersion) else {
            return (1.0, 1.0);
        };
        (law.cdf(k), if k == 0 { 1.0 } else { law.sf(k - 1) })
    } else {
        let Ok(law) = Poisson::new(mean) else {
            return (1.0, 1.0);
        };
        (law.cdf(k), if k == 0 { 1.0 } else { law.sf(k - 1) })
    };
    (below, at_most)
}

/// The score that a standard normal exceeds with this probability.
fn normal_score(p: f64) -> f64 {
    -Normal::standard().inverse_cdf(p.clamp(1e-300, 1.0 - 1e-16))
}

/// Degrees of freedom of the t distribution whose 95 % and 50 % quantiles of size have this ratio;
/// `None` if the ratio is not above that of the normal distribution.
fn heavy_tail(ratio: f64) -> Option<f64> {
    const TABLE: [(f64, f64); 7] = [
        (3.02, 20.0),
        (3.18, 10.0),
        (3.41, 6.0),
        (3.54, 5.0),
        (3.75, 4.0),
        (4.16, 3.0),
        (5.27, 2.0),
    ];
    TABLE
        .iter()
        .rev()
        .find(|(ratio_min, _)| ratio >= *ratio_min)
        .map(|(_, freedom)| *freedom)
}

/// Siegel's repeated-median line through a range, evaluated at `at`.
fn line_at(values: &[f64], range: std::ops::Range<usize>, at: usize) -> f64 {
    let slopes: Vec<f64> = range
        .clone()
        .map(|i| {
            let slopes: Vec<f64> = range
                .clone()
                .filter(|j| *j != i)
                .map(|j| (values[j] - values[i]) / (j as f64 - i as f64))
                .collect();
            median(&slopes)
        })
        .collect();
    let slope = median(&slopes);
    let levels: Vec<f64> = range
        .map(|i| values[i] + slope * (at as f64 - i as f64))
        .collect();
    median(&levels)
}

#[cfg(test)]
mod tests;
