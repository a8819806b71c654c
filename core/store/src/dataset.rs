//! The lake: Lance datasets of one job, each with its versions.
//!
//! A dataset is a folder `<root>/<job>/<name>.lance`. Every write makes one new version by one
//! commit; older versions stay readable, so a report can always cite what it was made from.

use crate::{bridge, error::StoreError};
use arrow::array::RecordBatch;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::{
    common::ScalarValue,
    error::DataFusionError,
    execution::SendableRecordBatchStream,
    logical_expr::{Expr, ident, lit},
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{StreamExt, TryStreamExt};
use lance::{
    Dataset,
    dataset::{InsertBuilder, ReadParams, WriteMode, WriteParams, builder::DatasetBuilder},
    io::RecordBatchStream as _,
    session::Session,
};
use polars::prelude::DataFrame;
use retrocast_domain::cell::DatasetRef;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is remembered with a version, such as the run that wrote it.
pub type Properties = BTreeMap<String, String>;

/// Memory for Lance's metadata; its own default of several GiB is for servers.
const METADATA_CACHE_BYTES: usize = 128 << 20;
const INDEX_CACHE_BYTES: usize = 16 << 20;
/// Rows of a batch when a dataset is read.
const BATCH_ROWS: usize = 8192;

/// The datasets of one job.
#[derive(Clone)]
pub struct Lake {
    folder: PathBuf,
    session: Arc<Session>,
}

/// Which part of a dataset to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Columns in this order; all when `None`.
    pub columns: Option<Vec<String>>,
    /// Leaves out later rows.
    pub before: Option<Before>,
}

/// Leaves out rows at or after a moment; rows without a time stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Timestamp or date column.
    pub column: String,
    /// The first moment that is left out.
    pub end: jiff::Timestamp,
}

impl Before {
    /// The condition as an expression over a column of this type.
    pub(crate) fn expression(&self, data_type: &DataType) -> Option<Expr> {
        let micros = self.end.as_microsecond();
        let limit = match data_type {
            // A day belongs to the past when its midnight does.
            DataType::Date32 => {
                let days = -(-micros).div_euclid(86_400_000_000);
                ScalarValue::Date32(Some(i32::try_from(days).ok()?))
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                ScalarValue::TimestampMicrosecond(Some(micros), zone.clone())
            }
            _ => return None,
        };
        let column = ident(&self.column);
        Some(column.clone().lt(lit(limit)).or(column.is_null()))
    }
}

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNote {
    /// Its number.
    pub version: u64,
    /// When it was committed.
    pub committed: jiff::Timestamp,
    /// What was remembered with it.
    pub properties: Properties,
}

impl Lake {
    /// The lake of a job below `root`. Nothing is created until something is written.
    pub fn new(root: &Path, job: &str) -> Result<Self, StoreError> {
        named(job)?;
        Ok(Self {
            folder: absolute(&root.join(job))?,
            session: session(),
        })
    }

    /// An empty lake inside this one for rows that are not yet to be seen.
    pub(crate) fn staging(&self, name: &str) -> Result<Self, StoreError> {
        named(name)?;
        // Its own session: the folder is used again and again, and caches go by path and version.
        let folder = self.folder.join(".staging").join(name);
        let staging = Self {
            folder,
            session: session(),
        };
        // What a killed run left behind.
        staging.remove_all();
        Ok(staging)
    }

    pub(crate) fn remove_all(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(parent) = self
            .folder
            .parent()
            .filter(|parent| parent.ends_with(".staging"))
        {
            // Stays when another source is still being staged.
            let _ = std::fs::remove_dir(parent);
        }
    }

