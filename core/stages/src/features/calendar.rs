//! Calendar features of a row's time: numbers, sine and cosine, days since and until dates.

use super::{
    Feature, Params, numbers,
    params::{CalendarName, Cycle, Day},
    rows::{Rows, day_number},
};
use crate::StageError;
use jiff::civil::{Date, DateTime};
use polars::prelude::Column;
use std::f64::consts::TAU;

impl CalendarName {
    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour_of_day",
            Self::DayOfWeek => "day_of_week",
            Self::DayOfMonth => "day_of_month",
            Self::DayOfYear => "day_of_year",
            Self::WeekOfYear => "week_of_year",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::IsWeekend => "is_weekend",
            Self::IsMonthStart => "is_month_start",
            Self::IsMonthEnd => "is_month_end",
        }
    }

    /// Definition and range of values.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Hour => ("hour of the day", "0 to 23"),
            Self::DayOfWeek => ("day of the week, Monday is 1", "1 to 7"),
            Self::DayOfMonth => ("day of the month", "1 to 31"),
            Self::DayOfYear => ("day of the year", "1 to 366"),
            Self::WeekOfYear => ("ISO week of the year", "1 to 53"),
            Self::Month => ("month", "1 to 12"),
            Self::Quarter => ("quarter", "1 to 4"),
            Self::Year => ("year", "year"),
            Self::IsWeekend => ("whether it is Saturday or Sunday", "true or false"),
            Self::IsMonthStart => ("whether it is the first of a month", "true or false"),
            Self::IsMonthEnd => ("whether it is the last of a month", "true or false"),
        }
    }

    /// Computes the column for `times`.
    fn column(self, times: &[DateTime]) -> Column {
        let number_column = |get: fn(Date) -> i64| -> Column {
            let values: Vec<i64> = times.iter().map(|time| get(time.date())).collect();
            Column::new(self.name().into(), values)
        };
        let flag_column = |get: fn(Date) -> bool| -> Column {
            let values: Vec<bool> = times.iter().map(|time| get(time.date())).collect();
            Column::new(self.name().into(), values)
        };
        match self {
            Self::Hour => {
                let hours: Vec<i64> = times.iter().map(|time| i64::from(time.hour())).collect();
                Column::new(self.name().into(), hours)
            }
            Self::DayOfWeek => number_column(|day| day.weekday().to_monday_one_offset().into()),
            Self::DayOfMonth => number_column(|day| day.day().into()),
            Self::DayOfYear => number_column(|day| day.day_of_year().into()),
            Self::WeekOfYear => number_column(|day| day.iso_week_date().week().into()),
            Self::Month => number_column(|day| day.month().into()),
            Self::Quarter => number_column(|day| ((day.month() - 1) / 3 + 1).into()),
            Self::Year => number_column(|day| day.year().into()),
            Self::IsWeekend => flag_column(|day| day.weekday().to_monday_zero_offset() >= 5),
            Self::IsMonthStart => flag_column(|day| day.day() == 1),
            Self::IsMonthEnd => flag_column(|day| day.day() == day.days_in_month()),
        }
    }
}

impl Cycle {
    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::DayOfWeek => "day_of_week",
            Self::DayOfMonth => "day_of_month",
            Self::DayOfYear => "day_of_year",
            Self::Month => "month",
        }
    }

    /// Elapsed fraction of the cycle at the start of the period, 0 to 1.
    fn fraction(self, time: DateTime) -> f64 {
        let day = time.date();
        let ratio = |elapsed: i16, length: i16| f64::from(elapsed) / f64::from(length);
        match self {
            Self::Hour => ratio(time.hour().into(), 24),
            Self::DayOfWeek => ratio(day.weekday().to_monday_zero_offset().into(), 7),
            Self::DayOfMonth => ratio((day.day() - 1).into(), day.days_in_month().into()),
            Self::DayOfYear => ratio(day.day_of_year() - 1, day.days_in_year()),
            Self::Month => ratio((day.month() - 1).into(), 12),
        }
    }
}

/// All features of the calendar.
pub(super) fn features(params: &Params, rows: &Rows) -> Vec<Feature> {
    let mut features = Vec::new();
    for name in &params.calendar {
        let (words, unit) = name.describe();
        features.push(Feature::new(name.column(&rows.civil), words, unit));
    }
    for cycle in &params.cyclic {
        let apply = |function: fn(f64) -> f64| -> Vec<Option<f64>> {
            let fractions = rows.civil.iter().map(|time| cycle.fraction(*time));
            fractions
                .map(|fraction| Some(function(TAU * fraction)))
                .collect()
        };
        let words = cycle.name().replace('_', " ");
        for (suffix, values) in [("sin", apply(f64::sin)), ("cos", apply(f64::cos))] {
            let column = numbers(&format!("{}_{suffix}", cycle.name()), values);
            let definition = format!(
                "{} of the {words} as a position on a circle",
                function_name(suffix)
            );
            features.push(Feature::new(column, definition, "−1 to 1"));
        }
    }
    features
}

fn function_name(suffix: &str) -> &'static str {
    if suffix == "sin" { "sine" } else { "cosine" }
}

/// Whole days from the latest of the ascending `dates` to each row's day; 0 on a date.
pub(super) fn days_since(rows: &Rows, dates: &[Date]) -> Vec<Option<f64>> {
    map_days(rows, |day| {
        let known = dates.partition_point(|date| *date <= day);
        let latest = dates.get(known.checked_sub(1)?)?;
        Some((day_number(day) - day_number(*latest)) as f64)
    })
}

/// Whole days from each row's day to the next of the ascending `dates`; 0 on a date.
pub(super) fn days_until(rows: &Rows, dates: &[Date]) -> Vec<Option<f64>> {
    map_days(rows, |day| {
        let next = dates.get(dates.partition_point(|date| *date < day))?;
        Some((day_number(*next) - day_number(day)) as f64)
    })
}

/// Computes a feature of each row's day, once for consecutive rows of a day.
fn map_days(rows: &Rows, value_of: impl Fn(Date) -> Option<f64>) -> Vec<Option<f64>> {
    let mut last: Option<(Date, Option<f64>)> = None;
    let days = rows.civil.iter().map(|time| time.date());
    days.map(|day| match last {
        Some((known, value)) if known == day => value,
        _ => {
            let value = value_of(day);
            last = Some((day, value));
            value
        }
    })
    .collect()
}

/// Features of the dates in the job file.
pub(super) fn date_features(params: &Params, rows: &Rows) -> Result<Vec<Feature>, StageError> {
    let mut features = Vec::new();
    for named in &params.dates {
        let mut dates: Vec<Date> = named
            .dates
            .iter()
            .map(Day::date)
            .collect::<Result<_, _>>()?;
        dates.sort_unstable();
        let name = &named.name;
        features.push(Feature::new(
            numbers(&format!("days_since_{name}"), days_since(rows, &dates)),
            format!("days since the latest {name}; missing before the first"),
            "days",
        ));
        features.push(Feature::new(
            numbers(&format!("days_until_{name}"), days_until(rows, &dates)),
            format!("days until the next {name}; missing after the last"),
            "days",
        ));
    }
    Ok(features)
}
