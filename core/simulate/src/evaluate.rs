//! Compares findings with the planted truth: found facts, missed facts, and false claims.
//!
//! The first of these rules that applies determines the judgement of a finding:
//!
//! 1. **Found.** Kind, source, subject, direction, date and size match a planted fact.
//! 2. **Implied.** It is another consequence of a planted fact, or of a pattern allowed by design:
//!    - the Monday effect lowers the other weekdays relative to the mean of all days, and appears
//!      in each component and, diluted, in all tickets together;
//!    - a shift of one component appears as change point, trend, month and year effect of that
//!      component and of all components together, and as anomalies until detectors have adapted;
//!    - an improvement that works is such a shift downwards;
//!    - an outage appears as an anomaly in each part of the source, and in key figures whose window
//!      or baseline includes the day;
//!    - a drifting metric appears as trend, change point, anomaly, month effect, key figure,
//!      forecast and capacity finding of its service, and of all services together;
//!    - the threshold appears in each pipeline;
//!    - the weekend appears as weekday effect of pipelines and decisions.
//! 3. **Informational.** It claims no effect: data quality, a forecast within its limits, the level
//!    of a key figure, an improvement with an unclear effect.
//! 4. **False claim.** Its kind claims an effect, and no planted fact supports it.
//! 5. **Unjudged.** No rule covers its kind.
//!
//! Improvements are judged by their verdicts. An improvement that works must have that verdict,
//! with an estimate that matches; one without effect must be called neither working nor harmful.

use crate::truth::{Fact, FactKind, Truth};
use claim::Claim;
use retrocast_domain::{Effect, Finding, Verdict, number, report::SourceNote};
use rules::{Judgement, judge};
use serde::Serialize;
use std::collections::BTreeMap;

mod claim;
mod rules;
mod table;
#[cfg(test)]
mod tests;

/// The result of comparing findings with the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Planted facts with the finding or effect that shows them.
    pub found: Vec<FoundFact>,
    /// Planted facts that no finding shows.
    pub missed: Vec<MissedFact>,
    /// Claims without a planted fact.
    pub false_claims: Vec<FalseClaim>,
    /// Claims that follow from planted facts or allowed patterns.
    pub implied: Vec<ImpliedClaim>,
    /// Findings that claim no effect.
    pub informational: u64,
    /// Findings of unknown kinds.
    pub unjudged: Vec<String>,
    /// Verdicts on improvements.
    pub improvements: Vec<ImprovementCheck>,
    /// Checks of the record counts.
    pub sources: Vec<SourceCheck>,
}

/// A planted fact that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundFact {
    /// Id of the fact.
    pub fact: String,
    /// The fact as a sentence.
    pub what: String,
    /// The sentence that shows it.
    pub by: String,
    /// Number of findings that show it.
    pub findings: u64,
}

/// A planted fact that was missed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissedFact {
    /// Id of the fact.
    pub fact: String,
    /// The fact as a sentence.
    pub what: String,
    /// The nearest finding, and the reason why it does not match.
    pub hint: String,
}

/// A claim without a planted fact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseClaim {
    /// Id of the finding.
    pub finding: String,
    /// Stage that reported it.
    pub stage: String,
    /// Kind of the finding.
    pub kind: String,
    /// Subject: "component = billing", or "all".
    pub subject: String,
    /// The claim as a sentence.
    pub sentence: String,
    /// The reason why it does not match, if it is near a fact.
    pub why: String,
}

/// A claim that follows from a fact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImpliedClaim {
    /// The claim as a sentence.
    pub sentence: String,
    /// The fact from which it follows, and how.
    pub why: String,
}

/// The verdict on one improvement compared with the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImprovementCheck {
    /// Identity in the register.
    pub improvement: String,
    /// The truth, in a few words.
    pub truth: String,
    /// The verdict, with the estimate; "no verdict" if the findings have none.
    pub verdict: String,
    /// True if they agree.
    pub ok: bool,
}

