//! Finds a volume above which the metric changes.

use super::{Candidate, Data, Group, Record, ResultRow, Results, words};
use crate::series::words::{capitalised, chart_id};
use retrocast_domain::{
    ActionRequest, Chart, Direction, Estimate, Magnitude, Severity, Table, chart::Bar,
    estimate::levels, number, sentence::fill,
};
use retrocast_stats::{
    describe::{mean, mean_interval, sorted},
    rate::clustered_ratio,
    search::content_seed,
    test::{Comparison, wilson},
    threshold::{Threshold, threshold},
};
use serde_json::json;
use std::collections::BTreeMap;

/// Name of the effect in the stage's dataset.
pub(super) const EFFECT: &str = "volume";

/// Minimum number of records, and of events and non-events among them.
const RECORDS_MIN: usize = 200;
const EVENTS_MIN: usize = 20;
/// Minimum number of records on either side of a threshold.
const SIDE_MIN: usize = 20;
/// Minimum number of records in a typical stratum.
const STRATUM_MIN: usize = 8;

/// A record with a volume and an outcome.
struct Point<'a> {
    record: &'a Record,
    volume: f64,
    outcome: f64,
}

pub(super) fn analyse(data: &Data<'_>, results: &mut Results) {
    let volume = volume_name(data);
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
        let (strata, stratum) = strata(&points);
        let volumes: Vec<f64> = points.iter().map(|point| point.volume).collect();
        let outcomes: Vec<f64> = points.iter().map(|point| point.outcome).collect();
        let seed = data.context.seed ^ content_seed(volumes.iter().chain(&outcomes));
        let Some(cut) = threshold(&volumes, &outcomes, &strata, SIDE_MIN, seed) else {
            continue;
        };
        tested += 1;
        let ratio = ratio_above(data, &points, &strata, cut.cut);
        results
            .rows
            .extend(result_rows(group, &points, cut.cut, ratio));
        let [above, below] = side_levels(data, &cut, ratio.as_ref());
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
            results
                .charts
                .push(chart(data, group, &points, cut.cut, tested));
            results.charts.len() - 1
        });
        results.candidates.push(candidate(
            data, group, &points, &strata, &cut, stratum, chart,
        ));
    }
    if tested == 0 {
        results.skipped.push(format!(
            "{volume} needs at least {RECORDS_MIN} records with {EVENTS_MIN} events among them"
        ));
        return;
    }
    results.done.push(format!("a threshold in {volume}"));
    results.tables.push(table.top(24));
}

