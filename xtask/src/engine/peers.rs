//! Runs the same no-op tasks with other schedulers on the same machine.
//!
//! Each is installed at a fixed version in its own virtual environment below the target folder.
//! Schedulers that cannot be installed are reported as skipped.

use super::{WIDTH, measure_runs};
use crate::{
    measure::{self, Measurement, Series},
    venv,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Number of tasks of the comparison.
const TASKS: usize = 100;
/// Number of repetitions of each measurement.
const REPETITIONS: usize = 3;

/// Another scheduler.
struct Peer {
    /// Name; in lower case, the name of the package.
    name: &'static str,
    version: &'static str,
    /// Isolation between tasks.
    isolation: &'static str,
    /// File name of the script, and its text with `{n}` and `{width}`.
    script: (&'static str, &'static str),
    /// Program of the virtual environment, with arguments.
    program: &'static str,
    arguments: &'static [&'static str],
    /// True if finished tasks are skipped.
    skips_finished: bool,
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "Luigi",
        version: "3.8.1",
        isolation: "one process",
        script: ("layers.py", include_str!("peers/luigi.py.txt")),
        program: "python",
        arguments: &["layers.py"],
        skips_finished: true,
    },
    Peer {
        name: "Snakemake",
        version: "9.27.1",
        isolation: "process per task",
        script: ("Snakefile", include_str!("peers/snakemake.txt")),
        program: "snakemake",
        arguments: &["--cores", "1", "--quiet", "all"],
        skips_finished: true,
    },
    Peer {
        name: "Dagster",
        version: "1.13.28",
        isolation: "one process",
        script: ("layers.py", include_str!("peers/dagster.py.txt")),
        program: "python",
        arguments: &["layers.py"],
        skips_finished: false,
    },
];

/// Measures all schedulers and prints one table.
pub fn compare(folder: &Path) -> Result<(), String> {
    let (first, rerun) = measure_runs(folder, TASKS, REPETITIONS)?;
    let ours = Row {
        name: "Retrocast".to_string(),
        isolation: "one process",
        first,
        rerun: Some(rerun),
    };
    let mut rows = Vec::new();
    for peer in &PEERS {
        match peer.measure(folder) {
            Ok(row) => rows.push(row),
            Err(error) => println!("SKIPPED: {} {}: {error}", peer.name, peer.version),
        }
    }
    println!(
        "{TASKS} no-op tasks in layers of {WIDTH}, whole processes, median (minimum) of \
         {REPETITIONS}"
    );
    println!(
        "{:<18} {:<14} {:>18} {:>10} {:>8} {:>18} {:>8} {:>10}",
        "", "isolation", "first run", "ms per task", "ratio", "unchanged rerun", "ratio", "peak"
    );
    for row in std::iter::once(&ours).chain(&rows) {
        println!("{}", row.table_row(&ours));
    }
    println!(
        "ratio: time relative to Retrocast. Retrocast flushes its journal to the disk; Dagster"
    );
    println!("records runs in SQLite and skips no finished task; Luigi records nothing.");
    Ok(())
}

/// The measurements of one scheduler.
struct Row {
    name: String,
    isolation: &'static str,
    first: Series,
    rerun: Option<Series>,
}

impl Row {
    fn table_row(&self, ours: &Self) -> String {
        let time = |series: &Series| format!("{:.0} ({:.0}) ms", series.median(), series.minimum());
        let ratio = |theirs: &Series, ours: &Series| {
            let ratio = theirs.median() / ours.median();
            format!("{ratio:.1}")
        };
        let rerun = self.rerun.as_ref();
        let none = || "-".to_string();
        format!(
            "{:<18} {:<14} {:>18} {:>10.2} {:>8} {:>18} {:>8} {:>6.0} MiB",
            self.name,
            self.isolation,
            time(&self.first),
            self.first.median() / TASKS as f64,
            ratio(&self.first, &ours.first),
            rerun.map_or_else(none, time),
            rerun
                .zip(ours.rerun.as_ref())
                .map_or_else(none, |(theirs, ours)| ratio(theirs, ours)),
            self.first.peak_kib as f64 / 1024.0
        )
    }
}

impl Peer {
    fn measure(&self, folder: &Path) -> Result<Row, String> {
        let environment = self.environment()?;
        let work = |i: usize| folder.join(format!("{}-{i}", self.name));
        let first = Series::measure(REPETITIONS, |i| {
            self.prepare(&work(i))?;
            self.run(&environment, &work(i))
        })?;
        let rerun = || {
            Series::measure(REPETITIONS, |_| {
                self.run(&environment, &work(REPETITIONS - 1))
            })
        };
        Ok(Row {
            name: format!("{} {}", self.name, self.version),
            isolation: self.isolation,
            first,
            rerun: self.skips_finished.then(rerun).transpose()?,
        })
    }

    /// The folder of its virtual environment.
    fn environment(&self) -> Result<PathBuf, String> {
        let (package, version) = (self.name.to_lowercase(), self.version);
        venv::environment(
            &format!("{package}-{version}"),
            &[format!("{package}=={version}")],
        )
    }

    fn prepare(&self, work: &Path) -> Result<(), String> {
        let (name, text) = self.script;
        let text = text
            .replace("{n}", &TASKS.to_string())
            .replace("{width}", &WIDTH.to_string());
        let home = work.join("home");
        let write = |path: PathBuf, text: &str| fs::write(path, text);
        fs::create_dir_all(&home)
            .and_then(|()| write(home.join("dagster.yaml"), "telemetry:\n  enabled: false\n"))
            .and_then(|()| write(work.join(name), &text))
            .map_err(|error| format!("{}: {error}", work.display()))
    }

    fn run(&self, environment: &Path, work: &Path) -> Result<Measurement, String> {
        let mut command = Command::new(environment.join("bin").join(self.program));
        command
            .args(self.arguments)
            .current_dir(work)
            // Snakemake stores its cache in the home folder, and Dagster its history.
            .env("HOME", work.join("home"))
            .env("DAGSTER_HOME", work.join("home"));
        let measured = measure::once(&mut command, &work.join("log"))?;
        let written = fs::read_dir(work.join("out")).map_or(0, Iterator::count);
        if written == TASKS {
            Ok(measured)
        } else {
            Err(format!("wrote {written} files instead of {TASKS}"))
        }
    }
}
