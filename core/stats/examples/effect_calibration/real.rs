//! Windows of real series, with an effect planted from a date without a known change on.

use crate::families::{Family, Random, Split, season};
use retrocast_stats::{describe::sd, intervention::Cadence};
use std::{collections::BTreeMap, path::Path};

/// Hours before and after in the series of the Numenta Anomaly Benchmark.
const HOURS: (usize, usize) = (168, 24);
/// Days and weeks before and after in the incidents of GitHub.
const DAYS: (usize, usize) = (120, 30);
const WEEKS: (usize, usize) = (104, 13);

/// The families of real windows under a folder of data.
pub fn families(folder: &Path) -> std::io::Result<Vec<Family>> {
    let (nab, incidents) = (hours(&folder.join("nab/data"))?, incidents(folder)?);
    let family = |name, windows: Vec<Window>, is_ratio: bool| {
        let effects: &[f64] = if is_ratio {
            &[-0.2, -0.4, -0.6]
        } else {
            &[-0.5, -1.0, -2.0]
        };
        Family {
            name,
            runs: windows.len() as u64,
            effects: effects.to_vec(),
            make: Box::new(move |seed, effect| {
                Some(windows[seed as usize].split(seed, effect, is_ratio))
            }),
        }
    };
    let days = windows(&incidents, DAYS, 6, 7, Cadence::Day);
    let weeks: Vec<Vec<f64>> = incidents
        .iter()
        .map(|days| days.chunks_exact(7).map(|week| week.iter().sum()).collect())
        .collect();
    let weeks = windows(&weeks, WEEKS, 4, 1, Cadence::Week);
    Ok(vec![
        family(
            "NAB, hours",
            windows(&nab, HOURS, 24, 24, Cadence::Other),
            false,
        ),
        family("GitHub incidents, days", days, true),
        family("GitHub incidents, weeks", weeks, true),
    ])
}

/// A stretch of a real series.
struct Window {
    values: Vec<f64>,
    change: usize,
    period: usize,
    cadence: Cadence,
}

impl Window {
    /// The window with an effect, in standard deviations before the change around the season, or as
    /// a share of the events, which are then left out at random.
    fn split(&self, seed: u64, effect: f64, is_ratio: bool) -> Split {
        let mut random = Random::new(seed);
        let mut values = self.values.clone();
        let mut planted = effect;
        if is_ratio {
            for value in &mut values[self.change..] {
                let kept = (0..*value as usize).filter(|_| random.uniform() < 1.0 + effect);
                *value = kept.count() as f64;
            }
        } else {
            let before = &values[..self.change];
            let means: Vec<f64> = (0..self.period)
                .map(|phase| {
                    let matching = before.iter().skip(phase).step_by(self.period);
                    matching.clone().sum::<f64>() / matching.count() as f64
                })
                .collect();
            let rest: Vec<f64> = before
                .iter()
                .enumerate()
                .map(|(i, value)| value - means[i % self.period])
                .collect();
            planted = effect * sd(&rest);
            values[self.change..]
                .iter_mut()
                .for_each(|value| *value += planted);
        }
        Split {
            controls: Vec::new(),
            begin: 0,
            change: self.change,
            period: self.period,
            cadence: self.cadence,
            regressors: season(values.len(), self.period),
            values,
            law: None,
            effect: planted,
            is_ratio,
        }
    }
}

/// Every `stride`-th window of each series that is not constant before the change.
fn windows(
    series: &[Vec<f64>],
    (before, after): (usize, usize),
    stride: usize,
    period: usize,
    cadence: Cadence,
) -> Vec<Window> {
    series
        .iter()
        .flat_map(|series| series.windows(before + after).step_by(stride))
        .filter(|window| sd(&window[..before]) > 0.0)
        .map(|window| Window {
            values: window.to_vec(),
            change: before,
            period,
            cadence,
        })
        .collect()
}

/// Hourly means of the benchmark's real series.
fn hours(folder: &Path) -> std::io::Result<Vec<Vec<f64>>> {
    let mut series = Vec::new();
    let mut folders: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    folders.sort_by_key(std::fs::DirEntry::file_name);
    for kind in folders {
        if !kind.file_name().to_string_lossy().starts_with("real") {
            continue;
        }
        let mut files: Vec<_> = std::fs::read_dir(kind.path())?.collect::<Result<_, _>>()?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let mut hours: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for line in std::fs::read_to_string(file.path())?.lines().skip(1) {
                if let Some((time, value)) = line.split_once(',')
                    && let (Some(hour), Ok(value)) = (time.get(..13), value.trim().parse())
                {
                    hours.entry(hour.to_string()).or_default().push(value);
                }
            }
            let means = hours
                .values()
                .map(|v| v.iter().sum::<f64>() / v.len() as f64);
            series.push(means.collect());
        }
    }
    Ok(series)
}

/// Number of incidents per day: of all components, and of each of the most frequent components.
fn incidents(folder: &Path) -> std::io::Result<Vec<Vec<f64>>> {
    let text = std::fs::read_to_string(folder.join("github-incidents/incidents.jsonl"))?;
    let mut starts = Vec::new();
    for line in text.lines() {
        let after = |key: &str| line.split_once(key).map(|(_, rest)| rest);
        let day = after("\"started_at\": \"")
            .and_then(|rest| rest.get(..10))
            .and_then(day_number);
        let components = after("\"components\": [").and_then(|rest| rest.split_once(']'));
        if let Some(day) = day {
            starts.push((
                day,
                components.map_or(String::new(), |(names, _)| names.to_string()),
            ));
        }
    }
    let (Some(first), Some(last)) = (
        starts.iter().map(|(day, _)| *day).min(),
        starts.iter().map(|(day, _)| *day).max(),
    ) else {
        return Ok(Vec::new());
    };
    let daily = |component: &str| {
        let mut days = vec![0.0; (last - first + 1) as usize];
        for (day, _) in starts.iter().filter(|(_, names)| names.contains(component)) {
            days[(day - first) as usize] += 1.0;
        }
        days
    };
    Ok(["", "\"Actions\"", "\"Copilot\"", "\"Pull Requests\""]
        .map(daily)
        .to_vec())
}

/// Number of a day written as year, month and day (Howard Hinnant's algorithm).
fn day_number(day: &str) -> Option<i64> {
    let mut parts = day.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year)
}
