//! `retrocast improvement import`: the register of a TOML file.

use super::{Register, find};
use crate::{
    arguments::{About, Details},
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

/// An improvement as its team wrote it.
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
        let Some(date) = self.date else {
            return Ok(None);
        };
        let text = date.to_string();
        let day = text.get(..10).unwrap_or(&text).parse();
        day.map(Some)
            .map_err(|_| format!("{}: {text} is no date", self.id))
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
            return Err(format!("{id}: a cost is not below zero"));
        }
        if self
            .expected
            .is_some_and(|expected| !(-1.0..=100.0).contains(&expected))
        {
            return Err(format!(
                "{id}: an expected change is between -1 and 100, -0.3 for 30 % less"
            ));
        }
        self.date().map(|_| ())
    }
}

/// Enters what the register lacks.
pub(super) fn import(
    to: &Register,
    job: &str,
    path: &Path,
    who: Option<String>,
) -> anyhow::Result<()> {
    let wrong = |reason: String| WrongUsage(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: RegisterFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    for entry in &file.improvement {
        entry.check().map_err(wrong)?;
    }
    for entry in file.improvement {
        enter(to, job, entry, who.clone())?;
    }
    Ok(())
}

/// Takes an improvement through its states up to the one in the file.
fn enter(to: &Register, job: &str, entry: Entry, who: Option<String>) -> anyhow::Result<()> {
    let about = About {
        job: job.to_string(),
        id: entry.id.clone(),
        why: entry.why.clone(),
        who,
        on: None,
    };
    let date = entry.date().map_err(WrongUsage)?;
    if !register(&to.changes()?).contains_key(entry.id.as_str()) {
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
        to.propose(&about, details)?;
    }
    let now = find(&to.changes()?, job, &entry.id)?.clone();
    for state in way(now.state, entry.state) {
        to.change(&about, state, |improvement: &mut Improvement| {
            improvement.date = date.or(improvement.date);
            improvement.cost = entry.cost.or(improvement.cost);
        })?;
    }
    Ok(())
}

/// The states between the present one and another.
fn way(now: ImprovementState, then: ImprovementState) -> Vec<ImprovementState> {
    use ImprovementState::{Accepted, Closed, Implemented, Rejected};
    match (now, then) {
        (now, then) if now == then => Vec::new(),
        (Rejected, Implemented) => vec![Accepted, Implemented],
        (Rejected, Closed) => vec![Accepted, Implemented, Closed],
        (Implemented, Closed) => vec![Closed],
        (_, Closed) => vec![Implemented, Closed],
        (_, then) => vec![then],
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
    fn a_file_is_read_or_its_mistakes_are_said() {
        let made = entry("state = \"implemented\"\ndate = 2026-10-05\ncost = 4").unwrap();
        assert_eq!(made.date(), Ok(Some(jiff::civil::date(2026, 10, 5))));
        for (text, said) in [
            ("state = \"done\"", "unknown variant"),
            ("state = \"implemented\"", "needs its date"),
            ("cost = -4", "not below zero"),
            ("expected = -30", "between -1 and 100"),
            ("colour = 1", "unknown field"),
            ("date = 10:00:00", "is no date"),
        ] {
            let error = entry(text).err().expect(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn every_state_has_a_way_that_is_allowed() {
        use ImprovementState::{Accepted, Closed, Implemented, Proposed, Rejected};
        for (now, then) in [
            (Proposed, Closed),
            (Accepted, Implemented),
            (Rejected, Closed),
            (Proposed, Rejected),
            (Implemented, Closed),
        ] {
            let mut state = now;
            for next in way(now, then) {
                assert!(next.may_follow(Some(state)), "{state} to {next}");
                state = next;
            }
            assert_eq!(state, then);
        }
        assert!(way(Accepted, Accepted).is_empty());
    }
}
