//! Dates at which the level of a series shifted, for each group: when, from what, to what.
//!
//! The records are made into one value a period; days of the week are taken out of daily series.
//! The date that best divides the series in two is found by least squares, and the difference is
//! compared with what the same search finds in simulated series without a shift, of the same
//! length and the same autocorrelation, so that a slow wave is no shift. Further shifts are looked
//! for on either side (binary segmentation, Vostrikova 1981), refined between their neighbours (Bai
//! 1997) and tested again. p-values of all groups are corrected together (Benjamini and Hochberg
//! 1995). The 95 % interval of the date follows Bai (1997); means carry intervals that know of
//! autocorrelation.
//!
//! A series that a straight line describes better than steps drifts; no shift is claimed for it and
//! the caveats say so: see `trend`. A few days of outage are no shift either: outliers are drawn in
//! before the search, and each level must last `segment_min` periods (14 days, 5 weeks or 5 months
//! unless set).
//!
//! ```toml
//! [stage.levels]
//! kind   = "change_point"
//! input  = "tickets"
//! time   = "created_at"
//! by     = ["component"]
//! period = "day"
//! ```
//!
//! Periods that records cover in part, at either end, are left out unless `part_periods = "keep"`;
//! the finding's numbers hold the means both ways.

use crate::{
    Analysis, Context, Inputs, Kind, StageError,
    series::{
        self, Aggregate, Group, PartPeriods, Request, SeriesSet,
        period::{LongPeriod, Period},
        words,
    },
    with_findings,
};
use jiff::{ToSpan, civil::Date};
use polars::prelude::*;
use rayon::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, Direction, Finding, Magnitude, Severity, Table,
    chart::{Level as ChartLevel, Marker, Role, Series},
    number::{self, plural},
    sentence::fill,
    window::long,
};
use retrocast_stats::{
    change_point::{Level, Search, Shift, Shifts, fewest, mean_shifts},
    test::benjamini_hochberg,
    trend::seasonally_adjusted,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `change_point`.
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
    /// Fewest periods on either side of a shift; 14 days, 5 weeks or 5 months by default.
    #[serde(default)]
    #[schemars(range(min = 2, max = 1000))]
    segment_min: Option<usize>,
    /// Most shifts a group may have.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 20))]
    shifts_max: usize,
    /// Chance of a false claim; 0.05 for one series, 0.01 for many groups unless set.
    #[serde(default)]
    #[schemars(range(min = 1e-4, max = 0.5))]
    alpha: Option<f64>,
    /// Whether periods that records cover in part are left out or kept.
    #[serde(default = "leave_out")]
    part_periods: PartPeriods,
    /// Most periods to look back.
    #[serde(default = "a_year")]
    #[schemars(range(min = 8, max = 10_000))]
    periods_max: usize,
    /// Most groups to look at, the largest first.
    #[serde(default = "thirty")]
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
fn three() -> usize {
    3
}
fn leave_out() -> PartPeriods {
    PartPeriods::LeaveOut
}
fn a_year() -> usize {
    366
}
fn thirty() -> usize {
    30
}

/// The kind `change_point`.
pub const CHANGE_POINT: Kind = Kind {
    name: "change_point",
    code_version: 2,
    summary: "Dates at which the level of a series shifted, with the means before and after.",
    manual: include_str!("change_point.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

const METHOD: &str = "Least-squares mean shift with p-values simulated under autocorrelation; \
                      binary segmentation (Vostrikova 1981), refined, with intervals of dates after \
                      Bai (1997); Benjamini-Hochberg over groups";

/// Simulated series behind a p-value: enough for the correction over groups to be able to pass.
const SIMULATIONS: (usize, usize) = (999, 9999);

/// One group with what was found.
struct Searched {
    found: Shifts,
    /// Position in the series of each value that was there.
    places: Vec<usize>,
    /// Shifts that stay after the correction over groups, with their corrected p-values.
    kept: Vec<(Shift, f64)>,
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
    let period = Period::from(params.period);
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: Aggregate::chosen(params.aggregate, params.value.as_deref(), Aggregate::Mean),
        period,
        part_periods: params.part_periods,
        periods_max: params.periods_max,
        groups_max: params.groups_max,
        measure: params.measure.as_deref(),
    };
    let set = series::collect(context, input, &request)?;
    let mut cell = Cell::new(&context.stage, CHANGE_POINT.name);
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for shifts of the level of {}.", set.measure);
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let segment_min = params
        .segment_min
        .unwrap_or(if period == Period::Day { 14 } else { 5 })
        .max(2);
    let need = fewest(segment_min);
    if let Some(message) = set.not_enough(need) {
        cell.status = CellStatus::NotEnough { message };
        return Ok(Analysis { cell, frame: None });
    }
    set.note_small(need, &mut cell.caveats);
    let results = search_all(context, &set, &params, need, segment_min);
    let mut found = Vec::new();
    for (group, result) in set.groups.iter().zip(&results) {
        let Some(result) = result else { continue };
        found.extend((0..result.kept.len()).map(|i| {
            let stretch = Stretch {
                set: &set,
                params: &params,
                group,
                result,
                shift: i,
            };
            finding(context, &stretch)
        }));
        if !result.kept.is_empty() {
            cell.charts
                .push(chart(context, &set, &params, group, result));
        }
    }
    cell.charts.truncate(6);
    note_drifts(&mut cell, &set, &results);
    cell.did = format!(
        "Looked for shifts of the level in {} series of {} over {}: {}.",
        number::count(results.iter().flatten().count() as u64),
        set.measure,
        plural(set.starts.len() as u64, period.noun()),
        if found.is_empty() {
            "none".to_string()
        } else {
            plural(found.len() as u64, "shift")
        },
    );
    if cell.charts.is_empty() {
        let longest = set
            .groups
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_some());
        if let Some((group, Some(result))) = longest.max_by_key(|(group, _)| group.records) {
            cell.charts
                .push(chart(context, &set, &params, group, result));
        }
    }
    if !found.is_empty() {
        cell.tables.push(table(&set, &params, &results));
    }
    let frame = frame_of(&set, &results)?;
    Ok(Analysis {
        cell: with_findings(cell, found),
        frame: Some(frame),
    })
}

fn note_drifts(cell: &mut Cell, set: &SeriesSet, results: &[Option<Searched>]) {
    let labels = |wanted: fn(&Option<Searched>) -> bool| -> Vec<&str> {
        let pairs = set.groups.iter().zip(results);
        pairs
            .filter(|(_, r)| wanted(r))
            .map(|(group, _)| group.label.as_str())
            .collect()
    };
    let drifting = labels(|r| {
        r.as_ref()
            .is_some_and(|r| r.found.drifts && r.kept.is_empty())
    });
    if !drifting.is_empty() {
        let (shown, more) = drifting.split_at(drifting.len().min(5));
        let names = number::list(shown);
        let rest = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        cell.caveats.push(format!(
            "Moving slowly instead of in steps, so no date is claimed: {names}{rest}."
        ));
    }
}

/// Searches every group and corrects all p-values together.
fn search_all(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    need: usize,
    segment_min: usize,
) -> Vec<Option<Searched>> {
    let wanted = 2.0 * set.groups.len() as f64 / params.alpha().max(1e-4);
    let simulations = (wanted as usize).clamp(SIMULATIONS.0, SIMULATIONS.1);
    let found: Vec<Option<(Shifts, Vec<usize>)>> = set
        .groups
        .par_iter()
        .map(|group| {
            if !set.is_enough(group, need) {
                return None;
            }
            let adjusted = seasonally_adjusted(&group.values, set.period.season());
            let there = |i: &usize| group.values[*i].is_some();
            let places: Vec<usize> = (0..group.values.len()).filter(there).collect();
            let pick = |from: &[Option<f64>]| -> Vec<f64> {
                places.iter().filter_map(|i| from[*i]).collect()
            };
            let search = Search {
                segment_min,
                shifts_max: params.shifts_max,
                alpha: params.alpha(),
                simulations,
                seed: words::group_seed(context.seed, &group.label),
            };
            let found = mean_shifts(&pick(&group.values), &pick(&adjusted), &search)?;
            Some((found, places))
        })
        .collect();
    // A group with shifts is represented by each of them, one without by its best candidate.
    let p: Vec<f64> = found
        .iter()
        .flatten()
        .flat_map(|(found, _)| {
            let shifts: Vec<f64> = found.shifts.iter().map(|shift| shift.p).collect();
            if shifts.is_empty() {
                vec![found.p]
            } else {
                shifts
            }
        })
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    found
        .into_iter()
        .map(|found| {
            let (found, places) = found?;
            let count = found.shifts.len().max(1);
            let corrected: Vec<f64> = corrected.by_ref().take(count).collect();
            let pairs = found.shifts.iter().cloned().zip(corrected);
            let kept = pairs
                .filter(|(shift, p)| *p <= params.alpha() && is_clear(shift))
                .collect();
            Some(Searched {
                found,
                places,
                kept,
            })
        })
        .collect()
}

/// Whether the intervals of a shift exclude no shift at all.
fn is_clear(shift: &Shift) -> bool {
    let [_, low, high] = shift.difference;
    let differs = low > 0.0 || high < 0.0;
    differs
        && shift
            .ratio
            .is_none_or(|[_, low, high]| low > 1.0 || high < 1.0)
}

/// One shift in its surroundings.
struct Stretch<'a> {
    set: &'a SeriesSet,
    params: &'a Params,
    group: &'a Group,
    result: &'a Searched,
    shift: usize,
}

