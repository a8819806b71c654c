//! Aggregates records to one series per group: a value for each hour, day, week or month.
//!
//! Shared by the stages that analyse time series. All groups have the same axis: the periods that
//! the records cover completely ([`coverage`]). A day on which the records begin or end is left
//! out, because it has fewer records only for that reason. A group's values begin with its own
//! first record. In a period without records, counts and sums are 0 and other values are missing.
//! Days on which the records of the whole source are missing ([`missing`]) have no values; counts
//! and sums of weeks and months with such days are scaled to whole periods.

use crate::{
    Context, Input, StageError,
    frame::{self, Groups},
    rows::UnusableValues,
    times::Times,
};
use jiff::civil::{Date, DateTime};
use retrocast_domain::{
    Cell, CellStatus, Evidence,
    number::plural,
    window::{date_in_words, range},
};
use retrocast_stats::describe::median;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeFrom};

pub(crate) mod clock;
pub(crate) mod coverage;
mod exposure;
mod extremes;
pub(crate) mod missing;
pub(crate) mod need;
pub(crate) mod period;
pub(crate) mod silence;
mod span;
#[cfg(test)]
pub(crate) mod test_data;
#[cfg(test)]
mod tests;
pub(crate) mod words;
mod yearly;

use clock::ClockChanges;
use coverage::Coverage;
pub(crate) use extremes::Extremes;
use period::Period;
use span::Span;
use yearly::{first_shown, without_year};

/// Aggregate of the records of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// Number of records.
    Count,
    /// Sum of the value.
    Sum,
    /// Mean of the value.
    Mean,
    /// Median of the value.
    Median,
    /// Maximum of the value.
    Max,
}

impl Aggregate {
    /// The requested aggregate; by default the number of records without a value column, else
    /// `with_value`.
    pub(crate) fn or_default(
        aggregate: Option<Self>,
        value: Option<&str>,
        with_value: Self,
    ) -> Self {
        aggregate.unwrap_or(if value.is_some() {
            with_value
        } else {
            Self::Count
        })
    }

    fn value_of(self, tally: &Tally) -> f64 {
        match self {
            Self::Count => tally.records as f64,
            Self::Sum => tally.sum,
            Self::Mean => tally.sum / tally.records as f64,
            Self::Median => median(&tally.values),
            Self::Max => tally.max,
        }
    }
}

/// Share of the usual records of a period below which it is too incomplete to be scaled.
pub(crate) const OBSERVED_MIN: f64 = 0.5;

/// Treatment of periods that the records cover only in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartPeriods {
    /// Leave them out, because their values are too low.
    LeaveOut,
    /// Keep them, and report it.
    Keep,
}

/// The requested series.
pub(crate) struct Request<'a> {
    pub(crate) time: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) by: &'a [String],
    pub(crate) aggregate: Aggregate,
    pub(crate) period: Period,
    pub(crate) part_periods: PartPeriods,
    /// Maximum number of periods; the latest are kept.
    pub(crate) periods_max: usize,
    /// True to remove the season of the year where earlier years show one.
    pub(crate) without_year: bool,
    /// Maximum number of groups; the groups with the most records are kept.
    pub(crate) groups_max: usize,
    /// Name of the metric; by default from the column or dataset.
    pub(crate) measure: Option<&'a str>,
    /// Column and values of the records to use. Default: all records.
    pub(crate) filter: Option<(&'a str, &'a [String])>,
}

/// The series of one group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Values of the `by` columns, or "all".
    pub(crate) label: String,
    /// "component = billing", or "all".
    pub(crate) subject: String,
    /// One value per period; `None` for a missing value.
    pub(crate) values: Vec<Option<f64>>,
    /// The same, including the incomplete periods at both ends.
    pub(crate) with_parts: Vec<Option<f64>>,
    /// Number of records of each period of `values`.
    pub(crate) counts: Vec<f64>,
    /// The most extreme values of records, if there is a value column.
    pub(crate) extremes: Extremes,
    /// Number of records behind `values`.
    pub(crate) records: u64,
    /// Number of periods of `values` with records.
    pub(crate) active: usize,
    /// Time of the group's first record.
    pub(crate) first: DateTime,
}

