//! Compares a listing with the manifest: objects to read, and deleted objects.
//!
//! Objects are compared by content, not by name: known contents are not read again, a copy of
//! another object is ignored, and a changed object is replaced completely.

use super::manifest::Object;
use crate::source::Listing;
use retrocast_records::Format;
use std::collections::{BTreeMap, BTreeSet};

/// The changes in an increment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Indices of the files to read, in order.
    pub to_read: Vec<usize>,
    /// Unchanged objects.
    pub unchanged: Vec<Object>,
    /// Objects whose rows are deleted: replaced, removed, or to be read again.
    pub deleted: Vec<Object>,
    /// Names of files with the same contents as another file, with the name of the other file.
    pub copies: Vec<(String, String)>,
}

/// Format and compression of a file, from its name: the same bytes in another format are other
/// records.
type FileFormat = (Option<&'static str>, String);

fn file_format(name: &str) -> FileFormat {
    let format = Format::from_name(name).map(|format| match format {
        Format::Jsonl => "jsonl",
        Format::Json => "json",
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    });
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let ending = match ending.to_ascii_lowercase() {
        // Two names of the same format.
        alias if alias == "ndjson" => "jsonl".to_string(),
        ending => ending,
    };
    (format, ending)
}

impl Changes {
    /// Compares a listing and the hashes of its files with the objects read so far.
    ///
    /// With `keyed`, rows of one object can have superseded rows of another. If such a row is
    /// deleted, the superseded row must reappear, so objects with superseded rows are read again.
    pub fn between(
        listing: &Listing,
        hashes: &[blake3::Hash],
        previous: &[Object],
        keyed: bool,
    ) -> Self {
        let mut changes = Self::default();
        let mut originals: BTreeMap<(&[u8], FileFormat), &str> = BTreeMap::new();
        let mut earlier: BTreeMap<(&str, String), &Object> = previous
            .iter()
            .map(|object| ((object.path.as_str(), object.hash.clone()), object))
            .collect();
        let mut unchanged = Vec::new();
        for (index, (file, hash)) in listing.files.iter().zip(hashes).enumerate() {
            let content = (hash.as_bytes().as_slice(), file_format(&file.name));
            if file.size > 0
                && let Some(original) = originals.get(&content)
            {
                let copy = (file.name.clone(), (*original).to_string());
                changes.copies.push(copy);
                continue;
            }
            originals.insert(content, &file.name);
            match earlier.remove(&(file.path.as_ref(), hash.to_hex().to_string())) {
                Some(object) => unchanged.push((index, object)),
                None => changes.to_read.push(index),
            }
        }
        changes.deleted = earlier.into_values().cloned().collect();
        let reread_superseded = keyed && !changes.deleted.is_empty();
        for (index, object) in unchanged {
            if reread_superseded && object.counts.superseded > 0 {
                changes.to_read.push(index);
                changes.deleted.push(object.clone());
            } else {
                changes.unchanged.push(object.clone());
            }
        }
        changes.to_read.sort_unstable();
        changes.deleted.sort_by_key(|object| object.number);
        changes.unchanged.sort_by_key(|object| object.number);
        changes
    }

    /// Returns true if there are no changes.
    pub fn is_empty(&self) -> bool {
        self.to_read.is_empty() && self.deleted.is_empty()
    }

    /// Numbers of the objects whose rows are deleted.
    pub fn deleted_numbers(&self) -> BTreeSet<u32> {
        self.deleted.iter().map(|object| object.number).collect()
    }
}
