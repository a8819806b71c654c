//! Leases: one per window of a job, and one per dataset while it is written.
//!
//! A lease is a file that the kernel locks for the process that holds it. The lock ends with the
//! process, so a stale lease needs no manual removal. The file names the holder, for messages, and
//! contains a fencing token that counts the holders: before every commit the holder checks that the
//! token is still its own, so that a holder that lost its lock (on a network file system, or in a
//! lake that was deleted and created again) commits nothing. A lake in object storage has the same
//! leases as objects, for other machines (`remote`).
//!
//! ```text
//! lake/leases/<job>/<window>.lease         one run at a time
//! lake/leases/<job>/schedule.lease         one check of the schedule at a time
//! lake/leases/<job>/nodes/<node>.lease     one writer of a node's dataset at a time
//! ```

mod remote;

pub use remote::active_runs;

use crate::shared_store::{LakeFiles, SharedStore};
use jiff::Timestamp;
use remote::RemoteLease;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The holder of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Id of the run; empty while the holder has none.
    pub run: String,
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// Time at which the lease was granted.
    pub since: Timestamp,
    /// Fencing token: the number of holders so far.
    pub token: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.run.is_empty() {
            write!(f, "run {}, ", self.run)?;
        }
        let (pid, host) = (self.pid, &self.host);
        write!(f, "process {pid} on {host}, since {:.0}", self.since)
    }
}

/// The location of a lease.
#[derive(Debug, Clone)]
pub struct LeasePath {
    path: PathBuf,
    remote: Option<(Arc<dyn SharedStore>, String)>,
}

impl LeasePath {
    /// Builds the path of a lease; `names` are its components below the lake's lease folder.
    fn new(lake: &LakeFiles, names: &[&str]) -> Self {
        let key = format!("leases/{}.lease", names.join("/"));
        Self {
            path: lake.folder().join(&key),
            remote: lake.shared_store().map(|store| (store.clone(), key)),
        }
    }

