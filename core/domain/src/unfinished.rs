//! Key figures whose newest window is still incomplete, as the restated figures of earlier windows show.

use crate::{
    cell::Cell,
    finding::Severity,
    restatement::{Cause, Restatement, Restatements},
};

/// A change of the newest window is usual up to this power of the factor by which the window before
/// it was restated.
const USUAL_MOVEMENT: f64 = 1.5;

/// The factor by which the records of a window have moved a figure since it was published; `None` if
/// something else moved it, too.
fn growth(restatement: &Restatement) -> Option<f64> {
    let is_of_records = |cause: &Cause| cause.kind.adjective().is_some();
    let (from, to) = restatement.from.zip(restatement.to)?;
    let is_known = from >= 0.0 && to > 0.0 && restatement.causes.iter().all(is_of_records);
    is_known.then(|| to / from)
}

/// The newest restatement of a figure that is still incomplete when it is published: the figure of
/// the window `before` the newest one, and of at least one more window, moved in one direction
/// because of their records.
fn unfinished<'a>(
    restated: &'a Restatements,
    metric: &str,
    before: &str,
) -> Option<(&'a Restatement, f64)> {
    let mut moved = restated
        .figures
        .iter()
        .filter(|moved| moved.metric == metric);
    let newest = moved.clone().find(|moved| moved.window == before)?;
    let newest_growth = growth(newest)?;
    let is_alike = |other: &Restatement| {
        growth(other).is_some_and(|other| (other > 1.0) == (newest_growth > 1.0))
    };
    (moved.clone().count() > 1 && moved.all(is_alike)).then_some((newest, newest_growth))
}

impl Cell {
    /// Withdraws changes of key figures that the recent windows undo: records of the newest window
    /// are still arriving or changing, so its figure is not comparable with that of the window
    /// `before` it.
    pub fn doubt_unfinished(&mut self, before: &str) {
        let Some(restated) = &self.restated else {
            return;
        };
        let is_usual = |metric: &str, values: [Option<f64>; 2]| {
            let (newest, growth) = unfinished(restated, metric, before)?;
            let (value, previous) = values[0].zip(values[1])?;
            let change = (value / previous).ln();
            let is_opposite = change * growth.ln() < 0.0;
            let is_within = change.abs() <= USUAL_MOVEMENT * growth.ln().abs();
            (is_opposite && is_within).then_some((newest, growth))
        };
        for kpi in self.kpis.iter_mut().chain(&mut self.group_kpis) {
            kpi.significant &= is_usual(&kpi.name, [kpi.value, kpi.previous]).is_none();
        }
        for finding in &mut self.findings {
            let number = |name: &str| {
                finding
                    .numbers
                    .get(name)
                    .and_then(serde_json::Value::as_f64)
            };
            let values = [number("after"), number("before")];
            let Some((newest, growth)) = is_usual(&finding.what, values) else {
                continue;
            };
            let [from, to] = &newest.texts;
            let rises = if growth > 1.0 { "rises" } else { "falls" };
            let doubt = format!(
                "Recent records are still arriving: this figure usually {rises} later, in {} from {from} to \
                 {to}.",
                newest.window
            );
            finding.severity = Severity::Info;
            finding.sentence = format!("{} {doubt}", finding.sentence);
            finding.caveats.push(doubt);
            finding.request = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::Finding, restatement::CauseKind};

    #[test]
    fn changes_that_recent_windows_undo_are_not_claimed() {
        let cell = |previous_window: [f64; 2], window_before: [f64; 2], after: f64| {
            let restate = |window: &str, [from, to]: [f64; 2]| {
                let mut figure =
                    Restatement::new(window, "Returned", "share", [Some(from), Some(to)]);
                figure.causes = vec![Cause {
                    kind: CauseKind::CorrectedRecords,
                    change: Some(to - from),
                    records: Some(40),
                }];
                figure
            };
            let mut cell = Cell::new("figures", "kpi");
            cell.restated = Some(Restatements {
                figures: vec![
                    restate("2026-W45", previous_window),
                    restate("2026-W44", window_before),
                ],
                ..Restatements::default()
            });
            let mut finding = Finding::new("figures", "kpi", "payment = wallet", "Returned");
            finding.severity = Severity::Notice;
            finding.sentence = "Returned fell.".to_string();
            cell.findings = vec![finding.number("after", after).number("before", 0.046)];
            cell.doubt_unfinished("2026-W45");
            cell.findings.remove(0)
        };
        let (young, older) = ([0.0065, 0.041], [0.041, 0.08]);
        let doubted = cell(young, older, 0.006);
        assert_eq!(doubted.severity, Severity::Info);
        assert_eq!(
            doubted.caveats[0].replace('\u{a0}', " "),
            "Recent records are still arriving: this figure usually rises later, in 2026-W45 from 0.7 % \
             to 4.1 %."
        );
        let stands = |finding: Finding| finding.severity == Severity::Notice;
        // Beyond the usual movement, in its direction, and without one.
        assert!(stands(cell(young, older, 0.0001)));
        assert!(stands(cell(young, older, 0.09)));
        assert!(stands(cell(young, [0.09, 0.08], 0.006)));
        assert!(stands(cell([0.041, 0.0412], older, 0.006)));
    }
}
