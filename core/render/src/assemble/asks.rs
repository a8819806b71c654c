//! What is asked of the reader: the one place that decides it. Every page that speaks of decisions
//! reads this list, so that two pages never contradict each other.

use super::{findings, notes::some_of};
use crate::words::{named, shorten};
use jiff::civil::Date;
use retrocast_domain::{Cell, Effect, Finding, Severity, Verdict, window::long};
use std::collections::BTreeSet;

/// Requests to the reader; more than a handful is none.
const ASKS_MAX: usize = 5;
/// Characters of a title inside a request.
const TITLE_MAX: usize = 60;

/// "daily failures (component billing)".
fn about(finding: &Finding) -> String {
    let what = spelled(&finding.what);
    if finding.subject.is_empty() || finding.subject == "all" {
        what
    } else {
        format!("{what} ({})", named(&finding.subject).replace(" = ", " "))
    }
}

/// What a finding is about, for people: names of kinds without underscores, dates in words.
fn spelled(what: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in what.split(' ') {
        if let Ok(date) = word.parse::<Date>() {
            if let Some(before) = words.last_mut().filter(|before| *before == "at") {
                *before = "on".to_string();
            }
            words.push(long(date));
        } else if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            words.push(word.replace('_', " "));
        } else {
            words.push(word.to_string());
        }
    }
    words.join(" ")
}

fn ask_for(finding: &Finding) -> String {
    let about = about(finding);
    match finding.kind.as_str() {
        "recommendation" => finding.sentence.clone(),
        "quality" | "drift" => format!("Have the data mended at its source: {about}."),
        "forecast" | "capacity" | "prediction" => format!("Plan ahead: {about}."),
        "anomaly" => format!("Name an owner to find the cause of the {about}."),
        "volume_threshold" => format!("Keep below the threshold, or lift it: {about}."),
        "kpi" => format!("Decide how to bring {about} back on course."),
        "trend" if about.starts_with("trend ") => {
            format!("Decide whether the {about} may go on.")
        }
        "trend" => format!("Decide whether this trend may go on: {about}."),
        "effect" => format!("Review the improvement: {about}."),
        _ => format!("Name an owner to find the cause: {about}."),
    }
}

pub(super) fn asks(cells: &[Cell], effects: &[Effect]) -> Vec<String> {
    let mut asks: Vec<String> = Vec::new();
    for effect in effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Harmful)
    {
        asks.push(format!(
            "Decide whether to undo “{}” of {}: it made {} worse.",
            shorten(&effect.title, TITLE_MAX),
            spelled(&effect.date),
            effect.metric
        ));
    }
    let alarms = findings(cells).into_iter().filter(|finding| {
        // A recommendation asks, however mild it is.
        let asks = finding.severity >= Severity::Warning || finding.kind == "recommendation";
        asks && (finding.kind != "effect" || effects.is_empty())
    });
    let mut seen = BTreeSet::new();
    for finding in alarms {
        if seen.insert((finding.kind.as_str(), finding.subject.as_str())) {
            asks.push(ask_for(finding));
        }
    }
    let unclear: Vec<String> = effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Unclear)
        .map(|effect| format!("“{}”", shorten(&effect.title, TITLE_MAX)))
        .collect();
    // The unclear share one line, which must not fall off the end of a long list.
    let room = ASKS_MAX - usize::from(!unclear.is_empty());
    asks.truncate(room);
    if !unclear.is_empty() {
        let noun = if unclear.len() == 1 {
            "a success"
        } else {
            "successes"
        };
        asks.push(format!(
            "Do not count {} as {noun} yet: the data cannot tell.",
            some_of(&unclear, unclear.len() as u64, "improvement")
        ));
    }
    asks
}
