//! Tests the best date of a change against the same search in series without a change.
//!
//! The best of many dates looks striking in any series, and more so if neighbours are correlated.
//! So the statistic is compared with the result of the same search in simulated series without a
//! change, of the same length and autocorrelation. That autocorrelation is estimated after the best
//! change is removed, and corrected for bias by simulation, including its uncertainty: otherwise a
//! change would look like autocorrelation, or noise like a change.
//!
//! The simulated series are first-order autoregressive, some with independent errors added. Counts
//! need the errors: if a rate wanders, its counts vary around it independently, so neighbours are
//! hardly correlated, but the correlation decays slowly. If values repeat, as counts do, simulated
//! series take the observed values.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

mod marginal;

use marginal::Marginal;
pub(crate) use marginal::repeated_share;

/// Settings of a search for dates.
#[derive(Debug, Clone)]
pub struct Search {
    /// Minimum number of positions on either side of a change.
    pub segment_min: usize,
    /// Maximum number of changes to report.
    pub shifts_max: usize,
    /// Probability of a false claim in a series without a change.
    pub alpha: f64,
    /// Number of simulated series for a p-value.
    pub simulations: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            segment_min: 7,
            shifts_max: 3,
            alpha: 0.05,
            simulations: 1999,
        }
    }
}

/// The best date of a change in a segment.
pub(crate) struct Candidate {
    /// First index after the change.
    pub(crate) position: usize,
    /// Size of the change in standard errors that allow for autocorrelation.
    pub(crate) statistic: f64,
    /// Autocorrelation of the residuals.
    pub(crate) correlation: Correlation,
    /// Remaining sum of squares.
    pub(crate) residual_squares: f64,
}

impl Candidate {
    /// A candidate that explains `gain` of the sum of squares `total` and leaves these residuals;
    /// `level` is the mean. `None` if the segment is constant.
    pub(crate) fn new(
        position: usize,
        gain: f64,
        total: f64,
        level: f64,
        residuals: &[f64],
    ) -> Option<Self> {
        if total <= f64::EPSILON * level.abs().max(1.0) {
            return None;
        }
        let residual_squares = (total - gain).max(0.0);
        let correlation = Correlation::of(residuals);
        let rho = correlation.first;
        let variance = residual_squares.max(total * 1e-9) / (residuals.len() as f64 - 2.0);
        let inflation = (1.0 + rho.max(0.0)) / (1.0 - rho.max(0.0)).max(0.02);
        Some(Self {
            position,
            statistic: (gain / (variance * inflation)).sqrt(),
            correlation,
            residual_squares,
        })
    }
}

/// A search for the best date: of a series, with at least so many values on either side.
pub(crate) type Finder = fn(&[f64], usize) -> Option<Candidate>;

/// Estimates of autocorrelation from residuals, not corrected for bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Correlation {
    /// Autocorrelation at the first lag.
    pub(crate) first: f64,
    /// Mean autocorrelation over the [`LATER_LAGS`].
    later: f64,
}

/// The lags after the first that tell slow from fast decay.
const LATER_LAGS: std::ops::RangeInclusive<usize> = 2..=6;

impl Correlation {
    /// The autocorrelation of residuals, whose mean is zero.
    pub(crate) fn of(residuals: &[f64]) -> Self {
        let [mut square, mut first, mut later] = [0.0; 3];
        // Sum of the values at the later lags.
        let mut earlier = 0.0;
        for (i, value) in residuals.iter().enumerate() {
            let at = |lag: usize| i.checked_sub(lag).map_or(0.0, |i| residuals[i]);
            earlier += at(*LATER_LAGS.start()) - at(*LATER_LAGS.end() + 1);
            square += value * value;
            first += value * at(1);
            later += value * earlier;
        }
        if square <= 0.0 {
            return Self {
                first: 0.0,
                later: 0.0,
            };
        }
        Self {
            first: (first / square).clamp(-0.98, 0.98),
            later: later / square / LATER_LAGS.count() as f64,
        }
    }

    fn values(self) -> [f64; 2] {
        [self.first, self.later]
    }
}

/// A series without a change: first-order autoregressive, with independent errors added.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// Autocorrelation of the autoregressive part.
    rho: f64,
    /// Share of that part in the variance.
    share: f64,
}

impl Model {
    /// First-order autocorrelation of an autoregressive series whose means vary as much.
    fn equivalent_rho(self) -> f64 {
        let inflation = self.share * (1.0 + self.rho) / (1.0 - self.rho) + 1.0 - self.share;
        (inflation - 1.0) / (inflation + 1.0)
    }

