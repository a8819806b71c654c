//! Records by group and window.

use super::{
    HISTORY, Params,
    metric::{Metric, MetricKind},
    words::Part,
};
use crate::{
    Context, Input, StageError, frame,
    series::{coverage::Coverage, period::Period},
};
use jiff::{
    ToSpan, Unit,
    civil::{Date, DateTime},
};
use retrocast_domain::{Window, window::Comparison};
use std::collections::{BTreeMap, BTreeSet};

/// The windows that are looked at: the current one first, then back in time. Where records end within
/// the current one, all of them end at the same place.
pub(super) struct Windows {
    pub(super) windows: Vec<Window>,
    /// End of the part of each that is looked at.
    ends: Vec<DateTime>,
    /// Whether records cover each of them.
    pub(super) covered: Vec<bool>,
    /// How many windows before the current one make the baseline.
    pub(super) baseline: usize,
    /// The part that is looked at, when it is not the whole window.
    pub(super) part: Option<Part>,
}

impl Windows {
    pub(super) fn new(context: &Context, coverage: &Coverage) -> Self {
        let asked = context
            .compare
            .iter()
            .filter_map(|comparison| match comparison {
                Comparison::Windows(n) => Some(*n as usize),
                Comparison::Previous => None,
            });
        let baseline = asked.max().unwrap_or(4);
        let count = HISTORY.max(baseline + 1);
        let windows: Vec<Window> = (0..count as u32).map(|i| context.window.back(i)).collect();
        let first = coverage.first_day();
        let covered = windows.iter().map(|window| window.start >= first).collect();
        let midnight = |day: Date| day.at(0, 0, 0, 0);
        let window = &context.window;
        let end = coverage
            .end(Period::Day)
            .clamp(midnight(window.start), midnight(window.end));
        let is_part = end < midnight(window.end) && end > midnight(window.start);
        let ends = windows
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
        Self {
            ends,
            covered,
            baseline,
            part: is_part.then(|| Part::of(window, end)),
            windows,
        }
    }

    /// Which window holds a time, and on which of its days. A record at the very time at which the
    /// records end belongs to them.
    fn position(&self, time: DateTime) -> Option<(usize, usize)> {
        let day = time.date();
        let at = self.windows.partition_point(|window| window.start > day);
        let (window, end) = (self.windows.get(at)?, *self.ends.get(at)?);
        let is_in = time < end || (time == end && end.date() < window.end && !is_midnight(end));
        let offset = usize::try_from((day - window.start).get_days()).ok()?;
        is_in.then_some((at, offset))
    }

    /// Length of the part of a window that is looked at, in days.
    pub(super) fn days(&self, at: usize) -> f64 {
        let window = &self.windows[at];
        let start = window.start.at(0, 0, 0, 0);
        let hours = start.until(self.ends[at]);
        let hours = hours.and_then(|span| span.total((Unit::Hour, start)));
        hours.map_or(f64::from(window.days()), |hours| hours / 24.0)
    }

    /// The days of the part of a window that is looked at.
    fn days_of(&self, at: usize) -> Vec<Day> {
        let start = self.windows[at].start;
        let end = self.ends[at];
        let last = if is_midnight(end) {
            end.date().yesterday().unwrap_or(start)
        } else {
            end.date()
        };
        start
            .series(1.day())
            .take_while(|day| *day <= last)
            .map(|day| Day {
                weekday: usize::from(day.weekday().to_monday_zero_offset().unsigned_abs()),
                ..Day::default()
            })
            .collect()
    }

    /// The covered windows before the current one that make the baseline.
    pub(super) fn in_baseline(&self) -> Vec<usize> {
        let before = 1..=self.baseline;
        before.filter(|at| self.covered[*at]).collect()
    }
}

fn is_midnight(time: DateTime) -> bool {
    time == time.date().at(0, 0, 0, 0)
}

/// Records of one day.
#[derive(Debug, Clone, Default)]
pub(super) struct Day {
    /// 0 for Monday.
    pub(super) weekday: usize,
    pub(super) records: u64,
    pub(super) counting: u64,
    pub(super) values: Vec<f64>,
}

