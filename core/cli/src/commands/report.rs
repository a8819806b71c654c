//! `retrocast report render`: renders the reports of a run again from their contents alone.

use super::{archive, print, print_json};
use crate::{Exit, diagnose::WrongUsage, executor, terminal, workspace::Workspace};
use anyhow::Context as _;
use rayon::prelude::*;
use retrocast_domain::{Report, number::plural};
use retrocast_render::Layout;
use retrocast_run::{Node, RecordedPlan, files::write_whole, folder::report_file};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// A rendered file.
#[derive(Serialize)]
struct RenderedFile {
    /// Name in the run's folder.
    file: String,
    /// Path of the new file.
    path: PathBuf,
    /// True if the run's file has the same bytes.
    same: bool,
}

/// Renders the reports of a run, or one of them, with the current templates.
pub fn render(
    workspace: &Workspace,
    run: &str,
    report: Option<&str>,
    out: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let folder = archive::find_with_files(workspace, run)?;
    let layouts = layouts(&folder, report)?;
    let out = output_folder(workspace, &folder, out)?;
    let templates = executor::templates(workspace.templates.as_deref())?;
    // Reports share most of their charts.
    let _batch = retrocast_render::pdf::batch();
    let contents = layouts
        .into_iter()
        .map(|layout| Ok((layout, archive::read(&report_file(&folder, layout.name()))?)))
        .collect::<anyhow::Result<Vec<(Layout, Report)>>>()?;
    let build = contents
        .last()
        .map(|(_, report)| report.provenance.build.clone());
    let build = build.unwrap_or_default();
    let of_reports: Vec<_> = contents
        .par_iter()
        .map(|(layout, report)| executor::rendered_files(report, *layout, &templates))
        .collect::<Result<_, _>>()?;
    let files: BTreeMap<String, Vec<u8>> = of_reports.into_iter().flatten().collect();
    let mut rendered = Vec::new();
    for (file, bytes) in files {
        let path = out.join(&file);
        write_whole(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        let same = std::fs::read(folder.join(&file)).is_ok_and(|stored| stored == bytes);
        rendered.push(RenderedFile { file, path, same });
    }
    if as_json {
        print_json(&rendered)?;
    } else {
        print(&summary(&rendered, &out, &build))?;
    }
    Ok(Exit::Done)
}

/// The layouts of a run's reports, or only that of the report named `report`.
fn layouts(folder: &Path, report: Option<&str>) -> anyhow::Result<Vec<Layout>> {
    let RecordedPlan { plan, .. } = RecordedPlan::read(folder)?;
    let reports = plan.nodes.iter().filter(|node| node.is_report());
    let layouts: Vec<Layout> = reports
        .filter_map(|node| Layout::from_name(Node::short(node)))
        .collect();
    let Some(report) = report else {
        return Ok(layouts);
    };
    let named = layouts.iter().find(|layout| layout.name() == report);
    let names: Vec<&str> = layouts.iter().map(|layout| layout.name()).collect();
    let named = named.ok_or_else(|| {
        let names = names.join(", ");
        WrongUsage(format!(
            "the run has no report {report:?}; reports: {names}"
        ))
    })?;
    Ok(vec![*named])
}

/// The folder for files made from a run: `out`, or JOB-WINDOW-RUN in the current folder. It must
/// not be in the archive, because run folders are written once.
pub fn output_folder(
    workspace: &Workspace,
    folder: &Path,
    out: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let out = match out {
        Some(out) => out.to_path_buf(),
        None => {
            let RecordedPlan { plan, origin } = RecordedPlan::read(folder)?;
            PathBuf::from(format!("{}-{}-{}", plan.job, plan.label, origin.run))
        }
    };
    let absolute = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
    };
    let target = absolute(&out)?;
    for root in [&workspace.reports, folder] {
        if target.starts_with(absolute(root)?) {
            let message = format!(
                "--out {}: this folder is in the archive, which must not change; name another folder",
                out.display()
            );
            return Err(WrongUsage(message).into());
        }
    }
    Ok(out)
}

fn summary(rendered: &[RenderedFile], out: &Path, build: &str) -> String {
    let mut text = format!("{}\n", out.display());
    let changed: Vec<&RenderedFile> = rendered.iter().filter(|file| !file.same).collect();
    for file in &changed {
        let _ = writeln!(text, "  differs  {}", file.file);
    }
    let files = plural(rendered.len() as u64, "file");
    let _ = match changed.len() {
        0 => writeln!(text, "{files}, with the same bytes as in the run"),
        n => {
            let current_build = executor::build(super::run::BUILD);
            let reason = if current_build == build {
                "the templates have changed, or the run's files have".to_string()
            } else {
                format!("the run was created by {build}; this is {current_build}")
            };
            let line = format!("{n} of {files} differ from those in the run: {reason}");
            writeln!(text, "{}", terminal::wrap(&line, 0))
        }
    };
    text
}
