//! The events of a run, one JSON object per line, written as they happen.
//!
//! The file is locked by the process that writes it. The lock ends with the process: a journal
//! without an end and without a lock belongs to an interrupted run, and nothing has to be cleaned
//! up. Events are on disk before the run builds on them: a node has finished when its line is there.
//! Nodes that finish while the disk is busy share the next flush. A truncated line is removed when
//! the run is resumed.

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
    /// A node is being worked on.
    NodeStarted,
    /// A node waits for a run that writes the same dataset.
    NodeWaiting,
    /// A node is tried again.
    NodeRetried,
    /// A node did its work.
    NodeFinished,
    /// The node's cached outcome was used.
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

impl EventKind {
    /// Returns true if it is an event of a node, not of the run.
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
    /// Time.
    pub time: Timestamp,
    /// Kind.
    pub event: EventKind,
    /// Full name of the node; for `run_started` the run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Key under which the node's outcome is cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Rows written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The reason, or the error.
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
        // Some network file systems have no locks; there, an active run is distinguished from a
        // dead one by its end.
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
        if is_at_end(&bytes) {
            return Ok(None);
        }
        let whole = whole_lines(&bytes).len();
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        Ok(Some(Self { file }))
    }

    /// Appends a line at once. It survives the process; a power failure only after a flush.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// The same file, to be flushed by another thread.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reads the events in a run's folder. Lines that were cut off or damaged are left out.
    pub fn read(folder: &Path) -> Result<Vec<Event>, Error> {
        let bytes = read_bytes(folder.join(JOURNAL))?;
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Reads the events in a run's folder; without a journal there are none.
    pub fn read_or_empty(folder: &Path) -> Result<Vec<Event>, Error> {
        match Self::read(folder) {
            Err(error) if error.is_missing() => Ok(Vec::new()),
            events => events,
        }
    }

    /// The status of a run, from the events of its journal; without an end, the lock shows whether
    /// it is active.
    pub fn status(folder: &Path, events: &[Event]) -> RunStatus {
        let mut ends = events.iter().rev();
        let end = ends.find(|event| event.event == EventKind::RunFinished);
        match end.and_then(|event| event.status) {
            Some(status) => status,
            None if Self::is_being_written(folder) => RunStatus::Running,
            None => RunStatus::Interrupted,
        }
    }

    /// Returns true if the run of a folder has ended.
    pub fn has_ended(folder: &Path) -> bool {
        fs::read(folder.join(JOURNAL)).is_ok_and(|bytes| is_at_end(&bytes))
    }

    /// Returns true if a process is writing the journal of a run's folder.
    pub fn is_being_written(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join(JOURNAL)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// A journal's bytes without a last line that was cut off.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    &bytes[..end.map_or(0, |at| at + 1)]
}

/// Returns true if the last whole line ends the run; nothing is written after it.
fn is_at_end(bytes: &[u8]) -> bool {
    let lines = whole_lines(bytes).trim_ascii_end();
    let last = lines.rsplit(|byte| *byte == b'\n').next();
    let last: Option<Event> = last.and_then(|line| serde_json::from_slice(line).ok());
    last.is_some_and(|event| event.event == EventKind::RunFinished)
}
