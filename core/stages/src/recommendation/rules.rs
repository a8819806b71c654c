//! Rules that map findings to actions.

use super::default_risk;
use crate::StageError;
use retrocast_domain::{
    Chapter, Direction, Finding, MeasuredChange, Recommendation, Severity, finding::group_of,
    recommendation::Risk,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Conditions of a rule: a finding must meet all of them; an absent condition is always met.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// Kinds of claims: `anomaly`, `change_point`, `trend`, `forecast`, `kpi`, `quality`, ...
    #[serde(default)]
    kinds: Vec<String>,
    /// Words, in any case: the claim, its subject or the name of its stage must contain one.
    #[serde(default)]
    words: Vec<String>,
    /// Names of the stages whose findings match; empty for all.
    #[serde(default)]
    stages: Vec<String>,
    /// Groups, such as components.
    #[serde(default)]
    subjects: Vec<String>,
    /// Direction of the change.
    #[serde(default)]
    direction: Option<ChangeDirection>,
    /// Minimum severity. Default: notice.
    #[serde(default)]
    severity: Option<MinimumSeverity>,
}

/// Direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeDirection {
    /// It is higher or rises.
    Up,
    /// It is lower or falls.
    Down,
}

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MinimumSeverity {
    /// Good to know.
    Info,
    /// To be noted this week.
    Notice,
    /// Needs attention.
    Warning,
    /// Needs attention now.
    Critical,
}

impl From<MinimumSeverity> for Severity {
    fn from(minimum: MinimumSeverity) -> Self {
        match minimum {
            MinimumSeverity::Info => Self::Info,
            MinimumSeverity::Notice => Self::Notice,
            MinimumSeverity::Warning => Self::Warning,
            MinimumSeverity::Critical => Self::Critical,
        }
    }
}

/// Risk of making a change.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RiskLevel {
    /// It is easily undone.
    Low,
    /// It may affect other components.
    Medium,
    /// It may cause an outage, or cannot be undone.
    High,
}

/// A rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Name: part of the identity of its recommendations.
    #[schemars(length(min = 1, max = 64))]
    pub(super) name: String,
    /// Findings that the rule addresses.
    #[serde(default)]
    when: Condition,
    /// Category, such as configuration or scaling.
    #[schemars(length(min = 1, max = 64))]
    pub(super) category: String,
    /// The action, without a full stop. `{what}` is what the finding is about, `{change}` the
    /// change that it measured, `{subject}` its group; `{in}`, `{of}` and `{for}` are the group
    /// after that word, and empty without groups.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// Steps, as sentences, with the same placeholders.
    #[serde(default)]
    actions: Vec<String>,
    /// Work in days. Default: 1.
    #[serde(default = "default_effort")]
    #[schemars(range(min = 0.1, max = 1000))]
    pub(super) effort_days: f64,
    /// Risk of making it. Default: low.
    risk: Option<RiskLevel>,
    /// Range of the expected relative change of the metric: −0.3 for 30 % less. Default: −0.3 to
    /// −0.1.
    #[serde(default = "default_expected")]
    #[schemars(inner(range(min = -1, max = 10)), length(min = 2, max = 2))]
    pub(super) expected: Vec<f64>,
    /// Set to true if the action undoes the change that a finding measured: the expected effect is
    /// then the measured one, reversed, and each change has its own recommendation.
    #[serde(default)]
    pub(super) undoes: bool,
    /// True for a rule that fits metrics of both kinds: its range is for a metric that has risen.
    #[serde(skip)]
    is_built_in: bool,
}

fn default_effort() -> f64 {
    1.0
}

fn default_expected() -> Vec<f64> {
    vec![-0.3, -0.1]
}

/// The file of built-in rules, in the order in which they are tried.
#[derive(Deserialize)]
struct Rules {
    rule: Vec<Rule>,
}

pub(super) fn built_in_rules() -> Result<Vec<Rule>, StageError> {
    let mut rules: Rules = toml::from_str(include_str!("rules.toml"))
        .map_err(|error| StageError::Other(format!("built-in rules: {error}")))?;
    for rule in &mut rules.rule {
        rule.is_built_in = true;
    }
    Ok(rules.rule)
}

impl Condition {
    fn matches(&self, finding: &Finding) -> bool {
        let matches_any =
            |list: &[String], text: &str| list.is_empty() || list.iter().any(|item| item == text);
        let text = format!("{} {} {}", finding.what, finding.subject, finding.stage).to_lowercase();
        let words = self.words.iter().map(|word| word.to_lowercase());
        let has_word = self.words.is_empty() || words.into_iter().any(|word| text.contains(&word));
        let has_direction = match self.direction {
            None => true,
            Some(ChangeDirection::Up) => finding.direction == Direction::Up,
            Some(ChangeDirection::Down) => finding.direction == Direction::Down,
        };
        let minimum = self.severity.map_or(Severity::Notice, Severity::from);
        matches_any(&self.kinds, &finding.kind)
            && matches_any(&self.stages, &finding.stage)
            && matches_any(&self.subjects, group_of(&finding.subject))
            && has_word
            && has_direction
            && finding.severity >= minimum
    }
}

