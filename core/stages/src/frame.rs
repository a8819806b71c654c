//! Taking what a stage needs out of a polars frame: typed columns, daily series, groups.
//!
//! The border between frames and slices: numerics in `retrocast-stats` see slices only.

use crate::{Input, StageError};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use polars::prelude::*;
use retrocast_domain::{Window, number::plural};
use serde::{Deserialize, Deserializer};

/// Largest size of a value that is taken: its fourth power still fits into 64 bits, so that no
/// variance of anything overflows.
const SIZE_MAX: f64 = 1e60;
/// Sizes below this are zero: nothing is divided by them.
const SIZE_MIN: f64 = 1e-60;

/// The column of this name.
pub fn column<'a>(input: &'a Input, name: &str) -> Result<&'a Column, StageError> {
    input.frame.column(name).map_err(|_| StageError::NoColumn {
        dataset: input.dataset.name.clone(),
        column: name.to_string(),
        columns: input
            .frame
            .get_column_names()
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

fn wrong_type(input: &Input, column: &Column, needed: &str) -> StageError {
    StageError::ColumnType {
        dataset: input.dataset.name.clone(),
        column: column.name().to_string(),
        found: column.dtype().to_string(),
        needed: needed.to_string(),
    }
}

/// The time column that a param names, or the contract.
pub fn time_column<'a>(input: &'a Input, named: Option<&'a str>) -> Result<&'a str, StageError> {
    named.or(input.time.as_deref()).ok_or_else(|| {
        let name = &input.dataset.name;
        StageError::Other(format!(
            "dataset {name:?} names no time column; name one with `time`"
        ))
    })
}

/// Microseconds since 1970 UTC of a time column (timestamps and dates; dates begin at midnight UTC).
pub fn micros(input: &Input, name: &str) -> Result<Vec<Option<i64>>, StageError> {
    let column = column(input, name)?;
    match column.dtype() {
        DataType::Datetime(..) | DataType::Date => {
            let cast = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
            let cast = cast.cast(&DataType::Int64)?;
            Ok(cast.i64()?.iter().collect())
        }
        DataType::Null => Ok(vec![None; column.len()]),
        _ => Err(wrong_type(input, column, "a timestamp or date")),
    }
}

/// Numbers of a column; booleans are 0 and 1. What no computation can hold (not a number, infinite,
/// beyond 1e60) counts as missing, and the caveats say so.
pub fn numbers(
    input: &Input,
    name: &str,
    caveats: &mut Vec<String>,
) -> Result<Vec<Option<f64>>, StageError> {
    let column = column(input, name)?;
    let dtype = column.dtype();
    // A column of nothing has no type to be wrong.
    if dtype.is_null() {
        return Ok(vec![None; column.len()]);
    }
    if !(dtype.is_primitive_numeric() || dtype.is_bool()) {
        return Err(wrong_type(input, column, "a number"));
    }
    let mut unusable = 0;
    let values = column
        .cast(&DataType::Float64)?
        .f64()?
        .iter()
        .map(|value| {
            let value = value?;
            if value.abs() <= SIZE_MAX {
                return Some(if value.abs() < SIZE_MIN { 0.0 } else { value });
            }
            unusable += 1;
            None
        })
        .collect();
    if unusable > 0 {
        let caveat = format!(
            "{} of {name} cannot be computed with (not a number, infinite or beyond 1e60); counted \
             as missing.",
            plural(unusable, "value")
        );
        // A column that is read for several figures is told of once.
        if !caveats.contains(&caveat) {
            caveats.push(caveat);
        }
    }
    Ok(values)
}

/// Text of a column; numbers and booleans are written out.
pub fn texts(input: &Input, name: &str) -> Result<Vec<Option<String>>, StageError> {
    let column = column(input, name)?;
    if column.dtype().is_nested() {
        return Err(wrong_type(input, column, "text"));
    }
    let cast = column.cast(&DataType::String)?;
    Ok(cast
        .str()?
        .iter()
        .map(|text| text.map(str::to_string))
        .collect())
}

/// Which rows hold one of these texts in a column; all rows when there is no column.
pub fn matches(
    input: &Input,
    name: Option<&str>,
    equals: &[String],
) -> Result<Vec<bool>, StageError> {
    let Some(name) = name else {
        return Ok(vec![true; input.frame.height()]);
    };
    let column = column(input, name)?;
    if column.dtype().is_nested() {
        return Err(wrong_type(input, column, "text"));
    }
    // Numbers are equal however they are written: 3 is 3.0.
    if column.dtype().is_float() {
        let numbers: Vec<f64> = equals.iter().filter_map(|text| text.parse().ok()).collect();
        let cast = column.cast(&DataType::Float64)?;
        let matches = |value: Option<f64>| value.is_some_and(|value| numbers.contains(&value));
        return Ok(cast.f64()?.iter().map(matches).collect());
    }
    let cast = column.cast(&DataType::String)?;
    let matches = |text: Option<&str>| text.is_some_and(|text| equals.iter().any(|e| e == text));
    Ok(cast.str()?.iter().map(matches).collect())
}

/// The values that a param lists, as texts: of a job file these are texts, numbers, true or false.
pub fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values.into_iter().map(text).collect())
}

