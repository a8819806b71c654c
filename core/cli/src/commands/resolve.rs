//! Resolves the name of a run on the command line.

use retrocast_domain::Window;
use retrocast_domain::suggest::nearest;
use retrocast_run::RunSummary;
use std::{collections::BTreeSet, path::PathBuf};

/// Maximum number of names that a message lists.
const NAMES_MAX: usize = 6;

/// A run and its folder.
pub type Run = (PathBuf, RunSummary);

/// The runs of an archive, newest first, and the known jobs.
#[derive(Clone, Copy)]
pub struct Runs<'a> {
    /// Runs by start time, newest first.
    pub runs: &'a [Run],
    /// Names of the jobs in the jobs folder.
    pub jobs: &'a [String],
    /// Name of the archive in messages.
    pub archive: &'a str,
}

impl<'a> Runs<'a> {
    /// Finds the run named by "latest", `JOB`, `WINDOW`, `JOB/WINDOW`, `JOB/WINDOW/RUN`,
    /// `JOB/latest` or a run id; the error lists the runs that exist.
    ///
    /// For a job, this is the run of the latest date, not the one that started last: a run on an
    /// old window does not become the latest. For a window, it is the run that started last.
    pub fn resolve(self, text: &str) -> Result<&'a Run, String> {
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        match parts.as_slice() {
            ["latest"] => self.latest(|_| true),
            [name] => return self.by_name(name),
            [job, "latest"] => self.latest(|run| run.job == *job),
            [job, part] => {
                let window = window_label(part);
                let mut of_job = self.runs.iter().filter(|(_, run)| run.job == *job);
                of_job.find(|(_, run)| run.window == window || run.run == *part)
            }
            [job, window, id] => {
                let window = window_label(window);
                let mut runs = self.runs.iter();
                runs.find(|(_, run)| run.job == *job && run.window == window && run.run == *id)
            }
            _ => None,
        }
        .ok_or_else(|| self.describe_unknown(text))
    }

    /// The run of the latest date; among several on that date, the last one started.
    fn latest(self, is_candidate: impl Fn(&RunSummary) -> bool) -> Option<&'a Run> {
        let runs = self.runs.iter().filter(|(_, run)| is_candidate(run));
        // The first of equal runs, because runs are sorted newest first.
        runs.rev().max_by(|(_, a), (_, b)| a.date.cmp(&b.date))
    }

    /// Finds the run with an id, or the latest run of a job or window, by name.
    fn by_name(self, name: &str) -> Result<&'a Run, String> {
        let window = window_label(name);
        let ids = self.runs.iter().filter(|(_, run)| run.run == name);
        let job = self.latest(|run| run.job == name);
        // The last run of each job that has the window.
        let mut jobs = BTreeSet::new();
        let on_window = self.runs.iter().filter(|(_, run)| run.window == window);
        let on_window = on_window.filter(|(_, run)| jobs.insert(&run.job));
        let matches: Vec<&Run> = ids.chain(job).chain(on_window).collect();
        match matches.as_slice() {
            [] => Err(self.describe_unknown(name)),
            [run] => Ok(run),
            several => {
                let names = list(several.iter().map(|(_, run)| path(run)), " or ");
                Err(format!("{name:?} may be {names}"))
            }
        }
    }

    /// Describes the error for an unknown run, with the runs that exist.
    fn describe_unknown(self, text: &str) -> String {
        let archive = self.archive;
        let job = text.split('/').next().unwrap_or_default();
        if self.jobs.iter().any(|known| known == job) {
            let windows = self.runs.iter().filter(|(_, run)| run.job == job);
            let windows = unique(windows.map(|(_, run)| run.window.as_str()));
            return if windows.is_empty() {
                format!(
                    "the job {job} has no runs in {archive} yet: `retrocast run {job}` starts one"
                )
            } else {
                let windows = list(windows.into_iter(), ", ");
                format!("no run {text:?} in {archive}; {job} has runs on {windows}")
            };
        }
        if self.runs.is_empty() {
            return format!("no run {text:?}: there are no runs in {archive} yet");
        }
        let jobs = unique(self.runs.iter().map(|(_, run)| run.job.as_str()));
        let windows = unique(self.runs.iter().map(|(_, run)| run.window.as_str()));
        if Window::parse(text, "UTC").is_ok() {
            let windows = list(windows.into_iter(), ", ");
            return format!("no run on {text} in {archive}; there are runs on {windows}");
        }
        let paths: Vec<String> = self.runs.iter().map(|(_, run)| path(run)).collect();
        let ids = self.runs.iter().map(|(_, run)| run.run.as_str());
        let candidates = jobs.iter().copied().chain(ids);
        let candidates = candidates.chain(paths.iter().map(String::as_str));
        let help = match nearest(text, candidates.chain(["latest"])) {
            Some(name) => format!("did you mean {name:?}?"),
            None => {
                let jobs = list(jobs.into_iter(), ", ");
                format!("there are runs of {jobs}; `retrocast list` lists them")
            }
        };
        format!("no run {text:?} in {archive}; {help}")
    }
}

