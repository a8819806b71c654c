//! Records of a dataset as one series a group: a value for each day, week or month.
//!
//! Shared by the stages that look along time. It also decides which periods are whole: a month in
//! which the records begin or end has fewer of them for no reason of its own.

use crate::{Context, Input, StageError, frame};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use retrocast_domain::{
    Evidence,
    number::{self, plural},
    window::{long, month_name},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Length of the periods of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    /// Civil days.
    Day,
    /// ISO weeks, from Monday.
    Week,
    /// Calendar months.
    Month,
}

impl Period {
    /// First day of the period that holds `day`.
    fn start(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => day - i64::from(day.weekday().to_monday_zero_offset()).days(),
            Self::Month => day.first_of_month(),
        }
    }

    /// First day of the period after the one that begins on `start`.
    fn next(self, start: Date) -> Date {
        let next = match self {
            Self::Day => start.checked_add(1.day()),
            Self::Week => start.checked_add(7.days()),
            Self::Month => start.checked_add(1.month()),
        };
        next.unwrap_or(Date::MAX)
    }

    /// The noun: "day".
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// A period in words: "12 October 2026", "the week of 12 October 2026", "January 2026".
    pub(crate) fn words(self, start: Date) -> String {
        match self {
            Self::Day => long(start),
            Self::Week => format!("the week of {}", long(start)),
            Self::Month => format!("{} {}", month_name(start), start.year()),
        }
    }

    /// The same with its preposition: "on 12 October 2026", "in January 2026".
    pub(crate) fn when(self, start: Date) -> String {
        let preposition = if self == Self::Day { "on" } else { "in" };
        format!("{preposition} {}", self.words(start))
    }

    /// Positions after which the series repeats itself: 7 for days.
    pub(crate) fn season(self) -> usize {
        if self == Self::Day { 7 } else { 1 }
    }
}

/// What is made of the records of one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// Their number.
    Count,
    /// The sum of the value column.
    Sum,
    /// Its mean.
    Mean,
    /// Its median.
    Median,
}

/// What to do with periods that the records cover in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartPeriods {
    /// Leave them out: they are low for no reason of their own.
    LeaveOut,
    /// Keep them, and say so.
    Keep,
}

/// What series to make.
pub(crate) struct Request<'a> {
    pub(crate) time: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) by: &'a [String],
    pub(crate) aggregate: Aggregate,
    pub(crate) period: Period,
    pub(crate) part_periods: PartPeriods,
    pub(crate) periods_max: usize,
    pub(crate) groups_max: usize,
    pub(crate) measure: Option<&'a str>,
}

/// The series of one group.
pub(crate) struct Group {
    /// Values of the `by` columns, or "all".
    pub(crate) label: String,
    /// "component = billing", or "all".
    pub(crate) subject: String,
    /// One value a period; `None` where there is nothing to make one from.
    pub(crate) values: Vec<Option<f64>>,
    /// The same with the periods at the ends that are not whole.
    pub(crate) with_parts: Vec<Option<f64>>,
    /// Records behind it.
    pub(crate) records: u64,
}

/// The series of a dataset.
pub(crate) struct SeriesSet {
    /// First day of each period.
    pub(crate) starts: Vec<Date>,
    /// Periods at the front of `with_parts` that `values` do not have.
    pub(crate) parts_before: usize,
    /// Groups, by label.
    pub(crate) groups: Vec<Group>,
    /// What is measured, in words: "tickets per day".
    pub(crate) measure: String,
    /// Length of the periods.
    pub(crate) period: Period,
    /// Where the numbers come from.
    pub(crate) evidence: Evidence,
    /// What a careful reader must know.
    pub(crate) caveats: Vec<String>,
}

impl SeriesSet {
    /// The time of each period, for charts.
    pub(crate) fn times(&self) -> Vec<DateTime> {
        self.starts.iter().map(|day| day.at(0, 0, 0, 0)).collect()
    }

    /// "2026-08-03 to 2026-11-15".
    pub(crate) fn dates(&self) -> String {
        match (self.starts.first(), self.starts.last()) {
            (Some(first), Some(last)) => {
                let end = self.period.next(*last).yesterday().unwrap_or(*last);
                format!("{first} to {end}")
            }
            _ => String::new(),
        }
    }

