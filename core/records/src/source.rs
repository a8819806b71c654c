//! Sources: the files of a URI, and the identity of their contents.
//!
//! The URI determines the storage: a path or `file://` is on this machine, addresses such as
//! `s3://` are object storage (see [`retrocast_storage`]), `git+file://` and `git+https://` are the
//! history of a repository. In a pattern `*` and `?` match within one folder, `**` matches any
//! number of folders, `[a-z]` and `[!a-z]` are sets of characters. A name that begins with a full
//! stop is only matched by a pattern that also begins with a full stop. `{year}`, `{month}`,
//! `{day}` and `{date}` in a pattern match dates: only the dated files and folders of the requested
//! days are listed (see [`Days`]).

mod bucket;
mod git;
mod local;
mod partition;
mod pattern;
mod ranges;

use crate::{
    error::{SkippedFile, SourceError},
    format::Format,
};
use futures::StreamExt;
use jiff::Timestamp;
use local::FilePattern;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, path::Path as StorePath};
pub use partition::Days;
pub(crate) use ranges::RandomAccess;
use retrocast_storage::{self as storage, Address, cause};
use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Name as the user would write it: the fixed part of the URI and the matched part.
    pub name: String,
    /// Path relative to the fixed part of the URI, which does not change when the folder is moved.
    pub path: StorePath,
    /// Path in the storage.
    pub location: StorePath,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write.
    pub modified: Timestamp,
    /// `ETag` of the content, if the storage provides it.
    pub etag: Option<String>,
}

/// A cheap identity of a source, from its listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingSummary {
    /// Changes when a file is added or removed, or changes in size or modification time.
    pub hash: String,
    /// Modification time of the newest file; `None` if there are no files.
    pub newest: Option<Timestamp>,
    /// The folder with all files, if it is local.
    pub folder: Option<PathBuf>,
}

/// Storage of the files.
#[derive(Debug, Clone)]
enum SourceStore {
    /// Folders and object storage.
    Objects(Arc<dyn ObjectStore>),
    /// The history of a repository.
    History(git::History),
}

/// The files of a URI, ordered by path.
#[derive(Debug, Clone)]
pub struct Listing {
    store: SourceStore,
    /// Name of the source, for messages.
    pub source: String,
    /// The folder with all files, if it is local.
    folder: Option<PathBuf>,
    /// Files in reading order.
    pub files: Vec<SourceFile>,
    /// Skipped entries.
    pub skipped: Vec<SkippedFile>,
}

impl Listing {
    /// Lists the files of `uri`; a relative URI is resolved against `base`. Unless `required`, a
    /// missing folder or file gives an empty listing. Only the dated folders and files of `days`
    /// are listed; all if `None`.
    pub async fn find(
        source: &str,
        uri: &str,
        base: &Path,
        required: bool,
        days: Option<Days>,
    ) -> Result<Self, SourceError> {
        let (listing, folder) = if retrocast_history::RepositoryUri::has_git_scheme(uri) {
            let owned = (source.to_string(), uri.to_string());
            let opening = tokio::task::spawn_blocking(move || git::list(&owned.0, &owned.1));
            (opening.await, None)
        } else if let Some(address) = Address::parse(uri) {
            let owned = (source.to_string(), uri.to_string());
            let listing = async move { bucket::list(&owned.0, &owned.1, &address, days).await };
            (storage::runtime().spawn(listing).await, None)
        } else {
            let pattern = FilePattern::parse(source, uri, base, days)?;
            let owned = (source.to_string(), uri.to_string());
            let folder = Some(pattern.folder().to_path_buf());
            let listing = tokio::task::spawn_blocking(move || pattern.list(&owned.0, &owned.1));
            (listing.await, folder)
        };
        let listing = listing.map_err(|_| SourceError::Stopped {
            name: source.to_string(),
        })?;
        match listing {
            Err(
                SourceError::NoFolder { .. }
                | SourceError::NoFile { .. }
                | SourceError::NoMatch { .. },
            ) if !required => Ok(Self {
                store: SourceStore::Objects(Arc::new(object_store::memory::InMemory::new())),
                source: source.to_string(),
                folder,
                files: Vec::new(),
                skipped: Vec::new(),
            }),
            other => other,
        }
    }

