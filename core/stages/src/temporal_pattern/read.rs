//! Reads records for the analyses of patterns.

use super::{
    Data, Group, Hour, Record,
    params::{Aggregate, Exposure, Params},
};
use crate::{
    Context, Input, StageError,
    frame::{self, Groups},
    rows::UnusableValues,
    series::{before_window, coverage::Coverage, need, period::Period},
    times::Times,
};
use jiff::civil::{Date, DateTime};
use retrocast_domain::{
    Cell, Evidence,
    number::{self, plural},
    window::date_in_words,
};
use std::collections::BTreeMap;

/// Maximum number of records that are analysed individually.
const SAMPLE_MAX: usize = 1_000_000;

/// Reads the records of the dataset; the error is the reason why no records can be analysed.
pub(super) fn read<'a>(
    context: &'a Context,
    params: &'a Params,
    input: &Input,
    cell: &mut Cell,
) -> Result<Result<Data<'a>, String>, StageError> {
    let time = frame::time_column(input, params.time.as_deref())?;
    let times = input.times(time, &context.window.timezone)?;
    cell.records = Some(times.in_window(&context.window));
    let coverage = Coverage::of_input(input, time, &context.window)?;
    let caveats = &mut cell.caveats;
    if let Some(reason) = need::reason_without_data(context, input, time, &times, coverage.as_ref())
    {
        return Ok(Err(reason));
    }
    let Some(coverage) = coverage else {
        return Ok(Err(String::new()));
    };
    let period = Period::of_records(&times);
    cell.missing_from = coverage.missing_from();
    caveats.extend(coverage.caveats(period));
    let [first, end] = match period {
        Period::Hour | Period::Day => whole_days(&coverage, caveats),
        Period::Week | Period::Month => whole_periods(context, &coverage, period),
    };
    caveats.extend(before_window(context, period, end.at(0, 0, 0, 0)));
    let aggregate = aggregate(params)?;
    let reader = RecordReader {
        context,
        params,
        input,
        time,
        times: &times,
        days: [first, end],
        aggregate,
    };
    let groups = keep_largest(reader.groups(caveats)?, params, caveats);
    if groups.is_empty() {
        return Ok(Err(format!(
            "no values: none of the {} of {} with a time can be used; check `value` and the filters",
            plural(times.known(), "record"),
            input.dataset.name
        )));
    }
    let per_record = match params.exposure {
        Some(exposure) => exposure == Exposure::Records,
        None => params.event_column.is_some() || aggregate == Aggregate::Mean,
    };
    let filter_words = filter_words(params);
    Ok(Ok(Data {
        context,
        params,
        period,
        first,
        end,
        missing: coverage.missing().to_vec(),
        per_record,
        amounts: aggregate != Aggregate::Count,
        has_hours: coverage.has_hours(),
        measure: measure(params, input, aggregate, per_record),
        evidence: Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: (!filter_words.is_empty()).then(|| filter_words.clone()),
        },
        filter_words,
        groups,
    }))
}

/// The first whole day that records cover, and the day after the last, with caveats on the others.
fn whole_days(coverage: &Coverage, caveats: &mut Vec<String>) -> [Date; 2] {
    let (first, end) = (coverage.first_day(), coverage.end_day());
    let part = |day: Date| {
        format!(
            "Records cover {} in part; it is left out.",
            date_in_words(day)
        )
    };
    if first > coverage.first().date() {
        caveats.push(part(coverage.first().date()));
    }
    if coverage.end(Period::Day) > end.at(0, 0, 0, 0) {
        caveats.push(part(end));
    }
    [first, end]
}

/// The first day of the first week or month with a record, and the day after the last one that ends
/// in the window.
fn whole_periods(context: &Context, coverage: &Coverage, period: Period) -> [Date; 2] {
    let first = period.floor(coverage.first());
    let last = period.after(period.floor(coverage.last()), 1);
    let end = period.floor(context.window.end.at(0, 0, 0, 0));
    [first, last.min(end).max(first)].map(DateTime::date)
}

/// Reads the records of a dataset.
struct RecordReader<'a> {
    context: &'a Context,
    params: &'a Params,
    input: &'a Input,
    time: &'a str,
    times: &'a Times,
    /// First day, and day after the last day.
    days: [Date; 2],
    aggregate: Aggregate,
}

