//! The quality of the data behind a report, in one word and one line.

use crate::assemble::{POOR_SHARE, has_no_records, restated};
use retrocast_domain::{
    Chapter, Finding, Report, ReportStatus, Severity,
    number::{percent, plural},
};
use serde::Serialize;

/// Quality of the data.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    /// `good`, `fair` or `poor`.
    pub(super) level: &'static str,
    pub(super) text: String,
}

/// Health of a report's data: "good", "fair" or "poor".
pub fn data_health(report: &Report) -> &'static str {
    health(report).level
}

/// Judges the data by the share of accepted records, the findings on them and the notices.
pub(super) fn health(report: &Report) -> Health {
    if let Some(slice) = &report.slice {
        let levels = ["good", "fair", "poor"];
        let level = levels.into_iter().find(|level| slice.health == *level);
        return Health {
            level: level.unwrap_or("fair"),
            text: "of all records of this run".to_string(),
        };
    }
    let records: u64 = report.sources.iter().map(|source| source.records).sum();
    let accepted: u64 = report.sources.iter().map(|source| source.accepted).sum();
    // A record that a newer version replaces was not refused.
    let replaced: u64 = report.sources.iter().map(|source| source.duplicates).sum();
    let share = if records == 0 {
        0.0
    } else {
        (accepted + replaced) as f64 / records as f64
    };
    let is_silent = has_no_records(&report.cells, &report.sources);
    let empty = is_silent || report.sources.iter().any(|source| source.accepted == 0);
    let data_cells = report
        .cells
        .iter()
        .filter(|cell| cell.chapter == Chapter::Data);
    let alarms = data_cells.flat_map(|cell| &cell.findings);
    let alarms = alarms.filter(|finding| !finding.is_set_aside());
    let alarms = alarms.filter(|finding| finding.severity >= Severity::Warning);
    let is_critical = |finding: &Finding| finding.severity == Severity::Critical;
    // A restated figure does not make the data of this window worse.
    let restated = restated::notice(&report.cells, &report.kpis);
    let mut notices = report.notices.iter();
    let has_notices = notices.any(|notice| Some(notice) != restated.as_ref());
    let level = if share < POOR_SHARE || empty || alarms.clone().any(is_critical) {
        "poor"
    } else if share < 0.99
        || report.status == ReportStatus::Partial
        || alarms.clone().next().is_some()
        || has_notices
    {
        "fair"
    } else {
        "good"
    };
    let text = if report.sources.is_empty() {
        "no sources read".to_string()
    } else {
        let sources = plural(report.sources.len() as u64, "source");
        // Explains a level below "good" if nearly all records are accepted.
        let reason = match alarms.count() as u64 {
            0 if is_silent => "; none in this period".to_string(),
            0 if !has_notices => String::new(),
            0 => "; some are missing".to_string(),
            n => format!("; {} about the data", plural(n, "warning")),
        };
        format!(
            "{} of {} accepted, {sources}{reason}",
            percent(share),
            plural(records, "record")
        )
    };
    Health {
        level: if report.sources.is_empty() {
            "fair"
        } else {
            level
        },
        text,
    }
}
