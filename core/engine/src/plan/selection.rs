//! Selects nodes of a plan by patterns.

use retrocast_domain::Diagnostic;
use retrocast_domain::suggest;
use retrocast_run::Node;
use std::collections::BTreeSet;

/// Keeps the nodes that patterns select, and their dependencies.
pub(super) fn select(nodes: Vec<Node>, patterns: &[String]) -> Result<Vec<Node>, Vec<Diagnostic>> {
    if patterns.is_empty() {
        return Ok(nodes);
    }
    let mut selected = selected_names(&nodes, patterns)?;
    for node in nodes.iter().rev() {
        if selected.contains(&node.name) {
            selected.extend(node.inputs.iter().cloned());
        }
    }
    Ok(nodes
        .into_iter()
        .filter(|node| selected.contains(&node.name))
        .collect())
}

/// Full names of the nodes that patterns select; `name+` adds the dependents.
pub(super) fn selected_names(
    nodes: &[Node],
    patterns: &[String],
) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    let mut selected: BTreeSet<String> = BTreeSet::new();
    let mut diagnostics = Vec::new();
    for pattern in patterns {
        // Dependencies are always included, so the `+` of `+name`, which other programs require, is
        // ignored.
        let glob = pattern.strip_prefix('+').unwrap_or(pattern);
        let (glob, with_dependents) = glob
            .strip_suffix('+')
            .map_or((glob, false), |glob| (glob, true));
        let matching: Vec<&Node> = nodes
            .iter()
            .filter(|node| matches(glob, &node.name) || matches(glob, node.short()))
            .collect();
        if matching.is_empty() {
            let names = nodes
                .iter()
                .flat_map(|node| [node.name.as_str(), node.short()]);
            let nearest = suggest::nearest(glob, names);
            let help = nearest.map_or_else(
                || {
                    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
                    format!("nodes: {}", names.join(", "))
                },
                |nearest| format!("did you mean `{nearest}`?"),
            );
            let options = "--select or --until";
            let error = Diagnostic::error(options, format!("there is no node `{glob}`"));
            diagnostics.push(error.help(help));
        }
        let mut reached: BTreeSet<String> = matching.iter().map(|node| node.name.clone()).collect();
        if with_dependents {
            for node in nodes {
                if node.inputs.iter().any(|input| reached.contains(input)) {
                    reached.insert(node.name.clone());
                }
            }
        }
        selected.extend(reached);
    }
    if diagnostics.is_empty() {
        Ok(selected)
    } else {
        Err(diagnostics)
    }
}

/// Matches a name against a pattern; `*` matches any text and `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star_at, from)) = star {
            (p, n, star) = (star_at + 1, from + 1, Some((star_at, from + 1)));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
