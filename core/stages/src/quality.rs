//! Whether the records can be trusted: six parts of data quality for each dataset, from 0 to 1, and
//! one score from 0 to 100 made of them.
//!
//! # Parts
//!
//! | part | what it is | weight |
//! |---|---|---|
//! | validity | records that meet the contract, of all that were read, times the share of files that could be read to their end | 0.25 |
//! | completeness | values that are there in the window, of those that should be: the mean over the fields that were ever filled before the window, each against its own usual share | 0.20 |
//! | freshness | 1 while the newest record is no older at the window's end than the source allows; then what it allows over its age | 0.20 |
//! | volume | 1 while the window holds as many records as expected; then their number over what was expected, or the inverse when there are too many for the contract | 0.15 |
//! | uniqueness | records whose key had not been seen, of those that meet the contract | 0.10 |
//! | shape | fields that are as the contract says, of those it names and those the records bring besides | 0.10 |
//!
//! The score is the mean of the parts that are known, by weight. Validity, uniqueness and shape are
//! known of sources only; freshness and volume need a time column; completeness needs records before
//! the window, or `always_filled`, which names fields that no record may lack. A value of another
//! type counts against shape by the share of records that have it, as does a field that the
//! contract does not name. An optional field that no record has costs nothing, unless the records
//! bring as many fields that the contract does not name: then it may have another name.
//!
//! # Gone quiet
//!
//! How old the newest record may be is what the contract says (`fresh_hours`), else what the source's
//! own rhythm of the last 53 weeks says. A silence lasts from the newest record to the window's end.
//! Its probability is that of the rest of its first day without a record, times that of each whole
//! day: the share of earlier days without one, the days of the silence itself counted as such, so that
//! nothing is impossible and little history proves little. Days of
//! the week on which records usually come, and in numbers within a factor of two, are of one sort;
//! each other day of the week is a sort of its own: so a source of working days may be silent on any
//! weekend, and a thin Sunday is not held to a busy Monday. Of a source with regular gaps of
//! many days, the gap is judged by Student's t on the logarithms of the gaps before. A source has
//! gone quiet when that probability is below 0.5 % and it was not as silent at any week's end before.
//! At least seven days with records within two weeks or more are needed.
//!
//! Where the contract says that the absence of records means that nothing happened (`silence = "zero"`), a source
//! goes quiet only by its `fresh_hours`, and few records are no defect.
//!
//! # Days without records
//!
//! A stretch of three days or more in the last 53 weeks without a record, whose chance under the
//! rhythm of all other days is below 0.01 %, is a gap: records are missing. It teaches nothing about
//! the rhythm, except for the same weeks a year later. If it reaches into the `windows` before the
//! window, it is a finding and among the report's notes, and completeness is multiplied by the share
//! of days since then that are not in a gap. With `silence = "zero"` there are no gaps.
//!
//! # Values that look alike
//!
//! Values of one column that differ only in blanks, upper and lower case, invisible characters or the
//! Unicode form of their letters (NFC, NFD) count as different groups; they are a finding, a warning
//! when the difference cannot be seen.
//!
//! # Volume
//!
//! The contract may expect a number of records a day (`daily_records`), which the mean of the
//! window's days is held to. Else the window is compared with the `windows` before it: what its days
//! of the week brought on average then, and a 99 % prediction interval of the negative binomial law,
//! widened for the few windows it is estimated from. At least four windows are needed.
//!
//! # Thresholds
//!
//! Below `flag_below` a dataset is flagged: a finding, and the first of the report's notes. Below
//! `block_below` the report is not made: the stage fails, the run ends with the reason, and the job's
//! owner is told. A stage that may block must not be `optional`. A part that is not known is not
//! held to a threshold, but a dataset without any record is blocked by every threshold.
//!
//! # Words
//!
//! `noun` names what the records are, in the plural, such as "builds".
//!
//! # Where bad records come from
//!
//! `by` names a column, such as the component. Then the share of records left out is told for each
//! of its values, read from the refused records themselves (JSON, whole or broken). It is a finding
//! when a value loses records at half as much again the rate of all others, by Poisson's law with
//! Benjamini and Hochberg's correction at 1 %.
//!
//! # Caveats
//!
//! A holiday that the source has not seen before looks like its end, or like a gap. What was refused together, as by
//! one bad release, counts one by one: the p-values of `by` take such records to be independent.
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
    Analysis, Context, Input, Inputs, Kind, Reads, StageError, series::words::capitalised,
    with_findings,
};
use retrocast_domain::{
    Cell, Chapter,
    number::{list, plural},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

mod alike;
mod completeness;
mod finding;
mod found;
mod gaps;
mod judge;
mod limits;
mod origin;
mod result;
mod rhythm;
mod shape;
mod shown;
mod survey;
#[cfg(test)]
mod tests;
mod volume;

use found::findings;
use judge::{Quality, judge};
use limits::Limits;
use shown::{chart, frame_of, kpi, parts_table, reasons, scores};

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
    /// Score and parts below which no report is made. Default: none.
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
    /// What the records are.
    fn noun(&self) -> &str {
        self.noun.as_deref().unwrap_or("records")
    }

    /// "1 record", "12 builds".
    fn counted(&self, n: u64) -> String {
        retrocast_domain::number::with_unit(n as f64, self.noun())
    }
}

