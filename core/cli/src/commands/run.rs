//! `retrocast run`: from records to reports and the archive.

use super::{archive, job, print};
use crate::{
    Exit,
    arguments::{AgainArguments, JobArguments, MeansArguments},
    executor::Work,
    progress, terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::number::plural;
use retrocast_engine::{
    FailureKind, Progress, RunOptions, RunResult, Runner, SystemClock, journal::RunStatus,
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// What is printed on reports as the program that made them.
pub const BUILD: &str = concat!("retrocast ", env!("CARGO_PKG_VERSION"));

/// What a run may use, and how it tells of itself.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Events as JSON lines instead of progress.
    pub json: bool,
    /// Threads for analysis; one a core when not given.
    pub threads: Option<usize>,
    /// Memory that one query may take before it spills.
    pub memory_mib: usize,
}

impl From<MeansArguments> for Means {
    fn from(arguments: MeansArguments) -> Self {
        Self {
            json: arguments.json,
            threads: arguments.threads.map(usize::from),
            memory_mib: arguments.memory as usize,
        }
    }
}

pub fn run(
    workspace: &Workspace,
    arguments: &JobArguments,
    again: &AgainArguments,
    means: &Means,
) -> anyhow::Result<Exit> {
    let Some(planned) = job::planned(workspace, arguments, means.json)? else {
        return Ok(job::unusable());
    };
    let force = job::force(&planned, again)?;
    run_and_tell(workspace, &planned, means, |options| options.force = force)
}

/// Runs a plan, makes the archive's pages anew and says how it went.
pub fn run_and_tell(
    workspace: &Workspace,
    planned: &job::Planned,
    means: &Means,
    set: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let result = execute(workspace, planned, means, set)?;
    let index = archive::rebuild(workspace)?;
    report_failures(&result);
    if !means.json {
        let milliseconds = started.elapsed().as_millis() as u64;
        print(&closing(&result, &index, milliseconds))?;
    }
    Ok(exit(result.status))
}

/// The exit code of a run.
pub fn exit(status: RunStatus) -> Exit {
    match status {
        RunStatus::Complete => Exit::Done,
        RunStatus::Partial => Exit::Partial,
        _ => Exit::Failed,
    }
}

/// Runs a plan with a bar or lines, and leaves `run.json` for the archive.
pub fn execute(
    workspace: &Workspace,
    planned: &job::Planned,
    means: &Means,
    set: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<RunResult> {
    if !means.json {
        let plan = &planned.plan;
        eprintln!(
            "{}, window {} ({})",
            plan.title,
            plan.label,
            plan.window.words()
        );
    }
    let listener = progress::listener(means.json, planned.plan.nodes.len());
    let Threads {
        runtime,
        compute,
        runner,
    } = runner(workspace, planned, means, listener, set)?;
    let result = runtime.block_on(runner.run(planned.job.clone(), planned.plan.clone()));
    // Nodes that do not hear of a cancelled run must not hold it up.
    runtime.shutdown_background();
    compute.shutdown_background();
    let result = result?;
    archive::write_summary(&planned.plan, &result)?;
    archive::write_failure(workspace, &result);
    Ok(result)
}

/// What a run works with: threads that keep it going, threads that compute, and the runner.
pub struct Threads {
    pub runtime: Runtime,
    pub compute: Runtime,
    pub runner: Runner,
}

/// Starts threads and makes a runner; Ctrl-C and SIGTERM cancel what runs in them.
pub fn runner(
    workspace: &Workspace,
    planned: &job::Planned,
    means: &Means,
    listener: Arc<dyn Progress>,
    set: impl FnOnce(&mut RunOptions),
) -> anyhow::Result<Threads> {
    let mut options = RunOptions::new(&workspace.lake, &workspace.reports, BUILD);
    if let Some(threads) = means.threads {
        options.threads = threads.max(1);
    }
    set(&mut options);
    // Fails when a pool is there already, which is as good.
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
    listen_for_signals(&runtime, options.cancel.clone());
    let work = Work::new(
        workspace.clone(),
        planned.catalogue.clone(),
        means.memory_mib.max(16) << 20,
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

fn listen_for_signals(runtime: &Runtime, cancel: CancellationToken) {
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping; what is finished stays and is reused by the next run");
        cancel.cancel();
        // A second Ctrl-C does not wait.
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(1);
    });
}

/// Prints what failed, each once: messages of nodes often begin with the node's name.
pub fn report_failures(result: &RunResult) {
    for (node, failure) in &result.failed {
        if failure.kind == FailureKind::Cancelled {
            continue;
        }
        let text = failure.to_string();
        let text = text.strip_prefix(node.as_str()).unwrap_or(&text);
        let text = text.trim_start_matches([':', ' ']);
        eprintln!("error: {node}: {}", terminal::clean(text));
    }
}

fn closing(result: &RunResult, index: &Path, milliseconds: u64) -> String {
    let word = match result.status {
        RunStatus::Complete => "complete",
        RunStatus::Partial => "partial: something optional is missing",
        RunStatus::Cancelled => "cancelled",
        _ => "failed",
    };
    let mut text = format!(
        "\nrun {} is {word}: {} executed, {} reused, in {}\n",
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
    let failure = result.folder.join(retrocast_deliver::failure::PAGE);
    if failure.is_file() {
        let _ = writeln!(text, "  {:<10} {}", "failure", failure.display());
    }
    let _ = writeln!(text, "  {:<10} {}", "archive", index.display());
    text
}
