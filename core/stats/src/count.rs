//! Predictive distribution of a count, from earlier counts of the same kind.
//!
//! Counts of windows vary more than by chance alone: the negative binomial distribution has the
//! variance mean + dispersion × mean² (Cameron and Trivedi, 2013, chapter 3). From a handful of
//! windows its parameters are uncertain, so the dispersion of the returned distribution includes
//! three parts: the moment estimate of the dispersion, the error of the estimated mean, and the
//! factor by which Student's t is wider than the normal distribution, because the variance is
//! estimated from few values.

use crate::distribution::{chi_square_upper, normal_quantile, t_quantile};
use statrs::distribution::{DiscreteCDF, NegativeBinomial, Poisson};

/// Minimum number of earlier counts.
pub const BEFORE_MIN: usize = 4;
/// Level for which the distribution is widened.
pub const LEVEL: f64 = 0.99;
/// Mean above which counts are treated as continuous.
const MEAN_LARGE: f64 = 1e4;

/// The predictive distribution of a count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountDistribution {
    /// Expected count, above zero.
    pub mean: f64,
    /// Variance beyond the mean, over the squared mean.
    pub dispersion: f64,
}

impl CountDistribution {
    /// Predicts a count with exposure `exposure` from earlier pairs `(count, exposure)`. `None`
    /// with fewer than [`BEFORE_MIN`] pairs, or if all counts are zero.
    pub fn predict(before: &[(f64, f64)], exposure: f64) -> Option<Self> {
        let known: Vec<(f64, f64)> = before.iter().copied().filter(|b| b.1 > 0.0).collect();
        let m = known.len() as f64;
        let total: f64 = known.iter().map(|b| b.0).sum();
        let total_exposure: f64 = known.iter().map(|b| b.1).sum();
        if known.len() < BEFORE_MIN || total <= 0.0 || exposure <= 0.0 {
            return None;
        }
        let rate = total / total_exposure;
        // Relative variance of the counts around their expectation by exposure.
        let squares = known
            .iter()
            .map(|(count, exposure)| exposure * (count / (exposure * rate) - 1.0).powi(2));
        let relative = squares.sum::<f64>() / total_exposure * m / (m - 1.0);
        let dispersion = (relative - m / total).max(0.0);
        let mean = rate * exposure;
        let widening = t_quantile(0.5 + LEVEL / 2.0, m - 1.0) / normal_quantile(0.5 + LEVEL / 2.0);
        // The second term is the variance of the mean: from counting, and from the windows' levels.
        let variance = (1.0 / mean + dispersion) + (1.0 / total + dispersion / m);
        Some(Self {
            mean,
            dispersion: (widening.powi(2) * variance - 1.0 / mean).max(0.0),
        })
    }

    /// Probability of a count of at most `count`.
    pub fn at_most(&self, count: f64) -> f64 {
        let count = count.floor();
        if count < 0.0 {
            return 0.0;
        }
        if self.mean > MEAN_LARGE {
            // Gamma distribution with the same mean and variance.
            let relative = 1.0 / self.mean + self.dispersion;
            let x = 2.0 * (count + 0.5) / (self.mean * relative);
            return 1.0 - chi_square_upper(x, 2.0 / relative);
        }
        let integer = count as u64;
        if self.dispersion * self.mean < 1e-6 {
            return Poisson::new(self.mean)
                .map_or(f64::NAN, |distribution| distribution.cdf(integer));
        }
        let size = 1.0 / self.dispersion;
        let share = 1.0 / (1.0 + self.dispersion * self.mean);
        NegativeBinomial::new(size, share)
            .map_or(f64::NAN, |distribution| distribution.cdf(integer))
    }

