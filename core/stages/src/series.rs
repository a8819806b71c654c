//! Records of a dataset as one series a group: a value for each hour, day, week or month.
//!
//! Shared by the stages that look along time. All groups share one axis. It holds the periods that
//! the records cover whole ([`coverage`]): where records begin or end in the middle of a day, that day
//! has fewer of them for no reason of its own. A group's values begin with its own first record.
//! Counts and sums are 0 where there are no records; other values are missing there.

use crate::{
    Context, Input, StageError,
    frame::{self, Times},
};
use jiff::civil::{Date, DateTime};
use retrocast_domain::{
    Cell, CellStatus, Evidence,
    number::plural,
    window::{long, range},
};
use retrocast_stats::describe::median;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod clock;
pub(crate) mod coverage;
pub(crate) mod need;
pub(crate) mod period;
mod span;
#[cfg(test)]
pub(crate) mod test_data;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use clock::Clocks;
use coverage::Coverage;
use period::Period;
use span::Span;

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
    /// Its maximum.
    Max,
}

impl Aggregate {
    /// Whether no records mean zero.
    pub(crate) fn adds_up(self) -> bool {
        matches!(self, Self::Count | Self::Sum)
    }

    /// The one asked for; without a value column the number of records, else `with_value`.
    pub(crate) fn chosen(asked: Option<Self>, value: Option<&str>, with_value: Self) -> Self {
        asked.unwrap_or(if value.is_some() {
            with_value
        } else {
            Self::Count
        })
    }

    fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Count => values.len() as f64,
            Self::Sum => values.iter().sum(),
            Self::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Self::Median => median(values),
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
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
    /// Most periods, the latest.
    pub(crate) periods_max: usize,
    /// Most groups, those with the most records.
    pub(crate) groups_max: usize,
    /// What is measured, in words; made from the names by default.
    pub(crate) measure: Option<&'a str>,
}

/// The series of one group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Values of the `by` columns, or "all".
    pub(crate) label: String,
    /// "component = billing", or "all".
    pub(crate) subject: String,
    /// One value a period; `None` where there is nothing to make one from.
    pub(crate) values: Vec<Option<f64>>,
    /// The same with the periods at the ends that are not whole.
    pub(crate) with_parts: Vec<Option<f64>>,
    /// Records behind `values`.
    pub(crate) records: u64,
    /// Periods of `values` that hold a record.
    pub(crate) active: usize,
    /// The group's first record of all.
    pub(crate) first: DateTime,
}

impl Group {
    /// Periods with a value.
    pub(crate) fn known(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Position of the first value.
    pub(crate) fn begin(&self) -> usize {
        self.values.iter().position(Option::is_some).unwrap_or(0)
    }
}

/// The series of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct SeriesSet {
    /// Length of the periods.
    pub(crate) period: Period,
    /// Whether no records mean zero.
    pub(crate) adds_up: bool,
    /// Beginning of each period.
    pub(crate) starts: Vec<DateTime>,
    /// Periods at the front of `with_parts` that `values` do not have.
    pub(crate) parts_before: usize,
    /// Groups, by label.
    pub(crate) groups: Vec<Group>,
    /// What is measured, in words: "tickets per day".
    pub(crate) measure: String,
    /// Where the numbers come from.
    pub(crate) evidence: Evidence,
    /// What a careful reader must know.
    pub(crate) caveats: Vec<String>,
    /// Records with a time in the window.
    pub(crate) in_window: u64,
    /// Why there is nothing to look at.
    pub(crate) nothing: Option<String>,
}

impl SeriesSet {
    /// The day on which a period begins.
    pub(crate) fn day(&self, position: usize) -> Date {
        self.starts[position].date()
    }

    /// Index of the first period that does not begin before this day.
    pub(crate) fn index_of(&self, day: Date) -> usize {
        let time = day.at(0, 0, 0, 0);
        self.starts.partition_point(|other| *other < time)
    }

    /// End of the last period; `None` without any.
    pub(crate) fn end(&self) -> Option<DateTime> {
        let last = self.starts.last()?;
        Some(self.period.after(*last, 1))
    }

    /// First and last day from a position on; `None` without any.
    fn days(&self, from: usize) -> Option<[Date; 2]> {
        let (first, last) = (self.starts.get(from)?, self.starts.last()?);
        let end = self.period.after(*last, 1).date();
        Some(if self.period == Period::Hour {
            [first.date(), last.date()]
        } else {
            [first.date(), end.yesterday().unwrap_or(end)]
        })
    }

