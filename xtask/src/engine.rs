//! Benchmarks the overhead of the engine with whole processes: jobs whose stages do nothing.

mod peers;

use crate::{
    measure::{self, Measurement, Series},
    options::in_folder,
    program, target,
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Number of independent stages.
const WIDTH: usize = 10;
/// Number of stages of the job that is run.
const NODES: usize = 1000;
/// Number of stages of the job that is only planned.
const PLANNED_NODES: usize = 100_000;
/// Number of repetitions of each measurement.
const REPETITIONS: usize = 7;

/// Runs `cargo xtask bench engine`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let with_peers = match arguments {
        [] => true,
        [argument] if argument == "--no-peers" => false,
        _ => return Err("usage: cargo xtask bench engine [--no-peers]".to_string()),
    };
    // Not in the folder for temporary files: creating files is slow where many were just deleted.
    in_folder(&target(), |folder| measure_all(folder, with_peers))
}

fn measure_all(folder: &Path, with_peers: bool) -> Result<(), String> {
    let load = measure::load();
    if load > 0.5 {
        println!("THE MACHINE IS BUSY (load {load:.1}): all figures are too high\n");
    }
    println!("{:<32} {:>9} {:>9} {:>11}", "", "minimum", "median", "peak");
    let launch = Series::measure(REPETITIONS, |_| {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        measure::once(
            Command::new(program()).arg("--version"),
            &folder.join("log"),
        )
    })?;
    print_row("launch", &launch);
    let (first, rerun) = measure_runs(folder, NODES, REPETITIONS)?;
    print_row(&format!("{NODES} nodes, first run"), &first);
    print_row(&format!("{NODES} nodes, unchanged rerun"), &rerun);
    let large = Workspace::new(folder.join("planned"), PLANNED_NODES)?;
    let planned = Series::measure(REPETITIONS, |_| large.measure("plan"))?;
    print_row(&format!("{PLANNED_NODES} nodes, plan"), &planned);
    let per_node = first.median() / NODES as f64;
    println!("{:<32} {:>19.3} ms", "first run, per node", per_node);
    if with_peers {
        println!();
        peers::compare(folder)?;
    }
    Ok(())
}

fn print_row(name: &str, series: &Series) {
    println!(
        "{name:<32} {:>6.0} ms {:>6.0} ms {:>7.1} MiB",
        series.minimum(),
        series.median(),
        series.peak_kib as f64 / 1024.0
    );
}

/// Measures first runs, each in its own workspace, and reruns of the last of them.
fn measure_runs(folder: &Path, nodes: usize, times: usize) -> Result<(Series, Series), String> {
    let mut workspaces = (0..times)
        .map(|i| Workspace::new(folder.join(format!("{nodes}-{i}")), nodes))
        .collect::<Result<Vec<_>, _>>()?;
    let first = Series::measure(times, |i| workspaces[i].measure("run"))?;
    let last = workspaces.pop().ok_or("nothing to measure")?;
    let rerun = Series::measure(times, |_| last.measure("run"))?;
    Ok((first, rerun))
}

/// A workspace with one job.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn new(folder: PathBuf, nodes: usize) -> Result<Self, String> {
        let jobs = folder.join("jobs");
        fs::create_dir_all(&jobs).map_err(|error| format!("{}: {error}", jobs.display()))?;
        let job = jobs.join("layers.toml");
        fs::write(&job, job_text(nodes)).map_err(|error| format!("{}: {error}", job.display()))?;
        Ok(Self { folder })
    }

    fn measure(&self, command: &str) -> Result<Measurement, String> {
        let mut program = Command::new(program());
        program
            .args([command, "layers", "--date", "2026-11-16", "--workspace"])
            .arg(&self.folder);
        measure::once(&mut program, &self.folder.join("log"))
    }
}

/// A job with layers of stages: each layer reads the layer above it.
fn job_text(nodes: usize) -> String {
    let mut text = "title = \"Layers\"\nwindow = \"week\"\n".to_string();
    for i in 0..nodes {
        let _ = write!(text, "\n[stage.n{i}]\nkind = \"noop\"\n");
        if i >= WIDTH {
            let _ = writeln!(text, "inputs = [\"n{}\"]", i - WIDTH);
        }
    }
    text
}
