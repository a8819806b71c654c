//! Effects of weekday, hour, month and year, and the volume above which events are more frequent.
//!
//! Rates are compared as ratios with 95 % intervals. Weekdays are compared with the mean of all
//! seven days *and* with the mean of the working days (Monday to Friday); sentences name the mean
//! they use. A quiet weekend makes every working day look busy relative to all days, so a working
//! day is only reported when it differs from both. Days, hours or months that are not proven to
//! differ less than the most extreme one are reported together with it.
//!
//! ```toml
//! [stage.rhythm]
//! kind    = "temporal_pattern"
//! input   = "failures"
//! time    = "created_at"
//! effects = ["weekday", "hour", "month", "year"]
//!
//! [stage.volume_limit]                # the volume above which executions fail more often
//! kind         = "temporal_pattern"
//! input        = "pipelines"
//! effects      = []
//! volume       = "files"
//! event_column = "status"
//! event_equals = ["failed"]
//!
//! [stage.durations]                   # the median before and after a day
//! kind    = "temporal_pattern"
//! input   = "incidents"
//! effects = []
//! value   = "duration_minutes"
//! unit    = "min"
//! split   = "2025-01-01"
//! ```
//!
//! Without `value`, records are counted per day. With `value`, its mean is used, or its sum with
//! `aggregate = "sum"`. With `event_column`, only records whose value is one of `event_equals` are
//! events; `exposure = "records"` (the default for events) divides them by the number of records
//! instead of days.
//!
//! # Method
//!
//! Weekdays are compared within weeks, hours within days, months within years, so that a trend is
//! not mistaken for a pattern: a log-linear Poisson model with a level for each week, day or year.
//! Months are compared with a trend within the year, too: the centred moving average of twelve
//! months (Macaulay 1931), continued at both ends by the growth from year to year.
//!
//! Records a week or a month apart are compared as recorded: months by their weeks or months, not
//! by their days, so that a long month is no busy one. They have no weekdays and no hours.
//!
//! Variances allow for clustering: the largest of Poisson, quasi-Poisson (`McCullagh` and Nelder
//! 1989), and the sandwich estimator over those blocks (Newey and West 1987). A year is compared
//! with the same part of the previous year, with the dispersion and autocorrelation of its months;
//! the plain Poisson interval is reported as `ratio_poisson`. Thresholds are maximally selected
//! statistics (Lausen and Schumacher 1992), compared within days and permuted within days; the
//! interval of the threshold follows Hansen (2000), the interval of the ratio of both sides uses
//! days as clusters. Medians have order-statistic intervals, their difference the interval of Zou
//! and Donner (2008) and the Mann-Whitney test (1947). All claims of a stage are corrected together
//! (Holm 1979), each after a correction for the number of days, hours or months it was selected
//! from.
//!
//! A pattern with other days, hours or months than in an earlier run is still the same finding if some
//! of them are the same: it keeps the claim of the newest such run.
//!
//! Volumes and splits use single records: above a million, a sample of half a million to a million,
//! selected by a hash of their contents, and the stage says so. Everything else uses all records.
//!
//! An effect is a finding when its corrected p-value is below `alpha` and its size at least
//! `change_min`. Any other effect is not proven, which does not mean that it is absent: tables and
//! charts show every estimate with its interval. The textbook chi-square test of the counts is
//! reported as `chi_square`; it assumes that records are independent, which they seldom are.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, identity, input,
    series::{self, missing::MissingDays, period::Period},
    with_findings,
};
use jiff::civil::{Date, DateTime};
use polars::prelude::*;
use retrocast_domain::{
    ActionRequest, Cell, CellStatus, Chapter, Chart, Direction, Evidence, Finding, Severity, Table,
    number::{self, plural},
    window::range,
};
use retrocast_stats::test::holm;

mod params;
mod read;
mod result;
mod rhythm;
mod split;
#[cfg(test)]
mod tests;
mod volume;
mod words;
mod years;

use params::{EffectName, Params};
use read::read;

/// The kind `temporal_pattern`.
pub const TEMPORAL_PATTERN: StageKind = StageKind {
    name: "temporal_pattern",
    chapter: Some(Chapter::Rhythm),
    code_version: 13,
    summary: "Weekday, hour, month and year effects, and the volume above which events are more frequent.",
    manual: include_str!("temporal_pattern.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[identity::TABLE],
    run,
};

/// One record.
struct Record {
    time: DateTime,
    /// True if it is part of the numerator of the rate.
    is_event: bool,
    /// Value in the `value` column, if any.
    value: Option<f64>,
    volume: Option<f64>,
    /// Index of its combination of the `volume_within` columns.
    within: usize,
}

/// The records of an hour, or of a day if times have no hour.
struct Hour {
    time: DateTime,
    records: u64,
    /// Number of records in the numerator of the rate, and their contribution.
    with_events: u64,
    events: f64,
}

/// The records of one group.
struct Group {
    label: String,
    subject: String,
    /// Number of records.
    records: u64,
    /// Hours in order of time.
    hours: Vec<Hour>,
    /// Single records, for volumes and splits only; a sample if there are very many.
    rows: Vec<Record>,
}

/// The data of all analyses.
struct Data<'a> {
    context: &'a Context,
    params: &'a Params,
    groups: Vec<Group>,
    /// Distance of the records: days, weeks or months.
    period: Period,
    /// First day with a record.
    first: Date,
    /// Day after the last covered day.
    end: Date,
    /// Days in between on which records are missing.
    missing: Vec<MissingDays>,
    /// True if rates are per record, not per day.
    per_record: bool,
    /// True if values are aggregated, false if records are counted.
    amounts: bool,
    /// True if times have an hour.
    has_hours: bool,
    measure: String,
    evidence: Evidence,
    filter_words: String,
}

