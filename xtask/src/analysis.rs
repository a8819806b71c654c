//! Benchmarks the analysis: forecasts, anomalies, shifts and drift, compared with Python packages
//! on the same data and cores, and the growth of their cost with length.
//!
//! Each repetition runs the program and then the packages, so that a busy machine slows all of
//! them.

mod cases;
pub mod data;
mod length;
mod peers;
mod run;

use crate::{
    measure,
    options::{Options, in_folder},
};
use cases::{Case, Comparison};
use peers::{InstalledPeer, PEERS};
use run::{Program, Task, Timing};
use std::{
    env,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const USAGE: &str = "usage: cargo xtask bench analysis [--times N] [--only WORD] [--program FILE] \
    [--no-peers]";
/// Time limit of a process.
const LIMIT: Duration = Duration::from_secs(60);
/// A case that took this long is not repeated.
const REPEATED_MAX: Duration = Duration::from_secs(60);
/// Ratio that the program aims for.
const GOAL: f64 = 5.0;

/// Runs `cargo xtask bench analysis`.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments, ("--times", 3), USAGE)?;
    let path = options.program()?;
    in_folder(&env::temp_dir(), |folder| {
        let bench = Bench {
            program: Program {
                path,
                folder: folder.to_path_buf(),
            },
            cores: thread::available_parallelism().map_or(1, usize::from),
            options,
        };
        bench.run(folder)
    })
}

struct Bench {
    program: Program,
    cores: usize,
    options: Options,
}

impl Bench {
    fn run(&self, folder: &Path) -> Result<(), String> {
        let mut installed = Vec::new();
        for peer in PEERS.iter().filter(|_| self.options.with_peers) {
            match peer.install(folder) {
                Ok(peer) => installed.push(peer),
                Err(error) => println!("SKIPPED: {}: {error}", peer.version()),
            }
        }
        data::job(folder)?;
        let load = measure::load();
        if load > 0.5 {
            println!("THE MACHINE IS BUSY (load {load:.1}): all figures are too high");
        }
        let start = self.repeat(|| self.program.measure(&Task::version()))?;
        println!(
            "{} cores, median of up to {} repetitions; start of our program {:.3} s",
            self.cores, self.options.count, start.seconds
        );
        let missed = self.compare(folder, &installed)?;
        if "documented".contains(&self.options.only) {
            length::print_documented(self, folder)?;
        }
        if "growth".contains(&self.options.only) {
            length::print_growth(self, folder, start)?;
        }
        if !missed.is_empty() {
            println!(
                "\nless than {GOAL} times as fast:\n  {}",
                missed.join("\n  ")
            );
        }
        Ok(())
    }

    /// Medians of repetitions; a long one is not repeated.
    fn repeat(&self, mut once: impl FnMut() -> Result<Timing, String>) -> Result<Timing, String> {
        let start = Instant::now();
        let mut timings = Vec::new();
        while timings.len() < self.options.count
            && (timings.is_empty() || start.elapsed() < LIMIT / 6)
        {
            timings.push(once()?);
        }
        Ok(medians(&timings))
    }

    /// Prints the table of all cases; returns the comparisons that missed the goal.
    fn compare(&self, folder: &Path, installed: &[InstalledPeer]) -> Result<Vec<String>, String> {
        let cases = cases::all(folder)?;
        let is_wanted = |case: &&Case| case.title.contains(&self.options.only);
        if !cases.iter().any(|case| is_wanted(&case)) {
            return Ok(Vec::new());
        }
        println!("\n{}\n", cases::NOTES);
        println!(
            "{:<44} {:>9} {:>9} {:>7}   {:<38} {:<8} {:>9} {:>7} {:>7} {:>9} {:>7}",
            "",
            "whole s",
            "alone s",
            "MiB",
            "compared with",
            "work",
            "whole s",
            "ratio",
            "cpu",
            "alone s",
            "ratio"
        );
        let mut missed = Vec::new();
        for case in cases.iter().filter(is_wanted) {
            missed.extend(self.compare_case(case, installed));
        }
        println!(
            "ratio: time relative to ours; cpu: ratio of processor time of the whole processes. alone, ours:\n\
             without the start of the program, but with reading the file; of shifts, the stage of the job.\n\
             alone, theirs: without imports, reading and warm-up. < and >: bounds, as a process was stopped."
        );
        Ok(missed)
    }