    /// Opens a file for reading in a blocking thread; the error gives the reason.
    pub(crate) fn open(
        &self,
        file: &SourceFile,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Box<dyn Read + Send>, String> {
        let store = match &self.store {
            SourceStore::History(history) => {
                return history.open().map_err(|error| error.to_string());
            }
            SourceStore::Objects(store) => store,
        };
        let runtime = match &self.folder {
            Some(_) => runtime,
            None => storage::runtime(),
        };
        let result = runtime.block_on(store.get(&file.location));
        let result = result.map_err(|error| cause(&error))?;
        // A file that is growing is read up to its listed size.
        Ok(match result.payload {
            GetResultPayload::File(open, _) => Box::new(open.take(file.size)),
            GetResultPayload::Stream(stream) => Box::new(StreamReader {
                stream,
                runtime: runtime.clone(),
                chunk: bytes::Bytes::new(),
            }),
        })
    }

    /// Format of the records, if the kind of source determines it.
    pub fn format(&self) -> Option<Format> {
        matches!(self.store, SourceStore::History(_)).then_some(Format::Jsonl)
    }

    /// Number of threads for reading files: more for remote storage, where they mostly wait.
    fn readers(&self, threads: usize) -> usize {
        let is_remote = self.folder.is_none();
        let threads = if is_remote {
            threads.max(REMOTE_READERS_MIN)
        } else {
            threads
        };
        threads.clamp(1, self.files.len().max(1))
    }

    /// Identifies the source without reading a file.
    pub fn summary(&self) -> ListingSummary {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(&(file.path.as_ref().len() as u64).to_le_bytes());
            hasher.update(file.path.as_ref().as_bytes());
            hasher.update(&file.size.to_le_bytes());
            hasher.update(&file.modified.as_nanosecond().to_le_bytes());
        }
        ListingSummary {
            hash: hasher.finalize().to_hex()[..32].to_string(),
            newest: self.files.iter().map(|file| file.modified).max(),
            folder: self.folder.clone(),
        }
    }

    /// Hashes every file's path and content; equal exactly when the source has the same records.
    /// Unreadable files are included, so that the source is read again once they are readable.
    pub async fn identity(&self, threads: usize, known: &Hashes) -> Result<String, SourceError> {
        let hashes = self.hashes(threads, known).await?;
        let mut hasher = blake3::Hasher::new();
        for (file, hash) in self.files.iter().zip(hashes) {
            hasher.update(&(file.path.as_ref().len() as u64).to_le_bytes());
            hasher.update(file.path.as_ref().as_bytes());
            hasher.update(hash.as_bytes());
        }
        for skipped in &self.skipped {
            hasher.update(&(skipped.name.len() as u64).to_le_bytes());
            hasher.update(skipped.name.as_bytes());
        }
        Ok(hasher.finalize().to_hex()[..32].to_string())
    }

    /// The hash of each file's content. Files with known hashes are not read; the hashes of the
    /// others are added.
    pub async fn hashes(
        &self,
        threads: usize,
        known: &Hashes,
    ) -> Result<Vec<blake3::Hash>, SourceError> {
        let listing = self.clone();
        let known = known.clone();
        let runtime = tokio::runtime::Handle::current();
        let hashing =
            tokio::task::spawn_blocking(move || listing.hash_files(threads, &known, &runtime));
        hashing.await.map_err(|_| SourceError::Stopped {
            name: self.source.clone(),
        })
    }

    fn hash_files(
        &self,
        threads: usize,
        known: &Hashes,
        runtime: &tokio::runtime::Handle,
    ) -> Vec<blake3::Hash> {
        let next = AtomicUsize::new(0);
        let slots: Vec<Mutex<blake3::Hash>> = self
            .files
            .iter()
            .map(|_| Mutex::new(blake3::hash(b"")))
            .collect();
        std::thread::scope(|scope| {
            for _ in 0..self.readers(threads) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(file), Some(slot)) = (self.files.get(index), slots.get(index))
                        else {
                            break;
                        };
                        let hash = known.get(file).unwrap_or_else(|| {
                            let hash = self.hash_file(file, runtime);
                            known.insert(file, hash);
                            hash
                        });
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = hash;
                    }
                });
            }
        });
        slots
            .into_iter()
            .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    fn hash_file(&self, file: &SourceFile, runtime: &tokio::runtime::Handle) -> blake3::Hash {
        if let SourceStore::History(history) = &self.store {
            return blake3::hash(history.identity.as_bytes());
        }
        let mut hasher = blake3::Hasher::new();
        let read = self.open(file, runtime).and_then(|reader| {
            let read = hasher.update_reader(reader).map(drop);
            read.map_err(|error| error.to_string())
        });
        match read {
            Ok(()) => hasher.finalize(),
            // The path is included, since two unreadable files need not be equal.
            Err(reason) => {
                blake3::hash(format!("{} cannot be read: {reason}", file.path).as_bytes())
            }
        }
    }
}

/// Hashes of files by listing entry, so that unchanged files are not read again.
#[derive(Debug, Clone, Default)]
pub struct Hashes(Arc<Mutex<HashMap<String, (FileState, blake3::Hash)>>>);

/// A listing entry of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    size: u64,
    modified: Timestamp,
    etag: Option<String>,
}

/// Minimum number of concurrent reads of remote files.
const REMOTE_READERS_MIN: usize = 8;
/// A file that was written this recently may change again without a change of its modification
/// time.
const SETTLING_TIME: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

impl FileState {
    fn new(file: &SourceFile) -> Self {
        Self {
            size: file.size,
            modified: file.modified,
            etag: file.etag.clone(),
        }
    }
}

