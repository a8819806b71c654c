//! Reads the ledger: earlier recommendations, the register of improvements, measured effects.

use super::rules::RuleMatch;
use crate::{Context, Input, Inputs, StageError, frame, rows::UnusableValues};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use retrocast_domain::{
    MeasuredChange, PastSuccess, Recommendation, RecommendationState, Severity, finding::Finding,
};
use std::collections::BTreeMap;

/// Names of the ledger tables that the kind reads.
pub(super) const RECOMMENDATIONS: &str = "ledger.recommendations";
pub(super) const IMPROVEMENTS: &str = "ledger.improvements";
pub(super) const EFFECTS: &str = "ledger.effects";

/// Weight of a rule's range relative to one measured effect.
const RULE_WEIGHT: f64 = 2.0;

/// A recommendation of an earlier run.
#[derive(Debug, Clone)]
struct EarlierRecommendation {
    window_end: Timestamp,
    since: String,
    times: u64,
    expires: String,
    severity: Severity,
}

/// An improvement in the register that follows a recommendation.
#[derive(Debug, Clone)]
struct RegisteredImprovement {
    id: String,
    state: String,
    time: Timestamp,
}

/// Measured effects of a category.
#[derive(Debug, Clone, Default)]
struct MeasuredEffects {
    past: PastSuccess,
    /// Sizes of the relative effects, negative for a change for the worse.
    gains: Vec<f64>,
}

/// Earlier recommendations, their improvements, and measured effects.
pub(super) struct History {
    /// By id, oldest window first.
    earlier: BTreeMap<String, Vec<EarlierRecommendation>>,
    registered: BTreeMap<String, RegisteredImprovement>,
    measured: BTreeMap<String, MeasuredEffects>,
}

impl History {
    pub(super) fn read(context: &Context, inputs: &Inputs) -> Result<Self, StageError> {
        Ok(Self {
            earlier: match inputs.get(RECOMMENDATIONS) {
                Some(input) => read_earlier(input)?,
                None => BTreeMap::new(),
            },
            registered: match inputs.get(IMPROVEMENTS) {
                Some(input) => read_registered(input)?,
                None => BTreeMap::new(),
            },
            measured: collect_measured(context, inputs.get(EFFECTS))?,
        })
    }

    /// Creates the recommendation of a rule match, with its state.
    pub(super) fn recommendation(
        &self,
        context: &Context,
        rule_match: RuleMatch<'_>,
        expires_days: u32,
    ) -> Recommendation {
        let id = rule_match.id();
        let first = rule_match.findings.first();
        let severity = first.map_or(Severity::Info, |finding| finding.severity);
        let rows = self.earlier.get(&id).map_or(&[][..], Vec::as_slice);
        // It continues an earlier recommendation if at most one window is between them.
        let window = &context.window;
        let (start, end) = (window.start_instant(), window.end_instant());
        let earliest = start - (end - start);
        let last = rows.last().filter(|last| last.window_end >= earliest);
        let (since, times, expires) = match last {
            Some(last) => (last.since.clone(), last.times + 1, last.expires.clone()),
            None => {
                let days = i64::from(expires_days).days();
                let expires = window.end.checked_add(days).unwrap_or(window.end);
                (window.label(), 1, expires.to_string())
            }
        };
        let is_new = last.is_none();
        let registered = self.registered.get(&id);
        let severity_at = |time: Timestamp| {
            let before = rows.iter().rev().find(|row| row.window_end <= time);
            before.map(|row| row.severity)
        };
        let is_worse = |time| severity_at(time).is_some_and(|earlier| severity > earlier);
        let is_expired = expires.parse::<Date>().is_ok_and(|last| window.end > last);
        let has_worsened = rows.first().is_some_and(|first| severity > first.severity);
        let state = match registered
            .map(|improvement| (improvement.state.as_str(), improvement.time))
        {
            Some(("proposed", _)) => RecommendationState::Proposed,
            Some(("accepted", _)) => RecommendationState::Accepted,
            Some(("implemented", _)) => RecommendationState::Implemented,
            Some(("rejected", time)) if !is_new && !is_worse(time) => RecommendationState::Rejected,
            Some(("closed", _)) if !is_new => RecommendationState::Closed,
            // A change whose harm is still proven stays worth undoing.
            _ if is_expired && !has_worsened && !rule_match.rule.undoes => {
                RecommendationState::Expired
            }
            _ => RecommendationState::Open,
        };
        let none = MeasuredEffects::default();
        let category = rule_match.rule.category.clone();
        // Other changes of the category say nothing about undoing this one.
        let measured = self.measured.get(&category);
        let measured = measured
            .filter(|_| !rule_match.rule.undoes)
            .unwrap_or(&none);
        let reversed = rule_match.change.and_then(MeasuredChange::reversed);
        let improvement = registered.filter(|_| state.is_in_progress());
        Recommendation {
            title: rule_match.title(),
            actions: rule_match.actions(),
            rule: rule_match.rule.name.clone(),
            component: rule_match.component.to_string(),
            metric: rule_match.metric().to_string(),
            effort_days: rule_match.rule.effort_days,
            risk: rule_match.rule.risk(),
            expected: reversed
                .unwrap_or_else(|| expected_effect(rule_match.expected(), &measured.gains)),
            is_measured: reversed.is_some(),
            confidence: confidence(&rule_match.findings),
            past: measured.past,
            state,
            improvement: improvement
                .map(|improvement| improvement.id.clone())
                .unwrap_or_default(),
            since,
            times,
            expires,
            severity,
            findings: rule_match
                .findings
                .iter()
                .map(|finding| finding.id.clone())
                .collect(),
            evidence: first
                .map(|finding| finding.sentence.clone())
                .unwrap_or_default(),
            category,
            id,
        }
    }
}

