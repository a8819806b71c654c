//! The execution of one node: timeout, retries, cancellation.

use super::{EngineError, RunOptions, milliseconds, write_error};
use crate::{
    executor::{Clock, Executor, Failure, FailureKind, Progress, RunContext, seed_from},
    fingerprint::Components,
    lease::{Lease, LeaseResponse},
    outcome_store::{OutcomeStore, Record},
};
use futures::FutureExt as _;
use retrocast_domain::{CellStatus, Outcome};
use retrocast_run::{Event, EventKind, Fingerprint, Journal, Node};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Appends events to the journal and notifies the listener.
pub(super) struct Recorder {
    journal: Mutex<Journal>,
    /// The journal's file, flushed while others append.
    pub(super) file: File,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    first_error: Mutex<Option<io::Error>>,
}

impl Recorder {
    pub(super) fn new(
        journal: Journal,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> io::Result<Self> {
        Ok(Self {
            file: journal.file()?,
            journal: Mutex::new(journal),
            clock,
            progress,
            first_error: Mutex::default(),
        })
    }

    /// Appends a line without flushing it.
    pub(super) fn record(&self, kind: EventKind, fill: impl FnOnce(&mut Event)) {
        let mut event = Event::new(self.clock.now(), kind);
        fill(&mut event);
        let journal = self.journal.lock();
        let written = journal
            .unwrap_or_else(PoisonError::into_inner)
            .append(&event);
        if let Err(error) = written {
            self.store_error(error);
        }
        self.progress.event(&event);
    }

    /// Appends a line, and flushes it with all lines before it.
    pub(super) fn record_durably(&self, kind: EventKind, fill: impl FnOnce(&mut Event)) {
        self.record(kind, fill);
        if let Err(error) = self.file.sync_data() {
            self.store_error(error);
        }
    }

    /// Stores the error of an unwritable journal; the run reports it at the end.
    pub(super) fn store_error(&self, error: io::Error) {
        let first_error = self.first_error.lock();
        first_error
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }

    /// Returns the error that made the journal incomplete, if any.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        let first_error = self.first_error.lock();
        first_error.unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The retry budget shared by all nodes of a run. Without it, every node would use all its retries
/// in turn while storage is down.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub(super) fn new(retries: u32) -> Self {
        Self(AtomicU32::new(retries))
    }

    /// Takes one retry; returns false if no retry is left.
    fn take(&self) -> bool {
        let decrement = |remaining: u32| remaining.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement)
            .is_ok()
    }
}

/// Maximum wait before a retry.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// Retries transient failures after a wait that doubles, with seeded jitter.
pub(super) struct RetryLoop<'a> {
    pub(super) node: &'a Node,
    pub(super) clock: &'a dyn Clock,
    pub(super) options: &'a RunOptions,
    pub(super) budget: &'a RetryBudget,
    pub(super) seed: u64,
}

impl RetryLoop<'_> {
    /// Calls `operation` with the number of the attempt, counted from 0, until it succeeds, fails
    /// permanently, or no retry is left.
    pub(super) async fn run<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        mut operation: impl FnMut(u32) -> F,
        on_retry: impl Fn(&Failure, Duration),
    ) -> Result<T, Failure> {
        let retries = self.node.retries.unwrap_or(self.options.retries);
        let mut attempt = 0;
        loop {
            let failure = match operation(attempt).await {
                Err(failure)
                    if failure.kind == FailureKind::Transient
                        && attempt < retries
                        && !self.options.cancel.is_cancelled() =>
                {
                    failure
                }
                other => return other,
            };
            if !self.budget.take() {
                let limit = self.options.retry_budget;
                let message = format!(
                    "{}; the run has used up its {limit} retries",
                    failure.message
                );
                return Err(Failure { message, ..failure });
            }
            let wait = self.wait(attempt);
            on_retry(&failure, wait);
            tokio::select! {
                biased;
                () = self.options.cancel.cancelled() => return Err(Failure::cancelled()),
                () = self.clock.sleep(wait) => {}
            }
            attempt += 1;
        }
    }

    /// The wait before a retry: half of the doubled wait, plus a random part of up to the same
    /// length.
    fn wait(&self, attempt: u32) -> Duration {
        let full = self.options.backoff.saturating_mul(1 << attempt.min(16));
        let full = full.min(MAX_WAIT);
        let seed_parts = [
            self.seed.to_string(),
            self.node.name.clone(),
            attempt.to_string(),
        ];
        let random = seed_from(&seed_parts.each_ref().map(String::as_str));
        full / 2 + full.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64) / 2
    }
}

