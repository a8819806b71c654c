//! The rows of the table.

use super::series::{DAYS, HOURS, Kind, Plant, Series, WEEK};

/// Number of times that a row without an event has as many series as others: false claims are rare.
const NULL_TIMES: usize = 3;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub title: String,
    pub kind: Kind,
    pub plant: Plant,
    /// Percentage of events to be found, if the row is a goal.
    pub goal: Option<f64>,
}

impl Case {
    fn new(title: String, kind: Kind, plant: Plant) -> Self {
        Self {
            title,
            kind,
            plant,
            goal: None,
        }
    }

    /// Number of series.
    pub fn count(&self, series: usize) -> usize {
        match self.plant {
            Plant::Nothing => series * NULL_TIMES,
            _ => series,
        }
    }

    /// A series.
    pub fn series(&self, index: usize) -> Series {
        Series::new(&self.title, index, self.kind, self.plant)
    }

    /// First hour or day in which the peers look for the event.
    pub fn tested_from(&self) -> usize {
        match self.kind {
            Kind::Days(_) => DAYS - 56,
            _ => HOURS - WEEK,
        }
    }
}

/// Name of a kind of series.
pub fn name(kind: Kind) -> String {
    match kind {
        Kind::Counts => "hourly counts".to_string(),
        Kind::Shares => "shares".to_string(),
        Kind::Durations => "durations".to_string(),
        Kind::Gauges => "gauges".to_string(),
        Kind::Failures => "40 failures a day".to_string(),
        Kind::Groups => "8 groups".to_string(),
        Kind::Days(correlation) => format!("days, autocorrelation {correlation}"),
    }
}

/// All rows, those of one kind of series together.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let goal = |case: Case, goal| Case {
        goal: Some(goal),
        ..case
    };
    let outage = |kind: Kind, hours: usize, factor: f64, day: usize| {
        let unit = if hours == 1 { "hour" } else { "hours" };
        let title = format!("{}, {hours} {unit} x{factor}", name(kind));
        Case::new(title, kind, Plant::Outage { hours, factor, day })
    };
    let null = |kind: Kind| Case::new(format!("{}, no event", name(kind)), kind, Plant::Nothing);
    cases.push(null(Kind::Failures));
    cases.push(goal(outage(Kind::Failures, 5, 4.0, 3), 95.0));
    cases.push(null(Kind::Groups));
    cases.push(outage(Kind::Groups, 6, 3.0, 4));
    for correlation in [0.0, 0.5] {
        let kind = Kind::Days(correlation);
        cases.push(null(kind));
        for size in [0.5, 1.0, 2.0] {
            let title = format!("{}, step {size} sd", name(kind));
            cases.push(Case::new(title, kind, Plant::Step(size)));
        }
        for weeks in [2, 4, 8] {
            let title = format!("{}, ramp {weeks} weeks", name(kind));
            let case = Case::new(title, kind, Plant::Ramp(weeks * 7));
            cases.push(if weeks == 4 { goal(case, 90.0) } else { case });
        }
    }
    for kind in [Kind::Counts, Kind::Shares, Kind::Durations, Kind::Gauges] {
        cases.push(null(kind));
        for (i, hours) in [1, 3, 6, 24].into_iter().enumerate() {
            for (j, factor) in [2.0, 3.0, 5.0].into_iter().enumerate() {
                // The days of the week take turns.
                cases.push(outage(kind, hours, factor, (i * 3 + j) % 7));
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_have_titles_of_their_own() {
        let cases = all();
        let titles: BTreeSet<&str> = cases.iter().map(|case| case.title.as_str()).collect();
        assert_eq!(titles.len(), cases.len());
        assert_eq!(cases.iter().filter(|case| case.goal.is_some()).count(), 3);
        assert!(titles.contains("hourly counts, 1 hour x2"), "{titles:?}");
        let null = cases.iter().find(|case| case.plant == Plant::Nothing);
        assert_eq!(null.unwrap().count(2), 6);
    }
}
