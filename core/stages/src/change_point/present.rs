//! Formats shifts as findings, sentences, tables and charts.

use super::{METHOD, Params, search::ShiftSearch};
use crate::{
    Context, StageError,
    series::{Group, SeriesSet, period::Period, words},
};
use jiff::{ToSpan, civil::Date};
use polars::prelude::*;
use retrocast_domain::{
    ActionRequest, Chart, ChartKind, Direction, Estimate, Finding, Magnitude, Severity, Table,
    chart::{Level as ChartLevel, Marker, Role, Series},
    estimate::level_with_interval,
    number::{self, plural},
    sentence::fill,
    window::{month_name, range},
};
use retrocast_stats::{
    change_point::{Level, Shift},
    shape::Shape,
};

/// A shift of a group, with everything that its texts need.
pub(super) struct GroupShift<'a> {
    pub(super) set: &'a SeriesSet,
    pub(super) params: &'a Params,
    pub(super) group: &'a Group,
    pub(super) result: &'a ShiftSearch,
    /// Index in `result.shifts`.
    pub(super) shift: usize,
}

impl GroupShift<'_> {
    pub(super) fn shift(&self) -> &Shift {
        &self.result.shifts[self.shift].0
    }

    /// First day of the period at an index of the searched values.
    pub(super) fn day(&self, position: usize) -> Date {
        let indices = &self.result.indices;
        let index = indices
            .get(position)
            .or(indices.last())
            .copied()
            .unwrap_or(0);
        self.set.day(index)
    }

    /// The change with its interval, significant since the search found it: relative if no value is
    /// negative, else in the unit of the values.
    pub(super) fn estimate(&self) -> Estimate<'_> {
        let shift = self.shift();
        let [step, low, high] = shift.difference;
        let (before, after) = (shift.before.mean, shift.after.mean);
        if let Some([ratio, low, high]) = shift.ratio.filter(|_| !self.is_share()) {
            Estimate::relative(ratio - 1.0, Some([low - 1.0, high - 1.0]), true)
        } else if before > 0.0 && after == 0.0 && self.is_non_negative() && !self.is_share() {
            let relative = [low, high].map(|bound| bound / before);
            Estimate::relative(-1.0, Some(relative), true)
        } else {
            Estimate::amount(step, Some([low, high]), self.unit(), true)
        }
    }

    /// The unit of differences.
    fn unit(&self) -> &str {
        if self.params.unit.is_empty() {
            &self.set.measure
        } else {
            &self.params.unit
        }
    }

    /// Returns true if values are shares, whose difference is in percentage points.
    fn is_share(&self) -> bool {
        matches!(self.params.unit.as_str(), "%" | "share")
    }

    /// Returns true if no value is negative.
    fn is_non_negative(&self) -> bool {
        self.group
            .values
            .iter()
            .flatten()
            .all(|value| *value >= 0.0)
    }

    /// Formats the means before and after with enough digits to show their difference.
    fn means(&self) -> [String; 2] {
        let shift = self.shift();
        let [_, low, high] = shift.difference;
        let means = [shift.before.mean, shift.after.mean];
        let width = Some((high - low) / 2.0);
        self.estimate().levels(means, width, &self.params.unit)
    }

    /// Returns true if the level rose.
    fn rises(&self) -> bool {
        self.shift().difference[0] > 0.0
    }

    /// The claim: "shift of failures in 2026-10"; "shift 2 of failures in 2026-10" for the second
    /// one of that month. It names no day, because estimated dates move by days between runs;
    /// numbers start at the earliest shift, because new ones appear at the end.
    fn what(&self) -> String {
        let month = |shift: usize| {
            self.day(self.result.shifts[shift].0.position)
                .first_of_month()
        };
        let this = month(self.shift);
        let earlier = (0..self.shift).filter(|shift| month(*shift) == this);
        let number = match earlier.count() {
            0 => String::new(),
            earlier => format!(" {}", earlier + 1),
        };
        let (measure, year, month) = (&self.set.measure, this.year(), this.month());
        format!("shift{number} of {measure} in {year}-{month:02}")
    }

    /// "; a gradual fall describes these weeks about as well", unless steps are clearly better. A
    /// gradual change has one direction, so it is no alternative to shifts in both.
    fn gradual_alternative(&self) -> String {
        if !self.may_be_gradual() {
            return String::new();
        }
        let movement = if self.rises() { "rise" } else { "fall" };
        let noun = self.set.period.noun();
        format!("; a gradual {movement} describes these {noun}s about as well")
    }

    /// Returns true if a gradual change describes the series about as well.
    fn may_be_gradual(&self) -> bool {
        let rises = self.rises();
        let mut shifts = self.result.shifts.iter();
        let is_open = matches!(self.result.shape, Some(Shape::Open { .. }));
        is_open && shifts.all(|(shift, _)| (shift.difference[0] > 0.0) == rises)
    }

    /// Returns true if a gradual change describes the series slightly better.
    fn is_gradual(&self) -> bool {
        self.may_be_gradual() && !self.result.shape.is_some_and(Shape::favours_step)
    }

    /// A level with its interval, which does not extend below zero if no value does.
    fn level(&self, level: &Level, mean: &str) -> String {
        let floor = if self.is_non_negative() {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let [low, high] = level.interval.map(|bound| bound.max(floor));
        // The mean has the unit already.
        let unit = match self.params.unit.as_str() {
            "share" => "share",
            _ => "",
        };
        let [_, range] = level_with_interval(level.mean, [low, high], unit, false);
        format!("{mean} ({range})")
    }

    /// Mean of a level, including the incomplete period at its start or end.
    fn mean_with_parts(&self, level: &Level) -> f64 {
        let indices = &self.result.indices;
        let before = self.set.parts_before;
        let index = |position: usize| indices.get(position).map_or(0, |index| index + before);
        let start = if level.start == 0 {
            0
        } else {
            index(level.start)
        };
        let all = &self.group.with_parts;
        let end = if level.end == indices.len() {
            all.len()
        } else {
            index(level.end)
        };
        let present: Vec<f64> = all[start..end].iter().flatten().copied().collect();
        present.iter().sum::<f64>() / present.len().max(1) as f64
    }

    /// The date of the shift: "in January 2026", or "around January 2026" if it has an interval.
    fn when(&self) -> String {
        let (period, day) = (self.set.period, self.day(self.shift().position));
        if self.date_interval().is_empty() {
            period.when(day)
        } else {
            format!("around {}", period.words(day))
        }
    }

    /// The interval of the date, " (95 % interval 10 to 15 October 2026)"; empty if the date is
    /// exact.
    fn date_interval(&self) -> String {
        let [low, high] = self.shift().interval.map(|position| self.day(position));
        if low == high || self.set.period == Period::Month && low.first_of_month() == high {
            return String::new();
        }
        format!(" (95\u{a0}% interval {})", self.dates(low, high))
    }

    /// The days or months between which a shift lies.
    fn dates(&self, low: Date, high: Date) -> String {
        match self.set.period {
            Period::Month => self.set.period.range(low, high),
            _ => range(low, high),
        }
    }
}

