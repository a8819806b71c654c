//! Compares the number of records in the window with the expected number.

use super::{Params, gaps::Gaps};
use crate::times::Times;
use jiff::civil::{Date, Weekday};
use retrocast_domain::{
    Window,
    number::{integer, plural, sensible},
    report::Expectation,
};
use retrocast_stats::count::{CountDistribution, LEVEL};

/// Source of the expected number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VolumeBasis {
    /// The contract: records per day.
    Contract,
    /// The earlier windows.
    Windows,
}

/// Number of records in the window, and the expected number.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub(super) now: u64,
    /// Numbers of records in the earlier windows, oldest first.
    pub(super) before: Vec<u64>,
    /// The expectation, if known.
    pub(super) expected: Option<ExpectedVolume>,
    /// True if few records mean that little happened, not that some are missing.
    silence_is_zero: bool,
    /// Noun for the records.
    noun: String,
}

/// The expected number for the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedVolume {
    pub(super) basis: VolumeBasis,
    /// Mean; for a contract, the nearer limit.
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Two-sided p-value of the observed number; `None` for a contract.
    pub(super) p: Option<f64>,
}

impl Volume {
    /// Compares the window with the contract or with the earlier windows.
    pub(super) fn compare(
        times: &Times,
        window: &Window,
        params: &Params,
        expectation: &Expectation,
        silence_is_zero: bool,
        gaps: &Gaps,
    ) -> Option<Self> {
        let days = Days::count(times, window.end)?;
        let now = days.records_in(window);
        let before: Vec<Window> = (1..=params.windows)
            .rev()
            .map(|n| window.back(n))
            // Records rarely start at midnight.
            .filter(|window| window.start >= days.first.yesterday().unwrap_or(days.first))
            .filter(|window| !gaps.overlap(window))
            .collect();
        let expected = match expect_by_contract(now, window, expectation) {
            Some(expected) => Some(expected),
            None => expect_by_windows(&days, now, window, &before),
        };
        Some(Self {
            now,
            before: before
                .iter()
                .map(|window| days.records_in(window))
                .collect(),
            expected,
            silence_is_zero,
            noun: params.noun().to_string(),
        })
    }

    /// Returns true if there are fewer records than expected. A number below that of earlier
    /// windows is low only if it means that records are missing.
    pub(super) fn is_low(&self) -> bool {
        self.expected.is_some_and(|e| {
            let is_defect = e.basis == VolumeBasis::Contract || !self.silence_is_zero;
            is_defect && (self.now as f64) < e.low
        })
    }

    /// Returns true if there are more records than expected.
    pub(super) fn is_high(&self) -> bool {
        self.expected.is_some_and(|e| (self.now as f64) > e.high)
    }

    /// The volume component of the score. Many records reduce it only if the contract has a
    /// maximum.
    pub(super) fn share(&self) -> Option<f64> {
        let expected = self.expected?;
        let now = self.now as f64;
        Some(match expected.basis {
            _ if self.is_low() => (now / expected.mean).min(1.0),
            VolumeBasis::Contract if self.is_high() => (expected.mean / now).min(1.0),
            _ => 1.0,
        })
    }

    /// Describes the basis of the component.
    pub(super) fn basis(&self) -> String {
        let records = retrocast_domain::number::with_unit(self.now as f64, &self.noun);
        let Some(expected) = self.expected else {
            return format!(
                "{records}; {} before, four are needed",
                plural(self.before.len() as u64, "window")
            );
        };
        match expected.basis {
            VolumeBasis::Contract => {
                format!("{records}; the contract expects {}", expected.words())
            }
            VolumeBasis::Windows => format!(
                "{records}; {} expected from the {} before",
                expected.words(),
                plural(self.before.len() as u64, "window")
            ),
        }
    }
}

impl ExpectedVolume {
    /// Formats the expected range: "52 to 91", "at least 20".
    pub(super) fn words(&self) -> String {
        let (low, high) = (self.low.ceil() as i64, self.high.floor());
        match (low, high.is_finite()) {
            (low, true) => format!("{} to {}", integer(low), integer(high as i64)),
            (low, false) => format!("at least {}", integer(low)),
        }
    }

    /// Formats the mean.
    pub(super) fn mean_words(&self) -> String {
        sensible(if self.mean >= 10.0 {
            self.mean.round()
        } else {
            self.mean
        })
    }
}

/// Computes the limits of the contract for the whole window.
fn expect_by_contract(
    now: u64,
    window: &Window,
    expectation: &Expectation,
) -> Option<ExpectedVolume> {
    let days = f64::from(window.days());
    let (min, max) = (expectation.daily_records_min, expectation.daily_records_max);
    if min.is_none() && max.is_none() {
        return None;
    }
    let low = min.unwrap_or(0.0) * days;
    let high = max.map_or(f64::INFINITY, |max| max * days);
    Some(ExpectedVolume {
        basis: VolumeBasis::Contract,
        mean: if (now as f64) < low { low } else { high },
        low,
        high,
        p: None,
    })
}

/// Predicts the number of records from the same weekdays in earlier windows.
fn expect_by_windows(
    days: &Days,
    now: u64,
    window: &Window,
    before: &[Window],
) -> Option<ExpectedVolume> {
    let (mut sums, mut lengths) = ([0.0; 7], [0.0; 7]);
    for window in before {
        for day in days_of(window) {
            sums[weekday_index(day)] += days.records_on(day) as f64;
            lengths[weekday_index(day)] += 1.0;
        }
    }
    let usual = |window: &Window| -> f64 {
        let mean = |day: Date| {
            let weekday = weekday_index(day);
            if lengths[weekday] > 0.0 {
                sums[weekday] / lengths[weekday]
            } else {
                0.0
            }
        };
        days_of(window).map(mean).sum()
    };
    let counts: Vec<(f64, f64)> = before
        .iter()
        .map(|window| (days.records_in(window) as f64, usual(window)))
        .collect();
    let distribution = CountDistribution::predict(&counts, usual(window))?;
    let [low, high] = distribution.interval(LEVEL);
    Some(ExpectedVolume {
        basis: VolumeBasis::Windows,
        mean: distribution.mean,
        low,
        high,
        p: Some(distribution.p(now as f64)),
    })
}

fn weekday_index(day: Date) -> usize {
    day.weekday().since(Weekday::Monday) as usize
}

fn days_of(window: &Window) -> impl Iterator<Item = Date> {
    let end = window.end;
    window
        .start
        .series(jiff::Span::new().days(1))
        .take_while(move |day| *day < end)
}

/// Number of records on each day before the window's end.
struct Days {
    first: Date,
    counts: Vec<u64>,
}

impl Days {
    fn count(times: &Times, end: Date) -> Option<Self> {
        let counts = times.counts().iter();
        let by_day = counts.map(|(time, count)| (time.date(), count));
        let by_day = || by_day.clone().take_while(|(day, _)| *day < end);
        let (first, _) = by_day().next()?;
        let length = (end - first).get_days().max(0) as usize;
        let mut counts = vec![0; length];
        for (day, records) in by_day() {
            if let Some(count) = counts.get_mut((day - first).get_days().max(0) as usize) {
                *count += records;
            }
        }
        Some(Self { first, counts })
    }

    fn records_on(&self, day: Date) -> u64 {
        let index = usize::try_from((day - self.first).get_days()).ok();
        index
            .and_then(|index| self.counts.get(index).copied())
            .unwrap_or(0)
    }

    fn records_in(&self, window: &Window) -> u64 {
        days_of(window).map(|day| self.records_on(day)).sum()
    }
}