/// Records of one window.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) records: u64,
    pub(super) counting: u64,
    pub(super) values: Vec<f64>,
    /// Records that have no value.
    pub(super) without: u64,
    /// Its days, in their order.
    pub(super) days: Vec<Day>,
}

impl Sample {
    fn of_days(days: Vec<Day>) -> Self {
        Self {
            days,
            ..Self::default()
        }
    }

    fn add(&mut self, day: usize, counts: bool, value: Option<f64>) {
        self.records += 1;
        self.counting += u64::from(counts);
        self.values.extend(value);
        if let Some(day) = self.days.get_mut(day) {
            day.records += 1;
            day.counting += u64::from(counts);
            day.values.extend(value);
        }
    }

    /// Both together, without their days.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.records += other.records;
        self.counting += other.counting;
        self.without += other.without;
        self.values.extend_from_slice(&other.values);
        self.days.clear();
        self
    }
}

/// Labels of the groups to look at, each row's, and how many groups are left out. A row outside of
/// them has none.
pub(super) fn groups(
    input: &Input,
    params: &Params,
    times: &[Option<DateTime>],
    windows: &Windows,
) -> Result<(Vec<Option<String>>, usize), StageError> {
    if params.by.is_empty() {
        return Ok((vec![None; times.len()], 0));
    }
    let labels = frame::groups(input, &params.by)?;
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (label, time) in labels.iter().zip(times) {
        if time.and_then(|time| windows.position(time)).is_some() {
            *sizes.entry(label).or_default() += 1;
        }
    }
    let mut order: Vec<(&str, u64)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let left = order.len().saturating_sub(params.groups_max);
    order.truncate(params.groups_max);
    let kept: BTreeSet<String> = order
        .into_iter()
        .map(|(label, _)| label.to_string())
        .collect();
    Ok((
        labels
            .into_iter()
            .map(|label| kept.contains(&label).then_some(label))
            .collect(),
        left,
    ))
}

/// Records of a metric by group (all of them first) and window.
pub(super) fn samples(
    input: &Input,
    params: &Params,
    metric: &Metric,
    times: &[Option<DateTime>],
    labels: &[Option<String>],
    windows: &Windows,
    caveats: &mut Vec<String>,
) -> Result<Vec<(Option<String>, Vec<Sample>)>, StageError> {
    let kept = frame::matches(
        input,
        metric.filter_column.as_deref(),
        &metric.filter_equals,
    )?;
    let counts = frame::matches(input, metric.where_column.as_deref(), &metric.equals)?;
    let needs_value = !matches!(
        metric.kind,
        MetricKind::Count | MetricKind::Rate | MetricKind::Share
    );
    let values = match (&metric.value, needs_value) {
        (Some(value), true) => frame::numbers(input, value, caveats)?,
        (None, true) => {
            let message = format!("metric {:?} needs a `value` column", metric.name);
            return Err(StageError::Other(message));
        }
        (_, false) => vec![Some(1.0); times.len()],
    };
    if metric.is_share() && metric.where_column.is_none() {
        let message = format!("metric {:?} needs a `where_column`", metric.name);
        return Err(StageError::Other(message));
    }
    let empty: Vec<Sample> = (0..windows.windows.len())
        .map(|at| Sample::of_days(windows.days_of(at)))
        .collect();
    let mut all = empty.clone();
    let mut groups: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    if !params.by.is_empty() {
        for label in labels.iter().flatten() {
            groups.entry(label).or_insert_with(|| empty.clone());
        }
    }
    let rows = times.iter().zip(&values).zip(kept.iter().zip(&counts));
    for (((time, value), (kept, counts)), label) in rows.zip(labels) {
        let Some((at, day)) = time.and_then(|time| windows.position(time)) else {
            continue;
        };
        if !kept {
            continue;
        }
        let group = label.as_deref().and_then(|label| groups.get_mut(label));
        for samples in std::iter::once(&mut all).chain(group) {
            let Some(sample) = samples.get_mut(at) else {
                continue;
            };
            match value.filter(|value| value.is_finite()) {
                Some(value) => sample.add(day, *counts, needs_value.then_some(value)),
                None => sample.without += 1,
            }
        }
    }
    let groups = groups
        .into_iter()
        .map(|(label, samples)| (Some(label.to_string()), samples));
    Ok(std::iter::once((None, all)).chain(groups).collect())
}
