//! Presents figures as key figures, findings, tables and charts.

use super::{
    ALL, Figure, HISTORY, METHOD, Measurement, Metric, Params, Scale, Windows,
    texts::{self, Texts},
    words,
};
use crate::{
    Context, Input,
    series::words::{capitalised, chart_id, in_named, is_or_are},
};
use retrocast_domain::{
    ActionRequest, Chart, ChartKind, Direction, Evidence, Finding, Kpi, Magnitude, Severity, Table,
    chart::Panel,
    estimate::Certainty,
    number::{self, NBSP},
    sentence::fill,
};
use std::cmp::Ordering;

fn direction(figure: &Figure<'_>) -> Direction {
    match figure.change.as_ref().map(super::Change::sign) {
        Some(Ordering::Greater) => Direction::Up,
        Some(Ordering::Less) => Direction::Down,
        _ => Direction::None,
    }
}

/// The reason why a figure has no value.
fn reason_without_value(params: &Params, measurement: &Measurement) -> String {
    if measurement.without_value > 0 {
        return format!(
            "no value in {}",
            params.format_count(measurement.without_value)
        );
    }
    format!("no {}", params.noun())
}

pub(super) fn kpi(params: &Params, figure: &Figure<'_>) -> Kpi {
    let metric = figure.metric;
    let value_of =
        |measurement: &Option<Measurement>| measurement.as_ref().and_then(|known| known.value);
    let texts = Texts::from_figure(figure);
    let delta = |delta: Option<String>, before: &Option<Measurement>| match (delta, before) {
        (Some(delta), Some(_)) => match figure.scale {
            Scale::Per(period) if delta.ends_with('%') => format!("{delta} per {}", period.noun()),
            _ => delta,
        },
        (Some(delta), None) => delta,
        (None, _) if texts.is_none() => "–".to_string(),
        (None, Some(_)) if figure.scale == Scale::NotComparable => "not comparable".to_string(),
        (None, None) => format!("no earlier {}", params.noun()),
        (None, Some(_)) => "no earlier value".to_string(),
    };
    let [delta_text, baseline_delta_text] = [
        delta(texts.as_ref().and_then(Texts::delta), &figure.previous),
        delta(
            texts.as_ref().and_then(Texts::baseline_delta),
            &figure.baseline,
        ),
    ];
    let [text, interval_text] = match texts {
        Some(texts) => [texts.value, texts.interval],
        None => [reason_without_value(params, &figure.current), String::new()],
    };
    Kpi {
        name: metric.name.clone(),
        subject: figure.label.clone(),
        value: figure.current.value,
        interval: figure.current.interval,
        unit: metric.unit().to_string(),
        text,
        interval_text,
        previous: value_of(&figure.previous),
        delta_text,
        baseline: value_of(&figure.baseline),
        baseline_delta_text,
        significant: figure.proven,
        direction: direction(figure),
        lower_is_better: metric.lower_is_better,
        target: metric.target,
        target_text: metric
            .target
            .map_or_else(String::new, |target| metric.format(target, None)),
        history: figure.history.clone(),
        earlier: figure.earlier.clone(),
        n: figure.current.n,
    }
}

pub(super) fn findings(
    context: &Context,
    params: &Params,
    input: &Input,
    windows: &Windows,
    figures: &[Figure<'_>],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for figure in figures {
        if figure.significant {
            findings.extend(change_finding(context, params, input, windows, figure));
        }
        if figure.label == ALL && kpi(params, figure).target_word() == "missed" {
            findings.extend(target_finding(context, input, figure));
        }
    }
    findings
}

/// Starts a finding on a figure with the common parts.
fn start_finding(
    context: &Context,
    input: &Input,
    figure: &Figure<'_>,
    what: &str,
    event: String,
) -> Finding {
    let metric = figure.metric;
    let mut finding = Finding::new(&context.stage, "kpi", &figure.subject, what);
    let last = context.window.end.yesterday().unwrap_or(context.window.end);
    finding.period = format!("{} to {last}", context.window.start);
    finding.request = Some(ActionRequest::new(&metric.name, event, "decide what to do"));
    finding.method = METHOD.to_string();
    finding.n = figure.current.n;
    let filter = metric
        .filter_column
        .as_ref()
        .map(|column| format!("{column} is {}", metric.filter_equals.join(" or ")));
    finding.evidence = vec![Evidence {
        dataset: input.dataset.name.clone(),
        version: input.dataset.version,
        filter,
    }];
    let mut add = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            finding.numbers.insert(name.to_string(), value.into());
        }
    };
    add("after", figure.current.value);
    add(
        "before",
        figure.previous.as_ref().and_then(|previous| previous.value),
    );
    add(
        "baseline",
        figure.baseline.as_ref().and_then(|baseline| baseline.value),
    );
    add("target", metric.target);
    finding
}

