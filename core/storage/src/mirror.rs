//! Synchronises the archive of several machines: a local folder and a shared store.
//!
//! Runs are written and read in the folder, just as without a shared store. Before the archive is
//! read, files of other machines are fetched; during a run and at its end, its files are uploaded.
//! A run's folder has a single writer, the holder of the lease on its window, so conflicts are
//! rare. In a conflict the shared store wins, except for a journal, which is append-only, so its
//! longer version is newer.
//!
//! Pages about many runs are derived. They are uploaded but not fetched: each machine rebuilds them
//! before it uploads.
//!
//! ```text
//! <folder>/.mirror.json   the last synchronised state
//! <folder>/.mirror.lock   held during a synchronisation
//! ```

use crate::shared_store::{ETag, Entry, SharedStore};
use retrocast_run::{
    Journal,
    files::{JOURNAL, SUMMARY, is_page, write_whole},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

const STATE: &str = ".mirror.json";
const LOCK: &str = ".mirror.lock";
/// Maximum number of concurrent transfers.
const MAX_TRANSFERS: usize = 16;
/// Interval of uploads during a run.
const UPLOAD_INTERVAL: Duration = Duration::from_secs(5);

/// A local folder that is synchronised with a shared store.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    shared_store: Arc<dyn SharedStore>,
}

/// Uploads the files of a run while it is active, so that other machines can resume it.
#[derive(Debug)]
pub struct RunUpload {
    mirror: Arc<Mirror>,
    /// Dropped to stop the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunUpload {
    /// Stops the thread and uploads the remaining changes.
    pub fn finish(mut self) -> io::Result<()> {
        self.stop_thread();
        self.mirror.upload().map(|_| ())
    }

    fn stop_thread(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for RunUpload {
    fn drop(&mut self) {
        self.stop_thread();
    }
}

/// A file in its last synchronised state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SyncedFile {
    #[serde(rename = "mark")]
    etag: ETag,
    size: u64,
    /// Local modification time in nanoseconds.
    modified: i128,
}

/// Files by name, relative to the folder.
type SyncedFiles = BTreeMap<String, SyncedFile>;

/// Number and size of the transferred files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferCount {
    /// Number of files.
    pub files: usize,
    /// Number of bytes.
    pub bytes: u64,
}

impl Mirror {
    /// Creates a mirror; transfers nothing.
    pub fn new(folder: impl Into<PathBuf>, shared_store: Arc<dyn SharedStore>) -> Self {
        Self {
            folder: folder.into(),
            shared_store,
        }
    }

    /// The address of the shared store, for other machines.
    pub fn address(&self) -> String {
        self.shared_store.address()
    }

    /// Fetches files that other machines added, and removes local files that they removed. Active
    /// runs of others (`<job>/<window>/<run>` in `active_runs`) are skipped: an incomplete run
    /// would look like a run whose process died.
    pub fn fetch(&self, active_runs: &BTreeSet<String>) -> io::Result<TransferCount> {
        let _lock = self.lock()?;
        let mut synced = self.read_state();
        let entries = self.shared_store.list("")?;
        let is_active = |key: &str| {
            run_of(key).is_some_and(|run| {
                active_runs.contains(run) || Journal::is_being_written(&self.folder.join(run))
            })
        };
        let to_fetch: Vec<&Entry> = entries
            .iter()
            .filter(|entry| is_fetched(&entry.key) && !is_active(&entry.key))
            .filter(|entry| {
                let file = synced.get(&entry.key);
                // A file that was removed locally is not fetched again; its removal is uploaded
                // later.
                file.is_none_or(|file| file.etag != entry.etag)
            })
            .collect();
        let fetched = self.map_concurrently(&to_fetch, |entry| self.fetch_one(entry))?;
        let mut count = TransferCount::default();
        for (key, file) in fetched.into_iter().flatten() {
            count.files += 1;
            count.bytes += file.size;
            synced.insert(key, file);
        }
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let deleted: Vec<String> = synced
            .keys()
            .filter(|key| !names.contains(key.as_str()))
            .cloned()
            .collect();
        for key in deleted {
            let path = self.folder.join(&key);
            // Files changed locally since then are uploaded again.
            if synced
                .remove(&key)
                .is_some_and(|file| is_unchanged(&path, &file))
            {
                fs::remove_file(&path)?;
                remove_empty(&self.folder, &path);
            }
        }
        self.write_state(&synced)?;
        Ok(count)
    }

