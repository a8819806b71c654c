//! Finds the reports that were made before a run failed.

use super::clock::Zone;
use crate::{
    folders::folders,
    words::{clean, encode, or},
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
    /// True if it is on the window of the failed run.
    pub same_window: bool,
}

/// The last report of the job before a run began, and the last one on the run's window if that is
/// another.
pub(super) fn before(
    folder: &Path,
    [_, window, run]: &[String; 3],
    began: Option<Timestamp>,
    zone: &Zone,
) -> (Option<EarlierRun>, Option<EarlierRun>) {
    let Some(job) = folder.parent().and_then(Path::parent) else {
        return (None, None);
    };
    let mut found: Vec<(Timestamp, EarlierRun)> = Vec::new();
    // An unreadable folder counts as empty.
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
            let before = EarlierRun {
                href: format!(
                    "../../{}/{}/index.html",
                    encode(&other_window),
                    encode(&other_run)
                ),
                window: other_window.clone(),
                period: or(clean(&summary.period, 120), &other_window),
                created: zone.full(time),
                same_window: other_window == *window,
            };
            found.push((time, before));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.href.cmp(&b.1.href)));
    let last = found.first().map(|(_, before)| before.clone());
    let mut others = found.into_iter().map(|(_, before)| before).skip(1);
    let has_own = last.as_ref().is_some_and(|before| before.same_window);
    let earlier = others.find(|before| before.same_window && !has_own);
    (last, earlier)
}
