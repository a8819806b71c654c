//! Benchmarks the measurement of effects: one series after another, compared with Python packages,
//! and 200 improvements in one job.

use crate::{
    measure::{self, Measurement},
    options::in_folder,
    program, venv,
};
use std::{env, fmt::Write as _, fs, path::Path, process::Command};

const USAGE: &str = "usage: cargo xtask bench effects [--series N] [--no-peers]";
/// Python packages of each comparison; the first is the one to compare with.
const PEERS: [&[&str]; 2] = [
    &["pycausalimpact==0.1.1"],
    &["tfcausalimpact==0.0.19", "tf-keras"],
];
const SCRIPT: &str = include_str!("effects/causalimpact.py.txt");
/// Number of days of a series.
const DAYS: i64 = 150;
/// Number of days before the change.
const DAYS_BEFORE: i64 = 120;
/// Number of improvements in the job.
const IMPROVEMENTS: usize = 200;

/// Runs `cargo xtask bench effects`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let (mut series, mut with_peers) = (20, true);
    let mut remaining = arguments.iter();
    while let Some(name) = remaining.next() {
        match name.as_str() {
            "--no-peers" => with_peers = false,
            "--series" => {
                let number = remaining.next().and_then(|text| text.parse().ok());
                series = number.ok_or(USAGE)?;
            }
            _ => return Err(USAGE.to_string()),
        }
    }
    in_folder(&env::temp_dir(), |folder| {
        fs::create_dir_all(folder.join("series")).map_err(|error| error.to_string())?;
        measure_each(folder, series, with_peers)?;
        measure_job(folder)
    })
}

/// Random numbers (`SplitMix64`); their sums are approximately normal.
pub struct Random(pub u64);

impl Random {
    /// A number from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number from an approximately normal distribution, with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The date `number` days after 1 January 2025, without leap years.
fn day(number: i64) -> String {
    const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut year, mut remaining) = (2025, number);
    loop {
        for (month, days) in MONTHS.iter().enumerate() {
            if remaining < *days {
                return format!("{year}-{:02}-{:02}", month + 1, remaining + 1);
            }
            remaining -= days;
        }
        year += 1;
    }
}

/// A series and its control: a weekly season and autocorrelated noise, half of which is shared; the
/// series is lower by 10 after the change.
fn values(seed: u64, days: i64, change: i64) -> Vec<(f64, f64)> {
    let mut random = Random(seed);
    let (mut shared, mut noise) = (0.0, 0.0);
    (0..days)
        .map(|i| {
            shared = 0.5 * shared + 6.0 * random.normal();
            noise = 0.5 * noise + 6.0 * random.normal();
            let season = if i % 7 < 2 { -15.0 } else { 6.0 };
            let effect = if i >= change { -10.0 } else { 0.0 };
            (
                100.0 + season + shared + noise + effect,
                50.0 + season + shared + 3.0 * random.normal(),
            )
        })
        .collect()
}

fn print_row(name: &str, seconds: f64, note: &str) {
    println!("{name:<28} {seconds:>9.3} s   {note}");
}

