//! Origin of refused records: their share by the values of one column.
//!
//! A refused record is stored as raw text only, so the column is read from that text: complete JSON
//! is parsed, truncated JSON is searched for the key. Other formats, such as a line of CSV, do not
//! contain the key; such records are counted separately.

use super::{Params, finding};
use crate::{Context, Input, Inputs, StageError, frame};
use retrocast_domain::{
    Direction, Estimate, Finding, Magnitude, Severity, Table,
    number::{self, plural},
};
use retrocast_stats::test::{benjamini_hochberg, poisson_rate_ratio, wilson};
use std::collections::BTreeMap;

/// Significance level, minimum number of refused records and minimum ratio for a finding.
const ALPHA: f64 = 0.01;
const REFUSED_MIN: u64 = 10;
const RATIO_MIN: f64 = 1.5;
/// Maximum number of values in a table, those with the most refused records.
const SHOWN_MAX: usize = 30;
/// Maximum length of a value that counts as a name.
const NAME_MAX: usize = 100;

/// Numbers of records with one value of the column.
pub(super) struct ValueCounts {
    label: String,
    accepted: u64,
    refused: u64,
    /// Rate of refusal relative to all other values, with its 95 % interval.
    ratio: [f64; 3],
    p: f64,
    p_adjusted: f64,
}

impl ValueCounts {
    fn total(&self) -> f64 {
        (self.accepted + self.refused) as f64
    }

    fn share(&self) -> f64 {
        self.refused as f64 / self.total().max(1.0)
    }
}

/// Refused records of one source by value of the column.
pub(super) struct Origin {
    dataset: String,
    column: String,
    /// Values, those with the most refused records first.
    values: Vec<ValueCounts>,
    /// Number of refused records without the column.
    unknown: u64,
}

/// Counts the refused records by value for all sources with the column.
pub(super) fn count_all(
    context: &Context,
    params: &Params,
    inputs: &Inputs,
    caveats: &mut Vec<String>,
) -> Result<Vec<Origin>, StageError> {
    let Some(column) = &params.by else {
        return Ok(Vec::new());
    };
    let mut origins = Vec::new();
    for name in &params.inputs {
        let Some(input) = inputs.get(name).filter(|input| input.source.is_some()) else {
            continue;
        };
        if input.has(column) {
            origins.push(count_source(context, column, input)?);
        }
    }
    if origins.is_empty() {
        caveats.push(format!(
            "No source has the column {column}, so records that were left out are not grouped."
        ));
    }
    adjust_p_values(&mut origins);
    for origin in origins.iter().filter(|origin| origin.unknown > 0) {
        caveats.push(format!(
            "The {column} of {} left out of {} is not known.",
            plural(origin.unknown, "record"),
            origin.dataset
        ));
    }
    if origins.iter().any(|origin| !origin.values.is_empty()) {
        caveats.push(
            "Records that were left out together, as by one bad release, are counted one by one."
                .to_string(),
        );
    }
    Ok(origins)
}

fn count_source(context: &Context, column: &str, input: &Input) -> Result<Origin, StageError> {
    let mut counts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    let by = [column.to_string()];
    let mut groups = frame::Groups::new(&by);
    let mut accepted: Vec<u64> = Vec::new();
    input.for_each_batch(&[column], |batch| {
        let numbers = groups.of(batch)?;
        accepted.resize(groups.labels.len(), 0);
        numbers.into_iter().for_each(|number| accepted[number] += 1);
        Ok(())
    })?;
    for (label, accepted) in groups.labels.into_iter().zip(accepted) {
        counts.entry(label).or_default()[0] = accepted;
    }
    let mut unknown = 0;
    if let Some(refused) = &input.refused {
        refused.read(&["raw"], &mut |frame| {
            for text in frame.column("raw")?.str()?.iter().flatten() {
                if is_later(context, input, text) {
                    continue;
                }
                match value_in(text, column) {
                    Some(label) => counts.entry(label).or_default()[1] += 1,
                    None => unknown += 1,
                }
            }
            Ok(())
        })?;
    }
    let totals = counts
        .values()
        .fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
    let values = counts.into_iter().map(|(label, [accepted, refused])| {
        let records = (accepted + refused) as f64;
        let (refused_others, others) = (
            totals[1] - refused,
            (totals[0] + totals[1]) as f64 - records,
        );
        let ratio = poisson_rate_ratio(
            refused as f64,
            records,
            refused_others as f64,
            others.max(f64::MIN_POSITIVE),
            0.95,
        );
        ValueCounts {
            label,
            accepted,
            refused,
            ratio: [ratio.estimate, ratio.lower, ratio.upper],
            // Without other values there is nothing to compare with.
            p: if others > 0.0 { ratio.p } else { 1.0 },
            p_adjusted: 1.0,
        }
    });
    let mut values: Vec<ValueCounts> = values.collect();
    values.sort_by(|a, b| {
        b.refused
            .cmp(&a.refused)
            .then_with(|| a.label.cmp(&b.label))
    });
    Ok(Origin {
        dataset: input.dataset.name.clone(),
        column: column.to_string(),
        values,
        unknown,
    })
}

/// Corrects for multiple testing over all values of all sources.
fn adjust_p_values(origins: &mut [Origin]) {
    let values = || origins.iter().flat_map(|origin| &origin.values);
    let p: Vec<f64> = values().map(|value| value.p).collect();
    let mut adjusted = benjamini_hochberg(&p).into_iter();
    for value in origins.iter_mut().flat_map(|origin| &mut origin.values) {
        value.p_adjusted = adjusted.next().unwrap_or(1.0);
    }
}

