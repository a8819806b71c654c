//! Bursts and gaps: runs of a few hours with many more, or many fewer, events than usual.
//!
//! The total of a day hides an outage of five hours. Therefore, every run of 1 to 24 hours is
//! compared with the number of events expected from the level of the last four weeks, the weekday
//! and the hour: a scan statistic (Naus, 1965; Kulldorff, 2001, for counts over time). The count of
//! a run has a negative binomial distribution, whose extra variance is estimated for each length
//! from the history. The hours around a run show whether its whole day is busier than usual. A run
//! must also differ from the same hours of the last days, so that a shifted rhythm, for example
//! after a clock change, is not a burst.
//!
//! The largest score of many overlapping runs is large by chance alone, especially if the rate
//! wanders. Therefore, its distribution is estimated from the largest scores of all earlier days: a
//! Gumbel distribution (Gumbel, 1958), fitted robustly, whose scale is drawn to that of independent
//! runs and never below it. The largest score of several days follows from it.

use crate::{
    anomaly::count_tails,
    describe::{median, quantile_sorted, sorted, trimmed_mean},
};
use largest::LargestScore;
use std::ops::Range;

mod largest;
mod values;

pub use values::{ValueHour, scan_values};

/// Longest run of hours.
pub const HOURS_MAX: usize = 24;
/// Minimum number of known days of history.
pub const DAYS_MIN: usize = 35;

const HOURS_OF_DAY: usize = 24;
/// Number of days that determine the level, and the minimum number of known days.
const LEVEL_DAYS: usize = 28;
const LEVEL_DAYS_MIN: usize = 14;
/// Share of days left out on either side of the level's mean.
const TRIM: f64 = 0.15;
/// Weight of the profile of all days in the profiles of weekdays and weekends, in events.
const PROFILE_EVENTS: f64 = 200.0;
/// Weight of the profile of days in the expectation for an hour of the week, in events.
const HOUR_OF_WEEK_EVENTS: f64 = 20.0;
/// Share of the largest residuals that is left out of the dispersion.
const RESIDUALS_OUT: f64 = 0.02;
/// Number of days whose same hours are compared, and how far back they may be.
const RECENT_DAYS: usize = 5;
const RECENT_BACK: usize = 21;
/// Weight of the score against the same hours of the last days.
const RECENT_WEIGHT: f64 = 3.0;
/// Hours before and after a run that show the level of the day.
const HOURS_AROUND: usize = 12;
/// Shape of the gamma distribution of a level that does not vary.
const SHAPE_MAX: f64 = 1e9;
/// Relative uncertainty of the scale of largest scores from one day.
const UNCERTAINTY: f64 = 1.0;
/// Runs that deviate by fewer standard deviations are not scored.
const DEVIATIONS_MIN: f64 = 2.0;

/// A run of hours with more or fewer events than expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Index of the first hour.
    pub first: usize,
    /// Index after the last hour.
    pub end: usize,
    /// Number of events.
    pub observed: f64,
    /// Expected number of events.
    pub expected: f64,
    /// Probability of such a run anywhere in the scanned hours, in this direction.
    pub p: f64,
}

impl Burst {
    /// Returns true for a burst, false for a gap.
    pub fn is_up(&self) -> bool {
        self.observed > self.expected
    }
}

/// An hour of a series of counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// Number of events; `None` if it is not known.
    pub count: Option<f64>,
    /// Number of its day; ascending.
    pub day: i32,
    /// Hour of the day, 0 to 23.
    pub hour: usize,
    /// Weekday, 0 (Monday) to 6.
    pub weekday: usize,
}

/// Finds bursts and gaps from index `from` on, ordered by probability. A run that overlaps a less
/// probable run is left out, and so are runs with a probability above `p_max`. Empty with fewer
/// than [`DAYS_MIN`] days before `from`.
pub fn scan(hours: &[Hour], from: usize, p_max: f64) -> Vec<Burst> {
    let Some(expected) = expect(hours, from) else {
        return Vec::new();
    };
    let scanner = Scanner::new(hours, expected, from);
    [true, false]
        .into_iter()
        .flat_map(|up| scanner.find(up, from, p_max))
        .collect()
}

