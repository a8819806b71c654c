//! The attempts of a job's scheduled runs in the archive.

use jiff::Timestamp;
use retrocast_run::{
    Event, EventKind, Journal, RunOrigin, RunStatus, RunSummary, folder::run_folders_of,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One attempt to run for a due time. A run that was interrupted and resumed counts as several
/// attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Its due time.
    pub due: Timestamp,
    /// Start time.
    pub started: Timestamp,
    /// End time, or time of the last event; `None` while it is running.
    pub ended: Option<Timestamp>,
    /// Status at the end.
    pub status: RunStatus,
    /// Id of the run.
    pub run: String,
    /// Name of the window.
    pub window: String,
    /// Folder of the run.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The first error, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Attempt {
    /// Returns true if it succeeded, completely or partially.
    pub fn succeeded(&self) -> bool {
        self.status.has_reports()
    }
}

/// All attempts on due times of one job, by start time. Runs without a due time and unreadable
/// folders are ignored.
pub fn attempts(archive: &Path, job: &str) -> Vec<Attempt> {
    let folders = run_folders_of(archive, job);
    let mut attempts: Vec<Attempt> = folders
        .iter()
        .flat_map(|run| attempts_of_run(run))
        .collect();
    attempts.sort_by(|a, b| (a.started, a.due, &a.folder).cmp(&(b.started, b.due, &b.folder)));
    attempts
}

/// A run that was started by hand, without a due time, and wrote its reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManualRun {
    /// Id of the run.
    pub run: String,
    /// Name of the window.
    pub window: String,
    /// End time.
    pub ended: Timestamp,
}

/// Finds the newest run of a job that was started by hand and wrote its reports. It fulfils no due
/// time, because its window or params may differ.
pub fn last_manual_success(archive: &Path, job: &str) -> Option<ManualRun> {
    let folders = run_folders_of(archive, job).into_iter();
    let runs = folders.filter(|folder| RunOrigin::read(folder).is_ok_and(|run| run.due.is_none()));
    let runs = runs.filter_map(|folder| {
        let run = RunSummary::of(&folder).ok()?;
        run.status.has_reports().then_some(ManualRun {
            ended: run.finished?,
            run: run.run,
            window: run.window,
        })
    });
    runs.max_by(|a, b| (a.ended, &a.run).cmp(&(b.ended, &b.run)))
}