/// Names the previous window and the baseline: "the week before" and "the 4 weeks before".
fn name_compared(context: &Context, windows: &Windows) -> [String; 2] {
    let names = [
        context.window.previous_words(),
        words::windows_before(&context.window, windows.baseline),
    ];
    match &windows.part {
        Some(part) => names.map(|name| part.same_part_of(&name)),
        None => names,
    }
}

fn change_finding(
    context: &Context,
    params: &Params,
    input: &Input,
    windows: &Windows,
    figure: &Figure<'_>,
) -> Option<Finding> {
    let metric = figure.metric;
    let change = figure.change.as_ref()?;
    let texts = Texts::from_figure(figure)?;
    let direction = direction(figure);
    let is_up = direction == Direction::Up;
    let moved = if is_up { "rose" } else { "fell" };
    let mut finding = start_finding(context, input, figure, &metric.name, moved.to_string());
    finding.direction = direction;
    finding.severity = if is_up == metric.lower_is_better {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let unit = number::unit_of_difference(metric.unit());
    finding.magnitude = Some(match change.difference() {
        (size, Some([lower, upper])) => Magnitude::interval95(size, lower, upper, unit),
        (size, None) => Magnitude::point(size, unit),
    });
    finding.p = change.p;
    finding.p_adjusted = figure.p_adjusted;
    finding.confidence = (1.0 - figure.p_adjusted.unwrap_or(1.0)).clamp(0.0, 0.999);
    let [previous_name, baseline_name] = name_compared(context, windows);
    let days = windows
        .windows
        .get(1)
        .map_or_else(String::new, |window| format!(", {}", window.words()));
    finding.baseline = Some(format!("{previous_name}{days}"));
    if change.inflation > 1.5 {
        finding.caveats.push(format!(
            "The {} cluster: their variance is {} times that of independent ones.",
            params.noun(),
            number::sensible(change.inflation)
        ));
    }
    if let Some(part) = &windows.part {
        finding
            .caveats
            .push(format!("Only {} is compared.", part.words));
    }
    let in_group = if figure.label == ALL {
        String::new()
    } else {
        in_named(&params.by, &figure.label)
    };
    let estimate = change.estimate(metric, figure.proven);
    let per_period = match figure.scale {
        Scale::Per(period) => format!("per {}", period.noun()),
        _ => String::new(),
    };
    let [value, claim] = if change.fell_to_zero(metric) {
        let range = estimate.range();
        let range = format!(" (95{NBSP}% interval {range})");
        [texts::NONE.to_string(), range]
    } else {
        [texts.value, format!(": {}", estimate.claim(&per_period))]
    };
    finding.sentence = fill(
        "{Name}{in_group} {moved} to {value} from {before} in {previous}{claim}{baseline}.",
        &[
            ("Name", &capitalised(&metric.name)),
            ("in_group", &in_group),
            ("moved", moved),
            ("value", &value),
            ("before", &texts.before?),
            ("previous", &previous_name),
            ("claim", &claim),
            (
                "baseline",
                &texts.baseline.map_or_else(String::new, |baseline| {
                    let verb = if windows.baseline == 1 {
                        "had"
                    } else {
                        "averaged"
                    };
                    format!("; {baseline_name} {verb} {baseline}")
                }),
            ),
        ],
    );
    words::doubt_far_outside_history(&mut finding, &kpi(params, figure));
    finding = finding.number("inflation", change.inflation);
    Some(finding)
}

/// The finding that a target is missed: the whole interval is on the wrong side.
fn target_finding(context: &Context, input: &Input, figure: &Figure<'_>) -> Option<Finding> {
    let metric = figure.metric;
    let (value, target) = (figure.current.value?, metric.target?);
    let [lower, upper] = figure.current.interval?;
    let what = format!("{} against its target", metric.name);
    let missed = format!("missed its {} target", metric.format(target, None));
    let mut finding = start_finding(context, input, figure, &what, missed);
    finding.severity = Severity::Warning;
    finding.direction = if metric.lower_is_better {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.confidence = 0.95;
    finding.magnitude = Some(Magnitude::interval95(value, lower, upper, metric.unit()));
    let target = metric.format(target, None);
    finding.baseline = Some(format!("the target of {target}"));
    let [value, interval] = metric.format_with_interval(value, Some([lower, upper]));
    finding.sentence = fill(
        "{Name} {are} {value} (95{nbsp}% interval {interval}), {side} its target of {target}.",
        &[
            ("Name", &capitalised(&metric.name)),
            ("are", is_or_are(&metric.name)),
            ("value", &value),
            ("nbsp", &NBSP.to_string()),
            ("interval", &interval),
            (
                "side",
                if metric.lower_is_better {
                    "above"
                } else {
                    "below"
                },
            ),
            ("target", &target),
        ],
    );
    Some(finding)
}

/// The unit of a difference of shares.
const POINTS: &str = "percentage points";

pub(super) fn tables(params: &Params, windows: &Windows, figures: &[Figure<'_>]) -> Vec<Table> {
    let noun = capitalised(params.noun());
    let has_target = |metric: &Metric| metric.target.is_some();
    // The total of a longer or shorter window is printed unscaled, with the length of that window.
    let length_note = |figure: &Figure<'_>| {
        let length = windows.length(1);
        let is_other = figure.metric.grows_with_length() && length != windows.length(0);
        let total = figure.previous.as_ref().and_then(|previous| previous.value);
        match total.filter(|_| is_other) {
            Some(_) => {
                let periods = format!("{}s", windows.period.noun());
                format!(" in {}", number::with_unit(length, &periods))
            }
            None => String::new(),
        }
    };
    let row = |name: &str, figure: &Figure<'_>, with_target: bool| {
        let metric = figure.metric;
        let kpi = kpi(params, figure);
        let texts = Texts::from_figure(figure);
        let level = |text: Option<&String>, value: Option<f64>| {
            let rough = || value.map(|value| metric.format(value, None));
            text.cloned()
                .or_else(rough)
                .unwrap_or_else(|| "–".to_string())
        };
        let text = |get: fn(&Texts) -> Option<&String>| texts.as_ref().and_then(get);
        let before = level(text(|texts| texts.before.as_ref()), kpi.previous);
        let baseline = level(text(|texts| texts.baseline.as_ref()), kpi.baseline);
        let change = text(|texts| texts.change.as_ref()).unwrap_or(&kpi.delta_text);
        let baseline_change =
            text(|texts| texts.baseline_change.as_ref()).unwrap_or(&kpi.baseline_delta_text);
        // The unit is printed once per row.
        let unit = format!("{NBSP}{}", metric.unit());
        let without_unit = |text: String| {
            // Hours and minutes are two units, and both are needed.
            let stripped = text.strip_suffix(&unit).filter(|rest| !rest.contains(NBSP));
            stripped.map_or(text.clone(), str::to_string)
        };
        // Next to a level, "none" alone would read as "no change".
        let describe_change = |text: &str| match text {
            texts::NONE => format!("down to {}", texts::NONE),
            text => text.to_string(),
        };
        // A proven change is marked.
        let mark = if figure.proven { " *" } else { "" };
        let range = figure
            .change
            .as_ref()
            .map(|change| change.estimate(metric, figure.proven).signed_range())
            .filter(|range| !range.is_empty())
            .map_or_else(String::new, |range| {
                let range = range.trim_end_matches(POINTS).trim_end_matches(NBSP);
                format!(" ({})", without_unit(range.to_string()))
            });
        let mut cells = vec![
            name.to_string(),
            kpi.text.clone(),
            without_unit(kpi.interval_text.clone()),
            format!("{}{}", without_unit(before), length_note(figure)),
            format!("{}{range}{mark}", without_unit(describe_change(change))),
            without_unit(baseline),
            without_unit(describe_change(baseline_change)),
            number::count(kpi.n),
        ];
        if with_target {
            cells.push(if has_target(metric) {
                match kpi.target_word() {
                    "" => format!("{}: no value", kpi.target_text),
                    word => format!("{}: {word}", kpi.target_text),
                }
            } else {
                String::new()
            });
        }
        cells
    };
    let part = windows
        .part
        .as_ref()
        .map_or_else(String::new, |part| format!(", {} only", part.words));
    let has_uneven_windows = params.metrics.iter().any(Metric::grows_with_length)
        && windows.length(0) != windows.length(1);
    let uneven_note = format!(
        "changes are per {noun}, and the baseline is scaled to the number of {noun}s of the value",
        noun = windows.period.noun()
    );
    // Among many figures, an interval that excludes "no change" proves nothing by itself, and its
    // row has no mark.
    let is_likely = |figure: &&Figure<'_>| {
        let change = figure.change.as_ref();
        let estimate = change.map(|change| change.estimate(figure.metric, figure.proven));
        estimate.is_some_and(|estimate| estimate.certainty() == Certainty::Likely)
    };
    let build = |caption: String, first: String, figures: &[&Figure<'_>], is_overview: bool| {
        let with_target = is_overview && params.metrics.iter().any(has_target);
        let last = format!(">{noun}");
        let mut columns = vec![
            first.as_str(),
            ">Value",
            ">95 % interval",
            ">Before",
            ">Change (95 % interval)",
            ">Baseline",
            ">Against baseline",
            &last,
        ];
        if with_target {
            columns.push("<Target");
        }
        let mut table = Table::new("", &columns);
        let name = |figure: &Figure<'_>| {
            let name = if is_overview {
                &figure.metric.name
            } else {
                &figure.label
            };
            name.clone()
        };
        table.rows = figures
            .iter()
            .map(|figure| row(&name(figure), figure, with_target))
            .collect();
        let mut notes = if figures.iter().any(is_likely) {
            vec![
                "* marks a change proven after correction for all figures",
                "each interval is for its row alone",
            ]
        } else {
            vec!["* marks a proven change"]
        };
        if has_uneven_windows {
            notes.push(&uneven_note);
        }
        let texts = figures
            .iter()
            .filter_map(|figure| Texts::from_figure(figure));
        if texts.into_iter().any(|texts| !texts.is_consistent) {
            notes.push("changes are computed before rounding");
        }
        table.caption = format!("{caption}{part} ({})", notes.join("; "));
        table
    };
    let overall: Vec<&Figure<'_>> = figures
        .iter()
        .filter(|figure| figure.label == ALL)
        .collect();
    let caption = format!("Key figures of all {}", params.noun());
    let mut tables = vec![build(caption, "<Figure".to_string(), &overall, true)];
    for metric in params.metrics.iter().filter(|_| !params.by.is_empty()) {
        let by = params.by.join(" / ");
        let groups: Vec<&Figure<'_>> = group_figures(metric, figures).collect();
        tables.push(build(
            format!("{} by {by}", capitalised(&metric.name)),
            format!("<{}", capitalised(&by)),
            &groups,
            false,
        ));
    }
    tables
}

