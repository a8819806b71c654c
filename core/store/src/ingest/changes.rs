//! Compares a listing with the manifest: objects to read, and deleted objects.
//!
//! Objects are compared by content, not by name: known contents are not read again, a copy of
//! another object counts once, and a changed object is replaced completely.

use super::manifest::Object;
use crate::source::Listing;
use retrocast_records::Format;
use std::collections::{BTreeMap, BTreeSet};

/// The changes that an increment makes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Indices of the files to read, in order.
    pub take: Vec<usize>,
    /// Unchanged objects.
    pub keep: Vec<Object>,
    /// Objects whose rows are deleted: replaced, removed, or to be read again.
    pub drop: Vec<Object>,
    /// Files with the same contents as another file, with the name of that.
    pub copies: Vec<(String, String)>,
}

/// Format and compression of a file, from its name: the same bytes parsed in another way are other
/// records.
type Reading = (Option<&'static str>, String);

fn reading(name: &str) -> Reading {
    let format = Format::from_name(name).map(|format| match format {
        Format::Jsonl => "jsonl",
        Format::Json => "json",
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    });
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let ending = match ending.to_ascii_lowercase() {
        // Two names of the same format.
        same if same == "ndjson" => "jsonl".to_string(),
        ending => ending,
    };
    (format, ending)
}

impl Changes {
    /// Compares a listing, whose files have these hashes, with the objects read so far.
    ///
    /// With `keyed`, rows of one object can have superseded rows of another. If such a row is
    /// deleted, the superseded row must reappear, so objects with superseded rows are read again.
    pub fn between(
        listing: &Listing,
        hashes: &[blake3::Hash],
        known: &[Object],
        keyed: bool,
    ) -> Self {
        let mut changes = Self::default();
        let mut first: BTreeMap<(&[u8], Reading), &str> = BTreeMap::new();
        let mut before: BTreeMap<(&str, String), &Object> = known
            .iter()
            .map(|object| ((object.path.as_str(), object.hash.clone()), object))
            .collect();
        let mut unchanged = Vec::new();
        for (index, (file, hash)) in listing.files.iter().zip(hashes).enumerate() {
            let content = (hash.as_bytes().as_slice(), reading(&file.name));
            if file.size > 0
                && let Some(original) = first.get(&content)
            {
                let copy = (file.name.clone(), (*original).to_string());
                changes.copies.push(copy);
                continue;
            }
            first.insert(content, &file.name);
            match before.remove(&(file.path.as_ref(), hash.to_hex().to_string())) {
                Some(object) => unchanged.push((index, object)),
                None => changes.take.push(index),
            }
        }
        changes.drop = before.into_values().cloned().collect();
        let resurface = keyed && !changes.drop.is_empty();
        for (index, object) in unchanged {
            if resurface && object.counts.superseded > 0 {
                changes.take.push(index);
                changes.drop.push(object.clone());
            } else {
                changes.keep.push(object.clone());
            }
        }
        changes.take.sort_unstable();
        changes.drop.sort_by_key(|object| object.number);
        changes.keep.sort_by_key(|object| object.number);
        changes
    }

    /// Returns true if there are no changes.
    pub fn none(&self) -> bool {
        self.take.is_empty() && self.drop.is_empty()
    }

    /// Numbers of the objects whose rows are deleted.
    pub fn dropped(&self) -> BTreeSet<u32> {
        self.drop.iter().map(|object| object.number).collect()
    }
}