/// The attempts of one run: one for each time it was started or resumed.
fn attempts_of_run(folder: &Path) -> Vec<Attempt> {
    let Ok(RunOrigin {
        run,
        due: Some(due),
        ..
    }) = RunOrigin::read(folder)
    else {
        return Vec::new();
    };
    // The parent folder is that of the window.
    let window = folder.parent().and_then(Path::file_name);
    let window = window.unwrap_or_default().to_string_lossy();
    let has_ended = |events: &[Event]| {
        let mut kinds = events.iter().map(|event| event.event);
        kinds.any(|event| event == EventKind::RunFinished)
    };
    let read_events = || Journal::read(folder).unwrap_or_default();
    let mut events = read_events();
    let is_alive = !has_ended(&events) && Journal::is_being_written(folder);
    if !is_alive && !has_ended(&events) {
        // The run may have ended in the meantime.
        events = read_events();
    }
    let is_start =
        |event: &Event| matches!(event.event, EventKind::RunStarted | EventKind::RunResumed);
    let starts: Vec<usize> = (0..events.len())
        .filter(|i| is_start(&events[*i]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([events.len()]);
    let parts = starts.iter().copied().zip(ends);
    let attempt = |(start, end): (usize, usize)| {
        let part = &events[start..end];
        let (first, last) = (part.first()?, part.last()?);
        let finish = part.iter().rev();
        let mut finish = finish.filter(|event| event.event == EventKind::RunFinished);
        let status = match finish.next().and_then(|event| event.status) {
            Some(status) => status,
            None if is_alive && end == events.len() => RunStatus::Running,
            None => RunStatus::Interrupted,
        };
        let is_failure = |event: &&Event| event.event == EventKind::NodeFailed;
        let error = part.iter().find(is_failure).map(|event| {
            let node = event.node.as_deref().unwrap_or_default();
            let message = event.message.as_deref().unwrap_or_default();
            format!("{node}: {message}")
        });
        Some(Attempt {
            due,
            started: first.time,
            ended: (status != RunStatus::Running).then_some(last.time),
            status,
            run: run.clone(),
            window: window.to_string(),
            folder: folder.to_path_buf(),
            error,
        })
    };
    parts.filter_map(attempt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        executor::{Failure, NoProgress},
        run::{RunOptions, Runner},
        test_support::{self, Action, Folder, ScriptedExecutor, TestClock},
    };
    use retrocast_run::files::PLAN;
    use std::{fs, sync::Arc, time::Duration};

    const DUE: &str = "2026-11-16T09:00:00Z";

    struct Setup {
        folder: Folder,
        clock: Arc<TestClock>,
    }

    impl Setup {
        /// Runs the job; returns false if the run hangs and is abandoned, which releases its locks.
        async fn run(&self, action: Option<(&'static str, Action)>, due: Option<&str>) -> bool {
            let lake = self.folder.join("lake");
            let mut options = RunOptions::new(lake, self.archive(), "0.1.0");
            options.due = due.map(|due| due.parse().unwrap());
            options.threads = 2;
            let limit = match action {
                Some((_, Action::Hang)) => Duration::from_millis(100),
                _ => Duration::from_secs(30),
            };
            let executor = Arc::new(ScriptedExecutor::new(action));
            let runner = Runner::new(executor, self.clock.clone(), Arc::new(NoProgress), options);
            let (job, plan) = (
                test_support::job(test_support::JOB),
                test_support::plan(test_support::JOB),
            );
            let run = runner.run(Arc::new(job), Arc::new(plan));
            let ended = tokio::time::timeout(limit, run).await;
            // Abandoned tasks release their files when they are next polled.
            tokio::time::sleep(Duration::from_millis(20)).await;
            ended.is_ok_and(|result| result.is_ok())
        }

        fn archive(&self) -> PathBuf {
            self.folder.join("reports")
        }

        fn attempts(&self) -> Vec<Attempt> {
            attempts(&self.archive(), "review")
        }
    }

    #[tokio::test]
    async fn every_start_of_a_scheduled_run_is_an_attempt() {
        let setup = Setup {
            folder: Folder::new(),
            clock: Arc::default(),
        };
        assert_eq!(setup.attempts(), []);
        let failure = Failure::data("no rows");
        let hanging = Some(("stage.daily", Action::Hang));
        let failing = Some(("report.executive", Action::Fail(9, failure)));
        assert!(!setup.run(hanging, Some(DUE)).await);
        assert!(setup.run(failing, Some(DUE)).await);
        assert!(setup.run(None, Some(DUE)).await);
        assert_eq!(last_manual_success(&setup.archive(), "review"), None);
        assert!(setup.run(None, None).await, "without a due time");
        let manual = last_manual_success(&setup.archive(), "review").unwrap();
        assert_eq!(manual.window, "2026-W46");

        let recorded = setup.attempts();
        let statuses: Vec<RunStatus> = recorded.iter().map(|attempt| attempt.status).collect();
        let expected = [
            RunStatus::Interrupted,
            RunStatus::Failed,
            RunStatus::Complete,
        ];
        assert_eq!(statuses, expected);
        let (first, second) = (&recorded[0], &recorded[1]);
        assert_eq!(first.run, second.run, "the second attempt resumed the run");
        assert_eq!(
            (first.error.as_deref(), second.error.as_deref()),
            (None, Some("report.executive: no rows"))
        );
        for (attempt, next) in recorded.iter().zip(&recorded[1..]) {
            assert_eq!(attempt.due, DUE.parse().unwrap());
            assert_eq!(attempt.window, "2026-W46");
            let ended = attempt.ended.unwrap();
            assert!(attempt.started < ended && ended < next.started);
        }
        let last = recorded.last().and_then(|attempt| attempt.ended);
        assert!(last.is_some_and(|last| last < manual.ended));
        let last_run = recorded.last().map(|attempt| &attempt.run);
        assert_ne!(Some(&manual.run), last_run);
        assert_eq!(attempts(&setup.archive(), "revie"), []);
    }

    #[test]
    fn a_run_with_an_open_journal_is_running() {
        let folder = Folder::new();
        let run = folder.join("review/2026-W46/1a");
        fs::create_dir_all(&run).unwrap();
        let plan = serde_json::json!({ "run": "1a", "label": "2026-W46", "due": DUE });
        fs::write(run.join(PLAN), plan.to_string()).unwrap();
        let mut journal = Journal::create(&run).unwrap();
        let start = Event::new(DUE.parse().unwrap(), EventKind::RunStarted);
        journal.append(&start).unwrap();
        let status = || {
            let attempt = attempts(&folder, "review").remove(0);
            (attempt.status, attempt.ended)
        };
        assert_eq!(status(), (RunStatus::Running, None));
        drop(journal);
        assert_eq!(status(), (RunStatus::Interrupted, Some(start.time)));
        fs::write(run.join(PLAN), "{\"run\": ").unwrap();
        assert_eq!(attempts(&folder, "review"), []);
    }
}
