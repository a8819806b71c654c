//! Executes a plan: runs nodes in parallel, reuses cached outcomes, journals events.

mod node_task;

mod group_commit;

mod cells;

mod scheduler;

mod up_to_date;

mod recorded;

pub use recorded::RecordedSources;

use crate::{
    executor::{Clock, Environment, Executor, Failure, Progress, RunContext},
    fingerprint::{Components, Decision, identity},
    job::Job,
    lease::{Holder, Lease, LeaseResponse, active_runs},
    outcome_store::{LastFingerprints, OutcomeStore, Record},
};
use futures::FutureExt as _;
use node_task::{Recorder, RetryBudget, RetryLoop, panic_failure};
use retrocast_domain::{Outcome, canonical};
use retrocast_run::{
    EventKind, Fingerprint, Journal, Node, Plan, RecordedPlan, RunOrigin, RunStatus, SourceRecords,
    files::{JOB, JOURNAL, PLAN, is_mail, write_whole},
    plan::short,
};
use retrocast_storage::{LakeFiles, Mirror, mirror::RunUpload};
use scheduler::Scheduler;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// An error that prevents a run or its recording. Failures within a run are part of its result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the run or the lake cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process runs the same job and window.
    #[error("{job} is already running for {window}{}", busy_message(holder.as_deref()))]
    Held {
        /// Name of the job.
        job: String,
        /// Name of the window.
        window: String,
        /// The holder of the lease, if it is known.
        holder: Option<Box<Holder>>,
    },
    /// The lease was lost during the run.
    #[error(
        "this run lost the lease {lease}: another run has taken it over, or the lake was replaced"
    )]
    Lost {
        /// Location of the lease.
        lease: String,
    },
    /// The shared archive cannot be fetched or uploaded.
    #[error(
        "the archive {address} cannot be synchronised: {source}; run the job again when it is reachable"
    )]
    Archive {
        /// Address of the archive.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// A task of the engine panicked.
    #[error("internal error: {0}")]
    Internal(String),
}

fn busy_message(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> EngineError + '_ {
    move |source| EngineError::Write {
        path: path.to_path_buf(),
        source,
    }
}

fn archive_error(mirror: &Mirror) -> impl FnOnce(io::Error) -> EngineError {
    let address = mirror.address();
    move |source| EngineError::Archive { address, source }
}

/// Nodes to run even if their outcome is cached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Force {
    /// None: cached outcomes are reused.
    #[default]
    Nothing,
    /// Every node.
    Everything,
    /// The nodes with these full names.
    Nodes(BTreeSet<String>),
}

impl Force {
    /// Returns true if the node with this full name is forced to run.
    pub fn covers(&self, node: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Nodes(names) => names.contains(node),
        }
    }
}

/// Options of a run.
#[derive(Clone)]
pub struct RunOptions {
    /// Leases and cached outcomes.
    pub lake: LakeFiles,
    /// Folder of the archive.
    pub reports: PathBuf,
    /// The mirror of the archive, if it is shared.
    pub mirror: Option<Arc<Mirror>>,
    /// Threads for analysis; also the maximum number of concurrent nodes.
    pub threads: usize,
    /// Version of the program.
    pub build: String,
    /// Nodes to run even if their outcome is cached.
    pub force: Force,
    /// The recorded sources of the run to repeat, which are used instead of their current state.
    pub recorded: Option<RecordedSources>,
    /// Due time of a scheduled run.
    pub due: Option<jiff::Timestamp>,
    /// Number of retries after a transient failure.
    pub retries: u32,
    /// Retry budget shared by all nodes of a run.
    pub retry_budget: u32,
    /// Wait before the first retry; doubled for each further retry.
    pub backoff: Duration,
    /// Time for nodes to stop by themselves when the run is cancelled.
    pub grace: Duration,
    /// Cancels the run.
    pub cancel: CancellationToken,
    /// Source of secrets.
    pub environment: Environment,
}

