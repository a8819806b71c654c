//! Random access to files, for formats with an index at their end.

use super::{Listing, SourceFile, SourceStore};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use retrocast_storage::{self as storage, cause};
use std::ops::Range;

/// Random access to the bytes of a file.
pub trait RandomAccess {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Reads a range of bytes. Blocks.
    fn read(&self, range: Range<u64>) -> Result<Bytes, String>;
}

impl RandomAccess for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, String> {
        let end = range.end.min(self.size()) as usize;
        let start = range.start.min(end as u64) as usize;
        Ok(self.slice(start..end))
    }
}

/// A file in folders or object storage.
struct StoredFile<'a> {
    listing: &'a Listing,
    file: &'a SourceFile,
    runtime: &'a tokio::runtime::Handle,
}

impl RandomAccess for StoredFile<'_> {
    fn size(&self) -> u64 {
        self.file.size
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, String> {
        let SourceStore::Objects(store) = &self.listing.store else {
            return Err(
                "records that are generated while they are read have no random access".to_string(),
            );
        };
        let read = store.get_range(&self.file.location, range);
        let runtime = match &self.listing.folder {
            Some(_) => self.runtime,
            None => storage::runtime(),
        };
        runtime.block_on(read).map_err(|error| cause(&error))
    }
}

impl Listing {
    /// Opens a file for random access in a blocking thread.
    pub(crate) fn ranges<'a>(
        &'a self,
        file: &'a SourceFile,
        runtime: &'a tokio::runtime::Handle,
    ) -> impl RandomAccess + 'a {
        StoredFile {
            listing: self,
            file,
            runtime,
        }
    }
}
