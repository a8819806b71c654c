//! The ledger of a job: publishes finished runs, and selects the rows that a run sees.

mod published;
mod rows;

use crate::{runs, terminal, workspace::Workspace};
use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use retrocast_domain::{ClosedImprovement, FindingDecision, Window, number, window::date_in_words};
use retrocast_engine::Job;
use retrocast_run::{LedgerRun, LedgerView, PublishedFigures, RunSummary, files::REPORT};
use retrocast_store::{
    Lake, Ledger,
    ledger::{
        Decision, Improvement, ImprovementState, Publication, PublishedRestatement, PublishedRun,
        TableRows, finding_decisions, newest_by_window, register,
    },
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use tokio::runtime::Runtime;

/// Number of windows whose runs are published before the restated figures are listed.
const NEWEST_WINDOWS: usize = 2;
/// Maximum number of runs whose rows are in memory at the same time.
const RUNS_IN_MEMORY_MAX: usize = 50;

/// The part of the ledger that a run sees; its plan records it.
#[derive(Debug, Clone, Default)]
pub struct RunView {
    /// The rows that stages see.
    pub rows: LedgerView,
    /// The figures that earlier runs published.
    pub published: Option<PublishedFigures>,
    /// The decisions on findings that are in force.
    pub decisions: Vec<FindingDecision>,
    /// The closed improvements, the last closed first.
    pub closed: Vec<ClosedImprovement>,
    /// The notice about improvements that the run does not see, because they were recorded later.
    pub recorded_later: Option<String>,
}

/// The ledger of a job, with a runtime for its async calls.
pub struct JobLedger {
    runtime: Runtime,
    ledger: Ledger,
}

impl JobLedger {
    /// Opens the ledger of a job in the workspace's lake.
    pub fn new(workspace: &Workspace, job: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let lake = Lake::new(&workspace.lake_locations.root, job)?;
        let ledger = Ledger::new(&lake);
        Ok(Self { runtime, ledger })
    }

    /// Publishes the finished runs of the archive that the ledger lacks, such as those whose
    /// process died before publishing. Returns their number.
    pub fn publish(&self, workspace: &Workspace, job: &str) -> anyhow::Result<usize> {
        let missing = self.missing(workspace, job)?;
        let mut count = 0;
        for runs in missing.chunks(RUNS_IN_MEMORY_MAX) {
            let publications = runs.iter().filter_map(|(folder, run)| {
                let publication =
                    rows::read(folder).and_then(|rows| Ok(Publication::new(run.clone(), rows)?));
                // An unreadable folder does not prevent the publication of the others.
                publication
                    .inspect_err(|error| tracing::warn!("cannot publish a run: {error:#}"))
                    .ok()
            });
            let publications: Vec<Publication> = publications.collect();
            count += self.runtime.block_on(self.ledger.publish(&publications))?;
        }
        Ok(count)
    }

    /// Returns the restated figures. First publishes new runs if the ledger lacks one on the newest
    /// windows. Older windows are not searched, so that the time does not grow with the archive.
    pub fn restatements(
        &self,
        workspace: &Workspace,
        job: &str,
        since: Option<Timestamp>,
    ) -> anyhow::Result<Vec<PublishedRestatement>> {
        if self.lacks_newest(workspace, job)? {
            publish_finished(workspace, job);
        }
        Ok(self.runtime.block_on(self.ledger.restatements(since))?)
    }

    /// Returns true if the ledger lacks a run on one of the newest windows in the archive.
    fn lacks_newest(&self, workspace: &Workspace, job: &str) -> anyhow::Result<bool> {
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.collect::<Vec<_>>()
        };
        let reports = workspace.reports.join(job);
        // Labels of windows of one kind sort by time.
        let mut newest = names(&reports);
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(NEWEST_WINDOWS);
        let published = self.runtime.block_on(self.ledger.runs_on(&newest))?;
        let is_published = |window: &str, name: &str| {
            let mut published = published.iter();
            published.any(|run| (run.window.as_str(), run.run.as_str()) == (window, name))
        };
        Ok(newest.iter().any(|window| {
            let runs = names(&reports.join(window));
            runs.iter().any(|run| !is_published(window, run))
        }))
    }

    /// Finished runs of the archive that the ledger lacks, in the order in which they finished.
    pub fn missing(
        &self,
        workspace: &Workspace,
        job: &str,
    ) -> anyhow::Result<Vec<(PathBuf, PublishedRun)>> {
        let published = self.runtime.block_on(self.ledger.runs())?;
        // Identifies a publication without reading its plan, which most runs do not need.
        let key = |window: &str, run: &str, finished: Timestamp| {
            (
                window.to_string(),
                run.to_string(),
                finished.as_microsecond(),
            )
        };
        let published: BTreeSet<_> = published
            .iter()
            .map(|run| key(&run.window, &run.run, run.finished))
            .collect();
        let is_missing = |run: &RunSummary| {
            let key = run.finished.map(|end| key(&run.window, &run.run, end));
            key.is_some_and(|key| !published.contains(&key))
        };
        let mut missing: Vec<_> = runs::runs_of_job(workspace, job)
            .into_iter()
            .filter(|(_, run)| is_missing(run))
            .filter_map(|(folder, run)| {
                let run = publishable(&folder, &run)?;
                Some((folder, run))
            })
            .collect();
        missing.sort_by(|(_, a), (_, b)| (a.finished, &a.run).cmp(&(b.finished, &b.run)));
        Ok(missing)
    }

    /// Selects the part of the ledger that a run on a window sees: the newest run of each of the job's
    /// windows that ended before it, and the decisions and improvements from before the run's date.
    pub fn view(&self, job: &Job, window: &Window, date: Date) -> anyhow::Result<RunView> {
        let (kind, start) = (job.window.to_string(), window.start_instant());
        let runs = self.runtime.block_on(self.ledger.runs())?;
        let runs = newest_by_window(runs, |run| {
            run.window_kind == kind && run.window_end <= start
        });
        let today = date.in_tz(&window.timezone)?.timestamp();
        let decisions = self.runtime.block_on(self.ledger.decisions())?;
        let earlier = || decisions.iter().filter(|decision| decision.time < today);
        let zone = TimeZone::get(&window.timezone)?;
        let on_findings = finding_decisions(earlier(), date, &zone);
        let mut decisions: Vec<String> = earlier().map(Decision::event).collect();
        decisions.sort();
        let changes = self.runtime.block_on(self.ledger.improvements())?;
        let recorded_later = recorded_later(&changes, today, window, date);
        let changes = changes.iter().filter(|change| change.time < today);
        let latest: Vec<&Improvement> = register(changes).into_values().collect();
        let closed = self.closed(&latest, &runs, &zone)?;
        let mut improvements: Vec<String> = latest.into_iter().map(Improvement::event).collect();
        improvements.sort();
        let published = published::figures(self, &runs, job.restatement_change_min)?;
        let rows = LedgerView {
            runs: runs
                .into_iter()
                .map(|run| LedgerRun {
                    publication: run.publication,
                    window: run.window,
                    run: run.run,
                })
                .collect(),
            decisions,
            improvements,
        };
        Ok(RunView {
            rows,
            published,
            decisions: on_findings,
            closed,
            recorded_later,
        })
    }

    /// The closed improvements of the register, the last closed first, with their last measurements by
    /// `runs`.
    fn closed(
        &self,
        register: &[&Improvement],
        runs: &[PublishedRun],
        zone: &TimeZone,
    ) -> anyhow::Result<Vec<ClosedImprovement>> {
        let mut closed: Vec<&&Improvement> = register
            .iter()
            .filter(|improvement| improvement.state == ImprovementState::Closed)
            .collect();
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        closed.sort_by(|a, b| (b.time, &a.id).cmp(&(a.time, &b.id)));
        let ids: Vec<String> = closed.iter().map(|change| change.id.clone()).collect();
        let runs: Vec<String> = runs.iter().map(|run| run.publication.clone()).collect();
        let measurements = self.ledger.last_measurements(&ids, &runs);
        let mut measurements = self.runtime.block_on(measurements)?;
        let closed = closed.into_iter().map(|change| ClosedImprovement {
            improvement: change.id.clone(),
            title: change.title.clone(),
            component: change.component.clone(),
            date: change.date,
            closed: change.time.to_zoned(zone.clone()).date(),
            who: change.who.clone(),
            why: change.why.clone(),
            cost: change.cost,
            measurements: measurements.remove(&change.id).unwrap_or_default(),
        });
        Ok(closed.collect())
    }
}

