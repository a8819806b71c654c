//! Forecasts of the next windows, with intervals that were tested on the past.
//!
//! # Method
//! Twelve forecasters (recent mean, seasonal naive, seasonal mean, seasonal line, Theta and its
//! dynamic form, exponential smoothing with and without a season, ARIMA, and STL, with a constant
//! or a changing season, before exponential smoothing or ARIMA) each forecast from up to 24 earlier
//! dates. Their errors (MASE; Hyndman and Koehler, 2006), without those on exceptional days, select
//! up to eight, and the middle half of their forecasts is averaged. The errors of the combination
//! at each horizon give conformal intervals (Vovk, Gammerman and Shafer, 2005), which assume
//! nothing about the distribution; their coverage on the past is printed beside them. Accuracy is
//! reported relative to repeating the last season, from the same dates.
//!
//! Counts that are often zero are forecast by their rate, with recent means, the rates of weekdays
//! or other phases, and three methods for intermittent series (Croston, 1972; Syntetos and Boylan,
//! 2005; Teunter, Syntetos and Babai, 2011). The method with the smallest squared errors is used,
//! because absolute errors would favour a forecast of zero (Kolassa, 2016).
//!
//! Short excursions far beyond the usual range, after which the series returned to its level, are
//! not extrapolated, so a single outage does not change a forecast. Lasting shifts are
//! extrapolated, and so are events that recur a week later. Errors on the past include such days,
//! and the intervals allow for as many of them as occurred. When the last one or two days are
//! exceptional, it is unknown whether their level will last: the interval then covers both cases.
//! From three days at a clearly different level on, the forecast follows it (weeks, months and hours
//! likewise), and the earlier values are moved to that level, so that forecasters need not learn it.
//!
//! The forecast begins after the last complete period of the records, which may be before the
//! window's end. A series that was never negative is not forecast below zero. Days have a season of
//! a week. Weeks and months have one of a year, if two years can be learnt from before the first
//! past date of the test.
//!
//! A movement that began in the last weeks cannot be tested on earlier dates. It is found as in
//! `trend`: a level and, from a bend on, a straight line, tested against the same search in level
//! series of the same autocorrelation. If the bend is proven (p below 0.001), is not a step, and
//! began after most of the past dates, the forecast follows the line, from two weeks (weeks and
//! months: five periods) after the bend on. How long a movement will last is unknown: one of `n`
//! periods ends within the next `k` with probability `k / (n + k)` (Gott 1993). So the line is
//! extrapolated for as long as it has lasted, and the interval covers an early end as well as the
//! uncertainty of the slope.
//!
//! With a `capacity`, the stage reports when the metric reaches the given share of its limit, with
//! an interval of dates. This uses the same line or, if the metric has no bend, the straight line
//! through its values since the last step. The stage warns only when the slope is proven and the
//! later half of the line still rises, the line is extrapolated for no longer than it has lasted,
//! and the probability of reaching the limit within the horizon is at least four in five. A metric
//! is beyond the limit already if its last value, or the mean of its last day or week, is, and the
//! interval of the line or of the forecast of the next day or week (weeks and months: the next
//! period) is as well; the report prints that present value.
//!
//! # Caveats
//! A forecast extrapolates the past. Events without precedent (a launch, a migration) are in no
//! interval, nor is the return of a movement to the level before it. Long horizons are tested on
//! few past dates.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind,
    series::{
        self, Aggregate, PartPeriods, Request,
        period::{Period, requested_or_found},
        words,
    },
    with_findings,
};
use retrocast_domain::{Cell, CellStatus, Chapter};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod charts;
mod limits;
mod predict;
mod present;
mod result;
mod tables;
#[cfg(test)]
mod tests;

use predict::{HISTORY_MAX, forecast_groups, need};
use present::Reporter;

