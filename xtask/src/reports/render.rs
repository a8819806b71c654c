//! Renders the reports of the demo, and turns the same content into PDF with other programs.

use super::{
    Bench, JOB, medians, remove, sum,
    table::{Goal, print_row, print_skipped, ratio},
    write,
};
use crate::{measure::Measurement, venv};
use std::{fs, path::Path, process::Command};

/// Goal for both reports as PDF and HTML.
const GOAL: Goal = Goal(0.5);
const BOTH: &str = "both reports, PDF and HTML";
const KINDS: [&str; 2] = ["executive", "technical"];
/// The newest version that converts the HTML reports: 67.0 to 70.0 fail an assertion.
const WEASYPRINT: &str = "weasyprint==66.0";
const NBCONVERT: &str = "nbconvert==7.17.2";
/// Arguments: pairs of an HTML file and a PDF to write.
const SCRIPT: &str = "\
import sys
from weasyprint import HTML
files = sys.argv[1:]
for html, pdf in zip(files[::2], files[1::2]):
    HTML(html).write_pdf(pdf)
";

/// Turns the reports of the demo once into `a.pdf` and, for two documents, `b.pdf`.
type Peer = fn(&Bench) -> Result<Measurement, String>;

pub fn measure(bench: &Bench) -> Result<Vec<String>, String> {
    bench.run_demo()?;
    let start = bench.repeat(|| bench.measure(&bench.folder, &["--version"]))?;
    print_row("start of the program", start, "--version");
    let ours = bench.repeat(|| render(bench, &[]))?;
    let size = size(
        &bench.folder.join("rendered"),
        KINDS.map(|kind| format!("{kind}.pdf")),
    );
    let note = format!("{}; PDFs of {size:.1} MB", GOAL.note(ours.seconds));
    print_row(BOTH, ours, &note);
    for kind in KINDS {
        let one = bench.repeat(|| render(bench, &["--report", kind]))?;
        print_row(&format!("  {kind} alone"), one, "");
    }
    if bench.options.with_peers {
        measure_peers(bench)?;
    }
    Ok(GOAL.missed(BOTH, ours.seconds).into_iter().collect())
}

/// Renders the reports of the demo's run into the folder `rendered`.
fn render(bench: &Bench, options: &[&str]) -> Result<Measurement, String> {
    let mut command: Vec<String> = ["report", "render", JOB, "--out", "rendered"]
        .map(String::from)
        .to_vec();
    command.extend(options.iter().map(ToString::to_string));
    command.extend(bench.project());
    remove(&bench.folder.join("rendered"))?;
    bench.measure(&bench.folder, &command)
}

/// Measures other programs. Each repetition runs ours first, so that a busy machine slows both.
fn measure_peers(bench: &Bench) -> Result<(), String> {
    let mut all = vec!["report", "render", JOB, "--out", "html"];
    let project = bench.project();
    all.extend(project.iter().map(String::as_str));
    bench.measure(&bench.folder, &all)?;
    let peers: [(&str, Peer); 3] = [
        ("WeasyPrint 66.0, our HTML", weasyprint),
        ("Chromium, our HTML", chromium_html),
        ("nbconvert 7.17.2 and Chromium, notebook", notebook),
    ];
    for (title, peer) in peers {
        let mut ours = Vec::new();
        let theirs = bench.repeat(|| {
            ours.push(render(bench, &[])?);
            peer(bench)
        });
        match theirs {
            Ok(theirs) => {
                let size = size(&bench.folder, ["a.pdf".to_string(), "b.pdf".to_string()]);
                let ratio = ratio(theirs, medians(&ours), "ours");
                print_row(title, theirs, &format!("{ratio}; PDFs of {size:.1} MB"));
            }
            Err(error) => print_skipped(title, &error),
        }
        for name in ["a.pdf", "b.pdf"] {
            let _ = fs::remove_file(bench.folder.join(name));
        }
    }
    Ok(())
}

/// Converts both HTML reports in one process.
fn weasyprint(bench: &Bench) -> Result<Measurement, String> {
    let environment = venv::environment("weasyprint-reports-66.0", &[WEASYPRINT.to_string()])?;
    let script = bench.folder.join("script.py");
    write(&script, SCRIPT)?;
    let mut python = Command::new(environment.join("bin/python"));
    python.arg(&script).current_dir(&bench.folder);
    python.args(["html/executive.html", "a.pdf"]);
    bench.once(python.args(["html/technical.html", "b.pdf"]))
}

/// Prints both HTML reports, one process each.
fn chromium_html(bench: &Bench) -> Result<Measurement, String> {
    let page = |kind: &str| bench.folder.join("html").join(format!("{kind}.html"));
    Ok(sum(&[
        print_page(bench, &page(KINDS[0]), "a.pdf")?,
        print_page(bench, &page(KINDS[1]), "b.pdf")?,
    ]))
}

/// Converts the exported notebook to HTML and prints it, as `--to webpdf` does, whose Playwright
/// downloads a browser of its own. The notebook contains its results and is not executed.
fn notebook(bench: &Bench) -> Result<Measurement, String> {
    let environment = venv::environment("nbconvert-reports-7.17.2", &[NBCONVERT.to_string()])?;
    let mut export = vec!["export", JOB, "--format", "ipynb", "--out", "notebook"];
    let project = bench.project();
    export.extend(project.iter().map(String::as_str));
    bench.measure(&bench.folder, &export)?;
    let mut convert = Command::new(environment.join("bin/jupyter-nbconvert"));
    convert.args(["--to", "html", "notebook/notebook.ipynb"]);
    let html = bench.once(convert.current_dir(&bench.folder))?;
    let page = bench.folder.join("notebook/notebook.html");
    Ok(sum(&[html, print_page(bench, &page, "a.pdf")?]))
}

/// Prints a page with Chromium.
fn print_page(bench: &Bench, page: &Path, pdf: &str) -> Result<Measurement, String> {
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    chromium.args([
        "--disable-background-networking",
        "--disable-component-update",
    ]);
    chromium.arg(format!(
        "--user-data-dir={}",
        bench.folder.join("profile").display()
    ));
    chromium.args(["--no-pdf-header-footer", &format!("--print-to-pdf={pdf}")]);
    chromium.arg(format!("file://{}", page.display()));
    let measured = bench.once(chromium.current_dir(&bench.folder))?;
    // It exits with 0 even if it wrote nothing.
    if bench.folder.join(pdf).exists() {
        Ok(measured)
    } else {
        Err(format!("chromium wrote no {pdf}"))
    }
}

/// The size of files in MB, without missing files.
fn size(folder: &Path, names: [String; 2]) -> f64 {
    let sizes = names.iter().map(|name| {
        let data = fs::metadata(folder.join(name));
        data.map_or(0, |data| data.len())
    });
    sizes.sum::<u64>() as f64 / 1e6
}