pub(super) fn finding(context: &Context, group_shift: &GroupShift<'_>) -> Finding {
    let GroupShift {
        set,
        params,
        group,
        result,
        ..
    } = *group_shift;
    let (shift, p_adjusted) = &result.shifts[group_shift.shift];
    let day = group_shift.day(shift.position);
    let what = group_shift.what();
    let mut finding = Finding::new(&context.stage, "change_point", &group.subject, &what);
    let rises = group_shift.rises();
    finding.direction = if rises {
        Direction::Up
    } else {
        Direction::Down
    };
    let ratio = shift.ratio.filter(|_| !group_shift.is_share());
    finding.magnitude = Some(if let Some([ratio, low, high]) = ratio {
        Magnitude::interval95(ratio, low, high, "ratio")
    } else {
        let [step, low, high] = shift.difference;
        Magnitude::interval95(
            step,
            low,
            high,
            number::unit_of_difference(group_shift.unit()),
        )
    });
    let verb = if rises { "rose" } else { "fell" };
    let event = format!("{verb} in {} {}", month_name(day), day.year());
    finding.request = Some(ActionRequest::new(&set.measure, event, "find the cause"));
    finding.n = result.indices.len() as u64;
    finding.p = Some(shift.p);
    finding.p_adjusted = Some(*p_adjusted);
    finding.method = METHOD.to_string();
    finding.period = set.dates();
    finding.baseline = Some(format!(
        "the {} before, from {}",
        plural(
            (shift.before.end - shift.before.start) as u64,
            set.period.noun()
        ),
        set.period.words(group_shift.day(shift.before.start))
    ));
    finding.evidence = vec![set.evidence.clone()];
    finding.confidence = 1.0 - p_adjusted;
    // A gradual change was the event; the step through it is not a second one.
    finding.severity = if group_shift.is_gradual() {
        Severity::Info
    } else {
        severity(context, params, day, rises)
    };
    finding.caveats.clone_from(&set.caveats);
    if result.uncorrected.autocorrelation > 0.2 {
        finding.caveats.push(format!(
            "Neighbouring {}s resemble each other (autocorrelation {}); p and intervals allow for it.",
            set.period.noun(),
            number::fixed(result.uncorrected.autocorrelation, 2)
        ));
    }
    finding.sentence = sentence(group_shift);
    add_numbers(finding, group_shift)
}

