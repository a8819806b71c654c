//! Runs of hours whose values are higher or lower than usual: means, medians, gauges and shares.
//!
//! The residual of an hour is its difference from the level of the last four weeks and the usual
//! value of its hour of the week, on the scale of the values or of their logarithms, whichever is
//! less skewed. An hour has the weight that its number of records gives it (variances `a + b / n`).
//! The mean residual of a run is compared with that of the hours around it, as far as these have
//! predicted it in the history, and divided by the robust standard deviation of runs of this length,
//! which allows for autocorrelation. Short and long runs have largest scores of their own.

use super::{
    Burst, DAYS_MIN, HOURS_AROUND, HOURS_MAX, HOURS_OF_DAY, LEVEL_DAYS, LEVEL_DAYS_MIN,
    RECENT_BACK, RECENT_DAYS, TRIM, largest::LargestScore,
};
use crate::{
    describe::{mad, median, quantile_sorted, sorted, trimmed_mean},
    distribution::normal_upper,
};
use std::ops::Range;

/// Lengths of runs that share a distribution of the largest score.
const LENGTHS: [[usize; 2]; 4] = [[1, 1], [2, 4], [5, 10], [11, HOURS_MAX]];
/// Weight of the weekday in the expectation for an hour of the week, in weeks.
const HOUR_OF_WEEK_WEEKS: f64 = 8.0;
/// Robust standard deviations beyond which residuals are clipped in estimates.
const CLIP: f64 = 2.5;
/// Relative uncertainty of the scale of largest scores from one day: the tail of values is not known.
const UNCERTAINTY: f64 = 3.0;
/// Weight of the score against the same hours of the last days.
const RECENT_WEIGHT: f64 = 1.5;

/// An hour of a series of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueHour {
    /// The value; `None` if it is not known.
    pub value: Option<f64>,
    /// Number of records behind the value; 1 for a gauge.
    pub records: f64,
    /// Number of its day; ascending.
    pub day: i32,
    /// Hour of the day, 0 to 23.
    pub hour: usize,
    /// Weekday, 0 (Monday) to 6.
    pub weekday: usize,
}

/// Finds runs of unusual values from index `from` on, ordered by probability, as
/// [`scan`](super::scan) does for counts. `observed` and `expected` are means over all records of a
/// run. Empty with fewer than [`DAYS_MIN`] known days before `from`, or if values hardly vary.
pub fn scan_values(hours: &[ValueHour], from: usize, p_max: f64) -> Vec<Burst> {
    let Some(scanner) = Scanner::new(hours, from) else {
        return Vec::new();
    };
    [true, false]
        .into_iter()
        .flat_map(|up| scanner.find(up, p_max))
        .collect()
}

/// The residuals of a scale.
struct Residuals {
    /// Expected value and residual of each hour.
    pairs: Vec<Option<(f64, f64)>>,
    /// Difference of the sizes of the upper and the lower tail, relative to their sum.
    skewness: f64,
}

impl Residuals {
    /// Residuals of transformed values; `None` with too little history.
    fn new(hours: &[ValueHour], from: usize, transform: impl Fn(f64) -> f64) -> Option<Self> {
        let values: Vec<Option<f64>> = hours
            .iter()
            .map(|hour| hour.value.map(&transform))
            .collect();
        let slot = |hour: &ValueHour| usize::from(hour.weekday >= 5) * HOURS_OF_DAY + hour.hour;
        let known = || {
            hours[..from]
                .iter()
                .zip(&values)
                .filter_map(|(hour, value)| Some((hour, (*value)?)))
        };
        let mut by_slot = vec![Vec::new(); 2 * HOURS_OF_DAY];
        for (hour, value) in known() {
            by_slot[slot(hour)].push(value);
        }
        let all: Vec<f64> = known().map(|(_, value)| value).collect();
        if all.is_empty() {
            return None;
        }
        let middle = median(&all);
        let profile: Vec<f64> = by_slot
            .iter()
            .map(|values| {
                if values.is_empty() {
                    middle
                } else {
                    median(values)
                }
            })
            .collect();
        let mut rest: Vec<Option<f64>> = hours
            .iter()
            .zip(&values)
            .map(|(hour, value)| value.map(|value| value - profile[slot(hour)]))
            .collect();
        subtract_level(hours, from, &mut rest)?;
        subtract_hours_of_week(hours, from, &mut rest);
        let residuals = sorted(&rest[..from].iter().flatten().copied().collect::<Vec<_>>());
        let [low, middle, high] = [0.05, 0.5, 0.95].map(|share| quantile_sorted(&residuals, share));
        let pairs = values
            .iter()
            .zip(&rest)
            .map(|(value, rest)| value.zip(*rest).map(|(value, rest)| (value - rest, rest)));
        Some(Self {
            pairs: pairs.collect(),
            skewness: (high + low - 2.0 * middle).abs() / (high - low).max(f64::MIN_POSITIVE),
        })
    }
}

