//! Findings that describe the same movement of a series, of which one covers the others.

use crate::{
    Cell,
    finding::{Chapter, Finding, Severity, by_importance},
};
use std::collections::BTreeSet;

/// Lowers the severity of findings that another finding covers to a notice, so that all parts of a
/// report count one movement once.
pub fn demote_covered(cells: &mut [Cell]) {
    let mut findings: Vec<&Finding> = cells.iter().flat_map(|cell| &cell.findings).collect();
    findings.sort_by(|a, b| by_importance(a, b));
    let uncovered: BTreeSet<(String, String)> = uncovered_findings(findings)
        .into_iter()
        .map(|finding| (finding.stage.clone(), finding.id.clone()))
        .collect();
    for finding in cells.iter_mut().flat_map(|cell| &mut cell.findings) {
        let is_uncovered = uncovered.contains(&(finding.stage.clone(), finding.id.clone()));
        if !is_uncovered && finding.severity > Severity::Notice {
            finding.severity = Severity::Notice;
        }
    }
}

/// Removes findings that another finding covers: a forecast that a series will reach its limit
/// covers the rise of this series. A trend and a step of one series describe the same movement, and
/// each mentions the other, so only the more severe one is kept.
pub fn uncovered_findings(findings: Vec<&Finding>) -> Vec<&Finding> {
    let is_covered = |i: usize, finding: &Finding| {
        let Some((rank, series)) = movement(finding) else {
            return false;
        };
        findings.iter().enumerate().any(|(j, other)| {
            movement(other).is_some_and(|(other_rank, other_series)| {
                series == other_series
                    && (&finding.subject, finding.direction) == (&other.subject, other.direction)
                    && finding.severity <= other.severity
                    && (rank == other_rank || finding.severity > Severity::Info)
                    && (other_rank, i) > (rank, j)
                    && finding.kind != other.kind
            })
        })
    };
    let indexed = findings.iter().enumerate();
    indexed
        .filter(|(i, finding)| !is_covered(*i, finding))
        .map(|(_, finding)| *finding)
        .collect()
}

/// The series whose movement a finding describes, with a rank; reaching a limit has the highest.
fn movement(finding: &Finding) -> Option<(u8, &str)> {
    let series = finding.request.as_ref()?.subject.as_str();
    match finding.chapter {
        Chapter::Changes => Some((0, series)),
        Chapter::Outlook => Some((1, series)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActionRequest, Direction};

    #[test]
    fn a_rise_and_its_consequence_are_one_finding() {
        use Severity::{Notice, Warning};
        let worker = "service = worker";
        let finding_on = |kind: &str, severity: Severity, subject: &str| {
            let mut finding = Finding::new(kind, kind, subject, "x");
            finding.chapter = match kind {
                "forecast" => Chapter::Outlook,
                _ => Chapter::Changes,
            };
            (finding.severity, finding.direction) = (severity, Direction::Up);
            finding.request = Some(ActionRequest::new(
                "memory in use",
                "moves",
                "name an owner",
            ));
            finding
        };
        let rise = finding_on("trend", Warning, worker);
        let step = finding_on("change_point", Notice, worker);
        let limit = finding_on("forecast", Warning, worker);
        let other = finding_on("trend", Warning, "service = api");
        let sentences = |findings: &[&Finding]| -> Vec<String> {
            let uncovered = uncovered_findings(findings.to_vec()).into_iter();
            uncovered
                .map(|finding| format!("{} {}", finding.kind, finding.subject))
                .collect()
        };
        assert_eq!(
            sentences(&[&rise, &limit, &other, &step]),
            [
                format!("forecast {worker}"),
                "trend service = api".to_string()
            ]
        );
        assert_eq!(sentences(&[&rise, &step]), [format!("trend {worker}")]);
        let mut old = step.clone();
        old.severity = Severity::Info;
        assert_eq!(sentences(&[&rise, &old]), [format!("trend {worker}")]);
        // A milder finding does not cover a more severe one, and a fall does not cover a rise.
        let mut mild = limit.clone();
        mild.severity = Notice;
        assert_eq!(sentences(&[&rise, &mild]).len(), 2);
        let mut fall = step.clone();
        fall.direction = Direction::Down;
        assert_eq!(sentences(&[&rise, &fall]).len(), 2);
    }
}