impl RunOptions {
    /// Default options: one thread per core, two retries, the first after half a second.
    pub fn new(lake: impl Into<LakeFiles>, reports: impl Into<PathBuf>, build: &str) -> Self {
        Self {
            lake: lake.into(),
            reports: reports.into(),
            mirror: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            build: build.to_string(),
            force: Force::Nothing,
            recorded: None,
            due: None,
            retries: 2,
            retry_budget: 20,
            backoff: Duration::from_millis(500),
            grace: Duration::from_secs(5),
            cancel: CancellationToken::new(),
            environment: crate::executor::process_environment(),
        }
    }
}

/// The identities of sources by full name, or the failures to read them.
type Identities = BTreeMap<String, Result<String, Failure>>;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// Id of the run.
    pub run: String,
    /// Folder of the run.
    pub folder: PathBuf,
    /// Status of the run.
    pub status: RunStatus,
    /// Outcomes by full name of the node.
    pub outcomes: BTreeMap<String, Arc<Outcome>>,
    /// Nodes that ran successfully, in the order of the plan.
    pub executed: Vec<String>,
    /// Nodes whose cached outcomes were used.
    pub reused: Vec<String>,
    /// Failed nodes, with their failures.
    pub failed: Vec<(String, Failure)>,
    /// Skipped nodes, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Runs plans.
pub struct Runner {
    executor: Arc<dyn Executor>,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    store: OutcomeStore,
    options: RunOptions,
}

impl Runner {
    /// Creates a runner from an executor, a clock and a listener.
    pub fn new(
        executor: Arc<dyn Executor>,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
        options: RunOptions,
    ) -> Self {
        let store = OutcomeStore::of_lake(&options.lake);
        Self {
            executor,
            clock,
            progress,
            store,
            options,
        }
    }

    /// Decides for each node whether it would run, with reasons; writes nothing.
    pub async fn explain(&self, job: &Arc<Job>, plan: &Arc<Plan>) -> Vec<Decision> {
        let ctx = self.context(job, plan);
        let records = self.identities(&ctx).await;
        self.decisions(&ctx, &records).await
    }

    /// Decides for each node whether it would run, given the identities of sources.
    async fn decisions(&self, ctx: &RunContext, records: &Identities) -> Vec<Decision> {
        let plan = &ctx.plan;
        let last = self.store.last(&plan.job);
        let mut identities: BTreeMap<String, String> = BTreeMap::new();
        let mut decisions = Vec::new();
        for node in &plan.nodes {
            let inputs: Option<Vec<(String, String)>> = node
                .inputs
                .iter()
                .map(|name| Some((short(name).to_string(), identities.get(name)?.clone())))
                .collect();
            let (decision, outcome) = match (records.get(&node.name), inputs) {
                (Some(Err(failure)), _) => {
                    (run(node, vec![format!("cannot be read: {failure}")]), None)
                }
                (_, None) => {
                    let is_missing = |name: &&String| !identities.contains_key(*name);
                    let missing = node.inputs.iter().filter(is_missing);
                    let is_new = last.get(&node.name).is_none();
                    (run(node, input_reasons(is_new, missing)), None)
                }
                (records, Some(inputs)) => {
                    let records = records.and_then(|records| records.as_deref().ok());
                    let parts = Components::new(node, plan, records, &inputs, &self.options.build);
                    let fingerprint = parts.fingerprint();
                    self.decide(node, ctx, &parts, &fingerprint, &last).await
                }
            };
            if let Some(record) = outcome {
                identities.insert(
                    node.name.clone(),
                    identity(&record.fingerprint, &record.outcome),
                );
            }
            decisions.push(decision);
        }
        decisions
    }