impl Group {
    /// Number of periods with a value.
    pub(crate) fn known(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Index of the first value.
    pub(crate) fn first_known(&self) -> usize {
        self.values.iter().position(Option::is_some).unwrap_or(0)
    }
}

/// The series of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct SeriesSet {
    /// Length of the periods.
    pub(crate) period: Period,
    /// True if a period without records is zero.
    pub(crate) adds_up: bool,
    /// True if a value is the mean or median of the records of its period.
    pub(crate) averages: bool,
    /// Start of each period.
    pub(crate) starts: Vec<DateTime>,
    /// Number of incomplete periods at the start of `with_parts`.
    pub(crate) parts_before: usize,
    /// Groups, by label.
    pub(crate) groups: Vec<Group>,
    /// Name of the metric: "tickets per day".
    pub(crate) measure: String,
    /// Source of the numbers.
    pub(crate) evidence: Evidence,
    /// Limitations of the series.
    pub(crate) caveats: Vec<String>,
    /// Records with a time in the window.
    pub(crate) in_window: u64,
    /// The reason why there is nothing to analyse; `None` if there are series.
    pub(crate) empty_reason: Option<String>,
    /// The first whole day without records, if records are missing from there to the window's end.
    missing_from: Option<Date>,
}

impl SeriesSet {
    /// The day on which a period begins.
    pub(crate) fn day(&self, position: usize) -> Date {
        self.starts[position].date()
    }

    /// Index of the first period that does not begin before `day`.
    pub(crate) fn index_of(&self, day: Date) -> usize {
        let time = day.at(0, 0, 0, 0);
        self.starts.partition_point(|other| *other < time)
    }

    /// End of the last period; `None` without periods.
    pub(crate) fn end(&self) -> Option<DateTime> {
        let last = self.starts.last()?;
        Some(self.period.after(*last, 1))
    }

    /// First and last day from an index on; `None` without periods.
    fn days(&self, from: usize) -> Option<[Date; 2]> {
        let (first, last) = (self.starts.get(from)?, self.starts.last()?);
        Some([first.date(), self.period.last_day(*last)])
    }

    /// First and last day: "2026-08-03 to 2026-11-15".
    pub(crate) fn dates(&self) -> String {
        self.dates_from(0)
    }

    /// The same from an index on.
    pub(crate) fn dates_from(&self, from: usize) -> String {
        self.days(from)
            .map_or_else(String::new, |[first, last]| format!("{first} to {last}"))
    }

    /// The rows of a group in the periods `first` to `last`.
    pub(crate) fn evidence_on(&self, group: &Group, first: usize, last: usize) -> Evidence {
        let [first, last] = [first, last].map(|index| self.starts[index]);
        let period = match self.period {
            Period::Hour => format!("{} to {}", self.period.iso(first), self.period.iso(last)),
            period => format!("{} to {}", first.date(), period.last_day(last)),
        };
        self.evidence.on(&group.subject, &period)
    }

    /// First and last day from an index on in words: "3 August to 15 November 2026".
    pub(crate) fn dates_in_words(&self, from: usize) -> String {
        self.days(from)
            .map_or_else(String::new, |[first, last]| range(first, last))
    }

    /// Writes the common facts about records to a cell; returns false if there is nothing to
    /// analyse, with the reason in the cell's status.
    pub(crate) fn describe(&self, cell: &mut Cell) -> bool {
        cell.records = Some(self.in_window);
        cell.missing_from = self.missing_from;
        cell.caveats.clone_from(&self.caveats);
        if let Some(reason) = &self.empty_reason {
            cell.status = CellStatus::NotEnough {
                message: reason.clone(),
            };
        }
        self.empty_reason.is_none()
    }
}

