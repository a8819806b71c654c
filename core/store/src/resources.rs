//! Resources shared by all work of a process: memory, and disk for spilled data.
//!
//! Work reserves its memory in advance and waits until it is available. This bounds the total for
//! any number of threads. The memory of a query, and thus the point at which it spills, does not
//! depend on concurrent work.

use crate::error::{SqlError, StoreError};
use datafusion::{
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: u64 = 1 << 20;

/// The limits of the resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory: u64,
    /// Disk space for spilled queries, in bytes.
    pub spill: u64,
    /// Folder for spilled queries.
    pub folder: PathBuf,
}

/// Memory and disk space shared by all work.
#[derive(Debug, Clone)]
pub struct ResourcePool {
    limits: Limits,
    /// One permit per free MiB.
    free: Arc<Semaphore>,
    /// Created by the first query; `None` for work that cannot spill.
    disk: Option<Arc<Mutex<Option<Disk>>>>,
}

/// Folder for spilled data: one per process, removed when the pool is dropped.
#[derive(Debug)]
struct Disk {
    manager: Arc<DiskManager>,
    folder: PathBuf,
}

impl Disk {
    fn new(limits: &Limits) -> Result<Self, StoreError> {
        remove_leftovers(&limits.folder);
        let folder = limits.folder.join(std::process::id().to_string());
        std::fs::create_dir_all(&folder)
            .map_err(|error| StoreError::io("creating the folder", &folder, &error))?;
        let manager = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.clone()]))
            .with_max_temp_directory_size(limits.spill)
            .build()
            .map_err(|error| query_error(&error))?;
        Ok(Self {
            manager: Arc::new(manager),
            folder,
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folders of dead processes, if processes can be looked up.
fn remove_leftovers(folder: &Path) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Reserved memory, released when dropped.
#[derive(Debug)]
pub struct Reservation {
    _permit: Option<OwnedSemaphorePermit>,
}

impl ResourcePool {
    /// Creates a pool with the given limits. Writes nothing before the first query.
    pub fn new(limits: Limits) -> Self {
        Self {
            free: Arc::new(Semaphore::new(mib(limits.memory) as usize)),
            disk: Some(Arc::default()),
            limits,
        }
    }

    /// Creates a pool of memory only, for work that cannot spill.
    pub(crate) fn without_disk(memory: u64) -> Self {
        Self {
            free: Arc::new(Semaphore::new(mib(memory) as usize)),
            disk: None,
            limits: Limits {
                memory,
                spill: 0,
                folder: PathBuf::new(),
            },
        }
    }

    /// Memory of one query before it spills, in bytes: half of the total, so that two can run
    /// concurrently.
    pub fn query_memory(&self) -> u64 {
        (self.limits.memory / 2).max(MIB)
    }

    /// Memory for reading a source, in bytes.
    pub fn source_memory(&self) -> u64 {
        (self.limits.memory / 4).max(MIB)
    }

    /// Reserves memory, in bytes, and waits until it is available. `requester` is named in the
    /// error for a request above the limit.
    pub async fn reserve(&self, requester: &str, bytes: u64) -> Result<Reservation, StoreError> {
        let (requested, limit) = (mib(bytes), mib(self.limits.memory));
        if requested > limit {
            return Err(StoreError::Memory {
                requester: requester.to_string(),
                requested: format!("{requested} MiB"),
                limit: format!("{limit} MiB"),
            });
        }
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free)
            .acquire_many_owned(requested as u32)
            .await;
        Ok(Reservation {
            _permit: permit.ok(),
        })
    }

    /// The runtime of a query: its own memory, and the shared disk.
    pub(crate) fn runtime(&self) -> Result<Arc<RuntimeEnv>, StoreError> {
        let pool = FairSpillPool::new(self.query_memory() as usize);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let mut runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .build()
            .map_err(|error| query_error(&error))?;
        if let Some(shared) = &self.disk {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let disk = match shared.take() {
                Some(disk) => disk,
                None => Disk::new(&self.limits)?,
            };
            runtime.disk_manager = Arc::clone(&shared.insert(disk).manager);
        }
        Ok(Arc::new(runtime))
    }
}

fn query_error(error: &DataFusionError) -> SqlError {
    SqlError::new(error.strip_backtrace())
}

/// Bytes as whole MiB, at least one.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB).clamp(1, u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    #[tokio::test]
    async fn concurrent_reservations_stay_within_the_limit() {
        let pool = ResourcePool::without_disk(10 * MIB);
        let (reserved, peak) = (AtomicU64::new(0), AtomicU64::new(0));
        let work = (1..=40_u64).map(|n| {
            let (pool, reserved, peak) = (&pool, &reserved, &peak);
            async move {
                let bytes = (n % 10 + 1) * MIB;
                let _reservation = pool.reserve("stage.a", bytes).await.unwrap();
                let total = reserved.fetch_add(bytes, Ordering::SeqCst) + bytes;
                peak.fetch_max(total, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                reserved.fetch_sub(bytes, Ordering::SeqCst);
            }
        });
        futures::future::join_all(work).await;
        let peak = peak.into_inner();
        assert!(peak <= 10 * MIB && peak > 5 * MIB, "{peak}");
    }

    #[test]
    fn spill_folders_are_removed_with_their_processes() {
        let folder = tempfile::tempdir().unwrap();
        // No process has this id: the kernel's maximum is 2^22.
        let dead = folder.path().join("4999999");
        let alive = folder.path().join("1");
        std::fs::create_dir_all(dead.join("x")).unwrap();
        std::fs::create_dir_all(&alive).unwrap();
        let pool = ResourcePool::new(Limits {
            memory: 10 * MIB,
            spill: MIB,
            folder: folder.path().to_path_buf(),
        });
        assert!(dead.exists(), "no cleanup before the first query");
        let own = folder.path().join(std::process::id().to_string());
        let (_one, _two) = (pool.runtime().unwrap(), pool.clone().runtime().unwrap());
        assert!(own.is_dir() && alive.is_dir() && !dead.exists());
        drop(pool);
        assert!(!own.exists());
    }

    #[tokio::test]
    async fn requests_above_the_limit_are_rejected() {
        let pool = ResourcePool::without_disk(10 * MIB);
        let message = pool
            .reserve("stage.a", 11 * MIB)
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "stage.a needs about 11 MiB of memory, but the limit is 10 MiB; raise --memory, or \
             select fewer rows and columns in an SQL stage"
        );
        pool.reserve("stage.a", 10 * MIB).await.unwrap();
    }
}
