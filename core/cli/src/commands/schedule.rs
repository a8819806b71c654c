//! `retrocast schedule tick` and `run`: run the jobs that are due.
//!
//! The archive is the only state: every check reads again which due times have been attempted. So
//! it does not matter which process checks, how often, or whether another one checked before.

mod notify;

use super::{job, run};
use crate::{
    Exit,
    arguments::JobArguments,
    diagnose::{self, WrongUsage},
    executor::is_full,
    housekeeping, ledger, mail, signals, terminal,
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

/// Maximum sleep between checks: job files may be edited, and clocks set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Minimum sleep between checks.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

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

/// The result of looking up a job's schedule.
pub enum Lookup {
    Scheduled(Box<ScheduledJob>),
    Unscheduled,
    /// Its mistakes, and the source text.
    Unusable(Vec<Diagnostic>, String),
}

/// Reads a job file and its schedule.
pub fn find(workspace: &Workspace, name: &str) -> anyhow::Result<Lookup> {
    let loaded = job::load(workspace, &arguments(name))?;
    let Some(job) = loaded.checked.job else {
        return Ok(Lookup::Unusable(loaded.checked.diagnostics, loaded.text));
    };
    let Some(schedule) = job.schedule.clone() else {
        return Ok(Lookup::Unscheduled);
    };
    Ok(Lookup::Scheduled(Box::new(ScheduledJob {
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
pub fn chosen(workspace: &Workspace, named: &[String]) -> Vec<String> {
    if named.is_empty() {
        workspace.job_names()
    } else {
        named.to_vec()
    }
}

/// Runs the due jobs once.
pub fn tick(workspace: &Workspace, named: &[String], options: &ScheduleOptions) -> Exit {
    let mut problems = ProblemLog::default();
    let mut worst = Exit::Done;
    for name in chosen(workspace, named) {
        let check = check_job(workspace, &name, !named.is_empty(), options, &mut problems);
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
        worst = worst.graver(exit);
        if signals::stop().is_cancelled() {
            break;
        }
    }
    worst
}

/// Runs jobs when they are due, until stopped.
pub fn run(
    workspace: &Workspace,
    named: &[String],
    options: &ScheduleOptions,
) -> anyhow::Result<Exit> {
    let stop = signals::stop();
    for name in named {
        // Mistakes on the command line are reported at once; later errors do not end the loop.
        if let Lookup::Unscheduled = find(workspace, name)? {
            return Err(unscheduled(name).into());
        }
    }
    if named.is_empty() {
        // A job file that is unreadable now may have a schedule once it is fixed.
        let none = |name: &String| matches!(find(workspace, name), Ok(Lookup::Unscheduled));
        if workspace.job_names().iter().all(none) {
            return Err(none_scheduled(workspace).into());
        }
    }
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start to wait")?;
    let mut problems = ProblemLog::default();
    while !stop.is_cancelled() {
        let mut next: Option<Timestamp> = None;
        for name in chosen(workspace, named) {
            match check_job(workspace, &name, !named.is_empty(), options, &mut problems) {
                Ok(check) => next = next.into_iter().chain(check.again).min(),
                Err(error) => problems.report(&name, "error", &diagnose::in_one_line(&error)),
            }
            if stop.is_cancelled() {
                break;
            }
        }
        let left = next.map(|next| next.duration_since(Timestamp::now()));
        let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
        let sleep = left.unwrap_or(LONGEST_SLEEP);
        let sleep = sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
        waiting.block_on(async {
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
    again: Option<Timestamp>,
}

impl JobCheck {
    fn end(exit: Exit) -> Self {
        Self { exit, again: None }
    }
}

/// Runs the due times of a job, oldest first, unless another process does.
fn check_job(
    workspace: &Workspace,
    name: &str,
    named: bool,
    options: &ScheduleOptions,
    problems: &mut ProblemLog,
) -> anyhow::Result<JobCheck> {
    let found = match find(workspace, name)? {
        Lookup::Scheduled(found) => found,
        Lookup::Unscheduled if named => return Err(unscheduled(name).into()),
        Lookup::Unscheduled => return Ok(JobCheck::end(Exit::Done)),
        Lookup::Unusable(diagnostics, text) => {
            let text = render(&diagnostics, &text, false);
            problems.report(name, "cannot be used", text.trim_end());
            return Ok(JobCheck::end(job::unusable()));
        }
    };
    let response = match request_lease(workspace, &found) {
        Err(error) if run::is_full(&error) => {
            notify::of_full_disk(workspace, &found, &error, problems);
            return Err(error);
        }
        response => response?,
    };
    let _lease = match response {
        LeaseResponse::Granted(lease) => lease,
        LeaseResponse::Held(holder) => {
            let who = holder.map_or_else(|| "another process".to_string(), |h| h.to_string());
            if !options.quiet {
                problems.report(name, "is looked after by", &who);
            }
            return Ok(JobCheck::end(Exit::Busy));
        }
    };
    let (mut worst, mut done) = (Exit::Done, BTreeSet::new());
    workspace.fetch()?;
    if options.resources.mail {
        mail::retry(workspace, &found.job.name);
    }
    loop {
        let status = found.status(workspace);
        for alert in &status.alerts {
            notify::of_failures(&found, &status, alert, problems);
            if options.resources.mail {
                mail::after_failure(workspace, &found.job, &alert.attempt.folder);
            }
        }
        if !status.alerts.is_empty() {
            workspace.send()?;
        }
        let mut open = status.open.iter();
        let next = open.find(|open| is_to_run(open, options.again) && !done.contains(&open.due));
        let Some(due) = next.map(|open| open.due) else {
            problems.clear(name);
            // Due times that were tried just now wait for the next check, too.
            let later = status.next_check.filter(|next| *next > Timestamp::now());
            return Ok(JobCheck {
                exit: worst,
                again: later,
            });
        };
        done.insert(due);
        let exit = match run_due(workspace, &found, due, options, problems) {
            Err(error) if run::is_full(&error) => {
                notify::of_full_disk(workspace, &found, &error, problems);
                return Err(error);
            }
            exit => exit?,
        };
        worst = worst.graver(exit.unwrap_or(Exit::Done));
        if exit.is_none() || signals::stop().is_cancelled() {
            return Ok(JobCheck::end(worst));
        }
    }
}

/// Requests the lease on a job's schedule; on a full disk, once more after removing old reports.
fn request_lease(workspace: &Workspace, found: &ScheduledJob) -> anyhow::Result<LeaseResponse> {
    let place = Lease::of_schedule(&workspace.places.files, &found.job.name);
    let request = || Lease::request(&place, "", Timestamp::now());
    let response = match request() {
        Err(error) if is_full(&error) && free_space(workspace, found) => request(),
        response => response,
    };
    response.map_err(|error| {
        let advice = if is_full(&error) { NOTHING_RUNS } else { "" };
        let what = format!("cannot write {place}{advice}");
        anyhow::Error::new(error).context(what)
    })
}

/// Frees disk space; reports what prevented it. Returns true if there is more space now.
fn free_space(workspace: &Workspace, found: &ScheduledJob) -> bool {
    housekeeping::free_space(workspace, &found.job).unwrap_or_else(|error| {
        terminal::print_error(&error);
        false
    })
}

/// Advice for a full disk.
const NOTHING_RUNS: &str = ", so nothing can be run: make room on the disk";

fn is_to_run(open: &DueTime, again: bool) -> bool {
    match open.state {
        State::Now => true,
        State::Running => false,
        State::Waits { .. } | State::GivenUp | State::TooLate => again,
    }
}

/// Runs a job for a due time; `None` if its preconditions are not met. That does not count as an
/// attempt, and the next check tries again.
fn run_due(
    workspace: &Workspace,
    found: &ScheduledJob,
    due: Timestamp,
    options: &ScheduleOptions,
    problems: &mut ProblemLog,
) -> anyhow::Result<Option<Exit>> {
    let mut arguments = arguments(&found.name);
    arguments.date = Some(found.calendar.date(due));
    let resources = &options.resources;
    let output = job::Output::of_lines(resources.json);
    let Some(planned) = job::planned_to_run(workspace, &arguments, output)? else {
        return Ok(Some(job::unusable()));
    };
    let reasons = reasons(workspace, found, &planned.plan, due);
    if !reasons.is_empty() {
        if !options.quiet {
            problems.report(&found.name, "waits", &reasons.join("; "));
        }
        return Ok(None);
    }
    let exit = run::run_and_print(workspace, &planned, resources, |options| {
        options.due = Some(due);
    })?;
    // Nobody waits for this run: what reads the lake without this program finds it as well.
    ledger::publish_finished(workspace, &planned.plan.job);
    Ok(Some(exit))
}

/// The unmet preconditions of a run.
fn reasons(
    workspace: &Workspace,
    found: &ScheduledJob,
    plan: &Plan,
    due: Timestamp,
) -> Vec<String> {
    let only_if = &found.schedule.only_if;
    let inputs = match only_if.fresh_within {
        Some(_) => match inputs(workspace, plan) {
            Ok(inputs) => inputs,
            Err(error) => return vec![diagnose::in_one_line(&error)],
        },
        None => Vec::new(),
    };
    let machine = Machine::inspect(&[&workspace.lake, &workspace.reports]);
    unmet_conditions(only_if, &machine, &inputs, due, found.calendar.zone())
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

/// Prints problems of jobs, and repeats one only after it changed.
#[derive(Default)]
struct ProblemLog {
    printed: BTreeMap<(String, &'static str), String>,
}

impl ProblemLog {
    fn report(&mut self, job: &str, what: &'static str, why: &str) {
        let key = (job.to_string(), what);
        if self.printed.get(&key).is_none_or(|printed| printed != why) {
            terminal::message!("{job} {what}: {why}");
            self.printed.insert(key, why.to_string());
        }
    }

    /// Forgets the problems of a job that runs again.
    fn clear(&mut self, job: &str) {
        self.printed
            .retain(|(named, what), _| named != job || *what == "cannot send the alert");
    }
}

fn arguments(name: &str) -> JobArguments {
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
