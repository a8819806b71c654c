//! The scheduler of one run: the state of each node, which nodes may start, and which are skipped.

use super::{
    EngineError, Identities, RunResult, Runner,
    cells::CellWriter,
    group_commit::GroupCommit,
    node_task::{NodeTask, Recorder, RetryBudget, TaskResult},
    write_error,
};
use crate::{
    checksums::checksums,
    executor::{Failure, FailureKind, RunContext},
    fingerprint::{Components, Decision, identity},
    lease::Lease,
    outcome_store::{LastFingerprints, Record},
    plan::{input_indices, readers},
};
use retrocast_domain::{Cell, CellStatus, Finding, Outcome, canonical, report::SourceNote};
use retrocast_run::{
    EventKind, Fingerprint, Node, RunStatus,
    files::{CHECKSUMS, FINDINGS, write_json, write_whole},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};
use tokio::task::JoinSet;

/// Outcomes by short name of the node.
type Inputs = BTreeMap<String, Arc<Outcome>>;

/// The state of a node.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// The node has not started, is running, or is finished but not yet durable.
    Open,
    Done {
        outcome: Arc<Outcome>,
        identity: String,
        reused: bool,
    },
    /// If `soft`, reports are made without the node.
    Failed {
        failure: Failure,
        soft: bool,
    },
    Skipped {
        reason: String,
        soft: bool,
    },
}

/// A finished task of a node.
struct FinishedTask {
    index: usize,
    fingerprint: Fingerprint,
    result: Result<TaskResult, EngineError>,
}

/// Schedules the nodes of one run, and tracks their states.
pub(super) struct Scheduler<'a> {
    runner: &'a Runner,
    ctx: Arc<RunContext>,
    recorder: Arc<Recorder>,
    records: Identities,
    last: LastFingerprints,
    states: Vec<State>,
    /// Indices in the plan of each node's inputs, and of the nodes that read it.
    inputs: Vec<Vec<usize>>,
    readers: Vec<Vec<usize>>,
    /// Number of unsettled inputs of each node.
    missing: Vec<usize>,
    /// Nodes that can start, the first in the plan on top.
    ready: BinaryHeap<Reverse<usize>>,
    running: JoinSet<FinishedTask>,
    budget: Arc<RetryBudget>,
    finished: GroupCommit<(usize, State)>,
    cells: CellWriter,
    lease: Arc<Lease>,
}

impl<'a> Scheduler<'a> {
    /// Schedules the context's plan, given the identities of its sources.
    pub(super) fn new(
        runner: &'a Runner,
        ctx: Arc<RunContext>,
        recorder: Arc<Recorder>,
        records: Identities,
        lease: Arc<Lease>,
    ) -> Self {
        let inputs = input_indices(&ctx.plan.nodes);
        let missing: Vec<usize> = inputs.iter().map(Vec::len).collect();
        let ready = (0..inputs.len()).filter(|index| missing[*index] == 0);
        Self {
            runner,
            records,
            last: runner.store.last(&ctx.plan.job),
            states: vec![State::Open; inputs.len()],
            readers: readers(&inputs),
            ready: ready.map(Reverse).collect(),
            missing,
            inputs,
            running: JoinSet::new(),
            budget: Arc::new(RetryBudget::new(runner.options.retry_budget)),
            finished: GroupCommit::new(recorder.clone()),
            cells: CellWriter::start(&ctx.folder),
            ctx,
            recorder,
            lease,
        }
    }