    /// Folder of a dataset.
    pub fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        named(name)?;
        Ok(self.folder.join(format!("{name}.lance")))
    }

    /// Writes a stream as a new version, by one commit.
    pub async fn write(
        &self,
        name: &str,
        rows: SendableRecordBatchStream,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let path = self.path(name)?;
        std::fs::create_dir_all(&self.folder).map_err(|error| StoreError::Io {
            action: "creating the folder",
            file: self.folder.display().to_string(),
            reason: error.to_string(),
        })?;
        let properties: HashMap<String, String> = properties.clone().into_iter().collect();
        let params = WriteParams {
            mode: WriteMode::Overwrite,
            session: Some(self.session.clone()),
            transaction_properties: Some(Arc::new(properties)),
            ..WriteParams::default()
        };
        let written = InsertBuilder::new(path.to_string_lossy().as_ref())
            .with_params(&params)
            .execute_stream(rows)
            .await
            .map_err(|error| dataset_error(name, "written", &error))?;
        reference(name, &written).await
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
        let path = self.path(&dataset.name)?;
        let opened = DatasetBuilder::from_uri(path.to_string_lossy())
            .with_session(self.session.clone())
            .with_version(dataset.version)
            .load()
            .await;
        opened.map(Arc::new).map_err(|error| StoreError::NoDataset {
            name: dataset.name.clone(),
            version: dataset.version,
            folder: self.folder.display().to_string(),
            reason: short(&error),
        })
    }

    /// The newest version, when there is one.
    pub async fn latest(&self, name: &str) -> Result<Option<DatasetRef>, StoreError> {
        let path = self.path(name)?;
        if !path.is_dir() {
            return Ok(None);
        }
        let params = ReadParams {
            session: Some(self.session.clone()),
            ..ReadParams::default()
        };
        let opened = DatasetBuilder::from_uri(path.to_string_lossy())
            .with_read_params(params)
            .load()
            .await
            .map_err(|error| dataset_error(name, "read", &error))?;
        reference(name, &opened).await.map(Some)
    }

    /// Whether a dataset is there at this version.
    pub async fn exists(&self, dataset: &DatasetRef) -> bool {
        self.open(dataset).await.is_ok()
    }

    /// Schema of a dataset.
    pub async fn schema(&self, dataset: &DatasetRef) -> Result<SchemaRef, StoreError> {
        Ok(Arc::new(self.open(dataset).await?.schema().into()))
    }

    /// Every version, oldest first, with what was remembered with it.
    pub async fn versions(&self, name: &str) -> Result<Vec<VersionNote>, StoreError> {
        let failed = |error: lance::Error| dataset_error(name, "read", &error);
        let Some(latest) = self.latest(name).await? else {
            return Ok(Vec::new());
        };
        let dataset = self.open(&latest).await?;
        let mut notes = Vec::new();
        for version in dataset.versions().await.map_err(failed)? {
            let transaction = dataset
                .read_transaction_by_version(version.version)
                .await
                .map_err(failed)?;
            let properties = transaction.and_then(|found| found.transaction_properties);
            notes.push(VersionNote {
                version: version.version,
                committed: jiff::Timestamp::from_microsecond(version.timestamp.timestamp_micros())
                    .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                properties: properties
                    .map(|found| found.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                    .unwrap_or_default(),
            });
        }
        notes.sort_by_key(|note| note.version);
        Ok(notes)
    }

    /// Reads rows as a stream, in the order in which they were written.
    pub async fn scan(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<SendableRecordBatchStream, StoreError> {
        let opened = self.open(dataset).await?;
        let failed = |error: lance::Error| dataset_error(&dataset.name, "read", &error);
        let mut scanner = opened.scan();
        scanner.scan_in_order(true).batch_size(BATCH_ROWS);
        if let Some(columns) = &scan.columns {
            scanner.project(columns).map_err(failed)?;
        }
        if let Some(before) = &scan.before {
            let schema = arrow_schema::Schema::from(opened.schema());
            let field = schema.field_with_name(&before.column)?;
            if let Some(condition) = before.expression(field.data_type()) {
                scanner.filter_expr(condition);
            }
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

    /// The first and last time of a dataset as ISO text; empty without a time column or times.
    pub async fn time_range(
        &self,
        dataset: &DatasetRef,
        time: Option<&str>,
    ) -> Result<(String, String), StoreError> {
        let Some(time) = time else {
            return Ok(Default::default());
        };
        let columns = Some(vec![time.to_string()]);
        let mut stream = self
            .scan(
                dataset,
                &Scan {
                    columns,
                    before: None,
                },
            )
            .await?;
        let is_date = stream.schema().field(0).data_type() == &DataType::Date32;
        let mut range: Option<(i64, i64)> = None;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| StoreError::Dataset {
                name: dataset.name.clone(),
                action: "read",
                reason: error.strip_backtrace(),
            })?;
            let found = crate::ingest::time_range(batch.column(0).as_ref());
            range = match (range, found) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
        }
        let text = |micros| match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) if is_date => time.to_string().chars().take(10).collect(),
            Ok(time) => time.to_string(),
            Err(_) => String::new(),
        };
        Ok(range
            .map(|(first, last)| (text(first), text(last)))
            .unwrap_or_default())
    }
}

fn session() -> Arc<Session> {
    Arc::new(Session::new(
        INDEX_CACHE_BYTES,
        METADATA_CACHE_BYTES,
        Arc::default(),
    ))
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

fn dataset_error(name: &str, action: &'static str, error: &lance::Error) -> StoreError {
    StoreError::Dataset {
        name: name.to_string(),
        action,
        reason: short(error),
    }
}

/// The first line of an error, without the place in somebody's source code that Lance adds.
fn short(error: &lance::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    match line.rfind(", /").or_else(|| line.rfind(", rust/")) {
        Some(at) => line[..at].to_string(),
        None => line.to_string(),
    }
}

fn named(name: &str) -> Result<(), StoreError> {
    let first = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if first && rest && name.len() <= 200 {
        return Ok(());
    }
    Err(StoreError::Name {
        name: name.to_string(),
    })
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| StoreError::Io {
        action: "finding the folder",
        file: path.display().to_string(),
        reason: error.to_string(),
    })
}
