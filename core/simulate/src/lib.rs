//! A company's operations with planted truth, so that what a report claims can be checked.
//!
//! [`simulate`] writes tickets, AI decisions, system metrics, pipeline executions and a register of
//! improvements into a folder, hostile records among them, and [`truth::Truth`] beside them: what
//! was planted where and how large it is, and exactly how many records are unfit for which reason.
//! [`evaluate`] holds findings against that truth: which planted facts were found, and which claims
//! have nothing behind them.
//!
//! All is determined by the seed. Records are streamed: one day is in memory at a time.

use jiff::civil::{Date, date};
use std::{
    io,
    path::{Path, PathBuf},
};

mod calendar;
mod company;
mod facts;
mod hostile;
mod output;
mod random;

mod decisions;
mod improvements;
mod metrics;
mod pipelines;
mod tickets;

#[cfg(test)]
mod audit;
pub mod evaluate;
pub mod truth;

pub use evaluate::{Evaluation, evaluate};
pub use truth::{Fact, FactKind, Truth};

/// Fewest and most weeks that can be simulated.
const WEEKS_MIN: u32 = 1;
const WEEKS_MAX: u32 = 1040;
/// Fewest and most records a day.
const A_DAY_MIN: f64 = 50.0;
const A_DAY_MAX: f64 = 1e7;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Config {
    /// Decides everything random.
    pub seed: u64,
    /// Number of weeks. Facts that need a longer history are planted from 10, 16 and 26 weeks.
    pub weeks: u32,
    /// Average number of records a day, all types together. The planted facts are meant to be found
    /// from 1,000 on.
    pub records_per_day: f64,
    /// Day after the last.
    pub until: Date,
    /// Number of records in all, instead of `records_per_day`; met within about
    /// one percent over a year, three over a month.
    pub records: Option<u64>,
    /// IANA name of the time zone whose civil days shape the records.
    pub timezone: String,
    /// Folder to write; replaced when it holds an earlier simulation.
    pub out: PathBuf,
    /// Whether older files are compressed.
    pub compress: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            weeks: 60,
            records_per_day: 1000.0,
            until: date(2026, 11, 16),
            records: None,
            timezone: "Europe/London".to_string(),
            out: PathBuf::from("data/raw/operations"),
            compress: true,
        }
    }
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The folder.
    pub out: PathBuf,
    /// The file that says what is true.
    pub truth_path: PathBuf,
    /// Its content.
    pub truth: Truth,
    /// Records in all, the unfit ones included.
    pub records: u64,
    /// Files in all, without `truth.json`.
    pub files: u64,
    /// Bytes before compression.
    pub bytes: u64,
}

