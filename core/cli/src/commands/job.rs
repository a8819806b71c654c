//! Resolves a name on the command line to a checked job and its plan.

use super::{print_json, print_raw};
use crate::{
    Exit,
    arguments::{ForceArguments, JobArguments},
    diagnose::WrongUsage,
    executor::{self, Catalogue},
    housekeeping,
    ledger::{self, RunView},
    terminal,
    workspace::Workspace,
};
use jiff::civil::Date;
use retrocast_domain::{Diagnostic, Window, report::EarlierReport};
use retrocast_engine::{
    CheckOptions, CheckedJob, Force, Job, PlanOptions,
    executor::{process_environment, reveal},
    plan, render,
};
use retrocast_run::{Plan, SourceSpec};
use retrocast_store::ListingSummary;
use serde_json::{Value, json};
use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Seed of a run: every random draw is derived from it and the names of the job and the node.
const SEED: u64 = 20_260_101;

/// Maximum number of diagnostics to print.
const DIAGNOSTICS_MAX: usize = 50;

/// A job file that was read and checked.
pub struct LoadedJob {
    pub text: String,
    pub checked: CheckedJob,
    /// Operational notices that the reports print.
    pub notices: Vec<String>,
    /// The author's note for the reports of the run.
    pub note: String,
    pub earlier: EarlierSource,
    pub ledger: LedgerSource,
    pub catalogue: Arc<Catalogue>,
}

/// The source of the ledger rows that a run sees.
pub struct LedgerSource {
    workspace: Workspace,
    /// The rows that the original run saw, for a rerun; `None` to read the ledger.
    pub recorded: Option<RunView>,
    /// True to publish the finished runs that the ledger lacks before it is read.
    pub publishes: bool,
}

impl LedgerSource {
    fn view(&self, job: &Job, window: &Window, date: Date) -> Result<RunView, Vec<Diagnostic>> {
        if let Some(recorded) = &self.recorded {
            return Ok(recorded.clone());
        }
        if self.publishes {
            ledger::publish_finished(&self.workspace, &job.name);
        }
        let read = || {
            let ledger = ledger::JobLedger::new(&self.workspace, &job.name)?;
            ledger.view(job, window, date)
        };
        read().map_err(|error| {
            let message = format!("the ledger cannot be read: {error:#}");
            let help = "figures are compared with those that earlier runs published; run the job again \
                        when the ledger is available";
            vec![Diagnostic::error(&job.file, message).help(help)]
        })
    }
}

/// The source of the earlier report to compare findings with.
pub enum EarlierSource {
    /// The newest earlier report in the job's folder in the archive.
    Archive(PathBuf),
    /// The report that a recorded run was compared with.
    Recorded(Option<EarlierReport>),
}

impl EarlierSource {
    fn report(self, window: &Window) -> Option<EarlierReport> {
        match self {
            Self::Archive(job) => retrocast_deliver::earlier_report(&job, window),
            Self::Recorded(report) => report,
        }
    }
}

/// A job with its plan for one window.
pub struct PlannedRun {
    pub job: Arc<Job>,
    pub plan: Arc<Plan>,
    pub catalogue: Arc<Catalogue>,
    /// Warnings about the job file, if they belong in the command's JSON document.
    pub diagnostics: Vec<Value>,
}

/// Form of the diagnostics of a job file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagnosticsFormat {
    /// Text on stderr.
    Text,
    /// JSON lines on stdout, one object per diagnostic, with the event "diagnostic".
    Lines,
    /// Part of the one JSON document on stdout, under "diagnostics".
    Document,
}

impl DiagnosticsFormat {
    /// The format of a command that prints events as JSON lines on request.
    pub fn of_lines(json: bool) -> Self {
        if json { Self::Lines } else { Self::Text }
    }

    /// The format of a command that prints one JSON document on request.
    pub fn of_document(json: bool) -> Self {
        if json { Self::Document } else { Self::Text }
    }
}

