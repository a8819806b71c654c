//! Findings of two runs, matched by identity, and verdicts on improvements.

use super::{Pair, strip_common_ends};
use retrocast_domain::{
    Effect, Finding, Severity, Verdict,
    finding::by_importance,
    number::{change, two_with_unit},
};
use retrocast_run::{NodeState, RunFolder};
use serde::Serialize;
use std::collections::BTreeMap;

/// A claim in only one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// Identity of the claim.
    pub id: String,
    /// Node that reported it.
    pub node: String,
    /// Kind of claim.
    pub kind: String,
    /// Subject: "component = billing", or "all".
    pub subject: String,
    /// The claim, without numbers.
    pub what: String,
    /// Severity in the run that has the claim.
    pub severity: Severity,
    /// The claim as a sentence.
    pub sentence: String,
}

/// A claim in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersistingFinding {
    /// The claim of the second run.
    #[serde(flatten)]
    pub claim: Claim,
    /// Severity in each run.
    pub severities: Pair<Severity>,
    /// Size in each run; `None` if it has none.
    pub value: Pair<Option<f64>>,
    /// Unit of the size; empty for none.
    pub unit: String,
    /// The sentence of the first run.
    pub before: String,
    /// The outdated part of that sentence: its figure if it has one, otherwise its words.
    pub was: String,
    /// True if any figure differs.
    pub other_figures: bool,
}

/// A stage whose findings cannot be compared, because one run did not reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// Full name of the stage.
    pub node: String,
    /// Number of its findings in the other run.
    pub findings: u64,
    /// True if the second run did not reach it.
    pub in_new: bool,
}

/// Findings of two runs, each list with the most important first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Findings of the second run only.
    pub new: Vec<Claim>,
    /// Findings of the first run only.
    #[serde(rename = "gone")]
    pub resolved: Vec<Claim>,
    /// Findings of both runs with another severity, direction or size. A size differs if it is
    /// outside the other's interval, or by a tenth without intervals.
    pub changed: Vec<PersistingFinding>,
    /// Findings of both runs without such a change.
    pub unchanged: Vec<PersistingFinding>,
    /// Stages that only one run reached.
    pub not_compared: Vec<NotCompared>,
}

/// The verdicts of two runs on an improvement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImprovementVerdicts {
    /// Node that measured it.
    pub node: String,
    /// Identity of the improvement in the register.
    pub improvement: String,
    /// Title in the register.
    pub title: String,
    /// The intended metric.
    pub metric: String,
    /// Verdicts; `None` if the run has none.
    pub verdict: Pair<Option<Verdict>>,
    /// Its relative effect: estimate, lower, upper.
    pub relative: Pair<Option<[f64; 3]>>,
    /// The sentence of the newer run with a verdict.
    pub sentence: String,
    /// True if both runs measured improvements.
    pub compared: bool,
}

impl ImprovementVerdicts {
    /// Returns true if both runs have a verdict, and the verdicts differ.
    pub fn is_judged_differently(&self) -> bool {
        self.verdict.old.is_some() && self.verdict.new.is_some() && !self.verdict.is_same()
    }
}

/// Minimum relative change of a size without an interval.
const CHANGE_MIN: f64 = 0.1;

type Key = (String, String, usize);

/// Findings by node, identity and, for repeated claims, number.
fn by_key<'a>(run: &'a RunFolder, effects: &[ImprovementVerdicts]) -> BTreeMap<Key, &'a Finding> {
    let mut findings = BTreeMap::new();
    let without_verdict = run.findings().filter(|(node, finding)| {
        let id = improvement_id(finding);
        let is_measured = |effect: &ImprovementVerdicts| {
            effect.compared && effect.node == *node && Some(effect.improvement.as_str()) == id
        };
        !effects.iter().any(is_measured)
    });
    for (node, finding) in without_verdict {
        let mut key = (node.to_string(), finding.id.clone(), 0);
        while findings.contains_key(&key) {
            key.2 += 1;
        }
        findings.insert(key, finding);
    }
    findings
}

