//! Figures as a reader sees them: key figures, findings, tables, charts.

use super::{ALL, Figure, HISTORY, METHOD, Metric, Params, Windows};
use crate::{
    Context, Input,
    series::words::{capitalised, chart_id, of_group},
};
use retrocast_domain::{
    Chart, ChartKind, Direction, Evidence, Finding, Kpi, Magnitude, Severity, Table,
    chart::Panel,
    number::{self, plural},
    sentence::fill,
};

fn direction(figure: &Figure<'_>) -> Direction {
    let before = figure.previous.as_ref().and_then(|previous| previous.value);
    match (figure.current.value, before) {
        (Some(value), Some(before)) if value > before => Direction::Up,
        (Some(value), Some(before)) if value < before => Direction::Down,
        _ => Direction::None,
    }
}

pub(super) fn kpi(figure: &Figure<'_>) -> Kpi {
    let metric = figure.metric;
    let previous = figure.previous.as_ref().and_then(|previous| previous.value);
    Kpi {
        name: metric.name.clone(),
        subject: figure.label.clone(),
        value: figure.current.value,
        interval: figure.current.interval,
        unit: metric.unit().to_string(),
        text: figure
            .current
            .value
            .map_or_else(|| "no records".to_string(), |v| metric.text(v)),
        interval_text: figure
            .current
            .interval
            .map_or_else(String::new, |i| metric.interval_text(i)),
        previous,
        delta_text: metric.delta_text(figure.current.value, previous),
        baseline: figure.baseline_value,
        baseline_delta_text: metric.delta_text(figure.current.value, figure.baseline_value),
        significant: figure.significant,
        direction: direction(figure),
        lower_is_better: metric.lower_is_better,
        target: metric.target,
        target_text: metric
            .target
            .map_or_else(String::new, |target| metric.text(target)),
        history: figure.history.clone(),
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
        if figure.label == ALL {
            findings.extend(target_finding(context, input, figure));
        }
    }
    findings
}

