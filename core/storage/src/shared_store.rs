//! Object storage behind a folder, shared by several machines: leases, cached outcomes, the
//! archive.
//!
//! Work is done in a folder of this machine; a [`SharedStore`] holds what the others must see. Two
//! properties make that safe: objects are written atomically, and puts may be conditional.

use jiff::Timestamp;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The version of an object's content; an `ETag`.
pub type ETag = String;

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name below the shared store.
    pub key: String,
    /// Its content.
    pub mark: ETag,
    /// Time of the last write, by the clock of the storage.
    pub modified: Timestamp,
}

/// Objects below an address. Every request is tried again by the storage's own client; an error is one
/// that did not pass.
pub trait SharedStore: fmt::Debug + Send + Sync {
    /// The address, for messages.
    fn address(&self) -> String;

    /// An object's content; `None` when there is no such object.
    fn get(&self, key: &str) -> io::Result<Option<(Vec<u8>, ETag)>>;

    /// Writes an object, replacing an existing one.
    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<ETag>;

    /// Conditional put: writes an object if its content is the expected one, or if it does not
    /// exist and `None` is expected. Returns `None` if another writer was faster.
    fn put_if(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ETag>,
    ) -> io::Result<Option<ETag>>;

    /// All objects below a folder, sorted by name.
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;

    /// Removes an object; a missing one is not an error.
    fn delete(&self, key: &str) -> io::Result<()>;
}

/// Leases and cached outcomes of a lake: in a folder, and in the shared store behind it if the lake is in
/// object storage.
#[derive(Debug, Clone)]
pub struct LakeFiles {
    folder: PathBuf,
    depot: Option<Arc<dyn SharedStore>>,
}

impl LakeFiles {
    /// Files of a lake that machines share; the folder is the local cache.
    pub fn shared(folder: impl Into<PathBuf>, depot: Arc<dyn SharedStore>) -> Self {
        Self {
            folder: folder.into(),
            depot: Some(depot),
        }
    }

    /// The folder on this machine.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The shared store behind the folder, if any.
    pub fn depot(&self) -> Option<&Arc<dyn SharedStore>> {
        self.depot.as_ref()
    }
}

impl From<PathBuf> for LakeFiles {
    fn from(folder: PathBuf) -> Self {
        let depot = None;
        Self { folder, depot }
    }
}

impl From<&Path> for LakeFiles {
    fn from(folder: &Path) -> Self {
        Self::from(folder.to_path_buf())
    }
}

impl From<&LakeFiles> for LakeFiles {
    fn from(files: &LakeFiles) -> Self {
        files.clone()
    }
}
