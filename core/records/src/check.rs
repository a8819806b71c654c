//! Tests records against a contract without ingesting them, and reports which are accepted, which
//! are refused, and why.

mod text;

use crate::{
    contract::{Contract, Personal},
    error::SourceError,
    input::{Input, InputFiles},
    read::{
        ParsedBlock, ReadEvent, UnknownCounts, count_unknown,
        quarantine::{Reason, RefusedRecord},
        time_range,
        value::DAY_MICROS,
    },
    source::without_credentials,
};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{TimeUnit, TimestampMicrosecondType};
use arrow_schema::DataType;
use jiff::Timestamp;
use retrocast_domain::report::Expectation;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

/// Maximum number of examples of refused records per reason.
const EXAMPLES_MAX: usize = 5;
/// Maximum number of days that are listed as having too few or too many records.
const DAYS_MAX: usize = 5;

/// The result of testing records against a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The address of the records, without credentials.
    pub uri: String,
    /// Name of the contract.
    pub contract: String,
    /// Number of files that were found.
    pub files: u64,
    /// Number of tested records.
    pub records: u64,
    /// True if all records were tested.
    pub complete: bool,
    /// Number of records that conform to the contract, including duplicates.
    pub accepted: u64,
    /// The refused records, by reason, the most frequent first.
    pub refused: Vec<RefusalCount>,
    /// Number of accepted records with the same key as another record that counts instead.
    pub duplicates: u64,
    /// The field that decides which of them counts; `None` for the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// Fields that the contract does not declare, with the number of records that had them.
    pub unknown_fields: Vec<(String, u64)>,
    /// Fields of the contract that no accepted record had.
    pub missing_fields: Vec<String>,
    /// Fields with values of the wrong type, with the number of records refused because of them.
    pub retyped_fields: Vec<(String, u64)>,
    /// Number of nulls per field in accepted records.
    pub nulls: Vec<Nulls>,
    /// First and last time; `None` without a time field or an accepted record.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Hours from the last time to the time of the check.
    pub age_hours: Option<f64>,
    /// The contract's expectations of the records as a whole, and whether they are met.
    pub expected: Vec<ExpectationResult>,
    /// Files that could not be read completely, and other skipped entries, with the reason.
    pub broken_files: Vec<(String, String)>,
}

/// Records refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalCount {
    /// The reason in words, such as "wrong type".
    pub reason: String,
    /// Number of records.
    pub records: u64,
    /// The first records.
    pub examples: Vec<Example>,
}

/// A refused record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Name of the file, as the user would write it.
    pub file: String,
    /// Line where the record begins, from 1.
    pub line: u64,
    /// Byte in the line, from 1, if known.
    pub column: Option<u64>,
    /// Path of the field; empty for the record as a whole.
    pub field: String,
    /// The error.
    pub message: String,
}

/// Nulls of one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nulls {
    /// Name of the field.
    pub field: String,
    /// Number of accepted records where the field is null.
    pub records: u64,
    /// Their share of all accepted records.
    pub share: f64,
}

/// One expectation of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpectationResult {
    /// The expectation, as a phrase.
    pub what: String,
    /// True if it is met.
    pub met: bool,
    /// The observation, as a phrase.
    pub found: String,
}

impl CheckReport {
    /// Returns true if every record conforms to the contract, every file was read completely, and
    /// all expectations are met.
    pub fn is_good(&self) -> bool {
        self.refused.is_empty()
            && self.broken_files.is_empty()
            && self.expected.iter().all(|expected| expected.met)
    }
}

/// Tests the records of a URI against a contract; relative URIs are resolved against `base`, and
/// freshness is computed as of `now`.
pub async fn check(
    input: &Input,
    base: &Path,
    contract: &Contract,
    now: Timestamp,
) -> Result<CheckReport, SourceError> {
    let files = input.find(base).await?;
    let stopped_error = |_| SourceError::Stopped {
        name: input.name.clone(),
    };
    let (input, contract) = (input.clone(), contract.clone());
    let checking = tokio::task::spawn_blocking(move || {
        let tally = Tally::read(&files, &contract, input.records)?;
        Ok(tally.into_report(&input, &contract, &files, now))
    });
    checking.await.map_err(stopped_error)?
}