    /// First and last day: "2026-08-03 to 2026-11-15".
    pub(crate) fn dates(&self) -> String {
        self.days(0)
            .map_or_else(String::new, |[first, last]| format!("{first} to {last}"))
    }

    /// First and last day from a position on in words: "3 August to 15 November 2026".
    pub(crate) fn dates_in_words(&self, from: usize) -> String {
        self.days(from)
            .map_or_else(String::new, |[first, last]| range(first, last))
    }

    /// Writes into a cell what every stage says of its records; `false` when there is nothing to look
    /// at, which the cell's status then says.
    pub(crate) fn describe(&self, cell: &mut Cell) -> bool {
        cell.records = Some(self.in_window);
        cell.caveats.clone_from(&self.caveats);
        if let Some(reason) = &self.nothing {
            cell.status = CellStatus::NotEnough {
                message: reason.clone(),
            };
        }
        self.nothing.is_none()
    }
}

/// Records of a dataset, as series need them.
struct Records {
    /// Time, group and value of those that have all of them.
    rows: Vec<(DateTime, usize, f64)>,
    /// Labels of the groups.
    labels: Vec<String>,
    /// First record of each group since the history began.
    first: Vec<DateTime>,
}

/// Makes the series of all groups.
pub(crate) fn collect(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
) -> Result<SeriesSet, StageError> {
    let time = frame::time_column(input, request.time)?;
    let times = frame::times(input, time, &context.window.timezone)?;
    let mut set = SeriesSet {
        period: request.period,
        adds_up: request.aggregate.adds_up(),
        starts: Vec::new(),
        parts_before: 0,
        groups: Vec::new(),
        measure: words::measure_per(request, &input.dataset.name),
        evidence: Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: None,
        },
        caveats: Vec::new(),
        in_window: times.in_window(&context.window),
        nothing: None,
    };
    let values = values(input, request, &mut set.caveats)?;
    let coverage = Coverage::of_input(input, &times, &context.window);
    if let Some(reason) = need::nothing(context, input, time, &times, coverage.as_ref()) {
        set.nothing = Some(reason);
        return Ok(set);
    }
    let Some(coverage) = coverage else {
        return Ok(set);
    };
    let records = records(
        context, input, request, &times, &values, &coverage, &mut set,
    )?;
    if records.rows.is_empty() {
        let value = request.value.unwrap_or_default();
        set.nothing = Some(format!(
            "no value: none of the {} of {} with a time has a number in {value:?}; check the \
             column and its contract",
            plural(times.civil.iter().flatten().count() as u64, "record"),
            input.dataset.name
        ));
        return Ok(set);
    }
    set.caveats.extend(coverage.caveats(request.period));
    if set.in_window == 0 {
        set.caveats.push(format!(
            "{}, {}.",
            words::capitalised(&context.window.spec.without_records()),
            context.window.words()
        ));
    }
    let span = Span::of(&coverage, request);
    let whole = span.whole(request.part_periods, &mut set.caveats);
    fill(
        context, request, &coverage, &records, &span, whole, &mut set,
    );
    if let Some(end) = set.end() {
        set.caveats
            .extend(before_window(context, request.period, end));
    }
    Ok(set)
}

/// The caveat for a last whole period that ends before the window, when that is long enough for one.
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

/// The value of each row; 1 for counts.
fn values(
    input: &Input,
    request: &Request<'_>,
    caveats: &mut Vec<String>,
) -> Result<Vec<Option<f64>>, StageError> {
    match (request.aggregate, request.value) {
        (Aggregate::Count, _) => Ok(vec![Some(1.0); input.frame.height()]),
        (_, Some(value)) => frame::numbers(input, value, caveats),
        (_, None) => Err(StageError::Other(
            "this aggregate needs a `value` column; without one use \"count\"".to_string(),
        )),
    }
}

/// Rows of the history that have a time and a value.
fn records(
    context: &Context,
    input: &Input,
    request: &Request<'_>,
    times: &Times,
    values: &[Option<f64>],
    coverage: &Coverage,
    set: &mut SeriesSet,
) -> Result<Records, StageError> {
    let labels = frame::groups(input, request.by)?;
    let end = context.window.end.at(0, 0, 0, 0);
    let mut without = 0u64;
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut records = Records {
        rows: Vec::with_capacity(values.len()),
        labels: Vec::new(),
        first: Vec::new(),
    };
    for ((time, value), label) in times.civil.iter().zip(values).zip(labels) {
        match (time, value) {
            (Some(time), Some(value)) if *time < end => {
                if *time < coverage.first() {
                    continue;
                }
                let next = known.len();
                let group = *known.entry(label).or_insert(next);
                if group == records.first.len() {
                    records.first.push(*time);
                }
                records.first[group] = records.first[group].min(*time);
                records.rows.push((*time, group, *value));
            }
            (Some(time), _) if *time >= end => {}
            _ => without += 1,
        }
    }
    records.labels = vec![String::new(); known.len()];
    for (label, group) in known {
        records.labels[group] = label;
    }
    if without > 0 {
        let without = plural(without, "record");
        set.caveats.push(format!(
            "{without} without a time or value are not counted."
        ));
    }
    Ok(records)
}

