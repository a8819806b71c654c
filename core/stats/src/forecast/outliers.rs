//! Detects exceptional values, which a forecast must not extrapolate: a single outage is not a
//! pattern.

use crate::{
    describe::{median, quantile_sorted, sorted},
    seasonal::decompose_within,
};

/// A series without its outliers.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaned {
    /// The series, with each outlier replaced by its usual value.
    pub values: Vec<f64>,
    /// Indices of the outliers.
    pub outliers: Vec<usize>,
    /// Mean deviation of the outliers that extend to the end of the series, 0 if none do; whether
    /// they continue is unknown.
    pub open_deviation: f64,
    /// The last shift of the level, if it is clear and recent.
    pub shift: Option<Shift>,
}

/// A shift of the level near the end of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Index of the first value at the present level.
    pub begin: usize,
    /// Present level minus the earlier level.
    pub size: f64,
    /// True if so few values are at the present level that it may be an excursion.
    pub is_open: bool,
}

impl Cleaned {
    /// The values with those before the last shift moved to the present level, so that forecasters
    /// need not learn it (intervention adjustment; Chen and Liu, 1993). Values that were never
    /// negative stay so.
    pub fn at_present_level(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        let Some(shift) = self.shift else {
            return values;
        };
        let has_negative = values.iter().any(|value| *value < 0.0);
        let floor = if has_negative { f64::NEG_INFINITY } else { 0.0 };
        for value in &mut values[..shift.begin] {
            *value = (*value + shift.size).max(floor);
        }
        values
    }
}

/// Minimum number of values at a new level; fewer are outliers.
const SHIFT_MIN: usize = 3;
/// Minimum number of values before a shift with which it is compared.
const BEFORE_MIN: usize = 14;

/// Minimum size of an extreme remainder, relative to the usual size.
const EXTREME: f64 = 6.0;
/// Minimum ratio between the smallest extreme remainder and the next smaller remainder: sizes that
/// grow evenly are a heavy tail, which is part of the series.
const GAP: f64 = 2.0;
/// Maximum half-width of the window of the level; longer windows cost much and gain little.
const HALF_MAX: usize = 60;

/// Replaces short excursions far beyond the usual range, after which the series returned to its
/// level. Shifts of the level are kept, from three values at a similar level at the end on, and so are events that recur a season later, and the events
/// of a series that is mostly zero.
pub fn clean(values: &[f64], period: usize) -> Cleaned {
    let n = values.len();
    let mut cleaned = Cleaned {
        values: values.to_vec(),
        outliers: Vec::new(),
        open_deviation: 0.0,
        shift: None,
    };
    let has_negative = values.iter().any(|value| *value < 0.0);
    let is_rare = !has_negative && median(values) == 0.0;
    if n < (3 * period).max(14) || is_rare {
        return cleaned;
    }
    let parts = decompose_within(values, period, (5 * period / 2).clamp(7, HALF_MAX));
    let Some(limit) = extreme_from(&parts.remainder, values) else {
        cleaned.shift = last_shift(&without_season(values, &parts.season), period);
        return cleaned;
    };
    let remainder = &parts.remainder;
    let adjusted = without_season(values, &parts.season);
    let is_extreme = |i: usize| remainder[i].abs() >= limit;
    let recurs = |i: usize| {
        let same =
            |j: usize| j < n && is_extreme(j) && remainder[j].signum() == remainder[i].signum();
        same(i + period) || i.checked_sub(period).is_some_and(same)
    };
    let longest = (period / 2).max(1);
    let around = 2 * longest + 1;
    let mut begin = 0;
    while begin < n {
        if !is_extreme(begin) {
            begin += 1;
            continue;
        }
        let end = (begin..n).find(|i| !is_extreme(*i)).unwrap_or(n);
        let before = &adjusted[begin.saturating_sub(around)..begin];
        let after = &adjusted[end..(end + around).min(n)];
        // An excursion is far from the values before and after it.
        let is_far = |i: usize| {
            [before, after]
                .iter()
                .all(|side| side.is_empty() || (adjusted[i] - median(side)).abs() >= limit / GAP)
        };
        let usual = || without_season(&cleaned.values, &parts.season);
        let is_shift = || end == n && last_shift(&usual(), period).is_some();
        let is_alone = end - begin <= longest
            && end - begin < n
            && (begin..end).all(is_far)
            && !(begin..end).any(recurs)
            && !is_shift();
        if is_alone {
            let usual = median(&[before, after].concat());
            let floor = if has_negative { f64::NEG_INFINITY } else { 0.0 };
            for i in begin..end {
                cleaned.values[i] = (usual + parts.season[i]).max(floor);
                cleaned.outliers.push(i);
            }
            if end == n {
                let deviations = (begin..n).map(|i| values[i] - cleaned.values[i]);
                cleaned.open_deviation = deviations.sum::<f64>() / (n - begin) as f64;
            }
        }
        begin = end;
    }
    cleaned.shift = last_shift(&without_season(&cleaned.values, &parts.season), period);
    cleaned
}

fn without_season(values: &[f64], season: &[f64]) -> Vec<f64> {
    values.iter().zip(season).map(|(a, b)| a - b).collect()
}

