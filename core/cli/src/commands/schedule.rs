//! `retrocast schedule tick` and `run`: run the jobs that are due.
//!
//! The archive is the only state: every check reads which due times have been attempted. Therefore
//! any process can check, at any time and any number of times.

mod export;
mod notify;

pub use export::export;

use super::{job, run};
use crate::{
    Exit,
    arguments::JobArguments,
    deliveries,
    diagnose::{self, WrongUsage},
    executor::is_full,
    housekeeping, ledger, signals, terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use jiff::Timestamp;
use retrocast_domain::{Diagnostic, is_mail_address};
use retrocast_engine::{
    Job, Lease, ScheduleStatus,
    job::Schedule,
    lease::LeaseResponse,
    render,
    schedule::{
        Calendar, DueTime, Machine, State, attempts::attempts, conditions::Input, decide,
        unmet_conditions,
    },
};
use retrocast_run::Plan;
use run::RunResources;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Maximum sleep between checks, because job files may be edited and clocks may be set.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Minimum sleep between checks.
const SLEEP_MIN: Duration = Duration::from_secs(1);

/// Options of a check.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleOptions {
    /// Also run jobs that wait for a retry, were given up or were missed.
    pub again: bool,
    /// Print nothing about jobs that are not run.
    pub quiet: bool,
    /// Resources of the runs.
    pub resources: RunResources,
}

/// A job that has a schedule.
pub struct ScheduledJob {
    /// Its name on the command line.
    name: String,
    pub job: Job,
    pub schedule: Schedule,
    pub calendar: Calendar,
}

/// The schedule of a job, if it has one.
pub enum JobSchedule {
    Scheduled(Box<ScheduledJob>),
    Unscheduled,
    /// The job file is invalid: its diagnostics, and its text.
    Invalid(Vec<Diagnostic>, String),
}

/// Reads a job file and its schedule.
pub fn read(workspace: &Workspace, name: &str) -> anyhow::Result<JobSchedule> {
    let loaded = job::load(workspace, &arguments(name))?;
    let Some(job) = loaded.checked.job else {
        return Ok(JobSchedule::Invalid(
            loaded.checked.diagnostics,
            loaded.text,
        ));
    };
    let Some(schedule) = job.schedule.clone() else {
        return Ok(JobSchedule::Unscheduled);
    };
    Ok(JobSchedule::Scheduled(Box::new(ScheduledJob {
        calendar: Calendar::new(&schedule.cron, &job.timezone)?,
        name: name.to_string(),
        schedule,
        job,
    })))
}

impl ScheduledJob {
    /// Computes the current status of the job's schedule.
    pub fn status(&self, workspace: &Workspace) -> ScheduleStatus {
        let attempts = attempts(&workspace.reports, &self.job.name);
        decide(&self.schedule, &self.calendar, &attempts, Timestamp::now())
    }

    /// Recipient of alerts: the administrator, else the job's owner.
    fn admin(&self) -> Option<&str> {
        let addresses = [&self.schedule.admin, &self.job.owner].into_iter();
        let mut addresses = addresses.map(String::as_str);
        addresses.find(|address| is_mail_address(address))
    }
}

/// The named jobs, or else all jobs.
pub fn select_jobs(workspace: &Workspace, names: &[String]) -> Vec<String> {
    if names.is_empty() {
        workspace.job_names()
    } else {
        names.to_vec()
    }
}

/// Runs the due jobs once.
pub fn tick(workspace: &Workspace, names: &[String], options: &ScheduleOptions) -> Exit {
    let mut problems = ProblemLog::default();
    let mut worst = Exit::Done;
    for name in select_jobs(workspace, names) {
        let check = check_job(workspace, &name, !names.is_empty(), options, &mut problems);
        let exit = match check {
            Ok(check) => check.exit,
            Err(error) => {
                terminal::print_error(&error);
                diagnose::exit(&error)
            }
        };
        let exit = match exit {
            Exit::Busy if options.quiet => Exit::Done,
            exit => exit,
        };
        worst = worst.more_severe(exit);
        if signals::stop().is_cancelled() {
            break;
        }
    }
    worst
}

