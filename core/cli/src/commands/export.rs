//! `retrocast export`: the results of a run as files for other programs.

mod notebook;
mod package;

use super::{archive, print, print_json, report::output_folder};
use crate::{Exit, arguments::ExportFormat, executor, ledger, terminal, workspace::Workspace};
use anyhow::Context as _;
use package::{Package, Table};
use retrocast_domain::{Report, number::plural, result::ResultColumn, schema};
use retrocast_run::{
    RunFolder,
    files::{FINDINGS, REPORT, json_text},
};
use retrocast_store::{
    Lake, StoreError, TableFormat,
    ledger::{EFFECTS, FINDINGS as FINDINGS_TABLE, HEALTH, KPIS, LedgerTable, RECOMMENDATIONS},
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The results of a run, by table of the ledger.
const RESULTS: [&LedgerTable; 5] = [&FINDINGS_TABLE, &KPIS, &EFFECTS, &HEALTH, &RECOMMENDATIONS];

const NOTEBOOK: &str = "notebook.ipynb";

/// Writes the results of a run to a folder, with a descriptor of all files.
pub fn export(
    workspace: &Workspace,
    run: &str,
    format: ExportFormat,
    out: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let folder = archive::find_with_files(workspace, run)?;
    let report: Report = archive::read(&folder.join(REPORT))?;
    let out = output_folder(workspace, &folder, out)?;
    let mut exporter = Exporter {
        workspace,
        run: RunFolder::read(&folder)?,
        formats: table_formats(format),
        package: Package::new(&out),
        missing: Vec::new(),
        lines: Vec::new(),
    };
    let is_all = format == ExportFormat::All;
    if !exporter.formats.is_empty() {
        exporter.export_results()?;
        exporter.export_stages()?;
    }
    if is_all || format == ExportFormat::Json {
        exporter.export_contents()?;
    }
    if is_all || format == ExportFormat::Ipynb {
        exporter.export_notebook(&report)?;
    }
    let descriptor = exporter.package.finish(&report)?;
    if as_json {
        print_json(&descriptor)?;
    } else {
        let mut text = format!("{}\n", out.display());
        for line in &exporter.lines {
            let _ = writeln!(text, "  {line}");
        }
        print(&text)?;
    }
    for missing in &exporter.missing {
        terminal::message!("warning: {missing}");
    }
    Ok(if exporter.missing.is_empty() {
        Exit::Done
    } else {
        Exit::Partial
    })
}

fn table_formats(format: ExportFormat) -> Vec<TableFormat> {
    match format {
        ExportFormat::Json => vec![TableFormat::Json],
        ExportFormat::Csv => vec![TableFormat::Csv],
        ExportFormat::Parquet => vec![TableFormat::Parquet],
        ExportFormat::Ipynb => Vec::new(),
        ExportFormat::All => TableFormat::ALL.to_vec(),
    }
}

struct Exporter<'a> {
    workspace: &'a Workspace,
    run: RunFolder,
    formats: Vec<TableFormat>,
    package: Package,
    /// Warnings about datasets that no longer exist.
    missing: Vec<String>,
    /// Lines that list the written files on the terminal.
    lines: Vec<String>,
}