    /// "not enough: have 9 days, need 21", and what to do.
    pub(crate) fn not_enough(&self, need: usize) -> String {
        format!(
            "not enough: have {}, need {need}; run it again when there are more, or take a shorter \
             period than {}s",
            plural(self.starts.len() as u64, self.period.noun()),
            self.period.noun(),
        )
    }
}

/// One record that has a time.
struct Row {
    day: Date,
    group: usize,
    value: f64,
}

/// Makes the series of all groups.
pub(crate) fn collect(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
) -> Result<SeriesSet, StageError> {
    let (rows, labels, timeless) = rows(context, input, request)?;
    let mut caveats = Vec::new();
    if timeless > 0 {
        let records = plural(timeless, "record");
        caveats.push(format!(
            "{records} without a time or value in the period are not counted."
        ));
    }
    let evidence = Evidence {
        dataset: input.dataset.name.clone(),
        version: input.dataset.version,
        filter: None,
    };
    let mut set = SeriesSet {
        starts: Vec::new(),
        parts_before: 0,
        groups: Vec::new(),
        measure: measure(input, request),
        period: request.period,
        evidence,
        caveats,
    };
    let Some(span) = Span::of(&rows, context, request) else {
        return Ok(set);
    };
    let starts = span.starts.clone();
    let whole = span.whole(request.part_periods, &mut set.caveats);
    let chosen = largest_groups(&rows, &labels, request.groups_max, &mut set.caveats);
    let mut cells: BTreeMap<usize, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    for row in &rows {
        let position = starts.partition_point(|start| *start <= row.day);
        if position > 0 && row.day < span.end && chosen.contains_key(&row.group) {
            let group = cells.entry(row.group).or_default();
            group.entry(position - 1).or_default().push(row.value);
        }
    }
    for (group, mut cells) in cells {
        let with_parts: Vec<Option<f64>> = (0..starts.len())
            .map(|i| made_of(request.aggregate, cells.get_mut(&i).map(Vec::as_mut_slice)))
            .collect();
        let label = labels[group].clone();
        set.groups.push(Group {
            subject: subject(request.by, &label),
            label,
            values: with_parts[whole.clone()].to_vec(),
            with_parts,
            records: cells.values().map(|values| values.len() as u64).sum(),
        });
    }
    set.groups.sort_by(|a, b| a.label.cmp(&b.label));
    set.parts_before = whole.start;
    set.starts = starts[whole].to_vec();
    Ok(set)
}

/// "component = billing", or "all".
fn subject(by: &[String], label: &str) -> String {
    if by.is_empty() {
        "all".to_string()
    } else {
        format!("{} = {label}", by.join(" / "))
    }
}

/// What is measured: "tickets per day", "median minutes".
fn measure(input: &Input, request: &Request<'_>) -> String {
    let spoken = |name: &str| name.replace('_', " ");
    let noun = request.period.noun();
    let named = request.measure.map(str::to_string);
    let value = request.value.map_or_else(|| "values".to_string(), spoken);
    match request.aggregate {
        Aggregate::Count | Aggregate::Sum => {
            let counted = if request.aggregate == Aggregate::Sum {
                value
            } else {
                spoken(&input.dataset.name)
            };
            format!("{} per {noun}", named.unwrap_or(counted))
        }
        Aggregate::Mean => named.unwrap_or_else(|| format!("mean {value}")),
        Aggregate::Median => named.unwrap_or_else(|| format!("median {value}")),
    }
}