/// The highest confidence among the findings.
fn confidence(findings: &[&Finding]) -> f64 {
    let confidences = findings.iter().map(|finding| finding.confidence);
    confidences.fold(0.0, f64::max).clamp(0.0, 1.0)
}

/// The expected effect: a rule's range, updated with the measured gains of its category in the same
/// direction.
fn expected_effect([low, high]: [f64; 2], gains: &[f64]) -> [f64; 3] {
    let middle = f64::midpoint(low, high);
    let weight = RULE_WEIGHT + gains.len() as f64;
    let gains = gains.iter().sum::<f64>() * if middle > 0.0 { 1.0 } else { -1.0 };
    let mean = (RULE_WEIGHT * middle + gains) / weight;
    let half = (high - low) / 2.0 * (RULE_WEIGHT / weight).sqrt();
    [mean, mean - half, mean + half]
}

fn read_earlier(input: &Input) -> Result<BTreeMap<String, Vec<EarlierRecommendation>>, StageError> {
    let rows = input.read_all(&["id", "window_end", "since", "times", "expires", "severity"])?;
    let texts = |name| frame::texts(&rows, name);
    let (ids, since, expires, severity) = (
        texts("id")?,
        texts("since")?,
        texts("expires")?,
        texts("severity")?,
    );
    let times = frame::numbers(&rows, "times", &mut UnusableValues::default())?;
    let ends = frame::micros(&rows, "window_end")?;
    let mut earlier: BTreeMap<String, Vec<EarlierRecommendation>> = BTreeMap::new();
    for i in 0..ids.len() {
        let (Some(id), Some(end)) = (&ids[i], ends[i]) else {
            continue;
        };
        let Ok(window_end) = Timestamp::from_microsecond(end) else {
            continue;
        };
        earlier
            .entry(id.clone())
            .or_default()
            .push(EarlierRecommendation {
                window_end,
                since: since[i].clone().unwrap_or_default(),
                times: times[i].unwrap_or(1.0) as u64,
                expires: expires[i].clone().unwrap_or_default(),
                severity: parse_severity(severity[i].as_deref()),
            });
    }
    for rows in earlier.values_mut() {
        rows.sort_by_key(|row| row.window_end);
    }
    Ok(earlier)
}

fn parse_severity(word: Option<&str>) -> Severity {
    match word {
        Some("critical") => Severity::Critical,
        Some("warning") => Severity::Warning,
        Some("notice") => Severity::Notice,
        _ => Severity::Info,
    }
}

/// Reads the last improvement that follows each recommendation.
fn read_registered(input: &Input) -> Result<BTreeMap<String, RegisteredImprovement>, StageError> {
    let rows = input.read_all(&["id", "state", "time", "recommendation"])?;
    let texts = |name| frame::texts(&rows, name);
    let (ids, states, recommendations) = (texts("id")?, texts("state")?, texts("recommendation")?);
    let times = frame::micros(&rows, "time")?;
    let mut registered: BTreeMap<String, RegisteredImprovement> = BTreeMap::new();
    for i in 0..ids.len() {
        let (Some(recommendation), Some(state), Some(time)) =
            (&recommendations[i], &states[i], times[i])
        else {
            continue;
        };
        let Ok(time) = Timestamp::from_microsecond(time) else {
            continue;
        };
        let known = registered.get(recommendation);
        if known.is_none_or(|known| known.time < time) {
            let improvement = RegisteredImprovement {
                id: ids[i].clone().unwrap_or_default(),
                state: state.clone(),
                time,
            };
            registered.insert(recommendation.clone(), improvement);
        }
    }
    Ok(registered)
}

/// Collects the last measured effect of each improvement, from this and earlier runs, by category.
fn collect_measured(
    context: &Context,
    input: Option<&Input>,
) -> Result<BTreeMap<String, MeasuredEffects>, StageError> {
    // By improvement: category, verdict, relative effect. Later rows replace earlier rows.
    let mut last: BTreeMap<String, (String, String, Option<f64>)> = BTreeMap::new();
    if let Some(input) = input {
        let rows = input.read_all(&[
            "improvement",
            "category",
            "verdict",
            "relative",
            "window_end",
        ])?;
        let texts = |name| frame::texts(&rows, name);
        let (ids, categories, verdicts) =
            (texts("improvement")?, texts("category")?, texts("verdict")?);
        let relative = frame::numbers(&rows, "relative", &mut UnusableValues::default())?;
        let ends = frame::micros(&rows, "window_end")?;
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|i| ends[*i]);
        for i in order {
            let (Some(id), Some(category), Some(verdict)) = (&ids[i], &categories[i], &verdicts[i])
            else {
                continue;
            };
            last.insert(id.clone(), (category.clone(), verdict.clone(), relative[i]));
        }
    }
    for effect in context.cells.iter().flat_map(|cell| &cell.effects) {
        let verdict = effect.verdict.name().to_string();
        let relative = Some(effect.relative[0]).filter(|_| effect.counterfactual > 0.0);
        last.insert(
            effect.improvement.clone(),
            (effect.category.clone(), verdict, relative),
        );
    }
    let mut measured: BTreeMap<String, MeasuredEffects> = BTreeMap::new();
    for (category, verdict, relative) in last.into_values() {
        if category.is_empty() || verdict == "too_early" {
            continue;
        }
        let effects = measured.entry(category).or_default();
        effects.past.judged += 1;
        effects.past.worked += u64::from(verdict == "works");
        // An effect that is not proven counts as on a metric of which less is better.
        effects
            .gains
            .extend(relative.map(|relative| match &*verdict {
                "works" => relative.abs(),
                "harmful" => -relative.abs(),
                _ => -relative,
            }));
    }
    Ok(measured)
}