/// Fills the groups of a set.
fn fill(
    context: &Context,
    request: &Request<'_>,
    coverage: &Coverage,
    records: &Records,
    span: &Span,
    whole: std::ops::Range<usize>,
    set: &mut SeriesSet,
) {
    let starts = &span.starts;
    let chosen = largest_groups(records, request.groups_max, &mut set.caveats);
    let mut cells: BTreeMap<usize, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    let (zone, has_hours) = (&context.window.timezone, coverage.has_hours());
    let mut clocks = Clocks::of(zone, request, has_hours, starts);
    for (time, group, value) in &records.rows {
        let position = starts.partition_point(|start| *start <= *time);
        // The last record stands at the very end of what the records cover.
        let is_covered = *time < span.end || (span.last_is_part && *time == span.end);
        if position > 0 && is_covered && chosen.contains_key(group) {
            let periods = cells.entry(*group).or_default();
            periods.entry(position - 1).or_default().push(*value);
            clocks.note(*group, position - 1, *time, *value);
        }
    }
    let mut scaled: BTreeSet<Date> = BTreeSet::new();
    for (group, periods) in cells {
        let (label, first) = (records.labels[group].clone(), records.first[group]);
        let is_count = periods.values().flatten().all(|value| value.fract() == 0.0);
        // The period in which a group appears later than the others is part of one, too.
        let own = span.period.floor(first);
        let begins = own <= span.period.floor(coverage.first())
            || starts.first().is_some_and(|start| own < *start);
        let with_parts: Vec<Option<f64>> = starts
            .iter()
            .enumerate()
            .map(|(i, start)| {
                let values = periods.get(&i).map(Vec::as_slice);
                if !request.aggregate.adds_up() {
                    return values.map(|values| request.aggregate.of(values));
                }
                if !begins && *start <= own && request.part_periods == PartPeriods::LeaveOut {
                    return None;
                }
                let sum = request.aggregate.of(values.unwrap_or_default());
                let mut usual = clocks.usual(group, i, sum)?;
                if is_count && usual != sum {
                    usual = usual.round();
                }
                if usual != sum && whole.contains(&i) {
                    scaled.insert(start.date());
                }
                Some(usual)
            })
            .collect();
        let held = periods.range(whole.clone());
        set.groups.push(Group {
            subject: words::subject(request.by, &label),
            label,
            values: with_parts[whole.clone()].to_vec(),
            with_parts,
            records: held.clone().map(|(_, values)| values.len() as u64).sum(),
            active: held.count(),
            first,
        });
    }
    if let Some(last) = scaled.last() {
        let count = plural(scaled.len() as u64, request.period.noun());
        set.caveats.push(format!(
            "The clocks changed: {count} of unusual length, the last on {}, scaled to the usual length.",
            long(*last)
        ));
    }
    set.groups.sort_by(|a, b| a.label.cmp(&b.label));
    set.parts_before = whole.start;
    set.starts = starts[whole].to_vec();
}

/// The groups with the most records.
fn largest_groups(
    records: &Records,
    groups_max: usize,
    caveats: &mut Vec<String>,
) -> BTreeMap<usize, u64> {
    let mut sizes: BTreeMap<usize, u64> = BTreeMap::new();
    for (_, group, _) in &records.rows {
        *sizes.entry(*group).or_default() += 1;
    }
    let label = |group: usize| &records.labels[group];
    let mut order: Vec<(usize, u64)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| label(a.0).cmp(label(b.0))));
    let left = order.len().saturating_sub(groups_max);
    if left > 0 {
        let kept = plural(groups_max as u64, "largest group");
        let groups = plural(left as u64, "smaller one");
        let verb = if left == 1 { "was" } else { "were" };
        caveats.push(format!(
            "Only the {kept} were looked at; {groups} {verb} not."
        ));
    }
    order.into_iter().take(groups_max).collect()
}
