//! Accessibility of the archive's pages and of the reports, checked by axe-core in Chromium. Copies
//! of the pages run in a frame, because a window of Chromium is at least 500 px wide.

use super::support::*;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The environment variable that names a Python with axe-core.
const VARIABLE: &str = "RETROCAST_AXE_PYTHON";

/// Checks a page after it has loaded, and sends the result to the page around it.
const PROBE: &str = r#"<script src="AXE"></script><script>
addEventListener("load", () => axe.run(document, { resultTypes: ["violations"] }).then(
  result => parent.postMessage({
    violations: result.violations.map(violation => ({
      id: violation.id, impact: violation.impact, help: violation.help,
      targets: violation.nodes.map(node => node.target.join(" ")),
    })),
    passes: result.passes.length,
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
  }, "*"),
  error => parent.postMessage({ error: String(error) }, "*")));
</script></body>"#;

/// Loads one page after the other into a frame, and writes the results into the document as JSON.
const FRAME: &str = r#"<!doctype html><meta charset="utf-8"><title>Results</title>
<body><pre id="results"></pre><script>
const pages = PAGES, results = [];
function next() {
  document.querySelector("iframe")?.remove();
  if (results.length === pages.length) {
    const escape = c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
    const text = JSON.stringify(results).replace(/[<>&\u007f-\uffff]/g, escape);
    document.getElementById("results").textContent = text;
    return;
  }
  const frame = document.createElement("iframe");
  frame.style.cssText = "border: 0; height: 900px; width: WIDTHpx";
  frame.src = pages[results.length];
  document.body.append(frame);
}
addEventListener("message", event => { results.push(event.data); next(); });
next();
</script>"#;

/// A page with errors: an image without a description, and text that is pale in one mode.
const PLANTED: &str = r#"<!doctype html><html lang="en">
<meta name="viewport" content="width=device-width"><title>Planted</title>
<style>body { color: black; background: white }
@media (prefers-color-scheme: light) { #light { color: #ddd } }
@media (prefers-color-scheme: dark) { #dark { color: #ddd } }
@media (max-width: 360px) { #narrow { color: #ddd } }</style>
<body><main><h1>Planted</h1><p id="light">Light</p><p id="dark">Dark</p><p id="narrow">Narrow</p>
<img id="image" src="none.png"></main></body></html>"#;

/// A job without records, whose run has a failure page.
const FAILING: &str = "title = \"Tickets\"\nwindow = \"day\"\ntimezone = \"UTC\"\n\
                       [source.tickets]\nuri = \"records/*.jsonl\"\ncontract = \"ticket\"\n\
                       [stage.all]\nkind = \"sql\"\nquery = \"select count(*) as n from tickets\"\n\
                       [report.technical]\n";

/// The script of axe-core; if there is none, prints that the test is skipped.
fn script(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder = python.as_deref().and_then(Path::parent);
    let environment = folder.and_then(Path::parent);
    let script = environment.and_then(|folder| find(folder, "axe.min.js"));
    if script.is_none() {
        report_skipped(test, &format!("{VARIABLE} names no Python with axe-core"));
    }
    script
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The first page of a folder.
fn first_page(folder: &Path) -> String {
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.into_string().unwrap()
    });
    names.min().unwrap()
}

/// A copy of the demo's archive whose pages check themselves, with their addresses. The last one is
/// the page with errors.
fn pages(script: &Path) -> &'static (Scratch, Vec<String>) {
    static PAGES: OnceLock<(Scratch, Vec<String>)> = OnceLock::new();
    PAGES.get_or_init(|| {
        let (workspace, run) = demo();
        let reports = workspace.join("reports");
        let scratch = Scratch::new();
        copy(&reports, scratch.path());
        let failing = workspace_of("tickets", FAILING);
        let target = scratch.path().display().to_string();
        let arguments = [
            "run",
            "tickets",
            "--date",
            "2026-01-06",
            "--reports",
            &target,
        ];
        retrocast_in(failing.path(), &arguments).expect(1);
        let failure = find(&scratch.join("tickets"), "failure.html").unwrap();
        let failure = failure.strip_prefix(scratch.path()).unwrap();

        let run = run.strip_prefix(&reports).unwrap().display().to_string();
        let job = "weekly-operations";
        let mut pages = vec![
            "index.html".to_string(),
            "search.html?q=memory".to_string(),
            format!("compare.html#old={run}&new={run}"),
            format!("{job}/index.html"),
            format!("{job}/2026.html"),
            format!("{run}/../index.html"),
            format!("{run}/index.html"),
            format!("{run}/executive.html"),
            format!("{run}/technical.html"),
            failure.display().to_string(),
        ];
        for folder in ["figures", "findings", "improvements"] {
            let folder = format!("{job}/{folder}");
            pages.push(format!("{folder}/{}", first_page(&scratch.join(&folder))));
        }
        pages.push("planted.html".to_string());
        scratch.write("planted.html", PLANTED);
        let axe = scratch.join("axe.min.js");
        fs::copy(script, &axe).unwrap();
        let probe = PROBE.replace("AXE", &format!("file://{}", axe.display()));
        for page in &pages {
            let path = scratch.join(page.split(['?', '#']).next().unwrap());
            let html = fs::read_to_string(&path).unwrap();
            // The policy of the page would forbid the script.
            let html = html.replace("Content-Security-Policy", "x-policy");
            assert!(html.contains("</body>"), "no </body> in {page}");
            fs::write(path, html.replace("</body>", &probe)).unwrap();
        }
        (scratch, pages)
    })
}

/// The results of all pages in a frame of this width.
fn results(folder: &Path, pages: &[String], width: u32, is_dark: bool) -> Vec<Value> {
    let frame = FRAME
        .replace("PAGES", &serde_json::to_string(pages).unwrap())
        .replace("WIDTH", &width.to_string());
    let path = folder.join(format!("frame-{width}-{is_dark}.html"));
    fs::write(&path, frame).unwrap();
    let profile = Scratch::new();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--window-size=1300,1000"])
        .args(["--virtual-time-budget=60000", "--dump-dom"])
        // 0 is dark and 1 is light.
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!is_dark)
        ))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    let document = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let results = document.split("<pre id=\"results\">").nth(1).unwrap();
    let results = results.split("</pre>").next().unwrap();
    let parsed = serde_json::from_str(results);
    parsed.unwrap_or_else(|error| panic!("{error}: {document:.3000}\n{stderr}"))
}