    /// A series with these values.
    fn simulate(self, noise: &mut Noise, n: usize, marginal: &Marginal) -> Vec<f64> {
        let mut values = noise.autoregressive(n, self.rho);
        if self.share < 1.0 {
            let [slow, independent] = [self.share, 1.0 - self.share].map(f64::sqrt);
            for value in &mut values {
                *value = slow * *value + independent * noise.normal();
            }
        }
        marginal.apply(&mut values);
        values
    }
}

/// Possible models of the noise: autoregressive ones, then those with independent errors. Slower
/// ones with errors are left out, because they can hardly be distinguished from shifts.
const MODELS: [Model; 23] = {
    let mut models = [Model {
        rho: 0.0,
        share: 1.0,
    }; 23];
    let autoregressive = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
    let mut i = 0;
    while i < autoregressive.len() {
        models[i + 1].rho = autoregressive[i];
        i += 1;
    }
    let (slow, shares) = ([0.5, 0.6, 0.7, 0.8], [0.5, 0.25, 0.12]);
    let mut i = 0;
    while i < slow.len() * shares.len() {
        models[AUTOREGRESSIVE + i] = Model {
            rho: slow[i / shares.len()],
            share: shares[i % shares.len()],
        };
        i += 1;
    }
    models
};
/// Number of models without independent errors.
const AUTOREGRESSIVE: usize = 11;
/// Prior probability of a model with independent errors in proportion to that of one without.
const PRIOR_WITH_ERRORS: f64 = 0.8;

impl Model {
    fn prior(self) -> f64 {
        if self.share < 1.0 {
            PRIOR_WITH_ERRORS
        } else {
            1.0
        }
    }
}

/// Simulated p-value of a candidate, among series without a change whose residuals are as
/// autocorrelated as the observed ones.
///
/// The true autocorrelation is unknown, so it is drawn from all values that are consistent with the
/// estimate, and only simulated series with nearly the same estimate are used (approximate Bayesian
/// computation): an estimate that is too low by chance goes together with a statistic that is too
/// high for that reason. Simulation stops early once the p-value is known to be large (Besag and
/// Clifford 1991). If hardly any simulated statistic is as high, the p-value is that of a
/// generalised Pareto distribution fitted to the largest of them (Knijnenburg et al. 2009).
pub(crate) fn simulated_p(
    find: Finder,
    values: &[f64],
    observed: &Candidate,
    search: &Search,
) -> f64 {
    const HIGHER_MAX: usize = 100;
    let n = values.len();
    let m = search.segment_min.max(2);
    let posterior = NoisePosterior::new(find, values, observed.correlation, search);
    let marginal = Marginal::of(values);
    let plausible = posterior.plausible();
    let total: f64 = plausible.iter().map(|model| model.prior()).sum();
    let mut noise = Noise::new(content_seed(values));
    let mut higher = 0usize;
    let mut statistics = Vec::with_capacity(search.simulations);
    for _ in 0..search.simulations * 8 {
        let mut remaining = noise.uniform() * total;
        let drawn = plausible.iter().find(|model| {
            remaining -= model.prior();
            remaining < 0.0
        });
        let model = drawn.unwrap_or(&plausible[0]);
        let Some(simulated) = find(&model.simulate(&mut noise, n, &marginal), m) else {
            continue;
        };
        if !posterior.is_near(simulated.correlation) {
            continue;
        }
        statistics.push(simulated.statistic);
        higher += usize::from(simulated.statistic >= observed.statistic);
        if higher == HIGHER_MAX {
            return HIGHER_MAX as f64 / statistics.len() as f64;
        }
        if statistics.len() == search.simulations {
            break;
        }
        if higher == 0 && statistics.len() == TAIL_SIMULATIONS_MIN {
            let p = tail_p(&statistics, observed.statistic);
            if p < DECISIVE {
                return p;
            }
        }
    }
    let counted = (higher + 1) as f64 / (statistics.len() + 1) as f64;
    if higher >= HIGHER_MIN || statistics.len() < TAIL_SIMULATIONS_MIN {
        return counted;
    }
    tail_p(&statistics, observed.statistic).min(counted)
}

