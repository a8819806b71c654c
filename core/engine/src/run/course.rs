//! One run on its way: which node stands where, what can begin, what is left behind.

use super::{
    EngineError, RunResult, Runner,
    effort::{Effort, Made, Recorder},
    milliseconds, writing,
};
use crate::{
    boundary::{Failure, FailureKind, RunContext},
    fingerprint::{Components, Decision, Fingerprint, identity},
    journal::{EventKind, RunStatus, write_json},
    lease::Lease,
    outcome_store::{Last, Record},
    plan::{Node, positions},
};
use retrocast_domain::{Cell, CellStatus, Finding, Outcome, canonical};
use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path, sync::Arc};
use tokio::task::JoinSet;

/// Outcomes by short name of the node.
type Inputs = BTreeMap<String, Arc<Outcome>>;

/// Where a node stands.
#[derive(Debug, Clone)]
enum State {
    Waiting,
    Working,
    Done {
        outcome: Arc<Outcome>,
        identity: String,
        reused: bool,
    },
    /// `soft`: the reports are made without it.
    Failed {
        failure: Failure,
        soft: bool,
    },
    Skipped {
        reason: String,
        soft: bool,
    },
}

impl State {
    fn is_settled(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Working)
    }
}

/// What came of a node's work.
struct Work {
    index: usize,
    parts: Components,
    started: jiff::Timestamp,
    result: Result<Made, Failure>,
}

/// One run on its way.
pub(super) struct Course<'a> {
    runner: &'a Runner,
    ctx: Arc<RunContext>,
    recorder: Arc<Recorder>,
    records: BTreeMap<String, Result<String, Failure>>,
    states: Vec<State>,
    /// Positions in the plan of each node's inputs.
    inputs: Vec<Vec<usize>>,
    working: JoinSet<Work>,
    /// Held until the run is over.
    lease: Lease,
}

impl<'a> Course<'a> {
    /// A run of the context's plan, with what every source holds.
    pub(super) fn new(
        runner: &'a Runner,
        ctx: Arc<RunContext>,
        recorder: Arc<Recorder>,
        records: BTreeMap<String, Result<String, Failure>>,
        lease: Lease,
    ) -> Self {
        Self {
            runner,
            recorder,
            records,
            states: vec![State::Waiting; ctx.plan.nodes.len()],
            inputs: positions(&ctx.plan.nodes),
            ctx,
            working: JoinSet::new(),
            lease,
        }
    }

    pub(super) async fn complete(&mut self) -> Result<(), EngineError> {
        loop {
            while self.begin_what_can().await? {}
            let Some(done) = self.working.join_next().await else {
                return Ok(());
            };
            let work = done.map_err(|error| EngineError::Broken(error.to_string()))?;
            self.finish(work)?;
        }
    }

    fn node(&self, index: usize) -> &Node {
        &self.ctx.plan.nodes[index]
    }

    /// Looks through the waiting nodes once; true when one of them was settled, which may let
    /// others begin.
    async fn begin_what_can(&mut self) -> Result<bool, EngineError> {
        let mut settled = false;
        for index in 0..self.states.len() {
            if !matches!(self.states[index], State::Waiting) {
                continue;
            }
            let ready = self.inputs[index]
                .iter()
                .all(|input| self.states[*input].is_settled());
            if ready && self.working.len() < self.runner.options.threads.max(1) {
                settled |= self.begin(index).await?;
            }
        }
        Ok(settled)
    }

