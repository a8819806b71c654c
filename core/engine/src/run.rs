//! Executes a plan: what can run at once does, what is known is reused, what happens is written down.

mod effort;

mod course;

use crate::{
    boundary::{Clock, Environment, Executor, Failure, Progress, RunContext},
    fingerprint::{Components, Decision, identity},
    job::Job,
    journal::{EventKind, JOURNAL, Journal, PLAN, RunStatus, write_json},
    outcome_store::{OutcomeStore, Record},
    plan::{Node, Plan},
};
use course::Course;
use effort::{Recorder, Retrying, panicked};
use futures::FutureExt as _;
use retrocast_domain::{Outcome, canonical};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs, io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Why a run could not be made or written down. What fails inside a run is in its result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the run or the lake cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A part of the engine itself ended unexpectedly.
    #[error("the run broke off: {0}")]
    Broken(String),
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> EngineError + '_ {
    move |source| EngineError::Write {
        path: path.to_path_buf(),
        source,
    }
}

/// How plans are run.
#[derive(Clone)]
pub struct RunOptions {
    /// Folder of datasets and kept outcomes.
    pub lake: PathBuf,
    /// Folder of the archive.
    pub reports: PathBuf,
    /// Threads for analysis; also how many nodes are worked on at once.
    pub threads: usize,
    /// Version of the program.
    pub build: String,
    /// Run every node, also those whose outcomes are kept.
    pub force: bool,
    /// How often to try again after a failure that may pass.
    pub retries: u32,
    /// How long to wait before the first of these; doubled each time.
    pub backoff: Duration,
    /// How long nodes get to end by themselves when the run is cancelled.
    pub grace: Duration,
    /// Cancels the run.
    pub cancel: CancellationToken,
    /// Where secrets come from.
    pub environment: Environment,
}

