//! The period that the records of a dataset cover.
//!
//! A period in which the records begin or end has too few records; it is incomplete and must not be
//! compared with complete periods. A silence before the first record or after the last is compared
//! with the same hours of the neighbouring weeks: if those hours had so many records that none is
//! improbable (predictive negative binomial distribution, [`chance_of_none`]), the records had not
//! begun yet, or had ended. They had also ended if the delivery stopped by the pattern of its days
//! ([`Silence`]), which few records a week are sufficient for. Whole days in between on which records are missing
//! ([`MissingDays`]) are not covered either. If the source's contract declares `silence = "zero"`,
//! a silence after the first record is never missing records.

use super::{
    missing::{MissingDays, chance_of_none},
    period::Period,
    silence::Silence,
};
use crate::{
    Context, Input, StageError,
    times::{Resolution, Times},
};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use retrocast_domain::{
    Window,
    number::plural,
    window::{date_in_words, range},
};

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;
/// Number of recent weeks none of which may have the silence at the end of the records, and number of
/// weeks that define its probability: a year, as in `quality`.
const WEEKS_RECENT: usize = 8;
const WEEKS_COMPARED: i64 = 52;
/// Probability of a silence below which it is not chance, as in `quality`.
const CHANCE_MAX: f64 = 0.005;
/// Number of standard deviations of a period below which missing records are negligible.
const DEVIATION_MIN: f64 = 0.5;
/// Maximum number of silences that caveats name.
const SILENCES_NAMED: usize = 3;

/// The covered period of records.
pub(crate) struct Coverage {
    /// Distinct times of the records in local seconds, ascending, with the cumulative number of
    /// records.
    seconds: Vec<(i64, u64)>,
    first: DateTime,
    last: DateTime,
    window_end: DateTime,
    /// End of the last complete day, if times are days in another zone that end after the window.
    bucket_end: Option<DateTime>,
    /// Time up to which the absence of records means that nothing happened, if the source declares
    /// it.
    complete_until: Option<DateTime>,
    /// True if the pattern of days with records does not explain the silence at the window's end.
    is_stopped: bool,
    /// Whole days on which records are missing, in order.
    missing: Vec<MissingDays>,
    resolution: Resolution,
    /// Note on isolated records that were excluded from the history.
    isolated: Option<String>,
    /// Noun for the records from which these were selected, and the first day of the selected
    /// records.
    selected: Option<(String, Date)>,
}

/// The first whole day without records, if records of an input with times are missing from there to the
/// window's end.
pub(crate) fn missing_from(context: &Context, input: &Input) -> Result<Option<Date>, StageError> {
    let Some(time) = &input.time else {
        return Ok(None);
    };
    let coverage = Coverage::of_input(input, time, &context.window)?;
    Ok(coverage.and_then(|coverage| coverage.missing_from()))
}

/// Local time in seconds: only differences matter.
fn seconds(time: DateTime) -> i64 {
    TimeZone::UTC
        .to_timestamp(time)
        .map_or(0, jiff::Timestamp::as_second)
}

impl Coverage {
    /// The covered period of a dataset's records, from their times in a column and the declared
    /// completeness of the source; `None` without records before the window's end. For selected
    /// records, it is the period of the records from which they were selected: while those
    /// continue, the absence of selected records means zero, not missing.
    pub(crate) fn of_input(
        input: &Input,
        time: &str,
        window: &Window,
    ) -> Result<Option<Self>, StageError> {
        let selected = input.selected_from.as_ref();
        let selected = selected.filter(|(column, _)| column == time);
        let own = input.times(time, &window.timezone)?;
        let first = own.counts().first().map(|(time, _)| time.date());
        let (times, selected) =
            match selected.and_then(|(_, all)| Some((all, all.time.as_deref()?))) {
                Some((all, time)) => (
                    all.times(time, &window.timezone)?,
                    first.map(|first| (all.noun(), first)),
                ),
                None => (own, None),
            };
        Ok(Self::from_times(&times, window).map(|coverage| Self {
            complete_until: input.complete_until,
            missing: match input.complete_until {
                Some(_) => Vec::new(),
                None => coverage.missing,
            },
            selected,
            ..coverage
        }))
    }

