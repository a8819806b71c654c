//! `retrocast init`: a starter workspace that runs.

use super::print;
use crate::{Exit, diagnose::WrongUsage};
use anyhow::Context as _;
use retrocast_simulate::Config;
use std::{fs, path::Path};

/// What is written, by path in the workspace.
const FILES: &[(&str, &str)] = &[
    ("jobs/hello.toml", include_str!("../../starter/hello.toml")),
    (
        "jobs/contracts/ticket.toml",
        include_str!("../../../../jobs/contracts/ticket.toml"),
    ),
    ("README.md", include_str!("../../starter/README.md")),
    (".gitignore", "/data/raw\n/data/lake\n/reports\n"),
];

pub fn init(folder: &Path) -> anyhow::Result<Exit> {
    for (name, _) in FILES {
        let path = folder.join(name);
        if path.exists() {
            return Err(WrongUsage(format!(
                "{} is there already; choose an empty or new folder, nothing was written",
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
    let config = Config {
        weeks: 20,
        records_per_day: 400.0,
        out: folder.join("data/raw/operations"),
        ..Config::default()
    };
    retrocast_simulate::simulate(&config)?;
    let go = if folder == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", folder.display())
    };
    print(&format!(
        "wrote a workspace with the job \"hello\" and 20 weeks of made-up records\n\
         next: {go}retrocast run hello --date 2026-11-16"
    ))?;
    Ok(Exit::Done)
}