/// Reads and checks a job file.
pub fn load(workspace: &Workspace, arguments: &JobArguments) -> anyhow::Result<LoadedJob> {
    let (path, text) = workspace.job_file(&arguments.job)?;
    let jobs = path
        .parent()
        .filter(|folder| arguments.job.contains('/') && folder.join("contracts").is_dir())
        .unwrap_or(&workspace.jobs);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // The job's datasets are stored under its name.
    retrocast_store::check_name(&name).map_err(|error| {
        let path = path.display();
        WrongUsage(format!("{path}: {error}; rename the file"))
    })?;
    load_as(workspace, jobs, &path, &name, text, arguments)
}

/// Checks the text of a job file, which may be outside of the jobs folder.
pub fn load_text(
    workspace: &Workspace,
    jobs: &Path,
    path: &Path,
    text: String,
    arguments: &JobArguments,
) -> anyhow::Result<LoadedJob> {
    load_as(workspace, jobs, path, &arguments.job, text, arguments)
}

fn load_as(
    workspace: &Workspace,
    jobs: &Path,
    path: &Path,
    name: &str,
    text: String,
    arguments: &JobArguments,
) -> anyhow::Result<LoadedJob> {
    let templates = executor::templates(workspace.templates.as_deref())?;
    let catalogue = Catalogue::new(jobs, &templates);
    let file = path.display().to_string();
    let set = parse_params(arguments)?;
    let environment = process_environment();
    let options = CheckOptions {
        name,
        file: &file,
        kinds: &catalogue,
        set: &set,
        environment: &*environment,
    };
    let checked = retrocast_engine::check(&text, &options);
    Ok(LoadedJob {
        text,
        checked,
        notices: housekeeping::notices(workspace, name),
        note: String::new(),
        earlier: EarlierSource::Archive(workspace.reports.join(name)),
        ledger: LedgerSource {
            workspace: workspace.clone(),
            recorded: None,
            publishes: false,
        },
        catalogue: Arc::new(catalogue),
    })
}

/// Loads and plans a job; prints its errors and returns `None` if it is invalid.
pub fn load_and_plan(
    workspace: &Workspace,
    arguments: &JobArguments,
    format: DiagnosticsFormat,
) -> anyhow::Result<Option<PlannedRun>> {
    plan(load(workspace, arguments)?, arguments, format)
}

/// Loads and plans a job to run it; first publishes the finished runs that the ledger lacks.
pub fn plan_run(
    workspace: &Workspace,
    arguments: &JobArguments,
    note: &str,
    format: DiagnosticsFormat,
) -> anyhow::Result<Option<PlannedRun>> {
    let mut loaded = load(workspace, arguments)?;
    loaded.note = note.to_string();
    loaded.ledger.publishes = true;
    plan(loaded, arguments, format)
}

