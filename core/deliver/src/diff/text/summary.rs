//! Summary of a difference, in sentences.

use super::super::{
    Difference, Pair,
    figures::Figure,
    findings::{ImprovementVerdicts, PersistingFinding},
};
use crate::words::clean;
use retrocast_domain::number::{count, list, plural};

/// Summarises a difference in sentences.
pub(super) fn summary(difference: &Difference) -> Vec<String> {
    let mut out = Vec::new();
    let Pair { old, new } = &difference.runs;
    if old.job != new.job {
        out.push(
            "These are runs of two jobs: only items with the same name in both are compared."
                .into(),
        );
    }
    if is_unchanged(difference) {
        return vec!["Nothing differs.".to_string()];
    }
    out.extend(findings_sentence(difference));
    out.extend(not_compared_sentence(difference));
    out.extend(figures_sentence(&difference.metrics));
    out.extend(verdicts_sentence(&difference.effects));
    out.push(setup_sentence(difference));
    out
}

/// Returns true if setup, inputs and results are equal.
fn is_unchanged(difference: &Difference) -> bool {
    let (config, findings) = (&difference.config, &difference.findings);
    let has_other_figures = |persisting: &PersistingFinding| persisting.other_figures;
    config.is_same_job()
        && config.is_same_program()
        && difference.runs.old.window == difference.runs.new.window
        && difference
            .inputs
            .iter()
            .all(|input| input.same_records == Some(true))
        && difference.nodes.is_empty()
        && findings.new.len() + findings.resolved.len() + findings.changed.len() == 0
        && !findings.unchanged.iter().any(has_other_figures)
        && !difference.metrics.iter().any(Figure::is_changed)
        && difference
            .effects
            .iter()
            .all(|effect| effect.relative.is_same() && effect.verdict.is_same())
}