/// Returns true if a refused record has a time after the window.
fn is_later(context: &Context, input: &Input, raw: &str) -> bool {
    let Some(time) = input.time.as_deref().and_then(|time| value_in(raw, time)) else {
        return false;
    };
    let window = &context.window;
    match (
        time.parse::<jiff::Timestamp>(),
        time.parse::<jiff::civil::Date>(),
    ) {
        (Ok(time), _) => time >= window.end_instant(),
        (_, Ok(day)) => day >= window.end,
        _ => false,
    }
}

/// The value of a key in a record's text; `None` if it is missing.
fn value_in(raw: &str, key: &str) -> Option<String> {
    let value = match serde_json::from_str::<serde_json::Value>(raw) {
        Ok(record) => record.as_object()?.get(key)?.clone(),
        Err(_) => after_key(raw, key)?,
    };
    let text = match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    let is_name = text.chars().count() <= NAME_MAX && !text.chars().any(char::is_control);
    is_name.then(|| frame::visible(Some(text)))
}

/// The value after a key in incomplete JSON.
fn after_key(raw: &str, key: &str) -> Option<serde_json::Value> {
    let quoted = serde_json::to_string(key).ok()?;
    let mut rest = raw;
    while let Some(start) = rest.find(&quoted) {
        rest = &rest[start + quoted.len()..];
        if let Some(value) = rest.trim_start().strip_prefix(':') {
            let mut values = serde_json::Deserializer::from_str(value).into_iter();
            return values.next()?.ok();
        }
    }
    None
}

/// Findings on values with a higher rate of refusal than all others.
pub(super) fn findings(context: &Context, origins: &[Origin], inputs: &Inputs) -> Vec<Finding> {
    let mut findings = Vec::new();
    for origin in origins {
        let Some(input) = inputs.get(&origin.dataset) else {
            continue;
        };
        let exceeds_others = |value: &&ValueCounts| {
            value.p_adjusted < ALPHA && value.refused >= REFUSED_MIN && value.ratio[1] >= RATIO_MIN
        };
        let values = origin.values.iter().filter(exceeds_others);
        findings.extend(values.map(|value| finding(context, input, origin, value)));
    }
    findings
}

fn finding(context: &Context, input: &Input, origin: &Origin, value: &ValueCounts) -> Finding {
    let mut finding =
        finding::start_finding(context, input, &format!("{} left out", origin.dataset));
    finding.subject = format!("{} = {}", origin.column, value.label);
    finding.id = Finding::identity(&finding.kind, &finding.subject, &finding.what);
    let [lower, upper] = wilson(value.refused as f64, value.total(), 0.95);
    let share = Magnitude::interval95(value.share(), lower, upper, "share");
    finding.magnitude = Some(share);
    finding.n = value.accepted + value.refused;
    finding.p = Some(value.p);
    finding.p_adjusted = Some(value.p_adjusted);
    finding.confidence = 1.0 - value.p_adjusted;
    finding.direction = Direction::Up;
    finding.severity = Severity::Notice;
    finding.method = "Ratio of the rates at which records are left out, Poisson's law, exact \
                      conditional p-value; Benjamini and Hochberg's correction"
        .to_string();
    finding.period = finding::period_of_records(context, input);
    finding.baseline = Some(format!("all other values of {}", origin.column));
    finding.evidence[0].filter = Some(format!(
        "{} = {}, with the records that were left out",
        origin.column, value.label
    ));
    finding.caveats = vec![
        "Records that were left out together, as by one bad release, are counted one by one."
            .to_string(),
    ];
    let [ratio, lower, upper] = value.ratio;
    let against = if ratio.is_finite() {
        let bounds = [lower - 1.0, upper - 1.0];
        Estimate::relative(ratio - 1.0, Some(bounds), true).claim("than the share of all others")
    } else {
        "no other lost any".to_string()
    };
    finding.sentence = format!(
        "{} of the records of {} in {} were left out, {} of {}: {against}.",
        number::percent(value.share()),
        value.label,
        origin.dataset,
        number::count(value.refused),
        number::count(value.accepted + value.refused),
    );
    finding
        .number("refused", value.refused)
        .number("accepted", value.accepted)
        .number("ratio", vec![ratio, lower, upper])
}

/// A table of the share of refused records by value.
pub(super) fn table(origin: &Origin) -> Table {
    let caption = format!(
        "Records of {} left out, by {}.",
        origin.dataset, origin.column
    );
    let column = format!("<{}", origin.column);
    let headings = [
        column.as_str(),
        ">records",
        ">left out",
        ">share",
        ">95 % interval",
        ">of all others' rate",
        ">adjusted p",
    ];
    let mut table = Table::new(caption, &headings);
    for value in &origin.values {
        let [lower, upper] = wilson(value.refused as f64, value.total().max(1.0), 0.95);
        table.push([
            value.label.clone(),
            number::count(value.accepted + value.refused),
            number::count(value.refused),
            number::percent(value.share()),
            number::range(&number::percent(lower), &number::percent(upper)),
            if value.ratio[0].is_finite() && value.p < 1.0 {
                format!("{}×", number::sensible(value.ratio[0]))
            } else {
                "–".to_string()
            },
            number::p_bare(value.p_adjusted),
        ]);
    }
    if origin.unknown > 0 {
        table.push([
            "(not known)".to_string(),
            number::count(origin.unknown),
            number::count(origin.unknown),
            "–".to_string(),
            "–".to_string(),
            "–".to_string(),
            "–".to_string(),
        ]);
    }
    table.top(SHOWN_MAX)
}
