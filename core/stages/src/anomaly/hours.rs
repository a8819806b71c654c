//! Unusual runs of a few hours, which the totals and means of days, and single hours, hide.

use super::{
    ANOMALY, Params, Sides,
    detect::{AnomalyScores, Event},
    history_max,
    present::Reporter,
};
use crate::{
    Context, Input, StageError, frame,
    series::{self, Aggregate, Group, PartPeriods, Request, SeriesSet, period::Period, words},
    times::Resolution,
};
use jiff::civil::{Date, DateTime};
use rayon::prelude::*;
use retrocast_domain::{
    ActionRequest, Direction, Estimate, Finding, Magnitude, Severity, Table, number, sentence::fill,
};
use retrocast_stats::burst::{Burst, Hour, ValueHour, scan, scan_values};

/// The method, for findings.
const METHOD: &str = "Scan of all runs of 1 to 24 hours, negative binomial tail, corrected by the largest scores of \
                      earlier weeks (Naus, 1965; Gumbel, 1958); Bonferroni over groups";

/// The same, of values.
const METHOD_OF_VALUES: &str = "Scan of all runs of 1 to 24 hours, weighted mean of residuals on a robust scale, \
                                corrected by the largest scores of earlier weeks (Naus, 1965; Gumbel, 1958); \
                                Bonferroni over groups";

/// The bursts of a group.
pub(super) struct GroupBursts<'a> {
    /// The series of hours.
    hours: &'a SeriesSet,
    pub(super) group: &'a Group,
    pub(super) bursts: Vec<Burst>,
}

impl GroupBursts<'_> {
    /// The direction and time of a burst: "unusually high from 14:00 to 19:00 on 11 November 2026".
    pub(super) fn describe(&self, burst: &Burst) -> String {
        let side = if burst.is_up() { "high" } else { "low" };
        format!("unusually {side} {}", when(self.hours, burst))
    }

    /// The step in which a burst begins.
    pub(super) fn step(&self, steps: &SeriesSet, burst: &Burst) -> Option<usize> {
        let start = self.hours.starts[burst.first];
        let after = steps.starts.partition_point(|other| *other <= start);
        after.checked_sub(1)
    }
}

/// Counts or values per hour, if the records have times of day and are not summed, and most hours
/// of some group have a value; `None` otherwise.
pub(super) fn collect_hours(
    context: &Context,
    params: &Params,
    input: &Input,
) -> Result<Option<SeriesSet>, StageError> {
    let aggregate = params.aggregate();
    if aggregate == Aggregate::Sum {
        return Ok(None);
    }
    let time = frame::time_column(input, params.time.as_deref())?;
    if input.times(time, &context.window.timezone)?.resolution != Resolution::Moment {
        return Ok(None);
    }
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate,
        period: Period::Hour,
        part_periods: PartPeriods::LeaveOut,
        periods_max: history_max(Period::Hour),
        without_year: false,
        groups_max: super::GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let set = series::collect(context, input, &request)?;
    Ok((set.empty_reason.is_none() && is_scanned(&set, aggregate)).then_some(set))
}

/// Returns true if runs of these hours can be scanned.
pub(super) fn is_scanned(hours: &SeriesSet, aggregate: Aggregate) -> bool {
    let has_most_hours =
        |group: &Group| 2 * group.known() > hours.starts.len() - group.first_known();
    match aggregate {
        Aggregate::Count => true,
        Aggregate::Sum => false,
        Aggregate::Mean | Aggregate::Median | Aggregate::Max => {
            hours.groups.iter().any(has_most_hours)
        }
    }
}

