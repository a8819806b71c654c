//! Random numbers: independent streams, and distributions.
//!
//! A stream depends only on the seed and its number, so record types written concurrently by
//! several threads still give the same bytes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A random stream.
pub(crate) struct Random {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Random {
    /// Creates the stream with this number for a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self {
            generator,
            spare: None,
        }
    }

    /// Draws a uniform number in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.generator.random()
    }

    /// Draws a uniform number in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Draws a uniform integer in 0..n; returns 0 if n is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            self.generator.random_range(0..n as u64) as usize
        }
    }

    /// Returns true with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Picks one of the items uniformly.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Shuffles items (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Draws a standard normal number (polar method of Marsaglia).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// Draws a log-normal number with this median and standard deviation of the logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Draws a gamma number with this shape (at least 1) and mean 1 (Marsaglia and Tsang 2000).
    pub(crate) fn gamma_mean_one(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v / shape;
            }
        }
    }

    /// Draws a Poisson number (multiplication for small means; the transformed rejection PTRS of
    /// Hörmann 1993 for means from 10).
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean < 10.0 {
            let limit = (-mean).exp();
            let (mut product, mut count) = (self.unit(), 0);
            while product > limit {
                product *= self.unit();
                count += 1;
            }
            return count;
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.unit() - 0.5;
            let v = 1.0 - self.unit();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k as u64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let log_ratio = v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln();
            if log_ratio <= k * mean.ln() - mean - ln_factorial(k) {
                return k as u64;
            }
        }
    }

    /// Draws a count whose mean varies from day to day: gamma-Poisson with variance mean + mean² /
    /// `shape`.
    pub(crate) fn overdispersed(&mut self, mean: f64, shape: f64) -> u64 {
        let factor = self.gamma_mean_one(shape);
        self.poisson(mean * factor)
    }
}

/// Computes ln k! by Stirling's series, exact to 1e-10 from k = 10; smaller values are summed.
fn ln_factorial(k: f64) -> f64 {
    if k < 10.0 {
        return (2..=k as u64).map(|i| (i as f64).ln()).sum();
    }
    let series = 1.0 / (12.0 * k) - 1.0 / (360.0 * k.powi(3)) + 1.0 / (1260.0 * k.powi(5));
    k * k.ln() - k + 0.5 * (std::f64::consts::TAU * k).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, mean: f64, variance: f64, mut draw: impl FnMut(&mut Random) -> f64) {
        let mut random = Random::new(5, 1);
        let values: Vec<f64> = (0..40_000).map(|_| draw(&mut random)).collect();
        let n = values.len() as f64;
        let sample_mean = values.iter().sum::<f64>() / n;
        let sample_variance = values
            .iter()
            .map(|v| (v - sample_mean).powi(2))
            .sum::<f64>()
            / (n - 1.0);
        let error = (variance / n).sqrt();
        assert!(
            (sample_mean - mean).abs() < 4.5 * error,
            "{name}: mean {sample_mean}, not {mean}"
        );
        assert!(
            (sample_variance / variance - 1.0).abs() < 0.06,
            "{name}: variance {sample_variance}, not {variance}"
        );
    }

    #[test]
    fn distributions_have_their_moments() {
        check("normal", 0.0, 1.0, Random::normal);
        check("gamma", 1.0, 1.0 / 60.0, |r| r.gamma_mean_one(60.0));
        check("poisson 3", 3.0, 3.0, |r| r.poisson(3.0) as f64);
        check("poisson 12", 12.0, 12.0, |r| r.poisson(12.0) as f64);
        check("poisson 400", 400.0, 400.0, |r| r.poisson(400.0) as f64);
        let variance = 15.0 + 15.0 * 15.0 / 60.0;
        check("overdispersed", 15.0, variance, |r| {
            r.overdispersed(15.0, 60.0) as f64
        });
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |stream| (0..4).map(|_| Random::new(1, stream).unit()).sum::<f64>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
