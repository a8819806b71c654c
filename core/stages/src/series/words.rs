//! Phrases for series and their groups.

use super::{Aggregate, Group, Request, period::Period};
use retrocast_domain::number;

/// The subject of a group: "component = billing", or "all".
pub(crate) fn subject(by: &[String], label: &str) -> String {
    if by.is_empty() {
        "all".to_string()
    } else {
        format!("{} = {label}", by.join(" / "))
    }
}

/// The metric per period: "tickets per day", "median minutes".
pub(crate) fn measure_per(request: &Request<'_>, records: &str) -> String {
    let named = request.measure.map(str::to_string);
    let value = || aggregate_of(request.aggregate, request.value.unwrap_or("values"));
    let noun = request.period.noun();
    match request.aggregate {
        Aggregate::Count => format!(
            "{} per {noun}",
            named.unwrap_or_else(|| records.to_string())
        ),
        Aggregate::Sum => format!("{} per {noun}", named.unwrap_or_else(value)),
        Aggregate::Mean | Aggregate::Median | Aggregate::Max => named.unwrap_or_else(value),
    }
}

/// The aggregate of a value column: "minutes" for a sum, "median minutes".
pub(crate) fn aggregate_of(aggregate: Aggregate, value: &str) -> String {
    let value = value.replace('_', " ");
    match aggregate {
        Aggregate::Count | Aggregate::Sum => value,
        Aggregate::Mean => format!("mean {value}"),
        Aggregate::Median => format!("median {value}"),
        Aggregate::Max => format!("highest {value}"),
    }
}

/// The shortest time, at least a period, in which the steepest of several slopes per period amounts
/// to a readable figure: its noun, and its number of periods. All sentences with a slope use it, so
/// that a slope has the same unit everywhere.
pub(crate) fn readable_time(period: Period, steepest: f64) -> (&'static str, f64) {
    const READABLE: f64 = 0.5;
    const YEAR: f64 = 365.25;
    let all = [
        (Period::Hour.noun(), 1.0 / 24.0),
        (Period::Day.noun(), 1.0),
        (Period::Week.noun(), 7.0),
        (Period::Month.noun(), YEAR / 12.0),
        ("year", YEAR),
    ];
    let shortest = all.iter().position(|(noun, _)| *noun == period.noun());
    let longer = &all[shortest.unwrap_or(0)..];
    let periods = |(noun, days): &(&'static str, f64)| (*noun, days / longer[0].1);
    longer
        .iter()
        .map(periods)
        .find(|(_, periods)| steepest.abs() * periods >= READABLE)
        .unwrap_or_else(|| periods(&longer[longer.len() - 1]))
}

/// Label of a chart's axis: the metric with its unit; for shares only the name.
pub(crate) fn axis(measure: &str, unit: &str) -> String {
    match unit {
        "" => measure.to_string(),
        "share" => unit.to_string(),
        unit => format!("{measure}, {unit}"),
    }
}

/// Name of the metric: the param, or the value column, or the noun for the records.
pub(crate) fn measure(named: Option<&str>, value: Option<&str>, records: &str) -> String {
    named.map_or_else(
        || value.unwrap_or(records).replace('_', " "),
        str::to_string,
    )
}

pub(crate) use retrocast_domain::sentence::is_or_are;

/// Capitalises the first letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// " in billing" for a group, empty for all.
pub(crate) fn in_named(by: &[String], label: &str) -> String {
    if by.is_empty() {
        String::new()
    } else {
        format!(" in {label}")
    }
}

/// The same for a group of a series.
pub(crate) fn in_group(group: &Group) -> String {
    if group.subject == "all" {
        String::new()
    } else {
        format!(" in {}", group.label)
    }
}

/// The analysed series: "incidents per month", or with groups "8 series of incidents per month".
pub(crate) fn series_of(by: &[String], count: usize, measure: &str) -> String {
    match by {
        [] => measure.to_string(),
        _ => format!("{} series of {measure}", number::count(count as u64)),
    }
}

/// A share as a percentage without unnecessary decimals: "95 %".
pub(crate) fn share(value: f64) -> String {
    format!(
        "{}{}%",
        number::sensible((value * 1000.0).round() / 10.0),
        number::NBSP
    )
}

/// A note for a caption: among many comparisons, an interval that excludes "no difference" proves
/// nothing.
pub(crate) fn uncorrected(groups: usize, noun: &str) -> String {
    if groups < 2 {
        return String::new();
    }
    let groups = number::plural(groups as u64, noun);
    format!("; each interval is for its row alone, findings are corrected for all {groups}")
}

/// Id of a chart, unique in the report and valid as a file name.
pub(crate) fn chart_id(stage: &str, what: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    format!("{stage}-{what}")
        .to_lowercase()
        .chars()
        .map(safe)
        .collect()
}

/// Lists the first five names: "api, web and search", "api, web, search, mail, sync and 3 more".
pub(crate) fn short_list(names: &[String]) -> String {
    const NAMED_MAX: usize = 5;
    let (named, more) = names.split_at(names.len().min(NAMED_MAX));
    let mut named = named.to_vec();
    if !more.is_empty() {
        named.push(format!("{} more", more.len()));
    }
    number::list(&named)
}

/// The caveat that names the groups whose season of the year was removed.
pub(super) fn without_year(groups: &[String], by: &[String], years: f64) -> String {
    let what = if by.is_empty() {
        String::new()
    } else {
        format!(" of {}", short_list(groups))
    };
    format!(
        "Adjusted for the season of the year{what}, estimated from {} years: values and levels are those of \
         an average time of the year.",
        number::fixed(years, 1)
    )
}