/// The record counts of one source compared with the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceCheck {
    /// Name of the source.
    pub source: String,
    /// True if every count agrees.
    pub ok: bool,
    /// Differing counts: name, true value, reported value.
    pub differences: Vec<(String, u64, u64)>,
}

impl Evaluation {
    /// Returns true if every fact was found, there are no false claims, every verdict is correct
    /// and all counts of records agree.
    pub fn passed(&self) -> bool {
        self.missed.is_empty()
            && self.false_claims.is_empty()
            && self.improvements.iter().all(|check| check.ok)
            && self.sources.iter().all(|check| check.ok)
    }
}

/// Compares the findings of a run with the truth.
///
/// If `sources` is empty, the record counts are not checked.
pub fn evaluate(
    truth: &Truth,
    findings: &[Finding],
    effects: &[Effect],
    sources: &[SourceNote],
) -> Evaluation {
    let mut findings_by_fact: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let mut hints: BTreeMap<&str, String> = BTreeMap::new();
    let mut evaluation = Evaluation {
        found: Vec::new(),
        missed: Vec::new(),
        false_claims: Vec::new(),
        implied: Vec::new(),
        informational: 0,
        unjudged: Vec::new(),
        improvements: check_improvements(truth, effects),
        sources: sources
            .iter()
            .filter_map(|note| check_source(truth, note))
            .collect(),
    };
    for finding in findings {
        match judge(truth, &Claim::read(truth, finding), effects) {
            Judgement::Shows(facts) => {
                for fact in facts {
                    findings_by_fact.entry(fact).or_default().push(finding);
                }
            }
            Judgement::Implied(why) => {
                evaluation.implied.push(ImpliedClaim {
                    sentence: sentence(finding),
                    why,
                });
            }
            Judgement::Informational => evaluation.informational += 1,
            Judgement::False(nearest) => {
                if let Some((fact, why)) = &nearest {
                    hints
                        .entry(fact)
                        .or_insert_with(|| format!("{} ({why})", sentence(finding)));
                }
                evaluation.false_claims.push(FalseClaim {
                    finding: finding.id.clone(),
                    stage: finding.stage.clone(),
                    kind: finding.kind.clone(),
                    subject: finding.subject.clone(),
                    sentence: sentence(finding),
                    why: nearest.map_or_else(
                        || "no planted fact explains it".to_string(),
                        |(fact, why)| format!("near {fact}, but {why}"),
                    ),
                });
            }
            Judgement::Unjudged => {
                let line = format!("{}: {}", finding.kind, sentence(finding));
                evaluation.unjudged.push(line);
            }
        }
    }
    for fact in &truth.facts {
        add_outcome(fact, &findings_by_fact, &hints, effects, &mut evaluation);
    }
    evaluation
}

/// Adds a fact to the found or missed facts.
fn add_outcome(
    fact: &Fact,
    findings_by_fact: &BTreeMap<&str, Vec<&Finding>>,
    hints: &BTreeMap<&str, String>,
    effects: &[Effect],
    evaluation: &mut Evaluation,
) {
    if fact.kind.is_improvement() {
        let check = evaluation
            .improvements
            .iter()
            .find(|check| check.improvement == fact.id);
        let Some(check) = check else { return };
        if !check.ok {
            let hint = format!("the verdict is: {}", check.verdict);
            evaluation.missed.push(MissedFact {
                fact: fact.id.clone(),
                what: fact.what.clone(),
                hint,
            });
            return;
        }
        let findings = effects
            .iter()
            .filter(|effect| effect.improvement == fact.id)
            .count();
        evaluation.found.push(FoundFact {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            by: check.verdict.clone(),
            findings: findings as u64,
        });
        return;
    }
    match findings_by_fact.get(fact.id.as_str()) {
        Some(findings) => evaluation.found.push(FoundFact {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            by: sentence(findings[0]),
            findings: findings.len() as u64,
        }),
        None => evaluation.missed.push(MissedFact {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            hint: hints.get(fact.id.as_str()).map_or_else(
                || "no finding is near it".to_string(),
                |hint| format!("near: {hint}"),
            ),
        }),
    }
}