impl Stretch<'_> {
    fn shift(&self) -> &Shift {
        &self.result.kept[self.shift].0
    }

    /// First day of the period at a position of the searched values.
    fn day(&self, position: usize) -> Date {
        let places = &self.result.places;
        let place = places.get(position).or(places.last()).copied().unwrap_or(0);
        self.set.day(place)
    }

    /// Mean of a level with the part period beside it, when the series begins or ends there.
    fn mean_with_parts(&self, level: &Level) -> f64 {
        let places = &self.result.places;
        let before = self.set.parts_before;
        let place = |position: usize| places.get(position).map_or(0, |place| place + before);
        let start = if level.start == 0 {
            0
        } else {
            place(level.start)
        };
        let all = &self.group.with_parts;
        let end = if level.end == places.len() {
            all.len()
        } else {
            place(level.end)
        };
        let there: Vec<f64> = all[start..end].iter().flatten().copied().collect();
        there.iter().sum::<f64>() / there.len().max(1) as f64
    }

    /// " (between 10 and 15 October 2026)", or nothing when the date is exact.
    fn between(&self) -> String {
        let [low, high] = self.shift().interval.map(|position| self.day(position));
        if low == high || self.set.period == Period::Month && low.first_of_month() == high {
            return String::new();
        }
        let words = |day| match self.set.period {
            Period::Month => self.set.period.words(day),
            _ => long(day),
        };
        format!(" (95 % interval {} to {})", words(low), words(high))
    }
}

