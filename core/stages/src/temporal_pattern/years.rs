//! Compares each year with the previous year, and an incomplete year with the same part of it.

use super::{Candidate, Data, Group, ResultRow, Results, days_between, severity, words};
use crate::series::words::{capitalised, chart_id, uncorrected};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use retrocast_domain::{
    Chapter, Direction, Estimate, Magnitude, Table, chart::Bar, estimate::levels, number,
    window::range,
};
use retrocast_stats::{
    rate::{PeriodRatio, period_ratio},
    test::Comparison,
};
use serde_json::json;

/// Minimum number of events in each compared year, or part of a year.
const EVENTS_MIN: f64 = 20.0;

/// One calendar year of one group.
struct Year {
    year: i16,
    /// First day that records cover.
    start: Date,
    /// Day after the last covered day.
    end: Date,
    events: f64,
    /// Share of the year that records cover; for rates per record, number of records.
    exposure: f64,
}

impl Year {
    /// Returns true if records cover only part of the year.
    fn is_part(&self) -> bool {
        self.start > date(self.year, 1, 1) || self.end < next_year(self.year)
    }

    /// Events per day or per record, so that incomplete years can be compared with complete ones.
    fn rate(&self, data: &Data<'_>) -> f64 {
        if data.per_record {
            self.events / self.exposure.max(1.0)
        } else {
            let days = days_between(date(self.year, 1, 1), next_year(self.year));
            self.events / (self.exposure * days as f64).max(1.0)
        }
    }

    fn label(&self) -> String {
        if self.is_part() {
            format!("{} (part)", self.year)
        } else {
            self.year.to_string()
        }
    }
}

/// Month and day of any year; (13, 1) is 1 January of the next year.
type YearDay = (i8, i8);

fn year_day(day: Date, year: i16) -> YearDay {
    if day.year() == year {
        (day.month(), day.day())
    } else {
        (13, 1)
    }
}

/// The day in a year; 1 March for a missing 29 February.
fn date_in_year(year: i16, (month, day): YearDay) -> Date {
    if month > 12 {
        return next_year(year);
    }
    Date::new(year, month, day).unwrap_or_else(|_| date(year, 3, 1))
}

/// The compared part of a year.
struct YearPart {
    start: Date,
    end: Date,
    events: f64,
    exposure: f64,
    /// Events and exposure by month.
    months: Vec<(f64, f64)>,
}

impl YearPart {
    fn new(data: &Data<'_>, group: &Group, year: i16, from: YearDay, to: YearDay) -> Self {
        let (start, end) = (date_in_year(year, from), date_in_year(year, to));
        let days = days_between(start, end).max(1) as f64;
        let mut months: Vec<(f64, f64)> = (1..=12)
            .map(|month| {
                let first = date_in_year(year, (month, 1)).max(start);
                let last = date_in_year(year, (month + 1, 1)).min(end);
                let exposure = if data.per_record || first >= last {
                    0.0
                } else {
                    days_between(first, last) as f64 / days
                };
                (0.0, exposure)
            })
            .collect();
        let within = |hour: &&super::Hour| (start..end).contains(&hour.time.date());
        for hour in group.hours.iter().filter(within) {
            let month = &mut months[(hour.time.month() - 1) as usize];
            month.0 += hour.events;
            month.1 += if data.per_record {
                hour.records as f64
            } else {
                0.0
            };
        }
        months.retain(|month| month.1 > 0.0);
        Self {
            start,
            end,
            events: months.iter().map(|month| month.0).sum(),
            exposure: months.iter().map(|month| month.1).sum(),
            months,
        }
    }

    fn is_whole(&self) -> bool {
        let year = self.start.year();
        self.start == date(year, 1, 1) && self.end == next_year(year)
    }

    /// The year, "2025", or the part of it, "1 January to 20 August 2025".
    fn words(&self) -> String {
        if self.is_whole() {
            return self.start.year().to_string();
        }
        range(self.start, self.end.yesterday().unwrap_or(self.end))
    }

    /// The part without its year: "1 January to 20 August".
    fn days(&self) -> String {
        if self.is_whole() {
            return "whole year".to_string();
        }
        let year = format!(" {}", self.start.year());
        self.words().trim_end_matches(&year).to_string()
    }
}

/// A year and the previous year, limited to the part that records cover in both.
struct YearComparison {
    before: YearPart,
    now: YearPart,
    is_part: bool,
    ratio: PeriodRatio,
}

