//! `retrocast schedule export`: configuration for cron, systemd or Kubernetes.

use super::{JobSchedule, ScheduledJob, none_scheduled, read, run, select_jobs, unscheduled};
use crate::{
    Exit, arguments::ExportTo, diagnose::WrongUsage, terminal::print, workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_engine::schedule::export::{ScheduledCommand, cron, kubernetes, systemd};
use std::path::{Path, PathBuf};

/// Prints the configuration, or writes it to a folder.
pub fn export(
    workspace: &Workspace,
    to: ExportTo,
    names: &[String],
    out: Option<&Path>,
    image: Option<String>,
) -> anyhow::Result<Exit> {
    let jobs = scheduled_jobs(workspace, names)?;
    let image = image.unwrap_or_else(|| run::BUILD.replace(' ', ":"));
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let absolute = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
    };
    let root = absolute(&workspace.root)?;
    let folders = folder_options(workspace, &root)?;
    let writes = vec![
        root,
        absolute(&workspace.lake)?,
        absolute(&workspace.reports)?,
    ];
    let commands: Vec<ScheduledCommand<'_>> = jobs
        .iter()
        .map(|scheduled| ScheduledCommand {
            job: &scheduled.job.name,
            schedule: &scheduled.schedule,
            calendar: &scheduled.calendar,
            timezone: &scheduled.job.timezone,
            program: program.clone(),
            folders: folders.clone(),
            writes: writes.clone(),
            user: std::env::var("USER").ok().filter(|user| !user.is_empty()),
            image: image.clone(),
        })
        .collect();
    let files: Vec<(String, String)> = match to {
        ExportTo::Cron => vec![("retrocast.crontab".to_string(), cron(&commands))],
        ExportTo::Kubernetes => vec![("retrocast.yaml".to_string(), kubernetes(&commands))],
        ExportTo::Systemd => commands
            .iter()
            .flat_map(systemd)
            .map(|unit| (unit.name, unit.text))
            .collect(),
    };
    let Some(out) = out else {
        print(&join_files(to, &files))?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    for (name, text) in &files {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print(&path.display().to_string())?;
    }
    Ok(Exit::Done)
}

/// Returns the named jobs, all of which must have schedules, or else all jobs that have one.
fn scheduled_jobs(workspace: &Workspace, names: &[String]) -> anyhow::Result<Vec<ScheduledJob>> {
    let mut jobs = Vec::new();
    for name in select_jobs(workspace, names) {
        match read(workspace, &name)? {
            JobSchedule::Scheduled(scheduled) => jobs.push(*scheduled),
            JobSchedule::Unscheduled if names.is_empty() => {}
            JobSchedule::Unscheduled => return Err(unscheduled(&name).into()),
            JobSchedule::Invalid(..) => {
                let message = format!("{name} cannot be used; `retrocast check {name}` shows why");
                return Err(WrongUsage(message).into());
            }
        }
    }
    if jobs.is_empty() {
        return Err(none_scheduled(workspace).into());
    }
    Ok(jobs)
}

/// Options for the workspace's folders as absolute paths, independent of the working directory.
fn folder_options(workspace: &Workspace, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut options = vec!["--workspace".to_string(), root.display().to_string()];
    let folders: [(&str, Option<&PathBuf>, &str); 4] = [
        ("--jobs", Some(&workspace.jobs), "jobs"),
        ("--templates", workspace.templates.as_ref(), "templates"),
        ("--lake", Some(&workspace.lake), "data/lake"),
        ("--reports", Some(&workspace.reports), "reports"),
    ];
    for (option, folder, default) in folders {
        let [lake, reports] = &workspace.addresses;
        let address = match option {
            "--lake" => lake,
            "--reports" => reports,
            _ => &None,
        };
        if let Some(address) = address {
            options.extend([option.to_string(), address.clone()]);
            continue;
        }
        let Some(folder) = folder else { continue };
        let folder = std::path::absolute(folder)
            .with_context(|| format!("cannot find {}", folder.display()))?;
        if folder != root.join(default) {
            options.push(option.to_string());
            options.push(folder.display().to_string());
        }
    }
    Ok(options)
}

/// Joins several files into one text; systemd units are preceded by their paths.
fn join_files(to: ExportTo, files: &[(String, String)]) -> String {
    if to != ExportTo::Systemd {
        return files.iter().map(|(_, text)| text.as_str()).collect();
    }
    let texts: Vec<String> = files
        .iter()
        .map(|(name, text)| format!("# /etc/systemd/system/{name}\n{text}"))
        .collect();
    texts.join("\n")
}
