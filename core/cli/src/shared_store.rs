//! Implements the engine's `SharedStore` with a bucket.

use retrocast_engine::shared_store::{ETag, Entry, SharedStore};
use retrocast_records::storage::Bucket;
use std::io;

/// A path in object storage, shared by machines.
#[derive(Debug)]
pub struct Shared(pub Bucket);

impl SharedStore for Shared {
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    fn get(&self, key: &str) -> io::Result<Option<(Vec<u8>, ETag)>> {
        self.0.get(key)
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<ETag> {
        self.0.put(key, bytes)
    }

    fn put_if(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ETag>,
    ) -> io::Result<Option<ETag>> {
        self.0.put_if(key, bytes, expected)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let objects = self.0.list(folder)?.into_iter();
        Ok(objects
            .map(|object| Entry {
                key: object.name,
                mark: object.mark,
                modified: object.modified,
            })
            .collect())
    }

    fn delete(&self, key: &str) -> io::Result<()> {
        self.0.delete(key)
    }
}
