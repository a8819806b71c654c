//! Simulates a company's operations with planted facts, so that the claims of a report can be
//! checked.
//!
//! [`simulate`] writes tickets, AI decisions, system metrics, pipeline executions and a register of
//! improvements to a folder, including hostile records, and the [`truth::Truth`] about them: the
//! planted facts with their sizes, and the exact number of invalid records by reason. The other
//! record types of the catalogue are derived from these: steps of the executions, alerts,
//! incidents, tasks and more. [`evaluate`] compares findings with that truth: which facts were
//! found, and which claims are false.
//!
//! The seed determines everything. Records are streamed: one day is in memory at a time.

use jiff::civil::{Date, date};
use retrocast_domain::number::plural;
use std::{
    io,
    path::{Path, PathBuf},
};

mod calendar;
mod catalogue;
mod company;
mod facts;
mod hostile;
mod output;
mod ownership;
mod random;

mod decisions;
mod improvements;
mod metrics;
mod pipelines;
mod tickets;

#[cfg(test)]
mod audit;
pub mod evaluate;
#[cfg(test)]
mod tests;
pub mod truth;

pub use evaluate::{Evaluation, evaluate};
pub use truth::{Fact, FactKind, Truth};

/// Minimum and maximum number of weeks that can be simulated.
const WEEKS_MIN: u32 = 1;
const WEEKS_MAX: u32 = 1040;
/// Minimum and maximum number of records per day.
const PER_DAY_MIN: f64 = 50.0;
const PER_DAY_MAX: f64 = 1e7;

/// Settings of a simulation.
#[derive(Debug, Clone)]
pub struct Config {
    /// Seed of all randomness.
    pub seed: u64,
    /// Number of weeks. Some facts need more history: they are planted only in simulations of at
    /// least 10, 16 or 26 weeks.
    pub weeks: u32,
    /// Average number of tickets, decisions, pipeline executions and metrics per day. The planted
    /// facts are detectable with 1,000 or more. The other record types are additional, about half
    /// as many.
    pub records_per_day: f64,
    /// Day after the last day.
    pub until: Date,
    /// Total number of those records, instead of `records_per_day`; accurate to about one percent
    /// over a year, and three percent over a month.
    pub records: Option<u64>,
    /// IANA name of the time zone of days.
    pub timezone: String,
    /// Folder to write; replaced if it contains an earlier simulation.
    pub out: PathBuf,
    /// True if older files are compressed.
    pub compress: bool,
    /// Number of improvements in the register: 3 (one works, one has no effect, one is too recent),
    /// or 6 (two work, two have no effect, one is harmful, one is too recent).
    pub improvements: u32,
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
            improvements: 3,
        }
    }
}

/// The written files.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Path of the folder.
    pub out: PathBuf,
    /// Path of `truth.json`.
    pub truth_path: PathBuf,
    /// Its content.
    pub truth: Truth,
    /// Total number of records, including invalid ones.
    pub records: u64,
    /// Total number of files, without `truth.json`.
    pub files: u64,
    /// Bytes before compression.
    pub bytes: u64,
}

/// An error of a simulation or an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder contains files but no simulation.
    #[error(
        "{} contains files that no simulation wrote (there is no truth.json); \
         choose an empty or new folder", .path.display()
    )]
    Occupied {
        /// Folder.
        path: PathBuf,
    },
    /// The number of weeks is out of range.
    #[error("{weeks} weeks cannot be simulated: use at least {WEEKS_MIN} and at most {WEEKS_MAX}")]
    Weeks {
        /// Requested number of weeks.
        weeks: u32,
    },
    /// The number of records is out of range.
    #[error(
        "{records} records in {days} days cannot be simulated: use at least {} \
         ({PER_DAY_MIN} a day) and at most {}", PER_DAY_MIN * f64::from(*days), PER_DAY_MAX * f64::from(*days)
    )]
    Records {
        /// Requested number of records.
        records: f64,
        /// Number of days.
        days: u32,
    },
    /// The period exceeds the calendar.
    #[error("{days} days before {until} are outside the calendar")]
    Dates {
        /// Day after the last day.
        until: Date,
        /// Requested number of days.
        days: usize,
    },
    /// The time zone is unknown.
    #[error("{timezone:?} is not a time zone; use an IANA name such as \"Europe/London\"")]
    Timezone {
        /// Requested name.
        timezone: String,
    },
    /// The folder contains a simulation and further files.
    #[error(
        "{} contains {file:?}{others}, which no simulation wrote and which would be deleted; move it \
         elsewhere, or simulate into another folder", .path.display()
    )]
    ForeignFiles {
        /// Folder.
        path: PathBuf,
        /// One of the files.
        file: String,
        /// Mentions further files, such as " and 2 more files"; may be empty.
        others: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is not a `truth.json`.
    #[error("{} is not a truth.json of this version: {source}; simulate again", .path.display())]
    Truth {
        /// File.
        path: PathBuf,
        /// The error.
        source: serde_json::Error,
    },
}

