//! Each year against the one before, part years marked.

use super::{Candidate, Data, Found, Group, Line, days_between, severity, words};
use crate::series::words::{capitalised, chart_id};
use jiff::civil::{Date, date};
use retrocast_domain::{Direction, Magnitude, Table, chart::Bar, number, sentence::fill};
use retrocast_stats::rate::{PeriodRatio, period_ratio};
use serde_json::json;

/// Fewest events in a year for it to be compared.
const EVENTS_MIN: f64 = 20.0;

/// One calendar year of one group.
struct Year {
    year: i16,
    events: f64,
    /// Share of the year that records cover; records, when rates are per record.
    exposure: f64,
    /// Whether records cover it in part only.
    part: bool,
    /// Events and exposure of its months.
    months: Vec<(f64, f64)>,
}

impl Year {
    fn label(&self) -> String {
        if self.part {
            format!("{} (part)", self.year)
        } else {
            self.year.to_string()
        }
    }
}

pub(super) fn look(data: &Data<'_>, found: &mut Found) {
    if data.first.year() == data.end.yesterday().unwrap_or(data.end).year() {
        found
            .missing
            .push("have records of 1 year, need 2 to compare years".to_string());
        return;
    }
    let mut columns = vec![
        "<Year",
        ">Count",
        ">Rate",
        ">Against the year before",
        ">95 % interval",
    ];
    let by = format!("<{}", capitalised(&data.params.by.join(" / ")));
    if !data.params.by.is_empty() {
        columns.insert(0, &by);
    }
    let mut table = Table::new(format!("{} by year", capitalised(&data.measure)), &columns);
    for (at, group) in data.groups.iter().enumerate() {
        let years = years(data, group);
        let chart = (at < 3).then(|| {
            found.charts.push(chart(data, group, &years, at));
            found.charts.len() - 1
        });
        let mut before: Option<&Year> = None;
        for year in &years {
            let ratio = before.and_then(|before| compared(data, before, year));
            table.rows.push(row(data, group, year, ratio.as_ref()));
            found.lines.push(Line {
                group: group.label.clone(),
                effect: "year",
                category: year.label(),
                events: year.events,
                exposure: year.exposure,
                ratio: ratio.map(|r| [r.ratio, r.plain[0], r.plain[1]]),
            });
            if let (Some(before), Some(ratio)) = (before, &ratio) {
                found
                    .candidates
                    .push(candidate(data, group, &years, before, year, ratio, chart));
            }
            before = Some(year);
        }
    }
    found.done.push("years".to_string());
    found.tables.push(table.top(48));
}

fn compared(data: &Data<'_>, before: &Year, year: &Year) -> Option<PeriodRatio> {
    if !data.amounts && (before.events < EVENTS_MIN || year.events < EVENTS_MIN) {
        return None;
    }
    period_ratio(&before.months, &year.months, data.amounts)
}

/// The years that records cover. A complete year has exposure 1, so that ratios of complete years
/// are ratios of their counts.
fn years(data: &Data<'_>, group: &Group) -> Vec<Year> {
    let last = data.end.yesterday().unwrap_or(data.end).year();
    let mut years: Vec<Year> = (data.first.year()..=last)
        .map(|year| {
            let (start, end) = (date(year, 1, 1), next_year(year));
            let months: Vec<f64> = (1..=12)
                .map(|month| {
                    let start = date(year, month, 1);
                    let end = if month == 12 {
                        end
                    } else {
                        date(year, month + 1, 1)
                    };
                    covered(data, start, end)
                        / days_between(date(year, 1, 1), next_year(year)) as f64
                })
                .collect();
            let exposure = if data.per_record {
                0.0
            } else {
                months.iter().sum()
            };
            let months = months.into_iter().map(|days| (0.0, days)).collect();
            let part = data.first > start || data.end < end;
            Year {
                year,
                events: 0.0,
                exposure,
                part,
                months,
            }
        })
        .collect();
    if data.per_record {
        years
            .iter_mut()
            .flat_map(|year| &mut year.months)
            .for_each(|month| month.1 = 0.0);
    }
    for row in &group.rows {
        let Some(year) = years.get_mut((row.time.year() - data.first.year()) as usize) else {
            continue;
        };
        let month = &mut year.months[(row.time.month() - 1) as usize];
        month.0 += row.events;
        year.events += row.events;
        if data.per_record {
            month.1 += 1.0;
            year.exposure += 1.0;
        }
    }
    for year in &mut years {
        year.months.retain(|month| month.1 > 0.0);
    }
    years
}

fn next_year(year: i16) -> Date {
    Date::new(year + 1, 1, 1).unwrap_or(Date::MAX)
}

fn covered(data: &Data<'_>, start: Date, end: Date) -> f64 {
    let (start, end) = (start.max(data.first), end.min(data.end));
    if start < end {
        days_between(start, end) as f64
    } else {
        0.0
    }
}

