//! Days without any record of a source that usually has many: records are missing there.
//!
//! The number of records on such a day is compared with those on the same weekday of the eight
//! weeks before and after, by a negative binomial distribution with the observed mean and variance.
//! Days on which no record is not unusual, such as weekends, neither begin nor end a silence.

use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use retrocast_domain::{
    number::sensible,
    window::{date_in_words, range},
};
use retrocast_stats::describe::{mean, variance};
use std::ops::Range;

/// Number of weeks on either side with which a silence is compared, and the minimum number of them.
const WEEKS_COMPARED: usize = 8;
const WEEKS_MIN: usize = 4;
/// Probability below which a silence is not chance.
const CHANCE_MAX: f64 = 1e-6;
/// Probability of no record below which a step is busy.
const BUSY_CHANCE_MAX: f64 = 0.05;
/// Maximum number of silences per day with records: a source that often has none is not incomplete.
const SILENCES_MAX: f64 = 0.05;

/// Steps in a row without a record, although all of them together usually have many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SilentRun {
    /// From the first to the last busy step.
    pub(crate) steps: Range<usize>,
    /// Usual number of records of each step.
    pub(crate) usual: Vec<f64>,
    /// Probability of no record in any of the steps.
    pub(crate) chance: f64,
}

impl SilentRun {
    /// The silence in `run`, whose steps have no record; `None` if it may be chance. The usual
    /// numbers are those of the same step of other seasons, such as weeks, on either side.
    pub(crate) fn in_run(counts: &[f64], run: Range<usize>, season: usize) -> Option<Self> {
        let all: Vec<Usual> = run
            .clone()
            .map(|step| Usual::of_step(counts, &run, step, season))
            .collect::<Option<_>>()?;
        let is_busy = |usual: &Usual| usual.chance_of_none < BUSY_CHANCE_MAX;
        let first = all.iter().position(is_busy)?;
        let last = all.iter().rposition(is_busy)?;
        let busy = &all[first..=last];
        let chance: f64 = busy.iter().map(|usual| usual.chance_of_none).product();
        (chance < CHANCE_MAX).then(|| Self {
            steps: run.start + first..run.start + last + 1,
            usual: busy.iter().map(|usual| usual.mean).collect(),
            chance,
        })
    }
}

/// The usual number of records of a step, and the probability of none.
#[derive(Debug, Clone, Copy)]
struct Usual {
    mean: f64,
    chance_of_none: f64,
}

impl Usual {
    /// From the same step of the seasons before a run and, as far as there are enough, after it;
    /// the side on which no record is more probable decides, so that neither a start nor an end of
    /// frequent records counts. `None` without enough seasons before.
    fn of_step(counts: &[f64], run: &Range<usize>, step: usize, season: usize) -> Option<Self> {
        let of_steps = |steps: &mut dyn Iterator<Item = usize>| {
            let outside = steps.filter(|step| !run.contains(step));
            Self::of(
                outside
                    .take(WEEKS_COMPARED)
                    .map(|step| counts[step])
                    .collect(),
            )
        };
        let before = of_steps(&mut (1..).map_while(|n| step.checked_sub(n * season)))?;
        let after = of_steps(&mut (step + season..counts.len()).step_by(season));
        let is_more_probable = |after: &Self| after.chance_of_none > before.chance_of_none;
        Some(after.filter(is_more_probable).unwrap_or(before))
    }

    /// From the numbers of comparable steps without the smallest, which may be another silence.
    fn of(mut counts: Vec<f64>) -> Option<Self> {
        if counts.len() < WEEKS_MIN {
            return None;
        }
        counts.sort_by(f64::total_cmp);
        let counts = &counts[1..];
        let mean = mean(counts);
        if mean <= 0.0 {
            return Some(Self {
                mean,
                chance_of_none: 1.0,
            });
        }
        Some(Self {
            mean,
            chance_of_none: (-mean * dispersion_exponent(counts)).exp(),
        })
    }
}

/// The power to which the Poisson probability of no event is raised for counts with the dispersion
/// of `counts`, whose mean is above zero: that of the negative binomial distribution is
/// `exp(-mean × ln(D) / (D − 1))`.
fn dispersion_exponent(counts: &[f64]) -> f64 {
    let dispersion = match counts.len() {
        0 | 1 => 1.0,
        _ => (variance(counts) / mean(counts)).max(1.0),
    };
    if dispersion > 1.0 + 1e-6 {
        dispersion.ln() / (dispersion - 1.0)
    } else {
        1.0
    }
}

/// Probability of no record in a period whose comparable periods have `counts`: the predictive
/// negative binomial distribution (gamma posterior of the rate under Jeffreys' prior), which allows
/// for the few periods that define what is usual.
pub(crate) fn chance_of_none(counts: &[f64]) -> f64 {
    let sum: f64 = counts.iter().sum();
    if sum <= 0.0 {
        return 1.0;
    }
    let n = counts.len() as f64;
    (n / (n + 1.0)).powf((sum + 0.5) * dispersion_exponent(counts))
}

/// Whole days in a row on which the records of a source are missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MissingDays {
    pub(crate) first: Date,
    pub(crate) last: Date,
    /// Usual number of records on each of the days.
    usual: Vec<f64>,
}

