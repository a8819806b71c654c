//! Protects personal data: it is replaced with hashes or nulls in datasets, and with placeholders
//! in messages and in the text of refused records.
//!
//! Messages about refused records contain as little as possible. Names of fields are kept, but
//! values of protected fields are removed. Values of undeclared fields are removed, too, because
//! such a field may be a protected field with a misspelt name. An unparsable record is omitted.

use super::{
    csv::Header,
    pseudonyms::non_empty,
    quarantine::{Reason, Violation, excerpt},
};
use crate::contract::{Contract, Field, FieldKind, Personal};
use retrocast_domain::number::list;
use serde_json::Value;

/// Placeholder for a hidden value.
const HIDDEN: &str = "(personal data)";
/// Placeholder for the value of a field that the contract does not declare.
const UNDECLARED: &str = "(not in the contract)";
/// Minimum length of a key, in bytes; a shorter key causes a warning.
const KEY_BYTES: usize = 16;

/// Returns true if a field of the contract, at any depth, is kept as a hash.
pub fn is_hashed(contract: &Contract) -> bool {
    let mut hashed = Vec::new();
    collect_paths(&contract.fields, "", Personal::Hash, &mut hashed);
    !hashed.is_empty()
}

/// A warning for the owner of a source about how its personal data is hashed.
pub fn warning(contract: &Contract, source: &str, key: Option<&[u8]>) -> Option<String> {
    let mut hashed = Vec::new();
    collect_paths(&contract.fields, "", Personal::Hash, &mut hashed);
    if hashed.is_empty() {
        return None;
    }
    let are = if hashed.len() == 1 { "is" } else { "are" };
    let hashed = list(&hashed);
    match non_empty(key) {
        None => Some(format!(
            "Personal data in {hashed} of source {source:?} {are} hashed without a key: short values, \
             such as phone numbers, can be guessed from their hashes. Set RETROCAST_HASH_KEY to a \
             long random text."
        )),
        Some(key) if key.len() < KEY_BYTES => Some(format!(
            "Personal data in {hashed} of source {source:?} {are} hashed with a key of {} bytes, \
             which can be guessed. Set RETROCAST_HASH_KEY to a random text of {KEY_BYTES} bytes or \
             more.",
            key.len()
        )),
        Some(_) => None,
    }
}

/// Collects the paths of the fields with the given treatment.
fn collect_paths(fields: &[Field], outer: &str, treatment: Personal, out: &mut Vec<String>) {
    for field in fields {
        let dot = if outer.is_empty() { "" } else { "." };
        let path = format!("{outer}{dot}{}", field.name);
        if field.personal == treatment {
            out.push(path);
        } else if field.personal == Personal::Keep {
            collect_paths(children(&field.kind), &path, treatment, out);
        }
    }
}

/// The fields of a struct, or of a list of structs.
fn children(kind: &FieldKind) -> &[Field] {
    match kind {
        FieldKind::Struct(fields) => fields,
        FieldKind::List(item) => children(&item.kind),
        _ => &[],
    }
}

/// Returns true if a field, or a field within it, is protected.
fn is_protected(field: &Field) -> bool {
    field.personal != Personal::Keep || children(&field.kind).iter().any(is_protected)
}

/// Removes personal data from messages about refused records.
pub(super) struct Redactor<'a> {
    fields: &'a [Field],
    note: String,
}

impl<'a> Redactor<'a> {
    /// Creates a redactor; `None` if the contract protects no field.
    pub fn new(contract: &'a Contract) -> Option<Self> {
        let mut names = Vec::new();
        collect_paths(&contract.fields, "", Personal::Hash, &mut names);
        collect_paths(&contract.fields, "", Personal::Drop, &mut names);
        if names.is_empty() {
            return None;
        }
        let note = format!(
            "(omitted: the record cannot be parsed and may hold personal data: {})",
            names.join(", ")
        );
        Some(Self {
            fields: &contract.fields,
            note: excerpt(note.as_bytes()),
        })
    }

