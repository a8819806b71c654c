//! Pins and tombstones: mark runs whose files are kept, and runs whose files were removed.
//!
//! ```text
//! <run>/pin.json       why the files of this run are kept
//! <run>/removed.json   the tombstone: what was removed, when and why
//! ```

use crate::{Error, digest::Digest, digest::summary_key};
use jiff::civil::Date;
use retrocast_run::files::{
    JOB, JOURNAL, PIN, PLAN, RESULTS, SUMMARY, TOMBSTONE, is_mail, read_json, write_json,
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Marks a run whose files are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Day on which it was pinned.
    #[serde(rename = "at")]
    pub date: Date,
    /// The reason; empty for none.
    #[serde(default)]
    pub why: String,
}

/// Record of the removal of a run's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Day on which they were removed.
    #[serde(rename = "at")]
    pub date: Date,
    /// The rule that removed them.
    pub why: String,
    /// Names of the removed files and folders, sorted.
    pub files: Vec<String>,
    /// Size of the removed files in bytes.
    pub bytes: u64,
}

/// Returns true for files that are kept when a run is removed: its summary, setup and journal, its
/// results for the history, and the records of mail, so that nothing is sent twice.
fn is_kept(name: &str) -> bool {
    [SUMMARY, PLAN, JOB, JOURNAL, RESULTS, PIN, TOMBSTONE].contains(&name)
        || name == "index.html"
        || is_mail(name)
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File {
        action,
        path,
        source,
    }
}

/// The pin of a run; `None` if it is not pinned. An unreadable pin still protects the run.
pub fn pin_of(run: &Path) -> Option<Pin> {
    let path = run.join(PIN);
    let unreadable = || Pin {
        date: Date::default(),
        why: String::new(),
    };
    path.exists()
        .then(|| read_json(path).unwrap_or_else(|_| unreadable()))
}

/// Pins a run; an existing pin is replaced.
pub fn pin(run: &Path, pin: &Pin) -> Result<(), Error> {
    let path = run.join(PIN);
    write_json(&path, pin).map_err(file_error("write", &path))
}

/// Unpins a run; returns false if it was not pinned.
pub fn unpin(run: &Path) -> Result<bool, Error> {
    let path = run.join(PIN);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error("remove", &path)(error)),
    }
}

/// The tombstone of a run; `None` if its files were not removed.
pub fn tombstone_of(run: &Path) -> Option<Tombstone> {
    read_json(run.join(TOMBSTONE)).ok()
}

/// Files and folders that a removal would remove, sorted, and their size in bytes.
pub fn removable_files(run: &Path) -> Result<(Vec<String>, u64), Error> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for entry in fs::read_dir(run).map_err(file_error("list", run))? {
        let entry = entry.map_err(file_error("list", run))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_kept(&name) {
            bytes += size_of(&entry.path());
            names.push(name);
        }
    }
    names.sort();
    Ok((names, bytes))
}

/// Size of a file, or of all files below a folder, in bytes.
fn size_of(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size_of(&entry.path())).sum()
        }
        Ok(data) => data.len(),
        Err(_) => 0,
    }
}

/// Removes the files of a run and leaves a tombstone; returns the size of the removed files in
/// bytes. The tombstone is written first, so that an interrupted removal is completed by the next
/// removal; on a full disk, it is written after the files are removed.
pub fn remove(run: &Path, date: Date, why: &str) -> Result<u64, Error> {
    let (files, bytes) = removable_files(run)?;
    let mut tombstone = Tombstone {
        date,
        why: why.to_string(),
        files: files.clone(),
        bytes,
    };
    let earlier = tombstone_of(run);
    // The history of figures and findings needs the results.
    let digest = match (&earlier, summary_key(run)) {
        (None, Ok(key)) => Digest::from_results(run, &key),
        _ => None,
    };
    if let Some(earlier) = earlier {
        tombstone.files.extend(earlier.files);
        tombstone.files.sort();
        tombstone.files.dedup();
        tombstone.bytes = tombstone.bytes.max(earlier.bytes);
    }
    let write = || {
        if let Some(digest) = &digest {
            digest.write(run)?;
        }
        let path = run.join(TOMBSTONE);
        write_json(&path, &tombstone).map_err(file_error("write", &path))
    };
    let written = write();
    if let Err(error) = &written
        && !error.is_full()
    {
        return written.map(|()| 0);
    }
    for name in files {
        let path: PathBuf = run.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(data) if data.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        removed.map_err(file_error("remove", &path))?;
    }
    if written.is_err() {
        write()?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_keeps_summary_setup_results_and_mail() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        for name in [
            "run.json",
            "plan.json",
            "job.toml",
            "journal.jsonl",
            "deliveries.jsonl",
            "index.html",
            "executive.pdf",
            "cells/a.json",
        ] {
            let path = run.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let day = jiff::civil::date(2026, 11, 16);
        assert_eq!(removable_files(run).unwrap().1, 10);
        assert_eq!(remove(run, day, "older than 90d").unwrap(), 10);
        let tombstone = tombstone_of(run).unwrap();
        assert_eq!(tombstone.files, ["cells", "executive.pdf"]);
        assert_eq!((tombstone.bytes, tombstone.date), (10, day));
        assert!(!run.join("cells").exists() && run.join("deliveries.jsonl").exists());
        // A second removal does not change the tombstone.
        assert_eq!(remove(run, day, "older than 90d").unwrap(), 0);
        assert_eq!(tombstone_of(run).unwrap(), tombstone);
    }

    #[test]
    fn pins_are_set_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        assert_eq!(pin_of(run), None);
        let mut expected = Pin {
            date: jiff::civil::date(2026, 11, 16),
            why: "audit".to_string(),
        };
        pin(run, &expected).unwrap();
        expected.why = "<b>".to_string();
        pin(run, &expected).unwrap();
        assert_eq!(pin_of(run), Some(expected));
        fs::write(run.join(PIN), "{").unwrap();
        assert!(pin_of(run).is_some(), "an unreadable pin still pins");
        assert!(unpin(run).unwrap());
        assert!(!unpin(run).unwrap());
    }
}
