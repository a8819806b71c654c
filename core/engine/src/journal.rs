//! What a run's folder says about the run.

use jiff::Timestamp;
use retrocast_domain::Window;
use retrocast_run::{EventKind, Journal, RunStatus, files::PLAN};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

/// What a run's folder says about the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Name of the job.
    pub job: String,
    /// Its title.
    pub title: String,
    /// Name of the window.
    pub window: String,
    /// From when to when.
    pub period: Option<Window>,
    /// Date the run was made for.
    pub date: String,
    /// Id of the run.
    pub run: String,
    /// Folder of the run.
    pub folder: PathBuf,
    /// How it ended, if it did.
    pub status: RunStatus,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// The run it repeats.
    pub parent: Option<String>,
    /// Last event of each node.
    pub nodes: BTreeMap<String, EventKind>,
    /// The first node that failed, and was not mended when the run was gone on with, and why.
    pub failure: Option<String>,
}

/// What a run's summary takes of its plan, which may have many nodes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Planned {
    job: String,
    title: String,
    label: String,
    window: Option<Window>,
    date: String,
    run: String,
    parent: Option<String>,
}

impl RunSummary {
    /// Reads a run's folder: `<archive>/<job>/<window>/<run>`.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let planned = BufReader::new(File::open(folder.join(PLAN))?);
        let planned: Planned = serde_json::from_reader(planned)?;
        let (mut started, mut end) = (None, None);
        let (mut nodes, mut failed) = (BTreeMap::new(), Vec::new());
        let events = Journal::read(folder)?;
        for event in events.iter().cloned() {
            started.get_or_insert(event.time);
            match (event.event, event.node) {
                (EventKind::RunStarted | EventKind::RunResumed, _) => {}
                (EventKind::RunFinished, _) => end = Some(event.time),
                (kind, Some(node)) => {
                    if let (EventKind::NodeFailed, Some(message)) = (kind, event.message) {
                        failed.push((node.clone(), message));
                    }
                    nodes.insert(node, kind);
                }
                (_, None) => {}
            }
        }
        let status = Journal::status(folder, &events);
        let mut stayed = failed
            .iter()
            .filter(|(node, _)| nodes.get(node) == Some(&EventKind::NodeFailed));
        let failure = stayed
            .next()
            .map(|(node, message)| format!("{node}: {message}"));
        Ok(Self {
            job: planned.job,
            title: planned.title,
            window: planned.label,
            period: planned.window,
            date: planned.date,
            run: planned.run,
            folder: folder.to_path_buf(),
            status,
            started,
            finished: end,
            parent: planned.parent,
            nodes,
            failure,
        })
    }

    /// All runs of an archive, newest first.
    pub fn all(archive: &Path) -> Vec<Self> {
        let mut runs: Vec<Self> = run_folders(archive)
            .iter()
            .filter_map(|run| Self::read(run).ok())
            .collect();
        runs.sort_by(|a, b| {
            b.started
                .cmp(&a.started)
                .then_with(|| a.folder.cmp(&b.folder))
        });
        runs
    }
}

/// Folders of all runs of an archive, by job, window and run.
pub fn run_folders(archive: &Path) -> Vec<PathBuf> {
    let jobs = folders(archive).into_iter();
    jobs.flat_map(|job| runs_below(&job)).collect()
}

/// Folders of all runs of one job of an archive, by window and run.
pub fn run_folders_of(archive: &Path, job: &str) -> Vec<PathBuf> {
    runs_below(&archive.join(job))
}

fn runs_below(job: &Path) -> Vec<PathBuf> {
    let windows = folders(job).into_iter();
    windows.flat_map(|window| folders(&window)).collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial;
    use retrocast_run::{
        Event,
        files::{JOURNAL, write_json},
    };
    use std::io::Write as _;

    #[test]
    fn a_run_without_an_end_is_running_or_interrupted() {
        let folder = trial::Folder::new();
        write_json(
            &folder.join(PLAN),
            &serde_json::json!({"job": "review", "run": "1a"}),
        )
        .unwrap();
        let mut journal = Journal::create(&folder).unwrap();
        let mut event = Event::new(Timestamp::UNIX_EPOCH, EventKind::RunStarted);
        journal.append(&event).unwrap();
        assert!(Journal::create(&folder).is_err(), "a journal is begun once");
        assert_eq!(
            RunSummary::read(&folder).unwrap().status,
            RunStatus::Running
        );
        drop(journal);
        assert_eq!(
            RunSummary::read(&folder).unwrap().status,
            RunStatus::Interrupted
        );

        let mut file = File::options()
            .append(true)
            .open(folder.join(JOURNAL))
            .unwrap();
        event.event = EventKind::RunFinished;
        event.status = Some(RunStatus::Partial);
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"time":"1970-01-01T00:00:00Z","event":"run_finished","status":"partial"}"#
        );
        write!(file, "{line}\n{{\"time\":\"19").unwrap();
        assert_eq!(
            RunSummary::read(&folder).unwrap().status,
            RunStatus::Partial
        );
    }
}
