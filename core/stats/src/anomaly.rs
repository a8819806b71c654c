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
    /// The value.
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
mod tests {
    use super::*;
    use crate::random::{gamma, normal, poisson};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn week(i: usize) -> f64 {
        [1.7, 1.0, 1.0, 1.0, 0.9, 0.4, 0.3][i % 7]
    }

    fn daily(make: impl FnMut(usize) -> f64) -> Vec<Option<f64>> {
        (0..420).map(make).map(Some).collect()
    }

    /// Share of series with any false anomaly at a family-wise level of 5 %.
    fn false_claims(quantity: Quantity, make: impl Fn(&mut ChaCha8Rng) -> Vec<Option<f64>>) -> f64 {
        let runs = 200;
        let mut claims = 0;
        for seed in 0..runs {
            let values = make(&mut ChaCha8Rng::seed_from_u64(seed));
            let scores = score(&values, quantity, Options::DAILY);
            let smallest = scores
                .iter()
                .flatten()
                .map(|s| s.p_up.min(s.p_down))
                .fold(1.0, f64::min);
            claims += usize::from(smallest * 2.0 * 420.0 < 0.05);
        }
        claims as f64 / runs as f64
    }

    #[test]
    fn noise_makes_no_claims() {
        for mean in [0.3, 3.0, 30.0, 3000.0] {
            let rate = false_claims(Quantity::Count, |random| {
                daily(|i| poisson(random, mean * week(i)))
            });
            eprintln!("Poisson {mean}: {rate}");
            assert!(rate <= 0.05, "Poisson {mean}: {rate}");
        }
        let rate = false_claims(Quantity::Count, |random| {
            daily(|i| {
                let gamma: f64 = (0..8).map(|_| normal(random).powi(2)).sum::<f64>() / 8.0;
                poisson(random, 20.0 * week(i) * gamma)
            })
        });
        eprintln!("overdispersed: {rate}");
        assert!(rate <= 0.06, "overdispersed: {rate}");
    }

    #[test]
    fn autocorrelated_and_drifting_metrics_make_no_claims() {
        let rate = false_claims(Quantity::Continuous, |random| {
            let mut noise = 0.0;
            daily(|i| {
                noise = 0.6 * noise + normal(random);
                40.0 + 0.08 * i as f64 + 3.0 * week(i) + noise
            })
        });
        eprintln!("AR(1) with drift: {rate}");
        assert!(rate <= 0.05, "{rate}");
        let rate = false_claims(Quantity::Continuous, |random| {
            daily(|_| {
                let scale = (0..4).map(|_| normal(random).powi(2)).sum::<f64>() / 4.0;
                normal(random) / scale.sqrt()
            })
        });
        eprintln!("t with 4 degrees of freedom: {rate}");
        assert!(rate <= 0.12, "{rate}");
    }

    /// Scores as a stage does: within the season of the year if there is one.
    fn score_long(
        values: &[Option<f64>],
        quantity: Quantity,
        options: Options,
        year: f64,
    ) -> Vec<Option<Score>> {
        match crate::yearly::yearly_season(values, year) {
            Some(season) => score_within_year(values, quantity, options, &season),
            None => score(values, quantity, options),
        }
    }