/// Checks all pages; `planted` are the parts of the page with errors that must be found.
fn check_pages(test: &str, width: u32, is_dark: bool, planted: &[&str]) {
    if !has_tool(test, "chromium") {
        return;
    }
    let Some(script) = script(test) else {
        return;
    };
    let (scratch, pages) = pages(&script);
    let results = results(scratch.path(), pages, width, is_dark);
    assert_eq!(results.len(), pages.len());
    let mut serious = Vec::new();
    for (page, result) in pages.iter().zip(&results) {
        assert_eq!(result.get("error"), None, "{page}");
        assert_eq!(result["width"], width, "{page}");
        assert_eq!(result["dark"], is_dark, "{page}");
        assert!(result["passes"].as_u64().unwrap() > 10, "{page}: {result}");
        for violation in result["violations"].as_array().unwrap() {
            if violation["impact"] != "serious" && violation["impact"] != "critical" {
                continue;
            }
            for target in violation["targets"].as_array().unwrap() {
                let (id, help) = (&violation["id"], &violation["help"]);
                serious.push((
                    page.as_str(),
                    target.as_str().unwrap(),
                    format!("{id}: {help}"),
                ));
            }
        }
    }
    let (planted_violations, others): (Vec<_>, Vec<_>) = serious
        .into_iter()
        .partition(|(page, ..)| *page == "planted.html");
    assert!(others.is_empty(), "{others:#?}");
    let mut targets: Vec<&str> = planted_violations
        .iter()
        .map(|(_, target, _)| *target)
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, planted);
}

#[test]
fn light_pages_are_accessible() {
    let planted = ["#image", "#light"];
    check_pages("light_pages_are_accessible", 1280, false, &planted);
}

#[test]
fn dark_pages_are_accessible() {
    let planted = ["#dark", "#image"];
    check_pages("dark_pages_are_accessible", 1280, true, &planted);
}

#[test]
fn pages_on_a_phone_are_accessible() {
    let planted = ["#image", "#light", "#narrow"];
    check_pages("pages_on_a_phone_are_accessible", 360, false, &planted);
}
