//! Recommendations: actions that address the findings of other stages, ranked by their expected
//! benefit.
//!
//! ```toml
//! [stage.advice]
//! kind     = "recommendation"
//! findings = ["unusual_days", "key_figures", "outlook"]
//!
//! [[stage.advice.rules]]
//! name        = "second-database"
//! when        = { kinds = ["forecast"], words = ["memory"], subjects = ["db-1"] }
//! category    = "scaling"
//! title       = "Add a second database server"
//! actions     = ["Order the server.", "Move the readers to it."]
//! effort_days = 5
//! risk        = "medium"
//! expected    = [-0.5, -0.3]
//! ```
//!
//! # Method
//! Each finding of the named stages is answered by the first rule that matches it: rules of the job
//! first, then the built-in rules (`retrocast kinds recommendation` lists their categories below).
//! Findings that one rule answers for one component are one recommendation.
//!
//! Recommendations are ranked by `priority`, in percent of the metric per day of work: expected
//! effect × confidence × past success ÷ effort. The expected effect is the middle of the rule's
//! range, averaged with the measured effects of earlier improvements of the category as if the
//! range were two of them. Confidence is that of the finding. Past success is the mean of a Beta
//! posterior after a uniform prior: (improvements of the category that work + 1) ÷ (all that were
//! measured + 2).
//!
//! A built-in rule expects that its action counters the finding: its range is reversed after a
//! fall.
//!
//! A rule with `undoes = true` undoes the change that a finding measured. Its expected effect is
//! the measured one, reversed (after 38 % more, 28 % less), and past success is 1, because this is
//! no guess and other changes of the category say nothing about it.
//!
//! A recommendation has the same id in each run that reports it. Its state is read from the
//! register of improvements (`retrocast improvement propose ID --recommendation ID`): while it is
//! proposed or accepted it is listed with that state; if it is rejected, it returns only if its
//! finding has become more severe or was absent in between; without an answer, it expires. One that
//! undoes a change does not expire while the harm of the change is found.
//!
//! The built-in rules undo harmful improvements, deployments and switches, and cover configuration,
//! resources, performance, scaling, alert thresholds, settings, workflow, quality, cost, message
//! generation, enrichment, scraping and sync.
//!
//! # Caveats
//! Rules match the kind and the words of a finding, not its cause. Ranges of built-in rules are
//! rough until improvements of their category have been measured.

use crate::{Analysis, Context, Inputs, Reads, StageError, StageKind, with_findings};
use retrocast_domain::{
    Cell, Chapter, Recommendation, RecommendationState, Table, number, recommendation::Risk,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod history;
mod result;
mod rules;
#[cfg(test)]
mod tests;

use history::History;
use rules::{Rule, built_in_rules, match_findings};

/// The registered kind.
pub const RECOMMENDATION: StageKind = StageKind {
    name: "recommendation",
    chapter: Some(Chapter::Recommendations),
    code_version: 4,
    summary: "Recommends actions that answer findings, ranked by their expected benefit.",
    manual: include_str!("recommendation.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Findings,
    earlier_values: false,
    ledger: &[
        history::RECOMMENDATIONS,
        history::IMPROVEMENTS,
        history::EFFECTS,
    ],
    run,
};

fn default_true() -> bool {
    true
}

fn default_top() -> usize {
    10
}

fn default_expires() -> u32 {
    56
}

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Stages whose findings are addressed.
    #[schemars(length(min = 1), extend("x-dataset" = true))]
    #[expect(dead_code, reason = "the cells of these stages are in the context")]
    findings: Vec<String>,
    /// Rules of the job; they come before the built-in ones.
    #[serde(default)]
    rules: Vec<Rule>,
    /// Set to false to use only the rules of the job.
    #[serde(default = "default_true")]
    built_in: bool,
    /// Maximum number of open recommendations.
    #[serde(default = "default_top")]
    #[schemars(range(min = 1, max = 100))]
    top: usize,
    /// Number of days after which a recommendation without an answer expires.
    #[serde(default = "default_expires")]
    #[schemars(range(min = 7, max = 730))]
    expires_days: u32,
}

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let mut rules: Vec<Rule> = params.rules;
    if params.built_in {
        rules.extend(built_in_rules()?);
    }
    let history = History::read(context, inputs)?;
    let findings = context.cells.iter().flat_map(|cell| &cell.findings);
    let mut recommendations: Vec<Recommendation> = match_findings(&rules, findings)
        .into_iter()
        .map(|rule_match| history.recommendation(context, rule_match, params.expires_days))
        .collect();
    recommendations.sort_by(|a, b| {
        let order = a.state.cmp(&b.state);
        let order = order.then_with(|| b.priority().total_cmp(&a.priority()));
        order
            .then_with(|| b.severity.cmp(&a.severity))
            .then_with(|| a.id.cmp(&b.id))
    });

    let mut cell = Cell::new(&context.stage, RECOMMENDATION.name);
    cell.title = if context.title.is_empty() {
        "Recommendations".to_string()
    } else {
        context.title.clone()
    };
    cell.method =
        "rules on findings, ranked by expected effect × confidence × past success ÷ effort"
            .to_string();
    let in_state = |state: RecommendationState| {
        recommendations
            .iter()
            .filter(move |recommendation| recommendation.state == state)
    };
    let open = in_state(RecommendationState::Open).count();
    cell.did = format!(
        "Made {} from {}.",
        number::plural(open as u64, "recommendation"),
        number::plural(
            context
                .cells
                .iter()
                .map(|cell| cell.findings.len() as u64)
                .sum(),
            "finding"
        ),
    );
    if open > 0 {
        cell.tables
            .push(ranking_table(in_state(RecommendationState::Open)).top(params.top));
        cell.tables.push(steps_table(
            in_state(RecommendationState::Open).take(params.top),
        ));
    }
    let in_progress = || {
        recommendations
            .iter()
            .filter(|recommendation| recommendation.state.is_in_progress())
    };
    if in_progress().count() > 0 {
        cell.tables.push(progress_table(in_progress()));
    }
    let not_listed = [
        (
            RecommendationState::Rejected,
            "was rejected and has no new evidence",
            "were rejected and have no new evidence",
        ),
        (
            RecommendationState::Expired,
            "expired unanswered",
            "expired unanswered",
        ),
        (
            RecommendationState::Closed,
            "was implemented and measured before",
            "were implemented and measured before",
        ),
    ];
    for (state, singular, plural) in not_listed {
        let n = in_state(state).count() as u64;
        if n > 0 {
            let words = if n == 1 { singular } else { plural };
            cell.caveats
                .push(format!("{} {words}.", number::plural(n, "recommendation")));
        }
    }
    let frame = result::frame(&recommendations)?;
    // Beyond the limit, recommendations are only rows of the dataset, for later runs.
    let mut shown = 0;
    recommendations.retain(|recommendation| {
        shown += usize::from(recommendation.state == RecommendationState::Open);
        recommendation.state != RecommendationState::Open || shown <= params.top
    });
    cell.recommendations = recommendations;
    Ok(Analysis {
        cell: with_findings(cell, Vec::new()),
        frame: Some(frame),
    })
}

