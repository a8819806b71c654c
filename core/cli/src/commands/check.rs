//! `retrocast check`: reports every error in a job file, its contracts and the arguments.

use super::{
    job::{self, PlannedRun},
    print, print_json,
};
use crate::{Exit, arguments::JobArguments, ledger::RunView, workspace::Workspace};
use anyhow::Context as _;
use retrocast_domain::{Diagnostic, Level, number::plural};
use retrocast_store::{SourceError, StoreError};

pub fn check(
    workspace: &Workspace,
    arguments: &JobArguments,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let mut loaded = job::load(workspace, arguments)?;
    // A check does not wait for a network, and the contents of the ledger cannot make a job
    // invalid.
    loaded.ledger.recorded = Some(RunView::default());
    let counts = loaded.checked.job.as_ref().map(|job| {
        format!(
            "{}: {}, {}, {}",
            job.file,
            plural(job.sources.len() as u64, "source"),
            plural(job.stages.len() as u64, "stage"),
            plural(job.reports.len() as u64, "report"),
        )
    });
    let text = loaded.text.clone();
    // Diagnostics, each list with the text of its file.
    let mut reported: Vec<(Vec<Diagnostic>, String)> = Vec::new();
    let selects_run =
        arguments.window.is_some() || !arguments.select.is_empty() || !arguments.until.is_empty();
    if !selects_run {
        reported.push((loaded.checked.diagnostics.clone(), text.clone()));
    }
    let planned = job::plan_with_warnings(loaded, arguments, &mut |diagnostics, text| {
        // Without a requested window or node, the job may lack what only a run needs.
        if selects_run {
            reported.push((diagnostics.to_vec(), text.to_string()));
        }
        Ok(())
    })?;
    if let Some(planned) = planned {
        reported.push((missing_file_warnings(workspace, &planned)?, text));
    }
    let count_level = |level: Level| {
        let diagnostics = reported.iter().flat_map(|(diagnostics, _)| diagnostics);
        diagnostics
            .filter(|diagnostic| diagnostic.level == level)
            .count() as u64
    };
    let (errors, warnings) = (count_level(Level::Error), count_level(Level::Warning));
    if as_json {
        let located = reported
            .iter()
            .flat_map(|(diagnostics, text)| job::diagnostics_json(diagnostics, text));
        print_json(&located.collect::<Vec<_>>())?;
    } else {
        for (diagnostics, text) in &reported {
            job::print_diagnostics(diagnostics, text);
        }
    }
    if errors > 0 {
        if !as_json {
            crate::terminal::message!("error: {} in {}", plural(errors, "mistake"), arguments.job);
        }
        return Ok(job::invalid_exit());
    }
    if let Some(counts) = counts.filter(|_| !as_json) {
        let result = match warnings {
            0 => "nothing wrong".to_string(),
            warnings => plural(warnings, "warning"),
        };
        print(&format!("{counts}; {result}"))?;
    }
    Ok(Exit::Done)
}

/// Warns about required local sources whose uri matches no file. Object storage is not listed: a
/// check does not wait for a network.
fn missing_file_warnings(
    workspace: &Workspace,
    planned: &PlannedRun,
) -> anyhow::Result<Vec<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start to list sources")?;
    let mut warnings = Vec::new();
    for (name, source) in planned.plan.sources() {
        if !source.required || source.uri.contains("://") {
            continue;
        }
        let listed = job::listing_summary(workspace, &planned.plan, (name, source), true);
        let listed = runtime.block_on(listed);
        let Err(error) = listed else { continue };
        let Some(StoreError::Source(error)) = error.downcast_ref() else {
            continue;
        };
        let message = match error {
            SourceError::NoFolder { folder, .. } => {
                format!("the folder {folder:?} does not exist yet")
            }
            SourceError::NoFile { file, .. } => format!("the file {file:?} does not exist yet"),
            SourceError::NoMatch { folder, seen, .. } => {
                format!("no file in {folder:?} matches yet{seen}")
            }
            _ => continue,
        };
        let mut warning = Diagnostic::error(&planned.job.file, message)
            .warning()
            .help("a run fails without records; `required = false` makes the source optional");
        if let Some(span) = planned.job.uri_span(name) {
            warning = warning.at(span);
        }
        warnings.push(warning);
    }
    Ok(warnings)
}
