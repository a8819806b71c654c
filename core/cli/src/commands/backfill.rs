//! `retrocast backfill`: runs a job for every window of a range.

use super::{
    archive, job, print,
    run::{self, RunResources},
};
use crate::{
    Exit,
    arguments::JobArguments,
    diagnose::{self, WrongUsage},
    ledger::publish_finished,
    terminal,
    workspace::Workspace,
};
use jiff::civil::Date;
use retrocast_domain::{Window, number::plural};
use retrocast_engine::Job;
use retrocast_run::RunStatus;
use std::fmt::Write as _;

/// A range of windows.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First day.
    pub from: Date,
    /// Day after the last day.
    pub to: Date,
    /// Maximum number of windows.
    pub limit: usize,
}

/// The result of the run for a window.
struct WindowOutcome {
    window: String,
    run: String,
    status: RunStatus,
    /// Numbers of nodes executed and reused; `None` if an earlier run is up to date.
    node_counts: Option<(usize, usize)>,
}

pub fn backfill(
    workspace: &Workspace,
    job: &str,
    range: &Range,
    set: &[String],
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    if range.from >= range.to {
        let (from, to) = (range.from, range.to);
        return Err(WrongUsage(format!("--from {from} must come before --to {to}")).into());
    }
    let mut arguments = JobArguments {
        job: job.to_string(),
        date: Some(range.to),
        window: None,
        set: set.to_vec(),
        select: Vec::new(),
        until: Vec::new(),
    };
    let Some(planned) = job::load_and_plan(
        workspace,
        &arguments,
        job::DiagnosticsFormat::of_lines(resources.json),
    )?
    else {
        return Ok(job::invalid_exit());
    };
    let mut windows = windows(&planned.job, range);
    let today = job::today(&planned.job.timezone)?;
    let window_count = windows.len();
    windows.retain(|window| window.end <= today);
    if windows.len() < window_count {
        let n = plural((window_count - windows.len()) as u64, "window");
        terminal::message!(
            "skipped: {n} that {} not ended yet",
            if window_count - windows.len() == 1 {
                "has"
            } else {
                "have"
            }
        );
    }
    if windows.is_empty() {
        let message = format!("the range contains no complete window of {job}");
        return Err(WrongUsage(message).into());
    }
    if windows.len() > range.limit {
        let n = windows.len();
        let message = format!("the range has {n} windows, and --limit is {}", range.limit);
        return Err(WrongUsage(message).into());
    }
    let (mut outcomes, mut busy, mut failure) = (Vec::new(), 0_u64, None);
    for window in windows {
        // The run is dated the day after the window, as a scheduled run would have been.
        arguments.date = Some(window.end);
        arguments.window = Some(window.label());
        let format = job::DiagnosticsFormat::of_lines(resources.json);
        let Some(planned) = job::plan_run(workspace, &arguments, "", format)? else {
            return Ok(job::invalid_exit());
        };
        let window = planned.plan.label.clone();
        if let Some((_, summary)) = run::find_up_to_date(workspace, &planned)? {
            outcomes.push(WindowOutcome {
                window,
                run: summary.run,
                status: summary.status,
                node_counts: None,
            });
            continue;
        }
        let result = match run::execute(workspace, &planned, resources, |_| {}) {
            Ok(result) => result,
            // Another process runs this window; continue with the others.
            Err(error) if diagnose::exit(&error) == Exit::Busy => {
                terminal::print_error(&error);
                busy += 1;
                continue;
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        run::report_failures(&result);
        outcomes.push(WindowOutcome {
            window,
            status: result.status,
            node_counts: Some((result.executed.len(), result.reused.len())),
            run: result.run,
        });
        if result.status == RunStatus::Cancelled {
            break;
        }
    }
    let index = archive::update(workspace)?;
    publish_finished(workspace, job);
    if !resources.json {
        let mut text = format!("\n{} of {job}\n", plural(outcomes.len() as u64, "window"));
        for outcome in &outcomes {
            let nodes = match outcome.node_counts {
                Some((executed, reused)) => format!("{executed} executed, {reused} reused"),
                None => "up to date".to_string(),
            };
            let (window, status, run) = (&outcome.window, outcome.status.word(), &outcome.run);
            let _ = writeln!(text, "  {window:<22} {status:<12} {run:<12} {nodes}");
        }
        if busy > 0 {
            let busy = plural(busy, "window");
            let _ = writeln!(text, "  {busy} already running in another process");
        }
        let _ = writeln!(text, "  archive {}", index.display());
        // A write error is reported when the program ends.
        let _ = print(&text);
    }
    if let Some(error) = failure {
        return Err(error);
    }
    if busy > 0
        && outcomes
            .iter()
            .all(|outcome| run::exit(outcome.status) == Exit::Done)
    {
        return Ok(Exit::Busy);
    }
    let exits = outcomes.iter().map(|outcome| run::exit(outcome.status));
    Ok(exits.fold(Exit::Done, Exit::more_severe))
}

/// The job's windows that lie entirely in the range, oldest first.
fn windows(job: &Job, range: &Range) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut window = job.window.last_complete(range.to, &job.timezone);
    while window.start >= range.from {
        let previous = job.window.last_complete(window.start, &job.timezone);
        windows.push(std::mem::replace(&mut window, previous));
    }
    windows.reverse();
    windows
}
