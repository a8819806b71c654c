//! Git repositories as sources: one file of records, generated while it is read.

use super::{Listing, SourceFile, SourceStore};
use crate::error::SourceError;
use jiff::Timestamp;
use object_store::path::Path as StorePath;
use retrocast_history::{HistoryError, Repository, RepositoryUri};
use std::{
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A repository opened at a commit.
#[derive(Clone)]
pub(super) struct History {
    repository: Arc<Mutex<Repository>>,
    /// Identity of the records.
    pub identity: String,
}

impl std::fmt::Debug for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "History({})", self.identity)
    }
}

/// Opens the repository of a URI; blocks, and may access the network.
pub(super) fn list(source: &str, uri: &str) -> Result<Listing, SourceError> {
    let failed = |error: HistoryError| SourceError::Repository {
        name: source.to_string(),
        reason: error.to_string(),
    };
    let uri = RepositoryUri::parse(uri).map_err(failed)?;
    let not_cancelled = AtomicBool::new(false);
    let repository = Repository::open(&uri, &cache_folder(), &not_cancelled).map_err(failed)?;
    let file = SourceFile {
        name: uri.to_string(),
        path: StorePath::from(format!("{}.jsonl", uri.kind().name())),
        location: StorePath::default(),
        size: 0,
        modified: Timestamp::UNIX_EPOCH,
        etag: Some(repository.identity()),
    };
    Ok(Listing {
        store: SourceStore::History(History {
            identity: repository.identity(),
            repository: Arc::new(Mutex::new(repository)),
        }),
        source: source.to_string(),
        folder: None,
        files: vec![file],
        skipped: Vec::new(),
    })
}

/// Folder for mirrors of remote repositories.
fn cache_folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = folder.or_else(home).unwrap_or_else(std::env::temp_dir);
    folder.join("retrocast/git")
}

impl History {
    /// Opens the records as JSON Lines, which a separate thread generates while they are read.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let (reader, mut writer) = io::pipe()?;
        let repository = self.repository.clone();
        let cancel = Arc::new(AtomicBool::new(false));
        let stop = cancel.clone();
        let builder = std::thread::Builder::new().name("history".to_string());
        let thread = builder.spawn(move || {
            let repository = repository.lock().unwrap_or_else(PoisonError::into_inner);
            let mut buffered = io::BufWriter::with_capacity(256 << 10, &mut writer);
            repository.write(&mut buffered, &stop).map(drop)
        })?;
        Ok(Box::new(RecordReader {
            reader,
            cancel,
            thread: Some(thread),
        }))
    }
}

/// The reading end of a pipe with the records of a repository.
struct RecordReader {
    reader: io::PipeReader,
    cancel: Arc<AtomicBool>,
    /// The thread that writes the records.
    thread: Option<std::thread::JoinHandle<Result<(), HistoryError>>>,
}

impl Read for RecordReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(out)?;
        // The end of the pipe may mean that the writer failed.
        if read == 0
            && !out.is_empty()
            && let Some(thread) = self.thread.take()
        {
            return match thread.join() {
                Ok(Ok(())) => Ok(0),
                Ok(Err(error)) => Err(io::Error::other(error)),
                Err(_) => Err(io::Error::other("reading the repository stopped")),
            };
        }
        Ok(read)
    }
}

impl Drop for RecordReader {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}
