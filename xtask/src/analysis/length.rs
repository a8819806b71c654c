//! The cost of each method by the length of its data, and documented times beside ours.

use super::{
    Bench, LIMIT, cases,
    run::{Task, Timing},
    short_error,
};
use crate::measure::STOPPED;
use std::path::Path;

/// Lengths, each ten times the one before.
const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Growth of processor time for ten times the length up to which it is called `n log n`: 10 times
/// the ratio of the logarithms is at most 13.3.
const N_LOG_N_MAX: f64 = 15.0;
/// Processor time below which growth is not judged, in seconds.
const JUDGED_MIN: f64 = 0.1;
/// Methods of `evaluate anomaly`.
const METHODS: [&str; 9] = [
    "router",
    "sub-pca",
    "poly",
    "matrix-profile",
    "kmeans",
    "spectral-residual",
    "isolation-forest",
    "seasonal-residual",
    "windowed-gaussian",
];
/// Times and memory that the documentation of Allele states for its analysis.
const DOCUMENTED: [(&str, &str); 2] = [
    ("1,000 samples scored", "~50 ms, ~10 MB"),
    ("100 points forecast", "~100 ms, ~15 MB"),
];

/// Prints the documented times of another system beside ours.
pub fn print_documented(bench: &Bench, folder: &Path) -> Result<(), String> {
    println!(
        "\nDocumented by Allele as typical, not measured here, beside ours: whole processes with start\n\
         and reading"
    );
    let [(scored, scored_text), (forecast, forecast_text)] = DOCUMENTED;
    let mut rows: Vec<(&str, &str, String, Task)> = Vec::new();
    for method in ["isolation-forest", "router", "windowed-gaussian"] {
        let task = cases::anomaly(folder, 1_000, method)?;
        rows.push((scored, scored_text, method.to_string(), task));
    }
    for (length, steps) in [(100, 14), (500, 100)] {
        let method = format!("{length} known values, {steps} steps ahead");
        let task = cases::forecast(folder, 1, length, steps)?;
        rows.push((forecast, forecast_text, method, task));
    }
    for (name, documented, method, task) in rows {
        let ours = bench.repeat(|| bench.program.measure(&task))?;
        println!(
            "{name:<22} {documented:<18} ours {:>6.0} ms ({:>5.0} ms of processor), {:>4.0} MiB   {method}",
            ours.seconds * 1e3,
            ours.cpu_seconds * 1e3,
            ours.peak_kib as f64 / 1024.0
        );
    }
    println!(
        "Its two other rows, clustering of alerts and optimisation, have no command of their own."
    );
    Ok(())
}

/// Prints the cost of each analysis of long data, by length.
pub fn print_growth(bench: &Bench, folder: &Path, start: Timing) -> Result<(), String> {
    println!(
        "\nWhole processes by length: wall time, and processor time in parentheses, in seconds"
    );
    println!(
        "{:<28} {:>18} {:>18} {:>18} {:>18}   growth",
        "", "1,000", "10,000", "100,000", "1,000,000"
    );
    let print_row =
        |name: &str, lengths: &[usize], task: &dyn Fn(usize) -> Result<Task, String>| {
            let mut cells = Vec::new();
            let (mut cpu, mut wall, mut is_stopped) = (Vec::new(), 0.0, false);
            for length in lengths {
                let task = task(*length)?;
                match bench.repeat(|| bench.program.measure(&task)) {
                    Ok(timing) => {
                        cells.push(format!("{:.3} ({:.2})", timing.seconds, timing.cpu_seconds));
                        cpu.push(timing.cpu_seconds - start.cpu_seconds);
                        wall = timing.seconds;
                    }
                    Err(error) => {
                        cells.push(short_error(&error));
                        is_stopped = error == STOPPED;
                        if !is_stopped {
                            println!("{name}, {length}: {error}");
                        }
                        break;
                    }
                }
            }
            cells.resize(LENGTHS.len(), "-".to_string());
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>18}")).collect();
            let growth = if is_stopped {
                format!(
                    "{}; then x {:.0} or more",
                    growth(&cpu),
                    LIMIT.as_secs_f64() / wall
                )
            } else {
                growth(&cpu)
            };
            println!("{name:<28} {}   {growth}", cells.join(" "));
            Ok::<(), String>(())
        };
    print_row("drift, rows", &LENGTHS, &|rows| cases::drift(folder, rows))?;
    for method in METHODS {
        let name = format!("anomalies, {method}");
        print_row(&name, &LENGTHS, &|rows| {
            cases::anomaly(folder, rows, method)
        })?;
    }
    print_row("forecast, one series", &LENGTHS, &|length| {
        cases::forecast(folder, 1, length, 14)
    })?;
    print_row("shifts of the mean", &LENGTHS[..2], &|days| {
        cases::shifts(folder, days)
    })?;
    println!(
        "growth: processor time for ten times the length, for the last two lengths. A process is stopped\n\
         after {} s, its row ends there, and its growth is that of wall time. A stage of shifts takes at\n\
         most 10,000 periods.",
        LIMIT.as_secs()
    );
    Ok(())
}

/// The growth of processor times for ten times the length, in words.
fn growth(cpu: &[f64]) -> String {
    let [.., before, after] = cpu else {
        return "not known".to_string();
    };
    if *after < JUDGED_MIN {
        return "too fast to judge".to_string();
    }
    let times = after / before.max(0.01);
    let verdict = if *before < JUDGED_MIN {
        "little at the shorter length"
    } else if times <= N_LOG_N_MAX {
        "n log n or less"
    } else if times < 60.0 {
        "MORE THAN n log n"
    } else {
        "QUADRATIC"
    };
    format!("x {times:.0}, {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_judged_by_the_last_two_lengths() {
        for (cpu, expected) in [
            (&[][..], "not known"),
            (&[1.0], "not known"),
            (&[0.01, 0.02], "too fast to judge"),
            (&[0.01, 0.5], "x 50, little at the shorter length"),
            (&[0.1, 0.2, 2.4], "x 12, n log n or less"),
            (&[0.2, 4.0], "x 20, MORE THAN n log n"),
            (&[0.2, 20.0], "x 100, QUADRATIC"),
        ] {
            assert_eq!(growth(cpu), expected);
        }
    }
}
