//! Presents trends as findings, sentences, tables and charts.

use super::{
    METHOD, Params,
    classify::{TrendTest, is_share},
};
use crate::{
    Context, StageError,
    series::{Group, SeriesSet, period::Period, words},
};
use jiff::civil::Date;
use polars::prelude::*;
use retrocast_domain::{
    ActionRequest, Certainty, Chart, ChartKind, Direction, Estimate, Finding, Magnitude, Severity,
    Table,
    chart::{Panel, Role, Series},
    number::{self, plural},
    sentence::fill,
};
use retrocast_stats::shape::Shape;
use std::collections::BTreeSet;

/// The unit of a change of the metric.
fn unit<'a>(set: &'a SeriesSet, params: &'a Params) -> &'a str {
    if params.unit.is_empty() {
        &set.measure
    } else {
        &params.unit
    }
}

/// Formats the levels at both ends of a line, with the digits from which its change follows.
fn end_levels(set: &SeriesSet, params: &Params, result: &TrendTest) -> [String; 2] {
    let [_, low, high] = result.line.difference();
    let estimate = result.estimate(unit(set, params));
    estimate.levels(result.line.ends(), Some((high - low) / 2.0), &params.unit)
}

/// Length of a movement: "52 weeks", or "28 days, since about 19 October 2026" after a bend.
fn duration(set: &SeriesSet, result: &TrendTest) -> String {
    let length = plural(result.line.length() as u64, set.period.noun());
    match result.line.bend() {
        Some(bend) => format!(
            "{length}, since about {}",
            set.period.words(set.starts[bend])
        ),
        None => length,
    }
}

pub(super) fn finding(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    group: &Group,
    result: &TrendTest,
) -> Finding {
    let test = &result.test;
    let what = format!("trend of {}", set.measure);
    let mut finding = Finding::new(&context.stage, "trend", &group.subject, &what);
    let noun = set.period.noun();
    let [slope, low, high] = result.line.slope();
    finding.direction = if slope > 0.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.magnitude = Some(match result.line.change() {
        Some([value, low, high]) if !is_share(&params.unit) => {
            Magnitude::interval95(value, low, high, "share")
        }
        Some(_) => {
            let scale = if params.unit == "share" { 100.0 } else { 1.0 };
            let [value, low, high] = result.line.difference().map(|bound| bound * scale);
            Magnitude::interval95(value, low, high, "percentage points")
        }
        None => Magnitude::interval95(slope, low, high, format!("per {noun}")),
    });
    finding.n = test.n as u64;
    finding.p = Some(result.p);
    finding.p_adjusted = Some(result.p_adjusted);
    finding.method = METHOD.to_string();
    finding.period = set.dates();
    let turn = result.line.bend().or(result.line.steps().first().copied());
    finding.baseline = Some(match turn {
        Some(bend) => format!("the level before {}", set.period.words(set.starts[bend])),
        None => format!("no trend over the same {noun}s"),
    });
    finding.evidence = vec![set.evidence.clone()];
    finding.confidence = 1.0 - result.p_adjusted;
    let size = result.line.change().map_or(0.0, |change| change[0].abs());
    finding.severity = match (result.class, size) {
        // The step was the event; the line through it is not a second one.
        _ if result.is_step() => Severity::Info,
        ("worsening", size) if size >= 0.25 => Severity::Warning,
        ("worsening", _) => Severity::Notice,
        _ => Severity::Info,
    };
    finding.caveats.clone_from(&set.caveats);
    if test.inflation > 1.5 {
        finding.caveats.push(format!(
            "Neighbouring {noun}s resemble each other: {} carry as much information as {} independent ones.",
            plural(test.n as u64, noun),
            number::fixed(test.n_effective, 0)
        ));
    }
    finding.sentence = sentence(set, params, group, result);
    finding.request = Some(request(set, result, finding.direction));
    let [start, end] = result.line.ends();
    let numbers = [
        ("slope", slope),
        ("slope_low", low),
        ("slope_high", high),
        ("start", start),
        ("end", end),
        ("tau", test.tau),
        ("s", test.s),
        ("z", test.z),
        ("n_effective", test.n_effective),
    ];
    numbers
        .into_iter()
        .fold(finding, |finding, (name, value)| {
            finding.number(name, value)
        })
        .number("line", result.line.name())
        .number("class", result.class)
        .number("records", group.records)
        .number(
            "bend",
            result.line.bend().map(|bend| set.day(bend).to_string()),
        )
        .number("step_fits_better", result.is_step())
        .number(
            "step_fits_as_well",
            matches!(result.shape, Some(Shape::Open { .. })),
        )
}

