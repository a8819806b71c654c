//! From a name on the command line to a checked job and its plan.

use crate::{
    Exit,
    arguments::JobArguments,
    diagnose::{WrongUsage, colour},
    executor::{self, Catalogue},
    workspace::Workspace,
};
use retrocast_domain::Diagnostic;
use retrocast_engine::{
    CheckOptions, Checked, Job, Plan, PlanOptions, boundary::process_environment, render,
};
use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
};

/// Every random draw of a run follows from this, the job's and the node's name.
const SEED: u64 = 20_260_101;

/// A job file as it was found and checked.
pub struct Loaded {
    pub text: String,
    pub checked: Checked,
    pub catalogue: Arc<Catalogue>,
}

/// A job with its plan for one window.
pub struct Planned {
    pub job: Arc<Job>,
    pub plan: Arc<Plan>,
    pub catalogue: Arc<Catalogue>,
}

/// Reads and checks a job file.
pub fn load(workspace: &Workspace, arguments: &JobArguments) -> anyhow::Result<Loaded> {
    let (path, text) = workspace.job_file(&arguments.job)?;
    let templates = executor::templates(workspace.templates.as_deref())?;
    let jobs = path
        .parent()
        .filter(|_| arguments.job.contains('/'))
        .unwrap_or(&workspace.jobs);
    let jobs = if jobs.join("contracts").is_dir() {
        jobs
    } else {
        &workspace.jobs
    };
    let catalogue = Catalogue::new(jobs, &templates);
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = path.display().to_string();
    let set = set(arguments)?;
    let environment = process_environment();
    let options = CheckOptions {
        name: &name,
        file: &file,
        kinds: &catalogue,
        set: &set,
        environment: &*environment,
    };
    let checked = retrocast_engine::check(&text, &options);
    Ok(Loaded {
        text,
        checked,
        catalogue: Arc::new(catalogue),
    })
}

/// The job and its plan, or `None` after its mistakes were printed.
pub fn planned(workspace: &Workspace, arguments: &JobArguments) -> anyhow::Result<Option<Planned>> {
    let Loaded {
        text,
        checked,
        catalogue,
    } = load(workspace, arguments)?;
    print_diagnostics(&checked.diagnostics, &text);
    let Some(job) = checked.job else {
        return Ok(None);
    };
    let date = match arguments.date {
        Some(date) => date,
        None => today(&job.timezone)?,
    };
    let window = match job.window_for(date, arguments.window.as_deref()) {
        Ok(window) => window,
        Err(diagnostic) => {
            print_diagnostics(&[diagnostic], "");
            return Ok(None);
        }
    };
    let set = set(arguments)?;
    let options = PlanOptions {
        window,
        date,
        set: &set,
        select: &arguments.select,
        seed: SEED,
        environment: process_environment(),
    };
    match Plan::build(&job, &*catalogue, &options) {
        Ok(plan) => Ok(Some(Planned {
            job: Arc::new(job),
            plan: Arc::new(plan),
            catalogue,
        })),
        Err(diagnostics) => {
            print_diagnostics(&diagnostics, &text);
            Ok(None)
        }
    }
}

fn today(timezone: &str) -> anyhow::Result<jiff::civil::Date> {
    Ok(jiff::Timestamp::now().in_tz(timezone)?.date())
}

fn set(arguments: &JobArguments) -> Result<Vec<(String, String)>, WrongUsage> {
    arguments
        .set
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_string(), value.to_string())),
            None => Err(WrongUsage(format!("--set {text}: write --set KEY=VALUE"))),
        })
        .collect()
}

/// Prints what is wrong to standard error, errors of the command line without a source text.
pub fn print_diagnostics(diagnostics: &[Diagnostic], text: &str) {
    if diagnostics.is_empty() {
        return;
    }
    let stderr = std::io::stderr();
    let rendered = render(diagnostics, text, colour(stderr.is_terminal()));
    let _ = writeln!(stderr.lock(), "{}", rendered.trim_end());
}

/// The exit code of a job file that cannot be used.
pub fn unusable() -> Exit {
    Exit::Usage
}
