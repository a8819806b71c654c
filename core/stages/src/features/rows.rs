//! Converts records to regular series: one row for each period of each series, series after series.

use super::params::{Aggregate, Every, Params};
use crate::{
    Context, Input, StageError, frame,
    rows::{Batch, UnusableValues},
    series::coverage::Coverage,
    times::{Resolution, Times},
};
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use polars::prelude::{Column, DataType, TimeUnit, TimeZone as PolarsZone};
use retrocast_domain::number::{self, plural};
use retrocast_stats::describe::quantile;
use std::{collections::BTreeMap, ops::Range};

/// Maximum number of rows of the result. A job that exceeds it is probably a mistake, such as
/// hourly rows for very many series.
const ROWS_MAX: usize = 10_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Regular series, one after another.
pub(super) struct Rows {
    /// Range of rows of each series.
    pub(super) ranges: Vec<Range<usize>>,
    /// Civil time of each row in the job's time zone.
    pub(super) civil: Vec<DateTime>,
    /// Key of each row, ascending within a series: days since 1970 for days and weeks, else
    /// microseconds.
    pub(super) keys: Vec<i64>,
    /// The series' own columns.
    pub(super) values: Vec<(String, Vec<Option<f64>>)>,
    /// Number of records with a time in the window.
    pub(super) in_window: u64,
    pub(super) zone: TimeZone,
    /// Values of the `by` columns of each series.
    labels: Vec<Label>,
    /// Name of the time column.
    time: String,
    /// True if the time column contains days.
    pub(super) has_days: bool,
}

/// Values of the `by` columns of a series.
type Label = Vec<Option<String>>;

/// A record with a time: series, key, microseconds since 1970 UTC, row in the input.
type Record = (u32, i64, i64, u32);

