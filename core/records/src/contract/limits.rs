//! Parses limits of numbers, times and strings, and checks that they fit the type of the field.

use super::{
    Field, FieldKind,
    reader::{ContractReader, Value, innermost},
};
use crate::read::{
    time::{self, DAY_MICROS, Time},
    value,
};
use jiff::tz::TimeZone;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Plausible times of records, in microseconds since 1970 UTC: 1970 to 2099.
const PLAUSIBLE: Range<i64> = 0..4_102_444_800_000_000;

impl ContractReader<'_> {
    /// Parses everything about a field except its type.
    pub(super) fn parse_field(&mut self, name: &str, table: &DeTable, kind: &str) -> Field {
        let notation = self.notation(name, kind, table);
        let required = match table.get("required") {
            None => false,
            Some(value) => value.get_ref().as_bool().unwrap_or_else(|| {
                self.wrong_type("required", value, "true or false");
                false
            }),
        };
        let (allowed, allowed_integers) = self.allowed_values(table);
        let (mut min, mut max, mut earliest, mut latest) = (None, None, None, None);
        if matches!(kind, "timestamp" | "date") {
            // Days have no zone.
            let zone = notation.zone_rules().filter(|_| kind == "timestamp");
            earliest = self.time_limit(table, "min", zone).map(|day| day.0);
            latest = self.time_limit(table, "max", zone).map(|day| day.1);
        } else {
            (min, max) = (self.number(table, "min"), self.number(table, "max"));
        }
        let is_empty = min.zip(max).is_some_and(|(min, max)| min > max)
            || earliest.zip(latest).is_some_and(|(min, max)| min > max);
        if let (true, Some(min), Some(max)) = (is_empty, table.get("min"), table.get("max")) {
            let message = format!(
                "`max` {} is below `min` {}",
                limit_text(max),
                limit_text(min)
            );
            self.error(max.span(), message, None);
        }
        let (min_length, max_length) = self.lengths(table);
        Field {
            name: name.to_string(),
            from: self.from(name, table),
            notation,
            table: self.outer.clone(),
            kind: FieldKind::Json,
            required,
            description: self
                .text(table, "description")
                .map(|(_, text)| text)
                .unwrap_or_default(),
            unit: self.text(table, "unit").map(|(_, text)| text),
            allowed,
            allowed_integers,
            min,
            max,
            earliest,
            latest,
            min_length,
            max_length,
            pattern: self.pattern(table),
            default: None,
            personal: self.personal(table),
        }
    }

    /// The name of a field in records, if it differs from the field's name.
    fn from(&mut self, name: &str, table: &DeTable) -> Option<String> {
        let (span, from) = self.text(table, "from")?;
        if from.is_empty() || from.contains('\0') {
            self.error(
                span,
                format!("{from:?} is not a valid name of a field in records"),
                None,
            );
            return None;
        }
        Some(from).filter(|from| from != name)
    }

    /// Parses a limit, which is a time or a whole day in a zone, to its first and last microsecond
    /// since 1970.
    fn time_limit(
        &mut self,
        table: &DeTable,
        key: &str,
        zone: Option<&TimeZone>,
    ) -> Option<(i64, i64)> {
        let value = table.get(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => String::new(),
        };
        let begin = |days: i64| Time::Local(days * DAY_MICROS).in_zone(zone);
        let limit = match value::date(&text).map(i64::from) {
            Some(day) => Some((begin(day), begin(day + 1) - 1)),
            None => time::parse_unambiguous(&text).map(|at| (at.in_zone(zone), at.in_zone(zone))),
        };
        if limit.is_none() {
            self.wrong_type(key, value, "a day or time such as 1990-01-01");
        }
        limit
    }

    pub(super) fn number(&mut self, table: &DeTable, key: &str) -> Option<f64> {
        let value = table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(|n| n as f64),
            DeValue::Float(float) => float.as_str().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(key, value, "a finite number");
        }
        number
    }

    fn allowed_values(&mut self, table: &DeTable) -> (Vec<String>, Vec<i64>) {
        let (mut texts, mut integers) = (Vec::new(), Vec::new());
        let Some(value) = table.get("allowed") else {
            return (texts, integers);
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type("allowed", value, "a list of strings or integers");
            return (texts, integers);
        };
        if items.is_empty() {
            self.error(
                value.span(),
                "`allowed` is empty, so every record would be refused",
                None,
            );
        }
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => texts.push(text.to_string()),
                DeValue::Integer(integer) => {
                    integers.extend(i64::from_str_radix(integer.as_str(), integer.radix()));
                }
                _ => self.wrong_type("allowed", item, "strings or integers"),
            }
        }
        (texts, integers)
    }

    /// Reports limits that do not apply to the type.
    pub(super) fn check_limits(&mut self, field: &Field, table: &DeTable) {
        let kind = innermost(&field.kind);
        let numeric = matches!(kind, FieldKind::Integer | FieldKind::Number);
        let temporal = matches!(kind, FieldKind::Timestamp | FieldKind::Date);
        let mut report = |key: &str, types: &str| {
            if let Some(value) = table.get(key) {
                let message = format!("`{key}` does not apply to field `{}`", field.name);
                self.error(
                    value.span(),
                    message,
                    Some(format!("`{key}` is for {types}")),
                );
            }
        };
        if !numeric && !temporal {
            report("min", "numbers, timestamps and dates");
            report("max", "numbers, timestamps and dates");
        }
        if !numeric {
            report("unit", "numbers");
        }
        let allowed_fits = match kind {
            FieldKind::String => field.allowed_integers.is_empty(),
            FieldKind::Integer => field.allowed.is_empty(),
            _ => false,
        };
        if !allowed_fits {
            report(
                "allowed",
                "strings (a list of strings) and integers (a list of integers)",
            );
        }
        self.check_text_limits(field, table);
    }
}

/// Limits a record's time to plausible values, unless the contract limits it.
pub(super) fn limit_to_plausible_times(field: &mut Field) {
    let (earliest, latest) = (field.earliest, field.latest);
    if earliest.is_none() && latest.is_none_or(|latest| latest >= PLAUSIBLE.start) {
        field.earliest = Some(PLAUSIBLE.start);
    }
    if latest.is_none() && earliest.is_none_or(|earliest| earliest < PLAUSIBLE.end) {
        field.latest = Some(PLAUSIBLE.end - 1);
    }
}

/// A limit as written in the file.
fn limit_text(value: &Value) -> String {
    match value.get_ref() {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        other => other.type_str().to_string(),
    }
}
