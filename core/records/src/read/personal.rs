//! Personal data is kept out: of datasets by hashes and nulls, of messages and of the text of refused
//! records by words in its place.
//!
//! Messages about refused records contain the minimum: names of fields stay, values of protected fields
//! are removed, and so are values of unlisted fields, since one of them may be a protected field with a
//! misspelt name. An unparsable record is omitted completely.

use super::{
    csv::Header,
    pseudonyms::present,
    quarantine::{Reason, Violation, raw as beginning},
};
use crate::contract::{Contract, Field, FieldKind, Personal};
use retrocast_domain::number::list;
use serde_json::Value;

/// In place of a value that is not shown.
const HIDDEN: &str = "(personal data)";
/// In place of the value of a field that the contract does not name.
const UNNAMED: &str = "(not in the contract)";
/// A key with fewer bytes is worth a warning.
const KEY_BYTES: usize = 16;

/// Returns true if a field of the contract, at any depth, is kept as a hash.
pub fn is_hashed(contract: &Contract) -> bool {
    let mut hashed = Vec::new();
    paths(&contract.fields, "", Personal::Hash, &mut hashed);
    !hashed.is_empty()
}

/// The warning for the owner of a source about how its personal data is hashed.
pub fn warning(contract: &Contract, source: &str, key: Option<&[u8]>) -> Option<String> {
    let mut hashed = Vec::new();
    paths(&contract.fields, "", Personal::Hash, &mut hashed);
    if hashed.is_empty() {
        return None;
    }
    let are = if hashed.len() == 1 { "is" } else { "are" };
    let hashed = list(&hashed);
    match present(key) {
        None => Some(format!(
            "Personal data in {hashed} of source {source:?} {are} hashed without a key: short values, \
             such as phone numbers, can be guessed from their hashes. Set RETROCAST_HASH_KEY to a \
             long random text."
        )),
        Some(key) if key.len() < KEY_BYTES => Some(format!(
            "Personal data in {hashed} of source {source:?} {are} hashed with a key of {} bytes, \
             which can be guessed. Set RETROCAST_HASH_KEY to a random text of {KEY_BYTES} or more.",
            key.len()
        )),
        Some(_) => None,
    }
}

/// Paths of the fields that are guarded in one way.
fn paths(fields: &[Field], outer: &str, how: Personal, out: &mut Vec<String>) {
    for field in fields {
        let dot = if outer.is_empty() { "" } else { "." };
        let path = format!("{outer}{dot}{}", field.name);
        if field.personal == how {
            out.push(path);
        } else if field.personal == Personal::Keep {
            paths(children(&field.kind), &path, how, out);
        }
    }
}

/// The fields of a struct, or of a list of them.
fn children(kind: &FieldKind) -> &[Field] {
    match kind {
        FieldKind::Struct(fields) => fields,
        FieldKind::List(item) => children(&item.kind),
        _ => &[],
    }
}

/// Returns true if a field, or one within it, is guarded.
fn guarded(field: &Field) -> bool {
    field.personal != Personal::Keep || children(&field.kind).iter().any(guarded)
}

/// Removes personal data from messages about refused records.
pub(super) struct Redactor<'a> {
    fields: &'a [Field],
    note: String,
}

impl<'a> Redactor<'a> {
    /// `None` when the contract guards nothing.
    pub fn of(contract: &'a Contract) -> Option<Self> {
        let mut names = Vec::new();
        paths(&contract.fields, "", Personal::Hash, &mut names);
        paths(&contract.fields, "", Personal::Drop, &mut names);
        if names.is_empty() {
            return None;
        }
        let note = format!(
            "(left out: the record cannot be taken apart, and may hold personal data: {})",
            names.join(", ")
        );
        Some(Self {
            fields: &contract.fields,
            note: beginning(note.as_bytes()),
        })
    }