    /// Decides whether a cached outcome with these components can be used, with the reason.
    async fn decide(
        &self,
        node: &Node,
        ctx: &RunContext,
        components: &Components,
        fingerprint: &Fingerprint,
        last: &LastFingerprints,
    ) -> (Decision, Option<Record>) {
        if self.options.force.covers(&node.name) {
            return (run(node, vec!["forced".to_string()]), None);
        }
        if let Some(record) = self.store.get(fingerprint) {
            if self.executor.is_usable(node, &record.outcome, ctx).await {
                return (reuse(node, "unchanged, reuse"), Some(record));
            }
            return (run(node, vec!["its data is missing".to_string()]), None);
        }
        if let Some(record) = self.recorded_outcome(node, ctx).await {
            let reason = "recorded by the repeated run, reuse";
            return (reuse(node, reason), Some(record));
        }
        let reason = match last.get(&node.name) {
            None => "new",
            Some(last) if last == fingerprint => "its cached outcome is missing",
            Some(last) => match self.store.get(last) {
                Some(old) => {
                    let mut decision = run(node, components.changes(&old.components));
                    decision.changes = components.differences(&old.components);
                    return (decision, None);
                }
                None => "changed; its previous outcome is missing",
            },
        };
        (run(node, vec![reason.to_string()]), None)
    }

    fn context(&self, job: &Arc<Job>, plan: &Arc<Plan>) -> RunContext {
        RunContext {
            job: job.clone(),
            plan: plan.clone(),
            window: plan.window.clone(),
            compare: plan.compare.clone(),
            timezone: plan.window.timezone.clone(),
            date: plan.date,
            seed: plan.seed,
            params: plan.params.clone(),
            fingerprint: String::new(),
            forced: false,
            run: String::new(),
            identity: String::new(),
            parent: None,
            folder: PathBuf::new(),
            reports: self.options.reports.clone(),
            threads: self.options.threads.max(1),
            build: self.options.build.clone(),
            cancel: self.options.cancel.clone(),
            environment: self.options.environment.clone(),
        }
    }

    /// Reads the current identity of every source.
    async fn identities(&self, ctx: &RunContext) -> Identities {
        if let Some(recorded) = &self.options.recorded {
            return recorded.identities();
        }
        let sources = ctx.plan.nodes.iter().filter(|node| node.is_source());
        let budget = &RetryBudget::new(self.options.retry_budget);
        let reads = sources.map(|node| async move {
            let read = || async {
                let call = AssertUnwindSafe(self.executor.source_identity(node, ctx));
                tokio::select! {
                    biased;
                    read = call.catch_unwind() => read.unwrap_or_else(|p| Err(panic_failure(&*p))),
                    () = self.options.cancel.cancelled() => Err(Failure::cancelled()),
                }
            };
            let retries = RetryLoop {
                node,
                clock: &*self.clock,
                options: &self.options,
                budget,
                seed: ctx.seed,
            };
            (node.name.clone(), retries.run(|_| read(), |_, _| ()).await)
        });
        futures::future::join_all(reads).await.into_iter().collect()
    }

    /// Runs a plan under the lease on this job and window. The folder, the journal and the cached
    /// outcomes agree with the result.
    pub async fn run(&self, job: Arc<Job>, plan: Arc<Plan>) -> Result<RunResult, EngineError> {
        let mut ctx = self.context(&job, &plan);
        let mut lease = self.lease(&plan)?;
        self.store.sweep();
        let upload = self.start_upload()?;
        let records = self.identities(&ctx).await;
        let (journal, start_event) = self.open_folder(&mut ctx, &records)?;
        lease
            .set_run(&ctx.run)
            .map_err(write_error(self.options.lake.folder()))?;
        let recorder = Recorder::new(journal, self.clock.clone(), self.progress.clone());
        let recorder = Arc::new(recorder.map_err(write_error(&ctx.folder))?);
        recorder.record_durably(start_event, |event| {
            event.node = Some(ctx.run.clone());
            event.message = Some(format!("lease {}", lease.token()));
        });
        let started = self.clock.now();
        // The lease is held until the end of the run is recorded.
        let lease = Arc::new(lease);
        let context = Arc::new(ctx);
        let mut scheduler = Scheduler::new(self, context, recorder.clone(), records, lease.clone());
        scheduler.run_all().await?;
        let result = scheduler.result();
        scheduler.write_findings(&result).await?;
        recorder.record_durably(EventKind::RunFinished, |event| {
            event.status = Some(result.status);
            event.duration_ms = Some(milliseconds(started, self.clock.now()));
        });
        self.store.share_last(&plan.job);
        // This is still under the lease, because the next holder must see that this run has ended.
        if let Some((mirror, upload)) = upload {
            upload.finish().map_err(archive_error(mirror))?;
        }
        drop(lease);
        match recorder.take_error() {
            Some(error) => Err(write_error(&result.folder.join(JOURNAL))(error)),
            None => Ok(result),
        }
    }

