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
        self, Aggregate, PartPeriods, Request,
        period::{LongPeriod, Period},
    },
    with_findings,
};
use retrocast_domain::{
    Cell, CellStatus, Finding,
    number::{self, plural},
};
use retrocast_stats::trend::TREND_MIN;
use schemars::JsonSchema;
use serde::Deserialize;

mod classify;
mod shown;
#[cfg(test)]
mod tests;

use classify::classify;
use shown::{chart, finding, frame_of, table};

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
    let results = classify(context, &set, &params, need, counts);
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
