//! `retrocast finding`: the decisions of users on findings, stored in the ledger.

use super::{
    archive::{find, read},
    lake::{one_line, table},
    person::person_or_current_user,
    print, print_json,
};
use crate::{
    Exit,
    arguments::{DecisionArguments, FindingCommand},
    diagnose::WrongUsage,
    workspace::Workspace,
};
use anyhow::Context as _;
use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use retrocast_domain::{Finding, FindingState};
use retrocast_run::{RecordedPlan, files::FINDINGS};
use retrocast_store::{
    Lake, Ledger,
    ledger::{self, Decision, decisions_in_force, finding_decisions},
    maintenance::QueryResult,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

/// Minimum length of an abbreviated id, in characters.
const ID_MIN: usize = 4;

/// Runs a subcommand of `retrocast finding`.
pub fn finding(workspace: &Workspace, command: FindingCommand) -> anyhow::Result<Exit> {
    match command {
        FindingCommand::Acknowledge { decision } => {
            decide(workspace, &decision, FindingState::Acknowledged, None)?;
        }
        FindingCommand::Wrong { decision } => {
            decide(workspace, &decision, FindingState::Wrong, None)?;
        }
        FindingCommand::Snooze { decision, until } => {
            if until <= Zoned::now().date() {
                let message = format!("--until {until} is not after today");
                return Err(WrongUsage(message).into());
            }
            decide(workspace, &decision, FindingState::Snoozed, Some(until))?;
        }
        FindingCommand::Reopen { decision } => {
            decide(workspace, &decision, FindingState::Reopened, None)?;
        }
        FindingCommand::List { job, all, json } => list(workspace, job.as_deref(), all, json)?,
    }
    Ok(Exit::Done)
}

fn start_runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start threads")
}

/// Records a decision.
fn decide(
    workspace: &Workspace,
    arguments: &DecisionArguments,
    state: FindingState,
    until: Option<Date>,
) -> anyhow::Result<()> {
    let (run, id) = arguments.finding.rsplit_once('#').ok_or_else(|| {
        let text = &arguments.finding;
        WrongUsage(format!(
            "{text:?}: expected RUN#FINDING, such as latest#3f9a1c20b7de"
        ))
    })?;
    let who = person_or_current_user("--by", arguments.by.as_deref())?;
    let why = one_line("--why", &arguments.why)?;
    let folder = find(workspace, run)?;
    let RecordedPlan { plan, origin } = RecordedPlan::read(&folder)?;
    let findings: Vec<Finding> = read(&folder.join(FINDINGS))?;
    let finding = find_finding(&findings, id)?;
    let decision = Decision {
        time: Timestamp::now(),
        who,
        noun: ledger::FINDINGS.name.to_string(),
        key: finding.id.clone(),
        decision: state.word().to_string(),
        why,
        until,
        run: Some(format!("{}/{}", plan.label, origin.run)),
    };
    let ledger = Ledger::new(&Lake::new(&workspace.lake_locations.root, &plan.job)?);
    start_runtime()?.block_on(ledger.decide(&decision))?;
    let until = until.map(|day| format!(" until {day}"));
    let text = format!(
        "{} {}{}, by {}: {}\nreports dated after today show it",
        decision.key,
        decision.decision,
        until.unwrap_or_default(),
        decision.who,
        finding.sentence
    );
    Ok(print(&text)?)
}