/// Why a simulation or an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds something else.
    #[error(
        "{} holds files that no simulation wrote (there is no truth.json); \
         choose an empty or new folder", .path.display()
    )]
    Occupied {
        /// Folder.
        path: PathBuf,
    },
    /// The number of weeks makes no sense.
    #[error("{weeks} weeks cannot be simulated: use at least {WEEKS_MIN} and at most {WEEKS_MAX}")]
    Weeks {
        /// Weeks asked for.
        weeks: u32,
    },
    /// The number of records makes no sense.
    #[error(
        "{records} records in {days} days cannot be simulated: use at least {} \
         ({A_DAY_MIN} a day) and at most {}", A_DAY_MIN * f64::from(*days), A_DAY_MAX * f64::from(*days)
    )]
    Records {
        /// Records asked for.
        records: f64,
        /// Days.
        days: u32,
    },
    /// The calendar ends before.
    #[error("{days} days before {until} are outside the calendar")]
    Dates {
        /// Day after the last.
        until: Date,
        /// Days asked for.
        days: usize,
    },
    /// No such time zone.
    #[error("{timezone:?} is not a time zone; use an IANA name such as \"Europe/London\"")]
    Timezone {
        /// Name asked for.
        timezone: String,
    },
    /// The system refused to read or write.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not a `truth.json`.
    #[error("{} is not a truth.json of this version: {source}; simulate again", .path.display())]
    Truth {
        /// File.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether it was asked for what cannot be, rather than that something failed.
    pub fn is_wrong_usage(&self) -> bool {
        match self {
            Error::Weeks { .. }
            | Error::Records { .. }
            | Error::Dates { .. }
            | Error::Timezone { .. }
            | Error::Occupied { .. } => true,
            Error::Io { .. } | Error::Truth { .. } => false,
        }
    }

    fn write(path: &Path, source: io::Error) -> Self {
        Error::Io {
            action: "write",
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Writes a company's operations and what is true about them.
///
/// The folder appears complete or not at all: everything is written beside it first.
pub fn simulate(config: &Config) -> Result<Summary, Error> {
    check(config)?;
    let company = company::Company::draw(config)?;
    let staging = beside(&config.out, "partial");
    remove(&staging)?;
    std::fs::create_dir_all(&staging).map_err(|e| Error::write(&staging, e))?;
    let truth = match write_all(&staging, &company, config) {
        Ok(truth) => truth,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    put_in_place(&staging, &config.out)?;
    let total = |count: fn(&truth::SourceTruth) -> u64| truth.sources.values().map(count).sum();
    Ok(Summary {
        out: config.out.clone(),
        truth_path: config.out.join("truth.json"),
        records: total(|source| source.records),
        files: total(|source| source.files),
        bytes: total(|source| source.bytes),
        truth,
    })
}

fn check(config: &Config) -> Result<(), Error> {
    if !(WEEKS_MIN..=WEEKS_MAX).contains(&config.weeks) {
        return Err(Error::Weeks {
            weeks: config.weeks,
        });
    }
    let days = config.weeks * 7;
    let a_day = config
        .records
        .map_or(config.records_per_day, |n| n as f64 / f64::from(days));
    if !(A_DAY_MIN..=A_DAY_MAX).contains(&a_day) {
        return Err(Error::Records {
            records: a_day * f64::from(days),
            days,
        });
    }
    let occupied = match std::fs::read_dir(&config.out) {
        Ok(mut entries) => entries.next().is_some() && !config.out.join("truth.json").is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => {
            return Err(Error::Io {
                action: "read",
                path: config.out.clone(),
                source,
            });
        }
    };
    if occupied {
        Err(Error::Occupied {
            path: config.out.clone(),
        })
    } else {
        Ok(())
    }
}

fn write_all(root: &Path, company: &company::Company, config: &Config) -> Result<Truth, Error> {
    let (seed, compress) = (config.seed, config.compress);
    let (tickets, decisions, pipelines, metrics) = std::thread::scope(|scope| {
        let tickets = scope.spawn(|| tickets::write(root, company, seed, compress));
        let decisions = scope.spawn(|| decisions::write(root, company, seed, compress));
        let pipelines = scope.spawn(|| pipelines::write(root, company, seed, compress));
        let metrics = metrics::write(root, company, seed, compress);
        (
            joined(tickets),
            joined(decisions),
            joined(pipelines),
            metrics,
        )
    });
    let sources = [
        ("tickets", tickets?),
        ("decisions", decisions?),
        ("pipelines", pipelines?),
        ("metrics", metrics?),
        ("improvements", improvements::write(root, company)?),
    ];
    let truth = Truth {
        schema: 1,
        seed,
        weeks: config.weeks,
        start: company.days[0].date,
        until: config.until,
        timezone: config.timezone.clone(),
        facts: company.facts(),
        allowed: company::Company::allowed(),
        names: company::Company::names(),
        sources: sources
            .map(|(name, source)| (name.to_string(), source))
            .into(),
    };
    let path = root.join("truth.json");
    let mut text = serde_json::to_string_pretty(&truth).map_err(|source| Error::Truth {
        path: path.clone(),
        source,
    })?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|e| Error::write(&path, e))?;
    Ok(truth)
}

/// What a thread returned; a panic in it goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A folder next to another, so that a rename between them is one step.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path
        .file_name()
        .map_or_else(|| "out".into(), |name| name.to_string_lossy());
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path, error)),
        _ => Ok(()),
    }
}

