//! `retrocast restated`: figures of earlier windows that changed after publication.

use super::{lake::table, print, print_json};
use crate::{Exit, diagnose::WrongUsage, ledger::JobLedger, workspace::Workspace};
use jiff::SignedDuration;
use retrocast_domain::{Restatement, Window};
use retrocast_store::{ledger::PublishedRestatement, maintenance::QueryResult};
use serde_json::{Value, json};

/// Lists the restated figures of a job from its ledger.
pub fn restated(
    workspace: &Workspace,
    job: &str,
    since: Option<&str>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let since = since.map(parse_window).transpose()?;
    if !workspace.job_names().iter().any(|known| known == job) {
        let help = workspace.suggest_job(job);
        return Err(WrongUsage(format!("no job {job:?}; {help}")).into());
    }
    // Windows start at most a day earlier in other time zones.
    let from = since
        .as_ref()
        .map(|window| window.start_instant() - SignedDuration::from_hours(24));
    let mut restated = JobLedger::new(workspace, job)?.restatements(workspace, job, from)?;
    if let Some(since) = since {
        restated.retain(|figure| {
            Window::parse(&figure.window, "UTC").is_ok_and(|window| window.start >= since.start)
        });
    }
    if as_json {
        print_json(&restated.iter().map(as_value).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    if restated.is_empty() {
        print(&format!("no figure of {job} was restated"))?;
        return Ok(Exit::Done);
    }
    let rows = restated.iter().map(|figure| {
        let values = [figure.value_from, figure.value_to];
        let [from, to] = Restatement::new("", "", &figure.unit, values).texts;
        let cells = [
            figure.window.clone(),
            figure.of_window.clone(),
            figure.metric.clone(),
            from,
            to,
            figure.why.clone(),
            figure.published_by.clone(),
        ];
        cells.map(Some).to_vec()
    });
    let columns = [
        "report",
        "window",
        "figure",
        "published",
        "now",
        "why",
        "published by",
    ];
    let result = QueryResult {
        columns: columns.map(String::from).to_vec(),
        numbers: [false, false, false, true, true, false, false].to_vec(),
        rows: rows.collect(),
        more: false,
    };
    print(&table(&result))?;
    Ok(Exit::Done)
}

fn parse_window(text: &str) -> Result<Window, WrongUsage> {
    Window::parse(text, "UTC").map_err(|error| WrongUsage(format!("--since: {error}")))
}

fn as_value(figure: &PublishedRestatement) -> Value {
    let mut value = json!(figure);
    value["causes"] = serde_json::from_str(&figure.causes).unwrap_or_default();
    value
}