/// The schema of [`values`].
pub fn values_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // Numbers beyond these are not exact.
    let most = (1_u64 << 53) as f64;
    schemars::json_schema!({
        "type": "array",
        "items": { "type": ["string", "boolean", "number"], "minimum": -most, "maximum": most },
    })
}

/// The label of each row's group: the values of the `by` columns joined by ` / `, or "all" when
/// there are none.
pub fn groups(input: &Input, by: &[String]) -> Result<Vec<String>, StageError> {
    let mut labels = vec![String::new(); input.frame.height()];
    for (i, name) in by.iter().enumerate() {
        for (label, text) in labels.iter_mut().zip(texts(input, name)?) {
            if i > 0 {
                label.push_str(" / ");
            }
            label.push_str(&visible(text));
        }
    }
    if by.is_empty() {
        labels.fill("all".to_string());
    }
    Ok(labels)
}

/// A name as a reader can see it: "(none)" for a missing one, "(blank)" for one without letters.
pub fn visible(text: Option<String>) -> String {
    match text {
        None => "(none)".to_string(),
        Some(text) if text.trim().is_empty() => "(blank)".to_string(),
        Some(text) => text,
    }
}

/// What one value of a time column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// A moment.
    Moment,
    /// A whole day of the job's time zone, or a day without a zone.
    Day,
    /// A whole day of UTC in a job of another time zone.
    DayOfUtc,
}

/// A time column as civil times.
pub struct Times {
    /// Time of each row.
    pub civil: Vec<Option<DateTime>>,
    /// What each stands for.
    pub grain: Grain,
}

impl Times {
    /// Rows in the window.
    pub fn in_window(&self, window: &Window) -> u64 {
        let times = self.civil.iter().flatten();
        times.filter(|time| window.contains(time.date())).count() as u64
    }
}

/// Civil days of a time column in a time zone. A column of days is taken as it is.
pub fn days(input: &Input, name: &str, timezone: &str) -> Result<Vec<Option<Date>>, StageError> {
    let times = times(input, name, timezone)?;
    Ok(times
        .civil
        .into_iter()
        .map(|time| time.map(DateTime::date))
        .collect())
}

/// Civil times of a time column in a time zone. Dates, and timestamps that are all midnight, are days
/// and keep their date in any zone: who writes "2026-11-09" does not mean the evening before.
pub fn times(input: &Input, name: &str, timezone: &str) -> Result<Times, StageError> {
    const DAY: i64 = 86_400_000_000;
    let is_date = matches!(column(input, name)?.dtype(), DataType::Date);
    let zone = TimeZone::get(timezone).map_err(|error| StageError::Other(error.to_string()))?;
    let micros = micros(input, name)?;
    let is_day = micros
        .iter()
        .flatten()
        .all(|time| time.rem_euclid(DAY) == 0);
    let civil = |zone: &TimeZone| -> Vec<Option<DateTime>> {
        micros
            .iter()
            .map(|micros| {
                let time = Timestamp::from_microsecond((*micros)?).ok()?;
                Some(zone.to_datetime(time))
            })
            .collect()
    };
    if is_date || is_day {
        let grain = if is_date || zone == TimeZone::UTC {
            Grain::Day
        } else {
            Grain::DayOfUtc
        };
        let civil = civil(&TimeZone::UTC);
        return Ok(Times { civil, grain });
    }
    let civil = civil(&zone);
    let midnight = |time: &DateTime| time.time() == jiff::civil::Time::midnight();
    let grain = if civil.iter().flatten().all(midnight) {
        Grain::Day
    } else {
        Grain::Moment
    };
    Ok(Times { civil, grain })
}
