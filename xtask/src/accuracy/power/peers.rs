//! Methods beside ours on the same series, with the same share of false alarms: two Python
//! packages, a threshold of robust residuals, and an oracle.

use super::{
    cases::{Case, name},
    claims::end,
    job::ALPHA,
    oracle::{calibration_ends, limit, residuals, search},
    series::{DAYS, HOURS, Kind, Plant, Series, WEEK},
};
use crate::{measure, venv};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Limit of a script on all rows of a kind.
const LIMIT: Duration = Duration::from_secs(600);
/// Nominal limit of the threshold of robust residuals.
const NOMINAL: f64 = 3.5;
/// Series without an event on which limits are calibrated: for the packages, and for the other
/// methods.
const CALIBRATION_PACKAGES: usize = 40;
const CALIBRATION_PACKAGES_DAYS: usize = 250;
const CALIBRATION_HOURS: usize = 60;
const CALIBRATION_DAYS: usize = 600;

/// A package with its script.
struct Package {
    name: &'static str,
    version: &'static str,
    script: &'static str,
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "pyod",
        version: "3.6.7",
        script: include_str!("neighbours.py.txt"),
    },
    Package {
        name: "ruptures",
        version: "1.1.10",
        script: include_str!("pelt.py.txt"),
    },
];

/// Share of events found, and share of series with a false alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub found: f64,
    pub alarms: f64,
}

/// The rates of the other methods on a row; `None` for one that is missing.
#[derive(Debug, Clone, Default)]
pub struct PeerRates {
    pub threshold: Option<Rates>,
    pub packages: [Option<Rates>; 2],
    pub oracle: Option<Rates>,
    /// Share of series in which a residual exceeds the nominal threshold.
    pub nominal: f64,
}

/// The packages that could be installed.
pub struct Peers {
    environments: Vec<Option<PathBuf>>,
    folder: PathBuf,
}

impl Peers {
    /// Installs the packages; reports one that cannot be installed.
    pub fn install(folder: &Path) -> Self {
        let install = |package: &Package| {
            let Package { name, version, .. } = package;
            let environment = venv::environment(
                &format!("{name}-analysis-{version}"),
                &[format!("{name}=={version}")],
            );
            environment
                .map_err(|error| println!("SKIPPED: {name} {version}: {error}"))
                .ok()
        };
        Self {
            environments: PACKAGES.iter().map(install).collect(),
            folder: folder.join("peers"),
        }
    }

    /// The rates of all methods on rows of one kind of series.
    pub fn rates(
        &self,
        kind: Kind,
        cases: &[&Case],
        series: usize,
    ) -> Result<Vec<PeerRates>, String> {
        let rows: Vec<Vec<Series>> = cases
            .iter()
            .map(|case| (0..case.count(series)).map(|i| case.series(i)).collect())
            .collect();
        let (many, few) = if kind.is_daily() {
            (CALIBRATION_DAYS, CALIBRATION_PACKAGES_DAYS)
        } else {
            (CALIBRATION_HOURS, CALIBRATION_PACKAGES)
        };
        let null: Vec<Series> = (0..many)
            .map(|i| {
                Series::new(
                    &format!("calibration, {}", name(kind)),
                    i,
                    kind,
                    Plant::Nothing,
                )
            })
            .collect();
        let thresholds = thresholds(kind, cases, &rows, &null);
        let mut rates: Vec<PeerRates> = thresholds
            .into_iter()
            .zip(cases.iter().zip(&rows))
            .map(|((threshold, nominal), (case, row))| PeerRates {
                threshold: Some(threshold),
                oracle: oracle(case, row, &null),
                nominal,
                packages: [None; 2],
            })
            .collect();
        if kind == Kind::Groups {
            return Ok(rates);
        }
        self.write(kind, cases, &rows, &null[..few.min(null.len())])?;
        for (i, package) in PACKAGES.iter().enumerate() {
            match self.run(i, kind, cases.len()) {
                Ok(Some(found)) => {
                    for (rates, found) in rates.iter_mut().zip(found) {
                        rates.packages[i] = Some(found);
                    }
                }
                Ok(None) => {}
                Err(error) => println!("SKIPPED: {}, {}: {error}", package.name, name(kind)),
            }
        }
        Ok(rates)
    }

