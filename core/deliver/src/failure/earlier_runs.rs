//! Finds the last runs with reports before a run failed.

use super::clock::Zone;
use crate::{
    folders::folders,
    words::{clean, encode, non_empty_or},
};
use jiff::Timestamp;
use retrocast_run::RunSummary;
use serde::Serialize;
use std::path::Path;

/// A run with a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EarlierRun {
    /// Relative link from the folder of the failed run.
    pub href: String,
    pub window: String,
    pub period: String,
    #[serde(rename = "made")]
    pub created: String,
    /// True if it covers the window of the failed run.
    pub same_window: bool,
}

/// Finds the job's last run with reports before a run began, and the last such run on the same
/// window if it is a different run.
pub(super) fn find(
    folder: &Path,
    [_, window, run]: &[String; 3],
    began: Option<Timestamp>,
    zone: &Zone,
) -> (Option<EarlierRun>, Option<EarlierRun>) {
    let Some(job) = folder.parent().and_then(Path::parent) else {
        return (None, None);
    };
    let mut reports: Vec<(Timestamp, EarlierRun)> = Vec::new();
    // An unreadable folder is treated as empty.
    for (other_window, path) in folders(job).unwrap_or_default() {
        for (other_run, path) in folders(&path).unwrap_or_default() {
            let is_own = other_window == *window && other_run == *run;
            let Some(summary) = RunSummary::read(&path).ok().filter(|_| !is_own) else {
                continue;
            };
            let end = summary.finished.or(summary.started);
            let Some(time) = end.filter(|_| summary.status.has_reports()) else {
                continue;
            };
            if began.is_some_and(|began| time > began) {
                continue;
            }
            let earlier_run = EarlierRun {
                href: format!(
                    "../../{}/{}/index.html",
                    encode(&other_window),
                    encode(&other_run)
                ),
                window: other_window.clone(),
                period: non_empty_or(clean(&summary.period, 120), &other_window),
                created: zone.date_and_time(time),
                same_window: other_window == *window,
            };
            reports.push((time, earlier_run));
        }
    }
    reports.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.href.cmp(&b.1.href)));
    let last = reports.first().map(|(_, run)| run.clone());
    let mut others = reports.into_iter().map(|(_, run)| run).skip(1);
    let is_last_on_window = last.as_ref().is_some_and(|run| run.same_window);
    let earlier = others.find(|run| run.same_window && !is_last_on_window);
    (last, earlier)
}
