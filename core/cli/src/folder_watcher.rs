//! Notifications about changed files, where the system supports them. Elsewhere, regular listings
//! find the changes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Notify;

/// Watches folders and their subfolders for changes.
pub struct FolderWatcher {
    changed: Arc<Notify>,
    #[cfg(target_os = "linux")]
    watches: Option<inotify::Watches>,
    watched: BTreeSet<PathBuf>,
}

impl FolderWatcher {
    /// Creates a watcher without folders.
    pub fn new() -> Self {
        let changed = Arc::new(Notify::new());
        Self {
            #[cfg(target_os = "linux")]
            watches: linux::listen(&changed),
            changed,
            watched: BTreeSet::new(),
        }
    }

    /// Completes when something has changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Watches a folder and its current subfolders. Call it again when folders were added.
    pub fn watch(&mut self, folder: &Path) {
        if self.watched.len() >= FOLDERS_MAX {
            return;
        }
        if !self.watched.contains(folder) {
            #[cfg(target_os = "linux")]
            linux::add(self.watches.as_mut(), folder);
            self.watched.insert(folder.to_path_buf());
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Symbolic links are not followed: they may form cycles.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.watch(&entry.path());
            }
        }
    }
}

/// Maximum number of watched folders; changes in others are found by listing.
const FOLDERS_MAX: usize = 4096;

#[cfg(target_os = "linux")]
mod linux {
    use inotify::{Inotify, WatchMask, Watches};
    use std::{path::Path, sync::Arc};
    use tokio::sync::Notify;

    /// Starts watching on a separate thread, which ends with the process.
    pub fn listen(changed: &Arc<Notify>) -> Option<Watches> {
        let mut inotify = Inotify::init().ok()?;
        let watches = inotify.watches();
        let changed = changed.clone();
        let listener = std::thread::Builder::new().name("events".to_string());
        let listening = listener.spawn(move || {
            let mut buffer = [0; 4096];
            while inotify.read_events_blocking(&mut buffer).is_ok() {
                changed.notify_one();
            }
        });
        listening.is_ok().then_some(watches)
    }

    pub fn add(watches: Option<&mut Watches>, folder: &Path) {
        let changes = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::MODIFY
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::ONLYDIR;
        if let Some(Err(error)) = watches.map(|watches| watches.add(folder, changes)) {
            tracing::info!(
                "cannot watch {}, so it is listed regularly: {error}",
                folder.display()
            );
        }
    }
}
