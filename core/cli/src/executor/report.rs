//! Report nodes: renders the cells of all stages as JSON, PDF, HTML and charts in the run's folder.

use super::{FREE_DISK_SPACE, WorkspaceExecutor, coverage, slices};
use anyhow::Context as _;
use retrocast_domain::{
    CellStatus, Chapter, Chart, Outcome, Report,
    report::{PlanNode, Provenance},
};
use retrocast_engine::{Failure, RunContext};
use retrocast_render::{
    Layout, Templates,
    assemble::{self, ReportInputs},
    chart,
};
use retrocast_run::{
    Node, Plan, ReportSpec,
    files::{chart_file, write_whole},
    plan,
};
use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

/// Width and text size of the pictures in `charts/`, in points.
const CHART_WIDTH: f64 = 480.0;
const CHART_FONT: f64 = 9.0;
/// The commit that the program was built from; empty if unknown.
const COMMIT: &str = env!("RETROCAST_COMMIT");

/// Renders a report and writes its files.
pub async fn render(
    executor: &WorkspaceExecutor,
    node: &Node,
    spec: &ReportSpec,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    ctx: &RunContext,
) -> Result<Outcome, Failure> {
    let layout = Layout::from_name(node.short())
        .ok_or_else(|| Failure::bug(format!("no layout {:?}", node.short())))?;
    let provenance = Provenance {
        run: ctx.identity.clone(),
        build: build(&ctx.build),
        config_hash: ctx.plan.config_hash.clone(),
        command: command(ctx),
        datasets: Vec::new(),
    };
    let all_inputs = report_inputs(node, spec, inputs, &ctx.plan, provenance);
    let report = assemble_inputs(all_inputs.clone(), spec, &ctx.plan);
    // Tag the versions that a report cites, so that no cleanup removes them.
    let lake = executor.lake(ctx)?;
    let cited = lake.cite(&report.provenance.datasets).await;
    cited.map_err(super::failure)?;
    let templates = templates(executor.workspace.templates.as_deref())?;
    let slices = match &spec.slices {
        Some(slices) => {
            let values =
                slices::read_values(executor, &lake, layout.name(), slices, inputs, ctx).await?;
            Some((slices.clone(), values))
        }
        None => None,
    };
    let (folder, contents) = (ctx.folder.clone(), spec.file().to_string());
    let threads = ctx.threads;
    let write_all = move || -> anyhow::Result<Vec<String>> {
        let mut files = write(&report, layout, &templates, &folder, contents)?;
        if let Some((spec, values)) = slices {
            let task = slices::SliceTask {
                layout,
                spec: &spec,
                inputs: &all_inputs,
                report: &report,
                templates: &templates,
                threads,
                folder: &folder,
            };
            files.extend(slices::write(&task, values)?);
        }
        Ok(files)
    };
    let files = tokio::task::spawn_blocking(write_all)
        .await
        .map_err(|error| Failure::bug(error.to_string()))?
        .map_err(|error| write_failure(&error))?;
    let cell = retrocast_domain::Cell::new(node.short(), plan::REPORT);
    Ok(Outcome {
        cell,
        datasets: Vec::new(),
        files,
        source: None,
    })
}

/// The failure to write a report.
fn write_failure(error: &anyhow::Error) -> Failure {
    let is_disk_full = error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(is_full));
    let message = format!("{error:#}");
    if is_disk_full {
        return Failure::full(message).hint(FREE_DISK_SPACE);
    }
    Failure::data(message)
}

/// Returns true if the system reports a full disk.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Assembles the report of a plan, including the datasets of its provenance, from outcomes by short
/// name of the node.
pub fn assemble(
    node: &Node,
    spec: &ReportSpec,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    plan: &Plan,
    provenance: Provenance,
) -> Report {
    let inputs = report_inputs(node, spec, inputs, plan, provenance);
    assemble_inputs(inputs, spec, plan)
}

