//! Test doubles: stage kinds, a scripted executor, and a clock that does not wait.

use crate::{
    executor::{Clock, Executor, Failure, Progress, RunContext},
    job::{CheckOptions, CheckedJob, Job, check},
    kinds::{Kinds, SqlError, TableSchema},
    ledger::LedgerView,
    plan::{self, PlanOptions},
};
use async_trait::async_trait;
use jiff::{Timestamp, civil::date};
use retrocast_domain::{Cell, DatasetRef, Diagnostic, Outcome};
use retrocast_run::{Node, Plan, RunSummary, folder::run_folders};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

/// A typical job.
pub const JOB: &str = r#"
title = "Review"
window = "week"
timezone = "Europe/London"
[params.least]
type = "integer"
default = 3
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[source.metrics]
uri = "metrics/*.csv"
contract = "metric"
[stage.rhythm]
kind = "count"
input = "tickets"
[stage.daily]
kind = "sql"
query = "select * from tickets where n > ${params.least}"
[stage.unusual]
kind = "count"
input = "daily"
optional = true
[stage.load]
kind = "count"
input = "metrics"
[report.executive]
stages = ["rhythm", "unusual"]
[report.technical]
"#;

/// A temporary folder.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        self.0.path()
    }
}

pub struct TestKinds;

impl Kinds for TestKinds {
    fn names(&self) -> Vec<String> {
        ["sql", "count", "pair"].map(str::to_string).into()
    }

    fn schema(&self, kind: &str) -> Option<Value> {
        Some(match kind {
            "sql" => json!({
                "type": "object",
                "properties": { "query": { "type": "string", "description": "The query." } },
                "required": ["query"],
            }),
            "count" => json!({
                "type": "object",
                "description": "Counts.",
                "properties": {
                    "input": { "type": "string", "x-dataset": true, "description": "Dataset to count." },
                    "time": { "type": ["string", "null"], "x-column": "input" },
                    "least": { "type": "number", "default": 1, "minimum": 0, "maximum": 100 },
                    "by": { "type": "array", "items": { "type": "string" } },
                    "unit": { "$ref": "#/$defs/Unit" },
                },
                "required": ["input"],
                "$defs": { "Unit": { "oneOf": [
                    { "const": "hour", "description": "Hours." },
                    { "const": "day", "description": "Days." },
                ] } },
            }),
            "pair" => json!({
                "type": "object",
                "properties": { "inputs": {
                    "x-dataset": true,
                    "anyOf": [
                        { "type": "array", "items": { "type": "string" }, "minItems": 2 },
                        { "type": "string" },
                    ],
                } },
                "required": ["inputs"],
            }),
            _ => return None,
        })
    }

    fn code_version(&self, _kind: &str) -> u32 {
        1
    }

    fn ledger_tables(&self) -> BTreeMap<String, TableSchema> {
        let tables = ["ledger.decisions", "ledger.findings", "ledger.kpis"];
        let columns: TableSchema = Arc::new(());
        let tables = tables.map(|table| (table.to_string(), columns.clone()));
        tables.into_iter().collect()
    }

    fn sql_tables(&self, query: &str) -> Result<BTreeSet<String>, SqlError> {
        for (i, line) in query.lines().enumerate() {
            if let Some(offset) = line.find("frm") {
                let message = "expected FROM, found: frm".to_string();
                let column = line[..offset].chars().count() + 1;
                return Err(SqlError {
                    message,
                    help: String::new(),
                    line: i + 1,
                    column,
                });
            }
        }
        let words: Vec<&str> = query.split_whitespace().collect();
        let tables = words
            .windows(2)
            .filter(|pair| ["from", "join"].contains(&pair[0]));
        Ok(tables.map(|pair| pair[1].to_string()).collect())
    }

    /// Accepts every column except `missing`.
    fn sql_schema(
        &self,
        query: &str,
        _tables: &BTreeMap<String, TableSchema>,
        _timezone: &str,
    ) -> Result<Option<TableSchema>, SqlError> {
        match query.find("missing") {
            Some(offset) => Err(SqlError {
                message: "there is no column missing".to_string(),
                help: "columns are: id".to_string(),
                line: 1,
                column: query[..offset].chars().count() + 1,
            }),
            None => Ok(Some(Arc::new(()))),
        }
    }

