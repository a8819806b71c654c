//! The results of a job's runs in one year, in a compact form.
//!
//! It depends only on the results scripts of the runs and is cached, so a new run requires reading
//! only the scripts of its own year.

use crate::digest::{ClosedDigest, Digest, FigureDigest, FindingDigest};
use retrocast_domain::{Finding, Severity, Verdict, finding::group_of};
use retrocast_run::plan::short;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Results of the runs of one year; rows name nodes, figures and findings by their position.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct YearIndex {
    pub nodes: Vec<String>,
    pub figures: Vec<FigureMeta>,
    pub findings: Vec<FindingMeta>,
    pub improvements: Vec<ImprovementMeta>,
    pub stages: Vec<StageMeta>,
    pub wordings: Vec<Wording>,
    pub rows: Vec<Row>,
}

/// The results of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Names of the window's and the run's folder.
    pub names: [String; 2],
    pub build: String,
    /// Nodes that completed.
    pub done: Vec<u32>,
    pub figures: Vec<FigureRow>,
    pub findings: Vec<FindingRow>,
    pub effects: Vec<EffectRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedDigest>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FigureRow {
    /// Position in [`YearIndex::figures`].
    pub of: u32,
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
    pub text: String,
    pub interval_text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FindingRow {
    /// Position in [`YearIndex::findings`].
    pub of: u32,
    pub severity: Severity,
    /// Value, lower and upper bound.
    pub size: Option<(f64, Option<f64>, Option<f64>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EffectRow {
    /// Position in [`YearIndex::improvements`].
    pub of: u32,
    pub verdict: Verdict,
    pub relative: [f64; 3],
    pub text: String,
    pub interval_text: String,
}

/// A key figure, as its newest run describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FigureMeta {
    /// Name of its page.
    pub slug: String,
    pub stage: String,
    pub name: String,
    pub subject: String,
    pub unit: String,
    pub target: Option<f64>,
    pub target_text: String,
}

/// A finding, as its newest run words it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FindingMeta {
    pub slug: String,
    pub node: String,
    pub kind: String,
    pub what: String,
    pub subject: String,
    pub unit: String,
    pub method: String,
    pub sentence: String,
}

/// An improvement and the metric on which it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImprovementMeta {
    /// Name of its page, which shows all metrics.
    pub slug: String,
    pub id: String,
    pub title: String,
    pub category: String,
    pub date: String,
    pub node: String,
    pub metric: String,
    pub sentence: String,
}

/// A stage, as its newest run describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageMeta {
    pub name: String,
    pub kind: String,
    pub title: String,
    pub names: [String; 2],
}

/// The newest sentence of each wording of a finding; numbers do not distinguish wordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wording {
    pub finding: u32,
    pub sentence: String,
    pub names: [String; 2],
}

/// Converts a name to the name of a page: short names of ASCII letters, digits, `-` and `_` are
/// kept, others are hashed.
pub(crate) fn slug(name: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if !name.is_empty() && name.len() <= 60 && name.bytes().all(is_plain) {
        name.to_string()
    } else {
        format!("x-{}", Finding::identity("name", "", name))
    }
}

/// Name of the page of a figure.
pub(crate) fn figure_slug(figure: &FigureDigest) -> String {
    let id = Finding::identity(&figure.node, &figure.subject, &figure.name);
    format!("{}-{id}", slug(short(&figure.node)))
}

/// Name of the page of a finding.
pub(crate) fn finding_slug(finding: &FindingDigest) -> String {
    format!("{}-{}", slug(short(&finding.node)), slug(&finding.id))
}

/// Items with unique keys, in the order in which they were added.
struct Table<T> {
    positions: BTreeMap<String, u32>,
    items: Vec<T>,
}

impl<T> Table<T> {
    fn new() -> Self {
        Self {
            positions: BTreeMap::new(),
            items: Vec::new(),
        }
    }

    /// Adds an item or replaces that of an earlier run; returns its position.
    fn put(&mut self, key: String, item: T) -> u32 {
        let next = self.items.len() as u32;
        let position = *self.positions.entry(key).or_insert(next);
        if position == next {
            self.items.push(item);
        } else {
            self.items[position as usize] = item;
        }
        position
    }
}

