//! The index of the search: one script per job and year, which the search loads from disk.
//!
//! It contains the headline of each run, each wording of a finding once per year with its newest
//! figures, the stages, and the improvements.

use crate::{
    entries::{JobEntry, RunEntry},
    words::{clean, encode},
    year_index::YearIndex,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The script of a job and year.
pub(crate) fn script(job: &JobEntry, year: &str, runs: &[&RunEntry], index: &YearIndex) -> String {
    let href = |names: &[String; 2]| format!("{}/{}/", encode(&names[0]), encode(&names[1]));
    let with_results: BTreeSet<&[String; 2]> = index.rows.iter().map(|row| &row.names).collect();
    let run_entries = runs.iter().map(|run| {
        let names = [run.names[1].clone(), run.names[2].clone()];
        json!({
            "href": href(&names),
            "window": clean(&run.names[1], 60),
            "run": clean(&run.names[2], 60),
            "period": clean(&run.summary.period, 120),
            "date": run.summary.date,
            "status": run.summary.status.word(),
            "text": run.headline(),
            "old": run.superseded,
            "results": with_results.contains(&names),
        })
    });
    let mut sentences: Vec<Vec<Value>> = vec![Vec::new(); index.findings.len()];
    for wording in &index.wordings {
        let [window, _] = &wording.names;
        sentences[wording.finding as usize].push(json!([wording.sentence, clean(window, 60)]));
    }
    let findings = index
        .findings
        .iter()
        .zip(sentences)
        .map(|(finding, sentences)| {
            json!({
                "href": format!("findings/{}.html", finding.slug),
                "what": finding.what,
                "subject": finding.subject,
                "stage": retrocast_run::plan::short(&finding.node),
                "sentences": sentences,
            })
        });
    let stages = index.stages.iter().map(|stage| {
        json!({
            "href": href(&stage.names),
            "name": stage.name,
            "kind": stage.kind,
            "title": stage.title,
            "window": clean(&stage.names[0], 60),
        })
    });
    let improvements = index.improvements.iter().map(|improvement| {
        json!({
            "href": format!("improvements/{}.html", improvement.slug),
            "id": improvement.id,
            "title": improvement.title,
            "category": improvement.category,
            "metric": improvement.metric,
            "text": improvement.sentence,
        })
    });
    let data = json!({
        "runs": run_entries.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "stages": stages.collect::<Vec<_>>(),
        "improvements": improvements.collect::<Vec<_>>(),
    });
    format!(
        "retrocast.index({}, {}, {data});\n",
        json!(encode(&job.folder_name)),
        json!(year)
    )
}

/// The script with the list of jobs and their years, which the search and the comparison load
/// first.
pub(crate) fn jobs_script(jobs: &[JobEntry]) -> String {
    let jobs = jobs.iter().map(|job| {
        let years = job.years().into_iter().map(|(name, _)| name);
        json!({
            "folder": encode(&job.folder_name),
            "title": job.display_title(),
            "years": years.collect::<Vec<_>>(),
        })
    });
    format!(
        "var retrocast = {{ jobs: {} }};\n",
        json!(jobs.collect::<Vec<_>>())
    )
}