/// Expected number of events of each hour, from earlier days; `None` where too few days are known.
fn expect(hours: &[Hour], from: usize) -> Option<Vec<Option<f64>>> {
    let days = days(hours);
    let known = |day: &&Day| day.total.is_some() && day.first < from;
    if days.iter().filter(known).count() < DAYS_MIN {
        return None;
    }
    let mut by_weekday = [(0.0, 0.0); 7];
    for day in days.iter().filter(known) {
        let sum = &mut by_weekday[day.weekday];
        *sum = (sum.0 + day.total.unwrap_or_default(), sum.1 + 1.0);
    }
    let (total, count) = by_weekday
        .iter()
        .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    if total <= 0.0 {
        return None;
    }
    // A weekday without events still has some chance of an event.
    let factor_of = |(sum, n): (f64, f64)| (sum + 1.0) / (n * total / count + 1.0);
    let factor = by_weekday.map(factor_of);
    let profiles = Profiles::new(&hours[..from]);
    let mut levels = Vec::with_capacity(days.len());
    for (i, _) in days.iter().enumerate() {
        let recent: Vec<f64> = days[i.saturating_sub(LEVEL_DAYS)..i]
            .iter()
            .filter_map(|day| Some(day.total? / factor[day.weekday]))
            .collect();
        levels.push((recent.len() >= LEVEL_DAYS_MIN).then(|| trimmed_mean(&recent, TRIM)));
    }
    let mut expected = vec![None; hours.len()];
    for (day, level) in days.iter().zip(levels) {
        let (sum, n) = by_weekday[day.weekday];
        // A day of the history does not predict itself.
        let factor = match day.total {
            Some(own) if day.first < from => factor_of((sum - own, n - 1.0)),
            _ => factor[day.weekday],
        };
        for i in day.first..day.end {
            let share = profiles.share(&hours[i], i < from);
            expected[i] = level.map(|level| (level * factor * share).max(1e-3));
        }
    }
    adjust_hours_of_week(hours, from, &mut expected);
    Some(expected)
}

/// Multiplies expected numbers by the ratio of observed and expected events in the same hour of
/// other weeks before `from`: the hours of a Monday may differ from those of a Tuesday.
fn adjust_hours_of_week(hours: &[Hour], from: usize, expected: &mut [Option<f64>]) {
    let mut sums = [[(0.0, 0.0); HOURS_OF_DAY]; 7];
    for (hour, expected) in hours[..from].iter().zip(expected.iter()) {
        if let Some((observed, expected)) = hour.count.zip(*expected) {
            let sum = &mut sums[hour.weekday][hour.hour];
            *sum = (sum.0 + observed, sum.1 + expected);
        }
    }
    for (i, (hour, slot)) in hours.iter().zip(expected).enumerate() {
        let Some(expected) = slot else { continue };
        let (observed_sum, expected_sum) = sums[hour.weekday][hour.hour];
        // An hour of the history does not predict itself.
        let excluded = match hour.count {
            Some(count) if i < from => (count, *expected),
            _ => (0.0, 0.0),
        };
        let ratio = (observed_sum - excluded.0 + HOUR_OF_WEEK_EVENTS)
            / (expected_sum - excluded.1 + HOUR_OF_WEEK_EVENTS);
        *expected *= ratio;
    }
}

/// A day, as a range of hours.
struct Day {
    first: usize,
    end: usize,
    weekday: usize,
    /// Number of events; `None` if an hour is not known.
    total: Option<f64>,
}

fn days(hours: &[Hour]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let mut first = 0;
    for day in hours.chunk_by(|a, b| a.day == b.day) {
        days.push(Day {
            first,
            end: first + day.len(),
            weekday: day[0].weekday,
            total: day.iter().map(|hour| hour.count).sum(),
        });
        first += day.len();
    }
    days
}

/// Share of a day's events in each hour, on weekdays and at weekends.
struct Profiles {
    shares: [[f64; HOURS_OF_DAY]; 2],
    /// Numbers of events behind the shares, with those of the prior.
    events: [[f64; HOURS_OF_DAY]; 2],
}

