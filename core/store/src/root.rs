//! Locations of lakes: below a folder, or below an address in object storage.
//!
//! Lance uses the same clients of object storage as all other code, so credentials, endpoints,
//! timeouts and connections are the same for records and for datasets.

use crate::error::StoreError;
use futures::TryStreamExt as _;
use lance::session::Session;
use lance_io::object_store::{
    DEFAULT_CLOUD_IO_PARALLELISM, DEFAULT_DOWNLOAD_RETRY_COUNT, ObjectStore as LanceStore,
    ObjectStoreParams, ObjectStoreProvider, ObjectStoreRegistry,
};
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, WriteMultipart, local::LocalFileSystem,
    path::Path as Key,
};
use retrocast_storage::{self as storage, Address};
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

/// Sizes of Lance's metadata and index caches, in bytes; its own defaults of several GiB are for
/// servers.
const METADATA_CACHE_BYTES: usize = 128 << 20;
const INDEX_CACHE_BYTES: usize = 16 << 20;
/// Folder of a dataset's manifests.
const VERSIONS: &str = "_versions";
/// Size of a part of a large object, in bytes, and the number of parts uploaded concurrently.
const PART_BYTES: usize = 8 << 20;
const CONCURRENT_PARTS: usize = 4;

/// Location of the lakes of all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeRoot {
    /// In a local folder.
    Folder(PathBuf),
    /// In object storage.
    Bucket {
        /// Bucket, with the path below which the lakes are.
        address: Address,
        /// A local folder for data that is not visible yet.
        scratch: PathBuf,
    },
}

impl From<&Path> for LakeRoot {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_path_buf())
    }
}

impl From<&PathBuf> for LakeRoot {
    fn from(folder: &PathBuf) -> Self {
        Self::Folder(folder.clone())
    }
}

impl From<&LakeRoot> for LakeRoot {
    fn from(root: &LakeRoot) -> Self {
        root.clone()
    }
}

impl fmt::Display for LakeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket { address, .. } => write!(f, "{address}"),
        }
    }
}

