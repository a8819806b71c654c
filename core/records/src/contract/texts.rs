//! Parses limits of strings, defaults, and the treatment of personal data.

use super::{
    Field, FieldKind, Pattern, Personal,
    reader::{ContractReader, innermost},
};
use crate::read;
use serde_json::Value as Json;
use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

impl ContractReader<'_> {
    /// Parses a whole number of characters.
    pub(super) fn length(&mut self, table: &DeTable, key: &str) -> Option<usize> {
        let length = self.number(table, key)?;
        if length >= 1.0 && length.fract() == 0.0 {
            return Some(length as usize);
        }
        let span = table.get(key).map_or(0..0, Spanned::span);
        let message = format!("`{key}` must be a whole number of at least 1");
        self.error(span, message, None);
        None
    }

    /// Parses minimum and maximum length, in characters.
    pub(super) fn lengths(&mut self, table: &DeTable) -> (Option<usize>, Option<usize>) {
        let (min, max) = (
            self.length(table, "min_length"),
            self.length(table, "max_length"),
        );
        if let (Some(shortest), Some(longest), Some(value)) = (min, max, table.get("max_length"))
            && shortest > longest
        {
            let message = format!("`max_length` {longest} is below `min_length` {shortest}");
            self.error(value.span(), message, None);
        }
        (min, max)
    }

    pub(super) fn pattern(&mut self, table: &DeTable) -> Option<Pattern> {
        let (span, text) = self.text(table, "pattern")?;
        match Pattern::new(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let location = error.at.and_then(|at| self.locate(&span, &text, at));
                let message = format!("`pattern` cannot be used: {}", error.message);
                let help = "it is a regular expression that the whole text must match; \
                            a backslash needs 'single quotes' around it";
                self.error(location.unwrap_or(span), message, Some(help.into()));
                None
            }
        }
    }

    /// Locates the byte at `index` of a text in the file, if the file contains the text unchanged.
    pub(super) fn locate(
        &self,
        span: &Range<usize>,
        text: &str,
        index: usize,
    ) -> Option<Range<usize>> {
        let quoted = self.text.get(span.clone())?;
        let inside = quoted.get(1..quoted.len().checked_sub(1)?)?;
        let start = span.start + 1 + index.min(text.len());
        let width = text.get(index..).and_then(|rest| rest.chars().next());
        (inside == text).then(|| start..start + width.map_or(1, char::len_utf8))
    }

    pub(super) fn personal(&mut self, table: &DeTable) -> Personal {
        const CHOICES: [(&str, Personal); 3] = [
            ("keep", Personal::Keep),
            ("hash", Personal::Hash),
            ("drop", Personal::Drop),
        ];
        self.choice(table, "personal", &CHOICES).unwrap_or_default()
    }

    /// Parses the default and checks it against the field's limits, which must have been parsed.
    pub(super) fn default(&mut self, field: &mut Field, table: &DeTable) {
        let Some(value) = table.get("default") else {
            return;
        };
        if field.personal == Personal::Drop {
            let message = format!("field `{}` has a `default` but is dropped", field.name);
            let help = "remove `default`, or `personal = \"drop\"`";
            self.error(value.span(), message, Some(help.into()));
            return;
        }
        let Some(json) = json(value.get_ref()) else {
            self.wrong_type("default", value, "a finite number");
            return;
        };
        match read::check_value(&json, field) {
            Ok(()) => field.default = Some(json),
            Err(violation) => {
                let path = if violation.field.is_empty() {
                    String::new()
                } else {
                    format!(" at {}", violation.field)
                };
                let message = format!(
                    "`default` does not fit field `{}`{path}: {}",
                    field.name, violation.message
                );
                self.error(value.span(), message, None);
            }
        }
    }

    /// Reports limits of strings on fields that are not strings.
    pub(super) fn check_text_limits(&mut self, field: &Field, table: &DeTable) {
        let kind = innermost(&field.kind);
        let textual = matches!(kind, FieldKind::String | FieldKind::Json);
        let mut report = |key: &str, label: &str, help: &str| {
            if let Some(value) = table.get(key) {
                let message = format!("`{label}` does not apply to field `{}`", field.name);
                self.error(value.span(), message, Some(help.to_string()));
            }
        };
        if !textual {
            report("max_length", "max_length", "`max_length` is for strings");
            report("min_length", "min_length", "`min_length` is for strings");
        }
        if !matches!(kind, FieldKind::String) {
            report("pattern", "pattern", "`pattern` is for strings");
        }
        if field.personal == Personal::Hash && !textual {
            let help = "a hash is a text, so only strings and json can be hashed: use \"drop\"";
            report("personal", "personal = \"hash\"", help);
        }
    }
}

/// Converts a value of a contract to JSON; `None` for numbers that records cannot have.
fn json(value: &DeValue) -> Option<Json> {
    Some(match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Integer(integer) => {
            Json::from(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?)
        }
        DeValue::Float(float) => {
            serde_json::Number::from_f64(float.as_str().parse().ok()?).map(Json::Number)?
        }
        DeValue::Boolean(value) => Json::Bool(*value),
        DeValue::Datetime(time) => Json::String(time.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            Json::Array(items.collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let pairs = table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)));
            Json::Object(pairs.collect::<Option<_>>()?)
        }
    })
}
