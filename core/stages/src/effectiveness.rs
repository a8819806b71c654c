//! Effects of improvements: the observed metric compared with its forecast without the improvement.
//!
//! # Method
//! For each improvement in a register, the daily, weekly or monthly metric of its component is
//! forecast from the days before the change, by regression on the season (the weekday, or the time
//! of the year if two years show it) and on other components that correlated with this one before
//! the change. Errors may be autocorrelated: models that range from independent noise through
//! autoregressions of order one to a random walk, with and without a slope, are averaged by how
//! well they explain all history before the change (Hoeting et al., 1999). The effect is the
//! observed minus the expected value over the days after the change, a counterfactual in the sense
//! of Brodersen et al. (2015).
//!
//! Without controls, and if the autocorrelation of errors fades within days, the effect is a step
//! that is estimated from both sides by generalised least squares.
//!
//! The same estimator runs on earlier dates without a change (placebo in time). The spread of these
//! estimates, in units of their standard errors, calibrates that of the real estimate. This needs
//! 42 days before the change plus four times the number of days used after it: 162 for 30 days.
//! With fewer days only the models are used, and the report says so.
//!
//! An improvement "works" when its 95 % interval excludes zero on the intended side; the opposite
//! is "harmful", and everything else is "not proven", which does not prove that there is no effect.
//! Each improvement is tested separately: of improvements without effect, one in twenty is called
//! proven by chance, in either direction.
//!
//! The noise of counts and other amounts scales with their level, and a sum of counts is compared
//! with a negative binomial distribution. The interval of the ratio contains the values that the
//! test does not reject.
//!
//! A metric that was constant on all `n` days before the change, or repeated its week exactly, has
//! no noise to compare with. Since no day deviated, the share of days that would is bounded (at 95
//! %, by about `3/n`: Hanley and Lippman-Hand, 1983), and this gives the interval. The p-value is
//! the larger of two: the probability that all deviations come after the change by chance (Fisher),
//! and, since a level may shift and stay, the probability that the first of them comes so soon,
//! about `1/(n + 1)`.
//!
//! The report says so if the last days before the change, at least half as many as were used after
//! it, were already at the level after it, and farther from the earlier level than 19 of 20 earlier
//! runs of days: something else may have moved the metric.
//!
//! With `unit_value`, the effect is given in money: gain per day = effect × value of a unit (×
//! `units_per_day` where the metric is a mean or a share). The gain while measured is that of the
//! days after the change that were measured, not of all days since. Return on investment is that of
//! the first year, if the effect lasts: (365 × gain per day − cost) ÷ cost, with the ends of the
//! effect's interval. The total of several improvements assumes independent errors. Effects on the
//! same records in overlapping days contain each other, so the total takes only the first of them.
//!
//! # Days and metrics
//! The stage learns from all days before the change, up to one year. For weeks and months, up to
//! three years are used: their season is that of the year, which takes two years to show.
//! `pre_days` sets another maximum, up to five years.
//!
//! The measurement is repeated in each run until `post_days` days have passed after the change.
//! Then it is final: later days do not change it, and the report says so. Records of these days that
//! arrive or are corrected later still do, until the improvement is closed. If more days would prove
//! an effect of its size, the report states their number for `post_days`. A larger `post_days` also
//! needs more history.
//!
//! A stage measures the improvements whose `metric` in the register is that of the stage: its
//! `metric`, its `measure`, or else the name of its value column or of its records, without regard
//! to case. The others are listed; each needs a stage of its own.
//!
//! # Guardrails
//! ```toml
//! [[stage.effects.guardrails]]
//! name      = "latency"
//! aggregate = "mean"
//! value     = "milliseconds"
//! unit      = "ms"
//! ```
//! A guardrail is a metric of the same dataset that an improvement must not make worse. It is
//! measured for each improvement by the same estimator and tested at 5 % by itself. It does not
//! change the verdict: if it is proven to be worse, the improvement "works, but", and the guardrail
//! is a warning of its own. For the others, the technical report states the largest harm that the
//! interval leaves open.
//!
//! An improvement whose component is `all` or empty applies to all records.
//!
//! # Caveats
//! Without a control, an external event on the same day cannot be distinguished from the
//! improvement; such effects are marked "uncontrolled". Two changes of one component within the
//! same weeks cannot be separated. Days after the last record of a source count as zero only where
//! its contract declares `silence = "zero"`.
//!
//! # Power
//! Each effect states the smallest difference that its test finds in four of five cases. An effect
//! that is not proven also states the number of days that would prove an effect of its size.
//! Both follow from the standard error of the same estimator on a series that continues as before,
//! plus the effect. For improvements that are too recent, the difference is the one that
//! `post_days` days would show.

