//! Statistics of earlier values: lags, differences, rolling, expanding and exponentially weighted.
//!
//! Every function returns a value for each index `i`. With `present`, the value at `i` is included;
//! otherwise only earlier values are used, so that features never contain the value to predict.
//! Missing values are `None`; statistics over a window ignore them, as pandas does, and are `None`
//! if fewer than `values_min` values are known.

use crate::describe::quantile_sorted;

/// A statistic of the values in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
    /// Sample standard deviation, with the divisor n − 1.
    Sd,
    /// Quantile by linear interpolation (type 7 of Hyndman and Fan, 1996).
    Quantile(f64),
}

impl Figure {
    /// The statistic of known values; `None` if there are too few.
    fn compute(self, known: &mut [f64]) -> Option<f64> {
        let n = known.len() as f64;
        if known.is_empty() {
            return None;
        }
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        match self {
            Self::Sum => Some(sum(known)),
            Self::Mean => Some(sum(known) / n),
            Self::Min => known.iter().copied().reduce(f64::min),
            Self::Max => known.iter().copied().reduce(f64::max),
            Self::Sd if known.len() < 2 => None,
            Self::Sd => {
                let mean = sum(known) / n;
                let squares: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
                Some((squares / (n - 1.0)).sqrt())
            }
            Self::Quantile(probability) => {
                known.sort_unstable_by(f64::total_cmp);
                Some(quantile_sorted(known, probability))
            }
        }
    }
}

/// The values `steps` rows earlier.
pub fn lag(values: &[Option<f64>], steps: usize) -> Vec<Option<f64>> {
    let shifted = std::iter::repeat_n(None, steps.min(values.len()));
    shifted
        .chain(values.iter().copied())
        .take(values.len())
        .collect()
}

/// The newest usable value minus the one `steps` rows before it.
pub fn difference(values: &[Option<f64>], steps: usize, present: bool) -> Vec<Option<f64>> {
    let newest = lag(values, usize::from(!present));
    let older = lag(&newest, steps);
    let pairs = newest.into_iter().zip(older);
    pairs.map(|(new, old)| Some(new? - old?)).collect()
}

/// A statistic of the last `window` values.
pub fn rolling(
    values: &[Option<f64>],
    window: usize,
    values_min: usize,
    figure: Figure,
    present: bool,
) -> Vec<Option<f64>> {
    let mut known = Vec::with_capacity(window.min(values.len()));
    (0..values.len())
        .map(|i| {
            let end = i + usize::from(present);
            known.clear();
            known.extend(values[end.saturating_sub(window)..end].iter().flatten());
            if known.len() < values_min {
                return None;
            }
            figure.compute(&mut known)
        })
        .collect()
}

/// A statistic of all values so far, in one pass: variance by Welford's method (1962). `None` for
/// quantiles, which cannot be computed in one pass.
pub fn expanding(
    values: &[Option<f64>],
    values_min: usize,
    figure: Figure,
    present: bool,
) -> Vec<Option<f64>> {
    let (mut n, mut sum, mut mean, mut squares) = (0_usize, 0.0, 0.0, 0.0);
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let add = |value: Option<f64>| {
        if let Some(value) = value {
            n += 1;
            let before: f64 = value - mean;
            mean += before / n as f64;
            squares += before * (value - mean);
            sum += value;
            (min, max) = (min.min(value), max.max(value));
        }
        let value = match figure {
            Figure::Sum => sum,
            Figure::Mean => mean,
            Figure::Min => min,
            Figure::Max => max,
            Figure::Sd if n > 1 => (squares / (n - 1) as f64).sqrt(),
            Figure::Sd | Figure::Quantile(_) => return None,
        };
        (n >= values_min.max(1)).then_some(value)
    };
    let figures: Vec<Option<f64>> = values.iter().copied().map(add).collect();
    lag(&figures, usize::from(!present))
}

