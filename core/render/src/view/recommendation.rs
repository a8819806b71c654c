//! Formats recommendations.

use super::figure::FigureIds;
use crate::words::{shorten, shorten_to_sentence};
use retrocast_domain::{Cell, Recommendation, RecommendationState, Report, number};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Debug, Serialize)]
struct RecommendationView {
    title: String,
    /// The finding that it addresses.
    evidence: String,
    /// Its expected effect, its effort and its risk.
    promise: String,
    /// ID of the figure.
    figure: String,
}

/// Maximum number of open recommendations on the improvements page.
const SHOWN_MAX: usize = 3;

/// The open recommendations of a report.
#[derive(Debug, Serialize)]
pub(super) struct RecommendationsView {
    shown: Vec<RecommendationView>,
    /// Number of further recommendations.
    more: u64,
}

pub(super) fn view(report: &Report, ids: &FigureIds) -> RecommendationsView {
    let open = open(&report.cells);
    RecommendationsView {
        shown: open
            .iter()
            .take(SHOWN_MAX)
            .map(|item| recommendation(item, ids.recommendation(report, item)))
            .collect(),
        more: open.len().saturating_sub(SHOWN_MAX) as u64,
    }
}

/// The open recommendations of all stages, the most promising first, without recommendations whose
/// findings a user set aside.
pub(super) fn open(cells: &[Cell]) -> Vec<&Recommendation> {
    let findings = cells.iter().flat_map(|cell| &cell.findings);
    let set_aside = findings.filter(|finding| finding.is_set_aside());
    let set_aside: BTreeSet<&str> = set_aside.map(|finding| finding.id.as_str()).collect();
    let is_void = |recommendation: &Recommendation| {
        let mut findings = recommendation.findings.iter();
        !recommendation.findings.is_empty() && findings.all(|id| set_aside.contains(id.as_str()))
    };
    let recommendations = cells.iter().flat_map(|cell| &cell.recommendations);
    let mut open: Vec<&Recommendation> = recommendations
        .filter(|recommendation| {
            recommendation.state == RecommendationState::Open && !is_void(recommendation)
        })
        .collect();
    open.sort_by(|a, b| b.priority().total_cmp(&a.priority()));
    open
}

fn recommendation(recommendation: &Recommendation, figure: String) -> RecommendationView {
    let days = match recommendation.effort_days {
        1.0 => "1 day".to_string(),
        days => format!("{} days", number::recorded(days)),
    };
    let basis = if recommendation.is_measured {
        ", the reverse of what was measured"
    } else {
        ""
    };
    let past = match (recommendation.past.judged, recommendation.past.worked) {
        (0, _) => String::new(),
        (judged, worked) => format!(
            "; {worked} of {judged} earlier changes of {} worked",
            recommendation.category
        ),
    };
    let metric = shorten(&recommendation.metric, 60);
    let expected = match recommendation.past.judged {
        0 if !recommendation.is_measured => format!("Rule of thumb for {metric}, not measured yet"),
        _ => format!("Expected for {metric}"),
    };
    RecommendationView {
        title: shorten(&recommendation.title, 160),
        evidence: shorten_to_sentence(&recommendation.evidence, 320),
        promise: shorten(
            &format!(
                "{expected}: {}{basis}, for {days} of work at {} risk{past}.",
                recommendation.expected_effect(),
                recommendation.risk.word(),
            ),
            200,
        ),
        figure,
    }
}
