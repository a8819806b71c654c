//! Slow movement over many days, weeks or months, for each group: improving, worsening, stable or
//! volatile.
//!
//! The records are made into one value a period. Days of the week are taken out of daily series
//! (median of what a running median leaves at each weekday). Whether the series rises or falls is
//! tested with the Mann-Kendall test, its variance enlarged for autocorrelation (Hamed and Rao
//! 1998; Yue and Wang 2004); how fast is the Theil-Sen slope with Sen's interval (Sen 1968).
//! p-values of all groups are corrected together (Benjamini and Hochberg 1995).
//!
//! A group is *improving* or *worsening* when its corrected p-value is below `alpha` and the line
//! moves by at least `change_min` of its level; otherwise *volatile* when the values scatter widely
//! around the line (robust standard deviation above 30 % of the level, and for counts more than
//! twice what chance gives), and *stable* when they do not. Where a single step describes the
//! series better than the line, the finding says so.
//!
//! ```toml
//! [stage.memory]
//! kind      = "trend"
//! input     = "metrics"
//! time      = "at"
//! value     = "memory_percent"
//! by        = ["service"]
//! aggregate = "mean"
//! ```
//!
//! Periods that records cover in part, at either end, are left out. A day without records counts as
//! 0 for counts and sums, and as missing for means and medians.

use crate::{
    Analysis, Context, Inputs, Kind, StageError,
    series::{
        self, Aggregate, Group, PartPeriods, Request, SeriesSet,
        period::{LongPeriod, Period},
        words,
    },
    with_findings,
};
use polars::prelude::*;
use rayon::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, Direction, Finding, Magnitude, Severity, Table,
    chart::{Panel, Role, Series},
    number::{self, plural},
    sentence::fill,
};
use retrocast_stats::{
    change_point::{Search, mean_shifts},
    test::benjamini_hochberg,
    trend::{TREND_MIN, Trend, seasonally_adjusted, trend},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `trend`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column with the time of a record; the contract's by default.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column with the value; not needed to count records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns whose values make the groups; none for one series of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// What is made of the records of a period: "count" without a `value`, else "mean".
    #[serde(default)]
    aggregate: Option<Aggregate>,
    /// Length of a period.
    #[serde(default = "day")]
    period: LongPeriod,
    /// What is measured, in words, such as "failures"; made from the names by default.
    #[serde(default)]
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// Whether less is better.
    #[serde(default = "yes")]
    lower_is_better: bool,
    /// Fewest periods with a value; 21 days, 12 weeks or 12 months by default.
    #[serde(default)]
    #[schemars(range(min = 8, max = 10_000))]
    min_points: Option<usize>,
    /// Smallest change over the whole stretch worth telling, as a share of the level.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
    /// Chance of a false claim; 0.05 for one series, 0.01 for many groups unless set.
    #[serde(default)]
    #[schemars(range(min = 1e-6, max = 0.5))]
    alpha: Option<f64>,
    /// Whether periods that records cover in part are left out or kept.
    #[serde(default = "leave_out")]
    part_periods: PartPeriods,
    /// Most periods to look back.
    #[serde(default = "a_year")]
    #[schemars(range(min = 8, max = 10_000))]
    periods_max: usize,
    /// Most groups to look at, the largest first.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 10_000))]
    groups_max: usize,
}

impl Params {
    fn alpha(&self) -> f64 {
        self.alpha
            .unwrap_or(if self.by.is_empty() { 0.05 } else { 0.01 })
    }
}

fn day() -> LongPeriod {
    LongPeriod::Day
}
fn yes() -> bool {
    true
}
fn five_percent() -> f64 {
    0.05
}
fn leave_out() -> PartPeriods {
    PartPeriods::LeaveOut
}
fn a_year() -> usize {
    366
}
fn fifty() -> usize {
    50
}

