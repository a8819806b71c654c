//! Presents rhythms as tables and charts.

use super::{Rhythm, RhythmFit};
use crate::{
    series::{
        period::Period,
        words::{capitalised, chart_id, uncorrected},
    },
    temporal_pattern::{Data, EffectName, Group, ResultRow, words},
};
use jiff::{ToSpan, civil::Date};
use retrocast_domain::{
    Chart, ChartKind, Table,
    chart::Bar,
    number,
    window::{date_in_words, range},
};
use retrocast_stats::test::Comparison;
use std::collections::BTreeMap;

/// The table of an effect, without rows.
pub(super) fn empty_table(data: &Data<'_>, rhythm: &Rhythm) -> Table {
    let [count_heading, rate_heading] = words::headings(
        data,
        match data.period {
            _ if is_hourly(rhythm) => ">Per hour",
            Period::Month => ">Per month",
            Period::Week => ">Per week",
            Period::Hour | Period::Day => ">Per day",
        },
    );
    let name = format!("<{}", capitalised(rhythm.key));
    let mut columns = vec![
        name.as_str(),
        count_heading,
        rate_heading,
        ">Against all",
        ">95 % interval",
    ];
    if rhythm.name == EffectName::Weekday {
        columns.extend([">Against working days", ">95 % interval"]);
    }
    let by = format!("<{}", capitalised(&data.params.by.join(" / ")));
    if !data.params.by.is_empty() {
        columns.insert(0, &by);
    }
    let categories = rhythm.labels.len();
    Table::new(
        format!(
            "{} by {}; differences compare {}s of the same {}{}",
            capitalised(&data.measure),
            rhythm.key,
            rhythm.key,
            rhythm.block,
            uncorrected(categories, rhythm.key)
        ),
        &columns,
    )
}

fn is_hourly(rhythm: &Rhythm) -> bool {
    rhythm.name == EffectName::Hour
}

/// Adds the categories of a group to the table and to the stage's dataset.
pub(super) fn push_rows(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    table: &mut Table,
    result_rows: &mut Vec<ResultRow>,
) {
    let change = |c: &Option<Comparison>| {
        let text = |c| words::estimate(data, &c, false).signed();
        c.map_or_else(|| "–".to_string(), text)
    };
    let bounds = |c: &Option<Comparison>| {
        let text = |c| words::estimate(data, &c, false).signed_range();
        c.map_or_else(String::new, text)
    };
    // Exposure is in days, and every day has each hour once.
    let per = if is_hourly(rhythm) && !data.per_record {
        24.0
    } else {
        1.0
    };
    let rates = fitted.rates.events.iter().zip(&fitted.rates.exposure);
    let rates: Vec<f64> = rates
        .map(|(events, exposure)| match *exposure {
            exposure if exposure > 0.0 => events / exposure / per,
            _ => f64::NAN,
        })
        .collect();
    let rates = words::format_rates(data, &rates);
    for (category, label) in rhythm.labels.iter().enumerate() {
        let (events, exposure) = (
            fitted.rates.events[category],
            fitted.rates.exposure[category],
        );
        let comparison = &fitted.against_all[category];
        let count = words::format_count(data, events, exposure);
        let mut row = vec![
            label.clone(),
            count,
            rates[category].clone(),
            change(comparison),
            bounds(comparison),
        ];
        if let Some(working) = fitted.against_working.get(category) {
            row.extend([change(working), bounds(working)]);
        }
        if !data.params.by.is_empty() {
            row.insert(0, group.label.clone());
        }
        table.rows.push(row);
        result_rows.push(ResultRow {
            group: group.label.clone(),
            effect: rhythm.key,
            category: label.clone(),
            events,
            exposure,
            ratio: comparison.map(|c| [c.estimate, c.lower, c.upper]),
        });
    }
}

/// The chart of an effect with this index: one bar per category, compared with all.
pub(super) fn chart_against_all(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    index: usize,
) -> Chart {
    let comparisons = &fitted.against_all;
    bars(data, rhythm, group, index, comparisons, &rhythm.baseline())
}

/// The chart of an effect with this index, compared with working days.
pub(super) fn chart_against_working(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    index: usize,
) -> Chart {
    let baseline = "the mean of working days";
    bars(
        data,
        rhythm,
        group,
        index,
        &fitted.against_working,
        baseline,
    )
}

fn bars(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    index: usize,
    against: &[Option<Comparison>],
    baseline: &str,
) -> Chart {
    let bars = rhythm
        .labels
        .iter()
        .zip(against)
        .map(|(label, comparison)| {
            let estimate = comparison.map(|c| words::estimate(data, &c, false));
            let bar = Bar {
                label: label.clone(),
                value: comparison.map_or(1.0, |c| c.estimate),
                interval: comparison.map(|c| [c.lower, c.upper]),
                text: estimate.map_or_else(|| "–".to_string(), |estimate| estimate.signed()),
                highlight: false,
            };
            let interval = estimate.map_or_else(String::new, |estimate| estimate.signed_range());
            (bar, interval)
        })
        .collect();
    let title = words::unproven_title(data, group, &format!("{} effect", rhythm.key));
    let id = chart_id(
        &data.context.stage,
        &format!("{}-{index}-{}", rhythm.key, group.label),
    );
    words::bars(id, title, "relative to the mean", bars, 1.0, baseline)
}

/// A calendar of the last 53 weeks, one square per day.
pub(super) fn calendar(data: &Data<'_>) -> Chart {
    let from = data.first.max(data.end - 371.days());
    let mut days: BTreeMap<Date, f64> = BTreeMap::new();
    let mut day = from;
    while day < data.end {
        if !data.is_missing(day) {
            days.insert(day, 0.0);
        }
        day = day.tomorrow().unwrap_or(data.end);
    }
    for hour in data.groups.iter().flat_map(|group| &group.hours) {
        if let Some(sum) = days.get_mut(&hour.time.date()) {
            *sum += hour.events;
        }
    }
    let busiest_day = days
        .iter()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
    let busiest = busiest_day.map_or_else(String::new, |(day, sum)| {
        let day = date_in_words(*day);
        format!(" The most on one day: {} on {day}.", number::sensible(*sum))
    });
    let title = format!("{} day by day", capitalised(&data.measure));
    Chart {
        id: chart_id(&data.context.stage, "calendar"),
        unit: format!("{} per day", data.measure),
        alt: format!(
            "Calendar, {}, one square per day, darker for more {}.{busiest}",
            range(from, data.end.yesterday().unwrap_or(data.end)),
            data.measure
        ),
        title,
        kind: ChartKind::CalendarHeat {
            days: days.into_iter().collect(),
        },
        table: None,
    }
}

/// Formats a comparison for sentences: "on Mondays than on average over all days".
pub(super) fn than_average_over(when: &str, all: &str) -> String {
    format!("{when} than on average over {all}")
}

/// Formats a comparison for titles: "on Mondays than on average".
pub(super) fn than_mean(when: &str) -> String {
    format!("{when} than on average")
}
