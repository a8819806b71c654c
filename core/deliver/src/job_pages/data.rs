//! Data for the templates of a job's pages.

use super::{SPARKLINE_REPORTS, Site};
use crate::{
    digest::Digest,
    entries::RunEntry,
    history::{FindingHistory, Recurrence},
    trend::spark,
    words::{clean, encode, non_empty_or},
    year_index::{FindingRow, figure_slug, finding_slug, slug},
};
use retrocast_domain::{
    Severity,
    number::{list, plural, with_unit},
    window::date_in_words,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of resolved findings on a job's page.
const RESOLVED_MAX: usize = 40;

/// Name of a run's period on pages.
pub(super) fn shown_name(run: &RunEntry) -> String {
    clean(&run.names[1], 60)
}

/// A link to a run from the root of the archive.
pub(super) fn run_link(run: &RunEntry) -> Value {
    json!({ "href": format!("{}index.html", run.href()), "name": shown_name(run) })
}

/// A link to the runs of a period from the root of the archive.
pub(super) fn period_link(run: &RunEntry) -> Value {
    let [job, window] = [&run.names[0], &run.names[1]].map(|name| encode(name));
    json!({ "href": format!("{job}/{window}/index.html"), "name": shown_name(run) })
}

/// The URL fragment with which the comparison page shows two runs.
pub(super) fn compare_link(old: &RunEntry, new: &RunEntry) -> String {
    let path = |run: &RunEntry| run.href().trim_end_matches('/').to_string();
    format!("old={}&new={}", path(old), path(new))
}

/// `latest.json` of a job: the newest run with reports, for other programs.
pub(super) fn latest_json(run: &RunEntry) -> String {
    let summary = &run.summary;
    let files = [
        "executive.pdf",
        "executive.html",
        "technical.pdf",
        "technical.html",
        "report.json",
    ];
    let files = files.iter().filter(|name| run.folder.join(name).is_file());
    let files: BTreeMap<&str, String> = files
        .map(|name| (*name, format!("{}{name}", run.href())))
        .collect();
    let data = json!({
        "job": summary.job,
        "title": summary.title,
        "window": summary.window,
        "run": summary.run,
        "period": summary.period,
        "date": summary.date,
        "status": summary.status,
        "headline": summary.headline,
        "finished": summary.finished,
        "path": run.names.join("/"),
        "files": files,
    });
    format!("{data:#}\n")
}

/// The tombstone of a run for its page.
pub(super) fn removed_view(run: &RunEntry) -> Value {
    let Some(tombstone) = &run.tombstone else {
        return Value::Null;
    };
    let names: Vec<String> = tombstone.files.iter().map(|name| clean(name, 80)).collect();
    let path = run.names.iter().map(|name| clean(name, 80));
    json!({
        "at": format!("on {}", date_in_words(tombstone.date)),
        "why": sentence(&tombstone.why),
        "what": format!(
            "Removed: {} ({}). Summary, setup, journal and the results below are kept.",
            list(&names),
            bytes(tombstone.bytes)
        ),
        "command": format!("retrocast rerun {}", path.collect::<Vec<_>>().join("/")),
    })
}

/// The pin of a run for its page.
pub(super) fn pinned_view(run: &RunEntry) -> Value {
    let Some(pin) = &run.pin else {
        return Value::Null;
    };
    let is_known = pin.date != jiff::civil::Date::default();
    json!({
        "at": if is_known { format!(" on {}", date_in_words(pin.date)) } else { String::new() },
        "why": sentence(&pin.why),
    })
}

/// Formats a text as a sentence; empty if the text is empty.
fn sentence(text: &str) -> String {
    let text = clean(text, 400);
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return text;
    };
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

fn bytes(bytes: u64) -> String {
    const KILO: f64 = 1000.0;
    match bytes as f64 {
        size if size >= KILO * KILO => with_unit(size / KILO / KILO, "MB"),
        size if size >= KILO => with_unit(size / KILO, "kB"),
        size => with_unit(size, "bytes"),
    }
}

/// Figures of a report; `base` is the link to the job's folder.
pub(super) fn figure_rows(site: &Site, position: usize, base: &str) -> Vec<Value> {
    let report = &site.history.reports[position];
    let rows = report.row.figures.iter().map(|row| {
        let meta = site.history.figure_of(position, row);
        json!({
            "href": format!("{base}figures/{}.html", meta.slug),
            "name": meta.name,
            "subject": non_empty_or(meta.subject.clone(), "all"),
            "text": row.text,
            "interval": row.interval_text,
            "spark": sparkline(site, Some(position), &meta.slug),
        })
    });
    rows.collect()
}

/// Draws the last values of a figure up to a report.
fn sparkline(site: &Site, position: Option<usize>, slug: &str) -> String {
    let (Some(position), Some(figure)) = (position, site.history.figures.get(slug)) else {
        return String::new();
    };
    let spec = &site.history.reports[position].spec;
    let end = figure
        .points
        .partition_point(|(other, _)| *other <= position);
    let points = &figure.points[..end];
    let first = position.saturating_sub(SPARKLINE_REPORTS);
    let shown = points
        .iter()
        .filter(|(other, _)| *other >= first && site.history.reports[*other].spec == *spec);
    spark(&shown.map(|(_, row)| row.value).collect::<Vec<_>>())
}

/// Figures of any run, even of one that a later run replaced.
pub(super) fn run_figures(site: &Site, position: Option<usize>, digest: &Digest) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let figures = digest.figures.iter().filter_map(|figure| {
        let slug = figure_slug(figure);
        if !seen.insert(slug.clone()) {
            return None;
        }
        let group = figure.subject.split_once(" = ");
        let is_linked = site.history.figures.contains_key(slug.as_str());
        Some(json!({
            "href": if is_linked { format!("{}figures/{slug}.html", site.href) } else { format!("{}index.html", site.href) },
            "name": figure.name,
            "subject": group.map_or(figure.subject.as_str(), |(_, group)| group),
            "text": figure.text,
            "interval": figure.interval_text,
            "spark": sparkline(site, position, &slug),
        }))
    });
    figures.collect()
}

