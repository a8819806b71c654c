//! The verdict of a report in the words of its language.

use super::Language;
use crate::assemble::{count_failures, count_not_measured, many_refused};
use retrocast_domain::{Direction, Report, Severity, Verdict, Window, number::percent};

impl Language {
    /// Builds the verdict from counts of findings, key figures and effects; `None` for cases that
    /// the language has no words for.
    pub(super) fn verdict(&self, report: &Report) -> Option<String> {
        let words = |key: &str| self.verdict.get(key).map(String::as_str);
        let count = |key: &str, n: usize| {
            let words = words(&format!("{key}_{}", if n == 1 { "one" } else { "many" }));
            (n > 0).then(|| words.unwrap_or_default().replace("{n}", &n.to_string()))
        };
        // Where nothing could be judged, the English sentence explains why.
        let unjudged = ["No ", "There "]
            .iter()
            .any(|start| report.verdict.starts_with(start))
            || report.verdict.contains("cannot be judged");
        if unjudged {
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
        let [failed, not_run] = count_failures(&report.cells);
        let lead = match (critical, warnings) {
            (1.., _) => "now",
            (0, 1..) => "attention",
            (0, 0) if failed > 0 || !report.notices.is_empty() => "calm_partly",
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
        let not_measured = count_not_measured(&report.cells, &report.effects);
        let refused = many_refused(&report.sources).map(|share| {
            let share = self.short(&percent(share));
            words("refused")
                .unwrap_or_default()
                .replace("{share}", &share)
        });
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
            count("not_measured", not_measured),
            count("failed", failed),
            count("not_run", not_run),
            refused,
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

#[cfg(test)]
mod tests {
    use crate::{Templates, sample};
    use retrocast_domain::{CellStatus, Verdict};

    #[test]
    fn failures_notices_and_unmeasured_improvements_are_in_the_language() {
        let templates = Templates::built_in();
        let german = templates.language("de").unwrap();
        let mut report = sample::sample();
        report.notices = vec!["Records are missing.".to_string()];
        report.cells[0].status = CellStatus::Failed {
            message: "no".into(),
        };
        report.cells[0].not_measured = vec!["IMP-9".to_string()];
        let verdict = german.verdict(&report).unwrap();
        for clause in ["eine Verbesserung ist nicht gemessen", "fehlgeschlagen"] {
            assert!(verdict.contains(clause), "{verdict}");
        }
        for cell in &mut report.cells {
            cell.findings.clear();
        }
        report
            .effects
            .retain(|effect| effect.verdict == Verdict::TooEarly);
        let verdict = german.verdict(&report).unwrap();
        assert!(
            verdict.starts_with("Soweit Datensätze vorliegen"),
            "{verdict}"
        );
    }
}