/// The notice about improvements that were first recorded after the start of a run's date, although
/// their change is before the end of its window.
fn recorded_later(
    changes: &[Improvement],
    today: Timestamp,
    window: &Window,
    date: Date,
) -> Option<String> {
    let is_known = |id: &str| {
        let mut earlier = changes.iter().filter(|change| change.time < today);
        earlier.any(|change| change.id == id)
    };
    let unseen: BTreeSet<&str> = changes
        .iter()
        .filter(|change| change.date.is_some_and(|day| day < window.end))
        .filter(|change| !is_known(&change.id))
        .map(|change| change.id.as_str())
        .collect();
    let (are, they_were) = match unseen.len() {
        0 => return None,
        1 => ("is", "it was"),
        _ => ("are", "they were"),
    };
    Some(format!(
        "{} of the register {are} left out: {they_were} recorded after the date of this report, {}. To date a \
         record back, use `--on`.",
        number::plural(unseen.len() as u64, "improvement"),
        date_in_words(date),
    ))
}

/// The results of a run as rows of the ledger's tables.
pub fn results(folder: &Path) -> anyhow::Result<TableRows> {
    rows::read(folder)
}

/// Publishes the finished runs of a job before something reads its ledger. Only warns if the ledger
/// cannot be written, as in a read-only lake: its existing rows can still be read.
pub fn publish_finished(workspace: &Workspace, job: &str) {
    let published =
        JobLedger::new(workspace, job).and_then(|ledger| ledger.publish(workspace, job));
    if let Err(error) = published {
        let error = terminal::truncate(&format!("{error:#}"), 600);
        terminal::message!("warning: the last runs of {job} are not in its ledger: {error}");
    }
}