fn finding(context: &Context, stretch: &Stretch<'_>) -> Finding {
    let Stretch {
        set,
        params,
        group,
        result,
        ..
    } = *stretch;
    let (shift, p_adjusted) = &result.kept[stretch.shift];
    let day = stretch.day(shift.position);
    let what = format!(
        "shift of {} in {}-{:02}",
        set.measure,
        day.year(),
        day.month()
    );
    let mut finding = Finding::new(&context.stage, "change_point", &group.subject, &what);
    let rises = shift.difference[0] > 0.0;
    finding.direction = if rises {
        Direction::Up
    } else {
        Direction::Down
    };
    let unit = if params.unit.is_empty() {
        set.measure.as_str()
    } else {
        params.unit.as_str()
    };
    finding.magnitude = Some(if let Some([ratio, low, high]) = shift.ratio {
        Magnitude::interval95(ratio, low, high, "ratio")
    } else {
        let [step, low, high] = shift.difference;
        Magnitude::interval95(step, low, high, number::unit_of_difference(unit))
    });
    finding.n = result.places.len() as u64;
    finding.p = Some(shift.p);
    finding.p_adjusted = Some(*p_adjusted);
    finding.method = METHOD.to_string();
    finding.period = set.dates();
    finding.baseline = Some(format!(
        "the {} before, from {}",
        plural(
            (shift.before.end - shift.before.start) as u64,
            set.period.noun()
        ),
        set.period.words(stretch.day(shift.before.start))
    ));
    finding.evidence = vec![set.evidence.clone()];
    finding.confidence = 1.0 - p_adjusted;
    finding.severity = severity(context, params, day, rises);
    finding.caveats.clone_from(&set.caveats);
    if result.found.autocorrelation > 0.2 {
        finding.caveats.push(format!(
            "Neighbouring {}s resemble each other (autocorrelation {}); p and intervals allow for it.",
            set.period.noun(),
            number::fixed(result.found.autocorrelation, 2)
        ));
    }
    finding.sentence = sentence(stretch);
    numbers(finding, stretch)
}

