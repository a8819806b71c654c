//! Formats findings.

use super::{LONG_SENTENCE_MAX, SHORT_SENTENCE_MAX};
use crate::words::{dates_in_words, format_short_date, shorten, shorten_to_sentence};
use jiff::{Span, civil::DateTime};
use retrocast_domain::{
    Chapter, Finding, Severity,
    estimate::level_with_interval,
    number::{NBSP, count, p_value, plural},
    report::{EarlierFinding, EarlierReport},
};
use serde::Serialize;

/// Maximum length of a decision, in characters.
const DECISION_MAX: usize = 240;

#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    sentence: String,
    severity: &'static str,
    severity_word: &'static str,
    meta: String,
    stage: String,
    caveats: Vec<String>,
    /// ID of the figure.
    figure: String,
}

/// Formats a period of hours: "10 Nov 2026, 06:00 to 20:00" from the starts of the first and last
/// hour.
fn hours_in_words(period: &str) -> Option<String> {
    let (first, last) = period.split_once(" to ")?;
    let [first, last]: [DateTime; 2] = [first.parse().ok()?, last.parse().ok()?];
    let end = last.checked_add(Span::new().hours(1)).ok()?;
    let time = |moment: DateTime| format!("{:02}:{:02}", moment.hour(), moment.minute());
    let day = format_short_date(first.date());
    Some(if first.date() == end.date() {
        format!("{day}, {} to {}", time(first), time(end))
    } else {
        let last_day = format_short_date(end.date());
        format!("{day}, {} to {last_day}, {}", time(first), time(end))
    })
}

/// The period of a finding; for findings on data, the days of the records.
fn period(finding: &Finding) -> String {
    if finding.period.contains('T')
        && let Some(hours) = hours_in_words(&finding.period)
    {
        return hours;
    }
    let days = dates_in_words(&finding.period);
    if finding.chapter == Chapter::Data && !days.is_empty() {
        return format!("among records of {days}");
    }
    days
}

/// Returns "uncontrolled" for an effect without controls, for places where its caveats are not
/// printed.
fn uncontrolled_note(finding: &Finding) -> Option<String> {
    let mut caveats = finding.caveats.iter();
    let is_uncontrolled = caveats.any(|caveat| caveat.starts_with("Uncontrolled"));
    is_uncontrolled.then(|| "uncontrolled".to_string())
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("critical", "Critical"),
        Severity::Warning => ("warning", "Warning"),
        Severity::Notice => ("notice", "Notice"),
        Severity::Info => ("info", "Info"),
    }
}

/// A finding for analysts: with test, numbers and caveats, except those that its stage states for
/// all findings.
pub(super) fn finding(
    finding: &Finding,
    shared_caveats: &[String],
    earlier: Option<&EarlierReport>,
    figure: String,
) -> FindingView {
    let own_caveats = finding
        .caveats
        .iter()
        .filter(|caveat| !shared_caveats.contains(caveat));
    // Informational findings are not marked as new: a repeated forecast is not new.
    let novelty = novelty(
        finding,
        earlier.filter(|_| finding.severity > Severity::Info),
    );
    let parts = novelty.into_iter().chain([finding_meta(finding)]);
    let parts = parts.chain(decision(finding));
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    FindingView {
        sentence: shorten(&finding.sentence, LONG_SENTENCE_MAX),
        meta: parts.join(" · "),
        caveats: own_caveats.cloned().collect(),
        ..headline(finding, None, figure)
    }
}

/// A finding for decision makers: the sentence, the period, and whether it is new.
pub(super) fn headline(
    finding: &Finding,
    earlier: Option<&EarlierReport>,
    figure: String,
) -> FindingView {
    let (severity, severity_word) = severity(finding.severity);
    let mut meta: Vec<String> = novelty(finding, earlier).into_iter().collect();
    if !finding.period.is_empty() {
        meta.push(period(finding));
    }
    meta.extend(uncontrolled_note(finding));
    meta.extend(decision(finding));
    FindingView {
        sentence: shorten_to_sentence(&finding.sentence, SHORT_SENTENCE_MAX),
        severity,
        severity_word,
        meta: meta.join(" · "),
        stage: finding.stage.clone(),
        caveats: Vec::new(),
        figure,
    }
}

/// The decision of a user on a finding.
fn decision(finding: &Finding) -> Option<String> {
    let decision = finding.decision.as_ref()?;
    Some(shorten(&decision.sentence(), DECISION_MAX))
}

/// Describes a finding as new, or lists the earlier reports that have it; `None` without an earlier
/// report.
fn novelty(finding: &Finding, earlier: Option<&EarlierReport>) -> Option<String> {
    let earlier = earlier?;
    Some(match earlier.find(finding) {
        Some(earlier_finding) => describe_earlier(earlier_finding, &earlier.window),
        None => "new".to_string(),
    })
}

/// A resolved finding of the earlier report, with its wording there.
pub(super) fn resolved(
    earlier_finding: &EarlierFinding,
    window: &str,
    figure: String,
) -> FindingView {
    let (severity, severity_word) = severity(earlier_finding.severity);
    let times = earlier_finding.times;
    FindingView {
        sentence: shorten(&earlier_finding.sentence, LONG_SENTENCE_MAX),
        severity,
        severity_word,
        meta: if times < 2 {
            format!("in the report on {window}")
        } else {
            format!(
                "in {times} reports, from {} to {window}",
                earlier_finding.since
            )
        },
        stage: earlier_finding.stage.clone(),
        caveats: Vec::new(),
        figure,
    }
}

