//! Test doubles: a temporary folder, and object storage in memory that can lose responses.

use crate::shared_store::{ETag, Entry, SharedStore};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    io,
    ops::Deref,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

/// A temporary folder.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        self.0.path()
    }
}

/// Object storage in memory.
#[derive(Debug, Default)]
pub struct Bucket {
    objects: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    writes: AtomicI64,
    loses_response: AtomicBool,
}

impl Bucket {
    /// Loses the response to the next write: the write succeeds, and the client retries it.
    pub fn lose_next_response(&self) {
        self.loses_response.store(true, Ordering::SeqCst);
    }

    fn next_etag(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::SeqCst) as u64
    }
}

impl SharedStore for Bucket {
    fn address(&self) -> String {
        "memory://bucket".to_string()
    }

    fn get(&self, key: &str) -> io::Result<Option<(Vec<u8>, ETag)>> {
        let objects = self.objects.lock().unwrap();
        let found = objects.get(key);
        Ok(found.map(|(bytes, etag)| (bytes.clone(), etag.to_string())))
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<ETag> {
        let etag = self.next_etag();
        let mut objects = self.objects.lock().unwrap();
        objects.insert(key.to_string(), (bytes, etag));
        Ok(etag.to_string())
    }

    fn put_if(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ETag>,
    ) -> io::Result<Option<ETag>> {
        let etag = self.next_etag();
        let mut objects = self.objects.lock().unwrap();
        let current = objects.get(key).map(|(_, etag)| etag.to_string());
        if current.as_ref() != expected {
            return Ok(None);
        }
        objects.insert(key.to_string(), (bytes, etag));
        let lost = self.loses_response.swap(false, Ordering::SeqCst);
        Ok((!lost).then(|| etag.to_string()))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let objects = self.objects.lock().unwrap();
        let below = objects.iter().filter(|(key, _)| key.starts_with(folder));
        Ok(below
            .map(|(key, (_, etag))| Entry {
                key: key.clone(),
                etag: etag.to_string(),
                modified: Timestamp::now(),
            })
            .collect())
    }

    fn delete(&self, key: &str) -> io::Result<()> {
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }
}