    /// Begins a node whose inputs are settled; true when that settled it.
    async fn begin(&mut self, index: usize) -> Result<bool, EngineError> {
        if let Some((reason, soft)) = self.why_not(index) {
            self.skip(index, reason, soft)?;
            return Ok(true);
        }
        let node = self.node(index).clone();
        let records = match self.records.get(&node.name) {
            Some(Err(failure)) => {
                let failure = failure.clone();
                self.fail(index, failure, 0)?;
                return Ok(true);
            }
            Some(Ok(records)) => Some(records.as_str()),
            None => None,
        };
        let (inputs, identities) = self.inputs(index);
        let build = &self.runner.options.build;
        let parts = Components::new(&node, &self.ctx.plan, records, &identities, build);
        let (decision, record) = self.runner.decide(&node, &self.ctx, &parts).await;
        if let Some(record) = record
            && self.reuse(index, record, &decision)?
        {
            return Ok(true);
        }
        if node.is_source() && self.runner.options.recorded.is_some() {
            let why = decision.reasons.join("; ");
            let failure = Failure::data(format!("what it held then cannot be had again: {why}"))
                .hint("`retrocast rerun --current` takes what it holds now");
            self.fail(index, failure, 0)?;
            return Ok(true);
        }
        self.recorder.record(EventKind::NodeStarted, |event| {
            event.node = Some(node.name.clone());
            event.fingerprint = Some(parts.fingerprint());
            event.message = Some(decision.reasons.join("; "));
        });
        self.states[index] = State::Working;
        let started = self.runner.clock.now();
        let effort = Effort {
            executor: self.runner.executor.clone(),
            clock: self.runner.clock.clone(),
            options: self.runner.options.clone(),
            recorder: self.recorder.clone(),
            ctx: self.ctx.clone(),
            node,
            inputs,
            parts: parts.clone(),
        };
        self.working.spawn(async move {
            let result = effort.make().await;
            Work {
                index,
                parts,
                started,
                result,
            }
        });
        Ok(false)
    }

