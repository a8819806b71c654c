//! Cached outcomes: a file per fingerprint, written atomically.
//!
//! ```text
//! lake/outcomes/<fingerprint>.json   the record
//! lake/outcomes/<fingerprint>/       files that a report wrote; written before the record
//! lake/outcomes/.parts/              temporary files
//! lake/outcomes/last/<job>.jsonl     the last fingerprint of each of the job's nodes
//! ```
//!
//! A lake in object storage has the same files under the same names; the local folder is a cache.

mod last;

pub use last::LastFingerprints;

use crate::fingerprint::Components;
use jiff::Timestamp;
use retrocast_domain::Outcome;
use retrocast_run::{
    Fingerprint,
    files::{write_whole, write_with_folder},
};
use retrocast_storage::{LakeFiles, SharedStore};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// An outcome with its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the job.
    pub job: String,
    /// Full name of the node.
    pub node: String,
    /// Hash of the components.
    pub fingerprint: Fingerprint,
    /// The inputs of the outcome.
    pub components: Components,
    /// Id of the run that computed it.
    pub run: String,
    /// Time of creation.
    #[serde(rename = "made")]
    pub created: Timestamp,
    /// The outcome to reuse.
    pub outcome: Outcome,
}

/// Cached outcomes in a folder, and in a shared store if the lake has one.
#[derive(Debug, Clone)]
pub struct OutcomeStore {
    folder: PathBuf,
    shared_store: Option<Arc<dyn SharedStore>>,
}

impl OutcomeStore {
    /// The outcome store of a lake.
    pub fn of_lake(lake: &LakeFiles) -> Self {
        Self {
            folder: lake.folder().join("outcomes"),
            shared_store: lake.shared_store().cloned(),
        }
    }

    /// The folder with the files of a record.
    fn files_folder(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.folder.join(&fingerprint.0)
    }