/// The kind `trend`.
pub const TREND: Kind = Kind {
    name: "trend",
    code_version: 2,
    summary: "Slow movement for each group, with its slope: improving, worsening, stable, volatile.",
    manual: include_str!("trend.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

const METHOD: &str = "Mann-Kendall test, variance corrected for autocorrelation (Hamed and Rao \
                      1998, Yue and Wang 2004); Theil-Sen slope with Sen's interval (1968); \
                      Benjamini-Hochberg over groups";

/// One group with what was found.
struct Tested {
    trend: Trend,
    adjusted: Vec<Option<f64>>,
    p_adjusted: f64,
    /// Change of the line from its first to its last position as a share of its level there.
    relative: Option<[f64; 3]>,
    class: &'static str,
    is_step: bool,
}

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = inputs
        .get(&params.input)
        .ok_or_else(|| StageError::Other(format!("there is no dataset {:?}", params.input)))?;
    let aggregate = Aggregate::chosen(params.aggregate, params.value.as_deref(), Aggregate::Mean);
    let period = Period::from(params.period);
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate,
        period,
        part_periods: params.part_periods,
        periods_max: params.periods_max,
        groups_max: params.groups_max,
        measure: params.measure.as_deref(),
    };
    let set = series::collect(context, input, &request)?;
    let mut cell = Cell::new(&context.stage, TREND.name);
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for trends of {}.", set.measure);
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let need = params
        .min_points
        .unwrap_or(if period == Period::Day { 21 } else { 12 })
        .max(TREND_MIN);
    if let Some(message) = set.not_enough(need) {
        cell.status = CellStatus::NotEnough { message };
        return Ok(Analysis { cell, frame: None });
    }
    set.note_small(need, &mut cell.caveats);
    let counts = aggregate == Aggregate::Count;
    let results = classify(&set, &params, need, counts);
    let found: Vec<Finding> = set
        .groups
        .iter()
        .zip(&results)
        .filter_map(|(group, result)| {
            let result = result.as_ref()?;
            matches!(result.class, "improving" | "worsening")
                .then(|| finding(context, &set, &params, group, result))
        })
        .collect();
    cell.did = format!(
        "Tested {} series of {} for a trend over {}: {}.",
        number::count(results.iter().flatten().count() as u64),
        set.measure,
        plural(set.starts.len() as u64, period.noun()),
        if found.is_empty() {
            "none".to_string()
        } else {
            plural(found.len() as u64, "trend")
        },
    );
    cell.tables.push(table(&set, &params, &results));
    cell.charts.extend(chart(context, &set, &params, &results));
    let frame = frame_of(&set, &results)?;
    Ok(Analysis {
        cell: with_findings(cell, found),
        frame: Some(frame),
    })
}

/// Tests every group, corrects all p-values together and names what each group does.
fn classify(set: &SeriesSet, params: &Params, need: usize, counts: bool) -> Vec<Option<Tested>> {
    let tested: Vec<Option<(Trend, Vec<Option<f64>>)>> = set
        .groups
        .par_iter()
        .map(|group| {
            if !set.is_enough(group, need) {
                return None;
            }
            let adjusted = seasonally_adjusted(&group.values, set.period.season());
            Some((trend(&adjusted)?, adjusted))
        })
        .collect();
    let p: Vec<f64> = tested
        .iter()
        .flatten()
        .map(|(trend, _)| trend.test.p)
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    tested
        .into_iter()
        .map(|tested| {
            let (trend, adjusted) = tested?;
            let p_adjusted = corrected.next().unwrap_or(1.0);
            let relative = relative_change(&trend, &adjusted);
            let large = relative.is_none_or(|r| r[0].abs() >= params.change_min);
            // The interval is of the slope alone; the test is corrected for all groups: both must hold.
            let [low, high] = trend.line.interval;
            let moves = low > 0.0 || high < 0.0;
            let class = if p_adjusted < params.alpha() && large && moves {
                let better = (trend.line.slope < 0.0) == params.lower_is_better;
                if better { "improving" } else { "worsening" }
            } else if is_volatile(&trend, &adjusted, counts) {
                "volatile"
            } else {
                "stable"
            };
            let is_step = step_fits_better(&trend, &adjusted);
            Some(Tested {
                trend,
                adjusted,
                p_adjusted,
                relative,
                class,
                is_step,
            })
        })
        .collect()
}

