//! Whether the records can be trusted: completeness, validity, uniqueness, freshness and volume of
//! each dataset, as one score from 0 to 100 with its parts.
//!
//! | part | share of | weight |
//! |---|---|---|
//! | validity | records that meet their contract, times files that could be read | 0.25 |
//! | completeness | values present, against what is usual for their column | 0.25 |
//! | freshness | the usual silence over the silence before the window's end | 0.20 |
//! | uniqueness | records whose key had not been seen | 0.15 |
//! | volume | records of the window, against the median of the windows before, when it dropped | 0.15 |
//!
//! Validity and uniqueness are known for sources only; freshness and volume need a time column. A
//! part that is not known does not count. A column is complete when it is as full in the window as
//! it was before; columns named in `always_filled` are held to every record.
//!
//! A source has gone quiet when it fell silent before the window's end for longer than twice its
//! longest silence so far, or for so long that the chance of it, at the share of days with records
//! before, is below 0.1 %. Volume dropped when the window's number of records lies below the 99 %
//! prediction interval (Student's t on the logarithms) of the windows before, of which at least
//! four are needed.
//!
//! ```toml
//! [stage.quality]
//! kind   = "quality"
//! inputs = ["tickets", "metrics"]
//! ```

use crate::{Analysis, Context, Input, Inputs, Kind, StageError, with_findings};
use retrocast_domain::{Cell, number::plural};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

mod found;
mod judge;
mod shown;
#[cfg(test)]
mod tests;

use found::findings;
use judge::{Quality, judge};
use shown::{chart, frame_of, kpi, reasons, scores};

/// Params of `quality`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Datasets to judge.
    #[schemars(length(min = 1), extend("x-dataset" = true))]
    inputs: Vec<String>,
    /// Score below which a finding is made.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0.0, max = 100.0))]
    score_min: f64,
    /// Columns that no record may lack, by dataset.
    #[serde(default)]
    always_filled: BTreeMap<String, Vec<String>>,
    /// Windows before this one that say what is usual.
    #[serde(default = "eight")]
    #[schemars(range(min = 4, max = 520))]
    windows: u32,
}

fn ninety() -> f64 {
    90.0
}

fn eight() -> u32 {
    8
}

/// The kind `quality`.
pub const QUALITY: Kind = Kind {
    name: "quality",
    code_version: 2,
    summary: "Completeness, validity, uniqueness, freshness and volume of datasets, as one score.",
    manual: include_str!("quality.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

const METHOD: &str = "Weighted mean of completeness, validity, uniqueness, freshness and volume; \
                      volume against the prediction interval of the windows before";

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let mut cell = Cell::new(&context.stage, QUALITY.name);
    cell.method = METHOD.to_string();
    let mut found = Vec::new();
    let mut judged = Vec::new();
    for name in &params.inputs {
        let input = inputs
            .get(name)
            .ok_or_else(|| StageError::Other(format!("there is no dataset {name:?}")))?;
        let quality = judge(context, &params, input)?;
        cell.records = match (cell.records, quality.traffic.as_ref()) {
            (records, Some(traffic)) => Some(records.unwrap_or(0) + traffic.now),
            (records, None) if input.time.is_some() => Some(records.unwrap_or(0)),
            (records, None) => records,
        };
        if let Some(caveat) = no_records(context, input, &quality) {
            cell.caveats.push(caveat);
        }
        found.extend(findings(context, &params, input, &quality));
        cell.kpis.push(kpi(&params, &quality));
        judged.push(quality);
    }
    cell.did = format!(
        "Judged {}: {}.",
        plural(judged.len() as u64, "dataset"),
        if found.is_empty() {
            "nothing to complain of".to_string()
        } else {
            plural(found.len() as u64, "finding")
        }
    );
    cell.tables.push(scores(&judged));
    cell.tables.extend(reasons(&params, inputs));
    cell.charts.extend(chart(context, &params, &judged));
    let frame = frame_of(&judged)?;
    Ok(Analysis {
        cell: with_findings(cell, found),
        frame: Some(frame),
    })
}

/// Says when nothing of a dataset falls in the window, which may be an end or just a quiet time.
fn no_records(context: &Context, input: &Input, quality: &Quality) -> Option<String> {
    let window = context.window.words();
    let name = &input.dataset.name;
    match (&quality.traffic, &quality.silence) {
        _ if input.time.is_none() => None,
        (Some(traffic), _) if traffic.now > 0 => None,
        (_, Some(silence)) => Some(format!(
            "{name} has no record in this window, {window}; the last is of {}.",
            retrocast_domain::window::long(silence.last)
        )),
        _ if input.frame.height() == 0 => Some(format!(
            "{name} has no record before the end of the window, {window}."
        )),
        _ => Some(format!(
            "{name} has no record with a time before the end of the window, {window}."
        )),
    }
}

const PARTS: [&str; 5] = [
    "validity",
    "completeness",
    "freshness",
    "uniqueness",
    "volume",
];
