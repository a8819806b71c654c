//! The manifest: the objects that were read from a source, with size, modification time, hash and
//! counts.
//! The manifest is a dataset beside the rows, `<source>__manifest`. The version of the rows names
//! the version of the manifest, in the only commit of an increment. Rows, manifest and quarantine
//! therefore change together or not at all, and nothing references a manifest left behind by a dead
//! process.

use super::{
    INGEST_VERSION, SourceSpec, manifest_name, quarantine_name,
    times::{self, Times},
};
use crate::{
    dataset::{FINGERPRINT, Lake, Properties, Scan},
    error::StoreError,
};
use arrow::{
    array::{
        ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
    },
    datatypes::{Int64Type, UInt32Type, UInt64Type},
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::Timestamp;
use retrocast_domain::cell::DatasetRef;
use retrocast_records::{Hashes, read::pseudonyms};
use std::{collections::BTreeMap, sync::Arc};

/// Property of a version of the rows: the version of its manifest.
pub const MANIFEST: &str = "manifest";
/// Property: the version of the quarantine; 0 for none.
const QUARANTINE: &str = "quarantine";
/// Property: number of rows of that version.
const QUARANTINE_ROWS: &str = "quarantine_rows";
/// Property: identity of contract, formats and hash key.
const MEANING: &str = "meaning";

/// Counts by name.
pub type FieldCounts = BTreeMap<String, u64>;

/// Counts of the records of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of records.
    pub records: u64,
    /// Number of records that conform to the contract.
    pub accepted: u64,
    /// Number of accepted records superseded by another record with the same key.
    pub superseded: u64,
    /// Number of refused records, by reason.
    pub quarantined: FieldCounts,
    /// Number of records with a field that the contract does not declare, by field.
    pub unknown: FieldCounts,
    /// Number of records refused for a value of the wrong type, by field.
    pub retyped: FieldCounts,
    /// Number of present values, by field of the contract.
    pub present: FieldCounts,
    /// The reason why it was not read completely.
    pub broken: Option<String>,
    /// Smallest and largest position of a key, see [`retrocast_records::read::key::positions`];
    /// `None` if unknown.
    pub key_range: Option<(u128, u128)>,
}

/// An object that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// The number of the object in its rows.
    pub number: u32,
    /// Name as the user would write it.
    pub name: String,
    /// Path relative to the fixed part of the URI.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970; 0 if it was so recent that a later write might
    /// not change it.
    pub modified: i64,
    /// `ETag` of the content; empty if unknown.
    pub etag: String,
    /// Hash of its content.
    pub hash: String,
    /// Id of the run that read it.
    pub run: String,
    /// Counts of its records.
    pub counts: Counts,
}

/// The newest version of a source.
#[derive(Debug, Clone)]
pub struct SourceVersion {
    /// Dataset of the accepted records.
    pub rows: DatasetRef,
    /// Dataset of the objects read.
    pub manifest: DatasetRef,
    /// The refused records.
    pub quarantine: Option<DatasetRef>,
    /// The objects, by number.
    pub objects: Vec<Object>,
    /// Identity of the version's inputs.
    pub fingerprint: Option<String>,
    /// First and last time of the rows, if they were stored.
    pub(super) times: Option<Times>,
    /// Identity of contract, formats and hash key.
    meaning: String,
}

/// Identity of contract, formats and hash key: rows with different identities must not be in the
/// same dataset.
pub fn meaning(spec: &SourceSpec, hash_key: Option<&[u8]>) -> String {
    let key = pseudonyms::key_id(hash_key).unwrap_or_default();
    let contract = spec.contract.fingerprint();
    format!(
        "{INGEST_VERSION} {contract} {:?} {:?} {key}",
        spec.format, spec.dialect
    )
}

