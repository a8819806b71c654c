//! Selects the headlines of the first page: new findings first, by harm, and one line for many
//! groups with the same finding.

use super::findings;
use crate::words::visible_name;
use jiff::civil::Date;
use retrocast_domain::{
    Cell, Chapter, Finding, Severity, Window,
    finding::group_of,
    number::{count, list},
    overlap::uncovered_findings,
    report::EarlierReport,
};
use std::{cmp::Reverse, collections::BTreeSet};

/// Maximum number of headlines in a report.
pub(super) const HEADLINES_MAX: usize = 8;
/// Number of headlines that the first page prints, unless more of them are alarms.
const PRINTED_MIN: usize = 3;
const PRINTED_MAX: usize = 5;
/// Kind of the findings on scores of health.
const HEALTH: &str = "health";
/// Maximum number of groups named in one line; the others are counted.
const NAMED_MAX: usize = 3;

/// Orders the findings that have a sentence by importance. Removes covered findings and those that
/// a user set aside, and merges equal findings of several groups.
pub(super) fn order_findings(
    cells: &[Cell],
    earlier: Option<&EarlierReport>,
    window: Option<&Window>,
) -> Vec<Finding> {
    let considered = findings(cells).into_iter();
    let considered = considered
        .filter(|finding| !finding.is_set_aside())
        .collect();
    sort_by_importance(
        merge_groups(uncovered_findings(considered)),
        earlier,
        window,
    )
}

/// Orders findings by importance: alarms before notices, the report's subject before hints on data
/// quality, new findings before known ones, findings within the window before those that only
/// overlap it, figures that users notice before lasting changes of level, and lasting changes
/// before other signs of trouble. Scores of health summarise other findings and come after them;
/// the overall score displaces no alarm and no notice. Among equals, the first of each stage and kind comes first, so
/// that a noisy stage cannot fill the page. Rows of queries, which have no test, come last among
/// informational findings.
pub fn sort_by_importance(
    findings: Vec<Finding>,
    earlier: Option<&EarlierReport>,
    window: Option<&Window>,
) -> Vec<Finding> {
    let is_known = |finding: &Finding| earlier.is_some_and(|earlier| earlier.has(finding));
    let is_within = |finding: &Finding| window.is_some_and(|window| is_within(finding, window));
    let mut seen = BTreeSet::new();
    let repeats: Vec<bool> = findings
        .iter()
        .map(|finding| !seen.insert((finding.severity, &finding.stage, &finding.kind)))
        .collect();
    let mut ranked: Vec<(bool, Finding)> = repeats.into_iter().zip(findings).collect();
    ranked.sort_by_cached_key(|(repeat, finding)| {
        (
            Reverse(if is_overall_score(finding) {
                Prominence::Low
            } else {
                Prominence::of(finding.severity)
            }),
            finding.kind == HEALTH,
            finding.chapter == Chapter::Rows,
            finding.is_data_hint(),
            is_known(finding),
            *repeat,
            !is_within(finding),
            harm(finding),
            Reverse(finding.severity),
            Reverse((relative_size(finding) * 1e3) as u64),
        )
    });
    ranked.into_iter().map(|(_, finding)| finding).collect()
}

/// Returns true for the score of all components together.
fn is_overall_score(finding: &Finding) -> bool {
    finding.kind == HEALTH && finding.subject == "all"
}

/// Returns true if a finding is entirely within the window.
fn is_within(finding: &Finding, window: &Window) -> bool {
    let (first, last) = finding
        .period
        .split_once(" to ")
        .unwrap_or((&finding.period, &finding.period));
    let days = [first, last].map(str::parse::<Date>);
    days.iter().all(|day| {
        day.as_ref()
            .is_ok_and(|day| (window.start..window.end).contains(day))
    })
}

