//! Leases among machines: objects written by conditional puts.
//!
//! The holder renews the lease every 15 seconds. After a minute without renewal, its process is
//! assumed dead or disconnected: the next request is granted, and the old holder notices by the
//! fencing token that it lost the lease. A lease of a dead process on the same machine is granted
//! at once.

use super::Holder;
use crate::shared_store::{ETag, SharedStore};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Lifetime of a lease without renewal.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);
/// Renewal interval.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(15);

/// The contents of a lease object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub holder: Holder,
    /// The process; other processes on its machine can check whether it is alive.
    process: Process,
    /// Number of the claim in its process.
    number: u64,
    /// Time of the last renewal.
    renewed: Timestamp,
    /// True if the holder has released it.
    ended: bool,
}

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    /// Identifies the machine, its boot and the process namespace of the id.
    table: String,
    pid: u32,
    /// Start time in clock ticks since boot: process ids are reused.
    born: String,
}

impl Process {
    fn this() -> Self {
        let pid = std::process::id();
        Self {
            table: process_table(),
            pid,
            born: start_time(pid).unwrap_or_default(),
        }
    }

    /// Returns true if the process is known to be dead.
    fn is_dead(&self) -> bool {
        !self.table.is_empty()
            && self.table == process_table()
            && start_time(self.pid).as_deref() != Some(&self.born)
    }
}

/// Identity of the machine, its boot and its process namespace; empty if unknown.
fn process_table() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// The start time of a process; `None` if it does not exist.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The program name is in parentheses and may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    // The state comes first; a zombie is dead.
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_string)
}

impl Claim {
    fn new(holder: Holder, now: Timestamp) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self {
            holder,
            process: Process::this(),
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            renewed: now,
            ended: false,
        }
    }

    /// Returns true if a process holds the lease now.
    pub fn is_held(&self, now: Timestamp) -> bool {
        let lifetime = SignedDuration::try_from(LIFETIME).unwrap_or(SignedDuration::MAX);
        !self.ended && now.duration_since(self.renewed) < lifetime && !self.process.is_dead()
    }

    /// Returns true if both are the same grant, ignoring renewals.
    fn is_same(&self, other: &Self) -> bool {
        (&self.process, self.number, self.holder.token)
            == (&other.process, other.number, other.holder.token)
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The result of requesting a lease.
pub(super) enum RemoteResponse {
    Granted(RemoteLease),
    Held(Option<Holder>),
}

/// A held lease, renewed by a thread.
#[derive(Debug)]
pub(super) struct RemoteLease {
    object: Arc<Object>,
    /// Dropped to stop the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Object {
    store: Arc<dyn SharedStore>,
    key: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    claim: Claim,
    etag: ETag,
    /// Time of the last renewal, by a monotonic clock.
    renewed: Instant,
    lost: bool,
}

/// Requests a lease for `holder`, and sets its fencing token.
pub(super) fn request(
    store: &Arc<dyn SharedStore>,
    key: &str,
    mut holder: Holder,
) -> io::Result<RemoteResponse> {
    let now = Timestamp::now();
    let current = read(&**store, key)?;
    let etag = match current {
        None => None,
        Some((Some(claim), _)) if claim.is_held(now) => {
            return Ok(RemoteResponse::Held(Some(claim.holder)));
        }
        Some((claim, etag)) => {
            holder.token = claim.map_or(0, |claim| claim.holder.token) + 1;
            Some(etag)
        }
    };
    let claim = Claim::new(holder, now);
    let renewed = Instant::now();
    let etag = match store.put_if(key, claim.bytes()?, etag.as_ref())? {
        Some(etag) => etag,
        // The lease was granted after all if only the response was lost and a retry found the
        // object.
        None => match read(&**store, key)? {
            Some((Some(stored), etag)) if stored.is_same(&claim) => etag,
            Some((claim, _)) => return Ok(RemoteResponse::Held(claim.map(|claim| claim.holder))),
            None => return Ok(RemoteResponse::Held(None)),
        },
    };
    let state = State {
        claim,
        etag,
        renewed,
        lost: false,
    };
    RemoteLease::new(Object {
        store: store.clone(),
        key: key.to_string(),
        state: Mutex::new(state),
    })
    .map(RemoteResponse::Granted)
}

/// Reads an object; its claim is `None` if the content is invalid.
fn read(store: &dyn SharedStore, key: &str) -> io::Result<Option<(Option<Claim>, ETag)>> {
    let object = store.get(key)?;
    Ok(object.map(|(bytes, etag)| (serde_json::from_slice(&bytes).ok(), etag)))
}

impl RemoteLease {
    fn new(object: Object) -> io::Result<Self> {
        let object = Arc::new(object);
        let (stop, stopped) = mpsc::channel::<()>();
        let renewed_object = object.clone();
        let renew = move || {
            while stopped.recv_timeout(RENEWAL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                // A failed renewal is retried at the next interval, until the lease expires.
                let _ = renewed_object.write(|_| ());
            }
        };
        let thread = std::thread::Builder::new().name("lease".to_string());
        Ok(Self {
            object,
            stop: Some(stop),
            thread: Some(thread.spawn(renew)?),
        })
    }

    /// The fencing token.
    pub fn token(&self) -> u64 {
        self.object.state().claim.holder.token
    }

    /// Records the id of the run in the lease.
    pub fn set_run(&self, run: &str) -> io::Result<()> {
        self.object
            .write(|claim| claim.holder.run = run.to_string())
    }

    /// Returns true if the storage confirms that this process holds it or, while the storage cannot
    /// be reached, if the last renewal is recent enough.
    pub fn is_held(&self) -> bool {
        let state = self.object.state();
        if state.lost {
            return false;
        }
        match read(&*self.object.store, &self.object.key) {
            Ok(Some((Some(claim), _))) => claim.is_same(&state.claim) && !claim.ended,
            Ok(_) => false,
            Err(_) => state.renewed.elapsed() < LIFETIME,
        }
    }
}

impl Drop for RemoteLease {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // If this fails, the lease expires a little later.
        let _ = self.object.write(|claim| claim.ended = true);
    }
}

