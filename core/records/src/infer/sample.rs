//! Samples records from all files of a source, in proportion to their sizes, and collects
//! statistics of their fields.

use super::{evidence::is_default_null, hints, profile::Profile};
use crate::{
    contract::{Contract, REST, UnknownFields},
    error::SourceError,
    format::Format,
    input::InputFiles,
    read::{ParsedBlock, ReadEvent},
    source::SourceFile,
};
use arrow::array::{Array, AsArray};
use retrocast_domain::report::Expectation;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// Maximum number of files to sample, evenly spaced if there are more.
const FILES_MAX: usize = 1000;
/// Maximum number of fields.
const FIELDS_MAX: usize = 500;
/// Maximum number of fields to consider for a key.
const KEY_FIELDS_MAX: usize = 64;

/// Statistics of the sampled records.
#[derive(Default)]
pub(super) struct Sample {
    /// Number of parsed records.
    pub records: u64,
    /// Number of unparsable records.
    pub broken: u64,
    /// Location and reason of the first unparsable record.
    pub first_broken: Option<String>,
    /// Names of fields, in the order of their first occurrence.
    pub names: Vec<String>,
    /// Statistics of the values; empty for columns that are always empty.
    pub profiles: BTreeMap<String, Profile>,
    /// Hashes of the values of fields that every record has, one per record.
    pub hashes: BTreeMap<String, Vec<u64>>,
    /// Names that several columns of a CSV file have, with the number of records with a value in
    /// any of them. Their profiles cover all cells.
    pub repeated: BTreeMap<String, u64>,
    /// Each sampled file, with the line of the last sampled record.
    pub files: Vec<((SourceFile, Format), u64)>,
    /// Files that could not be read completely, with the reason.
    pub damaged: Vec<(String, String)>,
    /// True if some records are not in the sample.
    pub is_partial: bool,
}

/// A contract that declares no field and keeps everything.
fn permissive_contract() -> Contract {
    Contract {
        name: String::new(),
        title: String::new(),
        description: String::new(),
        key: Vec::new(),
        latest: None,
        time: None,
        unknown: UnknownFields::Keep,
        expect: Expectation::default(),
        fields: Vec::new(),
    }
}

/// Samples about `limit` records, in proportion to the sizes of the files; all if it is `None`.
pub(super) fn read_sample(input: &InputFiles, limit: Option<u64>) -> Result<Sample, SourceError> {
    let mut sample = Sample::default();
    let file_count = input.files.len();
    let files: Vec<usize> = if limit.is_none() || file_count <= FILES_MAX {
        (0..file_count).collect()
    } else {
        (0..FILES_MAX)
            .map(|index| index * file_count / FILES_MAX)
            .collect()
    };
    sample.is_partial = files.len() < file_count;
    let size = |index: usize| input.files[index].0.size.max(1);
    let mut size_left: u64 = files.iter().map(|index| size(*index)).sum();
    for index in files {
        let file = &input.files[index];
        let remaining = limit.map_or(u64::MAX, |limit| {
            let records_left = limit.saturating_sub(sample.records);
            proportion(records_left, size(index), size_left)
        });
        size_left -= size(index);
        if remaining == 0 {
            sample.is_partial = true;
            break;
        }
        let mut sampler = Sampler {
            sample: &mut sample,
            file: &file.0.name,
            cells: file.1 == Format::Csv,
            remaining,
            line: 0,
        };
        let mut damage = None;
        input.read(
            std::slice::from_ref(file),
            &permissive_contract(),
            &mut |event| match event {
                ReadEvent::Records(parsed) => sampler.add_block(&parsed),
                ReadEvent::End { broken, .. } => {
                    damage = broken;
                    false
                }
            },
        )?;
        let line = sampler.line;
        sample.files.push((file.clone(), line));
        sample.is_partial |= damage.is_some();
        let damage = damage.map(|reason| (file.0.name.clone(), reason));
        sample.damaged.extend(damage);
    }
    Ok(sample)
}

/// The part of `total` that a file of `size` bytes out of `all` gets, rounded up.
fn proportion(total: u64, size: u64, all: u64) -> u64 {
    let part = (u128::from(total) * u128::from(size)).div_ceil(u128::from(all));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Samples records from one file.
struct Sampler<'a> {
    sample: &'a mut Sample,
    file: &'a str,
    cells: bool,
    remaining: u64,
    line: u64,
}