/// The sentence: "Tickets per day in billing rose over 105 days: the fitted line rises from 6.1 to
/// 9.8, 61 % higher (95 % interval ...)."
fn sentence(set: &SeriesSet, params: &Params, group: &Group, result: &TrendTest) -> String {
    let [start, end] = end_levels(set, params, result);
    let rises = result.line.slope()[0] > 0.0;
    let (verb, verb_now, movement) = if has_opposite_steps(result) {
        ("moved", "moves", "movement")
    } else if rises {
        ("rose", "rises", "rise")
    } else {
        ("fell", "falls", "fall")
    };
    let noun = set.period.noun();
    let is_step = !result.line.steps().is_empty();
    let alternative = match result.shape {
        Some(Shape::Open { .. }) if is_step => {
            format!("; a gradual {movement} describes these {noun}s about as well")
        }
        Some(Shape::Open { step, .. }) => format!(
            "; a step around {} describes these {noun}s about as well",
            set.period.words(set.starts[step]),
        ),
        _ => String::new(),
    };
    let template = if is_step {
        "{what}{in_group} {verb}{step} from a mean of {start} to {end}: {claim}{alternative}."
    } else {
        "{what}{in_group} {verb} over {duration}: the fitted line {verb_now} from {start} to {end}, \
         {claim}{alternative}."
    };
    fill(
        template,
        &[
            ("what", &words::capitalised(&set.measure)),
            ("in_group", &words::in_named(&params.by, &group.label)),
            ("verb", verb),
            ("verb_now", verb_now),
            ("start", &start),
            ("end", &end),
            ("duration", &duration(set, result)),
            ("claim", &result.estimate(unit(set, params)).claim("")),
            ("step", &step_clause(set, result)),
            ("alternative", &alternative),
        ],
    )
}

/// Requests an owner of a movement; a step, or one that a step describes equally well, may be over.
fn request(set: &SeriesSet, result: &TrendTest, direction: Direction) -> ActionRequest {
    let be = words::is_or_are(&set.measure);
    let (present, past) = match direction {
        Direction::Down => ("falling", "fell"),
        Direction::Up | Direction::None => ("rising", "rose"),
    };
    match result.shape {
        Some(Shape::Open { .. } | Shape::Step(_)) => {
            ActionRequest::new(&set.measure, past, "find out why")
        }
        _ => ActionRequest::new(&set.measure, format!("{be} {present}"), "name an owner"),
    }
}

/// Returns true if the level rises at a step.
fn is_step_up(result: &TrendTest, step: usize) -> bool {
    result.line.height(step) > result.line.height(step.saturating_sub(1))
}

/// Returns true if the level rises at one step and falls at another.
fn has_opposite_steps(result: &TrendTest) -> bool {
    let steps = result.line.steps();
    steps
        .iter()
        .any(|step| is_step_up(result, *step) != is_step_up(result, steps[0]))
}

/// " in a step around January 2026 rather than gradually", if that describes the series better.
fn step_clause(set: &SeriesSet, result: &TrendTest) -> String {
    let differ = has_opposite_steps(result);
    let dates = result.line.steps().iter();
    let dates: Vec<String> = dates
        .map(|step| {
            let date = set.period.words(set.starts[*step]);
            match (differ, is_step_up(result, *step)) {
                (false, _) => date,
                (true, true) => format!("{date} (up)"),
                (true, false) => format!("{date} (down)"),
            }
        })
        .collect();
    let steps = match &dates[..] {
        [] => return String::new(),
        [date] => format!(" in a step around {date}"),
        dates => format!(" in steps around {}", words::short_list(dates)),
    };
    match result.shape {
        Some(Shape::Step(_)) => format!("{steps} rather than gradually"),
        _ => steps,
    }
}

/// Indices of the groups: those with findings first, then by certainty, then by the size of the
/// change.
fn sort_groups(results: &[Option<TrendTest>]) -> Vec<usize> {
    let rank = |result: &TrendTest| match result.class {
        "worsening" => 0,
        "improving" => 1,
        "small" => 2,
        "volatile" => 3,
        _ => 4,
    };
    let size = |result: &TrendTest| result.line.change().map_or(0.0, |change| change[0].abs());
    let mut order: Vec<usize> = (0..results.len())
        .filter(|i| results[*i].is_some())
        .collect();
    order.sort_by(|a, b| match (&results[*a], &results[*b]) {
        (Some(a), Some(b)) => rank(a)
            .cmp(&rank(b))
            .then(a.p_adjusted.total_cmp(&b.p_adjusted))
            .then(size(b).total_cmp(&size(a))),
        _ => std::cmp::Ordering::Equal,
    });
    order
}

