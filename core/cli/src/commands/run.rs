//! `retrocast run`: from records to reports and the archive.

use super::{archive, job, print};
use crate::{Exit, arguments::JobArguments, executor::Work, progress, workspace::Workspace};
use anyhow::Context as _;
use retrocast_domain::number::plural;
use retrocast_engine::{Progress, RunOptions, RunResult, Runner, SystemClock, journal::RunStatus};
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

pub fn run(
    workspace: &Workspace,
    arguments: &JobArguments,
    json: bool,
    threads: Option<usize>,
    memory_mib: usize,
) -> anyhow::Result<Exit> {
    let Some(planned) = job::planned(workspace, arguments)? else {
        return Ok(job::unusable());
    };
    let started = Instant::now();
    if !json {
        let plan = &planned.plan;
        eprintln!(
            "{}, window {} ({})",
            plan.title,
            plan.label,
            plan.window.words()
        );
    }
    let listener = progress::listener(json, planned.plan.nodes.len());
    let Threads {
        runtime,
        compute,
        runner,
    } = runner(workspace, &planned, threads, memory_mib, listener)?;
    let result = runtime.block_on(runner.run(planned.job.clone(), planned.plan.clone()))?;
    // Nodes that do not hear of a cancelled run must not hold it up.
    runtime.shutdown_background();
    compute.shutdown_background();
    archive::write_summary(&planned.plan, &result)?;
    let index = archive::rebuild(workspace)?;
    report_failures(&result);
    if !json {
        print(&closing(
            &result,
            &index,
            started.elapsed().as_millis() as u64,
        ))?;
    }
    Ok(match result.status {
        RunStatus::Complete => Exit::Done,
        RunStatus::Partial => Exit::Partial,
        _ => Exit::Failed,
    })
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
    threads: Option<usize>,
    memory_mib: usize,
    listener: Arc<dyn Progress>,
) -> anyhow::Result<Threads> {
    let mut options = RunOptions::new(&workspace.lake, &workspace.reports, BUILD);
    if let Some(threads) = threads {
        options.threads = threads.max(1);
    }
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
        memory_mib.max(16) << 20,
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

fn report_failures(result: &RunResult) {
    for (node, failure) in &result.failed {
        let text = failure.to_string();
        let named = text.starts_with(node.as_str());
        eprintln!(
            "error: {}{text}",
            if named {
                String::new()
            } else {
                format!("{node}: ")
            }
        );
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
    let _ = writeln!(text, "  {:<10} {}", "archive", index.display());
    text
}
