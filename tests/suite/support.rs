//! Scratch folders, calls of the program, and the results of its runs.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A temporary folder, removed when dropped.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and its folders, and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

/// The result of a command.
pub struct CommandResult {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandResult {
    /// Returns the result after checking its exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

/// The tested program: the one that is built with the tests, unless `RETROCAST_PROGRAM` names
/// another, such as a released version.
pub fn program() -> PathBuf {
    let program = std::env::var_os("RETROCAST_PROGRAM");
    program.map_or_else(|| env!("CARGO_BIN_EXE_retrocast").into(), PathBuf::from)
}

/// Runs the program in a folder.
pub fn retrocast_in(folder: &Path, arguments: &[&str]) -> CommandResult {
    let output: Output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    CommandResult {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs one of the project's own jobs with lake and archive in a scratch folder.
pub fn run_job(scratch: &Scratch, job: &str, records: &Path, options: &[&str]) -> CommandResult {
    let setting = format!("records={}", records.display());
    let jobs = root().join("jobs");
    let templates = root().join("templates");
    let mut arguments = vec!["run", job, "--set", &setting];
    let jobs = jobs.display().to_string();
    let templates = templates.display().to_string();
    arguments.extend(["--jobs", &jobs, "--templates", &templates]);
    arguments.extend(options);
    retrocast_in(scratch.path(), &arguments)
}

/// Starts a command on one of the project's own jobs in a folder, without waiting for it.
pub fn start_command(command: &[&str], folder: &Path, records: &Path) -> Child {
    Command::new(program())
        .args(command)
        .arg("--set")
        .arg(format!("records={}", records.display()))
        .arg("--jobs")
        .arg(root().join("jobs"))
        .arg("--templates")
        .arg(root().join("templates"))
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A contract for tickets with a number and a time, both of which are required.
const TICKETS: &str = r#"title = "Ticket"
key = ["id"]
time = "at"
[field.id]
type = "integer"
required = true
[field.at]
type = "timestamp"
required = true
"#;

/// A workspace with one job and a contract `ticket` for numbered tickets.
pub fn workspace_of(name: &str, job: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write(&format!("jobs/{name}.toml"), job);
    scratch.write("jobs/contracts/ticket.toml", TICKETS);
    scratch
}

/// Checks that stderr contains all `words`.
pub fn assert_stderr(result: &CommandResult, words: &[&str]) {
    for word in words {
        let stderr = &result.stderr;
        assert!(stderr.contains(word), "{word:?} is missing:\n{stderr}");
    }
}

/// The run folders of a job below a reports folder, sorted by path.
pub fn runs(reports: &Path, job: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for window in fs::read_dir(reports.join(job)).into_iter().flatten() {
        let window = window.unwrap().path();
        for run in fs::read_dir(&window).into_iter().flatten() {
            let run = run.unwrap().path();
            if run.join("run.json").is_file() {
                folders.push(run);
            }
        }
    }
    folders.sort();
    folders
}

/// Finds a file below a folder.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| {
        let is_folder = path.is_dir() && !path.is_symlink();
        if is_folder {
            find(&path, name)
        } else {
            path.ends_with(name).then_some(path)
        }
    })
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The findings of a run.
pub fn findings(run: &Path) -> Vec<Value> {
    json(&run.join("findings.json")).as_array().unwrap().clone()
}

/// Simulated records of 60 weeks, shared by all tests that only read them.
pub fn operations() -> &'static Path {
    static RECORDS: OnceLock<(Scratch, PathBuf)> = OnceLock::new();
    let (_, path) = RECORDS.get_or_init(|| {
        let scratch = Scratch::new();
        let path = scratch.join("operations");
        simulate(&path, 1);
        (scratch, path)
    });
    path
}

/// Simulates 60 weeks up to 2026-11-16.
pub fn simulate(out: &Path, seed: u64) {
    let out = out.display().to_string();
    let seed = seed.to_string();
    let arguments = [
        "simulate",
        &out,
        "--seed",
        &seed,
        "--weeks",
        "60",
        "--until",
        "2026-11-16",
    ];
    retrocast_in(Path::new("."), &arguments).expect(0);
}

/// A finished demo run on [`operations`], shared by tests: its scratch folder and its run folder.
pub fn demo() -> (&'static Scratch, &'static Path) {
    static RUN: OnceLock<(Scratch, PathBuf)> = OnceLock::new();
    let (scratch, run) = RUN.get_or_init(|| {
        let scratch = Scratch::new();
        run_job(
            &scratch,
            "weekly-operations",
            operations(),
            &["--date", "2026-11-16"],
        )
        .expect(0);
        let run = runs(&scratch.join("reports"), "weekly-operations").remove(0);
        (scratch, run)
    });
    (scratch, run)
}

/// The folder of real data; if it is not set, prints that the test is skipped. In CI it must be
/// set.
pub fn real_data(test: &str) -> Option<PathBuf> {
    let Some(path) = std::env::var_os("RETROCAST_REAL_DATA") else {
        report_skipped(
            test,
            "RETROCAST_REAL_DATA is not set; data/README.md describes the data",
        );
        return None;
    };
    Some(PathBuf::from(path))
}

/// Returns true if a program is installed; prints that the test is skipped if not. In CI it must be
/// installed.
pub fn has_tool(test: &str, name: &str) -> bool {
    let is_installed = Command::new(name).arg("--version").output().is_ok()
        || Command::new(name).arg("-v").output().is_ok();
    if !is_installed {
        report_skipped(test, &format!("{name} is not installed"));
    }
    is_installed
}

/// Prints that a test is skipped; fails in CI, where every test must run.
pub fn report_skipped(test: &str, reason: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{test}: {reason}"
    );
    eprintln!("SKIPPED: {test}: {reason}");
}