    /// The smallest count whose cumulative probability reaches `probability`.
    pub fn quantile(&self, probability: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.mean.max(1.0).ceil());
        while self.at_most(high) < probability && high < 1e15 {
            (low, high) = (high, high * 2.0);
        }
        while high - low > 0.5 {
            let middle = f64::midpoint(low, high).floor();
            if self.at_most(middle) >= probability {
                high = middle;
            } else {
                low = middle + 1.0;
            }
        }
        high
    }

    /// Interval that contains the count with probability `level` at least.
    pub fn interval(&self, level: f64) -> [f64; 2] {
        let tail = (1.0 - level) / 2.0;
        [self.quantile(tail), self.quantile(1.0 - tail)]
    }

    /// Normal score of a count, with half of the count's own probability added to the lower tail
    /// (mid-p: Lancaster, 1961).
    pub fn score(&self, count: f64) -> f64 {
        let below = f64::midpoint(self.at_most(count), self.at_most(count - 1.0));
        normal_quantile(below.clamp(1e-300, 1.0 - f64::EPSILON))
    }

    /// Two-sided p-value of a count: twice the smaller tail.
    pub fn p(&self, count: f64) -> f64 {
        let below = self.at_most(count);
        let above = 1.0 - self.at_most(count - 1.0);
        (2.0 * below.min(above)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn near(got: f64, expected: f64) {
        assert!(
            (got - expected).abs() < 1e-6,
            "got {got}, expected {expected}"
        );
    }

    #[test]
    fn tails_agree_with_published_distributions() {
        // R: ppois(3, 10); pnbinom(3, size = 2, mu = 10); qnbinom(c(.005, .995), size = 2, mu =
        // 10).
        let poisson = CountDistribution {
            mean: 10.0,
            dispersion: 0.0,
        };
        near(poisson.at_most(3.0), 0.010_336_05);
        let wide = CountDistribution {
            mean: 10.0,
            dispersion: 0.5,
        };
        // By hand, with size 2 and p = 1/6: p² (1 + 2q + 3q² + 4q³), q = 5/6.
        let q: f64 = 5.0 / 6.0;
        near(
            wide.at_most(3.0),
            (1.0 + 2.0 * q + 3.0 * q * q + 4.0 * q.powi(3)) / 36.0,
        );
        near(wide.at_most(-1.0), 0.0);
        // R: qnorm(ppois(3, 10) - dpois(3, 10) / 2), by hand from e^-10 (1 + 10 + 50 + 1000 / 12).
        let mid = (-10.0_f64).exp() * (61.0 + 1_000.0 / 12.0);
        near(poisson.score(3.0), normal_quantile(mid));
        let [low, high] = wide.interval(0.99);
        assert!(low == 0.0 && wide.at_most(high) >= 0.995 && wide.at_most(high - 1.0) < 0.995);
        // Large means: the gamma distribution agrees with the negative binomial distribution.
        let exact = CountDistribution {
            mean: 9_999.0,
            dispersion: 0.01,
        };
        let large = CountDistribution {
            mean: 10_001.0,
            dispersion: 0.01,
        };
        for z in [-2.5_f64, -1.0, 0.0, 2.0] {
            let at = 10_000.0 + z * 1_005.0;
            assert!((exact.at_most(at) - large.at_most(at)).abs() < 1e-3);
        }
    }

    #[test]
    fn too_few_counts_give_no_distribution() {
        let too_few = [(3.0, 1.0); 3];
        assert_eq!(CountDistribution::predict(&too_few, 1.0), None);
        assert_eq!(CountDistribution::predict(&[(0.0, 1.0); 8], 1.0), None);
        assert_eq!(CountDistribution::predict(&[(3.0, 1.0); 8], 0.0), None);
    }

    /// Share of counts outside the 99 % interval if nothing has changed.
    fn alarms(windows: usize, mean: f64, dispersion: f64) -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let distribution = CountDistribution { mean, dispersion };
        let mut draw = || distribution.quantile(random.random::<f64>());
        let trials = 2_000;
        let mut outside = 0;
        for _ in 0..trials {
            let before: Vec<(f64, f64)> = (0..windows).map(|_| (draw(), 1.0)).collect();
            let now = draw();
            if let Some(distribution) = CountDistribution::predict(&before, 1.0) {
                let [low, high] = distribution.interval(LEVEL);
                outside += u32::from(now < low || now > high);
            }
        }
        f64::from(outside) / f64::from(trials)
    }

    #[test]
    fn one_count_in_a_hundred_is_outside() {
        for windows in [4, 8, 26] {
            for mean in [0.5, 3.0, 20.0, 500.0] {
                for dispersion in [0.0, 0.02, 0.2] {
                    let share = alarms(windows, mean, dispersion);
                    // Skewed counts from few windows reach three in a hundred.
                    assert!(share <= 0.03, "{windows} {mean} {dispersion}: {share}");
                }
            }
        }
    }

    #[test]
    fn a_fall_to_a_third_is_outside() {
        let before: Vec<(f64, f64)> = [130.0, 118.0, 141.0, 125.0, 133.0, 122.0, 128.0, 137.0]
            .map(|count| (count, 5.0))
            .to_vec();
        let distribution = CountDistribution::predict(&before, 5.0).expect("a distribution");
        near(distribution.mean, 129.25);
        assert!(distribution.interval(LEVEL)[0] > 43.0 && distribution.p(43.0) < 0.001);
        let half = CountDistribution::predict(&before, 2.5).expect("a distribution");
        near(half.mean, 64.625);
    }
}
