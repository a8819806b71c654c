//! Finds the earlier report that a new report is compared with.

use crate::folders::folders;
use retrocast_domain::{Finding, Window, report::EarlierReport};
use retrocast_run::{
    Journal, RunStatus, RunSummary,
    files::{FINDINGS, REPORT, read_json},
};
use serde::Deserialize;
use std::path::Path;

/// The part of a report file that holds the earlier report.
#[derive(Deserialize)]
struct EarlierRef {
    #[serde(default)]
    earlier: Option<EarlierReport>,
}

/// Finds the newest run with reports on the newest window of the same length that ends before
/// `window` begins. `job` is the job's folder in the archive. Unreadable runs are skipped: a report
/// never fails because of an older report.
pub fn earlier_report(job: &Path, window: &Window) -> Option<EarlierReport> {
    let mut windows: Vec<(Window, std::path::PathBuf)> = folders(job)
        .ok()?
        .into_iter()
        .filter_map(|(label, path)| Some((Window::parse(&label, &window.timezone).ok()?, path)))
        .filter(|(other, _)| other.spec == window.spec && other.end <= window.start)
        .collect();
    windows.sort_by_key(|(other, _)| std::cmp::Reverse(other.end));
    windows.iter().find_map(|(_, path)| newest(path))
}

fn newest(window: &Path) -> Option<EarlierReport> {
    // A process may have died after its run ended, but before the summary recorded that.
    let has_reports = |path: &Path| RunSummary::status_of(path).is_ok_and(RunStatus::has_reports);
    let summary = |path: &Path| {
        let mut run = RunSummary::read(path).ok()?;
        let end_time = || Some(Journal::read_or_empty(path).ok()?.pop()?.time);
        run.finished = run.finished.or_else(end_time);
        Some(run)
    };
    let mut runs: Vec<(RunSummary, std::path::PathBuf)> = folders(window)
        .ok()?
        .into_iter()
        .filter(|(_, path)| has_reports(path))
        .filter_map(|(_, path)| Some((summary(&path)?, path)))
        .collect();
    runs.sort_by(|(a, _), (b, _)| (&b.finished, &b.run).cmp(&(&a.finished, &a.run)));
    runs.into_iter().find_map(|(run, path)| {
        let findings: Vec<Finding> = read_json(path.join(FINDINGS)).ok()?;
        let report: Option<EarlierRef> = read_json(path.join(REPORT)).ok();
        let before = report.and_then(|report| report.earlier);
        Some(EarlierReport::new(&run.window, &findings, before.as_ref()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_run::files::SUMMARY;

    #[test]
    fn findings_keep_their_first_report_and_their_number_of_reports() {
        let job = tempfile::tempdir().unwrap();
        let earlier_than = |label: &str| {
            let window = Window::parse(label, "UTC").unwrap();
            earlier_report(job.path(), &window)
        };
        let run = |window: &str, claims: &[&str]| {
            let folder = job.path().join(window).join("a");
            std::fs::create_dir_all(&folder).unwrap();
            let summary = serde_json::json!({
                "run": "a", "job": "weekly", "window": window, "status": "complete",
                "finished": "2026-11-02T09:00:00Z",
            });
            let findings = claims
                .iter()
                .map(|claim| Finding::new("s", "kpi", "all", claim));
            let findings: Vec<Finding> = findings.collect();
            let report = serde_json::json!({"earlier": earlier_than(window)});
            for (name, value) in [
                (SUMMARY, summary),
                (FINDINGS, serde_json::to_value(findings).unwrap()),
                (REPORT, report),
            ] {
                std::fs::write(folder.join(name), value.to_string()).unwrap();
            }
        };
        run("2026-W43", &["leak"]);
        run("2026-W44", &["leak", "outage"]);
        run("2026-W45", &["outage"]);
        run("2026-W46", &["leak", "outage"]);
        let known = earlier_than("2026-W47").unwrap();
        let check = |claim: &str, since: &str, times: u32| {
            let finding = Finding::new("s", "kpi", "all", claim);
            let earlier = known.find(&finding).unwrap();
            assert_eq!((&*earlier.since, earlier.times), (since, times), "{claim}");
        };
        // A finding that is resolved and returns counts as new.
        check("leak", "2026-W46", 1);
        check("outage", "2026-W44", 3);
        // A rebuilt older report keeps its contents.
        run("2026-W45", &["outage"]);
        assert_eq!(earlier_than("2026-W47").unwrap(), known);
    }

    #[test]
    fn the_newest_complete_run_of_the_previous_window_is_chosen() {
        let archive = tempfile::tempdir().unwrap();
        let job = archive.path().join("weekly");
        let run = |window: &str, run: &str, status: &str, finished: &str| {
            let folder = job.join(window).join(run);
            std::fs::create_dir_all(&folder).unwrap();
            let summary = serde_json::json!({
                "run": run, "job": "weekly", "window": window, "status": status,
                "finished": finished,
            });
            std::fs::write(folder.join(SUMMARY), summary.to_string()).unwrap();
            let findings = [Finding::new("s", "kpi", "all", run)];
            let text = serde_json::to_vec(&findings).unwrap();
            std::fs::write(folder.join(FINDINGS), text).unwrap();
        };
        run("2026-W44", "a", "complete", "2026-11-02T09:00:00Z");
        run("2026-W45", "b", "complete", "2026-11-09T09:00:00Z");
        run("2026-W45", "c", "complete", "2026-11-09T12:00:00Z");
        run("2026-W45", "d", "failed", "2026-11-09T13:00:00Z");
        run("2026-W46", "e", "complete", "2026-11-16T09:00:00Z");
        run("2026-11", "f", "complete", "2026-12-01T09:00:00Z");
        // The process died after everything but the summary was written.
        run("2026-W48", "g", "running", "2026-11-30T09:00:00Z");
        let journal = job.join("2026-W48/g/journal.jsonl");
        let end = r#"{"time":"2026-11-30T09:00:00Z","event":"run_finished","status":"complete"}"#;
        std::fs::write(journal, end).unwrap();
        run("2026-W48", "h", "running", "2026-11-30T10:00:00Z");
        let earlier_than = |label: &str| {
            let window = Window::parse(label, "UTC").unwrap();
            earlier_report(&job, &window)
        };
        let report_of = |run: &str, window: &str| {
            let findings = [Finding::new("s", "kpi", "all", run)];
            Some(EarlierReport::new(window, &findings, None))
        };
        assert_eq!(earlier_than("2026-W46"), report_of("c", "2026-W45"));
        assert_eq!(earlier_than("2026-W47"), report_of("e", "2026-W46"));
        assert_eq!(earlier_than("2026-W48"), report_of("e", "2026-W46"));
        assert_eq!(earlier_than("2026-W50"), report_of("g", "2026-W48"));
        assert_eq!(earlier_than("2026-W44"), None);
        assert_eq!(
            earlier_report(
                &archive.path().join("none"),
                &Window::parse("2026-W44", "UTC").unwrap()
            ),
            None
        );
    }
}
