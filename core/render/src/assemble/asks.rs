//! Selects the requests to the reader. Every page that mentions decisions uses this list, so that
//! pages do not contradict each other.

use super::notes::list_first;
use crate::words::{long_date, shorten, visible_name};
use retrocast_domain::{Chapter, Effect, Finding, Severity, Verdict, finding::group_of};
use std::collections::BTreeSet;

/// Maximum number of requests.
const ASKS_MAX: usize = 5;
/// The request if the first page reports missing records and no finding does.
const INCOMPLETE: &str =
    "Find out why records are missing: the figures cover only part of the period.";
/// Maximum length of a title inside a request, in characters.
pub(super) const TITLE_MAX: usize = 60;

/// The group of a finding: "billing" for "component = billing"; `None` for all.
fn group(finding: &Finding) -> Option<String> {
    let subject = finding.subject.as_str();
    (!subject.is_empty() && subject != "all")
        .then(|| shorten(&visible_name(group_of(subject)), TITLE_MAX))
}

/// Formats the request of a finding as event and action: "Memory in db-2 is rising: name an owner."
pub fn ask_for(finding: &Finding) -> Option<String> {
    let request = finding.request.as_ref()?;
    let group = group(finding).map_or_else(String::new, |group| format!(" in {group}"));
    let event = match request.event.as_str() {
        "" => String::new(),
        event => format!(" {event}"),
    };
    let subject = capitalise_first(&request.subject);
    Some(format!("{subject}{group}{event}: {}.", request.action))
}

/// Capitalises the first letter.
fn capitalise_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// Lists the requests, from findings in order of importance and from the first page's notices about
/// missing records.
pub(super) fn asks(ordered: &[Finding], effects: &[Effect], notices: &[String]) -> Vec<String> {
    let mut asks: Vec<String> = Vec::new();
    let is_data_request = |finding: &Finding| {
        finding.chapter == Chapter::Data && finding.severity >= Severity::Warning
    };
    if !notices.is_empty() && !ordered.iter().any(is_data_request) {
        asks.push(INCOMPLETE.to_string());
    }
    for effect in effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Harmful)
    {
        let verb = if effect.lower_is_better {
            "rose"
        } else {
            "fell"
        };
        asks.push(format!(
            "{} {verb} after “{}” of {}: decide whether to undo it.",
            capitalise_first(&effect.metric),
            shorten(&effect.title, TITLE_MAX),
            long_date(&effect.date),
        ));
    }
    let mut seen = BTreeSet::new();
    for finding in ordered {
        // Requests about improvements are added above, by title.
        let is_covered = finding.chapter == Chapter::Improvements && !effects.is_empty();
        let needs_request = finding.severity >= Severity::Warning && !is_covered;
        if needs_request && seen.insert((finding.kind.as_str(), finding.subject.as_str())) {
            asks.extend(ask_for(finding));
        }
    }
    let unclear: Vec<String> = effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Unclear)
        .map(|effect| format!("“{}”", shorten(&effect.title, TITLE_MAX)))
        .collect();
    // Improvements with unclear effects share one line, for which space is reserved.
    let limit = ASKS_MAX - usize::from(!unclear.is_empty());
    asks.truncate(limit);
    if !unclear.is_empty() {
        let (noun, effects) = match unclear.len() {
            1 => ("a success", "its effect is"),
            _ => ("successes", "their effects are"),
        };
        asks.push(format!(
            "Do not count {} as {noun} yet: {effects} not proven.",
            list_first(&unclear, unclear.len() as u64, "improvement")
        ));
    }
    asks
}
