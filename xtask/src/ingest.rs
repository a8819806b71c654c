//! Benchmarks ingest with whole processes: the same files with Retrocast and with other readers,
//! and the cost of one more week.

mod peers;
mod records;

use crate::{
    measure::{self, Measurement, Series},
    options::in_folder,
    program, target,
};
use peers::{InstalledPeer, PEERS, create_empty};
use records::{Format, WEEKS};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

/// Approximate size of a record as JSON, in bytes.
const RECORD_BYTES: u64 = 270;
const USAGE: &str = "usage: cargo xtask bench ingest [--gigabytes N] [--times N] [--threads N] \
    [--forms jsonl,csv,parquet] [--no-peers]";
const JOB: &str = "title = \"Load\"\nwindow = \"week\"\n\n[params.records]\ntype = \"string\"\n\
    default = \"records\"\ndescription = \"The files.\"\n\n\
    [source.tickets]\nuri = \"${params.records}\"\ncontract = \"ticket\"\n";

/// Settings of a measurement.
struct Options {
    gigabytes: f64,
    times: usize,
    threads: usize,
    forms: Vec<String>,
    with_peers: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            gigabytes: 1.0,
            times: 3,
            threads: 2,
            forms: ["jsonl", "csv", "parquet"].map(String::from).to_vec(),
            with_peers: true,
        };
        let mut remaining = arguments.iter();
        while let Some(name) = remaining.next() {
            if name == "--no-peers" {
                options.with_peers = false;
                continue;
            }
            let value = remaining.next().ok_or(USAGE)?;
            let number = || value.parse::<usize>().map_err(|_| USAGE.to_string());
            match name.as_str() {
                "--gigabytes" => options.gigabytes = value.parse().map_err(|_| USAGE)?,
                "--times" => options.times = number()?.max(1),
                "--threads" => options.threads = number()?.max(1),
                "--forms" => options.forms = value.split(',').map(String::from).collect(),
                _ => return Err(USAGE.to_string()),
            }
        }
        let is_known = |form: &String| ["jsonl", "csv", "parquet"].contains(&form.as_str());
        if options.forms.iter().all(is_known) {
            Ok(options)
        } else {
            Err(USAGE.to_string())
        }
    }
}

/// Runs `cargo xtask bench ingest`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    in_folder(&target(), |folder| Bench::new(folder, options)?.run())
}

struct Bench {
    folder: PathBuf,
    options: Options,
    peers: Vec<InstalledPeer>,
}

/// One line of the table.
struct Row {
    name: String,
    series: Series,
    counts: (u64, u64),
}

impl Bench {
    fn new(folder: &Path, options: Options) -> Result<Self, String> {
        create_empty(folder)?;
        let mut peers = Vec::new();
        for peer in PEERS.iter().filter(|_| options.with_peers) {
            match peer.install() {
                Ok(installed) => peers.push(installed),
                Err(error) => println!("SKIPPED: {error}"),
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            options,
            peers,
        })
    }