/// Number of days before the window's end in which a shift for the worse is recent.
const RECENT_DAYS: i64 = 8 * 7;

/// Severity: recent shifts for the worse need attention, older ones are for information.
fn severity(context: &Context, params: &Params, day: Date, rises: bool) -> Severity {
    let is_worse = rises == params.lower_is_better;
    let window = &context.window;
    let is_recent = day >= window.back(4).start || day >= window.end - RECENT_DAYS.days();
    let is_new = day >= window.start - 7.days();
    match (is_worse, is_new, is_recent) {
        (true, true, _) => Severity::Warning,
        (true, false, true) | (false, true, _) => Severity::Notice,
        _ => Severity::Info,
    }
}

fn sentence(group_shift: &GroupShift<'_>) -> String {
    let GroupShift {
        set, params, group, ..
    } = *group_shift;
    let [before, after] = group_shift.means();
    fill(
        "{what}{whom} {verb} {when}{between} from a mean of {before} to {after}: {claim}{or_gradual}.",
        &[
            ("what", &words::capitalised(&set.measure)),
            ("whom", &words::in_named(&params.by, &group.label)),
            ("verb", if group_shift.rises() { "rose" } else { "fell" }),
            ("when", &group_shift.when()),
            ("between", &group_shift.date_interval()),
            ("before", &before),
            ("after", &after),
            ("claim", &group_shift.estimate().claim("")),
            ("or_gradual", &group_shift.gradual_alternative()),
        ],
    )
}

/// Adds the numbers of a shift to its finding.
pub(super) fn add_numbers(finding: Finding, group_shift: &GroupShift<'_>) -> Finding {
    let shift = group_shift.shift();
    let [low, high] = shift
        .interval
        .map(|position| group_shift.day(position).to_string());
    let mean_before_with_part_periods = group_shift.mean_with_parts(&shift.before);
    let mean_after_with_part_periods = group_shift.mean_with_parts(&shift.after);
    finding
        .number("date", group_shift.day(shift.position).to_string())
        .number("date_low", low)
        .number("date_high", high)
        .number("mean_before", shift.before.mean)
        .number("mean_before_interval", shift.before.interval.to_vec())
        .number("mean_after", shift.after.mean)
        .number("mean_after_interval", shift.after.interval.to_vec())
        .number(
            "mean_before_with_part_periods",
            mean_before_with_part_periods,
        )
        .number("mean_after_with_part_periods", mean_after_with_part_periods)
        .number("difference", shift.difference.to_vec())
        .number(
            "ratio",
            shift
                .ratio
                .map_or(serde_json::Value::Null, |r| r.to_vec().into()),
        )
        .number("periods_before", shift.before.end - shift.before.start)
        .number("periods_after", shift.after.end - shift.after.start)
        .number("period", group_shift.set.period.noun())
        .number("statistic", shift.statistic)
        .number(
            "autocorrelation",
            group_shift.result.uncorrected.autocorrelation,
        )
        .number("records", group_shift.group.records)
}

