//! The volume above which things change, found and not given.

use super::{Candidate, Data, Found, Group, Row, words};
use crate::series::words::{capitalised, chart_id, group_seed};
use retrocast_domain::{
    Chart, Direction, Estimate, Magnitude, Severity, Table, chart::Bar, estimate::levels, number,
    sentence::fill,
};
use retrocast_stats::{
    describe::{mean, mean_interval, sorted},
    rate::clustered_ratio,
    test::{Comparison, wilson},
    threshold::{Threshold, threshold},
};
use serde_json::json;
use std::collections::BTreeMap;

/// Fewest records, and fewest events and non-events among them.
const RECORDS_MIN: usize = 200;
const EVENTS_MIN: usize = 20;
/// Fewest records on either side of a threshold.
const SIDE_MIN: usize = 20;
/// Records that a usual stratum should hold.
const STRATUM_USUAL: usize = 8;

/// A record with a volume and an outcome.
struct Point<'a> {
    row: &'a Row,
    volume: f64,
    outcome: f64,
}

pub(super) fn look(data: &Data<'_>, found: &mut Found) {
    let volume = spoken(data);
    let mut tested = 0;
    let mut table = Table::new(
        format!("{} by {volume}", capitalised(&data.measure)),
        &[
            "<Group",
            ">Threshold",
            ">95 % interval",
            ">Up to it",
            ">Above it",
            ">Records above",
            ">p",
        ],
    );
    for group in &data.groups {
        let points = points(data, group);
        let events = points.iter().filter(|point| point.outcome > 0.0).count();
        let binary = data.params.value.is_none();
        if points.len() < RECORDS_MIN
            || (binary && (events < EVENTS_MIN || points.len() - events < EVENTS_MIN))
        {
            continue;
        }
        let (strata, unit) = strata(&points);
        let volumes: Vec<f64> = points.iter().map(|point| point.volume).collect();
        let outcomes: Vec<f64> = points.iter().map(|point| point.outcome).collect();
        let seed = group_seed(data.context.seed, &group.label);
        let Some(cut) = threshold(&volumes, &outcomes, &strata, SIDE_MIN, seed) else {
            continue;
        };
        tested += 1;
        let ratio = ratio_of(data, &points, &strata, cut.cut);
        let [above, below] = sides(data, &cut, ratio.as_ref());
        table.push([
            group.label.clone(),
            number::sensible(cut.cut),
            number::interval(cut.cut_interval[0], cut.cut_interval[1]),
            below,
            above,
            number::count(cut.n_above as u64),
            number::p_bare(cut.p),
        ]);
        let chart = (tested <= 4).then(|| {
            found.charts.push(chart(data, group, &points, tested));
            found.charts.len() - 1
        });
        found
            .candidates
            .push(candidate(data, group, &points, &strata, &cut, unit, chart));
    }
    if tested == 0 {
        found.missing.push(format!(
            "{volume} needs at least {RECORDS_MIN} records with {EVENTS_MIN} events among them"
        ));
        return;
    }
    found.done.push(format!("a threshold in {volume}"));
    found.tables.push(table.top(24));
}

fn spoken(data: &Data<'_>) -> String {
    data.params
        .volume
        .as_deref()
        .unwrap_or_default()
        .replace('_', " ")
}

/// "pass" after a plural, else "passes".
fn pass(volume: &str) -> &'static str {
    if words::verb(volume) == "are" {
        "pass"
    } else {
        "passes"
    }
}

fn points<'a>(data: &Data<'_>, group: &'a Group) -> Vec<Point<'a>> {
    let value = |row: &Row| {
        if data.params.value.is_some() {
            row.value
        } else {
            Some(f64::from(row.is_event))
        }
    };
    group
        .rows
        .iter()
        .filter_map(|row| {
            Some(Point {
                row,
                volume: row.volume?,
                outcome: value(row)?,
            })
        })
        .collect()
}

