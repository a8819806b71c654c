//! `retrocast improvement import`: imports improvements from a TOML file.

use super::{Register, find};
use crate::{
    arguments::{ChangeArguments, Details},
    diagnose::WrongUsage,
};
use jiff::civil::Date;
use retrocast_store::ledger::{Improvement, ImprovementState, register};
use serde::Deserialize;
use std::path::Path;

/// A register file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterFile {
    #[serde(default)]
    improvement: Vec<Entry>,
}

/// An `[[improvement]]` entry of a register file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    title: String,
    #[serde(default = "proposed")]
    state: ImprovementState,
    #[serde(default)]
    category: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    component: String,
    #[serde(default)]
    metric: String,
    expected: Option<f64>,
    #[serde(default)]
    higher_is_better: bool,
    date: Option<toml::value::Datetime>,
    /// Day on which the state changed; `None` for the day of the import.
    on: Option<toml::value::Datetime>,
    cost: Option<f64>,
    #[serde(default)]
    link: String,
    #[serde(default)]
    why: String,
}

fn proposed() -> ImprovementState {
    ImprovementState::Proposed
}

impl Entry {
    /// The first day after the change.
    fn date(&self) -> Result<Option<Date>, String> {
        self.day(self.date)
    }

    /// Parses a day of the entry.
    fn day(&self, date: Option<toml::value::Datetime>) -> Result<Option<Date>, String> {
        let Some(date) = date else {
            return Ok(None);
        };
        let text = date.to_string();
        let day = text.get(..10).unwrap_or(&text).parse();
        day.map(Some)
            .map_err(|_| format!("{}: {text} is not a date", self.id))
    }

    /// Checks the values; the error names the entry.
    fn check(&self) -> Result<(), String> {
        let id = &self.id;
        if self.state == ImprovementState::Implemented && self.date.is_none() {
            return Err(format!("{id}: an implemented improvement needs its date"));
        }
        if self
            .cost
            .is_some_and(|cost| !(cost.is_finite() && cost >= 0.0))
        {
            return Err(format!("{id}: cost must not be negative"));
        }
        if self
            .expected
            .is_some_and(|expected| !(-1.0..=100.0).contains(&expected))
        {
            return Err(format!(
                "{id}: expected must be between -1 and 100, such as -0.3 for 30 % less"
            ));
        }
        self.day(self.on)?;
        self.date().map(|_| ())
    }
}

/// Adds missing improvements to the register, and updates the states of the others.
pub(super) fn import(
    target: &Register,
    job: &str,
    path: &Path,
    who: Option<String>,
    on: Option<Date>,
) -> anyhow::Result<()> {
    let usage_error = |reason: String| WrongUsage(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| usage_error(error.to_string()))?;
    let file: RegisterFile =
        toml::from_str(&text).map_err(|error| usage_error(error.to_string()))?;
    for entry in &file.improvement {
        entry.check().map_err(usage_error)?;
    }
    for entry in file.improvement {
        import_entry(target, job, entry, who.clone(), on)?;
    }
    Ok(())
}

/// Adds an improvement unless it exists, and records the changes up to its state in the file.
fn import_entry(
    target: &Register,
    job: &str,
    entry: Entry,
    who: Option<String>,
    on: Option<Date>,
) -> anyhow::Result<()> {
    let request = ChangeArguments {
        job: job.to_string(),
        id: entry.id.clone(),
        why: entry.why.clone(),
        who,
        on: entry.day(entry.on).map_err(WrongUsage)?.or(on),
    };
    let date = entry.date().map_err(WrongUsage)?;
    if !register(&target.changes()?).contains_key(entry.id.as_str()) {
        let details = Details {
            title: Some(entry.title.clone()),
            category: entry.category.clone(),
            owner: entry.owner.clone(),
            component: entry.component.clone(),
            metric: entry.metric.clone(),
            expect: entry.expected,
            higher_is_better: entry.higher_is_better,
            link: entry.link.clone(),
            ..Details::default()
        };
        target.propose(&request, details)?;
    }
    let current = find(&target.changes()?, job, &entry.id)?.state;
    for state in transitions(current, entry.state) {
        target.change(&request, state, |improvement: &mut Improvement| {
            improvement.date = date.or(improvement.date);
            improvement.cost = entry.cost.or(improvement.cost);
        })?;
    }
    Ok(())
}

/// The allowed changes of state from one state to another.
fn transitions(from: ImprovementState, to: ImprovementState) -> Vec<ImprovementState> {
    use ImprovementState::{Accepted, Closed, Implemented, Rejected};
    match (from, to) {
        (from, to) if from == to => Vec::new(),
        (Rejected, Implemented) => vec![Accepted, Implemented],
        (Rejected, Closed) => vec![Accepted, Implemented, Closed],
        (Implemented, Closed) => vec![Closed],
        (_, Closed) => vec![Implemented, Closed],
        (_, to) => vec![to],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<Entry, String> {
        let text = format!("[[improvement]]\nid = \"a\"\ntitle = \"A\"\n{text}");
        let file: RegisterFile = toml::from_str(&text).map_err(|error| error.to_string())?;
        let entry = file.improvement.into_iter().next().ok_or("nothing")?;
        entry.check()?;
        Ok(entry)
    }

    #[test]
    fn invalid_entries_are_reported() {
        let valid = entry("state = \"implemented\"\ndate = 2026-10-05\ncost = 4").unwrap();
        assert_eq!(valid.date(), Ok(Some(jiff::civil::date(2026, 10, 5))));
        for (text, expected) in [
            ("state = \"done\"", "unknown variant"),
            ("state = \"implemented\"", "needs its date"),
            ("cost = -4", "must not be negative"),
            ("expected = -30", "between -1 and 100"),
            ("colour = 1", "unknown field"),
            ("date = 10:00:00", "is not a date"),
            ("on = 10:00:00", "is not a date"),
        ] {
            let error = entry(text).err().expect(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn transitions_are_allowed() {
        use ImprovementState::{Accepted, Closed, Implemented, Proposed, Rejected};
        for (from, to) in [
            (Proposed, Closed),
            (Accepted, Implemented),
            (Rejected, Closed),
            (Proposed, Rejected),
            (Implemented, Closed),
        ] {
            let mut state = from;
            for next in transitions(from, to) {
                assert!(next.may_follow(Some(state)), "{state} to {next}");
                state = next;
            }
            assert_eq!(state, to);
        }
        assert!(transitions(Accepted, Accepted).is_empty());
    }
}
