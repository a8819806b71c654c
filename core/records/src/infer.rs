//! Infers a draft of a contract from records.
//!
//! Up to a limit, all records of a source are read; beyond it, they are sampled from its files in
//! proportion to their sizes. The reader is the one that ingest uses, under a contract that
//! declares no field and keeps everything, so all readable records are described. The rules:
//!
//! - **Types**: the narrowest type of all values. Values of mixed types are `json`, or `string` in
//!   CSV files, and a comment counts the types. Digits with leading zeros, or more than 15 of them,
//!   are identifiers, not numbers, and so are ids in cells; integers beyond signed 64 bits are
//!   `json`, which keeps all digits. Objects with many keys, each in few objects, are maps and kept
//!   as JSON. Columns of the same name are a list.
//! - **Notation of values**, each with the evidence, and only if all values agree. `format`:
//!   `epoch_…` for numbers that are times of 2000 to 2049 in one unit, in a field named like a
//!   time; numeric dates if some value shows whether the day or the month comes first. `null_words`
//!   for numbers, times and booleans. `decimal` and `thousands` if the other reading is impossible.
//!   Words for true and false if both occur. If two readings are possible, the field is a `string`,
//!   and a comment gives the lines for either. Times without an offset get a comment.
//! - **`from`** if the name in records is not a valid field name, such as `http.status`.
//! - **`required`** if the field was always present, with the number of records.
//! - **`allowed`** if 2 to 12 different strings occurred, each at least twice, and ten times on
//!   average. Only if all records were read: the others may have further values, so for a sample a
//!   comment lists the strings.
//! - **Limits of length** of four times the longest string, rounded up to a power of two; **`min =
//!   0`** for quantities that start at zero by unit or name. Other numbers only get a comment with
//!   their range.
//! - **The key**: unique in the sample, and named like a key; or named like a key, and repeated with
//!   different times of update, which are then `latest`; otherwise, from 20 records on, the first
//!   unique string without spaces, or a counting number such as `build_number`, or a time, or two
//!   or three such fields together, possibly with names such as "Tier 1" that occur repeatedly.
//! - **The time**: among the times that every record has, the field with the most certain name.
//! - **Personal data**: by name, or if at least half of the strings look like mail addresses,
//!   network addresses or telephone numbers.
//!
//! The draft is tested against its own records before it is returned. Fields with values that do
//! not conform become strings; remaining violations are listed in the draft.

mod choose;
mod evidence;
mod hints;
mod inferred_type;
mod profile;
mod sample;
mod write;

use crate::{
    contract::{self, Contract, is_valid_name},
    error::SourceError,
    input::{Input, InputFiles},
    read::{
        ReadEvent,
        quarantine::{Reason, RefusedRecord},
        value,
    },
};
use retrocast_domain::number::plural;
use sample::Sample;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Default number of records to read; beyond it, records are sampled.
pub const RECORDS_DEFAULT: u64 = 100_000;
/// Maximum number of drafts, each without the types that did not fit in the previous draft.
const ATTEMPTS_MAX: u32 = 4;

/// A draft of a contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The text of the contract, with comments.
    pub text: String,
    /// The parsed contract.
    pub contract: Contract,
    /// Number of sampled records.
    pub records: u64,
    /// Number of sampled files.
    pub files: u64,
    /// Number of unparsable records.
    pub broken: u64,
    /// Number of sampled records that the contract refuses.
    pub refused: u64,
}

/// Drafts a contract for the records of a URI; relative URIs are resolved against `base`. The
/// contract gets the input's name.
pub async fn infer(input: &Input, base: &Path) -> Result<Draft, SourceError> {
    let files = input.find(base).await?;
    let (name, limit) = (input.name.clone(), input.records);
    let stopped_error = |_| SourceError::Stopped {
        name: input.name.clone(),
    };
    let drafting = tokio::task::spawn_blocking(move || draft(&name, &files, limit));
    drafting.await.map_err(stopped_error)?
}

/// Location and reason of the first unreadable file.
fn describe_damage(files: &[(String, String)]) -> Option<String> {
    let (file, reason) = files.first()?;
    Some(format!("{}: {reason}", excerpt(file)))
}