    /// The lock file on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for LeasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remote {
            Some((store, key)) => write!(f, "{}/{key}", store.address()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// The result of requesting a lease.
#[derive(Debug)]
pub enum LeaseResponse {
    /// Held by this process until it is dropped.
    Granted(Lease),
    /// Held by another process, with the holder unless it has not written its name yet.
    Held(Option<Holder>),
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease {
    file: File,
    path: PathBuf,
    holder: Holder,
    /// The lease among machines, if the lake is in object storage.
    remote: Option<RemoteLease>,
}

impl Lease {
    /// The lease on a job's window.
    pub fn of_window(lake: &LakeFiles, job: &str, window: &str) -> LeasePath {
        LeasePath::new(lake, &[job, window])
    }

    /// The lease on a job's schedule; no window has this name.
    pub fn of_schedule(lake: &LakeFiles, job: &str) -> LeasePath {
        Self::of_window(lake, job, "schedule")
    }

    /// The lease on the output of a node.
    pub fn of_node(lake: &LakeFiles, job: &str, node: &str) -> LeasePath {
        LeasePath::new(lake, &[job, "nodes", node])
    }

    /// Requests a lease, without waiting: first among the processes of this machine, then among
    /// machines.
    pub fn request(lease_path: &LeasePath, run: &str, now: Timestamp) -> io::Result<LeaseResponse> {
        let path = lease_path.path();
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(LeaseResponse::Held(read_holder(path))),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let token = read(&mut file).map_or(0, |holder| holder.token) + 1;
        let mut holder = Holder {
            run: run.to_string(),
            pid: std::process::id(),
            host: host_name(),
            since: now,
            token,
        };
        let remote = match &lease_path.remote {
            None => None,
            Some((store, key)) => match remote::request(store, key, holder.clone())? {
                remote::RemoteResponse::Held(holder) => return Ok(LeaseResponse::Held(holder)),
                remote::RemoteResponse::Granted(lease) => Some(lease),
            },
        };
        if let Some(remote) = &remote {
            holder.token = remote.token();
        }
        let mut lease = Self {
            file,
            path: path.to_path_buf(),
            holder,
            remote,
        };
        lease.write()?;
        Ok(LeaseResponse::Granted(lease))
    }

    /// Writes the id of the run to the lease.
    pub fn set_run(&mut self, run: &str) -> io::Result<()> {
        self.holder.run = run.to_string();
        if let Some(remote) = &self.remote {
            remote.set_run(run)?;
        }
        self.write()
    }

    /// The fencing token.
    pub fn token(&self) -> u64 {
        self.holder.token
    }

    /// Returns true if this process still holds the lease: the file at its path is the locked one,
    /// with this lease's token.
    pub fn is_held(&self) -> bool {
        let id = |file: &File| file.metadata().map(|data| (data.dev(), data.ino())).ok();
        let is_held_locally = File::open(&self.path).is_ok_and(|mut file| {
            id(&file) == id(&self.file) && read(&mut file).as_ref() == Some(&self.holder)
        });
        is_held_locally && self.remote.as_ref().is_none_or(RemoteLease::is_held)
    }

    fn write(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.holder)?;
        text.push(b'\n');
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for Lease {
    /// Unlocks the file. Closing it is not sufficient: while another thread starts a process, that
    /// process has a copy of the open file, and with it the lock.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Reads the holder of a lease from its file, and retries, since the holder may be writing it.
fn read_holder(path: &Path) -> Option<Holder> {
    for _ in 0..20 {
        let holder = File::open(path).ok().and_then(|mut file| read(&mut file));
        if holder.is_some() {
            return holder;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| {
        std::env::var("HOSTNAME").map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))
    });
    name.map_or_else(
        |_| "this computer".to_string(),
        |name| name.trim().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Folder;

    fn files(folder: &Folder) -> LakeFiles {
        LakeFiles::from(&**folder)
    }

    fn acquire(lease_path: &LeasePath) -> Lease {
        match Lease::request(lease_path, "1a", Timestamp::UNIX_EPOCH).unwrap() {
            LeaseResponse::Granted(lease) => lease,
            LeaseResponse::Held(holder) => panic!("held by {holder:?}"),
        }
    }

    #[test]
    fn a_held_lease_names_its_holder() {
        let folder = Folder::new();
        let lease_path = Lease::of_window(&files(&folder), "review", "2026-W46");
        let mut lease = acquire(&lease_path);
        lease.set_run("1a2b3c4d").unwrap();
        let LeaseResponse::Held(Some(holder)) =
            Lease::request(&lease_path, "2", Timestamp::UNIX_EPOCH).unwrap()
        else {
            panic!("granted twice");
        };
        assert_eq!((holder.run.as_str(), holder.token), ("1a2b3c4d", 1));
        assert_eq!(holder.pid, std::process::id());
        let text = holder.to_string();
        assert!(text.starts_with("run 1a2b3c4d, process "), "{text}");
        assert!(text.ends_with(", since 1970-01-01T00:00:00Z"), "{text}");
    }

    #[test]
    fn a_released_lease_is_granted_with_the_next_token() {
        let folder = Folder::new();
        let lease_path = Lease::of_node(&files(&folder), "review", "stage.rhythm");
        drop(acquire(&lease_path));
        let second = acquire(&lease_path);
        assert_eq!(second.token(), 2);
        assert!(second.is_held());
    }

    #[test]
    fn a_lease_whose_file_was_removed_is_not_held() {
        let folder = Folder::new();
        let lease_path = Lease::of_window(&files(&folder), "review", "2026-W46");
        let first = acquire(&lease_path);
        fs::remove_file(lease_path.path()).unwrap();
        assert!(!first.is_held(), "its file was removed");
        let second = acquire(&lease_path);
        assert!(!first.is_held() && second.is_held());
    }

    #[test]
    fn a_damaged_lease_file_is_treated_as_free() {
        let folder = Folder::new();
        let lease_path = Lease::of_schedule(&files(&folder), "review");
        fs::create_dir_all(lease_path.path().parent().unwrap()).unwrap();
        fs::write(lease_path.path(), "{\"run\":").unwrap();
        let lease = acquire(&lease_path);
        assert_eq!(lease.token(), 1);
        assert!(lease.is_held());
    }
}