/// Recent shifts for the worse need attention, old ones are context.
fn severity(context: &Context, params: &Params, day: Date, rises: bool) -> Severity {
    let worse = rises == params.lower_is_better;
    let recent = day >= context.window.back(4).start;
    let now = day >= context.window.start - 7.days();
    match (worse, now, recent) {
        (true, true, _) => Severity::Warning,
        (true, false, true) | (false, true, _) => Severity::Notice,
        _ => Severity::Info,
    }
}

fn sentence(stretch: &Stretch<'_>) -> String {
    let Stretch {
        set,
        params,
        group,
        result,
        ..
    } = *stretch;
    let (shift, p_adjusted) = &result.kept[stretch.shift];
    let [before, after] =
        number::two_with_unit([shift.before.mean, shift.after.mean], &params.unit);
    let ratio = shift.ratio.map_or_else(String::new, |[ratio, low, high]| {
        format!(
            " ({}; 95 % interval {} to {})",
            number::change(ratio - 1.0),
            number::change(low - 1.0),
            number::change(high - 1.0)
        )
    });
    fill(
        "{what}{whom} {verb} {when}{between} from a mean of {before} to {after}{ratio}, {p} \
         corrected, n = {n}.",
        &[
            ("what", &words::capitalised(&set.measure)),
            ("whom", &words::of_group(&params.by, &group.label)),
            (
                "verb",
                if shift.difference[0] > 0.0 {
                    "rose"
                } else {
                    "fell"
                },
            ),
            ("when", &set.period.when(stretch.day(shift.position))),
            ("between", &stretch.between()),
            ("before", &before),
            ("after", &after),
            ("ratio", &ratio),
            ("p", &number::p_value(*p_adjusted)),
            ("n", &plural(result.places.len() as u64, set.period.noun())),
        ],
    )
}

fn numbers(finding: Finding, stretch: &Stretch<'_>) -> Finding {
    let shift = stretch.shift();
    let [low, high] = shift
        .interval
        .map(|position| stretch.day(position).to_string());
    let mean_before_with_part_periods = stretch.mean_with_parts(&shift.before);
    let mean_after_with_part_periods = stretch.mean_with_parts(&shift.after);
    finding
        .number("date", stretch.day(shift.position).to_string())
        .number("date_low", low)
        .number("date_high", high)
        .number("mean_before", shift.before.mean)
        .number("mean_before_interval", shift.before.interval.to_vec())
        .number("mean_after", shift.after.mean)
        .number("mean_after_interval", shift.after.interval.to_vec())
        .number(
            "mean_before_with_part_periods",
            mean_before_with_part_periods,
        )
        .number("mean_after_with_part_periods", mean_after_with_part_periods)
        .number("difference", shift.difference.to_vec())
        .number(
            "ratio",
            shift
                .ratio
                .map_or(serde_json::Value::Null, |r| r.to_vec().into()),
        )
        .number("periods_before", shift.before.end - shift.before.start)
        .number("periods_after", shift.after.end - shift.after.start)
        .number("period", stretch.set.period.noun())
        .number("statistic", shift.statistic)
        .number("autocorrelation", stretch.result.found.autocorrelation)
        .number("records", stretch.group.records)
}

