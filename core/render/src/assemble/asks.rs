//! What is asked of the reader: the one place that decides it. Every page that speaks of decisions
//! reads this list, so that two pages never contradict each other.

use super::notes::some_of;
use crate::words::{named, shorten};
use jiff::civil::Date;
use retrocast_domain::{
    Direction, Effect, Finding, Severity, Verdict,
    window::{long, month_name},
};
use std::collections::BTreeSet;

/// Requests to the reader; more than a handful is none.
const ASKS_MAX: usize = 5;
/// Characters of a title inside a request.
const TITLE_MAX: usize = 60;

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

/// The group a finding is about: "billing" of "component = billing"; nothing for all.
fn group(finding: &Finding) -> Option<String> {
    let subject = finding.subject.as_str();
    (!subject.is_empty() && subject != "all").then(|| {
        let value = subject
            .split_once(" = ")
            .map_or(subject, |(_, value)| value);
        shorten(&named(value), TITLE_MAX)
    })
}

/// Says what happened and what to do about it: "Memory in db-2 is rising: name an owner."
pub fn ask_for(finding: &Finding) -> String {
    if finding.kind == "recommendation" {
        return finding.sentence.clone();
    }
    let what = spelled(&finding.what);
    let thing = |text: &str| match group(finding) {
        Some(group) => format!("{} in {group}", capitalised(text)),
        None => capitalised(text),
    };
    let rest = |prefix: &str| what.strip_prefix(prefix).unwrap_or(&what);
    let (rising, rose) = match finding.direction {
        Direction::Down => ("falling", "fell"),
        Direction::Up | Direction::None => ("rising", "rose"),
    };
    match finding.kind.as_str() {
        "kpi" => match (what.strip_suffix(" against its target"), &finding.baseline) {
            (Some(name), Some(baseline)) => {
                let target = baseline.strip_prefix("the target of ").unwrap_or_default();
                let name = thing(name);
                format!("{name} missed its {target} target: decide what to do.")
            }
            _ => format!("{} {rose}: decide what to do.", thing(&what)),
        },
        "trend" => {
            let measure = rest("trend of ");
            let measured = thing(measure);
            // What a step describes about as well may be over.
            if finding.numbers.get("step_fits_as_well") == Some(&true.into()) {
                format!("{measured} {rose}: find out when and why.")
            } else {
                format!("{measured} {} {rising}: name an owner.", be(measure))
            }
        }
        "change_point" => {
            let (measure, when) = rest("shift of ")
                .rsplit_once(" in ")
                .unwrap_or((rest(""), ""));
            let when = month(when);
            format!("{} {rose}{when}: find the cause.", thing(measure))
        }
        "anomaly" => match what.rsplit_once(" on ") {
            Some((event, when)) => format!("{} on {when}: find the cause.", thing(event)),
            None => format!("{}: find the cause.", thing(&what)),
        },
        "forecast" | "capacity" | "prediction" => match what.split_once(REACHES) {
            Some((measure, limit)) => {
                let is_ahead = finding
                    .magnitude
                    .as_ref()
                    .is_none_or(|days| days.value > 0.0);
                let measured = thing(measure);
                let be = be(measure);
                if is_ahead {
                    format!("{measured} {be} heading for {limit}: add capacity or stop the rise.")
                } else {
                    format!("{measured} {be} above {limit}: add capacity or stop the rise.")
                }
            }
            None => format!("{}: plan for it.", thing(&what)),
        },
        "volume_threshold" => {
            format!(
                "{}: stay below the threshold or find the cause.",
                thing(&what)
            )
        }
        "quality" => {
            // Findings name fields as records do, so these are not spelled out.
            let of = group(finding).map_or_else(String::new, |group| format!(" in {group}"));
            format!(
                "{}{of}: fix the data at its source.",
                capitalised(&finding.what)
            )
        }
        "drift" => format!("{}: fix the data at its source.", thing(&what)),
        "effect" => format!("{}: review this change.", thing(&what)),
        _ => format!("{}: name an owner.", thing(&what)),
    }
}

/// Between a measure and its limit in what a forecast is about.
const REACHES: &str = " reaches ";

fn be(measure: &str) -> &'static str {
    let noun = measure.split(" per ").next().unwrap_or(measure);
    if noun.ends_with('s') { "are" } else { "is" }
}

/// Tells whether a trend leads to the limit that another finding warns of: both would ask the same.
fn leads_to(trend: &Finding, other: &Finding) -> bool {
    let measure = |finding: &Finding| match finding.kind.as_str() {
        "trend" => finding.what.strip_prefix("trend of ").map(str::to_string),
        _ => finding
            .what
            .split_once(REACHES)
            .map(|(name, _)| name.to_string()),
    };
    (trend.kind.as_str(), other.kind.as_str()) == ("trend", "forecast")
        && trend.subject == other.subject
        && trend.direction == Direction::Up
        && measure(trend).is_some_and(|name| measure(other) == Some(name))
}

/// " in November 2026" of "2026-11".
fn month(text: &str) -> String {
    let first: Option<Date> = format!("{text}-01").parse().ok();
    match first {
        Some(day) => format!(" in {} {}", month_name(day), day.year()),
        None if text.is_empty() => String::new(),
        None => format!(" in {text}"),
    }
}

/// With its first letter in upper case.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// What is asked, from findings in the order in which they matter.
pub(super) fn asks(ordered: &[Finding], effects: &[Effect]) -> Vec<String> {
    let mut asks: Vec<String> = Vec::new();
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
            spelled(&effect.date),
        ));
    }
    let alarms = ordered.iter().filter(|finding| {
        // A recommendation asks, however mild it is.
        let asks = finding.severity >= Severity::Warning || finding.kind == "recommendation";
        asks && (finding.kind != "effect" || effects.is_empty())
    });
    let mut seen = BTreeSet::new();
    let alarms: Vec<&Finding> = alarms.collect();
    for finding in &alarms {
        if alarms.iter().any(|other| leads_to(finding, other)) {
            continue;
        }
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