impl Rows {
    /// Reads the records of a dataset.
    pub(super) fn read(
        context: &Context,
        params: &Params,
        input: &Input,
        caveats: &mut Vec<String>,
    ) -> Result<Self, StageError> {
        let time = frame::time_column(input, params.time.as_deref())?;
        let timezone = &context.window.timezone;
        let zone = TimeZone::get(timezone).map_err(|e| StageError::Other(e.to_string()))?;
        let times = input.times(time, timezone)?;
        let named = params.by.iter().chain(&params.values).map(String::as_str);
        let batch = input.read_all(&named.chain([time]).collect::<Vec<_>>())?;
        let civil_times = times.of(&batch, time)?;
        let has_days = match params.every {
            Every::Day | Every::Week => true,
            Every::Hour => false,
            Every::None => times.resolution != Resolution::Moment,
        };
        let (ids, labels) = series(&batch, &params.by)?;
        let mut unusable = UnusableValues::default();
        let columns: Vec<Vec<Option<f64>>> = params
            .values
            .iter()
            .map(|name| frame::numbers(&batch, name, &mut unusable))
            .collect::<Result<_, _>>()?;
        caveats.extend(unusable.caveats());
        let axis = Axis {
            every: params.every,
            has_days,
            zone: zone.clone(),
        };
        let end = context.window.end.at(0, 0, 0, 0);
        let begin = history_start(context, params, &times, caveats);
        let moments = moments(&batch, time, times.resolution, &civil_times, &zone)?;
        let mut records: Vec<Record> = Vec::with_capacity(ids.len());
        for (row, (civil, moment)) in civil_times.iter().zip(&moments).enumerate() {
            if let Some(civil) = civil.filter(|civil| (begin..end).contains(civil)) {
                let key = axis.key(civil, *moment);
                records.push((ids[row], key, *moment, row as u32));
            }
        }
        records.sort_unstable();
        note_missing_times(&times, caveats);
        let mut rows = Self {
            ranges: Vec::new(),
            civil: Vec::new(),
            keys: Vec::new(),
            values: params
                .value_columns()
                .into_iter()
                .map(|n| (n, Vec::new()))
                .collect(),
            in_window: times.in_window(&context.window),
            zone,
            labels: Vec::new(),
            time: params.every.column().unwrap_or(time).to_string(),
            has_days,
        };
        match params.every {
            Every::None => rows.copy_rows(params, &records, &columns, &labels, caveats),
            _ => rows.fill_periods(params, &axis, &records, &columns, &labels)?,
        }
        rows.civil = rows.keys.iter().map(|key| axis.civil(*key)).collect();
        Ok(rows)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds the rows of the dataset unchanged.
    fn copy_rows(
        &mut self,
        params: &Params,
        records: &[Record],
        columns: &[Vec<Option<f64>>],
        labels: &[Label],
        caveats: &mut Vec<String>,
    ) {
        let zero = if params.fills_zero() { Some(0.0) } else { None };
        for chunk in records.chunk_by(|a, b| a.0 == b.0) {
            let start = self.keys.len();
            self.keys.extend(chunk.iter().map(|record| record.1));
            for ((_, values), column) in self.values.iter_mut().zip(columns) {
                values.extend(
                    chunk
                        .iter()
                        .map(|record| column[record.3 as usize].or(zero)),
                );
            }
            self.ranges.push(start..self.keys.len());
            self.labels.push(labels[chunk[0].0 as usize].clone());
        }
        caveats.extend(self.irregular_steps());
    }

    /// Adds one row for each period from a series' first record to the last record of all series.
    fn fill_periods(
        &mut self,
        params: &Params,
        axis: &Axis,
        records: &[Record],
        columns: &[Vec<Option<f64>>],
        labels: &[Label],
    ) -> Result<(), StageError> {
        let Some(last) = records.iter().map(|record| record.1).max() else {
            return Ok(());
        };
        let step = axis.step();
        let aggregate = params.aggregate();
        let empty = if params.fills_zero() { Some(0.0) } else { None };
        for chunk in records.chunk_by(|a, b| a.0 == b.0) {
            let (start, first) = (self.keys.len(), chunk[0].1);
            let length = ((last - first) / step + 1) as usize;
            if start + length > ROWS_MAX {
                return Err(too_many_rows(labels.len()));
            }
            self.keys
                .extend((0..length as i64).map(|i| first + i * step));
            for (_, values) in &mut self.values {
                values.resize(start + length, empty);
            }
            for period in chunk.chunk_by(|a, b| a.1 == b.1) {
                let row = start + ((period[0].1 - first) / step) as usize;
                for (i, (_, values)) in self.values.iter_mut().enumerate() {
                    values[row] = match aggregate {
                        Aggregate::Count => Some(period.len() as f64),
                        _ => aggregate_period(aggregate, period, &columns[i]).or(empty),
                    };
                }
            }
            self.ranges.push(start..start + length);
            self.labels.push(labels[chunk[0].0 as usize].clone());
        }
        Ok(())
    }

    /// The caveat on irregular steps of unchanged rows.
    fn irregular_steps(&self) -> Option<String> {
        let mut steps: BTreeMap<i64, u64> = BTreeMap::new();
        for range in &self.ranges {
            for pair in self.keys[range.clone()].windows(2) {
                *steps.entry(pair[1] - pair[0]).or_default() += 1;
            }
        }
        let total: u64 = steps.values().sum();
        let usual = steps.values().max().copied().unwrap_or(0);
        (usual < total).then(|| {
            let irregular = plural(total - usual, "step");
            let verb = if total - usual == 1 { "is" } else { "are" };
            format!(
                "{irregular} of {total} between rows {verb} not of the usual length; lags and \
                 windows count rows. Use `every` to make the series regular."
            )
        })
    }

    /// The columns that identify a row, and the series' own values.
    pub(super) fn into_columns(self, params: &Params) -> Vec<Column> {
        let mut columns = vec![time_column(&self.time, &self.keys, self.has_days)];
        for (i, name) in params.by.iter().enumerate() {
            let mut texts: Vec<Option<&str>> = Vec::with_capacity(self.keys.len());
            for (range, labels) in self.ranges.iter().zip(&self.labels) {
                texts.extend(std::iter::repeat_n(labels[i].as_deref(), range.len()));
            }
            columns.push(Column::new(name.as_str().into(), texts));
        }
        for (name, values) in self.values {
            columns.push(super::numbers(&name, values));
        }
        columns
    }
}

/// Creates the time column: days or timestamps.
fn time_column(name: &str, keys: &[i64], has_days: bool) -> Column {
    let (column, dtype) = if has_days {
        let days: Vec<i32> = keys.iter().map(|key| *key as i32).collect();
        (Column::new(name.into(), days), DataType::Date)
    } else {
        let dtype = DataType::Datetime(TimeUnit::Microseconds, Some(PolarsZone::UTC));
        (Column::new(name.into(), keys), dtype)
    };
    // Integers become these types without conversion.
    column.cast(&dtype).unwrap_or(column)
}

/// Start of the history. It excludes isolated records long before all others, such as those of
/// 1970: otherwise a regular series would begin with them.
fn history_start(
    context: &Context,
    params: &Params,
    times: &Times,
    caveats: &mut Vec<String>,
) -> DateTime {
    let coverage =
        Coverage::from_times(times, &context.window).filter(|_| params.every != Every::None);
    let Some(coverage) = coverage else {
        return DateTime::MIN;
    };
    caveats.extend(coverage.isolated().map(str::to_string));
    coverage.first()
}

fn too_many_rows(series: usize) -> StageError {
    StageError::Other(format!(
        "the {} series would have more than {ROWS_MAX} rows; choose a longer period with `every`, or fewer \
         columns in `by`",
        number::count(series as u64)
    ))
}

fn note_missing_times(times: &Times, caveats: &mut Vec<String>) {
    let without_time = times.without_time;
    if without_time > 0 {
        let records = plural(without_time, "record");
        let have = if without_time == 1 { "has" } else { "have" };
        caveats.push(format!("{records} {have} no time and are left out."));
    }
}

/// Aggregates the known values of a period.
fn aggregate_period(
    aggregate: Aggregate,
    period: &[Record],
    column: &[Option<f64>],
) -> Option<f64> {
    let known = || period.iter().filter_map(|record| column[record.3 as usize]);
    let count = || known().count() as f64;
    known().next()?;
    match aggregate {
        Aggregate::Count => Some(period.len() as f64),
        Aggregate::Sum => Some(known().sum()),
        Aggregate::Mean => Some(known().sum::<f64>() / count()),
        Aggregate::Min => known().reduce(f64::min),
        Aggregate::Max => known().reduce(f64::max),
        Aggregate::Last => known().next_back(),
        Aggregate::P95 => Some(quantile(&known().collect::<Vec<_>>(), 0.95)),
    }
}

/// The series of each row, and the `by` values of each series, in order.
fn series(batch: &Batch<'_>, by: &[String]) -> Result<(Vec<u32>, Vec<Label>), StageError> {
    let rows = batch.frame.height();
    let (mut ids, mut labels) = (vec![0_u32; rows], vec![Vec::new()]);
    for name in by {
        let texts = frame::texts(batch, name)?;
        let mut known: BTreeMap<(u32, Option<&str>), u32> = BTreeMap::new();
        for (id, text) in ids.iter().zip(&texts) {
            known.entry((*id, text.as_deref())).or_default();
        }
        let mut refined = Vec::with_capacity(known.len());
        for (number, ((id, text), series_id)) in known.iter_mut().enumerate() {
            *series_id = number as u32;
            let mut label: Label = labels[*id as usize].clone();
            label.push(text.map(str::to_string));
            refined.push(label);
        }
        for (id, text) in ids.iter_mut().zip(&texts) {
            *id = known[&(*id, text.as_deref())];
        }
        labels = refined;
    }
    Ok((ids, labels))
}

/// Microseconds since 1970 UTC of each row; for days, of midnight in the job's time zone.
fn moments(
    batch: &Batch<'_>,
    name: &str,
    resolution: Resolution,
    civil: &[Option<DateTime>],
    zone: &TimeZone,
) -> Result<Vec<i64>, StageError> {
    let micros_of_day =
        |time: DateTime| zone.to_timestamp(time).map_or(0, Timestamp::as_microsecond);
    if resolution == Resolution::Moment {
        let micros = frame::micros(batch, name)?;
        return Ok(micros.into_iter().map(Option::unwrap_or_default).collect());
    }
    Ok(civil
        .iter()
        .map(|time| time.map_or(0, micros_of_day))
        .collect())
}

/// Converts times to keys and back.
struct Axis {
    every: Every,
    has_days: bool,
    zone: TimeZone,
}

impl Axis {
    /// Distance between keys.
    fn step(&self) -> i64 {
        match self.every {
            Every::Hour => HOUR_MICROS,
            Every::Week => 7,
            Every::Day | Every::None => 1,
        }
    }

    fn key(&self, civil: DateTime, moment: i64) -> i64 {
        match self.every {
            Every::Hour => {
                // Start of the hour in local time, for any offset of the zone.
                let seconds = i64::from(civil.minute()) * 60 + i64::from(civil.second());
                moment - seconds * 1_000_000 - i64::from(civil.subsec_nanosecond()) / 1_000
            }
            Every::Day => day_number(civil.date()),
            Every::Week => {
                let monday = i64::from(civil.date().weekday().to_monday_zero_offset());
                day_number(civil.date()) - monday
            }
            Every::None if self.has_days => day_number(civil.date()),
            Every::None => moment,
        }
    }

    fn civil(&self, key: i64) -> DateTime {
        if self.has_days {
            let day = EPOCH.checked_add(key.days()).unwrap_or(EPOCH);
            return day.at(0, 0, 0, 0);
        }
        let moment = Timestamp::from_microsecond(key).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(moment)
    }
}

/// Days since 1970.
pub(super) fn day_number(day: Date) -> i64 {
    i64::from((day - EPOCH).get_days())
}
