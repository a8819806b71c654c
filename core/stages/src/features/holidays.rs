//! Features of public holidays: a flag, the name of the holiday, and the days until the next and
//! since the latest holiday.

use super::{
    Feature, Params,
    calendar::{days_since, days_until},
    numbers,
    params::{Every, Holidays},
    rows::Rows,
};
use crate::StageError;
use jiff::{ToSpan, civil::Date};
use polars::prelude::Column;
use std::collections::BTreeMap;

pub(super) mod rules;

/// Names of holidays by day.
type HolidayNames = BTreeMap<Date, Vec<String>>;

/// Collects the holidays of some years.
fn collect_holidays(
    holidays: &Holidays,
    years: std::ops::RangeInclusive<i16>,
) -> Result<HolidayNames, StageError> {
    let mut days = HolidayNames::new();
    let mut add = |day: Date, name: &str| {
        let names = days.entry(day).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    };
    for country in &holidays.countries {
        for year in years.clone() {
            for (day, name) in rules::holidays_of(*country, year) {
                add(day, name);
            }
        }
    }
    for named in &holidays.dates {
        add(named.date.date()?, &named.name);
    }
    Ok(days)
}

/// All features of holidays.
pub(super) fn features(params: &Params, rows: &Rows) -> Result<Vec<Feature>, StageError> {
    let mut features = super::calendar::date_features(params, rows)?;
    let Some(holidays) = &params.holidays else {
        return Ok(features);
    };
    let year = |time: Option<&jiff::civil::DateTime>| time.map_or(1970, |time| time.year());
    let (first, last) = (year(rows.civil.iter().min()), year(rows.civil.iter().max()));
    let days = collect_holidays(holidays, first.saturating_sub(1)..=last.saturating_add(1))?;
    let names: Vec<Option<String>> = rows
        .civil
        .iter()
        .map(|time| names_on(&days, time.date(), params.every))
        .collect();
    let is_holiday: Vec<bool> = names.iter().map(Option::is_some).collect();
    let dates: Vec<Date> = days.keys().copied().collect();
    let definition = if params.every == Every::Week {
        "whether a day of the week is a public holiday"
    } else {
        "whether it is a public holiday"
    };
    features.push(Feature::new(
        Column::new("is_holiday".into(), is_holiday),
        definition,
        "true or false",
    ));
    features.push(Feature::new(
        Column::new("holiday".into(), names),
        "name of the public holiday",
        "text",
    ));
    features.push(Feature::new(
        numbers("days_to_holiday", days_until(rows, &dates)),
        "days until the next public holiday, 0 on it",
        "days",
    ));
    features.push(Feature::new(
        numbers("days_since_holiday", days_since(rows, &dates)),
        "days since the latest public holiday, 0 on it",
        "days",
    ));
    Ok(features)
}

/// The holidays on a row's day, or in its week.
fn names_on(days: &HolidayNames, day: Date, every: Every) -> Option<String> {
    let length = if every == Every::Week { 7 } else { 1 };
    let end = day.checked_add(i64::from(length).days()).ok()?;
    let names: Vec<&str> = days
        .range(day..end)
        .flat_map(|(_, names)| names.iter().map(String::as_str))
        .collect();
    (!names.is_empty()).then(|| names.join("; "))
}