    fn compare_case(&self, case: &Case, installed: &[InstalledPeer]) -> Vec<String> {
        let peers: Vec<(&Comparison, &InstalledPeer)> = case
            .comparisons
            .iter()
            .filter_map(|comparison| {
                let has_name = |peer: &&InstalledPeer| peer.name == comparison.peer.name;
                Some((comparison, installed.iter().find(has_name)?))
            })
            .collect();
        let start_time = Instant::now();
        let (mut ours, mut theirs) = (Vec::new(), vec![Vec::new(); peers.len()]);
        let mut starts = Vec::new();
        for i in 0..self.options.count {
            if i > 0 && start_time.elapsed() > REPEATED_MAX {
                break;
            }
            starts.push(self.program.measure(&Task::version()));
            ours.push(self.program.measure(&case.task));
            for ((comparison, peer), timings) in peers.iter().zip(&mut theirs) {
                timings.push(peer.measure_process(self.cores, &comparison.arguments));
            }
        }
        let start = all_or_error(starts).map_or(0.0, |timing| timing.seconds);
        let ours = all_or_error(ours).map(|timing| Timing {
            computation_seconds: timing
                .computation_seconds
                .or(Some((timing.seconds - start).max(1e-3))),
            ..timing
        });
        let mut title = match &ours {
            Ok(ours) => format!(
                "{:<44} {:>9.3} {:>9.3} {:>7.0}",
                case.title,
                ours.seconds,
                ours.computation_seconds.unwrap_or(0.0),
                ours.peak_kib as f64 / 1024.0
            ),
            Err(error) => format!("{:<44} {:>27}", case.title, short_error(error)),
        };
        let mut missed = Vec::new();
        for ((comparison, peer), timings) in peers.iter().zip(theirs) {
            let computation = peer.measure_computation(self.cores, &comparison.arguments);
            let row = PeerRow::new(&ours, all_or_error(timings), computation);
            let name = format!("{}, {}", peer.name, comparison.method);
            println!(
                "{title:<72}   {name:<38} {:<8} {row}",
                comparison.work.name()
            );
            title = String::new();
            if row.misses_goal() {
                missed.push(format!("{} against {name}: {}", case.title, row.summary()));
            }
        }
        if !title.is_empty() {
            println!("{title}");
        }
        missed
    }
}