    /// The covered period before the window's end, from times only; `None` without records.
    pub(crate) fn from_times(times: &Times, window: &Window) -> Option<Self> {
        let window_end = window.end.at(0, 0, 0, 0);
        let counts = times.counts();
        let sorted = &counts[..counts.partition_point(|(time, _)| *time < window_end)];
        let begin = history_start(sorted, seconds(window_end));
        let isolated = (begin > 0).then(|| {
            let left_out: u64 = sorted[..begin].iter().map(|(_, count)| count).sum();
            let records = plural(left_out, "record");
            let (from, to) = (sorted[0].0.date(), sorted[begin - 1].0.date());
            let when = if from == to {
                format!("of {}", date_in_words(from))
            } else {
                format!("from {}", range(from, to))
            };
            let verb = if left_out == 1 { "is" } else { "are" };
            format!(
                "{records} {when} {verb} left out: long before all others, which begin on {}.",
                date_in_words(sorted[begin].0.date())
            )
        });
        let (first, last) = (sorted.get(begin)?.0, sorted.last()?.0);
        let mut records = 0;
        let bucket_end = (times.resolution == Resolution::DayOfUtc)
            .then(|| TimeZone::UTC.to_datetime(window.end_instant()).date())
            .filter(|day| *day < window.end)
            .map(|day| day.at(0, 0, 0, 0));
        Some(Self {
            seconds: sorted[begin..]
                .iter()
                .map(|(time, count)| {
                    records += count;
                    (seconds(*time), records)
                })
                .collect(),
            first,
            last,
            window_end,
            bucket_end,
            complete_until: None,
            is_stopped: Silence::measure(times, window, None, false)
                .is_some_and(|silence| silence.is_quiet()),
            missing: MissingDays::find(&sorted[begin..]),
            resolution: times.resolution,
            isolated,
            selected: None,
        })
    }

    /// Time of the first record, without isolated records.
    pub(crate) fn first(&self) -> DateTime {
        self.first
    }

    /// Time of the last record.
    pub(crate) fn last(&self) -> DateTime {
        self.last
    }

    /// The note on isolated records that were excluded.
    pub(crate) fn isolated(&self) -> Option<&str> {
        self.isolated.as_deref()
    }

    /// Returns true if times have an hour.
    pub(crate) fn has_hours(&self) -> bool {
        self.resolution == Resolution::Moment
    }

    /// Time up to which the absence of records means that nothing happened, if the source declares
    /// it.
    pub(crate) fn complete_until(&self) -> Option<DateTime> {
        self.complete_until
    }

    /// Whole days between the first and the last record on which records are missing, in order.
    pub(crate) fn missing(&self) -> &[MissingDays] {
        &self.missing
    }

    /// Share of the usual number of records from one time to before another that is not on missing
    /// days: 1 without missing days.
    pub(crate) fn observed_share(&self, from: DateTime, to: DateTime) -> f64 {
        let missing = self.missing.iter();
        let missing: f64 = missing
            .map(|days| days.usual_between(from.date(), to))
            .sum();
        if missing <= 0.0 {
            return 1.0;
        }
        let observed = self.count_between(seconds(from), seconds(to));
        observed / (observed + missing)
    }

    /// The latest possible end of the covered period.
    fn limit(&self) -> DateTime {
        self.bucket_end.unwrap_or(self.window_end)
    }

    /// The time after which there are no records.
    fn silence_start(&self) -> DateTime {
        match self.resolution {
            Resolution::Moment => self.last,
            Resolution::Day | Resolution::DayOfUtc => next_day(self.last.date()),
        }
    }

    /// The end of the covered period, for periods of length `period`: the declared completeness of
    /// the source; or else the window's end; or, if a silence before that is significant, the end
    /// of the last record's period if that is complete, else the last record.
    pub(crate) fn end(&self, period: Period) -> DateTime {
        let (end, silence) = (self.limit(), self.silence_start());
        if let Some(until) = self.complete_until {
            return until.max(silence).min(end);
        }
        if silence >= end || !self.is_missing_at_end(end, period) {
            return end;
        }
        let boundary = period.after(period.floor(self.last), 1);
        if boundary > silence && (boundary > end || self.is_missing_at_end(boundary, period)) {
            silence
        } else {
            boundary
        }
    }

    /// Returns true if the records reach the latest possible end.
    pub(crate) fn is_complete(&self) -> bool {
        self.end(Period::Day) == self.limit()
    }

