//! A draft of a contract, from records as they are.
//!
//! Records are taken from all files of a source, evenly, through the same reader that takes them in
//! later, under a contract that names nothing and keeps everything: so whatever can be read can be
//! described. What is decided, and by what rule:
//!
//! - **Types**: the narrowest that fits all values. Values that no type fits alone are `json`, or in
//!   CSV files `string`, and a comment counts what they are. Digits with zeros before them, or with
//!   more than 15 places, are names and no numbers. Objects with many keys, each of them in few
//!   objects, are maps and are kept as JSON.
//! - **`required`** where the field was always there, with how often that was.
//! - **`allowed`** where 2 to 12 different texts were seen, each twice or more, ten times on average.
//! - **Limits of length** of four times the longest text, rounded up to a power of two; **`min = 0`**
//!   for what is counted or measured from zero by its unit or name. Other numbers only get a comment
//!   with their range.
//! - **The key**: unique over the sample, and named like one; else the first text without spaces that
//!   is unique, a time, or two of these together, when there are 20 records or more.
//! - **The time**: of the times that every record has the one with the surest name.
//! - **Personal data**: by names, and by texts of which half look like addresses of mail or networks,
//!   or numbers to be called.
//!
//! The draft is held to the records that it was made from before it is given out, and says so when
//! some do not meet it.

mod choose;
mod kind;
mod looks;
mod profile;
mod sample;
mod write;

use crate::{
    contract::{self, Contract, nameable},
    error::SourceError,
    input::{Found, Input},
    read::{Told, value},
};
use retrocast_domain::number::plural;
use sample::Sample;
use std::path::Path;

/// Records that are looked at when nobody says how many.
pub const RECORDS: u64 = 10_000;

/// A draft of a contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The contract's text, with comments.
    pub text: String,
    /// What it says.
    pub contract: Contract,
    /// Records that it was made from.
    pub records: u64,
    /// Files that they were taken from.
    pub files: u64,
    /// Records that could not be taken apart.
    pub broken: u64,
    /// Records of those that it was made from which it would refuse.
    pub unmet: u64,
}

/// Drafts a contract for what a URI names; relative URIs begin at `base`. The contract has the
/// input's name.
pub async fn infer(input: &Input, base: &Path) -> Result<Draft, SourceError> {
    let found = input.find(base).await?;
    let (name, most) = (input.name.clone(), input.records);
    let stopped = |_| SourceError::Stopped {
        name: input.name.clone(),
    };
    let drafting = tokio::task::spawn_blocking(move || draft(&name, &found, most));
    drafting.await.map_err(stopped)?
}

/// Where and why the first file could not be read.
fn damaged(files: &[(String, String)]) -> Option<String> {
    let (file, reason) = files.first()?;
    Some(format!("{}: {reason}", shown(file)))
}

fn draft(name: &str, found: &Found, most: Option<u64>) -> Result<Draft, SourceError> {
    let sample = sample::take(found, most)?;
    let Some(body) = write::draft(name, &sample) else {
        return Err(SourceError::NothingToDescribe {
            name: name.to_string(),
            broken: sample.broken,
            first: sample.first_broken.or_else(|| damaged(&sample.damaged)),
        });
    };
    let parsed = |text: &str| {
        contract::parse(name, name, text).map_err(|diagnostics| SourceError::Contract {
            file: name.to_string(),
            diagnostics,
        })
    };
    let contract = parsed(&body)?;
    let (unmet, told) = unmet(found, &contract, &sample)?;
    let text = write::head(&sample, &told) + &body;
    Ok(Draft {
        contract: parsed(&text)?,
        text,
        records: sample.records,
        files: sample.files.len() as u64,
        broken: sample.broken,
        unmet,
    })
}

/// How many records of the sample a draft refuses, and sentences about it. It is none, but for records
/// that no contract can tell from sound ones before it names their fields, such as those that have a
/// field twice.
fn unmet(
    found: &Found,
    contract: &Contract,
    sample: &Sample,
) -> Result<(u64, Vec<String>), SourceError> {
    let mut refused = 0;
    let mut first = None;
    for (file, last) in &sample.files {
        found.read(
            std::slice::from_ref(file),
            contract,
            &mut |told| match told {
                Told::Records(parsed) => {
                    let rows = parsed.refused.iter().filter(|row| row.line <= *last);
                    for row in rows {
                        refused += 1;
                        first.get_or_insert_with(|| {
                            let v = &row.violation;
                            let (name, line) = (shown(&file.0.name), row.line);
                            let (field, why) = (shown(&v.field), shown(&v.message));
                            format!("The first: {name}, line {line}, field {field}: {why}")
                        });
                    }
                    let line = parsed.lines.last().copied().unwrap_or(0);
                    line < *last
                }
                Told::End { .. } => false,
            },
        )?;
    }
    // Those that cannot be taken apart are refused by any contract.
    let unmet = refused - sample.broken.min(refused);
    if unmet == 0 {
        return Ok((0, Vec::new()));
    }
    let do_not = if unmet == 1 { "does not" } else { "do not" };
    let told = format!("{} of the sample {do_not} meet this draft.", records(unmet));
    Ok((unmet, std::iter::once(told).chain(first).collect()))
}

/// "819 records".
fn records(n: u64) -> String {
    plural(n, "record").replace('\u{a0}', " ")
}

/// A text from records within a comment: on one line, and not endless.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(100).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// A text as a string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // What cannot be seen, or would turn what is seen, is written by its number.
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