/// Identity of the improvement that a finding is about.
fn improvement_id(finding: &Finding) -> Option<&str> {
    let is_effect = finding.kind == "effect";
    finding
        .numbers
        .get("improvement")?
        .as_str()
        .filter(|_| is_effect)
}

pub(super) fn compare(runs: &Pair<RunFolder>, effects: &[ImprovementVerdicts]) -> Findings {
    let findings = runs.map(|run| by_key(run, effects));
    let mut out = Findings::default();
    let mut not_compared: BTreeMap<(String, bool), u64> = BTreeMap::new();
    let mut comparable = |key: &Key, finding: &Finding, other: &RunFolder, in_new: bool| {
        if covers(other, &key.0, in_new) {
            return Some(finding.clone());
        }
        *not_compared.entry((key.0.clone(), in_new)).or_default() += 1;
        None
    };
    let (mut new, mut resolved, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for (key, finding) in &findings.new {
        match findings.old.get(key) {
            Some(old) => both.push((key.0.clone(), (*old).clone(), (*finding).clone())),
            None => {
                new.extend(comparable(key, finding, &runs.old, false).map(|f| (key.0.clone(), f)));
            }
        }
    }
    for (key, finding) in &findings.old {
        if !findings.new.contains_key(key) {
            resolved.extend(comparable(key, finding, &runs.new, true).map(|f| (key.0.clone(), f)));
        }
    }
    new.sort_by(|a, b| by_importance(&a.1, &b.1));
    resolved.sort_by(|a, b| by_importance(&a.1, &b.1));
    both.sort_by(|a, b| by_importance(&a.2, &b.2));
    out.new = new
        .iter()
        .map(|(node, finding)| claim(node, finding))
        .collect();
    out.resolved = resolved
        .iter()
        .map(|(node, finding)| claim(node, finding))
        .collect();
    for (node, old, new) in &both {
        let list = if has_changed(old, new) {
            &mut out.changed
        } else {
            &mut out.unchanged
        };
        list.push(compare_finding(node, old, new));
    }
    out.not_compared = not_compared
        .into_iter()
        .map(|((node, in_new), findings)| NotCompared {
            node,
            findings,
            in_new,
        })
        .collect();
    out
}

/// Returns true if a run looked for a node's findings. A stage with too little data leaves earlier
/// findings unresolved, but findings after it are new.
fn covers(run: &RunFolder, node: &str, is_new: bool) -> bool {
    match run.state(node) {
        NodeState::Done => true,
        NodeState::NotEnough(_) => !is_new,
        _ => false,
    }
}

fn claim(node: &str, finding: &Finding) -> Claim {
    Claim {
        id: finding.id.clone(),
        node: node.to_string(),
        kind: finding.kind.clone(),
        subject: finding.subject.clone(),
        what: finding.what.clone(),
        severity: finding.severity,
        sentence: finding.sentence.clone(),
    }
}

fn compare_finding(node: &str, old: &Finding, new: &Finding) -> PersistingFinding {
    let size = |finding: &Finding| finding.magnitude.as_ref().map(|size| size.value);
    PersistingFinding {
        claim: claim(node, new),
        severities: Pair {
            old: old.severity,
            new: new.severity,
        },
        value: Pair {
            old: size(old),
            new: size(new),
        },
        unit: new
            .magnitude
            .as_ref()
            .map(|size| size.unit.clone())
            .unwrap_or_default(),
        was: outdated_part(old, new),
        other_figures: old.magnitude != new.magnitude || old.numbers != new.numbers,
        before: old.sentence.clone(),
    }
}

/// Returns true if two findings of one claim differ noticeably.
fn has_changed(old: &Finding, new: &Finding) -> bool {
    if old.severity != new.severity || old.direction != new.direction {
        return true;
    }
    let (Some(a), Some(b)) = (&old.magnitude, &new.magnitude) else {
        return old.magnitude.is_some() != new.magnitude.is_some();
    };
    if a.unit != b.unit {
        return true;
    }
    let outside =
        |value: f64, lower: Option<f64>, upper: Option<f64>| Some(value < lower? || value > upper?);
    let beyond = [
        outside(a.value, b.lower, b.upper),
        outside(b.value, a.lower, a.upper),
    ];
    match beyond {
        [None, None] => (a.value - b.value).abs() > CHANGE_MIN * a.value.abs().max(b.value.abs()),
        beyond => beyond.contains(&Some(true)),
    }
}

/// The outdated part of the old sentence: the figure, if both sentences print it in the same form,
/// otherwise the words from the first to the last difference.
fn outdated_part(old: &Finding, new: &Finding) -> String {
    if let (Some(a), Some(b)) = (&old.magnitude, &new.magnitude)
        && a.unit == b.unit
    {
        let forms = [
            two_with_unit([a.value, b.value], &a.unit),
            [change(a.value - 1.0), change(b.value - 1.0)],
            [change(a.value), change(b.value)],
        ];
        let is_stated = |[was, is]: &&[String; 2]| {
            was != is && old.sentence.contains(was.as_str()) && new.sentence.contains(is.as_str())
        };
        if let Some([was, _]) = forms.iter().find(is_stated) {
            return was.clone();
        }
    }
    let words = |finding: &Finding| -> Vec<String> {
        finding.sentence.split(' ').map(str::to_string).collect()
    };
    let text = strip_common_ends(&words(old), &words(new))[0].join(" ");
    // Removes an unclosed parenthesis.
    let text = match text.rsplit_once('(') {
        Some((before, inside)) if !inside.contains(')') && !before.is_empty() => before,
        _ => &text,
    };
    text.trim_end_matches([' ', ',', ';', '.', ':']).to_string()
}

/// The verdicts of two runs on improvements, in the order of the newer run.
pub(super) fn improvement_verdicts(runs: &Pair<RunFolder>) -> Vec<ImprovementVerdicts> {
    let effects = runs.map(|run| {
        let effects = run.in_order().flat_map(|(node, cell)| {
            cell.effects
                .iter()
                .map(move |effect| (node.to_string(), effect.clone()))
        });
        effects.collect::<Vec<_>>()
    });
    let find = |list: &[(String, Effect)], node: &str, effect: &Effect| {
        let same = |(other_node, other): &&(String, Effect)| {
            other_node == node
                && other.improvement == effect.improvement
                && other.metric == effect.metric
        };
        list.iter().find(same).map(|(_, effect)| effect.clone())
    };
    let mut out = Vec::new();
    for (node, effect) in effects.new.iter().chain(&effects.old) {
        let pair = effects.map(|list| find(list, node, effect));
        let is_listed = |other: &ImprovementVerdicts| {
            other.node == *node
                && other.improvement == effect.improvement
                && other.metric == effect.metric
        };
        if out.iter().any(is_listed) {
            continue;
        }
        out.push(ImprovementVerdicts {
            node: node.clone(),
            improvement: effect.improvement.clone(),
            title: effect.title.clone(),
            metric: effect.metric.clone(),
            verdict: pair.map(|effect| effect.as_ref().map(|effect| effect.verdict)),
            relative: pair.map(|effect| effect.as_ref().map(|effect| effect.relative)),
            compared: covers(&runs.old, node, false) && covers(&runs.new, node, true),
            sentence: sentence(
                if pair.new.is_some() {
                    &runs.new
                } else {
                    &runs.old
                },
                node,
                effect,
            ),
        });
    }
    out
}

/// The finding's sentence on an effect, or else the effect's title.
fn sentence(run: &RunFolder, node: &str, effect: &Effect) -> String {
    run.findings()
        .find(|(from, finding)| {
            *from == node && improvement_id(finding) == Some(effect.improvement.as_str())
        })
        .map_or_else(
            || effect.title.clone(),
            |(_, finding)| finding.sentence.clone(),
        )
}
