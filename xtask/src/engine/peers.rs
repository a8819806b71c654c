//! Runs the same no-op tasks with other schedulers on the same machine.
//!
//! Each is installed at a fixed version in its own virtual environment below the target folder. One
//! that cannot be installed is reported as skipped.

use super::{WIDTH, runs};
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
/// Number of measurements of each.
const TIMES: usize = 3;

/// Another scheduler.
struct Peer {
    /// Name; the package has it in lower case.
    name: &'static str,
    version: &'static str,
    /// Isolation between tasks.
    isolation: &'static str,
    /// The tasks: file name, and text with `{n}` and `{width}`.
    script: (&'static str, &'static str),
    /// Program of the virtual environment, with arguments.
    program: &'static str,
    arguments: &'static [&'static str],
    /// True if finished tasks are skipped.
    reruns: bool,
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "Luigi",
        version: "3.8.1",
        isolation: "one process",
        script: ("layers.py", include_str!("peers/luigi.py.txt")),
        program: "python",
        arguments: &["layers.py"],
        reruns: true,
    },
    Peer {
        name: "Snakemake",
        version: "9.27.1",
        isolation: "process a task",
        script: ("Snakefile", include_str!("peers/snakemake.txt")),
        program: "snakemake",
        arguments: &["--cores", "1", "--quiet", "all"],
        reruns: true,
    },
    Peer {
        name: "Dagster",
        version: "1.13.28",
        isolation: "one process",
        script: ("layers.py", include_str!("peers/dagster.py.txt")),
        program: "python",
        arguments: &["layers.py"],
        reruns: false,
    },
];

/// Measures all schedulers and prints one table.
pub fn compare(folder: &Path) -> Result<(), String> {
    let (first, again) = runs(folder, TASKS, TIMES)?;
    let ours = Row {
        name: "Retrocast".to_string(),
        isolation: "one process",
        first,
        again: Some(again),
    };
    let mut rows = Vec::new();
    for peer in &PEERS {
        match peer.measure(folder) {
            Ok(row) => rows.push(row),
            Err(why) => println!("LEFT OUT: {} {}: {why}", peer.name, peer.version),
        }
    }
    println!(
        "{TASKS} no-op tasks in layers of {WIDTH}, whole processes, median (least) of {TIMES}"
    );
    println!(
        "{:<18} {:<14} {:>18} {:>10} {:>8} {:>18} {:>8} {:>10}",
        "", "isolation", "first run", "ms a task", "ratio", "unchanged rerun", "ratio", "peak"
    );
    for row in std::iter::once(&ours).chain(&rows) {
        println!("{}", row.table_row(&ours));
    }
    println!(
        "ratio: how many times as long as Retrocast. Retrocast's journal is flushed to the disk;"
    );
    println!("Dagster keeps its record in SQLite and leaves nothing out, Luigi keeps none.");
    Ok(())
}

/// The measurement of one scheduler.
struct Row {
    name: String,
    isolation: &'static str,
    first: Series,
    again: Option<Series>,
}

impl Row {
    fn table_row(&self, ours: &Self) -> String {
        let time = |series: &Series| format!("{:.0} ({:.0}) ms", series.median(), series.least());
        let ratio = |theirs: &Series, ours: &Series| {
            let ratio = theirs.median() / ours.median();
            format!("{ratio:.1}")
        };
        let again = self.again.as_ref();
        let none = || "-".to_string();
        format!(
            "{:<18} {:<14} {:>18} {:>10.2} {:>8} {:>18} {:>8} {:>6.0} MiB",
            self.name,
            self.isolation,
            time(&self.first),
            self.first.median() / TASKS as f64,
            ratio(&self.first, &ours.first),
            again.map_or_else(none, time),
            again
                .zip(ours.again.as_ref())
                .map_or_else(none, |(theirs, ours)| ratio(theirs, ours)),
            self.first.peak_kib as f64 / 1024.0
        )
    }
}

impl Peer {
    fn measure(&self, folder: &Path) -> Result<Row, String> {
        let environment = self.environment()?;
        let work = |i: usize| folder.join(format!("{}-{i}", self.name));
        let first = Series::of(TIMES, |i| {
            self.prepare(&work(i))?;
            self.run(&environment, &work(i))
        })?;
        let again = || Series::of(TIMES, |_| self.run(&environment, &work(TIMES - 1)));
        Ok(Row {
            name: format!("{} {}", self.name, self.version),
            isolation: self.isolation,
            first,
            again: self.reruns.then(again).transpose()?,
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
            // Snakemake keeps a cache in the home folder, and Dagster its history.
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
