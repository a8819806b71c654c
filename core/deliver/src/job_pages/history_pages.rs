//! The pages of figures, findings and improvements over all reports of a job.

use super::{
    Site,
    data::{newest_severity, run_link, shown_name},
};
use crate::{
    history::{FigureHistory, FindingHistory, ImprovementHistory, MetricHistory, Recurrence},
    trend::{Point, Trend, chart},
    words::non_empty_or,
    year_index::FindingRow,
};
use retrocast_domain::number::{count, interval, plural, range, with_unit};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maximum number of rows of a table of reports; the chart and the series above it cover all.
const ROWS_MAX: usize = 400;
/// Maximum number of listed series of reports with a finding.
const SPANS_MAX: usize = 100;
/// Number of reports above which a figure's page also summarises them by year.
const YEARS_FROM: usize = 60;

/// The breadcrumb trail of a page of this job.
fn trail(site: &Site, name: &str) -> Value {
    json!([
        [site.job.display_title(), format!("{}index.html", site.href)],
        [name, ""]
    ])
}

/// The caption of a table of reports, which may be truncated.
fn caption(title: &str, shown: usize, total: usize) -> String {
    if shown < total {
        format!("{title}, newest first: {}", of_reports(shown, total))
    } else {
        format!("{title}, newest first")
    }
}

fn bounds(value: f64, bounds: Option<[f64; 2]>, unit: &str) -> String {
    let Some([low, high]) = bounds else {
        return String::new();
    };
    match unit {
        "share" | "min" | "ratio" => range(&with_unit(low, unit), &with_unit(high, unit)),
        _ if value.is_finite() => interval(low, high),
        _ => String::new(),
    }
}

pub(super) fn finding_page(site: &Site, finding: &FindingHistory) -> Value {
    let reports = &site.history.reports;
    let meta = finding.meta;
    let link = |report: usize| run_link(reports[report].run);
    let name = |report: usize| shown_name(reports[report].run);
    let newest = finding
        .points
        .iter()
        .rev()
        .find(|point| point.row.is_some());
    let newest = newest.map_or(0, |point| point.report);
    let state = match (finding.points.last(), finding.spans.last()) {
        (Some(last), _) if last.state == Recurrence::Resolved => {
            format!(
                "Resolved in {}: searched for again and no longer found.",
                name(last.report)
            )
        }
        (Some(_), Some(span)) if span.times > 1 => format!(
            "In every report that searched for it since {}: {}.",
            name(span.from),
            plural(span.times, "report")
        ),
        _ => "In one report so far.".to_string(),
    };
    let size = |row: &FindingRow| {
        let (value, low, high) = row.size?;
        Some((value, low.zip(high).map(|(low, high)| [low, high])))
    };
    let points: Vec<Point> = finding
        .points
        .iter()
        .map(|point| {
            let size = point.row.and_then(size);
            Point {
                name: name(point.report),
                value: size.map(|(value, _)| value),
                interval: size.and_then(|(_, interval)| interval),
            }
        })
        .collect();
    let rows = finding.points.iter().rev().take(ROWS_MAX).map(|point| {
        let size = point.row.and_then(size);
        json!({
            "href": format!("{}index.html", reports[point.report].run.href()),
            "name": name(point.report),
            "state": point.state.word(),
            "severity": point.row.map_or("", |row| row.severity.word()),
            "size": size.map_or("–".to_string(), |(value, _)| with_unit(value, &meta.unit)),
            "interval": size.map_or(String::new(), |(value, interval)| bounds(value, interval, &meta.unit)),
        })
    });
    let rows: Vec<Value> = rows.collect();
    let spans = finding.spans.iter().rev().take(SPANS_MAX).map(|span| {
        json!({
            "from": link(span.from),
            "to": link(span.to),
            "times": count(span.times),
            "resolved": span.resolved.map(link),
        })
    });
    json!({
        "title": site.job.display_title(),
        "trail": trail(site, &meta.what),
        "finding": {
            "what": meta.what,
            "sentence": meta.sentence,
            "subject": non_empty_or(meta.subject.clone(), "all"),
            "stage": retrocast_run::plan::short(&meta.node),
            "kind": meta.kind.replace('_', " "),
            "method": meta.method,
            "severity": newest_severity(finding).word(),
            "state": state,
            "newest": link(newest),
        },
        "chart": chart(&Trend {
            title: &format!("Size of the finding: {}", meta.what),
            unit: &meta.unit,
            level: None,
            points: &points,
        }),
        "spans_caption": match finding.spans.len() {
            n if n > SPANS_MAX => format!(
                "Uninterrupted series of reports, newest first: {} of {}",
                count(SPANS_MAX as u64),
                count(n as u64)
            ),
            _ => "Uninterrupted series of reports, newest first".to_string(),
        },
        "spans": spans.collect::<Vec<_>>(),
        "caption": caption("State in each report that searched for it", rows.len(), finding.points.len()),
        "rows": rows,
    })
}