    /// Redacts a record that is a JSON object and returns its start, or a note for anything else.
    pub fn redact_json(&self, raw: &[u8]) -> String {
        match serde_json::from_slice(raw) {
            Ok(mut record @ Value::Object(_)) => {
                redact_fields(&mut record, self.fields);
                excerpt(record.to_string().as_bytes())
            }
            _ => self.note.clone(),
        }
    }

    /// Redacts a record of a CSV file and returns its start.
    pub fn redact_csv(&self, raw: &[u8], header: &Header) -> String {
        let redacted = std::str::from_utf8(raw).ok().and_then(|text| {
            header.rewrite(text, self.fields, &|field, cell| match field {
                None => UNDECLARED.to_string(),
                Some(field) => redact_cell(cell, field),
            })
        });
        redacted.map_or_else(|| self.note.clone(), |text| excerpt(text.as_bytes()))
    }

    /// Removes values from a message.
    pub fn redact_message(&self, violation: &mut Violation) {
        let description = match violation.reason {
            // These messages contain no values.
            Reason::MissingRequired | Reason::UnknownField | Reason::InvalidUtf8 => return,
            Reason::BrokenJson if violation.field.is_empty() => {
                // The parser's message shows a value that is not a record.
                if violation.message.starts_with("invalid type") {
                    violation.message = "the record is not a JSON object".to_string();
                }
                return;
            }
            _ if !may_be_personal(self.fields, &violation.field) => return,
            Reason::WrongType => "does not have the declared type",
            Reason::OutOfRange => "is out of range",
            Reason::NotAllowed => "is not allowed",
            Reason::TooLong => "is too long",
            Reason::TooShort => "is too short",
            Reason::BrokenJson | Reason::BrokenCsv => "cannot be parsed",
        };
        violation.message = format!("the value {description}; it is personal data and not shown");
    }
}

/// Returns true if a path leads to or through a protected field, or to a field that contains one.
/// Names may look like parts of a path, so every interpretation is considered. A path that matches
/// no field is treated as personal, too.
fn may_be_personal(fields: &[Field], path: &str) -> bool {
    if path.is_empty() {
        return false;
    }
    let mut matched = false;
    for field in fields {
        let Some(rest) = path.strip_prefix(field.name.as_str()) else {
            continue;
        };
        if !(rest.is_empty() || rest.starts_with(['.', '['])) {
            continue;
        }
        matched = true;
        let deeper = match rest.split_once('.') {
            Some((_, deeper)) => may_be_personal(children(&field.kind), deeper),
            None => is_protected(field),
        };
        if deeper || field.personal != Personal::Keep {
            return true;
        }
    }
    !matched
}

fn redact_fields(record: &mut Value, fields: &[Field]) {
    for (name, value) in record.as_object_mut().into_iter().flatten() {
        match fields.iter().find(|field| field.source_name() == name) {
            Some(field) => redact(value, field),
            None => *value = Value::from(UNDECLARED),
        }
    }
}

/// Replaces personal data in a value, even if the value does not have the declared type.
fn redact(value: &mut Value, field: &Field) {
    let has_no_personal_data = !is_protected(field) && children(&field.kind).is_empty();
    if value.is_null() || has_no_personal_data {
        return;
    }
    match (&field.kind, &mut *value) {
        _ if field.personal != Personal::Keep => *value = Value::from(HIDDEN),
        (FieldKind::Struct(fields), Value::Object(_)) => redact_fields(value, fields),
        (FieldKind::List(item), Value::Array(items)) => {
            items.iter_mut().for_each(|value| redact(value, item));
        }
        _ if is_protected(field) => *value = Value::from(HIDDEN),
        _ => {}
    }
}

fn redact_cell(cell: &str, field: &Field) -> String {
    if cell.is_empty() || !is_protected(field) {
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
