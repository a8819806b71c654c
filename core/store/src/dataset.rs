//! The lake: the versioned Lance datasets of one job.
//!
//! A dataset is a folder `<root>/<job>/<name>.lance`, local or in object storage. Every write
//! creates one new version by one commit. Older versions stay readable, so a report can always cite
//! its inputs.

mod adopt;
mod increment;
mod rows;
mod staging;
mod successor;

pub(crate) use increment::{ROW_ADDRESS, RowSubset};
pub(crate) use rows::{DeletedRows, Rows};
pub(crate) use staging::Staging;

use crate::{
    bridge,
    error::StoreError,
    origin,
    root::{LakeRoot, session},
};
use arrow::array::RecordBatch;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::{
    common::ScalarValue,
    error::DataFusionError,
    execution::SendableRecordBatchStream,
    logical_expr::{Expr, ident, lit},
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{Stream, StreamExt, TryStreamExt};
use lance::{
    Dataset,
    dataset::{CommitBuilder, ReadParams, builder::DatasetBuilder, transaction::Transaction},
    io::RecordBatchStream as _,
    session::Session,
};
use polars::prelude::DataFrame;
use retrocast_domain::cell::DatasetRef;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// Properties of a version, such as the run that wrote it.
pub type Properties = BTreeMap<String, String>;

/// Property that identifies the inputs of a version. The same inputs make no new version.
pub const FINGERPRINT: &str = "fingerprint";

/// Property with the base version and the number of the first new object: the same inputs on
/// another base make another version.
pub(crate) const BASE_VERSION: &str = "behind";

/// Maximum number of commit attempts if others write the same dataset, and the pause between them,
/// which grows with each attempt.
const COMMIT_ATTEMPTS_MAX: u32 = 20;
const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// Number of rows to sample for estimating the size of a frame.
const SAMPLE_ROWS: u64 = 2048;
/// Number of rows of a batch when a dataset is read.
const BATCH_ROWS: usize = 8192;

/// The datasets of one job.
#[derive(Clone)]
pub struct Lake {
    root: LakeRoot,
    session: Arc<Session>,
}

/// Rows in the files of a dataset that no version references yet.
pub(crate) struct PendingRows(Transaction);

/// The part of a dataset to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Columns in this order; if `None`, all except the columns for ingest only.
    pub columns: Option<Vec<String>>,
    /// Excludes rows before a time, and rows without a time.
    pub from: Option<TimeLimit>,
    /// Excludes rows at or after a time.
    pub before: Option<TimeLimit>,
    /// Keeps only the rows whose text in a column is among the given strings.
    pub matching: Option<(String, Vec<String>)>,
    /// Maximum number of rows; all if `None`.
    pub limit: Option<u64>,
}

/// Excludes rows at or after a time; rows without a time stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLimit {
    /// Timestamp or date column.
    pub column: String,
    /// The first excluded time.
    pub end: jiff::Timestamp,
    /// IANA name of the time zone of dates.
    pub timezone: String,
}

impl TimeLimit {
    /// The condition as an expression on a column of type `data_type`.
    pub(crate) fn expression(&self, data_type: &DataType) -> Option<Expr> {
        let limit = self.limit(data_type)?;
        let column = ident(&self.column);
        Some(column.clone().lt(lit(limit)).or(column.is_null()))
    }

    /// The time as a value of type `data_type`; `None` for types without a time.
    fn limit(&self, data_type: &DataType) -> Option<ScalarValue> {
        let micros = self.end.as_microsecond();
        match data_type {
            DataType::Date32 => Some(ScalarValue::Date32(Some(self.first_excluded_day()?))),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Some(
                ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()),
            ),
            _ => None,
        }
    }

    /// The first excluded day, in days since 1970. A day is past once it has started in the job's
    /// time zone.
    fn first_excluded_day(&self) -> Option<i32> {
        let end = self.end.in_tz(&self.timezone).ok()?;
        let day_start = end.start_of_day().ok()?;
        let first = if day_start < end {
            end.date().tomorrow().ok()?
        } else {
            end.date()
        };
        let days = first - jiff::civil::date(1970, 1, 1);
        Some(days.get_days())
    }
}

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetVersion {
    /// Number of the version.
    pub version: u64,
    /// Time of the commit.
    pub committed: jiff::Timestamp,
    /// Properties of the version.
    pub properties: Properties,
}

impl Lake {
    /// The lake of a job below `root`. Nothing is created before the first write.
    pub fn new(root: impl Into<LakeRoot>, job: &str) -> Result<Self, StoreError> {
        check_name(job)?;
        Ok(Self {
            root: root.into().join(job)?,
            session: session(),
        })
    }

    /// A local staging lake for rows that must not be visible yet.
    pub(crate) fn staging(&self, name: &str) -> Result<Staging, StoreError> {
        check_name(name)?;
        Staging::new(self.root.scratch(), name)
    }

