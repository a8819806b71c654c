//! Ledger tables of health, recommendations, decisions and improvements.

use super::{COUNT, DAY, EVENT, FLAG, LedgerTable, NUMBER, TEXT, TIME};
use retrocast_domain::result::column;

/// Health of components.
pub const HEALTH: LedgerTable = LedgerTable {
    name: "health",
    query_name: "ledger.health",
    title: "Health over time",
    description: "Score of each component and of the whole.",
    columns: &[
        column("stage", TEXT, "", "Stage that scored it."),
        column("component", TEXT, "", "Component; overall for the whole."),
        column("score", NUMBER, "points", "0 to 100."),
        column(
            "state",
            TEXT,
            "",
            "excellent, good, needs_attention or critical.",
        ),
        column(
            "poor_times",
            COUNT,
            "windows",
            "Number of consecutive windows in which it needed attention or was critical.",
        ),
        column(
            "falls",
            COUNT,
            "windows",
            "Number of consecutive windows in which the score fell.",
        ),
    ],
    published_by_runs: true,
    identity: None,
};

/// Recommendations, in any state.
pub const RECOMMENDATIONS: LedgerTable = LedgerTable {
    name: "recommendations",
    query_name: "ledger.recommendations",
    title: "Recommendations over time",
    description: "Recommendations of each run with their state at that time.",
    columns: &[
        column(
            "id",
            TEXT,
            "",
            "Identity of the recommendation, the same in each run that gives it.",
        ),
        column(
            "state",
            TEXT,
            "",
            "open, proposed, accepted, implemented, closed, rejected or expired.",
        ),
        column("stage", TEXT, "", "Stage that gave it."),
        column("rule", TEXT, "", "Rule that gave it."),
        column("title", TEXT, "", "The action."),
        column("category", TEXT, "", "Category."),
        column("component", TEXT, "", "Component to change; all for all."),
        column("metric", TEXT, "", "Metric that it is intended to change."),
        column(
            "priority",
            NUMBER,
            "percent per day of work",
            "Expected effect × confidence × past success ÷ effort.",
        ),
        column(
            "expected",
            NUMBER,
            "share",
            "Expected relative change of the metric.",
        ),
        column("expected_lower", NUMBER, "share", "Lower end of its range."),
        column("expected_upper", NUMBER, "share", "Upper end of its range."),
        column(
            "confidence",
            NUMBER,
            "",
            "Confidence in the finding, 0 to 1.",
        ),
        column(
            "past_worked",
            COUNT,
            "",
            "Earlier improvements of the category that work.",
        ),
        column(
            "past_judged",
            COUNT,
            "",
            "Earlier improvements of the category that were measured.",
        ),
        column("effort_days", NUMBER, "days", "Effort."),
        column("risk", TEXT, "", "Risk: low, medium or high."),
        column("severity", TEXT, "", "Severity of the most severe finding."),
        column(
            "since",
            TEXT,
            "",
            "First window of the uninterrupted series of runs that give it.",
        ),
        column(
            "times",
            COUNT,
            "runs",
            "Number of consecutive runs that give it.",
        ),
        column("expires", TEXT, "", "Last day on which it is recommended."),
        column(
            "finding",
            TEXT,
            "",
            "The most severe finding that it addresses.",
        ),
        column("evidence", TEXT, "", "Sentence of that finding."),
    ],
    published_by_runs: true,
    identity: Some("id"),
};

/// Figures of earlier windows that changed after publication.
pub const RESTATEMENTS: LedgerTable = LedgerTable {
    name: "restatements",
    query_name: "ledger.restatements",
    title: "Restated figures",
    description: "Figures of earlier windows that changed by at least the minimum of the job.",
    columns: &[
        column("stage", TEXT, "", "Stage of the figure."),
        column("of_window", TEXT, "", "The earlier window."),
        column("metric", TEXT, "", "The key figure."),
        column("unit", TEXT, "", "Unit of the values."),
        column(
            "value_from",
            NUMBER,
            "as unit says",
            "The published value; null without records.",
        ),
        column(
            "value_to",
            NUMBER,
            "as unit says",
            "The value that the run found; null without records.",
        ),
        column(
            "published_by",
            TEXT,
            "",
            "Window and id of the run that published the value.",
        ),
        column("why", TEXT, "", "Causes in words."),
        column(
            "causes",
            TEXT,
            "",
            "Causes as JSON: kind, part of the change, and number of records.",
        ),
    ],
    published_by_runs: true,
    identity: None,
};

/// Decisions of users.
pub const DECISIONS: LedgerTable = LedgerTable {
    name: "decisions",
    query_name: "ledger.decisions",
    title: "Decisions",
    description: "User decisions, one event each; the last one on a key is in force.",
    columns: &[
        column("time", TIME, "", "Time of the decision."),
        column("who", TEXT, "", "Person or team that decided."),
        column(
            "noun",
            TEXT,
            "",
            "Table of the item: findings; also kpis or effects in decisions by older programs.",
        ),
        column("key", TEXT, "", "Item: the id of the finding."),
        column(
            "decision",
            TEXT,
            "",
            "acknowledged, wrong, snoozed or reopened; older programs wrote other words.",
        ),
        column("why", TEXT, "", "Reason."),
        column(
            "until",
            DAY,
            "",
            "First day on which a snoozed finding is back on the first page.",
        ),
        column(
            "run",
            TEXT,
            "",
            "Window and id of the run that the person read.",
        ),
        column(EVENT, TEXT, "", "Identity of the event."),
    ],
    published_by_runs: false,
    identity: None,
};

/// The register of improvements.
pub const IMPROVEMENTS: LedgerTable = LedgerTable {
    name: "improvements",
    query_name: "ledger.improvements",
    title: "Register of improvements",
    description: "Improvements after each change of state; queries see the last state of each.",
    columns: &[
        column("id", TEXT, "", "Identity of the improvement."),
        column(
            "state",
            TEXT,
            "",
            "proposed, accepted, rejected, implemented or closed.",
        ),
        column("time", TIME, "", "Time of the change of state."),
        column("who", TEXT, "", "Person or team that changed the state."),
        column("why", TEXT, "", "Reason."),
        column("title", TEXT, "", "Title."),
        column(
            "category",
            TEXT,
            "",
            "Category, such as configuration or scaling.",
        ),
        column("owner", TEXT, "", "Person or team that implements it."),
        column("component", TEXT, "", "Component; null for all."),
        column("metric", TEXT, "", "Metric that it is intended to change."),
        column(
            "expected_relative",
            NUMBER,
            "share",
            "Expected relative change of the metric.",
        ),
        column(
            "lower_is_better",
            FLAG,
            "",
            "Whether lower values of the metric are better.",
        ),
        column("date", DAY, "", "First day after the change."),
        column("cost", NUMBER, "", "Cost of implementing it."),
        column("link", TEXT, "", "Link to a ticket or a change request."),
        column("finding", TEXT, "", "Finding that it addresses."),
        column("recommendation", TEXT, "", "Recommendation that led to it."),
        column(EVENT, TEXT, "", "Identity of the event."),
    ],
    published_by_runs: false,
    identity: None,
};