/// Formats past success: "0.75: 2 of 2".
fn format_past_success(recommendation: &Recommendation) -> String {
    let share = number::fixed(recommendation.past_success(), 2);
    match recommendation.past.judged {
        _ if recommendation.is_measured => format!("{share}: effect measured"),
        0 => format!("{share}: none measured yet"),
        judged => format!("{share}: {} of {}", recommendation.past.worked, judged),
    }
}

/// The table of open recommendations with the factors of their priority.
fn ranking_table<'a>(open: impl Iterator<Item = &'a Recommendation>) -> Table {
    let mut table = Table::new(
        "Recommendations by priority: expected effect × confidence × past success of the category ÷ days of \
         work, in percent of the metric per day.",
        &[
            "<recommendation",
            "<category",
            "<expected",
            ">confidence",
            "<past success",
            ">days of work",
            ">priority",
        ],
    );
    for recommendation in open {
        table.push([
            recommendation.title.clone(),
            recommendation.category.clone(),
            format!(
                "{}: {}",
                recommendation.metric,
                recommendation.expected_effect()
            ),
            number::fixed(recommendation.confidence, 2),
            format_past_success(recommendation),
            number::sensible(recommendation.effort_days),
            number::fixed(recommendation.priority(), 1),
        ]);
    }
    table
}

/// The table of the steps of open recommendations, with the finding that each addresses.
fn steps_table<'a>(open: impl Iterator<Item = &'a Recommendation>) -> Table {
    let columns = [
        "<recommendation",
        "<because",
        "<steps",
        "<risk",
        "<since",
        "<until",
        "<id",
    ];
    let mut table = Table::new("What to do, and why.", &columns);
    for recommendation in open {
        table.push([
            recommendation.title.clone(),
            recommendation.evidence.clone(),
            recommendation.actions.join(" "),
            recommendation.risk.word().to_string(),
            recommendation.since.clone(),
            recommendation.expires.clone(),
            recommendation.id.clone(),
        ]);
    }
    table
}

/// The table of recommendations in the register.
fn progress_table<'a>(in_progress: impl Iterator<Item = &'a Recommendation>) -> Table {
    let columns = ["<recommendation", "<improvement", "<state", "<since", "<id"];
    let mut table = Table::new(
        "Recommendations that are in the register of improvements.",
        &columns,
    );
    for recommendation in in_progress {
        table.push([
            recommendation.title.clone(),
            recommendation.improvement.clone(),
            recommendation.state.word().to_string(),
            recommendation.since.clone(),
            recommendation.id.clone(),
        ]);
    }
    table
}

/// The risk of a rule without one.
fn default_risk() -> Risk {
    Risk::Low
}