/// Finds the bursts of every group in the window, but for those on days, or in hours, that are
/// themselves unusual in the same direction, and on days with a stuck value.
pub(super) fn find_bursts<'a>(
    context: &Context,
    params: &Params,
    hours: &'a SeriesSet,
    steps: &SeriesSet,
    scored: &[AnomalyScores],
) -> Vec<GroupBursts<'a>> {
    let from = hours.index_of(context.window.start);
    let directions = if params.direction == Sides::Both {
        2
    } else {
        1
    };
    let p_max = params.alpha / (hours.groups.len().max(1) * directions) as f64;
    let is_reported = |group: &Group, burst: &Burst| {
        let span = [burst.first, burst.end - 1].map(|hour| hours.day(hour));
        let of_group = || {
            scored
                .iter()
                .filter(|scores| scores.series.label == group.label)
        };
        let mut events = of_group()
            .flat_map(|scores| &scores.events)
            .filter(|event| event.up == burst.is_up());
        let mut silences = of_group().filter_map(|scores| scores.silence.as_ref());
        let overlaps = |event: &Event| match steps.period {
            Period::Hour => event.first < burst.end && burst.first <= event.last,
            _ => steps.day(event.first) <= span[1] && span[0] <= steps.day(event.last),
        };
        // A value that is stuck is at times above, at times below the expected one.
        let mut stuck = of_group().filter_map(|scores| scores.stuck.as_ref());
        let is_stuck = stuck.any(|run| {
            let days = [run.steps.start, run.steps.end - 1].map(|step| steps.day(step));
            days[0] <= span[1] && span[0] <= days[1]
        });
        events.any(overlaps)
            || is_stuck
            || (!burst.is_up() && silences.any(|silence| steps.day(silence.steps.start) <= span[1]))
    };
    let find = |group: &'a Group| {
        context.stop.check();
        let bursts = scan_group(hours, group, params.aggregate(), from, p_max)
            .into_iter()
            .filter(|burst| match params.direction {
                Sides::Both => true,
                Sides::Up => burst.is_up(),
                Sides::Down => !burst.is_up(),
            })
            .filter(|burst| {
                relative(burst).abs() >= params.change_min && !is_reported(group, burst)
            })
            .collect();
        GroupBursts {
            hours,
            group,
            bursts,
        }
    };
    let mut bursts: Vec<GroupBursts> = hours.groups.par_iter().map(find).collect();
    bursts.retain(|group| !group.bursts.is_empty());
    bursts
}

/// Scans the hours of a group.
fn scan_group(
    hours: &SeriesSet,
    group: &Group,
    aggregate: Aggregate,
    from: usize,
    p_max: f64,
) -> Vec<Burst> {
    let day = |start: &DateTime| {
        let since = Date::constant(1970, 1, 1).until(start.date());
        since.map_or(0, |span| span.get_days())
    };
    let hour = |start: &DateTime| usize::try_from(start.hour()).unwrap_or_default();
    let weekday = |start: &DateTime| {
        usize::try_from(start.weekday().to_monday_zero_offset()).unwrap_or_default()
    };
    let pairs = hours.starts.iter().zip(&group.values);
    if aggregate == Aggregate::Count {
        let counts = pairs.map(|(start, count)| Hour {
            count: *count,
            day: day(start),
            hour: hour(start),
            weekday: weekday(start),
        });
        return scan(&counts.collect::<Vec<_>>(), from, p_max);
    }
    let values = pairs
        .zip(&group.counts)
        .map(|((start, value), count)| ValueHour {
            value: *value,
            // A maximum does not become more certain with the number of records.
            records: if aggregate == Aggregate::Max {
                1.0
            } else {
                *count
            },
            day: day(start),
            hour: hour(start),
            weekday: weekday(start),
        });
    scan_values(&values.collect::<Vec<_>>(), from, p_max)
}

/// Deviation relative to the expected value.
fn relative(burst: &Burst) -> f64 {
    (burst.observed - burst.expected) / burst.expected.abs().max(1e-12)
}

/// "from 14:00 to 19:00 on 11 November 2026".
fn when(hours: &SeriesSet, burst: &Burst) -> String {
    let [first, last] = [burst.first, burst.end - 1].map(|hour| hours.starts[hour]);
    format!("from {}", Period::Hour.range(first, last))
}

