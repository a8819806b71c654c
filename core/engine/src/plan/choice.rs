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
    let mut chosen = chosen(&nodes, patterns)?;
    for node in nodes.iter().rev() {
        if chosen.contains(&node.name) {
            chosen.extend(node.inputs.iter().cloned());
        }
    }
    Ok(nodes
        .into_iter()
        .filter(|node| chosen.contains(&node.name))
        .collect())
}

/// Full names of the nodes that patterns select; `name+` adds the dependents.
pub(super) fn chosen(
    nodes: &[Node],
    patterns: &[String],
) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    let mut diagnostics = Vec::new();
    for pattern in patterns {
        // Dependencies are always included, so the `+` of `+name`, which other tools require, is
        // ignored.
        let bare = pattern.strip_prefix('+').unwrap_or(pattern);
        let (bare, descendants) = bare
            .strip_suffix('+')
            .map_or((bare, false), |bare| (bare, true));
        let matching: Vec<&Node> = nodes
            .iter()
            .filter(|node| matches(bare, &node.name) || matches(bare, node.short()))
            .collect();
        if matching.is_empty() {
            let names = nodes
                .iter()
                .flat_map(|node| [node.name.as_str(), node.short()]);
            let near = suggest::nearest(bare, names);
            let help = near.map_or_else(
                || {
                    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
                    format!("nodes: {}", names.join(", "))
                },
                |near| format!("did you mean `{near}`?"),
            );
            let place = "--select or --until";
            let error = Diagnostic::error(place, format!("no node is called `{bare}`"));
            diagnostics.push(error.help(help));
        }
        let mut reached: BTreeSet<String> = matching.iter().map(|node| node.name.clone()).collect();
        if descendants {
            for node in nodes {
                if node.inputs.iter().any(|input| reached.contains(input)) {
                    reached.insert(node.name.clone());
                }
            }
        }
        chosen.extend(reached);
    }
    if diagnostics.is_empty() {
        Ok(chosen)
    } else {
        Err(diagnostics)
    }
}

/// Matches a name against a pattern; `*` is any text and `?` any character.
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
        } else if let Some((at, from)) = star {
            (p, n, star) = (at + 1, from + 1, Some((at, from + 1)));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