/// The sentence of a finding for messages.
fn sentence(finding: &Finding) -> String {
    if finding.sentence.is_empty() {
        format!("{} of {}: {}", finding.kind, finding.subject, finding.what)
    } else {
        finding.sentence.clone()
    }
}

/// Compares the verdicts with the truth, in the order of the register.
fn check_improvements(truth: &Truth, effects: &[Effect]) -> Vec<ImprovementCheck> {
    truth
        .facts
        .iter()
        .filter(|fact| fact.kind.is_improvement())
        .map(|fact| {
            let works = fact.kind == FactKind::Effect;
            let harms = fact.kind == FactKind::Harm;
            let effect = effects.iter().find(|effect| effect.improvement == fact.id);
            let ok = effect.is_some_and(|effect| {
                let [estimate, ..] = effect.relative;
                match effect.verdict {
                    Verdict::Works => works && fits(fact, effect),
                    Verdict::Harmful => harms && fits(fact, effect),
                    Verdict::Unclear | Verdict::TooEarly => {
                        !works && !harms && estimate.is_finite()
                    }
                }
            });
            let truth = match fact.kind {
                FactKind::Effect => format!("works, {:+.0} %", fact.size * 100.0),
                FactKind::Harm => format!("harms, {:+.0} %", fact.size * 100.0),
                _ => "has no effect".to_string(),
            };
            let verdict = effect.map_or_else(|| "no verdict".to_string(), verdict_text);
            ImprovementCheck {
                improvement: fact.id.clone(),
                truth,
                verdict,
                ok,
            }
        })
        .collect()
}

/// Returns true if the estimate is near the size, or its interval contains it.
fn fits(fact: &Fact, effect: &Effect) -> bool {
    let [estimate, bound, other_bound] = effect.relative;
    fact.admits(estimate) || (bound.min(other_bound)..=bound.max(other_bound)).contains(&fact.size)
}

fn verdict_text(effect: &Effect) -> String {
    let [estimate, bound, other_bound] = effect.relative.map(|share| share * 100.0);
    format!(
        "{}, {estimate:+.0} % ({:+.0} to {:+.0} %), {}",
        effect.verdict.word(),
        bound.min(other_bound),
        bound.max(other_bound),
        number::p_value(effect.placebo_p)
    )
}

/// Compares the record counts of a source with the truth; `None` for a source that was not
/// simulated.
fn check_source(truth: &Truth, note: &SourceNote) -> Option<SourceCheck> {
    let truth = truth.sources.get(&note.name)?;
    let reported: BTreeMap<&str, u64> = note
        .quarantined
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    let mut counts = vec![
        ("files".to_string(), truth.files, note.files),
        ("records".to_string(), truth.records, note.records),
        ("accepted".to_string(), truth.accepted, note.accepted),
        ("duplicates".to_string(), truth.duplicates, note.duplicates),
        (
            "broken files".to_string(),
            truth.broken_files,
            note.broken_files.len() as u64,
        ),
    ];
    let mut reasons: Vec<&str> = truth.quarantined.keys().map(String::as_str).collect();
    reasons.extend(
        reported
            .keys()
            .copied()
            .filter(|reason| !truth.quarantined.contains_key(*reason)),
    );
    for reason in reasons {
        let planted = truth.quarantined.get(reason).copied().unwrap_or(0);
        counts.push((
            reason.to_string(),
            planted,
            reported.get(reason).copied().unwrap_or(0),
        ));
    }
    for (field, planted) in &truth.unknown_fields {
        let reported = note.unknown_fields.iter().find(|(name, _)| name == field);
        counts.push((
            format!("field {field}"),
            *planted,
            reported.map_or(0, |(_, count)| *count),
        ));
    }
    let differences: Vec<_> = counts
        .into_iter()
        .filter(|(_, planted, reported)| planted != reported)
        .collect();
    Some(SourceCheck {
        source: note.name.clone(),
        ok: differences.is_empty(),
        differences,
    })
}