impl SourceVersion {
    /// Reads the newest version; `None` if no version exists, or if it is not from a source.
    pub async fn read(lake: &Lake, source: &str) -> Result<Option<Self>, StoreError> {
        let Some(rows) = lake.latest(source).await? else {
            return Ok(None);
        };
        let Some(properties) = lake.properties_with(&rows, MANIFEST).await? else {
            return Ok(None);
        };
        let number = |key: &str| properties.get(key).and_then(|text| text.parse().ok());
        let Some(version) = number(MANIFEST) else {
            return Ok(None);
        };
        let manifest = DatasetRef {
            name: manifest_name(source),
            version,
            rows: 0,
        };
        // If the manifest was removed, the source must be read again.
        let Ok((_, batches)) = lake.read(&manifest, &Scan::default()).await else {
            return Ok(None);
        };
        let quarantine = quarantine(source, &properties);
        if let Some(quarantine) = &quarantine
            && !lake.exists(quarantine).await
        {
            return Ok(None);
        }
        Ok(Some(Self {
            rows,
            manifest,
            quarantine,
            objects: batches.iter().flat_map(objects).collect(),
            fingerprint: properties.get(FINGERPRINT).cloned(),
            times: times::load(&properties),
            meaning: properties.get(MEANING).cloned().unwrap_or_default(),
        }))
    }

    /// Returns true if its records were read with the same contract, formats and hash key.
    pub fn has_meaning(&self, meaning: &str) -> bool {
        self.meaning == meaning
    }

    /// Adds the hashes of its files to the known hashes.
    pub fn add_hashes_to(&self, known: &Hashes) {
        for object in &self.objects {
            let written = Timestamp::from_nanosecond(i128::from(object.modified));
            let hash = blake3::Hash::from_hex(&object.hash);
            if let (true, Ok(written), Ok(hash)) = (object.modified != 0, written, hash) {
                let etag = Some(object.etag.clone()).filter(|etag| !etag.is_empty());
                known.restore(&object.name, object.size, written, etag, hash);
            }
        }
    }
}

/// The version of the quarantine in the properties of a version of the rows.
fn quarantine(source: &str, properties: &Properties) -> Option<DatasetRef> {
    let number = |key: &str| properties.get(key).and_then(|text| text.parse().ok());
    let version = number(QUARANTINE).filter(|version| *version > 0)?;
    Some(DatasetRef {
        name: quarantine_name(source),
        version,
        rows: number(QUARANTINE_ROWS).unwrap_or(0),
    })
}

/// The datasets that belong to a version of the rows.
pub(super) struct VersionDatasets {
    /// Dataset of the objects read.
    pub manifest: DatasetRef,
    /// Dataset of the refused records; `None` if there is none.
    pub quarantine: Option<DatasetRef>,
}

impl VersionDatasets {
    /// The datasets named by the properties of a version; `None` if it is not from a source.
    pub fn from_properties(source: &str, properties: &Properties) -> Option<Self> {
        let version = properties.get(MANIFEST)?.parse().ok()?;
        Some(Self {
            manifest: DatasetRef {
                name: manifest_name(source),
                version,
                rows: 0,
            },
            quarantine: quarantine(source, properties),
        })
    }

    /// Returns true if all of them still exist.
    pub async fn exist(&self, lake: &Lake) -> bool {
        for dataset in std::iter::once(&self.manifest).chain(&self.quarantine) {
            if !lake.exists(dataset).await {
                return false;
            }
        }
        true
    }
}

/// The version of a quarantine or manifest that belongs to the newest rows of its source; a newer
/// version may be from a process that died before its rows were committed. `None` if the dataset is
/// neither, or if the rows name no version of it.
pub(crate) async fn current_version(lake: &Lake, dataset: &str) -> Result<Option<u64>, StoreError> {
    let sources = [manifest_name, quarantine_name].map(|name_of| {
        let source = dataset.strip_suffix(&name_of(""))?;
        (name_of(source) == dataset).then_some(source)
    });
    let Some(source) = sources.into_iter().flatten().next() else {
        return Ok(None);
    };
    let Some(rows) = lake.latest(source).await? else {
        return Ok(None);
    };
    let Some(properties) = lake.properties_with(&rows, MANIFEST).await? else {
        return Ok(None);
    };
    if dataset == manifest_name(source) {
        return Ok(properties.get(MANIFEST).and_then(|text| text.parse().ok()));
    }
    Ok(quarantine(source, &properties).map(|dataset| dataset.version))
}

