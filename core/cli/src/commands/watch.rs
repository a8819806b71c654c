//! `retrocast watch`: reads new records continuously and reports findings.

use super::{
    archive::{self, read},
    job, print, print_raw, run,
};
use crate::{
    Exit,
    arguments::{JobArguments, WatchArguments},
    diagnose,
    folder_watcher::FolderWatcher,
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
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum wait for files that keep growing.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Watches the sources until stopped.
pub fn watch(
    workspace: &Workspace,
    arguments: &JobArguments,
    options: &WatchArguments,
    resources: &RunResources,
) -> anyhow::Result<Exit> {
    let mut watch = Watch {
        workspace,
        arguments,
        resources,
        every: Duration::from_secs(u64::from(options.every)),
        stop: signals::stop(),
        watcher: FolderWatcher::new(),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?,
        reported: BTreeMap::new(),
        has_run: false,
        invalid_text: String::new(),
    };
    let mut reported_hash: Option<String> = None;
    let (mut rounds, mut last_problem) = (0, String::new());
    while !watch.stop.is_cancelled() && options.rounds.is_none_or(|limit| rounds < limit) {
        match watch.check(reported_hash.as_deref())? {
            CheckResult::Invalid if !watch.has_run => return Ok(job::invalid_exit()),
            CheckResult::Invalid => {}
            CheckResult::Unavailable(problem) => {
                if problem != last_problem {
                    terminal::message!("waiting: {problem}");
                    last_problem = problem;
                }
            }
            CheckResult::Ready(planned, listing_hash)
                if reported_hash.as_ref() != Some(&listing_hash) =>
            {
                last_problem.clear();
                // A failed round is repeated, even without changes.
                if let RoundResult::Done { is_new_run } = watch.run_round(&planned)? {
                    reported_hash = Some(listing_hash);
                    rounds += u32::from(is_new_run);
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
    /// The job file is invalid; its errors were printed.
    Invalid,
    /// A source cannot be listed.
    Unavailable(String),
    /// The plan, and a hash of names, sizes and times of its files.
    Ready(Box<job::PlannedRun>, String),
}

/// The result of a round.
enum RoundResult {
    /// The round is complete.
    Done {
        /// True if the job ran; false if an existing run was up to date.
        is_new_run: bool,
    },
    /// It must be retried.
    Retry,
}

struct Watch<'a> {
    workspace: &'a Workspace,
    arguments: &'a JobArguments,
    resources: &'a RunResources,
    every: Duration,
    stop: CancellationToken,
    watcher: FolderWatcher,
    runtime: Runtime,
    /// Sentences of the reported findings, by id.
    reported: BTreeMap<String, String>,
    /// True after the first run.
    has_run: bool,
    /// The text of the job file whose errors were printed last.
    invalid_text: String,
}

impl Watch<'_> {
    /// Reads the job file and lists its sources; `reported_hash` is that of the last reported
    /// listing.
    fn check(&mut self, reported_hash: Option<&str>) -> anyhow::Result<CheckResult> {
        let Some(planned) = self.plan()? else {
            return Ok(CheckResult::Invalid);
        };
        match self.listing_hash(&planned.plan, reported_hash) {
            Ok(listing_hash) => Ok(CheckResult::Ready(Box::new(planned), listing_hash)),
            Err(problem) => Ok(CheckResult::Unavailable(problem)),
        }
    }

    /// Reads and plans the job, which may have changed, for the current window unless another is
    /// given.
    fn plan(&mut self) -> anyhow::Result<Option<job::PlannedRun>> {
        let mut arguments = self.arguments.clone();
        let mut loaded = job::load(self.workspace, &arguments)?;
        loaded.ledger.publishes = true;
        // Errors in a job file are reported once, not at every check.
        let is_printed = self.invalid_text == loaded.text;
        self.invalid_text.clone_from(&loaded.text);
        if is_printed {
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
            job::DiagnosticsFormat::of_lines(self.resources.json),
        )
    }

    /// Hashes the listings of the sources. If the hash differs from `reported_hash`, waits until
    /// files stop growing.
    fn listing_hash(&mut self, plan: &Plan, reported_hash: Option<&str>) -> Result<String, String> {
        let started = Instant::now();
        let mut last = self.list(plan)?;
        if reported_hash == Some(last.as_str()) {
            return Ok(last);
        }
        while started.elapsed() < SETTLE_TIMEOUT && !self.stop.is_cancelled() {
            std::thread::sleep(SETTLE_INTERVAL);
            let next = self.list(plan)?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    fn list(&mut self, plan: &Plan) -> Result<String, String> {
        let mut listings = format!("{} {}", plan.label, plan.config_hash);
        for (name, source) in plan.sources() {
            let summary =
                job::listing_summary(self.workspace, plan, (name, source), source.required);
            let summary = self.runtime.block_on(summary);
            let summary = summary.map_err(|error| diagnose::in_one_line(&error))?;
            if let Some(folder) = &summary.folder {
                self.watcher.watch(folder);
            }
            let _ = write!(listings, " {name}={}", summary.hash);
        }
        Ok(listings)
    }

    /// Runs the job unless its results are up to date, and reports findings.
    fn run_round(&mut self, planned: &job::PlannedRun) -> anyhow::Result<RoundResult> {
        let started = Instant::now();
        // Files may have new times but the same contents, and another process may have run the job.
        if self.has_run
            && let Some((folder, summary)) = run::find_up_to_date(self.workspace, planned)?
        {
            self.report_findings(&summary.run, &folder, started.elapsed(), false)?;
            return Ok(RoundResult::Done { is_new_run: false });
        }
        let result = match run::execute(self.workspace, planned, self.resources, |_| {}) {
            Ok(result) => result,
            // Another process runs the job, or the disk is full: both are temporary.
            Err(error) if self.has_run => {
                let reason = diagnose::in_one_line(&error);
                terminal::message!("waiting: {reason}");
                return Ok(RoundResult::Retry);
            }
            Err(error) => return Err(error),
        };
        self.has_run = true;
        run::report_failures(&result);
        archive::update(self.workspace)?;
        if result.status.has_reports() {
            self.report_findings(&result.run, &result.folder, started.elapsed(), true)?;
            return Ok(RoundResult::Done { is_new_run: true });
        }
        let is_temporary = |(_, failure): &(String, Failure)| failure.kind != FailureKind::Data;
        Ok(if result.failed.iter().any(is_temporary) {
            RoundResult::Retry
        } else {
            // The same records would fail in the same way.
            RoundResult::Done { is_new_run: true }
        })
    }

    /// Reports new, changed and resolved findings; with `always`, even without any findings.
    fn report_findings(
        &mut self,
        run: &str,
        folder: &Path,
        elapsed: Duration,
        always: bool,
    ) -> anyhow::Result<()> {
        let mut findings: Vec<Finding> = read(&folder.join("findings.json"))?;
        findings.sort_by(by_importance);
        let current: BTreeSet<&str> = findings.iter().map(|finding| &*finding.id).collect();
        let mut lines: Vec<(&str, &str, &Finding)> = Vec::new();
        for finding in &findings {
            match self.reported.get(&finding.id) {
                None => lines.push(("new", &finding.id, finding)),
                Some(sentence) if *sentence != finding.sentence => {
                    lines.push(("changed", &finding.id, finding));
                }
                Some(_) => {}
            }
        }
        let resolved: Vec<&String> = self
            .reported
            .keys()
            .filter(|id| !current.contains(id.as_str()))
            .collect();
        if self.resources.json {
            for (state, _, finding) in &lines {
                print_raw(&json!({"finding": finding, "is": state, "run": run}).to_string())?;
            }
            for id in &resolved {
                print_raw(&json!({"id": id, "is": "gone", "run": run}).to_string())?;
            }
        } else if always || !lines.is_empty() || !resolved.is_empty() {
            let count = |state: &str| lines.iter().filter(|line| line.0 == state).count() as u64;
            let mut text = format!(
                "\n{} run {}, {}: {}, {} changed, {} resolved\n",
                jiff::Zoned::now().strftime("%H:%M:%S"),
                run,
                progress::duration(elapsed.as_millis() as u64),
                plural(count("new"), "new finding"),
                count("changed"),
                resolved.len(),
            );
            for (state, _, finding) in &lines {
                let _ = writeln!(
                    text,
                    "  {state:<8} {}",
                    terminal::truncate(&finding.sentence, 600)
                );
            }
            for id in &resolved {
                let _ = writeln!(
                    text,
                    "  {:<8} {}",
                    "resolved",
                    terminal::truncate(&self.reported[*id], 600)
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
        let changed = self.watcher.changed();
        self.runtime.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = changed => {}
                () = tokio::time::sleep(time) => {}
            }
        });
    }
}