    fn contract_exists(&self, name: &str) -> bool {
        name == "broken" || self.contract_names().iter().any(|known| known == name)
    }

    fn contract_errors(&self, name: &str) -> Vec<Diagnostic> {
        if name != "broken" {
            return Vec::new();
        }
        let error = |message: &str, span| {
            Diagnostic::error("contracts/broken.toml", message)
                .at(span)
                .in_text("[field.id]\ntype = \"strng\"\n".into())
        };
        vec![
            error("unknown type `strng`", 18..25),
            error("no title", 0..0),
        ]
    }

    fn contract_schema(&self, name: &str) -> Option<TableSchema> {
        (name == "ticket").then(|| Arc::new(()) as TableSchema)
    }

    fn contract_names(&self) -> Vec<String> {
        ["ticket", "metric"].map(str::to_string).into()
    }

    fn contract_hash(&self, name: &str) -> String {
        format!("hash of {name}")
    }

    fn contract_columns(&self, name: &str) -> Option<Vec<String>> {
        (name == "ticket").then(|| ["id", "created_at", "n"].map(str::to_string).into())
    }
}

pub fn checked(text: &str) -> CheckedJob {
    let environment = |name: &str| (name == "RECORDS").then(|| "/records".to_string());
    check(
        text,
        &CheckOptions {
            name: "review",
            file: "jobs/review.toml",
            kinds: &TestKinds,
            set: &[],
            environment: &environment,
        },
    )
}

pub fn job(text: &str) -> Job {
    let CheckedJob { job, diagnostics } = checked(text);
    job.unwrap_or_else(|| panic!("{}", crate::render(&diagnostics, text, false)))
}

pub fn plan(text: &str) -> Plan {
    plan_with(text, &[], &[]).unwrap()
}

pub fn plan_with(
    text: &str,
    set: &[(String, String)],
    select: &[String],
) -> Result<Plan, Vec<Diagnostic>> {
    plan_with_ledger(text, set, select, &LedgerView::default())
}

/// Creates the plan of a run that sees the part `view` of the ledger.
pub fn plan_with_ledger(
    text: &str,
    set: &[(String, String)],
    select: &[String],
    view: &LedgerView,
) -> Result<Plan, Vec<Diagnostic>> {
    let job = job(text);
    let options = PlanOptions {
        window: job.window_for(date(2026, 11, 21), None).unwrap(),
        date: date(2026, 11, 21),
        set,
        select,
        seed: 0,
        notices: &[],
        earlier: None,
        note: "",
        ledger: &|| Ok(view.clone()),
        published: None,
        decisions: Vec::new(),
        closed: Vec::new(),
        environment: Arc::new(|name| (name == "RECORDS").then(|| "/records".to_string())),
    };
    plan::build(&job, &TestKinds, &options)
}

pub fn names(plan: &Plan) -> Vec<&str> {
    plan.nodes.iter().map(|node| node.name.as_str()).collect()
}

/// All runs of an archive with their folders, newest first.
pub fn runs(archive: &Path) -> Vec<(PathBuf, RunSummary)> {
    let folders = run_folders(archive).into_iter();
    let mut runs: Vec<_> = folders
        .filter_map(|folder| {
            let summary = RunSummary::of(&folder).ok()?;
            Some((folder, summary))
        })
        .collect();
    runs.sort_by(|(a_folder, a), (b_folder, b)| {
        (&b.started, a_folder).cmp(&(&a.started, b_folder))
    });
    runs
}

/// The scripted behaviour of a node.
#[derive(Clone)]
pub enum Action {
    /// Fail with the failure, the given number of times.
    Fail(u32, Failure),
    /// Panic.
    Panic,
    /// Never return.
    Hang,
    /// Wait until cancelled, then set the flag and fail.
    AwaitCancel(Arc<AtomicBool>),
    /// Cancel the run, then succeed.
    Cancel(tokio_util::sync::CancellationToken),
    /// Wait at the barrier, then succeed.
    WaitForOthers(Arc<tokio::sync::Barrier>),
}