    /// Uploads new and changed files, and removes files remotely that were removed locally.
    pub fn upload(&self) -> io::Result<TransferCount> {
        let _lock = self.lock()?;
        let mut synced = self.read_state();
        let local = files_below(&self.folder)?;
        let mut changed: Vec<&String> = local
            .iter()
            .filter(|key| {
                synced
                    .get(*key)
                    .is_none_or(|file| !is_unchanged(&self.folder.join(key), file))
            })
            .collect();
        let mut count = TransferCount::default();
        // Files that show that a run is complete are uploaded after the files they refer to, and
        // pages last.
        changed.sort_by_key(|key| (rank(key), (*key).clone()));
        for group in changed.chunk_by(|a, b| rank(a) == rank(b)) {
            for (key, file) in self
                .map_concurrently(group, |key| self.upload_one(key))?
                .into_iter()
                .flatten()
            {
                count.files += 1;
                count.bytes += file.size;
                synced.insert(key, file);
            }
        }
        let deleted: Vec<String> = synced
            .keys()
            .filter(|key| !local.contains(*key))
            .cloned()
            .collect();
        for key in deleted {
            self.shared_store.delete(&key)?;
            synced.remove(&key);
        }
        self.write_state(&synced)?;
        Ok(count)
    }

    /// Uploads changes every few seconds until the returned value is finished or dropped.
    pub fn start_upload(self: &Arc<Self>) -> io::Result<RunUpload> {
        let mirror = self.clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let upload = move || {
            while stopped.recv_timeout(UPLOAD_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                // Uploads are repeated at the end, where an error fails the run.
                if let Err(error) = mirror.upload() {
                    tracing::debug!("{error}");
                }
            }
        };
        let thread = std::thread::Builder::new().name("archive".to_string());
        Ok(RunUpload {
            mirror: self.clone(),
            stop: Some(stop),
            thread: Some(thread.spawn(upload)?),
        })
    }

    fn fetch_one(&self, entry: &Entry) -> io::Result<Option<(String, SyncedFile)>> {
        let path = self.folder.join(&entry.key);
        let Some((bytes, etag)) = self.shared_store.get(&entry.key)? else {
            return Ok(None);
        };
        let is_journal = path.file_name().is_some_and(|name| name == JOURNAL);
        // The local journal is newer and not uploaded yet.
        if is_journal && fs::metadata(&path).is_ok_and(|data| data.len() > bytes.len() as u64) {
            return Ok(None);
        }
        write_whole(&path, &bytes)?;
        let file = SyncedFile::of(&path, etag)?;
        Ok(Some((entry.key.clone(), file)))
    }