impl Data<'_> {
    fn days(&self) -> u64 {
        days_between(self.first, self.end)
    }

    /// Returns true if records are missing on a day.
    fn is_missing(&self, day: Date) -> bool {
        self.missing.iter().any(|days| days.contains(day))
    }

    fn period(&self) -> String {
        format!(
            "{} to {}",
            self.first,
            self.end.yesterday().unwrap_or(self.end)
        )
    }

    /// The period in words.
    fn period_in_words(&self) -> String {
        range(self.first, self.end.yesterday().unwrap_or(self.end))
    }

    /// Returns true for shares, whose difference is in percentage points or a factor.
    fn is_share(&self) -> bool {
        if self.amounts {
            matches!(self.params.unit.as_str(), "%" | "share")
        } else {
            self.per_record
        }
    }

    /// Starts a finding with the parts that do not depend on the analysis.
    fn start_finding(&self, kind: &str, group: &Group, what: &str) -> Finding {
        let mut finding = Finding::new(&self.context.stage, kind, &group.subject, what);
        finding.evidence = vec![self.evidence.clone()];
        finding.period = self.period();
        finding.request = Some(ActionRequest::new(what, "", "name an owner"));
        finding.measure.clone_from(&self.measure);
        finding
    }

    /// Names a group: " in billing"; empty for all records.
    fn in_group(&self, group: &Group) -> String {
        series::words::in_named(&self.params.by, &group.label)
    }
}

fn days_between(from: Date, to: Date) -> u64 {
    from.until(to)
        .map_or(0, |span| span.get_days().max(0) as u64)
}

/// A claim before the correction over all claims of the stage.
struct Candidate {
    finding: Finding,
    /// p-value, corrected for the number of categories or thresholds it was selected from.
    p: f64,
    /// True if it is large enough to be reported.
    is_large: bool,
    /// Index of the chart that would show the claim.
    chart: Option<usize>,
    /// Replacement of that chart if the claim is made, for a claim with another baseline.
    replacement: Option<Chart>,
    /// Title of the chart if the claim is made; later claims take precedence.
    title: String,
}

/// The result of the analyses.
#[derive(Default)]
struct Results {
    candidates: Vec<Candidate>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    caveats: Vec<String>,
    /// Rows for later stages: group, effect, category, n, ratio, lower, upper.
    rows: Vec<ResultRow>,
    /// Names of the analyses with enough data.
    done: Vec<String>,
    /// Reasons why the other analyses were skipped.
    skipped: Vec<String>,
}

/// One category, as a row of the stage's dataset.
struct ResultRow {
    group: String,
    effect: &'static str,
    category: String,
    events: f64,
    exposure: f64,
    ratio: Option<[f64; 3]>,
}

