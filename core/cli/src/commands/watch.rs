//! `retrocast watch`: reads new records continuously and reports findings.

use super::{
    archive::{self, read},
    job, print, print_raw, run,
};
use crate::{
    Exit,
    arguments::{JobArguments, WatchArguments},
    diagnose,
    events::Events,
    progress, signals, terminal,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::{Finding, finding::by_importance, number::plural};
use retrocast_engine::{Failure, FailureKind};
use retrocast_run::Plan;
use run::RunResources;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Pause between two checks of files that may still be written.
const SETTLING: Duration = Duration::from_secs(1);
/// Maximum wait for files that keep growing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Watches the sources until stopped.
pub fn watch(
    workspace: &Workspace,
    arguments: &JobArguments,
    watching: &WatchArguments,
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    let mut watch = Watch {
        workspace,
        arguments,
        resources,
        every: Duration::from_secs(u64::from(watching.every)),
        stop: signals::stop(),
        events: Events::new(),
        waiting: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?,
        reported: BTreeMap::new(),
        begun: false,
        unusable: String::new(),
    };
    let mut seen: Option<String> = None;
    let (mut rounds, mut last_problem) = (0, String::new());
    while !watch.stop.is_cancelled() && watching.rounds.is_none_or(|most| rounds < most) {
        match watch.check(seen.as_deref())? {
            CheckResult::Unusable if !watch.begun => return Ok(job::unusable()),
            CheckResult::Unusable => {}
            CheckResult::Unavailable(problem) => {
                if problem != last_problem {
                    terminal::message!("waiting: {problem}");
                    last_problem = problem;
                }
            }
            CheckResult::Ready(planned, listing_hash) if seen.as_ref() != Some(&listing_hash) => {
                last_problem.clear();
                // A failed round is repeated, even without changes.
                if let Round::Done { run } = watch.round(&planned)? {
                    seen = Some(listing_hash);
                    rounds += u32::from(run);
                    continue;
                }
            }
            CheckResult::Ready(..) => {}
        }
        watch.wait(watch.every);
    }
    Ok(Exit::Done)
}

/// The state of the sources at one time.
enum CheckResult {
    /// The job file is invalid; its mistakes were printed.
    Unusable,
    /// A source cannot be listed.
    Unavailable(String),
    /// The plan, and a hash of names, sizes and times of its files.
    Ready(Box<job::PlannedRun>, String),
}

/// The result of a round.
enum Round {
    /// The findings were reported; `run` if they are from a new run.
    Done { run: bool },
    /// It must be retried.
    Again,
}

struct Watch<'a> {
    workspace: &'a Workspace,
    arguments: &'a JobArguments,
    resources: &'a RunResources,
    every: Duration,
    stop: CancellationToken,
    events: Events,
    waiting: Runtime,
    /// Sentences of the reported findings, by id.
    reported: BTreeMap<String, String>,
    /// True if a round was run.
    begun: bool,
    /// The text of a job file whose mistakes were printed.
    unusable: String,
}

