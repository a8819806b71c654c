//! Records by group and window.

use super::{
    HISTORY, Params,
    estimate::Sample,
    metric::{Metric, MetricKind},
};
use crate::{
    Context, Input, StageError, frame,
    series::{coverage::Coverage, period::Period},
};
use jiff::{Unit, civil::Date};
use retrocast_domain::{Window, window::Comparison};
use std::collections::BTreeMap;

/// The windows that are looked at: the current one first, then back in time.
pub(super) struct Windows {
    pub(super) windows: Vec<Window>,
    /// Whether records cover each of them.
    pub(super) covered: Vec<bool>,
    /// How many windows before the current one make the baseline.
    pub(super) baseline: usize,
    /// Days of the current window that records cover: all, unless they end before it does.
    pub(super) current_days: f64,
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
        let start = context.window.start.at(0, 0, 0, 0);
        let covered_hours = start.until(coverage.end(Period::Day));
        let hours = covered_hours.and_then(|span| span.total((Unit::Hour, start)));
        let days = f64::from(context.window.days());
        Self {
            windows,
            covered,
            baseline,
            current_days: hours.map_or(days, |hours| (hours / 24.0).clamp(1.0 / 24.0, days)),
        }
    }

    /// Which window holds a day.
    fn position(&self, day: Date) -> Option<usize> {
        let at = self.windows.partition_point(|window| window.start > day);
        (self.windows.get(at)?.contains(day)).then_some(at)
    }

    pub(super) fn days(&self, at: usize) -> f64 {
        if at == 0 {
            self.current_days
        } else {
            f64::from(self.windows[at].days())
        }
    }
}

/// Labels of the groups to look at, each row's, and how many groups are left out. A row outside of
/// them has none.
pub(super) fn groups(
    input: &Input,
    params: &Params,
    days: &[Option<Date>],
    windows: &Windows,
) -> Result<(Vec<Option<String>>, usize), StageError> {
    if params.by.is_empty() {
        return Ok((vec![None; days.len()], 0));
    }
    let labels = frame::groups(input, &params.by)?;
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (label, day) in labels.iter().zip(days) {
        if day.and_then(|day| windows.position(day)).is_some() {
            *sizes.entry(label).or_default() += 1;
        }
    }
    let mut order: Vec<(&str, u64)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let left = order.len().saturating_sub(params.groups_max);
    order.truncate(params.groups_max);
    let kept: std::collections::BTreeSet<String> = order
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
    days: &[Option<Date>],
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
        (_, false) => vec![Some(1.0); days.len()],
    };
    if metric.is_share() && metric.where_column.is_none() {
        let message = format!("metric {:?} needs a `where_column`", metric.name);
        return Err(StageError::Other(message));
    }
    let empty = || vec![Sample::default(); windows.windows.len()];
    let mut all = empty();
    let mut groups: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    if !params.by.is_empty() {
        for label in labels.iter().flatten() {
            groups.entry(label).or_insert_with(empty);
        }
    }
    for i in 0..days.len() {
        let Some(at) = days[i].and_then(|day| windows.position(day)) else {
            continue;
        };
        let Some(value) = values[i].filter(|value| value.is_finite() && kept[i]) else {
            continue;
        };
        let value = needs_value.then_some(value);
        all[at].add(counts[i], value);
        if let Some(group) = labels[i].as_deref().and_then(|label| groups.get_mut(label)) {
            group[at].add(counts[i], value);
        }
    }
    let groups = groups
        .into_iter()
        .map(|(label, samples)| (Some(label.to_string()), samples));
    Ok(std::iter::once((None, all)).chain(groups).collect())
}