/// Change over the whole stretch as a share of the level at its start; of the median where the
/// start is near 0. `None` when neither is positive.
fn relative_change(trend: &Trend, adjusted: &[Option<f64>]) -> Option<[f64; 3]> {
    let mut there: Vec<f64> = adjusted.iter().flatten().copied().collect();
    there.sort_by(f64::total_cmp);
    let median = *there.get(there.len() / 2)?;
    let start = trend.line.at(0);
    let level = if start > 0.25 * median.abs() {
        start
    } else {
        median
    };
    let steps = adjusted.len().saturating_sub(1) as f64;
    let [low, high] = trend.line.interval;
    (level > 0.0).then(|| [trend.line.slope, low, high].map(|slope| slope * steps / level))
}

fn residuals(trend: &Trend, adjusted: &[Option<f64>]) -> Vec<f64> {
    adjusted
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((*v)? - trend.line.at(i)))
        .collect()
}

fn is_volatile(trend: &Trend, adjusted: &[Option<f64>], counts: bool) -> bool {
    let mut away: Vec<f64> = residuals(trend, adjusted).iter().map(|r| r.abs()).collect();
    away.sort_by(f64::total_cmp);
    let deviation = 1.4826 * away.get(away.len() / 2).copied().unwrap_or(0.0);
    let mean = adjusted.iter().flatten().sum::<f64>() / away.len().max(1) as f64;
    let expected = if counts {
        2.0 * mean.max(0.0).sqrt()
    } else {
        0.0
    };
    deviation > 0.3 * mean.abs() && deviation > expected
}

/// Whether one step leaves clearly less than the line does.
fn step_fits_better(trend: &Trend, adjusted: &[Option<f64>]) -> bool {
    let values: Vec<f64> = adjusted.iter().flatten().copied().collect();
    let search = Search {
        simulations: 199,
        shifts_max: 1,
        ..Search::default()
    };
    let Some(found) = mean_shifts(&values, &values, &search) else {
        return false;
    };
    if found.p > 0.01 || found.drifts {
        return false;
    }
    let left = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        part.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let (before, after) = values.split_at(found.best);
    let line: f64 = residuals(trend, adjusted).iter().map(|r| r * r).sum();
    left(before) + left(after) < 0.9 * line
}

