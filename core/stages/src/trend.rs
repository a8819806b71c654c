//! Slow movement of each group over many days, weeks or months, reported when it is proven.
//!
//! The records are aggregated to one value per period. The Mann-Kendall test decides whether the
//! series rises or falls. Weekday effects are removed from daily series first (median deviation of
//! each weekday from a running median), and the variance allows for autocorrelation (Hamed and Rao
//! 1998; Yue and Wang 2004). From two years of records on, the season of the year is removed, too,
//! where the months of one year follow from those of the others; the caveats name the groups.
//!
//! A ramp of the last weeks hardly shows in a test of a whole year. So the best bend is tested as
//! well: the date from which a level series rises or falls steadily (Hudson 1966; Feder 1975), with
//! the result of the same search in simulated series of the same autocorrelation; where values
//! repeat, as rare counts do, these consist of the observed values (Theiler et al. 1992). Both
//! p-values are combined (Liu and Xie 2020), and those of all groups are corrected together
//! (Benjamini and Hochberg 1995).
//!
//! The size of the movement is that of a fitted line. Non-negative counts and sums get a
//! quasi-Poisson line (`McCullagh` and Nelder 1989) with a log, square-root or identity link and
//! weekday factors. Its interval allows for overdispersion and autocorrelation; it never falls
//! below zero, so that nothing falls by more than 100 %. Other values get the Theil-Sen line with
//! Sen's interval (Sen 1968), or the quasi-Poisson line where that would end below zero. If a bend
//! describes the series better than a line over all periods (Schwarz's criterion), its broken line
//! gives date and size.
//!
//! The result is the change from the first period of the line, or from the level before a bend, to
//! the last period, with its 95 % interval. It is proven when the corrected p-value is below
//! `alpha` and the interval excludes zero change. A proven trend is *improving* or *worsening*, or
//! *small* when the change is below `change_min` of the level; only the first two are findings. All
//! others are *not proven*, which does not mean that there is no trend: the interval shows what is
//! possible. Among them, *volatile* series scatter widely around the line (robust standard
//! deviation above 30 % of the level, and for counts more than twice that of pure chance).
//!
//! A series has one description: if steps describe it better than a gradual change (Schwarz's
//! criterion with autoregressive errors), the finding gives their dates and the levels before and
//! after, as `change_point` does, and is informational. If the other description is about as good,
//! the finding says so.
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
//! Incomplete periods at either end are left out. A day without records counts as 0 for counts and
//! sums, and as missing for means and medians.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, input,
    series::{
        self, Aggregate, PartPeriods, Request,
        period::{LongPeriod, Period, requested_or_found},
        words::{series_of, share},
    },
    with_findings,
};
use retrocast_domain::{Cell, CellStatus, Chapter, Finding, number::plural};
use retrocast_stats::trend::TREND_MIN;
use schemars::JsonSchema;
use serde::Deserialize;

mod classify;
mod line;
mod present;
mod result;
#[cfg(test)]
mod tests;

use classify::{TrendTest, classify};
use present::{chart, describe_methods, finding, frame_of, table};

/// Params of `trend`.
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
    /// Whether lower values are better.
    #[serde(default = "yes")]
    lower_is_better: bool,
    /// Minimum number of periods with a value. Default: 21 days, 12 weeks or 12 months.
    #[serde(default)]
    #[schemars(range(min = 8, max = 10_000))]
    min_points: Option<usize>,
    /// Minimum change of a finding over the whole series, as a share of the level.
    #[serde(default = "five_percent")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
    /// Probability of a false claim. Default: the part of the job's `false_claims`.
    #[serde(default)]
    #[schemars(range(min = 1e-6, max = 0.5))]
    #[schemars(extend("x-claims" = true))]
    alpha: Option<f64>,
    /// Whether periods that the records cover only in part are left out or kept.
    #[serde(default = "leave_out")]
    part_periods: PartPeriods,
    /// Maximum number of periods to look back.
    #[serde(default = "a_year")]
    #[schemars(range(min = 8, max = 10_000))]
    periods_max: usize,
    /// Maximum number of groups, the largest first.
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
pub const TREND: StageKind = StageKind {
    name: "trend",
    chapter: Some(Chapter::Changes),
    code_version: 10,
    summary: "Slow movement for each group: improving, worsening, or not proven, with its interval.",
    manual: include_str!("trend.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

const METHOD: &str = "Mann-Kendall test, variance corrected for autocorrelation (Hamed and Rao \
                      1998, Yue and Wang 2004), combined with a search for a bend (Hudson 1966; Liu and \
                      Xie 2020); Theil-Sen slope with Sen's interval (1968), for \
                      counts and sums a quasi-Poisson line (McCullagh and Nelder 1989); \
                      Benjamini-Hochberg over groups";

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = input(inputs, &params.input)?;
    let aggregate =
        Aggregate::or_default(params.aggregate, params.value.as_deref(), Aggregate::Mean);
    let period = requested_or_found(params.period, context, input, params.time.as_deref())?;
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate,
        period,
        part_periods: params.part_periods,
        periods_max: params.periods_max,
        without_year: true,
        groups_max: params.groups_max,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let set = series::collect(context, input, &request)?;
    let mut cell = Cell::new(&context.stage, TREND.name);
    cell.title = format!("Trend: {}", set.measure);
    cell.method = METHOD.to_string();
    cell.did = format!("Looked for trends of {}.", set.measure);
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let points_min = params
        .min_points
        .unwrap_or(if period == Period::Day { 21 } else { 12 })
        .max(TREND_MIN);
    if let Some(message) = set.not_enough(points_min) {
        cell.status = CellStatus::NotEnough { message };
        return Ok(Analysis { cell, frame: None });
    }
    set.note_small(points_min, &mut cell.caveats);
    let is_count = aggregate == Aggregate::Count;
    let results = classify(context, &set, &params, points_min, is_count);
    let findings: Vec<Finding> = set
        .groups
        .iter()
        .zip(&results)
        .filter_map(|(group, result)| {
            let result = result.as_ref()?;
            result
                .is_finding()
                .then(|| finding(context, &set, &params, group, result))
        })
        .collect();
    cell.did = format!(
        "Tested {} for a trend over {}: {}. {}",
        series_of(&params.by, results.iter().flatten().count(), &set.measure),
        plural(set.starts.len() as u64, period.noun()),
        match (
            findings.len(),
            results.iter().flatten().any(TrendTest::is_proven)
        ) {
            (0, false) => "no trend is proven".to_string(),
            (0, true) => format!("none of {} or more is proven", share(params.change_min)),
            (n, _) => format!("{} proven", plural(n as u64, "trend")),
        },
        describe_methods(&params, &results),
    );
    cell.tables.push(table(&set, &params, &results));
    cell.charts.extend(chart(context, &set, &params, &results));
    let frame = frame_of(&set, &results)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}
