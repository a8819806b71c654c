//! The findings that the first page leads with: what is new first, by the harm it does, and one line
//! for many groups with the same finding.

use super::{HEADLINES_PRINTED, findings};
use crate::words::named;
use retrocast_domain::{
    Cell, Finding, Severity,
    number::{count, list},
    report::EarlierReport,
};
use std::{cmp::Reverse, collections::BTreeSet};

/// Findings kept as headlines.
pub(super) const HEADLINES_MAX: usize = 8;
/// Groups named in one line; the others are counted.
const NAMED_MAX: usize = 3;

/// All findings that have something to say, in the order in which they matter, equal ones of several
/// groups as one.
///
/// Alarms come before what is worth a look, what the report is about before hints on its data, what
/// the report before did not have before what it had, and figures that people feel before lasting
/// changes of level, these before other signs of trouble. Within equals, first one of each stage and
/// kind, so that one noisy stage cannot fill the page. The rows of queries, which no test stands behind,
/// come last of what is only good to know.
pub(super) fn in_order(cells: &[Cell], earlier: Option<&EarlierReport>) -> Vec<Finding> {
    let all = merged(findings(cells));
    let is_known = |finding: &Finding| earlier.is_some_and(|earlier| earlier.has(finding));
    let mut seen = BTreeSet::new();
    let repeats: Vec<bool> = all
        .iter()
        .map(|finding| !seen.insert((finding.severity, &finding.stage, &finding.kind)))
        .collect();
    let mut ranked: Vec<(bool, Finding)> = repeats.into_iter().zip(all.iter().cloned()).collect();
    ranked.sort_by_cached_key(|(repeat, finding)| {
        (
            Reverse(Alarm::of(finding.severity)),
            finding.kind == "fact",
            finding.is_data_hint(),
            is_known(finding),
            *repeat,
            harm(finding),
            Reverse(finding.severity),
            Reverse((relative_size(finding) * 1e3) as u64),
        )
    });
    ranked.into_iter().map(|(_, finding)| finding).collect()
}

/// The first of them: all that are worth a look, as far as there is room. What is only good to know
/// fills the page where there is too little else.
pub(super) fn headlines(ordered: &[Finding]) -> Vec<Finding> {
    let news = ordered.iter().filter(|f| f.severity > Severity::Info);
    let room = news.count().clamp(HEADLINES_PRINTED, HEADLINES_MAX);
    ordered.iter().take(room).cloned().collect()
}

/// How loud a finding is on the first page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    None,
    Look,
    Act,
}

impl Alarm {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::None,
            Severity::Notice => Self::Look,
            Severity::Warning | Severity::Critical => Self::Act,
        }
    }
}

/// Rank by the harm that is done: figures and effects that people feel, then what is going to hurt,
/// then lasting changes of level, then other signs of trouble, then single days. What is critical ranks
/// one higher.
fn harm(finding: &Finding) -> u8 {
    let rank = match finding.kind.as_str() {
        "effect" | "kpi" => 1,
        "forecast" | "capacity" | "quality" | "volume_threshold" => 2,
        "change_point" | "trend" | "year_rate" | "median_shift" => 3,
        "anomaly" => 5,
        _ => 4,
    };
    rank - u8::from(finding.severity == Severity::Critical)
}

/// By how much something changed, relative to what it was; 0 where that is not known.
fn relative_size(finding: &Finding) -> f64 {
    let number = |name: &str| {
        finding
            .numbers
            .get(name)
            .and_then(serde_json::Value::as_f64)
    };
    let ratio = match (number("relative"), number("after"), number("before")) {
        (Some(relative), ..) => relative,
        (None, Some(after), Some(before)) if before != 0.0 => after / before - 1.0,
        _ => 0.0,
    };
    if ratio.is_finite() {
        ratio.abs().min(1e6)
    } else {
        0.0
    }
}

