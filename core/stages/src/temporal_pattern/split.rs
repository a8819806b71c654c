//! Compares the median of a value before and after a day.

use super::{Candidate, Data, Group, ResultRow, Results};
use crate::series::words::capitalised;
use jiff::civil::Date;
use retrocast_domain::{
    Chapter, Direction, Estimate, Magnitude, Severity, Table, estimate::levels, number,
    sentence::fill, window::date_in_words,
};
use retrocast_stats::{
    describe::{quantile_interval, quantile_sorted, sorted},
    test::mann_whitney,
};
use serde_json::json;

/// Name of the effect in the stage's dataset.
pub(super) const EFFECT: &str = "split";

/// Minimum number of values before the day, and since it.
const VALUES_MIN: usize = 10;

/// The values before or since the day, with their median and its 95 % interval.
struct MedianSample {
    values: Vec<f64>,
    median: f64,
    interval: [f64; 2],
}

impl MedianSample {
    fn new(values: Vec<f64>) -> Option<Self> {
        let values = sorted(&values);
        if values.len() < VALUES_MIN {
            return None;
        }
        let interval = quantile_interval(&values, 0.5, 0.95)?;
        Some(Self {
            median: quantile_sorted(&values, 0.5),
            interval,
            values,
        })
    }

    fn width(&self) -> f64 {
        self.interval[1] - self.interval[0]
    }

    /// Formats the interval of the median.
    fn bounds(&self, unit: &str) -> String {
        let [low, high] = levels(self.interval, Some(self.width()), unit);
        number::range(&low, &high)
    }
}

/// Computes the change of the median, with its interval.
fn change<'a>(
    before: &MedianSample,
    after: &MedianSample,
    unit: &'a str,
) -> ([f64; 3], Estimate<'a>) {
    let difference = after.median - before.median;
    // Zou and Donner (2008): the bounds of a difference from the bounds of its terms.
    let [bl, bu] = before.interval.map(|bound| bound - before.median);
    let [al, au] = after.interval.map(|bound| bound - after.median);
    let interval = [difference - al.hypot(bu), difference + au.hypot(bl)];
    let estimate = Estimate::amount(difference, Some(interval), unit, true);
    ([difference, interval[0], interval[1]], estimate)
}

/// Formats both medians with the digits that the narrower interval supports.
fn medians(before: &MedianSample, after: &MedianSample, unit: &str) -> [String; 2] {
    let width = before.width().min(after.width());
    let (_, estimate) = change(before, after, unit);
    estimate.levels([before.median, after.median], Some(width), unit)
}

pub(super) fn analyse(data: &Data<'_>, day: Date, results: &mut Results) {
    let Some(column) = &data.params.value else {
        results
            .skipped
            .push("a `split` needs a `value` column".to_string());
        return;
    };
    let value = data
        .params
        .measure
        .clone()
        .unwrap_or_else(|| column.replace('_', " "));
    let unit = &data.params.unit;
    let mut table = Table::new(
        format!("Median {value} before and since {}", date_in_words(day)),
        &[
            "<Group",
            ">Before",
            ">95 % interval",
            ">Since",
            ">95 % interval",
            ">p",
        ],
    );
    for group in &data.groups {
        let sample = |is_after: bool| {
            let rows = group
                .rows
                .iter()
                .filter(|row| (row.time.date() >= day) == is_after);
            MedianSample::new(rows.filter_map(|row| row.value).collect())
        };
        let (Some(before), Some(after)) = (sample(false), sample(true)) else {
            continue;
        };
        let Some(test) = mann_whitney(&after.values, &before.values) else {
            continue;
        };
        for (when, sample) in [("before", &before), ("from", &after)] {
            let values = sample.values.len() as f64;
            results.rows.push(ResultRow {
                group: group.label.clone(),
                effect: EFFECT,
                category: format!("{when} {day}"),
                events: values,
                exposure: values,
                ratio: None,
            });
        }
        let [before_text, after_text] = medians(&before, &after, unit);
        table.push([
            group.label.clone(),
            before_text,
            before.bounds(unit),
            after_text,
            after.bounds(unit),
            number::p_bare(test.p),
        ]);
        results
            .candidates
            .push(candidate(data, group, day, &value, &before, &after, test.p));
    }
    if table.rows.is_empty() {
        results.skipped.push(format!(
            "a split needs {VALUES_MIN} values of {value} before and from {day}"
        ));
        return;
    }
    results.done.push(format!(
        "the median {value} before and from {}",
        date_in_words(day)
    ));
    results.tables.push(table.top(48));
}

fn candidate(
    data: &Data<'_>,
    group: &Group,
    day: Date,
    value: &str,
    before: &MedianSample,
    after: &MedianSample,
    p: f64,
) -> Candidate {
    let unit = &data.params.unit;
    let mut finding =
        data.start_finding("median_shift", group, &format!("median {value} from {day}"));
    finding.chapter = Chapter::Changes;
    let ([difference, low, high], estimate) = change(before, after, unit);
    finding.magnitude = Some(Magnitude::interval95(
        difference,
        low,
        high,
        number::unit_of_difference(unit),
    ));
    finding.direction = if difference >= 0.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    let is_worse = (difference >= 0.0) == data.params.lower_is_better;
    finding.severity = if is_worse {
        Severity::Notice
    } else {
        Severity::Info
    };
    finding.n = (before.values.len() + after.values.len()) as u64;
    finding.p = Some(p);
    finding.baseline = Some(format!("the time before {day}"));
    finding
        .caveats
        .push("Records are assumed to be independent of each other.".to_string());
    let [before_text, after_text] = medians(before, after, unit);
    finding.sentence = fill(
        "The median {value}{in_group} is {after} since {day}, a date set in advance, and was {before} before: {claim}.",
        &[
            ("value", value),
            ("in_group", &data.in_group(group)),
            ("day", &date_in_words(day)),
            ("after", &after_text),
            ("before", &before_text),
            ("claim", &estimate.claim("")),
        ],
    );
    finding = finding
        .number("date", day.to_string())
        .number(
            "median_before",
            json!([before.median, before.interval[0], before.interval[1]]),
        )
        .number(
            "median_after",
            json!([after.median, after.interval[0], after.interval[1]]),
        )
        .number("n_before", before.values.len() as u64)
        .number("n_after", after.values.len() as u64);
    let is_large = before.median.abs() <= f64::EPSILON
        || (difference / before.median).abs() >= data.params.change_min;
    Candidate {
        title: capitalised(value),
        p,
        is_large,
        finding,
        chart: None,
        replacement: None,
    }
}
