//! Benchmarks the reports: rendering them, compared with other ways to a PDF, one report per value
//! of a column, restated figures among many runs, and explaining a figure.

mod render;
mod restated;
mod slices;
mod table;
mod why;

use crate::{
    measure::{self, Measurement},
    options::{Options, in_folder},
    root,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

const USAGE: &str = "usage: cargo xtask bench reports [--times N] [--only WORD] [--program FILE] \
    [--no-peers]";
/// The date of the demo, and the name of its job.
const DATE: &str = "2026-11-16";
const JOB: &str = "weekly-operations";
/// A process that took this long is not repeated.
const REPEATED_MAX: Duration = Duration::from_secs(30);
/// The parts of the benchmark.
const PARTS: [Part; 4] = [
    ("render", render::measure),
    ("slices", slices::measure),
    ("restated", restated::measure),
    ("why", why::measure),
];

/// Name of a part, and its measurement; returns the goals that it missed.
type Part = (&'static str, fn(&Bench) -> Result<Vec<String>, String>);

/// Runs `cargo xtask bench reports`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    let program = options.program()?;
    in_folder(&env::temp_dir(), |folder| {
        let bench = Bench {
            program,
            folder: folder.to_path_buf(),
            options,
        };
        bench.run()
    })
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let options = Options::parse(arguments, ("--times", 5), USAGE)?;
    if !PARTS.iter().any(|(name, _)| name.contains(&options.only)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        return Err(format!("--only {}: the parts are {names}", options.only));
    }
    Ok(options)
}

/// The program under test, and a folder for its workspaces.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    options: Options,
}

impl Bench {
    fn run(&self) -> Result<(), String> {
        let load = measure::load();
        if load > 0.5 {
            println!("THE MACHINE IS BUSY (load {load:.1}): all wall times are too long");
        }
        println!(
            "{} cores, median of up to {} repetitions; whole processes, with the start of the program",
            thread::available_parallelism().map_or(1, usize::from),
            self.options.count
        );
        table::print_header();
        let mut missed = Vec::new();
        for (name, measure) in PARTS {
            if name.contains(&self.options.only) {
                missed.extend(measure(self)?);
            }
        }
        println!("{}", table::NOTES);
        if !missed.is_empty() {
            println!("\nmissed goals:\n  {}", missed.join("\n  "));
        }
        Ok(())
    }

    /// Simulates the demo's records, unless they exist; returns their location as a param.
    fn records(&self) -> Result<String, String> {
        let folder = self.folder.join("raw");
        let name = folder.display().to_string();
        if !folder.exists() {
            let simulate = ["simulate", &name, "--weeks", "60", "--until", DATE];
            self.measure(&self.folder, &simulate)?;
        }
        Ok(format!("records={name}"))
    }

    /// Runs the demo's job, unless there is a run.
    fn run_demo(&self) -> Result<(), String> {
        if self.folder.join("reports").exists() {
            return Ok(());
        }
        let records = self.records()?;
        let mut command = vec!["run", JOB, "--date", DATE, "--set", &records];
        let project = self.project();
        command.extend(project.iter().map(String::as_str));
        self.measure(&self.folder, &command).map(drop)
    }

    /// The options that name the project's jobs and templates.
    fn project(&self) -> [String; 4] {
        let folder = |name: &str| root().join(name).display().to_string();
        [
            "--jobs".to_string(),
            folder("jobs"),
            "--templates".to_string(),
            folder("templates"),
        ]
    }

    /// Measures a command of the program in a workspace.
    fn measure<T: AsRef<str>>(
        &self,
        workspace: &Path,
        arguments: &[T],
    ) -> Result<Measurement, String> {
        let mut command = Command::new(&self.program);
        command.args(arguments.iter().map(AsRef::as_ref));
        self.once(command.current_dir(workspace))
    }

    /// Measures a process.
    fn once(&self, command: &mut Command) -> Result<Measurement, String> {
        measure::once(command, &self.folder.join("log"))
    }

    /// Medians of repetitions; a long process is not repeated.
    fn repeat(
        &self,
        mut once: impl FnMut() -> Result<Measurement, String>,
    ) -> Result<Measurement, String> {
        let start = Instant::now();
        let mut measured = Vec::new();
        while measured.len() < self.options.count
            && (measured.is_empty() || start.elapsed() < REPEATED_MAX)
        {
            measured.push(once()?);
        }
        Ok(medians(&measured))
    }
}

/// Medians of the times, and the largest memory.
fn medians(measured: &[Measurement]) -> Measurement {
    let median = |figure: fn(&Measurement) -> f64| {
        let mut values: Vec<f64> = measured.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let largest =
        |figure: fn(&Measurement) -> u64| measured.iter().map(figure).max().unwrap_or_default();
    Measurement {
        seconds: median(|measured| measured.seconds),
        cpu_seconds: median(|measured| measured.cpu_seconds),
        peak_kib: largest(|measured| measured.peak_kib),
        read_bytes: largest(|measured| measured.read_bytes),
    }
}

/// The measurement of processes that run one after another.
fn sum(measured: &[Measurement]) -> Measurement {
    Measurement {
        seconds: measured.iter().map(|measured| measured.seconds).sum(),
        cpu_seconds: measured.iter().map(|measured| measured.cpu_seconds).sum(),
        ..medians(measured)
    }
}

/// Writes a file and its folders.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let message = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(message)?;
    }
    fs::write(path, text).map_err(message)
}

/// Removes a folder, if it exists.
fn remove(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    pub(super) fn measured(seconds: f64, cpu_seconds: f64, peak_kib: u64) -> Measurement {
        Measurement {
            seconds,
            cpu_seconds,
            peak_kib,
            read_bytes: 0,
        }
    }

    #[test]
    fn unknown_parts_are_refused() {
        assert_eq!(parse(&words("--only why")).unwrap().only, "why");
        let error = parse(&words("--only pages")).unwrap_err();
        assert!(error.contains("render, slices, restated, why"), "{error}");
    }

    #[test]
    fn medians_are_taken_of_each_figure() {
        let all = [
            measured(3.0, 1.0, 7),
            measured(1.0, 3.0, 9),
            measured(2.0, 2.0, 8),
        ];
        let median = medians(&all);
        assert_eq!((median.seconds, median.cpu_seconds), (2.0, 2.0));
        assert_eq!(median.peak_kib, 9);
        let total = sum(&all);
        assert_eq!((total.seconds, total.cpu_seconds), (6.0, 6.0));
        assert_eq!(total.peak_kib, 9);
    }
}