impl Rule {
    pub(super) fn risk(&self) -> Risk {
        match self.risk {
            None => default_risk(),
            Some(RiskLevel::Low) => Risk::Low,
            Some(RiskLevel::Medium) => Risk::Medium,
            Some(RiskLevel::High) => Risk::High,
        }
    }
}

/// A rule with the findings that it addresses for one component and, if it undoes a change, that
/// change; the most severe finding first.
pub(super) struct RuleMatch<'a> {
    pub(super) rule: &'a Rule,
    pub(super) component: &'a str,
    /// The change to undo.
    pub(super) change: Option<&'a MeasuredChange>,
    pub(super) findings: Vec<&'a Finding>,
}

impl RuleMatch<'_> {
    pub(super) fn id(&self) -> String {
        let change = self.change.map(|change| change.name.as_str());
        Recommendation::identity(&self.rule.name, self.component, change)
    }

    /// The measure of its first finding. The measure of a finding on the quality of records is a part
    /// of the data, such as one file, which an action does not raise or lower.
    pub(super) fn metric(&self) -> &str {
        match self.findings.first() {
            Some(first) if first.chapter == Chapter::Data => "faults in the records",
            first => first.map_or("", |first| first.measure()),
        }
    }

    /// The range of the expected relative change of the metric. A built-in rule expects that its
    /// action counters the first finding: less of what has risen, more of what has fallen.
    pub(super) fn expected(&self) -> [f64; 2] {
        let range = match *self.rule.expected {
            [a, b] => [a.min(b), a.max(b)],
            _ => [0.0; 2],
        };
        let first = self.findings.first();
        let has_fallen = first.is_some_and(|first| {
            first.direction == Direction::Down && first.chapter != Chapter::Data
        });
        if self.rule.is_built_in && has_fallen {
            [-range[1], -range[0]]
        } else {
            range
        }
    }

    /// The subject of its first finding.
    fn subject(&self) -> &str {
        let Some(first) = self.findings.first() else {
            return "";
        };
        match &first.request {
            Some(request) if !request.subject.is_empty() => &request.subject,
            _ => &first.what,
        }
    }

    /// The change that its first finding measured.
    fn change_name(&self) -> &str {
        let change = self
            .findings
            .first()
            .and_then(|first| first.change.as_ref());
        change.map_or("", |change| &change.name)
    }

    /// Replaces the placeholders in a string of the rule.
    fn fill(&self, text: &str) -> String {
        let group = Some(self.component).filter(|component| *component != "all");
        let with = |word: &str| group.map_or_else(String::new, |group| format!(" {word} {group}"));
        let placeholders = [
            ("{subject}", group.unwrap_or("all").to_string()),
            ("{in}", with("in")),
            ("{of}", with("of")),
            ("{for}", with("for")),
            ("{what}", self.subject().to_string()),
            ("{change}", self.change_name().to_string()),
        ];
        // One pass from the left, since a group may be named "{what}".
        let mut filled = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            let tail = &rest[open..];
            let found = placeholders.iter().find(|(name, _)| tail.starts_with(name));
            let (name, value) = found.map_or(("{", "{"), |(name, value)| (*name, value.as_str()));
            filled.push_str(value);
            rest = &tail[name.len()..];
        }
        filled.push_str(rest);
        filled
    }

    pub(super) fn title(&self) -> String {
        self.fill(&self.rule.title)
    }

    pub(super) fn actions(&self) -> Vec<String> {
        self.rule
            .actions
            .iter()
            .map(|text| self.fill(text))
            .collect()
    }
}

/// Assigns each finding to the first rule that matches it, and groups findings by rule and
/// component; if the rule undoes a change, also by that change.
pub(super) fn match_findings<'a>(
    rules: &'a [Rule],
    findings: impl Iterator<Item = &'a Finding>,
) -> Vec<RuleMatch<'a>> {
    let mut matched: BTreeMap<(usize, &str, Option<&str>), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        if let Some(index) = rules.iter().position(|rule| rule.when.matches(finding)) {
            let change = finding.change.as_ref().filter(|_| rules[index].undoes);
            let change = change.map(|change| change.name.as_str());
            matched
                .entry((index, group_of(&finding.subject), change))
                .or_default()
                .push(finding);
        }
    }
    let matches = matched
        .into_iter()
        .map(|((index, component, change), mut findings)| {
            findings.sort_by(|a, b| retrocast_domain::finding::by_importance(a, b));
            let first = findings.first().filter(|_| change.is_some());
            RuleMatch {
                rule: &rules[index],
                component,
                change: first.and_then(|first| first.change.as_ref()),
                findings,
            }
        });
    matches.collect()
}