impl RecordReader<'_> {
    /// Reads the records once.
    fn groups(&self, caveats: &mut Vec<String>) -> Result<Vec<Group>, StageError> {
        let params = self.params;
        let mut labels = Groups::new(&params.by);
        let mut within_labels = Groups::new(&params.volume_within);
        let mut hours: Vec<BTreeMap<DateTime, Hour>> = Vec::new();
        let needs_records = params.volume.is_some() || params.split.is_some();
        let mut sample = Sample::new(if needs_records { SAMPLE_MAX } else { 0 });
        let (mut without_time, mut without_value, mut unusable) = (0, 0, UnusableValues::default());
        self.input.for_each_batch(&self.columns(), |batch| {
            self.context.stop.check();
            let matching = frame::matches(
                batch,
                params.filter_column.as_deref(),
                &params.filter_equals,
            )?;
            let is_event =
                frame::matches(batch, params.event_column.as_deref(), &params.event_equals)?;
            let mut optional = |name: Option<&String>| match name {
                Some(name) => frame::numbers(batch, name, &mut unusable),
                None => Ok(vec![None; batch.frame.height()]),
            };
            let (values, volumes) = (
                optional(params.value.as_ref())?,
                optional(params.volume.as_ref())?,
            );
            let times = self.times.of(batch, self.time)?;
            let (groups, within) = (labels.of(batch)?, within_labels.of(batch)?);
            hours.resize_with(labels.labels.len(), BTreeMap::new);
            for row in (0..times.len()).filter(|row| matching[*row]) {
                let Some(time) = times[row] else {
                    without_time += 1;
                    continue;
                };
                if time.date() < self.days[0] || time.date() >= self.days[1] {
                    continue;
                }
                let value = values[row];
                let events = match self.aggregate {
                    Aggregate::Count => Some(1.0),
                    Aggregate::Sum | Aggregate::Mean => value.filter(|value| *value >= 0.0),
                };
                let Some(events) = events else {
                    without_value += 1;
                    continue;
                };
                let events = if is_event[row] { events } else { 0.0 };
                let start = Period::Hour.floor(time);
                let hour = hours[groups[row]].entry(start).or_insert(Hour {
                    time: start,
                    records: 0,
                    with_events: 0,
                    events: 0.0,
                });
                hour.records += 1;
                hour.with_events += u64::from(events > 0.0);
                hour.events += events;
                let record = Record {
                    time,
                    is_event: events > 0.0,
                    value,
                    volume: volumes[row],
                    within: within[row],
                };
                sample.add(groups[row], record);
            }
            Ok(())
        })?;
        caveats.extend(unusable.caveats());
        if without_time > 0 {
            caveats.push(format!(
                "{} without a time are not counted.",
                plural(without_time, "record")
            ));
        }
        if without_value > 0 {
            let records = plural(without_value, "record");
            caveats.push(format!(
                "{records} without a value, or with a negative one, are left out."
            ));
        }
        caveats.extend(sample.caveat());
        let mut rows = sample.rows(hours.len());
        let groups = labels.labels.into_iter().zip(hours).enumerate();
        Ok(groups
            .filter(|(_, (_, hours))| !hours.is_empty())
            .map(|(index, (label, hours))| Group {
                subject: crate::series::words::subject(&params.by, &label),
                label,
                records: hours.values().map(|hour| hour.records).sum(),
                hours: hours.into_values().collect(),
                rows: std::mem::take(&mut rows[index]),
            })
            .collect())
    }

    /// The columns to read.
    fn columns(&self) -> Vec<&str> {
        let params = self.params;
        let named = [
            &params.filter_column,
            &params.event_column,
            &params.value,
            &params.volume,
        ];
        let named = named.into_iter().filter_map(|name| name.as_deref());
        let by = params.by.iter().chain(&params.volume_within);
        let by = by.map(String::as_str);
        by.chain([self.time]).chain(named).collect()
    }
}

/// Single records: all of them or, if there are very many, those with the smallest hashes, so that
/// the selection does not depend on their order.
struct Sample {
    max: usize,
    rows: Vec<(usize, Record)>,
    /// Number of all records.
    records: u64,
    /// Records with larger hashes are left out.
    hash_max: u64,
}

impl Sample {
    /// Creates a sample of at most `max` records; 0 if single records are not needed.
    fn new(max: usize) -> Self {
        Self {
            max,
            rows: Vec::new(),
            records: 0,
            hash_max: u64::MAX,
        }
    }

    fn add(&mut self, group: usize, row: Record) {
        if self.max == 0 {
            return;
        }
        self.records += 1;
        if row.hash() > self.hash_max {
            return;
        }
        self.rows.push((group, row));
        if self.rows.len() > self.max {
            self.hash_max /= 2;
            let hash_max = self.hash_max;
            self.rows.retain(|(_, row)| row.hash() <= hash_max);
        }
    }

    fn caveat(&self) -> Option<String> {
        (self.hash_max < u64::MAX).then(|| {
            format!(
                "Of {} records, {} were analysed individually, selected by a hash of their contents.",
                number::count(self.records),
                number::count(self.rows.len() as u64)
            )
        })
    }

    /// The rows of each group, in order of time.
    fn rows(mut self, groups: usize) -> Vec<Vec<Record>> {
        let mut rows: Vec<Vec<Record>> = Vec::new();
        rows.resize_with(groups, Vec::new);
        self.rows.sort_by_key(|(_, row)| row.time);
        for (group, row) in self.rows {
            rows[group].push(row);
        }
        rows
    }
}

