//! The verdict of a report in the words of its language.

use super::Language;
use retrocast_domain::{Direction, Report, Severity, Verdict, Window};

impl Language {
    /// Builds the verdict from counts of findings, key figures and effects; `None` for cases that
    /// the language has no words for.
    pub(super) fn verdict(&self, report: &Report) -> Option<String> {
        let words = |key: &str| self.verdict.get(key).map(String::as_str);
        let count = |key: &str, n: usize| {
            let words = words(&format!("{key}_{}", if n == 1 { "one" } else { "many" }));
            (n > 0).then(|| words.unwrap_or_default().replace("{n}", &n.to_string()))
        };
        let has_failed = report.cells.iter().any(|cell| cell.status.is_failed());
        let is_empty = report
            .cells
            .iter()
            .all(|cell| cell.records.is_none_or(|n| n == 0))
            && report.cells.iter().any(|cell| cell.records.is_some());
        let accepted: u64 = report.sources.iter().map(|source| source.accepted).sum();
        let lacks_records = !report.sources.is_empty() && accepted == 0;
        let is_usual = !has_failed && !is_empty && !lacks_records && report.notices.is_empty();
        // Unusual cases keep the English sentence, which explains them.
        if !is_usual || report.verdict.starts_with("No ") || report.verdict.starts_with("There ") {
            return None;
        }
        let window = Window::parse(&report.window, &report.timezone).ok()?;
        let count_of = |severity| {
            let findings = report.cells.iter().flat_map(|cell| &cell.findings);
            findings
                .filter(|finding| finding.severity == severity && !finding.is_set_aside())
                .count()
        };
        let (critical, warnings) = (count_of(Severity::Critical), count_of(Severity::Warning));
        let lead = match (critical, warnings) {
            (1.., _) => "now",
            (0, 1..) => "attention",
            (0, 0) => "calm",
        };
        let noun = words(window.spec.noun())?;
        let lead = words(lead)?.replace("{period}", noun);
        let kpis = report.kpis.iter();
        let judged = |better: bool| {
            kpis.clone().filter(move |kpi| {
                let is_up = kpi.direction == Direction::Up;
                kpi.significant
                    && kpi.direction != Direction::None
                    && (is_up != kpi.lower_is_better) == better
            })
        };
        let (better, worse) = (judged(true).count(), judged(false).count());
        let missed = report
            .kpis
            .iter()
            .filter(|kpi| kpi.misses_target() && kpi.is_target_proven());
        let effects = |verdict| {
            report
                .effects
                .iter()
                .filter(|effect| effect.verdict == verdict)
                .count()
        };
        let working = report.effects.iter();
        let working = working.filter(|effect| effect.verdict == Verdict::Works);
        let is_uncontrolled = working.clone().any(|effect| effect.controls.is_empty());
        let works = count("works", working.count()).map(|works| {
            let reservation = words("uncontrolled").filter(|_| is_uncontrolled);
            format!("{works}{}", reservation.unwrap_or_default())
        });
        let unchanged = (!report.kpis.is_empty() && better + worse == 0)
            .then(|| words("unchanged").unwrap_or_default().to_string());
        let clauses: Vec<String> = [
            count("critical", critical),
            count("warning", warnings),
            count("better", better),
            count("worse", worse),
            unchanged,
            count("missed", missed.count()),
            works,
            count("harmful", effects(Verdict::Harmful)),
            count("unclear", effects(Verdict::Unclear)),
            count("too_early", effects(Verdict::TooEarly)),
        ]
        .into_iter()
        .flatten()
        .filter(|clause| !clause.is_empty())
        .collect();
        Some(if clauses.is_empty() {
            format!("{lead}.")
        } else {
            format!("{lead}: {}.", clauses.join("; "))
        })
    }
}
