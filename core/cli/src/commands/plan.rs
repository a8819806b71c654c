//! `retrocast plan`: what a run would do, and why.

use super::{job, print, print_json, run};
use crate::{Exit, arguments::JobArguments, progress, workspace::Workspace};
use retrocast_domain::number::plural;
use retrocast_engine::Decision;
use serde_json::json;
use std::fmt::Write as _;

pub fn plan(
    workspace: &Workspace,
    arguments: &JobArguments,
    mermaid: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let Some(planned) = job::planned(workspace, arguments, as_json)? else {
        return Ok(job::unusable());
    };
    let quiet = progress::listener(true, 0);
    let means = run::Means {
        json: true,
        threads: None,
        memory_mib: 64,
    };
    let threads = run::runner(workspace, &planned, &means, quiet, |_| {})?;
    let decisions = threads
        .runtime
        .block_on(threads.runner.explain(&planned.job, &planned.plan));
    let plan = &planned.plan;
    if mermaid {
        let note = |name: &str| {
            let decision = decisions.iter().find(|decision| decision.node == name)?;
            Some(if decision.reuse {
                "reuse".to_string()
            } else {
                decision.reasons.join("; ")
            })
        };
        print(&plan.mermaid(|node| note(&node.name)))?;
        return Ok(Exit::Done);
    }
    if as_json {
        let mut value = json!(&**plan);
        value["decisions"] = json!(decisions);
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
        let inputs: Vec<&str> = node
            .inputs
            .iter()
            .map(|name| name.split_once('.').map_or(&**name, |x| x.1))
            .collect();
        let _ = write!(text, "{action:<6} {:<width$}  {:<17}", node.name, node.kind);
        let _ = writeln!(text, " {}", decision.reasons.join("; "));
        if !inputs.is_empty() && !node.is_report() {
            let _ = writeln!(text, "{:>7}{:<width$}  reads {}", "", "", inputs.join(", "));
        }
    }
    let reused = decisions
        .iter()
        .filter(|decision: &&Decision| decision.reuse)
        .count();
    let _ = writeln!(
        text,
        "\n{}: {reused} reused, {} to run",
        plural(decisions.len() as u64, "node"),
        decisions.len() - reused
    );
    print(&text)?;
    Ok(Exit::Done)
}