/// Probability of a higher statistic by the tail of these.
fn tail_p(statistics: &[f64], observed: f64) -> f64 {
    // Squares, because the tail of a squared statistic is about exponential.
    let squared = statistics.iter().map(|statistic| statistic.powi(2));
    let mut squares: Vec<f64> = squared.collect();
    squares.sort_by(f64::total_cmp);
    pareto_tail(&squares, observed.powi(2))
}

/// A p-value below this needs no more simulation.
const DECISIVE: f64 = 1e-4;
/// Number of simulated statistics above the observed one from which their share is the p-value.
const HIGHER_MIN: usize = 10;
/// Minimum number of simulated statistics for a tail.
const TAIL_SIMULATIONS_MIN: usize = 900;
/// Share of the largest statistics to which a tail is fitted.
const TAIL_SHARE: f64 = 0.1;

/// Probability of a value above `observed`, by a generalised Pareto distribution of the largest of
/// these sorted values, fitted by probability-weighted moments (Hosking and Wallis 1987). The tail
/// is at least as heavy as an exponential one.
fn pareto_tail(sorted: &[f64], observed: f64) -> f64 {
    let n = (sorted.len() as f64 * TAIL_SHARE) as usize;
    let (below, tail) = sorted.split_at(sorted.len() - n);
    let threshold = below.last().copied().unwrap_or(0.0);
    let excess = observed - threshold;
    let size = n as f64;
    let mean = tail.iter().map(|value| value - threshold).sum::<f64>() / size;
    let weighted = tail.iter().enumerate().map(|(i, value)| {
        let above = (size - 1.0 - i as f64) / (size - 1.0);
        above * (value - threshold)
    });
    let weighted = weighted.sum::<f64>() / size;
    let shape = (2.0 - mean / (mean - 2.0 * weighted)).clamp(0.0, 0.4);
    let scale = mean * (1.0 - shape);
    let survival = if shape > 1e-6 {
        (1.0 + shape * excess / scale).powf(-1.0 / shape)
    } else {
        (-excess / scale).exp()
    };
    // Farther out, a tail is a guess.
    (TAIL_SHARE * survival).max(1e-9)
}

/// Distribution of the estimates of autocorrelation for one model.
#[derive(Debug, Clone, Copy)]
struct Estimates {
    mean: [f64; 2],
    deviation: [f64; 2],
    /// Correlation between the two estimates.
    correlation: f64,
}

impl Estimates {
    fn of(sample: &[[f64; 2]]) -> Self {
        let count = sample.len().max(1) as f64;
        let mean = [0, 1].map(|i| sample.iter().map(|e| e[i]).sum::<f64>() / count);
        let moment = |i: usize, j: usize| {
            let products = sample.iter().map(|e| (e[i] - mean[i]) * (e[j] - mean[j]));
            products.sum::<f64>() / count
        };
        let deviation = [0, 1].map(|i| moment(i, i).sqrt().max(1e-6));
        Self {
            mean,
            deviation,
            correlation: (moment(0, 1) / (deviation[0] * deviation[1])).clamp(-0.95, 0.95),
        }
    }

    /// Bivariate normal density at an estimate, up to a constant.
    fn density(&self, observed: [f64; 2]) -> f64 {
        let [x, y] = [0, 1].map(|i| (observed[i] - self.mean[i]) / self.deviation[i]);
        let r = self.correlation;
        let free = 1.0 - r * r;
        let distance = (x * x - 2.0 * r * x * y + y * y) / free;
        (-distance / 2.0).exp() / (self.deviation[0] * self.deviation[1] * free.sqrt())
    }
}

/// Number of simulated series for each model, and the same for observed values, whose estimates no
/// other series shares.
const MODEL_SIMULATIONS: usize = 160;
const MODEL_SIMULATIONS_OF_OBSERVED: usize = 40;
/// Maximum number of lengths whose simulated estimates are kept.
const LENGTHS_MAX: usize = 500;

