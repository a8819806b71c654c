//! Dates at which the level of a series shifted, per group, with the levels before and after.
//!
//! The records are aggregated to one value per period; weekday effects are removed from daily
//! series. Least squares finds the date that best divides the series in two. The difference is
//! compared with the result of the same search on simulated series without a shift, of the same
//! length and autocorrelation, so that a slow wave is not a shift; where values repeat, as rare
//! counts do, these consist of the observed values (Theiler et al. 1992). Further shifts are
//! searched on either side (binary segmentation, Vostrikova 1981), refined between their neighbours
//! (Bai 1997) and tested again. p-values of all groups are corrected together (Benjamini and
//! Hochberg 1995). The 95 % interval of the date follows Bai (1997); intervals of means allow for
//! autocorrelation.
//!
//! From two years of records on, the season of the year is removed where the months of one year
//! follow from those of the others; the caveats name the groups. With less, a season looks like a
//! change.
//!
//! If a line, straight or with a bend, describes a series better than steps (Schwarz's criterion
//! with autoregressive errors), no shift is claimed, and the caveats report it: see `trend`. If it
//! describes the series about as well, and all shifts go its way, the finding says so; if slightly
//! better, the finding is informational. A few days
//! of outage are not a shift: outliers are clipped before the search, and each level must last
//! `segment_min` periods (default: 14 days, 5 weeks or 5 months).
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
//! Reports name the improvements and candidates of the same group and dataset whose date is in the
//! interval of a shift, or within a week of it. This is an observation, not a proof.
//!
//! When a later run dates a shift a few days earlier or later, it is still the same finding, even in
//! another month: it keeps the claim of the newest earlier run whose interval of the date overlaps.
//!
//! A shift for the worse is a warning in the first two weeks and a notice until it is eight weeks (or
//! four windows) old; older shifts, and most for the better, are for information.
//!
//! If no shift is proven, there may still be one that is too small for this data, or too recent:
//! see `segment_min`.
//!
//! `unit = "share"` is for values from 0 to 1: levels are printed in percent, and differences in
//! percentage points, "9.2 percentage points higher" rather than "43 % higher".
//!
//! Incomplete periods at either end are left out unless `part_periods = "keep"`; the finding's
//! numbers contain the means of both variants.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, identity, input,
    series::{
        self, Aggregate, PartPeriods, Request,
        period::{LongPeriod, Period, requested_or_found},
        words,
    },
    with_findings,
};
use retrocast_domain::{Cell, CellStatus, Chapter, number::plural};
use retrocast_stats::change_point::length_min;
use schemars::JsonSchema;
use serde::Deserialize;

mod present;
mod result;
mod search;
#[cfg(test)]
mod tests;

use present::{GroupShift, chart, finding, frame_of, table};
use search::{note_gradual, search_all};

/// Params of `change_point`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column of the value. Default: records are counted.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns to group by. Default: one series of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// Aggregate of the records of a period. Default: "mean" with a `value`, else "count".
    #[serde(default)]
    aggregate: Option<Aggregate>,
    /// Length of a period. Default: days, or weeks or months if records are that far apart.
    #[serde(default)]
    period: Option<LongPeriod>,
    /// Name of the metric, such as "failures". Default: from the column or dataset.
    #[serde(default)]
    measure: Option<String>,
    /// Unit of the values, such as "ms"; "share" for shares, whose differences are in percentage
    /// points; empty for counts.
    #[serde(default)]
    unit: String,
    /// Set to false if higher values are better.
    #[serde(default = "default_lower_is_better")]
    lower_is_better: bool,
    /// Minimum number of periods on either side of a shift. Default: 14 days, 5 weeks or 5 months.
    #[serde(default)]
    #[schemars(range(min = 2, max = 1000))]
    segment_min: Option<usize>,
    /// Maximum number of shifts per group.
    #[serde(default = "default_shifts_max")]
    #[schemars(range(min = 1, max = 20))]
    shifts_max: usize,
    /// Probability of a false claim. Default: the part of the job's `false_claims`.
    #[serde(default)]
    #[schemars(range(min = 1e-4, max = 0.5))]
    #[schemars(extend("x-claims" = true))]
    alpha: Option<f64>,
    /// Treatment of periods that the records cover only in part.
    #[serde(default = "default_part_periods")]
    part_periods: PartPeriods,
    /// Maximum number of periods to look back.
    #[serde(default = "default_periods_max")]
    #[schemars(range(min = 8, max = 10_000))]
    periods_max: usize,
    /// Maximum number of groups, the largest first.
    #[serde(default = "default_groups_max")]
    #[schemars(range(min = 1, max = 10_000))]
    groups_max: usize,
}

