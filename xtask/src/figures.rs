//! Benchmarks the main job as a whole process, compared with the same figures from data frames in
//! Python.
//!
//! The scripts read the same files and compute the figures that the stages start from. They do
//! less: no tests, forecasts or reports, and they store nothing.

use crate::{
    measure::{self, Measurement},
    options::in_folder,
    program, root, venv,
};
use std::{env, fs, path::Path, process::Command};

const USAGE: &str = "usage: cargo xtask bench figures [--records N] [--no-peers]";
/// Name, packages (the compared package first) and script of each comparison.
const PEERS: [(&str, &[&str], &str); 2] = [
    (
        "polars",
        &["polars==2.1.0", "zstandard==0.25.0"],
        include_str!("figures/polars.py.txt"),
    ),
    (
        "pandas",
        &["pandas==3.1.1", "pyarrow==26.0.1", "zstandard==0.25.0"],
        include_str!("figures/pandas.py.txt"),
    ),
];

/// Runs `cargo xtask bench figures`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let (mut records, mut with_peers) = (200_000, true);
    let mut remaining = arguments.iter();
    while let Some(name) = remaining.next() {
        match name.as_str() {
            "--no-peers" => with_peers = false,
            "--records" => {
                let number = remaining.next().and_then(|text| text.parse().ok());
                records = number.ok_or(USAGE)?;
            }
            _ => return Err(USAGE.to_string()),
        }
    }
    in_folder(&env::temp_dir(), |folder| {
        compare(folder, records, with_peers)
    })
}

fn compare(folder: &Path, records: u64, with_peers: bool) -> Result<(), String> {
    let raw = folder.join("raw");
    let log = folder.join("log");
    let print_row = |name: &str, measured: Measurement, note: &str| {
        let (seconds, peak) = (measured.seconds, measured.peak_kib / 1024);
        println!("{name:<28} {seconds:>8.2} s   peak {peak:>6} MiB   {note}");
        measured
    };
    let measure_ours = |arguments: &[&str]| {
        let mut command = Command::new(program());
        measure::once(command.args(arguments).current_dir(root()), &log)
    };
    let raw_text = raw.display().to_string();
    let count = records.to_string();
    let simulate = ["simulate", &raw_text, "--weeks", "60", "--records", &count];
    print_row("simulate", measure_ours(&simulate)?, "");
    let [lake, reports] = ["lake", "reports"].map(|name| folder.join(name).display().to_string());
    let setting = format!("records={raw_text}");
    let mut job_arguments = vec!["run", "weekly-operations", "--date", "2026-11-16"];
    job_arguments.extend(["--set", &setting, "--lake", &lake, "--reports", &reports]);
    let load = measure::load();
    if load > 0.5 {
        println!("THE MACHINE IS BUSY (load {load:.1}): all figures are too high");
    }
    let cold = print_row("main job, cold", measure_ours(&job_arguments)?, "");
    let warm = print_row("main job, unchanged", measure_ours(&job_arguments)?, "");
    println!(
        "{records} records requested, {:.0} records/s; the unchanged run is {:.1} times as fast",
        records as f64 / cold.seconds,
        cold.seconds / warm.seconds
    );
    for (name, packages, script) in PEERS.iter().filter(|_| with_peers) {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let folder_name = packages[0].replace("==", "-figures-");
        let environment = match venv::environment(&folder_name, &packages) {
            Ok(environment) => environment,
            Err(error) => {
                println!("SKIPPED: {name}: {error}");
                continue;
            }
        };
        let path = folder.join("script.py");
        fs::write(&path, script).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut python = Command::new(environment.join("bin/python"));
        python.arg(&path).arg(&raw).arg("2").current_dir(folder);
        let measured = measure::once(&mut python, &log)?;
        let counts = fs::read_to_string(folder.join("counts")).unwrap_or_default();
        let times = measured.seconds / cold.seconds;
        let memory = measured.peak_kib as f64 / cold.peak_kib as f64;
        let note = format!("{times:.1} times our time, {memory:.1} times our memory; {counts}");
        print_row(&packages[0].replace("==", " "), measured, &note);
    }
    Ok(())
}
