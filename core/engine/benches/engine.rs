//! Measures the overhead of the engine: jobs whose nodes do nothing. `cargo xtask bench` runs this.
//!
//! Prints the wall time of each phase and the peak memory of the process. Each phase is measured
//! only once, because a second run would reuse the outcomes of the first.

use async_trait::async_trait;
use jiff::civil::date;
use retrocast_domain::{Cell, Outcome};
use retrocast_engine::{
    CheckOptions, Executor, Failure, Job, Kinds, LedgerView, NoProgress, PlanOptions, Progress,
    RunContext, RunOptions, Runner, SqlError, SystemClock, check, plan,
};
use retrocast_run::{Node, Plan};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
    fs,
    sync::Arc,
    time::Instant,
};

/// Number of nodes without dependencies on each other.
const WIDTH: usize = 10;

struct NoOpKinds;

impl Kinds for NoOpKinds {
    fn names(&self) -> Vec<String> {
        vec!["noop".to_string()]
    }

    fn schema(&self, _kind: &str) -> Option<Value> {
        Some(json!({
            "type": "object",
            "properties": { "inputs": {
                "type": "array",
                "items": { "type": "string" },
                "x-dataset": true,
                "default": [],
            } },
        }))
    }

    fn code_version(&self, _kind: &str) -> u32 {
        1
    }

    fn sql_tables(&self, _query: &str) -> Result<BTreeSet<String>, SqlError> {
        Ok(BTreeSet::new())
    }

    fn contract_exists(&self, _name: &str) -> bool {
        false
    }

    fn contract_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn contract_hash(&self, _name: &str) -> String {
        String::new()
    }
}

struct NoOpExecutor;

#[async_trait]
impl Executor for NoOpExecutor {
    async fn source_identity(&self, _node: &Node, _ctx: &RunContext) -> Result<String, Failure> {
        Ok(String::new())
    }

    async fn execute(
        &self,
        node: &Node,
        _inputs: &BTreeMap<String, Arc<Outcome>>,
        _ctx: &RunContext,
        _progress: &dyn Progress,
    ) -> Result<Outcome, Failure> {
        Ok(Outcome {
            cell: Cell::new(node.short(), node.kind()),
            datasets: Vec::new(),
            files: Vec::new(),
            source: None,
        })
    }
}

/// The text of a job with nodes in layers: each node reads the node above it.
fn layered_job(nodes: usize) -> String {
    let mut text = "title = \"Layers\"\nwindow = \"week\"\n".to_string();
    for i in 0..nodes {
        let _ = write!(text, "[stage.n{i}]\nkind = \"noop\"\n");
        if i >= WIDTH {
            let _ = writeln!(text, "inputs = [\"n{}\"]", i - WIDTH);
        }
    }
    text
}

fn job(text: &str) -> Result<Job, String> {
    let options = CheckOptions {
        name: "layers",
        file: "layers.toml",
        kinds: &NoOpKinds,
        set: &[],
        environment: &|_| None,
    };
    let checked = check(text, &options);
    checked.job.ok_or(format!("{:?}", checked.diagnostics))
}

fn build_plan(job: &Job) -> Result<Plan, Box<dyn Error>> {
    let today = date(2026, 11, 21);
    let options = PlanOptions {
        window: job.window_for(today, None).map_err(|e| e.message)?,
        date: today,
        set: &[],
        select: &[],
        seed: 0,
        notices: &[],
        earlier: None,
        note: "",
        ledger: &|| Ok(LedgerView::default()),
        published: None,
        decisions: Vec::new(),
        closed: Vec::new(),
        environment: Arc::new(|_| None),
    };
    plan::build(job, &NoOpKinds, &options).map_err(|errors| format!("{errors:?}").into())
}

/// Runs an operation and prints its duration.
fn time<T>(phase: &str, nodes: usize, operation: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = operation();
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let each = milliseconds / nodes as f64;
    println!(
        "{nodes:>7} nodes  {phase:<16} {milliseconds:>9.1} ms  {each:>7.3} ms a node   peak {:>5.1} MB",
        peak_kib() as f64 / 1024.0
    );
    result
}

/// The high-water mark of this process's resident memory, if the kernel reports it.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn measure(nodes: usize) -> Result<(), Box<dyn Error>> {
    let text = layered_job(nodes);
    let job = Arc::new(time("check", nodes, || job(&text))?);
    let plan = Arc::new(time("plan", nodes, || build_plan(&job))?);
    let folder = tempfile::tempdir()?;
    let options = RunOptions::new(
        folder.path().join("lake"),
        folder.path().join("reports"),
        "1",
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for phase in ["first run", "unchanged rerun", "unchanged rerun"] {
        let runner = Runner::new(
            Arc::new(NoOpExecutor),
            Arc::new(SystemClock),
            Arc::new(NoProgress),
            options.clone(),
        );
        time(phase, nodes, || {
            runtime.block_on(runner.run(job.clone(), plan.clone()))
        })?;
    }
    Ok(())
}

/// Measures jobs with the numbers of nodes given as arguments, for profiling; by default, a series
/// of sizes.
fn main() -> Result<(), Box<dyn Error>> {
    let node_counts: Vec<usize> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    if !node_counts.is_empty() && node_counts != [100_000] {
        return node_counts.into_iter().try_for_each(measure);
    }
    if node_counts.is_empty() {
        measure(100)?;
        measure(1000)?;
    }
    let (nodes, text) = (100_000, layered_job(100_000));
    let job = time("check", nodes, || job(&text))?;
    time("plan", nodes, || build_plan(&job))?;
    Ok(())
}