fn finding(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    group: &Group,
    result: &Tested,
) -> Finding {
    let Trend { test, line } = &result.trend;
    let what = format!("trend of {}", set.measure);
    let mut finding = Finding::new(&context.stage, "trend", &group.subject, &what);
    let rises = line.slope > 0.0;
    let noun = set.period.noun();
    let [low, high] = line.interval;
    finding.direction = if rises {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.magnitude = Some(match result.relative {
        Some([value, low, high]) => Magnitude::interval95(value, low, high, "share"),
        None => Magnitude::interval95(line.slope, low, high, format!("per {noun}")),
    });
    finding.n = test.n as u64;
    finding.p = Some(test.p);
    finding.p_adjusted = Some(result.p_adjusted);
    finding.method = METHOD.to_string();
    finding.period = set.dates();
    finding.baseline = Some(format!("no trend over the same {noun}s"));
    finding.evidence = vec![set.evidence.clone()];
    finding.confidence = 1.0 - result.p_adjusted;
    let size = result.relative.map_or(0.0, |r| r[0].abs());
    finding.severity = match (result.class, size) {
        ("worsening", size) if size >= 0.25 => Severity::Warning,
        ("worsening", _) => Severity::Notice,
        _ => Severity::Info,
    };
    finding.caveats.clone_from(&set.caveats);
    if result.is_step {
        finding
            .caveats
            .push("A single step describes the series better than a slope.".to_string());
    }
    if test.inflation > 1.5 {
        finding.caveats.push(format!(
            "Neighbouring {noun}s resemble each other: {} tell as much as {} independent ones.",
            plural(test.n as u64, noun),
            number::fixed(test.n_effective, 0)
        ));
    }
    finding.sentence = sentence(set, params, group, result);
    let numbers = [
        ("slope", line.slope),
        ("slope_low", low),
        ("slope_high", high),
        ("start", line.at(0)),
        ("end", line.at(result.adjusted.len().saturating_sub(1))),
        ("tau", test.tau),
        ("s", test.s),
        ("z", test.z),
        ("n_effective", test.n_effective),
    ];
    numbers
        .into_iter()
        .fold(finding, |finding, (name, value)| {
            finding.number(name, value)
        })
        .number("class", result.class)
        .number("records", group.records)
        .number("step_fits_better", result.is_step)
}

fn sentence(set: &SeriesSet, params: &Params, group: &Group, result: &Tested) -> String {
    let Trend { test, line } = &result.trend;
    let last = result.adjusted.len().saturating_sub(1);
    let [start, end] = number::two_with_unit([line.at(0), line.at(last)], &params.unit);
    let change = result
        .relative
        .map_or_else(String::new, |[middle, low, high]| {
            format!(
                " ({}; 95 % interval {} to {})",
                number::change(middle),
                number::change(low.min(high)),
                number::change(high.max(low))
            )
        });
    fill(
        "{what}{whom} {verb} from {start} to {end} over {n}{change}, {p} corrected: {class}.",
        &[
            ("what", &words::capitalised(&set.measure)),
            ("whom", &words::of_group(&params.by, &group.label)),
            ("verb", if line.slope > 0.0 { "rose" } else { "fell" }),
            ("start", &start),
            ("end", &end),
            ("n", &plural(test.n as u64, set.period.noun())),
            ("change", &change),
            ("p", &number::p_value(result.p_adjusted)),
            ("class", result.class),
        ],
    )
}

/// Positions of the groups, those with something to tell first, then by the size of the change.
fn order(results: &[Option<Tested>]) -> Vec<usize> {
    let rank = |result: &Tested| match result.class {
        "worsening" => 0,
        "improving" => 1,
        "volatile" => 2,
        _ => 3,
    };
    let mut order: Vec<usize> = (0..results.len())
        .filter(|i| results[*i].is_some())
        .collect();
    order.sort_by(|a, b| match (&results[*a], &results[*b]) {
        (Some(a), Some(b)) => rank(a)
            .cmp(&rank(b))
            .then(a.p_adjusted.total_cmp(&b.p_adjusted)),
        _ => std::cmp::Ordering::Equal,
    });
    order
}

fn table(set: &SeriesSet, params: &Params, results: &[Option<Tested>]) -> Table {
    let per = format!(">slope per {}", set.period.noun());
    let mut table = Table::new(
        format!("Trend of {}, {}.", set.measure, set.dates()),
        &[
            "<group",
            "<class",
            ">start",
            ">end",
            &per,
            ">95 % interval",
            ">change",
            ">p corrected",
        ],
    );
    for i in order(results) {
        let Some(result) = &results[i] else { continue };
        let line = &result.trend.line;
        let last = result.adjusted.len().saturating_sub(1);
        let [start, end] = number::two_with_unit([line.at(0), line.at(last)], &params.unit);
        table.push([
            set.groups[i].label.clone(),
            result.class.to_string(),
            start,
            end,
            signed(line.slope),
            format!(
                "{} to {}",
                signed(line.interval[0]),
                signed(line.interval[1])
            ),
            result
                .relative
                .map_or_else(|| "–".to_string(), |r| number::change(r[0])),
            number::p_bare(result.p_adjusted),
        ]);
    }
    table.top(30)
}

/// A slope with its sign and the digits that are worth reading.
fn signed(value: f64) -> String {
    let text = number::sensible(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

fn chart(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    results: &[Option<Tested>],
) -> Option<Chart> {
    const PANELS: usize = 12;
    let order = order(results);
    let times = set.starts.clone();
    let moving = |i: &usize| {
        results[*i]
            .as_ref()
            .is_some_and(|r| matches!(r.class, "improving" | "worsening"))
    };
    let count = order.iter().filter(|i| moving(i)).count();
    let title = match count {
        0 => format!("No trend in {}", set.measure),
        _ if params.by.is_empty() => {
            let rises = results[order[0]]
                .as_ref()
                .is_some_and(|r| r.trend.line.slope > 0.0);
            let verb = if rises { "rise" } else { "fall" };
            format!(
                "{} {verb} over the period",
                words::capitalised(&set.measure)
            )
        }
        _ => format!(
            "{} of {} in {} moved",
            number::count(count as u64),
            plural(order.len() as u64, "group"),
            set.measure
        ),
    };
    let alt = order
        .iter()
        .take(PANELS)
        .filter_map(|i| {
            let result = results[*i].as_ref()?;
            let line = &result.trend.line;
            let end = line.at(result.adjusted.len().saturating_sub(1));
            let [start, end] = number::two_with_unit([line.at(0), end], "");
            Some(format!(
                "{}: {start} to {end}, {}",
                set.groups[*i].label, result.class
            ))
        })
        .collect::<Vec<_>>()
        .join("; ");
    let kind = if let [only] = order[..] {
        let result = results[only].as_ref()?;
        let line = (0..times.len())
            .map(|i| Some(result.trend.line.at(i)))
            .collect();
        ChartKind::Line {
            series: vec![
                Series {
                    name: set.measure.clone(),
                    times: times.clone(),
                    values: set.groups[only].values.clone(),
                    role: Role::Observed,
                },
                Series {
                    name: "trend".to_string(),
                    times,
                    values: line,
                    role: Role::Expected,
                },
            ],
            bands: Vec::new(),
            markers: Vec::new(),
            levels: Vec::new(),
        }
    } else {
        let panels = order.iter().take(PANELS).filter_map(|i| {
            let result = results[*i].as_ref()?;
            Some(Panel {
                label: set.groups[*i].label.clone(),
                times: times.clone(),
                values: set.groups[*i].values.clone(),
                note: result
                    .relative
                    .map_or_else(String::new, |r| number::change(r[0])),
                highlight: moving(i),
            })
        });
        ChartKind::SmallMultiples {
            panels: panels.collect(),
        }
    };
    (!order.is_empty()).then(|| Chart {
        id: words::chart_id(&context.stage, "trend"),
        title,
        unit: unit_words(set, params),
        alt: format!("{}: {alt}.", words::capitalised(&set.measure)),
        kind,
        table: None,
    })
}

fn unit_words(set: &SeriesSet, params: &Params) -> String {
    if params.unit.is_empty() {
        set.measure.clone()
    } else {
        format!("{}, {}", set.measure, params.unit)
    }
}

/// One row a group, for stages that come after.
fn frame_of(set: &SeriesSet, results: &[Option<Tested>]) -> Result<DataFrame, StageError> {
    let rows: Vec<(&Group, &Tested)> = set
        .groups
        .iter()
        .zip(results)
        .filter_map(|(group, result)| Some((group, result.as_ref()?)))
        .collect();
    let number = |get: fn(&Tested) -> f64| rows.iter().map(|(_, r)| get(r)).collect::<Vec<f64>>();
    Ok(df!(
        "group" => rows.iter().map(|(group, _)| group.label.clone()).collect::<Vec<_>>(),
        "class" => rows.iter().map(|(_, r)| r.class).collect::<Vec<_>>(),
        "slope" => number(|r| r.trend.line.slope),
        "slope_low" => number(|r| r.trend.line.interval[0]),
        "slope_high" => number(|r| r.trend.line.interval[1]),
        "tau" => number(|r| r.trend.test.tau),
        "p" => number(|r| r.trend.test.p),
        "p_adjusted" => number(|r| r.p_adjusted),
        "n" => rows.iter().map(|(_, r)| r.trend.test.n as i64).collect::<Vec<_>>(),
    )?)
}

#[cfg(test)]
mod tests;