fn put_in_place(staging: &Path, out: &Path) -> Result<(), Error> {
    let old = beside(out, "old");
    remove(&old)?;
    if out.exists() {
        std::fs::rename(out, &old).map_err(|e| Error::write(out, e))?;
    }
    std::fs::rename(staging, out).map_err(|e| Error::write(out, e))?;
    remove(&old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    const CONTRACTS: [(&str, &str); 5] = [
        ("tickets", "ticket"),
        ("decisions", "decision"),
        ("pipelines", "pipeline_execution"),
        ("metrics", "metric_sample"),
        ("improvements", "improvement"),
    ];

    fn config(folder: &Path, seed: u64, weeks: u32) -> Config {
        let out = folder.join("operations");
        Config {
            seed,
            weeks,
            out,
            ..Config::default()
        }
    }

    /// Every file's name below a folder with its bytes.
    fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        audit::files(folder)
            .into_iter()
            .map(|path| {
                (
                    path.strip_prefix(folder).unwrap().into(),
                    std::fs::read(&path).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn one_seed_gives_one_set_of_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), 3, 10);
        simulate(&config).unwrap();
        let first = bytes(&config.out);
        simulate(&config).unwrap();
        assert!(first == bytes(&config.out));
        simulate(&Config {
            seed: 4,
            ..config.clone()
        })
        .unwrap();
        assert!(first != bytes(&config.out));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    /// What is in the files is what the truth says, by a reader that shares no code with the writers.
    fn check_counts(seed: u64, compress: bool) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            compress,
            ..config(folder.path(), seed, 20)
        };
        let summary = simulate(&config).unwrap();
        assert_eq!(Truth::read(&summary.truth_path).unwrap(), summary.truth);
        for (source, contract) in CONTRACTS {
            let contract = audit::contract(contract);
            let (found, records) = audit::audit(&config.out.join(source), &contract);
            let planted = &summary.truth.sources[source];
            let counts = |t: &truth::SourceTruth| {
                (
                    t.files,
                    t.records,
                    t.accepted,
                    t.duplicates,
                    t.broken_files,
                    t.quarantined.clone(),
                )
            };
            assert_eq!(counts(&found), counts(planted), "{source}");
            let quarantined: u64 = planted.quarantined.values().sum();
            assert_eq!(
                planted.records,
                planted.accepted + planted.duplicates + quarantined
            );
            for (field, count) in &planted.unknown_fields {
                let with = records
                    .iter()
                    .filter(|record| record.get(field).is_some())
                    .count();
                assert_eq!(with as u64, *count, "{source} {field}");
            }
        }
        let tickets = &summary.truth.sources["tickets"];
        assert!(tickets.late > 20 && tickets.duplicates > 5 && tickets.hostile_texts > 50);
        assert_eq!(tickets.quarantined.len(), 7, "{:?}", tickets.quarantined);
    }

    #[test]
    fn the_truth_counts_what_is_in_the_files() {
        check_counts(1, true);
        check_counts(2, false);
    }

    /// Accepted records of a source with the civil day of each.
    fn records(config: &Config, source: &str, contract: &str, time: &str) -> Vec<(Date, Value)> {
        let contract = audit::contract(contract);
        let zone = jiff::tz::TimeZone::get(&config.timezone).unwrap();
        audit::audit(&config.out.join(source), &contract)
            .1
            .into_iter()
            .map(|record| {
                let at: jiff::Timestamp = record[time].as_str().unwrap().parse().unwrap();
                (zone.to_datetime(at).date(), record)
            })
            .collect()
    }

    fn near(what: &str, found: f64, planted: f64, tolerance: f64) {
        let off = (found / planted - 1.0).abs();
        assert!(off < tolerance, "{what}: found {found}, planted {planted}");
    }

    fn per_day(records: &[(Date, Value)], days: i32, keep: impl Fn(Date, &Value) -> bool) -> f64 {
        records
            .iter()
            .filter(|(day, record)| keep(*day, record))
            .count() as f64
            / f64::from(days)
    }

    fn days_between(from: Date, to: Date) -> i32 {
        from.until(to).unwrap().get_days()
    }

    #[test]
    fn planted_sizes_are_in_the_tickets() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), 11, 60);
        let truth = simulate(&config).unwrap().truth;
        let tickets = records(&config, "tickets", "ticket", "created_at");
        let is_failure = |record: &Value| record["type"] == "failure";
        let monday = |day: Date| day.weekday() == jiff::civil::Weekday::Monday;
        let mondays = per_day(&tickets, 60, |day, r| monday(day) && is_failure(r));
        let others = per_day(&tickets, 360, |day, r| !monday(day) && is_failure(r));
        near(
            "Monday",
            mondays / others,
            truth.fact("monday").unwrap().size,
            0.06,
        );
        let questions = per_day(&tickets, 60, |day, r| monday(day) && !is_failure(r));
        let other_questions = per_day(&tickets, 360, |day, r| !monday(day) && !is_failure(r));
        near("other tickets on Mondays", questions, other_questions, 0.06);

        let ratio = |fact: &Fact, failures_only: bool| {
            let date = fact.date.unwrap();
            let of =
                |r: &Value| r["component"] == fact.value() && (!failures_only || is_failure(r));
            let before = days_between(truth.start, date);
            let before = per_day(&tickets, before, |day, r| day < date && of(r));
            let after = days_between(date, truth.until);
            per_day(&tickets, after, |day, r| day >= date && of(r)) / before
        };
        let shift = truth.fact("shift").unwrap();
        near("shift", ratio(shift, false), shift.size, 0.06);
        let works = truth.fact("IMP-001").unwrap();
        near("improvement", ratio(works, true), 1.0 + works.size, 0.15);
        let nothing = truth.fact("IMP-002").unwrap();
        assert_eq!(nothing.size, 0.0);
        near(
            "improvement without effect",
            ratio(nothing, true),
            1.0,
            0.15,
        );
    }

    #[test]
    fn planted_sizes_are_in_the_executions_and_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), 12, 60);
        let truth = simulate(&config).unwrap().truth;
        let runs = records(&config, "pipelines", "pipeline_execution", "started_at");
        let threshold = truth.fact("threshold").unwrap();
        for (name, is_above) in [("share_below", false), ("share_above", true)] {
            let side: Vec<_> = runs
                .iter()
                .filter(|(_, run)| (run["files"].as_f64().unwrap() > threshold.size) == is_above)
                .collect();
            let failed = side
                .iter()
                .filter(|(_, run)| run["status"] == "failed")
                .count();
            near(
                name,
                failed as f64 / side.len() as f64,
                threshold.numbers[name],
                0.08,
            );
        }
        let usual = per_day(&runs, 300, |day, _| !is_weekend(day));
        for id in ["outage-pipelines", "dip-pipelines"] {
            let fact = truth.fact(id).unwrap();
            let that_day = per_day(&runs, 1, |day, _| Some(day) == fact.date);
            near(id, that_day / usual, fact.size, 0.3);
        }
        let weekend = per_day(&runs, 120, |day, _| is_weekend(day));
        near("weekend", weekend / usual, company::WEEKEND_VOLUME, 0.05);

        let drift = truth.fact("drift").unwrap();
        let samples = records(&config, "metrics", "metric_sample", "time");
        let memory = |day: Date| {
            let values: Vec<f64> = samples
                .iter()
                .filter(|(date, sample)| *date == day && sample["service"] == drift.value())
                .filter_map(|(_, sample)| sample["memory_percent"].as_f64())
                .collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        near(
            "before the drift",
            memory(truth.start),
            drift.numbers["base"],
            0.03,
        );
        let last = truth.until.yesterday().unwrap();
        near("at the end", memory(last), drift.numbers["at_end"], 0.03);
    }

    fn is_weekend(day: Date) -> bool {
        day.weekday().to_monday_zero_offset() >= 5
    }

    #[test]
    fn the_number_of_records_is_met() {
        let folder = tempfile::tempdir().unwrap();
        // Days vary, so a short simulation may be further off.
        for (records, weeks, tolerance) in [(30_000_u64, 4, 0.03), (200_000, 60, 0.01)] {
            let config = Config {
                records: Some(records),
                ..config(folder.path(), 5, weeks)
            };
            let summary = simulate(&config).unwrap();
            near("records", summary.records as f64, records as f64, tolerance);
        }
    }

    fn refused(config: &Config, words: &str) {
        let error = simulate(config).unwrap_err();
        assert!(
            error.is_wrong_usage() && error.to_string().contains(words),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_simulated_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), 1, 2);
        refused(
            &Config {
                weeks: 0,
                ..config.clone()
            },
            "0 weeks cannot be simulated: use at least 1",
        );
        refused(
            &Config {
                records: Some(3),
                ..config.clone()
            },
            "3 records in 14 days cannot be simulated: use at least 700 (50 a day)",
        );
        let timezone = "Europe/Nowhere".to_string();
        refused(
            &Config {
                timezone,
                ..config.clone()
            },
            "is not a time zone",
        );
        refused(
            &Config {
                until: Date::MIN,
                ..config.clone()
            },
            "outside the calendar",
        );
        std::fs::create_dir_all(&config.out).unwrap();
        std::fs::write(config.out.join("letter.txt"), "dear").unwrap();
        refused(&config, "no simulation wrote");
        assert!(config.out.join("letter.txt").is_file());
    }
}
