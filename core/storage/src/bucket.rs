//! Whole objects below an address, with conditional puts, for blocking callers.

use crate::{
    Address, cause, open,
    retrying::retry,
    runtime,
    shared_store::{ETag, Entry, SharedStore},
};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion,
    memory::InMemory, path::Path as Key,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

/// Objects below an address.
#[derive(Debug)]
pub struct Bucket {
    address: Address,
    store: Arc<dyn ObjectStore>,
    /// Version ids that some storages require in addition to the `ETag`, by name.
    versions: Mutex<BTreeMap<String, (ETag, String)>>,
}

impl Bucket {
    /// Opens an address without sending a request. The error states the reason.
    pub fn open(address: Address) -> Result<Self, String> {
        Ok(Self {
            store: open(&address)?,
            address,
            versions: Mutex::default(),
        })
    }

    /// Creates a bucket in memory, for tests.
    pub fn in_memory(address: Address) -> Self {
        Self {
            address,
            store: Arc::new(InMemory::new()),
            versions: Mutex::default(),
        }
    }

    fn key(&self, name: &str) -> Key {
        Key::from(self.address.join(name).key)
    }

    /// Runs a request on the threads of the storage runtime, and waits for it.
    fn wait<T: Send + 'static, F>(
        &self,
        request: impl FnOnce(Arc<dyn ObjectStore>) -> F,
    ) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let request = request(self.store.clone());
        runtime().spawn(async move {
            let _ = sender.send(request.await);
        });
        receiver.recv().unwrap_or_else(|_| {
            Err(Error::Generic {
                store: "storage",
                source: "the request was aborted".into(),
            })
        })
    }

    /// Like `wait`, for idempotent requests, which are retried after an interrupted response.
    fn retry<T: Send + 'static, F>(
        &self,
        request: impl Fn(Arc<dyn ObjectStore>) -> F + Send + Sync + 'static,
    ) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        self.wait(|store| retry(move || request(store.clone())))
    }

    fn io_error(&self, action: &str, name: &str, error: &Error) -> io::Error {
        let kind = match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                io::ErrorKind::PermissionDenied
            }
            _ => io::ErrorKind::Other,
        };
        let address = self.address.join(name);
        io::Error::new(kind, format!("{action} {address}: {}", cause(error)))
    }

    /// The `ETag` of an object that was written or read; its version id is stored.
    fn etag(&self, name: &str, etag: Option<String>, version: Option<String>) -> ETag {
        let etag = etag.unwrap_or_default();
        if let Some(version) = version {
            let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.insert(name.to_string(), (etag.clone(), version));
        }
        etag
    }

    fn put_etag(&self, name: &str, result: PutResult) -> ETag {
        self.etag(name, result.e_tag, result.version)
    }

    fn mode(&self, name: &str, expected: Option<&ETag>) -> PutMode {
        let Some(expected) = expected else {
            return PutMode::Create;
        };
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let version = versions.get(name).filter(|(etag, _)| etag == expected);
        PutMode::Update(UpdateVersion {
            e_tag: Some(expected.clone()),
            version: version.map(|(_, version)| version.clone()),
        })
    }
}

impl SharedStore for Bucket {
    fn address(&self) -> String {
        self.address.to_string()
    }

    fn get(&self, name: &str) -> io::Result<Option<(Vec<u8>, ETag)>> {
        let key = self.key(name);
        let result = self.retry(move |store| {
            let key = key.clone();
            async move {
                let response = store.get(&key).await?;
                let meta = response.meta.clone();
                Ok((response.bytes().await?, meta))
            }
        });
        match result {
            Ok((bytes, meta)) => {
                let etag = self.etag(name, meta.e_tag, meta.version);
                Ok(Some((bytes.to_vec(), etag)))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.io_error("reading", name, &error)),
        }
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> io::Result<ETag> {
        let key = self.key(name);
        let result = self.retry(move |store| {
            let (key, bytes) = (key.clone(), bytes.clone());
            async move { store.put(&key, bytes.into()).await }
        });
        result
            .map(|result| self.put_etag(name, result))
            .map_err(|error| self.io_error("writing", name, &error))
    }

    fn put_if(
        &self,
        name: &str,
        bytes: Vec<u8>,
        expected: Option<&ETag>,
    ) -> io::Result<Option<ETag>> {
        let (key, mode) = (self.key(name), self.mode(name, expected));
        let result =
            self.wait(|store| async move { store.put_opts(&key, bytes.into(), mode.into()).await });
        match result {
            Ok(result) => Ok(Some(self.put_etag(name, result))),
            Err(
                Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. },
            ) => Ok(None),
            Err(error) => Err(self.io_error("writing", name, &error)),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let root = Key::from(self.address.key.as_str());
        let prefix = if folder.is_empty() {
            root.clone()
        } else {
            self.key(folder.trim_end_matches('/'))
        };
        let objects = self.wait(|store| async move {
            let objects = store.list(Some(&prefix));
            objects.try_collect::<Vec<ObjectMeta>>().await
        });
        let objects = objects.map_err(|error| self.io_error("listing", folder, &error))?;
        let entry = |object: ObjectMeta| {
            let parts = object.location.prefix_match(&root)?;
            let names: Vec<String> = parts.map(|part| part.as_ref().to_string()).collect();
            Some(Entry {
                key: names.join("/"),
                etag: object.e_tag.unwrap_or_default(),
                modified: Timestamp::from_microsecond(object.last_modified.timestamp_micros())
                    .unwrap_or(Timestamp::UNIX_EPOCH),
            })
        };
        let mut entries: Vec<Entry> = objects.into_iter().filter_map(entry).collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let key = self.key(name);
        let deleted = self.retry(move |store| {
            let key = key.clone();
            async move { store.delete(&key).await }
        });
        match deleted {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.io_error("removing", name, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        Bucket::in_memory(Address::parse("s3://records/lake/").unwrap())
    }

    #[test]
    fn names_are_relative_to_the_address_and_missing_objects_are_none() {
        let bucket = bucket();
        assert_eq!(bucket.get("leases/a/b.lease").unwrap(), None);
        let etag = bucket.put("leases/a/b.lease", b"1".to_vec()).unwrap();
        bucket.put("other/x", b"2".to_vec()).unwrap();
        let listed = bucket.list("leases").unwrap();
        let names: Vec<_> = listed.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(names, ["leases/a/b.lease"]);
        assert_eq!(listed[0].etag, etag);
        assert_eq!(bucket.list("").unwrap().len(), 2);
        bucket.delete("other/x").unwrap();
        bucket.delete("other/x").unwrap();
        assert_eq!(bucket.list("").unwrap().len(), 1);
    }

    #[test]
    fn conditional_puts_do_not_overwrite_newer_content() {
        let bucket = bucket();
        let first = bucket.put_if("a", b"1".to_vec(), None).unwrap().unwrap();
        assert_eq!(bucket.put_if("a", b"2".to_vec(), None).unwrap(), None);
        let second = bucket.put_if("a", b"3".to_vec(), Some(&first)).unwrap();
        assert!(second.is_some());
        assert_eq!(
            bucket.put_if("a", b"4".to_vec(), Some(&first)).unwrap(),
            None
        );
        assert_eq!(bucket.get("a").unwrap().unwrap().0, b"3");
    }
}
