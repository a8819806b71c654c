//! `retrocast init`: writes a starter workspace with a job that can run.

use super::{job, print};
use crate::{Exit, diagnose::WrongUsage};
use anyhow::Context as _;
use jiff::civil::Date;
use retrocast_domain::window::date_in_words;
use retrocast_simulate::Config;
use std::{fs, path::Path};

/// Files to write, by path in the workspace.
const FILES: &[(&str, &str)] = &[
    ("jobs/hello.toml", include_str!("../../starter/hello.toml")),
    (
        "jobs/contracts/ticket.toml",
        include_str!("../../../../jobs/contracts/ticket.toml"),
    ),
    ("README.md", include_str!("../../starter/README.md")),
    (".gitignore", "/data/raw\n/data/lake\n/reports\n"),
];

/// Weeks of simulated records.
const WEEKS: u32 = 20;

/// Writes a workspace whose simulated records end before `until`, by default today.
pub fn init(folder: &Path, until: Option<Date>) -> anyhow::Result<Exit> {
    for (name, _) in FILES {
        let path = folder.join(name);
        if path.exists() {
            return Err(WrongUsage(format!(
                "{} already exists; nothing was written: choose a new or empty folder",
                path.display()
            ))
            .into());
        }
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    let defaults = Config::default();
    let config = Config {
        weeks: WEEKS,
        records_per_day: 400.0,
        until: match until {
            Some(until) => until,
            None => job::today(&defaults.timezone)?,
        },
        out: folder.join("data/raw/operations"),
        ..defaults
    };
    retrocast_simulate::simulate(&config)?;
    let date = until.map_or_else(String::new, |until| format!(" --date {until}"));
    let cd_prefix = if folder == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", folder.display())
    };
    print(&format!(
        "wrote a workspace with the job \"hello\" and {WEEKS} weeks of simulated records up to {}\n\
         next: {cd_prefix}retrocast run hello{date}",
        date_in_words(config.until.yesterday()?)
    ))?;
    Ok(Exit::Done)
}
