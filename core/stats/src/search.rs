//! Tests the best date of a change against the same search in series without a change.
//!
//! The best of many dates looks striking in any series, and more so if neighbours are correlated. So
//! the statistic is compared with the result of the same search in simulated series without a
//! change, of the same length and autocorrelation. That autocorrelation is estimated after the best
//! change is removed, and corrected for bias by simulation, including its uncertainty: otherwise a
//! change would look like autocorrelation, or noise like a change.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

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
    pub(crate) at: usize,
    /// Size of the change in standard errors that allow for autocorrelation.
    pub(crate) statistic: f64,
    /// First-order autocorrelation of the residuals, not corrected for bias.
    pub(crate) rho: f64,
    /// Remaining sum of squares.
    pub(crate) residual_squares: f64,
}

impl Candidate {
    /// A candidate that explains `gain` of the sum of squares `total` and leaves these residuals;
    /// `level` is the mean. `None` if the segment is constant.
    pub(crate) fn new(
        at: usize,
        gain: f64,
        total: f64,
        level: f64,
        residuals: &[f64],
    ) -> Option<Self> {
        if total <= f64::EPSILON * level.abs().max(1.0) {
            return None;
        }
        let residual_squares = (total - gain).max(0.0);
        let rho = first_autocorrelation(residuals);
        let variance = residual_squares.max(total * 1e-9) / (residuals.len() as f64 - 2.0);
        let inflation = (1.0 + rho.max(0.0)) / (1.0 - rho.max(0.0)).max(0.02);
        Some(Self {
            at,
            statistic: (gain / (variance * inflation)).sqrt(),
            rho,
            residual_squares,
        })
    }
}

/// A search for the best date: of a series, with at least so many values on either side.
pub(crate) type Finder = fn(&[f64], usize) -> Option<Candidate>;

/// First-order autocorrelation of residuals, whose mean is zero.
pub(crate) fn first_autocorrelation(residuals: &[f64]) -> f64 {
    let square: f64 = residuals.iter().map(|v| v * v).sum();
    let product: f64 = residuals.windows(2).map(|w| w[0] * w[1]).sum();
    if square > 0.0 {
        (product / square).clamp(-0.98, 0.98)
    } else {
        0.0
    }
}