/// The registered kind.
pub const FORECAST: StageKind = StageKind {
    name: "forecast",
    chapter: Some(Chapter::Outlook),
    code_version: 10,
    summary: "Forecasts a metric with intervals tested on the past, and says when a limit is reached.",
    manual: include_str!("forecast.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

/// A limit that the metric must not reach.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Capacity {
    /// The limit, in the metric's unit.
    #[schemars(extend("exclusiveMinimum" = 0))]
    limit: f64,
    /// Share of the limit at which to warn.
    #[serde(default = "default_share")]
    #[schemars(range(min = 0.01, max = 1.0))]
    share: f64,
}

impl Capacity {
    /// The value at which to warn.
    fn line(self) -> f64 {
        self.limit * self.share
    }
}

fn default_share() -> f64 {
    0.8
}

fn default_level() -> Vec<f64> {
    vec![0.8, 0.95]
}

/// Params of the stage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column of the value. Default: records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns to group by. Default: one group of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// Aggregate of the records of a period. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Length of a period. Default: days, or weeks or months if records are that far apart.
    period: Option<Period>,
    /// Number of periods to forecast; of days, if periods are hours. Default: 28 days, 8 weeks or 3 months.
    #[schemars(range(min = 1, max = 365))]
    horizon: Option<u32>,
    /// Coverages of the intervals, each between 0 and 1.
    #[serde(default = "default_level")]
    #[schemars(length(min = 1, max = 4), inner(range(min = 0.01, max = 0.999)))]
    level: Vec<f64>,
    /// Name of the metric, such as "memory". Default: the value column or the dataset.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// A limit that the metric must not reach.
    capacity: Option<Capacity>,
}

impl Params {
    fn aggregate(&self) -> Aggregate {
        Aggregate::or_default(self.aggregate, self.value.as_deref(), Aggregate::Sum)
    }

    /// Number of periods to forecast.
    fn horizon(&self, period: Period) -> usize {
        let default = match period {
            Period::Hour | Period::Day => 28,
            Period::Week => 8,
            Period::Month => 3,
        };
        self.horizon.unwrap_or(default) as usize * period.per_day()
    }
}

const METHOD: &str = "Forecasters on the series without isolated outliers, chosen by \
                      rolling-origin backtest (MASE; Hyndman and Koehler, 2006) and averaged without the \
                      extremes, conformal intervals \
                      (Vovk, Gammerman and Shafer, 2005)";

/// Maximum number of groups to forecast; the largest are kept.
const GROUPS_MAX: usize = 200;

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    if params.level.is_empty() {
        return Err(StageError::Other("`level` names no coverage".to_string()));
    }
    if let Some(level) = params
        .level
        .iter()
        .find(|level| !(0.01..=0.999).contains(*level))
    {
        return Err(StageError::Other(format!(
            "level {level} is not between 0.01 and 0.999"
        )));
    }
    let input = crate::input(inputs, &params.input)?;
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: params.aggregate(),
        period: requested_or_found(params.period, context, input, params.time.as_deref())?,
        part_periods: PartPeriods::LeaveOut,
        periods_max: HISTORY_MAX * 4,
        without_year: false,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let set = series::collect(context, input, &request)?;
    let name = words::measure(
        params.measure.as_deref(),
        params.value.as_deref(),
        &params.input,
    );
    let mut cell = Cell::new(&context.stage, FORECAST.name);
    cell.title = if context.title.is_empty() {
        format!("Forecast: {name}")
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.did = format!("Tried to forecast {name}.");
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    let forecasts = forecast_groups(context, &params, &set);
    let reporter = Reporter {
        context,
        params: &params,
        set: &set,
        name: &name,
    };
    if forecasts.is_empty() {
        cell.status = CellStatus::NotEnough {
            message: reporter.not_enough(),
        };
        return Ok(Analysis { cell, frame: None });
    }
    let need = set
        .groups
        .iter()
        .map(|group| need(context, &params, set.period, group.known()));
    set.note_small(need.max().unwrap_or(0), &mut cell.caveats);
    let findings = forecasts
        .iter()
        .flat_map(|group| [reporter.next_window(group), reporter.breach(group)])
        .flatten()
        .collect();
    cell.did = reporter.summarise(&forecasts);
    cell.tables.push(reporter.table(&forecasts));
    cell.tables.extend(reporter.accuracy_table(&forecasts));
    cell.charts = reporter.charts(&forecasts);
    let frame = reporter.frame(&forecasts)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}
