//! Counts of the records of a source, and its contract's expectations.

use crate::number::{count, plural};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Meaning of a period without records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Either nothing happened or records are missing.
    #[default]
    Unknown,
    /// Nothing happened.
    Zero,
}

impl Silence {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// A contract's expectations of its records as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// Maximum age of the newest record at the time of the report, in hours.
    pub fresh_hours: Option<f64>,
    /// Minimum number of records per day.
    pub daily_records_min: Option<f64>,
    /// Maximum number of records per day.
    pub daily_records_max: Option<f64>,
    /// Meaning of a period without records.
    #[serde(default, skip_serializing_if = "Silence::is_unknown")]
    pub silence: Silence,
}

impl Expectation {
    /// Value of `fresh_hours` (60 days) above which it means that events are rare, not that
    /// deliveries are late.
    const RARE_HOURS: f64 = 1440.0;

    /// The time up to which the absence of records after the last record, at `last`, means that
    /// nothing happened, at most `end`; `None` if records may be missing. The contract expects a
    /// silence of up to `fresh_hours`; in a longer silence, records may be missing after that time.
    pub fn complete_until(&self, last: DateTime, end: DateTime) -> Option<DateTime> {
        let is_zero = self.silence == Silence::Zero
            || self
                .fresh_hours
                .is_some_and(|hours| hours >= Self::RARE_HOURS);
        let end_of_expected = |hours: f64| {
            let span = jiff::SignedDuration::try_from_secs_f64(hours * 3600.0).ok()?;
            last.checked_add(span).ok()
        };
        let until = self.fresh_hours.and_then(end_of_expected);
        is_zero.then(|| until.map_or(end, |until| until.min(end)))
    }
}

/// Counts of the records of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceNote {
    /// Name of the source in the job file.
    pub name: String,
    /// Address of the records, without credentials.
    pub uri: String,
    /// Name of the contract that the records must meet.
    pub contract: String,
    /// Files read.
    pub files: u64,
    /// Records seen.
    pub records: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Records left out by reason, most frequent first.
    pub quarantined: Vec<(String, u64)>,
    /// Records left out as duplicates of a key.
    pub duplicates: u64,
    /// Files that could not be read completely, with the reason.
    pub broken_files: Vec<(String, String)>,
    /// Fields that the contract does not declare, with the number of records that had them.
    pub unknown_fields: Vec<(String, u64)>,
    /// Fields of the contract that no accepted record had.
    #[serde(default)]
    pub missing_fields: Vec<String>,
    /// Fields with values of another type than the contract's, with the number of records left out
    /// as a result.
    #[serde(default)]
    pub retyped_fields: Vec<(String, u64)>,
    /// The contract's expectations of the records as a whole.
    #[serde(default)]
    pub expectation: Expectation,
    /// First time in the accepted records, ISO 8601; empty without a time column.
    pub first_time: String,
    /// Last time in the accepted records, ISO 8601.
    pub last_time: String,
    /// Other warnings for the owner of the source, as sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl SourceNote {
    /// The days of the first and the last time, in a time zone.
    pub fn days(&self, timezone: &str) -> [Option<Date>; 2] {
        let day = |time: &String| {
            let moment = time.parse::<Timestamp>().ok();
            let local = moment.and_then(|moment| moment.in_tz(timezone).ok());
            let local = local.map(|local| local.date());
            local.or_else(|| time.get(..10)?.parse().ok())
        };
        [&self.first_time, &self.last_time].map(day)
    }

    /// Remarks for the user who runs the job, one sentence each without a full stop.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let refused = self.quarantined.iter().map(|(_, n)| n).sum();
        if refused > 0 {
            let reasons: Vec<String> = self
                .quarantined
                .iter()
                .map(|(reason, n)| format!("{reason} {}", count(*n)))
                .collect();
            let verb = if refused == 1 { "was" } else { "were" };
            remarks.push(format!(
                "{} {verb} set aside: {}",
                plural(refused, "record"),
                reasons.join(", ")
            ));
        }
        if let [(file, reason), rest @ ..] = self.broken_files.as_slice() {
            let others = match rest.len() {
                0 => String::new(),
                n => format!(", and {} more", plural(n as u64, "file")),
            };
            remarks.push(format!(
                "{file:?} could not be read completely: {reason}{others}"
            ));
        }
        let warnings = self.warnings.iter();
        remarks.extend(warnings.map(|warning| warning.trim_end_matches('.').to_string()));
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_zero_only_if_the_contract_declares_it() {
        let time = |text: &str| text.parse::<DateTime>().expect("a time");
        let check = |silence: Silence, fresh_hours: Option<f64>, expected: Option<&str>| {
            let expectation = Expectation {
                fresh_hours,
                silence,
                ..Expectation::default()
            };
            let found =
                expectation.complete_until(time("2026-09-16T12:00"), time("2026-10-19T00:00"));
            assert_eq!(found, expected.map(time), "{expectation:?}");
        };
        check(Silence::Unknown, None, None);
        check(Silence::Unknown, Some(26.0), None);
        check(Silence::Unknown, Some(20_000.0), Some("2026-10-19T00:00"));
        check(Silence::Zero, None, Some("2026-10-19T00:00"));
        check(Silence::Zero, Some(48.0), Some("2026-09-18T12:00"));
        check(Silence::Zero, Some(f64::MAX), Some("2026-10-19T00:00"));
    }
}