pub(super) fn figure_page(site: &Site, figure: &FigureHistory) -> Value {
    let reports = &site.history.reports;
    let meta = figure.meta;
    let name = |report: usize| shown_name(reports[report].run);
    let points: Vec<Point> = figure
        .points
        .iter()
        .map(|(report, row)| Point {
            name: name(*report),
            value: row.value,
            interval: row.interval,
        })
        .collect();
    let rows = figure
        .points
        .iter()
        .rev()
        .take(ROWS_MAX)
        .map(|(report, row)| {
            json!({
                "href": format!("{}index.html", reports[*report].run.href()),
                "name": name(*report),
                "text": row.text,
                "interval": row.interval_text,
            })
        });
    let rows: Vec<Value> = rows.collect();
    let mut summary = format!(
        "{}, measured by {}",
        plural(figure.points.len() as u64, "report"),
        meta.stage
    );
    if !meta.target_text.is_empty() {
        summary = format!("{summary}; target {}", meta.target_text);
    }
    let title = match meta.subject.as_str() {
        "" => meta.name.clone(),
        subject => format!("{}, {subject}", meta.name),
    };
    let drawing = chart(&Trend {
        title: &title,
        unit: &meta.unit,
        level: meta.target,
        points: &points,
    });
    let years = if figure.points.len() > YEARS_FROM {
        by_year(site, figure)
    } else {
        Vec::new()
    };
    json!({
        "title": site.job.display_title(),
        "trail": trail(site, &title),
        "figure": { "name": meta.name, "subject": meta.subject },
        "summary": format!("{summary}."),
        "chart": drawing,
        "caption": caption("Value in each report", rows.len(), figure.points.len()),
        "rows": rows,
        "years": years,
    })
}

/// Lowest, middle and highest value of each year, newest first.
fn by_year(site: &Site, figure: &FigureHistory) -> Vec<Value> {
    let mut years: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (report, row) in &figure.points {
        let values = years
            .entry(site.history.reports[*report].run.year())
            .or_default();
        values.extend(row.value);
    }
    let years = years.into_iter().rev().filter_map(|(name, mut values)| {
        values.sort_by(f64::total_cmp);
        let text = |value: &f64| with_unit(*value, &figure.meta.unit);
        Some(json!({
            "name": name,
            "reports": count(values.len() as u64),
            "low": text(values.first()?),
            "median": text(values.get((values.len() - 1) / 2)?),
            "high": text(values.last()?),
        }))
    });
    years.collect()
}

pub(super) fn improvement_page(site: &Site, improvement: &ImprovementHistory) -> Value {
    let newest = improvement
        .metrics
        .iter()
        .max_by_key(|metric| metric.points.last().map(|(report, _)| *report));
    let Some(newest) = newest else {
        return Value::Null;
    };
    let title = non_empty_or(newest.meta.title.clone(), &newest.meta.id);
    let metrics: Vec<Value> = improvement
        .metrics
        .iter()
        .map(|metric| metric_view(site, metric))
        .collect();
    json!({
        "title": site.job.display_title(),
        "trail": trail(site, &title),
        "improvement": {
            "title": title,
            "id": newest.meta.id,
            "sentence": newest.meta.sentence,
            "date": newest.meta.date,
            "category": newest.meta.category,
            "closed": improvement.closed.map(|(_, closed)| &closed.sentence),
        },
        "metrics": metrics,
    })
}

fn metric_view(site: &Site, metric: &MetricHistory) -> Value {
    let reports = &site.history.reports;
    let name = |report: usize| shown_name(reports[report].run);
    let is_known = |relative: &[f64; 3]| relative.iter().any(|value| *value != 0.0);
    let points: Vec<Point> = metric
        .points
        .iter()
        .map(|(report, row)| Point {
            name: name(*report),
            value: is_known(&row.relative).then_some(100.0 * row.relative[0]),
            interval: is_known(&row.relative)
                .then_some([100.0 * row.relative[1], 100.0 * row.relative[2]]),
        })
        .collect();
    let mut rows = Vec::new();
    for (n, (report, row)) in metric.points.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| metric.points[n].1.verdict);
        rows.push(json!({
            "href": format!("{}index.html", reports[*report].run.href()),
            "name": name(*report),
            "verdict": row.verdict.word(),
            "changed": before.filter(|before| *before != row.verdict).map(|before| format!("was {}", before.word())),
            "effect": non_empty_or(row.text.clone(), "–"),
            "range": row.interval_text,
        }));
    }
    rows.reverse();
    rows.truncate(ROWS_MAX);
    json!({
        "name": metric.meta.metric,
        "chart": chart(&Trend {
            title: &format!("Effect on {}, in per cent", metric.meta.metric),
            unit: "",
            level: Some(0.0),
            points: &points,
        }),
        "caption": caption("Verdict of each report", rows.len(), metric.points.len()),
        "rows": rows,
    })
}

/// Formats a part of the reports: "3 of 12 reports".
fn of_reports(part: usize, total: usize) -> String {
    format!(
        "{} of {}",
        count(part as u64),
        plural(total as u64, "report")
    )
}
