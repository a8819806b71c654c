//! Writes pages with changed contents, and removes pages whose subject no longer exists.

use crate::{Error, pages::Pages, write_atomically};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Numbers of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// Files that were written.
    pub written: u64,
    /// Pages that were removed, because their subject no longer exists.
    pub removed: u64,
}

/// Writes pages whose contents have changed.
pub(crate) struct Writer<'a> {
    root: &'a Path,
    pages: &'a Pages,
    known: BTreeMap<String, String>,
    written: BTreeMap<String, String>,
    count: &'a mut FileCount,
}

impl<'a> Writer<'a> {
    /// Creates a writer; `known` holds the keys with which pages were written before.
    pub(crate) fn new(
        root: &'a Path,
        pages: &'a Pages,
        known: BTreeMap<String, String>,
        count: &'a mut FileCount,
    ) -> Self {
        Self {
            root,
            pages,
            known,
            written: BTreeMap::new(),
            count,
        }
    }

    /// Writes a file whose content depends only on the data hashed in `key`.
    pub(crate) fn file(
        &mut self,
        path: String,
        key: &blake3::Hasher,
        content: impl FnOnce(&Pages) -> Result<String, Error>,
    ) -> Result<(), Error> {
        let mut hasher = key.clone();
        hasher.update(self.pages.version.as_bytes());
        let key = hasher.finalize().to_hex()[..24].to_string();
        let file = self.root.join(&path);
        if self.known.get(&path) != Some(&key) || !file.is_file() {
            let content = content(self.pages)?;
            if write_if_changed(&file, &content)? {
                self.count.written += 1;
            }
        }
        self.written.insert(path, key);
        Ok(())
    }

    /// Removes the pages that were not written again; returns the keys of the others by path.
    pub(crate) fn finish(self) -> BTreeMap<String, String> {
        for path in self.known.keys() {
            if !self.written.contains_key(path) {
                let path = self.root.join(path);
                if std::fs::remove_file(&path).is_ok() {
                    self.count.removed += 1;
                }
            }
        }
        self.written
    }
}

/// Writes a file only if it changed; returns true if it was written.
pub(crate) fn write_if_changed(path: &Path, text: &str) -> Result<bool, Error> {
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    write_atomically(path, text)?;
    Ok(true)
}
