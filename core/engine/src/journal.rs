//! What happened in a run, one JSON object a line, written as it happens.
//!
//! The file is locked by the process that writes it. When the process dies, the lock is gone: a
//! journal without an end and without a lock belongs to an interrupted run, and nobody has to clean
//! up after it. What matters after a loss of power is on the disk before the run builds on it: the
//! end of a node counts when its line is there. Nodes that end while the disk is busy share the next
//! flush. A line that was cut off is cut away when the run is resumed.

use crate::{fingerprint::Fingerprint, outcome_store::write_whole};
use jiff::Timestamp;
pub use retrocast_domain::RunStatus;
use retrocast_domain::Window;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, BufReader, Write as _},
    path::{Path, PathBuf},
};

/// Name of the journal in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";
/// Name of the plan in a run's folder.
pub const PLAN: &str = "plan.json";
/// Name of the job file's copy in a run's folder.
pub const JOB: &str = "job.toml";
/// Begins the names of files that say who was told of a run that could not be made. They are no part
/// of what it made, and stay when it is gone on with: nobody is told twice.
pub const ALERT: &str = "alert.";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The run began.
    RunStarted,
    /// The run goes on after its process died.
    RunResumed,
    /// A node is being worked on.
    NodeStarted,
    /// A node waits for a run that writes the same dataset.
    NodeWaiting,
    /// A node is tried again.
    NodeRetried,
    /// A node did its work.
    NodeFinished,
    /// A node's kept outcome is used.
    NodeReused,
    /// A node failed.
    NodeFailed,
    /// A node was stopped with the run.
    NodeCancelled,
    /// A node was not begun.
    NodeSkipped,
    /// The run is over.
    RunFinished,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: EventKind,
    /// Full name of the node; for `run_started` the run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What the node's outcome is kept under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Rows written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
}

impl Event {
    /// Something that happened now, with nothing else said about it.
    pub fn new(time: Timestamp, event: EventKind) -> Self {
        Self {
            time,
            event,
            node: None,
            fingerprint: None,
            duration_ms: None,
            rows: None,
            message: None,
            status: None,
        }
    }
}

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// A new journal in a run's folder, locked as long as this lives.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(JOURNAL);
        let file = File::options().create_new(true).append(true).open(path)?;
        // Some network file systems have no locks; a run there is told from a dead one by its end.
        let _ = file.try_lock();
        Ok(Self { file })
    }

    /// The journal of a run whose process died, to be gone on with; `None` when a process is
    /// writing it, or when the run came to an end. A last line that was cut off is cut away.
    pub fn resume(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(JOURNAL);
        let file = File::options().read(true).append(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let bytes = fs::read(&path)?;
        if is_at_end(&bytes) {
            return Ok(None);
        }
        let whole = whole_lines(&bytes).len();
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        Ok(Some(Self { file }))
    }

    /// Writes a line, at once. It outlives the process; a loss of power only after a flush.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// The same file, to be flushed by another thread.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The events in a run's folder. A last line that was cut off is left out.
    pub fn read(folder: &Path) -> io::Result<Vec<Event>> {
        Ok(events(&fs::read(folder.join(JOURNAL))?).collect())
    }

    /// Whether the run of a folder came to its end.
    pub fn has_ended(folder: &Path) -> bool {
        fs::read(folder.join(JOURNAL)).is_ok_and(|bytes| is_at_end(&bytes))
    }

    /// Whether a process is writing the journal of a run's folder.
    pub fn is_being_written(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join(JOURNAL)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// The events of a journal's bytes. Lines that were damaged are left out.
fn events(bytes: &[u8]) -> impl Iterator<Item = Event> + '_ {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

/// A journal's bytes without a last line that was cut off.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    &bytes[..end.map_or(0, |at| at + 1)]
}

/// Whether the last whole line says that the run is over; nothing is written after it.
fn is_at_end(bytes: &[u8]) -> bool {
    let lines = whole_lines(bytes).trim_ascii_end();
    let last = lines.rsplit(|byte| *byte == b'\n').next();
    let last: Option<Event> = last.and_then(|line| serde_json::from_slice(line).ok());
    last.is_some_and(|event| event.event == EventKind::RunFinished)
}

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
        for event in events(&fs::read(folder.join(JOURNAL))?) {
            started.get_or_insert(event.time);
            match (event.event, event.node) {
                (EventKind::RunStarted | EventKind::RunResumed, _) => {}
                (EventKind::RunFinished, _) => end = Some((event.time, event.status)),
                (kind, Some(node)) => {
                    if let (EventKind::NodeFailed, Some(message)) = (kind, event.message) {
                        failed.push((node.clone(), message));
                    }
                    nodes.insert(node, kind);
                }
                (_, None) => {}
            }
        }
        let status = match end.and_then(|(_, status)| status) {
            Some(status) => status,
            None if Journal::is_being_written(folder) => RunStatus::Running,
            None => RunStatus::Interrupted,
        };
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
            finished: end.map(|(time, _)| time),
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

/// Writes a JSON file of a run's folder at once, in a form people can read.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    write_whole(path, &json_text(value)?)
}

/// JSON as it stands in the files of a run's folder.
pub(crate) fn json_text<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial;

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
