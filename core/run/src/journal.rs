//! The journal: the events of a run, one JSON object per line, written when they occur.
//!
//! The writing process locks the file. The lock ends with the process, so a journal without an end
//! and without a lock belongs to an interrupted run, and no cleanup is needed. Events are durable
//! before the run relies on them: a node has finished when its line is on disk. Nodes that finish
//! while the disk is busy share the next flush. A truncated line is removed when the run is
//! resumed.

use crate::{
    Error, Fingerprint, RunStatus,
    files::{JOURNAL, read_bytes},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::Path,
};

/// Kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The run began.
    RunStarted,
    /// The run resumed after its process died.
    RunResumed,
    /// A node began its first attempt.
    NodeStarted,
    /// A node is waiting for a run that writes the same dataset.
    NodeWaiting,
    /// A node is retried.
    NodeRetried,
    /// A node completed.
    NodeFinished,
    /// A node's cached outcome was reused.
    NodeReused,
    /// A node failed after its last attempt.
    NodeFailed,
    /// A node was cancelled with the run.
    NodeCancelled,
    /// A node was skipped.
    NodeSkipped,
    /// The run ended, with or without failures.
    RunFinished,
}

impl EventKind {
    /// Returns true for an event of a node, false for one of the run.
    pub fn is_of_node(self) -> bool {
        !matches!(
            self,
            Self::RunStarted | Self::RunResumed | Self::RunFinished
        )
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Time of the event.
    pub time: Timestamp,
    /// Kind of event.
    pub event: EventKind,
    /// Full name of the node; for `run_started` the run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Key under which the node's outcome is cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Duration in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Number of rows written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The reason or error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Status of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
}

impl Event {
    /// Creates an event without details.
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

/// An open journal, locked until it is dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Creates and locks the journal of a run's folder.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(JOURNAL);
        let file = File::options().create_new(true).append(true).open(path)?;
        // Some network file systems have no locks. There, locking fails and the journal is written
        // without a lock.
        let _ = file.try_lock();
        Ok(Self { file })
    }

    /// Opens the journal of a run whose process died, to resume it; `None` if a process is writing
    /// it, or if the run has ended. A truncated last line is removed.
    pub fn resume(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(JOURNAL);
        let file = File::options().read(true).append(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let bytes = fs::read(&path)?;
        if has_end_event(&bytes) {
            return Ok(None);
        }
        let length = whole_lines(&bytes).len();
        if length < bytes.len() {
            file.set_len(length as u64)?;
        }
        Ok(Some(Self { file }))
    }

    /// Appends a line. It survives the death of the process, but a power failure only after a
    /// flush.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Returns another handle of the file, for flushing it in another thread.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reads the events in a run's folder; truncated or damaged lines are left out.
    pub fn read(folder: &Path) -> Result<Vec<Event>, Error> {
        let bytes = read_bytes(folder.join(JOURNAL))?;
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Reads the events in a run's folder; none without a journal.
    pub fn read_or_empty(folder: &Path) -> Result<Vec<Event>, Error> {
        match Self::read(folder) {
            Err(error) if error.is_missing() => Ok(Vec::new()),
            events => events,
        }
    }

    /// The status of a run from the events of its journal. Without an end, the lock shows whether
    /// it is active.
    pub fn status(folder: &Path, events: &[Event]) -> RunStatus {
        let mut newest_first = events.iter().rev();
        let end = newest_first.find(|event| event.event == EventKind::RunFinished);
        match end.and_then(|event| event.status) {
            Some(status) => status,
            None if Self::is_being_written(folder) => RunStatus::Running,
            None => RunStatus::Interrupted,
        }
    }

    /// Returns true if the run of a folder has ended.
    pub fn has_ended(folder: &Path) -> bool {
        fs::read(folder.join(JOURNAL)).is_ok_and(|bytes| has_end_event(&bytes))
    }

    /// Returns true if a process is writing the journal of a run's folder.
    pub fn is_being_written(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join(JOURNAL)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// The bytes of a journal without a truncated last line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    &bytes[..end.map_or(0, |end| end + 1)]
}

/// Returns true if the last complete line is the end of the run.
fn has_end_event(bytes: &[u8]) -> bool {
    let lines = whole_lines(bytes).trim_ascii_end();
    let last = lines.rsplit(|byte| *byte == b'\n').next();
    let last: Option<Event> = last.and_then(|line| serde_json::from_slice(line).ok());
    last.is_some_and(|event| event.event == EventKind::RunFinished)
}