    fn record_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.folder.join(format!("{fingerprint}.json"))
    }

    fn temporary_folder(&self) -> PathBuf {
        self.folder.join(".parts")
    }

    /// The record of a fingerprint. A record that is damaged or lacks a file is ignored: the node
    /// runs again and replaces it.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Record> {
        self.get_local(fingerprint).or_else(|| {
            self.fetch(fingerprint)
                .inspect_err(|error| {
                    tracing::warn!("cannot fetch the outcome {fingerprint}: {error}");
                })
                .ok()?;
            self.get_local(fingerprint)
        })
    }

    /// Fetches a record with its files from the shared store, if it is there.
    fn fetch(&self, fingerprint: &Fingerprint) -> io::Result<()> {
        let Some(shared_store) = &self.shared_store else {
            return Ok(());
        };
        let Some((text, _)) = shared_store.get(&record_key(fingerprint))? else {
            return Ok(());
        };
        let record: Record = serde_json::from_slice(&text)?;
        let files = self.files_folder(fingerprint);
        for name in record.outcome.files.iter().filter(|name| is_inside(name)) {
            let Some((bytes, _)) = shared_store.get(&format!("outcomes/{fingerprint}/{name}"))?
            else {
                return Ok(());
            };
            write_whole(&files.join(name), &bytes)?;
        }
        write_whole(&self.record_path(fingerprint), &text)
    }

    /// The record of a fingerprint in the local folder.
    fn get_local(&self, fingerprint: &Fingerprint) -> Option<Record> {
        let text = fs::read(self.record_path(fingerprint)).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let files = self.files_folder(fingerprint);
        let is_complete = record.fingerprint == *fingerprint
            && record.components.fingerprint() == *fingerprint
            && record
                .outcome
                .files
                .iter()
                .all(|name| is_inside(name) && files.join(name).is_file());
        is_complete.then_some(record)
    }

    /// Removes the temporary files of dead processes.
    pub fn sweep(&self) {
        for entry in fs::read_dir(self.temporary_folder())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let writer = name
                .to_str()
                .and_then(|name| name.split('-').next()?.parse().ok());
            // If processes cannot be looked up, all temporary files are kept.
            let is_dead = |pid: u32| {
                Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
            };
            if writer.is_some_and(is_dead) {
                let path = entry.path();
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }
    }

    /// Removes the cached outcomes of a job's reports that `runs` computed, because they hold the
    /// large files. Outcomes of sources and stages are small and used by later runs, so they are
    /// kept.
    pub fn forget(&self, job: &str, runs: &BTreeSet<String>) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).ok();
            let record: Option<Record> = text.and_then(|text| serde_json::from_slice(&text).ok());
            let Some(record) = record else { continue };
            let has_files = !record.outcome.files.is_empty();
            // Another run may have reused the record since; it renders the report again if needed.
            if has_files && record.job == job && runs.contains(&record.run) {
                let _ = fs::remove_dir_all(path.with_extension(""));
                let _ = fs::remove_file(path);
                self.forget_shared(&record);
            }
        }
    }

    /// Removes a record and then its files from the shared store. A failure only wastes space.
    fn forget_shared(&self, record: &Record) {
        let Some(shared_store) = &self.shared_store else {
            return;
        };
        let fingerprint = &record.fingerprint;
        let _ = shared_store.delete(&record_key(fingerprint));
        for name in &record.outcome.files {
            let _ = shared_store.delete(&format!("outcomes/{fingerprint}/{name}"));
        }
    }

    /// Stores a record with its files from the run's folder, also in the shared store; the record
    /// is written last in both.
    pub fn put(&self, record: &Record, run_folder: &Path) -> io::Result<()> {
        self.put_local(record, run_folder)?;
        let Some(shared_store) = &self.shared_store else {
            return Ok(());
        };
        let fingerprint = &record.fingerprint;
        for name in &record.outcome.files {
            let bytes = fs::read(self.files_folder(fingerprint).join(name))?;
            shared_store.put(&format!("outcomes/{fingerprint}/{name}"), bytes)?;
        }
        shared_store.put(&record_key(fingerprint), serde_json::to_vec(record)?)?;
        Ok(())
    }

    fn put_local(&self, record: &Record, run_folder: &Path) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .temporary_folder()
            .join(format!("{}-{n}", std::process::id()));
        let result = self
            .put_files(record, run_folder, &temporary)
            .and_then(|()| self.put_record(record, &temporary));
        if result.is_err() {
            let _ = fs::remove_file(&temporary).or_else(|_| fs::remove_dir_all(&temporary));
        }
        result
    }

    fn put_record(&self, record: &Record, temporary: &Path) -> io::Result<()> {
        write_with_folder(temporary, &serde_json::to_vec(record)?)?;
        fs::rename(temporary, self.record_path(&record.fingerprint))
    }

    fn put_files(&self, record: &Record, run_folder: &Path, temporary: &Path) -> io::Result<()> {
        if record.outcome.files.is_empty() {
            return Ok(());
        }
        for name in &record.outcome.files {
            copy(name, run_folder, temporary)?;
        }
        // An old record must not be paired with the new files.
        match fs::remove_file(self.record_path(&record.fingerprint)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        replace_folder(temporary, &self.files_folder(&record.fingerprint))
    }

    /// Copies the files of a record into a run's folder.
    pub fn restore(&self, record: &Record, run_folder: &Path) -> io::Result<()> {
        let files = self.files_folder(&record.fingerprint);
        record
            .outcome
            .files
            .iter()
            .try_for_each(|name| copy(name, &files, run_folder))
    }

    /// Reads the last known fingerprints of a job's nodes, from any machine.
    pub fn last(&self, job: &str) -> LastFingerprints {
        let path = self.last_path(job);
        let shared = self
            .shared_store
            .as_ref()
            .map(|shared_store| shared_store.get(&last_key(job)));
        if let Some(Ok(Some((text, _)))) = shared {
            let _ = write_whole(&path, &text);
        }
        LastFingerprints::read(path)
    }

    /// Uploads the last known fingerprints. They are informational, so errors are ignored.
    pub fn share_last(&self, job: &str) {
        if let (Some(shared_store), Ok(text)) = (&self.shared_store, fs::read(self.last_path(job)))
        {
            let _ = shared_store.put(&last_key(job), text);
        }
    }

    fn last_path(&self, job: &str) -> PathBuf {
        self.folder.join("last").join(format!("{job}.jsonl"))
    }
}

/// The name of a record in the shared store.
fn record_key(fingerprint: &Fingerprint) -> String {
    format!("outcomes/{fingerprint}.json")
}

fn last_key(job: &str) -> String {
    format!("outcomes/last/{job}.jsonl")
}

