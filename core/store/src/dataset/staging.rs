//! Temporary lakes for rows that must not be visible yet, in folders inside a job's lake that are
//! removed after use.
//!
//! Sources of one run and runs of other processes stage concurrently, so every staging has its own
//! folder `.staging/<source>-<process>-<number>`. Its owner holds a lock on the file `owner` in it.
//! A lock ends with its process, so a folder with a free lock is a leftover, which the next process
//! that stages removes.

use super::Lake;
use crate::error::StoreError;
use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Folder of all stagings of a job.
const PARENT: &str = ".staging";
/// File whose lock marks the folder as in use.
const OWNER: &str = "owner";
/// Maximum number of attempts to create a folder, which other processes may remove before it is
/// locked.
const ATTEMPTS_MAX: u32 = 100;

/// A lake that is removed when dropped.
pub(crate) struct Staging {
    lake: Lake,
    folder: PathBuf,
    /// Holds the lock.
    _owner: File,
}

impl Deref for Staging {
    type Target = Lake;
    fn deref(&self) -> &Lake {
        &self.lake
    }
}

impl Staging {
    /// Creates a staging for a source in a job's lake, after removing leftovers of dead processes.
    pub fn new(lake: &Path, name: &str) -> Result<Self, StoreError> {
        let parent = lake.join(PARENT);
        remove_leftovers(&parent);
        let failed = |error: io::Error| StoreError::Io {
            action: "creating the folder",
            file: parent.display().to_string(),
            reason: error.to_string(),
        };
        for _ in 0..ATTEMPTS_MAX {
            match claim(&parent, name) {
                Ok(Some((folder, owner))) => {
                    return Ok(Self {
                        lake: Lake::in_folder(folder.clone()),
                        folder,
                        _owner: owner,
                    });
                }
                Ok(None) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other(
            "other processes keep removing its contents",
        )))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(parent) = self.folder.parent() {
            // This removes only an empty folder, so it fails while another process is staging.
            let _ = std::fs::remove_dir(parent);
        }
    }
}

/// Creates and locks a new folder; `None` if the caller must retry.
fn claim(parent: &Path, name: &str) -> io::Result<Option<(PathBuf, File)>> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("{name}-{}-{number}", std::process::id()));
    std::fs::create_dir_all(parent)?;
    let retry_if_removed = |error: io::Error| match error.kind() {
        // The parent or the folder was removed by a process that found it empty; or another process
        // with the same id (in another container) created the folder.
        ErrorKind::NotFound | ErrorKind::AlreadyExists => Ok(None),
        _ => Err(error),
    };
    if let Err(error) = std::fs::create_dir(&folder) {
        return retry_if_removed(error);
    }
    let owner = match File::create(folder.join(OWNER)) {
        Ok(owner) => owner,
        Err(error) => return retry_if_removed(error),
    };
    match owner.lock() {
        // A process that removes the folder holds the lock until it is removed.
        Ok(()) if is_same_file(&owner, &folder.join(OWNER)) => Ok(Some((folder, owner))),
        Ok(()) => Ok(None),
        // Without locks, leftovers cannot be recognised, so nothing is removed.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Some((folder, owner))),
        Err(error) => Err(error),
    }
}

/// Returns true if the open file is the file at the path.
fn is_same_file(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(at_path)) => identity(open) == identity(at_path),
        _ => false,
    }
}

/// Removes leftovers of dead processes.
fn remove_leftovers(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let folder = entry.path();
        // If the file is missing, its owner died, or is about to create it and will retry.
        let Ok(owner) = File::create(folder.join(OWNER)) else {
            continue;
        };
        match owner.try_lock() {
            Ok(()) => {
                let _ = std::fs::remove_dir_all(&folder);
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(lake: &Path) -> usize {
        std::fs::read_dir(lake.join(PARENT)).map_or(0, Iterator::count)
    }

    #[test]
    fn stagings_of_one_source_do_not_touch_each_other() {
        let lake = tempfile::tempdir().unwrap();
        let first = Staging::new(lake.path(), "tickets").unwrap();
        std::fs::write(first.folder.join("rows"), "1").unwrap();
        let second = Staging::new(lake.path(), "tickets").unwrap();
        assert_ne!(first.folder, second.folder);
        drop(second);
        assert_eq!(std::fs::read(first.folder.join("rows")).unwrap(), b"1");
        drop(first);
        assert!(!lake.path().join(PARENT).exists());
    }

    #[test]
    fn only_folders_of_dead_processes_are_removed() {
        let lake = tempfile::tempdir().unwrap();
        let leftover = lake.path().join(PARENT).join("tickets-1-0");
        std::fs::create_dir_all(leftover.join("tickets.lance/data")).unwrap();
        std::fs::write(leftover.join(OWNER), "").unwrap();
        let without_owner = lake.path().join(PARENT).join("tickets");
        std::fs::create_dir_all(&without_owner).unwrap();
        let first = Staging::new(lake.path(), "metrics").unwrap();
        assert_eq!(folders(lake.path()), 1);
        let second = Staging::new(lake.path(), "metrics").unwrap();
        assert_eq!(folders(lake.path()), 2);
        drop((first, second));
        assert_eq!(folders(lake.path()), 0);
    }

    #[test]
    fn concurrent_stagings_keep_their_folders() {
        let lake = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let staging = Staging::new(lake.path(), "tickets").unwrap();
                        let file = staging.folder.join("rows");
                        std::fs::write(&file, "1").unwrap();
                        std::thread::yield_now();
                        assert!(file.exists());
                    }
                });
            }
        });
        assert!(!lake.path().join(PARENT).exists());
    }
}