/// Plans a loaded job; prints its errors and returns `None` if it is invalid.
pub fn plan(
    loaded: LoadedJob,
    arguments: &JobArguments,
    format: DiagnosticsFormat,
) -> anyhow::Result<Option<PlannedRun>> {
    let mut printed = Vec::new();
    let planned = plan_with_warnings(loaded, arguments, &mut |diagnostics, text| {
        match format {
            DiagnosticsFormat::Text => print_diagnostics(diagnostics, text),
            DiagnosticsFormat::Lines => print_lines(&diagnostics_json(diagnostics, text))?,
            DiagnosticsFormat::Document => printed.extend(diagnostics_json(diagnostics, text)),
        }
        Ok(())
    })?;
    match planned {
        Some(planned) => Ok(Some(PlannedRun {
            diagnostics: printed,
            ..planned
        })),
        None if format == DiagnosticsFormat::Document => {
            print_json(&json!({ "diagnostics": printed }))?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Prints diagnostics among the events of a run, one object per line.
fn print_lines(diagnostics: &[Value]) -> anyhow::Result<()> {
    for diagnostic in diagnostics {
        let mut line = diagnostic.clone();
        line["event"] = json!("diagnostic");
        print_raw(&line.to_string())?;
    }
    Ok(())
}

/// Plans a checked job; passes errors and warnings with their source text to `report`.
pub fn plan_with_warnings(
    loaded: LoadedJob,
    arguments: &JobArguments,
    report: &mut dyn FnMut(&[Diagnostic], &str) -> anyhow::Result<()>,
) -> anyhow::Result<Option<PlannedRun>> {
    let LoadedJob {
        text,
        checked,
        notices,
        note,
        earlier,
        ledger,
        catalogue,
    } = loaded;
    report(&checked.diagnostics, &text)?;
    let Some(job) = checked.job else {
        return Ok(None);
    };
    let today = today(&job.timezone)?;
    let date = arguments.date.unwrap_or(today);
    let window = match job.window_for(date, arguments.window.as_deref()) {
        Ok(window) => window,
        Err(diagnostic) => {
            report(&[diagnostic], "")?;
            return Ok(None);
        }
    };
    let date = match (arguments.date, &arguments.window) {
        (None, Some(_)) => report_date(&window, today),
        _ => date,
    };
    let set = parse_params(arguments)?;
    let select = [arguments.select.clone(), arguments.until.clone()].concat();
    let earlier = earlier.report(&window);
    let view = match ledger.view(&job, &window, date) {
        Ok(view) => view,
        Err(diagnostics) => {
            report(&diagnostics, &text)?;
            return Ok(None);
        }
    };
    let mut notices = notices;
    notices.extend(view.recorded_later.clone());
    let options = PlanOptions {
        window: window.clone(),
        date,
        set: &set,
        select: &select,
        seed: SEED,
        notices: &notices,
        note: &note,
        earlier: earlier.as_ref(),
        ledger: &|| Ok(view.rows.clone()),
        published: view.published.clone(),
        decisions: view.decisions.clone(),
        closed: view.closed.clone(),
        environment: process_environment(),
    };
    match plan::build(&job, &*catalogue, &options) {
        Ok(plan) => Ok(Some(PlannedRun {
            job: Arc::new(job),
            plan: Arc::new(plan),
            catalogue,
            diagnostics: Vec::new(),
        })),
        Err(diagnostics) => {
            report(&diagnostics, &text)?;
            Ok(None)
        }
    }
}

/// Selects the nodes to run even if nothing has changed: all nodes, or some with their dependents.
pub fn forced_nodes(planned: &PlannedRun, arguments: &ForceArguments) -> Result<Force, WrongUsage> {
    if arguments.force {
        return Ok(Force::Everything);
    }
    let names = plan::with_descendants(&planned.plan, &arguments.from);
    match names {
        Ok(names) if names.is_empty() => Ok(Force::Nothing),
        Ok(names) => Ok(Force::Nodes(names)),
        Err(diagnostics) => {
            let messages = diagnostics.iter().map(|diagnostic| {
                let help = diagnostic.help.as_deref().unwrap_or_default();
                format!("--from: {}; {help}", diagnostic.message)
            });
            Err(WrongUsage(messages.collect::<Vec<_>>().join("\n")))
        }
    }
}

/// Hashes names, sizes and times of a source's files. This is cheap, and enough to decide whether
/// to read the source.
pub async fn listing_summary(
    workspace: &Workspace,
    plan: &Plan,
    (name, source): (&str, &SourceSpec),
    required: bool,
) -> anyhow::Result<ListingSummary> {
    let uri = reveal(&source.uri, &process_environment())?;
    let days = Some(executor::days(source, &plan.window));
    let base = &workspace.root;
    Ok(retrocast_store::listing_summary(name, &uri, base, required, days).await?)
}

/// The date of a run on a given window: the day after it, as for a scheduled run, or today if the
/// window has not ended. A run on an old window therefore does not become the newest in the
/// archive, and does not depend on the day of the request.
fn report_date(window: &Window, today: Date) -> Date {
    window.end.min(today)
}

/// Rejects a date before the end of a given window. With a window, the date sets only the date of
/// the report and does not select records, so an earlier date is probably a mistake.
pub fn check_date(arguments: &JobArguments) -> Result<(), WrongUsage> {
    let (Some(date), Some(text)) = (arguments.date, &arguments.window) else {
        return Ok(());
    };
    // An invalid window is reported later, with the job.
    let Ok(window) = Window::parse(text, "UTC") else {
        return Ok(());
    };
    if date >= window.end {
        return Ok(());
    }
    let (label, words) = (window.label(), window.words());
    Err(WrongUsage(format!(
        "--date {date} is before the end of --window {label} ({words}); with --window, --date only sets \
         the date of the report: omit one of them, or use a date from {} on",
        window.end
    )))
}

/// The current day in the time zone.
pub fn today(timezone: &str) -> anyhow::Result<Date> {
    Ok(jiff::Timestamp::now().in_tz(timezone)?.date())
}

/// Parses the params given with `--set`.
fn parse_params(arguments: &JobArguments) -> Result<Vec<(String, String)>, WrongUsage> {
    arguments
        .set
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_string(), value.to_string())),
            None => Err(WrongUsage(format!("--set {text}: write --set KEY=VALUE"))),
        })
        .collect()
}

