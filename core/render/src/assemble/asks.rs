//! Decides the requests to the reader. Every page that mentions decisions uses this list, so that
//! pages do not contradict each other.

use super::notes::some_of;
use crate::words::{named, shorten, words_of_date};
use retrocast_domain::{Chapter, Effect, Finding, Severity, Verdict, finding::group_of};
use std::collections::BTreeSet;

/// Maximum number of requests.
const ASKS_MAX: usize = 5;
/// The request if the first page reports missing records and no finding does.
const INCOMPLETE: &str =
    "Find out why records are missing: the figures cover only a part of the period.";
/// Maximum length of a title inside a request, in characters.
const TITLE_MAX: usize = 60;

/// The group of a finding: "billing" for "component = billing"; `None` for all.
fn group(finding: &Finding) -> Option<String> {
    let subject = finding.subject.as_str();
    (!subject.is_empty() && subject != "all").then(|| shorten(&named(group_of(subject)), TITLE_MAX))
}

/// Words a request, event and action: "Memory in db-2 is rising: name an owner."
pub fn ask_for(finding: &Finding) -> Option<String> {
    let ask = finding.ask.as_ref()?;
    let group = group(finding).map_or_else(String::new, |group| format!(" in {group}"));
    let happened = match ask.happened.as_str() {
        "" => String::new(),
        happened => format!(" {happened}"),
    };
    let about = capitalised(&ask.about);
    Some(format!("{about}{group}{happened}: {}.", ask.todo))
}

/// Capitalises the first letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// Makes the requests, from findings in order of importance and from the first page's notices about
/// missing records.
pub(super) fn asks(ordered: &[Finding], effects: &[Effect], notices: &[String]) -> Vec<String> {
    let mut asks: Vec<String> = Vec::new();
    let asks_of_data = |finding: &Finding| {
        finding.chapter == Chapter::Data && finding.severity >= Severity::Warning
    };
    if !notices.is_empty() && !ordered.iter().any(asks_of_data) {
        asks.push(INCOMPLETE.to_string());
    }
    for effect in effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Harmful)
    {
        let rose = if effect.lower_is_better {
            "rose"
        } else {
            "fell"
        };
        asks.push(format!(
            "{} {rose} after “{}” of {}: decide whether to undo it.",
            capitalised(&effect.metric),
            shorten(&effect.title, TITLE_MAX),
            words_of_date(&effect.date),
        ));
    }
    let mut seen = BTreeSet::new();
    for finding in ordered {
        // Requests about improvements are made above, by name.
        let is_asked = finding.chapter == Chapter::Improvements && !effects.is_empty();
        let asks_too = finding.severity >= Severity::Warning && !is_asked;
        if asks_too && seen.insert((finding.kind.as_str(), finding.subject.as_str())) {
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
            some_of(&unclear, unclear.len() as u64, "improvement")
        ));
    }
    asks
}
