//! Finds an existing run of the same plan on the same records.

use super::{Runner, identity_of, last_and_next, source_records};
use crate::job::Job;
use retrocast_run::{Plan, RecordedPlan, RunStatus, RunSummary};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};

impl Runner {
    /// Finds the newest run of this plan on these records, if it is complete and no node would run,
    /// so that another run would give the same result. Writes nothing.
    pub async fn up_to_date(
        &self,
        job: &Arc<Job>,
        plan: &Arc<Plan>,
    ) -> Option<(PathBuf, RunSummary)> {
        let ctx = self.context(job, plan);
        let records = self.identities(&ctx).await;
        let identity = identity_of(plan, &source_records(&records));
        let newest = self.newest(plan, &identity)?;
        let decisions = self.decisions(&ctx, &records).await;
        decisions
            .iter()
            .all(|decision| decision.reuse)
            .then_some(newest)
    }

    /// The newest run with this identity, if it is complete and was created by this build.
    fn newest(&self, plan: &Plan, identity: &str) -> Option<(PathBuf, RunSummary)> {
        let window = self.options.reports.join(&plan.job).join(&plan.label);
        let folder = window.join(last_and_next(&window, identity).0?);
        let RecordedPlan {
            plan: recorded,
            origin,
        } = RecordedPlan::read(&folder).ok()?;
        // Compares the serialised form: settings that are not in it, such as timeouts, do not
        // change outcomes.
        let is_same = origin.build == self.options.build
            && (recorded.date, &recorded.compare) == (plan.date, &plan.compare)
            && recorded.closed == plan.closed
            && json!((&recorded.nodes, &recorded.published, &recorded.decisions))
                == json!((&plan.nodes, &plan.published, &plan.decisions));
        let summary = RunSummary::of(&folder).ok()?;
        (is_same && summary.status == RunStatus::Complete).then_some((folder, summary))
    }
}