/// Rows that have a time before the window's end (and a value when one is needed), the labels that
/// their groups stand for, and the number of rows without.
fn rows(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
) -> Result<(Vec<Row>, Vec<String>, u64), StageError> {
    let time = request.time.or(input.time.as_deref()).ok_or_else(|| {
        StageError::Other(format!(
            "dataset {:?} names no time column; name one with `time`",
            input.dataset.name
        ))
    })?;
    let needs_value = request.aggregate != Aggregate::Count;
    let values = match (needs_value, request.value) {
        (false, _) => vec![Some(1.0); input.frame.height()],
        (true, Some(value)) => frame::numbers(input, value)?,
        (true, None) => {
            let message = "this aggregate needs a `value` column; without one use \"count\"";
            return Err(StageError::Other(message.to_string()));
        }
    };
    let days = frame::days(input, time, &context.window.timezone)?;
    let texts = frame::groups(input, request.by)?;
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let (mut rows, mut timeless) = (Vec::with_capacity(days.len()), 0);
    for ((day, value), text) in days.into_iter().zip(values).zip(texts) {
        match (day, value.filter(|value| value.is_finite())) {
            (Some(day), Some(value)) if day < context.window.end => {
                let next = known.len();
                let group = *known.entry(text).or_insert(next);
                rows.push(Row { day, group, value });
            }
            (Some(day), _) if day >= context.window.end => {}
            _ => timeless += 1,
        }
    }
    let mut labels = vec![String::new(); known.len()];
    for (label, group) in known {
        labels[group] = label;
    }
    Ok((rows, labels, timeless))
}

/// The periods between the first and the last record.
struct Span {
    starts: Vec<Date>,
    end: Date,
    first_is_part: bool,
    last_is_part: bool,
    period: Period,
    last_record: Date,
    window_end: Date,
}

/// Chance below which a silence counts as "there are no records" instead of "nothing happened".
const SILENCE: f64 = 0.01;

impl Span {
    fn of(rows: &[Row], context: &Context, request: &Request<'_>) -> Option<Self> {
        let mut active: Vec<Date> = rows.iter().map(|row| row.day).collect();
        active.sort_unstable();
        active.dedup();
        let (first, last) = (*active.first()?, *active.last()?);
        let window_end = context.window.end;
        let end = if is_silent(&active, days_between(last, window_end) - 1, true) {
            last.tomorrow().ok()?
        } else {
            window_end
        };
        let period = request.period;
        let mut starts = Vec::new();
        let mut start = period.start(end.yesterday().ok()?);
        let front = period.start(first);
        while start >= front && starts.len() < request.periods_max.max(1) {
            starts.push(start);
            start = period.start(start.yesterday().ok()?);
        }
        starts.reverse();
        let begins_at_front = starts.first() == Some(&front);
        let before = days_between(front, first);
        Some(Self {
            first_is_part: begins_at_front && is_silent(&active, before, false),
            last_is_part: starts.last().is_some_and(|start| period.next(*start) > end),
            starts,
            end,
            period,
            last_record: last,
            window_end,
        })
    }

    /// Positions to look at, and what to tell the reader.
    fn whole(
        &self,
        part_periods: PartPeriods,
        caveats: &mut Vec<String>,
    ) -> std::ops::Range<usize> {
        let silent = days_between(self.last_record, self.window_end) - 1;
        if self.end < self.window_end {
            let days = plural(silent.unsigned_abs(), "day");
            let last = long(self.last_record);
            caveats.push(format!(
                "Records end on {last}, {days} before the window does."
            ));
        }
        let n = self.starts.len();
        let mut parts = Vec::new();
        if self.first_is_part {
            parts.push(self.period.words(self.starts[0]));
        }
        if self.last_is_part && n > usize::from(self.first_is_part) {
            parts.push(self.period.words(self.starts[n - 1]));
        }
        if parts.is_empty() {
            return 0..n;
        }
        let (names, verb) = (
            number::list(&parts),
            if parts.len() == 1 { "is" } else { "are" },
        );
        if part_periods == PartPeriods::Keep {
            caveats.push(format!(
                "Records cover {names} in part; kept as the job file asks."
            ));
            return 0..n;
        }
        caveats.push(format!("Records cover {names} in part; {verb} left out."));
        let start = usize::from(self.first_is_part).min(n);
        start..n.saturating_sub(usize::from(self.last_is_part)).max(start)
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// Whether `days` without a record are too many to be chance, given the share of days with records
/// among the 60 nearest to the silence.
fn is_silent(active: &[Date], days: i64, at_end: bool) -> bool {
    if days <= 0 {
        return false;
    }
    let near = |day: &&Date| match (at_end, active.first(), active.last()) {
        (true, _, Some(last)) => days_between(**day, *last) < 60,
        (false, Some(first), _) => days_between(*first, **day) < 60,
        _ => false,
    };
    let span = match (active.first(), active.last()) {
        (Some(first), Some(last)) => (days_between(*first, *last) + 1).min(60),
        _ => return false,
    };
    let share = active.iter().filter(near).count() as f64 / span as f64;
    (1.0 - share).max(0.0).powf(days as f64) < SILENCE
}

/// The groups with the most records.
fn largest_groups(
    rows: &[Row],
    labels: &[String],
    groups_max: usize,
    caveats: &mut Vec<String>,
) -> BTreeMap<usize, u64> {
    let mut sizes: BTreeMap<usize, u64> = BTreeMap::new();
    for row in rows {
        *sizes.entry(row.group).or_default() += 1;
    }
    let mut order: Vec<(usize, u64)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| labels[a.0].cmp(&labels[b.0])));
    let left = order.len().saturating_sub(groups_max);
    if left > 0 {
        let kept = plural(groups_max as u64, "largest group");
        caveats.push(format!(
            "Only the {kept} were looked at; {left} smaller ones were not."
        ));
    }
    order.into_iter().take(groups_max).collect()
}