/// The inputs of the report of all records.
fn report_inputs(
    node: &Node,
    spec: &ReportSpec,
    inputs: &BTreeMap<String, Arc<Outcome>>,
    plan: &Plan,
    provenance: Provenance,
) -> ReportInputs {
    let mut cells = Vec::new();
    let mut sources = Vec::new();
    let mut datasets = Vec::new();
    let mut nodes = Vec::new();
    for name in &node.inputs {
        let Some(planned) = plan.node(name) else {
            continue;
        };
        let Some(outcome) = inputs.get(planned.short()) else {
            continue;
        };
        datasets.extend(outcome.datasets.iter().cloned());
        sources.extend(outcome.source.clone());
        nodes.push(PlanNode {
            name: planned.name.clone(),
            kind: planned.kind().to_string(),
            inputs: planned.inputs.clone(),
            rows: outcome.datasets.first().map(|dataset| dataset.rows),
            status: match &outcome.cell.status {
                CellStatus::Done => "done",
                CellStatus::NotEnough { .. } => "not enough",
                CellStatus::Failed { .. } | CellStatus::NotRun { .. } => "failed",
            }
            .to_string(),
        });
        let chapter = retrocast_stages::kind(planned.kind()).and_then(|kind| kind.chapter);
        // A stage may be an input only for the recipients of slices.
        let is_shown = planned.is_source()
            || spec
                .stages
                .as_ref()
                .is_none_or(|stages| stages.iter().any(|s| s == planned.short()));
        if is_shown && (chapter.is_some() || outcome.cell.status.is_failed()) {
            let cell = outcome.cell.clone();
            cells.push(cell.in_chapter(chapter.unwrap_or(Chapter::Rows)));
        }
    }
    ReportInputs {
        job: plan.job.clone(),
        title: spec.title.clone(),
        owner: plan.owner.clone(),
        window: plan.window.clone(),
        date: plan.date,
        cells,
        sources,
        plan: nodes,
        earlier: spec.earlier.clone(),
        decisions: plan.decisions.clone(),
        closed: plan.closed.clone(),
        provenance: Provenance {
            datasets,
            ..provenance
        },
    }
}

fn assemble_inputs(mut inputs: ReportInputs, spec: &ReportSpec, plan: &Plan) -> Report {
    // Only slices print the figures of single groups.
    inputs
        .cells
        .iter_mut()
        .for_each(|cell| cell.group_kpis.clear());
    let mut report = assemble::report(inputs);
    report.language.clone_from(&spec.language);
    report.author_note = [spec.note.as_slice(), &spec.run_note].concat();
    report.notes.splice(0..0, spec.notices.iter().cloned());
    report
        .notices
        .extend(coverage::early_window_notice(&report.sources, &plan.window));
    report.figures = assemble::figures(&report);
    report
}

/// The build in the provenance of a report: name and version of the program with its commit, which
/// distinguishes two builds of one version.
pub fn build(version: &str) -> String {
    with_commit(version, COMMIT)
}

fn with_commit(version: &str, commit: &str) -> String {
    match commit {
        "" => version.to_string(),
        commit => format!("{version} ({commit})"),
    }
}

/// The command line that repeats the run.
fn command(ctx: &RunContext) -> String {
    let mut text = format!(
        "retrocast run {} --window {}",
        ctx.job.name,
        ctx.window.label()
    );
    // By default the report is dated the day after the window, or today if that is in the future.
    if ctx.date > ctx.window.end {
        let _ = write!(text, " --date {}", ctx.date);
    }
    for (name, value) in &ctx.params {
        let default = ctx
            .job
            .params
            .get(name)
            .and_then(|spec| spec.default.as_ref());
        if default != Some(value) {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_string);
            let _ = write!(
                text,
                " --set {}",
                quote_for_shell(&format!("{name}={value}"))
            );
        }
    }
    text
}