/// Describes the method of the test and that of the size, which may disagree.
pub(super) fn describe_methods(params: &Params, results: &[Option<TrendTest>]) -> String {
    let lines = results.iter().flatten().map(|result| result.line.method());
    let names: BTreeSet<&str> = lines.collect();
    let names: Vec<&str> = names.into_iter().collect();
    format!(
        "The p-value is that of the Mann-Kendall test and of the best bend, proven below {}; change and interval \
         are those of a {} line.",
        params.alpha(),
        names.join(" or a ")
    )
}

const POINTS: &str = "percentage points";

pub(super) fn table(set: &SeriesSet, params: &Params, results: &[Option<TrendTest>]) -> Table {
    let shown: Vec<&TrendTest> = sort_groups(results)
        .into_iter()
        .filter_map(|i| results[i].as_ref())
        .collect();
    let slopes: Vec<f64> = shown.iter().map(|result| result.line.slope()[0]).collect();
    let (noun, slopes) = readable_slopes(set.period, &slopes);
    let mut slopes = slopes.into_iter();
    let slope_heading = format!(">slope per {noun}");
    // The unit is printed once, in the heading, because it is longer than the numbers.
    let change = if is_share(&params.unit) {
        format!(">Change, {POINTS}")
    } else {
        ">change".to_string()
    };
    let without_unit = |text: String| text.replace(POINTS, "").trim_end().to_string();
    let mut table = Table::new(
        format!(
            "Trend of {}, {}{}.",
            set.measure,
            set.dates_in_words(0),
            words::uncorrected(results.iter().flatten().count(), "group")
        ),
        &[
            "<group",
            "<trend",
            ">line at the start",
            ">at the end",
            &change,
            ">95 % interval",
            &slope_heading,
            ">adjusted p",
        ],
    );
    for i in sort_groups(results) {
        let Some(result) = &results[i] else { continue };
        let [start, end] = end_levels(set, params, result);
        let estimate = result.estimate(unit(set, params));
        table.push([
            set.groups[i].label.clone(),
            result.class.to_string(),
            start,
            end,
            without_unit(estimate.signed()),
            without_unit(estimate.signed_range()),
            slopes.next().unwrap_or_default(),
            number::p_bare(result.p_adjusted),
        ]);
    }
    table.top(30)
}

/// Signed slopes per period, over the shortest time in which the steepest amounts to a readable
/// figure, and the noun of that time.
fn readable_slopes(period: Period, slopes: &[f64]) -> (&'static str, Vec<String>) {
    let steepest = slopes
        .iter()
        .fold(0.0, |most: f64, slope| most.max(slope.abs()));
    let (noun, periods) = words::readable_time(period, steepest);
    let scaled: Vec<f64> = slopes.iter().map(|slope| slope * periods).collect();
    let texts = number::column(&scaled);
    let signed = texts.into_iter().zip(&scaled).map(|(text, value)| {
        let is_zero = !text.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
        if *value > 0.0 && !is_zero {
            format!("+{text}")
        } else {
            text
        }
    });
    (noun, signed.collect())
}

/// The title of a chart of one group: its change, if proven.
fn headline(set: &SeriesSet, estimate: &Estimate<'_>, duration: &str, step: &str) -> String {
    let what = words::capitalised(&set.measure);
    match (estimate.certainty(), estimate.range()) {
        (Certainty::Open, range) if range.is_empty() => format!("{what}: no trend proven"),
        (Certainty::Open, range) => format!("{what}: no trend proven ({range} over {duration})"),
        (Certainty::Likely, _) => format!(
            "{what}: probably {} over {duration}, not yet proven",
            estimate.size()
        ),
        (Certainty::Proven, range) => {
            let range = match range.as_str() {
                "" => range,
                range => format!(" (95{}% interval {range})", number::NBSP),
            };
            format!("{what}: {} over {duration}{step}{range}", estimate.size())
        }
    }
}

