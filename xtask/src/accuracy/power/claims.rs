//! Claims of a run about one series, compared with the planted event.

use super::{
    json::Json,
    series::{DAYS, HOURS, Kind, Plant, START, Series},
};
use crate::date::date;
use std::ops::Range;

/// Tolerance of the hours of an outage.
const HOURS_OFF: usize = 1;
/// Tolerance of the date of a step.
const STEP_DAYS_OFF: usize = 7;
/// Tolerance of the date of a bend.
const BEND_DAYS_OFF: usize = 14;

/// A claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub subject: String,
    pub is_up: bool,
    pub statement: Statement,
}

/// The statement of a claim; indices are those of hours for events of hourly series, else of days.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// A steady movement since a day.
    Bend(usize),
    /// A steady movement over the whole series.
    Line,
    /// A step at a day; `is_open` if a gradual change describes the series about as well.
    Step { day: Option<usize>, is_open: bool },
    /// Unusual hours or days.
    Event(Range<usize>),
    /// A forecast: the expected value, its interval, and whether it extrapolates a movement.
    Forecast {
        expected: f64,
        interval: [f64; 2],
        moves: bool,
    },
}

impl Claim {
    /// Reads a finding, with the number of its series: the digits of the stage's name.
    pub fn read(finding: &Json, is_daily: bool) -> Option<(usize, Self)> {
        let number = finding.get("stage").text().get(1..)?.parse().ok()?;
        let numbers = finding.get("numbers");
        let sentence = finding.get("sentence").text();
        let day = |key: &str| day_index(numbers.get(key).text());
        let statement = match finding.get("kind").text() {
            "trend" if numbers.get("step_fits_better").is_true() => Statement::Step {
                day: None,
                is_open: false,
            },
            "trend" => day("bend").map_or(Statement::Line, Statement::Bend),
            "change_point" => Statement::Step {
                day: Some(day("date")?),
                is_open: sentence.contains("a gradual "),
            },
            "anomaly" => {
                let [start, end] = ["start", "end"].map(|key| numbers.get(key).text());
                let first = step_index(start, is_daily, false)?;
                Statement::Event(first..step_index(end, is_daily, true)? + 1)
            }
            "forecast" => Statement::Forecast {
                expected: numbers.get("expected").number()?,
                interval: [
                    numbers.get("lower").number()?,
                    numbers.get("upper").number()?,
                ],
                moves: sentence.contains("if it keeps"),
            },
            _ => return None,
        };
        let claim = Self {
            subject: finding.get("subject").text().to_string(),
            is_up: finding.get("direction").text() == "up",
            statement,
        };
        Some((number, claim))
    }
}

/// Index of the day of a date, from the start of the series.
fn day_index(text: &str) -> Option<usize> {
    let day = text.get(..10)?;
    (0..=DAYS).find(|index| date(START + *index as i64) == day)
}

/// Index of an hour, or of a day of a daily series; of the last hour of a day if `is_end`.
fn step_index(text: &str, is_daily: bool, is_end: bool) -> Option<usize> {
    let day = day_index(text)?;
    if is_daily {
        return Some(day);
    }
    let hour = match text.get(11..13) {
        Some(hour) => hour.parse().ok()?,
        None if is_end => 23,
        None => 0,
    };
    Some(day * 24 + hour)
}

/// The claims about one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(pub Vec<Claim>);

/// The claims about one series, compared with the planted event.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the table"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict {
    pub is_found: bool,
    /// Number of claims of something that was not planted.
    pub false_claims: usize,
    pub has_bend: bool,
    pub has_line: bool,
    /// True if a step is claimed without reservation.
    pub has_step: bool,
    /// True if a step is claimed beside a gradual change that describes the series about as well.
    pub has_open_step: bool,
    pub has_event: bool,
    /// True if the forecast continues the level after the event.
    pub forecast_follows: bool,
    /// True if no claim contradicts another one.
    pub is_one_story: bool,
}