    #[test]
    fn weeks_and_months_make_few_claims_and_find_outages() {
        let wave = |i: f64, year: f64| (i / year * std::f64::consts::TAU).sin();
        let mut failures = Vec::new();
        for (options, year, n) in [
            (Options::WEEKLY, 52.18, 60),
            (Options::WEEKLY, 52.18, 120),
            (Options::WEEKLY, 52.18, 160),
            (Options::MONTHLY, 12.0, 30),
            (Options::MONTHLY, 12.0, 60),
        ] {
            for (name, size, rho, mean) in [
                ("count 3", 0.0, 0.0, 3.0),
                ("count 60", 0.0, 0.0, 60.0),
                ("season", 0.4, 0.0, 60.0),
                ("season, few", 0.4, 0.0, 6.0),
                ("AR", 0.0, 0.6, 0.0),
                ("AR, season", 0.4, 0.6, 0.0),
            ] {
                let runs = 200;
                let (mut any, mut last, mut found) = (0, 0, 0);
                for seed in 0..runs {
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    let mut noise = 0.0;
                    let mut values: Vec<Option<f64>> = (0..n)
                        .map(|i| {
                            let season = 1.0 + size * wave(f64::from(i), year);
                            if rho > 0.0 {
                                noise = rho * noise + normal(&mut random);
                                return Some(100.5 * season + 5.0 * noise);
                            }
                            Some(poisson(&mut random, mean * season))
                        })
                        .collect();
                    let quantity = if rho > 0.0 {
                        Quantity::Continuous
                    } else {
                        Quantity::Count
                    };
                    let p = |values: &[Option<f64>]| -> Vec<f64> {
                        let scores = score_long(values, quantity, options, year);
                        let p = |s: &Option<Score>| s.map_or(1.0, |s| 2.0 * s.p_up.min(s.p_down));
                        scores.iter().map(p).collect()
                    };
                    let quiet = p(&values);
                    any += u32::from(quiet.iter().any(|p| p * f64::from(n) < 0.05));
                    let end = quiet.len() - 1;
                    last += u32::from(quiet[end] < 0.01);
                    values[end] = values[end].map(|value| (0.3 * value).round());
                    found += u32::from(p(&values)[end] < 0.01);
                }
                let share = |count: u32| f64::from(count) / runs as f64;
                let [any, last, found] = [any, last, found].map(share);
                eprintln!("{n} of {year}, {name}: any {any}, last at 1 %: {last}, outage {found}");
                // A strong season hides outages until two years of weeks, or more of months, show it.
                let is_clear = mean >= 60.0 && (size == 0.0 || n > 60 || (n == 60 && year < 13.0));
                if any > 0.06 || last > 0.03 || (is_clear && found < 0.9) {
                    failures.push(format!("{n} of {year}, {name}: {any} {last} {found}"));
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn a_step_is_not_an_anomaly_once_its_future_is_known() {
        let rate = false_claims(Quantity::Count, |random| {
            daily(|i| poisson(random, if i < 250 { 12.0 } else { 24.0 } * week(i)))
        });
        eprintln!("step: {rate}");
        assert!(rate <= 0.06, "{rate}");
    }

    /// Checks that anomalies are found on the days of an outage, and on no others.
    fn check_outage(mean: f64, remaining: f64, days: std::ops::Range<usize>) {
        for seed in 0..20 {
            let mut random = ChaCha8Rng::seed_from_u64(1000 + seed);
            let values = daily(|i| {
                let factor = if days.contains(&i) { remaining } else { 1.0 };
                poisson(&mut random, mean * week(i) * factor)
            });
            let scores = score(&values, Quantity::Count, Options::DAILY);
            let anomalies: Vec<usize> = (0..420)
                .filter(|i| scores[*i].is_some_and(|s| s.p_down * 2.0 * 420.0 < 0.01))
                .collect();
            assert!(!anomalies.is_empty(), "seed {seed}: missed");
            assert!(
                anomalies.iter().all(|i| days.contains(i)),
                "seed {seed}: {anomalies:?}"
            );
        }
    }

    #[test]
    fn outages_are_found_in_history_and_at_the_end() {
        check_outage(200.0, 0.3, 200..201);
        check_outage(200.0, 0.3, 417..418);
        check_outage(60.0, 0.1, 300..304);
        check_outage(60.0, 0.1, 416..420);
    }

    /// Share of series of `n` days in which `is_found` holds for the scores. Counts have this mean
    /// and a variance `ratio` times the mean; `factor` changes the mean of each day.
    fn share_found(
        n: usize,
        mean: f64,
        ratio: f64,
        factor: impl Fn(usize, &mut ChaCha8Rng) -> f64,
        is_found: impl Fn(&[Option<Score>]) -> bool,
    ) -> f64 {
        let runs = 200;
        let found = (0..runs).filter(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(77 + seed);
            let values: Vec<Option<f64>> = (0..n)
                .map(|i| {
                    let mean = mean * factor(i, &mut random);
                    let level = if ratio > 1.0 && mean > 0.0 {
                        gamma(&mut random, mean / (ratio - 1.0)) * (ratio - 1.0)
                    } else {
                        mean
                    };
                    Some(poisson(&mut random, level))
                })
                .collect();
            is_found(&score(&values, Quantity::Count, Options::DAILY))
        });
        found.count() as f64 / runs as f64
    }

    /// True if one of these days is an anomaly at a family-wise level of 5 %.
    fn any_anomaly(scores: &[Option<Score>], is_day: impl Fn(usize) -> bool) -> bool {
        let n = scores.len() as f64;
        let mut days = scores.iter().enumerate().filter(|(i, _)| is_day(*i));
        days.any(|(_, s)| s.is_some_and(|s| s.p_up.min(s.p_down) * 2.0 * n < 0.05))
    }

    #[test]
    fn outages_of_several_days_are_found_in_short_histories() {
        for (mean, days) in [(287.0, 4), (287.0, 8), (40.0, 4), (15.0, 4)] {
            let start = 43;
            let is_out = |i: usize| (start..start + days).contains(&i);
            let factor = |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(!is_out(i)));
            let found = share_found(70, mean, 1.0, factor, |s| any_anomaly(s, is_out));
            assert!(found >= 0.8, "{days} days of {mean}: {found}");
            let false_found =
                share_found(70, mean, 1.0, factor, |s| any_anomaly(s, |i| !is_out(i)));
            assert!(false_found <= 0.06, "{days} days of {mean}: {false_found}");
        }
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_counts_with_episodes() {
        eprintln!(
            "false claims: level, bursts of 3 days, one day of an outage in 50; 4 days out found"
        );
        for n in [70, 120, 420] {
            for mean in [3.0, 20.0, 280.0] {
                for ratio in [1.0, 2.0, 5.0] {
                    let level =
                        share_found(n, mean, ratio, |_, _| 1.0, |s| any_anomaly(s, |_| true));
                    let wave = |i: usize, _: &mut ChaCha8Rng| {
                        1.0 + 0.5 * f64::from(u8::from(i / 3 % 9 == 4))
                    };
                    let bursts = share_found(n, mean, ratio, wave, |s| any_anomaly(s, |_| true));
                    let out = |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(i % 50 != 31));
                    let others =
                        share_found(n, mean, ratio, out, |s| any_anomaly(s, |i| i % 50 != 31));
                    let down =
                        |i: usize, _: &mut ChaCha8Rng| f64::from(u8::from(!(43..47).contains(&i)));
                    let found = share_found(n, mean, ratio, down, |s| {
                        any_anomaly(s, |i| (43..47).contains(&i))
                    });
                    let beside = share_found(n, mean, ratio, down, |s| {
                        any_anomaly(s, |i| !(43..47).contains(&i))
                    });
                    eprintln!(
                        "{n} days, mean {mean}, variance {ratio} means: {level:.3} {bursts:.3} {others:.3}; {found:.3} beside {beside:.3}"
                    );
                }
            }
        }
    }

    #[test]
    fn odd_hours_of_a_strong_rhythm_are_found() {
        // 17 weeks of hours whose noise is small beside their rhythm; one hour is 29 % too high.
        let found = (0..5).filter(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(*seed);
            let mut noise = 0.0;
            let n = 17 * 168;
            let values: Vec<Option<f64>> = (0..n)
                .map(|i| {
                    noise = 0.6 * noise + 4.0 * normal(&mut random);
                    let day = 1.0 + 0.3 * ((i % 24) as f64 * std::f64::consts::TAU / 24.0).sin();
                    let week = if i / 24 % 7 < 5 { 200.0 } else { 150.0 };
                    let odd = if i == n - 150 { 41.0 } else { 0.0 };
                    Some(week * day + noise + odd)
                })
                .collect();
            let scores = score(&values, Quantity::Continuous, Options::HOURLY);
            scores[n - 150].is_some_and(|score| 2.0 * score.p_up * 168.0 < 0.0027)
        });
        let found = found.count();
        assert!(found >= 4, "{found} of 5");
    }

    #[test]
    fn short_series_have_no_scores() {
        let values = vec![Some(1.0); 41];
        assert!(
            score(&values, Quantity::Count, Options::DAILY)
                .iter()
                .all(Option::is_none)
        );
    }

    #[test]
    fn constant_series_have_finite_scores() {
        let mut values = vec![Some(5.0); 100];
        values[50] = None;
        let scores = score(&values, Quantity::Continuous, Options::DAILY);
        assert!(
            scores
                .iter()
                .flatten()
                .all(|s| s.z.is_finite() && s.p_up.min(s.p_down) > 0.01)
        );
        assert!(scores[50].is_none());
        let scores = score(&vec![Some(0.0); 100], Quantity::Count, Options::DAILY);
        assert!(scores.iter().flatten().all(|s| s.p_up.min(s.p_down) > 0.01));
    }
}