impl Sampler<'_> {
    /// Adds a block; returns false at the first record that is not in the sample.
    fn add_block(&mut self, parsed: &ParsedBlock) -> bool {
        for name in &parsed.unknown_names {
            let names = &mut self.sample.names;
            let shared = hints::shared_name(name).filter(|_| self.cells);
            if let Some(shared) = shared.filter(|shared| names.iter().any(|name| name == shared)) {
                self.sample.repeat(shared);
            } else if names.len() < FIELDS_MAX && !names.contains(name) {
                names.push(name.clone());
            }
        }
        let sampled = parsed.batch.as_ref().and_then(|batch| {
            let column = batch.column_by_name(REST)?;
            column.as_string_opt::<i32>()
        });
        let mut has_more = false;
        for (row, line) in parsed.lines.iter().enumerate() {
            // Records on one line, as in a JSON array, are sampled or skipped together.
            if self.remaining == 0 && *line != self.line {
                has_more = true;
                break;
            }
            let text = sampled
                .filter(|sampled| sampled.is_valid(row))
                .map(|sampled| sampled.value(row));
            self.add_record(text.unwrap_or("{}"));
            self.line = *line;
            self.remaining = self.remaining.saturating_sub(1);
        }
        let is_full = self.remaining == 0;
        let refused = parsed
            .refused
            .iter()
            .filter(|row| !is_full || row.line <= self.line);
        for row in refused {
            self.sample.broken += 1;
            self.sample.first_broken.get_or_insert_with(|| {
                let message = &row.violation.message;
                format!("{}, line {}: {message}", self.file, row.line)
            });
        }
        if !is_full {
            let last = parsed.refused.last().map_or(0, |row| row.line);
            self.line = self.line.max(last);
        }
        self.sample.is_partial |= has_more;
        !has_more
    }

    fn add_record(&mut self, text: &str) {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return;
        };
        let sample = &mut *self.sample;
        let mut counted = BTreeSet::new();
        for (name, value) in &fields {
            let shared = hints::shared_name(name).unwrap_or(name);
            if self.cells
                && let Some(records) = sample.repeated.get_mut(shared)
            {
                // Lists contain no null cells.
                let is_null = value.as_str().is_some_and(is_default_null);
                *records += u64::from(!is_null && counted.insert(shared));
                let profile = sample.profiles.entry(shared.to_string()).or_default();
                profile.add(value, true);
                continue;
            }
            if !sample.profiles.contains_key(name) {
                if sample.profiles.len() >= FIELDS_MAX {
                    continue;
                }
                // A key must be in every record, so only fields of the first record are candidates.
                if sample.records == 0 && sample.hashes.len() < KEY_FIELDS_MAX {
                    sample.hashes.insert(name.clone(), Vec::new());
                }
            }
            let profile = sample.profiles.entry(name.clone()).or_default();
            profile.add(value, self.cells);
            if let Some(hashes) = sample.hashes.get_mut(name) {
                hashes.extend(hash(value));
            }
        }
        sample.records += 1;
        let records = sample.records as usize;
        sample.hashes.retain(|_, hashes| hashes.len() == records);
    }
}

/// Hash of a value that can be part of a key; independent of the notation of a time.
fn hash(value: &Value) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::String(text) => match super::value::timestamp(text.trim()) {
            Some(micros) => micros.hash(&mut hasher),
            None => text.hash(&mut hasher),
        },
        Value::Number(number) => number.to_string().hash(&mut hasher),
        _ => return None,
    }
    Some(hasher.finish())
}

impl Sample {
    /// Marks a name as that of several columns.
    fn repeat(&mut self, name: &str) {
        let values = |profile: &Profile| profile.seen - profile.evidence.null_count();
        let values = self.profiles.get(name).map_or(0, values);
        self.repeated.entry(name.to_string()).or_insert(values);
        self.hashes.remove(name);
    }

    /// Keeps the values of the fields `names` unchanged from now on; returns false if all of them
    /// already were.
    pub fn keep_unchanged(&mut self, names: &BTreeSet<String>) -> bool {
        let mut changed = false;
        for name in names {
            if let Some(profile) = self.profiles.get_mut(name) {
                changed |= !std::mem::replace(&mut profile.keep_unchanged, true);
            }
        }
        changed
    }

    /// Number of distinct values of a field; 0 if some record lacks it.
    pub fn distinct(&self, name: &str) -> usize {
        let hashes = self.hashes.get(name);
        hashes.map_or(0, |hashes| hashes.iter().collect::<BTreeSet<_>>().len())
    }

    /// Returns true if no two records have the same values of the fields `names`.
    pub fn is_unique(&self, names: &[&str]) -> bool {
        let columns: Option<Vec<_>> = names.iter().map(|name| self.hashes.get(*name)).collect();
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            return false;
        };
        let mut rows: Vec<Vec<u64>> = (0..self.records as usize)
            .map(|row| columns.iter().map(|column| column[row]).collect())
            .collect();
        rows.sort_unstable();
        rows.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// Returns true if a field seems to be personal data, by its name or its values.
    pub fn is_personal(name: &str, profile: &Profile) -> bool {
        let inner = profile.items.as_deref().unwrap_or(profile);
        let is_likely = inner.personal > 0 && inner.personal * 2 >= inner.texts;
        is_likely || hints::is_personal_name(name)
    }
}

#[cfg(test)]
mod tests;