impl Hashes {
    /// Stores the hash of a file, unless the file was just written.
    pub fn insert(&self, file: &SourceFile, hash: blake3::Hash) {
        if is_settled(file) {
            self.lock()
                .insert(file.name.clone(), (FileState::new(file), hash));
        }
    }

    /// Restores the recorded hash of a file.
    pub fn restore(
        &self,
        name: &str,
        size: u64,
        modified: Timestamp,
        etag: Option<String>,
        hash: blake3::Hash,
    ) {
        let state = FileState {
            size,
            modified,
            etag,
        };
        let mut entries = self.lock();
        entries.entry(name.to_string()).or_insert((state, hash));
    }

    /// The hash of a file, if it is known and the listing entry is unchanged.
    pub fn get(&self, file: &SourceFile) -> Option<blake3::Hash> {
        let entries = self.lock();
        let (state, hash) = entries.get(&file.name)?;
        (*state == FileState::new(file)).then_some(*hash)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (FileState, blake3::Hash)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns true if a later write would change the file's modification time.
pub fn is_settled(file: &SourceFile) -> bool {
    Timestamp::now().duration_since(file.modified) > SETTLING_TIME
}

/// A stream of chunks as a blocking reader.
struct StreamReader {
    stream: futures::stream::BoxStream<'static, object_store::Result<bytes::Bytes>>,
    runtime: tokio::runtime::Handle,
    chunk: bytes::Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(chunk) => self.chunk = chunk.map_err(std::io::Error::other)?,
                None => return Ok(0),
            }
        }
        let n = out.len().min(self.chunk.len());
        out[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}

/// Removes the user and password from a URI.
pub fn without_credentials(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => uri.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "raw/2026/b.jsonl",
            "raw/2026/a.jsonl",
            "raw/c.jsonl",
            "raw/d e#1.csv",
            "raw/.x.jsonl",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        folder
    }

    fn names(uri: &str) -> Result<Vec<String>, String> {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(Listing::find("s", uri, folder.path(), true, None))
            .map(|listing| listing.files.into_iter().map(|file| file.name).collect())
            .map_err(|error| {
                error
                    .to_string()
                    .replace(&*folder.path().to_string_lossy(), "BASE")
            })
    }

    #[test]
    fn listings_are_sorted_by_path() {
        assert_eq!(names("raw/c.jsonl").unwrap(), ["raw/c.jsonl"]);
        assert_eq!(names("raw/*.jsonl").unwrap(), ["raw/c.jsonl"]);
        assert_eq!(
            names("raw/**/*.jsonl").unwrap(),
            ["raw/2026/a.jsonl", "raw/2026/b.jsonl", "raw/c.jsonl"]
        );
        assert_eq!(names("./raw/20??/[ab].jsonl").unwrap().len(), 2);
        assert_eq!(names("raw/**").unwrap().len(), 4);
        assert_eq!(names("raw/d e#1.csv").unwrap(), ["raw/d e#1.csv"]);
        let dated = names("raw/{year}/*.jsonl").unwrap();
        assert_eq!(dated, ["raw/2026/a.jsonl", "raw/2026/b.jsonl"]);
        assert!(
            names("raw/{year}/{day}.jsonl").is_err(),
            "a day without a month"
        );
    }

    #[test]
    fn each_error_has_its_own_message() {
        let check = |uri: &str, words: &str| {
            let error = names(uri).unwrap_err();
            assert!(error.contains(words), "{uri}: {error}");
        };
        check(
            "raw",
            "is a folder, not a file; to read what is in it write \"raw/**/*.jsonl*\"",
        );
        check("rav/*.jsonl", "folder \"BASE/rav/\" does not exist");
        check(
            "raw/x.jsonl",
            "the file \"BASE/raw/x.jsonl\" does not exist",
        );
        check(
            "raw/*.csv.gz",
            "no file in \"BASE/raw/\" matches \"raw/*.csv.gz\" (it holds",
        );
        check(
            "s3://key:secret@bucket/a/*.jsonl",
            "belong in the environment",
        );
        check("ftp://host/a/*.jsonl", "which this build does not read");
        check("", "is empty");
        check("raw/c.jsonl/*.csv", "as a folder");
        check("file://raw/c", "three slashes");
        assert!(
            !names("s3://key:secret@bucket/a")
                .unwrap_err()
                .contains("secret")
        );
    }

    #[test]
    fn the_identity_depends_on_paths_and_content() {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let identity = |threads| {
            runtime.block_on(async {
                let listing = Listing::find("s", "raw/**/*.jsonl", folder.path(), true, None)
                    .await
                    .unwrap();
                listing.identity(threads, &Hashes::default()).await.unwrap()
            })
        };
        let before = identity(1);
        assert_eq!(before, identity(4));
        std::fs::write(folder.path().join("raw/c.jsonl"), "other").unwrap();
        assert_ne!(before, identity(2));
    }
}
