//! Words for ratios, shared by all patterns.

use retrocast_domain::{
    Chart, ChartKind, Finding, Table,
    chart::Bar,
    number::{self, NBSP},
};

/// "are" for measures that read as a plural, else "is".
pub(super) fn verb(measure: &str) -> &'static str {
    if measure.ends_with('s') && !measure.starts_with("the ") {
        "are"
    } else {
        "is"
    }
}

/// "73 % higher", "42 % lower", "3.4 times as high".
pub(super) fn than(ratio: f64) -> String {
    if ratio >= 3.0 {
        format!("{} times as high", number::sensible(ratio))
    } else if ratio >= 1.0 {
        format!("{} higher", percent(ratio - 1.0))
    } else {
        format!("{} lower", percent(1.0 - ratio))
    }
}

/// "61 % to 86 %", in the words of [`than`]; signs where the bounds lie on both sides of none.
pub(super) fn bounds(ratio: f64, lower: f64, upper: f64) -> String {
    if ratio >= 3.0 {
        number::interval(lower, upper)
    } else if lower >= 1.0 {
        format!("{} to {}", percent(lower - 1.0), percent(upper - 1.0))
    } else if upper <= 1.0 {
        format!("{} to {}", percent(1.0 - upper), percent(1.0 - lower))
    } else {
        format!(
            "{} to {}",
            number::change(lower - 1.0),
            number::change(upper - 1.0)
        )
    }
}

/// The word that joins a comparison to what it is compared with: "as" after "times as high".
pub(super) fn joint(ratio: f64) -> &'static str {
    if ratio >= 3.0 { "as" } else { "than" }
}

fn percent(share: f64) -> String {
    let value = share * 100.0;
    format!("{}{NBSP}%", number::fixed(value, usize::from(value < 9.95)))
}

/// Marks the bars that a finding speaks of: those whose labels its `bars` number names.
pub(super) fn highlight(chart: &mut Chart, finding: &Finding) {
    let ChartKind::Bars { bars, .. } = &mut chart.kind else {
        return;
    };
    let Some(named) = finding.numbers.get("bars").and_then(|bars| bars.as_array()) else {
        return;
    };
    for bar in bars {
        if named
            .iter()
            .any(|name| name.as_str() == Some(bar.label.as_str()))
        {
            bar.highlight = true;
        }
    }
}

/// A bar chart with its words for those who cannot see it, and its table.
pub(super) fn bars(
    id: String,
    title: String,
    unit: &str,
    bars: Vec<Bar>,
    baseline: f64,
    baseline_label: &str,
) -> Chart {
    let parts: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.label, bar.text))
        .collect();
    let mut table = Table::new(title.clone(), &["<", &format!(">{unit}"), ">95 % interval"]);
    for bar in &bars {
        let interval = bar
            .interval
            .map_or_else(String::new, |[l, u]| number::interval(l, u));
        table.push([bar.label.clone(), bar.text.clone(), interval]);
    }
    Chart {
        id,
        title,
        unit: unit.to_string(),
        alt: format!("Bars, {unit}: {}.", parts.join(", ")),
        kind: ChartKind::Bars {
            bars,
            baseline,
            baseline_label: baseline_label.to_string(),
            horizontal: false,
        },
        table: Some(table),
    }
}
