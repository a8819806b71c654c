//! `cargo xtask bench archive`: measures the pages of an archive of synthetic runs: seconds, files
//! written, sizes.

use crate::{date::date, program, run};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const USAGE: &str = "usage: cargo xtask bench archive [--runs N] [--folder DIR]";

/// Number of jobs among which the runs are divided.
const JOBS: u32 = 5;
/// Number of findings of each run.
const FINDINGS: u32 = 15;
/// Number of figures of each run.
const FIGURES: u32 = 12;
/// The day of the last window, in days since 1970-01-01: 16 November 2026.
pub const LAST_DAY: i64 = 20_773;

/// Writes an archive of `--runs` runs (by default 10 000) to `--folder` (by default in the target
/// folder), renders its pages, adds a run, and prints times and sizes.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let (mut runs, mut folder) = (10_000_u32, crate::target().join("bench-archive"));
    let mut remaining = arguments.iter();
    while let Some(name) = remaining.next() {
        let value = remaining.next().ok_or(USAGE)?;
        match name.as_str() {
            "--runs" => runs = value.parse().map_err(|_| USAGE)?,
            "--folder" => folder = PathBuf::from(value),
            _ => return Err(USAGE.to_string()),
        }
    }
    let reports = folder.join("reports");
    if reports.exists() {
        fs::remove_dir_all(&reports).map_err(|error| error.to_string())?;
    }
    fs::create_dir_all(&reports).map_err(|error| error.to_string())?;
    let days = runs / JOBS;
    let started = Instant::now();
    for job in 0..JOBS {
        for day in 1..=days {
            write_run(&reports, job, LAST_DAY - i64::from(days - day))
                .map_err(|e| e.to_string())?;
        }
    }
    println!(
        "{} runs of {JOBS} jobs written in {:.1} s",
        days * JOBS,
        started.elapsed().as_secs_f64()
    );
    update(&folder, "all pages, from nothing", &[])?;
    update(&folder, "nothing changed", &["--changed"])?;
    write_run(&reports, 0, LAST_DAY + 1).map_err(|error| error.to_string())?;
    update(&folder, "one run added", &["--changed"])?;
    update(&folder, "all pages again", &[])?;
    for name in [
        "index.html",
        "job0/index.html",
        "job0/2026.html",
        "job0/index-2026.js",
    ] {
        let size = fs::metadata(reports.join(name)).map_or(0, |data| data.len());
        println!("{name:<24} {:>6.1} kB", size as f64 / 1000.0);
    }
    Ok(())
}

/// Renders the pages, and prints seconds and files.
fn update(folder: &Path, title: &str, options: &[&str]) -> Result<(), String> {
    let started = Instant::now();
    let mut command = Command::new(program());
    command
        .arg("--workspace")
        .arg(folder)
        .args(["archive", "rebuild"])
        .args(options);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return run(&mut command);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    println!(
        "{title:<24} {:>5.2} s   {line}",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Writes the folder of a run on one day.
fn write_run(reports: &Path, job: u32, day: i64) -> std::io::Result<()> {
    let label = date(day);
    let name = format!("job{job}");
    // Runs of the same seed have the same contents.
    let mut seed = (u64::from(job) << 32) ^ day as u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let run = format!(
        "{:08x}",
        (u64::from(job) * 100_003 + day as u64).wrapping_mul(2_654_435_761) as u32
    );
    let folder = reports.join(&name).join(&label).join(&run);
    fs::create_dir_all(folder.join("cells"))?;
    let (start, end) = (&label, date(day + 1));
    fs::write(
        folder.join("run.json"),
        format!(
            r#"{{"run":"{run}","job":"{name}","title":"Review of job {job}","window":"{label}","period":"{label}","date":"{end}","status":"complete","headline":"Component {} fails {:.0} % more often.","started":"{end}T09:00:00Z","finished":"{end}T09:01:00Z","reused":3,"executed":9}}"#,
            day % 9,
            100.0 * random()
        ),
    )?;
    let node = |node: &str, kind: &str| {
        format!(
            r#"{{"name":"{node}","kind":"{kind}","title":"","config":{{}},"inputs":[],"code_version":1,"contract_hash":"","optional":false}}"#
        )
    };
    let nodes = [
        node("stage.figures", "kpi"),
        node("stage.rhythm", "rhythm"),
        node("report.executive", "report").replace(
            "\"config\":{}",
            r#""config":{"report":"executive","title":"","owner":""}"#,
        ),
    ];
    fs::write(
        folder.join("plan.json"),
        format!(
            r#"{{"job":"{name}","title":"Review of job {job}","owner":"","run":"{run}","label":"{label}","date":"{end}","build":"0.1.0","seed":1,"window":{{"spec":"day","start":"{start}","end":"{end}","timezone":"UTC"}},"params":{{}},"nodes":[{}]}}"#,
            nodes.join(",")
        ),
    )?;
    fs::write(
        folder.join("journal.jsonl"),
        format!(
            "{{\"time\":\"{end}T09:01:00Z\",\"event\":\"run_finished\",\"status\":\"complete\"}}\n"
        ),
    )?;
    let (mut kpis, mut findings) = (String::new(), String::new());
    for n in 0..FIGURES {
        let value = 50.0 + f64::from(n) + 5.0 * random();
        let _ = write!(
            kpis,
            r#"{}{{"name":"Failures","subject":"component = c{n}","value":{value},"interval":[{},{}],"unit":"per day","text":"{value:.1} per day","interval_text":"{:.1} to {:.1}","previous":null,"delta_text":"","baseline":null,"baseline_delta_text":"","significant":false,"direction":"none","lower_is_better":true,"target":null,"target_text":"","history":[],"n":100}}"#,
            if n > 0 { "," } else { "" },
            value - 3.0,
            value + 3.0,
            value - 3.0,
            value + 3.0
        );
    }
    for n in 0..FINDINGS {
        // Findings come and go: each is found on two of three days.
        if (day + i64::from(n)) % 3 == 0 {
            continue;
        }
        let value = 1.0 + random();
        let _ = write!(
            findings,
            r#"{}{{"id":"{:012x}","stage":"rhythm","kind":"weekday_effect","chapter":"rhythm","subject":"component = c{n}","what":"failures on day {n}","direction":"up","magnitude":{{"value":{value},"lower":{},"upper":{},"level":0.95,"unit":"ratio"}},"n":100,"p":0.01,"p_adjusted":0.02,"method":"Poisson test","period":"{label}","baseline":null,"evidence":[],"severity":"warning","confidence":0.9,"caveats":[],"sentence":"Component c{n} fails {:.0} % more often on day {n}.","numbers":{{}}}}"#,
            if findings.is_empty() { "" } else { "," },
            u64::from(n) * 7_919,
            value - 0.3,
            value + 0.3,
            100.0 * (value - 1.0)
        );
    }
    let cell = |stage: &str, kind: &str, findings: &str, kpis: &str| {
        format!(
            r#"{{"stage":"{stage}","kind":"{kind}","title":"{stage}","status":{{"status":"done"}},"did":"","method":"","inputs":[],"output":null,"params":[],"query":null,"findings":[{findings}],"kpis":[{kpis}],"effects":[],"charts":[],"tables":[],"caveats":[],"records":100}}"#
        )
    };
    fs::write(
        folder.join("cells/figures.json"),
        cell("figures", "kpi", "", &kpis),
    )?;
    fs::write(
        folder.join("cells/rhythm.json"),
        cell("rhythm", "rhythm", &findings, ""),
    )
}