impl Record {
    /// Hash of the contents of a record, independent of the order of records.
    fn hash(&self) -> u64 {
        let bits = |value: Option<f64>| value.map_or(1, f64::to_bits);
        let time = self.time;
        let day = time.date().year() as u64 * 512 + time.date().day_of_year() as u64;
        let nanos = time.time().duration_since(jiff::civil::Time::midnight());
        let parts = [
            day,
            nanos.as_nanos() as u64,
            bits(self.value),
            bits(self.volume),
            u64::from(self.is_event),
        ];
        // The finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied once per part.
        parts.iter().fold(0x9e37_79b9_7f4a_7c15, |hash: u64, part| {
            let mut z = (hash ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        })
    }
}

/// The aggregate of the job file, or the default.
pub(super) fn aggregate(params: &Params) -> Result<Aggregate, StageError> {
    let error = |text: &str| Err(StageError::Other(text.to_string()));
    match (params.aggregate, &params.value) {
        (None, None) => Ok(Aggregate::Count),
        (None, Some(_)) if params.event_column.is_some() => Ok(Aggregate::Count),
        (None, Some(_)) => Ok(Aggregate::Mean),
        (Some(Aggregate::Sum | Aggregate::Mean), None) => {
            error("this aggregate needs a `value` column; without one use \"count\"")
        }
        (Some(aggregate), _) => Ok(aggregate),
    }
}

/// Describes the filter and the condition of events.
pub(super) fn filter_words(params: &Params) -> String {
    let condition = |column: &Option<String>, equals: &[String]| {
        column
            .as_ref()
            .map(|column| format!("{column} is {}", equals.join(" or ")))
    };
    let parts: Vec<String> = [
        condition(&params.filter_column, &params.filter_equals),
        condition(&params.event_column, &params.event_equals),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join("; ")
}

/// Name of the metric.
pub(super) fn measure(
    params: &Params,
    input: &Input,
    aggregate: Aggregate,
    per_record: bool,
) -> String {
    let readable = |name: &str| name.replace('_', " ");
    if let Some(measure) = &params.measure {
        let is_share = aggregate == Aggregate::Count && per_record;
        let prefix = if is_share && !measure.contains("share") {
            "the share of "
        } else {
            ""
        };
        return format!("{prefix}{measure}");
    }
    let value = params.value.as_deref().map(readable).unwrap_or_default();
    match aggregate {
        Aggregate::Count if params.event_column.is_some() => {
            let events = params.event_equals.join(" or ");
            let dataset = input.noun();
            if per_record {
                format!("the share of {events} {dataset}")
            } else {
                format!("{events} {dataset}")
            }
        }
        Aggregate::Count => input.noun(),
        Aggregate::Sum => format!("the sum of {value}"),
        Aggregate::Mean => format!("the mean {value}"),
    }
}

/// Keeps the groups with the most records, ordered by label.
fn keep_largest(mut groups: Vec<Group>, params: &Params, caveats: &mut Vec<String>) -> Vec<Group> {
    groups.sort_by(|a, b| {
        b.records
            .cmp(&a.records)
            .then_with(|| a.label.cmp(&b.label))
    });
    let omitted = groups.len().saturating_sub(params.groups_max);
    if omitted > 0 {
        let largest = plural(params.groups_max as u64, "largest group");
        caveats.push(format!(
            "Only the {largest} were analysed; {omitted} smaller ones were not."
        ));
        groups.truncate(params.groups_max);
    }
    groups.sort_by(|a, b| a.label.cmp(&b.label));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn the_sample_does_not_depend_on_the_order_of_records() {
        let select = |order: &mut dyn Iterator<Item = i64>| {
            let mut sample = Sample::new(1_000);
            for n in order {
                let row = Record {
                    time: jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0) + n.minutes(),
                    is_event: n % 10 == 0,
                    value: None,
                    volume: Some((n % 97) as f64),
                    within: 0,
                };
                sample.add(0, row);
            }
            let caveat = sample.caveat();
            (sample.rows(1).remove(0), caveat)
        };
        let ((forward, caveat), (backward, _)) =
            (select(&mut (0..30_000)), select(&mut (0..30_000).rev()));
        let times = |rows: &[Record]| rows.iter().map(|row| row.time).collect::<Vec<_>>();
        assert_eq!(times(&forward), times(&backward));
        assert!((500..=1_000).contains(&forward.len()), "{}", forward.len());
        assert!(caveat.is_some_and(|caveat| caveat.contains("Of 30")));
        // One in ten records is an event, also in the sample: within four standard errors.
        let events = forward.iter().filter(|row| row.is_event).count() as f64;
        let share = events / forward.len() as f64;
        assert!(
            (share - 0.1).abs() < 4.0 * (0.09 / forward.len() as f64).sqrt(),
            "{share}"
        );
        assert_eq!(select(&mut (0..900)).0.len(), 900);
    }
}