impl Claims {
    /// Compares the claims with the series.
    pub fn judge(&self, series: &Series, kind: Kind, plant: Plant) -> Verdict {
        let has = |is: &dyn Fn(&Statement) -> bool| self.0.iter().any(|claim| is(&claim.statement));
        let right = |claim: &Claim| is_right(claim, series, kind, plant);
        Verdict {
            is_found: self.0.iter().any(right),
            false_claims: self
                .0
                .iter()
                .filter(|claim| is_false(claim, series, kind, plant))
                .count(),
            has_bend: has(&|statement| matches!(statement, Statement::Bend(_))),
            has_line: has(&|statement| *statement == Statement::Line),
            has_step: has(&|statement| matches!(statement, Statement::Step { is_open: false, .. })),
            has_open_step: has(&|statement| {
                matches!(statement, Statement::Step { is_open: true, .. })
            }),
            has_event: has(&|statement| matches!(statement, Statement::Event(_))),
            forecast_follows: self.follows(series, plant),
            is_one_story: self.is_one_story(kind),
        }
    }

    fn follows(&self, series: &Series, plant: Plant) -> bool {
        let [before, after] = series.levels;
        self.0.iter().any(|claim| match claim.statement {
            Statement::Forecast {
                expected,
                interval: [low, high],
                ..
            } => match plant {
                Plant::Step(_) | Plant::Ramp(_) => {
                    (expected - after).abs() < (expected - before).abs()
                }
                _ => low <= after && after <= high,
            },
            _ => false,
        })
    }

    /// Returns true if the claims about each subject agree: no movement beside a step, unless both
    /// are left open; the same direction; a forecast that moves only if a movement is claimed; and
    /// no lasting change around an event of hours or days.
    fn is_one_story(&self, kind: Kind) -> bool {
        let day = |step: usize| if kind.is_daily() { step } else { step / 24 };
        let pairs = self.0.iter().enumerate().flat_map(|(i, one)| {
            let others = self.0[i + 1..].iter();
            others.flat_map(move |other| [(one, other), (other, one)])
        });
        let agree = |one: &Claim, other: &Claim| match (&one.statement, &other.statement) {
            (Statement::Bend(_) | Statement::Line, Statement::Step { is_open, day }) => {
                *is_open && one.is_up == other.is_up && day.is_some()
            }
            (Statement::Event(steps), Statement::Bend(since)) => {
                day(steps.end) + BEND_DAYS_OFF < *since
            }
            (
                Statement::Event(steps),
                Statement::Step {
                    day: Some(date), ..
                },
            ) => day(steps.start).abs_diff(*date) > BEND_DAYS_OFF,
            (Statement::Forecast { moves: true, .. }, Statement::Step { is_open, .. }) => *is_open,
            _ => true,
        };
        let has_trend = self
            .0
            .iter()
            .any(|claim| matches!(claim.statement, Statement::Bend(_) | Statement::Line));
        let moves = self
            .0
            .iter()
            .any(|claim| matches!(claim.statement, Statement::Forecast { moves: true, .. }));
        (has_trend || !moves)
            && pairs
                .filter(|(one, other)| one.subject == other.subject)
                .all(|(one, other)| agree(one, other))
    }
}

/// Returns true for a claim of the planted event: the right series, time, kind and direction.
fn is_right(claim: &Claim, series: &Series, kind: Kind, plant: Plant) -> bool {
    let planted = &series.planted;
    let is_group = kind != Kind::Groups || claim.subject.contains(&format!("g{}", series.group));
    let is_event = matches!(
        claim.statement,
        Statement::Event(_) | Statement::Step { .. } | Statement::Bend(_)
    );
    let is_date = match (&claim.statement, plant) {
        (Statement::Event(steps), Plant::Outage { .. }) => {
            steps.start < planted.end + HOURS_OFF && planted.start < steps.end + HOURS_OFF
        }
        (Statement::Step { day: Some(day), .. }, Plant::Step(_)) => {
            day.abs_diff(planted.start) <= STEP_DAYS_OFF
        }
        (Statement::Bend(day), Plant::Ramp(_)) => day.abs_diff(planted.start) <= BEND_DAYS_OFF,
        _ => false,
    };
    is_group && is_event && claim.is_up && is_date
}

/// Returns true for a claim that the planted event does not explain, at least in part.
fn is_false(claim: &Claim, series: &Series, kind: Kind, plant: Plant) -> bool {
    let since = match plant {
        Plant::Step(_) | Plant::Ramp(_) => series.planted.start.saturating_sub(BEND_DAYS_OFF),
        Plant::Outage { .. } | Plant::Nothing => usize::MAX,
    };
    let lasts = since < usize::MAX;
    match &claim.statement {
        Statement::Forecast { .. } => false,
        Statement::Event(_) => !is_right(claim, series, kind, plant),
        Statement::Line | Statement::Step { day: None, .. } => !(lasts && claim.is_up),
        Statement::Bend(day) | Statement::Step { day: Some(day), .. } => {
            !(lasts && claim.is_up && *day >= since)
        }
    }
}