/// Number of headlines that the first page prints: all alarms that fit.
pub fn printed_count(headlines: &[Finding]) -> usize {
    let alarms = headlines.iter().filter(|f| f.severity >= Severity::Warning);
    alarms
        .count()
        .clamp(PRINTED_MIN, PRINTED_MAX)
        .min(headlines.len())
}

/// Selects the headlines: all findings from notices upwards, as far as there is space, and
/// informational ones if there are too few.
pub(super) fn headlines(ordered: &[Finding]) -> Vec<Finding> {
    let notable = ordered.iter().filter(|f| f.severity > Severity::Info);
    let count = notable.count().clamp(PRINTED_MIN, HEADLINES_MAX);
    ordered.iter().take(count).cloned().collect()
}

/// Prominence of a finding on the first page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Prominence {
    Low,
    Medium,
    High,
}

impl Prominence {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Low,
            Severity::Notice => Self::Medium,
            Severity::Warning | Severity::Critical => Self::High,
        }
    }
}

/// Rank by harm: figures and effects that users notice, then expected harm, then lasting changes of
/// level, then other signs of trouble, then single days. Critical findings rank one higher.
fn harm(finding: &Finding) -> u8 {
    let rank = match finding.chapter {
        Chapter::Improvements | Chapter::Figures => 1,
        Chapter::Outlook | Chapter::Data => 2,
        Chapter::Changes => 3,
        Chapter::Rhythm | Chapter::Recommendations | Chapter::Other | Chapter::Rows => 4,
        Chapter::Events => 5,
    };
    rank - u8::from(finding.severity == Severity::Critical)
}

/// The relative size of a change; 0 if unknown.
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