impl Object {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes and rewrites the claim.
    fn write(&self, change: impl FnOnce(&mut Claim)) -> io::Result<()> {
        let mut state = self.state();
        if state.lost {
            return Err(lost_error(&self.key));
        }
        let mut claim = state.claim.clone();
        change(&mut claim);
        claim.renewed = Timestamp::now();
        let renewed = Instant::now();
        let put = self
            .store
            .put_if(&self.key, claim.bytes()?, Some(&state.etag))?;
        state.etag = match put {
            Some(etag) => etag,
            None => match read(&*self.store, &self.key)? {
                Some((Some(stored), etag)) if stored == claim => etag,
                _ => {
                    state.lost = true;
                    return Err(lost_error(&self.key));
                }
            },
        };
        state.claim = claim;
        state.renewed = renewed;
        Ok(())
    }
}

fn lost_error(key: &str) -> io::Error {
    io::Error::other(format!("the lease {key} was lost to another process"))
}

/// Active runs of other processes, `<job>/<window>/<run>`, found by the leases on windows.
pub fn active_runs(store: &dyn SharedStore) -> io::Result<BTreeSet<String>> {
    let now = Timestamp::now();
    let recent = SignedDuration::try_from(LIFETIME * 3).unwrap_or(SignedDuration::MAX);
    let mut runs = BTreeSet::new();
    for entry in store.list("leases")? {
        let Some((job, window)) = parse_window(&entry.key) else {
            continue;
        };
        // A lease that has not been renewed for this long has expired, regardless of its content.
        if now.duration_since(entry.modified) > recent {
            continue;
        }
        if let Some((Some(claim), _)) = read(store, &entry.key)?
            && claim.is_held(now)
            && claim.process != Process::this()
        {
            runs.insert(format!("{job}/{window}/{}", claim.holder.run));
        }
    }
    Ok(runs)
}