impl Watch<'_> {
    /// Reads the job file and lists its sources. Both, and the day, may have changed since `seen`.
    fn check(&mut self, seen: Option<&str>) -> anyhow::Result<CheckResult> {
        let Some(planned) = self.planned()? else {
            return Ok(CheckResult::Unusable);
        };
        match self.listing_hash(&planned.plan, seen) {
            Ok(listing_hash) => Ok(CheckResult::Ready(Box::new(planned), listing_hash)),
            Err(problem) => Ok(CheckResult::Unavailable(problem)),
        }
    }

    fn planned(&mut self) -> anyhow::Result<Option<job::PlannedRun>> {
        let mut arguments = self.arguments.clone();
        let mut loaded = job::load(self.workspace, &arguments)?;
        loaded.ledger.publishes = true;
        // Mistakes in a job file are reported once, not at every check.
        let is_known = self.unusable == loaded.text;
        self.unusable.clone_from(&loaded.text);
        if is_known {
            loaded.checked.diagnostics.clear();
        }
        if let (Some(job), None) = (&loaded.checked.job, &arguments.window) {
            let date = match arguments.date {
                Some(date) => date,
                None => job::today(&job.timezone)?,
            };
            arguments.date = Some(date);
            arguments.window = Some(job.window.current_until(date, &job.timezone).label());
        }
        job::plan(
            loaded,
            &arguments,
            job::Output::of_lines(self.resources.json),
        )
    }

    /// Hashes the listings of the sources; if the hash differs from `seen`, waits until files stop
    /// growing.
    fn listing_hash(&mut self, plan: &Plan, seen: Option<&str>) -> Result<String, String> {
        let begun = Instant::now();
        let mut last = self.list(plan)?;
        if seen == Some(last.as_str()) {
            return Ok(last);
        }
        while begun.elapsed() < PATIENCE && !self.stop.is_cancelled() {
            std::thread::sleep(SETTLING);
            let next = self.list(plan)?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    fn list(&mut self, plan: &Plan) -> Result<String, String> {
        let mut all = format!("{} {}", plan.label, plan.config_hash);
        for (name, source) in plan.sources() {
            let summary =
                job::listing_summary(self.workspace, plan, (name, source), source.required);
            let summary = self.waiting.block_on(summary);
            let summary = summary.map_err(|error| diagnose::in_one_line(&error))?;
            if let Some(folder) = &summary.folder {
                self.events.follow(folder);
            }
            let _ = write!(all, " {name}={}", summary.hash);
        }
        Ok(all)
    }

    /// Runs the job unless its results are up to date, and reports findings.
    fn round(&mut self, planned: &job::PlannedRun) -> anyhow::Result<Round> {
        let started = Instant::now();
        // The files may be touched but unchanged, and another process may have run the job.
        if self.begun
            && let Some((folder, summary)) = run::find_up_to_date(self.workspace, planned)?
        {
            self.report_findings(&summary.run, &folder, started.elapsed(), false)?;
            return Ok(Round::Done { run: false });
        }
        let result = match run::execute(self.workspace, planned, self.resources, |_| {}) {
            Ok(result) => result,
            // Another process runs the job, or the disk is full: both are temporary.
            Err(error) if self.begun => {
                let why = diagnose::in_one_line(&error);
                terminal::message!("waiting: {why}");
                return Ok(Round::Again);
            }
            Err(error) => return Err(error),
        };
        self.begun = true;
        run::report_failures(&result);
        archive::rebuild(self.workspace)?;
        if result.status.has_reports() {
            self.report_findings(&result.run, &result.folder, started.elapsed(), true)?;
            return Ok(Round::Done { run: true });
        }
        let passes = |(_, failure): &(String, Failure)| failure.kind != FailureKind::Data;
        Ok(if result.failed.iter().any(passes) {
            Round::Again
        } else {
            // The same records would fail in the same way.
            Round::Done { run: true }
        })
    }

    /// Reports new, changed and resolved findings; with `always`, even if there are none.
    fn report_findings(
        &mut self,
        run: &str,
        folder: &Path,
        took: Duration,
        always: bool,
    ) -> anyhow::Result<()> {
        let mut findings: Vec<Finding> = read(&folder.join("findings.json"))?;
        findings.sort_by(by_importance);
        let now: BTreeSet<&str> = findings.iter().map(|finding| &*finding.id).collect();
        let mut lines: Vec<(&str, &str, &Finding)> = Vec::new();
        for finding in &findings {
            match self.reported.get(&finding.id) {
                None => lines.push(("new", &finding.id, finding)),
                Some(before) if *before != finding.sentence => {
                    lines.push(("changed", &finding.id, finding));
                }
                Some(_) => {}
            }
        }
        let resolved: Vec<&String> = self
            .reported
            .keys()
            .filter(|id| !now.contains(id.as_str()))
            .collect();
        if self.resources.json {
            for (what, _, finding) in &lines {
                print_raw(&json!({"finding": finding, "is": what, "run": run}).to_string())?;
            }
            for id in &resolved {
                print_raw(&json!({"id": id, "is": "gone", "run": run}).to_string())?;
            }
        } else if always || !lines.is_empty() || !resolved.is_empty() {
            let count = |what: &str| lines.iter().filter(|line| line.0 == what).count() as u64;
            let mut text = format!(
                "\n{} run {}, {}: {}, {} changed, {} gone\n",
                jiff::Zoned::now().strftime("%H:%M:%S"),
                run,
                progress::duration(took.as_millis() as u64),
                plural(count("new"), "new finding"),
                count("changed"),
                resolved.len(),
            );
            for (what, _, finding) in &lines {
                let _ = writeln!(
                    text,
                    "  {what:<8} {}",
                    terminal::line(&finding.sentence, 600)
                );
            }
            for id in &resolved {
                let _ = writeln!(
                    text,
                    "  {:<8} {}",
                    "gone",
                    terminal::line(&self.reported[*id], 600)
                );
            }
            print(&text)?;
        }
        self.reported = findings
            .into_iter()
            .map(|finding| (finding.id, finding.sentence))
            .collect();
        Ok(())
    }

    /// Waits for a change of files, the timeout, or a stop request.
    fn wait(&self, time: Duration) {
        let changed = self.events.changed();
        self.waiting.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = changed => {}
                () = tokio::time::sleep(time) => {}
            }
        });
    }
}