/// Runs jobs when they are due, until stopped.
pub fn run(
    workspace: &Workspace,
    names: &[String],
    options: &ScheduleOptions,
) -> anyhow::Result<Exit> {
    let stop = signals::stop();
    for name in names {
        // Errors in the arguments are reported at once; later errors do not end the loop.
        if let JobSchedule::Unscheduled = read(workspace, name)? {
            return Err(unscheduled(name).into());
        }
    }
    if names.is_empty() {
        // A job file that is unreadable now may have a schedule once it is fixed.
        let is_unscheduled =
            |name: &String| matches!(read(workspace, name), Ok(JobSchedule::Unscheduled));
        if workspace.job_names().iter().all(is_unscheduled) {
            return Err(none_scheduled(workspace).into());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a timer")?;
    let mut problems = ProblemLog::default();
    while !stop.is_cancelled() {
        let mut next: Option<Timestamp> = None;
        for name in select_jobs(workspace, names) {
            match check_job(workspace, &name, !names.is_empty(), options, &mut problems) {
                Ok(check) => next = next.into_iter().chain(check.next).min(),
                Err(error) => problems.report(&name, "error", &diagnose::in_one_line(&error)),
            }
            if stop.is_cancelled() {
                break;
            }
        }
        let until_next = next.map(|next| next.duration_since(Timestamp::now()));
        let until_next = until_next.map(|wait| Duration::try_from(wait).unwrap_or_default());
        let sleep = until_next.unwrap_or(SLEEP_MAX);
        let sleep = sleep.clamp(SLEEP_MIN, SLEEP_MAX);
        runtime.block_on(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        });
    }
    Ok(Exit::Done)
}

/// The result of checking a job.
struct JobCheck {
    exit: Exit,
    /// Time of the next check, if it is known.
    next: Option<Timestamp>,
}

impl JobCheck {
    fn without_next(exit: Exit) -> Self {
        Self { exit, next: None }
    }
}

/// Runs a job for its due times, oldest first, unless another process does. `is_named` is true for
/// a job that the command line names.
fn check_job(
    workspace: &Workspace,
    name: &str,
    is_named: bool,
    options: &ScheduleOptions,
    problems: &mut ProblemLog,
) -> anyhow::Result<JobCheck> {
    let scheduled = match read(workspace, name)? {
        JobSchedule::Scheduled(scheduled) => scheduled,
        JobSchedule::Unscheduled if is_named => return Err(unscheduled(name).into()),
        JobSchedule::Unscheduled => return Ok(JobCheck::without_next(Exit::Done)),
        JobSchedule::Invalid(diagnostics, text) => {
            let text = render(&diagnostics, &text, false);
            problems.report(name, "cannot be used", text.trim_end());
            return Ok(JobCheck::without_next(job::invalid_exit()));
        }
    };
    let response = match request_lease(workspace, &scheduled) {
        Err(error) if run::is_full(&error) => {
            notify::send_full_disk_alert(workspace, &scheduled, &error, problems);
            return Err(error);
        }
        response => response?,
    };
    let _lease = match response {
        LeaseResponse::Granted(lease) => lease,
        LeaseResponse::Held(holder) => {
            let holder = holder.map_or_else(
                || "another process".to_string(),
                |holder| holder.to_string(),
            );
            if !options.quiet {
                problems.report(name, "is scheduled by", &holder);
            }
            return Ok(JobCheck::without_next(Exit::Busy));
        }
    };
    let (mut worst, mut tried) = (Exit::Done, BTreeSet::new());
    workspace.fetch()?;
    if options.resources.mail {
        deliveries::retry(workspace, &scheduled.job);
    }
    loop {
        let status = scheduled.status(workspace);
        for alert in &status.alerts {
            notify::send_failure_alert(&scheduled, &status, alert, problems);
            if options.resources.mail {
                deliveries::send_failure(workspace, &scheduled.job, &alert.attempt.folder);
            }
        }
        if !status.alerts.is_empty() {
            workspace.send()?;
        }
        let mut open = status.open.iter();
        let due_time =
            open.find(|open| is_to_run(open, options.again) && !tried.contains(&open.due));
        let Some(due) = due_time.map(|open| open.due) else {
            problems.clear(name);
            // Due times that were just tried wait for the next check, too.
            let next = status.next_check.filter(|next| *next > Timestamp::now());
            return Ok(JobCheck { exit: worst, next });
        };
        tried.insert(due);
        let exit = match run_due(workspace, &scheduled, due, options, problems) {
            Err(error) if run::is_full(&error) => {
                notify::send_full_disk_alert(workspace, &scheduled, &error, problems);
                return Err(error);
            }
            exit => exit?,
        };
        worst = worst.more_severe(exit.unwrap_or(Exit::Done));
        if exit.is_none() || signals::stop().is_cancelled() {
            return Ok(JobCheck::without_next(worst));
        }
    }
}

/// Requests the lease on a job's schedule; on a full disk, once more after removing old reports.
fn request_lease(workspace: &Workspace, scheduled: &ScheduledJob) -> anyhow::Result<LeaseResponse> {
    let path = Lease::of_schedule(&workspace.lake_locations.files, &scheduled.job.name);
    let request = || Lease::request(&path, "", Timestamp::now());
    let response = match request() {
        Err(error) if is_full(&error) && free_space(workspace, scheduled) => request(),
        response => response,
    };
    response.map_err(|error| {
        let advice = if is_full(&error) { NOTHING_RUNS } else { "" };
        anyhow::Error::new(error).context(format!("cannot write {path}{advice}"))
    })
}

/// Frees disk space, and reports errors. Returns true if there is more space now.
fn free_space(workspace: &Workspace, scheduled: &ScheduledJob) -> bool {
    housekeeping::free_space(workspace, &scheduled.job).unwrap_or_else(|error| {
        terminal::print_error(&error);
        false
    })
}

/// Advice for a full disk.
const NOTHING_RUNS: &str = ", so nothing can run: free disk space";

fn is_to_run(open: &DueTime, again: bool) -> bool {
    match open.state {
        State::Now => true,
        State::Running => false,
        State::Waiting { .. } | State::GivenUp | State::Expired => again,
    }
}

/// Runs a job for a due time; `None` if its preconditions are not met. That does not count as an
/// attempt, and the next check tries again.
fn run_due(
    workspace: &Workspace,
    scheduled: &ScheduledJob,
    due: Timestamp,
    options: &ScheduleOptions,
    problems: &mut ProblemLog,
) -> anyhow::Result<Option<Exit>> {
    let mut arguments = arguments(&scheduled.name);
    arguments.date = Some(scheduled.calendar.date(due));
    let resources = &options.resources;
    let format = job::DiagnosticsFormat::of_lines(resources.json);
    let Some(planned) = job::plan_run(workspace, &arguments, "", format)? else {
        return Ok(Some(job::invalid_exit()));
    };
    let reasons = reasons_to_wait(workspace, scheduled, &planned.plan, due);
    if !reasons.is_empty() {
        if !options.quiet {
            problems.report(&scheduled.name, "waits", &reasons.join("; "));
        }
        return Ok(None);
    }
    let exit = run::run_and_print(workspace, &planned, resources, |options| {
        options.due = Some(due);
    })?;
    // Published at once, for programs that read the ledger directly.
    ledger::publish_finished(workspace, &planned.plan.job);
    Ok(Some(exit))
}

/// The unmet conditions of a run that is due.
fn reasons_to_wait(
    workspace: &Workspace,
    scheduled: &ScheduledJob,
    plan: &Plan,
    due: Timestamp,
) -> Vec<String> {
    let only_if = &scheduled.schedule.only_if;
    let inputs = match only_if.fresh_within {
        Some(_) => match inputs(workspace, plan) {
            Ok(inputs) => inputs,
            Err(error) => return vec![diagnose::in_one_line(&error)],
        },
        None => Vec::new(),
    };
    let machine = Machine::inspect(&[&workspace.lake, &workspace.reports]);
    unmet_conditions(only_if, &machine, &inputs, due, scheduled.calendar.zone())
}

/// Time of the newest file of each required source.
fn inputs(workspace: &Workspace, plan: &Plan) -> anyhow::Result<Vec<Input>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start to list sources")?;
    let sources = plan.sources().filter(|(_, source)| source.required);
    let input = |(name, source): (&str, _)| {
        // Missing files are not an error here, but a reason to wait.
        let summary = job::listing_summary(workspace, plan, (name, source), false);
        Ok(Input {
            source: name.to_string(),
            newest: runtime.block_on(summary)?.newest,
        })
    };
    sources.map(input).collect()
}

