//! Recommendations in words.

use crate::words::{shorten, shorten_to_sentence, words_of_date};
use retrocast_domain::{Cell, Recommendation, RecommendationState, number};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct RecommendationView {
    title: String,
    /// The finding that it answers.
    evidence: String,
    /// Its expected effect, its effort and its risk.
    promise: String,
}

/// The open recommendations of all stages, the most promising first.
pub(super) fn open(cells: &[Cell]) -> Vec<&Recommendation> {
    let all = cells.iter().flat_map(|cell| &cell.recommendations);
    let mut open: Vec<&Recommendation> = all
        .filter(|one| one.state == RecommendationState::Open)
        .collect();
    open.sort_by(|a, b| b.priority().total_cmp(&a.priority()));
    open
}

pub(super) fn recommendation(one: &Recommendation) -> RecommendationView {
    let days = match one.effort_days {
        1.0 => "1 day".to_string(),
        days => format!("{} days", number::sensible(days)),
    };
    let past = match (one.past.judged, one.past.worked) {
        (0, _) => format!("no earlier {} change was measured", one.category),
        (judged, worked) => format!(
            "{worked} of {judged} earlier {} changes worked",
            one.category
        ),
    };
    RecommendationView {
        title: shorten(&one.title, 160),
        evidence: shorten_to_sentence(&one.evidence, 320),
        promise: shorten(
            &format!(
                "Expected: {} of {}, for {days} of work at {} risk; {past}. Recommended since {}, until {}.",
                one.promise(),
                one.metric,
                one.risk.word(),
                one.since,
                words_of_date(&one.expires),
            ),
            400,
        ),
    }
}