impl MissingDays {
    /// Finds the missing days between the first and the last of distinct times, ascending and with
    /// their numbers of records.
    pub(crate) fn find(times: &[(DateTime, u64)]) -> Vec<Self> {
        let Some(((first, _), (last, _))) = times.first().zip(times.last()) else {
            return Vec::new();
        };
        let first = first.date();
        let position = |day: Date| usize::try_from((day - first).get_days()).unwrap_or_default();
        let mut counts = vec![0.0; position(last.date()) + 1];
        for (time, count) in times {
            counts[position(time.date())] += *count as f64;
        }
        let active: Vec<usize> = (0..counts.len()).filter(|day| counts[*day] > 0.0).collect();
        let runs = active.windows(2).map(|pair| pair[0] + 1..pair[1]);
        let silences: Vec<Self> = runs
            .filter(|run| !run.is_empty())
            .filter_map(|run| {
                let SilentRun { steps, usual, .. } = SilentRun::in_run(&counts, run, 7)?;
                let day = |step: usize| first.checked_add((step as i64).days()).ok();
                Some(Self {
                    first: day(steps.start)?,
                    last: day(steps.end - 1)?,
                    usual,
                })
            })
            .collect();
        if silences.len() as f64 > SILENCES_MAX * active.len() as f64 {
            return Vec::new();
        }
        silences
    }

    pub(crate) fn contains(&self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }

    /// Number of records that are usual on those of the days that are not before `from` and begin
    /// before `to`.
    pub(crate) fn usual_between(&self, from: Date, to: DateTime) -> f64 {
        let days = self.first.series(1.day()).zip(&self.usual);
        days.filter(|(day, _)| *day >= from && day.at(0, 0, 0, 0) < to)
            .map(|(_, usual)| usual)
            .sum()
    }

    /// Usual number of records per day: "about 180 a day".
    pub(crate) fn usual_in_words(&self) -> String {
        let mean = mean(&self.usual);
        let mean = if mean >= 10.0 { mean.round() } else { mean };
        format!("about {} a day", sensible(mean))
    }

    /// "on 17 November 2026", "from 17 to 18 November 2026".
    pub(crate) fn when(&self) -> String {
        if self.first == self.last {
            format!("on {}", date_in_words(self.first))
        } else {
            format!("from {}", range(self.first, self.last))
        }
    }

    /// "No record from 17 to 18 November 2026, where about 180 a day are usual: taken as missing,
    /// not as zero."
    pub(crate) fn sentence(&self) -> String {
        format!(
            "No record {}, where {} are usual: taken as missing, not as zero.",
            self.when(),
            self.usual_in_words()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::test_data::Noise;
    use jiff::civil::date;

    /// The missing days of 200 days from Monday 4 May 2026, with `mean(day)` records per day.
    fn missing(seed: u64, mean: impl Fn(usize) -> f64) -> Vec<MissingDays> {
        let mut noise = Noise(seed);
        let times: Vec<(DateTime, u64)> = (0..200)
            .map(|day| {
                let time = (date(2026, 5, 4) + (day as i64).days()).at(9, 0, 0, 0);
                (time, noise.poisson(mean(day)) as u64)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        MissingDays::find(&times)
    }

    /// Days from the first day.
    fn days(silences: &[MissingDays]) -> Vec<(i32, i32)> {
        let days = |day: Date| (day - date(2026, 5, 4)).get_days();
        let ends = silences.iter().map(|gap| (days(gap.first), days(gap.last)));
        ends.collect()
    }

    #[test]
    fn days_without_records_of_a_busy_source_are_missing() {
        let outage = |day: usize| (190..192).contains(&day) || day == 100;
        let found = missing(1, |day| if outage(day) { 0.0 } else { 180.0 });
        assert_eq!(days(&found), [(100, 100), (190, 191)]);
        let usual = found[1].usual_between(date(2026, 11, 11), date(2026, 12, 1).at(0, 0, 0, 0));
        assert!((150.0..210.0).contains(&usual), "{usual}");
        let sentence = found[1].sentence().replace('\u{a0}', " ");
        assert!(
            sentence.starts_with("No record from 10 to 11 November 2026, where about 1"),
            "{sentence}"
        );
        // Five a day: a day without a record may be chance, a week is not.
        let quiet =
            |days: Range<usize>| move |day: usize| if days.contains(&day) { 0.0 } else { 5.0 };
        assert!(days(&missing(2, quiet(100..101))).is_empty());
        assert_eq!(days(&missing(2, quiet(100..107))), [(100, 106)]);
    }

    #[test]
    fn silences_of_rare_events_and_weekends_are_zero() {
        for seed in 0..50 {
            assert!(missing(seed, |_| 2.0 / 7.0).is_empty(), "{seed}");
            assert!(missing(seed, |_| 3.0).is_empty(), "{seed}");
            let office = |day: usize| if day % 7 < 5 { 100.0 } else { 0.1 };
            assert!(missing(seed, office).is_empty(), "{seed}");
            // Friday is missing, the weekend after it is not.
            let friday = |day: usize| if day == 102 { 0.0 } else { office(day) };
            assert_eq!(days(&missing(seed, friday)), [(102, 102)], "{seed}");
        }
        // A pilot phase with rare records, and deliveries of every fourth day.
        for days in [30, 100] {
            let pilot = |day: usize| if day < days { 0.1 } else { 100.0 };
            assert!(missing(3, pilot).is_empty(), "{days}");
        }
        let deliveries = |day: usize| if day.is_multiple_of(4) { 400.0 } else { 0.0 };
        assert!(missing(4, deliveries).is_empty());
        // A machine that is off on one day in ten.
        let mut noise = Noise(5);
        let off: Vec<bool> = (0..200).map(|_| noise.uniform() < 0.1).collect();
        assert!(missing(5, |day| if off[day] { 0.0 } else { 100.0 }).is_empty());
    }
}
