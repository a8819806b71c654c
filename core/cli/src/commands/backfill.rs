//! `retrocast backfill`: a job for every window of a range.

use super::{
    archive, job, print,
    run::{self, Means},
};
use crate::{Exit, arguments::JobArguments, diagnose::WrongUsage, workspace::Workspace};
use jiff::civil::Date;
use retrocast_domain::{RunStatus, Window, number::plural};
use retrocast_engine::Job;
use std::fmt::Write as _;

/// Which windows.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First day.
    pub from: Date,
    /// Day after the last day.
    pub to: Date,
    /// As many windows as may be run.
    pub most: usize,
}

pub fn backfill(
    workspace: &Workspace,
    job: &str,
    range: &Range,
    set: &[String],
    means: &Means,
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
    let Some(first) = job::planned(workspace, &arguments, means.json)? else {
        return Ok(job::unusable());
    };
    let windows = windows(&first.job, range);
    if windows.is_empty() {
        let message = format!("no window of {job} begins and ends in the range");
        return Err(WrongUsage(message).into());
    }
    if windows.len() > range.most {
        let n = windows.len();
        let message = format!("the range has {n} windows, and --most is {}", range.most);
        return Err(WrongUsage(message).into());
    }
    let mut told = Vec::new();
    for window in windows {
        // The date of the run is the day after the window: that on which it would have been made.
        arguments.date = Some(window.end);
        arguments.window = Some(window.label());
        let Some(planned) = job::planned(workspace, &arguments, means.json)? else {
            return Ok(job::unusable());
        };
        let result = run::execute(workspace, &planned, means, |_| {})?;
        run::report_failures(&result);
        let cancelled = result.status == RunStatus::Cancelled;
        told.push((planned.plan.label.clone(), result));
        if cancelled {
            break;
        }
    }
    let index = archive::rebuild(workspace)?;
    if !means.json {
        let mut text = format!("\n{} of {job}\n", plural(told.len() as u64, "window"));
        for (label, result) in &told {
            let (executed, reused) = (result.executed.len(), result.reused.len());
            let status = result.status.word();
            let _ = writeln!(
                text,
                "  {label:<22} {status:<12} {:<12} {executed} executed, {reused} reused",
                result.run
            );
        }
        let _ = writeln!(text, "  archive {}", index.display());
        print(&text)?;
    }
    let worst = told.iter().map(|(_, result)| run::exit(result.status));
    Ok(worst
        .max_by_key(|exit| gravity(*exit))
        .unwrap_or(Exit::Done))
}

/// The job's windows that lie in the range as a whole, oldest first.
fn windows(job: &Job, range: &Range) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut window = job.window.last_complete(range.to, &job.timezone);
    while window.start >= range.from {
        let before = job.window.last_complete(window.start, &job.timezone);
        windows.push(std::mem::replace(&mut window, before));
    }
    windows.reverse();
    windows
}

fn gravity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Partial => 1,
        _ => 2,
    }
}