    /// Why a node whose inputs are settled is not begun, and whether reports are made nonetheless.
    fn why_not(&self, index: usize) -> Option<(String, bool)> {
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
            // A report tells of the failure; any other node needs what is missing.
            if !node.is_report() {
                soft_reason.get_or_insert(reason);
            }
        }
        soft_reason.map(|reason| (reason, true))
    }

    /// Inputs by short name, with what each is known by.
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
            let cell = self.failure_cell(*input);
            identities.push((key.clone(), canonical::hash(&cell)));
            let (datasets, files) = (Vec::new(), Vec::new());
            outcomes.insert(
                key,
                Arc::new(Outcome {
                    cell,
                    datasets,
                    files,
                    source: None,
                }),
            );
        }
        (outcomes, identities)
    }

    /// The cell of a node that did not do its work.
    fn failure_cell(&self, index: usize) -> Cell {
        let node = self.node(index);
        let mut cell = Cell::new(node.short(), &node.kind);
        cell.title.clone_from(&node.title);
        cell.params.clone_from(&node.params);
        let message = match &self.states[index] {
            State::Failed { failure, .. } => failure.to_string(),
            State::Skipped { reason, .. } => format!("not run: {reason}"),
            _ => "not run".to_string(),
        };
        cell.status = CellStatus::Failed { message };
        cell
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
            // Its files went away under our hands: run the node.
            return Ok(false);
        }
        let last = Last {
            fingerprint: record.fingerprint.clone(),
            components: record.components,
        };
        let node = record.node;
        if self.runner.store.last(&record.job, &node).as_ref() != Some(&last) {
            let lake = &self.runner.options.lake;
            self.runner
                .store
                .set_last(&record.job, &node, &last)
                .map_err(writing(lake))?;
        }
        let rows = record.outcome.datasets.first().map(|dataset| dataset.rows);
        self.recorder.record(EventKind::NodeReused, |event| {
            event.node = Some(node);
            event.fingerprint = Some(record.fingerprint.clone());
            event.rows = rows;
            event.message = Some(decision.reasons.join("; "));
        });
        self.settle(index, &record.fingerprint, record.outcome, true)?;
        Ok(true)
    }

    fn finish(&mut self, work: Work) -> Result<(), EngineError> {
        let Work {
            index,
            parts,
            started,
            result,
        } = work;
        let made = self.runner.clock.now();
        let duration_ms = milliseconds(started, made);
        // The lease on the dataset is kept until its outcome is.
        let (outcome, _writing) = match result {
            Ok(Made::Now(outcome, writing)) => match &outcome.cell.status {
                CellStatus::Failed { message } => {
                    return self.fail(index, Failure::data(message.clone()), duration_ms);
                }
                _ => (*outcome, writing),
            },
            Ok(Made::Elsewhere(record)) => {
                let decision = Decision {
                    node: record.node.clone(),
                    reuse: true,
                    reasons: vec![format!("made by run {} meanwhile, reuse", record.run)],
                    changes: Vec::new(),
                };
                if self.reuse(index, *record, &decision)? {
                    return Ok(());
                }
                let failure = Failure::transient("its outcome went away while it was looked at")
                    .hint("run the job again");
                return self.fail(index, failure, duration_ms);
            }
            Err(failure) => return self.fail(index, failure, duration_ms),
        };
        if !self.lease.is_held() {
            let (job, window) = (&self.ctx.plan.job, &self.ctx.plan.label);
            let path = Lease::of_window(&self.runner.options.lake, job, window);
            return Err(EngineError::Lost { path });
        }
        let fingerprint = parts.fingerprint();
        let node = self.node(index).name.clone();
        let record = Record {
            job: self.ctx.plan.job.clone(),
            node: node.clone(),
            fingerprint: fingerprint.clone(),
            components: parts,
            run: self.ctx.run.clone(),
            made,
            outcome: outcome.clone(),
        };
        let lake = &self.runner.options.lake;
        self.runner
            .store
            .put(&record, &self.ctx.folder)
            .map_err(writing(lake))?;
        self.recorder.record(EventKind::NodeFinished, |event| {
            event.node = Some(node);
            event.fingerprint = Some(fingerprint.clone());
            event.duration_ms = Some(duration_ms);
            event.rows = outcome.datasets.first().map(|dataset| dataset.rows);
        });
        self.settle(index, &fingerprint, outcome, false)
    }

    fn settle(
        &mut self,
        index: usize,
        fingerprint: &Fingerprint,
        outcome: Outcome,
        reused: bool,
    ) -> Result<(), EngineError> {
        self.leave_cell(index, &outcome.cell)?;
        let identity = identity(fingerprint, &outcome);
        self.states[index] = State::Done {
            outcome: Arc::new(outcome),
            identity,
            reused,
        };
        Ok(())
    }

    fn fail(
        &mut self,
        index: usize,
        failure: Failure,
        duration_ms: u64,
    ) -> Result<(), EngineError> {
        let node = self.node(index);
        let (name, soft) = (
            node.name.clone(),
            node.optional && failure.kind != FailureKind::Cancelled,
        );
        let kind = match failure.kind {
            FailureKind::Cancelled => EventKind::NodeCancelled,
            _ => EventKind::NodeFailed,
        };
        self.recorder.record(kind, |event| {
            event.node = Some(name.clone());
            event.duration_ms = Some(duration_ms);
            event.message = Some(failure.to_string());
        });
        self.states[index] = State::Failed { failure, soft };
        let cell = self.failure_cell(index);
        self.leave_cell(index, &cell)
    }

    fn skip(&mut self, index: usize, reason: String, soft: bool) -> Result<(), EngineError> {
        let name = self.node(index).name.clone();
        self.recorder.record(EventKind::NodeSkipped, |event| {
            event.node = Some(name.clone());
            event.message = Some(reason.clone());
        });
        self.states[index] = State::Skipped { reason, soft };
        let cell = self.failure_cell(index);
        self.leave_cell(index, &cell)
    }

    fn leave_cell(&self, index: usize, cell: &Cell) -> Result<(), EngineError> {
        let node = self.node(index);
        if node.is_report() {
            return Ok(());
        }
        let path = self
            .ctx
            .folder
            .join("cells")
            .join(format!("{}.json", node.short()));
        write_json(&path, cell).map_err(writing(&path))
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
                State::Waiting | State::Working => failed = true,
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

    /// Writes all findings in the order of the plan, and the hash of every file but the journal,
    /// which is still being written.
    pub(super) fn leave_findings(&self, result: &RunResult) -> Result<(), EngineError> {
        let findings: Vec<&Finding> = self
            .ctx
            .plan
            .nodes
            .iter()
            .filter(|node| !node.is_report())
            .filter_map(|node| result.outcomes.get(&node.name))
            .flat_map(|outcome| &outcome.cell.findings)
            .collect();
        let path = self.ctx.folder.join("findings.json");
        write_json(&path, &findings).map_err(writing(&path))?;
        let sums = checksums(&self.ctx.folder).map_err(writing(&self.ctx.folder))?;
        let path = self.ctx.folder.join(CHECKSUMS);
        crate::outcome_store::write_whole(&path, sums.as_bytes()).map_err(writing(&path))
    }
}

/// Name of the file of hashes in a run's folder; `b3sum --check` reads it.
const CHECKSUMS: &str = "checksums.b3";

/// BLAKE3 hashes of the files of a folder, as `b3sum` prints them, by name.
fn checksums(folder: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    let mut out = String::new();
    for name in names
        .iter()
        .filter(|name| *name != crate::journal::JOURNAL && *name != CHECKSUMS)
    {
        let hash = blake3::hash(&fs::read(folder.join(name))?);
        let _ = writeln!(out, "{}  {name}", hash.to_hex());
    }
    Ok(out)
}