/// Subtracts the level of the four weeks before each day; `None` with too few days of history.
fn subtract_level(hours: &[ValueHour], from: usize, rest: &mut [Option<f64>]) -> Option<()> {
    let known: Vec<f64> = rest[..from].iter().flatten().copied().collect();
    let (middle, limit) = (median(&known), CLIP * mad(&known));
    let mut days: Vec<(Range<usize>, Option<f64>)> = Vec::new();
    let mut first = 0;
    for day in hours.chunk_by(|a, b| a.day == b.day) {
        let range = first..first + day.len();
        let values: Vec<f64> = rest[range.clone()]
            .iter()
            .flatten()
            .map(|value| value.clamp(middle - limit, middle + limit))
            .collect();
        let is_known = 2 * values.len() > day.len();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        first = range.end;
        days.push((range, is_known.then_some(mean)));
    }
    let is_history =
        |(range, mean): &&(Range<usize>, Option<f64>)| range.start < from && mean.is_some();
    if days.iter().filter(is_history).count() < DAYS_MIN {
        return None;
    }
    for (i, (range, _)) in days.iter().enumerate() {
        let recent: Vec<f64> = days[i.saturating_sub(LEVEL_DAYS)..i]
            .iter()
            .filter_map(|(_, mean)| *mean)
            .collect();
        let level = (recent.len() >= LEVEL_DAYS_MIN).then(|| trimmed_mean(&recent, TRIM));
        for value in &mut rest[range.clone()] {
            *value = value.zip(level).map(|(value, level)| value - level);
        }
    }
    Some(())
}

/// Subtracts the mean residual of the same hour of other weeks before `from`, drawn to zero.
fn subtract_hours_of_week(hours: &[ValueHour], from: usize, rest: &mut [Option<f64>]) {
    let known: Vec<f64> = rest[..from].iter().flatten().copied().collect();
    let limit = CLIP * mad(&known);
    let clip = |value: f64| value.clamp(-limit, limit);
    let mut sums = [[(0.0, 0.0); HOURS_OF_DAY]; 7];
    for (hour, value) in hours[..from].iter().zip(rest.iter()) {
        if let Some(value) = value {
            let sum = &mut sums[hour.weekday][hour.hour];
            *sum = (sum.0 + clip(*value), sum.1 + 1.0);
        }
    }
    for (i, (hour, slot)) in hours.iter().zip(rest).enumerate() {
        let Some(value) = slot else { continue };
        let (sum, n) = sums[hour.weekday][hour.hour];
        // An hour of the history does not predict itself.
        let own = if i < from {
            (clip(*value), 1.0)
        } else {
            (0.0, 0.0)
        };
        *value -= (sum - own.0) / (n - own.1 + HOUR_OF_WEEK_WEEKS);
    }
}