/// Describes earlier reports: "also in the report on 2026-W45", "in each of the 4 previous
/// reports, since 2026-W42".
fn describe_earlier(earlier_finding: &EarlierFinding, window: &str) -> String {
    if earlier_finding.times < 2 {
        format!("also in the report on {window}")
    } else {
        let (times, since) = (earlier_finding.times, &earlier_finding.since);
        format!("in each of the {times} previous reports, since {since}")
    }
}

/// Formats the details: "1.73× (95 % interval 1.50 to 2.00) · adjusted p < 0.001 · n = 1 234 ·
/// period, against baseline".
fn finding_meta(finding: &Finding) -> String {
    let mut parts = Vec::new();
    parts.extend(magnitude(finding));
    match (finding.p_adjusted, finding.p) {
        (Some(p), _) => parts.push(format!("adjusted {}", p_value(p))),
        (None, Some(p)) => parts.push(p_value(p)),
        (None, None) => {}
    }
    if finding.n > 0 {
        let unit = finding.magnitude.as_ref().map(|magnitude| &*magnitude.unit);
        parts.push(match unit {
            // For files, the number read; otherwise, the number of values or records.
            Some("files") => format!("n = {}", plural(finding.n, "file")),
            _ => format!("n = {}", count(finding.n)),
        });
    }
    let baseline = dates_in_words(finding.baseline.as_deref().unwrap_or(""));
    let period = period(finding);
    match (period.is_empty(), baseline.is_empty()) {
        (false, false) => parts.push(format!("{period}, against {baseline}")),
        (false, true) => parts.push(period),
        (true, false) => parts.push(format!("against {baseline}")),
        (true, true) => {}
    }
    parts.extend(uncontrolled_note(finding));
    shorten(&parts.join(" · "), 260)
}

/// Formats the size, "−188 executions per day (95 % interval −239 to −138)", unless the sentence
/// has an interval: the same numbers rounded in another unit would seem contradictory.
fn magnitude(finding: &Finding) -> Option<String> {
    let phrases = ["% interval", "not proven", "not yet proven"];
    if phrases.iter().any(|words| finding.sentence.contains(words)) {
        return None;
    }
    let magnitude = finding.magnitude.as_ref()?;
    let bounds = [magnitude.lower?, magnitude.upper?];
    let unit = match magnitude.unit.as_str() {
        "ratio" => "times",
        unit => unit,
    };
    let [value, interval] = level_with_interval(magnitude.value, bounds, unit, false);
    // The unit is printed once.
    let interval = interval
        .strip_suffix(&format!("{NBSP}{unit}"))
        .unwrap_or(&interval);
    let level = (magnitude.level.unwrap_or(0.95) * 100.0).round();
    Some(format!("{value} ({level}{NBSP}% interval {interval})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Magnitude;

    #[test]
    fn an_interval_is_printed_once() {
        let mut finding = Finding::new("s", "anomaly", "all", "x");
        let unit = "executions per day";
        finding.magnitude = Some(Magnitude::interval95(-188.2, -238.4, -137.9, unit));
        finding.sentence = "Executions were low: 133 where 271 to 371 were expected.".to_string();
        let meta = |finding: &Finding| finding_meta(finding).replace(NBSP, " ");
        assert_eq!(
            meta(&finding),
            "−188 executions per day (95 % interval −238 to −138)"
        );
        for words in [
            "22 expected (95\u{a0}% interval 0 to 5).",
            "4 % lower; not proven.",
        ] {
            finding.sentence = words.to_string();
            assert_eq!(meta(&finding), "");
        }
        finding.sentence = "5 files are broken.".to_string();
        finding.magnitude = Some(Magnitude::point(5.0, "files"));
        assert_eq!(meta(&finding), "");
    }

    #[test]
    fn uncontrolled_effects_are_marked_on_the_first_page() {
        let mut finding = Finding::new("s", "effect", "all", "x");
        finding.caveats = vec!["Uncontrolled: no other component moved in step.".to_string()];
        assert_eq!(headline(&finding, None, String::new()).meta, "uncontrolled");
        let shared = finding.caveats.clone();
        finding.caveats.push("Only here.".to_string());
        assert_eq!(
            super::finding(&finding, &shared, None, String::new()).caveats,
            ["Only here."]
        );
    }

    #[test]
    fn findings_on_data_have_the_days_of_the_records_and_count_files() {
        let mut finding = Finding::new(
            "s",
            "quality",
            "dataset = x",
            "files that could not be read",
        );
        finding.chapter = Chapter::Data;
        finding.period = "2026-11-09 to 2026-11-15".to_string();
        finding.n = 421;
        finding.magnitude = Some(Magnitude::point(1.0, "files"));
        let plain = |text: String| text.replace(NBSP, " ");
        assert_eq!(
            plain(finding_meta(&finding)),
            "n = 421 files · among records of 9 to 15 Nov 2026"
        );
        assert_eq!(
            plain(headline(&finding, None, String::new()).meta),
            "among records of 9 to 15 Nov 2026"
        );
    }

    #[test]
    fn a_finding_of_one_day_names_it_once() {
        let mut finding = Finding::new("s", "anomaly", "all", "x");
        finding.period = "2026-11-12 to 2026-11-12".to_string();
        finding.baseline = Some("history, 2025-09-22 to 2026-11-15".to_string());
        assert_eq!(
            finding_meta(&finding).replace('\u{a0}', " "),
            "12 Nov 2026, against history, 22 Sep 2025 to 15 Nov 2026"
        );
    }
}
