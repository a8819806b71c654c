//! `retrocast rerun`: a run once more, as it was recorded or with what there is today.

use super::{
    archive, job,
    run::{self, BUILD, Means},
    truth::read,
};
use crate::{
    Exit,
    arguments::{AgainArguments, JobArguments},
    diagnose::WrongUsage,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_engine::{Plan, RecordedSources};
use retrocast_run::files::{JOB, PLAN};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What a run's folder says of what was run.
#[derive(Deserialize)]
struct Recorded {
    job: String,
    label: String,
    date: jiff::civil::Date,
    params: BTreeMap<String, Value>,
    nodes: Vec<Value>,
    build: String,
}

impl Recorded {
    fn read(workspace: &Workspace, run: &str) -> anyhow::Result<(PathBuf, Self)> {
        let folder = archive::find(workspace, run)?;
        let recorded = read(&folder.join(PLAN))?;
        Ok((folder, recorded))
    }

    /// What its reports had to say of the house.
    fn notices(&self) -> Vec<String> {
        let said = self.nodes.iter().find_map(|node| {
            let notices = node["config"]["notices"].as_array()?;
            let texts = notices.iter().filter_map(Value::as_str);
            Some(texts.map(str::to_string).collect())
        });
        said.unwrap_or_default()
    }

    /// The report that its reports were compared with.
    fn earlier(&self) -> job::Earlier {
        let mut recorded = self.nodes.iter().map(|node| &node["config"]["earlier"]);
        let report = recorded.find_map(|report| serde_json::from_value(report.clone()).ok()?);
        job::Earlier::Recorded(report)
    }

    /// The command line that asks for the same.
    fn arguments(&self) -> JobArguments {
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_string)
        };
        let set = self.params.iter();
        let names = self.nodes.iter().filter_map(|node| node["name"].as_str());
        JobArguments {
            job: self.job.clone(),
            date: Some(self.date),
            window: Some(self.label.clone()),
            set: set
                .map(|(name, value)| format!("{name}={}", text(value)))
                .collect(),
            select: names.map(str::to_string).collect(),
            until: Vec::new(),
        }
    }
}

/// The same window and params, with the job file and the records of today.
pub fn current(workspace: &Workspace, run: &str, means: &Means) -> anyhow::Result<Exit> {
    let (_, recorded) = Recorded::read(workspace, run)?;
    let mut arguments = recorded.arguments();
    // The job of today may have other nodes.
    arguments.select.clear();
    let again = AgainArguments {
        force: false,
        from: Vec::new(),
    };
    run::run(workspace, &arguments, &again, means)
}

/// The recorded job file on the records as they were taken then.
pub fn as_recorded(
    workspace: &Workspace,
    run: &str,
    any_build: bool,
    means: &Means,
) -> anyhow::Result<Exit> {
    let (folder, recorded) = Recorded::read(workspace, run)?;
    if recorded.build != BUILD && !any_build {
        let (then, now) = (&recorded.build, BUILD);
        return Err(different(
            &folder,
            &format!("it was made by {then}, and this is {now}"),
        )
        .into());
    }
    let path = folder.join(JOB);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let arguments = recorded.arguments();
    let mut loaded = job::load_text(workspace, &workspace.jobs, &path, text, &arguments)?;
    loaded.notices = recorded.notices();
    loaded.earlier = recorded.earlier();
    let Some(planned) = job::plan(loaded, &arguments, job::Output::of_lines(means.json))? else {
        return Ok(job::unusable());
    };
    if !any_build && let Some(why) = changed(&recorded.nodes, &planned.plan) {
        return Err(different(&folder, &why).into());
    }
    let sources = RecordedSources::read(&folder)
        .with_context(|| format!("cannot read what {} was made from", folder.display()))?;
    run::run_and_tell(workspace, &planned, means, |options| {
        options.recorded = Some(sources.clone());
    })
}

/// What became of the nodes since, when they are not what they were.
fn changed(recorded: &[Value], plan: &Plan) -> Option<String> {
    let now: BTreeMap<String, Value> = plan
        .nodes
        .iter()
        .map(|node| (node.name.clone(), serde_json::json!(node)))
        .collect();
    let mut changes = BTreeSet::new();
    for then in recorded {
        let name = then["name"].as_str().unwrap_or_default();
        let Some(now) = now.get(name) else {
            changes.insert(format!("{name} is gone"));
            continue;
        };
        for (key, words) in [("contract_hash", "contract"), ("code_version", "code")] {
            if now[key] != then[key] {
                changes.insert(format!("the {words} of {name} changed"));
            }
        }
        if now["config"] != then["config"] || now["inputs"] != then["inputs"] {
            changes.insert(format!("the config of {name} changed"));
        }
    }
    (!changes.is_empty()).then(|| changes.into_iter().collect::<Vec<_>>().join("; "))
}

fn different(folder: &Path, why: &str) -> WrongUsage {
    WrongUsage(format!(
        "{} cannot be run as recorded: {why}; --any-build does it nonetheless, --current takes what \
         there is today",
        folder.display()
    ))
}