impl Error {
    /// Returns true for invalid requests, as opposed to failures.
    pub fn is_wrong_usage(&self) -> bool {
        match self {
            Error::Weeks { .. }
            | Error::Records { .. }
            | Error::Dates { .. }
            | Error::Timezone { .. }
            | Error::Occupied { .. }
            | Error::ForeignFiles { .. } => true,
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

/// Simulates a company's operations, and writes the records and the truth about them.
///
/// The folder appears atomically: everything is first written to a temporary folder beside it.
pub fn simulate(config: &Config) -> Result<Summary, Error> {
    check_config(config)?;
    let company = company::Company::draw(config)?;
    let staging = sibling_path(&config.out, "partial");
    remove_folder(&staging)?;
    std::fs::create_dir_all(&staging).map_err(|e| Error::write(&staging, e))?;
    let truth = match write_all(&staging, &company, config) {
        Ok(truth) => truth,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    replace_folder(&staging, &config.out)?;
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

fn check_config(config: &Config) -> Result<(), Error> {
    if !(WEEKS_MIN..=WEEKS_MAX).contains(&config.weeks) {
        return Err(Error::Weeks {
            weeks: config.weeks,
        });
    }
    let days = config.weeks * 7;
    let per_day = config
        .records
        .map_or(config.records_per_day, |n| n as f64 / f64::from(days));
    if !(PER_DAY_MIN..=PER_DAY_MAX).contains(&per_day) {
        return Err(Error::Records {
            records: per_day * f64::from(days),
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
        return Err(Error::Occupied {
            path: config.out.clone(),
        });
    }
    if !config.out.exists() {
        return Ok(());
    }
    let foreign_files = ownership::foreign_files(&config.out).map_err(|source| Error::Io {
        action: "read",
        path: config.out.clone(),
        source,
    })?;
    let mut foreign_files = foreign_files.into_iter();
    match (foreign_files.next(), foreign_files.count() as u64) {
        (None, _) => Ok(()),
        (Some(file), others) => Err(Error::ForeignFiles {
            path: config.out.clone(),
            file,
            others: match others {
                0 => String::new(),
                others => format!(" and {}", plural(others, "more file")),
            },
        }),
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
            join_thread(tickets),
            join_thread(decisions),
            join_thread(pipelines),
            metrics,
        )
    });
    let ((tickets, task_tickets), (pipelines, traces), (metrics, faults)) =
        (tickets?, pipelines?, metrics?);
    let mut sources = vec![
        ("tickets", tickets),
        ("pipelines", pipelines),
        ("metrics", metrics),
        ("improvements", improvements::write(root, company)?),
    ];
    sources.extend(decisions?);
    sources.extend(traces.sources);
    let inputs = catalogue::CatalogueInputs {
        faults,
        streaks: traces.streaks,
        task_tickets,
    };
    sources.extend(catalogue::write(root, company, &inputs, seed, compress)?);
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
            .into_iter()
            .map(|(name, source)| (name.to_string(), source))
            .collect(),
    };
    let path = root.join("truth.json");
    let mut text = serde_json::to_string_pretty(&truth).map_err(|source| Error::Truth {
        path: path.clone(),
        source,
    })?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|e| Error::write(&path, e))?;
    ownership::record_files(root).map_err(|e| Error::write(root, e))?;
    Ok(truth)
}

/// Joins a thread; its panic is propagated.
fn join_thread<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A path in the same folder, so that renaming is atomic.
fn sibling_path(path: &Path, suffix: &str) -> PathBuf {
    let name = path
        .file_name()
        .map_or_else(|| "out".into(), |name| name.to_string_lossy());
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path, error)),
        _ => Ok(()),
    }
}

fn replace_folder(staging: &Path, out: &Path) -> Result<(), Error> {
    let old = sibling_path(out, "old");
    remove_folder(&old)?;
    if out.exists() {
        std::fs::rename(out, &old).map_err(|e| Error::write(out, e))?;
    }
    std::fs::rename(staging, out).map_err(|e| Error::write(out, e))?;
    remove_folder(&old)
}
