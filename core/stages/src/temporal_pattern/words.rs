//! Words for ratios, shared by all patterns.

use super::{Data, Group};
pub(super) use crate::series::words::is_or_are as verb;
use crate::series::words::{capitalised, share};
use retrocast_domain::{Chart, ChartKind, Estimate, Finding, Table, chart::Bar, number};
use retrocast_stats::test::Comparison;

/// A ratio as an estimate of the difference, with its interval if it has one.
pub(super) fn ratio(ratio: &Comparison, proven: bool) -> Estimate<'static> {
    let interval = (ratio.upper < f64::MAX).then_some([ratio.lower - 1.0, ratio.upper - 1.0]);
    Estimate::relative(ratio.estimate - 1.0, interval, proven)
}

/// A ratio of the metric as an estimate with its wording: records are more frequent, amounts are
/// higher, shares are a number of times as high.
pub(super) fn estimate(
    data: &Data<'_>,
    comparison: &Comparison,
    proven: bool,
) -> Estimate<'static> {
    let estimate = ratio(comparison, proven);
    if data.is_share() {
        estimate.of_shares()
    } else if data.amounts {
        estimate
    } else {
        estimate.of_counts()
    }
}

/// Formats a count for a table: of records, or of events.
pub(super) fn format_count(data: &Data<'_>, events: f64, exposure: f64) -> String {
    number::sensible(if data.per_record && data.amounts {
        exposure
    } else {
        events
    })
}

/// Formats the rates of a table column.
pub(super) fn format_rates(data: &Data<'_>, rates: &[f64]) -> Vec<String> {
    let each = |text: &dyn Fn(f64) -> String| rates.iter().map(|rate| text(*rate)).collect();
    match (data.per_record, data.amounts) {
        (true, true) => each(&|rate| number::with_unit(rate, &data.params.unit)),
        (true, false) => each(&number::percent),
        (false, _) => number::column(rates),
    }
}

/// Headings of the columns of counts and rates; `per` is the heading of a rate per time.
pub(super) fn headings(data: &Data<'_>, per: &'static str) -> [&'static str; 2] {
    match (data.per_record, data.amounts) {
        (true, true) => [">Records", ">Mean"],
        (true, false) => [">Events", ">Share"],
        (false, true) => [">Sum", per],
        (false, false) => [">Count", per],
    }
}

/// The title of a chart without a proven claim that is large enough: "Tickets: no weekday effect of
/// 10 % or more proven".
pub(super) fn unproven_title(data: &Data<'_>, group: &Group, effect: &str) -> String {
    let what = format!("{}{}", capitalised(&data.measure), data.in_group(group));
    if data.params.change_min > 0.0 {
        let minimum = share(data.params.change_min);
        format!("{what}: no {effect} of {minimum} or more proven")
    } else {
        format!("{what}: no {effect} proven")
    }
}

/// Highlights only the bars of the title's finding: those whose labels are in its number `bars`.
pub(super) fn highlight(chart: &mut Chart, finding: &Finding) {
    let ChartKind::Bars { bars, .. } = &mut chart.kind else {
        return;
    };
    let Some(labels) = finding.numbers.get("bars").and_then(|bars| bars.as_array()) else {
        return;
    };
    for bar in bars {
        let label = Some(bar.label.as_str());
        bar.highlight = labels.iter().any(|name| name.as_str() == label);
    }
}

/// Builds a bar chart with its alternative text and table; the intervals of the bars are formatted.
pub(super) fn bars(
    id: String,
    title: String,
    unit: &str,
    bars: Vec<(Bar, String)>,
    baseline: f64,
    baseline_label: &str,
) -> Chart {
    let parts: Vec<String> = bars
        .iter()
        .map(|(bar, _)| format!("{} {}", bar.label, bar.text))
        .collect();
    // A claim on the bars may give the chart another title.
    let mut table = Table::new(
        unit.to_string(),
        &["<", &format!(">{unit}"), ">95 % interval"],
    );
    for (bar, interval) in &bars {
        table.push([bar.label.clone(), bar.text.clone(), interval.clone()]);
    }
    Chart {
        id,
        title,
        unit: unit.to_string(),
        alt: format!("Bars, {unit}: {}.", parts.join(", ")),
        kind: ChartKind::Bars {
            bars: bars.into_iter().map(|(bar, _)| bar).collect(),
            baseline,
            baseline_label: baseline_label.to_string(),
            horizontal: false,
        },
        table: Some(table),
    }
}
