//! What was staged becomes a dataset without being written again.

use super::{Lake, Prepared, Properties, dataset_error, increment::remembered, reference};
use crate::{error::StoreError, ingest::Rows};
use lance::{
    Dataset,
    dataset::{
        CommitBuilder,
        cleanup::{CleanupPolicyBuilder, cleanup_old_versions},
        transaction::{Operation, TransactionBuilder},
    },
};
use retrocast_domain::cell::DatasetRef;
use std::{path::Path, sync::Arc};

impl Lake {
    /// Whether nothing is at the place of a dataset, not even what somebody left behind.
    pub(crate) fn is_free(&self, name: &str) -> Result<bool, StoreError> {
        Ok(!self.path(name)?.exists())
    }

    /// Moves the files of a dataset of another lake here, for a version that begins anew.
    pub(crate) async fn take_files(
        &self,
        from: &Lake,
        staged: &DatasetRef,
    ) -> Result<Prepared, StoreError> {
        let name = &staged.name;
        self.make_folder(name)?;
        let (source, here) = (from.path(name)?.join("data"), self.path(name)?.join("data"));
        let opened = from.open(staged).await?;
        let mut fragments = Vec::new();
        for fragment in opened.get_fragments() {
            let mut metadata = fragment.metadata().clone();
            // It gets a number when it is committed.
            metadata.id = 0;
            std::fs::create_dir_all(&here)
                .map_err(|error| StoreError::io("creating the folder", &here, &error))?;
            for file in &metadata.files {
                rename(&source.join(&file.path), &here.join(&file.path))?;
            }
            fragments.push(metadata);
        }
        let operation = Operation::Overwrite {
            fragments,
            schema: opened.schema().clone(),
            config_upsert_values: None,
            initial_bases: None,
        };
        let version = self.latest(name).await?.map_or(0, |latest| latest.version);
        Ok(Prepared(
            TransactionBuilder::new(version, operation).build(),
        ))
    }

    /// Moves a dataset of another lake here as a whole, without some of its rows: those are marked as
    /// deleted. There must be none of its name. The move is what commits it.
    pub(crate) async fn take_whole(
        &self,
        from: &Lake,
        staged: &DatasetRef,
        without: &Rows,
        properties: &Properties,
    ) -> Result<DatasetRef, StoreError> {
        let name = &staged.name;
        let failed = |error: lance::Error| dataset_error(name, "written", &error);
        let opened = from.open(staged).await?;
        let operation = deletion(&opened, without).await.map_err(failed)?;
        let transaction = TransactionBuilder::new(opened.version_id(), operation)
            .transaction_properties(Some(remembered(properties)))
            .build();
        let committed = CommitBuilder::new(opened).execute(transaction).await;
        let committed = committed.map_err(failed)?;
        // Nobody is to find the rows that do not count in an older version.
        let before = CleanupPolicyBuilder::default()
            .versions(vec![staged.version])
            .map_err(failed)?
            .build();
        cleanup_old_versions(&committed, before)
            .await
            .map_err(failed)?;
        let taken = reference(name, &committed).await?;
        self.make_folder(name)?;
        rename(&from.path(name)?, &self.path(name)?)?;
        Ok(taken)
    }
}

/// Marks rows of a dataset as deleted, counted over all fragments.
async fn deletion(dataset: &Arc<Dataset>, rows: &Rows) -> lance::Result<Operation> {
    let (mut updated_fragments, mut deleted_fragment_ids) = (Vec::new(), Vec::new());
    let mut first = 0_u64;
    for fragment in dataset.get_fragments() {
        let end = first + fragment.physical_rows().await? as u64;
        let gone: Vec<u32> = rows
            .between(first, end)
            .map(|row| (row - first) as u32)
            .collect();
        first = end;
        if gone.is_empty() {
            continue;
        }
        let id = fragment.id() as u64;
        match fragment.extend_deletions(gone).await? {
            Some(rest) => updated_fragments.push(rest.metadata().clone()),
            None => deleted_fragment_ids.push(id),
        }
    }
    Ok(Operation::Delete {
        updated_fragments,
        deleted_fragment_ids,
        predicate: "another row of its key counts".to_string(),
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|error| StoreError::io("moving the file", from, &error))
}