/// The value of one period.
fn made_of(aggregate: Aggregate, values: Option<&mut [f64]>) -> Option<f64> {
    match (aggregate, values) {
        (Aggregate::Count | Aggregate::Sum, None) => Some(0.0),
        (_, None) => None,
        (Aggregate::Count, Some(values)) => Some(values.len() as f64),
        (Aggregate::Sum, Some(values)) => Some(values.iter().sum()),
        (Aggregate::Mean, Some(values)) => Some(values.iter().sum::<f64>() / values.len() as f64),
        (Aggregate::Median, Some(values)) => {
            values.sort_by(f64::total_cmp);
            let n = values.len();
            Some(f64::midpoint(values[(n - 1) / 2], values[n / 2]))
        }
    }
}

/// A sentence's first letter in upper case.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// " of billing" for a group, nothing for all.
pub(crate) fn of_group(by: &[String], label: &str) -> String {
    if by.is_empty() {
        String::new()
    } else {
        format!(" of {label}")
    }
}

/// A seed of its own for a group, whatever other groups there are (FNV-1a).
pub(crate) fn group_seed(seed: u64, label: &str) -> u64 {
    label
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Name of a chart, unique in the report and fit for a file name.
pub(crate) fn chart_id(stage: &str, what: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    format!("{stage}-{what}")
        .to_lowercase()
        .chars()
        .map(safe)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use polars::prelude::*;
    use retrocast_domain::{DatasetRef, Window, WindowSpec};

    /// Seeded noise for tests.
    pub(crate) struct Noise(pub(crate) u64);

    impl Noise {
        /// Uniform in 0..1 (`SplitMix64`).
        pub(crate) fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }

        /// Nearly standard normal: a sum of twelve.
        pub(crate) fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
        }

        pub(crate) fn poisson(&mut self, mean: f64) -> usize {
            let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
            while product > limit {
                product *= self.uniform();
                count += 1;
            }
            count
        }
    }

    /// A stage called "test" whose window is the week before `date`.
    pub(crate) fn context(date: &str) -> Context {
        let window: Window = WindowSpec::Week.last_complete(date.parse().expect("a date"), "UTC");
        Context {
            stage: "test".to_string(),
            title: String::new(),
            window,
            compare: Vec::new(),
            seed: 7,
        }
    }

    /// A dataset at version 3 with the time column "at" when it has one.
    pub(crate) fn input(name: &str, frame: DataFrame) -> Input {
        let time = frame.column("at").is_ok().then(|| "at".to_string());
        let rows = frame.height() as u64;
        let dataset = DatasetRef {
            name: name.to_string(),
            version: 3,
            rows,
        };
        Input {
            frame,
            dataset,
            source: None,
            time,
        }
    }

    /// A time column from civil times in UTC.
    pub(crate) fn times(name: &str, times: &[DateTime]) -> Column {
        let zone = jiff::tz::TimeZone::UTC;
        let micros: Vec<i64> = times
            .iter()
            .map(|time| zone.to_timestamp(*time).expect("a time").as_microsecond())
            .collect();
        let column = Column::new(name.into(), micros);
        let dtype =
            DataType::Datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC));
        column.cast(&dtype).expect("times")
    }

    /// Records, `count(day, group)` a day for each group.
    pub(crate) fn records(
        first: &str,
        days: usize,
        groups: &[&str],
        mut count: impl FnMut(usize, &str) -> usize,
    ) -> DataFrame {
        let first: Date = first.parse().expect("a date");
        let (mut at, mut component) = (Vec::new(), Vec::new());
        for day in 0..days {
            for group in groups {
                for i in 0..count(day, group) {
                    let date = first + (day as i64).days();
                    at.push(date.at((i % 24) as i8, (i / 24 % 60) as i8, 0, 0));
                    component.push((*group).to_string());
                }
            }
        }
        let component = Column::new("component".into(), component);
        DataFrame::new(at.len(), vec![times("at", &at), component]).expect("a frame")
    }

    fn request(period: Period, part_periods: PartPeriods) -> Request<'static> {
        Request {
            time: None,
            value: None,
            by: &[],
            aggregate: Aggregate::Count,
            period,
            part_periods,
            periods_max: 366,
            groups_max: 50,
            measure: None,
        }
    }

    #[test]
    fn part_periods_are_left_out_or_kept() {
        let frame = records("2026-07-20", 80, &["a"], |_, _| 2);
        let set = |part| {
            let request = request(Period::Month, part);
            collect(
                &context("2026-10-12"),
                &input("tickets", frame.clone()),
                &request,
            )
            .expect("a set")
        };
        // The window ends on 12 October; records end on 7 October, four days before.
        let whole = set(PartPeriods::LeaveOut);
        assert_eq!(whole.starts.len(), 2, "{:?}", whole.starts);
        assert_eq!(whole.groups[0].values, [Some(62.0), Some(60.0)]);
        assert_eq!(
            whole.groups[0].with_parts,
            [Some(24.0), Some(62.0), Some(60.0), Some(14.0)]
        );
        assert_eq!(whole.measure, "tickets per month");
        assert_eq!(whole.dates(), "2026-08-01 to 2026-09-30");
        assert_eq!(set(PartPeriods::Keep).groups[0].values.len(), 4);
        assert!(
            whole
                .caveats
                .iter()
                .any(|c| c.contains("July 2026 and October 2026")),
            "{:?}",
            whole.caveats
        );
    }

    #[test]
    fn a_quiet_weekend_is_zero_but_the_end_of_records_is_the_end() {
        let weekdays = |day: usize| if day % 7 < 5 { 3 } else { 0 };
        let monday = "2026-08-03";
        let set = |days: usize| {
            let frame = records(monday, days, &["a"], |day, _| weekdays(day));
            let request = request(Period::Day, PartPeriods::LeaveOut);
            collect(&context("2026-10-12"), &input("tickets", frame), &request).expect("a set")
        };
        // The last complete week ends on Sunday 11 October, 70 days after the first Monday.
        assert_eq!(set(70).starts.len(), 70);
        assert_eq!(set(70).groups[0].values[68..], [Some(0.0), Some(0.0)]);
        assert_eq!(set(54).starts.len(), 54);
    }

    #[test]
    fn groups_have_their_subjects_and_the_smallest_are_left_out() {
        let frame = records("2026-09-01", 30, &["a", "b", "c"], |_, group| match group {
            "a" => 1,
            "b" => 3,
            _ => 2,
        });
        let by = ["component".to_string()];
        let mut request = request(Period::Week, PartPeriods::LeaveOut);
        request.by = &by;
        request.groups_max = 2;
        let set =
            collect(&context("2026-10-05"), &input("tickets", frame), &request).expect("a set");
        let subjects: Vec<&str> = set.groups.iter().map(|g| g.subject.as_str()).collect();
        assert_eq!(subjects, ["component = b", "component = c"]);
        assert_eq!(set.groups[0].records, 90);
        assert!(
            set.caveats.iter().any(|c| c.contains("largest groups")),
            "{:?}",
            set.caveats
        );
    }

    #[test]
    fn a_missing_time_column_is_told() {
        let frame = df!("n" => [1i64]).expect("a frame");
        let request = request(Period::Day, PartPeriods::LeaveOut);
        let error = collect(&context("2026-10-05"), &input("tickets", frame), &request).err();
        assert!(
            error
                .expect("an error")
                .to_string()
                .contains("names no time column")
        );
    }
}