/// What a finding about a figure says whatever it claims.
fn finding(context: &Context, input: &Input, figure: &Figure<'_>, what: &str) -> Finding {
    let metric = figure.metric;
    let mut finding = Finding::new(&context.stage, "kpi", &figure.subject, what);
    let last = context.window.end.yesterday().unwrap_or(context.window.end);
    finding.period = format!("{} to {last}", context.window.start);
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
    add("baseline", figure.baseline_value);
    add("target", metric.target);
    finding
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
    let value = figure.current.value?;
    let before = figure.previous.as_ref()?.value?;
    let mut finding = finding(context, input, figure, &metric.name);
    finding.direction = direction(figure);
    let worse = (finding.direction == Direction::Up) == metric.lower_is_better;
    finding.severity = if worse {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let scale = if metric.grows_with_days() {
        windows.days(0)
    } else {
        1.0
    };
    let [difference, lower, upper] = change.difference.map(|bound| bound * scale);
    finding.magnitude = Some(Magnitude::interval95(
        difference,
        lower,
        upper,
        number::unit_of_difference(metric.unit()),
    ));
    finding.p = Some(change.p);
    finding.p_adjusted = figure.p_adjusted;
    finding.confidence = (1.0 - figure.p_adjusted.unwrap_or(1.0)).clamp(0.0, 0.999);
    finding.baseline = Some(format!("the window before, {}", windows.windows[1].words()));
    if change.inflation > 1.5 {
        finding.caveats.push(format!(
            "Earlier windows differ more than their records explain: the variance is taken {} \
             times as large.",
            number::sensible(change.inflation)
        ));
    }
    let bound = |bound: f64| {
        if metric.is_share() {
            number::signed(bound * 100.0, 1)
        } else {
            number::signed(bound, usize::from(bound.abs() < 100.0))
        }
    };
    let of = if figure.label == ALL {
        String::new()
    } else {
        of_group(&params.by, &figure.label)
    };
    let [value_text, before_text] = {
        let texts = [metric.text(value), metric.text(before)];
        if texts[0] == texts[1] {
            number::two_with_unit([value, before], metric.unit())
        } else {
            texts
        }
    };
    finding.sentence = fill(
        "{Name}{of} {moved} to {value} from {before} in the window before ({delta}; 95 % interval \
         of the difference {lower} to {upper}, n = {n}){baseline}.",
        &[
            ("Name", &capitalised(&metric.name)),
            ("of", &of),
            (
                "moved",
                if finding.direction == Direction::Up {
                    "rose"
                } else {
                    "fell"
                },
            ),
            ("value", &value_text),
            ("before", &before_text),
            ("delta", &metric.delta_text(Some(value), Some(before))),
            ("lower", &bound(lower)),
            ("upper", &bound(upper)),
            ("n", &number::count(figure.current.n)),
            (
                "baseline",
                &figure.baseline_value.map_or_else(String::new, |baseline| {
                    let windows = plural(windows.baseline as u64, "window");
                    format!("; over the {windows} before: {}", metric.text(baseline))
                }),
            ),
        ],
    );
    finding = finding.number("inflation", change.inflation);
    Some(finding)
}

/// Told when the whole interval lies on the wrong side of the target.
fn target_finding(context: &Context, input: &Input, figure: &Figure<'_>) -> Option<Finding> {
    let metric = figure.metric;
    let (value, target) = (figure.current.value?, metric.target?);
    let [lower, upper] = figure.current.interval?;
    let missed = if metric.lower_is_better {
        lower > target
    } else {
        upper < target
    };
    if !missed {
        return None;
    }
    let mut finding = finding(
        context,
        input,
        figure,
        &format!("{} against its target", metric.name),
    );
    finding.severity = Severity::Warning;
    finding.confidence = 0.95;
    finding.magnitude = Some(Magnitude::interval95(value, lower, upper, metric.unit()));
    finding.baseline = Some(format!("the target of {}", metric.text(target)));
    finding.sentence = fill(
        "{Name} is {value} (95 % interval {interval}), {side} its target of {target}.",
        &[
            ("Name", &capitalised(&metric.name)),
            ("value", &metric.text(value)),
            ("interval", &metric.interval_text([lower, upper])),
            (
                "side",
                if metric.lower_is_better {
                    "above"
                } else {
                    "below"
                },
            ),
            ("target", &metric.text(target)),
        ],
    );
    Some(finding)
}

pub(super) fn tables(params: &Params, figures: &[Figure<'_>]) -> Vec<Table> {
    const COLUMNS: [&str; 7] = [
        ">Value",
        ">95 % interval",
        ">Before",
        ">Change",
        ">Baseline",
        ">Against baseline",
        ">Records",
    ];
    let row = |name: &str, figure: &Figure<'_>| {
        let kpi = kpi(figure);
        let text = |value: Option<f64>| {
            value.map_or_else(|| "–".to_string(), |value| figure.metric.text(value))
        };
        // A change beyond chance is marked, so that a reader can tell it from the others.
        let mark = if figure.significant { " *" } else { "" };
        // The unit is said once a row.
        let noun = format!("{}{}", number::NBSP, figure.metric.unit());
        let bare = |text: String| {
            text.strip_suffix(&noun)
                .map_or(text.clone(), str::to_string)
        };
        vec![
            name.to_string(),
            kpi.text.clone(),
            bare(kpi.interval_text.clone()),
            bare(text(kpi.previous)),
            format!("{}{mark}", kpi.delta_text),
            bare(text(kpi.baseline)),
            kpi.baseline_delta_text.clone(),
            number::count(kpi.n),
        ]
    };
    let make = |caption: String, first: String| {
        let mut columns = vec![first.as_str()];
        columns.extend(COLUMNS);
        Table::new(caption, &columns)
    };
    let mut all = make(
        "Key figures of all records (* is a change beyond chance)".to_string(),
        "<Figure".to_string(),
    );
    all.rows = figures
        .iter()
        .filter(|figure| figure.label == ALL)
        .map(|figure| row(&figure.metric.name, figure))
        .collect();
    let mut tables = vec![all];
    if params.by.is_empty() {
        return tables;
    }
    for metric in &params.metrics {
        let by = params.by.join(" / ");
        let mut table = make(
            format!(
                "{} by {by} (* is a change beyond chance)",
                capitalised(&metric.name)
            ),
            format!("<{}", capitalised(&by)),
        );
        table.rows = of_metric(metric, figures)
            .map(|figure| row(&figure.label, figure))
            .collect();
        tables.push(table);
    }
    tables
}

/// Figures of a metric's groups.
fn of_metric<'a>(
    metric: &'a Metric,
    figures: &'a [Figure<'a>],
) -> impl Iterator<Item = &'a Figure<'a>> {
    figures
        .iter()
        .filter(|figure| figure.subject != ALL && std::ptr::eq(figure.metric, metric))
}

/// A panel a group for each metric, over the last windows.
pub(super) fn charts(
    context: &Context,
    params: &Params,
    windows: &Windows,
    figures: &[Figure<'_>],
) -> Vec<Chart> {
    if params.by.is_empty() {
        return Vec::new();
    }
    let times: Vec<_> = windows.windows[..HISTORY]
        .iter()
        .rev()
        .map(|window| window.start.at(0, 0, 0, 0))
        .collect();
    let chart = |(at, metric): (usize, &Metric)| {
        let panels: Vec<Panel> = of_metric(metric, figures)
            .take(12)
            .map(|figure| Panel {
                label: figure.label.clone(),
                times: times.clone(),
                values: figure.history.clone(),
                note: kpi(figure).text,
                highlight: figure.significant,
            })
            .collect();
        let notes: Vec<String> = panels
            .iter()
            .map(|panel| format!("{} {}", panel.label, panel.note))
            .collect();
        let by = params.by.join(" / ");
        Chart {
            id: chart_id(&context.stage, &format!("{at}-{}", metric.name)),
            title: format!(
                "{} by {by}, last {HISTORY} windows",
                capitalised(&metric.name)
            ),
            unit: metric.unit().to_string(),
            alt: format!("A small line for each {by}. Now: {}.", notes.join(", ")),
            kind: ChartKind::SmallMultiples { panels },
            table: None,
        }
    };
    params.metrics.iter().enumerate().map(chart).collect()
}
