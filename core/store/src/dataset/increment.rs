//! Incremental versions: adds and deletes rows by one commit.

use super::{
    Lake, PendingRows, Properties, Scan, dataset_error, is_commit_conflict, reference,
    rows::{DeletedRows, Rows},
    successor::SuccessorCommit,
};
use crate::{error::StoreError, origin};
use arrow::{array::AsArray as _, datatypes::UInt32Type};
use datafusion::{
    execution::SendableRecordBatchStream,
    logical_expr::{ident, lit},
    physical_plan::stream::RecordBatchStreamAdapter,
};
use lance::{
    Dataset,
    dataset::{
        CommitBuilder, InsertBuilder, WriteMode, WriteParams,
        fragment::FileFragment,
        scanner::MaterializationStyle,
        transaction::{Operation, TransactionBuilder, UpdateMode},
    },
};
use lance_table::format::Fragment;
use retrocast_domain::cell::DatasetRef;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The column where Lance returns the address of a row: its fragment in the upper 32 bits, its
/// offset in the lower 32 bits.
pub(crate) const ROW_ADDRESS: &str = "_rowaddr";
/// Maximum number of versions searched for a property, because compaction creates versions without
/// properties.
const SEARCHED_VERSIONS_MAX: u64 = 16;

/// The rows of a dataset to read.
pub(crate) enum RowSubset<'a> {
    All,
    /// The rows of some objects.
    Objects(&'a BTreeSet<u32>),
    /// Rows prepared for the next version.
    Pending(&'a PendingRows),
}

impl PendingRows {
    /// An empty set of rows to add.
    pub(crate) fn empty() -> Self {
        Self::from_fragments(Vec::new())
    }

    fn from_fragments(fragments: Vec<Fragment>) -> Self {
        Self(TransactionBuilder::new(0, Operation::Append { fragments }).build())
    }

    /// The files with the rows to append.
    fn fragments(&self, name: &str) -> Result<&[Fragment], StoreError> {
        match &self.0.operation {
            Operation::Append { fragments } => Ok(fragments),
            other => Err(StoreError::Dataset {
                name: name.to_string(),
                action: "written",
                reason: format!("rows were prepared for {other}, not for appending"),
            }),
        }
    }
}

impl Lake {
    /// Writes rows to the files of a dataset for an uncommitted version: the successor of `base`,
    /// or a first version.
    pub(crate) async fn prepare(
        &self,
        name: &str,
        rows: SendableRecordBatchStream,
        base: Option<&DatasetRef>,
    ) -> Result<PendingRows, StoreError> {
        let failed = |error: lance::Error| dataset_error(name, "written", &error);
        let uri = self.create_folder(name)?;
        let params = WriteParams {
            mode: match base {
                Some(_) => WriteMode::Append,
                None => WriteMode::Overwrite,
            },
            session: Some(self.session.clone()),
            ..WriteParams::default()
        };
        let builder = match base {
            Some(base) => InsertBuilder::new(self.open(base).await?),
            None => InsertBuilder::new(uri.as_str()),
        };
        builder
            .with_params(&params)
            .execute_uncommitted_stream(rows)
            .await
            .map(PendingRows)
            .map_err(failed)
    }

    /// Creates a dataset without rows, or opens a dataset that another process has just created.
    pub(crate) async fn create(
        &self,
        name: &str,
        schema: arrow_schema::SchemaRef,
    ) -> Result<DatasetRef, StoreError> {
        let no_rows = RecordBatchStreamAdapter::new(schema, futures::stream::empty());
        let PendingRows(transaction) = self.prepare(name, Box::pin(no_rows), None).await?;
        let created = CommitBuilder::new(self.uri(name)?.as_str())
            .with_session(self.session.clone())
            .with_commit_handler(Arc::new(SuccessorCommit::after(0)))
            .execute(transaction)
            .await;
        match created {
            Ok(dataset) => reference(name, &dataset).await,
            Err(error) => match self.latest(name).await? {
                Some(latest) => Ok(latest),
                None => Err(dataset_error(name, "written", &error)),
            },
        }
    }

    /// Commits prepared rows as a version without other rows.
    pub(crate) async fn replace(
        &self,
        name: &str,
        prepared: PendingRows,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        if let Some(reference) = self.committed_from_same_inputs(name, properties).await? {
            return Ok(reference);
        }
        let mut transaction = prepared.0;
        transaction.transaction_properties = Some(to_transaction_properties(properties));
        let uri = self.uri(name)?;
        let written = self.commit(name, &uri, transaction).await?;
        reference(name, &written).await
    }

    /// Marks superseded prepared rows as deleted, by their numbers. The marks refer to the fragment
    /// numbers that the files get in [`extend`](Self::extend), after the fragments of `base`.
    pub(crate) async fn mark_superseded(
        &self,
        base: &DatasetRef,
        prepared: PendingRows,
        superseded: &Rows,
    ) -> Result<PendingRows, StoreError> {
        if superseded.len() == 0 {
            return Ok(prepared);
        }
        let dataset = self.open(base).await?;
        let next = dataset.manifest().max_fragment_id().map_or(0, |id| id + 1);
        let (mut first, mut remaining) = (0, Vec::new());
        for (id, fragment) in (next..).zip(prepared.fragments(&base.name)?) {
            let mut fragment = fragment.clone();
            fragment.id = id;
            let fragment = FileFragment::new(dataset.clone(), fragment);
            let failed = |error: lance::Error| dataset_error(&base.name, "written", &error);
            let end = first + fragment.physical_rows().await.map_err(failed)? as u64;
            let deleted = superseded
                .between(first, end)
                .map(|row| (row - first) as u32);
            let kept = fragment.extend_deletions(deleted).await.map_err(failed)?;
            remaining.extend(kept.map(|kept| kept.metadata().clone()));
            first = end;
        }
        Ok(PendingRows::from_fragments(remaining))
    }

    /// Commits prepared rows appended to the rows of `base`, without the deleted rows: as the
    /// direct successor of `base`, or not at all if another writer committed that version.
    pub(crate) async fn extend(
        &self,
        base: &DatasetRef,
        prepared: PendingRows,
        deleted: &DeletedRows,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let failed = |error: lance::Error| dataset_error(&base.name, "written", &error);
        let dataset = self.open(base).await?;
        let new_fragments = prepared.fragments(&base.name)?.to_vec();
        let (mut updated, mut removed) = (Vec::new(), Vec::new());
        for (fragment, offsets) in deleted {
            let opened = dataset.get_fragment(*fragment as usize);
            let opened = opened.ok_or_else(|| StoreError::Dataset {
                name: base.name.clone(),
                action: "read",
                reason: format!("it has no fragment {fragment}"),
            })?;
            match opened.extend_deletions(offsets.iter().copied()).await {
                Ok(Some(kept)) => updated.push(kept.metadata().clone()),
                Ok(None) => removed.push(u64::from(*fragment)),
                Err(error) => return Err(failed(error)),
            }
        }
        let operation = Operation::Update {
            removed_fragment_ids: removed,
            updated_fragments: updated,
            new_fragments,
            fields_modified: Vec::new(),
            compacted_sstables: Vec::new(),
            fields_for_preserving_frag_bitmap: Vec::new(),
            update_mode: Some(UpdateMode::RewriteRows),
            inserted_rows_filter: None,
            updated_fragment_offsets: None,
        };
        let transaction = TransactionBuilder::new(dataset.version_id(), operation)
            .transaction_properties(Some(to_transaction_properties(properties)))
            .build();
        let committed = CommitBuilder::new(dataset)
            .with_session(self.session.clone())
            .with_commit_handler(Arc::new(SuccessorCommit::after(base.version)))
            .execute(transaction.clone())
            .await;
        let written = match committed {
            Err(error) => match self.own_commit(&base.name, &transaction).await? {
                Some(own) => own,
                None if is_commit_conflict(&error) => {
                    return Err(StoreError::WriteConflict {
                        name: base.name.clone(),
                    });
                }
                None => return Err(failed(error)),
            },
            Ok(written) => written,
        };
        reference(&base.name, &written).await
    }

    /// Makes an older version the newest again, as the direct successor of `latest`; returns false
    /// if another writer commits at the same time.
    pub(crate) async fn restore(
        &self,
        dataset: &DatasetRef,
        latest: &DatasetRef,
        properties: &Properties,
    ) -> Result<bool, StoreError> {
        let version = dataset.version;
        let transaction = TransactionBuilder::new(latest.version, Operation::Restore { version })
            .transaction_properties(Some(to_transaction_properties(properties)))
            .build();
        let committed = CommitBuilder::new(self.open(latest).await?)
            .with_session(self.session.clone())
            .with_commit_handler(Arc::new(SuccessorCommit::after(latest.version)))
            .execute(transaction)
            .await;
        match committed {
            Ok(_) => Ok(true),
            Err(error) if is_commit_conflict(&error) => Ok(false),
            Err(error) => Err(dataset_error(&dataset.name, "written", &error)),
        }
    }

    /// The properties of exactly this version.
    pub(crate) async fn properties_of(
        &self,
        dataset: &DatasetRef,
    ) -> Result<Option<Properties>, StoreError> {
        let opened = self.open(dataset).await?;
        Ok(transaction_properties(&opened, dataset.version).await)
    }

    /// The properties of the newest version, no newer than this one, that has the given property.
    pub(crate) async fn properties_with(
        &self,
        dataset: &DatasetRef,
        property: &str,
    ) -> Result<Option<Properties>, StoreError> {
        let newest = self.newest_with(dataset, property).await?;
        Ok(newest.map(|(_, properties)| properties))
    }

    /// The number of the newest version, no newer than this one, that has the given property.
    pub(crate) async fn version_with(
        &self,
        dataset: &DatasetRef,
        property: &str,
    ) -> Result<Option<u64>, StoreError> {
        let newest = self.newest_with(dataset, property).await?;
        Ok(newest.map(|(version, _)| version))
    }

    async fn newest_with(
        &self,
        dataset: &DatasetRef,
        property: &str,
    ) -> Result<Option<(u64, Properties)>, StoreError> {
        let opened = self.open(dataset).await?;
        let first = dataset.version.saturating_sub(SEARCHED_VERSIONS_MAX) + 1;
        for version in (first.max(1)..=dataset.version).rev() {
            let properties = transaction_properties(&opened, version).await;
            if let Some(properties) =
                properties.filter(|properties| properties.contains_key(property))
            {
                return Ok(Some((version, properties)));
            }
        }
        Ok(None)
    }

    /// Reads columns, including hidden columns, with the address of each row, in order.
    pub(crate) async fn scan_addresses(
        &self,
        dataset: &DatasetRef,
        columns: &[String],
        subset: RowSubset<'_>,
    ) -> Result<
        impl futures::Stream<Item = lance::Result<arrow::array::RecordBatch>> + Unpin,
        StoreError,
    > {
        let failed = |error: lance::Error| dataset_error(&dataset.name, "read", &error);
        let opened = self.open(dataset).await?;
        let mut scanner = opened.scan();
        scanner.scan_in_order(true).with_row_address();
        scanner.project(columns).map_err(failed)?;
        match subset {
            RowSubset::All => {}
            RowSubset::Objects(objects) => {
                let fragments = fragments_with(&opened, objects).await.map_err(failed)?;
                scanner.with_fragments(fragments);
                let objects = objects.iter().map(|object| lit(*object)).collect();
                scanner.filter_expr(ident(origin::OBJECT).in_list(objects, false));
                // For excluded rows, only the object number is read, in folders and in object
                // storage.
                scanner.materialization_style(MaterializationStyle::AllLate);
            }
            RowSubset::Pending(prepared) => {
                scanner.with_fragments(prepared.fragments(&dataset.name)?.to_vec());
            }
        }
        Box::pin(scanner.try_into_stream()).await.map_err(failed)
    }

    /// Reads rows with all columns, including the columns of their origin.
    pub(crate) async fn scan_all(
        &self,
        dataset: &DatasetRef,
        scan: &Scan,
    ) -> Result<SendableRecordBatchStream, StoreError> {
        let opened = self.open(dataset).await?;
        let schema = arrow_schema::Schema::from(opened.schema());
        let names = schema.fields().iter().map(|field| field.name().clone());
        let scan = Scan {
            columns: Some(names.collect()),
            ..scan.clone()
        };
        self.scan(dataset, &scan).await
    }
}

/// Finds the fragments that may have rows of `objects`. Rows are ordered by object number, even
/// after increments and compaction, so the first and the last row of a fragment suffice.
async fn fragments_with(
    dataset: &Dataset,
    objects: &BTreeSet<u32>,
) -> lance::Result<Vec<Fragment>> {
    let projection = dataset.schema().project(&[origin::OBJECT])?;
    let mut fragments = Vec::new();
    for fragment in dataset.get_fragments() {
        let Some(last) = fragment.count_rows(None).await?.checked_sub(1) else {
            continue;
        };
        let ends = fragment.take(&[0, last as u32], &projection).await?;
        let ends = ends.column(0).as_primitive_opt::<UInt32Type>();
        let may_have = ends.is_none_or(|ends| {
            let (first, last) = (ends.value(0), ends.value(1));
            first > last || objects.range(first..=last).next().is_some()
        });
        if may_have {
            fragments.push(fragment.metadata().clone());
        }
    }
    Ok(fragments)
}

/// The properties of a version; `None` if unknown.
async fn transaction_properties(dataset: &Dataset, version: u64) -> Option<Properties> {
    let transaction = dataset.read_transaction_by_version(version).await.ok()??;
    let properties = transaction.transaction_properties?;
    Some(
        properties
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

fn to_transaction_properties(properties: &Properties) -> Arc<HashMap<String, String>> {
    Arc::new(properties.clone().into_iter().collect())
}