    fn write(
        &self,
        kind: Kind,
        cases: &[&Case],
        rows: &[Vec<Series>],
        null: &[Series],
    ) -> Result<(), String> {
        fs::create_dir_all(&self.folder).map_err(|error| error.to_string())?;
        let write = |name: &str, from: usize, series: &[Series]| {
            let mut text = String::new();
            for series in series {
                let planted = &series.planted;
                let tolerance = if kind.is_daily() { 7 } else { 1 };
                let _ = write!(text, "{from},{},{},{tolerance}", planted.start, planted.end);
                for value in scores(series, kind, series.group) {
                    let _ = write!(text, ",{value:.3}");
                }
                text.push('\n');
            }
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("calibration", 0, null)?;
        for (i, (case, row)) in cases.iter().zip(rows).enumerate() {
            write(&format!("row{i}"), case.tested_from(), row)?;
        }
        Ok(())
    }

    /// Runs the script of a package; returns the rates of all rows, `None` without the package.
    fn run(&self, package: usize, kind: Kind, rows: usize) -> Result<Option<Vec<Rates>>, String> {
        let Some(environment) = &self.environments[package] else {
            return Ok(None);
        };
        let write = |name: &str, text: &str| {
            fs::write(self.folder.join(name), text).map_err(|error| error.to_string())
        };
        write("protocol.py", include_str!("protocol.py.txt"))?;
        write("script.py", PACKAGES[package].script)?;
        let mode = if kind.is_daily() { "days" } else { "hours" };
        let mut command = Command::new(environment.join("bin/python"));
        command
            .args(["script.py", mode, &ALPHA.to_string(), "calibration"])
            .args((0..rows).map(|i| format!("row{i}")))
            .current_dir(&self.folder);
        measure::within(Some(LIMIT), &mut command, &self.folder.join("log"))?;
        let path = self.folder.join("result");
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        parse(&text, rows).map(Some)
    }
}

/// Parses the shares that a script printed.
fn parse(text: &str, rows: usize) -> Result<Vec<Rates>, String> {
    let rates: Vec<Rates> = text
        .lines()
        .filter_map(|line| {
            let (found, alarms) = line.split_once(' ')?;
            Some(Rates {
                found: found.parse().ok()?,
                alarms: alarms.parse().ok()?,
            })
        })
        .collect();
    if rates.len() == rows {
        Ok(rates)
    } else {
        Err(format!("{} results of {rows} rows: {text:?}", rates.len()))
    }
}

/// Robust residuals of a group.
fn scores(series: &Series, kind: Kind, group: usize) -> Vec<f64> {
    let season = if kind.is_daily() { 7 } else { WEEK };
    residuals(&series.values(group, kind), season)
}

/// The largest absolute residual of all groups.
fn largest(residuals: &[Vec<f64>], from: usize, to: usize) -> f64 {
    let values = residuals.iter().flat_map(|values| &values[from..to]);
    values.fold(0.0, |largest, value| value.abs().max(largest))
}

/// The rates of the threshold on each row, and the share of series with an alarm at its nominal
/// limit.
fn thresholds(
    kind: Kind,
    cases: &[&Case],
    rows: &[Vec<Series>],
    null: &[Series],
) -> Vec<(Rates, f64)> {
    let all = |series: &Series| -> Vec<Vec<f64>> {
        (0..kind.groups())
            .map(|group| scores(series, kind, group))
            .collect()
    };
    let length = end(kind);
    let tested = cases.first().map_or(0, |case| length - case.tested_from());
    let worst = null.iter().flat_map(|series| {
        let residuals = all(series);
        calibration_ends(kind)
            .into_iter()
            .map(move |end| largest(&residuals, end - tested, end))
    });
    let limit = limit(worst.collect(), ALPHA);
    rows.iter()
        .map(|row| {
            let n = row.len() as f64;
            let (mut rates, mut nominal) = (
                Rates {
                    found: 0.0,
                    alarms: 0.0,
                },
                0.0,
            );
            for series in row {
                let residuals = all(series);
                let planted = &series.planted;
                let of_group = &residuals[series.group..=series.group];
                let found = largest(of_group, planted.start, planted.end) > limit;
                let before = largest(
                    &residuals,
                    length - tested,
                    planted.start.max(length - tested),
                );
                let after = largest(&residuals, planted.end, length);
                rates.found += f64::from(u8::from(found)) / n;
                rates.alarms += f64::from(u8::from(before.max(after) > limit)) / n;
                nominal += f64::from(u8::from(before.max(after) > NOMINAL)) / n;
            }
            (rates, nominal)
        })
        .collect()
}

/// The rates of the oracle; `None` for a row without an event, whose shape it could not know.
fn oracle(case: &Case, row: &[Series], null: &[Series]) -> Option<Rates> {
    let Case { kind, plant, .. } = case;
    if *plant == Plant::Nothing {
        return None;
    }
    let worst = null.iter().flat_map(|series| {
        let ends = calibration_ends(*kind);
        ends.into_iter()
            .filter_map(|end| search(series, *kind, *plant, end))
    });
    let limit = limit(worst.map(|place| place.score).collect(), ALPHA);
    let is_found = |series: &&Series| {
        let end = if kind.is_daily() { DAYS } else { HOURS };
        search(series, *kind, *plant, end).is_some_and(|place| {
            let length = series.planted.len();
            let is_near = match plant {
                Plant::Outage { .. } => place.first.abs_diff(series.planted.start) <= length,
                Plant::Step(_) => place.first.abs_diff(series.planted.start) <= 7,
                _ => place.first.abs_diff(series.planted.start) <= 14,
            };
            place.score > limit && place.group == series.group && is_near
        })
    };
    let found = row.iter().filter(is_found).count() as f64 / row.len() as f64;
    Some(Rates {
        found,
        alarms: ALPHA,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_scripts_are_parsed() {
        let rates = parse("0.5 0.1\n1.0 0.0\n", 2).unwrap();
        assert_eq!(
            rates[0],
            Rates {
                found: 0.5,
                alarms: 0.1
            }
        );
        for (text, rows) in [("0.5 0.1\n", 2), ("0.5\n", 1), ("nan? 0\n", 1)] {
            assert!(parse(text, rows).is_err(), "{text}");
        }
    }

    #[test]
    fn the_threshold_keeps_its_budget_and_finds_large_events() {
        let kind = Kind::Gauges;
        let plant = Plant::Outage {
            hours: 6,
            factor: 8.0,
            day: 2,
        };
        let case = |title: &str, plant| Case {
            title: title.to_string(),
            kind,
            plant,
            goal: None,
        };
        let cases = [case("null", Plant::Nothing), case("event", plant)];
        let cases: Vec<&Case> = cases.iter().collect();
        let rows: Vec<Vec<Series>> = cases
            .iter()
            .map(|case| (0..10).map(|i| case.series(i)).collect())
            .collect();
        let null: Vec<Series> = (0..10)
            .map(|i| Series::new("calibration", i, kind, Plant::Nothing))
            .collect();
        let rates = thresholds(kind, &cases, &rows, &null);
        assert!(rates[0].0.alarms <= 0.2, "{rates:?}");
        assert!(rates[1].0.found >= 0.9, "{rates:?}");
        let rates = oracle(cases[1], &rows[1], &null).unwrap();
        assert!(rates.found >= 0.9, "{rates:?}");
    }
}