pub(super) fn chart(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    results: &[Option<TrendTest>],
) -> Option<Chart> {
    const PANELS: usize = 12;
    let order: Vec<(&Group, &TrendTest)> = sort_groups(results)
        .into_iter()
        .filter_map(|i| Some((&set.groups[i], results[i].as_ref()?)))
        .collect();
    let (_, first) = order.first()?;
    let times = set.starts.clone();
    let proven = order.iter().filter(|(_, r)| r.is_proven()).count();
    let groups = plural(order.len() as u64, "group");
    let title = match proven {
        _ if order.len() == 1 => headline(
            set,
            &first.estimate(unit(set, params)),
            &duration(set, first),
            &step_clause(set, first),
        ),
        0 => format!(
            "{}: no trend proven in {groups}",
            words::capitalised(&set.measure)
        ),
        proven => format!(
            "{}: trend proven in {} of {groups}",
            words::capitalised(&set.measure),
            number::count(proven as u64)
        ),
    };
    let alt = order
        .iter()
        .take(PANELS)
        .map(|(group, result)| {
            let [start, end] = end_levels(set, params, result);
            let heading = result.estimate(unit(set, params)).heading();
            let group = words::in_named(&params.by, &group.label);
            format!("the line{group} goes from {start} to {end}, {heading}")
        })
        .collect::<Vec<_>>()
        .join("; ");
    let kind = if let [(group, result)] = order[..] {
        let line = (0..times.len())
            .map(|i| result.line.height_within(i))
            .collect();
        ChartKind::Line {
            series: vec![
                Series {
                    name: set.measure.clone(),
                    times: times.clone(),
                    values: group.values.clone(),
                    role: Role::Observed,
                },
                Series {
                    name: "trend".to_string(),
                    times,
                    values: line,
                    role: Role::Expected,
                },
            ],
            bands: Vec::new(),
            markers: Vec::new(),
            levels: Vec::new(),
        }
    } else {
        let panels = order.iter().take(PANELS).map(|(group, result)| Panel {
            label: group.label.clone(),
            times: times.clone(),
            values: group.values.clone(),
            note: if result.is_proven() {
                result.estimate(unit(set, params)).signed()
            } else {
                "not proven".to_string()
            },
            highlight: result.is_finding(),
        });
        ChartKind::SmallMultiples {
            panels: panels.collect(),
        }
    };
    Some(Chart {
        id: words::chart_id(&context.stage, "trend"),
        title,
        unit: words::axis(&set.measure, &params.unit),
        alt: format!("{}: {alt}.", words::capitalised(&set.measure)),
        kind,
        table: None,
    })
}

/// Builds the stage's dataset: one row per group that was tested.
pub(super) fn frame_of(
    set: &SeriesSet,
    results: &[Option<TrendTest>],
) -> Result<DataFrame, StageError> {
    let rows: Vec<(&Group, &TrendTest)> = set
        .groups
        .iter()
        .zip(results)
        .filter_map(|(group, result)| Some((group, result.as_ref()?)))
        .collect();
    let number =
        |get: fn(&TrendTest) -> f64| rows.iter().map(|(_, r)| get(r)).collect::<Vec<f64>>();
    let change = |index: usize| -> Vec<Option<f64>> {
        let changes = rows.iter().map(|(_, r)| r.line.change());
        changes
            .map(|change| Some(change?[index]).filter(|change| change.is_finite()))
            .collect()
    };
    let bends = rows.iter().map(|(_, r)| {
        let bend = set.day(r.line.bend()?);
        Some(
            Date::constant(1970, 1, 1)
                .until(bend)
                .map_or(0, |span| span.get_days()),
        )
    });
    let mut frame = df!(
        "group" => rows.iter().map(|(group, _)| group.label.clone()).collect::<Vec<_>>(),
        "class" => rows.iter().map(|(_, r)| r.class).collect::<Vec<_>>(),
        "change" => change(0),
        "change_low" => change(1),
        "change_high" => change(2),
        "slope" => number(|r| r.line.slope()[0]),
        "slope_low" => number(|r| r.line.slope()[1]),
        "slope_high" => number(|r| r.line.slope()[2]),
        "bend" => bends.collect::<Vec<Option<i32>>>(),
        "tau" => number(|r| r.test.tau),
        "p" => number(|r| r.p),
        "p_adjusted" => number(|r| r.p_adjusted),
        "n" => rows.iter().map(|(_, r)| r.test.n as i64).collect::<Vec<_>>(),
    )?;
    let bend = frame.column("bend")?.cast(&DataType::Date)?;
    frame.with_column(bend)?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_per_a_readable_time() {
        let check = |period: Period, slopes: &[f64], noun: &str, want: &[&str]| {
            let (over, texts) = readable_slopes(period, slopes);
            assert_eq!(over, noun);
            assert_eq!(texts, want);
        };
        check(Period::Day, &[2.5, -1.0], "day", &["+2.50", "−1.00"]);
        check(
            Period::Day,
            &[0.25, -0.0034, 0.000_29],
            "week",
            &["+1.75", "−0.02", "0.00"],
        );
        check(Period::Month, &[0.27], "year", &["+3.24"]);
        check(Period::Day, &[0.000_01], "year", &["+0.0037"]);
        check(Period::Week, &[], "year", &[]);
    }
}