/// Prints diagnostics to stderr; errors of the command line have no source text.
pub fn print_diagnostics(diagnostics: &[Diagnostic], text: &str) {
    if diagnostics.is_empty() {
        return;
    }
    let stderr = std::io::stderr();
    let shown = &diagnostics[..diagnostics.len().min(DIAGNOSTICS_MAX)];
    let rendered = render(shown, text, terminal::colour(stderr.is_terminal()));
    let mut out = stderr.lock();
    let _ = writeln!(out, "{}", rendered.trim_end());
    if shown.len() < diagnostics.len() {
        let more = diagnostics.len() - shown.len();
        let _ = writeln!(out, "\nand {more} more; fix these first and check again");
    }
}

/// Diagnostics as JSON values with line and column.
pub fn diagnostics_json(diagnostics: &[Diagnostic], text: &str) -> Vec<Value> {
    let to_json = |diagnostic: &Diagnostic| {
        let position = diagnostic.line_column(text);
        json!({
            "level": diagnostic.level,
            "message": diagnostic.message,
            "file": diagnostic.file,
            "line": position.map(|position| position.0),
            "column": position.map(|position| position.1),
            "label": diagnostic.label,
            "help": diagnostic.help,
        })
    };
    diagnostics.iter().map(to_json).collect()
}

/// The exit code for an invalid job file.
pub fn invalid_exit() -> Exit {
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_date_is_the_end_of_the_window_or_today() {
        let today: Date = "2026-11-18".parse().unwrap();
        for (window, date) in [
            ("1850-W01", "1850-01-07"),
            ("2026-W46", "2026-11-16"),
            ("2026-W47", "2026-11-18"),
        ] {
            let window = Window::parse(window, "Europe/London").unwrap();
            assert_eq!(
                report_date(&window, today).to_string(),
                date,
                "{}",
                window.label()
            );
        }
    }

    #[test]
    fn dates_before_the_end_of_a_given_window_are_errors() {
        let check = |date: &str, window: Option<&str>| {
            let checked = check_date(&JobArguments {
                job: "weekly".to_string(),
                date: Some(date.parse().unwrap()),
                window: window.map(str::to_string),
                set: Vec::new(),
                select: Vec::new(),
                until: Vec::new(),
            });
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check("2026-10-19", Some("2026-W42")), Ok(()));
        assert_eq!(check("2026-11-23", Some("2026-W42")), Ok(()));
        assert_eq!(check("2026-10-01", None), Ok(()));
        assert_eq!(check("2026-10-01", Some("nonsense")), Ok(()));
        let error = check("2026-10-18", Some("2026-W42")).unwrap_err();
        assert_eq!(
            error,
            "--date 2026-10-18 is before the end of --window 2026-W42 (12 to 18 October 2026); with \
             --window, --date only sets the date of the report: omit one of them, or use a date from \
             2026-10-19 on"
        );
    }
}