use crate::{
    Analysis, Context, Input, Inputs, Reads, StageError, StageKind, input,
    series::{
        self, Aggregate, PartPeriods, Request, SeriesSet,
        period::{LongPeriod, Period, requested_or_found},
    },
    with_findings,
};
use retrocast_domain::{Cell, CellStatus, Chapter, Effect, Evidence};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod calibration;
mod guardrails;
mod measure;
mod onset;
mod outlook;
mod present;
mod register;
mod result;
mod tables;
#[cfg(test)]
mod tests;
mod worth;

use calibration::Calibration;
use guardrails::{Guardrail, GuardrailResults, GuardrailSeries};
use measure::{Outcome, find_group, judge, periods_of};
use present::{Reporter, summarise};
use register::{ALL_RECORDS, Improvement, read_register};
use tables::frame_of;

/// The registered kind.
pub const EFFECTIVENESS: StageKind = StageKind {
    name: "effectiveness",
    chapter: Some(Chapter::Improvements),
    code_version: 12,
    summary: "Measures the effects of improvements against a forecast without them.",
    manual: include_str!("effectiveness.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

/// Controls of the comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Controls {
    /// Other components of the dataset that were not changed in the same weeks and that correlated
    /// with the component before the change.
    #[default]
    #[serde(rename = "other components")]
    OtherComponents,
    /// None: effects are marked "uncontrolled".
    #[serde(rename = "none")]
    None,
}

fn default_component() -> String {
    "component".to_string()
}

fn default_post() -> u32 {
    30
}

fn default_min_post() -> u32 {
    7
}

fn default_true() -> bool {
    true
}

/// Params of the stage.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Register of improvements: columns `id`, `title`, `component`, `metric`, `date` (a date or a
    /// timestamp), and optionally `expected_relative`, `lower_is_better`, `category` and `cost`. A
    /// component that is empty or `all` means all records.
    #[schemars(extend("x-dataset" = true))]
    improvements: String,
    /// Dataset with the metric.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column of the time. Default: from the contract.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column of the value. Default: records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Aggregate of the records of a period. Default: the sum of `value`, or the number of records.
    aggregate: Option<Aggregate>,
    /// Length of a period. Default: days, or weeks or months if records are that far apart. The
    /// period in which a change falls counts neither as before nor as after, unless it begins with
    /// the change.
    period: Option<LongPeriod>,
    /// Column that the register's `component` refers to.
    #[serde(default = "default_component")]
    #[schemars(extend("x-column" = "input"))]
    component_column: String,
    /// Metric of the improvements to measure, as in the register. Default: `measure`, or the name of
    /// the value column or of the records. Improvements of other metrics are listed, not measured;
    /// improvements without a metric are always measured.
    metric: Option<String>,
    /// Name of the metric, such as "failures". Default: the register's `metric`.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// Set to false if higher values are better. An entry of the register takes precedence.
    #[serde(default = "default_true")]
    lower_is_better: bool,
    /// Value of one unit of the metric, such as the cost of one failure: effects are given in money as
    /// well.
    #[schemars(range(min = 0, max = 1e12))]
    unit_value: Option<f64>,
    /// Currency of `unit_value` and of costs, such as "EUR".
    #[serde(default)]
    #[schemars(length(max = 12))]
    currency: String,
    /// Number of units per day, where the metric is a mean or a share: records a day, such as 900 requests
    /// for a mean duration. Default: the metric is the number of units itself.
    #[schemars(range(min = 0, max = 1e15))]
    units_per_day: Option<f64>,
    /// Metrics that an improvement must not make worse, measured in the same way. They do not change the
    /// verdict: one that is proven to be worse is a warning of its own.
    #[serde(default)]
    guardrails: Vec<Guardrail>,
    /// Controls of the comparison.
    #[serde(default)]
    controls: Controls,
    /// Maximum number of days before the change to learn from. Default: one year of days, or
    /// three years of weeks or months, whose season is that of the year.
    #[schemars(range(min = 28, max = 1825))]
    pre_days: Option<u32>,
    /// Number of days after the change to use: the measurement is repeated in each run until they have
    /// passed, and is final then.
    #[serde(default = "default_post")]
    #[schemars(range(min = 7, max = 365))]
    post_days: u32,
    /// Minimum number of days after the change for a verdict.
    #[serde(default = "default_min_post")]
    #[schemars(range(min = 1, max = 365))]
    min_post: u32,
}