/// The failure of a node that panicked.
pub(super) fn panic_failure(payload: &(dyn std::any::Any + Send)) -> Failure {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Failure::bug(format!("internal error: {text}"))
        .hint("this is a bug in the program; please report it")
}

/// The execution of one node, with its retries and its timeout.
pub(super) struct NodeTask {
    pub(super) executor: Arc<dyn Executor>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: RunOptions,
    pub(super) recorder: Arc<Recorder>,
    pub(super) ctx: Arc<RunContext>,
    pub(super) node: Node,
    pub(super) inputs: BTreeMap<String, Arc<Outcome>>,
    pub(super) components: Components,
    pub(super) budget: Arc<RetryBudget>,
    pub(super) fingerprint: Fingerprint,
    /// The lease on the job's window.
    pub(super) lease: Arc<Lease>,
}

/// The result of a task.
pub(super) enum TaskResult {
    /// Computed and stored; with the duration in milliseconds.
    Computed(Box<Outcome>, u64),
    /// Computed by another run while this run waited for the lease.
    ByOtherRun(Box<Record>),
    /// Failed; with the duration in milliseconds.
    Failed(Failure, u64),
}

/// Poll interval while another process writes the dataset.
const LEASE_POLL_INTERVAL: Duration = Duration::from_millis(50);

impl NodeTask {
    /// Computes the outcome and stores it. An error ends the run.
    pub(super) async fn run(&self) -> Result<TaskResult, EngineError> {
        let started = self.clock.now();
        let elapsed = || milliseconds(started, self.clock.now());
        // Reports write only to the run's own folder. The lease on a dataset is held until its
        // outcome is stored.
        let mut _lease = None;
        if !self.node.is_report() {
            match self.dataset_lease().await {
                Ok(lease) => _lease = Some(lease),
                Err(failure) => return Ok(TaskResult::Failed(failure, elapsed())),
            }
            if let Some(record) = self.outcome_of_other_run().await {
                return Ok(TaskResult::ByOtherRun(Box::new(record)));
            }
        }
        let outcome = match self.execute_with_retries().await {
            Ok(outcome) => outcome,
            Err(failure) => return Ok(TaskResult::Failed(failure, elapsed())),
        };
        if let CellStatus::Failed { message } = &outcome.cell.status {
            return Ok(TaskResult::Failed(
                Failure::data(message.clone()),
                elapsed(),
            ));
        }
        self.store_outcome(&outcome)?;
        Ok(TaskResult::Computed(Box::new(outcome), elapsed()))
    }

    /// The outcome that another run computed while this run waited for the lease.
    async fn outcome_of_other_run(&self) -> Option<Record> {
        if self.is_forced() {
            return None;
        }
        let record = OutcomeStore::of_lake(&self.options.lake).get(&self.fingerprint)?;
        let usable = self
            .executor
            .is_usable(&self.node, &record.outcome, &self.ctx)
            .await;
        usable.then_some(record)
    }

