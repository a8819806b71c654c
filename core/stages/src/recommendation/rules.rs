//! Rules: which finding asks for which action.

use super::default_risk;
use crate::StageError;
use retrocast_domain::{
    Direction, Finding, Recommendation, Severity, finding::group_of, recommendation::Risk,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Findings that a rule answers: all conditions hold; one that is absent always holds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// Kinds of claims: `anomaly`, `change_point`, `trend`, `forecast`, `kpi`, `quality`, ...
    #[serde(default)]
    kinds: Vec<String>,
    /// Words of which one is in the claim, its subject or the name of its stage, in any case.
    #[serde(default)]
    words: Vec<String>,
    /// Stages.
    #[serde(default)]
    stages: Vec<String>,
    /// Groups, such as components.
    #[serde(default)]
    subjects: Vec<String>,
    /// Direction of the change.
    #[serde(default)]
    direction: Option<Way>,
    /// Minimum severity. Default: notice.
    #[serde(default)]
    severity: Option<Least>,
}

/// Direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// It is higher or rises.
    Up,
    /// It is lower or falls.
    Down,
}

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Least {
    /// Good to know.
    Info,
    /// Worth a look this week.
    Notice,
    /// Needs attention.
    Warning,
    /// Needs attention now.
    Critical,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Self {
        match least {
            Least::Info => Self::Info,
            Least::Notice => Self::Notice,
            Least::Warning => Self::Warning,
            Least::Critical => Self::Critical,
        }
    }
}

/// Risk of making a change.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RiskWord {
    /// It is easily undone.
    Low,
    /// It may disturb others.
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
    /// Findings that it answers.
    #[serde(default)]
    when: When,
    /// Category, such as configuration or scaling.
    #[schemars(length(min = 1, max = 64))]
    pub(super) category: String,
    /// The action, without a full stop. `{what}` is what the finding is about, `{subject}` its group; `{in}`,
    /// `{of}` and `{for}` are the group after that word, and nothing where there are no groups.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// Steps, as sentences, with the same places.
    #[serde(default)]
    actions: Vec<String>,
    /// Work in days. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.1, max = 1000))]
    pub(super) effort_days: f64,
    /// Risk of making it. Default: low.
    risk: Option<RiskWord>,
    /// Range of the expected relative change of the metric: −0.3 for 30 % less. Default: −0.3 to −0.1.
    #[serde(default = "modest")]
    #[schemars(inner(range(min = -1, max = 10)), length(min = 2, max = 2))]
    pub(super) expected: Vec<f64>,
}

fn one() -> f64 {
    1.0
}

fn modest() -> Vec<f64> {
    vec![-0.3, -0.1]
}

/// The rules of the program, in the order in which they are tried.
#[derive(Deserialize)]
struct Rules {
    rule: Vec<Rule>,
}

pub(super) fn built_in() -> Result<Vec<Rule>, StageError> {
    let rules: Rules = toml::from_str(include_str!("rules.toml"))
        .map_err(|error| StageError::Other(format!("built-in rules: {error}")))?;
    Ok(rules.rule)
}

impl When {
    fn holds(&self, finding: &Finding) -> bool {
        let among =
            |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        let text = format!("{} {} {}", finding.what, finding.subject, finding.stage).to_lowercase();
        let words = self.words.iter().map(|word| word.to_lowercase());
        let has_word = self.words.is_empty() || words.into_iter().any(|word| text.contains(&word));
        let way = match self.direction {
            None => true,
            Some(Way::Up) => finding.direction == Direction::Up,
            Some(Way::Down) => finding.direction == Direction::Down,
        };
        let least = self.severity.map_or(Severity::Notice, Severity::from);
        among(&self.kinds, &finding.kind)
            && among(&self.stages, &finding.stage)
            && among(&self.subjects, group_of(&finding.subject))
            && has_word
            && way
            && finding.severity >= least
    }
}

impl Rule {
    pub(super) fn risk(&self) -> Risk {
        match self.risk {
            None => default_risk(),
            Some(RiskWord::Low) => Risk::Low,
            Some(RiskWord::Medium) => Risk::Medium,
            Some(RiskWord::High) => Risk::High,
        }
    }
}

/// A rule with the findings that it answers for one component, the most severe first.
pub(super) struct Answer<'a> {
    pub(super) rule: &'a Rule,
    pub(super) component: &'a str,
    pub(super) findings: Vec<&'a Finding>,
}

impl Answer<'_> {
    pub(super) fn id(&self) -> String {
        Recommendation::identity(&self.rule.name, self.component)
    }

    /// The measure that its first finding is about.
    pub(super) fn about(&self) -> &str {
        let Some(first) = self.findings.first() else {
            return "";
        };
        match &first.ask {
            Some(ask) if !ask.about.is_empty() => &ask.about,
            _ => &first.what,
        }
    }

    /// A text of the rule about its first finding.
    fn fill(&self, text: &str) -> String {
        let group = Some(self.component).filter(|component| *component != "all");
        let with = |word: &str| group.map_or_else(String::new, |group| format!(" {word} {group}"));
        let places = [
            ("{subject}", group.unwrap_or("all").to_string()),
            ("{in}", with("in")),
            ("{of}", with("of")),
            ("{for}", with("for")),
            ("{what}", self.about().to_string()),
        ];
        // Read once from the left: a group may be called "{what}".
        let mut filled = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            let tail = &rest[open..];
            let place = places.iter().find(|(place, _)| tail.starts_with(place));
            let (name, value) = place.map_or(("{", "{"), |(place, value)| (*place, value.as_str()));
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

/// Each finding goes to the first rule that answers it; findings of one rule and component stay together.
pub(super) fn answers<'a>(
    rules: &'a [Rule],
    findings: impl Iterator<Item = &'a Finding>,
) -> Vec<Answer<'a>> {
    let mut found: BTreeMap<(usize, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        if let Some(at) = rules.iter().position(|rule| rule.when.holds(finding)) {
            found
                .entry((at, group_of(&finding.subject)))
                .or_default()
                .push(finding);
        }
    }
    let answers = found.into_iter().map(|((at, component), mut findings)| {
        findings.sort_by(|a, b| retrocast_domain::finding::by_importance(a, b));
        Answer {
            rule: &rules[at],
            component,
            findings,
        }
    });
    answers.collect()
}
