//! Collects records by group and window.

use super::{HISTORY, Params, metric::Metric, words::ComparedPart};
use crate::{
    Context, Input, StageError,
    frame::{self, Groups},
    rows::UnusableValues,
    series::{OBSERVED_MIN, coverage::Coverage, missing::MissingDays, period::Period},
    times::Times,
};
use jiff::{
    ToSpan, Unit,
    civil::{Date, DateTime},
};
use retrocast_domain::{Window, window::Comparison};
use std::collections::{BTreeMap, BTreeSet};

/// The windows to compare: the current window, then the earlier windows, newest first. If the
/// records end within the current window, all windows end at the same point.
pub(super) struct Windows {
    pub(super) windows: Vec<Window>,
    /// End of the compared part of each window.
    ends: Vec<DateTime>,
    /// True for windows that the records cover.
    pub(super) covered: Vec<bool>,
    /// Days on which records are missing, and the share of the usual records of the compared part
    /// of each window that is on other days.
    missing: Vec<MissingDays>,
    observed: Vec<f64>,
    /// Period of the records: weeks or months if each record is about a whole one, else days.
    pub(super) period: Period,
    /// The days with records.
    recorded: BTreeSet<Date>,
    /// Number of earlier windows that form the baseline.
    pub(super) baseline: usize,
    /// The compared part, if it is not the whole window.
    pub(super) part: Option<ComparedPart>,
}

impl Windows {
    pub(super) fn new(context: &Context, coverage: &Coverage, times: &Times) -> Self {
        let baselines = context
            .compare
            .iter()
            .filter_map(|comparison| match comparison {
                Comparison::Windows(n) => Some(*n as usize),
                Comparison::Previous => None,
            });
        let baseline = baselines.max().unwrap_or(4);
        let count = HISTORY.max(baseline + 1);
        let windows: Vec<Window> = (0..count as u32).map(|i| context.window.back(i)).collect();
        let first = coverage.first_day();
        let midnight = |day: Date| day.at(0, 0, 0, 0);
        let window = &context.window;
        let end = coverage
            .end(Period::Day)
            .clamp(midnight(window.start), midnight(window.end));
        let is_part = end < midnight(window.end) && end > midnight(window.start);
        let ends: Vec<DateTime> = windows
            .iter()
            .map(|other| {
                let last = midnight(other.end);
                if !is_part {
                    return last;
                }
                let days = (end.date() - window.start).get_days();
                let day = other.start.checked_add(i64::from(days).days());
                day.map_or(last, |day| day.to_datetime(end.time()).min(last))
            })
            .collect();
        let observed: Vec<f64> = windows
            .iter()
            .zip(&ends)
            .map(|(window, end)| coverage.observed_share(midnight(window.start), *end))
            .collect();
        let covered = windows
            .iter()
            .zip(&observed)
            .map(|(window, observed)| window.start >= first && *observed >= OBSERVED_MIN)
            .collect();
        Self {
            ends,
            covered,
            missing: coverage.missing().to_vec(),
            observed,
            period: Period::of_records(times),
            recorded: times.counts().iter().map(|(time, _)| time.date()).collect(),
            baseline,
            part: is_part.then(|| ComparedPart::new(window, end)),
            windows,
        }
    }

    /// The index of the window that contains a time, and the index of its day in that window. A
    /// record at the exact end of the records is included.
    fn position(&self, time: DateTime) -> Option<(usize, usize)> {
        let day = time.date();
        let index = self.windows.partition_point(|window| window.start > day);
        let (window, end) = (self.windows.get(index)?, *self.ends.get(index)?);
        let is_included =
            time < end || (time == end && end.date() < window.end && !is_midnight(end));
        let offset = usize::try_from((day - window.start).get_days()).ok()?;
        is_included.then_some((index, offset))
    }

    /// The index of the window that contains a time, whether or not it is in the compared part.
    fn whole(&self, time: DateTime) -> Option<usize> {
        let day = time.date();
        let index = self.windows.partition_point(|window| window.start > day);
        let window = self.windows.get(index)?;
        (day < window.end).then_some(index)
    }

    /// Length of the compared part of a window, in days; missing days count by their usual share of
    /// the records.
    pub(super) fn days(&self, index: usize) -> f64 {
        let window = &self.windows[index];
        let start = window.start.at(0, 0, 0, 0);
        let hours = start.until(self.ends[index]);
        let hours = hours.and_then(|span| span.total((Unit::Hour, start)));
        hours.map_or(f64::from(window.days()), |hours| hours / 24.0) * self.observed[index]
    }

    /// Length of the compared part of a window, in periods of the records: a month has one monthly
    /// record, however many days it has.
    pub(super) fn length(&self, index: usize) -> f64 {
        if self.period == Period::Day {
            return self.days(index);
        }
        let days = self.recorded.range(self.windows[index].start..);
        let end = self.ends[index];
        let recorded = days.take_while(|day| day.at(0, 0, 0, 0) < end).count();
        recorded.max(1) as f64
    }