/// Mean of all values so far, with weights that halve every `half_life` rows. Missing values count
/// as rows.
pub fn weighted_mean(values: &[Option<f64>], half_life: f64, present: bool) -> Vec<Option<f64>> {
    let decay = 0.5_f64.powf(1.0 / half_life);
    let (mut sum, mut weight) = (0.0, 0.0);
    let add = |value: &Option<f64>| {
        sum *= decay;
        weight *= decay;
        if let Some(value) = value {
            sum += value;
            weight += 1.0;
        }
        (weight > 0.0).then(|| sum / weight)
    };
    let means: Vec<Option<f64>> = values.iter().map(add).collect();
    lag(&means, usize::from(!present))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [Option<f64>; 7] = [
        Some(2.0),
        Some(4.0),
        None,
        Some(9.0),
        Some(1.0),
        Some(5.0),
        Some(5.0),
    ];

    fn check(got: &[Option<f64>], expected: &[Option<f64>]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            match (got, expected) {
                (Some(got), Some(expected)) => {
                    assert!((got - expected).abs() < 1e-9, "{got} {expected}");
                }
                (got, expected) => assert_eq!(got, expected),
            }
        }
    }

    #[test]
    fn figures_agree_with_their_definitions() {
        let some = |values: [f64; 7]| values.map(|v: f64| v.is_finite().then_some(v));
        let none = f64::NAN;
        check(
            &lag(&VALUES, 2),
            &some([none, none, 2.0, 4.0, none, 9.0, 1.0]),
        );
        check(&lag(&VALUES, 9), &[None; 7]);
        check(
            &difference(&VALUES, 1, true),
            &some([none, 2.0, none, none, -8.0, 4.0, 0.0]),
        );
        check(
            &difference(&VALUES, 1, false),
            &some([none, none, 2.0, none, none, -8.0, 4.0]),
        );
        let rolled = |figure, values_min, present| rolling(&VALUES, 3, values_min, figure, present);
        check(
            &rolled(Figure::Sum, 2, true),
            &some([none, 6.0, 6.0, 13.0, 10.0, 15.0, 11.0]),
        );
        check(
            &rolled(Figure::Mean, 3, false),
            &some([none, none, none, none, none, none, 5.0]),
        );
        check(
            &rolled(Figure::Sd, 1, false),
            &some([
                none,
                none,
                2f64.sqrt(),
                2f64.sqrt(),
                12.5f64.sqrt(),
                32f64.sqrt(),
                4.0,
            ]),
        );
        check(
            &rolled(Figure::Quantile(0.25), 1, true),
            &some([2.0, 2.5, 2.5, 5.25, 3.0, 3.0, 3.0]),
        );
        check(
            &expanding(&VALUES, 1, Figure::Max, false),
            &some([none, 2.0, 4.0, 4.0, 9.0, 9.0, 9.0]),
        );
        check(
            &expanding(&VALUES, 2, Figure::Mean, true),
            &some([none, 3.0, 3.0, 5.0, 4.0, 4.2, 26.0 / 6.0]),
        );
        // Weights 1, ½, ¼ ...: (4 + 2/2) / 1.5; a missing value lowers the weights of both, too.
        check(
            &weighted_mean(&VALUES[..4], 1.0, true),
            &[
                Some(2.0),
                Some(5.0 / 1.5),
                Some(5.0 / 1.5),
                Some((9.0 + 4.0 / 4.0 + 2.0 / 8.0) / (1.0 + 0.25 + 0.125)),
            ],
        );
    }

    #[test]
    fn expanding_equals_rolling_over_all_values() {
        let values: Vec<Option<f64>> = (0..200)
            .map(|i| (i % 7 != 3).then(|| f64::from(i * i % 53) + 1e6))
            .collect();
        let figures = [
            Figure::Sum,
            Figure::Mean,
            Figure::Min,
            Figure::Max,
            Figure::Sd,
        ];
        for figure in figures {
            for present in [false, true] {
                let rolled = rolling(&values, 1_000, 2, figure, present);
                let expanded = expanding(&values, 2, figure, present);
                for (a, b) in rolled.iter().zip(&expanded) {
                    let close = |a: &f64, b: &f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
                    let same = match (a, b) {
                        (Some(a), Some(b)) => close(a, b),
                        (a, b) => a == b,
                    };
                    assert!(same, "{figure:?} {present}: {a:?} {b:?}");
                }
            }
        }
    }
}
