//! A Jupyter notebook (nbformat 4.5) that reads the datasets of a report and shows its results.
//!
//! Text from records cannot become markup or code: in Markdown, punctuation is escaped; in code,
//! text is a string literal.

use retrocast_domain::{Cell, Chart, ChartKind, Report};
use retrocast_run::{RunFolder, files::chart_file};
use serde_json::{Value, json};

/// Python packages that the notebook needs.
const PACKAGES: &str = "jupyterlab pylance==14.0.2 polars==2.1.0";

/// Imports, the lake and the report.
const SETUP: &str = include_str!("notebook/setup.py.txt");
/// Opens the datasets and compares their numbers of rows with those in the report.
const DATASETS: &str = include_str!("notebook/datasets.py.txt");
/// Reads the key figures again.
const FIGURES: &str = include_str!("notebook/figures.py.txt");
/// Lists findings and effects.
const FINDINGS: &str = include_str!("notebook/findings.py.txt");
/// Draws the numbers of a dataset.
const DRAW: &str = include_str!("notebook/draw.py.txt");

/// The notebook of a report. `lake` is the address of the job's datasets, and `charts` are the
/// pictures with their file names; the notebook reads these files and `report.json` from its
/// folder.
pub fn notebook(
    report: &Report,
    run: &RunFolder,
    lake: &str,
    charts: &[(String, Vec<u8>)],
) -> Value {
    let mut notebook = Notebook::default();
    notebook.markdown(&format!(
        "# {}, {}\n\n\
         Run {} of {} on {}. This notebook reads the dataset versions that the report cites, shows \
         its figures again, and draws its charts. To install its dependencies:\n\n\
         ```sh\npython3 -m venv .venv\n.venv/bin/pip install {PACKAGES}\n\
         .venv/bin/jupyter lab notebook.ipynb\n```\n\n\
         The datasets are expected in {}; the environment variable `RETROCAST_LAKE` names another \
         place.",
        escape(&report.title),
        escape(&report.period),
        escape(&run.origin.run),
        escape(&report.job),
        escape(&report.window),
        escape(lake),
    ));
    notebook.add_code(&SETUP.replace("\"LAKE\"", &literal(lake)));
    notebook.markdown("## Datasets\n\nEach dataset at the version that the report cites.");
    notebook.add_code(DATASETS);
    notebook.markdown(
        "## Key figures\n\nRead again from the datasets of the stages that computed them.",
    );
    notebook.add_code(FIGURES);
    notebook.markdown("## Findings and effects");
    notebook.add_code(FINDINGS);
    notebook.markdown("## Stages\n\nThe first rows of each dataset, and its charts.");
    notebook.add_code(DRAW);
    for cell in &report.cells {
        add_stage(&mut notebook, cell, charts);
    }
    notebook.finish()
}

/// Adds a stage: its heading, its rows and its charts.
fn add_stage(notebook: &mut Notebook, cell: &Cell, charts: &[(String, Vec<u8>)]) {
    if cell.output.is_none() && cell.charts.is_empty() {
        return;
    }
    let title = if cell.title.is_empty() {
        &cell.stage
    } else {
        &cell.title
    };
    let (title, did) = (escape(title), escape(&cell.did));
    notebook.markdown(&format!("### {title}\n\n{did}"));
    if let Some(dataset) = &cell.output {
        let name = literal(&dataset.name);
        let is_line = |chart: &Chart| matches!(chart.kind, ChartKind::Line { .. });
        let draw = if cell.charts.iter().any(is_line) {
            "\ndraw(rows)"
        } else {
            ""
        };
        notebook.add_code(&format!(
            "rows = scan({name}).collect()\ndisplay(rows.head(10)){draw}"
        ));
    }
    for chart in &cell.charts {
        let file = chart_file(&chart.id);
        let picture = charts.iter().find(|(name, _)| *name == file);
        let svg = picture.map(|(_, svg)| String::from_utf8_lossy(svg));
        let code = format!("display(SVG(filename={}))", literal(&file));
        notebook.add_code_with_picture(&code, &svg.unwrap_or_default());
    }
}

#[derive(Default)]
struct Notebook {
    cells: Vec<Value>,
}

impl Notebook {
    fn id(&self) -> String {
        format!("cell-{}", self.cells.len() + 1)
    }

    fn markdown(&mut self, text: &str) {
        self.cells.push(json!({
            "cell_type": "markdown",
            "id": self.id(),
            "metadata": {},
            "source": lines(text),
        }));
    }

    fn add_code(&mut self, text: &str) {
        self.add_cell(text, json!([]));
    }

    /// Adds code with its output, so that the notebook shows the picture before it runs.
    fn add_code_with_picture(&mut self, text: &str, svg: &str) {
        let output = json!({
            "output_type": "display_data",
            "metadata": {},
            "data": {
                "image/svg+xml": lines(svg),
                "text/plain": ["<IPython.core.display.SVG object>"],
            },
        });
        self.add_cell(text, json!([output]));
    }

    fn add_cell(&mut self, text: &str, outputs: Value) {
        self.cells.push(json!({
            "cell_type": "code",
            "id": self.id(),
            "metadata": {},
            "execution_count": null,
            "outputs": outputs,
            "source": lines(text),
        }));
    }

    fn finish(self) -> Value {
        json!({
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {
                "kernelspec": {
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                    "name": "python3",
                },
                "language_info": { "name": "python" },
            },
            "cells": self.cells,
        })
    }
}

/// Splits text into lines with their line breaks, as nbformat stores it.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().split_inclusive('\n').collect()
}

/// Formats text as a Python literal; JSON uses a subset of Python's escapes.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// Escapes the punctuation of Markdown and HTML in text, and joins its lines.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push(' '),
            ',' | '.' | ':' | ';' | '/' | '%' | '\'' | '?' => out.push(c),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_records_are_data() {
        assert_eq!(escape("a*b <script>\n# $x$"), r"a\*b \<script\> \# \$x\$");
        assert_eq!(literal("a\"\\\n\u{7}"), r#""a\"\\\n\u0007""#);
        let mut notebook = Notebook::default();
        notebook.markdown("# a\n\nb\n");
        notebook.add_code("x = 1");
        let notebook = notebook.finish();
        assert_eq!(notebook["cells"][0]["source"], json!(["# a\n", "\n", "b"]));
        assert_eq!(notebook["cells"][1]["id"], "cell-2");
    }
}
