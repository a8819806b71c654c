//! Trends as a reader sees them: findings, sentences, tables, charts.

use super::{METHOD, Params, classify::Tested};
use crate::{
    Context, StageError,
    series::{Group, SeriesSet, words},
};
use polars::prelude::*;
use retrocast_domain::{
    Chart, ChartKind, Direction, Finding, Magnitude, Severity, Table,
    chart::{Panel, Role, Series},
    number::{self, plural},
    sentence::fill,
};
use retrocast_stats::trend::Trend;

pub(super) fn finding(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    group: &Group,
    result: &Tested,
) -> Finding {
    let Trend { test, line } = &result.trend;
    let what = format!("trend of {}", set.measure);
    let mut finding = Finding::new(&context.stage, "trend", &group.subject, &what);
    let rises = line.slope > 0.0;
    let noun = set.period.noun();
    let [low, high] = line.interval;
    finding.direction = if rises {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.magnitude = Some(match result.relative {
        Some([value, low, high]) => Magnitude::interval95(value, low, high, "share"),
        None => Magnitude::interval95(line.slope, low, high, format!("per {noun}")),
    });
    finding.n = test.n as u64;
    finding.p = Some(test.p);
    finding.p_adjusted = Some(result.p_adjusted);
    finding.method = METHOD.to_string();
    finding.period = set.dates();
    finding.baseline = Some(format!("no trend over the same {noun}s"));
    finding.evidence = vec![set.evidence.clone()];
    finding.confidence = 1.0 - result.p_adjusted;
    let size = result.relative.map_or(0.0, |r| r[0].abs());
    finding.severity = match (result.class, size) {
        ("worsening", size) if size >= 0.25 => Severity::Warning,
        ("worsening", _) => Severity::Notice,
        _ => Severity::Info,
    };
    finding.caveats.clone_from(&set.caveats);
    if result.is_step {
        finding
            .caveats
            .push("A single step describes the series better than a slope.".to_string());
    }
    if test.inflation > 1.5 {
        finding.caveats.push(format!(
            "Neighbouring {noun}s resemble each other: {} tell as much as {} independent ones.",
            plural(test.n as u64, noun),
            number::fixed(test.n_effective, 0)
        ));
    }
    finding.sentence = sentence(set, params, group, result);
    let numbers = [
        ("slope", line.slope),
        ("slope_low", low),
        ("slope_high", high),
        ("start", line.at(0)),
        ("end", line.at(result.adjusted.len().saturating_sub(1))),
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
        .number("class", result.class)
        .number("records", group.records)
        .number("step_fits_better", result.is_step)
}

pub(super) fn sentence(set: &SeriesSet, params: &Params, group: &Group, result: &Tested) -> String {
    let Trend { test, line } = &result.trend;
    let last = result.adjusted.len().saturating_sub(1);
    let [start, end] = number::two_with_unit([line.at(0), line.at(last)], &params.unit);
    let change = result
        .relative
        .map_or_else(String::new, |[middle, low, high]| {
            format!(
                " ({}; 95 % interval {} to {})",
                number::change(middle),
                number::change(low.min(high)),
                number::change(high.max(low))
            )
        });
    fill(
        "{what}{whom} {verb} from {start} to {end} over {n}{change}, {p} corrected: {class}.",
        &[
            ("what", &words::capitalised(&set.measure)),
            ("whom", &words::of_group(&params.by, &group.label)),
            ("verb", if line.slope > 0.0 { "rose" } else { "fell" }),
            ("start", &start),
            ("end", &end),
            ("n", &plural(test.n as u64, set.period.noun())),
            ("change", &change),
            ("p", &number::p_value(result.p_adjusted)),
            ("class", result.class),
        ],
    )
}

/// Positions of the groups, those with something to tell first, then by the size of the change.
fn order(results: &[Option<Tested>]) -> Vec<usize> {
    let rank = |result: &Tested| match result.class {
        "worsening" => 0,
        "improving" => 1,
        "volatile" => 2,
        _ => 3,
    };
    let mut order: Vec<usize> = (0..results.len())
        .filter(|i| results[*i].is_some())
        .collect();
    order.sort_by(|a, b| match (&results[*a], &results[*b]) {
        (Some(a), Some(b)) => rank(a)
            .cmp(&rank(b))
            .then(a.p_adjusted.total_cmp(&b.p_adjusted)),
        _ => std::cmp::Ordering::Equal,
    });
    order
}

pub(super) fn table(set: &SeriesSet, params: &Params, results: &[Option<Tested>]) -> Table {
    let per = format!(">slope per {}", set.period.noun());
    let mut table = Table::new(
        format!("Trend of {}, {}.", set.measure, set.dates()),
        &[
            "<group",
            "<class",
            ">start",
            ">end",
            &per,
            ">95 % interval",
            ">change",
            ">p corrected",
        ],
    );
    for i in order(results) {
        let Some(result) = &results[i] else { continue };
        let line = &result.trend.line;
        let last = result.adjusted.len().saturating_sub(1);
        let [start, end] = number::two_with_unit([line.at(0), line.at(last)], &params.unit);
        table.push([
            set.groups[i].label.clone(),
            result.class.to_string(),
            start,
            end,
            signed(line.slope),
            format!(
                "{} to {}",
                signed(line.interval[0]),
                signed(line.interval[1])
            ),
            result
                .relative
                .map_or_else(|| "–".to_string(), |r| number::change(r[0])),
            number::p_bare(result.p_adjusted),
        ]);
    }
    table.top(30)
}

/// A slope with its sign and the digits that are worth reading.
fn signed(value: f64) -> String {
    let text = number::sensible(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

pub(super) fn chart(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    results: &[Option<Tested>],
) -> Option<Chart> {
    const PANELS: usize = 12;
    let order = order(results);
    let times = set.starts.clone();
    let moving = |i: &usize| {
        results[*i]
            .as_ref()
            .is_some_and(|r| matches!(r.class, "improving" | "worsening"))
    };
    let count = order.iter().filter(|i| moving(i)).count();
    let title = match count {
        0 => format!("No trend in {}", set.measure),
        _ if params.by.is_empty() => {
            let rises = results[order[0]]
                .as_ref()
                .is_some_and(|r| r.trend.line.slope > 0.0);
            let verb = if rises { "rise" } else { "fall" };
            format!(
                "{} {verb} over the period",
                words::capitalised(&set.measure)
            )
        }
        _ => format!(
            "{} of {} in {} moved",
            number::count(count as u64),
            plural(order.len() as u64, "group"),
            set.measure
        ),
    };
    let alt = order
        .iter()
        .take(PANELS)
        .filter_map(|i| {
            let result = results[*i].as_ref()?;
            let line = &result.trend.line;
            let end = line.at(result.adjusted.len().saturating_sub(1));
            let [start, end] = number::two_with_unit([line.at(0), end], "");
            Some(format!(
                "{}: {start} to {end}, {}",
                set.groups[*i].label, result.class
            ))
        })
        .collect::<Vec<_>>()
        .join("; ");
    let kind = if let [only] = order[..] {
        let result = results[only].as_ref()?;
        let line = (0..times.len())
            .map(|i| Some(result.trend.line.at(i)))
            .collect();
        ChartKind::Line {
            series: vec![
                Series {
                    name: set.measure.clone(),
                    times: times.clone(),
                    values: set.groups[only].values.clone(),
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
        let panels = order.iter().take(PANELS).filter_map(|i| {
            let result = results[*i].as_ref()?;
            Some(Panel {
                label: set.groups[*i].label.clone(),
                times: times.clone(),
                values: set.groups[*i].values.clone(),
                note: result
                    .relative
                    .map_or_else(String::new, |r| number::change(r[0])),
                highlight: moving(i),
            })
        });
        ChartKind::SmallMultiples {
            panels: panels.collect(),
        }
    };
    (!order.is_empty()).then(|| Chart {
        id: words::chart_id(&context.stage, "trend"),
        title,
        unit: unit_words(set, params),
        alt: format!("{}: {alt}.", words::capitalised(&set.measure)),
        kind,
        table: None,
    })
}

fn unit_words(set: &SeriesSet, params: &Params) -> String {
    if params.unit.is_empty() {
        set.measure.clone()
    } else {
        format!("{}, {}", set.measure, params.unit)
    }
}

/// One row a group, for stages that come after.
pub(super) fn frame_of(
    set: &SeriesSet,
    results: &[Option<Tested>],
) -> Result<DataFrame, StageError> {
    let rows: Vec<(&Group, &Tested)> = set
        .groups
        .iter()
        .zip(results)
        .filter_map(|(group, result)| Some((group, result.as_ref()?)))
        .collect();
    let number = |get: fn(&Tested) -> f64| rows.iter().map(|(_, r)| get(r)).collect::<Vec<f64>>();
    Ok(df!(
        "group" => rows.iter().map(|(group, _)| group.label.clone()).collect::<Vec<_>>(),
        "class" => rows.iter().map(|(_, r)| r.class).collect::<Vec<_>>(),
        "slope" => number(|r| r.trend.line.slope),
        "slope_low" => number(|r| r.trend.line.interval[0]),
        "slope_high" => number(|r| r.trend.line.interval[1]),
        "tau" => number(|r| r.trend.test.tau),
        "p" => number(|r| r.trend.test.p),
        "p_adjusted" => number(|r| r.p_adjusted),
        "n" => rows.iter().map(|(_, r)| r.trend.test.n as i64).collect::<Vec<_>>(),
    )?)
}