impl Reporter<'_> {
    /// The finding of a burst.
    pub(super) fn burst_finding(&self, hours: &SeriesSet, group: &Group, burst: &Burst) -> Finding {
        let iso = |hour: usize| Period::Hour.iso(hours.starts[hour]);
        let kind = self.params.metric_type.event(burst.is_up());
        let what = format!("{kind} of {} in hours from {}", self.name, iso(burst.first));
        let mut finding = Finding::new(&self.context.stage, ANOMALY.name, &group.subject, &what);
        let high = if burst.is_up() { "high" } else { "low" };
        let were = if words::is_or_are(self.name) == "is" {
            "was"
        } else {
            "were"
        };
        let day = Period::Day.words(hours.starts[burst.first]);
        let event = format!("{were} unusually {high} for hours on {day}");
        finding.request = Some(ActionRequest::new(self.name, event, "find the cause"));
        finding.direction = if burst.is_up() {
            Direction::Up
        } else {
            Direction::Down
        };
        let is_count = self.params.aggregate() == Aggregate::Count;
        finding.magnitude = Some(Magnitude {
            value: burst.observed - burst.expected,
            lower: None,
            upper: None,
            level: None,
            unit: if is_count || self.params.unit.is_empty() {
                self.name.to_string()
            } else {
                self.params.unit.clone()
            },
        });
        let records: f64 = group.counts[burst.first..burst.end].iter().sum();
        finding.n = records as u64;
        finding.p = Some(burst.p);
        let tests = hours.groups.len() as f64;
        finding.p_adjusted = Some((burst.p * tests).min(1.0));
        finding.method = if is_count { METHOD } else { METHOD_OF_VALUES }.to_string();
        finding.period = format!("{} to {}", iso(burst.first), iso(burst.end - 1));
        finding.baseline = Some(
            "the level of the four weeks before, with the usual hours and weekdays".to_string(),
        );
        finding
            .evidence
            .push(hours.evidence_on(group, burst.first, burst.end - 1));
        let is_bad = self.params.metric_type.is_bad(burst.is_up());
        finding.severity = if is_bad {
            Severity::Warning
        } else {
            Severity::Notice
        };
        finding.confidence = (1.0 - burst.p * tests).clamp(0.5, 0.999);
        let [expected, observed, difference] = self.burst_amounts(burst);
        finding.sentence = fill(
            "{Name}{group} {were} unusually {high} {when}: {observed} {in_hours}, {expected} expected ({difference}).",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group)),
                ("were", were),
                ("high", high),
                ("when", &when(hours, burst)),
                ("observed", &observed),
                (
                    "in_hours",
                    &format!(
                        "{} {}",
                        if is_count { "in" } else { "over" },
                        number::plural((burst.end - burst.first) as u64, "hour")
                    ),
                ),
                ("expected", &expected),
                ("difference", &difference),
            ],
        );
        finding
            .number("type", kind)
            .number("start", iso(burst.first))
            .number("end", iso(burst.end - 1))
            .number("steps", (burst.end - burst.first) as u64)
            .number("value", burst.observed)
            .number("expected", burst.expected)
            .number("relative", relative(burst))
    }

    /// Expected and observed value of a burst, and their difference.
    fn burst_amounts(&self, burst: &Burst) -> [String; 3] {
        let unit = self.params.unit.as_str();
        let Burst {
            observed, expected, ..
        } = *burst;
        if self.params.aggregate() == Aggregate::Count {
            let difference = Estimate::relative(relative(burst), None, true).of_counts();
            let observed = number::count(observed as u64);
            return [number::sensible(expected), observed, difference.signed()];
        }
        let difference = if matches!(unit, "%" | "share") || expected <= 1e-9 || observed < 0.0 {
            Estimate::amount(observed - expected, None, unit, true)
        } else {
            Estimate::relative(relative(burst), None, true)
        };
        let [low, high] = difference.levels([expected, observed], None, unit);
        [low, high, difference.signed()]
    }

    /// The table of all bursts; `None` without any.
    pub(super) fn burst_table(&self, hours: &SeriesSet, groups: &[GroupBursts]) -> Option<Table> {
        let (of, value) = match self.params.aggregate() {
            Aggregate::Count => ("an unusual number of ", ">number"),
            _ => ("unusual ", ">value"),
        };
        let mut table = Table::new(
            format!("Runs of hours with {of}{}.", self.name),
            &["<group", "<from", "<to", value, ">expected", ">p"],
        );
        for GroupBursts { group, bursts, .. } in groups {
            for burst in bursts {
                let iso = |hour: usize| hours.starts[hour].strftime("%Y-%m-%d %H:%M").to_string();
                let end = Period::Hour.after(hours.starts[burst.end - 1], 1);
                let [expected, observed, _] = self.burst_amounts(burst);
                table.push([
                    group.label.clone(),
                    iso(burst.first),
                    end.strftime("%Y-%m-%d %H:%M").to_string(),
                    observed,
                    expected,
                    number::p_bare(burst.p),
                ]);
            }
        }
        (!table.rows.is_empty()).then(|| table.top(40))
    }
}

#[cfg(test)]
mod tests;
