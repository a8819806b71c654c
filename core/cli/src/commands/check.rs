//! `retrocast check`: every mistake of a job file, and of what it is asked for, at once.

use super::{job, print, print_json};
use crate::{Exit, arguments::JobArguments, workspace::Workspace};
use retrocast_domain::{Diagnostic, Level, number::plural};

pub fn check(
    workspace: &Workspace,
    arguments: &JobArguments,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let loaded = job::load(workspace, arguments)?;
    let fine = loaded.checked.job.as_ref().map(|job| {
        format!(
            "{}: {}, {}, {}; nothing wrong",
            job.file,
            plural(job.sources.len() as u64, "source"),
            plural(job.stages.len() as u64, "stage"),
            plural(job.reports.len() as u64, "report"),
        )
    });
    // The job itself first, then the window and the nodes that were asked for.
    let mut told: Vec<(Vec<Diagnostic>, String)> = Vec::new();
    let asked =
        arguments.window.is_some() || !arguments.select.is_empty() || !arguments.until.is_empty();
    if asked {
        job::plan_and_tell(loaded, arguments, &mut |diagnostics, text| {
            told.push((diagnostics.to_vec(), text.to_string()));
            Ok(())
        })?;
    } else {
        told.push((loaded.checked.diagnostics, loaded.text));
    }
    let all = told.iter().flat_map(|(diagnostics, _)| diagnostics);
    let errors = all
        .filter(|diagnostic| diagnostic.level == Level::Error)
        .count();
    if as_json {
        let located = told
            .iter()
            .flat_map(|(diagnostics, text)| job::located(diagnostics, text));
        print_json(&located.collect::<Vec<_>>())?;
    } else {
        for (diagnostics, text) in &told {
            job::print_diagnostics(diagnostics, text);
        }
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
    if let Some(fine) = fine.filter(|_| !as_json) {
        print(&fine)?;
    }
    Ok(Exit::Done)
}