impl Exporter<'_> {
    /// Writes findings, key figures, effects, health and recommendations as tables.
    fn export_results(&mut self) -> anyhow::Result<()> {
        let rows = ledger::results(&self.run.folder)?;
        for table in RESULTS {
            let name = format!("tables/{}", table.name);
            let rows = rows.get(table.name).map_or(&[][..], Vec::as_slice);
            let written = table.export(rows, &self.table_files(&name))?;
            let described = Table {
                name,
                title: table.title.to_string(),
                description: table.description.to_string(),
                columns: table.columns,
            };
            self.add_table(&described, &written)?;
        }
        Ok(())
    }

    /// Writes the dataset of each stage, at the version that the run wrote or reused.
    fn export_stages(&mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let lake = Lake::new(&self.workspace.lake_locations.root, &self.run.plan.job)?;
        let plan = self.run.plan.clone();
        let stages = plan.nodes.iter().filter(|node| !node.is_source());
        for node in stages {
            let Some(cell) = self.run.cells.get(node.short()) else {
                continue;
            };
            let Some(dataset) = cell.output.clone() else {
                continue;
            };
            let columns: &[ResultColumn] = retrocast_stages::kind(&cell.kind)
                .and_then(|kind| kind.result)
                .map_or(&[], |result| result.columns);
            let described = Table {
                name: format!("stages/{}", dataset.name),
                title: cell.title.clone(),
                description: format!("{}@{}: {}", dataset.name, dataset.version, cell.did),
                columns,
            };
            let files = self.table_files(&described.name);
            match runtime.block_on(lake.export(&dataset, &files)) {
                Ok(written) => self.add_table(&described, &written)?,
                Err(error @ (StoreError::NoDataset { .. } | StoreError::NoVersion { .. })) => {
                    self.missing.push(format!("{}: {error}", described.name));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes the contents of the reports, with their JSON Schemas.
    fn export_contents(&mut self) -> anyhow::Result<()> {
        let schemas = [
            (REPORT, "report.schema.json", schema::report()),
            (FINDINGS, "findings.schema.json", schema::findings()),
        ];
        for (file, schema_file, schema) in schemas {
            let bytes = self.read(file)?;
            self.package.write(schema_file, &json_text(&schema)?)?;
            self.package.write(file, &bytes)?;
            self.package.add_json(file, schema_file)?;
            self.lines
                .push(format!("{file}, described by {schema_file}"));
        }
        Ok(())
    }

    fn read(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.run.folder.join(file);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Writes the notebook, with the files that it reads.
    fn export_notebook(&mut self, report: &Report) -> anyhow::Result<()> {
        let lake = lake_address(self.workspace, &report.job)?;
        let charts = executor::drawings(report);
        let text = json_text(&notebook::notebook(report, &self.run, &lake, &charts))?;
        for (file, drawing) in &charts {
            self.package.write(file, drawing)?;
            self.package.add_file(file, "image/svg+xml")?;
        }
        if !self.formats.contains(&TableFormat::Json) {
            self.package.write(REPORT, &self.read(REPORT)?)?;
            self.package.add_file(REPORT, "application/json")?;
        }
        self.package.write(NOTEBOOK, &text)?;
        self.package
            .add_file(NOTEBOOK, "application/x-ipynb+json")?;
        let charts = plural(charts.len() as u64, "chart");
        self.lines.push(format!("{NOTEBOOK}, with {charts}"));
        Ok(())
    }

    /// Paths of the files of a table, one per format.
    fn table_files(&self, name: &str) -> Vec<(TableFormat, PathBuf)> {
        let formats = self.formats.iter();
        let file = |format: &TableFormat| {
            let path = self.package.path(&format!("{name}.{}", format.name()));
            (*format, path)
        };
        formats.map(file).collect()
    }

    fn add_table(
        &mut self,
        table: &Table,
        written: &retrocast_store::ExportedTable,
    ) -> anyhow::Result<()> {
        let mut names = Vec::new();
        for format in &self.formats {
            self.package.add_table(table, written, *format)?;
            names.push(format.name());
        }
        let rows = plural(written.rows, "row");
        self.lines
            .push(format!("{}.{{{}}}, {rows}", table.name, names.join(",")));
        Ok(())
    }
}

/// Address of a job's lake: an absolute path, or that of an object store.
fn lake_address(workspace: &Workspace, job: &str) -> anyhow::Result<String> {
    let [lake, _] = &workspace.addresses;
    if let Some(address) = lake {
        return Ok(format!("{}/{job}", address.trim_end_matches('/')));
    }
    let folder = std::path::absolute(workspace.lake.join(job))
        .with_context(|| format!("cannot find {}", workspace.lake.display()))?;
    Ok(folder.display().to_string())
}