impl ResultRow {
    /// Returns true for a weekday, hour, month or year.
    fn is_rhythm(&self) -> bool {
        ![volume::EFFECT, split::EFFECT].contains(&self.effect)
    }
}

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = input(inputs, &params.input)?;
    let split = match &params.split {
        Some(text) => Some(text.parse::<Date>().map_err(|_| {
            StageError::Other(format!(
                "split {text:?} is not a day such as \"2026-01-31\""
            ))
        })?),
        None => None,
    };
    let mut results = Results::default();
    let mut cell = Cell::new(&context.stage, TEMPORAL_PATTERN.name);
    cell.title = format!("Patterns in time: {}", params.input.replace('_', " "));
    cell.method = METHOD.to_string();
    cell.did = "Looked for patterns in time.".to_string();
    let data = match read(context, &params, input, &mut cell)? {
        Ok(data) => data,
        Err(message) => {
            cell.status = CellStatus::NotEnough { message };
            return Ok(Analysis { cell, frame: None });
        }
    };
    cell.title = format!("Patterns in time: {}", data.measure);
    if data.days() < params.days_min {
        results.skipped.push(format!(
            "{}, {} needed",
            plural(data.days(), "day"),
            params.days_min
        ));
    } else {
        rhythm::analyse(&data, &mut results);
        if params.effects.contains(&EffectName::Year) {
            years::analyse(&data, &mut results);
        }
        if params.volume.is_some() {
            volume::analyse(&data, &mut results);
        }
        if let Some(day) = split {
            split::analyse(&data, day, &mut results);
        }
    }
    if results.done.is_empty() {
        let message = if results.skipped.is_empty() {
            "name an effect, a `volume` column or a `split` day".to_string()
        } else {
            results.skipped.join("; ")
        };
        cell.caveats.extend(results.caveats);
        cell.status = not_enough(message);
        return Ok(Analysis { cell, frame: None });
    }
    for reason in &results.skipped {
        results
            .caveats
            .push(format!("Not tested for lack of data: {reason}."));
    }
    let frame = frame_of(&results.rows)?;
    let done = number::list(&results.done);
    let mut findings = select_claims(&params, &mut results);
    identity::continue_earlier(&context.stage, &mut findings, inputs, 0)?;
    cell.did = format!(
        "Looked {} {done}{} in {}, {}: {}.",
        if done.starts_with("a threshold") {
            "for"
        } else {
            "at"
        },
        if results.rows.iter().any(ResultRow::is_rhythm) {
            format!(" of {}", data.measure)
        } else {
            String::new()
        },
        plural(
            data.groups.iter().map(|group| group.records).sum(),
            "record"
        ),
        data.period_in_words(),
        if findings.is_empty() {
            "no pattern is proven".to_string()
        } else {
            format!("{} proven", plural(findings.len() as u64, "pattern"))
        },
    );
    cell.charts = results.charts;
    cell.tables = results.tables;
    cell.caveats.extend(results.caveats);
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

const METHOD: &str = "Rate ratios within weeks, days or years with cluster-corrected intervals \
                      (McCullagh and Nelder 1989; Newey and West 1987); maximally selected \
                      statistic for thresholds (Lausen and Schumacher 1992; Hansen 2000); Holm \
                      (1979) over all claims";

fn not_enough(message: String) -> CellStatus {
    let advice = "run it again when there are more records, or look at a longer period";
    CellStatus::NotEnough {
        message: format!("not enough: {message}; {advice}"),
    }
}

/// Corrects all claims together, and keeps the significant ones.
fn select_claims(params: &Params, results: &mut Results) -> Vec<Finding> {
    let p: Vec<f64> = results
        .candidates
        .iter()
        .map(|candidate| candidate.p)
        .collect();
    let mut findings = Vec::new();
    for (candidate, adjusted) in results.candidates.drain(..).zip(holm(&p)) {
        if adjusted >= params.alpha
            || !candidate.is_large
            || includes_no_difference(&candidate.finding)
        {
            continue;
        }
        let mut finding = candidate.finding;
        finding.p_adjusted = Some(adjusted);
        finding.confidence = (1.0 - adjusted).clamp(0.0, 0.999);
        finding.method = METHOD.to_string();
        if let Some(chart) = candidate
            .chart
            .and_then(|index| results.charts.get_mut(index))
        {
            if let Some(replacement) = candidate.replacement {
                *chart = replacement;
            }
            chart.title = candidate.title;
            words::highlight(chart, &finding);
        }
        findings.push(finding);
    }
    findings
}

/// Returns true if the interval of a claim includes "no difference".
fn includes_no_difference(finding: &Finding) -> bool {
    let Some(magnitude) = &finding.magnitude else {
        return false;
    };
    let none = if magnitude.unit == "ratio" { 1.0 } else { 0.0 };
    match (magnitude.lower, magnitude.upper) {
        (Some(lower), Some(upper)) => (lower..=upper).contains(&none),
        _ => false,
    }
}

/// Severity of a difference: a notice if it is worse by at least half, otherwise information.
fn severity(params: &Params, ratio: f64, direction: Direction) -> Severity {
    let is_worse = (direction == Direction::Up) == params.lower_is_better;
    let is_large = !(1.0 / 1.5..1.5).contains(&ratio);
    if is_worse && is_large {
        Severity::Notice
    } else {
        Severity::Info
    }
}

/// Builds the stage's dataset: one row per group, effect and category.
fn frame_of(rows: &[ResultRow]) -> Result<DataFrame, StageError> {
    let text = |f: fn(&ResultRow) -> &str| rows.iter().map(f).collect::<Vec<_>>();
    let bound = |index: usize| {
        rows.iter()
            .map(|row| row.ratio.map(|ratio| ratio[index]))
            .collect::<Vec<_>>()
    };
    Ok(df![
        "group" => text(|row| &row.group),
        "effect" => text(|row| row.effect),
        "category" => text(|row| &row.category),
        "events" => rows.iter().map(|row| row.events).collect::<Vec<_>>(),
        "exposure" => rows.iter().map(|row| row.exposure).collect::<Vec<_>>(),
        "ratio" => bound(0),
        "ratio_lower" => bound(1),
        "ratio_upper" => bound(2),
    ]?)
}