/// Merges findings of several groups that are otherwise equal. Forecasts and effects are not
/// merged: each group has its own figures.
fn merge_groups(findings: Vec<&Finding>) -> Vec<Finding> {
    let mut out: Vec<(Finding, Vec<String>)> = Vec::new();
    for finding in findings {
        if finding.sentence.is_empty() {
            continue;
        }
        let can_merge = |other: &Finding| {
            (&other.stage, &other.kind, &other.what)
                == (&finding.stage, &finding.kind, &finding.what)
                && (other.direction, other.severity) == (finding.direction, finding.severity)
                && other.subject != finding.subject
                && other.decision == finding.decision
                && !matches!(
                    finding.chapter,
                    Chapter::Outlook | Chapter::Improvements | Chapter::Rows
                )
        };
        match out.iter_mut().find(|(first, _)| can_merge(first)) {
            Some((_, others)) => others.push(visible_name(group_of(&finding.subject))),
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

/// Formats "Likewise billing, mail and 12 others."
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
        finding.chapter = crate::sample::chapter(kind);
        finding.severity = severity;
        finding.direction = Direction::Up;
        finding.sentence = format!("{what} in {subject}.");
        finding
    }

    fn sentences(findings: &[Finding], earlier: Option<&EarlierReport>) -> Vec<String> {
        let cells: Vec<Cell> = findings
            .iter()
            .map(|finding| Cell {
                findings: vec![finding.clone()],
                ..Cell::new(&finding.stage, &finding.kind)
            })
            .collect();
        let chosen = headlines(&order_findings(&cells, earlier, None));
        chosen.into_iter().map(|finding| finding.sentence).collect()
    }

    #[test]
    fn harmful_and_new_findings_come_first() {
        use Severity::{Critical, Notice, Warning};
        let busy = finding("anomaly", Critical, "db-1", "busy day");
        let rate = finding("kpi", Warning, "all", "failure rate doubled");
        let harmful = finding("effect", Warning, "all", "a change did harm");
        let trend = finding("trend", Notice, "all", "a trend");
        let findings = [busy.clone(), trend, rate.clone(), harmful];
        assert_eq!(
            sentences(&findings, None),
            [
                "a change did harm in all.",
                "failure rate doubled in all.",
                "busy day in db-1.",
                "a trend in all."
            ]
        );
        let known = [rate.clone(), findings[3].clone()];
        let earlier = EarlierReport::new("2026-W45", &known, None);
        assert_eq!(sentences(&findings, Some(&earlier))[0], "busy day in db-1.");
    }

    #[test]
    fn causes_come_before_scores_that_summarise_them() {
        use Severity::{Critical, Notice, Warning};
        let findings = [
            finding("health", Warning, "all", "overall"),
            finding("health", Critical, "web", "score"),
            finding("change_point", Warning, "web", "ramp"),
            finding("effect", Warning, "all", "a change did harm"),
            finding("kpi", Notice, "all", "rate"),
        ];
        let expected = [
            "a change did harm in all.",
            "ramp in web.",
            "score in web.",
            "rate in all.",
            "overall in all.",
        ];
        assert_eq!(sentences(&findings, None), expected);
    }

    #[test]
    fn findings_within_the_window_come_first() {
        let window = Window::parse("2026-W46", "UTC").expect("a window");
        let mut long = finding("volume_threshold", Severity::Warning, "all", "long ago");
        long.period = "2025-09-22 to 2026-11-15".to_string();
        let mut drop = finding("anomaly", Severity::Warning, "all", "drop");
        drop.period = "2026-11-12 to 2026-11-12".to_string();
        let mut old = drop.clone();
        (old.period, old.what) = ("2026-11-08".to_string(), "old drop".to_string());
        let order = |findings: &[&Finding]| -> Vec<String> {
            let findings = findings.iter().map(|finding| (*finding).clone()).collect();
            let order = sort_by_importance(findings, None, Some(&window)).into_iter();
            order.map(|finding| finding.what).collect()
        };
        assert_eq!(order(&[&long, &drop]), ["drop", "long ago"]);
        assert_eq!(order(&[&old, &long]), ["long ago", "old drop"]);
    }

    #[test]
    fn the_page_prints_all_alarms_up_to_five() {
        let printed_of = |alarms: usize, others: usize| {
            let alarm = finding("kpi", Severity::Warning, "all", "alarm");
            let other = finding("kpi", Severity::Notice, "all", "other");
            printed_count(&[vec![alarm; alarms], vec![other; others]].concat())
        };
        let cases = [
            printed_of(0, 2),
            printed_of(1, 7),
            printed_of(4, 2),
            printed_of(7, 1),
        ];
        assert_eq!(cases, [2, 3, 4, 5]);
    }

    #[test]
    fn a_change_of_level_comes_before_rhythms_and_hints_on_the_data() {
        use Severity::Notice;
        let findings = [
            finding("quality", Notice, "all", "values alike"),
            finding("hour_effect", Notice, "all", "more at 16:00"),
            finding("change_point", Notice, "all", "more in 2026"),
        ];
        let expected = [
            "more in 2026 in all.",
            "more at 16:00 in all.",
            "values alike in all.",
        ];
        assert_eq!(sentences(&findings, None), expected);
        // A new hint on data quality comes after the report's subject.
        let earlier = EarlierReport::new("2026-W45", &findings[1..], None);
        assert_eq!(sentences(&findings, Some(&earlier)), expected);
    }

    #[test]
    fn equal_findings_of_many_groups_are_one_line() {
        let spikes = |n: usize| -> Vec<Finding> {
            let subjects = (0..n).map(|i| format!("component = c{i:02}"));
            subjects
                .map(|subject| finding("anomaly", Severity::Warning, &subject, "spike"))
                .collect()
        };
        assert_eq!(
            sentences(&spikes(16), None),
            ["spike in component = c00. Likewise c01, c02, c03 and 12 others."]
        );
        assert_eq!(
            sentences(&spikes(2), None),
            ["spike in component = c00. Likewise c01."]
        );
        assert_eq!(
            sentences(&spikes(5), None),
            ["spike in component = c00. Likewise c01, c02, c03 and one other."]
        );
    }
}
