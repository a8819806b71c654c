//! `retrocast plan` and `retrocast explain`: which nodes a run would execute, and why.

use super::{job, print, print_json, run};
use crate::{
    Exit, arguments::JobArguments, diagnose::WrongUsage, progress, terminal, workspace::Workspace,
};
use retrocast_domain::number::{count, plural};
use retrocast_engine::{Decision, plan::mermaid};
use retrocast_run::{Plan, plan::short};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

pub fn plan(
    workspace: &Workspace,
    arguments: &JobArguments,
    as_graph: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let Some(planned) = job::load_and_plan(
        workspace,
        arguments,
        job::DiagnosticsFormat::of_document(as_json),
    )?
    else {
        return Ok(job::invalid_exit());
    };
    let quiet = progress::listener(true, 0);
    let engine = run::start_runner(workspace, &planned, &run::INSPECTION, quiet, |_| {})?;
    let decisions = engine
        .runtime
        .block_on(engine.runner.explain(&planned.job, &planned.plan));
    let plan = &planned.plan;
    if as_graph {
        let by_node: BTreeMap<&str, &Decision> = decisions
            .iter()
            .map(|decision| (decision.node.as_str(), decision))
            .collect();
        let note = |name: &str| {
            let decision = by_node.get(name)?;
            Some(if decision.reuse {
                "reuse".to_string()
            } else {
                decision.reasons.join("; ")
            })
        };
        print(&mermaid(plan, |node| note(&node.name)))?;
        return Ok(Exit::Done);
    }
    if as_json {
        let mut value = json!(&**plan);
        value["decisions"] = json!(decisions);
        value["diagnostics"] = json!(planned.diagnostics);
        print_json(&value)?;
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "{}: {}\nwindow {} ({}), {}\n\n",
        plan.job,
        plan.title,
        plan.label,
        plan.window.words(),
        plan.window.timezone
    );
    let width = plan
        .nodes
        .iter()
        .map(|node| node.name.len())
        .max()
        .unwrap_or(0);
    for (node, decision) in plan.nodes.iter().zip(&decisions) {
        let action = if decision.reuse { "reuse" } else { "run" };
        let inputs: Vec<&str> = node.inputs.iter().map(|name| short(name)).collect();
        let line = format!(
            "{action:<6} {:<width$}  {:<17} {}",
            node.name,
            node.kind(),
            decision.reasons.join("; ")
        );
        let indent = width + 9;
        let _ = writeln!(text, "{}", terminal::wrap(&line, indent + 18));
        if let Some(slices) = node.report().and_then(|report| report.slices.as_ref()) {
            let to = slices
                .recipients
                .as_ref()
                .map_or_else(String::new, |recipients| {
                    format!(" in {}, sent to {}", recipients.dataset, recipients.to)
                });
            let line = format!("{:>7}{:<width$}  one slice per {}{to}", "", "", slices.each);
            let _ = writeln!(text, "{}", terminal::wrap(&line, indent + 6));
        }
        if !inputs.is_empty() && !node.is_report() {
            let line = format!("{:>7}{:<width$}  reads {}", "", "", inputs.join(", "));
            let _ = writeln!(text, "{}", terminal::wrap(&line, indent + 6));
        }
    }
    let reused = decisions
        .iter()
        .filter(|decision: &&Decision| decision.reuse)
        .count();
    let _ = writeln!(
        text,
        "\n{}: {} reused, {} to run",
        plural(decisions.len() as u64, "node"),
        count(reused as u64),
        count((decisions.len() - reused) as u64)
    );
    print(&text)?;
    Ok(Exit::Done)
}

/// Prints why a node would run, back to the first change.
pub fn explain(
    workspace: &Workspace,
    arguments: &JobArguments,
    node: &str,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let Some(planned) = job::load_and_plan(
        workspace,
        arguments,
        job::DiagnosticsFormat::of_document(as_json),
    )?
    else {
        return Ok(job::invalid_exit());
    };
    let plan = &planned.plan;
    let target = plan
        .nodes
        .iter()
        .find(|candidate| candidate.name == node || candidate.short() == node);
    let Some(target) = target else {
        let names = plan
            .nodes
            .iter()
            .flat_map(|candidate| [candidate.name.as_str(), candidate.short()]);
        let nearest = retrocast_domain::suggest::nearest(node, names);
        let help = nearest.map_or_else(
            || format!("`retrocast plan {}` lists them", plan.job),
            |nearest| format!("did you mean {nearest}?"),
        );
        return Err(WrongUsage(format!("{} has no node {node:?}; {help}", plan.job)).into());
    };
    let quiet = progress::listener(true, 0);
    let engine = run::start_runner(workspace, &planned, &run::INSPECTION, quiet, |_| {})?;
    let decisions = engine
        .runtime
        .block_on(engine.runner.explain(&planned.job, plan));
    let upstream = upstream(plan, &target.name);
    let shown: Vec<&Decision> = decisions
        .iter()
        .filter(|decision| {
            decision.node == target.name || (!decision.reuse && upstream.contains(&decision.node))
        })
        .rev()
        .collect();
    if as_json {
        print_json(&shown)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for decision in shown {
        let action = if decision.reuse {
            "is reused"
        } else {
            "would run"
        };
        let line = format!(
            "{} {action}: {}",
            decision.node,
            decision.reasons.join("; ")
        );
        let _ = writeln!(text, "{}", terminal::wrap(&line, 2));
        for change in &decision.changes {
            let _ = writeln!(text, "  {}", change.part);
            let value = |value: &Option<String>| {
                let none = || "(none)".to_string();
                value
                    .as_deref()
                    .map_or_else(none, |value| terminal::truncate(value, 400))
            };
            let _ = writeln!(text, "    was {}", value(&change.was));
            let _ = writeln!(text, "    is  {}", value(&change.is));
        }
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// Full names of all nodes that a node depends on.
fn upstream(plan: &Plan, node: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::from([node.to_string()]);
    for node in plan.nodes.iter().rev() {
        if needed.contains(&node.name) {
            needed.extend(node.inputs.iter().cloned());
        }
    }
    needed.remove(node);
    needed
}