/// Parses the job and window in a lease's name; `None` for leases on schedules and nodes.
fn parse_window(key: &str) -> Option<(&str, &str)> {
    let (job, rest) = key.strip_prefix("leases/")?.split_once('/')?;
    let window = rest.strip_suffix(".lease")?;
    let is_window = !window.contains('/') && window != "schedule";
    is_window.then_some((job, window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Bucket;

    fn holder(pid: u32) -> Holder {
        Holder {
            run: String::new(),
            pid,
            host: "a".to_string(),
            since: Timestamp::UNIX_EPOCH,
            token: 1,
        }
    }

    fn acquire(store: &Arc<dyn SharedStore>) -> RemoteLease {
        match request(store, "leases/review/2026-W46.lease", holder(1)).unwrap() {
            RemoteResponse::Granted(lease) => lease,
            RemoteResponse::Held(holder) => panic!("held by {holder:?}"),
        }
    }

    /// Changes the object of the lease from outside.
    fn tamper(store: &Arc<dyn SharedStore>, change: impl FnOnce(&mut Claim)) {
        let key = "leases/review/2026-W46.lease";
        let (claim, _) = read(&**store, key).unwrap().unwrap();
        let mut claim = claim.unwrap();
        change(&mut claim);
        store.put(key, claim.bytes().unwrap()).unwrap();
    }

    #[test]
    fn a_held_lease_is_refused_and_the_next_lease_has_the_next_token() {
        let store: Arc<dyn SharedStore> = Arc::new(Bucket::default());
        let first = acquire(&store);
        first.set_run("1a2b").unwrap();
        let RemoteResponse::Held(Some(holder)) =
            request(&store, "leases/review/2026-W46.lease", holder(2)).unwrap()
        else {
            panic!("granted twice");
        };
        assert_eq!(holder.run, "1a2b");
        drop(first);
        let second = acquire(&store);
        assert_eq!(second.token(), 2);
        assert!(second.is_held());
    }

    #[test]
    fn an_expired_lease_is_granted_to_the_next_request() {
        let store: Arc<dyn SharedStore> = Arc::new(Bucket::default());
        let first = acquire(&store);
        tamper(&store, |claim| {
            claim.renewed -= SignedDuration::from_secs(61);
            claim.process.table = "another machine".to_string();
        });
        let second = acquire(&store);
        assert_eq!(second.token(), 2);
        assert!(second.is_held() && !first.is_held());
        assert!(first.set_run("1a2b").is_err());
        drop(first);
        assert!(second.is_held(), "the old holder does not release it");
    }

    #[test]
    fn the_lease_of_a_dead_local_process_is_granted_at_once() {
        let store: Arc<dyn SharedStore> = Arc::new(Bucket::default());
        let first = acquire(&store);
        tamper(&store, |claim| claim.process.born = "0".to_string());
        assert_eq!(acquire(&store).token(), 2);
        drop(first);
    }

    #[test]
    fn a_lost_response_does_not_lose_the_lease() {
        let store = Arc::new(Bucket::default());
        store.lose_next_response();
        let shared: Arc<dyn SharedStore> = store.clone();
        let lease = acquire(&shared);
        store.lose_next_response();
        lease.set_run("1a2b").unwrap();
        assert!(lease.is_held());
    }

    #[test]
    fn concurrent_requests_have_one_winner() {
        for _ in 0..60 {
            let store: Arc<dyn SharedStore> = Arc::new(Bucket::default());
            let responses = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|pid| {
                        let store = store.clone();
                        scope.spawn(move || {
                            request(&store, "leases/a/b.lease", holder(pid)).unwrap()
                        })
                    })
                    .collect();
                let responses = threads.into_iter().map(|thread| thread.join().unwrap());
                responses.collect::<Vec<_>>()
            });
            let granted = responses
                .iter()
                .filter(|response| matches!(response, RemoteResponse::Granted(_)));
            assert_eq!(granted.count(), 1);
        }
    }

    #[test]
    fn active_runs_of_other_processes_are_listed() {
        let store: Arc<dyn SharedStore> = Arc::new(Bucket::default());
        let lease = acquire(&store);
        lease.set_run("1a2b").unwrap();
        assert!(
            active_runs(&*store).unwrap().is_empty(),
            "its own run is not listed"
        );
        tamper(&store, |claim| claim.process.table = "another".to_string());
        let runs = active_runs(&*store).unwrap();
        assert_eq!(runs, BTreeSet::from(["review/2026-W46/1a2b".to_string()]));
    }
}
