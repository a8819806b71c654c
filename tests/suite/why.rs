//! Printed figures can be traced: every numeral of an executive report has an ID, and a
//! recomputation of every ID gives the printed digits.

use super::support::*;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// Elements without an end tag.
const VOID: [&str; 5] = ["meta", "br", "img", "hr", "link"];
/// Fixed text of the layout, which prints no figure.
const FIXED_TEXT: [&str; 2] = ["95 % interval", "95\u{a0}% interval"];

/// A text of a page that has digits, and the IDs of the elements around it.
struct Numeral {
    text: String,
    figures: Vec<String>,
}

/// The strings with digits in the body of a page.
fn numerals(page: &str) -> Vec<Numeral> {
    let body = &page[page.find("<body").expect("a body")..page.find("</body>").expect("its end")];
    // Scripts are not printed.
    let body: String = body
        .split("<script")
        .enumerate()
        .map(|(i, part)| match part.split_once("</script>") {
            Some((_, after)) if i > 0 => after,
            _ => part,
        })
        .collect();
    let mut open: Vec<(String, Option<String>)> = Vec::new();
    let mut numerals = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("the end of a tag");
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            let (last, _) = open.pop().expect("an open element");
            assert_eq!(last, name, "elements are nested");
        } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            let id = tag.split("data-figure=\"").nth(1);
            let id = id
                .and_then(|value| value.split('"').next())
                .map(str::to_string);
            open.push((name, id));
        }
        let mut text = text.to_string();
        for fixed in FIXED_TEXT {
            text = text.replace(fixed, "");
        }
        // Entities such as &#x2f; are characters, not numerals.
        let plain = text.split('&').enumerate().map(|(i, part)| match i {
            0 => part,
            _ => part.split_once(';').map_or(part, |(_, after)| after),
        });
        let plain: String = plain.collect();
        if plain.contains(|c: char| c.is_ascii_digit()) {
            numerals.push(Numeral {
                text: plain.trim().to_string(),
                figures: open.iter().filter_map(|(_, id)| id.clone()).collect(),
            });
        }
    }
    numerals
}

/// Calls `why` in the workspace of a run with the project's own jobs.
fn why(workspace: &Path, target: &str, options: &[&str]) -> CommandResult {
    let jobs = root().join("jobs").display().to_string();
    let mut arguments = vec!["why", target, "--jobs", &jobs];
    arguments.extend(options);
    retrocast_in(workspace, &arguments)
}

/// Checks an executive report: every numeral has an ID, and a recomputation of every ID gives the
/// same result.
fn check_executive_report(workspace: &Path, run: &Path) {
    let page = fs::read_to_string(run.join("executive.html")).unwrap();
    let numerals = numerals(&page);
    let without_id: Vec<&str> = numerals
        .iter()
        .filter(|numeral| numeral.figures.is_empty())
        .map(|numeral| numeral.text.as_str())
        .collect();
    assert!(
        without_id.is_empty(),
        "numerals without an ID: {without_id:#?}"
    );
    let ids: BTreeSet<&String> = numerals
        .iter()
        .filter_map(|numeral| numeral.figures.last())
        .collect();
    assert!(ids.len() > 15, "{ids:?}");

    let target = run.display().to_string();
    let listed = why(workspace, &target, &["--json"]).expect(0);
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let report = json(&run.join("report.json"));
    assert_eq!(listed.len(), report["figures"].as_array().unwrap().len());
    for id in ids {
        assert!(
            listed.iter().any(|figure| figure["id"] == id.as_str()),
            "{id} is not listed"
        );
        let answer = why(workspace, &format!("{target}#{id}"), &["--json"]).expect(0);
        let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(answer["recomputed"]["status"], "same", "{answer:#}");
        assert_eq!(
            answer["recomputed"]["sentence"],
            answer["figure"]["sentence"]
        );
    }
}

#[test]
fn every_numeral_of_the_demo_is_recomputed_identically() {
    let (scratch, run) = demo();
    let before = lake_files(scratch.path());
    check_executive_report(scratch.path(), run);
    assert_eq!(
        lake_files(scratch.path()),
        before,
        "computing a figure again changes no dataset"
    );
}

/// The files of the lake's datasets.
fn lake_files(workspace: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![workspace.join("data/lake")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.display().to_string());
            }
        }
    }
    files
}

#[test]
fn every_numeral_of_real_incidents_is_recomputed_identically() {
    let Some(data) = real_data("every_numeral_of_real_incidents_is_recomputed_identically") else {
        return;
    };
    let scratch = Scratch::new();
    let records = data.join("github-incidents");
    let date = ["--date", "2026-09-01"];
    run_job(&scratch, "github-incidents", &records, &date).expect(0);
    let run = runs(&scratch.join("reports"), "github-incidents").remove(0);
    check_executive_report(scratch.path(), &run);
}

