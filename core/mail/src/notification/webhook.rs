//! The event of a run: `CloudEvents` 1.0 in structured JSON format.

use super::Links;
use crate::content::{MessageKind, View};
use jiff::Timestamp;
use serde::Serialize;

/// A `CloudEvents` 1.0 event.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    specversion: &'static str,
    /// The same in every attempt: receivers deduplicate by it.
    id: &'a str,
    /// The job: "/retrocast/jobs/weekly-operations".
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Window and run: "2026-W46/1a2b3c4d".
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    job: &'a str,
    title: &'a str,
    window: &'a str,
    period: &'a str,
    date: &'a str,
    run: &'a str,
    status: &'static str,
    /// The verdict, or the error of a failure.
    summary: &'a str,
    notices: &'a [String],
    /// Parts that a partial report lacks.
    missing: &'a [String],
    key_figures: Vec<KeyFigure<'a>>,
    findings: Vec<Finding<'a>>,
    /// Number of further findings in the report.
    more_findings: usize,
    actions: &'a [String],
    /// Details of a failure, as lines.
    details: &'a str,
    links: &'a Links,
}

#[derive(Serialize)]
struct KeyFigure<'a> {
    name: &'a str,
    value: Option<f64>,
    interval: Option<[f64; 2]>,
    unit: &'a str,
    text: &'a str,
    /// Change against the previous window, in words.
    change: &'a str,
    /// "better", "worse", or empty if no change is proven.
    judgement: &'a str,
    target: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    id: &'a str,
    kind: &'a str,
    subject: &'a str,
    severity: &'a str,
    sentence: &'a str,
}

/// Builds the event of a run.
pub(super) fn event<'a>(
    view: &'a View,
    links: &'a Links,
    id: &'a str,
    time: Timestamp,
) -> Event<'a> {
    let (kind, status) = match view.kind {
        MessageKind::Report => ("retrocast.run.completed", "complete"),
        MessageKind::Partial => ("retrocast.run.partial", "partial"),
        MessageKind::Failure => ("retrocast.run.failed", "failed"),
    };
    Event {
        specversion: "1.0",
        id,
        source: format!("/retrocast/jobs/{}", encode_segment(&view.job)),
        kind,
        subject: format!("{}/{}", view.window, view.run),
        time,
        datacontenttype: "application/json",
        data: Data {
            job: &view.job,
            title: &view.title,
            window: &view.window,
            period: &view.period,
            date: &view.date,
            run: &view.run,
            status,
            summary: &view.verdict,
            notices: &view.notices,
            missing: &view.missing,
            key_figures: view
                .kpis
                .iter()
                .map(|kpi| KeyFigure {
                    name: &kpi.name,
                    value: kpi.value,
                    interval: kpi.bounds,
                    unit: &kpi.unit,
                    text: &kpi.text,
                    change: &kpi.change,
                    judgement: kpi.judgement,
                    target: &kpi.target,
                })
                .collect(),
            findings: view
                .findings
                .iter()
                .map(|finding| Finding {
                    id: &finding.id,
                    kind: &finding.kind,
                    subject: &finding.subject,
                    severity: finding.severity,
                    sentence: &finding.sentence,
                })
                .collect(),
            more_findings: view.findings_more,
            actions: &view.asks,
            details: &view.failure,
            links,
        },
    }
}

/// Encodes a segment of a URI (RFC 3986, 3.3): all characters except the unreserved ones.
fn encode_segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