    /// The first whole day without records, if records are missing from there to the window's end.
    pub(crate) fn missing_from(&self) -> Option<Date> {
        let end = self.end(Period::Day);
        let day = if end == end.date().at(0, 0, 0, 0) {
            end.date()
        } else {
            next_day(end.date()).date()
        };
        (!self.is_complete() && day < self.limit().date()).then_some(day)
    }

    /// The day after the last completely covered day.
    pub(crate) fn end_day(&self) -> Date {
        self.end(Period::Day).date()
    }

    /// The first completely covered day.
    pub(crate) fn first_day(&self) -> Date {
        let day = self.first.date();
        if self.covers_first_period(day.at(0, 0, 0, 0), Period::Day) {
            day
        } else {
            day.tomorrow().unwrap_or(day)
        }
    }

    /// Returns true if the records cover the whole period that begins at `start` and contains the
    /// first record.
    pub(crate) fn covers_first_period(&self, start: DateTime, period: Period) -> bool {
        let first = match self.resolution {
            Resolution::Moment => self.first,
            Resolution::Day | Resolution::DayOfUtc => self.first.date().at(0, 0, 0, 0),
        };
        first <= start || !self.is_missing(start, first, period, false)
    }

    /// Returns true if records are missing in the silence from the last record to `to`.
    fn is_missing_at_end(&self, to: DateTime, period: Period) -> bool {
        (self.is_stopped && to >= self.limit())
            || self.is_missing(self.silence_start(), to, period, true)
    }

    /// Returns true if records are missing in the silence from `from` to `to`.
    fn is_missing(&self, from: DateTime, to: DateTime, period: Period, at_end: bool) -> bool {
        let (from, to) = (seconds(from), seconds(to));
        // The last record itself is not part of the silence after it.
        let from = from + i64::from(at_end && self.resolution == Resolution::Moment);
        let length = to - from;
        let (begin, end) = (seconds(self.first), seconds(self.last));
        let sign = if at_end { -1 } else { 1 };
        let counts_at = |step: i64, limit: i64| -> Vec<f64> {
            (1..=limit)
                .map(|n| sign * n * step)
                .take_while(|shift| {
                    if at_end {
                        from + shift >= begin
                    } else {
                        to + shift <= end + 1
                    }
                })
                .map(|shift| self.count_between(from + shift, to + shift))
                .collect()
        };
        let mut counts = counts_at(WEEK * (length + WEEK - 1).div_euclid(WEEK), WEEKS_COMPARED);
        if counts.len() < 2 && length <= DAY {
            counts = counts_at(DAY, WEEKS_COMPARED);
        }
        if counts.is_empty() {
            return false;
        }
        let recent = &counts[..counts.len().min(WEEKS_RECENT)];
        let n = recent.len() as f64;
        let expected = recent.iter().sum::<f64>() / n;
        let silent = recent.iter().filter(|count| **count == 0.0).count() as f64;
        let records = self.seconds.last().map_or(0, |(_, records)| *records);
        let usual = records as f64 / (end - begin + 1).max(period.seconds()) as f64
            * period.seconds() as f64;
        // The report covers the end of the window, so it is excluded only if no recent week had
        // such a silence.
        let silent_max = if at_end { 0.0 } else { 0.25 };
        chance_of_none(&counts) < CHANCE_MAX
            && expected >= DEVIATION_MIN * usual.sqrt()
            && silent <= silent_max * n
    }

    /// Number of records from one time to before another.
    fn count_between(&self, from: i64, to: i64) -> f64 {
        let before = |time: i64| {
            let index = self.seconds.partition_point(|(other, _)| *other < time);
            index.checked_sub(1).map_or(0, |last| self.seconds[last].1)
        };
        (before(to) - before(from)) as f64
    }