/// Quotes an argument for a shell.
fn quote_for_shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if text.chars().all(is_plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The built-in templates, each replaced by the one in the folder if it exists.
pub fn templates(folder: Option<&Path>) -> Result<Templates, Failure> {
    let mut templates = Templates::built_in();
    let Some(folder) = folder else {
        return Ok(templates);
    };
    let names: Vec<String> = templates.names().map(str::to_string).collect();
    for name in names {
        let path = folder.join(&name);
        match std::fs::read_to_string(&path) {
            Ok(text) => templates = templates.with(&name, text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::data(format!(
                    "cannot read {}: {error}",
                    path.display()
                )));
            }
        }
    }
    let theme = templates
        .theme()
        .map_err(|error| Failure::data(error.to_string()))?;
    match theme.logo.clone() {
        Some(logo) => {
            let bytes = read_picture(folder, &logo.file).map_err(|problem| {
                let theme_file = retrocast_render::theme::FILE;
                Failure::data(format!(
                    "{theme_file}: the picture {}: {problem}",
                    logo.file
                ))
            })?;
            Ok(templates.with_picture(&logo.file, bytes))
        }
        None => Ok(templates),
    }
}

/// Maximum size of a picture, in bytes: every report embeds it.
const PICTURE_MAX: u64 = 1 << 20;

/// Reads a picture in a folder; a link to a file elsewhere is an error.
fn read_picture(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| format!("cannot read it: {error}");
    let folder = folder.canonicalize().map_err(text)?;
    let path = folder.join(name).canonicalize().map_err(text)?;
    if !path.starts_with(&folder) {
        return Err(
            "it is a link to a file outside of the templates folder: copy the file".to_string(),
        );
    }
    let size = std::fs::metadata(&path).map_err(text)?.len();
    if size > PICTURE_MAX {
        return Err(format!("it has {size} bytes; the maximum is {PICTURE_MAX}"));
    }
    std::fs::read(path).map_err(text)
}

/// The files of a report that are rendered from its contents: PDF, HTML and charts, by their names
/// in the run's folder.
pub fn rendered_files(
    report: &Report,
    layout: Layout,
    templates: &Templates,
) -> Result<Vec<(String, Vec<u8>)>, retrocast_render::Error> {
    let name = layout.name();
    let (pdf, html) = rayon::join(
        || retrocast_render::pdf(report, layout, templates),
        || retrocast_render::html::report_with(report, layout, templates),
    );
    let mut files = vec![
        (format!("{name}.pdf"), pdf?),
        (format!("{name}.html"), html?.into_bytes()),
    ];
    files.extend(drawings(report));
    Ok(files)
}

/// The charts of a report as SVG, by their names in the run's folder, in reading order.
pub fn drawings(report: &Report) -> Vec<(String, Vec<u8>)> {
    let options = chart::Options::new(CHART_WIDTH, CHART_FONT);
    let charts = report.cells.iter().flat_map(|cell| &cell.charts);
    let render = |chart: &Chart| {
        let svg = chart::svg(chart, &options);
        (chart_file(&chart.id), svg.into_bytes())
    };
    charts.map(render).collect()
}

/// Writes a report to a run's folder, with its contents in the file `contents`.
fn write(
    report: &Report,
    layout: Layout,
    templates: &Templates,
    folder: &Path,
    contents: String,
) -> anyhow::Result<Vec<String>> {
    let json = retrocast_render::report_json(report)?;
    // Render the stored JSON, so that rendering it again gives the same bytes: JSON has no NaN, for
    // example.
    let stored: Report = serde_json::from_slice(&json)?;
    let mut files = rendered_files(&stored, layout, templates)?;
    files.push((contents, json));
    // Two reports of one run may write the same file at the same time.
    for (file, bytes) in &files {
        write_whole(&folder.join(file), bytes)
            .with_context(|| format!("cannot write {}", folder.join(file).display()))?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_of_one_version_differ_by_commit() {
        let [first, second] =
            ["6c22f34", "f380d5b"].map(|commit| with_commit("retrocast 0.1.0", commit));
        assert_eq!(first, "retrocast 0.1.0 (6c22f34)");
        assert_ne!(first, second);
        assert_eq!(with_commit("retrocast 0.1.0", ""), "retrocast 0.1.0");
    }
}