fn draft(name: &str, files: &InputFiles, limit: Option<u64>) -> Result<Draft, SourceError> {
    let mut sample = sample::read_sample(files, limit)?;
    let parse = |text: &str| {
        contract::parse(name, name, text).map_err(|diagnostics| SourceError::Contract {
            file: name.to_string(),
            diagnostics,
        })
    };
    for attempt in 1.. {
        let Some(body) = write::draft(name, &sample) else {
            break;
        };
        let contract = parse(&body)?;
        let check = check_sample(files, &contract, &sample)?;
        // Fields with values that do not conform to their types are kept unchanged.
        if attempt < ATTEMPTS_MAX && sample.keep_unchanged(&check.misread) {
            continue;
        }
        // Any contract refuses unparsable records.
        let refused = check.refused - sample.broken.min(check.refused);
        let do_not = if refused == 1 { "does not" } else { "do not" };
        let summary = format!(
            "{} of the sample {do_not} conform to this draft.",
            records(refused)
        );
        let sentences = std::iter::once(summary)
            .chain(check.first)
            .filter(|_| refused > 0);
        let text = write::header(&sample, &sentences.collect::<Vec<_>>()) + &body;
        return Ok(Draft {
            contract: parse(&text)?,
            text,
            records: sample.records,
            files: sample.files.len() as u64,
            broken: sample.broken,
            refused,
        });
    }
    Err(SourceError::NothingToDescribe {
        name: name.to_string(),
        broken: sample.broken,
        first: sample
            .first_broken
            .or_else(|| describe_damage(&sample.damaged)),
    })
}

/// The result of checking the sample against a draft.
#[derive(Default)]
struct SampleCheck {
    /// Number of refused records: zero, except for records whose errors show only once their fields
    /// are declared, such as a duplicate field.
    refused: u64,
    /// Location and reason of the first of them.
    first: Option<String>,
    /// Names in records of the fields with values that do not conform.
    misread: BTreeSet<String>,
}

/// Checks the sample against a draft.
fn check_sample(
    files: &InputFiles,
    contract: &Contract,
    sample: &Sample,
) -> Result<SampleCheck, SourceError> {
    let mut check = SampleCheck::default();
    for (file, last) in &sample.files {
        files.read(
            std::slice::from_ref(file),
            contract,
            &mut |event| match event {
                ReadEvent::Records(parsed) => {
                    let rows = parsed.refused.iter().filter(|row| row.line <= *last);
                    rows.for_each(|row| check.add_refusal(contract, row, &file.0.name));
                    let line = parsed.lines.last().copied().unwrap_or(0);
                    line < *last
                }
                ReadEvent::End { .. } => false,
            },
        )?;
    }
    Ok(check)
}

impl SampleCheck {
    fn add_refusal(&mut self, contract: &Contract, row: &RefusedRecord, file: &str) {
        self.refused += 1;
        let violation = &row.violation;
        self.first.get_or_insert_with(|| {
            let (name, line) = (excerpt(file), row.line);
            let (field, reason) = (excerpt(&violation.field), excerpt(&violation.message));
            format!("The first: {name}, line {line}, field {field}: {reason}")
        });
        if matches!(violation.reason, Reason::BrokenJson | Reason::BrokenCsv) {
            return;
        }
        let fields = contract.fields.iter().filter(|field| {
            let rest = violation.field.strip_prefix(field.name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        self.misread
            .extend(fields.map(|field| field.source_name().to_string()));
    }
}

/// Maps fields of records to valid names: their own if possible, else derived names. Fields
/// without a possible name are omitted.
fn field_names<'n>(names: impl Iterator<Item = &'n String> + Clone) -> BTreeMap<&'n str, String> {
    let known_names: BTreeSet<&str> = names.clone().map(String::as_str).collect();
    let mut valid_names = BTreeMap::new();
    let mut used = BTreeSet::new();
    for name in names.map(String::as_str) {
        if valid_names.contains_key(name) || name.is_empty() || name.contains('\0') {
            continue;
        }
        let without_dots = name.replace('.', "_");
        let without_dots = without_dots.trim_start_matches('_');
        let numbered = (2..).map(|n| format!("{without_dots}_{n}"));
        let mut possible = [name.to_string(), without_dots.to_string()]
            .into_iter()
            .chain(numbered);
        let is_free = |new: &String| {
            is_valid_name(new)
                && (new == name || !(known_names.contains(new.as_str()) || used.contains(new)))
        };
        let valid_name = if without_dots.is_empty() && !is_valid_name(name) {
            None
        } else {
            possible.find(is_free)
        };
        if let Some(valid_name) = valid_name {
            used.insert(valid_name.clone());
            valid_names.insert(name, valid_name);
        }
    }
    valid_names
}

/// Formats a count, such as "819 records".
fn records(n: u64) -> String {
    plural(n, "record").replace('\u{a0}', " ")
}

/// Shortens text from records to one line for a comment.
fn excerpt(text: &str) -> String {
    let start: String = text.chars().take(100).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}

/// Formats text as a TOML string.
fn toml_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Invisible characters and characters that change text direction are written as
            // escapes.
            c if c != '\'' && c.escape_debug().len() > 1 => {
                out.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