    /// The beginning of a record that is one JSON object; of anything else, a note.
    pub fn json(&self, raw: &[u8]) -> String {
        match serde_json::from_slice(raw) {
            Ok(mut record @ Value::Object(_)) => {
                redact_fields(&mut record, self.fields);
                beginning(record.to_string().as_bytes())
            }
            _ => self.note.clone(),
        }
    }

    /// The beginning of a record of a CSV file.
    pub fn csv(&self, raw: &[u8], header: &Header) -> String {
        let shown = std::str::from_utf8(raw).ok().and_then(|text| {
            header.rewritten(text, self.fields, &|field, cell| match field {
                None => UNNAMED.to_string(),
                Some(field) => redacted_cell(cell, field),
            })
        });
        shown.map_or_else(|| self.note.clone(), |text| beginning(text.as_bytes()))
    }

    /// Takes values out of a message.
    pub fn hide(&self, violation: &mut Violation) {
        let told = match violation.reason {
            // Their messages hold no values.
            Reason::MissingRequired | Reason::UnknownField | Reason::InvalidUtf8 => return,
            Reason::BrokenJson if violation.field.is_empty() => {
                // A value that is no record is shown by the parser's message.
                if violation.message.starts_with("invalid type") {
                    violation.message = "the record is not a JSON object".to_string();
                }
                return;
            }
            _ if !concerns(self.fields, &violation.field) => return,
            Reason::WrongType => "has another type than the contract's",
            Reason::OutOfRange => "is out of range",
            Reason::NotAllowed => "is not allowed",
            Reason::TooLong => "is too long",
            Reason::TooShort => "is too short",
            Reason::BrokenJson | Reason::BrokenCsv => "cannot be taken apart",
        };
        violation.message = format!("the value {told}; it is personal data and not shown");
    }
}

/// Returns true if a path leads to or through a guarded field, or to one that holds such fields.
/// Names may look like parts of a path, so every reading of it counts; a path that leads nowhere
/// does, too.
fn concerns(fields: &[Field], path: &str) -> bool {
    if path.is_empty() {
        return false;
    }
    let mut led = false;
    for field in fields {
        let Some(rest) = path.strip_prefix(field.name.as_str()) else {
            continue;
        };
        if !(rest.is_empty() || rest.starts_with(['.', '['])) {
            continue;
        }
        led = true;
        let deeper = match rest.split_once('.') {
            Some((_, deeper)) => concerns(children(&field.kind), deeper),
            None => guarded(field),
        };
        if deeper || field.personal != Personal::Keep {
            return true;
        }
    }
    !led
}

fn redact_fields(record: &mut Value, fields: &[Field]) {
    for (name, value) in record.as_object_mut().into_iter().flatten() {
        match fields.iter().find(|field| field.key() == name) {
            Some(field) => redact(value, field),
            None => *value = Value::from(UNNAMED),
        }
    }
}

/// Replaces personal data in a value, also when it has not the shape it should have.
fn redact(value: &mut Value, field: &Field) {
    let nothing_within = !guarded(field) && children(&field.kind).is_empty();
    if value.is_null() || nothing_within {
        return;
    }
    match (&field.kind, &mut *value) {
        _ if field.personal != Personal::Keep => *value = Value::from(HIDDEN),
        (FieldKind::Struct(fields), Value::Object(_)) => redact_fields(value, fields),
        (FieldKind::List(item), Value::Array(items)) => {
            items.iter_mut().for_each(|value| redact(value, item));
        }
        _ if guarded(field) => *value = Value::from(HIDDEN),
        _ => {}
    }
}

fn redacted_cell(cell: &str, field: &Field) -> String {
    if cell.is_empty() || !guarded(field) {
        return cell.to_string();
    }
    match serde_json::from_str(cell) {
        Ok(mut value) if field.personal == Personal::Keep => {
            redact(&mut value, field);
            value.to_string()
        }
        _ => HIDDEN.to_string(),
    }
}

#[cfg(test)]
#[path = "personal_tests.rs"]
mod tests;
