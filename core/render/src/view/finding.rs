//! Findings in words.

use super::{LONG, SHORT};
use crate::words::{dates_in_words, shorten, shorten_to_sentence};
use retrocast_domain::{
    Finding, Magnitude, Severity,
    number::{count, interval, p_value, percent, with_unit},
    report::EarlierReport,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    sentence: String,
    severity: &'static str,
    severity_word: &'static str,
    meta: String,
    stage: String,
    caveats: Vec<String>,
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("critical", "Critical"),
        Severity::Warning => ("warning", "Warning"),
        Severity::Notice => ("notice", "Notice"),
        Severity::Info => ("info", "Info"),
    }
}

/// A finding as an analyst reads it: with test, numbers and caveats.
pub(super) fn finding(finding: &Finding) -> FindingView {
    FindingView {
        sentence: shorten(&finding.sentence, LONG),
        meta: finding_meta(finding),
        caveats: finding.caveats.clone(),
        ..headline(finding, None)
    }
}

/// A finding as a director reads it: the sentence, when, and whether the report before had it.
pub(super) fn headline(finding: &Finding, earlier: Option<&EarlierReport>) -> FindingView {
    let (severity, severity_word) = severity(finding.severity);
    let mut meta = Vec::new();
    if let Some(earlier) = earlier {
        meta.push(if earlier.has(finding) {
            format!("also in the report on {}", earlier.window)
        } else {
            "new".to_string()
        });
    }
    if !finding.period.is_empty() {
        meta.push(dates_in_words(&finding.period));
    }
    FindingView {
        sentence: shorten_to_sentence(&finding.sentence, SHORT),
        severity,
        severity_word,
        meta: meta.join(" · "),
        stage: finding.stage.clone(),
        caveats: Vec::new(),
    }
}

/// "1.73× (95 % interval 1.50 to 2.00) · p < 0.001, adjusted · n = 1 234 · period, against baseline".
fn finding_meta(finding: &Finding) -> String {
    let mut parts = Vec::new();
    parts.extend(finding.magnitude.as_ref().map(magnitude));
    match (finding.p_adjusted, finding.p) {
        (Some(p), _) => parts.push(format!("{}, adjusted", p_value(p))),
        (None, Some(p)) => parts.push(p_value(p)),
        (None, None) => {}
    }
    if finding.n > 0 {
        parts.push(format!("n = {}", count(finding.n)));
    }
    let baseline = dates_in_words(finding.baseline.as_deref().unwrap_or(""));
    let period = dates_in_words(&finding.period);
    match (period.is_empty(), baseline.is_empty()) {
        (false, false) => parts.push(format!("{period}, against {baseline}")),
        (false, true) => parts.push(period),
        (true, false) => parts.push(format!("against {baseline}")),
        (true, true) => {}
    }
    shorten(&parts.join(" · "), 260)
}

/// "−188 executions per day (95 % interval −239 to −138)".
fn magnitude(magnitude: &Magnitude) -> String {
    let mut text = with_unit(magnitude.value, &magnitude.unit);
    if let (Some(lower), Some(upper)) = (magnitude.lower, magnitude.upper) {
        let level = percent(magnitude.level.unwrap_or(0.95)).replace(".0", "");
        let ends = match magnitude.unit.as_str() {
            "share" => format!("{} to {}", percent(lower), percent(upper)),
            _ => interval(lower, upper),
        };
        text.push_str(&format!(" ({level} interval {ends})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