fn findings_sentence(difference: &Difference) -> Option<String> {
    let findings = &difference.findings;
    let unchanged = findings.unchanged.len();
    let counts = [
        (findings.new.len(), "new"),
        (findings.resolved.len(), "resolved"),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (n, word) in counts.iter().filter(|(n, _)| *n > 0) {
        let (be, n) = (if *n == 1 { "is" } else { "are" }, *n as u64);
        let subject = if parts.is_empty() {
            plural(n, "finding")
        } else {
            count(n)
        };
        parts.push(format!("{subject} {be} {word}"));
    }
    if !findings.changed.is_empty() {
        let n = findings.changed.len() as u64;
        let subject = if parts.is_empty() {
            plural(n, "finding")
        } else {
            count(n)
        };
        parts.push(format!("{subject} changed"));
    }
    let moved = findings
        .unchanged
        .iter()
        .filter(|persisting| persisting.other_figures)
        .count();
    let figures = match moved {
        0 => String::new(),
        n if n == unchanged => ", with figures that moved within their intervals".to_string(),
        n => format!(
            ", {} with figures that moved within their intervals",
            count(n as u64)
        ),
    };
    if unchanged > 0 {
        let verb = if unchanged == 1 {
            "persists"
        } else {
            "persist"
        };
        let subject = if parts.is_empty() {
            plural(unchanged as u64, "finding")
        } else {
            count(unchanged as u64)
        };
        parts.push(format!("{subject} {verb}{figures}"));
    }
    match (parts.is_empty(), findings.not_compared.is_empty()) {
        (true, true) => Some("Neither run has findings.".to_string()),
        (true, false) => None,
        _ => Some(format!("{}.", list(&parts))),
    }
}

/// Describes findings that are neither new nor resolved, because only one run searched for them.
fn not_compared_sentence(difference: &Difference) -> Option<String> {
    let stages = &difference.findings.not_compared;
    let findings: u64 = stages.iter().map(|stage| stage.findings).sum();
    if findings == 0 {
        return None;
    }
    let reason = |in_new: bool| {
        let names: Vec<String> = stages
            .iter()
            .filter(|stage| stage.in_new == in_new)
            .map(|stage| clean(&stage.node, 60))
            .collect();
        let word = if in_new { "second" } else { "first" };
        (!names.is_empty())
            .then(|| format!("the {word} run has no results of {}", list_first(&names)))
    };
    let reasons: Vec<String> = [reason(false), reason(true)]
        .into_iter()
        .flatten()
        .collect();
    let verb = if findings == 1 { "is" } else { "are" };
    Some(format!(
        "{} {verb} not compared: {}.",
        plural(findings, "finding"),
        list(&reasons)
    ))
}

/// Lists the first few names and counts the others.
fn list_first(names: &[String]) -> String {
    const NAMES_MAX: usize = 4;
    if names.len() <= NAMES_MAX {
        return list(names);
    }
    let more = format!("{} more", names.len() - NAMES_MAX + 1);
    list(&[&names[..NAMES_MAX - 1], &[more]].concat())
}

fn figures_sentence(figures: &[Figure]) -> Option<String> {
    let both: Vec<&Figure> = figures
        .iter()
        .filter(|figure| figure.value.old.is_some() && figure.value.new.is_some())
        .collect();
    if both.is_empty() {
        return None;
    }
    let moved = both.iter().filter(|figure| figure.is_changed()).count();
    let total = plural(both.len() as u64, "figure");
    if moved == 0 {
        return Some(match both.len() {
            1 => "The only figure is the same.".to_string(),
            _ => format!("All {total} are the same."),
        });
    }
    let tested = both
        .iter()
        .filter(|figure| figure.beyond_chance.is_some())
        .count();
    let significant = both
        .iter()
        .filter(|figure| figure.beyond_chance == Some(true))
        .count();
    let chance = match (tested, significant) {
        (0, _) => String::new(),
        (_, 0) => ", none of them more than chance would explain".to_string(),
        (_, n) => format!(
            ", {} of them more than chance would explain",
            count(n as u64)
        ),
    };
    Some(format!("{} of {total} moved{chance}.", count(moved as u64)))
}

fn verdicts_sentence(effects: &[ImprovementVerdicts]) -> Option<String> {
    let compared: Vec<&ImprovementVerdicts> =
        effects.iter().filter(|effect| effect.compared).collect();
    let number = |f: &dyn Fn(&ImprovementVerdicts) -> bool| {
        compared.iter().filter(|effect| f(effect)).count() as u64
    };
    let groups = [
        (
            number(&|effect| effect.verdict.old.is_none()),
            "judged for the first time",
        ),
        (
            number(&|effect| effect.verdict.new.is_none()),
            "no longer judged",
        ),
        (
            number(&ImprovementVerdicts::is_judged_differently),
            "judged differently",
        ),
        (
            number(&|effect| effect.verdict.is_same()),
            "judged as before",
        ),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (n, words) in groups.into_iter().filter(|(n, _)| *n > 0) {
        let verb = if n == 1 { "is" } else { "are" };
        parts.push(if parts.is_empty() {
            format!("{} {verb} {words}", plural(n, "improvement"))
        } else {
            format!("{} {verb} {words}", count(n))
        });
    }
    (!parts.is_empty()).then(|| format!("{}.", list(&parts)))
}

/// Describes which of job, program and records are the same.
fn setup_sentence(difference: &Difference) -> String {
    let config = &difference.config;
    let others: Vec<String> = difference
        .inputs
        .iter()
        .filter(|input| input.same_records != Some(true))
        .map(|input| clean(&input.source, 60))
        .collect();
    let (mut same, mut other) = (Vec::new(), Vec::new());
    let mut add = |is_same: bool, noun: &str, noun_phrase: String| {
        if is_same {
            same.push(noun.to_string());
        } else {
            other.push(noun_phrase);
        }
    };
    let job = if config.is_same_apart_from_params() {
        "the params"
    } else {
        "the job"
    };
    add(config.is_same_job(), "job", job.to_string());
    add(
        config.is_same_program(),
        "program",
        "the program".to_string(),
    );
    if !difference.inputs.is_empty() {
        add(
            others.is_empty(),
            "records",
            format!("the records of {}", list_first(&others)),
        );
    }
    let singular = matches!(other.as_slice(), [one] if one == "the job" || one == "the program");
    let verb = if singular { "differs" } else { "differ" };
    let differ = format!("{} {verb}", list(&other));
    let mut text = match (same.is_empty(), other.is_empty()) {
        (false, true) => format!("The same {}.", list(&same)),
        (true, _) => format!("T{}.", &differ[1..]),
        (false, false) => format!("The same {}; {differ}.", list(&same)),
    };
    if config.text_differs && config.is_same_job() {
        text.push_str(" The texts of the job files differ, but their meaning is the same.");
    }
    text
}