    /// Returns true if enough of the current window's records are there to compare it with others.
    pub(super) fn is_comparable(&self) -> bool {
        self.observed[0] >= OBSERVED_MIN
    }

    /// The days of a window on which records are missing.
    pub(super) fn missing_in(&self, index: usize) -> impl Iterator<Item = &MissingDays> {
        let window = &self.windows[index];
        let days = self.missing.iter();
        days.filter(|days| days.first < window.end && days.last >= window.start)
    }

    /// The days of the compared part of a window, without records.
    fn empty_days(&self, index: usize) -> Vec<Day> {
        let start = self.windows[index].start;
        let end = self.ends[index];
        let last = if is_midnight(end) {
            end.date().yesterday().unwrap_or(start)
        } else {
            end.date()
        };
        start
            .series(1.day())
            .take_while(|day| *day <= last)
            .map(|day| match self.period {
                Period::Day => Day {
                    weekday: usize::from(day.weekday().to_monday_zero_offset().unsigned_abs()),
                    is_missing: self.missing.iter().any(|days| days.contains(day)),
                    ..Day::default()
                },
                // Between weekly or monthly records, nothing is recorded.
                _ => Day {
                    is_missing: !self.recorded.contains(&day),
                    ..Day::default()
                },
            })
            .collect()
    }

    /// Indices of the covered earlier windows that form the baseline.
    pub(super) fn baseline_indices(&self) -> Vec<usize> {
        let before = 1..=self.baseline;
        before.filter(|index| self.covered[*index]).collect()
    }
}

fn is_midnight(time: DateTime) -> bool {
    time == time.date().at(0, 0, 0, 0)
}

/// Records of one day.
#[derive(Debug, Clone, Default)]
pub(super) struct Day {
    /// Weekday; 0 for Monday.
    pub(super) weekday: usize,
    /// True if records are missing on this day.
    pub(super) is_missing: bool,
    pub(super) records: u64,
    /// Number of records in the numerator of a share.
    pub(super) numerator: u64,
    pub(super) values: Vec<f64>,
}

/// Records of one window.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) records: u64,
    /// Number of records in the numerator of a share.
    pub(super) numerator: u64,
    pub(super) values: Vec<f64>,
    /// Number of records without a value.
    pub(super) without_value: u64,
    /// Its days, in order.
    pub(super) days: Vec<Day>,
}

impl Sample {
    fn with_days(days: Vec<Day>) -> Self {
        Self {
            days,
            ..Self::default()
        }
    }

    fn add(&mut self, day: usize, in_numerator: bool, value: Option<f64>) {
        self.records += 1;
        self.numerator += u64::from(in_numerator);
        self.values.extend(value);
        if let Some(day) = self.days.get_mut(day) {
            day.records += 1;
            day.numerator += u64::from(in_numerator);
            day.values.extend(value);
        }
    }

    /// Combines both samples, without their days.
    pub(super) fn combine(mut self, other: &Self) -> Self {
        self.records += other.records;
        self.numerator += other.numerator;
        self.without_value += other.without_value;
        self.values.extend_from_slice(&other.values);
        self.days.clear();
        self
    }
}

/// The samples of one metric: all records first, then each group, by window.
pub(super) type Samples = Vec<(Option<String>, Vec<Sample>)>;

/// The samples of all metrics.
pub(super) struct AllSamples {
    pub(super) metrics: Vec<Samples>,
    /// The samples of all records in whole windows, by metric, if windows are compared in part.
    pub(super) whole: Option<Vec<Vec<Sample>>>,
    /// Number of groups left out.
    pub(super) omitted: usize,
}

/// Reads the records of all metrics.
pub(super) struct RecordReader<'a> {
    pub(super) context: &'a Context,
    pub(super) input: &'a Input,
    pub(super) params: &'a Params,
    pub(super) time: &'a str,
    pub(super) times: &'a Times,
    pub(super) windows: &'a Windows,
}