    /// Uploads a file; `None` if it was removed in the meantime.
    fn upload_one(&self, key: &str) -> io::Result<Option<(String, SyncedFile)>> {
        let path = self.folder.join(key);
        let state_and_bytes =
            SyncedFile::of(&path, ETag::new()).and_then(|file| Ok((file, fs::read(&path)?)));
        let (mut file, bytes) = match state_and_bytes {
            Ok(state_and_bytes) => state_and_bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // If the journal grew in the meantime, it is uploaded again next time.
        file.etag = self.shared_store.put(key, bytes)?;
        Ok(Some((key.to_string(), file)))
    }

    /// Applies a function to all items concurrently; returns the first error.
    fn map_concurrently<T: Sync, R: Send>(
        &self,
        items: &[T],
        function: impl Fn(&T) -> io::Result<R> + Sync,
    ) -> io::Result<Vec<R>> {
        let (next, results) = (Mutex::new(items.iter()), Mutex::new(Vec::new()));
        let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 0..MAX_TRANSFERS.min(items.len()) {
                scope.spawn(|| {
                    while let Some(item) = take() {
                        let result = function(item);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        results.push(result);
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().collect()
    }

    /// Locks the mirror during a synchronisation.
    fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        let file = File::create(self.folder.join(LOCK))?;
        file.lock()?;
        Ok(file)
    }

    /// The last synchronised state; if unknown it is empty, and everything is compared again.
    fn read_state(&self) -> SyncedFiles {
        let text = fs::read(self.folder.join(STATE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn write_state(&self, synced: &SyncedFiles) -> io::Result<()> {
        let text = serde_json::to_vec(synced)?;
        write_whole(&self.folder.join(STATE), &text)
    }
}

impl SyncedFile {
    fn of(path: &Path, etag: ETag) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self {
            etag,
            size: data.len(),
            modified: modification_time(&data),
        })
    }
}

fn modification_time(data: &fs::Metadata) -> i128 {
    i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec())
}

/// Returns true if a file is unchanged since the synchronisation.
fn is_unchanged(path: &Path, file: &SyncedFile) -> bool {
    fs::metadata(path)
        .is_ok_and(|data| data.len() == file.size && modification_time(&data) == file.modified)
}

/// The run that a file belongs to: `<job>/<window>/<run>`.
fn run_of(key: &str) -> Option<&str> {
    let mut slashes = key.match_indices('/').map(|(index, _)| index);
    slashes.nth(2).map(|index| &key[..index])
}

/// Returns true if a file of the shared store should be fetched: it is not a page, and not outside
/// the folder.
fn is_fetched(key: &str) -> bool {
    let is_inside = key
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.'));
    is_inside && !is_page(key)
}

/// Rank of a file in the order of uploads.
fn rank(key: &str) -> u8 {
    match key.rsplit('/').next() {
        _ if is_page(key) => 3,
        Some(SUMMARY) => 2,
        Some(JOURNAL) => 1,
        _ => 0,
    }
}

/// Names of all files below a folder, except hidden and temporary files.
fn files_below(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(prefix) = folders.pop() {
        let entries = match fs::read_dir(folder.join(&prefix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type()?;
            let key = format!("{prefix}{name}");
            if name.starts_with('.') || name.contains(".part-") {
                continue;
            }
            if kind.is_dir() {
                folders.push(format!("{key}/"));
            } else if kind.is_file() {
                files.insert(key);
            }
        }
    }
    Ok(files)
}

/// Removes the folders that are empty after a file was removed.
fn remove_empty(root: &Path, file: &Path) {
    let parents = file
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != root);
    for folder in parents {
        // This fails, as intended, if the folder is not empty.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Bucket, Folder};

    struct Setup {
        shared_store: Arc<dyn SharedStore>,
        folder: Folder,
    }

    impl Setup {
        fn new() -> Self {
            Self {
                shared_store: Arc::new(Bucket::default()),
                folder: Folder::new(),
            }
        }

        fn machine(&self, name: &str) -> Mirror {
            Mirror::new(self.folder.join(name), self.shared_store.clone())
        }

        fn write(&self, path: &str, text: &str) {
            write_whole(&self.folder.join(path), text.as_bytes()).unwrap();
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.folder.join(path)).ok()
        }
    }

    fn no_active_runs() -> BTreeSet<String> {
        BTreeSet::new()
    }

    #[test]
    fn uploaded_files_are_fetched_once() {
        let setup = Setup::new();
        let (a, b) = (setup.machine("a"), setup.machine("b"));
        setup.write("a/review/2026-W46/1a/charts/x.svg", "<svg/>");
        setup.write("a/review/2026-W46/1a/run.json", "{}");
        setup.write("a/review/2026-W46/1a/index.html", "page");
        setup.write("a/index.html", "front");
        assert_eq!(a.upload().unwrap().files, 4);
        assert_eq!(a.upload().unwrap(), TransferCount::default());
        assert_eq!(
            b.fetch(&no_active_runs()).unwrap().files,
            2,
            "pages are not fetched"
        );
        assert_eq!(
            b.fetch(&no_active_runs()).unwrap(),
            TransferCount::default()
        );
        let chart = setup.read("b/review/2026-W46/1a/charts/x.svg");
        assert_eq!(chart.as_deref(), Some("<svg/>"));
        assert_eq!(setup.read("b/index.html"), None);
        assert_eq!(b.upload().unwrap(), TransferCount::default());
    }

    #[test]
    fn removed_files_are_removed_on_other_machines() {
        let setup = Setup::new();
        let (a, b) = (setup.machine("a"), setup.machine("b"));
        setup.write("a/review/2026-W01/1a/run.json", "{}");
        setup.write("a/review/2026-W02/2b/run.json", "{}");
        a.upload().unwrap();
        b.fetch(&no_active_runs()).unwrap();
        fs::remove_dir_all(setup.folder.join("a/review/2026-W01")).unwrap();
        a.upload().unwrap();
        b.fetch(&no_active_runs()).unwrap();
        assert_eq!(setup.read("b/review/2026-W01/1a/run.json"), None);
        assert!(!setup.folder.join("b/review/2026-W01").exists());
        assert!(setup.read("b/review/2026-W02/2b/run.json").is_some());
    }

    #[test]
    fn a_removal_is_uploaded_after_a_fetch() {
        let setup = Setup::new();
        let a = setup.machine("a");
        setup.write("a/review/2026-W01/1a/run.json", "{}");
        a.upload().unwrap();
        fs::remove_file(setup.folder.join("a/review/2026-W01/1a/run.json")).unwrap();
        a.fetch(&no_active_runs()).unwrap();
        a.upload().unwrap();
        assert_eq!(setup.shared_store.list("").unwrap(), []);
    }

    #[test]
    fn the_longer_journal_wins() {
        let setup = Setup::new();
        let (a, b) = (setup.machine("a"), setup.machine("b"));
        let path = |machine| format!("{machine}/review/2026-W46/1a/journal.jsonl");
        setup.write(&path("a"), "1\n");
        a.upload().unwrap();
        b.fetch(&no_active_runs()).unwrap();
        // Machine `a` died after a line it could not upload; the other resumes and uploads two.
        setup.write(&path("a"), "1\n2\n");
        a.fetch(&no_active_runs()).unwrap();
        assert_eq!(setup.read(&path("a")).as_deref(), Some("1\n2\n"));
        setup.write(&path("b"), "1\n2b\n3\n");
        b.upload().unwrap();
        a.fetch(&no_active_runs()).unwrap();
        assert_eq!(setup.read(&path("a")).as_deref(), Some("1\n2b\n3\n"));
    }

    #[test]
    fn active_runs_of_other_machines_are_not_fetched() {
        let setup = Setup::new();
        let (a, b) = (setup.machine("a"), setup.machine("b"));
        setup.write("a/review/2026-W46/1a/plan.json", "{}");
        setup.write("a/review/2026-W45/0f/plan.json", "{}");
        a.upload().unwrap();
        let active_runs = BTreeSet::from(["review/2026-W46/1a".to_string()]);
        assert_eq!(b.fetch(&active_runs).unwrap().files, 1);
        assert_eq!(setup.read("b/review/2026-W46/1a/plan.json"), None);
        assert_eq!(b.fetch(&no_active_runs()).unwrap().files, 1);
    }

    #[test]
    fn names_outside_the_folder_are_not_fetched() {
        let setup = Setup::new();
        for key in ["../x", "review/../../x", "/etc/x", ".hidden", "a//b"] {
            setup.shared_store.put(key, b"x".to_vec()).unwrap();
        }
        let count = setup.machine("b").fetch(&no_active_runs()).unwrap();
        assert_eq!(count, TransferCount::default());
    }
}