impl Profiles {
    fn new(history: &[Hour]) -> Self {
        let mut sums = [[0.0; HOURS_OF_DAY]; 2];
        for hour in history {
            sums[usize::from(hour.weekday >= 5)][hour.hour] += hour.count.unwrap_or_default();
        }
        let prior = 0.5 * HOURS_OF_DAY as f64;
        let all: f64 = sums.iter().flatten().sum();
        let overall = |hour: usize| (sums[0][hour] + sums[1][hour] + 0.5) / (all + prior);
        let events = sums.map(|sums| {
            std::array::from_fn(|hour| sums[hour] + PROFILE_EVENTS * overall(hour) + 0.5)
        });
        let shares = events.map(|events: [f64; HOURS_OF_DAY]| {
            let total: f64 = events.iter().sum();
            events.map(|events| events / total)
        });
        Self { shares, events }
    }

    /// Share of the events of its day in an hour. An hour of the history does not predict itself:
    /// else it would seem more usual than it is, above all where events are few.
    fn share(&self, hour: &Hour, is_history: bool) -> f64 {
        let day = usize::from(hour.weekday >= 5);
        let own = hour.count.filter(|_| is_history).unwrap_or_default();
        let events = self.events[day][hour.hour];
        self.shares[day][hour.hour] * ((events - own) / events).max(0.1)
    }
}

/// Scores runs of hours.
struct Scanner {
    /// Sums of observed and expected events, and of unknown hours, before each index.
    observed: Vec<f64>,
    expected: Vec<f64>,
    unknown: Vec<usize>,
    /// True for hours of a weekend.
    weekend: Vec<bool>,
    /// Variance beyond the mean over the squared mean, for runs of one hour, two hours and so on.
    dispersion: Vec<f64>,
    /// Shape of the gamma distribution of the level of days around the expected level.
    day_shape: f64,
}

impl Scanner {
    fn new(hours: &[Hour], expected: Vec<Option<f64>>, from: usize) -> Self {
        let mut scanner = Self {
            observed: vec![0.0],
            expected: vec![0.0],
            unknown: vec![0],
            weekend: hours.iter().map(|hour| hour.weekday >= 5).collect(),
            dispersion: Vec::new(),
            day_shape: SHAPE_MAX,
        };
        for (hour, expected) in hours.iter().zip(expected) {
            let pair = hour.count.zip(expected);
            let (observed, expected) = pair.unwrap_or_default();
            let last = scanner.unknown.len() - 1;
            scanner.observed.push(scanner.observed[last] + observed);
            scanner.expected.push(scanner.expected[last] + expected);
            scanner
                .unknown
                .push(scanner.unknown[last] + usize::from(pair.is_none()));
        }
        scanner.day_shape = (1.0 / scanner.dispersion_of(HOURS_OF_DAY, from)).min(SHAPE_MAX);
        scanner.dispersion = (1..=HOURS_MAX)
            .map(|length| scanner.dispersion_of(length, from))
            .collect();
        scanner
    }

    /// Observed and expected number of events of a run; `None` if an hour of it is not known. The
    /// hours around it show whether the whole day has more events than usual.
    fn run(&self, first: usize, length: usize) -> Option<(f64, f64)> {
        let end = first + length;
        if self.unknown[first] != self.unknown[end] {
            return None;
        }
        let n = self.unknown.len() - 1;
        let around = [
            first.saturating_sub(HOURS_AROUND),
            (end + HOURS_AROUND).min(n),
        ];
        let sums = |sums: &[f64]| {
            let within = sums[end] - sums[first];
            (within, sums[around[1]] - sums[around[0]] - within)
        };
        let (observed, observed_around) = sums(&self.observed);
        let (expected, expected_around) = sums(&self.expected);
        let level = (self.day_shape + observed_around) / (self.day_shape + expected_around);
        Some((observed, expected * level))
    }

