//! Reliable conditional puts and listings over a network that loses responses.
//!
//! The client retries a conditional put if the server reports that it did not process it, but not
//! if the connection breaks: the first attempt may have succeeded, which would make the second
//! fail. The object is therefore read back. If it has the bytes of this put, the put succeeded:
//! every writer writes unique contents (holder and time).
//!
//! The client does not retry an interrupted page of a listing either. A listing is therefore read
//! completely before any of it is returned, and retried if it is interrupted.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, path::Path,
};
use std::{fmt, ops::Range, sync::Arc, time::Duration};

/// Maximum number of attempts of an interrupted request.
const ATTEMPTS_MAX: u32 = 6;
/// Pause before the second attempt; it doubles for each further attempt.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A store with reliable conditional puts and listings.
#[derive(Debug)]
pub struct RetryingStore {
    inner: Arc<dyn ObjectStore>,
}

impl RetryingStore {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    /// Reads the object back; `None` if it is not what this put wrote.
    async fn read_back(&self, location: &Path, payload: &PutPayload) -> Result<Option<PutResult>> {
        let response = match self.inner.get(location).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            response => response?,
        };
        if response.meta.size != payload.content_length() as u64 {
            return Ok(None);
        }
        let meta = response.meta.clone();
        let stored = response.bytes().await?;
        let is_same = stored == Bytes::from(payload.clone());
        Ok(is_same.then_some(PutResult {
            e_tag: meta.e_tag,
            version: meta.version,
            extensions: Extensions::default(),
        }))
    }

    async fn put_conditionally(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let mut attempt = 0;
        loop {
            let request = self.inner.put_opts(location, payload.clone(), opts.clone());
            let error = match request.await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let is_final = match self.read_back(location, &payload).await {
                Ok(Some(result)) => return Ok(result),
                Ok(None) => is_permanent(&error),
                // The outcome is unknown until the next attempt.
                Err(_) => false,
            };
            attempt += 1;
            if is_final || attempt == ATTEMPTS_MAX {
                return Err(error);
            }
            back_off(attempt).await;
        }
    }
}

async fn back_off(attempt: u32) {
    tokio::time::sleep(BACK_OFF * 2_u32.pow(attempt - 1)).await;
}

/// Retries an idempotent request.
pub(super) async fn retry<T, F: Future<Output = Result<T>>>(request: impl Fn() -> F) -> Result<T> {
    for attempt in 1..ATTEMPTS_MAX {
        match request().await {
            Err(error) if !is_permanent(&error) => back_off(attempt).await,
            response => return response,
        }
    }
    request().await
}