/// Periods from the start of the planted event to the end of a run's window.
pub fn delay(series: &Series, end: usize) -> f64 {
    end.saturating_sub(series.planted.start) as f64
}

/// End of the last window.
pub fn end(kind: Kind) -> usize {
    if kind.is_daily() { DAYS } else { HOURS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: &str, direction: &str, numbers: &str, sentence: &str) -> (usize, Claim) {
        let text = format!(
            "{{\"stage\": \"x12\", \"kind\": \"{kind}\", \"subject\": \"all\", \
             \"direction\": \"{direction}\", \"numbers\": {numbers}, \"sentence\": \"{sentence}\"}}"
        );
        Claim::read(&Json::parse(&text).unwrap(), kind != "anomaly").unwrap()
    }

    fn claims(all: &[(usize, Claim)]) -> Claims {
        Claims(all.iter().map(|(_, claim)| claim.clone()).collect())
    }

    const STEP: &str = r#"{"date": "2025-11-10"}"#;
    const BEND: &str = r#"{"bend": "2025-12-08", "step_fits_better": false}"#;

    #[test]
    fn findings_become_claims() {
        let (number, claim) = finding("change_point", "up", STEP, "a gradual rise describes");
        let statement = Statement::Step {
            day: Some(308),
            is_open: true,
        };
        assert_eq!(
            (number, claim.is_up, claim.statement),
            (12, true, statement)
        );
        let (_, claim) = finding("trend", "down", BEND, "");
        assert_eq!(
            (claim.is_up, claim.statement),
            (false, Statement::Bend(336))
        );
        let numbers = r#"{"start": "2025-01-07T03:00", "end": "2025-01-07T05:00"}"#;
        let (_, claim) = finding("anomaly", "up", numbers, "");
        assert_eq!(claim.statement, Statement::Event(27..30));
        let numbers = r#"{"start": "2025-01-07", "end": "2025-01-07"}"#;
        let (_, claim) = finding("anomaly", "up", numbers, "");
        assert_eq!(claim.statement, Statement::Event(24..48));
    }

    #[test]
    fn a_step_is_found_near_its_date_only() {
        let kind = Kind::Days(0.0);
        let plant = Plant::Step(2.0);
        let series = Series::new("claims", 0, kind, plant);
        let near = claims(&[finding("change_point", "up", STEP, "")]);
        let verdict = near.judge(&series, kind, plant);
        assert!(verdict.is_found && verdict.has_step && verdict.false_claims == 0);
        let far = claims(&[finding(
            "change_point",
            "up",
            r#"{"date": "2025-06-10"}"#,
            "",
        )]);
        let verdict = far.judge(&series, kind, plant);
        assert!(!verdict.is_found && verdict.false_claims == 1);
        let down = claims(&[finding("change_point", "down", STEP, "")]);
        assert_eq!(down.judge(&series, kind, plant).false_claims, 1);
        assert_eq!(near.judge(&series, kind, Plant::Nothing).false_claims, 1);
    }

    #[test]
    fn contradictions_are_two_stories() {
        let forecast = |sentence| {
            let numbers = r#"{"expected": 51, "lower": 48, "upper": 53}"#;
            finding("forecast", "none", numbers, sentence)
        };
        let bend = finding("trend", "up", BEND, "");
        let step = finding("change_point", "up", STEP, "");
        let open = finding("change_point", "up", STEP, "a gradual rise");
        let plain = forecast("");
        let moving = forecast("if it keeps rising");
        for (all, expected) in [
            (vec![bend.clone(), plain.clone()], true),
            (vec![bend.clone(), moving.clone()], true),
            (vec![moving.clone()], false),
            (vec![bend.clone(), step.clone()], false),
            (vec![bend.clone(), open], true),
            (vec![step, moving], false),
        ] {
            let claims = claims(&all);
            assert_eq!(claims.is_one_story(Kind::Days(0.0)), expected, "{claims:?}");
        }
        let kind = Kind::Days(0.0);
        let series = Series::new("claims", 0, kind, Plant::Ramp(28));
        let verdict = claims(&[bend, plain]).judge(&series, kind, Plant::Ramp(28));
        assert!(verdict.is_found && verdict.forecast_follows && !verdict.has_step);
    }
}