impl LakeRoot {
    /// Location of a job's datasets.
    pub(crate) fn join(&self, job: &str) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Folder(folder) => Self::Folder(absolute(&folder.join(job))?),
            Self::Bucket { address, scratch } => Self::Bucket {
                address: address.join(job),
                scratch: absolute(&scratch.join(job))?,
            },
        })
    }

    /// Address of a dataset for Lance.
    pub(crate) fn uri(&self, name: &str) -> String {
        let name = format!("{name}.lance");
        match self {
            Self::Folder(folder) => folder.join(name).to_string_lossy().into_owned(),
            Self::Bucket { address, .. } => address.join(&name).to_string(),
        }
    }

    /// The local folder for data that is not visible yet.
    pub(crate) fn scratch(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Bucket { scratch, .. } => scratch,
        }
    }

    /// Creates the folder. Does nothing in object storage.
    pub(crate) fn create_folder(&self) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::io("creating the folder", folder, &error)),
            Self::Bucket { .. } => Ok(()),
        }
    }

    /// Returns true if a dataset is known not to exist. In object storage, this is never known
    /// without a request.
    pub(crate) fn is_known_missing(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => !folder.join(format!("{name}.lance")).is_dir(),
            Self::Bucket { .. } => false,
        }
    }

    /// Names of all datasets.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, StoreError> {
        let folders: Vec<String> = match self {
            Self::Folder(folder) => {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                entries
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .collect()
            }
            Self::Bucket { address, .. } => {
                let store = open(address)?;
                let key = key(address);
                let listed = store.list_with_delimiter(Some(&key)).await;
                let listed = listed.map_err(|error| storage_error("listing", address, &error))?;
                let prefixes = listed.common_prefixes.iter();
                prefixes
                    .filter_map(|prefix| prefix.filename().map(str::to_string))
                    .collect()
            }
        };
        let names = folders
            .iter()
            .filter_map(|name| name.strip_suffix(".lance"));
        Ok(names.map(str::to_string).collect())
    }

    /// Uploads the files of a dataset's folder to object storage, the manifest last, by a
    /// conditional put, because it makes the dataset visible.
    pub(crate) async fn upload(&self, name: &str, folder: &Path) -> Result<(), StoreError> {
        let Self::Bucket { address, .. } = self else {
            return Ok(());
        };
        let address = address.join(&format!("{name}.lance"));
        let failed = |error: object_store::Error| storage_error("writing", &address, &error);
        let (target, prefix) = (open(&address)?, key(&address));
        let local = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
        let mut files: Vec<Key> = local
            .list(None)
            .map_ok(|file| file.location)
            .try_collect()
            .await
            .map_err(failed)?;
        files.sort_by_key(|file| file.prefix_matches(&Key::from(VERSIONS)));
        for file in files {
            let mode = if file.prefix_matches(&Key::from(VERSIONS)) {
                PutMode::Create
            } else {
                PutMode::Overwrite
            };
            let to = prefix.parts().chain(file.parts()).collect();
            upload_file(&local, &file, target.as_ref(), &to, mode)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Size of all versions of a dataset, in bytes.
    pub(crate) async fn bytes(&self, name: &str) -> Result<u64, StoreError> {
        match self {
            Self::Folder(folder) => Ok(bytes_below(&folder.join(format!("{name}.lance")))),
            Self::Bucket { address, .. } => {
                let address = address.join(&format!("{name}.lance"));
                let store = open(&address)?;
                let key = key(&address);
                let sizes = store.list(Some(&key)).map_ok(|object| object.size);
                sizes
                    .try_fold(0, |sum, size| async move { Ok(sum + size) })
                    .await
                    .map_err(|error| storage_error("listing", &address, &error))
            }
        }
    }
}

/// Uploads a file as an object; a large file is uploaded in parts.
async fn upload_file(
    local: &LocalFileSystem,
    file: &Key,
    target: &dyn ObjectStore,
    to: &Key,
    mode: PutMode,
) -> object_store::Result<()> {
    let opened = local.get(file).await?;
    if opened.meta.size <= PART_BYTES as u64 || mode == PutMode::Create {
        let bytes = opened.bytes().await?;
        return target
            .put_opts(to, bytes.into(), mode.into())
            .await
            .map(|_| ());
    }
    let upload = target.put_multipart(to).await?;
    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    let mut chunks = opened.into_stream();
    while let Some(bytes) = chunks.try_next().await? {
        if let Err(error) = parts.wait_for_capacity(CONCURRENT_PARTS).await {
            // Otherwise the server would keep the parts.
            parts.abort().await?;
            return Err(error);
        }
        parts.put(bytes);
    }
    parts.finish().await.map(|_| ())
}

fn open(address: &Address) -> Result<Arc<dyn ObjectStore>, StoreError> {
    storage::open(address).map_err(|reason| StoreError::Storage {
        action: "opening",
        address: address.to_string(),
        reason,
    })
}

fn storage_error(
    action: &'static str,
    address: &Address,
    error: &object_store::Error,
) -> StoreError {
    StoreError::Storage {
        action,
        address: address.to_string(),
        reason: storage::cause(error),
    }
}

fn key(address: &Address) -> Key {
    Key::from(address.key.as_str())
}

/// Size of all files below a folder, in bytes.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_below(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| StoreError::Io {
        action: "finding the folder",
        file: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// A session of Lance with access to object storage.
pub(crate) fn session() -> Arc<Session> {
    let registry = ObjectStoreRegistry::default();
    for scheme in storage::SCHEMES {
        registry.insert(scheme, Arc::new(BucketProvider));
    }
    Arc::new(Session::new(
        INDEX_CACHE_BYTES,
        METADATA_CACHE_BYTES,
        Arc::new(registry),
    ))
}

/// Provides Lance with the clients of this program.
#[derive(Debug)]
struct BucketProvider;

#[async_trait::async_trait]
impl ObjectStoreProvider for BucketProvider {
    async fn new_store(
        &self,
        base_path: Url,
        params: &ObjectStoreParams,
    ) -> lance::Result<LanceStore> {
        let invalid = |reason: String| lance::Error::invalid_input(format!("{base_path} {reason}"));
        let address = Address::parse(base_path.as_str())
            .ok_or_else(|| invalid("is not an address in object storage".to_string()))?;
        let store = storage::open(&address).map_err(invalid)?;
        let ordered = true;
        let constant_parts = false;
        Ok(LanceStore::new(
            store,
            base_path,
            params.block_size,
            None,
            constant_parts,
            ordered,
            DEFAULT_CLOUD_IO_PARALLELISM,
            DEFAULT_DOWNLOAD_RETRY_COUNT,
            params.storage_options(),
        ))
    }
}