/// Collects counts while reading.
#[derive(Default)]
struct Tally {
    records: u64,
    complete: bool,
    accepted: u64,
    refused: BTreeMap<Reason, (u64, Vec<Example>)>,
    keys: HashSet<u128>,
    duplicates: u64,
    unknown: UnknownCounts,
    retyped: UnknownCounts,
    nulls: Vec<u64>,
    times: Option<(i64, i64)>,
    days: BTreeMap<i64, u64>,
    broken: Vec<(String, String)>,
}

impl Tally {
    fn read(
        files: &InputFiles,
        contract: &Contract,
        limit: Option<u64>,
    ) -> Result<Self, SourceError> {
        let mut tally = Self {
            complete: true,
            nulls: vec![0; contract.fields.len()],
            ..Self::default()
        };
        let name = |file: usize| {
            let file = files.files.get(file);
            file.map(|(file, _)| file.name.clone()).unwrap_or_default()
        };
        files.read(&files.files, contract, &mut |event| {
            match event {
                ReadEvent::Records(parsed) => {
                    tally.add_block(contract, &parsed, &name(parsed.file));
                }
                ReadEvent::End { file, broken } => {
                    let broken = broken.map(|reason| (name(file), reason));
                    tally.broken.extend(broken);
                }
            }
            tally.complete = limit.is_none_or(|limit| tally.records < limit);
            tally.complete
        })?;
        Ok(tally)
    }

    fn add_block(&mut self, contract: &Contract, parsed: &ParsedBlock, file: &str) {
        self.records += parsed.records;
        self.accepted += parsed.lines.len() as u64;
        for key in &parsed.keys {
            self.duplicates += u64::from(!self.keys.insert(*key));
        }
        for (name, n) in &parsed.unknown {
            count_unknown(&mut self.unknown, name, *n);
        }
        for row in &parsed.refused {
            self.add_refusal(row, file);
        }
        if let Some(batch) = &parsed.batch {
            for (nulls, column) in self.nulls.iter_mut().zip(batch.columns()) {
                *nulls += column.null_count() as u64;
            }
            if let Some(time) = &contract.time {
                self.add_times(batch, time);
            }
        }
    }

    fn add_refusal(&mut self, row: &RefusedRecord, file: &str) {
        let violation = &row.violation;
        if violation.reason == Reason::WrongType {
            count_unknown(&mut self.retyped, &without_indices(&violation.field), 1);
        }
        let (n, examples) = self.refused.entry(violation.reason).or_default();
        *n += 1;
        if admits_example(examples, &violation.field) {
            examples.push(Example {
                file: file.to_string(),
                line: row.line,
                column: violation.column,
                field: violation.field.clone(),
                message: violation.message.clone(),
            });
        }
    }

    fn add_times(&mut self, batch: &RecordBatch, name: &str) {
        let Some(column) = batch.column_by_name(name) else {
            return;
        };
        if let Some((first, last)) = time_range(column) {
            let (earliest, latest) = self.times.unwrap_or((first, last));
            self.times = Some((earliest.min(first), latest.max(last)));
        }
        let micros_type = DataType::Timestamp(TimeUnit::Microsecond, None);
        let Ok(times) = arrow::compute::cast(column, &micros_type) else {
            return;
        };
        for micros in times
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .flatten()
        {
            *self.days.entry(micros.div_euclid(DAY_MICROS)).or_default() += 1;
        }
    }

    fn into_report(
        self,
        input: &Input,
        contract: &Contract,
        files: &InputFiles,
        now: Timestamp,
    ) -> CheckReport {
        let timestamp = |micros| Timestamp::from_microsecond(micros).ok();
        let times = self
            .times
            .and_then(|(first, last)| Some((timestamp(first)?, timestamp(last)?)));
        let age =
            times.map(|(_, last)| (now.as_microsecond() - last.as_microsecond()) as f64 / 3.6e9);
        let expected = self.check_expectations(&contract.expect, age);
        let mut refused: Vec<RefusalCount> = self
            .refused
            .into_iter()
            .map(|(reason, (records, examples))| RefusalCount {
                reason: reason.text().to_string(),
                records,
                examples,
            })
            .collect();
        refused.sort_by(|a, b| {
            b.records
                .cmp(&a.records)
                .then_with(|| a.reason.cmp(&b.reason))
        });
        let nulls: Vec<Nulls> = contract
            .fields
            .iter()
            .zip(&self.nulls)
            // Dropped fields are always null.
            .filter(|(field, _)| self.accepted > 0 && field.personal != Personal::Drop)
            .map(|(field, records)| Nulls {
                field: field.name.clone(),
                records: *records,
                share: *records as f64 / self.accepted as f64,
            })
            .collect();
        let missing = nulls.iter().filter(|nulls| nulls.records == self.accepted);
        let skipped = files.listing.skipped.iter();
        let skipped = skipped.map(|skipped| (skipped.name.clone(), skipped.reason.clone()));
        CheckReport {
            uri: without_credentials(&input.uri),
            contract: contract.name.clone(),
            files: (files.listing.files.len() + files.listing.skipped.len()) as u64,
            records: self.records,
            complete: self.complete,
            accepted: self.accepted,
            refused,
            duplicates: self.duplicates,
            latest: contract.latest.clone(),
            unknown_fields: sort_by_count(self.unknown),
            missing_fields: missing.map(|nulls| nulls.field.clone()).collect(),
            retyped_fields: sort_by_count(self.retyped),
            nulls,
            times,
            age_hours: age,
            expected,
            broken_files: self.broken.into_iter().chain(skipped).collect(),
        }
    }