/// The records of a group in a period.
#[derive(Default)]
struct Tally {
    records: u64,
    sum: f64,
    max: f64,
    /// The values themselves, if the median is requested.
    values: Vec<f64>,
}

impl Tally {
    fn add(&mut self, value: f64, keep_value: bool) {
        self.max = if self.records == 0 {
            value
        } else {
            self.max.max(value)
        };
        self.records += 1;
        self.sum += value;
        if keep_value {
            self.values.push(value);
        }
    }
}

/// The aggregated records of a group.
struct GroupTally {
    /// Number of the group among all groups of the dataset.
    number: usize,
    /// Number of its records since the start of the history.
    records: u64,
    /// Time of the first of these records.
    first: DateTime,
    /// True if all values are integers.
    is_count: bool,
    extremes: Extremes,
    /// Aggregates of each period with records.
    periods: BTreeMap<usize, Tally>,
}

/// The aggregated records of a dataset.
struct Tallies {
    /// Groups by label.
    groups: BTreeMap<String, GroupTally>,
    clock_changes: ClockChanges,
}

/// Builds the series of all groups.
pub(crate) fn collect(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
) -> Result<SeriesSet, StageError> {
    let time = frame::time_column(input, request.time)?;
    let times = input.times(time, &context.window.timezone)?;
    let mut set = SeriesSet {
        period: request.period,
        adds_up: request.aggregate.adds_up(),
        averages: request.aggregate.averages(),
        starts: Vec::new(),
        parts_before: 0,
        groups: Vec::new(),
        measure: words::measure_per(request, &input.noun()),
        evidence: Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: None,
        },
        caveats: Vec::new(),
        in_window: times.in_window(&context.window),
        empty_reason: None,
        missing_from: None,
    };
    let coverage = Coverage::of_input(input, time, &context.window)?;
    if let Some(reason) = need::reason_without_data(context, input, time, &times, coverage.as_ref())
    {
        set.empty_reason = Some(reason);
        return Ok(set);
    }
    let Some(coverage) = coverage else {
        return Ok(set);
    };
    if request.aggregate != Aggregate::Count && request.value.is_none() {
        return Err(StageError::Other(
            "this aggregate needs a `value` column; without one use \"count\"".to_string(),
        ));
    }
    let span = Span::new(&coverage, request);
    let reader = RecordReader {
        context,
        input,
        request,
        time,
        times: &times,
        coverage: &coverage,
        span: &span,
    };
    let mut tallies = reader.read(&mut set.caveats)?;
    if tallies.groups.is_empty() {
        let value = request.value.unwrap_or_default();
        set.empty_reason = Some(format!(
            "no value: none of the {} of {} with a time has a number in {value:?}; check the \
             column and its contract",
            plural(times.known(), "record"),
            input.dataset.name
        ));
        return Ok(set);
    }
    set.missing_from = coverage.missing_from();
    set.caveats.extend(coverage.caveats(request.period));
    if set.in_window == 0 {
        set.caveats.push(format!(
            "{}, {}.",
            words::capitalised(&context.window.spec.without_records()),
            context.window.words()
        ));
    }
    let complete = span.complete_periods(request, &mut set.caveats);
    let axis = span.starts.len().saturating_sub(request.periods_max.max(1))..;
    keep_largest(
        &mut tallies.groups,
        request.groups_max,
        axis,
        &mut set.caveats,
    );
    add_groups(request, &coverage, &tallies, &span, complete, &mut set);
    if let Some(end) = set.end() {
        set.caveats
            .extend(before_window(context, request.period, end));
    }
    Ok(set)
}

/// The caveat for a last complete period that ends before the window, if the window is long enough
/// for one.
pub(crate) fn before_window(context: &Context, period: Period, end: DateTime) -> Option<String> {
    let window = &context.window;
    let fits = period.seconds() <= i64::from(window.days()) * Period::Day.seconds();
    (fits && end <= window.start.at(0, 0, 0, 0)).then(|| {
        format!(
            "Records cover no whole {} of this window, {}: all figures are of the time before it.",
            period.noun(),
            window.words()
        )
    })
}

