//! The typed params of a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number, with or without a fraction.
    Number,
    /// true or false.
    Boolean,
    /// A day, such as 2026-11-21.
    Date,
}

impl ParamKind {
    /// The expected type, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date such as 2026-11-21",
        }
    }

    /// Returns true if a value is of this type.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Date => value
                .as_str()
                .is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
        }
    }

    /// Parses a value given on the command line.
    pub fn parse(self, text: &str) -> Option<Value> {
        let value = match self {
            Self::String | Self::Date => Value::String(text.to_string()),
            Self::Integer => Value::from(text.parse::<i64>().ok()?),
            Self::Number => Value::Number(serde_json::Number::from_f64(text.parse().ok()?)?),
            Self::Boolean => Value::Bool(text.parse().ok()?),
        };
        self.accepts(&value).then(|| self.normalise(value))
    }

    /// Normalises a number: 3.0 and 3 are the same value, so that both give one fingerprint.
    pub fn normalise(self, value: Value) -> Value {
        match value.as_f64() {
            Some(number)
                if self == Self::Number && number.fract() == 0.0 && number.abs() < 9e15 =>
            {
                Value::from(number as i64)
            }
            _ => value,
        }
    }
}

/// A param as the job file declares it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParamSpec {
    /// Type.
    pub kind: ParamKind,
    /// Default value.
    pub default: Option<Value>,
    /// Description; empty for none.
    pub description: String,
    /// Allowed values; empty for any.
    pub allowed: Vec<Value>,
}

impl ParamSpec {
    /// Parses a value from the command line; the message describes the error.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = self
            .kind
            .parse(text)
            .ok_or_else(|| format!("expected {}, found {text:?}", self.kind.words()))?;
        if self.allows(&value) {
            return Ok(value);
        }
        let allowed: Vec<String> = self.allowed.iter().map(Value::to_string).collect();
        Err(format!("{value} is not one of {}", allowed.join(", ")))
    }

    /// Returns true if a value is allowed.
    pub fn allows(&self, value: &Value) -> bool {
        self.allowed.is_empty() || self.allowed.contains(value)
    }
}

/// A param with its value in one run; `None` while it is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Type.
    pub kind: ParamKind,
    /// Value in this run.
    pub value: Option<Value>,
}

/// Params of one run by name.
pub type Params = BTreeMap<String, Param>;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ParamKind, text: &str, value: impl Into<Option<Value>>) {
        let value = value.into();
        assert_eq!(kind.parse(text), value, "{kind:?} {text:?}");
    }

    #[test]
    fn texts_are_parsed_by_type() {
        check(ParamKind::String, "17", Some("17".into()));
        check(ParamKind::Integer, "17", Some(17.into()));
        check(ParamKind::Integer, "17.5", None);
        check(ParamKind::Number, "17.5", Some(17.5.into()));
        check(ParamKind::Number, "17.0", Some(17.into()));
        check(ParamKind::Number, "NaN", None);
        check(ParamKind::Boolean, "true", Some(true.into()));
        check(ParamKind::Boolean, "yes", None);
        check(ParamKind::Date, "2026-11-21", Some("2026-11-21".into()));
        check(ParamKind::Date, "2026-11-31", None);
    }
}