/// The figures of a metric for each group.
fn group_figures<'a>(
    metric: &'a Metric,
    figures: &'a [Figure<'a>],
) -> impl Iterator<Item = &'a Figure<'a>> {
    figures
        .iter()
        .filter(|figure| figure.subject != ALL && std::ptr::eq(figure.metric, metric))
}

/// One panel per group for each metric, over the last windows.
pub(super) fn charts(
    context: &Context,
    params: &Params,
    windows: &Windows,
    figures: &[Figure<'_>],
) -> Vec<Chart> {
    if params.by.is_empty() {
        return Vec::new();
    }
    let times: Vec<_> = windows
        .windows
        .iter()
        .take(HISTORY)
        .rev()
        .map(|window| window.start.at(0, 0, 0, 0))
        .collect();
    let chart = |(index, metric): (usize, &Metric)| {
        let panels: Vec<Panel> = group_figures(metric, figures)
            .take(12)
            .map(|figure| Panel {
                label: figure.label.clone(),
                times: times.clone(),
                values: figure.history.clone(),
                note: figure.current.value.map_or_else(
                    || reason_without_value(params, &figure.current),
                    |value| {
                        let interval = figure.current.interval;
                        figure.metric.format_with_interval(value, interval)[0].clone()
                    },
                ),
                highlight: figure.significant,
            })
            .collect();
        let notes: Vec<String> = panels
            .iter()
            .map(|panel| format!("{} {}", panel.label, panel.note))
            .collect();
        let by = params.by.join(" / ");
        let (shown, all) = (panels.len(), group_figures(metric, figures).count());
        let some = (all > shown).then(|| format!("{shown} of them, "));
        let some = some.unwrap_or_default();
        Chart {
            id: chart_id(&context.stage, &format!("{index}-{}", metric.name)),
            title: format!(
                "{} by {by}: {some}the last {HISTORY} {noun}s, with the value of the last {noun}",
                capitalised(&metric.name),
                noun = context.window.spec.noun()
            ),
            unit: metric.unit().to_string(),
            alt: format!("A small line for each {by}. Now: {}.", notes.join(", ")),
            kind: ChartKind::SmallMultiples { panels },
            table: None,
        }
    };
    params.metrics.iter().enumerate().map(chart).collect()
}