/// One finding for those of several groups that are the same but for the group. Forecasts and effects
/// have figures of their own for each group, so each is told.
fn merged(findings: Vec<&Finding>) -> Vec<Finding> {
    let mut out: Vec<(Finding, Vec<String>)> = Vec::new();
    for finding in findings {
        if finding.sentence.is_empty() {
            continue;
        }
        let same = |other: &Finding| {
            (&other.stage, &other.kind, &other.what)
                == (&finding.stage, &finding.kind, &finding.what)
                && (other.direction, other.severity) == (finding.direction, finding.severity)
                && other.subject != finding.subject
                && !matches!(finding.kind.as_str(), "forecast" | "effect" | "fact")
        };
        match out.iter_mut().find(|(first, _)| same(first)) {
            Some((_, others)) => others.push(group_of(&finding.subject)),
            None => out.push((finding.clone(), Vec::new())),
        }
    }
    out.into_iter()
        .map(|(mut finding, others)| {
            if !others.is_empty() {
                finding.sentence = format!("{} {}", finding.sentence, likewise(&others));
            }
            finding
        })
        .collect()
}

/// The value of "component = billing".
fn group_of(subject: &str) -> String {
    let value = subject
        .split_once(" = ")
        .map_or(subject, |(_, value)| value);
    named(value)
}

/// "Likewise billing, mail and 12 others."
fn likewise(others: &[String]) -> String {
    let mut names: Vec<String> = others.iter().take(NAMED_MAX).cloned().collect();
    let hidden = others.len() - names.len();
    match hidden {
        0 => {}
        1 => names.push("one other".to_string()),
        n => names.push(format!("{} others", count(n as u64))),
    }
    format!("Likewise {}.", list(&names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Direction;

    fn finding(kind: &str, severity: Severity, subject: &str, what: &str) -> Finding {
        let mut finding = Finding::new(kind, kind, subject, what);
        finding.severity = severity;
        finding.direction = Direction::Up;
        finding.sentence = format!("{what} in {subject}.");
        finding
    }

    fn told(findings: &[Finding], earlier: Option<&EarlierReport>) -> Vec<String> {
        let cells: Vec<Cell> = findings
            .iter()
            .map(|finding| Cell {
                findings: vec![finding.clone()],
                ..Cell::new(&finding.stage, &finding.kind)
            })
            .collect();
        let chosen = headlines(&in_order(&cells, earlier));
        chosen.into_iter().map(|finding| finding.sentence).collect()
    }

    #[test]
    fn what_people_feel_comes_before_one_busy_day_and_what_is_new_before_what_is_known() {
        use Severity::{Critical, Notice, Warning};
        let busy = finding("anomaly", Critical, "db-1", "busy day");
        let rate = finding("kpi", Warning, "all", "failure rate doubled");
        let harmful = finding("effect", Warning, "all", "a change did harm");
        let look = finding("trend", Notice, "all", "a trend");
        let all = [busy.clone(), look, rate.clone(), harmful];
        assert_eq!(
            told(&all, None),
            [
                "a change did harm in all.",
                "failure rate doubled in all.",
                "busy day in db-1.",
                "a trend in all."
            ]
        );
        let known = [rate.clone(), all[3].clone()];
        let earlier = EarlierReport::new("2026-W45", &known, None);
        assert_eq!(told(&all, Some(&earlier))[0], "busy day in db-1.");
    }

    #[test]
    fn a_change_of_level_comes_before_rhythms_and_hints_on_the_data() {
        use Severity::Notice;
        let all = [
            finding("quality", Notice, "all", "values alike"),
            finding("hour_effect", Notice, "all", "more at 16:00"),
            finding("year_rate", Notice, "all", "more in 2026"),
        ];
        let want = [
            "more in 2026 in all.",
            "more at 16:00 in all.",
            "values alike in all.",
        ];
        assert_eq!(told(&all, None), want);
        // A hint that is new stays behind what the report is about.
        let earlier = EarlierReport::new("2026-W45", &all[1..], None);
        assert_eq!(told(&all, Some(&earlier)), want);
    }

    #[test]
    fn equal_findings_of_many_groups_are_one_line() {
        let of = |n: usize| -> Vec<Finding> {
            let subjects = (0..n).map(|i| format!("component = c{i:02}"));
            subjects
                .map(|subject| finding("anomaly", Severity::Warning, &subject, "spike"))
                .collect()
        };
        assert_eq!(
            told(&of(16), None),
            ["spike in component = c00. Likewise c01, c02, c03 and 12 others."]
        );
        assert_eq!(
            told(&of(2), None),
            ["spike in component = c00. Likewise c01."]
        );
        assert_eq!(
            told(&of(5), None),
            ["spike in component = c00. Likewise c01, c02, c03 and one other."]
        );
    }
}
