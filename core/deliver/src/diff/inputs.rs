//! The inputs of two runs: records by source.

use super::Pair;
use retrocast_domain::report::SourceNote;
use retrocast_run::RunFolder;
use serde::Serialize;
use std::collections::BTreeMap;

/// The records that a run read from a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceIntake {
    /// Identity of the source, as a hash; `None` if the run did not read it.
    pub records: Option<String>,
    /// Version of the dataset it was read into.
    pub version: Option<u64>,
    /// Records accepted.
    pub accepted: Option<u64>,
    /// Records left out because they violate the contract.
    pub quarantined: Option<u64>,
    /// Records left out as duplicates of a key.
    pub duplicates: Option<u64>,
    /// Number of files read.
    pub files: Option<u64>,
    /// Files that could not be read completely.
    pub broken_files: Option<u64>,
    /// Accepted records with a time in the window.
    pub in_window: Option<u64>,
}

/// The records that two runs read from a source; `None` if a run does not have the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Name of the source.
    pub source: String,
    /// True if both runs read the same records; `None` if unknown.
    pub same_records: Option<bool>,
    /// The records.
    #[serde(rename = "taken")]
    pub intake: Pair<Option<SourceIntake>>,
}

pub(super) fn compare(runs: &Pair<RunFolder>) -> Vec<Input> {
    let intake = runs.map(intake);
    let mut names: Vec<&String> = Vec::new();
    for run in [&runs.new, &runs.old] {
        for node in run.plan.nodes.iter().filter(|node| node.is_source()) {
            if let Some((name, _)) = intake
                .new
                .get_key_value(node.short())
                .or_else(|| intake.old.get_key_value(node.short()))
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    let inputs = names.into_iter().map(|name| {
        let intake = intake.map(|sources| sources.get(name).cloned());
        let hashes = intake.map(|intake| intake.as_ref().and_then(|intake| intake.records.clone()));
        Input {
            source: name.clone(),
            same_records: (hashes.old.is_some() && hashes.new.is_some()).then(|| hashes.is_same()),
            intake,
        }
    });
    inputs.collect()
}

fn intake(run: &RunFolder) -> BTreeMap<String, SourceIntake> {
    let sources = run.plan.nodes.iter().filter(|node| node.is_source());
    sources
        .map(|node| {
            let note = run.sources.get(node.short());
            let dataset = run
                .cells
                .get(node.short())
                .and_then(|cell| cell.output.as_ref());
            let count = |f: &dyn Fn(&SourceNote) -> u64| note.map(f);
            let intake = SourceIntake {
                records: run.origin.records.get(&node.name).map(ToString::to_string),
                version: dataset.map(|dataset| dataset.version),
                accepted: dataset
                    .map(|dataset| dataset.rows)
                    .or(count(&|note| note.accepted)),
                quarantined: count(&|note| note.quarantined.iter().map(|(_, n)| n).sum()),
                duplicates: count(&|note| note.duplicates),
                files: count(&|note| note.files),
                broken_files: count(&|note| note.broken_files.len() as u64),
                in_window: in_window(run, node.short()),
            };
            (node.short().to_string(), intake)
        })
        .collect()
}

/// Records of a source in the window, as counted by the stages that read only this source.
fn in_window(run: &RunFolder, source: &str) -> Option<u64> {
    let mut cells = run.in_order().map(|(_, cell)| cell);
    cells.find_map(|cell| match cell.inputs.as_slice() {
        [only] if only.name == source => cell.records,
        _ => None,
    })
}