/// Reads and aggregates the records of a dataset.
struct RecordReader<'a> {
    context: &'a Context,
    input: &'a Input,
    request: &'a Request<'a>,
    time: &'a str,
    times: &'a Times,
    coverage: &'a Coverage,
    span: &'a Span,
}

impl RecordReader<'_> {
    /// Reads the records once.
    fn read(&self, caveats: &mut Vec<String>) -> Result<Tallies, StageError> {
        let (request, coverage, span) = (self.request, self.coverage, self.span);
        let value = request
            .value
            .filter(|_| request.aggregate != Aggregate::Count);
        let by = request.by.iter().map(String::as_str);
        let (filter, equals) = request.filter.unzip();
        let columns: BTreeSet<&str> = by.chain([self.time]).chain(value).chain(filter).collect();
        let columns: Vec<&str> = columns.into_iter().collect();
        let end = self.context.window.end.at(0, 0, 0, 0);
        let zone = &self.context.window.timezone;
        let mut clock_changes =
            ClockChanges::new(zone, request, coverage.has_hours(), &span.starts);
        let mut groups = Groups::new(request.by);
        let mut tallied: Vec<Option<GroupTally>> = Vec::new();
        let (mut without, mut unusable) = (0u64, UnusableValues::default());
        self.input.for_each_batch(&columns, |batch| {
            self.context.stop.check();
            let times = self.times.of(batch, self.time)?;
            let values = match value {
                Some(value) => frame::numbers(batch, value, &mut unusable)?,
                None => vec![Some(1.0); times.len()],
            };
            let numbers = groups.of(batch)?;
            let is_selected = frame::matches(batch, filter, equals.unwrap_or_default())?;
            tallied.resize_with(groups.labels.len(), || None);
            let rows = times.into_iter().zip(values).zip(numbers).zip(is_selected);
            for ((time, value), group) in
                rows.filter_map(|(row, is_selected)| is_selected.then_some(row))
            {
                let (time, value) = match (time, value) {
                    (Some(time), Some(value)) if time < end => (time, value),
                    (Some(time), _) if time >= end => continue,
                    _ => {
                        without += 1;
                        continue;
                    }
                };
                if time < coverage.first() {
                    continue;
                }
                let group_tally = tallied[group].get_or_insert_with(|| GroupTally {
                    number: group,
                    records: 0,
                    first: time,
                    is_count: true,
                    extremes: Extremes::default(),
                    periods: BTreeMap::new(),
                });
                group_tally.records += 1;
                group_tally.first = group_tally.first.min(time);
                if let Some(position) = span.position(time) {
                    group_tally.is_count &= value.fract() == 0.0;
                    let tally = group_tally.periods.entry(position).or_default();
                    tally.add(value, request.aggregate == Aggregate::Median);
                    if request.aggregate != Aggregate::Count {
                        group_tally.extremes.add(value, position);
                    }
                    clock_changes.add(group, position, time, value);
                }
            }
            Ok(())
        })?;
        caveats.extend(unusable.caveats());
        if without > 0 {
            let without = plural(without, "record");
            caveats.push(format!(
                "{without} without a time or value are not counted."
            ));
        }
        let groups = groups.labels.into_iter().zip(tallied);
        let groups = groups.filter_map(|(label, tallied)| Some((label, tallied?)));
        Ok(Tallies {
            groups: groups.collect(),
            clock_changes,
        })
    }
}