/// Grid of possible autocorrelations of the noise.
const GRID: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Simulated p-value of a candidate, among series without a change whose residuals are as autocorrelated
/// as the observed ones.
///
/// The true autocorrelation is unknown, so it is drawn from all values that are consistent with the
/// estimate, and only simulated series with nearly the same estimate are used (approximate Bayesian
/// computation): an estimate that is too low by chance goes together with a statistic that is too
/// high for that reason. Simulation stops early once the p-value is known to be large (Besag and
/// Clifford 1991). If hardly any simulated statistic is as high, the p-value is that of a generalised
/// Pareto distribution fitted to the largest of them (Knijnenburg et al. 2009).
pub(crate) fn simulated_p(
    find: Finder,
    values: &[f64],
    observed: &Candidate,
    search: &Search,
) -> f64 {
    const HIGHER_MAX: usize = 100;
    let n = values.len();
    let m = search.segment_min.max(2);
    let posterior = RhoPosterior::new(find, n, observed.rho, search);
    let plausible = posterior.plausible();
    let mut noise = Noise::new(content_seed(values));
    let mut higher = 0usize;
    let mut statistics = Vec::with_capacity(search.simulations);
    for _ in 0..search.simulations * 8 {
        let rho = plausible[(noise.uniform() * plausible.len() as f64) as usize];
        let Some(simulated) = find(&noise.autoregressive(n, rho), m) else {
            continue;
        };
        if (simulated.rho - posterior.observed).abs() > posterior.tolerance {
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
    }
    let counted = (higher + 1) as f64 / (statistics.len() + 1) as f64;
    if higher >= HIGHER_MIN || statistics.len() < TAIL_SIMULATIONS_MIN {
        return counted;
    }
    // Squares, because the tail of a squared statistic is about exponential.
    let mut squares: Vec<f64> = statistics
        .iter()
        .map(|statistic| statistic.powi(2))
        .collect();
    squares.sort_by(f64::total_cmp);
    pareto_tail(&squares, observed.statistic.powi(2)).min(counted)
}

/// Number of simulated statistics above the observed one from which their share is the p-value.
const HIGHER_MIN: usize = 10;
/// Minimum number of simulated statistics for a tail.
const TAIL_SIMULATIONS_MIN: usize = 900;
/// Share of the largest statistics to which a tail is fitted.
const TAIL_SHARE: f64 = 0.1;

/// Probability of a value above `observed`, by a generalised Pareto distribution of the largest of these
/// sorted values, fitted by probability-weighted moments (Hosking and Wallis 1987). The tail is at least
/// as heavy as an exponential one.
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

/// Mean and standard deviation of the estimate for one true autocorrelation.
#[derive(Debug, Clone, Copy)]
struct RhoEstimate {
    mean: f64,
    deviation: f64,
}

/// Number of simulated series for each true autocorrelation.
const RHO_SIMULATIONS: usize = 240;
/// Maximum number of lengths whose simulated estimates are kept.
const RHO_LENGTHS_MAX: usize = 500;

/// The estimates of a search, for each autocorrelation of the grid. They depend on nothing but the length
/// of the series and the smallest segment, so all series of that length share them.
fn rho_estimates(find: Finder, n: usize, m: usize) -> Arc<[RhoEstimate; GRID.len()]> {
    type Estimates = BTreeMap<(usize, usize, usize), Arc<[RhoEstimate; GRID.len()]>>;
    static KNOWN: Mutex<Estimates> = Mutex::new(BTreeMap::new());
    let key = (find as usize, n, m);
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(estimates) = lock().get(&key) {
        return estimates.clone();
    }
    let estimates = Arc::new(GRID.map(|rho| {
        let mut noise = Noise::new(0xb1a5);
        let estimates: Vec<f64> = (0..RHO_SIMULATIONS)
            .filter_map(|_| find(&noise.autoregressive(n, rho), m))
            .map(|simulated| simulated.rho)
            .collect();
        let count = estimates.len().max(1) as f64;
        let mean = estimates.iter().sum::<f64>() / count;
        let squares = estimates.iter().map(|e| (e - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        RhoEstimate { mean, deviation }
    }));
    let mut known = lock();
    if known.len() >= RHO_LENGTHS_MAX {
        known.clear();
    }
    known.insert(key, estimates.clone());
    estimates
}

/// The distribution of the true autocorrelation given its estimate, for a length and a search.
pub(crate) struct RhoPosterior {
    /// The estimate; at least that of independent values.
    observed: f64,
    /// Estimates that are closer than this count as equal.
    tolerance: f64,
    /// Weight of each value of the grid given the estimate; they sum to 1.
    weights: [f64; GRID.len()],
}

impl RhoPosterior {
    pub(crate) fn new(find: Finder, n: usize, observed: f64, search: &Search) -> Self {
        let m = search.segment_min.max(2);
        let mut posterior = Self {
            observed,
            tolerance: f64::INFINITY,
            weights: [0.0; GRID.len()],
        };
        let estimates = rho_estimates(find, n, m);
        // Negative autocorrelation is treated as independence, which is conservative.
        posterior.observed = observed.max(estimates[0].mean);
        for (weight, RhoEstimate { mean, deviation }) in
            posterior.weights.iter_mut().zip(estimates.iter())
        {
            posterior.tolerance = posterior.tolerance.min(deviation / 2.0);
            *weight = (-((posterior.observed - mean) / deviation).powi(2) / 2.0).exp() / deviation;
        }
        let total: f64 = posterior.weights.iter().sum();
        if total > 0.0 {
            posterior.weights = posterior.weights.map(|weight| weight / total);
        } else {
            posterior.weights[GRID.len() - 1] = 1.0;
        }
        posterior
    }

    /// Values of the grid with a non-negligible weight.
    fn plausible(&self) -> Vec<f64> {
        let best = self.weights.iter().copied().fold(0.0, f64::max);
        let fits = |(weight, rho): (&f64, f64)| (*weight >= 0.01 * best).then_some(rho);
        self.weights.iter().zip(GRID).filter_map(fits).collect()
    }

    /// The estimate, corrected for its bias.
    pub(crate) fn mean(&self) -> f64 {
        self.weights
            .iter()
            .zip(GRID)
            .map(|(weight, rho)| weight * rho)
            .sum()
    }
}

/// A seed from the bits of the values (FNV-1a): neither a name nor the order of groups decides what is
/// found.
pub fn content_seed<'a>(values: impl IntoIterator<Item = &'a f64>) -> u64 {
    let bytes = values.into_iter().flat_map(|value| value.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Seeded noise for simulations, the same on every machine.
pub(crate) struct Noise {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            spare: None,
        }
    }

    fn uniform(&mut self) -> f64 {
        self.generator.random::<f64>()
    }

    /// Standard normal, by the polar method (Marsaglia and Bray 1964).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let factor = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * factor);
                return u * factor;
            }
        }
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