impl Params {
    /// Maximum number of periods before a change to learn from.
    fn periods_before(&self, period: Period) -> usize {
        let years = match period {
            Period::Hour | Period::Day => 1,
            Period::Week | Period::Month => 3,
        };
        periods_of(self.pre_days.unwrap_or(365 * years), period)
    }

    /// Aggregate of the records of a period.
    fn aggregate(&self) -> Aggregate {
        Aggregate::or_default(self.aggregate, self.value.as_deref(), Aggregate::Sum)
    }
}

/// The method in one line, by aggregate.
fn method(aggregate: Aggregate, period: Period) -> String {
    let values = match aggregate {
        Aggregate::Count => "Counts",
        Aggregate::Sum => "Sums",
        Aggregate::Mean => "Means",
        Aggregate::Median => "Medians",
        Aggregate::Max => "Maxima",
    };
    format!(
        "{values} per {} on their own scale, without logarithms: regression with autocorrelated errors, \
         averaged over models of these (Hoeting et al., 1999), with placebo in time",
        period.noun()
    )
}

/// Maximum number of periods to analyse; the latest are kept.
const PERIODS_MAX: usize = 1500;
/// Maximum number of components to analyse; the largest are kept.
const GROUPS_MAX: usize = 200;

/// Collects the series of a metric by component, and of all records where an improvement applies to
/// these.
fn collect(
    context: &Context,
    records: &Input,
    params: &Params,
    filter: Option<(&str, &[String])>,
    improvements: &[Improvement],
) -> Result<SeriesSet, StageError> {
    let covers_all = |improvement: &Improvement| improvement.component == ALL_RECORDS;
    // Without components, only all records together can be analysed.
    let has_column = records.has(&params.component_column);
    let by = if !has_column && !improvements.is_empty() && improvements.iter().all(covers_all) {
        Vec::new()
    } else {
        vec![params.component_column.clone()]
    };
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &by,
        aggregate: params.aggregate(),
        period: requested_or_found(params.period, context, records, params.time.as_deref())?,
        part_periods: PartPeriods::LeaveOut,
        periods_max: PERIODS_MAX,
        without_year: false,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter,
    };
    let mut set = series::collect(context, records, &request)?;
    if improvements.iter().any(covers_all) && find_group(&set, ALL_RECORDS).is_none() {
        let whole = Request { by: &[], ..request };
        set.groups
            .extend(series::collect(context, records, &whole)?.groups);
    }
    Ok(set)
}

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let records = input(inputs, &params.input)?;
    let register = input(inputs, &params.improvements)?;
    let mut notes = Vec::new();
    let (improvements, other_metrics) =
        read_register(context, &params, register, &records.noun(), &mut notes)?;
    let set = collect(context, records, &params, None, &improvements)?;
    let mut cell = Cell::new(&context.stage, EFFECTIVENESS.name);
    cell.title = if context.title.is_empty() {
        "Did the improvements work?".to_string()
    } else {
        context.title.clone()
    };
    cell.method = method(params.aggregate(), set.period);
    cell.did = "Could not judge improvements.".to_string();
    cell.not_measured = other_metrics;
    if !set.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
    cell.caveats.extend(notes);
    if improvements.is_empty() {
        let name = &params.improvements;
        cell.status = CellStatus::NotEnough {
            message: format!(
                "not enough: have 0 improvements of this metric before the end of the window in \
                 {name:?}, need 1; add one with id, title, component, metric and date"
            ),
        };
        return Ok(Analysis { cell, frame: None });
    }
    let judged = judge(context, &params, &set, &improvements);
    let estimates = judged
        .iter()
        .filter_map(|measurement| match &measurement.outcome {
            Outcome::Measured(measured) => Some(&measured.estimate),
            _ => None,
        });
    cell.caveats
        .extend(Calibration::from_estimates(estimates).sentence());
    let evidence = vec![
        set.evidence.clone(),
        Evidence {
            dataset: register.dataset.name.clone(),
            version: register.dataset.version,
            filter: None,
        },
    ];
    let reporter_of = |params, set| Reporter {
        context,
        params,
        set,
        evidence: evidence.clone(),
        method: cell.method.clone(),
        noun: records.noun(),
        openings: std::collections::BTreeMap::new(),
    };
    let mut reporter = reporter_of(&params, &set);
    let guardrails = GuardrailSeries::collect_all(context, records, &params, &improvements)?;
    let guarded: Vec<_> = guardrails.iter().map(|g| g.judge(context)).collect();
    let mut guardrail_results: Vec<GuardrailResults> = guardrails
        .iter()
        .zip(&guarded)
        .map(|(guardrail, judged)| GuardrailResults {
            reporter: reporter_of(&guardrail.params, &guardrail.set),
            judged,
        })
        .collect();
    guardrails::add_openings(&mut reporter, &mut guardrail_results, &judged);
    let findings = judged
        .iter()
        .map(|measurement| reporter.finding(measurement))
        .chain(guardrails::findings(&guardrail_results))
        .collect();
    cell.caveats
        .extend(guardrails.iter().filter_map(GuardrailSeries::caveat));
    cell.did = summarise(&judged);
    if judged.len() > 1 {
        cell.caveats.push(
            "Each improvement is judged by itself: of 20 that do nothing, about one is called proven \
             by chance."
                .to_string(),
        );
    }
    let failed = judged
        .iter()
        .filter(|measurement| matches!(measurement.outcome, Outcome::NotMeasured(_)));
    cell.not_measured
        .extend(failed.map(|measurement| measurement.improvement.id.clone()));
    cell.effects = judged
        .iter()
        .enumerate()
        .filter_map(|(i, measurement)| {
            Some(Effect {
                guardrails: guardrails::effects(&guardrail_results, i),
                ..reporter.effect(measurement)?
            })
        })
        .collect();
    cell.tables.push(reporter.table(&judged));
    cell.tables
        .extend(guardrails::table(&guardrail_results, judged.len()));
    cell.tables.extend(reporter.sensitivity(&judged));
    cell.tables.extend(reporter.worth_table(&judged));
    if params.unit_value.is_some() && !set.adds_up && params.units_per_day.is_none() {
        cell.caveats.push(worth::NO_UNITS.to_string());
    }
    cell.charts = judged
        .iter()
        .filter_map(|measurement| reporter.chart(measurement))
        .collect();
    let frame = frame_of(&judged)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}