/// Strata within which volumes are compared: days when they hold enough records, else weeks, else
/// months, else none.
fn strata(points: &[Point<'_>]) -> (Vec<usize>, &'static str) {
    type Key = (i16, i16, usize);
    let kinds: [(&'static str, fn(&Row) -> Key); 3] = [
        ("day", |row| {
            (row.time.year(), row.time.date().day_of_year(), row.within)
        }),
        ("week", |row| {
            let week = row.time.date().iso_week_date();
            (week.year(), i16::from(week.week()), row.within)
        }),
        ("month", |row| {
            (row.time.year(), i16::from(row.time.month()), row.within)
        }),
    ];
    for (name, key) in kinds {
        let mut sizes: BTreeMap<Key, usize> = BTreeMap::new();
        for point in points {
            *sizes.entry(key(point.row)).or_default() += 1;
        }
        // The size of the stratum that the usual record is in.
        let mut by_record: Vec<usize> = points.iter().map(|point| sizes[&key(point.row)]).collect();
        by_record.sort_unstable();
        if by_record[by_record.len() / 2] >= STRATUM_USUAL {
            let ids: BTreeMap<Key, usize> =
                sizes.keys().enumerate().map(|(i, k)| (*k, i)).collect();
            return (
                points.iter().map(|point| ids[&key(point.row)]).collect(),
                name,
            );
        }
    }
    (points.iter().map(|point| point.row.within).collect(), "")
}

/// The level above the cut over that up to it, in words.
fn in_words(data: &Data<'_>, ratio: &Comparison) -> Estimate<'static> {
    let estimate = words::ratio(ratio, true);
    if data.params.value.is_none() {
        estimate.of_shares()
    } else {
        estimate
    }
}

/// Levels above and up to the cut.
fn sides(data: &Data<'_>, cut: &Threshold, ratio: Option<&Comparison>) -> [String; 2] {
    let unit = if data.params.value.is_none() {
        "share"
    } else {
        &data.params.unit
    };
    let Some(ratio) = ratio else {
        return levels([cut.mean_above, cut.mean_below], None, unit);
    };
    let [below, above] = in_words(data, ratio).levels([cut.mean_below, cut.mean_above], None, unit);
    [above, below]
}

/// The level above the cut over that up to it, with the clustering of records in the strata (each
/// record alone where there are none). `None` where a level is not positive.
fn ratio_of(
    data: &Data<'_>,
    points: &[Point<'_>],
    strata: &[usize],
    cut: f64,
) -> Option<Comparison> {
    let shares = data.params.value.is_none();
    if points.iter().any(|point| point.outcome < 0.0) {
        return None;
    }
    let one = strata
        .first()
        .is_some_and(|first| strata.iter().all(|s| s == first));
    let mut clusters: BTreeMap<usize, [(f64, f64); 2]> = BTreeMap::new();
    for (i, (point, stratum)) in points.iter().zip(strata).enumerate() {
        let cluster = clusters.entry(if one { i } else { *stratum }).or_default();
        let side = &mut cluster[usize::from(point.volume <= cut)];
        side.0 += point.outcome;
        side.1 += 1.0;
    }
    let clusters: Vec<_> = clusters.into_values().collect();
    clustered_ratio(&clusters, shares)
}

fn level(data: &Data<'_>, value: f64) -> String {
    if data.params.value.is_none() {
        number::percent(value)
    } else {
        number::with_unit(value, &data.params.unit)
    }
}

fn candidate(
    data: &Data<'_>,
    group: &Group,
    points: &[Point<'_>],
    strata: &[usize],
    cut: &Threshold,
    unit: &str,
    chart: Option<usize>,
) -> Candidate {
    let volume = spoken(data);
    let gradual = cut.is_steady();
    let plural = words::verb(&data.measure) == "are";
    let kind = if gradual {
        "volume_slope"
    } else {
        "volume_threshold"
    };
    let mut finding = data.finding(kind, group, &format!("{} by {volume}", data.measure));
    finding.direction = if cut.z >= 0.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    let bad = (finding.direction == Direction::Up) == data.params.lower_is_better;
    finding.severity = if bad {
        Severity::Warning
    } else {
        Severity::Info
    };
    finding.n = points.len() as u64;
    finding.p = Some(cut.p);
    finding.baseline = Some(format!("{volume} up to {}", number::sensible(cut.cut)));
    let ratio = ratio_of(data, points, strata, cut.cut);
    finding.magnitude = match ratio {
        Some(r) => Some(Magnitude::interval95(r.estimate, r.lower, r.upper, "ratio")),
        None => Some(cut.mean_above / cut.mean_below)
            .filter(|ratio| ratio.is_finite())
            .map(|ratio| Magnitude::point(ratio, "ratio")),
    };
    let share = data.params.value.is_none();
    // Within strata and over all of them, the level must move the same way.
    let agrees = (cut.mean_above >= cut.mean_below) == (cut.z >= 0.0);
    let is_large = finding.magnitude.as_ref().map_or(share, |ratio| {
        ratio.value.max(1e-9).ln().abs() >= (1.0 + data.params.change_min).ln()
    });
    if unit.is_empty() {
        finding.caveats.push(
            "There are too few records a month to compare within months: a change over time that \
             comes with a change of volume could look the same."
                .to_string(),
        );
    } else {
        finding
            .caveats
            .push(format!("Volumes are compared within the same {unit}."));
    }
    let template = if gradual {
        "{Measure}{of} {moves} with {volume}, from {below} up to {cut} to {above} above it{claim}; no \
         sharp threshold is proven."
    } else {
        "{Measure}{of} {is} {above} once {volume} {pass} {cut} (95\u{a0}% interval {bounds}), against \
         {below} up to there{claim}."
    };
    let claim = ratio.map_or_else(String::new, |ratio| {
        format!(": {}", in_words(data, &ratio).claim(""))
    });
    let moves = match (cut.z >= 0.0, plural) {
        (true, true) => "rise",
        (true, false) => "rises",
        (false, true) => "fall",
        (false, false) => "falls",
    };
    let [above, below] = sides(data, cut, ratio.as_ref());
    finding.sentence = fill(
        template,
        &[
            ("Measure", &capitalised(&data.measure)),
            ("of", &data.of(group)),
            ("moves", moves),
            ("is", words::verb(&data.measure)),
            ("volume", &volume),
            ("pass", pass(&volume)),
            ("cut", &number::sensible(cut.cut)),
            (
                "bounds",
                &number::interval(cut.cut_interval[0], cut.cut_interval[1]),
            ),
            ("above", &above),
            ("below", &below),
            ("claim", &claim),
        ],
    );
    finding = finding
        .number("threshold", cut.cut)
        .number("threshold_lower", cut.cut_interval[0])
        .number("threshold_upper", cut.cut_interval[1])
        .number("level_below", cut.mean_below)
        .number("level_above", cut.mean_above)
        .number("n_below", cut.n_below as u64)
        .number("n_above", cut.n_above as u64)
        .number("z", cut.z)
        .number("z_slope", cut.z_slope)
        .number("bars", json!(bars_above(points, cut.cut)));
    if !data.filter_words.is_empty() {
        finding = finding.number("event", data.filter_words.clone());
    }
    Candidate {
        title: if gradual {
            format!(
                "{}{} {moves} with {volume}",
                capitalised(&data.measure),
                data.of(group),
            )
        } else {
            format!(
                "{}{} {} once {volume} {} {}",
                capitalised(&data.measure),
                data.of(group),
                ratio.map_or_else(
                    || moves.to_string(),
                    |ratio| format!(
                        "{} {}",
                        words::verb(&data.measure),
                        in_words(data, &ratio).size()
                    )
                ),
                pass(&volume),
                number::sensible(cut.cut)
            )
        },
        p: cut.p,
        large: is_large && agrees,
        finding,
        chart,
    }
}

/// Upper ends of ten equally filled classes of volume.
fn class_ends(points: &[Point<'_>]) -> Vec<f64> {
    let volumes = sorted(&points.iter().map(|point| point.volume).collect::<Vec<_>>());
    let mut ends: Vec<f64> = (1..=10)
        .map(|i| volumes[(volumes.len() * i / 10).max(1) - 1])
        .collect();
    ends.dedup();
    ends
}

fn class_label(end: f64) -> String {
    format!("to {}", number::sensible(end))
}

/// Labels of the classes that lie mostly above a cut.
fn bars_above(points: &[Point<'_>], cut: f64) -> Vec<String> {
    let ends = class_ends(points);
    ends.iter()
        .enumerate()
        .filter(|(i, _)| *i > 0 && ends[i - 1] >= cut || *i + 1 == ends.len())
        .map(|(_, end)| class_label(*end))
        .collect()
}

fn chart(data: &Data<'_>, group: &Group, points: &[Point<'_>], at: usize) -> Chart {
    let ends = class_ends(points);
    let mut classes: Vec<Vec<f64>> = vec![Vec::new(); ends.len()];
    for point in points {
        let class = ends
            .partition_point(|end| *end < point.volume)
            .min(ends.len() - 1);
        classes[class].push(point.outcome);
    }
    let bars = ends
        .iter()
        .zip(&classes)
        .filter(|(_, outcomes)| !outcomes.is_empty())
        .map(|(end, outcomes)| {
            let value = mean(outcomes);
            let interval = if data.params.value.is_none() {
                Some(wilson(outcomes.iter().sum(), outcomes.len() as f64, 0.95))
            } else {
                mean_interval(outcomes, 0.95)
            };
            let bounds = interval.map_or_else(String::new, |[low, high]| {
                number::range(&level(data, low), &level(data, high))
            });
            let bar = Bar {
                label: class_label(*end),
                value,
                interval,
                text: level(data, value),
                highlight: false,
            };
            (bar, bounds)
        })
        .collect();
    let volume = spoken(data);
    let title = format!(
        "{}{}: no threshold of {volume} proven",
        capitalised(&data.measure),
        data.of(group)
    );
    let id = chart_id(&data.context.stage, &format!("volume-{at}-{}", group.label));
    words::bars(
        id,
        title,
        // An axis of shares is told by the word it begins with.
        &format!("{} by {volume}", data.measure.trim_start_matches("the ")),
        bars,
        0.0,
        "",
    )
}
