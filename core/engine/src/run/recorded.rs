//! The recorded sources of an earlier run, for a rerun.

use super::{Identities, Runner};
use crate::{
    executor::{Failure, RunContext},
    outcome_store::Record,
};
use retrocast_run::{EventKind, Fingerprint, Journal, Node, RunOrigin, SourceRecords};
use std::{collections::BTreeMap, path::Path};

/// The sources of an earlier run, by full name of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedSources {
    /// Identities of the sources.
    pub records: BTreeMap<String, SourceRecords>,
    /// Keys of the cached outcomes of the sources.
    pub outcomes: BTreeMap<String, Fingerprint>,
}

impl RecordedSources {
    /// Reads the sources from the plan and the journal in a run's folder.
    pub fn read(folder: &Path) -> Result<Self, retrocast_run::Error> {
        let records = RunOrigin::read(folder)?.records;
        let finished = Journal::read(folder)?
            .into_iter()
            .filter(|event| matches!(event.event, EventKind::NodeFinished | EventKind::NodeReused));
        let outcomes = finished.filter_map(|event| Some((event.node?, event.fingerprint?)));
        let outcomes = outcomes
            .filter(|(node, _)| records.contains_key(node))
            .collect();
        Ok(Self { records, outcomes })
    }

    /// The identities of the sources, in the form that a run needs.
    pub(super) fn identities(&self) -> Identities {
        let identities = self.records.iter().map(|(name, records)| {
            let records = match records {
                SourceRecords::Hash(hash) => Ok(hash.clone()),
                SourceRecords::Unreadable(reason) => Err(Failure::data(format!(
                    "could not be read by the repeated run: {reason}"
                ))),
            };
            (name.clone(), records)
        });
        identities.collect()
    }
}

impl Runner {
    /// The recorded outcome of a source. A changed contract or program is ignored, because the
    /// dataset is the one that was reported on.
    pub(super) async fn recorded_outcome(&self, node: &Node, ctx: &RunContext) -> Option<Record> {
        let fingerprint = self.options.recorded.as_ref()?.outcomes.get(&node.name)?;
        let record = self.store.get(fingerprint)?;
        let is_usable = self.executor.is_usable(node, &record.outcome, ctx).await;
        (is_usable && record.node == node.name).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        executor::NoProgress,
        run::{RunOptions, RunResult},
        test_support::{self, Folder, ScriptedExecutor, TestClock},
    };
    use retrocast_run::RunStatus;
    use std::sync::Arc;

    /// Runs the job with `contract` as the contract of tickets.
    async fn run(
        folder: &Folder,
        executor: &Arc<ScriptedExecutor>,
        contract: &str,
        recorded: Option<RecordedSources>,
    ) -> RunResult {
        let mut options = RunOptions::new(folder.join("lake"), folder.join("reports"), "0.1.0");
        options.recorded = recorded;
        let clock = Arc::new(TestClock::default());
        let runner = Runner::new(executor.clone(), clock, Arc::new(NoProgress), options);
        let (job, mut plan) = (
            test_support::job(test_support::JOB),
            test_support::plan(test_support::JOB),
        );
        let tickets = plan.nodes.iter_mut().find(|n| n.name == "source.tickets");
        tickets.unwrap().contract_hash = contract.to_string();
        runner.run(Arc::new(job), Arc::new(plan)).await.unwrap()
    }

    #[tokio::test]
    async fn recorded_sources_are_reused_although_their_contract_changed() {
        let (folder, executor) = (Folder::new(), Arc::new(ScriptedExecutor::default()));
        let first = run(&folder, &executor, "old", None).await;
        executor.take_executed();
        // Records and contract have changed since, and a newer run has read them.
        let other = ("source.tickets".to_string(), "other".to_string());
        executor.records.lock().unwrap().extend([other]);
        let newer = run(&folder, &executor, "new", None).await;
        assert_ne!(newer.run, first.run);
        executor.take_executed();

        let recorded = RecordedSources::read(&first.folder).unwrap();
        assert_eq!(recorded.outcomes.len(), 2);
        let rerun = run(&folder, &executor, "new", Some(recorded.clone())).await;
        assert_eq!(rerun.status, RunStatus::Complete);
        assert_eq!(executor.take_executed(), [""; 0], "every outcome is cached");
        let datasets = |result: &RunResult| result.outcomes["source.tickets"].datasets.clone();
        assert_eq!(datasets(&rerun), datasets(&first));
        assert_ne!(datasets(&rerun), datasets(&newer));
        let events = Journal::read(&rerun.folder).unwrap();
        let event = events
            .iter()
            .find(|event| event.node.as_deref() == Some("source.tickets"));
        let message = event.unwrap().message.clone().unwrap();
        assert_eq!(message, "recorded by the repeated run, reuse");

        // Without its dataset the run cannot be repeated; the error has advice.
        executor
            .deleted
            .lock()
            .unwrap()
            .insert("source.tickets".to_string());
        let result = run(&folder, &executor, "new", Some(recorded)).await;
        assert_eq!(result.status, RunStatus::Failed);
        let (node, failure) = &result.failed[0];
        let message = failure.to_string();
        assert_eq!(node, "source.tickets");
        for words in ["no longer in the lake", "contract changed", "--current"] {
            assert!(message.contains(words), "{message}");
        }
        assert!(
            !executor.take_executed().contains(node),
            "no records are read"
        );
    }
}