impl Lake {
    /// The path of each file of a version of a source, by its number in the rows; empty if the
    /// manifest of that version was removed or the dataset is not from a source.
    pub async fn paths_of_files(
        &self,
        rows: &DatasetRef,
    ) -> Result<BTreeMap<u32, String>, StoreError> {
        let properties = self.properties_with(rows, MANIFEST).await?;
        let version = properties.and_then(|properties| properties.get(MANIFEST)?.parse().ok());
        let Some(version) = version else {
            return Ok(BTreeMap::new());
        };
        let manifest = DatasetRef {
            name: manifest_name(&rows.name),
            version,
            rows: 0,
        };
        let scan = Scan {
            columns: Some(["object", "path"].map(String::from).to_vec()),
            ..Scan::default()
        };
        let Ok((_, batches)) = self.read(&manifest, &scan).await else {
            return Ok(BTreeMap::new());
        };
        let paths = batches.iter().flat_map(|batch| {
            let numbers = batch.column(0).as_primitive_opt::<UInt32Type>();
            let paths = batch.column(1).as_string_opt::<i32>();
            let columns = numbers.zip(paths).into_iter();
            columns.flat_map(|(numbers, paths)| numbers.iter().zip(paths))
        });
        Ok(paths
            .filter_map(|(number, path)| Some((number?, path?.to_string())))
            .collect())
    }
}

/// The properties of a version of the rows.
pub fn properties(
    base: &Properties,
    meaning: &str,
    manifest: &DatasetRef,
    quarantine: Option<&DatasetRef>,
) -> Properties {
    let mut properties = base.clone();
    let refused = quarantine.map_or((0, 0), |dataset| (dataset.version, dataset.rows));
    properties.extend([
        (MANIFEST.to_string(), manifest.version.to_string()),
        (QUARANTINE.to_string(), refused.0.to_string()),
        (QUARANTINE_ROWS.to_string(), refused.1.to_string()),
        (MEANING.to_string(), meaning.to_string()),
    ]);
    properties
}

/// Writes the manifest as a new version.
pub async fn write(
    lake: &Lake,
    source: &str,
    objects: &[Object],
    properties: &Properties,
) -> Result<DatasetRef, StoreError> {
    let batch = batch(objects)?;
    lake.write_batches(&manifest_name(source), schema(), vec![batch], properties)
        .await
}

/// Schema of every manifest.
pub fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::UInt64, true);
    Arc::new(Schema::new(vec![
        Field::new("object", DataType::UInt32, true),
        text("name"),
        text("path"),
        number("bytes"),
        Field::new("modified_ns", DataType::Int64, true),
        text("etag"),
        text("hash"),
        text("run"),
        number("records"),
        number("accepted"),
        number("superseded"),
        text("quarantined"),
        text("unknown_fields"),
        text("retyped_fields"),
        text("present"),
        text("broken"),
        text("least_key"),
        text("greatest_key"),
    ]))
}