impl RecordReader<'_> {
    /// The groups with the most records, and the number of groups left out.
    fn groups(&self) -> Result<(Vec<String>, usize), StageError> {
        let by = &self.params.by;
        if by.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let mut groups = Groups::new(by);
        let mut sizes: Vec<u64> = Vec::new();
        let columns = by.iter().map(String::as_str).chain([self.time]);
        self.input
            .for_each_batch(&columns.collect::<Vec<_>>(), |batch| {
                let group_indices = groups.of(batch)?;
                sizes.resize(groups.labels.len(), 0);
                for (group, time) in group_indices
                    .into_iter()
                    .zip(self.times.of(batch, self.time)?)
                {
                    if time.and_then(|time| self.windows.position(time)).is_some() {
                        sizes[group] += 1;
                    }
                }
                Ok(())
            })?;
        let mut order: Vec<(u64, String)> = sizes.into_iter().zip(groups.labels).collect();
        order.retain(|(size, _)| *size > 0);
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let omitted = order.len().saturating_sub(self.params.groups_max);
        order.truncate(self.params.groups_max);
        Ok((order.into_iter().map(|(_, label)| label).collect(), omitted))
    }

    /// Reads the samples of each metric.
    pub(super) fn samples(&self, caveats: &mut Vec<String>) -> Result<AllSamples, StageError> {
        let params = self.params;
        params.metrics.iter().try_for_each(check_columns)?;
        let (labels, omitted) = self.groups()?;
        let empty: Vec<Sample> = (0..self.windows.windows.len())
            .map(|index| Sample::with_days(self.windows.empty_days(index)))
            .collect();
        let mut overall = vec![empty.clone(); params.metrics.len()];
        let no_records = vec![Sample::default(); self.windows.windows.len()];
        let mut whole =
            (self.windows.part.as_ref()).map(|_| vec![no_records; params.metrics.len()]);
        let empty_samples = vec![empty; params.metrics.len()];
        let mut by_group: BTreeMap<String, Vec<Vec<Sample>>> = (labels.into_iter())
            .map(|label| (label, empty_samples.clone()))
            .collect();
        let mut groups = Groups::new(&params.by);
        let mut unusable = UnusableValues::default();
        self.input.for_each_batch(&self.columns(), |batch| {
            self.context.stop.check();
            let group_indices = groups.of(batch)?;
            let times = self.times.of(batch, self.time)?;
            let positions: Vec<Option<(usize, usize)>> = (times.iter())
                .map(|time| self.windows.position((*time)?))
                .collect();
            let mut values: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
            for name in params.metrics.iter().filter_map(Metric::value_column) {
                if !values.contains_key(name) {
                    values.insert(name, frame::numbers(batch, name, &mut unusable)?);
                }
            }
            for (metric_index, metric) in params.metrics.iter().enumerate() {
                let filter = metric.filter_column.as_deref();
                let is_selected = frame::matches(batch, filter, &metric.filter_equals)?;
                let in_numerator =
                    frame::matches(batch, metric.where_column.as_deref(), &metric.equals)?;
                let values = metric.value_column().map(|name| &values[name]);
                let add = |sample: &mut Sample, day: usize, row: usize| match values
                    .map(|values| values[row])
                {
                    None => sample.add(day, in_numerator[row], None),
                    Some(Some(value)) => sample.add(day, in_numerator[row], Some(value)),
                    Some(None) => sample.without_value += 1,
                };
                for row in (0..group_indices.len()).filter(|row| is_selected[*row]) {
                    let index = times[row].and_then(|time| self.windows.whole(time));
                    let samples = whole.as_mut().map(|whole| &mut whole[metric_index]);
                    if let Some((samples, index)) = samples.zip(index) {
                        add(&mut samples[index], 0, row);
                    }
                    let Some((window, day)) = positions[row] else {
                        continue;
                    };
                    let group = by_group.get_mut(&groups.labels[group_indices[row]]);
                    let both = std::iter::once(&mut overall[metric_index])
                        .chain(group.map(|samples| &mut samples[metric_index]));
                    for samples in both {
                        let Some(sample) = samples.get_mut(window) else {
                            continue;
                        };
                        add(sample, day, row);
                    }
                }
            }
            Ok(())
        })?;
        caveats.extend(unusable.caveats());
        let samples = overall
            .into_iter()
            .enumerate()
            .map(|(metric_index, overall)| {
                let groups = by_group.iter_mut().map(|(label, samples)| {
                    (
                        Some(label.clone()),
                        std::mem::take(&mut samples[metric_index]),
                    )
                });
                std::iter::once((None, overall)).chain(groups).collect()
            });
        Ok(AllSamples {
            metrics: samples.collect(),
            whole,
            omitted,
        })
    }

    /// The columns that the metrics read.
    fn columns(&self) -> Vec<&str> {
        let by = self.params.by.iter().map(String::as_str);
        let metrics = self.params.metrics.iter().flat_map(|metric| {
            let conditions = [&metric.filter_column, &metric.where_column];
            let conditions = conditions.into_iter().filter_map(|name| name.as_deref());
            conditions.chain(metric.value_column())
        });
        by.chain([self.time]).chain(metrics).collect()
    }
}

/// Returns an error if a metric lacks a required column.
fn check_columns(metric: &Metric) -> Result<(), StageError> {
    let missing = if metric.needs_value() && metric.value.is_none() {
        "a `value` column"
    } else if metric.is_share() && metric.where_column.is_none() {
        "a `where_column`"
    } else {
        return Ok(());
    };
    Err(StageError::Other(format!(
        "metric {:?} needs {missing}",
        metric.name
    )))
}