fn chart(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    group: &Group,
    result: &Searched,
) -> Chart {
    let times = set.starts.clone();
    let stretch = |shift| Stretch {
        set,
        params,
        group,
        result,
        shift,
    };
    let value = |value: f64| number::with_unit(value, &params.unit);
    let at = |position: usize| {
        let place = result
            .places
            .get(position)
            .copied()
            .unwrap_or(times.len().saturating_sub(1));
        times[place]
    };
    let mut levels = Vec::new();
    let mut markers = Vec::new();
    for (i, (shift, _)) in result.kept.iter().enumerate() {
        let before = (i == 0).then_some(&shift.before);
        for level in before.into_iter().chain([&shift.after]) {
            levels.push(ChartLevel {
                start: at(level.start),
                end: at(level
                    .end
                    .saturating_sub(usize::from(level.end == result.places.len()))),
                value: level.mean,
                label: value(level.mean),
            });
        }
        let label = set.period.words(stretch(i).day(shift.position));
        markers.push(Marker {
            time: at(shift.position),
            value: None,
            label,
        });
    }
    let what = format!(
        "{}{}",
        set.measure,
        words::of_group(&params.by, &group.label)
    );
    let title = match &result.kept[..] {
        [] => format!("The level of {what} did not shift"),
        [(shift, _)] => {
            let [before, after] =
                number::two_with_unit([shift.before.mean, shift.after.mean], &params.unit);
            let rises = shift.difference[0] > 0.0;
            format!(
                "{} {} from {before} to {after} {}",
                words::capitalised(&what),
                if rises { "rose" } else { "fell" },
                set.period.when(stretch(0).day(shift.position))
            )
        }
        shifts => {
            let count = plural(shifts.len() as u64, "time");
            format!("The level of {what} shifted {count}")
        }
    };
    let means: Vec<String> = levels
        .iter()
        .map(|level| format!("{} from {}", level.label, level.start.date()))
        .collect();
    let shown = if means.is_empty() {
        String::new()
    } else {
        format!(" Means: {}.", number::list(&means))
    };
    let unit = if params.unit.is_empty() {
        set.measure.clone()
    } else {
        format!("{what}, {}", params.unit)
    };
    Chart {
        id: words::chart_id(&context.stage, &group.label),
        title,
        unit,
        alt: format!("{} from {}.{shown}", words::capitalised(&what), set.dates()),
        kind: ChartKind::Line {
            series: vec![Series {
                name: set.measure.clone(),
                times,
                values: group.values.clone(),
                role: Role::Observed,
            }],
            bands: Vec::new(),
            markers,
            levels,
        },
        table: None,
    }
}

fn table(set: &SeriesSet, params: &Params, results: &[Option<Searched>]) -> Table {
    let mut table = Table::new(
        format!("Shifts of the level of {}, {}.", set.measure, set.dates()),
        &[
            "<group",
            "<since",
            "<95 % interval",
            ">before",
            ">after",
            ">ratio",
            ">p corrected",
        ],
    );
    for (group, result) in set.groups.iter().zip(results) {
        let Some(result) = result else { continue };
        for (i, (shift, p)) in result.kept.iter().enumerate() {
            let stretch = Stretch {
                set,
                params,
                group,
                result,
                shift: i,
            };
            let level = |level: &Level| {
                let [low, high] = level.interval;
                let mean = number::with_unit(level.mean, &params.unit);
                format!("{mean} ({})", number::interval(low, high))
            };
            let [low, high] = shift.interval.map(|position| stretch.day(position));
            table.push([
                group.label.clone(),
                stretch.day(shift.position).to_string(),
                format!("{low} to {high}"),
                level(&shift.before),
                level(&shift.after),
                shift
                    .ratio
                    .map_or_else(|| "–".to_string(), |r| number::sensible(r[0])),
                number::p_bare(*p),
            ]);
        }
    }
    table.top(30)
}

/// One row a shift, for stages that come after.
fn frame_of(set: &SeriesSet, results: &[Option<Searched>]) -> Result<DataFrame, StageError> {
    let mut rows: Vec<(&Group, i32, &Shift, f64)> = Vec::new();
    let epoch = Date::constant(1970, 1, 1);
    for (group, result) in set.groups.iter().zip(results) {
        let Some(result) = result else { continue };
        for (shift, p) in &result.kept {
            let day = set.day(result.places[shift.position]);
            let days = epoch.until(day).map_or(0, |span| span.get_days());
            rows.push((group, days, shift, *p));
        }
    }
    let number = |get: fn(&Shift) -> f64| rows.iter().map(|row| get(row.2)).collect::<Vec<f64>>();
    let mut frame = df!(
        "group" => rows.iter().map(|row| row.0.label.clone()).collect::<Vec<_>>(),
        "since" => rows.iter().map(|row| row.1).collect::<Vec<i32>>(),
        "mean_before" => number(|shift| shift.before.mean),
        "mean_after" => number(|shift| shift.after.mean),
        "p" => number(|shift| shift.p),
        "p_adjusted" => rows.iter().map(|row| row.3).collect::<Vec<f64>>(),
    )?;
    let since = frame.column("since")?.cast(&DataType::Date)?;
    frame.with_column(since)?;
    Ok(frame)
}

#[cfg(test)]
mod tests;