impl YearIndex {
    /// Summarises runs, oldest first, with the names of their windows' and runs' folders.
    pub(crate) fn new(runs: impl Iterator<Item = ([String; 2], Digest)>) -> Self {
        let (mut nodes, mut stages) = (Table::new(), Table::new());
        let (mut figures, mut findings) = (Table::new(), Table::new());
        let (mut improvements, mut wordings) = (Table::new(), Table::new());
        let mut rows = Vec::new();
        for (names, digest) in runs {
            let mut row = Row {
                names: names.clone(),
                build: digest.build.clone(),
                closed: digest.closed.clone(),
                ..Row::default()
            };
            for node in &digest.nodes {
                if node.kind == "report" {
                    continue;
                }
                let position = nodes.put(node.name.clone(), node.name.clone());
                if node.state == "done" {
                    row.done.push(position);
                }
                if node.kind != "source" {
                    let meta = StageMeta {
                        name: short(&node.name).to_string(),
                        kind: node.kind.clone(),
                        title: node.title.clone(),
                        names: names.clone(),
                    };
                    stages.put(node.name.clone(), meta);
                }
            }
            for figure in &digest.figures {
                let slug = figure_slug(figure);
                let meta = FigureMeta {
                    slug: slug.clone(),
                    stage: short(&figure.node).to_string(),
                    name: figure.name.clone(),
                    subject: group_name(&figure.subject),
                    unit: figure.unit.clone(),
                    target: figure.target,
                    target_text: figure.target_text.clone(),
                };
                let position = figures.put(slug, meta);
                if row.figures.iter().all(|other| other.of != position) {
                    row.figures.push(FigureRow {
                        of: position,
                        value: figure.value,
                        interval: figure.interval,
                        text: figure.text.clone(),
                        interval_text: figure.interval_text.clone(),
                    });
                }
            }
            for finding in &digest.findings {
                let slug = finding_slug(finding);
                let size = finding.size.as_ref();
                let meta = FindingMeta {
                    slug: slug.clone(),
                    node: finding.node.clone(),
                    kind: finding.kind.clone(),
                    what: finding.what.clone(),
                    subject: group_name(&finding.subject),
                    unit: size.map(|size| size.unit.clone()).unwrap_or_default(),
                    method: finding.method.clone(),
                    sentence: finding.sentence.clone(),
                };
                let wording_key = format!("{slug} {}", without_numbers(&finding.sentence));
                let position = findings.put(slug, meta);
                let wording = Wording {
                    finding: position,
                    sentence: finding.sentence.clone(),
                    names: names.clone(),
                };
                wordings.put(wording_key, wording);
                if row.findings.iter().all(|other| other.of != position) {
                    row.findings.push(FindingRow {
                        of: position,
                        severity: finding.severity,
                        size: size.map(|size| (size.value, size.lower, size.upper)),
                    });
                }
            }
            for effect in &digest.effects {
                let key = format!(
                    "{}\u{1f}{}\u{1f}{}",
                    effect.improvement, effect.node, effect.metric
                );
                let meta = ImprovementMeta {
                    slug: slug(&effect.improvement),
                    id: effect.improvement.clone(),
                    title: effect.title.clone(),
                    category: effect.category.clone(),
                    date: effect.date.clone(),
                    node: effect.node.clone(),
                    metric: effect.metric.clone(),
                    sentence: effect.sentence.clone(),
                };
                let position = improvements.put(key, meta);
                row.effects.push(EffectRow {
                    of: position,
                    verdict: effect.verdict,
                    relative: effect.relative,
                    text: effect.text.clone(),
                    interval_text: effect.interval_text.clone(),
                });
            }
            rows.push(row);
        }
        Self {
            nodes: nodes.items,
            figures: figures.items,
            findings: findings.items,
            improvements: improvements.items,
            stages: stages.items,
            wordings: wordings.items,
            rows,
        }
    }
}

/// The group of a subject; empty for all records.
fn group_name(subject: &str) -> String {
    match group_of(subject) {
        "all" => String::new(),
        group => group.to_string(),
    }
}

/// A sentence with each number replaced by one digit.
fn without_numbers(sentence: &str) -> String {
    let mut out = String::with_capacity(sentence.len());
    let mut in_number = false;
    for c in sentence.chars() {
        let is_part = c.is_ascii_digit() || (in_number && matches!(c, '.' | ',' | '\u{202f}'));
        if !is_part {
            out.push(c);
        } else if !in_number {
            out.push('0');
        }
        in_number = is_part;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_distinguish_wordings() {
        assert_eq!(
            without_numbers("12.5 % more on 3 days."),
            without_numbers("1\u{202f}234 % more on 14 days.")
        );
        assert_ne!(without_numbers("3 more"), without_numbers("3 less"));
    }

    #[test]
    fn page_names_are_safe_and_distinct() {
        assert_eq!(slug("IMP-7"), "IMP-7");
        for hostile in ["", "../x", "a/b", "ü", &"a".repeat(61), "<script>"] {
            assert!(slug(hostile).starts_with("x-"), "{hostile}");
        }
        assert_ne!(slug("a/b"), slug("a/c"));
    }
}
