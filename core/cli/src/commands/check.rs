//! `retrocast check`: every mistake of a job file at once.

use super::{job, print, print_json};
use crate::{Exit, arguments::JobArguments, workspace::Workspace};
use retrocast_domain::{Level, number::plural};

pub fn check(
    workspace: &Workspace,
    arguments: &JobArguments,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let loaded = job::load(workspace, arguments)?;
    let diagnostics = &loaded.checked.diagnostics;
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.level == Level::Error)
        .count();
    if as_json {
        print_json(&job::located(diagnostics, &loaded.text))?;
    } else {
        job::print_diagnostics(diagnostics, &loaded.text);
    }
    if errors > 0 {
        if !as_json {
            eprintln!(
                "error: {} in {}",
                plural(errors as u64, "mistake"),
                arguments.job
            );
        }
        return Ok(job::unusable());
    }
    if let Some(job) = loaded.checked.job.filter(|_| !as_json) {
        print(&format!(
            "{}: {}, {}, {}; nothing wrong",
            job.file,
            plural(job.sources.len() as u64, "source"),
            plural(job.stages.len() as u64, "stage"),
            plural(job.reports.len() as u64, "report"),
        ))?;
    }
    Ok(Exit::Done)
}