/// The estimates of a search, for each model. For normal values they depend on nothing but the
/// length of the series and the smallest segment, so all series of that length share them.
fn model_estimates(find: Finder, values: &[f64], m: usize) -> Arc<[Estimates; MODELS.len()]> {
    type Cache = BTreeMap<(usize, usize, usize, u64), Arc<[Estimates; MODELS.len()]>>;
    static CACHE: Mutex<Cache> = Mutex::new(BTreeMap::new());
    let (n, marginal) = (values.len(), Marginal::of(values));
    let key = (find as usize, n, m, marginal.key());
    let lock = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(estimates) = lock().get(&key) {
        return estimates.clone();
    }
    let count = if marginal.is_normal() {
        MODEL_SIMULATIONS
    } else {
        MODEL_SIMULATIONS_OF_OBSERVED
    };
    let estimates = Arc::new(MODELS.map(|model| {
        let mut noise = Noise::new(0xb1a5);
        let sample: Vec<[f64; 2]> = (0..count)
            .filter_map(|_| find(&model.simulate(&mut noise, n, &marginal), m))
            .map(|simulated| simulated.correlation.values())
            .collect();
        Estimates::of(&sample)
    }));
    let mut cache = lock();
    if cache.len() >= LENGTHS_MAX {
        cache.clear();
    }
    cache.insert(key, estimates.clone());
    estimates
}

/// The distribution of the models of the noise given the estimates, for a length and a search.
pub(crate) struct NoisePosterior {
    /// The estimates; at least those of independent values.
    observed: [f64; 2],
    /// Standard deviations of the estimates under the most plausible model.
    deviation: [f64; 2],
    /// Weight of each model; they sum to 1.
    weights: [f64; MODELS.len()],
}

impl NoisePosterior {
    pub(crate) fn new(
        find: Finder,
        values: &[f64],
        observed: Correlation,
        search: &Search,
    ) -> Self {
        let m = search.segment_min.max(2);
        let estimates = model_estimates(find, values, m);
        // Negative autocorrelation is treated as independence, which is conservative.
        let independent = estimates[0].mean;
        let observed = observed.values();
        let observed = [0, 1].map(|i| observed[i].max(independent[i]));
        let mut weights = [0.0; MODELS.len()];
        let mut best = 0;
        for (i, model) in estimates.iter().enumerate() {
            weights[i] = MODELS[i].prior() * model.density(observed);
            if weights[i] > weights[best] {
                best = i;
            }
        }
        let total: f64 = weights.iter().sum();
        if total > 0.0 {
            weights = weights.map(|weight| weight / total);
        } else {
            best = AUTOREGRESSIVE - 1;
            weights[best] = 1.0;
        }
        // Estimates that no model explains would have no simulated equals, so the nearest ones are
        // used.
        let Estimates {
            mean, deviation, ..
        } = estimates[best];
        let observed =
            [0, 1].map(|i| observed[i].clamp(mean[i] - deviation[i], mean[i] + deviation[i]));
        Self {
            observed,
            deviation,
            weights,
        }
    }

    /// Models with a non-negligible weight.
    fn plausible(&self) -> Vec<Model> {
        let best = self.weights.iter().copied().fold(0.0, f64::max);
        let fits = |(weight, model): (&f64, Model)| (*weight >= 0.01 * best).then_some(model);
        self.weights.iter().zip(MODELS).filter_map(fits).collect()
    }

    /// Returns true if simulated estimates count as equal to the observed ones.
    fn is_near(&self, simulated: Correlation) -> bool {
        let simulated = simulated.values();
        let squares =
            [0, 1].map(|i| ((simulated[i] - self.observed[i]) / self.deviation[i]).powi(2));
        squares[0] + squares[1] <= 1.0
    }

    /// The first-order autocorrelation, corrected for bias, of an autoregressive series whose means
    /// vary as much as those of this one.
    pub(crate) fn autocorrelation(&self) -> f64 {
        self.weights
            .iter()
            .zip(MODELS)
            .map(|(weight, model)| weight * model.equivalent_rho())
            .sum()
    }
}

/// A seed from the bits of the values (FNV-1a): neither a name nor the order of groups decides what
/// is found.
pub fn content_seed<'a>(values: impl IntoIterator<Item = &'a f64>) -> u64 {
    let bytes = values.into_iter().flat_map(|value| value.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Seeded noise for simulations, the same on every machine.
pub(crate) struct Noise(ChaCha8Rng);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// A stationary first-order autoregressive series with variance 1.
    pub(crate) fn autoregressive(&mut self, n: usize, rho: f64) -> Vec<f64> {
        let innovation = (1.0 - rho * rho).sqrt();
        let mut last = self.normal();
        (0..n)
            .map(|_| {
                let value = last;
                last = rho * last + innovation * self.normal();
                value
            })
            .collect()
    }

    /// A Poisson count, by multiplication; for means below 100.
    #[cfg(test)]
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let limit = (-mean.min(100.0)).exp();
        let (mut count, mut product) = (0, self.uniform());
        while product > limit {
            count += 1;
            product *= self.uniform();
        }
        count
    }
}