/// State of a finding in a report: word, first report of the uninterrupted series, and number of
/// its reports up to this one.
pub(super) fn finding_state(
    site: &Site,
    position: usize,
    row: &FindingRow,
    run: &RunEntry,
) -> (&'static str, String, u64) {
    let meta = site.history.finding_of(position, row);
    state_of(site, position, &meta.slug).unwrap_or(("found", shown_name(run), 1))
}

fn state_of(site: &Site, position: usize, slug: &str) -> Option<(&'static str, String, u64)> {
    let finding = site.history.findings.get(slug)?;
    let point = finding.point_in(position)?;
    let from = finding.span_with(position)?.from;
    let is_counted = |point: &&crate::history::FindingPoint| {
        (from..=position).contains(&point.report) && point.row.is_some()
    };
    let times = finding.points.iter().filter(is_counted).count() as u64;
    let since = shown_name(site.history.reports[from].run);
    Some((point.state.word(), since, times))
}

/// One entry of a list of findings.
fn finding_item(
    href: String,
    sentence: &str,
    severity: Severity,
    state: &str,
    facts: String,
) -> Value {
    json!({
        "href": href,
        "sentence": sentence,
        "severity": severity.word(),
        "state": state,
        "facts": facts,
    })
}

fn since_words(state: &str, since: &str, times: u64) -> String {
    match state {
        "persisting" => format!("since {since}, {}", plural(times, "report")),
        _ => String::new(),
    }
}

/// Findings of any run, the most severe first.
pub(super) fn run_findings(site: &Site, position: Option<usize>, digest: &Digest) -> Vec<Value> {
    let mut findings: Vec<_> = digest.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let items = findings.into_iter().map(|finding| {
        let slug = finding_slug(finding);
        let state = position.and_then(|position| state_of(site, position, &slug));
        let (state, since, times) = state.unwrap_or(("found", String::new(), 1));
        let href = if site.history.findings.contains_key(slug.as_str()) {
            format!("{}findings/{slug}.html", site.href)
        } else {
            format!("{}index.html", site.href)
        };
        let facts = since_words(state, &since, times);
        finding_item(href, &finding.sentence, finding.severity, state, facts)
    });
    items.collect()
}

/// Findings of the newest report, for the job's page.
pub(super) fn latest_findings(site: &Site, position: usize) -> Vec<Value> {
    let report = &site.history.reports[position];
    let mut rows: Vec<_> = report.row.findings.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.severity));
    let items = rows.into_iter().map(|row| {
        let meta = site.history.finding_of(position, row);
        let (state, since, times) = finding_state(site, position, row, report.run);
        let facts = since_words(state, &since, times);
        let href = format!("findings/{}.html", meta.slug);
        finding_item(href, &meta.sentence, row.severity, state, facts)
    });
    items.collect()
}