/// Reads a listing completely before its first object is returned.
fn list_completely(
    list: impl Fn() -> BoxStream<'static, Result<ObjectMeta>> + Send + Sync + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::once(retry(move || list().try_collect::<Vec<_>>()))
        .map_ok(|objects| stream::iter(objects.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

/// Returns true if a retry would fail in the same way.
fn is_permanent(error: &Error) -> bool {
    !matches!(error, Error::Generic { .. })
}

impl fmt::Display for RetryingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for RetryingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        match opts.mode {
            PutMode::Overwrite => self.inner.put_opts(location, payload, opts).await,
            PutMode::Create | PutMode::Update(_) => {
                self.put_conditionally(location, payload, opts).await
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix) = (self.inner.clone(), prefix.cloned());
        list_completely(move || inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix, offset) = (self.inner.clone(), prefix.cloned(), offset.clone());
        list_completely(move || inner.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        retry(|| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A store that breaks the connection before a write, after it, or during a listing.
    #[derive(Debug)]
    struct FaultyStore {
        inner: InMemory,
        before: AtomicU32,
        after: AtomicU32,
        listings: AtomicU32,
    }

    impl fmt::Display for FaultyStore {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("faulty")
        }
    }

    fn take_fault(count: &AtomicU32) -> bool {
        let decrement = |remaining: u32| remaining.checked_sub(1);
        count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement)
            .is_ok()
    }

    fn connection_reset() -> Error {
        Error::Generic {
            store: "test",
            source: "connection reset".into(),
        }
    }

    #[async_trait]
    impl ObjectStore for FaultyStore {
        async fn put_opts(
            &self,
            location: &Path,
            payload: PutPayload,
            opts: PutOptions,
        ) -> Result<PutResult> {
            if take_fault(&self.before) {
                return Err(connection_reset());
            }
            let result = self.inner.put_opts(location, payload, opts).await?;
            if take_fault(&self.after) {
                return Err(connection_reset());
            }
            Ok(result)
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            opts: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.inner.put_multipart_opts(location, opts).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
            self.inner.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, Result<Path>>,
        ) -> BoxStream<'static, Result<Path>> {
            self.inner.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            let listed = self.inner.list(prefix);
            if take_fault(&self.listings) {
                let error = stream::once(async { Err(connection_reset()) });
                return listed.take(1).chain(error).boxed();
            }
            listed
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            if take_fault(&self.listings) {
                return Err(connection_reset());
            }
            self.inner.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }

    async fn create(store: &RetryingStore, text: &'static str) -> Result<PutResult> {
        store
            .put_opts(&Path::from("a"), text.into(), PutMode::Create.into())
            .await
    }

    fn faulty_store(before: u32, after: u32) -> RetryingStore {
        faulty_store_over(InMemory::new(), before, after, 0)
    }

    fn faulty_store_over(inner: InMemory, before: u32, after: u32, listings: u32) -> RetryingStore {
        RetryingStore::new(Arc::new(FaultyStore {
            inner,
            before: before.into(),
            after: after.into(),
            listings: listings.into(),
        }))
    }

    #[tokio::test]
    async fn a_put_whose_response_was_lost_succeeds() {
        for (before, after) in [(0, 1), (1, 0), (2, 1), (3, 0)] {
            let store = faulty_store(before, after);
            let created = create(&store, "ours").await.unwrap();
            let conflict = create(&store, "theirs").await.unwrap_err();
            assert!(
                matches!(conflict, Error::AlreadyExists { .. }),
                "{conflict}"
            );
            let mode = PutMode::Update(created.into());
            let path = Path::from("a");
            store
                .put_opts(&path, "next".into(), mode.clone().into())
                .await
                .unwrap();
            let late = store.put_opts(&path, "late".into(), mode.into()).await;
            assert!(matches!(late, Err(Error::Precondition { .. })));
        }
    }

    #[tokio::test]
    async fn a_put_of_another_writer_is_a_conflict() {
        let store = faulty_store(0, 0);
        create(&store, "theirs").await.unwrap();
        let error = create(&store, "our's!").await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    }

    #[tokio::test]
    async fn an_interrupted_listing_is_retried() {
        for faults in [0, 1, 2] {
            assert_eq!(listed_counts(faults).await.unwrap(), [3, 2, 3]);
        }
        assert!(listed_counts(100).await.is_err());
    }

    async fn listed_counts(faults: u32) -> Result<[usize; 3]> {
        let inner = InMemory::new();
        for name in ["d/a", "d/b", "d/c"] {
            inner.put(&Path::from(name), "x".into()).await?;
        }
        let store = || faulty_store_over(inner.fork(), 0, 0, faults);
        let (folder, first) = (Path::from("d"), Path::from("d/a"));
        let all = store().list(Some(&folder)).try_collect::<Vec<_>>().await?;
        let after = store().list_with_offset(Some(&folder), &first);
        let after = after.try_collect::<Vec<_>>().await?;
        let direct = store().list_with_delimiter(Some(&folder)).await?;
        Ok([all.len(), after.len(), direct.objects.len()])
    }

    #[tokio::test]
    async fn a_permanently_broken_connection_is_reported() {
        let error = create(&faulty_store(100, 0), "ours").await.unwrap_err();
        assert!(error.to_string().contains("connection reset"), "{error}");
    }
}
