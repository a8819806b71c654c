//! The graph of a plan as a Mermaid diagram.

use retrocast_run::{Node, NodeSpec, Plan};
use std::fmt::Write as _;

/// Draws the graph of a plan as a Mermaid flowchart. `note` gives a node's second line, if any.
pub fn mermaid(plan: &Plan, note: impl Fn(&Node) -> Option<String>) -> String {
    let mut out = String::from("flowchart LR\n");
    let id = |name: &str| name.replace('.', "_");
    for node in &plan.nodes {
        let mut text = node.short().to_string();
        let (open, close) = match &node.spec {
            NodeSpec::Source(_) => ("[(", ")]"),
            NodeSpec::Report(_) => ("[[", "]]"),
            NodeSpec::Stage { kind, .. } => {
                let _ = write!(text, "<br/>{kind}");
                ("[", "]")
            }
        };
        if let Some(note) = note(node) {
            let _ = write!(text, "<br/><i>{}</i>", escape(&note));
        }
        let _ = writeln!(out, "  {}{open}\"{text}\"{close}", id(&node.name));
    }
    for node in &plan.nodes {
        for input in &node.inputs {
            let _ = writeln!(out, "  {} --> {}", id(input), id(&node.name));
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::JOB, test_support::plan_with};

    #[test]
    fn a_plan_is_drawn_as_a_flowchart() {
        let plan = plan_with(JOB, &[], &["late".to_string()]).unwrap();
        let text = mermaid(&plan, |node| {
            node.is_source().then(|| "new \"x\"".to_string())
        });
        assert_eq!(
            text,
            "flowchart LR\n  \
             source_tickets[(\"tickets<br/><i>new &quot;x&quot;</i>\")]\n  \
             stage_early[\"early<br/>sql\"]\n  \
             stage_late[\"late<br/>count\"]\n  \
             source_tickets --> stage_early\n  \
             stage_early --> stage_late\n"
        );
    }
}