fn measure_each(folder: &Path, series: usize, with_peers: bool) -> Result<(), String> {
    let files = folder.join("series");
    for seed in 0..series {
        let mut text = String::from("day,y,x\n");
        for (i, (y, x)) in values(seed as u64, DAYS, DAYS_BEFORE).iter().enumerate() {
            let _ = writeln!(text, "{},{y:.4},{x:.4}", day(i as i64));
        }
        let path = files.join(format!("{seed:04}.csv"));
        fs::write(path, text).map_err(|error| error.to_string())?;
    }
    let start = day(DAYS_BEFORE);
    let log = folder.join("log");
    let mut seconds = 0.0;
    for seed in 0..series {
        let mut command = Command::new(program());
        command
            .args([
                "evaluate",
                "effect",
                "--time",
                "day",
                "--value",
                "y",
                "--controls",
                "x",
                "--json",
            ])
            .args(["--start", &start, "--csv"])
            .arg(files.join(format!("{seed:04}.csv")));
        seconds += measure::once(&mut command, &log)?.seconds;
    }
    let per_series = seconds / series as f64;
    print_row(
        "evaluate effect, a series",
        per_series,
        "one process per series, including its start",
    );
    for packages in PEERS.iter().filter(|_| with_peers) {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let name = packages[0].replace("==", " ");
        let environment =
            match venv::environment(&packages[0].replace("==", "-effects-"), &packages) {
                Ok(environment) => environment,
                Err(error) => {
                    println!("SKIPPED: {name}: {error}");
                    continue;
                }
            };
        let path = folder.join("script.py");
        fs::write(&path, SCRIPT).map_err(|error| format!("{}: {error}", path.display()))?;
        let output = Command::new(environment.join("bin/python"))
            .arg(&path)
            .arg(&files)
            .args([&start, &series.min(5).to_string()])
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [theirs, effect] = numbers.as_slice() else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            println!(
                "SKIPPED: {name}: {}",
                stderr.lines().last().unwrap_or_default()
            );
            continue;
        };
        let theirs = theirs / series.min(5) as f64;
        let times = theirs / per_series;
        print_row(
            &name,
            theirs,
            &format!("a series, {times:.0} times our time; mean effect {effect:.1}"),
        );
    }
    Ok(())
}

/// Measures a job with an improvement in each of 200 components.
fn measure_job(folder: &Path) -> Result<(), String> {
    let days = 400;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut records = String::from("id,at,component,y\n");
    let mut register = String::from("id,title,component,metric,date\n");
    for component in 0..IMPROVEMENTS {
        for (i, (y, _)) in values(1000 + component as u64, days, days - 30)
            .iter()
            .enumerate()
        {
            let _ = writeln!(
                records,
                "{component}-{i},{}T10:00:00Z,c{component},{y:.4}",
                day(i as i64)
            );
        }
        let _ = writeln!(
            register,
            "i{component},Change,c{component},y,{}",
            day(days - 30)
        );
    }
    write("records/all.csv", &records)?;
    write("improvements/all.csv", &register)?;
    write(
        "jobs/contracts/value.toml",
        "title = \"Value\"\nkey = [\"id\"]\ntime = \"at\"\n[field.id]\ntype = \"string\"\n[field.at]\n\
         type = \"timestamp\"\n[field.component]\ntype = \"string\"\n[field.y]\ntype = \"number\"\n",
    )?;
    write(
        "jobs/contracts/change.toml",
        "title = \"Change\"\nkey = [\"id\"]\n[field.id]\ntype = \"string\"\n[field.title]\ntype = \"string\"\n\
         [field.component]\ntype = \"string\"\n[field.metric]\ntype = \"string\"\n[field.date]\ntype = \"date\"\n",
    )?;
    write(
        "jobs/many.toml",
        "title = \"Many\"\nwindow = \"week\"\n[source.values]\nuri = \"records/*.csv\"\ncontract = \"value\"\n\
         [source.changes]\nuri = \"improvements/*.csv\"\ncontract = \"change\"\n[stage.effects]\n\
         kind = \"effectiveness\"\ninput = \"values\"\nimprovements = \"changes\"\nvalue = \"y\"\n\
         aggregate = \"mean\"\n[report.executive]\n",
    )?;
    let mut command = Command::new(program());
    command
        .args(["run", "many", "--date", &day(days + 7)])
        .current_dir(folder);
    let Measurement {
        seconds, peak_kib, ..
    } = measure::once(&mut command, &folder.join("log"))?;
    let peak = peak_kib / 1024;
    print_row(
        "200 improvements, a job",
        seconds,
        &format!("including ingest and report; peak {peak} MiB"),
    );
    Ok(())
}
