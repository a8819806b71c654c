//! `retrocast run`: from records to reports and the archive.

use super::{
    archive::{self, read},
    job, print,
};
use crate::{
    Exit,
    arguments::{AgainArguments, JobArguments, ResourceArguments},
    executor::{self, Work, coverage},
    housekeeping, mail, progress, signals, terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::{Report, number::plural};
use retrocast_engine::{
    FailureKind, Progress, RunOptions, RunResult, Runner, SystemClock, schedule::Machine,
};
use retrocast_run::{Plan, RunStatus, RunSummary};
use retrocast_store::{Limits, ResourcePool};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::runtime::Runtime;

/// Program name and version, as printed on reports.
pub const BUILD: &str = concat!("retrocast ", env!("CARGO_PKG_VERSION"));

/// Resources of a run, and the form of its output.
#[derive(Debug, Clone, Copy)]
pub struct RunResources {
    /// Events as JSON lines instead of progress.
    pub json: bool,
    /// Threads for analysis; `None` for one per core.
    pub threads: Option<usize>,
    /// Memory that all nodes share, in bytes.
    pub memory: u64,
    /// Disk space for spilled queries, in bytes.
    pub spill: u64,
    /// True if reports are sent as mail when the job file says so.
    pub mail: bool,
}

impl From<ResourceArguments> for RunResources {
    fn from(arguments: ResourceArguments) -> Self {
        Self {
            json: arguments.json,
            threads: arguments.threads.map(usize::from),
            memory: arguments.memory.unwrap_or_else(spare),
            spill: arguments.spill,
            mail: !arguments.no_mail,
        }
    }
}

/// Default memory of a run: half of the free memory, which leaves the rest for uncounted allocations and
/// other programs; 512 MiB if unknown.
fn spare() -> u64 {
    const LEAST: u64 = 64 << 20;
    const UNKNOWN: u64 = 1 << 30;
    let free = Machine::inspect(&[]).free_memory.unwrap_or(UNKNOWN);
    (free / 2).max(LEAST)
}

pub fn run(
    workspace: &Workspace,
    arguments: &JobArguments,
    again: &AgainArguments,
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    let output = job::Output::of_lines(resources.json);
    let Some(planned) = job::planned_to_run(workspace, arguments, output)? else {
        return Ok(job::unusable());
    };
    let force = job::force(&planned, again)?;
    run_and_print(workspace, &planned, resources, |options| {
        options.force = force.clone();
    })
}

/// Runs a plan, rebuilds the archive's pages and prints the result.
pub fn run_and_print(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    set: impl Fn(&mut RunOptions),
) -> anyhow::Result<Exit> {
    let end = planned.plan.window.end_instant();
    if end > jiff::Timestamp::now() && !resources.json {
        terminal::message!("note: the window is not over; what is still to come counts as missing");
    }
    let started = Instant::now();
    let result = execute(workspace, planned, resources, set)?;
    let index = archive::rebuild(workspace)?;
    report_failures(&result);
    // Rebuilt first, so that the links in a mail work.
    if resources.mail {
        mail::after_run(workspace, &planned.job, &result.folder, result.status);
    }
    if !resources.json {
        if let Some(warning) = outside(&result, &planned.plan) {
            terminal::message!("warning: {warning}");
        }
        let milliseconds = started.elapsed().as_millis() as u64;
        let address = workspace.addresses[1].as_deref();
        // A write error is reported when the program ends; it does not change the result of the
        // run.
        let _ = print(&closing(&result, &index, address, milliseconds));
    }
    Ok(exit(result.status))
}

/// Returns a warning if the records of a run are all before or after its window.
fn outside(result: &RunResult, plan: &Plan) -> Option<String> {
    let report: Report = read(&result.folder.join("report.json")).ok()?;
    coverage::outside(&report.sources, &plan.window)
}

/// The exit code of a run.
pub fn exit(status: RunStatus) -> Exit {
    match status {
        RunStatus::Complete => Exit::Done,
        RunStatus::Partial => Exit::Partial,
        _ => Exit::Failed,
    }
}

/// Runs a plan with a progress bar or lines, and writes `run.json` for the archive. On a full disk,
/// old reports are removed as the job file allows, and the run is repeated once.
pub fn execute(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    set: impl Fn(&mut RunOptions),
) -> anyhow::Result<RunResult> {
    let first = attempt(workspace, planned, resources, &set);
    if !is_disk_full(&first) {
        return first;
    }
    if housekeeping::free_space(workspace, &planned.job)? {
        attempt(workspace, planned, resources, &set)
    } else {
        first
    }
}

fn is_disk_full(result: &anyhow::Result<RunResult>) -> bool {
    match result {
        Ok(result) => result
            .failed
            .iter()
            .any(|(_, failure)| failure.kind == FailureKind::Full),
        Err(error) => is_full(error),
    }
}

/// Returns true if an error is due to a full disk.
pub fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io_error = cause.downcast_ref::<std::io::Error>();
        io_error.is_some_and(executor::is_full)
    })
}