    /// Caveats about start and end.
    pub(crate) fn caveats(&self, period: Period) -> Vec<String> {
        let mut caveats: Vec<String> = self.isolated.iter().cloned().collect();
        let first_day = self.first.date();
        let period_start = |day: Date| period.floor(day.at(0, 0, 0, 0));
        if let Some((all, first)) = self.selected.as_ref()
            && period_start(*first) > period_start(first_day)
        {
            caveats.push(format!(
                "The {}s are counted from {}, the date of the first of all {all}; the first selected one \
                 is dated {}.",
                period.noun(),
                date_in_words(first_day),
                date_in_words(*first)
            ));
        }
        let (named, older) = {
            let split = self.missing.len().saturating_sub(SILENCES_NAMED);
            (&self.missing[split..], split)
        };
        caveats.extend(named.iter().rev().map(MissingDays::sentence));
        if older > 0 {
            let silences = plural(older as u64, "earlier silence");
            caveats.push(format!("Records are also missing in {silences}."));
        }
        let (end, silence) = (self.end(period), self.silence_start());
        if self.complete_until.is_some() && silence < end && self.is_missing_at_end(end, period) {
            caveats.push(format!(
                "No record after {}: counted as zero until {}, since the contract allows such a long \
                 gap.",
                date_in_words(self.last.date()),
                format_end(end)
            ));
        }
        if Some(end) == self.bucket_end {
            caveats.push(format!(
                "Times are whole days of UTC; {} ends after the window does and is left out.",
                date_in_words(end.date())
            ));
        } else if end < self.window_end && self.complete_until.is_some() {
            caveats.push(format!(
                "The source is complete until {}, before the window ends.",
                format_end(end)
            ));
        } else if end < self.window_end {
            let last = date_in_words(self.last.date());
            let whole_days = next_day(self.last.date())
                .date()
                .until(self.window_end.date());
            let whole_days = whole_days.map_or(0, |span| span.get_days().max(0));
            caveats.push(if whole_days > 0 {
                let days = plural(whole_days.unsigned_abs().into(), "day");
                format!("Records end on {last}, {days} before the window does.")
            } else {
                let (hour, minute) = (self.last.hour(), self.last.minute());
                format!("Records end on {last} at {hour:02}:{minute:02}, before the window does.")
            });
        }
        caveats
    }
}

/// Formats an end: "the end of 11 October 2026", or the minute within a day.
fn format_end(end: DateTime) -> String {
    let day = end.date();
    if end == day.at(0, 0, 0, 0) {
        return format!(
            "the end of {}",
            date_in_words(day.yesterday().unwrap_or(day))
        );
    }
    format!(
        "{}, {:02}:{:02}",
        date_in_words(day),
        end.hour(),
        end.minute()
    )
}

fn next_day(day: Date) -> DateTime {
    day.checked_add(1.day()).unwrap_or(Date::MAX).at(0, 0, 0, 0)
}

/// Index of the first time of the history: isolated records long before all others are excluded.
fn history_start(sorted: &[(DateTime, u64)], window_end: i64) -> usize {
    let mut days: Vec<ActiveDay> = Vec::new();
    let mut records = 0;
    for (position, (time, count)) in sorted.iter().enumerate() {
        let day = seconds(*time).div_euclid(DAY);
        if days.last().is_none_or(|last| last.day != day) {
            days.push(ActiveDay {
                day,
                position,
                before: records,
            });
        }
        records += count;
    }
    let end = window_end.div_euclid(DAY);
    let mut begin = 0;
    while let Some(skipped) = skip_isolated(&days[begin..], records, end) {
        begin += skipped;
    }
    days.get(begin).map_or(0, |day| day.position)
}

/// A day with records.
struct ActiveDay {
    /// Days since 1970.
    day: i64,
    /// Index of its first time.
    position: usize,
    /// Number of records before it.
    before: u64,
}

/// Index of the latest day before which there are only isolated records.
fn skip_isolated(days: &[ActiveDay], records: u64, end: i64) -> Option<usize> {
    /// Probability below which a silence is a gap.
    const CHANCE: f64 = 1e-4;
    /// Minimum number of days of a gap, and number of days from which a short history on either
    /// side is outweighed.
    const GAP: i64 = 14;
    const YEAR: i64 = 366;
    let first = days.first()?;
    (1..days.len()).rev().find(|i| {
        let (day, last) = (days[*i].day, days[i - 1].day);
        let gap = day - last - 1;
        let before = days[*i].before - first.before;
        let span_before = last - first.day + 1;
        let span_after = (end - day).max(1);
        let share = ((days.len() - i) as f64 / span_after as f64).min(1.0);
        let is_chance = (1.0 - share).powf(gap as f64) >= CHANCE;
        let is_little = before < 5 || before * 20 < records;
        gap >= GAP
            && ((is_little && !is_chance && span_before <= gap)
                || (gap >= YEAR && gap >= span_before + span_after))
    })
}

#[cfg(test)]
mod tests;
