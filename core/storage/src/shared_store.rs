//! The interface to object storage shared by several machines, for leases, cached outcomes and the
//! archive.
//!
//! Each machine works in a local folder; a [`SharedStore`] holds the files that the others must
//! see. This is safe because writes are atomic, and puts can be conditional.

use jiff::Timestamp;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The `ETag` of an object, which identifies its content.
pub type ETag = String;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name, relative to the store.
    pub key: String,
    /// `ETag` of its content.
    pub etag: ETag,
    /// Time of the last write, by the clock of the storage.
    pub modified: Timestamp,
}

/// Objects below an address. The client of the storage retries requests; an error is final.
pub trait SharedStore: fmt::Debug + Send + Sync {
    /// The address for messages.
    fn address(&self) -> String;

    /// Reads an object; `None` if it does not exist.
    fn get(&self, key: &str) -> io::Result<Option<(Vec<u8>, ETag)>>;

    /// Writes an object, replacing an existing object.
    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<ETag>;

    /// Conditional put: writes an object if its content is the expected one, or if it does not
    /// exist and `None` is expected. Returns `None` if another writer was faster.
    fn put_if(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ETag>,
    ) -> io::Result<Option<ETag>>;

    /// Lists all objects below a folder, sorted by name.
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;

    /// Deletes an object; a missing object is not an error.
    fn delete(&self, key: &str) -> io::Result<()>;
}

/// Leases and cached outcomes of a lake: in a folder, and in the shared store if the lake is in
/// object storage.
#[derive(Debug, Clone)]
pub struct LakeFiles {
    folder: PathBuf,
    shared_store: Option<Arc<dyn SharedStore>>,
}

impl LakeFiles {
    /// The files of a lake in object storage, with a local cache folder.
    pub fn shared(folder: impl Into<PathBuf>, shared_store: Arc<dyn SharedStore>) -> Self {
        Self {
            folder: folder.into(),
            shared_store: Some(shared_store),
        }
    }

    /// The local folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The shared store, if there is one.
    pub fn shared_store(&self) -> Option<&Arc<dyn SharedStore>> {
        self.shared_store.as_ref()
    }
}

impl From<PathBuf> for LakeFiles {
    fn from(folder: PathBuf) -> Self {
        let shared_store = None;
        Self {
            folder,
            shared_store,
        }
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
