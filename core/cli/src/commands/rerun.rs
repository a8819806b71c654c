//! `retrocast rerun`: repeats a run, as recorded or with the current job file and records.

use super::{
    archive, job,
    run::{self, BUILD, RunResources},
};
use crate::{
    Exit,
    arguments::{ForceArguments, JobArguments},
    diagnose::WrongUsage,
    ledger::RunView,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_engine::RecordedSources;
use retrocast_run::{Node, Plan, RecordedPlan, files::JOB};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn find_recorded(workspace: &Workspace, run: &str) -> anyhow::Result<(PathBuf, RecordedPlan)> {
    let folder = archive::find(workspace, run)?;
    let recorded = RecordedPlan::read(&folder)?;
    Ok((folder, recorded))
}

/// The operational notices printed in the reports of a plan.
fn notices(plan: &Plan) -> Vec<String> {
    let report = plan.nodes.iter().find_map(Node::report);
    report
        .map(|report| report.notices.clone())
        .unwrap_or_default()
}

/// The note of the author of a run.
fn note(plan: &Plan) -> String {
    let report = plan.nodes.iter().find_map(Node::report);
    report.map_or_else(String::new, |report| report.run_note.join("\n\n"))
}

/// The report that the reports of a plan were compared with.
fn earlier(plan: &Plan) -> job::EarlierSource {
    let mut reports = plan.nodes.iter().filter_map(Node::report);
    job::EarlierSource::Recorded(reports.find_map(|report| report.earlier.clone()))
}

/// The arguments that request the same run.
fn arguments(plan: &Plan) -> JobArguments {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_string)
    };
    let set = plan.params.iter();
    JobArguments {
        job: plan.job.clone(),
        date: Some(plan.date),
        window: Some(plan.label.clone()),
        set: set
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect(),
        select: plan.nodes.iter().map(|node| node.name.clone()).collect(),
        until: Vec::new(),
    }
}

/// Repeats a run's window and params with the current job file and records.
pub fn current(workspace: &Workspace, run: &str, resources: &RunResources) -> anyhow::Result<Exit> {
    let (_, recorded) = find_recorded(workspace, run)?;
    let mut arguments = arguments(&recorded.plan);
    // The current job may have other nodes.
    arguments.select.clear();
    let force = ForceArguments {
        force: false,
        from: Vec::new(),
    };
    run::run(workspace, &arguments, &force, "", resources)
}

/// Repeats a run with the recorded job file and the recorded dataset versions.
pub fn as_recorded(
    workspace: &Workspace,
    run: &str,
    any_build: bool,
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    let (folder, recorded) = find_recorded(workspace, run)?;
    if recorded.origin.build != BUILD && !any_build {
        let (old, new) = (&recorded.origin.build, BUILD);
        let reason = format!("the run was created by {old}; this is {new}");
        return Err(not_repeatable(&folder, &reason).into());
    }
    let path = folder.join(JOB);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let arguments = arguments(&recorded.plan);
    let mut loaded = job::load_text(workspace, &workspace.jobs, &path, text, &arguments)?;
    loaded.notices = notices(&recorded.plan);
    loaded.note = note(&recorded.plan);
    loaded.earlier = earlier(&recorded.plan);
    loaded.ledger.recorded = Some(RunView {
        rows: recorded.plan.ledger.clone().unwrap_or_default(),
        published: recorded.plan.published.clone(),
        decisions: recorded.plan.decisions.clone(),
        closed: recorded.plan.closed.clone(),
        // The recorded notices include it.
        recorded_later: None,
    });
    let Some(planned) = job::plan(
        loaded,
        &arguments,
        job::DiagnosticsFormat::of_lines(resources.json),
    )?
    else {
        return Ok(job::invalid_exit());
    };
    if !any_build && let Some(reason) = describe_changes(&recorded.plan, &planned.plan) {
        return Err(not_repeatable(&folder, &reason).into());
    }
    let sources = RecordedSources::read(&folder)
        .with_context(|| format!("cannot read the recorded sources of {}", folder.display()))?;
    run::run_and_print(workspace, &planned, resources, |options| {
        options.recorded = Some(sources.clone());
    })
}

/// Describes how the nodes changed since the run was recorded; `None` if they did not.
fn describe_changes(recorded: &Plan, plan: &Plan) -> Option<String> {
    let mut changes = BTreeSet::new();
    for old in &recorded.nodes {
        let name = &old.name;
        let Some(new) = plan.node(name) else {
            changes.insert(format!("{name} no longer exists"));
            continue;
        };
        if new.contract_hash != old.contract_hash {
            changes.insert(format!("the contract of {name} changed"));
        }
        if new.code_version != old.code_version {
            changes.insert(format!("the code of {name} changed"));
        }
        if (new.spec.config(), &new.inputs) != (old.spec.config(), &old.inputs) {
            changes.insert(format!("the config of {name} changed"));
        }
    }
    (!changes.is_empty()).then(|| changes.into_iter().collect::<Vec<_>>().join("; "))
}

fn not_repeatable(folder: &Path, reason: &str) -> WrongUsage {
    WrongUsage(format!(
        "{} cannot be repeated as recorded: {reason}; --any-build repeats it anyway, --current uses the \
         current job file and records",
        folder.display()
    ))
}
