//! `retrocast run`: runs a job and rebuilds the archive's pages.

use super::{
    archive::{self, read},
    job, print,
};
use crate::{
    Exit,
    arguments::{ForceArguments, JobArguments, ResourceArguments},
    deliveries,
    executor::{self, WorkspaceExecutor, coverage},
    housekeeping, progress, signals, terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::{Report, number::plural};
use retrocast_engine::{
    FailureKind, Progress, RunOptions, RunResult, Runner, SystemClock, schedule::Machine,
};
use retrocast_run::{Plan, RunStatus, RunSummary, SliceIndex};
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

/// Resources of a run, and the format of its output.
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
    /// True if reports and notifications are sent when the job file requests them.
    pub mail: bool,
}

impl From<ResourceArguments> for RunResources {
    fn from(arguments: ResourceArguments) -> Self {
        Self {
            json: arguments.json,
            threads: arguments.threads.map(usize::from),
            memory: arguments.memory.unwrap_or_else(default_memory),
            spill: arguments.spill,
            mail: !arguments.no_mail,
        }
    }
}

/// Default memory of a run: half of the free memory, or 512 MiB if it is unknown. The rest is for
/// uncounted allocations and other programs.
pub fn default_memory() -> u64 {
    const MINIMUM: u64 = 64 << 20;
    const ASSUMED_FREE: u64 = 1 << 30;
    let free = Machine::inspect(&[]).free_memory.unwrap_or(ASSUMED_FREE);
    (free / 2).max(MINIMUM)
}

pub fn run(
    workspace: &Workspace,
    arguments: &JobArguments,
    force_arguments: &ForceArguments,
    note: &str,
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    let format = job::DiagnosticsFormat::of_lines(resources.json);
    let Some(planned) = job::plan_run(workspace, arguments, note, format)? else {
        return Ok(job::invalid_exit());
    };
    let force = job::forced_nodes(&planned, force_arguments)?;
    run_and_print(workspace, &planned, resources, |options| {
        options.force = force.clone();
    })
}

/// Runs a plan, rebuilds the archive's pages and prints the result.
pub fn run_and_print(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    configure: impl Fn(&mut RunOptions),
) -> anyhow::Result<Exit> {
    let end = planned.plan.window.end_instant();
    if end > jiff::Timestamp::now() && !resources.json {
        terminal::message!("note: the window has not ended; later records count as missing");
    }
    let started = Instant::now();
    let result = execute(workspace, planned, resources, configure)?;
    let index = archive::update(workspace)?;
    report_failures(&result);
    // After rebuilding the archive, so that the links in a mail work.
    if resources.mail {
        deliveries::send_after_run(workspace, &planned.job, &result.folder, result.status);
    }
    if !resources.json {
        if let Some(warning) = window_warning(&result, &planned.plan) {
            terminal::message!("warning: {warning}");
        }
        let milliseconds = started.elapsed().as_millis() as u64;
        let address = workspace.addresses[1].as_deref();
        // A write error is reported when the program ends; it does not change the result of the
        // run.
        let _ = print(&format_summary(&result, &index, address, milliseconds));
    }
    Ok(exit(result.status))
}

/// Returns a warning if the records of a run are all before or after its window.
fn window_warning(result: &RunResult, plan: &Plan) -> Option<String> {
    let report: Report = read(&result.folder.join("report.json")).ok()?;
    coverage::outside_message(&report.sources, &plan.window)
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
    configure: impl Fn(&mut RunOptions),
) -> anyhow::Result<RunResult> {
    let first = attempt(workspace, planned, resources, &configure);
    if !is_disk_full(&first) {
        return first;
    }
    if housekeeping::free_space(workspace, &planned.job)? {
        attempt(workspace, planned, resources, &configure)
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
    configure: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<RunResult> {
    if !resources.json {
        let plan = &planned.plan;
        terminal::message!(
            "{}, window {} ({})",
            terminal::truncate(&plan.title, 200),
            plan.label,
            plan.window.words()
        );
    }
    let listener = progress::listener(resources.json, planned.plan.nodes.len());
    let RunEngine {
        runtime,
        compute,
        runner,
    } = start_runner(workspace, planned, resources, listener, configure)?;
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

/// Finds a complete run of a plan that another run would only repeat.
pub fn find_up_to_date(
    workspace: &Workspace,
    planned: &job::PlannedRun,
) -> anyhow::Result<Option<(PathBuf, RunSummary)>> {
    let listener = progress::listener(true, 0);
    let engine = start_runner(workspace, planned, &INSPECTION, listener, |_| {})?;
    let search = engine.runner.up_to_date(&planned.job, &planned.plan);
    Ok(engine.runtime.block_on(search))
}

/// A runner with its runtimes for async work and for queries.
pub struct RunEngine {
    pub runtime: Runtime,
    pub compute: Runtime,
    pub runner: Runner,
}

/// Starts the runtimes and creates a runner, which Ctrl-C and SIGTERM cancel.
pub fn start_runner(
    workspace: &Workspace,
    planned: &job::PlannedRun,
    resources: &RunResources,
    listener: Arc<dyn Progress>,
    configure: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<RunEngine> {
    let mut options = RunOptions::new(&workspace.lake_locations.files, &workspace.reports, BUILD);
    options.mirror.clone_from(&workspace.mirror);
    if let Some(threads) = resources.threads {
        options.threads = threads.max(1);
    }
    options.cancel = signals::stop().child_token();
    configure(&mut options);
    // An error means that a pool already exists, which is fine.
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
    let executor = WorkspaceExecutor::new(
        workspace.clone(),
        planned.catalogue.clone(),
        pool,
        listener.clone(),
        compute.handle().clone(),
    );
    let runner = Runner::new(Arc::new(executor), Arc::new(SystemClock), listener, options);
    Ok(RunEngine {
        runtime,
        compute,
        runner,
    })
}

/// Prints the failures. Messages of nodes often begin with the node's name, which is not repeated.
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

fn format_summary(
    result: &RunResult,
    index: &Path,
    address: Option<&str>,
    milliseconds: u64,
) -> String {
    let word = match result.status {
        RunStatus::Complete => "is complete",
        RunStatus::Partial => "is partial: an optional part is missing",
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
    for name in ["executive", "technical"] {
        if let Ok(Some(index)) = SliceIndex::read(&result.folder, name) {
            let slices = plural(index.slices.len() as u64, "slice");
            let folder = result.folder.join(retrocast_run::slices::SLICES);
            let _ = writeln!(
                text,
                "  {:<10} {slices} of {name} in {}",
                "slices",
                folder.display()
            );
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