pub(super) fn chart(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    group: &Group,
    result: &ShiftSearch,
) -> Chart {
    let times = set.starts.clone();
    let group_shift = |shift| GroupShift {
        set,
        params,
        group,
        result,
        shift,
    };
    let time_of = |position: usize| {
        let index = result
            .indices
            .get(position)
            .copied()
            .unwrap_or(times.len().saturating_sub(1));
        times[index]
    };
    let mut levels = Vec::new();
    let mut markers = Vec::new();
    for (i, (shift, _)) in result.shifts.iter().enumerate() {
        let [before, after] = group_shift(i).means();
        let before = (i == 0).then_some((&shift.before, before));
        for (level, label) in before.into_iter().chain([(&shift.after, after)]) {
            levels.push(ChartLevel {
                start: time_of(level.start),
                end: time_of(
                    level
                        .end
                        .saturating_sub(usize::from(level.end == result.indices.len())),
                ),
                value: level.mean,
                label,
            });
        }
        let label = set.period.words(group_shift(i).day(shift.position));
        markers.push(Marker {
            time: time_of(shift.position),
            value: None,
            label,
        });
    }
    let what = format!(
        "{}{}",
        set.measure,
        words::in_named(&params.by, &group.label)
    );
    let title = match &result.shifts[..] {
        [] => format!(
            "{}: no shift of the level proven",
            words::capitalised(&what)
        ),
        [_] => {
            let [before, after] = group_shift(0).means();
            format!(
                "{} {} from {before} to {after} {}{}",
                words::capitalised(&what),
                if group_shift(0).rises() {
                    "rose"
                } else {
                    "fell"
                },
                group_shift(0).when(),
                group_shift(0).date_interval()
            )
        }
        shifts => {
            let count = plural(shifts.len() as u64, "time");
            format!("The level of {what} shifted {count}")
        }
    };
    let means: Vec<String> = levels
        .iter()
        .map(|level| format!("{} from {}", level.label, set.period.words(level.start)))
        .collect();
    let shown = if means.is_empty() {
        String::new()
    } else {
        format!(" Means: {}.", number::list(&means))
    };
    Chart {
        id: words::chart_id(&context.stage, &group.label),
        title,
        unit: words::axis(&set.measure, &params.unit),
        alt: format!(
            "{}, {}.{shown}",
            words::capitalised(&what),
            set.dates_in_words(0)
        ),
        kind: ChartKind::Line {
            series: vec![Series {
                name: set.measure.clone(),
                times,
                values: group.values.clone(),
                role: Role::Observed,
            }],
            bands: Vec::new(),
            markers,
            levels,
        },
        table: None,
    }
}

pub(super) fn table(set: &SeriesSet, params: &Params, results: &[Option<ShiftSearch>]) -> Table {
    let mut table = Table::new(
        format!(
            "Shifts of the level of {}, {}.",
            set.measure,
            set.dates_in_words(0)
        ),
        &[
            "<group",
            "<since",
            "<95 % interval of the date",
            ">before",
            ">after",
            ">change",
            ">95 % interval",
            ">adjusted p",
        ],
    );
    for (group, result) in set.groups.iter().zip(results) {
        let Some(result) = result else { continue };
        for (i, (shift, p)) in result.shifts.iter().enumerate() {
            let group_shift = GroupShift {
                set,
                params,
                group,
                result,
                shift: i,
            };
            let [low, high] = shift.interval.map(|position| group_shift.day(position));
            let estimate = group_shift.estimate();
            let [before, after] = group_shift.means();
            table.push([
                group.label.clone(),
                set.period.words(group_shift.day(shift.position)),
                group_shift.dates(low, high),
                group_shift.level(&shift.before, &before),
                group_shift.level(&shift.after, &after),
                estimate.signed(),
                estimate.signed_range(),
                number::p_bare(*p),
            ]);
        }
    }
    table.top(30)
}

/// One row per shift, for later stages.
pub(super) fn frame_of(
    set: &SeriesSet,
    results: &[Option<ShiftSearch>],
) -> Result<DataFrame, StageError> {
    let mut rows: Vec<(&Group, i32, &Shift, f64)> = Vec::new();
    let epoch = Date::constant(1970, 1, 1);
    for (group, result) in set.groups.iter().zip(results) {
        let Some(result) = result else { continue };
        for (shift, p) in &result.shifts {
            let day = set.day(result.indices[shift.position]);
            let days = epoch.until(day).map_or(0, |span| span.get_days());
            rows.push((group, days, shift, *p));
        }
    }
    let number = |get: fn(&Shift) -> f64| rows.iter().map(|row| get(row.2)).collect::<Vec<f64>>();
    let mut frame = df!(
        "group" => rows.iter().map(|row| row.0.label.clone()).collect::<Vec<_>>(),
        "since" => rows.iter().map(|row| row.1).collect::<Vec<i32>>(),
        "mean_before" => number(|shift| shift.before.mean),
        "mean_after" => number(|shift| shift.after.mean),
        "p" => number(|shift| shift.p),
        "p_adjusted" => rows.iter().map(|row| row.3).collect::<Vec<f64>>(),
    )?;
    let since = frame.column("since")?.cast(&DataType::Date)?;
    frame.with_column(since)?;
    Ok(frame)
}
