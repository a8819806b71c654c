//! What became of the records of a source, in numbers and sentences.

use super::{SourceSpec, json, quarantine::Reason};
use crate::source::{Listing, Skipped, without_credentials};
use retrocast_domain::{cell::DatasetRef, report::SourceNote};
use std::collections::{BTreeMap, HashMap};

/// Hashes of keys are as good as random already.
#[derive(Default)]
pub(super) struct FirstBytes(u64);

impl std::hash::Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for (slot, byte) in bytes.iter().take(8).enumerate() {
            self.0 ^= u64::from(*byte) << (8 * slot);
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

pub(super) type Keys = HashMap<u128, u64, std::hash::BuildHasherDefault<FirstBytes>>;

/// What was counted while a source was read.
#[derive(Default)]
pub(super) struct Tally {
    pub records: u64,
    pub refused: BTreeMap<Reason, u64>,
    pub unknown: json::Unknown,
    pub broken: Vec<(String, String)>,
    /// Row at which each key was last seen; only looked up, never walked through.
    pub keys: Keys,
    pub rows: u64,
    pub superseded: Vec<u64>,
}

impl Tally {
    /// Rows that a later one replaces, in order.
    pub fn superseded(&self) -> Vec<u64> {
        let mut rows = self.superseded.clone();
        rows.sort_unstable();
        rows
    }

    pub fn note(
        self,
        spec: &SourceSpec,
        listing: &Listing,
        dataset: &DatasetRef,
        range: (String, String),
    ) -> (SourceNote, Vec<String>) {
        let mut quarantined: Vec<(String, u64)> = self
            .refused
            .into_iter()
            .map(|(reason, n)| (reason.text().to_string(), n))
            .collect();
        quarantined.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut unknown: Vec<(String, u64)> = self.unknown.into_iter().collect();
        unknown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let skipped = listing
            .skipped
            .iter()
            .map(|skipped| (skipped.name.clone(), skipped.reason.clone()));
        let note = SourceNote {
            name: spec.name.clone(),
            uri: without_credentials(&spec.uri),
            contract: spec.contract.name.clone(),
            files: (listing.files.len() + listing.skipped.len()) as u64,
            records: self.records,
            accepted: dataset.rows,
            quarantined,
            duplicates: self.superseded.len() as u64,
            broken_files: self.broken.iter().cloned().chain(skipped).collect(),
            unknown_fields: unknown,
            missing_fields: Vec::new(),
            retyped_fields: Vec::new(),
            expectation: retrocast_domain::report::Expectation::default(),
            first_time: range.0,
            last_time: range.1,
        };
        let warnings = warnings(&note, &self.broken, &listing.skipped);
        (note, warnings)
    }
}

fn warnings(note: &SourceNote, broken: &[(String, String)], skipped: &[Skipped]) -> Vec<String> {
    let mut out = Vec::new();
    let (name, uri, contract) = (&note.name, &note.uri, &note.contract);
    if note.files == 0 {
        out.push(format!(
            "Source {name:?} has no files: nothing fits {uri:?}."
        ));
    } else if note.records == 0 && note.broken_files.is_empty() {
        out.push(format!(
            "Source {name:?} holds no records, although {uri:?} has files."
        ));
    } else if note.accepted == 0 && note.records > 0 {
        let why = note
            .quarantined
            .first()
            .map_or("unknown", |(reason, _)| reason.as_str());
        out.push(format!(
            "No record of source {name:?} meets the contract {contract:?} ({} seen; most often: {why}). \
             Is it the right contract?",
            note.records
        ));
    }
    for (file, reason) in broken {
        out.push(format!(
            "The file {file:?} of source {name:?} could not be read to its end: {reason}."
        ));
    }
    for Skipped { name: file, reason } in skipped {
        out.push(format!(
            "{file:?} was left out of source {name:?}: {reason}."
        ));
    }
    out
}
