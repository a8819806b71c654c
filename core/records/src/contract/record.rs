//! Parses the keys of a contract about whole records: key, time, latest, treatment of undeclared
//! fields, and expectations of the records as a whole.

use super::{
    Field, FieldKind, Personal, REST, UnknownFields,
    limits::limit_to_plausible_times,
    reader::{ContractReader, is_declared},
};
use crate::read;
use retrocast_domain::report::{Expectation, Silence};
use retrocast_domain::suggest::nearest;
use std::ops::Range;
use toml::de::DeTable;

const EXPECT_KEYS: [&str; 4] = [
    "fresh_hours",
    "daily_records_min",
    "daily_records_max",
    "silence",
];
const SILENCES: [(&str, Silence); 2] = [("unknown", Silence::Unknown), ("zero", Silence::Zero)];

impl ContractReader<'_> {
    pub(super) fn key(&mut self, root: &DeTable, fields: &mut [Field]) -> Vec<String> {
        let Some(value) = root.get("key") else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type("key", value, "a list of field names");
            return Vec::new();
        };
        let mut key = Vec::new();
        for item in items {
            let Some(name) = item.get_ref().as_str() else {
                self.wrong_type("key", item, "a list of field names");
                continue;
            };
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            let Some(field) = fields.iter_mut().find(|field| field.name == name) else {
                if !is_declared(root, name) {
                    self.report_missing_field(name, item.span(), &names);
                }
                continue;
            };
            match key_violation(field) {
                Some(reason) => {
                    let message = format!("`{name}` cannot be part of the key: {reason}");
                    self.error(item.span(), message, None);
                }
                None => {
                    field.required = true;
                    key.push(name.to_string());
                }
            }
        }
        key
    }

    pub(super) fn latest(
        &mut self,
        root: &DeTable,
        key: &[String],
        fields: &[Field],
    ) -> Option<String> {
        let (span, name) = self.text(root, "latest")?;
        if key.is_empty() && !root.contains_key("key") {
            let help = "it decides which of several records with the same key counts: add `key`";
            self.error(span, "`latest` without a `key`", Some(help.into()));
            return None;
        }
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            if !is_declared(root, &name) {
                let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
                self.report_missing_field(&name, span, &names);
            }
            return None;
        };
        let ordered = matches!(
            field.kind,
            FieldKind::Timestamp | FieldKind::Date | FieldKind::Integer | FieldKind::Number
        );
        if ordered && field.personal != Personal::Drop {
            return Some(name);
        }
        let help = if ordered {
            "its values are dropped: remove `personal`, or name another field"
        } else {
            "name a timestamp, date, integer or number"
        };
        let message = format!("`{name}` cannot decide which record is the latest");
        self.error(span, message, Some(help.into()));
        None
    }

    pub(super) fn time(&mut self, root: &DeTable, fields: &mut [Field]) -> Option<String> {
        let (span, name) = self.text(root, "time")?;
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let Some(field) = fields.iter_mut().find(|field| field.name == name) else {
            if !is_declared(root, &name) {
                self.report_missing_field(&name, span, &names);
            }
            return None;
        };
        if !matches!(field.kind, FieldKind::Timestamp | FieldKind::Date) {
            let message = format!("the time field `{name}` is not a timestamp or date");
            self.error(span, message, Some("give it type `timestamp`".into()));
            return None;
        }
        if field.personal == Personal::Drop {
            let message = format!("the time field `{name}` is dropped");
            let help = "remove its `personal`, or name another field";
            self.error(span, message, Some(help.into()));
            return None;
        }
        limit_to_plausible_times(field);
        let unfit = field
            .default
            .as_ref()
            .map(|value| read::check_value(value, field));
        if let Some(Err(violation)) = unfit {
            let message = format!(
                "the default of the time field `{name}` does not fit: {}",
                violation.message
            );
            let help =
                "times of records are between 1970 and 2099 unless `min` and `max` are declared";
            self.error(span, message, Some(help.into()));
        }
        Some(name)
    }

    /// Parses the treatment of fields that the contract does not declare.
    pub(super) fn unknown(&mut self, root: &DeTable, fields: &[Field]) -> UnknownFields {
        const CHOICES: [(&str, UnknownFields); 3] = [
            ("count", UnknownFields::Count),
            ("keep", UnknownFields::Keep),
            ("refuse", UnknownFields::Refuse),
        ];
        let unknown = self.choice(root, "unknown", &CHOICES).unwrap_or_default();
        let is_reserved = fields.iter().any(|field| field.name == REST);
        if let (true, UnknownFields::Keep, Some(value)) =
            (is_reserved, unknown, root.get("unknown"))
        {
            let message = format!("the field `{REST}` conflicts with `unknown = \"keep\"`");
            let help = format!("unknown fields are kept in a column `{REST}`: rename the field");
            self.error(value.span(), message, Some(help));
        }
        unknown
    }

    /// Parses the expectations of the records as a whole.
    pub(super) fn expect(&mut self, root: &DeTable) -> Expectation {
        let Some(value) = root.get("expect") else {
            return Expectation::default();
        };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type("expect", value, "a table");
            return Expectation::default();
        };
        self.report_unknown_keys(table, &EXPECT_KEYS, "`[expect]`");
        if !table.is_empty() && !root.contains_key("time") {
            let help = "the age of records, and their number per day, follow from their time: \
                        add `time`";
            self.error(
                value.span(),
                "`[expect]` without a `time`",
                Some(help.into()),
            );
        }
        let expectation = Expectation {
            fresh_hours: self.amount(table, "fresh_hours", false),
            daily_records_min: self.amount(table, "daily_records_min", true),
            daily_records_max: self.amount(table, "daily_records_max", true),
            silence: self.choice(table, "silence", &SILENCES).unwrap_or_default(),
        };
        let value = table.get("daily_records_max");
        if let (Some(min), Some(max), Some(value)) = (
            expectation.daily_records_min,
            expectation.daily_records_max,
            value,
        ) && min > max
        {
            let message = format!("`daily_records_max` {max} is below `daily_records_min` {min}");
            self.error(value.span(), message, None);
        }
        expectation
    }

    /// Parses a number above zero; with `allows_zero`, zero is allowed, too.
    fn amount(&mut self, table: &DeTable, key: &str, allows_zero: bool) -> Option<f64> {
        let number = self.number(table, key)?;
        if number > 0.0 || (allows_zero && number == 0.0) {
            return Some(number);
        }
        let range = if allows_zero { "0 or more" } else { "above 0" };
        let span = table.get(key).map_or(0..0, toml::Spanned::span);
        self.error(span, format!("`{key}` must be {range}"), None);
        None
    }

    /// Parses one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        table: &DeTable,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let (span, text) = self.text(table, key)?;
        if let Some((_, found)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*found);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = match nearest(&text, names.iter().copied()) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => format!("`{key}` may be: {}", names.join(", ")),
        };
        self.error(span, format!("`{key}` cannot be {text:?}"), Some(help));
        None
    }

    fn report_missing_field(&mut self, name: &str, span: Range<usize>, names: &[String]) {
        let help = match nearest(name, names.iter().map(String::as_str)) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => format!("fields are: {}", names.join(", ")),
        };
        self.error(span, format!("there is no field `{name}`"), Some(help));
    }
}

/// The reason why a field cannot be part of a key.
fn key_violation(field: &Field) -> Option<&'static str> {
    if matches!(field.kind, FieldKind::List(_) | FieldKind::Struct(_)) {
        Some("it holds several values")
    } else if field.personal == Personal::Drop {
        Some("its values are dropped")
    } else if field.default.is_some() {
        Some("all records with its default would count as one")
    } else {
        None
    }
}
