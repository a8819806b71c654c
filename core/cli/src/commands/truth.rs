//! `retrocast simulate` and `retrocast evaluate`: simulates records with planted facts, and checks
//! whether a run found them.

use super::{
    archive::{find, read},
    print, print_json,
};
use crate::{Exit, diagnose::WrongUsage, workspace::Workspace};
use retrocast_domain::{Finding, Report, number::plural};
use retrocast_simulate::{Config, Truth};
use std::path::{Path, PathBuf};

pub fn simulate(
    out: PathBuf,
    seed: u64,
    weeks: u32,
    until: jiff::civil::Date,
    records: Option<u64>,
    improvements: u32,
) -> anyhow::Result<Exit> {
    let config = Config {
        seed,
        weeks,
        until,
        records,
        out,
        improvements,
        ..Config::default()
    };
    let summary = retrocast_simulate::simulate(&config).map_err(|error| {
        if error.is_wrong_usage() {
            WrongUsage(error.to_string()).into()
        } else {
            anyhow::Error::from(error)
        }
    })?;
    print(&format!(
        "{} in {} ({:.0} MB) in {}; the planted facts are in {}",
        plural(summary.records, "record"),
        plural(summary.files, "file"),
        summary.bytes as f64 / 1e6,
        summary.out.display(),
        summary.truth_path.display()
    ))?;
    Ok(Exit::Done)
}

pub fn evaluate(
    workspace: &Workspace,
    truth: &Path,
    run: &str,
    json: bool,
) -> anyhow::Result<Exit> {
    let truth = Truth::read(truth)?;
    let folder = find(workspace, run)?;
    let findings: Vec<Finding> = read(&folder.join("findings.json"))?;
    let report: Report = read(&folder.join("report.json"))?;
    let evaluation =
        retrocast_simulate::evaluate(&truth, &findings, &report.effects, &report.sources);
    if json {
        print_json(&evaluation)?;
    } else {
        print(&evaluation.to_string())?;
    }
    Ok(if evaluation.passed() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