    /// Checks the contract's expectations of the records as a whole. The first and the last day may
    /// be incomplete, so they are ignored.
    fn check_expectations(&self, expect: &Expectation, age: Option<f64>) -> Vec<ExpectationResult> {
        let mut out = Vec::new();
        if let Some(hours) = expect.fresh_hours {
            out.push(ExpectationResult {
                what: format!("the newest record is at most {hours} hours old"),
                met: age.is_some_and(|age| age <= hours),
                found: age.map_or("no record".to_string(), |age| format!("{age:.1} hours")),
            });
        }
        let complete_days = || {
            let first = self.days.keys().next().map_or(0, |day| day + 1);
            let last = self.days.keys().next_back().copied().unwrap_or(0);
            (first..last).map(|day| (day, self.days.get(&day).copied().unwrap_or(0)))
        };
        if let Some(min) = expect.daily_records_min {
            let few = complete_days().filter(|(_, n)| (*n as f64) < min);
            let what = format!("a day has at least {min} records");
            out.push(daily_expectation(
                what,
                "fewer",
                few,
                complete_days().next().is_some(),
            ));
        }
        if let Some(max) = expect.daily_records_max {
            let many = complete_days().filter(|(_, n)| (*n as f64) > max);
            let what = format!("a day has at most {max} records");
            out.push(daily_expectation(
                what,
                "more",
                many,
                complete_days().next().is_some(),
            ));
        }
        out
    }
}

/// Returns true if another example of a field can be listed. A full list drops one of several
/// examples of the same field, so that it has an example of every field with errors.
fn admits_example(examples: &mut Vec<Example>, field: &str) -> bool {
    if examples.len() < EXAMPLES_MAX {
        return true;
    }
    let field = without_indices(field);
    let fields: Vec<String> = examples
        .iter()
        .map(|example| without_indices(&example.field))
        .collect();
    if fields.contains(&field) {
        return false;
    }
    let is_repeated = |index: &usize| fields[..*index].contains(&fields[*index]);
    let last = (0..fields.len()).rev().find(is_repeated);
    last.is_some_and(|index| {
        examples.remove(index);
        true
    })
}

/// Checks an expectation per day, and lists the days that do not meet it.
fn daily_expectation(
    what: String,
    comparison: &str,
    days: impl Iterator<Item = (i64, u64)>,
    has_complete_days: bool,
) -> ExpectationResult {
    let (mut n, mut shown) = (0_u64, Vec::new());
    for (day, records) in days {
        n += 1;
        if shown.len() < DAYS_MAX {
            let midnight = Timestamp::from_microsecond(day.saturating_mul(DAY_MICROS));
            let date = midnight.map(|midnight| midnight.to_string()[..10].to_string());
            shown.push(format!("{} ({records})", date.unwrap_or_default()));
        }
    }
    let observed = match n {
        0 if !has_complete_days => {
            "no day could be checked: the first and the last day do not count, and there is no other"
                .to_string()
        }
        0 => format!("no day has {comparison}"),
        1 => format!("1 day has {comparison}: {}", shown.join(", ")),
        n => format!("{n} days have {comparison}: {}", shown.join(", ")),
    };
    ExpectationResult {
        what,
        met: n == 0,
        found: observed,
    }
}

/// Removes indices from a path: `updates[2].at` -> `updates[].at`.
fn without_indices(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside &= c != ']';
        if !(inside && c.is_ascii_digit()) {
            out.push(c);
        }
        inside |= c == '[';
    }
    out
}

fn sort_by_count(counts: UnknownCounts) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

#[cfg(test)]
mod tests;