    fn store_outcome(&self, outcome: &Outcome) -> Result<(), EngineError> {
        let (job, lake) = (&self.ctx.plan.job, &self.options.lake);
        if !self.lease.is_held() {
            let lease = Lease::of_window(lake, job, &self.ctx.plan.label).to_string();
            return Err(EngineError::Lost { lease });
        }
        let record = Record {
            job: job.clone(),
            node: self.node.name.clone(),
            fingerprint: self.fingerprint.clone(),
            components: self.components.clone(),
            run: self.ctx.run.clone(),
            created: self.clock.now(),
            outcome: outcome.clone(),
        };
        OutcomeStore::of_lake(lake)
            .put(&record, &self.ctx.folder)
            .map_err(write_error(lake.folder()))
    }

    fn is_forced(&self) -> bool {
        self.options.force.covers(&self.node.name)
    }

    /// The lease on the node's dataset; waits for runs on other windows that write it.
    async fn dataset_lease(&self) -> Result<Lease, Failure> {
        let path = Lease::of_node(&self.options.lake, &self.ctx.plan.job, &self.node.name);
        let mut is_reported = false;
        loop {
            let response =
                Lease::request(&path, &self.ctx.run, self.clock.now()).map_err(|error| {
                    Failure::transient(format!("cannot acquire the lease {path}: {error}"))
                })?;
            let holder = match response {
                LeaseResponse::Granted(lease) => return Ok(lease),
                LeaseResponse::Held(holder) => holder,
            };
            if !is_reported {
                is_reported = true;
                let holder = holder.map_or_else(|| "another run".into(), |h| h.to_string());
                self.recorder.record(EventKind::NodeWaiting, |event| {
                    event.node = Some(self.node.name.clone());
                    event.message = Some(format!("its dataset is being written by {holder}"));
                });
            }
            tokio::select! {
                biased;
                () = self.options.cancel.cancelled() => return Err(Failure::cancelled()),
                () = self.clock.sleep(LEASE_POLL_INTERVAL) => {}
            }
        }
    }

    async fn execute_with_retries(&self) -> Result<Outcome, Failure> {
        let retry_loop = RetryLoop {
            node: &self.node,
            clock: &*self.clock,
            options: &self.options,
            budget: &self.budget,
            seed: self.ctx.seed,
        };
        let on_retry = |failure: &Failure, wait: Duration| {
            self.recorder.record(EventKind::NodeRetried, |event| {
                event.node = Some(self.node.name.clone());
                event.message = Some(format!(
                    "{failure}; trying again in {:.1} s",
                    wait.as_secs_f64()
                ));
            });
        };
        retry_loop.run(|_| self.attempt(), on_retry).await
    }

    async fn attempt(&self) -> Result<Outcome, Failure> {
        let cancel = self.options.cancel.child_token();
        let ctx = RunContext {
            cancel: cancel.clone(),
            fingerprint: self.fingerprint.0.clone(),
            forced: self.is_forced(),
            ..(*self.ctx).clone()
        };
        let progress = &*self.recorder.progress;
        let execution = self
            .executor
            .execute(&self.node, &self.inputs, &ctx, progress);
        let execution = AssertUnwindSafe(execution)
            .catch_unwind()
            .map(|result| result.unwrap_or_else(|payload| Err(panic_failure(&*payload))));
        let timeout = async {
            match self.node.timeout {
                Some(timeout) => self.clock.sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        // A cancelled node gets a little time to stop cleanly.
        let cancelled = async {
            self.options.cancel.cancelled().await;
            self.clock.sleep(self.options.grace).await;
        };
        let mut execution = std::pin::pin!(execution);
        tokio::select! {
            biased;
            result = &mut execution => result,
            () = timeout => {
                cancel.cancel();
                // Its resources are released before another node starts.
                tokio::select! {
                    biased;
                    _ = &mut execution => {}
                    () = self.clock.sleep(self.options.grace) => {}
                }
                let limit = self.node.timeout.unwrap_or_default();
                Err(Failure::transient(format!("took longer than {} s", limit.as_secs_f64()))
                    .hint("raise its `timeout` in the job file"))
            }
            () = cancelled => Err(Failure::cancelled()),
        }
    }
}
