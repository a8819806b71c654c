//! Kept outcomes: a folder per fingerprint, written at once or not at all.
//!
//! ```text
//! lake/outcomes/<fingerprint>/outcome.json   the record
//! lake/outcomes/<fingerprint>/files/         files a report wrote
//! lake/outcomes/last/<job>/<node>.json       what the node's outcome last depended on
//! ```

use crate::fingerprint::{Components, Fingerprint};
use jiff::Timestamp;
use retrocast_domain::Outcome;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// An outcome with what it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the job.
    pub job: String,
    /// Full name of the node.
    pub node: String,
    /// Hash of the parts.
    pub fingerprint: Fingerprint,
    /// What the outcome depends on.
    pub components: Components,
    /// The run that made it.
    pub run: String,
    /// When.
    pub made: Timestamp,
    /// The outcome.
    pub outcome: Outcome,
}

/// What the last outcome of a node depended on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// Hash of the parts.
    pub fingerprint: Fingerprint,
    /// The parts.
    pub components: Components,
}

/// Kept outcomes in a folder.
#[derive(Debug, Clone)]
pub struct OutcomeStore {
    folder: PathBuf,
}

impl OutcomeStore {
    /// The outcomes of a lake.
    pub fn of_lake(lake: &Path) -> Self {
        Self {
            folder: lake.join("outcomes"),
        }
    }

    fn folder_of(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.folder.join(&fingerprint.0)
    }

    /// The record of a fingerprint. One that is damaged or lacks a file counts as not there: the
    /// node is run again and the record replaced.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Record> {
        let folder = self.folder_of(fingerprint);
        let text = fs::read(folder.join("outcome.json")).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let whole = record.fingerprint == *fingerprint
            && record.components.fingerprint() == *fingerprint
            && record
                .outcome
                .files
                .iter()
                .all(|name| is_inside(name) && folder.join("files").join(name).is_file());
        whole.then_some(record)
    }

    /// Sweeps away what processes that died were writing.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let writer = name
                .to_str()
                .and_then(|name| name.strip_prefix(".part-")?.split('-').next()?.parse().ok());
            // Where processes cannot be looked up, what they leave is left.
            let dead = |pid: u32| {
                Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
            };
            if writer.is_some_and(dead) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Removes the outcomes of a job that these runs made.
    pub fn forget(&self, job: &str, runs: &BTreeSet<String>) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let record: Option<Record> = fs::read(path.join("outcome.json"))
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            // Others may have reused it since; they make it again when they need it.
            if record.is_some_and(|record| record.job == job && runs.contains(&record.run)) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// Keeps a record, with its files from the run's folder.
    pub fn put(&self, record: &Record, run_folder: &Path) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let part = self
            .folder
            .join(format!(".part-{}-{n}", std::process::id()));
        let written = Self::write(record, run_folder, &part);
        let placed =
            written.and_then(|()| Self::place(&part, &self.folder_of(&record.fingerprint)));
        if placed.is_err() {
            let _ = fs::remove_dir_all(&part);
            return placed;
        }
        let last = Last {
            fingerprint: record.fingerprint.clone(),
            components: record.components.clone(),
        };
        self.set_last(&record.job, &record.node, &last)
    }

    fn write(record: &Record, run_folder: &Path, part: &Path) -> io::Result<()> {
        fs::create_dir_all(part)?;
        for name in &record.outcome.files {
            copy(name, run_folder, &part.join("files"))?;
        }
        fs::write(part.join("outcome.json"), serde_json::to_vec(record)?)
    }

    /// Renames a finished folder to its name. An old record there gives way.
    fn place(part: &Path, folder: &Path) -> io::Result<()> {
        for _ in 0..8 {
            if fs::rename(part, folder).is_ok() {
                return Ok(());
            }
            let mut old = part.as_os_str().to_owned();
            old.push("-old");
            match fs::rename(folder, &old) {
                Ok(()) => fs::remove_dir_all(&old)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        fs::rename(part, folder)
    }

    /// Copies the files of a record into a run's folder.
    pub fn restore(&self, record: &Record, run_folder: &Path) -> io::Result<()> {
        let files = self.folder_of(&record.fingerprint).join("files");
        record
            .outcome
            .files
            .iter()
            .try_for_each(|name| copy(name, &files, run_folder))
    }

    fn last_path(&self, job: &str, node: &str) -> PathBuf {
        self.folder
            .join("last")
            .join(job)
            .join(format!("{node}.json"))
    }

    /// What the last outcome of a node depended on.
    pub fn last(&self, job: &str, node: &str) -> Option<Last> {
        serde_json::from_slice(&fs::read(self.last_path(job, node)).ok()?).ok()
    }

    /// Remembers what a node's outcome depends on.
    pub fn set_last(&self, job: &str, node: &str, last: &Last) -> io::Result<()> {
        write_whole(&self.last_path(job, node), &serde_json::to_vec(last)?)
    }
}

/// Writes a file at once or not at all, with the folders it needs.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}-{n}", std::process::id()));
    let part = PathBuf::from(part);
    match (fs::write(&part, bytes), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            fs::write(&part, bytes)?;
        }
        (written, _) => written?,
    }
    fs::rename(&part, path)
}

