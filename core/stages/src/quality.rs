//! Data quality of each dataset: six components from 0 to 1, combined into a score from 0 to 100.
//!
//! # Components
//!
//! | component | definition | weight |
//! |---|---|---|
//! | validity | share of records that conform to the contract, times the share of files that could be read completely | 0.25 |
//! | completeness | share of expected values that are present in the window: the mean over the fields that were filled before the window, each relative to its own usual share | 0.20 |
//! | freshness | 1 if the newest record at the window's end is no older than the source allows; otherwise the allowed age divided by the age | 0.20 |
//! | volume | 1 if the window has as many records as expected; otherwise their number divided by the expected number, or the inverse when the contract allows fewer | 0.15 |
//! | uniqueness | share of valid records whose key is not a duplicate | 0.10 |
//! | shape | share of fields that match the contract, among its declared fields and any others found | 0.10 |
//!
//! The score is the weighted mean of the known components. Validity, uniqueness and shape are known
//! for sources only; freshness and volume need a time column; completeness needs records before the
//! window, or `always_filled`, which lists fields that every record must have. A value of the wrong
//! type reduces shape by the share of records that have it, and so does an undeclared field. An
//! optional field without any value does not lower the score, unless the records have as many
//! undeclared fields: then it may have been renamed.
//!
//! # Silent sources
//!
//! The maximum age of the newest record is declared by the contract (`fresh_hours`), or else
//! follows from the source's own pattern over the last 53 weeks. A silence lasts from the newest
//! record to the window's end. Its probability is the probability of no record on the rest of its
//! first day, times that of no record on each whole day after it. For a whole day, this is the
//! share of earlier days without records; the days of the silence are included, so that nothing is
//! impossible and a short history proves little. Weekdays that usually have records, in numbers
//! within a factor of two, are pooled; every other weekday is assessed separately. This way, a
//! weekday source may be silent on any weekend, and a quiet Sunday is not compared with a busy
//! Monday. For a source with regular gaps of many days, the gap is tested by Student's t on the
//! logarithms of earlier gaps. A source is reported as silent when that probability is below 0.5 %
//! and no earlier silence at a week's end was as long. At least seven days with records, over at
//! least two weeks, are needed.
//!
//! If the contract declares that days without records mean that nothing happened
//! (`silence = "zero"`), only `fresh_hours` decides, and few records are not a defect.
//!
//! # Gaps
//!
//! A gap is a period of three or more days without records in the last 53 weeks whose probability
//! under the pattern of all other days is below 0.01 %: records are missing. Gaps are excluded when
//! the pattern is learned, except for the same weeks a year later. Shorter silences are gaps, too,
//! when the numbers of records on the same weekdays of the eight weeks before and after make zero
//! next to impossible (below one in a million); analyses leave these days out. A gap that reaches
//! into the `windows` before the window is a finding and a note of the report, and completeness is
//! multiplied by the share of days since then that are not in a gap. With `silence = "zero"` there
//! are no gaps.
//!
//! # Lookalike values
//!
//! Values of a column that differ only in spaces, case, invisible characters or Unicode
//! normalisation (NFC, NFD) are separate groups. They are a finding, and a warning when the
//! difference is invisible.
//!
//! # Volume
//!
//! The contract may declare the expected number of records per day (`daily_records`), which is
//! compared with the mean of the window's days. Otherwise the window is compared with the `windows`
//! before it: the mean of the same weekdays, with a 99 % prediction interval of the negative
//! binomial distribution, widened for the small number of windows. At least four windows are
//! needed.
//!
//! # Thresholds
//!
//! Below `flag_below` a dataset is flagged: a finding, and the first note of the report. Below
//! `block_below` no report is written: the stage fails, the run ends with the reason, and the owner
//! of the job is notified. A stage with `block_below` must not be `optional`. Unknown components
//! are not compared with thresholds, but a dataset without records fails every threshold.
//!
//! # Nouns
//!
//! `noun` is the plural noun for the records, such as "builds".
//!
//! # Origin of refused records
//!
//! `by` names a column, such as the component. Then the share of refused records is reported for
//! each of its values, read from the refused records themselves (JSON, complete or truncated). It
//! is a finding when a value loses records at 1.5 times the rate of all others or more, by a
//! Poisson test with the Benjamini-Hochberg correction at 1 %.
//!
//! # Caveats
//!
//! Days off without precedent in the records look like an outage or a gap. Records that were
//! refused together, for example after one bad release, are counted one by one: the p-values of
//! `by` assume independence.
//!
//! ```toml
//! [stage.quality]
//! kind        = "quality"
//! inputs      = ["tickets", "metrics"]
//! by          = "component"
//! flag_below  = { score = 90, validity = 0.95 }
//! block_below = { score = 60, freshness = 0.5 }
//! ```