    fn run(&self) -> Result<(), String> {
        let records = (self.options.gigabytes * 1e9) as u64 / RECORD_BYTES / WEEKS;
        for form in &self.options.forms {
            if !self.write(form, records)? {
                continue;
            }
            let load = measure::load();
            if load > 0.5 {
                println!("THE MACHINE IS BUSY (load {load:.1}): all figures are too high");
            }
            self.compare(form)?;
            self.measure_increment(form)?;
            fs::remove_dir_all(self.folder.join(form)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Writes the files of all weeks; returns false if no writer is available.
    fn write(&self, form: &str, records: u64) -> Result<bool, String> {
        let is_parquet = form == "parquet";
        let duckdb = self.peers.iter().find(|peer| peer.name.contains("DuckDB"));
        if is_parquet && duckdb.is_none() {
            println!("SKIPPED: Parquet, because its files are written with DuckDB");
            return Ok(false);
        }
        let written_form = if is_parquet { "jsonl" } else { form };
        let (from, to) = (self.folder.join(written_form), self.folder.join(form));
        create_empty(&from)?;
        create_empty(&to)?;
        for week in 1..=WEEKS + 1 {
            let path = records::week_path(&from, week, written_form);
            let format = if written_form == "csv" {
                Format::Csv
            } else {
                Format::Jsonl
            };
            records::write(&path, format, week, (week - 1) * records, records)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        if let Some(duckdb) = duckdb.filter(|_| is_parquet) {
            duckdb.write_parquet(&self.folder, &self.folder.join("work"))?;
            fs::remove_dir_all(&from).map_err(|error| error.to_string())?;
        }
        // An old modification time, because recently written files are read again in any case.
        let old = SystemTime::now() - Duration::from_secs(3600);
        for week in 1..=WEEKS + 1 {
            File::options()
                .append(true)
                .open(records::week_path(&to, week, form))
                .and_then(|file| file.set_modified(old))
                .map_err(|error| error.to_string())?;
        }
        // The last week is the increment.
        let last = records::week_path(&to, WEEKS + 1, form);
        fs::rename(last, self.increment(form)).map_err(|error| error.to_string())?;
        Ok(true)
    }

    /// Path of the last week's file until it is ingested.
    fn increment(&self, form: &str) -> PathBuf {
        self.folder.join(form).join("increment")
    }

    fn files(&self, form: &str) -> PathBuf {
        self.folder.join(form).join(format!("*.{form}"))
    }

    fn compare(&self, form: &str) -> Result<(), String> {
        let Options { times, threads, .. } = self.options;
        let files = self.files(form);
        let work = self.folder.join("work");
        let mut rows = Vec::new();
        let mut counts = (0, 0);
        let series = Series::measure(times, |_| {
            let workspace = Workspace::new(&work)?;
            let measured = workspace.run(&files, threads)?;
            counts = workspace.counts()?;
            Ok(measured)
        })?;
        rows.push(Row {
            name: "Retrocast".to_string(),
            series,
            counts,
        });
        for peer in &self.peers {
            let series = Series::measure(times, |_| {
                let (measured, peer_counts) = peer.read(&files, form, threads, &work)?;
                counts = peer_counts;
                Ok(measured)
            });
            match series {
                Ok(series) => rows.push(Row {
                    name: peer.name.clone(),
                    series,
                    counts,
                }),
                Err(error) => println!("SKIPPED: {}: {error}", peer.name),
            }
        }
        self.print_rows(form, &rows)
    }

    fn print_rows(&self, form: &str, rows: &[Row]) -> Result<(), String> {
        let bytes = bytes_in(&self.folder.join(form), form);
        let Options { times, threads, .. } = self.options;
        println!(
            "\n{form}: {:.2} GB in {WEEKS} files; {threads} threads each; whole processes, median \
             (minimum) of {times}",
            bytes as f64 / 1e9
        );
        println!(
            "{:<16} {:>18} {:>8} {:>12} {:>8} {:>14} {:>12}",
            "", "seconds", "MB/s", "peak", "ratio", "rows kept", "refused"
        );
        let others = rows.iter().skip(1).map(|row| row.series.median());
        let fastest = others.fold(f64::INFINITY, f64::min);
        for row in rows {
            let median = row.series.median();
            let ratio = if fastest.is_finite() {
                format!("{:.2}", fastest / median)
            } else {
                "-".to_string()
            };
            println!(
                "{:<16} {:>8.1} ({:>7.1}) {:>8.0} {:>8.0} MiB {:>8} {:>14} {:>12}",
                row.name,
                median / 1e3,
                row.series.minimum() / 1e3,
                bytes as f64 / median / 1e3,
                row.series.peak_kib as f64 / 1024.0,
                ratio,
                row.counts.0,
                row.counts.1
            );
        }
        println!(
            "ratio: speed relative to the fastest of the others. All check the same contract and count"
        );
        println!("refused records; Retrocast also stores them, with file, line and reason.");
        match rows.iter().find(|row| row.counts != rows[0].counts) {
            Some(row) => Err(format!(
                "{} kept and refused {:?} records, Retrocast {:?}",
                row.name, row.counts, rows[0].counts
            )),
            None => Ok(()),
        }
    }

    /// Ingests all weeks except the last, then the last week, then nothing new; and ingests the
    /// last week into an empty lake.
    fn measure_increment(&self, form: &str) -> Result<(), String> {
        let (files, threads) = (self.files(form), self.options.threads);
        let workspace = Workspace::new(&self.folder.join("work"))?;
        let full = workspace.run(&files, threads)?;
        let last = records::week_path(&self.folder.join(form), WEEKS + 1, form);
        fs::rename(self.increment(form), &last).map_err(|error| error.to_string())?;
        let week = workspace.run(&files, threads)?;
        let unchanged = workspace.run(&files, threads)?;
        let week_alone = Workspace::new(&self.folder.join("work"))?.run(&last, threads)?;
        println!(
            "\n{:<26} {:>10} {:>16} {:>10} {:>10}",
            "one more week", "seconds", "bytes read", "of full", "peak"
        );
        for (name, run) in [
            ("full load, 52 weeks", full),
            ("week 53", week),
            ("nothing new", unchanged),
            ("week 53 in an empty lake", week_alone),
        ] {
            println!(
                "{name:<26} {:>10.2} {:>13.1} MB {:>8.1} % {:>6.0} MiB",
                run.seconds,
                run.read_bytes as f64 / 1e6,
                100.0 * run.read_bytes as f64 / full.read_bytes.max(1) as f64,
                run.peak_kib as f64 / 1024.0
            );
        }
        println!("bytes read: by system calls (rchar of /proc/PID/io)");
        Ok(())
    }
}

/// A workspace with one job that has one source.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn new(folder: &Path) -> Result<Self, String> {
        create_empty(folder)?;
        let contracts = folder.join("jobs/contracts");
        fs::create_dir_all(&contracts)
            .and_then(|()| fs::write(folder.join("jobs/load.toml"), JOB))
            .and_then(|()| fs::write(contracts.join("ticket.toml"), records::CONTRACT))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    fn run(&self, files: &Path, threads: usize) -> Result<Measurement, String> {
        let mut command = Command::new(program());
        command
            .args(["run", "load", "--date", "2026-11-16", "--threads"])
            .arg(threads.to_string())
            .arg("--set")
            .arg(format!("records={}", files.display()))
            .arg("--workspace")
            .arg(&self.folder);
        measure::once(&mut command, &self.folder.join("log"))
    }

    /// Numbers of accepted rows and refused records.
    fn counts(&self) -> Result<(u64, u64), String> {
        let output = Command::new(program())
            .args(["lake", "list", "load", "--workspace"])
            .arg(&self.folder)
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((
            parse_rows(&text, "tickets"),
            parse_rows(&text, "tickets__quarantine"),
        ))
    }
}

/// The number of rows of a dataset in a listing: `NAME  VERSION  ROWS  SIZE UNIT`, aligned by
/// spaces. A number may contain narrow spaces.
fn parse_rows(listing: &str, name: &str) -> u64 {
    let line = listing
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let mut cells = line.unwrap_or_default().split("  ").map(str::trim);
    let rows = cells.by_ref().filter(|cell| !cell.is_empty()).nth(2);
    let digits = rows
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}

fn bytes_in(folder: &Path, form: &str) -> u64 {
    let files = (1..=WEEKS).map(|week| records::week_path(folder, week, form));
    files
        .filter_map(|path| fs::metadata(path).ok())
        .map(|meta| meta.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_a_listing() {
        let listing = "dataset              version       rows     size\n\
            tickets                    1  1\u{a0}656\u{a0}651  91.9\u{a0}MB\n\
            tickets__quarantine        1     34\u{a0}019   3.1\u{a0}MB\n";
        assert_eq!(parse_rows(listing, "tickets"), 1_656_651);
        assert_eq!(parse_rows(listing, "tickets__quarantine"), 34_019);
        assert_eq!(parse_rows(listing, "ticket"), 0);
    }

    #[test]
    fn options_are_checked() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(String::from).collect();
            Options::parse(&words)
        };
        let options = parse("--gigabytes 0.5 --times 1 --forms csv,jsonl --no-peers").unwrap();
        assert!((options.gigabytes - 0.5).abs() < 1e-9 && !options.with_peers);
        assert_eq!(options.forms, ["csv", "jsonl"]);
        assert!(
            parse("--gigabytes").is_err() && parse("--forms xml").is_err() && parse("x y").is_err()
        );
    }
}
