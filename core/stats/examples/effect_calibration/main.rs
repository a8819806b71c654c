//! Calibration and power of effects, printed as tables.
//!
//! ```sh
//! RETROCAST_REAL_DATA=data cargo run --release -p retrocast-stats --example effect_calibration
//! ```
//!
//! Arguments select families by a part of their name; `--runs=0.1` does a tenth of the runs. Seeds
//! are fixed, so the tables are reproducible.

mod baselines;
mod families;
mod real;

use baselines::{Verdict, autoregressive, before_after, newey_west, oracle};
use families::{Family, Split};
use retrocast_stats::{
    describe::median,
    effect::{Design, Estimate, estimate},
    intervention::{Cadence, Intervention, SeriesMethod, measure},
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Level of all tests.
const ALPHA: f64 = 0.05;

/// An estimator with its name.
type Estimator = (&'static str, fn(&Split) -> Option<Verdict>);

const ESTIMATORS: [Estimator; 5] = [
    ("retrocast", retrocast),
    ("AR(1) regression", autoregressive),
    ("Newey-West", newey_west),
    ("Welch", before_after),
    ("oracle", oracle),
];

/// The estimate of `evaluate effect` or, if the split has earlier history or a season that the
/// command does not support, of a job's stage.
fn retrocast(split: &Split) -> Option<Verdict> {
    let values: Vec<Option<f64>> = split.values.iter().copied().map(Some).collect();
    let controls: Vec<&[f64]> = split.controls.iter().map(Vec::as_slice).collect();
    let estimate = if split.begin > 0 || split.cadence == Cadence::Other {
        let design = Design {
            values: &values,
            exposure: &[],
            controls: &controls,
            change: split.change,
            end: values.len(),
            begin: split.begin,
            history: 0,
            period: split.period,
            pre_min: 42.max(3 * split.period),
            others: &[],
            year: 365.0,
        };
        estimate(&design).ok()?
    } else {
        let intervention = Intervention {
            values: &values,
            controls: &controls,
            change: split.change,
            cadence: split.cadence,
        };
        measure(&intervention, SeriesMethod::Regression)
            .ok()?
            .estimate
    };
    Some(to_verdict(&estimate, split.is_ratio))
}

fn to_verdict(estimate: &Estimate, is_ratio: bool) -> Verdict {
    Verdict {
        interval: if is_ratio {
            estimate.relative
        } else {
            estimate.absolute
        },
        p: estimate.p,
    }
}

/// Counts over the runs of a family.
#[derive(Default, Clone)]
struct Tally {
    runs: f64,
    claimed: f64,
    held: f64,
    width: Vec<f64>,
}

/// The tallies of every estimator at every effect, zero first.
fn tallies(family: &Family, runs: u64) -> Vec<Vec<Tally>> {
    let effects: Vec<f64> = [0.0].iter().chain(&family.effects).copied().collect();
    let next = AtomicU64::new(0);
    let work = || {
        let mut table = vec![vec![Tally::default(); effects.len()]; ESTIMATORS.len()];
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return table;
            }
            // If there are fewer runs than windows, the runs are spread over all windows.
            let seed = seed * family.runs / runs;
            for (e, effect) in effects.iter().enumerate() {
                if std::env::var_os("ONLY").is_some() && e != 0 && e != 3.min(effects.len() - 1) {
                    continue;
                }
                let Some(split) = (family.make)(seed, *effect) else {
                    continue;
                };
                for (row, (name, estimator)) in table.iter_mut().zip(ESTIMATORS) {
                    if std::env::var_os("ONLY").is_some() && name != "retrocast" {
                        continue;
                    }
                    let Some(mut verdict) = estimator(&split) else {
                        continue;
                    };
                    if split.is_ratio && name != "retrocast" {
                        let after = &split.values[split.change..];
                        let mean = after.iter().sum::<f64>() / after.len() as f64;
                        let expected = mean - verdict.interval[0];
                        verdict.interval = verdict.interval.map(|value| value / expected);
                    }
                    let [_, low, high] = verdict.interval;
                    let tally = &mut row[e];
                    tally.runs += 1.0;
                    tally.claimed += f64::from(u8::from(verdict.p < ALPHA));
                    tally.held += f64::from(u8::from(low <= split.effect && split.effect <= high));
                    tally.width.push(high - low);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut total = vec![vec![Tally::default(); effects.len()]; ESTIMATORS.len()];
        for handle in handles {
            let Ok(table) = handle.join() else { continue };
            for (slot, tally) in total.iter_mut().flatten().zip(table.iter().flatten()) {
                slot.runs += tally.runs;
                slot.claimed += tally.claimed;
                slot.held += tally.held;
                slot.width.extend(&tally.width);
            }
        }
        total
    })
}

fn print(family: &Family, runs: u64) {
    let table = tallies(family, runs);
    println!("\n{} ({runs} splits)", family.name);
    let sizes: Vec<String> = family
        .effects
        .iter()
        .map(|size| format!("{size:>7}"))
        .collect();
    println!(
        "  {:18} {:>7} {:>7} {:>8}   power at {}",
        "",
        "false +",
        "covered",
        "width",
        sizes.join(" ")
    );
    for ((name, _), row) in ESTIMATORS.iter().zip(table) {
        if row[0].runs == 0.0 {
            continue;
        }
        let planted = &row[1..];
        let sum = |number: fn(&Tally) -> f64| planted.iter().map(number).sum::<f64>();
        let n = sum(|tally| tally.runs);
        let widths: Vec<f64> = planted
            .iter()
            .flat_map(|tally| tally.width.iter().copied())
            .collect();
        let power: Vec<String> = planted
            .iter()
            .map(|tally| format!("{:6.1}%", 100.0 * tally.claimed / tally.runs))
            .collect();
        println!(
            "  {name:18} {:6.1}% {:6.1}% {:8.3}            {}",
            100.0 * row[0].claimed / row[0].runs,
            100.0 * sum(|tally| tally.held) / n,
            median(&widths),
            power.join(" ")
        );
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let share = arguments.iter().find_map(|a| a.strip_prefix("--runs="));
    let share: f64 = share.and_then(|share| share.parse().ok()).unwrap_or(1.0);
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let mut all = families::families();
    match std::env::var_os("RETROCAST_REAL_DATA") {
        Some(folder) => all.extend(real::families(folder.as_ref())?),
        None => eprintln!("RETROCAST_REAL_DATA is not set: no real series"),
    }
    for family in &all {
        if wanted.is_empty() || wanted.iter().any(|part| family.name.contains(*part)) {
            print(
                family,
                ((family.runs as f64 * share) as u64).clamp(1, family.runs),
            );
        }
    }
    Ok(())
}