/// Medians of several timings, each figure on its own.
fn medians(timings: &[Timing]) -> Timing {
    let median = |figure: &dyn Fn(&Timing) -> f64| {
        let mut values: Vec<f64> = timings.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let has_computation = timings
        .iter()
        .any(|timing| timing.computation_seconds.is_some());
    Timing {
        seconds: median(&|timing| timing.seconds),
        cpu_seconds: median(&|timing| timing.cpu_seconds),
        peak_kib: timings
            .iter()
            .map(|timing| timing.peak_kib)
            .max()
            .unwrap_or(0),
        computation_seconds: has_computation
            .then(|| median(&|timing| timing.computation_seconds.unwrap_or(0.0))),
    }
}

fn all_or_error(timings: Vec<Result<Timing, String>>) -> Result<Timing, String> {
    let timings: Vec<Timing> = timings.into_iter().collect::<Result<_, _>>()?;
    Ok(medians(&timings))
}

/// The last line of an error, or the limit.
fn short_error(error: &str) -> String {
    if error == measure::STOPPED {
        return format!("more than {} s", LIMIT.as_secs());
    }
    let last = error.lines().last().unwrap_or_default().trim();
    format!("FAILED: {}", last.chars().take(60).collect::<String>())
}

/// A package's times beside ours.
struct PeerRow {
    process: Result<Timing, String>,
    computation: Result<f64, String>,
    /// Ratios of wall times, of processor times, and of the computations alone.
    ratios: [Option<f64>; 3],
    /// Signs of the first and the last ratio where a process was stopped at its limit.
    bounds: [&'static str; 2],
}

impl PeerRow {
    fn new(
        ours: &Result<Timing, String>,
        process: Result<Timing, String>,
        computation: Result<f64, String>,
    ) -> Self {
        // A process that was stopped counts with the limit, as a lower bound.
        let seconds =
            |timing: &Result<Timing, String>, figure: &dyn Fn(&Timing) -> f64| match timing {
                Ok(timing) => Some(figure(timing)),
                Err(error) => (error == measure::STOPPED).then_some(LIMIT.as_secs_f64()),
            };
        let ratio = |theirs: Option<f64>, ours: Option<f64>| Some(theirs? / ours?.max(1e-9));
        let wall = |timing: &Timing| timing.seconds;
        let computation_seconds =
            |timing: &Timing| timing.computation_seconds.unwrap_or(timing.seconds);
        let cpu = |timing: &Result<Timing, String>| {
            timing
                .as_ref()
                .ok()
                .map(|timing| timing.cpu_seconds.max(0.005))
        };
        let is_stopped = |timing: &Result<Timing, String>| {
            timing
                .as_ref()
                .is_err_and(|error| error == measure::STOPPED)
        };
        let bounds = match (is_stopped(ours), is_stopped(&process)) {
            (true, true) => ["?", "<"],
            (true, false) => ["<", "<"],
            (false, true) => [">", ""],
            (false, false) => ["", ""],
        };
        Self {
            bounds,
            ratios: [
                ratio(seconds(&process, &wall), seconds(ours, &wall)),
                ratio(cpu(&process), cpu(ours)),
                ratio(
                    computation.as_ref().ok().copied(),
                    seconds(ours, &computation_seconds),
                ),
            ],
            process,
            computation,
        }
    }

    fn misses_goal(&self) -> bool {
        let [process, _, computation] = self.ratios;
        [process, computation]
            .into_iter()
            .flatten()
            .any(|ratio| ratio < GOAL)
    }

    fn summary(&self) -> String {
        let [process, _, computation] = self.ratio_texts();
        format!("whole {process}, alone {computation}")
    }

    fn ratio_texts(&self) -> [String; 3] {
        let [process, cpu, computation] = self.ratios.map(ratio_text);
        let [process_bound, computation_bound] = self.bounds;
        [
            format!("{process_bound}{process}"),
            cpu,
            format!("{computation_bound}{computation}"),
        ]
    }
}

fn ratio_text(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_string(), |ratio| match ratio {
        ..0.1 => format!("{ratio:.3}"),
        0.1..10.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.0}"),
    })
}

impl std::fmt::Display for PeerRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let process = match &self.process {
            Ok(timing) => format!("{:.3}", timing.seconds),
            Err(error) => short_error(error),
        };
        let computation = match &self.computation {
            Ok(seconds) => format!("{seconds:.4}"),
            Err(error) if error == measure::STOPPED => "stopped".to_string(),
            Err(error) => short_error(error),
        };
        let [ratio, cpu, ratio_alone] = self.ratio_texts();
        write!(
            f,
            "{process:>9} {ratio:>7} {cpu:>7} {computation:>9} {ratio_alone:>7}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(seconds: f64) -> Timing {
        Timing {
            seconds,
            cpu_seconds: seconds / 2.0,
            peak_kib: 1024,
            computation_seconds: Some(seconds / 4.0),
        }
    }

    #[test]
    fn ratios_are_relative_to_our_times() {
        let row = PeerRow::new(&Ok(timing(2.0)), Ok(timing(20.0)), Ok(1.0));
        assert_eq!(row.summary(), "whole 10, alone 2.0");
        assert!(row.misses_goal());
        let stopped = || Err(measure::STOPPED.to_string());
        let computation = Err(measure::STOPPED.to_string());
        let row = PeerRow::new(&Ok(timing(2.0)), stopped(), computation);
        assert_eq!(row.summary(), "whole >30, alone -");
        assert!(!row.misses_goal() && row.to_string().starts_with("more than 60 s"));
        let row = PeerRow::new(&stopped(), Ok(timing(1.2)), Ok(0.6));
        assert_eq!(row.summary(), "whole <0.020, alone <0.010");
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let timings = [timing(3.0), timing(1.0), timing(2.0)];
        let median = medians(&timings);
        assert_eq!((median.seconds, median.cpu_seconds), (2.0, 1.0));
        assert_eq!(median.computation_seconds, Some(0.5));
    }
}