    /// Runs, reuses or skips every node.
    pub(super) async fn run_all(&mut self) -> Result<(), EngineError> {
        loop {
            while self.running.len() < self.runner.options.threads.max(1)
                && let Some(Reverse(index)) = self.ready.pop()
            {
                self.start(index).await?;
            }
            let is_running = !self.running.is_empty();
            if !is_running && self.finished.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(done) = self.running.join_next() => {
                    self.finish(done.map_err(|error| EngineError::Internal(error.to_string()))?)?;
                }
                durable = self.finished.next_durable(is_running) => {
                    for (index, state) in durable {
                        self.settle(index, state);
                    }
                }
            }
        }
    }

    fn node(&self, index: usize) -> &Node {
        &self.ctx.plan.nodes[index]
    }

    /// Starts a node whose inputs are settled, or settles it at once.
    async fn start(&mut self, index: usize) -> Result<(), EngineError> {
        if let Some((reason, soft)) = self.skip_reason(index) {
            self.skip(index, reason, soft);
            return Ok(());
        }
        let node = self.node(index).clone();
        let records = match self.records.get(&node.name) {
            Some(Err(failure)) => {
                self.fail(index, failure.clone(), 0);
                return Ok(());
            }
            Some(Ok(records)) => Some(records.as_str()),
            None => None,
        };
        let (inputs, identities) = self.inputs(index);
        let build = &self.runner.options.build;
        let components = Components::new(&node, &self.ctx.plan, records, &identities, build);
        let fingerprint = components.fingerprint();
        let (decision, record) = self
            .runner
            .decide(&node, &self.ctx, &components, &fingerprint, &self.last)
            .await;
        if let Some(record) = record {
            // A recorded rerun uses the recorded state, not the current state.
            if node.is_source() && self.runner.options.recorded.is_none() {
                let executor = &self.runner.executor;
                executor.publish(&node, &record.outcome, &self.ctx).await;
            }
            if self.reuse(index, record, &decision)? {
                return Ok(());
            }
        }
        if node.is_source() && self.runner.options.recorded.is_some() {
            let reasons = decision.reasons.join("; ");
            let failure = Failure::data(format!(
                "its recorded dataset is no longer in the lake ({reasons})"
            ))
            .hint("`retrocast rerun --current` reads its current records");
            self.fail(index, failure, 0);
            return Ok(());
        }
        self.recorder.record(EventKind::NodeStarted, |event| {
            event.node = Some(node.name.clone());
            event.fingerprint = Some(fingerprint.clone());
            event.message = Some(decision.reasons.join("; "));
        });
        let task = NodeTask {
            executor: self.runner.executor.clone(),
            clock: self.runner.clock.clone(),
            options: self.runner.options.clone(),
            recorder: self.recorder.clone(),
            ctx: self.ctx.clone(),
            node,
            inputs,
            components,
            fingerprint: fingerprint.clone(),
            lease: self.lease.clone(),
            budget: self.budget.clone(),
        };
        self.running.spawn(async move {
            let result = task.run().await;
            FinishedTask {
                index,
                fingerprint,
                result,
            }
        });
        Ok(())
    }

    /// The reason why a node whose inputs are settled is skipped, and whether reports are made
    /// without it.
    fn skip_reason(&self, index: usize) -> Option<(String, bool)> {
        if self.runner.options.cancel.is_cancelled() {
            return Some(("the run was cancelled".to_string(), false));
        }
        let node = self.node(index);
        let mut soft_reason = None;
        for input in &self.inputs[index] {
            let name = &self.node(*input).name;
            let (reason, soft) = match &self.states[*input] {
                State::Failed { soft, .. } => (format!("{name} failed"), *soft),
                State::Skipped { soft, .. } => (format!("{name} was not run"), *soft),
                _ => continue,
            };
            if !soft {
                return Some((reason, false));
            }
            // A report describes the failure; any other node needs the missing input.
            if !node.is_report() {
                soft_reason.get_or_insert(reason);
            }
        }
        soft_reason.map(|reason| (reason, true))
    }

    /// Inputs by short name, with the identity of each.
    fn inputs(&self, index: usize) -> (Inputs, Vec<(String, String)>) {
        let (mut outcomes, mut identities) = (BTreeMap::new(), Vec::new());
        for input in &self.inputs[index] {
            let key = self.node(*input).short().to_string();
            if let State::Done {
                outcome, identity, ..
            } = &self.states[*input]
            {
                outcomes.insert(key.clone(), outcome.clone());
                identities.push((key, identity.clone()));
                continue;
            }
            let outcome = self.placeholder_outcome(*input, &self.states[*input]);
            identities.push((key.clone(), canonical::hash(&outcome.cell)));
            outcomes.insert(key, outcome);
        }
        (outcomes, identities)
    }

    /// The outcome of a failed or skipped node: a cell with the reason.
    fn placeholder_outcome(&self, index: usize, state: &State) -> Arc<Outcome> {
        let node = self.node(index);
        let mut cell = Cell::new(node.short(), node.kind());
        cell.title.clone_from(&node.title);
        cell.params.clone_from(&node.param_lines);
        cell.status = match state {
            State::Failed { failure, .. } => CellStatus::Failed {
                message: failure.to_string(),
            },
            State::Skipped { reason, .. } => CellStatus::NotRun {
                reason: reason.clone(),
            },
            State::Open | State::Done { .. } => CellStatus::NotRun {
                reason: String::new(),
            },
        };
        Arc::new(Outcome {
            cell,
            datasets: Vec::new(),
            files: Vec::new(),
            source: None,
        })
    }

    fn reuse(
        &mut self,
        index: usize,
        record: Record,
        decision: &Decision,
    ) -> Result<bool, EngineError> {
        if self
            .runner
            .store
            .restore(&record, &self.ctx.folder)
            .is_err()
        {
            // Its files were removed in the meantime: run the node.
            return Ok(false);
        }
        let node = record.node;
        self.remember(&node, &record.fingerprint)?;
        let rows = record.outcome.datasets.first().map(|dataset| dataset.rows);
        self.recorder.record(EventKind::NodeReused, |event| {
            event.node = Some(node);
            event.fingerprint = Some(record.fingerprint.clone());
            event.rows = rows;
            event.message = Some(decision.reasons.join("; "));
        });
        let state = self.done_state(index, &record.fingerprint, record.outcome, true);
        self.settle(index, state);
        Ok(true)
    }

    fn remember(&mut self, node: &str, fingerprint: &Fingerprint) -> Result<(), EngineError> {
        let lake = self.runner.options.lake.folder();
        self.last.set(node, fingerprint).map_err(write_error(lake))
    }

    fn finish(&mut self, task: FinishedTask) -> Result<(), EngineError> {
        let FinishedTask {
            index,
            fingerprint,
            result,
        } = task;
        let (outcome, duration_ms) = match result? {
            TaskResult::Computed(outcome, duration_ms) => (*outcome, duration_ms),
            TaskResult::Failed(failure, duration_ms) => {
                self.fail(index, failure, duration_ms);
                return Ok(());
            }
            TaskResult::ByOtherRun(record) => {
                let decision = Decision {
                    node: record.node.clone(),
                    reuse: true,
                    reasons: vec![format!(
                        "computed by run {} in the meantime, reuse",
                        record.run
                    )],
                    changes: Vec::new(),
                };
                if self.reuse(index, *record, &decision)? {
                    return Ok(());
                }
                let failure = Failure::transient("its outcome was removed while it was being read")
                    .hint("run the job again");
                self.fail(index, failure, 0);
                return Ok(());
            }
        };
        let node = self.node(index).name.clone();
        self.remember(&node, &fingerprint)?;
        self.recorder.record(EventKind::NodeFinished, |event| {
            event.node = Some(node);
            event.fingerprint = Some(fingerprint.clone());
            event.duration_ms = Some(duration_ms);
            event.rows = outcome.datasets.first().map(|dataset| dataset.rows);
            let remarks = outcome.source.as_ref().map(SourceNote::remarks);
            let remarks = remarks.filter(|remarks| !remarks.is_empty());
            event.message = remarks.map(|remarks| remarks.join("\n"));
        });
        let state = self.done_state(index, &fingerprint, outcome, false);
        self.finished.push((index, state));
        Ok(())
    }

    fn done_state(
        &self,
        index: usize,
        fingerprint: &Fingerprint,
        outcome: Outcome,
        reused: bool,
    ) -> State {
        let outcome = Arc::new(outcome);
        self.queue_cell(index, outcome.clone());
        State::Done {
            identity: identity(fingerprint, &outcome),
            outcome,
            reused,
        }
    }

    /// Settles a node; dependents start when all their inputs are settled.
    fn settle(&mut self, index: usize, state: State) {
        self.states[index] = state;
        for reader in &self.readers[index] {
            self.missing[*reader] -= 1;
            if self.missing[*reader] == 0 {
                self.ready.push(Reverse(*reader));
            }
        }
    }

    fn fail(&mut self, index: usize, failure: Failure, duration_ms: u64) {
        let node = self.node(index);
        let soft = node.optional && failure.kind != FailureKind::Cancelled;
        let kind = match failure.kind {
            FailureKind::Cancelled => EventKind::NodeCancelled,
            _ => EventKind::NodeFailed,
        };
        self.recorder.record(kind, |event| {
            event.node = Some(node.name.clone());
            event.duration_ms = Some(duration_ms);
            event.message = Some(failure.to_string());
        });
        let state = State::Failed { failure, soft };
        self.queue_cell(index, self.placeholder_outcome(index, &state));
        self.finished.push((index, state));
    }

    /// Skips a node. The event is not flushed: after a power failure the same node would be skipped
    /// again.
    fn skip(&mut self, index: usize, reason: String, soft: bool) {
        let node = self.node(index);
        self.recorder.record(EventKind::NodeSkipped, |event| {
            event.node = Some(node.name.clone());
            event.message = Some(reason.clone());
        });
        let state = State::Skipped { reason, soft };
        self.queue_cell(index, self.placeholder_outcome(index, &state));
        self.settle(index, state);
    }

    fn queue_cell(&self, index: usize, outcome: Arc<Outcome>) {
        let node = self.node(index);
        if !node.is_report() {
            self.cells.queue(node.short(), outcome);
        }
    }

    pub(super) fn result(&self) -> RunResult {
        let mut result = RunResult {
            run: self.ctx.run.clone(),
            folder: self.ctx.folder.clone(),
            status: RunStatus::Complete,
            outcomes: BTreeMap::new(),
            executed: Vec::new(),
            reused: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
        };
        let (mut partial, mut failed, mut cancelled) = (false, false, false);
        for (node, state) in self.ctx.plan.nodes.iter().zip(&self.states) {
            let name = node.name.clone();
            match state {
                State::Done {
                    outcome, reused, ..
                } => {
                    result.outcomes.insert(name.clone(), outcome.clone());
                    if *reused {
                        &mut result.reused
                    } else {
                        &mut result.executed
                    }
                    .push(name);
                }
                State::Failed { failure, soft } => {
                    cancelled |= failure.kind == FailureKind::Cancelled;
                    (partial, failed) = (partial || *soft, failed || !soft);
                    result.failed.push((name, failure.clone()));
                }
                State::Skipped { reason, soft } => {
                    (partial, failed) = (partial || *soft, failed || !soft);
                    result.skipped.push((name, reason.clone()));
                }
                State::Open => failed = true,
            }
        }
        cancelled |= failed && self.runner.options.cancel.is_cancelled();
        result.status = match (cancelled, failed, partial) {
            (true, ..) => RunStatus::Cancelled,
            (_, true, _) => RunStatus::Failed,
            (.., true) => RunStatus::Partial,
            _ => RunStatus::Complete,
        };
        result
    }

    /// Writes all findings in the order of the plan, and the hash of every file except the journal,
    /// which is still being written.
    pub(super) async fn write_findings(self, result: &RunResult) -> Result<(), EngineError> {
        let mut findings: Vec<Finding> = self
            .ctx
            .plan
            .nodes
            .iter()
            .filter(|node| !node.is_report())
            .filter_map(|node| result.outcomes.get(&node.name))
            .flat_map(|outcome| outcome.cell.findings.iter().cloned())
            .collect();
        for finding in &mut findings {
            finding.decide(&self.ctx.plan.decisions);
        }
        let path = self.ctx.folder.join(FINDINGS);
        write_json(&path, &findings).map_err(write_error(&path))?;
        let hashes = self.cells.finish().await?;
        let sums = checksums(&self.ctx.folder, &hashes).map_err(write_error(&self.ctx.folder))?;
        let path = self.ctx.folder.join(CHECKSUMS);
        write_whole(&path, sums.as_bytes()).map_err(write_error(&path))
    }
}