/// Converts a run of the archive to its form in the ledger; `None` if it is unfinished or has no
/// report.
fn publishable(folder: &Path, run: &RunSummary) -> Option<PublishedRun> {
    if !run.status.has_reports() || !folder.join(REPORT).is_file() {
        return None;
    }
    let finished = run.finished?;
    let window = rows::window(folder)?;
    Some(PublishedRun {
        job: run.job.clone(),
        window: run.window.clone(),
        window_kind: window.spec.to_string(),
        window_start: window.start_instant(),
        window_end: window.end_instant(),
        run: run.run.clone(),
        finished,
        publication: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use retrocast_domain::WindowSpec;

    #[test]
    fn improvements_recorded_after_the_date_of_a_run_are_reported() {
        let change = |id: &str, day: &str, time: &str| -> Improvement {
            let json = serde_json::json!({
                "id": id, "state": "implemented", "time": time, "who": "ann", "why": "",
                "title": id, "category": "", "owner": "", "component": "", "metric": "",
                "expected_relative": null, "lower_is_better": true, "date": day, "cost": null,
                "link": "", "finding": "", "recommendation": "",
            });
            serde_json::from_value(json).expect("an improvement")
        };
        let day = date(2026, 11, 16);
        let window = WindowSpec::Week.last_complete(day, "UTC");
        let today = day.in_tz("UTC").expect("a time").timestamp();
        let notice = |changes: &[Improvement]| recorded_later(changes, today, &window, day);
        let seen = change("seen", "2026-10-05", "2026-10-05T00:00:00Z");
        let edited = change("seen", "2026-10-05", "2026-11-20T00:00:00Z");
        let next = change("next", "2026-11-18", "2026-11-18T00:00:00Z");
        assert_eq!(notice(&[seen, edited, next]), None);
        let late = ["a", "b"].map(|id| change(id, "2026-10-05", "2026-11-29T00:00:00Z"));
        let text = notice(&late).expect("a notice").replace('\u{a0}', " ");
        assert!(
            text.starts_with(
                "2 improvements of the register are left out: they were recorded after"
            ),
            "{text}"
        );
    }
}
