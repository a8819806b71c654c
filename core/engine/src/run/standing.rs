//! The run that is there already: the same plan on the same records, done.

use super::{Runner, identity_of, last_and_next, texts_of};
use crate::{job::Job, journal::RunSummary, plan::Plan};
use retrocast_run::{RunStatus, files::PLAN};
use std::{fs, sync::Arc};

impl Runner {
    /// The newest run of this plan on these records, when it is complete and nothing would be done
    /// anew: then there is nothing to gain from one more. Nothing is written.
    pub async fn standing(&self, job: &Arc<Job>, plan: &Arc<Plan>) -> Option<RunSummary> {
        let ctx = self.context(job, plan);
        let records = self.identities(&ctx).await;
        let identity = identity_of(plan, &texts_of(&records));
        let newest = self.newest(plan, &identity)?;
        let decisions = self.decisions(&ctx, &records).await;
        decisions
            .iter()
            .all(|decision| decision.reuse)
            .then_some(newest)
    }

    /// The newest run of this identity, when it is complete and was made by this build.
    fn newest(&self, plan: &Plan, identity: &str) -> Option<RunSummary> {
        let window = self.options.reports.join(&plan.job).join(&plan.label);
        let folder = window.join(last_and_next(&window, identity).0?);
        let told: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join(PLAN)).ok()?).ok()?;
        let now = serde_json::json!(plan);
        let same = told["build"] == self.options.build.as_str()
            && ["nodes", "date", "compare"]
                .iter()
                .all(|key| told[key] == now[key]);
        let summary = RunSummary::read(&folder).ok()?;
        (same && summary.status == RunStatus::Complete).then_some(summary)
    }
}