/// Looks up a finding by its id or the first characters of the id.
fn find_finding<'a>(findings: &'a [Finding], id: &str) -> Result<&'a Finding, WrongUsage> {
    if let Some(finding) = findings.iter().find(|finding| finding.id == id) {
        return Ok(finding);
    }
    let is_short = id.chars().count() < ID_MIN;
    let matching = findings.iter();
    let matching = matching.filter(|finding| !is_short && finding.id.starts_with(id));
    let ids: BTreeSet<&str> = matching
        .clone()
        .map(|finding| finding.id.as_str())
        .collect();
    let ids_of_findings = || findings.iter().map(|finding| finding.id.as_str());
    let help = match (
        ids.len(),
        retrocast_domain::suggest::nearest(id, ids_of_findings()),
    ) {
        (1, _) => match matching.clone().next() {
            Some(finding) => return Ok(finding),
            None => String::new(),
        },
        (0, _) if findings.is_empty() => "it has none".to_string(),
        (0, Some(nearest)) => format!("did you mean {nearest:?}?"),
        (0, None) => "`retrocast show RUN --json` prints their ids".to_string(),
        (_, _) => format!(
            "it matches {}",
            ids.into_iter().collect::<Vec<_>>().join(" or ")
        ),
    };
    Err(WrongUsage(format!("the run has no finding {id:?}; {help}")))
}

/// Lists decisions on findings, newest first.
fn list(workspace: &Workspace, job: Option<&str>, all: bool, as_json: bool) -> anyhow::Result<()> {
    let known = workspace.job_names();
    let jobs = match job {
        Some(job) if !known.iter().any(|name| name == job) => {
            let help = workspace.suggest_job(job);
            return Err(WrongUsage(format!("no job {job:?}; {help}")).into());
        }
        Some(job) => vec![job.to_string()],
        None => known,
    };
    let runtime = start_runtime()?;
    let today = Zoned::now().date();
    let mut listed: Vec<(String, Decision)> = Vec::new();
    for job in jobs {
        let ledger = Ledger::new(&Lake::new(&workspace.lake_locations.root, &job)?);
        let mut decisions = runtime.block_on(ledger.decisions())?;
        if !all {
            let active = finding_decisions(&decisions, today, &TimeZone::system());
            let active: BTreeSet<String> = active
                .into_iter()
                .map(|decision| decision.finding)
                .collect();
            let last = decisions_in_force(&decisions).into_values();
            let last: BTreeSet<String> = last
                .filter(|decision| {
                    decision.noun == ledger::FINDINGS.name && active.contains(&decision.key)
                })
                .map(Decision::event)
                .collect();
            decisions.retain(|decision| last.contains(&decision.event()));
        }
        listed.extend(
            decisions
                .into_iter()
                .map(|decision| (job.clone(), decision)),
        );
    }
    listed.sort_by(|(_, a), (_, b)| (b.time, &b.key).cmp(&(a.time, &a.key)));
    if as_json {
        let listed = listed.iter().map(|(job, decision)| {
            let mut value = json!(decision);
            value["job"] = json!(job);
            value
        });
        return print_json(&listed.collect::<Vec<Value>>());
    }
    let rows = listed.into_iter().map(|(job, decision)| {
        let until = decision.until.map(|day| day.to_string());
        let cells = [
            Some(format!("{:.0}", decision.time)),
            Some(job),
            Some(decision.key),
            Some(decision.decision),
            until,
            Some(decision.who),
            Some(decision.why),
        ];
        cells.to_vec()
    });
    let columns = ["time", "job", "finding", "decision", "until", "by", "why"];
    let result = QueryResult {
        numbers: vec![false; columns.len()],
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect(),
        more: false,
    };
    Ok(print(&table(&result))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_abbreviated_ids() {
        let mut findings = ["a", "b", "c"].map(|claim| Finding::new("s", "kpi", "all", claim));
        for (finding, id) in findings.iter_mut().zip(["3f9a00", "3f9a11", "c0ffee"]) {
            finding.id = id.to_string();
        }
        let find = |id: &str| {
            let found = find_finding(&findings, id).map(|finding| finding.id.clone());
            found.map_err(|error| error.to_string())
        };
        assert_eq!(find("3f9a00").unwrap(), "3f9a00");
        assert_eq!(find("c0ff").unwrap(), "c0ffee");
        assert!(
            find("3f9a")
                .unwrap_err()
                .ends_with("it matches 3f9a00 or 3f9a11")
        );
        assert!(find("c0f").unwrap_err().contains("no finding \"c0f\""));
    }
}