/// Weights of hours by their number of records: the inverse of the variance `a + b / n`, estimated
/// from the halves with fewer and with more records.
fn weights(hours: &[ValueHour], from: usize, residuals: &[Option<(f64, f64)>]) -> Vec<f64> {
    let part = |hour: &ValueHour| 1.0 / hour.records.max(1.0);
    let known: Vec<(f64, f64)> = hours[..from]
        .iter()
        .zip(residuals)
        .filter_map(|(hour, pair)| pair.map(|(_, rest)| (part(hour), rest)))
        .collect();
    let middle = median(&known.iter().map(|(part, _)| *part).collect::<Vec<_>>());
    let half = |is_in: &dyn Fn(f64) -> bool| -> Option<(f64, f64)> {
        let (parts, rests): (Vec<f64>, Vec<f64>) = known
            .iter()
            .filter(|(part, _)| is_in(*part))
            .copied()
            .unzip();
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        (parts.len() >= HOURS_OF_DAY).then(|| (mean, mad(&rests).powi(2)))
    };
    let (few, many) = (half(&|part| part > middle), half(&|part| part <= middle));
    let (slope, constant) = match few.zip(many) {
        Some(((few, high), (many, low))) if few > many => {
            let slope = ((high - low) / (few - many)).clamp(0.0, low / many);
            (slope, (low - slope * many).max(0.0))
        }
        _ => (0.0, 1.0),
    };
    let scale = (constant + slope * middle).max(f64::MIN_POSITIVE);
    let variance = |hour: &ValueHour| ((constant + slope * part(hour)) / scale).max(1e-3);
    hours.iter().map(|hour| 1.0 / variance(hour)).collect()
}

/// Scores runs of hours.
struct Scanner<'a> {
    hours: &'a [ValueHour],
    from: usize,
    /// Expected value of each hour on the scale of the values; `None` for unknown hours.
    expected: Vec<Option<f64>>,
    /// Sums of weights, weighted residuals and known hours before each index.
    weight: Vec<f64>,
    sum: Vec<f64>,
    known: Vec<usize>,
    /// Share of the mean residual of the hours around that a run of each length has.
    share: Vec<f64>,
    /// Robust standard deviation of standardised runs of each length.
    scale: Vec<f64>,
    /// Skewness of runs of one hour; that of longer runs falls with the root of their length.
    skewness: f64,
}

impl<'a> Scanner<'a> {
    fn new(hours: &'a [ValueHour], from: usize) -> Option<Self> {
        let plain = Residuals::new(hours, from, |value| value)?;
        let is_positive = |hour: &ValueHour| hour.value.is_none_or(|value| value > 0.0);
        let logarithms = (hours.iter().all(is_positive))
            .then(|| Residuals::new(hours, from, f64::ln))
            .flatten()
            .filter(|logarithms| logarithms.skewness < plain.skewness);
        let is_logarithm = logarithms.is_some();
        let pairs = logarithms.unwrap_or(plain).pairs;
        // The mean of values is above the exponential of the mean of their logarithms.
        let factor = if is_logarithm {
            let history = hours[..from].iter().zip(&pairs);
            let pairs = history.filter_map(|(hour, pair)| Some((hour.value?, (*pair)?.0.exp())));
            let (observed, expected) =
                pairs.fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
            observed / expected
        } else {
            1.0
        };
        let expected = |pair: &Option<(f64, f64)>| {
            pair.map(|(expected, _)| {
                if is_logarithm {
                    expected.exp() * factor
                } else {
                    expected
                }
            })
        };
        let mut scanner = Self {
            hours,
            from,
            expected: pairs.iter().map(expected).collect(),
            weight: vec![0.0],
            sum: vec![0.0],
            known: vec![0],
            share: vec![0.0; HOURS_MAX + 1],
            scale: vec![1.0; HOURS_MAX + 1],
            skewness: 0.0,
        };
        let weights = weights(hours, from, &pairs);
        for (i, (pair, weight)) in pairs.iter().zip(weights).enumerate() {
            let (weight, rest) = pair.map_or((0.0, 0.0), |(_, rest)| (weight, weight * rest));
            scanner.weight.push(scanner.weight[i] + weight);
            scanner.sum.push(scanner.sum[i] + rest);
            scanner
                .known
                .push(scanner.known[i] + usize::from(pair.is_some()));
        }
        // Longer runs have fewer independent values, and therefore less weight.
        let (mut sum, mut total) = (0.0, 0.0);
        for length in 1..=HOURS_MAX {
            let weight = 1.0 / length as f64;
            sum += weight * scanner.calibrate(length)? * (length as f64).sqrt();
            total += weight;
        }
        scanner.skewness = sum / total;
        Some(scanner)
    }

