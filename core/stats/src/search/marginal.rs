//! The distribution of the values of a simulated series.
//!
//! Rare counts are far from normal: a few incidents in a fortnight look like ten standard
//! deviations. So if values repeat, as counts do, a simulated series takes the observed values, in
//! the order of a normal series of the same autocorrelation (Theiler et al. 1992). Without
//! autocorrelation this is a permutation test, which is exact for any distribution. Measurements
//! are simulated with the normal distribution, after clipping of outliers.

use super::content_seed;

/// Minimum share of the most frequent value of a series whose values repeat.
const REPEATED_MIN: f64 = 0.05;

/// The values of a simulated series.
pub(super) struct Marginal {
    /// The observed values in ascending order; empty for the normal distribution.
    sorted: Vec<f64>,
}

impl Marginal {
    pub(super) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        if repeated_share(&sorted) < REPEATED_MIN {
            sorted.clear();
        }
        Self { sorted }
    }

    pub(super) fn is_normal(&self) -> bool {
        self.sorted.is_empty()
    }

    /// A number for the distribution, the same for all normal ones.
    pub(super) fn key(&self) -> u64 {
        if self.is_normal() {
            0
        } else {
            content_seed(&self.sorted)
        }
    }

    /// Replaces the values of a normal series by those of the same rank.
    pub(super) fn apply(&self, normal: &mut [f64]) {
        if self.is_normal() {
            return;
        }
        let mut order: Vec<usize> = (0..normal.len()).collect();
        order.sort_unstable_by(|a, b| normal[*a].total_cmp(&normal[*b]));
        for (value, i) in self.sorted.iter().zip(order) {
            normal[i] = *value;
        }
    }
}

/// Share of the most frequent of these sorted values.
pub(crate) fn repeated_share(sorted: &[f64]) -> f64 {
    // Removing a season leaves rounding errors.
    let equal = sorted.chunk_by(|a, b| b - a <= 1e-9 * (1.0 + b.abs()));
    let equal = equal.map(<[f64]>::len);
    equal.max().unwrap_or(0) as f64 / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use crate::{
        bend::bend,
        change_point::mean_shifts,
        end_line::straight_line,
        search::{Noise, Search},
        trend::seasonally_adjusted,
    };

    const SEARCH: Search = Search {
        segment_min: 14,
        shifts_max: 3,
        alpha: 0.05,
        simulations: 199,
    };

    /// Counts of so many days with this mean, without their weekly season. In the last `recent`
    /// days the mean is `factor` times as high.
    fn counts(
        noise: &mut Noise,
        n: usize,
        mean: f64,
        week: bool,
        recent: usize,
        factor: f64,
    ) -> Vec<f64> {
        let values: Vec<Option<f64>> = (0..n)
            .map(|i| {
                let weekday = match (week, i % 7) {
                    (false, _) => 1.0,
                    (true, 0..5) => 1.3,
                    (true, _) => 0.25,
                };
                let rise = if i + recent < n { 1.0 } else { factor };
                Some(f64::from(noise.poisson(mean * weekday * rise)))
            })
            .collect();
        seasonally_adjusted(&values, 7)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Shares of series with a bend, a shift and a slope at 5 %, and share of series in which the
    /// bend is significant at 0.1 %, in per cent.
    fn shares(tries: u64, n: usize, mean: f64, week: bool, recent: usize, factor: f64) -> [f64; 4] {
        let mut noise = Noise::new(n as u64 * 31 + (mean * 100.0) as u64);
        let mut found = [0.0; 4];
        for _ in 0..tries {
            let values = counts(&mut noise, n, mean, week, recent, factor);
            let bend = bend(&values, &SEARCH).map_or(1.0, |bend| bend.p);
            let shift = mean_shifts(&values, &values, &SEARCH).map_or(1.0, |shifts| shifts.p);
            let (_, slope) = straight_line(&values, &SEARCH);
            let hits = [bend <= 0.05, shift <= 0.05, slope <= 0.05, bend <= 0.01];
            for (sum, hit) in found.iter_mut().zip(hits) {
                *sum += 100.0 * f64::from(u8::from(hit)) / tries as f64;
            }
        }
        found
    }

    #[test]
    fn constant_rates_of_rare_counts_have_no_bend_and_no_shift() {
        for (n, mean, week) in [(365, 0.07, false), (365, 0.4, true), (120, 0.2, false)] {
            let [bend, shift, ..] = shares(150, n, mean, week, 0, 1.0);
            assert!(
                bend <= 9.0 && shift <= 9.0,
                "{n} days, mean {mean}: {bend} {shift}"
            );
        }
    }

    #[test]
    fn rises_of_rare_counts_are_found() {
        let [bend, shift, ..] = shares(50, 365, 0.2, false, 28, 5.0);
        assert!(bend >= 80.0 && shift >= 80.0, "{bend} {shift}");
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_rare_counts() {
        eprintln!("bend, shift, slope at 5 %, bend at 1 %, in per cent of 100");
        for (n, week) in [
            (90, false),
            (90, true),
            (365, false),
            (365, true),
            (500, false),
        ] {
            for mean in [0.03, 0.07, 0.2, 0.7, 3.0] {
                let row = shares(100, n, mean, week, 0, 1.0);
                eprintln!("{n} days, mean {mean}, week {week}: {row:.1?}");
            }
        }
        for (mean, days, factor) in [
            (0.07, 28, 8.0),
            (0.2, 28, 5.0),
            (1.0, 28, 2.0),
            (3.0, 28, 1.5),
            (3.0, 14, 2.0),
        ] {
            let row = shares(100, 365, mean, false, days, factor);
            eprintln!("{factor} times {mean} over {days} days: {row:.1?}");
        }
    }
}