use crate::{
    Analysis, Context, Input, Inputs, Reads, StageError, StageKind,
    series::{coverage, words::capitalised},
    with_findings,
};
use retrocast_domain::{
    Cell, Chapter,
    number::{list, plural},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

mod completeness;
mod finding;
mod findings;
mod gaps;
mod judge;
mod limits;
mod lookalikes;
mod origin;
mod present;
mod result;
mod shape;
mod survey;
#[cfg(test)]
mod tests;
mod volume;

use findings::findings;
use judge::{Quality, judge};
use limits::Limits;
use present::{chart, components_table, frame_of, kpi, refusals_table, scores_table};

/// Params of `quality`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Datasets to assess.
    #[schemars(length(min = 1), extend("x-dataset" = true))]
    inputs: Vec<String>,
    /// Score and parts below which a dataset is flagged. Default: a score of 90.
    #[serde(default)]
    flag_below: Limits,
    /// Score and parts below which no report is written. Default: none.
    #[serde(default)]
    block_below: Limits,
    /// Column to group refused records by, such as "component".
    #[schemars(extend("x-refused" = true))]
    by: Option<String>,
    /// Columns that every record must have, by dataset.
    #[serde(default)]
    always_filled: BTreeMap<String, Vec<String>>,
    /// Number of earlier windows that define the usual number of records.
    #[serde(default = "eight")]
    #[schemars(range(min = 4, max = 520))]
    windows: u32,
    /// Plural noun for the records, such as "builds". Default: "records".
    #[serde(default)]
    #[schemars(length(min = 1))]
    noun: Option<String>,
}

impl Params {
    /// Noun for the records.
    fn noun(&self) -> &str {
        self.noun.as_deref().unwrap_or("records")
    }

    /// Formats a count with the noun: "1 record", "12 builds".
    fn format_count(&self, n: u64) -> String {
        retrocast_domain::number::with_unit(n as f64, self.noun())
    }
}

fn eight() -> u32 {
    8
}

/// The kind `quality`.
pub const QUALITY: StageKind = StageKind {
    name: "quality",
    chapter: Some(Chapter::Data),
    code_version: 11,
    summary: "Completeness, validity, uniqueness, freshness, volume and shape of datasets, as one score; flags or blocks the report.",
    manual: include_str!("quality.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Batches,
    earlier_values: false,
    ledger: &[],
    run,
};

const METHOD: &str = "Weighted mean of validity, completeness, freshness, volume, uniqueness and shape; \
                      silence against the source's own rhythm by day of the week, volume against the \
                      negative binomial prediction interval of the windows before";

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let mut cell = Cell::new(&context.stage, QUALITY.name);
    cell.title = match params.inputs.as_slice() {
        few if few.len() <= TITLE_INPUTS_MAX => format!("Quality of {}", list(few)),
        many => format!("Quality of {}", plural(many.len() as u64, "dataset")),
    };
    cell.method = METHOD.to_string();
    let mut defects = Vec::new();
    let mut judged = Vec::new();
    for name in &params.inputs {
        let input = crate::input(inputs, name)?;
        let quality = judge(context, &params, input)?;
        cell.records = match (cell.records, quality.in_window) {
            (records, Some(now)) => Some(records.unwrap_or(0) + now),
            (records, None) => records,
        };
        let missing_from = coverage::missing_from(context, input)?;
        cell.missing_from = cell.missing_from.into_iter().chain(missing_from).min();
        cell.caveats
            .extend(no_records_caveat(context, &params, input, &quality));
        cell.notices.extend(limits::notice(&params, &quality));
        cell.notices
            .extend(quality.gaps.notices(name, params.noun()));
        cell.caveats
            .extend(quality.gaps.caveats(name, params.noun()));
        defects.extend(findings(context, &params, input, &quality));
        cell.kpis.push(kpi(&params, &quality));
        judged.push(quality);
    }
    limits::block(context, &params, &judged)?;
    let origins = origin::count_all(context, &params, inputs, &mut cell.caveats)?;
    defects.extend(origin::findings(context, &origins, inputs));
    cell.did = format!(
        "Judged {}: {}.",
        plural(judged.len() as u64, "dataset"),
        if defects.is_empty() {
            "no fault found".to_string()
        } else {
            plural(defects.len() as u64, "finding")
        }
    );
    cell.tables.push(scores_table(&params, &judged));
    cell.tables.push(components_table(&params, &judged));
    cell.tables.extend(refusals_table(&params, inputs));
    cell.tables.extend(origins.iter().map(origin::table));
    cell.charts.extend(chart(context, &params, &judged));
    let frame = frame_of(&params, &judged)?;
    Ok(Analysis {
        cell: with_findings(cell, defects),
        frame: Some(frame),
    })
}

/// Maximum number of datasets that are named in a generated title.
const TITLE_INPUTS_MAX: usize = 3;

/// The caveat that a dataset has no records in the window, because the source has stopped or
/// nothing happened.
fn no_records_caveat(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<String> {
    let noun = params.noun();
    let period = context.window.spec.noun();
    let window = context.window.words();
    let name = &input.dataset.name;
    match (quality.in_window, &quality.silence) {
        (None, _) => None,
        (Some(1..), _) => None,
        (Some(0), Some(silence)) => Some(format!(
            "{}, {window}; the last is dated {}.",
            capitalised(&context.window.spec.without_records_of(name)),
            retrocast_domain::window::date_in_words(silence.last.date())
        )),
        (Some(0), None) if quality.survey.records == 0 => Some(format!(
            "{name} has no {noun} before the end of the {period}, {window}."
        )),
        (Some(0), None) => Some(format!(
            "{name} has no {noun} with a time before the end of the {period}, {window}."
        )),
    }
}