    /// Mean residual and weight of a range; `None` if fewer than half of its hours are known.
    fn mean(&self, range: Range<usize>) -> Option<(f64, f64)> {
        let known = self.known[range.end] - self.known[range.start];
        let weight = self.weight[range.end] - self.weight[range.start];
        (2 * known > range.len() && weight > 0.0).then(|| {
            (
                (self.sum[range.end] - self.sum[range.start]) / weight,
                weight,
            )
        })
    }

    /// Mean residual of the hours around a run; 0 if they are not known.
    fn around(&self, first: usize, end: usize) -> f64 {
        let n = self.hours.len();
        let sides = [
            first.saturating_sub(HOURS_AROUND)..first,
            end..(end + HOURS_AROUND).min(n),
        ];
        let (sum, weight) = sides.into_iter().fold((0.0, 0.0), |all, side| {
            let sum = self.sum[side.end] - self.sum[side.start];
            (
                all.0 + sum,
                all.1 + self.weight[side.end] - self.weight[side.start],
            )
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    /// Estimates the share of the hours around, and the scale, of runs of this length, and returns
    /// their skewness from quantiles; `None` if they hardly vary.
    fn calibrate(&mut self, length: usize) -> Option<f64> {
        let step = length.div_ceil(3);
        let runs: Vec<(f64, f64, f64)> = (0..self.from.saturating_sub(length))
            .step_by(step)
            .filter_map(|first| {
                let (mean, weight) = self.mean(first..first + length)?;
                Some((mean, self.around(first, first + length), weight))
            })
            .collect();
        let clip = |values: Vec<f64>| {
            let limit = CLIP * mad(&values);
            values
                .into_iter()
                .map(move |value| value.clamp(-limit, limit))
        };
        let means = clip(runs.iter().map(|run| run.0).collect());
        let arounds = clip(runs.iter().map(|run| run.1).collect());
        let (xy, xx) = means.zip(arounds).fold((0.0, 0.0), |all, (mean, around)| {
            (all.0 + mean * around, all.1 + around * around)
        });
        let share = if xx > 0.0 {
            (xy / xx).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let standardised: Vec<f64> = runs
            .iter()
            .map(|(mean, around, weight)| (mean - share * around) * weight.sqrt())
            .collect();
        let scale = mad(&standardised);
        self.share[length] = share;
        self.scale[length] = scale;
        let standardised = sorted(&standardised);
        let [low, middle, high] =
            [0.05, 0.5, 0.95].map(|share| quantile_sorted(&standardised, share));
        // By the expansion of Cornish and Fisher (1938): 2 (1.645² − 1) / 6 + 2 / 6.
        (scale > 1e-12).then(|| (high + low - 2.0 * middle) / (0.902 * scale))
    }

    /// Standardised deviation of a run, and its mean residual without the share of the hours around.
    fn deviation(&self, first: usize, length: usize) -> Option<(f64, f64, f64)> {
        let end = first + length;
        let (mean, weight) = self.mean(first..end)?;
        let mean = mean - self.share[length] * self.around(first, end);
        let unit = weight.sqrt() / self.scale[length];
        Some((mean * unit, mean, unit))
    }

    /// Negative decimal logarithm of the probability of a run; 0 for a run that deviates little, or
    /// in the other direction.
    fn score(&self, up: bool, first: usize, length: usize) -> f64 {
        let sign = if up { 1.0 } else { -1.0 };
        let is_known = |i: usize| self.expected[i].is_some();
        if !is_known(first) || !is_known(first + length - 1) {
            return 0.0;
        }
        let Some((z, mean, unit)) = self.deviation(first, length) else {
            return 0.0;
        };
        let z = sign * z;
        if z < super::DEVIATIONS_MIN {
            return 0.0;
        }
        let z = match self.recent(first, length) {
            Some(recent) => z.min(RECENT_WEIGHT * sign * (mean - recent) * unit),
            None => z,
        };
        let z = sign * normal_score(sign * z, self.skewness / (length as f64).sqrt());
        if z < super::DEVIATIONS_MIN {
            return 0.0;
        }
        -normal_upper(z).max(1e-300).log10()
    }

    /// Median of the same hours of the last days of the same kind, weekdays or weekends; `None` with
    /// too few days.
    fn recent(&self, first: usize, length: usize) -> Option<f64> {
        let is_weekend = |i: usize| self.hours[i].weekday >= 5;
        let means: Vec<f64> = (1..=RECENT_BACK)
            .filter_map(|days| first.checked_sub(days * HOURS_OF_DAY))
            .filter(|start| is_weekend(*start) == is_weekend(first))
            .filter_map(|start| Some(self.deviation(start, length)?.1))
            .take(RECENT_DAYS)
            .collect();
        (means.len() == RECENT_DAYS).then(|| median(&means))
    }

    /// The run with the largest score of these lengths among those that start in `first` and end
    /// before `end`, and that score.
    fn largest(
        &self,
        up: bool,
        [shortest, longest]: [usize; 2],
        first: Range<usize>,
        end: usize,
    ) -> Option<(usize, usize, f64)> {
        let mut largest: Option<(usize, usize, f64)> = None;
        for first in first {
            for length in shortest..=longest.min(end - first) {
                let score = self.score(up, first, length);
                if score > largest.map_or(0.0, |(_, _, score)| score) {
                    largest = Some((first, length, score));
                }
            }
        }
        largest
    }

    fn find(&self, up: bool, p_max: f64) -> Vec<Burst> {
        let (from, n) = (self.from, self.hours.len());
        if n == from {
            return Vec::new();
        }
        let distributions = LENGTHS.map(|lengths| {
            let is_known = |i: &usize| self.expected[*i].is_some();
            let first_known = (0..from).find(is_known).unwrap_or(from);
            LargestScore::of_history(first_known..from, n - from, UNCERTAINTY, |first, end| {
                self.largest(up, lengths, first, end)
                    .map_or(0.0, |(.., score)| score)
            })
        });
        let mut bursts = Vec::new();
        let mut free = vec![(from, n)];
        while let Some((start, end)) = free.pop() {
            let runs = LENGTHS
                .iter()
                .zip(&distributions)
                .filter_map(|(lengths, distribution)| {
                    let (first, length, score) = self.largest(up, *lengths, start..end, end)?;
                    Some((
                        first,
                        length,
                        (LENGTHS.len() as f64 * distribution.p(score)).min(1.0),
                    ))
                });
            let Some((first, length, p)) = runs.min_by(|a, b| a.2.total_cmp(&b.2)) else {
                continue;
            };
            let burst = self.burst(first..first + length, p);
            if p > p_max || burst.is_up() != up {
                continue;
            }
            bursts.push(burst);
            free.extend([(start, first), (first + length, end)]);
        }
        bursts.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.first.cmp(&b.first)));
        bursts
    }

    /// A run with its means over all records.
    fn burst(&self, range: Range<usize>, p: f64) -> Burst {
        let mut sums = (0.0, 0.0, 0.0);
        for i in range.clone() {
            let hour = &self.hours[i];
            if let Some((value, expected)) = hour.value.zip(self.expected[i]) {
                let records = hour.records.max(1.0);
                sums = (
                    sums.0 + records * value,
                    sums.1 + records * expected,
                    sums.2 + records,
                );
            }
        }
        Burst {
            first: range.start,
            end: range.end,
            observed: sums.0 / sums.2,
            expected: sums.1 / sums.2,
            p,
        }
    }
}

/// Normal score of a standardised value of a gamma distribution with this skewness (Wilson and
/// Hilferty, 1931).
fn normal_score(z: f64, skewness: f64) -> f64 {
    if skewness.abs() < 1e-6 {
        return z;
    }
    let base = (1.0 + skewness * z / 2.0).max(0.0);
    6.0 / skewness * (base.cbrt() - 1.0) + skewness / 6.0
}