    /// A lake in this folder, with its own session, because caches are keyed by path and version.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self {
            root: LakeRoot::Folder(folder),
            session: session(),
        }
    }

    /// Location of the job's datasets.
    pub(crate) fn root(&self) -> &LakeRoot {
        &self.root
    }

    /// Writes a stream as a new version, by one commit. Others may write the same dataset
    /// concurrently: each writer creates its own version, and the returned version has the rows of
    /// the stream.
    pub async fn write(
        &self,
        name: &str,
        rows: SendableRecordBatchStream,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let prepared = self.prepare(name, rows, None).await?;
        self.replace(name, prepared, properties).await
    }

    /// Creates the lake's folder, and returns the address of a dataset for Lance.
    fn create_folder(&self, name: &str) -> Result<String, StoreError> {
        let uri = self.uri(name)?;
        self.root.create_folder()?;
        Ok(uri)
    }

    /// The address of a dataset for Lance.
    fn uri(&self, name: &str) -> Result<String, StoreError> {
        check_name(name)?;
        Ok(self.root.uri(name))
    }

    /// Returns the newest version, if a process wrote it from the same inputs and died before
    /// recording it. Writing it again would only change its number.
    async fn committed_from_same_inputs(
        &self,
        name: &str,
        properties: &Properties,
    ) -> Result<Option<DatasetRef>, StoreError> {
        let (Some(fingerprint), Some(latest)) =
            (properties.get(FINGERPRINT), self.latest(name).await?)
        else {
            return Ok(None);
        };
        let transaction = self
            .open(&latest)
            .await?
            .read_transaction_by_version(latest.version)
            .await
            .map_err(|error| dataset_error(name, "read", &error))?;
        let recorded = transaction.and_then(|transaction| transaction.transaction_properties);
        let is_same = recorded.is_some_and(|recorded| {
            recorded.get(FINGERPRINT) == Some(fingerprint)
                && recorded.get(BASE_VERSION) == properties.get(BASE_VERSION)
        });
        Ok(is_same.then_some(latest))
    }

    /// Commits written rows as the newest version. A version replaces the previous one completely,
    /// so after a lost race, the commit is repeated on top of the other commit.
    async fn commit(
        &self,
        name: &str,
        path: &str,
        mut transaction: Transaction,
    ) -> Result<Dataset, StoreError> {
        let mut attempt = 0;
        loop {
            let committed = CommitBuilder::new(path)
                .with_session(self.session.clone())
                .execute(transaction.clone())
                .await;
            match committed {
                Err(error) if attempt < COMMIT_ATTEMPTS_MAX && is_commit_conflict(&error) => {
                    if let Some(own) = self.own_commit(name, &transaction).await? {
                        return Ok(own);
                    }
                    attempt += 1;
                    tokio::time::sleep(COMMIT_PAUSE * attempt).await;
                    transaction.read_version = match self.latest(name).await? {
                        Some(latest) => latest.version,
                        None => 0,
                    };
                }
                other => return other.map_err(|error| dataset_error(name, "written", &error)),
            }
        }
    }

    /// The newest version, if it is from this transaction: the storage committed it, but the
    /// response was lost.
    async fn own_commit(
        &self,
        name: &str,
        transaction: &Transaction,
    ) -> Result<Option<Dataset>, StoreError> {
        let Some(latest) = self.latest(name).await? else {
            return Ok(None);
        };
        let opened = self.open(&latest).await?;
        let newest = opened
            .read_transaction_by_version(latest.version)
            .await
            .map_err(|error| dataset_error(name, "read", &error))?;
        let is_own = newest.is_some_and(|newest| newest.uuid == transaction.uuid);
        Ok(is_own.then(|| (*opened).clone()))
    }

    /// Writes batches as a new version; an empty list makes an empty dataset.
    pub async fn write_batches(
        &self,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let rows = futures::stream::iter(batches.into_iter().map(Ok));
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        self.write(name, stream, properties).await
    }

    /// Writes a frame as a new version.
    pub async fn write_frame(
        &self,
        name: &str,
        frame: &DataFrame,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let (schema, batches) = bridge::from_frame(frame)?;
        self.write_batches(name, schema, batches, properties).await
    }

    /// Opens a dataset at a version.
    pub(crate) async fn open(&self, dataset: &DatasetRef) -> Result<Arc<Dataset>, StoreError> {
        let opened = DatasetBuilder::from_uri(self.uri(&dataset.name)?)
            .with_session(self.session.clone())
            .with_version(dataset.version)
            .load()
            .await;
        opened.map(Arc::new).map_err(|error| StoreError::NoDataset {
            name: dataset.name.clone(),
            version: dataset.version,
            folder: self.root.to_string(),
            reason: first_line(&error),
        })
    }

    /// The newest version, if there is one.
    pub async fn latest(&self, name: &str) -> Result<Option<DatasetRef>, StoreError> {
        let uri = self.uri(name)?;
        if self.root.is_known_missing(name) {
            return Ok(None);
        }
        let params = ReadParams {
            session: Some(self.session.clone()),
            ..ReadParams::default()
        };
        let opened = DatasetBuilder::from_uri(uri)
            .with_read_params(params)
            .load()
            .await;
        match opened {
            Ok(opened) => reference(name, &opened).await.map(Some),
            // The folder only has files of a write that was not committed.
            Err(lance::Error::DatasetNotFound { .. } | lance::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(dataset_error(name, "read", &error)),
        }
    }

    /// Returns true if this version of a dataset exists.
    pub async fn exists(&self, dataset: &DatasetRef) -> bool {
        self.open(dataset).await.is_ok()
    }

    /// Counts the rows of a version of a dataset.
    pub async fn count_rows(&self, dataset: &DatasetRef) -> Result<u64, StoreError> {
        let opened = self.open(dataset).await?;
        let failed = |error: lance::Error| dataset_error(&dataset.name, "read", &error);
        Ok(opened.count_rows(None).await.map_err(failed)? as u64)
    }

    /// Schema of a dataset.
    pub async fn schema(&self, dataset: &DatasetRef) -> Result<SchemaRef, StoreError> {
        let schema: arrow_schema::Schema = self.open(dataset).await?.schema().into();
        let fields = schema.fields().iter();
        let visible = fields.filter(|field| !origin::is_hidden(field.name()));
        Ok(Arc::new(arrow_schema::Schema::new(
            visible.cloned().collect::<Vec<_>>(),
        )))
    }

    /// Every version with its properties, oldest first.
    pub async fn versions(&self, name: &str) -> Result<Vec<DatasetVersion>, StoreError> {
        let failed = |error: lance::Error| dataset_error(name, "read", &error);
        let Some(latest) = self.latest(name).await? else {
            return Ok(Vec::new());
        };
        let dataset = self.open(&latest).await?;
        let mut entries = Vec::new();
        for version in dataset.versions().await.map_err(failed)? {
            let transaction = dataset
                .read_transaction_by_version(version.version)
                .await
                .map_err(failed)?;
            let properties = transaction.and_then(|transaction| transaction.transaction_properties);
            entries.push(DatasetVersion {
                version: version.version,
                committed: jiff::Timestamp::from_microsecond(version.timestamp.timestamp_micros())
                    .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                properties: properties
                    .map(|map| {
                        map.iter()
                            .map(|(key, value)| (key.clone(), value.clone()))
                            .collect()
                    })
                    .unwrap_or_default(),
            });
        }
        entries.sort_by_key(|entry| entry.version);
        Ok(entries)
    }

    /// Reads rows as a stream, in the order of writing.
    pub async fn scan(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<SendableRecordBatchStream, StoreError> {
        let opened = self.open(dataset).await?;
        let failed = |error: lance::Error| dataset_error(&dataset.name, "read", &error);
        let mut scanner = opened.scan();
        scanner.scan_in_order(true).batch_size(BATCH_ROWS);
        let columns = scan.columns.clone().unwrap_or_else(|| {
            origin::visible_columns(&arrow_schema::Schema::from(opened.schema()))
        });
        scanner.project(&columns).map_err(failed)?;
        let schema = arrow_schema::Schema::from(opened.schema());
        let mut conditions = Vec::new();
        if let Some(before) = &scan.before {
            let field = schema.field_with_name(&before.column)?;
            conditions.extend(before.expression(field.data_type()));
        }
        if let Some(from) = &scan.from {
            let field = schema.field_with_name(&from.column)?;
            let limit = from.limit(field.data_type());
            conditions.extend(limit.map(|limit| ident(&from.column).gt_eq(lit(limit))));
        }
        if let Some((column, texts)) = &scan.matching {
            let texts = texts.iter().map(|text| lit(text.clone())).collect();
            conditions.push(ident(column).in_list(texts, false));
        }
        if let Some(condition) = conditions.into_iter().reduce(Expr::and) {
            scanner.filter_expr(condition);
        }
        if let Some(limit) = scan.limit {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            scanner.limit(Some(limit), None).map_err(failed)?;
        }
        let stream = scanner.try_into_stream().await.map_err(failed)?;
        let schema = stream.schema();
        let rows = stream.map_err(DataFusionError::from);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// Reads rows into memory.
    pub async fn read(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), StoreError> {
        let stream = self.scan(dataset, scan).await?;
        let schema = stream.schema();
        let batches = stream
            .try_collect()
            .await
            .map_err(|error| StoreError::Dataset {
                name: dataset.name.clone(),
                action: "read",
                reason: error.strip_backtrace(),
            })?;
        Ok((schema, batches))
    }

    /// Reads rows into a frame.
    pub async fn read_frame(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<DataFrame, StoreError> {
        let (schema, batches) = self.read(dataset, scan).await?;
        bridge::to_frame(&schema, &batches)
    }

    /// Reads rows as consecutive frames; one empty frame if there are no rows.
    pub async fn frames(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<impl Stream<Item = Result<DataFrame, StoreError>>, StoreError> {
        let stream = self.scan(dataset, scan).await?;
        let (schema, name) = (stream.schema(), dataset.name.clone());
        let empty = bridge::to_frame(&schema, &[])?;
        let frames = stream.map(move |batch| {
            let batch = batch.map_err(|error| StoreError::Dataset {
                name: name.clone(),
                action: "read",
                reason: error.strip_backtrace(),
            })?;
            bridge::to_frame(&schema, &[batch])
        });
        Ok(futures::stream::once(async { Ok(empty) }).chain(frames))
    }

    /// Estimates the memory of a frame with the rows of a scan, in bytes, from the first rows.
    pub async fn estimate(&self, dataset: &DatasetRef, scan: &Scan) -> Result<u64, StoreError> {
        let limit = Some(SAMPLE_ROWS);
        let scan = Scan {
            limit,
            ..scan.clone()
        };
        let sample = self.read_frame(dataset, &scan).await?;
        let rows = sample.height().max(1) as u64;
        let bytes = sample.estimated_size() as u64;
        Ok(u128::from(bytes)
            .saturating_mul(u128::from(dataset.rows))
            .div_ceil(u128::from(rows))
            .try_into()
            .unwrap_or(u64::MAX))
    }
}

/// Returns true if a commit failed only because of a concurrent commit.
fn is_commit_conflict(error: &lance::Error) -> bool {
    matches!(
        error,
        lance::Error::DatasetAlreadyExists { .. }
            | lance::Error::CommitConflict { .. }
            | lance::Error::IncompatibleTransaction { .. }
            | lance::Error::RetryableCommitConflict { .. }
            | lance::Error::TooMuchWriteContention { .. }
    )
}

async fn reference(name: &str, dataset: &Dataset) -> Result<DatasetRef, StoreError> {
    let rows = dataset
        .count_rows(None)
        .await
        .map_err(|error| dataset_error(name, "read", &error))?;
    Ok(DatasetRef {
        name: name.to_string(),
        version: dataset.version_id(),
        rows: rows as u64,
    })
}

pub(crate) fn dataset_error(name: &str, action: &'static str, error: &lance::Error) -> StoreError {
    StoreError::Dataset {
        name: name.to_string(),
        action,
        reason: first_line(error),
    }
}

/// The first line of an error, without the source locations that Lance adds.
fn first_line(error: &lance::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    without_source_locations(line)
}

/// Removes the source locations of Rust files, such as `, /src/io.rs:44:9`.
fn without_source_locations(line: &str) -> String {
    let parts = line.split(", ").filter(|part| {
        let position = part.split(".rs:").nth(1);
        !position.is_some_and(|position| position.starts_with(|c: char| c.is_ascii_digit()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Checks that a name is valid for jobs and datasets.
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let starts_validly = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    let has_valid_characters = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if starts_validly && has_valid_characters && name.len() <= 200 {
        return Ok(());
    }
    Err(StoreError::Name {
        name: name.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_locations_are_removed() {
        let message = "LanceError(IO): Not found: a, b.manifest, /x/lance-14.0.2/src/io.rs:44:9, rust/c.rs:1:2";
        assert_eq!(
            without_source_locations(message),
            "LanceError(IO): Not found: a, b.manifest"
        );
        assert_eq!(
            without_source_locations("no place, in main.rs: none"),
            "no place, in main.rs: none"
        );
    }

    #[tokio::test]
    async fn same_inputs_make_no_new_version() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path(), "review").unwrap();
        let frame = polars::df!("n" => [1_i64, 2, 3]).unwrap();
        let mut versions = Vec::new();
        for fingerprint in ["a", "a", "b", "a", "a again"] {
            let properties = Properties::from([(FINGERPRINT.to_string(), fingerprint.to_string())]);
            let committed = lake
                .write_frame("numbers", &frame, &properties)
                .await
                .unwrap();
            assert_eq!(committed.rows, 3);
            versions.push(committed.version);
        }
        // Only the newest version is reused, not an older version with the same inputs.
        assert_eq!(versions, [1, 1, 2, 3, 4]);
        let anonymous = Properties::new();
        let committed = lake
            .write_frame("numbers", &frame, &anonymous)
            .await
            .unwrap();
        assert_eq!(
            committed.version, 5,
            "without the property each write is a version"
        );
    }
}