/// Findings that a report resolved, the newest first, and a note on those that are left out.
pub(super) fn resolved_findings<'a>(
    site: &'a Site,
    newest: Option<usize>,
) -> (Vec<(&'a Site<'a>, &'a FindingHistory<'a>)>, String) {
    let Some(newest) = newest else {
        return (Vec::new(), String::new());
    };
    let spec = &site.history.reports[newest].spec;
    let resolved_at = |finding: &FindingHistory| {
        let last = finding.points.last()?;
        let is_same_kind = site.history.reports[last.report].spec == *spec;
        (last.state == Recurrence::Resolved && is_same_kind).then_some(last.report)
    };
    let mut resolved: Vec<_> = site
        .history
        .findings
        .values()
        .filter_map(|finding| Some((resolved_at(finding)?, finding)))
        .collect();
    resolved.sort_by_key(|(position, finding)| {
        let severity = newest_severity(finding);
        (
            std::cmp::Reverse(*position),
            std::cmp::Reverse(severity),
            finding.meta.slug.as_str(),
        )
    });
    let more = match resolved.len().saturating_sub(RESOLVED_MAX) {
        0 => String::new(),
        n => format!("{}: use the search.", plural(n as u64, "earlier finding")),
    };
    resolved.truncate(RESOLVED_MAX);
    (
        resolved
            .into_iter()
            .map(|(_, finding)| (site, finding))
            .collect(),
        more,
    )
}

pub(super) fn newest_severity(finding: &FindingHistory) -> Severity {
    let newest = finding.points.iter().rev().find_map(|point| point.row);
    newest.map_or(Severity::Info, |row| row.severity)
}

pub(super) fn finding_items(findings: Vec<(&Site, &FindingHistory)>) -> Vec<Value> {
    let items = findings.into_iter().filter_map(|(site, finding)| {
        let span = finding.spans.last()?;
        let name = |position: usize| shown_name(site.history.reports[position].run);
        let facts = format!(
            "found from {} to {}, resolved in {}",
            name(span.from),
            name(span.to),
            name(span.resolved?)
        );
        let href = format!("findings/{}.html", finding.meta.slug);
        let severity = newest_severity(finding);
        Some(finding_item(
            href,
            &finding.meta.sentence,
            severity,
            "resolved",
            facts,
        ))
    });
    items.collect()
}

/// Improvements with the newest verdicts, up to a report.
pub(super) fn improvement_items(site: &Site, base: &str, until: Option<usize>) -> Vec<Value> {
    let mut items = Vec::new();
    for improvement in site.history.improvements.values() {
        for metric in &improvement.metrics {
            let newest = metric.points.iter().rev();
            let Some((_, row)) = newest
                .clone()
                .find(|(position, _)| until.is_none_or(|end| *position <= end))
            else {
                continue;
            };
            items.push((
                metric.meta.date.clone(),
                json!({
                    "href": format!("{base}improvements/{}.html", metric.meta.slug),
                    "title": non_empty_or(metric.meta.title.clone(), &metric.meta.id),
                    "date": metric.meta.date,
                    "metric": metric.meta.metric,
                    "verdict": row.verdict.word(),
                    "effect": row.text,
                    "range": row.interval_text,
                }),
            ));
        }
    }
    items.sort_by(|(a, _), (b, _)| b.cmp(a));
    items.into_iter().map(|(_, item)| item).collect()
}

/// Verdicts of any run.
pub(super) fn run_improvements(site: &Site, digest: &Digest) -> Vec<Value> {
    let items = digest.effects.iter().map(|effect| {
        let slug = slug(&effect.improvement);
        let is_linked = site.history.improvements.contains_key(slug.as_str());
        json!({
            "href": if is_linked { format!("{}improvements/{slug}.html", site.href) } else { format!("{}index.html", site.href) },
            "title": non_empty_or(effect.title.clone(), &effect.improvement),
            "date": effect.date,
            "metric": effect.metric,
            "verdict": effect.verdict_word,
            "effect": effect.text,
            "range": effect.interval_text,
        })
    });
    items.collect()
}