#[test]
fn an_answer_has_definition_versions_and_rows() {
    let (scratch, run) = demo();
    let target = format!("{}#k1", run.display());
    let answer = why(scratch.path(), &target, &["--rows", "3", "--json"]).expect(0);
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    let node = &answer["definition"]["nodes"][0];
    assert_eq!(answer["figure"]["place"], "kpi");
    assert_eq!(node["kind"], "kpi");
    let version = node["inputs"][0]["version"].as_u64().unwrap();
    assert!(node["method"].as_str().unwrap().len() > 20, "{node:#}");
    // The rows that the filter selects are those that the figure counts.
    let total = answer["rows"]["total"].as_u64().unwrap();
    assert_eq!(Some(total), answer["definition"]["records"].as_u64());
    assert_eq!(answer["rows"]["first"].as_array().unwrap().len(), 3);

    let text = why(scratch.path(), "weekly-operations#k1", &[])
        .expect(0)
        .stdout;
    for words in [
        "k1  ",
        "computed by",
        "2026-W46",
        "as printed",
        &format!("select * from tickets@{version} where"),
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let list = why(scratch.path(), "latest", &[]).expect(0).stdout;
    for id in ["  v1 ", "  k1 ", "  f1 ", "  e1 ", "  s1 "] {
        assert!(list.contains(id), "{id:?} is missing:\n{list}");
    }
}

#[test]
fn an_unknown_figure_gets_suggestions() {
    let (scratch, _) = demo();
    for (id, advice) in [
        ("k999", "there are k1 to k"),
        ("K1", "did you mean k1?"),
        ("zz", "IDs start with w1"),
    ] {
        let result = why(scratch.path(), &format!("latest#{id}"), &[]).expect(2);
        assert_stderr(&result, &[&format!("no figure \"{id}\""), advice]);
    }
}

const JOB: &str = r#"title = "Review"
window = "week"
timezone = "UTC"
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.figures]
kind = "kpi"
input = "tickets"
metrics = [{ name = "Tickets", kind = "count", unit = "tickets", lower_is_better = true }]
[report.executive]
"#;

/// A workspace with a finished run on `n` tickets a day.
fn small_run(n: usize) -> (Scratch, std::path::PathBuf) {
    let scratch = workspace_of("review", JOB);
    let tickets = (0..56 * n).map(|i| {
        let day = i / n;
        let (month, day) = if day < 30 {
            (9, day + 1)
        } else {
            (10, day - 29)
        };
        format!(r#"{{"id": {i}, "at": "2026-{month:02}-{day:02}T08:00:00Z"}}"#)
    });
    let tickets: Vec<String> = tickets.collect();
    scratch.write("tickets/all.jsonl", tickets.join("\n"));
    retrocast_in(scratch.path(), &["run", "review", "--window", "2026-W43"]).expect(0);
    let run = runs(&scratch.join("reports"), "review").remove(0);
    (scratch, run)
}

#[test]
fn a_changed_report_is_named() {
    let (scratch, run) = small_run(3);
    let file = run.join("report.json");
    let mut report = json(&file);
    let text = report["kpis"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("21"), "{text}");
    report["kpis"][0]["text"] = text.replace("21", "12").into();
    fs::write(&file, report.to_string()).unwrap();
    let result = retrocast_in(scratch.path(), &["why", "review#k1"]).expect(1);
    for words in [
        "which differs",
        "text: printed 12, recomputed 21",
        "because: report.json was changed after the run",
    ] {
        assert!(
            result.stdout.contains(words),
            "{words:?}:\n{}",
            result.stdout
        );
    }
}

#[test]
fn a_changed_or_missing_dataset_version_is_named() {
    let (scratch, _) = small_run(3);
    let (other, _) = small_run(2);
    let folder = |scratch: &Scratch| {
        let job = scratch.join("data/lake/review");
        let tickets = fs::read_dir(job)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let is_rows = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("tickets") && !name.contains("__")
        };
        tickets.into_iter().find(is_rows).unwrap()
    };
    retrocast_in(scratch.path(), &["why", "review#k1"]).expect(0);
    // The same version with other rows.
    fs::remove_dir_all(folder(&scratch)).ok();
    let target = scratch
        .join("data/lake/review")
        .join(folder(&other).file_name().unwrap());
    fs::rename(folder(&other), target).unwrap();
    let result = retrocast_in(scratch.path(), &["why", "review#k1", "--json"]).expect(1);
    let answer: Value = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!(answer["recomputed"]["status"], "different");
    let reasons = answer["recomputed"]["reasons"].to_string();
    let reasons = reasons.replace('\u{a0}', " ");
    assert!(
        reasons.contains(" has 112 rows, and had 168 in the run"),
        "{reasons}"
    );
    // No version at all.
    fs::remove_dir_all(folder(&scratch)).unwrap();
    let result = retrocast_in(scratch.path(), &["why", "review#k1"]).expect(1);
    for words in ["cannot be computed again", " is no longer in the lake"] {
        assert!(
            result.stdout.contains(words),
            "{words:?}:\n{}",
            result.stdout
        );
    }
}
