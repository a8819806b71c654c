//! Fields that the contract does not declare: counted, kept, or a reason to refuse the record.

use super::quarantine::{Reason, Violation, join_path, truncate};
use crate::contract::UnknownFields;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Number of records with each undeclared field.
pub type UnknownCounts = BTreeMap<String, u64>;

/// Maximum number of distinct names that are counted separately.
const UNKNOWN_NAMES_MAX: usize = 1000;
/// Maximum length of a name, in characters.
const NAME_LENGTH_MAX: usize = 100;

/// Counts an undeclared field in `n` records.
pub fn count_unknown(unknown: &mut UnknownCounts, name: &str, n: u64) {
    if let Some(count) = unknown.get_mut(name) {
        *count += n;
    } else if unknown.len() < UNKNOWN_NAMES_MAX {
        unknown.insert(name.to_string(), n);
    } else {
        *unknown.entry("(other fields)".to_string()).or_default() += n;
    }
}

/// Collects the undeclared fields of records while they are read.
#[derive(Debug, Default)]
pub(super) struct ExtraFields {
    pub policy: UnknownFields,
    pub counts: UnknownCounts,
    /// Names in the order of their first occurrence.
    pub names: Vec<String>,
    /// Paths and values of kept fields of the current record. Paths are relative to the object
    /// being read, and are prefixed when it ends.
    kept: Vec<(String, Value)>,
}

impl ExtraFields {
    pub fn new(policy: UnknownFields) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// Starts a new record.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// Counts a field; `outer` is the path of the containing object, empty for the record itself.
    pub fn count(&mut self, outer: &str, name: &str, n: u64) {
        let path;
        let counted = if outer.is_empty() && name.len() <= NAME_LENGTH_MAX {
            name
        } else {
            let dot = if outer.is_empty() { "" } else { "." };
            path = format!("{outer}{dot}{}", truncate(name, NAME_LENGTH_MAX));
            &path
        };
        if !self.counts.contains_key(counted) && self.counts.len() < UNKNOWN_NAMES_MAX {
            self.names.push(counted.to_string());
        }
        count_unknown(&mut self.counts, counted, n);
    }

    /// The violation of a record with an undeclared field, if the contract refuses such records.
    pub fn refusal(name: &str) -> Violation {
        let message = "the contract does not declare this field; \
                       declare it, or set `unknown` to \"count\" or \"keep\"";
        Violation::new(Reason::UnknownField, message).at_field(&truncate(name, NAME_LENGTH_MAX))
    }

    /// Keeps a field; [`Self::set_last_value`] may replace its value.
    pub fn keep(&mut self, name: &str, value: Value) {
        self.kept.push((name.to_string(), value));
    }

    /// Sets the value of the last kept field.
    pub fn set_last_value(&mut self, value: Value) {
        if let Some((_, last)) = self.kept.last_mut() {
            *last = value;
        }
    }

    /// Number of kept fields of the current record.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Prefixes the paths of the kept fields from index `start` on with `outer`, the path of the
    /// containing object.
    pub fn prefix_paths(&mut self, start: usize, outer: &str) {
        for (path, _) in self.kept.iter_mut().skip(start) {
            *path = join_path(outer, path);
        }
    }

    /// Takes the kept fields of the record as one JSON object; `None` if no field was kept.
    pub fn take(&mut self) -> Result<Option<Value>, Violation> {
        if self.kept.is_empty() {
            return Ok(None);
        }
        let mut object = Map::new();
        for (path, value) in self.kept.drain(..) {
            if object.contains_key(&path) {
                let duplicate = Violation::new(Reason::BrokenJson, "the field occurs twice");
                return Err(duplicate.at_field(&truncate(&path, NAME_LENGTH_MAX)));
            }
            object.insert(path, value);
        }
        Ok((!object.is_empty()).then_some(Value::Object(object)))
    }
}
