//! The engine's interfaces: an executor for nodes, progress listeners, a clock.

use crate::job::Job;
use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use retrocast_domain::{Outcome, Window, window::Comparison};
use retrocast_run::{Event, Node, Plan};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Looks up an environment variable.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment of this process.
pub fn process_environment() -> Environment {
    Arc::new(|name| std::env::var(name).ok())
}

/// The kind of a failure, which determines how it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A retry may succeed: network, locks, timeouts.
    Transient,
    /// Caused by the records or the job; a retry would fail in the same way.
    Data,
    /// The disk is full.
    Full,
    /// A bug in the program.
    Bug,
    /// The run was cancelled.
    Cancelled,
}

/// The error of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Kind of failure.
    pub kind: FailureKind,
    /// The error message.
    pub message: String,
    /// Advice for the user; empty for none.
    pub hint: String,
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: String::new(),
        }
    }

    /// Creates a failure that a retry may resolve.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, message)
    }

    /// Creates a failure caused by the records or the job.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Data, message)
    }

    /// Creates the failure for a full disk.
    pub fn full(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Full, message)
    }

    /// Creates a failure caused by a bug.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, message)
    }

    /// Creates the failure of a cancelled run.
    pub fn cancelled() -> Self {
        Self::new(FailureKind::Cancelled, "cancelled")
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.hint)
        }
    }
}

impl std::error::Error for Failure {}

/// Executes nodes. CPU-bound work belongs off the async threads; [`RunContext::cancel`] is
/// cancelled when the result is no longer needed.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Identifies the current contents of a source cheaply: the identity changes whenever the
    /// records do.
    async fn source_identity(&self, node: &Node, ctx: &RunContext) -> Result<String, Failure>;

    /// Executes a node. Inputs are by short name (`tickets`, `rhythm`). A failed node is an input
    /// of reports only: its cell describes the failure, and it has no datasets.
    async fn execute(
        &self,
        node: &Node,
        inputs: &BTreeMap<String, Arc<Outcome>>,
        ctx: &RunContext,
        progress: &dyn Progress,
    ) -> Result<Outcome, Failure>;

    /// Makes the version in a reused outcome of a source the current version of its dataset, as if
    /// the source had run. No node depends on this, so errors are not returned.
    async fn publish(&self, _node: &Node, _outcome: &Outcome, _ctx: &RunContext) {}

    /// Returns true if the data of a cached outcome still exists. If not, the node runs again.
    async fn is_usable(&self, _node: &Node, _outcome: &Outcome, _ctx: &RunContext) -> bool {
        true
    }
}

/// Listens to the events of a run.
pub trait Progress: Send + Sync {
    /// Handles an event; the same event is in the journal.
    fn event(&self, event: &Event);
    /// Reports how much a node has read. Called often; not in the journal.
    fn amount(&self, _node: &str, _records: u64, _bytes: u64) {}
}

/// A listener that ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn event(&self, _event: &Event) {}
}

/// Provides the current time, and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Waits for this duration.
    async fn sleep(&self, duration: Duration);
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The context of a node, besides its input datasets.
#[derive(Clone)]
pub struct RunContext {
    /// The job of the run.
    pub job: Arc<Job>,
    /// The plan, for the stage map of reports.
    pub plan: Arc<Plan>,
    /// The window to report on.
    pub window: Window,
    /// Periods that the window is compared with.
    pub compare: Vec<Comparison>,
    /// IANA name of the time zone.
    pub timezone: String,
    /// Date of the run.
    pub date: Date,
    /// Seed of all randomness.
    pub seed: u64,
    /// Values of the params.
    pub params: BTreeMap<String, Value>,
    /// Key under which the node's outcome is cached; empty outside the execution of a node.
    pub fingerprint: String,
    /// True if the node was forced to run although its outcome is cached.
    pub forced: bool,
    /// Id of the run: `1a2b3c4d`, or `1a2b3c4d-2` for a repetition.
    pub run: String,
    /// The part of the id that depends only on job, window, params and records. It is the same for
    /// every rerun, so it can be printed where reruns must give the same bytes.
    pub identity: String,
    /// Id of the run that is repeated.
    pub parent: Option<String>,
    /// Folder of the run.
    pub folder: PathBuf,
    /// Folder of the archive.
    pub reports: PathBuf,
    /// Threads for analysis.
    pub threads: usize,
    /// Version of the program.
    pub build: String,
    /// Cancelled when the node's result is no longer needed.
    pub cancel: CancellationToken,
    /// Source of secrets.
    pub environment: Environment,
}

impl RunContext {
    /// The context for computing nodes of a recorded run again, outside of any run. `folder` is the
    /// folder of the recorded run.
    pub fn of_recorded(plan: Arc<Plan>, folder: PathBuf, build: &str) -> Self {
        Self {
            job: Arc::new(Job::of_plan(&plan)),
            window: plan.window.clone(),
            compare: plan.compare.clone(),
            timezone: plan.window.timezone.clone(),
            date: plan.date,
            seed: plan.seed,
            params: plan.params.clone(),
            plan,
            fingerprint: String::new(),
            forced: false,
            run: String::new(),
            identity: String::new(),
            parent: None,
            folder,
            reports: PathBuf::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            build: build.to_string(),
            cancel: CancellationToken::new(),
            environment: process_environment(),
        }
    }

    /// Replaces each `${secret.NAME}` from the environment. Never store the result.
    pub fn reveal(&self, text: &str) -> Result<String, Failure> {
        reveal(text, &self.environment)
    }
}

/// Replaces each `${secret.NAME}` from the environment. Never store the result.
pub fn reveal(text: &str, environment: &Environment) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(crate::job::references::SECRET_OPEN) {
        let name_start = open + crate::job::references::SECRET_OPEN.len();
        let Some(length) = rest[name_start..].find('}') else {
            break;
        };
        let name = &rest[name_start..name_start + length];
        let secret = environment(name).ok_or_else(|| {
            Failure::data(format!("the secret {name} is not set in the environment"))
                .hint(format!("set the environment variable {name}"))
        })?;
        out.push_str(&rest[..open]);
        out.push_str(&secret);
        rest = &rest[name_start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Derives a seed from strings.
pub(crate) fn seed_from(parts: &[&str]) -> u64 {
    let hash = blake3::hash(parts.join("\u{1f}").as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}