/// Both sides of a threshold as rows of the stage's dataset.
fn result_rows(
    group: &Group,
    points: &[Point<'_>],
    cut: f64,
    ratio: Option<Comparison>,
) -> [ResultRow; 2] {
    [false, true].map(|is_above| {
        let side = points
            .iter()
            .filter(|point| (point.volume > cut) == is_above);
        let (events, exposure) = side.fold((0.0, 0.0), |(events, records), point| {
            (events + point.outcome, records + 1.0)
        });
        let side = if is_above { "above" } else { "up to" };
        ResultRow {
            group: group.label.clone(),
            effect: EFFECT,
            category: format!("{side} {cut}"),
            events,
            exposure,
            ratio: ratio
                .filter(|_| is_above)
                .map(|ratio| [ratio.estimate, ratio.lower, ratio.upper]),
        }
    })
}

/// Name of the volume column in words.
fn volume_name(data: &Data<'_>) -> String {
    data.params
        .volume
        .as_deref()
        .unwrap_or_default()
        .replace('_', " ")
}

/// Describes the records above a volume, or up to it: "with more than 1150 files", "with up to 1150
/// files"; without a plural, "with a queue length above 80".
fn records_with(volume: &str, cut: &str, is_above: bool) -> String {
    match (words::verb(volume) == "are", is_above) {
        (true, true) => format!("with more than {cut} {volume}"),
        (true, false) => format!("with up to {cut} {volume}"),
        (false, true) => format!("with {volume} above {cut}"),
        (false, false) => format!("with {volume} up to {cut}"),
    }
}

/// The records of a group that have a volume and an outcome.
fn points<'a>(data: &Data<'_>, group: &'a Group) -> Vec<Point<'a>> {
    let value = |record: &Record| {
        if data.params.value.is_some() {
            record.value
        } else {
            Some(f64::from(record.is_event))
        }
    };
    group
        .rows
        .iter()
        .filter_map(|record| {
            Some(Point {
                record,
                volume: record.volume?,
                outcome: value(record)?,
            })
        })
        .collect()
}

/// Strata within which volumes are compared: the first of days, weeks and months that has enough
/// records; otherwise none.
fn strata(points: &[Point<'_>]) -> (Vec<usize>, &'static str) {
    type Key = (i16, i16, usize);
    let kinds: [(&'static str, fn(&Record) -> Key); 3] = [
        ("day", |record| {
            (
                record.time.year(),
                record.time.date().day_of_year(),
                record.within,
            )
        }),
        ("week", |record| {
            let week = record.time.date().iso_week_date();
            (week.year(), i16::from(week.week()), record.within)
        }),
        ("month", |record| {
            (
                record.time.year(),
                i16::from(record.time.month()),
                record.within,
            )
        }),
    ];
    for (name, key) in kinds {
        let mut sizes: BTreeMap<Key, usize> = BTreeMap::new();
        for point in points {
            *sizes.entry(key(point.record)).or_default() += 1;
        }
        // Size of the stratum of the median record.
        let mut by_record: Vec<usize> = points
            .iter()
            .map(|point| sizes[&key(point.record)])
            .collect();
        by_record.sort_unstable();
        if by_record[by_record.len() / 2] >= STRATUM_MIN {
            let ids: BTreeMap<Key, usize> =
                sizes.keys().enumerate().map(|(i, k)| (*k, i)).collect();
            return (
                points.iter().map(|point| ids[&key(point.record)]).collect(),
                name,
            );
        }
    }
    (points.iter().map(|point| point.record.within).collect(), "")
}

/// The ratio of the level above the threshold to the level up to it, as an estimate.
fn ratio_estimate(data: &Data<'_>, ratio: &Comparison) -> Estimate<'static> {
    let estimate = words::ratio(ratio, true);
    if data.params.value.is_none() {
        estimate.of_shares()
    } else {
        estimate
    }
}

/// Formats the levels above the threshold and up to it.
fn side_levels(data: &Data<'_>, cut: &Threshold, ratio: Option<&Comparison>) -> [String; 2] {
    let unit = if data.params.value.is_none() {
        "share"
    } else {
        &data.params.unit
    };
    let Some(ratio) = ratio else {
        return levels([cut.mean_above, cut.mean_below], None, unit);
    };
    let [below, above] =
        ratio_estimate(data, ratio).levels([cut.mean_below, cut.mean_above], None, unit);
    [above, below]
}

/// The ratio of the level above the threshold to the level up to it, with records clustered in the
/// strata (or independent without strata). `None` if a level is not positive.
fn ratio_above(
    data: &Data<'_>,
    points: &[Point<'_>],
    strata: &[usize],
    cut: f64,
) -> Option<Comparison> {
    let is_share = data.params.value.is_none();
    if points.iter().any(|point| point.outcome < 0.0) {
        return None;
    }
    let is_single_stratum = strata
        .first()
        .is_some_and(|first| strata.iter().all(|s| s == first));
    let mut clusters: BTreeMap<usize, [(f64, f64); 2]> = BTreeMap::new();
    for (i, (point, stratum)) in points.iter().zip(strata).enumerate() {
        let cluster = clusters
            .entry(if is_single_stratum { i } else { *stratum })
            .or_default();
        let side = &mut cluster[usize::from(point.volume <= cut)];
        side.0 += point.outcome;
        side.1 += 1.0;
    }
    let clusters: Vec<_> = clusters.into_values().collect();
    clustered_ratio(&clusters, is_share)
}

/// Formats a level: a share, or a value with its unit.
fn format_level(data: &Data<'_>, value: f64) -> String {
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
    stratum: &str,
    chart: Option<usize>,
) -> Candidate {
    let volume = volume_name(data);
    let is_gradual = cut.is_steady();
    let is_plural = words::verb(&data.measure) == "are";
    let kind = if is_gradual {
        "volume_slope"
    } else {
        "volume_threshold"
    };
    let mut finding = data.start_finding(kind, group, &format!("{} by {volume}", data.measure));
    finding.direction = if cut.z >= 0.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    let is_worse = (finding.direction == Direction::Up) == data.params.lower_is_better;
    finding.severity = if is_worse {
        Severity::Warning
    } else {
        Severity::Info
    };
    let be = words::verb(&data.measure);
    let is_level = data.amounts || data.per_record;
    let comparative = match (is_level, finding.direction) {
        (true, Direction::Down) => "lower",
        (true, _) => "higher",
        (false, Direction::Down) => "less frequent",
        (false, _) => "more frequent",
    };
    let event = format!(
        "{be} {comparative} above {} {volume}",
        number::sensible(cut.cut)
    );
    finding.request = Some(ActionRequest::new(&data.measure, event, "find the cause"));
    finding.n = points.len() as u64;
    finding.p = Some(cut.p);
    finding.baseline = Some(format!("{volume} up to {}", number::sensible(cut.cut)));
    let ratio = ratio_above(data, points, strata, cut.cut);
    finding.magnitude = match ratio {
        Some(r) => Some(Magnitude::interval95(r.estimate, r.lower, r.upper, "ratio")),
        None => Some(cut.mean_above / cut.mean_below)
            .filter(|ratio| ratio.is_finite())
            .map(|ratio| Magnitude::point(ratio, "ratio")),
    };
    let is_share = data.params.value.is_none();
    // The direction must be the same within strata and over all of them.
    let is_consistent = (cut.mean_above >= cut.mean_below) == (cut.z >= 0.0);
    let is_large = finding.magnitude.as_ref().map_or(is_share, |ratio| {
        ratio.value.max(1e-9).ln().abs() >= (1.0 + data.params.change_min).ln()
    });
    if stratum.is_empty() {
        finding.caveats.push(
            "There are too few records a month to compare within months: a change over time that \
             comes with a change of volume could look the same."
                .to_string(),
        );
    } else {
        finding
            .caveats
            .push(format!("Volumes are compared within the same {stratum}."));
    }
    let template = if is_gradual {
        "{Measure}{in_group} {moves} with {volume}, from {below} up to {cut} to {above} above it{claim}; no \
         sharp threshold is proven."
    } else {
        "{Measure}{in_group} {is} {above} in records {more} (95\u{a0}% interval of this threshold {bounds}), and \
         {below} in records {less}{claim}."
    };
    let claim = ratio.map_or_else(String::new, |ratio| {
        format!(": {}", ratio_estimate(data, &ratio).claim(""))
    });
    let moves = match (cut.z >= 0.0, is_plural) {
        (true, true) => "rise",
        (true, false) => "rises",
        (false, true) => "fall",
        (false, false) => "falls",
    };
    let [above, below] = side_levels(data, cut, ratio.as_ref());
    let threshold = number::sensible(cut.cut);
    finding.sentence = fill(
        template,
        &[
            ("Measure", &capitalised(&data.measure)),
            ("in_group", &data.in_group(group)),
            ("moves", moves),
            ("is", words::verb(&data.measure)),
            ("volume", &volume),
            ("more", &records_with(&volume, &threshold, true)),
            ("less", &records_with(&volume, &threshold, false)),
            ("cut", &threshold),
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
        title: if is_gradual {
            format!(
                "{}{} {moves} with {volume}",
                capitalised(&data.measure),
                data.in_group(group),
            )
        } else {
            format!(
                "{}{} {} in records {}",
                capitalised(&data.measure),
                data.in_group(group),
                ratio.map_or_else(
                    || moves.to_string(),
                    |ratio| format!(
                        "{} {}",
                        words::verb(&data.measure),
                        ratio_estimate(data, &ratio).claim("")
                    )
                ),
                records_with(&volume, &threshold, true)
            )
        },
        p: cut.p,
        is_large: is_large && is_consistent,
        finding,
        chart,
        replacement: None,
    }
}

/// Records of similar volume.
struct VolumeClass {
    /// Range of its volumes.
    label: String,
    is_above: bool,
    outcomes: Vec<f64>,
}

/// Divides the records into ten equally large classes of volume, and splits the class that contains
/// the threshold.
fn classes(points: &[Point<'_>], cut: f64) -> Vec<VolumeClass> {
    let volumes = sorted(&points.iter().map(|point| point.volume).collect::<Vec<_>>());
    let mut ends: Vec<f64> = (1..=10)
        .map(|i| volumes[(volumes.len() * i / 10).max(1) - 1])
        .chain([cut])
        .collect();
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    let class_of = |volume: f64| ends.partition_point(|end| *end < volume);
    let mut outcomes: Vec<Vec<f64>> = vec![Vec::new(); ends.len()];
    for point in points {
        outcomes[class_of(point.volume)].push(point.outcome);
    }
    let filled = outcomes.into_iter().filter(|outcomes| !outcomes.is_empty());
    let spans = volumes.chunk_by(|a, b| class_of(*a) == class_of(*b));
    filled
        .zip(spans)
        .map(|(outcomes, span)| {
            let [low, high] = [span[0], span[span.len() - 1]];
            let [from, to] = [low, high].map(number::sensible);
            VolumeClass {
                label: if from == to {
                    to
                } else {
                    format!("{from} to {to}")
                },
                is_above: low > cut,
                outcomes,
            }
        })
        .collect()
}

/// Labels of the classes above a cut.
fn bars_above(points: &[Point<'_>], cut: f64) -> Vec<String> {
    let above = classes(points, cut)
        .into_iter()
        .filter(|class| class.is_above);
    above.map(|class| class.label).collect()
}

fn chart(data: &Data<'_>, group: &Group, points: &[Point<'_>], cut: f64, index: usize) -> Chart {
    let bars = classes(points, cut)
        .into_iter()
        .map(
            |VolumeClass {
                 label, outcomes, ..
             }| {
                let value = mean(&outcomes);
                let interval = if data.params.value.is_none() {
                    Some(wilson(outcomes.iter().sum(), outcomes.len() as f64, 0.95))
                } else {
                    mean_interval(&outcomes, 0.95)
                };
                let bounds = interval.map_or_else(String::new, |[low, high]| {
                    number::range(&format_level(data, low), &format_level(data, high))
                });
                let bar = Bar {
                    label,
                    value,
                    interval,
                    text: format_level(data, value),
                    highlight: false,
                };
                (bar, bounds)
            },
        )
        .collect();
    let volume = volume_name(data);
    let title = format!(
        "{}{}: no threshold of {volume} proven",
        capitalised(&data.measure),
        data.in_group(group)
    );
    let id = chart_id(
        &data.context.stage,
        &format!("volume-{index}-{}", group.label),
    );
    words::bars(
        id,
        title,
        // An axis of shares is recognised by its first word.
        &format!("{} by {volume}", data.measure.trim_start_matches("the ")),
        bars,
        0.0,
        "",
    )
}