/// Prints the problems of jobs; repeats a problem only if it has changed.
#[derive(Default)]
struct ProblemLog {
    printed: BTreeMap<(String, &'static str), String>,
}

impl ProblemLog {
    fn report(&mut self, job: &str, problem: &'static str, detail: &str) {
        let key = (job.to_string(), problem);
        if self
            .printed
            .get(&key)
            .is_none_or(|printed| printed != detail)
        {
            terminal::message!("{job} {problem}: {detail}");
            self.printed.insert(key, detail.to_string());
        }
    }

    /// Forgets the problems of a job that runs again.
    fn clear(&mut self, job: &str) {
        self.printed
            .retain(|(name, problem), _| name != job || *problem == "cannot send the alert");
    }
}

pub fn arguments(name: &str) -> JobArguments {
    JobArguments {
        job: name.to_string(),
        date: None,
        window: None,
        set: Vec::new(),
        select: Vec::new(),
        until: Vec::new(),
    }
}

/// The error for a named job without a schedule.
pub fn unscheduled(name: &str) -> WrongUsage {
    WrongUsage(format!("{name} has no schedule; {ADVICE}"))
}

/// The error when no job has a schedule and one is required.
pub fn none_scheduled(workspace: &Workspace) -> WrongUsage {
    let folder = workspace.jobs.display();
    WrongUsage(format!("no job in {folder} has a schedule; {ADVICE}"))
}

/// Advice on adding a schedule.
const ADVICE: &str = "add to its job file:\n[schedule]\ncron = \"0 9 * * MON\"";