    /// Fetches the files of other machines, and starts uploading the files of this run.
    fn start_upload(&self) -> Result<Option<(&Mirror, RunUpload)>, EngineError> {
        let Some(mirror) = &self.options.mirror else {
            return Ok(None);
        };
        let start = || {
            let active_runs = match self.options.lake.shared_store() {
                Some(shared_store) => active_runs(&**shared_store)?,
                None => BTreeSet::new(),
            };
            mirror.fetch(&active_runs)?;
            mirror.start_upload()
        };
        start()
            .map(|upload| Some((&**mirror, upload)))
            .map_err(archive_error(mirror))
    }

    /// Requests the lease on the job's window.
    fn lease(&self, plan: &Plan) -> Result<Lease, EngineError> {
        let path = Lease::of_window(&self.options.lake, &plan.job, &plan.label);
        let response = Lease::request(&path, "", self.clock.now());
        match response.map_err(write_error(Path::new(&path.to_string())))? {
            LeaseResponse::Granted(lease) => Ok(lease),
            LeaseResponse::Held(holder) => Err(EngineError::Held {
                job: plan.job.clone(),
                window: plan.label.clone(),
                holder: holder.map(Box::new),
            }),
        }
    }

    /// Opens the run's folder and journal. The id is derived from the inputs, so that a repeated
    /// run is recognised. If the newest run with this id was interrupted, it is resumed; otherwise
    /// a new folder is created.
    fn open_folder(
        &self,
        ctx: &mut RunContext,
        records: &Identities,
    ) -> Result<(Journal, EventKind), EngineError> {
        let plan = ctx.plan.clone();
        let records = source_records(records);
        ctx.identity = identity_of(&plan, &records);
        let mut record = RecordedPlan {
            origin: RunOrigin {
                identity: ctx.identity.clone(),
                build: ctx.build.clone(),
                records,
                due: self.options.due,
                ..RunOrigin::default()
            },
            plan: (*plan).clone(),
        };
        let windows = self.options.reports.join(&plan.job).join(&plan.label);
        fs::create_dir_all(&windows).map_err(write_error(&windows))?;
        let (last, next) = last_and_next(&windows, &ctx.identity);
        if let Some(name) = &last {
            let folder = windows.join(name);
            record.origin.run.clone_from(name);
            if let Some(journal) = reopen(&folder, &mut record).map_err(write_error(&folder))? {
                (ctx.run, ctx.parent) = (name.clone(), record.origin.parent.clone());
                ctx.folder = folder;
                write_plan(ctx, &record)?;
                return Ok((journal, EventKind::RunResumed));
            }
        }
        let folder = windows.join(&next);
        fs::create_dir(&folder).map_err(write_error(&folder))?;
        (record.origin.run, record.origin.parent) = (next.clone(), last.clone());
        (ctx.run, ctx.parent, ctx.folder) = (next, last, folder);
        let journal = Journal::create(&ctx.folder).map_err(write_error(&ctx.folder))?;
        write_plan(ctx, &record)?;
        Ok((journal, EventKind::RunStarted))
    }
}