impl Params {
    fn alpha(&self) -> f64 {
        self.alpha
            .unwrap_or(if self.by.is_empty() { 0.05 } else { 0.01 })
    }
}

fn default_lower_is_better() -> bool {
    true
}

fn default_shifts_max() -> usize {
    3
}

fn default_part_periods() -> PartPeriods {
    PartPeriods::LeaveOut
}

fn default_periods_max() -> usize {
    366
}

fn default_groups_max() -> usize {
    30
}

/// Minimum number of periods on either side of a shift unless set.
pub(crate) fn default_segment(period: Period) -> usize {
    match period {
        Period::Hour => 48,
        Period::Day => 14,
        Period::Week | Period::Month => 5,
    }
}

/// Number of days by which the date of a shift may move between two runs.
fn days_moved(period: Period) -> i32 {
    match period {
        Period::Hour | Period::Day => 3,
        Period::Week => 7,
        Period::Month => 31,
    }
}

/// The kind `change_point`.
pub const CHANGE_POINT: StageKind = StageKind {
    name: "change_point",
    chapter: Some(Chapter::Changes),
    code_version: 10,
    summary: "Dates at which the level of a series shifted, with the means before and after.",
    manual: include_str!("change_point.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[identity::TABLE],
    run,
};

const METHOD: &str = "Least-squares mean shift with p-values simulated under autocorrelation; \
                      binary segmentation (Vostrikova 1981), refined, with intervals of dates after \
                      Bai (1997); Benjamini-Hochberg over groups";

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = input(inputs, &params.input)?;
    let period = requested_or_found(params.period, context, input, params.time.as_deref())?;
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: Aggregate::or_default(
            params.aggregate,
            params.value.as_deref(),
            Aggregate::Mean,
        ),
        period,
        part_periods: params.part_periods,
        periods_max: params.periods_max,
        without_year: true,
        groups_max: params.groups_max,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let mut set = series::collect(context, input, &request)?;
    set.drop_sparse();
    let mut cell = Cell::new(&context.stage, CHANGE_POINT.name);
    cell.title = format!("Shifts of level: {}", set.measure);
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for shifts in the level of {}.", set.measure);
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let segment_min = params
        .segment_min
        .unwrap_or_else(|| default_segment(period))
        .max(2);
    let need = length_min(segment_min);
    if let Some(message) = set.not_enough(need) {
        cell.status = CellStatus::NotEnough { message };
        return Ok(Analysis { cell, frame: None });
    }
    set.note_small(need, &mut cell.caveats);
    let results = search_all(context, &set, &params, need, segment_min);
    let mut findings = Vec::new();
    for (group, result) in set.groups.iter().zip(&results) {
        let Some(result) = result else { continue };
        findings.extend((0..result.shifts.len()).map(|i| {
            let group_shift = GroupShift {
                set: &set,
                params: &params,
                group,
                result,
                shift: i,
            };
            finding(context, &group_shift)
        }));
        if !result.shifts.is_empty() {
            cell.charts
                .push(chart(context, &set, &params, group, result));
        }
    }
    identity::continue_earlier(&context.stage, &mut findings, inputs, days_moved(period))?;
    cell.charts.truncate(6);
    note_gradual(&mut cell, &set, &params, &results);
    cell.did = format!(
        "Looked for shifts in the level of {} over {}: {}.",
        words::series_of(&params.by, results.iter().flatten().count(), &set.measure),
        plural(set.starts.len() as u64, period.noun()),
        if findings.is_empty() {
            "none is proven".to_string()
        } else {
            format!("{} proven", plural(findings.len() as u64, "shift"))
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
    if !findings.is_empty() {
        cell.tables.push(table(&set, &params, &results));
    }
    let frame = frame_of(&set, &results)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}