/// Whether a relative name stays inside its folder.
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
    use crate::trial;
    use retrocast_domain::Cell;

    fn record(files: &[&str]) -> Record {
        let plan = trial::plan(trial::JOB);
        let components = Components::new(&plan.nodes[0], &plan, Some("x"), &[], "1");
        Record {
            job: plan.job.clone(),
            node: plan.nodes[0].name.clone(),
            fingerprint: components.fingerprint(),
            components,
            run: "1a2b3c4d".to_string(),
            made: Timestamp::UNIX_EPOCH,
            outcome: Outcome {
                cell: Cell::new("tickets", "source"),
                datasets: Vec::new(),
                files: files.iter().map(|name| (*name).to_string()).collect(),
                source: None,
            },
        }
    }

    #[test]
    fn records_come_back_with_their_files_and_can_be_replaced() {
        let folder = trial::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake"));
        let (run, again) = (folder.join("run"), folder.join("again"));
        fs::create_dir_all(run.join("charts")).unwrap();
        fs::write(run.join("charts/a.svg"), "<svg/>").unwrap();
        let record = record(&["charts/a.svg"]);
        assert_eq!(store.get(&record.fingerprint), None);
        for _ in 0..2 {
            store.put(&record, &run).unwrap();
            assert_eq!(store.get(&record.fingerprint), Some(record.clone()));
        }
        let last = store.last("review", "source.tickets").unwrap();
        assert_eq!(last.fingerprint, record.fingerprint);
        store.restore(&record, &again).unwrap();
        assert_eq!(
            fs::read_to_string(again.join("charts/a.svg")).unwrap(),
            "<svg/>"
        );
        let left: Vec<_> = fs::read_dir(folder.join("lake/outcomes"))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 2, "the record and `last`, no parts: {left:?}");
    }

    #[test]
    fn damaged_records_count_as_not_there() {
        let folder = trial::Folder::new();
        let store = OutcomeStore::of_lake(&folder.join("lake"));
        fs::create_dir_all(folder.join("run")).unwrap();
        fs::write(folder.join("run/a.pdf"), "x").unwrap();
        let record = record(&["a.pdf"]);
        store.put(&record, &folder.join("run")).unwrap();
        let kept = store.folder_of(&record.fingerprint);
        fs::remove_file(kept.join("files/a.pdf")).unwrap();
        assert_eq!(store.get(&record.fingerprint), None);
        store.put(&record, &folder.join("run")).unwrap();
        fs::write(kept.join("outcome.json"), "{\"job\":").unwrap();
        assert_eq!(store.get(&record.fingerprint), None);
    }

    #[test]
    fn files_stay_inside_the_folder() {
        for name in ["../a", "/etc/passwd", "a/../../b", ""] {
            assert!(!is_inside(name), "{name}");
        }
        assert!(is_inside("charts/a.svg"));
    }
}
