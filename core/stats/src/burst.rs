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
//! wanders. Therefore, its distribution is estimated from the largest scores of earlier stretches
//! of the same length: a Gumbel distribution (Gumbel, 1958), fitted robustly, whose tail is never
//! lighter than that of independent runs.

use crate::{
    anomaly::count_tails,
    describe::{median, quantile_sorted, sorted, trimmed_mean},
};

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
/// Hours before and after a run that show the level of the day.
const HOURS_AROUND: usize = 12;
/// Shape of the gamma distribution of a level that does not vary.
const SHAPE_MAX: f64 = 1e9;
/// Minimum number of earlier stretches for the distribution of the largest score.
const STRETCHES_MIN: usize = 8;
/// Scale of the largest of independent scores: they are decimal logarithms of probabilities.
const SCALE: f64 = std::f64::consts::LOG10_E;
/// Weight of this scale, as a number of earlier stretches.
const SCALE_STRETCHES: f64 = 8.0;
/// Approximate number of independent runs per hour, over all lengths.
const RUNS_PER_HOUR: f64 = 2.0;
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
    let factor = by_weekday.map(|(sum, n)| (sum + 1.0) / (n * total / count + 1.0));
    let profiles = profiles(&hours[..from]);
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
        for (slot, hour) in expected[day.first..day.end]
            .iter_mut()
            .zip(&hours[day.first..])
        {
            let profile = &profiles[usize::from(hour.weekday >= 5)];
            *slot = level.map(|level| (level * factor[day.weekday] * profile[hour.hour]).max(1e-3));
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
fn profiles(history: &[Hour]) -> [[f64; HOURS_OF_DAY]; 2] {
    let mut sums = [[0.0; HOURS_OF_DAY]; 2];
    for hour in history {
        sums[usize::from(hour.weekday >= 5)][hour.hour] += hour.count.unwrap_or_default();
    }
    let shares = |sum: &dyn Fn(usize) -> f64| -> [f64; HOURS_OF_DAY] {
        let total: f64 = (0..HOURS_OF_DAY).map(sum).sum();
        std::array::from_fn(|hour| (sum(hour) + 0.5) / (total + 0.5 * HOURS_OF_DAY as f64))
    };
    let overall = shares(&|hour| sums[0][hour] + sums[1][hour]);
    sums.map(|sums| shares(&|hour| sums[hour] + PROFILE_EVENTS * overall[hour]))
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
        // The other expectation is the median of few counts and therefore less certain.
        self.recent(first, length).map_or(score, |recent| {
            let recent = recent.max(0.5);
            let variance = recent + dispersion * recent * recent + recent / RECENT_DAYS as f64;
            score.min(self::score(up, observed, recent, variance))
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

    /// The run with the largest score in a stretch, and that score.
    fn largest(&self, up: bool, stretch: std::ops::Range<usize>) -> Option<(usize, usize, f64)> {
        let mut largest: Option<(usize, usize, f64)> = None;
        for first in stretch.clone() {
            for length in 1..=HOURS_MAX.min(stretch.end - first) {
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
        let distribution = self.largest_score_distribution(up, from, hours);
        let mut bursts = Vec::new();
        let mut free = vec![(from, n)];
        while let Some((start, end)) = free.pop() {
            let Some((first, length, score)) = self.largest(up, start..end) else {
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

    /// The distribution of the largest score of as many hours without a burst.
    fn largest_score_distribution(&self, up: bool, from: usize, hours: usize) -> LargestScore {
        let first_known = (0..from).find(|i| self.unknown[*i] == self.unknown[i + 1]);
        let first_known = first_known.unwrap_or(from);
        let stretches = (from - first_known) / hours;
        let largest: Vec<f64> = (1..=stretches)
            .map(|back| from - back * hours)
            .map(|start| {
                let run = self.largest(up, start..start + hours);
                run.map_or(0.0, |(_, _, score)| score)
            })
            .collect();
        LargestScore::fit(&sorted(&largest), hours)
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

/// The distribution of the largest score of a stretch: a Gumbel distribution, or a bound if there
/// are too few earlier stretches.
#[derive(Debug, Clone, Copy)]
enum LargestScore {
    Gumbel { location: f64, scale: f64 },
    Bound { runs: f64 },
}

impl LargestScore {
    fn fit(largest: &[f64], hours: usize) -> Self {
        if largest.len() < STRETCHES_MIN {
            return Self::Bound {
                runs: hours as f64 * RUNS_PER_HOUR,
            };
        }
        // Quartiles, so that earlier bursts do not hide new bursts.
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile_sorted(largest, share));
        let gumbel = |share: f64| -f64::ln(-f64::ln(share));
        let n = largest.len() as f64;
        let fitted = (high - low) / (gumbel(0.75) - gumbel(0.25));
        let scale = ((n * fitted + SCALE_STRETCHES * SCALE) / (n + SCALE_STRETCHES)).max(SCALE);
        // The location, too, is estimated from few stretches.
        let scale = scale * (1.0 + 0.5 / n.sqrt());
        Self::Gumbel {
            location: middle - scale * gumbel(0.5),
            scale,
        }
    }

    /// Probability that the largest score is at least `score`.
    fn p(self, score: f64) -> f64 {
        match self {
            Self::Gumbel { location, scale } => {
                -f64::exp_m1(-f64::exp(-(score - location) / scale))
            }
            Self::Bound { runs } => (runs * 10f64.powf(-score)).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{normal, poisson};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const DAYS: usize = 300;

    /// Events of hours with a rhythm of day and week and a rate that wanders by `wander` from day
    /// to day with memory 0.7; `burst` is (hours, factor) in the last week.
    fn hours(seed: u64, per_day: f64, wander: f64, burst: Option<(usize, f64)>) -> Vec<Hour> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let start = 24 * (DAYS - 7) + (random.random::<f64>() * 24.0 * 6.0) as usize;
        let mut level = 0.0;
        let mut hours = Vec::new();
        for day in 0..DAYS {
            level = 0.7 * level + 0.714 * wander * normal(&mut random);
            let weekday = day % 7;
            let week = if weekday >= 5 { 0.5 } else { 1.2 };
            for hour in 0..24 {
                let busy = if (8..20).contains(&hour) { 1.6 } else { 0.4 };
                let i = hours.len();
                let factor = match burst {
                    Some((length, factor)) if (start..start + length).contains(&i) => factor,
                    _ => 1.0,
                };
                let mean = per_day / 24.0 * week * busy * f64::exp(level) * factor;
                hours.push(Hour {
                    count: Some(poisson(&mut random, mean)),
                    day: day as i32,
                    hour,
                    weekday,
                });
            }
        }
        hours
    }

    /// Share of series with a burst or gap at a level of 5 %; with a planted burst, only findings
    /// in its direction are counted.
    fn share(runs: u64, per_day: f64, wander: f64, burst: Option<(usize, f64)>) -> f64 {
        let found = |seed: &u64| {
            let hours = hours(*seed, per_day, wander, burst);
            let bursts = scan(&hours, 24 * (DAYS - 7), 0.025);
            bursts
                .iter()
                .any(|found| burst.is_none_or(|(_, factor)| found.is_up() == (factor > 1.0)))
        };
        (0..runs).filter(found).count() as f64 / runs as f64
    }

    #[test]
    fn quiet_weeks_have_no_bursts_at_the_nominal_rate() {
        for (per_day, wander) in [
            (3.0, 0.0),
            (20.0, 0.0),
            (200.0, 0.0),
            (20.0, 0.3),
            (200.0, 0.3),
        ] {
            let rate = share(200, per_day, wander, None);
            eprintln!("{per_day} a day, wandering by {wander}: {rate}");
            assert!(rate <= 0.085, "{per_day} {wander}: {rate}");
        }
    }

    #[test]
    fn an_outage_of_five_hours_is_found() {
        // At a random time of the week: an outage on a quiet night has three events, which cannot
        // be distinguished from chance.
        let cases = [
            (20.0, 0.0, 0.5),
            (40.0, 0.0, 0.75),
            (40.0, 0.3, 0.6),
            (200.0, 0.3, 0.9),
        ];
        for (per_day, wander, power) in cases {
            let found = share(100, per_day, wander, Some((5, 4.0)));
            eprintln!("{per_day} a day, wandering by {wander}: {found}");
            assert!(found >= power, "{per_day} {wander}: {found}");
        }
        let gap = share(60, 400.0, 0.1, Some((4, 0.0)));
        eprintln!("gap: {gap}");
        assert!(gap >= 0.7, "{gap}");
    }

    #[test]
    fn too_little_history_has_no_bursts() {
        let hours = hours(1, 50.0, 0.0, Some((5, 20.0)));
        assert!(scan(&hours[24 * (DAYS - 20)..], 24 * 13, 0.05).is_empty());
        assert!(scan(&[], 0, 0.05).is_empty());
        let silent: Vec<Hour> = hours
            .iter()
            .map(|hour| Hour {
                count: Some(0.0),
                ..*hour
            })
            .collect();
        assert!(scan(&silent, 24 * (DAYS - 7), 0.05).is_empty());
    }
}