    fn dispersion_of(&self, length: usize, from: usize) -> f64 {
        let runs: Vec<(f64, f64)> = (0..from.saturating_sub(length))
            .step_by(length)
            .filter_map(|first| self.run(first, length))
            .collect();
        let size = |(observed, expected): &(f64, f64)| (observed - expected).powi(2) / expected;
        let sizes: Vec<f64> = runs.iter().map(size).collect();
        let limit = quantile_sorted(&sorted(&sizes), 1.0 - RESIDUALS_OUT);
        let (excess, squares) = runs
            .iter()
            .filter(|run| size(run) <= limit)
            .map(|(observed, expected)| {
                (
                    (observed - expected).powi(2) - expected,
                    expected * expected,
                )
            })
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        if squares > 0.0 {
            (excess / squares).max(0.0)
        } else {
            0.0
        }
    }

    /// Negative decimal logarithm of the probability of a run; 0 for a run that deviates little, or
    /// in the other direction.
    fn score(&self, up: bool, first: usize, length: usize) -> f64 {
        let Some((observed, expected)) = self.run(first, length) else {
            return 0.0;
        };
        let dispersion = self.dispersion[length - 1];
        let variance = expected + dispersion * expected * expected;
        let score = score(up, observed, expected, variance);
        if score == 0.0 {
            return score;
        }
        // The median of few counts is no expectation: it only shows a rhythm that has shifted.
        self.recent(first, length).map_or(score, |recent| {
            let recent = recent.max(0.5);
            let variance = recent + dispersion * recent * recent + recent / RECENT_DAYS as f64;
            score.min(RECENT_WEIGHT * self::score(up, observed, recent, variance))
        })
    }

    /// Median number of events in the same hours of the last days of the same kind, weekdays or
    /// weekends; `None` with too few days.
    fn recent(&self, first: usize, length: usize) -> Option<f64> {
        let counts: Vec<f64> = (1..=RECENT_BACK)
            .filter_map(|days| first.checked_sub(days * HOURS_OF_DAY))
            .filter(|start| self.weekend[*start] == self.weekend[first])
            .filter_map(|start| Some(self.run(start, length)?.0))
            .take(RECENT_DAYS)
            .collect();
        (counts.len() == RECENT_DAYS).then(|| median(&counts))
    }

    /// The run with the largest score among those that start in `first` and end before `end`, and that
    /// score.
    fn largest(&self, up: bool, first: Range<usize>, end: usize) -> Option<(usize, usize, f64)> {
        let mut largest: Option<(usize, usize, f64)> = None;
        for first in first {
            for length in 1..=HOURS_MAX.min(end - first) {
                let score = self.score(up, first, length);
                if score > largest.map_or(0.0, |(_, _, score)| score) {
                    largest = Some((first, length, score));
                }
            }
        }
        largest
    }

    fn find(&self, up: bool, from: usize, p_max: f64) -> Vec<Burst> {
        let n = self.unknown.len() - 1;
        let hours = n - from;
        if hours == 0 {
            return Vec::new();
        }
        let is_known = |i: &usize| self.unknown[*i] == self.unknown[i + 1];
        let first_known = (0..from).find(is_known).unwrap_or(from);
        let distribution =
            LargestScore::of_history(first_known..from, hours, UNCERTAINTY, |first, end| {
                self.largest(up, first, end)
                    .map_or(0.0, |(.., score)| score)
            });
        let mut bursts = Vec::new();
        let mut free = vec![(from, n)];
        while let Some((start, end)) = free.pop() {
            let Some((first, length, score)) = self.largest(up, start..end, end) else {
                continue;
            };
            let p = distribution.p(score);
            let Some((observed, expected)) = self.run(first, length).filter(|_| p <= p_max) else {
                continue;
            };
            bursts.push(Burst {
                first,
                end: first + length,
                observed,
                expected,
                p,
            });
            free.extend([(start, first), (first + length, end)]);
        }
        bursts.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.first.cmp(&b.first)));
        bursts
    }
}

/// Negative decimal logarithm of the probability of a count; 0 for a count that deviates little, or
/// in the other direction.
fn score(up: bool, observed: f64, expected: f64, variance: f64) -> f64 {
    let deviation = if up {
        observed - expected
    } else {
        expected - observed
    };
    if deviation < DEVIATIONS_MIN * variance.sqrt() {
        return 0.0;
    }
    let (above, below) = count_tails(observed, expected, variance / expected);
    -(if up { above } else { below }).max(1e-300).log10()
}

#[cfg(test)]
mod tests;