impl YearComparison {
    /// Compares a year with the previous year; `None` if too few events are in the common part.
    fn compare(data: &Data<'_>, group: &Group, before: &Year, year: &Year) -> Option<Self> {
        let from = year_day(before.start, before.year).max(year_day(year.start, year.year));
        let to = year_day(before.end, before.year).min(year_day(year.end, year.year));
        if from >= to {
            return None;
        }
        let part = |year: &Year| YearPart::new(data, group, year.year, from, to);
        let (before, now) = (part(before), part(year));
        if !data.amounts && (before.events < EVENTS_MIN || now.events < EVENTS_MIN) {
            return None;
        }
        let ratio = period_ratio(&before.months, &now.months, data.amounts)?;
        Some(Self {
            before,
            now,
            is_part: from != (1, 1) || to != (13, 1),
            ratio,
        })
    }

    /// The ratio, with the interval that allows for clustering.
    fn comparison(&self) -> Comparison {
        Comparison {
            estimate: self.ratio.ratio,
            lower: self.ratio.clustered[0],
            upper: self.ratio.clustered[1],
            p: self.ratio.p,
        }
    }

    fn estimate(&self, data: &Data<'_>, proven: bool) -> Estimate<'static> {
        words::estimate(data, &self.comparison(), proven)
    }

    /// Names the compared periods: "in 2025 than in 2024", "from 1 January to 20 August 2025 than
    /// in the same part of 2024".
    fn describe(&self) -> String {
        let (now, year) = (self.now.words(), self.before.start.year());
        if self.is_part {
            format!("from {now} than in the same part of {year}")
        } else {
            format!("in {now} than in {year}")
        }
    }

    /// Formats the counts or rates of both years, the later first.
    fn format_sizes(&self, data: &Data<'_>) -> [String; 2] {
        let parts = [&self.now, &self.before];
        if !data.per_record {
            return levels(parts.map(|part| part.events), None, "");
        }
        let unit = if data.amounts {
            &data.params.unit
        } else {
            "share"
        };
        let [low, high] = self.ratio.clustered;
        let width = (high - low) * self.before.events / self.before.exposure;
        let [now, before] = parts.map(|part| part.events / part.exposure);
        let estimate = self.estimate(data, true);
        let [before, now] = estimate.levels([before, now], Some(width), unit);
        [now, before]
    }
}

pub(super) fn analyse(data: &Data<'_>, results: &mut Results) {
    if data.first.year() == data.end.yesterday().unwrap_or(data.end).year() {
        results
            .skipped
            .push("years need records of 2 calendar years, there is 1".to_string());
        return;
    }
    let [count_heading, rate_heading] = words::headings(data, ">Per day");
    let mut columns = vec![
        "<Year",
        count_heading,
        rate_heading,
        "<Part compared",
        ">In it",
        ">Same part a year before",
        ">Change",
        ">95 % interval",
    ];
    let by = format!("<{}", capitalised(&data.params.by.join(" / ")));
    if !data.params.by.is_empty() {
        columns.insert(0, &by);
    }
    let mut table = Table::new(format!("{} by year", capitalised(&data.measure)), &columns);
    let mut compared = 0;
    for (index, group) in data.groups.iter().enumerate() {
        let years = years(data, group);
        let chart = (index < 3).then(|| {
            results.charts.push(chart(data, group, &years, index));
            results.charts.len() - 1
        });
        let mut before: Option<&Year> = None;
        for (year, rate) in years.iter().zip(rates(data, &years)) {
            let pair = before.and_then(|before| YearComparison::compare(data, group, before, year));
            table
                .rows
                .push(row(data, group, year, &rate, pair.as_ref()));
            results.rows.push(ResultRow {
                group: group.label.clone(),
                effect: "year",
                category: year.label(),
                events: year.events,
                exposure: year.exposure,
                ratio: pair.as_ref().map(|pair| {
                    [
                        pair.ratio.ratio,
                        pair.ratio.clustered[0],
                        pair.ratio.clustered[1],
                    ]
                }),
            });
            if let Some(pair) = &pair {
                compared += 1;
                results
                    .candidates
                    .push(candidate(data, group, &years, year, pair, chart));
            }
            before = Some(year);
        }
    }
    results.done.push("years".to_string());
    table.caption += &uncorrected(compared, "comparison");
    results.tables.push(table.top(48));
}

/// Counts the events of the years that records cover. A complete year has exposure 1.
fn years(data: &Data<'_>, group: &Group) -> Vec<Year> {
    let last = data.end.yesterday().unwrap_or(data.end).year();
    let mut years: Vec<Year> = (data.first.year()..=last)
        .map(|year| {
            let (first, next) = (date(year, 1, 1), next_year(year));
            let (start, end) = (data.first.max(first), data.end.min(next));
            let days = start.series(1.day()).take_while(|day| *day < end);
            let days = days.filter(|day| !data.is_missing(*day)).count();
            let covered = days as f64 / days_between(first, next) as f64;
            Year {
                year,
                start,
                end,
                events: 0.0,
                exposure: if data.per_record { 0.0 } else { covered },
            }
        })
        .collect();
    for hour in &group.hours {
        let Some(year) = years.get_mut((hour.time.year() - data.first.year()) as usize) else {
            continue;
        };
        year.events += hour.events;
        year.exposure += if data.per_record {
            hour.records as f64
        } else {
            0.0
        };
    }
    years
}

fn next_year(year: i16) -> Date {
    Date::new(year + 1, 1, 1).unwrap_or(Date::MAX)
}

/// Formats the rates of the years.
fn rates(data: &Data<'_>, years: &[Year]) -> Vec<String> {
    let rates: Vec<f64> = years.iter().map(|year| year.rate(data)).collect();
    words::format_rates(data, &rates)
}

fn row(
    data: &Data<'_>,
    group: &Group,
    year: &Year,
    rate: &str,
    pair: Option<&YearComparison>,
) -> Vec<String> {
    let count = words::format_count(data, year.events, year.exposure);
    let mut row = vec![year.label(), count, rate.to_string()];
    row.extend(pair.map_or_else(
        || ["–"; 5].map(str::to_string),
        |pair| {
            let [now, before] = pair.format_sizes(data);
            let estimate = pair.estimate(data, false);
            let (change, bounds) = (estimate.signed(), estimate.signed_range());
            [pair.now.days(), now, before, change, bounds]
        },
    ));
    if !data.params.by.is_empty() {
        row.insert(0, group.label.clone());
    }
    row
}

fn candidate(
    data: &Data<'_>,
    group: &Group,
    years: &[Year],
    year: &Year,
    pair: &YearComparison,
    chart: Option<usize>,
) -> Candidate {
    let YearComparison {
        before, now, ratio, ..
    } = pair;
    let year_before = before.start.year();
    let what = format!("{} in {} against {year_before}", data.measure, year.year);
    let mut finding = data.start_finding("year_rate", group, &what);
    finding.chapter = Chapter::Changes;
    finding.direction = if ratio.ratio >= 1.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.severity = severity(data.params, ratio.ratio, finding.direction);
    let [low, high] = ratio.clustered;
    finding.magnitude = Some(Magnitude::interval95(ratio.ratio, low, high, "ratio"));
    finding.n = (before.events + now.events) as u64;
    finding.p = Some(ratio.p);
    finding.baseline = Some(before.words());
    finding.period = format!("{} and {}", before.words(), now.words());
    if ratio.dispersion > 1.5 && !data.amounts {
        finding.caveats.push(format!(
            "Months vary {} times as much as they would if records were independent; the interval allows for it.",
            number::sensible(ratio.dispersion)
        ));
    }
    if pair.is_part {
        finding.caveats.push(format!(
            "Records cover a year in part: {} is compared with {}.",
            now.words(),
            before.words()
        ));
    }
    let [size, size_before] = pair.format_sizes(data);
    let estimate = pair.estimate(data, true);
    let subject = format!("{}{}", capitalised(&data.measure), data.in_group(group));
    let were = match words::verb(&data.measure) {
        "are" => "were",
        _ => "was",
    };
    finding.sentence = format!(
        "{subject} {were} {}: {size} against {size_before}.",
        estimate.claim(&pair.describe()),
    );
    let list = |f: fn(&Year) -> serde_json::Value| json!(years.iter().map(f).collect::<Vec<_>>());
    finding = finding
        .number("year", i64::from(year.year))
        .number("year_before", i64::from(year_before))
        .number("count", now.events)
        .number("count_before", before.events)
        .number("ratio", json!([ratio.ratio, low, high]))
        .number(
            "ratio_poisson",
            json!([ratio.ratio, ratio.plain[0], ratio.plain[1]]),
        )
        .number("dispersion", ratio.dispersion)
        .number("years", list(|year| json!(year.year)))
        .number("counts", list(|year| json!(year.events)))
        .number("part", list(|year| json!(year.is_part())))
        .number("bars", json!([year.label()]));
    Candidate {
        title: format!("{subject} {were} {}", estimate.claim(&pair.describe())),
        p: ratio.p,
        is_large: ratio.ratio.ln().abs() >= (1.0 + data.params.change_min).ln(),
        finding,
        chart,
        replacement: None,
    }
}

fn chart(data: &Data<'_>, group: &Group, years: &[Year], index: usize) -> retrocast_domain::Chart {
    let bars = years
        .iter()
        .zip(rates(data, years))
        .map(|(year, text)| {
            let bar = Bar {
                label: year.label(),
                value: year.rate(data),
                interval: None,
                text,
                highlight: false,
            };
            (bar, String::new())
        })
        .collect();
    let title = words::unproven_title(data, group, "change from year to year");
    let id = chart_id(
        &data.context.stage,
        &format!("year-{index}-{}", group.label),
    );
    let unit = if data.per_record {
        data.measure.clone()
    } else {
        format!("{} per day", data.measure)
    };
    words::bars(id, title, &unit, bars, 0.0, "")
}
