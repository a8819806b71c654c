//! Names the changes near the date of a shift: registered improvements, and candidates that moved
//! the same data.
//!
//! A shift and a change at about the same time may be unrelated, so this is an observation in the
//! shift's sentence.

use jiff::{ToSpan, civil::Date};
use retrocast_domain::{Cell, Finding, number::list, window::date_in_words};
use std::collections::BTreeSet;

/// Number of days on either side of a shift's interval in which a change is near.
const DAYS_NEAR: i32 = 7;

/// A change of a component.
struct Change {
    /// Identity in the register, or in the dataset of changes.
    id: String,
    date: Date,
    subject: String,
    /// Datasets in which its effect was measured.
    datasets: BTreeSet<String>,
}

impl Change {
    /// The change that a finding is on; `None` for other findings.
    fn of(finding: &Finding) -> Option<Self> {
        let text = |name: &str| finding.numbers.get(name)?.as_str();
        let id = text("improvement").or_else(|| text("change"))?;
        Some(Self {
            id: id.to_string(),
            date: date(finding, "date")?,
            subject: finding.subject.clone(),
            datasets: datasets(finding).map(str::to_string).collect(),
        })
    }

    /// Returns true if it is near the date of a shift of the same component, in the same data.
    fn is_near(&self, shift: &Finding) -> bool {
        let [low, high] = ["date_low", "date_high"].map(|name| date(shift, name));
        let (Some(low), Some(high)) = (low, high) else {
            return false;
        };
        let margin = DAYS_NEAR.days();
        (low.saturating_sub(margin)..=high.saturating_add(margin)).contains(&self.date)
            && self.subject == shift.subject
            && datasets(shift).any(|dataset| self.datasets.contains(dataset))
    }
}

fn date(finding: &Finding, name: &str) -> Option<Date> {
    finding.numbers.get(name)?.as_str()?.parse().ok()
}

fn datasets(finding: &Finding) -> impl Iterator<Item = &str> {
    let evidence = finding.evidence.iter();
    evidence.map(|evidence| evidence.dataset.as_str())
}

/// Adds to the sentence of each shift: "The change api-fix on 19 October 2026 is close to this
/// date."
pub(super) fn name_nearby_changes(cells: &mut [Cell]) {
    let findings = cells.iter().flat_map(|cell| &cell.findings);
    let mut changes: Vec<Change> = findings.filter_map(Change::of).collect();
    // An improvement has a finding for each metric, and may be a candidate as well.
    changes.sort_by(|a, b| (a.date, &a.id).cmp(&(b.date, &b.id)));
    for finding in cells.iter_mut().flat_map(|cell| &mut cell.findings) {
        let near = changes.iter().filter(|change| change.is_near(finding));
        let mut names: Vec<String> = near
            .map(|change| format!("{} on {}", change.id, date_in_words(change.date)))
            .collect();
        names.dedup();
        if let Some(sentence) = sentence(&names) {
            finding.sentence = format!("{} {sentence}", finding.sentence);
        }
    }
}

fn sentence(names: &[String]) -> Option<String> {
    let (changes, are) = match names {
        [] => return None,
        [_] => ("change", "is"),
        _ => ("changes", "are"),
    };
    Some(format!(
        "The {changes} {} {are} close to this date.",
        list(names)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Evidence;

    fn finding(kind: &str, subject: &str, dataset: &str) -> Finding {
        let mut finding = Finding::new("s", kind, subject, kind);
        finding.sentence = "Failures fell.".to_string();
        finding.evidence.push(Evidence {
            dataset: dataset.to_string(),
            version: 1,
            filter: None,
        });
        finding
    }

    fn improvement(id: &str, date: &str) -> Finding {
        let finding = finding("effect", "component = api", "tickets");
        finding.number("improvement", id).number("date", date)
    }

    fn shift(subject: &str, dataset: &str) -> Finding {
        finding("change_point", subject, dataset)
            .number("date", "2026-09-30")
            .number("date_low", "2026-09-14")
            .number("date_high", "2026-10-16")
    }

    /// The sentence of a shift in a report with these changes.
    fn sentence_of(shift: Finding, changes: Vec<Finding>) -> String {
        let cell = |findings| Cell {
            findings,
            ..Cell::new("s", "k")
        };
        let mut cells = [cell(vec![shift]), cell(changes)];
        name_nearby_changes(&mut cells);
        let unchanged = cells[1].findings.iter();
        assert!(
            unchanged
                .into_iter()
                .all(|finding| finding.sentence == "Failures fell.")
        );
        cells[0].findings[0].sentence.replace('\u{a0}', " ")
    }

    #[test]
    fn changes_close_to_a_shift_are_named() {
        let api = || shift("component = api", "tickets");
        let sentence_on = |date| sentence_of(api(), vec![improvement("api-fix", date)]);
        let near = "Failures fell. The change api-fix on 19 October 2026 is close to this date.";
        assert_eq!(sentence_on("2026-10-19"), near);
        assert_eq!(sentence_on("2026-10-24"), "Failures fell.");
        assert_eq!(sentence_on("2026-09-06"), "Failures fell.");
        let change = finding("candidate", "component = api", "tickets");
        let change = change.number("change", "D3").number("date", "2026-09-20");
        let twice = improvement("api-fix", "2026-10-19");
        assert_eq!(
            sentence_of(api(), vec![twice.clone(), change, twice]),
            "Failures fell. The changes D3 on 20 September 2026 and api-fix on 19 October 2026 are close \
             to this date."
        );
    }

    #[test]
    fn changes_of_other_components_or_data_are_not_named() {
        for shift in [
            shift("component = web", "tickets"),
            shift("component = api", "metrics"),
            finding("trend", "component = api", "tickets"),
        ] {
            let changes = vec![improvement("api-fix", "2026-09-30")];
            assert_eq!(sentence_of(shift, changes), "Failures fell.");
        }
    }
}