impl RunOptions {
    /// The usual: one thread a core, two more tries beginning after half a second.
    pub fn new(lake: impl Into<PathBuf>, reports: impl Into<PathBuf>, build: &str) -> Self {
        Self {
            lake: lake.into(),
            reports: reports.into(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            build: build.to_string(),
            force: false,
            retries: 2,
            backoff: Duration::from_millis(500),
            grace: Duration::from_secs(5),
            cancel: CancellationToken::new(),
            environment: crate::boundary::process_environment(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// Id of the run.
    pub run: String,
    /// Folder of the run.
    pub folder: PathBuf,
    /// How it ended.
    pub status: RunStatus,
    /// Outcomes by full name of the node.
    pub outcomes: BTreeMap<String, Arc<Outcome>>,
    /// Nodes that were worked on and did their work, in the order of the plan.
    pub executed: Vec<String>,
    /// Nodes whose kept outcomes were used.
    pub reused: Vec<String>,
    /// Nodes that failed, with what went wrong.
    pub failed: Vec<(String, Failure)>,
    /// Nodes that were not begun, with the reason.
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
    /// A runner with somebody to do the work, a clock and a listener.
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

    /// What a run would do about each node, and why. Nothing is written.
    pub async fn explain(&self, job: &Arc<Job>, plan: &Arc<Plan>) -> Vec<Decision> {
        let ctx = self.context(job, plan);
        let records = self.identities(&ctx).await;
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut decisions = Vec::new();
        for node in &plan.nodes {
            let inputs: Option<Vec<(String, String)>> = node
                .inputs
                .iter()
                .map(|name| Some((short(name).to_string(), known.get(name)?.clone())))
                .collect();
            let (decision, outcome) = match (records.get(&node.name), inputs) {
                (Some(Err(failure)), _) => {
                    (run(node, vec![format!("cannot be read: {failure}")]), None)
                }
                (_, None) => {
                    let missing = node.inputs.iter().filter(|name| !known.contains_key(*name));
                    (run(node, self.waiting(plan, node, missing)), None)
                }
                (records, Some(inputs)) => {
                    let records = records.and_then(|records| records.as_deref().ok());
                    let parts = Components::new(node, plan, records, &inputs, &self.options.build);
                    self.decide(node, &ctx, &parts).await
                }
            };
            if let Some(record) = outcome {
                known.insert(
                    node.name.clone(),
                    identity(&record.fingerprint, &record.outcome),
                );
            }
            decisions.push(decision);
        }
        decisions
    }

    /// Why a node runs whose inputs run.
    fn waiting<'a>(
        &self,
        plan: &Plan,
        node: &Node,
        missing: impl Iterator<Item = &'a String>,
    ) -> Vec<String> {
        if self.store.last(&plan.job, &node.name).is_none() {
            return vec!["new".to_string()];
        }
        missing
            .map(|name| format!("input {} changed", short(name)))
            .collect()
    }

    /// Whether a kept outcome of these parts can be used, and why (not).
    async fn decide(
        &self,
        node: &Node,
        ctx: &RunContext,
        parts: &Components,
    ) -> (Decision, Option<Record>) {
        if self.options.force {
            return (run(node, vec!["asked to run everything".to_string()]), None);
        }
        if let Some(record) = self.store.get(&parts.fingerprint()) {
            if self.executor.usable(node, &record.outcome, ctx).await {
                let reasons = vec!["unchanged, reuse".to_string()];
                return (
                    Decision {
                        node: node.name.clone(),
                        reuse: true,
                        reasons,
                    },
                    Some(record),
                );
            }
            return (run(node, vec!["what it wrote is gone".to_string()]), None);
        }
        let last = self.store.last(&ctx.plan.job, &node.name);
        let reasons = match last.map(|last| parts.changes(&last.components)) {
            None => vec!["new".to_string()],
            Some(changes) if changes.is_empty() => vec!["its kept outcome is gone".to_string()],
            Some(changes) => changes,
        };
        (run(node, reasons), None)
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
            run: String::new(),
            identity: String::new(),
            parent: None,
            folder: PathBuf::new(),
            lake: self.options.lake.clone(),
            reports: self.options.reports.clone(),
            threads: self.options.threads.max(1),
            build: self.options.build.clone(),
            cancel: self.options.cancel.clone(),
            environment: self.options.environment.clone(),
        }
    }

    /// What every source holds at this moment.
    async fn identities(&self, ctx: &RunContext) -> BTreeMap<String, Result<String, Failure>> {
        let sources = ctx.plan.nodes.iter().filter(|node| node.is_source());
        let all = sources.map(|node| async move {
            let look = || async {
                let work = AssertUnwindSafe(self.executor.source_identity(node, ctx));
                tokio::select! {
                    biased;
                    done = work.catch_unwind() => done.unwrap_or_else(|p| Err(panicked(&*p))),
                    () = self.options.cancel.cancelled() => Err(Failure::cancelled()),
                }
            };
            let retrying = Retrying {
                node,
                clock: &*self.clock,
                options: &self.options,
                seed: ctx.seed,
            };
            (node.name.clone(), retrying.run(|_| look(), |_, _| ()).await)
        });
        futures::future::join_all(all).await.into_iter().collect()
    }

    /// Runs a plan. The folder, the journal and the kept outcomes tell the same story as the result.
    pub async fn run(&self, job: Arc<Job>, plan: Arc<Plan>) -> Result<RunResult, EngineError> {
        let mut ctx = self.context(&job, &plan);
        let records = self.identities(&ctx).await;
        self.open_folder(&mut ctx, &records)?;
        let journal = Journal::create(&ctx.folder).map_err(writing(&ctx.folder))?;
        let recorder = Arc::new(Recorder {
            journal: Mutex::new(journal),
            clock: self.clock.clone(),
            progress: self.progress.clone(),
            broken: Mutex::new(None),
        });
        recorder.record(EventKind::RunStarted, |event| {
            event.node = Some(ctx.run.clone());
        });
        let started = self.clock.now();
        let mut course = Course::new(self, Arc::new(ctx), recorder.clone(), records);
        course.complete().await?;
        let result = course.result();
        course.leave_findings(&result)?;
        recorder.record(EventKind::RunFinished, |event| {
            event.status = Some(result.status);
            event.duration_ms = Some(milliseconds(started, self.clock.now()));
        });
        match recorder
            .broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(error) => Err(writing(&result.folder.join(JOURNAL))(error)),
            None => Ok(result),
        }
    }

    /// Makes the run's folder. The id follows from what is run on what, so the same again is seen to
    /// be the same; the folder itself is never used twice.
    fn open_folder(
        &self,
        ctx: &mut RunContext,
        records: &BTreeMap<String, Result<String, Failure>>,
    ) -> Result<(), EngineError> {
        let plan = ctx.plan.clone();
        let texts: BTreeMap<&String, String> = records
            .iter()
            .map(|(name, identity)| match identity {
                Ok(identity) => (name, identity.clone()),
                Err(failure) => (name, format!("failed: {}", failure.message)),
            })
            .collect();
        let hash = canonical::hash(&(&plan.job, &plan.window, &plan.params, plan.seed, &texts));
        ctx.identity = hash[..8].to_string();
        let parent = self.options.reports.join(&plan.job).join(&plan.label);
        fs::create_dir_all(&parent).map_err(writing(&parent))?;
        for n in 1_u32.. {
            let run = if n == 1 {
                ctx.identity.clone()
            } else {
                format!("{}-{n}", ctx.identity)
            };
            let folder = parent.join(&run);
            match fs::create_dir(&folder) {
                Ok(()) => {
                    (ctx.run, ctx.folder) = (run, folder);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    ctx.parent = Some(run);
                }
                Err(error) => return Err(writing(&folder)(error)),
            }
        }
        let mut value = json!(&*plan);
        value["run"] = json!(ctx.run);
        value["identity"] = json!(ctx.identity);
        value["parent"] = json!(ctx.parent);
        value["build"] = json!(ctx.build);
        value["records"] = json!(texts);
        let path = ctx.folder.join(PLAN);
        write_json(&path, &value).map_err(writing(&path))
    }
}

fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

fn run(node: &Node, reasons: Vec<String>) -> Decision {
    Decision {
        node: node.name.clone(),
        reuse: false,
        reasons,
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