/// Executes nodes as scripted, and records them.
#[derive(Default)]
pub struct ScriptedExecutor {
    pub actions: BTreeMap<String, Action>,
    pub records: Mutex<BTreeMap<String, String>>,
    executed: Mutex<Vec<String>>,
    /// Inputs of each executed node.
    pub inputs: Mutex<BTreeMap<String, BTreeMap<String, Arc<Outcome>>>>,
    versions: Mutex<BTreeMap<String, u64>>,
    /// Files to delete when a node runs.
    pub delete_files: Mutex<BTreeMap<String, std::path::PathBuf>>,
    /// Nodes whose datasets no longer exist.
    pub deleted: Mutex<BTreeSet<String>>,
    /// Number of requests for a source's identity.
    pub identity_requests: AtomicI64,
}

impl ScriptedExecutor {
    pub fn new(actions: impl IntoIterator<Item = (&'static str, Action)>) -> Self {
        let actions = actions
            .into_iter()
            .map(|(name, action)| (name.to_string(), action));
        Self {
            actions: actions.collect(),
            ..Self::default()
        }
    }

    /// Returns the nodes executed since the last call, sorted.
    pub fn take_executed(&self) -> Vec<String> {
        let mut executed = std::mem::take(&mut *self.executed.lock().unwrap());
        executed.sort();
        executed
    }

    fn attempts(&self, name: &str) -> u32 {
        self.executed
            .lock()
            .unwrap()
            .iter()
            .filter(|executed| *executed == name)
            .count() as u32
    }
}

#[async_trait]
impl Executor for ScriptedExecutor {
    async fn source_identity(&self, node: &Node, _ctx: &RunContext) -> Result<String, Failure> {
        self.identity_requests.fetch_add(1, Ordering::Relaxed);
        Ok(self
            .records
            .lock()
            .unwrap()
            .get(&node.name)
            .cloned()
            .unwrap_or_default())
    }

    async fn is_usable(&self, node: &Node, _outcome: &Outcome, _ctx: &RunContext) -> bool {
        !self.deleted.lock().unwrap().contains(&node.name)
    }

    async fn execute(
        &self,
        node: &Node,
        inputs: &BTreeMap<String, Arc<Outcome>>,
        ctx: &RunContext,
        _progress: &dyn Progress,
    ) -> Result<Outcome, Failure> {
        self.executed.lock().unwrap().push(node.name.clone());
        self.inputs
            .lock()
            .unwrap()
            .insert(node.name.clone(), inputs.clone());
        if let Some(path) = self.delete_files.lock().unwrap().get(&node.name) {
            std::fs::remove_file(path).unwrap();
        }
        match self.actions.get(&node.name) {
            Some(Action::Fail(times, failure)) if self.attempts(&node.name) <= *times => {
                return Err(failure.clone());
            }
            Some(Action::Panic) => panic!("scripted panic"),
            Some(Action::Hang) => std::future::pending().await,
            Some(Action::AwaitCancel(stopped)) => {
                ctx.cancel.cancelled().await;
                stopped.store(true, Ordering::Relaxed);
                return Err(Failure::cancelled());
            }
            Some(Action::Cancel(token)) => token.cancel(),
            Some(Action::WaitForOthers(barrier)) => {
                barrier.wait().await;
            }
            _ => {}
        }
        let mut versions = self.versions.lock().unwrap();
        let version = versions.entry(node.name.clone()).or_default();
        *version += 1;
        let mut outcome = Outcome {
            cell: Cell::new(node.short(), node.kind()),
            datasets: vec![DatasetRef {
                name: node.short().to_string(),
                version: *version,
                rows: 7,
            }],
            files: Vec::new(),
            source: None,
        };
        if node.is_report() {
            let name = format!("{}.pdf", node.short());
            std::fs::write(ctx.folder.join(&name), format!("report {}", ctx.identity)).unwrap();
            outcome.datasets.clear();
            outcome.files.push(name);
        }
        Ok(outcome)
    }
}

/// A clock that advances by a millisecond per reading, and by the full time of each sleep at once.
#[derive(Default)]
pub struct TestClock {
    readings: AtomicI64,
    pub slept: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let milliseconds = self.readings.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millisecond(1_795_000_000_000 + milliseconds).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
    }
}
