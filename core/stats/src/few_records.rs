//! Totals of few records: how probable a sum, a mean or a maximum is if records and their values
//! are as usual.
//!
//! A total of few records is far from normal: most steps have none, and one large value decides. It
//! is extreme because there are many records of usual values, or because one value is extreme. The
//! number of records is negative binomial. Above a high threshold, values follow a Pareto
//! distribution (Hill, 1975). Its exponent is not known: with a scale-invariant prior, it has a
//! gamma distribution given the largest values, and the tail is averaged over it. The tail is
//! therefore heavy where values are few, and never ends at the largest of them.

use crate::anomaly::count_tails;
use crate::describe::{mean, variance};

/// Number of the largest values that determine the tail: a tenth of all, within these bounds.
const TAIL_VALUES: [usize; 2] = [3, 20];
/// Number of largest values to keep, so that enough remain without those of one step.
pub const LARGEST_KEPT: usize = 2 * TAIL_VALUES[1];

/// The upper tail of the values of records.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tail {
    /// Number of values above the threshold, and their share of all values.
    above: f64,
    share: f64,
    threshold: f64,
    /// Sum of the logarithms of the values above the threshold, relative to it.
    logs: f64,
}

impl Tail {
    /// Estimates the tail from the largest of `n` values, in descending order; `None` if too few are
    /// positive.
    fn of(largest: &[f64], n: usize) -> Option<Self> {
        let [least, most] = TAIL_VALUES;
        let above = (n / 10).clamp(least, most);
        let above = above.min(largest.len().checked_sub(1)?);
        let threshold = *largest.get(above)?;
        (above >= least && threshold > 0.0).then(|| Self {
            above: above as f64,
            share: above as f64 / n as f64,
            threshold,
            logs: largest[..above]
                .iter()
                .map(|value| (value / threshold).ln())
                .sum(),
        })
    }

    /// Probability of a larger value; 1 below the threshold, where it is not known.
    fn probability_above(&self, value: f64) -> f64 {
        if value <= self.threshold {
            return 1.0;
        }
        let distance = (value / self.threshold).ln() / self.logs;
        self.share * (1.0 + distance).powf(-self.above)
    }
}

/// The usual records of a series of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsualRecords {
    /// Mean number of records of a step, and variance over mean.
    count: f64,
    dispersion: f64,
    /// Mean value of a record.
    value: f64,
}

impl UsualRecords {
    /// Computes the usual records from the number of records of each step and the mean value of a
    /// record.
    pub fn new(counts: &[f64], value: f64) -> Self {
        let count = mean(counts);
        Self {
            count,
            dispersion: (variance(counts) / count).max(1.0),
            value,
        }
    }

    /// The same with all values multiplied by a number.
    #[must_use]
    pub fn scaled_by(self, factor: f64) -> Self {
        Self {
            value: factor * self.value,
            ..self
        }
    }
}

/// The records of one step, and the largest values of all others.
#[derive(Debug, Clone, Copy)]
pub struct StepRecords<'a> {
    /// The usual records.
    pub usual: UsualRecords,
    /// Number of records of the step.
    pub count: f64,
    /// The largest values of the records of other steps, in descending order.
    pub largest: &'a [f64],
    /// Number of records of other steps.
    pub others: usize,
}

impl StepRecords<'_> {
    /// Probability of one of `n` values above `value`; 1 if the tail is not known.
    fn any_exceeds(&self, n: f64, value: f64) -> f64 {
        let tail = Tail::of(self.largest, self.others);
        tail.map_or(1.0, |tail| (n * tail.probability_above(value)).min(1.0))
    }

    /// Probability of a sum this large where `expected` is expected: by many records of usual
    /// values, or by one large value.
    pub fn probability_of_sum(&self, sum: f64, expected: f64) -> f64 {
        let UsualRecords {
            count,
            dispersion,
            value,
        } = self.usual;
        let needed = if value > 0.0 {
            (sum / value).floor()
        } else {
            0.0
        };
        let (by_number, _) = count_tails(needed, count, dispersion);
        let by_value = self.any_exceeds(self.count.max(count), sum - expected);
        (by_number + by_value).min(1.0)
    }

    /// Probability of a mean this large, by one large value.
    pub fn probability_of_mean(&self, mean: f64) -> f64 {
        let value = mean * self.count - (self.count - 1.0) * self.usual.value;
        self.any_exceeds(self.count, value)
    }

    /// Probability of a value this large among those of the step.
    pub fn probability_of_max(&self, value: f64) -> f64 {
        self.any_exceeds(self.count, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Share of 2,000 samples of 200 values in which one more value is claimed to be this
    /// improbable.
    fn claims(p: f64, make: impl Fn(f64) -> f64) -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let runs = 2_000;
        let claimed = (0..runs).filter(|_| {
            let mut values: Vec<f64> = (0..200).map(|_| make(normal(&mut random))).collect();
            values.sort_by(|a, b| b.total_cmp(a));
            let tail = Tail::of(&values[..LARGEST_KEPT], 200).expect("a tail");
            tail.probability_above(make(normal(&mut random))) < p
        });
        claimed.count() as f64 / f64::from(runs)
    }

    #[test]
    fn tails_are_not_underestimated() {
        for sigma in [0.3, 0.8, 1.5] {
            let share = claims(0.005, |z| (sigma * z).exp());
            assert!(share <= 0.009, "lognormal {sigma}: {share}");
        }
        // Squares of normal values, and the inverse of their roots: light and very heavy.
        let light = claims(0.005, |z| z * z);
        let heavy = claims(0.005, |z| 1.0 / z.abs().sqrt());
        assert!(light <= 0.009 && heavy <= 0.011, "{light} {heavy}");
    }

    #[test]
    fn sums_of_equal_values_are_judged_by_their_number() {
        let counts: Vec<f64> = (0..300).map(|step| f64::from(step % 3)).collect();
        let step = StepRecords {
            usual: UsualRecords::new(&counts, 2.5),
            count: 3.0,
            largest: &[2.5; LARGEST_KEPT],
            others: 300,
        };
        // The number of records is Poisson with mean 1.
        assert!(
            (step.probability_of_sum(7.5, 2.5) - 0.0803).abs() < 1e-3,
            "{}",
            step.probability_of_sum(7.5, 2.5)
        );
        assert!(step.probability_of_sum(25.0, 2.5) < 1e-5);
    }

    #[test]
    fn nothing_is_known_of_few_or_negative_values() {
        assert_eq!(Tail::of(&[3.0, 2.0, 1.0], 40), None);
        assert_eq!(Tail::of(&[3.0, 2.0, 1.0, 0.0], 40), None);
        assert_eq!(Tail::of(&[], 0), None);
        let tail = Tail::of(&[4.0, 3.0, 2.0, 1.0], 40).expect("a tail");
        assert!((tail.probability_above(1.0) - 1.0).abs() < 1e-12);
        assert!(tail.probability_above(100.0) > 1e-4);
    }
}
