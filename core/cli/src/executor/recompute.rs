//! Computes single nodes of a recorded run again.

use super::{WorkspaceExecutor, failure, stage};
use retrocast_domain::{Cell, CellStatus, Outcome, cell::DatasetRef};
use retrocast_engine::{Executor as _, Failure, NoProgress, RunContext};
use retrocast_run::Node;
use retrocast_store::maintenance::QueryResult;
use std::{collections::BTreeMap, sync::Arc};

impl WorkspaceExecutor {
    /// Computes a source or stage again, from the recorded outcomes that it read: a stage runs, the
    /// records of a source are counted. The cell of a stage that failed in the run reports the
    /// failure again.
    pub async fn recompute(
        &self,
        node: &Node,
        recorded: &Outcome,
        inputs: &BTreeMap<String, Arc<Outcome>>,
        ctx: &RunContext,
    ) -> Result<Outcome, Failure> {
        if let Some(source) = node.source() {
            let (Some(note), Some(rows)) = (&recorded.source, recorded.datasets.first()) else {
                return Ok(recorded.clone());
            };
            let contract = self.contract(&source.contract)?;
            let lake = self.lake(ctx)?;
            let note = retrocast_store::recount(&lake, note, rows, &contract).await;
            return Ok(Outcome {
                source: Some(note.map_err(failure)?),
                ..recorded.clone()
            });
        }
        if matches!(recorded.cell.status, CellStatus::NotRun { .. }) {
            return Ok(recorded.clone());
        }
        let computed = self.execute(node, inputs, ctx, &NoProgress).await;
        let mut outcome = match computed {
            Err(failure) if recorded.cell.status.is_failed() => {
                return Ok(failed_outcome(node, recorded, &failure));
            }
            computed => computed?,
        };
        // In another lake, the rows have another version.
        let recorded_versions = recorded.datasets.iter().map(|dataset| dataset.version);
        for (dataset, version) in outcome.datasets.iter_mut().zip(recorded_versions) {
            dataset.version = version;
        }
        outcome.cell.output = outcome.datasets.first().cloned();
        Ok(outcome)
    }

    /// The time column of a source, or of a stage that selects single records of a source.
    pub fn time_column(&self, dataset: &str, ctx: &RunContext) -> Result<Option<String>, Failure> {
        let expectation = stage::expectation(self, dataset, ctx, super::lineage::LINEAGE_MAX)?;
        Ok(expectation.map(|(_, time)| time))
    }

    /// Describes why a recorded version of a dataset cannot be what the run read; `None` if it can.
    pub async fn dataset_problem(&self, dataset: &DatasetRef, ctx: &RunContext) -> Option<String> {
        let DatasetRef {
            name,
            version,
            rows,
        } = dataset;
        let counted = match self.lake(ctx) {
            Ok(lake) => lake.count_rows(dataset).await.map_err(failure),
            Err(failure) => Err(failure),
        };
        match counted {
            Ok(counted) if counted == *rows => None,
            Ok(counted) => Some(format!(
                "{name}@{version} has {}, and had {} in the run",
                retrocast_domain::number::plural(counted, "row"),
                retrocast_domain::number::count(*rows)
            )),
            Err(_) => Some(format!(
                "{name}@{version} is no longer in the lake: `retrocast lake versions {}` lists \
                 those that are",
                ctx.job.name
            )),
        }
    }

    /// Runs a query over recorded versions of datasets, such as `tickets@42`, and returns at most
    /// `limit` rows.
    pub async fn query(
        &self,
        query: &str,
        limit: usize,
        ctx: &RunContext,
    ) -> Result<QueryResult, Failure> {
        let lake = self.lake(ctx)?;
        lake.query(&self.sql(ctx), query, limit)
            .await
            .map_err(failure)
    }
}

/// The outcome of a stage that fails as it did in the run.
fn failed_outcome(node: &Node, recorded: &Outcome, failure: &Failure) -> Outcome {
    let mut cell = Cell::new(node.short(), node.kind());
    cell.title.clone_from(&node.title);
    cell.params.clone_from(&node.param_lines);
    cell.chapter = recorded.cell.chapter;
    cell.status = CellStatus::Failed {
        message: failure.to_string(),
    };
    Outcome {
        cell,
        ..recorded.clone()
    }
}