/// Writes the plan and the job file into the run's folder.
fn write_plan(ctx: &RunContext, record: &RecordedPlan) -> Result<(), EngineError> {
    record
        .write(&ctx.folder)
        .map_err(write_error(&ctx.folder.join(PLAN)))?;
    let path = ctx.folder.join(JOB);
    write_whole(&path, ctx.job.text.as_bytes()).map_err(write_error(&path))
}

/// The identities of sources, in the form recorded by a plan.
fn source_records(records: &Identities) -> BTreeMap<String, SourceRecords> {
    let texts = records.iter().map(|(name, identity)| {
        let records = match identity {
            Ok(identity) => SourceRecords::Hash(identity.clone()),
            Err(failure) => SourceRecords::Unreadable(failure.message.clone()),
        };
        (name.clone(), records)
    });
    texts.collect()
}

/// The newest run with an identity in the folder of its window, and the name of the next run:
/// `1a2b3c4d`, `1a2b3c4d-2` and so on.
fn last_and_next(window: &Path, identity: &str) -> (Option<String>, String) {
    let (mut last, mut next) = (None, identity.to_string());
    let mut n = 1_u32;
    while window.join(&next).exists() {
        n += 1;
        last = Some(std::mem::replace(&mut next, format!("{identity}-{n}")));
    }
    (last, next)
}

/// Derives the identity of a run from the plan and the records.
fn identity_of(plan: &Plan, records: &BTreeMap<String, SourceRecords>) -> String {
    let sources = plan.nodes.iter().filter(|node| node.is_source());
    let contracts: Vec<_> = sources
        .map(|node| (&node.name, &node.contract_hash))
        .collect();
    let parts = (
        &plan.job,
        &plan.window,
        &plan.params,
        plan.seed,
        records,
        contracts,
    );
    let hash = canonical::hash(&parts);
    hash[..8].to_string()
}

/// Opens the folder of an interrupted run of the same plan. Its journal is kept, and the record
/// gets its parent. All other files are removed; they are restored from cached outcomes.
fn reopen(folder: &Path, record: &mut RecordedPlan) -> io::Result<Option<Journal>> {
    if Journal::has_ended(folder) {
        return Ok(None);
    }
    match fs::read(folder.join(PLAN)) {
        Ok(bytes) => {
            let Ok(interrupted) = serde_json::from_slice::<Value>(&bytes) else {
                return Ok(None);
            };
            record.origin.parent = interrupted["parent"].as_str().map(str::to_string);
            if interrupted != serde_json::to_value(&*record)? {
                return Ok(None);
            }
        }
        // The run was interrupted before it wrote its plan.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let journal = match Journal::resume(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Journal::create(folder)?),
        journal => journal?,
    };
    let Some(journal) = journal else {
        return Ok(None);
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.path().is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if name != JOURNAL && name != PLAN && !is_mail(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(Some(journal))
}

/// The reasons to run a node when some of its inputs run.
fn input_reasons<'a>(is_new: bool, missing: impl Iterator<Item = &'a String>) -> Vec<String> {
    if is_new {
        return vec!["new".to_string()];
    }
    missing
        .map(|name| format!("input {} changed", short(name)))
        .collect()
}

/// The decision to reuse the cached outcome of a node.
fn reuse(node: &Node, reason: &str) -> Decision {
    Decision {
        node: node.name.clone(),
        reuse: true,
        reasons: vec![reason.to_string()],
        changes: Vec::new(),
    }
}

/// The decision to run a node.
fn run(node: &Node, reasons: Vec<String>) -> Decision {
    Decision {
        node: node.name.clone(),
        reuse: false,
        reasons,
        changes: Vec::new(),
    }
}

fn milliseconds(start: jiff::Timestamp, end: jiff::Timestamp) -> u64 {
    end.duration_since(start)
        .as_millis()
        .try_into()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod recovery_tests;