/// Renames a complete folder to its final name, and replaces a folder of that name.
fn replace_folder(temporary: &Path, folder: &Path) -> io::Result<()> {
    for _ in 0..8 {
        if fs::rename(temporary, folder).is_ok() {
            return Ok(());
        }
        let mut old = temporary.as_os_str().to_owned();
        old.push("-old");
        match fs::rename(folder, &old) {
            Ok(()) => fs::remove_dir_all(&old)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    fs::rename(temporary, folder)
}

/// Returns true if a relative name stays inside its folder.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn copy(name: &str, from: &Path, to: &Path) -> io::Result<()> {
    if !is_inside(name) {
        let message = format!("{name:?} is not the name of a file inside the run's folder");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let target = to.join(name);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from.join(name), &target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;
    use retrocast_domain::Cell;
    use retrocast_storage::{Address, Bucket};

    fn record(files: &[&str]) -> Record {
        let plan = test_support::plan(test_support::JOB);
        let components = Components::new(&plan.nodes[0], &plan, Some("x"), &[], "1");
        Record {
            job: plan.job.clone(),
            node: plan.nodes[0].name.clone(),
            fingerprint: components.fingerprint(),
            components,
            run: "1a2b3c4d".to_string(),
            created: Timestamp::UNIX_EPOCH,
            outcome: Outcome {
                cell: Cell::new("tickets", "source"),
                datasets: Vec::new(),
                files: files.iter().map(|name| (*name).to_string()).collect(),
                source: None,
            },
        }
    }

    #[test]
    fn records_are_read_back_with_their_files_and_can_be_replaced() {
        let folder = test_support::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake").into());
        let (run, restored) = (folder.join("run"), folder.join("restored"));
        fs::create_dir_all(run.join("charts")).unwrap();
        fs::write(run.join("charts/a.svg"), "<svg/>").unwrap();
        let record = record(&["charts/a.svg"]);
        assert_eq!(store.get(&record.fingerprint), None);
        for _ in 0..2 {
            store.put(&record, &run).unwrap();
            assert_eq!(store.get(&record.fingerprint), Some(record.clone()));
        }
        store.restore(&record, &restored).unwrap();
        assert_eq!(
            fs::read_to_string(restored.join("charts/a.svg")).unwrap(),
            "<svg/>"
        );
        let parts: Vec<_> = fs::read_dir(store.temporary_folder()).unwrap().collect();
        assert!(parts.is_empty(), "{parts:?}");
    }

    #[test]
    fn reports_of_removed_runs_are_removed_with_their_files() {
        let folder = test_support::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake").into());
        fs::create_dir_all(folder.join("run")).unwrap();
        fs::write(folder.join("run/a.pdf"), "x").unwrap();
        let record = record(&["a.pdf"]);
        store.put(&record, &folder.join("run")).unwrap();
        let runs = BTreeSet::from([record.run.clone()]);
        store.forget("another job", &runs);
        store.forget(&record.job, &BTreeSet::from(["another run".to_string()]));
        assert_eq!(store.get(&record.fingerprint), Some(record.clone()));
        store.forget(&record.job, &runs);
        assert_eq!(store.get(&record.fingerprint), None);
        assert!(!store.files_folder(&record.fingerprint).exists());
        let source = self::record(&[]);
        store.put(&source, &folder.join("run")).unwrap();
        store.forget(&source.job, &runs);
        assert!(
            store.get(&source.fingerprint).is_some(),
            "outcomes of sources stay"
        );
    }

    #[test]
    fn outcomes_are_shared_between_machines() {
        let folder = test_support::Folder::new();
        let address = Address::parse("s3://bucket").unwrap();
        let shared_store: Arc<dyn SharedStore> = Arc::new(Bucket::in_memory(address));
        let store = |machine: &str| {
            OutcomeStore::of_lake(&LakeFiles::shared(
                folder.join(machine),
                shared_store.clone(),
            ))
        };
        fs::create_dir_all(folder.join("run/charts")).unwrap();
        fs::write(folder.join("run/charts/a.svg"), "<svg/>").unwrap();
        let record = record(&["charts/a.svg"]);
        store("a").put(&record, &folder.join("run")).unwrap();
        store("a")
            .last("review")
            .set("stage.a", &record.fingerprint)
            .unwrap();
        store("a").share_last("review");
        let other = store("b");
        assert_eq!(other.get(&record.fingerprint), Some(record.clone()));
        other.restore(&record, &folder.join("again")).unwrap();
        assert_eq!(
            fs::read(folder.join("again/charts/a.svg")).unwrap(),
            b"<svg/>"
        );
        assert_eq!(
            other.last("review").get("stage.a"),
            Some(&record.fingerprint)
        );
        other.forget(&record.job, &BTreeSet::from([record.run.clone()]));
        assert_eq!(store("c").get(&record.fingerprint), None);
        assert!(
            shared_store.list("outcomes/").unwrap().len() == 1,
            "only the last fingerprints remain"
        );
    }

    #[test]
    fn damaged_records_count_as_missing() {
        let folder = test_support::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake").into());
        fs::create_dir_all(folder.join("run")).unwrap();
        fs::write(folder.join("run/a.pdf"), "x").unwrap();
        let record = record(&["a.pdf"]);
        store.put(&record, &folder.join("run")).unwrap();
        fs::remove_file(store.files_folder(&record.fingerprint).join("a.pdf")).unwrap();
        assert_eq!(store.get(&record.fingerprint), None);
        store.put(&record, &folder.join("run")).unwrap();
        fs::write(store.record_path(&record.fingerprint), "{\"job\":").unwrap();
        assert_eq!(store.get(&record.fingerprint), None);
    }

    #[test]
    fn temporary_files_of_dead_processes_are_removed() {
        let folder = test_support::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake").into());
        let part = |pid: u32| store.temporary_folder().join(format!("{pid}-0"));
        // No process has the highest possible id.
        let (dead, alive) = (part(u32::MAX), part(std::process::id()));
        fs::create_dir_all(dead.join("charts")).unwrap();
        fs::write(&alive, "x").unwrap();
        store.sweep();
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn names_of_files_must_stay_inside_the_folder() {
        for name in ["../a", "/etc/passwd", "a/../../b", ""] {
            assert!(!is_inside(name), "{name}");
        }
        assert!(is_inside("charts/a.svg"));
    }
}