/// Finds the clearest shift after which the series has not changed: the gap between the values
/// before and after it is as wide as the range of either. No line or curve has such a gap.
fn last_shift(adjusted: &[f64], period: usize) -> Option<Shift> {
    let around = (2 * period).clamp(BEFORE_MIN, HALF_MAX);
    let range = |values: &[f64]| {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let widen = |(low, high): (f64, f64), value: &f64| (low.min(*value), high.max(*value));
        values.iter().fold(ends, widen)
    };
    let shifts = (SHIFT_MIN..=around).filter_map(|length| {
        let begin = adjusted.len().checked_sub(length)?;
        let (before, after) = (
            &adjusted[begin.checked_sub(around)?..begin],
            &adjusted[begin..],
        );
        let ((a, b), (c, d)) = (range(before), range(after));
        let gap = (c - b).max(a - d);
        let shift = Shift {
            begin,
            size: median(after) - median(before),
            is_open: length <= period / 2,
        };
        (gap > 0.0 && gap >= (b - a).max(d - c)).then_some((gap, shift))
    });
    let clearest = shifts.max_by(|a, b| a.0.total_cmp(&b.0));
    clearest.map(|(_, shift)| shift)
}

/// Finds the size of the smallest extreme remainder; `None` if none is extreme.
fn extreme_from(remainder: &[f64], values: &[f64]) -> Option<f64> {
    let sizes = sorted(
        &remainder
            .iter()
            .map(|value| value.abs())
            .collect::<Vec<_>>(),
    );
    // The higher quantile matters if most remainders are equal.
    let usual = (1.4826 * quantile_sorted(&sizes, 0.5)).max(quantile_sorted(&sizes, 0.95) / 1.96);
    let size = median(&values.iter().map(|value| value.abs()).collect::<Vec<_>>());
    let largest = sizes.last().copied().unwrap_or(0.0);
    let extreme_min = (EXTREME * usual).max(1e-6 * size).max(1e-12 * largest);
    sizes
        .windows(2)
        .find(|pair| pair[1] > extreme_min && pair[1] >= GAP * pair[0])
        .map(|pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(i: usize) -> f64 {
        [30.0, 24.0, 24.0, 24.0, 22.0, 10.0, 8.0][i % 7]
    }

    /// Deterministic noise between -1 and 1.
    fn noise(i: usize) -> f64 {
        (i * 7919 % 3) as f64 - 1.0
    }

    /// Checks the outliers of a series of 84 days with changed values on some days.
    fn check(change: impl Fn(usize, f64) -> f64, outliers: &[usize], open: f64) {
        for spread in [0.0, 1.0] {
            let usual: Vec<f64> = (0..84).map(|i| week(i) + spread * noise(i)).collect();
            let values: Vec<f64> = (0..84).map(|i| change(i, usual[i])).collect();
            let cleaned = clean(&values, 7);
            assert_eq!(cleaned.outliers, outliers, "spread {spread}");
            for i in outliers {
                let off = (cleaned.values[*i] - usual[*i]).abs();
                assert!(off <= 2.0 * spread, "{i}: {}", cleaned.values[*i]);
            }
            assert!(
                (cleaned.open_deviation - open).abs() <= 2.0 * spread,
                "{}",
                cleaned.open_deviation
            );
        }
    }

    #[test]
    fn short_excursions_that_return_are_outliers() {
        check(|_, usual| usual, &[], 0.0);
        check(|i, usual| if i == 72 { 0.0 } else { usual }, &[72], 0.0);
        check(|i, usual| if i == 3 { 90.0 } else { usual }, &[3], 0.0);
        let three = |i: usize, usual: f64| if (50..53).contains(&i) { 90.0 } else { usual };
        check(three, &[50, 51, 52], 0.0);
        // On the last day, it is unknown whether the value will last.
        check(|i, usual| if i == 83 { 68.0 } else { usual }, &[83], 60.0);
    }

    #[test]
    fn values_before_a_recent_shift_are_moved() {
        for (begin, is_open) in [(81, true), (79, false), (70, false)] {
            let usual: Vec<f64> = (0..84).map(|i| week(i) + noise(i)).collect();
            let shifted = |i: usize| usual[i] + if i < begin { 0.0 } else { 60.0 };
            let values: Vec<f64> = (0..84).map(shifted).collect();
            let cleaned = clean(&values, 7);
            assert!(cleaned.outliers.is_empty(), "{cleaned:?}");
            let shift = cleaned.shift.unwrap();
            assert_eq!((shift.begin, shift.is_open), (begin, is_open));
            for (i, value) in cleaned.at_present_level().iter().enumerate() {
                assert!((value - usual[i] - 60.0).abs() <= 2.0, "{i}: {value}");
            }
        }
        // Neither an outlier, a line nor growth is a shift.
        let line: Vec<f64> = (0..84_u32).map(|i| 5.0 + 2.0 * f64::from(i)).collect();
        let growth: Vec<f64> = (0..84_u32).map(|i| (0.2 * f64::from(i)).exp()).collect();
        let outlier = (0..84).map(|i| week(i) + if i == 83 { 60.0 } else { 0.0 });
        for values in [line, growth, outlier.collect()] {
            assert_eq!(clean(&values, 7).shift, None);
        }
    }

    #[test]
    fn shifts_rhythms_and_rare_events_are_kept() {
        for shift in [40, 60, 66, 69, 72, 79] {
            check(
                |i, usual| usual + 60.0 * f64::from(u8::from(i >= shift)),
                &[],
                0.0,
            );
        }
        // Two busy Sundays in a row may be a new pattern.
        check(
            |i, usual| if i == 76 || i == 83 { 90.0 } else { usual },
            &[],
            0.0,
        );
        let rare: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i % 40 == 3))).collect();
        assert!(clean(&rare, 7).outliers.is_empty());
        // A heavy tail, evenly up to twelve times the median.
        let tail: Vec<f64> = (0..200_usize)
            .map(|i| (2.5 * (i * 79 % 200) as f64 / 200.0).exp())
            .collect();
        assert!(clean(&tail, 7).outliers.is_empty());
    }
}