/// Normalises the label of a window, such as 2026-W5 to 2026-W05; other text is unchanged.
fn window_label(text: &str) -> String {
    Window::parse(text, "UTC").map_or_else(|_| text.to_string(), |window| window.label())
}

fn path(run: &RunSummary) -> String {
    format!("{}/{}/{}", run.job, run.window, run.run)
}

/// Distinct names, in the order of their first occurrence.
fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known = BTreeSet::new();
    names.filter(|name| known.insert(*name)).collect()
}

/// Joins names in one line; those beyond the first few are counted.
fn list<T: AsRef<str>>(names: impl ExactSizeIterator<Item = T>, separator: &str) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let names: Vec<T> = names.take(NAMES_MAX).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let names = names.join(separator);
    match more {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_run::RunStatus;

    /// Job, window, id and date of each run, the last one started first.
    const RUNS: [[&str; 4]; 6] = [
        ["weekly", "1850-W01", "aa11", "1850-01-07"],
        ["weekly", "2026-W46", "bb22", "2026-11-16"],
        ["hello", "2026-W45", "cc33", "2026-11-09"],
        ["weekly", "2026-W46", "dd44", "2026-11-16"],
        ["weekly", "2026-W45", "ee55", "2026-11-09"],
        ["weekly", "2026-W05", "ff66", "2026-02-02"],
    ];

    fn runs() -> Vec<Run> {
        let run = |[job, window, run, date]: [&str; 4]| RunSummary {
            run: run.to_string(),
            job: job.to_string(),
            title: String::new(),
            window: window.to_string(),
            period: String::new(),
            date: date.parse().ok(),
            status: RunStatus::Complete,
            headline: String::new(),
            started: None,
            finished: None,
            reused: 0,
            executed: 0,
            parent: None,
            error: None,
        };
        RUNS.map(run)
            .map(|run| (PathBuf::from(&run.run), run))
            .into()
    }

    /// Checks the run that a text resolves to.
    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let runs = runs();
        let jobs = ["hello", "idle", "weekly"].map(String::from);
        let archive = Runs {
            runs: &runs,
            jobs: &jobs,
            archive: "reports",
        };
        let resolved = archive.resolve(text).map(|(_, run)| run.run.clone());
        let expected = expected.map(String::from).map_err(String::from);
        assert_eq!(resolved, expected, "{text}");
    }

    #[test]
    fn runs_are_found_by_job_window_and_id() {
        for (text, id) in [
            ("latest", "bb22"),
            ("weekly", "bb22"),
            ("hello", "cc33"),
            ("weekly/latest", "bb22"),
            ("weekly/2026-W46", "bb22"),
            ("weekly/2026-W46/", "bb22"),
            ("weekly/2026-W46/dd44", "dd44"),
            ("weekly/dd44", "dd44"),
            ("weekly/2026-W5", "ff66"),
            ("2026-W46", "bb22"),
            ("2026-W5", "ff66"),
            ("1850-W01", "aa11"),
            ("dd44", "dd44"),
        ] {
            check(text, Ok(id));
        }
    }

    #[test]
    fn unknown_and_ambiguous_names_list_existing_runs() {
        for (text, message) in [
            (
                "2026-W45",
                "\"2026-W45\" may be hello/2026-W45/cc33 or weekly/2026-W45/ee55",
            ),
            (
                "2026-W44",
                "no run on 2026-W44 in reports; there are runs on 1850-W01, 2026-W46, 2026-W45, \
                 2026-W05",
            ),
            (
                "weekly/2026-W44",
                "no run \"weekly/2026-W44\" in reports; weekly has runs on 1850-W01, 2026-W46, \
                 2026-W45, 2026-W05",
            ),
            (
                "idle",
                "the job idle has no runs in reports yet: `retrocast run idle` starts one",
            ),
            (
                "weekli",
                "no run \"weekli\" in reports; did you mean \"weekly\"?",
            ),
            (
                "nonsense",
                "no run \"nonsense\" in reports; there are runs of weekly, hello; `retrocast list` \
                 lists them",
            ),
        ] {
            check(text, Err(message));
        }
        let none = Runs {
            runs: &[],
            jobs: &[],
            archive: "reports",
        };
        let error = none.resolve("weekly").unwrap_err();
        assert_eq!(error, "no run \"weekly\": there are no runs in reports yet");
    }
}