fn attempt(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    set: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<RunResult> {
    if !resources.json {
        let plan = &planned.plan;
        terminal::message!(
            "{}, window {} ({})",
            terminal::line(&plan.title, 200),
            plan.label,
            plan.window.words()
        );
    }
    let listener = progress::listener(resources.json, planned.plan.nodes.len());
    let Threads {
        runtime,
        compute,
        runner,
    } = runner(workspace, planned, resources, listener, set)?;
    let result = runtime.block_on(runner.run(planned.job.clone(), planned.plan.clone()));
    // Nodes that ignore the cancellation must not delay the exit.
    runtime.shutdown_background();
    compute.shutdown_background();
    let result = result?;
    archive::write_summary(&result)?;
    if result.status.has_reports() {
        housekeeping::clear_printed_notices(workspace, &planned.plan)?;
    }
    archive::write_failure(workspace, &result);
    Ok(result)
}

/// Resources for inspecting a plan; nothing is computed.
pub const INSPECTION: RunResources = RunResources {
    json: true,
    threads: None,
    memory: 64 << 20,
    spill: 1 << 20,
    mail: false,
};

/// The existing run of a plan, if it is complete and another one would be equal.
pub fn find_up_to_date(
    workspace: &Workspace,
    planned: &job::PlannedRun,
) -> anyhow::Result<Option<(PathBuf, RunSummary)>> {
    let quiet = progress::listener(true, 0);
    let threads = runner(workspace, planned, &INSPECTION, quiet, |_| {})?;
    let search = threads.runner.up_to_date(&planned.job, &planned.plan);
    Ok(threads.runtime.block_on(search))
}

/// The runtimes of a run: async threads, compute threads, and the runner.
pub struct Threads {
    pub runtime: Runtime,
    pub compute: Runtime,
    pub runner: Runner,
}

/// Starts threads and makes a runner; Ctrl-C and SIGTERM cancel its work.
pub fn runner(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    listener: Arc<dyn Progress>,
    set: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<Threads> {
    let mut options = RunOptions::new(&workspace.places.files, &workspace.reports, BUILD);
    options.mirror.clone_from(&workspace.mirror);
    if let Some(threads) = resources.threads {
        options.threads = threads.max(1);
    }
    options.cancel = signals::stop().child_token();
    set(&mut options);
    // Fails if a pool exists already, which is fine.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global();
    let start = |threads: usize| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .context("cannot start threads")
    };
    let (runtime, compute) = (start(2)?, start(options.threads)?);
    let pool = ResourcePool::new(Limits {
        memory: resources.memory,
        spill: resources.spill,
        folder: workspace.lake.join(".spill"),
    });
    let work = Work::new(
        workspace.clone(),
        planned.catalogue.clone(),
        pool,
        listener.clone(),
        compute.handle().clone(),
    );
    let runner = Runner::new(Arc::new(work), Arc::new(SystemClock), listener, options);
    Ok(Threads {
        runtime,
        compute,
        runner,
    })
}

/// Prints each failure once; messages of nodes often begin with the node's name.
pub fn report_failures(result: &RunResult) {
    for (node, failure) in &result.failed {
        if failure.kind == FailureKind::Cancelled {
            continue;
        }
        let text = failure.to_string();
        let text = text.strip_prefix(node.as_str()).unwrap_or(&text);
        let text = text.trim_start_matches([':', ' ']);
        terminal::message!("error: {node}: {text}");
    }
}

fn closing(result: &RunResult, index: &Path, address: Option<&str>, milliseconds: u64) -> String {
    let word = match result.status {
        RunStatus::Complete => "is complete",
        RunStatus::Partial => "is partial: something optional is missing",
        RunStatus::Cancelled => "was cancelled",
        _ => "failed",
    };
    let mut text = format!(
        "\nrun {} {word}: {} executed, {} reused, in {}\n",
        result.run,
        plural(result.executed.len() as u64, "node"),
        result.reused.len(),
        progress::duration(milliseconds)
    );
    for name in ["executive", "technical"] {
        let path: PathBuf = result.folder.join(format!("{name}.pdf"));
        if path.is_file() {
            let _ = writeln!(text, "  {:<10} {}", name, path.display());
        }
    }
    let failure = result.folder.join(retrocast_run::files::FAILURE_PAGE);
    if failure.is_file() {
        let _ = writeln!(text, "  {:<10} {}", "failure", failure.display());
    }
    let _ = writeln!(text, "  {:<10} {}", "archive", index.display());
    if let Some(address) = address {
        let _ = writeln!(text, "  {:<10} {address}", "sent to");
    }
    text
}