fn batch(objects: &[Object]) -> Result<RecordBatch, StoreError> {
    let text = |value: fn(&Object) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(objects.iter().map(value)))
    };
    let number = |value: fn(&Object) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(objects.iter().map(value)))
    };
    let counted = |value: fn(&Counts) -> &FieldCounts| -> ArrayRef {
        let texts = objects.iter().map(|object| {
            serde_json::to_string(value(&object.counts)).unwrap_or_else(|_| "{}".to_string())
        });
        Arc::new(StringArray::from_iter_values(texts))
    };
    let broken = objects.iter().map(|object| object.counts.broken.as_deref());
    let bound = |value: fn((u128, u128)) -> u128| -> ArrayRef {
        let bounds = objects
            .iter()
            .map(|object| object.counts.key_range.map(value));
        let texts = bounds.map(|bound| bound.map(|bound| format!("{bound:032x}")));
        Arc::new(texts.collect::<StringArray>())
    };
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(UInt32Array::from_iter_values(
                objects.iter().map(|object| object.number),
            )),
            text(|object| &object.name),
            text(|object| &object.path),
            number(|object| object.size),
            Arc::new(Int64Array::from_iter_values(
                objects.iter().map(|object| object.modified),
            )),
            text(|object| &object.etag),
            text(|object| &object.hash),
            text(|object| &object.run),
            number(|object| object.counts.records),
            number(|object| object.counts.accepted),
            number(|object| object.counts.superseded),
            counted(|counts| &counts.quarantined),
            counted(|counts| &counts.unknown),
            counted(|counts| &counts.retyped),
            counted(|counts| &counts.present),
            Arc::new(broken.collect::<StringArray>()),
            bound(|range| range.0),
            bound(|range| range.1),
        ],
    )?)
}

pub(super) fn objects(batch: &RecordBatch) -> Vec<Object> {
    let text = |column: usize, row: usize| {
        let texts = batch.column(column).as_string_opt::<i32>();
        texts.map_or("", |texts| texts.value(row)).to_string()
    };
    let number = |column: usize, row: usize| {
        let numbers = batch.column(column).as_primitive_opt::<UInt64Type>();
        numbers.map_or(0, |numbers| numbers.value(row))
    };
    let counted = |column: usize, row: usize| -> FieldCounts {
        serde_json::from_str(&text(column, row)).unwrap_or_default()
    };
    // Manifests of older versions of the program have no key positions.
    let bound = |column: usize, row: usize| {
        let texts = batch.columns().get(column)?.as_string_opt::<i32>()?;
        u128::from_str_radix(texts.value(row), 16).ok()
    };
    let numbers = batch.column(0).as_primitive_opt::<UInt32Type>();
    let modified = batch.column(4).as_primitive_opt::<Int64Type>();
    (0..batch.num_rows())
        .map(|row| Object {
            number: numbers.map_or(0, |numbers| numbers.value(row)),
            name: text(1, row),
            path: text(2, row),
            size: number(3, row),
            modified: modified.map_or(0, |times| times.value(row)),
            etag: text(5, row),
            hash: text(6, row),
            run: text(7, row),
            counts: Counts {
                records: number(8, row),
                accepted: number(9, row),
                superseded: number(10, row),
                quarantined: counted(11, row),
                unknown: counted(12, row),
                retyped: counted(13, row),
                present: counted(14, row),
                broken: Some(text(15, row)).filter(|text| !text.is_empty()),
                key_range: bound(16, row).zip(bound(17, row)),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_survive_a_round_trip() {
        let counted = |name: &str, n| FieldCounts::from([(name.to_string(), n)]);
        let objects = vec![
            Object {
                number: 7,
                name: "raw/é.jsonl".into(),
                path: "é.jsonl".into(),
                size: 12,
                modified: 1_700_000_000_123_456_789,
                etag: "e".into(),
                hash: "ab".into(),
                run: "r1".into(),
                counts: Counts {
                    records: 4,
                    accepted: 3,
                    superseded: 1,
                    quarantined: counted("wrong type", 1),
                    unknown: counted("who", 2),
                    retyped: counted("minutes", 1),
                    present: counted("id", 3),
                    broken: Some("corrupt deflate stream".into()),
                    key_range: Some((7, u128::MAX)),
                },
            },
            Object::default(),
        ];
        assert_eq!(super::objects(&batch(&objects).unwrap()), objects);
    }
}
