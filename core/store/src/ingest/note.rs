//! Summarises the records of a source in counts and sentences.

mod recount;

pub use recount::recount;

use super::{
    SourceSpec,
    changes::Changes,
    manifest::{FieldCounts, Object},
};
use crate::source::{Listing, without_credentials};
use retrocast_domain::{cell::DatasetRef, number::plural, report::SourceNote};
use retrocast_records::{SkippedFile, contract::Personal};

/// The sum of a count over all objects, by name.
fn totals(objects: &[Object], counted: fn(&Object) -> &FieldCounts) -> FieldCounts {
    let mut sum = FieldCounts::new();
    for (name, n) in objects.iter().flat_map(counted) {
        *sum.entry(name.clone()).or_default() += n;
    }
    sum
}

/// The sum of a count over all objects, by name, the most frequent first.
fn totals_by_frequency(
    objects: &[Object],
    counted: fn(&Object) -> &FieldCounts,
) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = totals(objects, counted).into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

/// Builds the note of a report on a source, and warnings for its owner.
pub(super) fn note(
    spec: &SourceSpec,
    listing: &Listing,
    objects: &[Object],
    changes: &Changes,
    dataset: &DatasetRef,
    range: (String, String),
) -> (SourceNote, Vec<String>) {
    let sum = |count: fn(&Object) -> u64| objects.iter().map(count).sum::<u64>();
    let accepted = sum(|object| object.counts.accepted);
    let present = totals(objects, |object| &object.counts.present);
    let fields = spec.contract.fields.iter();
    let fields = fields.filter(|field| field.personal != Personal::Drop);
    let missing =
        fields.filter(|field| accepted > 0 && present.get(&field.name).copied().unwrap_or(0) == 0);
    let mut broken: Vec<(String, String)> = objects
        .iter()
        .filter_map(|object| Some((object.name.clone(), object.counts.broken.clone()?)))
        .collect();
    broken.sort();
    let skipped = listing
        .skipped
        .iter()
        .map(|skipped| (skipped.name.clone(), skipped.reason.clone()));
    let note = SourceNote {
        name: spec.name.clone(),
        uri: without_credentials(&spec.uri),
        contract: spec.contract.name.clone(),
        files: (listing.files.len() + listing.skipped.len()) as u64,
        records: sum(|object| object.counts.records),
        accepted: dataset.rows,
        quarantined: totals_by_frequency(objects, |object| &object.counts.quarantined),
        duplicates: sum(|object| object.counts.superseded),
        broken_files: broken.iter().cloned().chain(skipped).collect(),
        unknown_fields: totals_by_frequency(objects, |object| &object.counts.unknown),
        missing_fields: missing.map(|field| field.name.clone()).collect(),
        retyped_fields: totals_by_frequency(objects, |object| &object.counts.retyped),
        expectation: spec.contract.expect.clone(),
        first_time: range.0,
        last_time: range.1,
        warnings: copy_warning(spec, changes),
    };
    let mut warnings = warnings(&note, &broken, &listing.skipped);
    warnings.extend(note.warnings.iter().cloned());
    (note, warnings)
}

/// The warning about files that are copies of others.
fn copy_warning(spec: &SourceSpec, changes: &Changes) -> Vec<String> {
    if let [(copy, original), other_copies @ ..] = changes.copies.as_slice() {
        let others = match other_copies.len() {
            0 => String::new(),
            n => format!("; the same applies to {} more", plural(n as u64, "file")),
        };
        return vec![format!(
            "{copy:?} of source {:?} has the same content as {original:?}: its records are counted \
             once{others}.",
            spec.name
        )];
    }
    Vec::new()
}

fn warnings(
    note: &SourceNote,
    broken: &[(String, String)],
    skipped: &[SkippedFile],
) -> Vec<String> {
    let mut out = Vec::new();
    let (name, uri, contract) = (&note.name, &note.uri, &note.contract);
    if note.files == 0 {
        out.push(format!(
            "Source {name:?} has no files: no file matches {uri:?}."
        ));
    } else if note.records == 0 && note.broken_files.is_empty() {
        out.push(format!(
            "Source {name:?} contains no records, although files match {uri:?}."
        ));
    } else if note.accepted == 0 && note.records > 0 {
        let most_frequent = note
            .quarantined
            .first()
            .map_or("unknown", |(reason, _)| reason.as_str());
        out.push(format!(
            "No record of source {name:?} meets the contract {contract:?} ({} read; most frequent reason: {most_frequent}). \
             Is it the right contract?",
            note.records
        ));
    }
    for (file, reason) in broken {
        out.push(format!(
            "The file {file:?} of source {name:?} could not be read completely: {reason}."
        ));
    }
    for SkippedFile { name: file, reason } in skipped {
        out.push(format!(
            "{file:?} was left out of source {name:?}: {reason}."
        ));
    }
    out
}
