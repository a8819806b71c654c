//! Compares the fields of the records with those of the contract.

use super::{Params, finding};
use crate::{Context, Input};
use retrocast_domain::{
    Finding, Magnitude, Severity,
    number::{self, plural},
    report::SourceNote,
};

/// Maximum number of fields named in one sentence; the others are counted.
const NAMED_MAX: usize = 3;

/// Share of fields that match the contract.
pub(super) fn share(source: &SourceNote, fields: usize) -> Option<f64> {
    if source.records == 0 || fields == 0 {
        return None;
    }
    let records = source.records as f64;
    let weigh = |fields: &[(String, u64)]| {
        let shares = fields.iter().map(|(_, n)| (*n as f64 / records).min(1.0));
        shares.sum::<f64>()
    };
    let listed = fields as f64;
    let wrong = count_possibly_renamed(source) as f64 + weigh(&source.retyped_fields);
    Some((1.0 - wrong / listed).max(0.0) * listed / (listed + weigh(&source.unknown_fields)))
}

/// Counts the fields that no record has, but that may exist under another name. Only optional
/// fields can be missing from all accepted records, and an optional field may always be empty.
fn count_possibly_renamed(source: &SourceNote) -> usize {
    source.missing_fields.len().min(source.unknown_fields.len())
}

/// Lists empty fields, such as "; in no record: `old_path`", if nothing else differs.
pub(super) fn describe_empty(source: &SourceNote) -> String {
    if source.missing_fields.is_empty() {
        return String::new();
    }
    format!("; in no record: {}", list_some(&source.missing_fields))
}

/// Describes the differences, if there are any.
pub(super) fn differences(params: &Params, source: &SourceNote) -> Vec<String> {
    let with_count = |(field, n): &(String, u64)| format!("{field} ({})", params.format_count(*n));
    let left_out =
        |(field, n): &(String, u64)| format!("{field} ({} left out)", params.format_count(*n));
    let mut sentences = Vec::new();
    let mut add = |fields: Vec<String>, [one, many]: [&str; 2]| {
        if !fields.is_empty() {
            let clause = if fields.len() == 1 { one } else { many };
            sentences.push(format!("{} {clause}", list_some(&fields)));
        }
    };
    // A contract that refuses undeclared fields quarantines their records, so none is counted here.
    add(
        source.unknown_fields.iter().map(with_count).collect(),
        [
            "is not in the contract, and no record was left out for it",
            "are not in the contract, and no record was left out for them",
        ],
    );
    if count_possibly_renamed(source) > 0 {
        let missing = source.missing_fields.clone();
        add(missing, ["is in no record", "are in no record"]);
    }
    add(
        source.retyped_fields.iter().map(left_out).collect(),
        ["has values of another type", "have values of another type"],
    );
    sentences
}

/// Lists names, at most [`NAMED_MAX`] of them.
fn list_some(names: &[String]) -> String {
    let shown = &names[..names.len().min(NAMED_MAX)];
    match names.len() - shown.len() {
        0 => number::list(shown),
        1 => format!("{} and 1 other field", shown.join(", ")),
        more => format!("{} and {more} other fields", shown.join(", ")),
    }
}

/// The finding that the records have drifted from the contract.
pub(super) fn finding(context: &Context, params: &Params, input: &Input) -> Option<Finding> {
    let source = input.source.as_ref()?;
    let share = share(source, input.columns().count()).filter(|share| *share < 1.0)?;
    let missing = match count_possibly_renamed(source) {
        0 => 0,
        _ => source.missing_fields.len(),
    };
    let differ = source.unknown_fields.len() + missing + source.retyped_fields.len();
    let mut finding = finding::start_finding(context, input, "fields differ from the contract");
    finding.magnitude = Some(Magnitude::point(share, "share"));
    finding.n = source.records;
    finding.baseline = Some(format!("the contract {}", source.contract));
    finding.period = finding::period_of_records(context, input);
    // An undeclared field does not reduce the score.
    let lowers_score = missing > 0 || !source.retyped_fields.is_empty();
    finding.severity = if lowers_score {
        Severity::Notice
    } else {
        Severity::Info
    };
    finding.confidence = 1.0;
    finding.sentence = format!(
        "{} of {} {} from the contract, counted over all {} read: {}.",
        plural(differ as u64, "field"),
        input.dataset.name,
        if differ == 1 { "differs" } else { "differ" },
        params.format_count(source.records),
        differences(params, source).join("; ")
    );
    Some(
        finding
            .number("unknown", source.unknown_fields.len())
            .number("missing", source.missing_fields.len())
            .number("retyped", source.retyped_fields.len()),
    )
}