fn rate_text(data: &Data<'_>, year: &Year) -> String {
    let rate = year.events / year.exposure;
    if !data.per_record {
        format!("{} a year", number::sensible(rate.round()))
    } else if data.params.value.is_none() {
        number::percent(rate)
    } else {
        number::with_unit(rate, &data.params.unit)
    }
}

fn row(data: &Data<'_>, group: &Group, year: &Year, ratio: Option<&PeriodRatio>) -> Vec<String> {
    let mut row = vec![
        year.label(),
        number::sensible(year.events),
        rate_text(data, year),
        ratio.map_or_else(|| "–".to_string(), |r| number::with_unit(r.ratio, "ratio")),
        ratio.map_or_else(String::new, |r| number::interval(r.plain[0], r.plain[1])),
    ];
    if !data.params.by.is_empty() {
        row.insert(0, group.label.clone());
    }
    row
}

fn candidate(
    data: &Data<'_>,
    group: &Group,
    years: &[Year],
    before: &Year,
    year: &Year,
    ratio: &PeriodRatio,
    chart: Option<usize>,
) -> Candidate {
    let what = format!("{} in {} against {}", data.measure, year.year, before.year);
    let mut finding = data.finding("year_rate", group, &what);
    finding.direction = if ratio.ratio >= 1.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.severity = severity(data.params, ratio.ratio, finding.direction);
    finding.magnitude = Some(Magnitude::interval95(
        ratio.ratio,
        ratio.plain[0],
        ratio.plain[1],
        "ratio",
    ));
    finding.n = (before.events + year.events) as u64;
    finding.p = Some(ratio.p);
    finding.baseline = Some(before.label());
    finding.period = format!("{} and {}", before.label(), year.label());
    if ratio.dispersion > 1.1 && !data.amounts {
        finding.caveats.push(format!(
            "The interval takes records as independent; with the clustering seen from month to \
             month it is {}. The p-value allows for it.",
            number::interval(ratio.clustered[0], ratio.clustered[1])
        ));
    }
    if before.part || year.part {
        finding.caveats.push(
            "Records cover a year in part: rates are compared, and months differ.".to_string(),
        );
    }
    let counts = |year: &Year| {
        if data.per_record {
            rate_text(data, year)
        } else {
            number::sensible(year.events)
        }
    };
    finding.sentence = fill(
        "{Measure}{of}: {now} in {year} against {then} in {before}, {rates}{times} times as {much} \
         (95 % interval {bounds}).",
        &[
            ("Measure", &capitalised(&data.measure)),
            ("of", &data.of(group)),
            ("now", &counts(year)),
            ("year", &year.label()),
            ("then", &counts(before)),
            ("before", &before.label()),
            (
                "rates",
                if before.part || year.part {
                    "as a rate "
                } else {
                    ""
                },
            ),
            (
                "much",
                if data.amounts || data.per_record {
                    "much"
                } else {
                    "many"
                },
            ),
            ("times", &number::fixed(ratio.ratio, 2)),
            ("bounds", &number::interval(ratio.plain[0], ratio.plain[1])),
        ],
    );
    let list = |f: fn(&Year) -> serde_json::Value| json!(years.iter().map(f).collect::<Vec<_>>());
    finding = finding
        .number("year", i64::from(year.year))
        .number("year_before", i64::from(before.year))
        .number("count", year.events)
        .number("count_before", before.events)
        .number(
            "ratio",
            json!([ratio.ratio, ratio.plain[0], ratio.plain[1]]),
        )
        .number(
            "ratio_clustered",
            json!([ratio.ratio, ratio.clustered[0], ratio.clustered[1]]),
        )
        .number("dispersion", ratio.dispersion)
        .number("years", list(|year| json!(year.year)))
        .number("counts", list(|year| json!(year.events)))
        .number("part", list(|year| json!(year.part)))
        .number("bars", json!([year.label()]));
    let rose = if ratio.ratio >= 1.0 { "more" } else { "fewer" };
    Candidate {
        title: if data.per_record {
            format!(
                "{}{} changed in {}",
                capitalised(&data.measure),
                data.of(group),
                year.label()
            )
        } else {
            format!(
                "{rose} {}{} in {}",
                data.measure,
                data.of(group),
                year.label()
            )
        },
        p: ratio.p,
        large: ratio.ratio.ln().abs() >= (1.0 + data.params.change_min).ln(),
        finding,
        chart,
    }
}

fn chart(data: &Data<'_>, group: &Group, years: &[Year], at: usize) -> retrocast_domain::Chart {
    let bars = years
        .iter()
        .map(|year| Bar {
            label: year.label(),
            value: if data.per_record {
                year.events / year.exposure.max(1.0)
            } else {
                year.events
            },
            interval: None,
            text: if data.per_record {
                rate_text(data, year)
            } else {
                number::sensible(year.events)
            },
            highlight: false,
        })
        .collect();
    let title = format!("{}{} by year", capitalised(&data.measure), data.of(group));
    let id = chart_id(&data.context.stage, &format!("year-{at}-{}", group.label));
    words::bars(id, title, &data.measure, bars, 0.0, "")
}