fn eight() -> u32 {
    8
}

/// The kind `quality`.
pub const QUALITY: Kind = Kind {
    name: "quality",
    chapter: Some(Chapter::Data),
    code_version: 7,
    summary: "Completeness, validity, uniqueness, freshness, volume and shape of datasets, as one score; flags or blocks the report.",
    manual: include_str!("quality.rs"),
    schema: || schemars::schema_for!(Params),
    result: Some(&result::RESULT),
    reads: Reads::Pieces,
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
    let mut found = Vec::new();
    let mut judged = Vec::new();
    for name in &params.inputs {
        let input = crate::input(inputs, name)?;
        let quality = judge(context, &params, input)?;
        cell.records = match (cell.records, quality.in_window) {
            (records, Some(now)) => Some(records.unwrap_or(0) + now),
            (records, None) => records,
        };
        cell.caveats
            .extend(no_records(context, &params, input, &quality));
        cell.notices.extend(limits::notice(&params, &quality));
        cell.notices
            .extend(quality.missing.notices(name, params.noun()));
        cell.caveats
            .extend(quality.missing.caveats(name, params.noun()));
        found.extend(findings(context, &params, input, &quality));
        cell.kpis.push(kpi(&params, &quality));
        judged.push(quality);
    }
    limits::block(context, &params, &judged)?;
    let origins = origin::of_all(context, &params, inputs, &mut cell.caveats)?;
    found.extend(origin::findings(context, &origins, inputs));
    cell.did = format!(
        "Judged {}: {}.",
        plural(judged.len() as u64, "dataset"),
        if found.is_empty() {
            "no fault found".to_string()
        } else {
            plural(found.len() as u64, "finding")
        }
    );
    cell.tables.push(scores(&params, &judged));
    cell.tables.push(parts_table(&params, &judged));
    cell.tables.extend(reasons(&params, inputs));
    cell.tables.extend(origins.iter().map(origin::table));
    cell.charts.extend(chart(context, &params, &judged));
    let frame = frame_of(&params, &judged)?;
    Ok(Analysis {
        cell: with_findings(cell, found),
        frame: Some(frame),
    })
}

/// Datasets up to which the title made for a stage names them.
const TITLE_INPUTS_MAX: usize = 3;

/// Says when nothing of a dataset falls in the window, which may be an end or just a quiet time.
fn no_records(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<String> {
    let noun = params.noun();
    let this = context.window.spec.noun();
    let window = context.window.words();
    let name = &input.dataset.name;
    match (quality.in_window, &quality.silence) {
        (None, _) => None,
        (Some(1..), _) => None,
        (Some(0), Some(silence)) => Some(format!(
            "{}, {window}; the last is dated {}.",
            capitalised(&context.window.spec.without_records_of(name)),
            retrocast_domain::window::long(silence.last.date())
        )),
        (Some(0), None) if quality.survey.records == 0 => Some(format!(
            "{name} has no {noun} before the end of the {this}, {window}."
        )),
        (Some(0), None) => Some(format!(
            "{name} has no {noun} with a time before the end of the {this}, {window}."
        )),
    }
}