/// Adds the series of all groups to a set.
fn add_groups(
    request: &Request<'_>,
    coverage: &Coverage,
    tallies: &Tallies,
    span: &Span,
    complete: Range<usize>,
    set: &mut SeriesSet,
) {
    let kept_from = complete.end.saturating_sub(request.periods_max.max(1));
    let kept = complete.start.max(kept_from)..complete.end;
    let starts = &span.starts;
    let observed: Vec<f64> = (starts.iter())
        .map(|start| coverage.observed_share(*start, span.period.after(*start, 1)))
        .collect();
    let mut scaled: BTreeSet<Date> = BTreeSet::new();
    let mut seasonal = Vec::new();
    for (label, group) in &tallies.groups {
        // The period in which a group first appears after the others is also incomplete.
        let own_start = span.period.floor(group.first);
        let begins_with_records = own_start <= span.period.floor(coverage.first())
            || starts.first().is_some_and(|start| own_start < *start);
        let mut with_parts: Vec<Option<f64>> = starts
            .iter()
            .enumerate()
            .map(|(i, start)| {
                let tally = group.periods.get(&i);
                if !request.aggregate.adds_up() {
                    return tally.map(|tally| request.aggregate.value_of(tally));
                }
                if !begins_with_records
                    && *start <= own_start
                    && request.part_periods == PartPeriods::LeaveOut
                {
                    return None;
                }
                if observed[i] < OBSERVED_MIN {
                    return None;
                }
                let sum = tally.map_or(0.0, |tally| request.aggregate.value_of(tally));
                let mut normalised = tallies.clock_changes.normalise(group.number, i, sum)?;
                if normalised != sum && kept.contains(&i) {
                    scaled.insert(start.date());
                }
                normalised /= observed[i];
                if group.is_count && normalised != sum {
                    normalised = normalised.round();
                }
                Some(normalised)
            })
            .collect();
        let periods = group.periods.range(kept.clone());
        if request.without_year && without_year(&mut with_parts, &complete, request.period) {
            seasonal.push(label.clone());
        }
        set.groups.push(Group {
            subject: words::subject(request.by, label),
            label: label.clone(),
            values: with_parts[kept.clone()].to_vec(),
            with_parts: with_parts[first_shown(&kept, &complete)..].to_vec(),
            counts: (kept.clone())
                .map(|i| {
                    group
                        .periods
                        .get(&i)
                        .map_or(0.0, |tally| tally.records as f64)
                })
                .collect(),
            extremes: group.extremes.since_period(kept.start),
            records: periods.clone().map(|(_, tally)| tally.records).sum(),
            active: periods.count(),
            first: group.first,
        });
    }
    if let Some(last) = scaled.last() {
        let count = plural(scaled.len() as u64, request.period.noun());
        set.caveats.push(format!(
            "The clocks changed: {count} of unusual length, the last on {}, scaled to the usual length.",
            date_in_words(*last)
        ));
    }
    if !seasonal.is_empty() {
        let years = complete.len() as f64 / request.period.cadence().year();
        set.caveats
            .push(words::without_year(&seasonal, request.by, years));
    }
    set.parts_before = kept.start - first_shown(&kept, &complete);
    set.starts = starts[kept].to_vec();
}

/// Keeps the groups with the most records.
fn keep_largest(
    groups: &mut BTreeMap<String, GroupTally>,
    groups_max: usize,
    axis: RangeFrom<usize>,
    caveats: &mut Vec<String>,
) {
    let excess = groups.len().saturating_sub(groups_max);
    if excess > 0 {
        let mut order: Vec<(u64, String)> = groups
            .iter()
            .map(|(label, group)| (group.records, label.clone()))
            .collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, label) in order.drain(groups_max..) {
            groups.remove(&label);
        }
        let largest = plural(groups_max as u64, "largest group");
        let groups = plural(excess as u64, "smaller one");
        let verb = if excess == 1 { "was" } else { "were" };
        caveats.push(format!(
            "Only the {largest} were analysed; {groups} {verb} not."
        ));
    }
    // A group without a record on the axis has no series.
    groups.retain(|_, group| group.periods.range(axis.clone()).next().is_some());
}
