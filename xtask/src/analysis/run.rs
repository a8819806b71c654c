//! Measures the program: a command, or a job with one stage.

use super::LIMIT;
use crate::measure::{self, Measurement};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The times of a process.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Wall time of the whole process, in seconds.
    pub seconds: f64,
    /// Processor time of all its threads, in seconds.
    pub cpu_seconds: f64,
    /// Peak resident memory, in KiB.
    pub peak_kib: u64,
    /// Wall time of the computation alone, in seconds, if the process reports it.
    pub computation_seconds: Option<f64>,
}

impl Timing {
    pub fn new(measured: Measurement) -> Self {
        Self {
            seconds: measured.seconds,
            cpu_seconds: measured.cpu_seconds,
            peak_kib: measured.peak_kib,
            computation_seconds: None,
        }
    }
}

/// A task of the program.
#[derive(Debug, Clone)]
pub enum Task {
    /// A command with its arguments.
    Command(Vec<String>),
    /// The job of shifts on a file, until a date.
    Shifts(PathBuf, String),
}

impl Task {
    /// Printing the version: the start of the program and nothing else.
    pub fn version() -> Self {
        Self::Command(vec!["--version".to_string()])
    }
}

/// The program, and the folder of data and jobs.
pub struct Program {
    pub path: PathBuf,
    pub folder: PathBuf,
}

impl Program {
    /// Measures a task.
    pub fn measure(&self, task: &Task) -> Result<Timing, String> {
        let log = self.folder.join("log");
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder);
        match task {
            Task::Command(arguments) => {
                command.args(arguments);
                let measured = measure::within(Some(LIMIT), &mut command, &log)?;
                Ok(Timing::new(measured))
            }
            Task::Shifts(file, date) => {
                // Nothing is reused from an earlier run.
                let [lake, reports] = ["lake", "reports"].map(|name| self.folder.join(name));
                for folder in [&lake, &reports] {
                    if folder.exists() {
                        fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
                    }
                }
                command.args(["run", "shifts", "--date", date, "--set"]);
                command.arg(format!("records={}", file.display()));
                command
                    .arg("--lake")
                    .arg(lake)
                    .arg("--reports")
                    .arg(&reports);
                let measured = measure::within(Some(LIMIT), &mut command, &log)?;
                let journal = find_file(&reports.join("shifts"), "journal.jsonl")
                    .ok_or("the job has written no journal")?;
                let journal = fs::read_to_string(journal).map_err(|error| error.to_string())?;
                Ok(Timing {
                    computation_seconds: stage_seconds(&journal, "stage.shifts"),
                    ..Timing::new(measured)
                })
            }
        }
    }
}

/// Finds a file below a folder.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let is_wanted = |path: &&PathBuf| path.file_name().is_some_and(|other| other == name);
    if let Some(path) = paths.iter().find(is_wanted) {
        return Some(path.clone());
    }
    let mut folders = paths.iter().filter(|path| path.is_dir());
    folders.find_map(|folder| find_file(folder, name))
}

/// Seconds of a stage in the journal of a run, which has one event per line.
fn stage_seconds(journal: &str, node: &str) -> Option<f64> {
    let has_field =
        |line: &str, key: &str, value: &str| line.contains(&format!("\"{key}\":\"{value}\""));
    let line = journal
        .lines()
        .find(|line| has_field(line, "event", "node_finished") && has_field(line, "node", node))?;
    let (_, after_key) = line.split_once("\"duration_ms\":")?;
    let digits = after_key.split(|c: char| !c.is_ascii_digit()).next()?;
    digits
        .parse::<f64>()
        .ok()
        .map(|milliseconds| milliseconds / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_duration_of_a_stage_is_read_from_the_journal() {
        let journal = "{\"event\":\"node_started\",\"node\":\"stage.shifts\"}\n\
            {\"event\":\"node_finished\",\"node\":\"source.values\",\"duration_ms\":13}\n\
            {\"event\":\"node_finished\",\"node\":\"stage.shifts\",\"duration_ms\":1701,\"rows\":3}\n";
        assert_eq!(stage_seconds(journal, "stage.shifts"), Some(1.701));
        assert_eq!(stage_seconds(journal, "stage.other"), None);
    }

    #[test]
    fn files_are_found_below_folders() {
        let folder = std::env::temp_dir().join(format!("xtask-find-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/journal.jsonl"), "").unwrap();
        let path = find_file(&folder, "journal.jsonl");
        assert_eq!(path, Some(folder.join("a/b/journal.jsonl")));
        assert_eq!(find_file(&folder, "other"), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
