//! Records as the analyses of patterns read them.

use super::{
    Data, Group, Row,
    params::{Aggregate, Exposure, Params},
};
use crate::{
    Context, Input, StageError, frame,
    series::{before_window, coverage::Coverage, need, period::Period},
};
use jiff::civil::Date;
use retrocast_domain::{Cell, Evidence, number::plural, window::long};
use std::collections::BTreeMap;

/// Takes the records out of the frame; says why when there is none to look at.
pub(super) fn read<'a>(
    context: &'a Context,
    params: &'a Params,
    input: &Input,
    cell: &mut Cell,
) -> Result<Result<Data<'a>, String>, StageError> {
    let time = frame::time_column(input, params.time.as_deref())?;
    let height = input.frame.height();
    let times = frame::times(input, time, &context.window.timezone)?;
    cell.records = Some(times.in_window(&context.window));
    let coverage = Coverage::of_input(input, &times, &context.window);
    let caveats = &mut cell.caveats;
    if let Some(reason) = need::nothing(context, input, time, &times, coverage.as_ref()) {
        return Ok(Err(reason));
    }
    let Some(coverage) = coverage else {
        return Ok(Err(String::new()));
    };
    caveats.extend(coverage.caveats(Period::Day));
    let (first, end) = (coverage.first_day(), coverage.end_day());
    let part = |day: Date| format!("Records cover {} in part; it is left out.", long(day));
    if first > coverage.first().date() {
        caveats.push(part(coverage.first().date()));
    }
    if coverage.end(Period::Day) > end.at(0, 0, 0, 0) {
        caveats.push(part(end));
    }
    caveats.extend(before_window(context, Period::Day, end.at(0, 0, 0, 0)));
    let labels = frame::groups(input, &params.by)?;
    let kept = frame::matches(
        input,
        params.filter_column.as_deref(),
        &params.filter_equals,
    )?;
    let is_event = frame::matches(input, params.event_column.as_deref(), &params.event_equals)?;
    let mut optional = |name: Option<&String>| match name {
        Some(name) => frame::numbers(input, name, caveats),
        None => Ok(vec![None; height]),
    };
    let values = optional(params.value.as_ref())?;
    let volumes = optional(params.volume.as_ref())?;
    let within = frame::groups(input, &params.volume_within)?;
    let aggregate = aggregate(params)?;
    let mut within_known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    let (mut timeless, mut unfit) = (0, 0);
    for i in 0..height {
        if !kept[i] {
            continue;
        }
        let Some(time) = times.civil[i] else {
            timeless += 1;
            continue;
        };
        if time.date() < first || time.date() >= end {
            continue;
        }
        let value = values[i];
        let events = match aggregate {
            Aggregate::Count => Some(1.0),
            Aggregate::Sum | Aggregate::Mean => value.filter(|value| *value >= 0.0),
        };
        let Some(events) = events else {
            unfit += 1;
            continue;
        };
        let next = within_known.len();
        groups.entry(&labels[i]).or_default().push(Row {
            time,
            events: if is_event[i] { events } else { 0.0 },
            value,
            volume: volumes[i],
            within: *within_known.entry(&within[i]).or_insert(next),
        });
    }
    if timeless > 0 {
        caveats.push(format!(
            "{} without a time are not counted.",
            plural(timeless, "record")
        ));
    }
    if unfit > 0 {
        let records = plural(unfit, "record");
        caveats.push(format!(
            "{records} without a value, or with a negative one, are left out."
        ));
    }
    let groups = largest(groups, params, caveats);
    if groups.is_empty() {
        return Ok(Err(format!(
            "no values: none of the {} of {} with a time can be used; check `value` and the filters",
            plural(times.civil.iter().flatten().count() as u64, "record"),
            input.dataset.name
        )));
    }
    let per_record = match params.exposure {
        Some(exposure) => exposure == Exposure::Records,
        None => params.event_column.is_some() || aggregate == Aggregate::Mean,
    };
    let filter_words = filter_words(params);
    Ok(Ok(Data {
        context,
        params,
        first,
        end,
        per_record,
        amounts: aggregate != Aggregate::Count,
        has_hours: coverage.has_hours(),
        measure: measure(params, input, aggregate, per_record),
        evidence: Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: (!filter_words.is_empty()).then(|| filter_words.clone()),
        },
        filter_words,
        groups,
    }))
}

pub(super) fn aggregate(params: &Params) -> Result<Aggregate, StageError> {
    let error = |text: &str| Err(StageError::Other(text.to_string()));
    match (params.aggregate, &params.value) {
        (None, None) => Ok(Aggregate::Count),
        (None, Some(_)) if params.event_column.is_some() => Ok(Aggregate::Count),
        (None, Some(_)) => Ok(Aggregate::Mean),
        (Some(Aggregate::Sum | Aggregate::Mean), None) => {
            error("this aggregate needs a `value` column; without one use \"count\"")
        }
        (Some(aggregate), _) => Ok(aggregate),
    }
}

pub(super) fn filter_words(params: &Params) -> String {
    let one = |column: &Option<String>, equals: &[String]| {
        column
            .as_ref()
            .map(|column| format!("{column} is {}", equals.join(" or ")))
    };
    let parts: Vec<String> = [
        one(&params.filter_column, &params.filter_equals),
        one(&params.event_column, &params.event_equals),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join("; ")
}

/// What is measured, in words.
pub(super) fn measure(
    params: &Params,
    input: &Input,
    aggregate: Aggregate,
    per_record: bool,
) -> String {
    let spoken = |name: &str| name.replace('_', " ");
    if let Some(measure) = &params.measure {
        let is_share = aggregate == Aggregate::Count && per_record;
        let prefix = if is_share && !measure.contains("share") {
            "the share of "
        } else {
            ""
        };
        return format!("{prefix}{measure}");
    }
    let value = params.value.as_deref().map(spoken).unwrap_or_default();
    match aggregate {
        Aggregate::Count if params.event_column.is_some() => {
            let events = params.event_equals.join(" or ");
            let dataset = spoken(&input.dataset.name);
            if per_record {
                format!("the share of {events} {dataset}")
            } else {
                format!("{events} {dataset}")
            }
        }
        Aggregate::Count => spoken(&input.dataset.name),
        Aggregate::Sum => format!("the sum of {value}"),
        Aggregate::Mean => format!("the mean {value}"),
    }
}

/// The groups with the most records, by label.
fn largest(
    groups: BTreeMap<&str, Vec<Row>>,
    params: &Params,
    caveats: &mut Vec<String>,
) -> Vec<Group> {
    let mut groups: Vec<(String, Vec<Row>)> = groups
        .into_iter()
        .map(|(label, rows)| (label.to_string(), rows))
        .collect();
    groups.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let left = groups.len().saturating_sub(params.groups_max);
    if left > 0 {
        let kept = plural(params.groups_max as u64, "largest group");
        caveats.push(format!(
            "Only the {kept} were looked at; {left} smaller ones were not."
        ));
        groups.truncate(params.groups_max);
    }
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out: Vec<Group> = Vec::new();
    for (label, mut rows) in groups {
        rows.sort_by_key(|row| row.time);
        let subject = if params.by.is_empty() {
            "all".to_string()
        } else {
            format!("{} = {label}", params.by.join(" / "))
        };
        out.push(Group {
            label,
            subject,
            rows,
        });
    }
    out
}
