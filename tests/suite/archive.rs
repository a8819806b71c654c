//! The archive: comparison and search in a browser, pins and removed runs.

use super::support::*;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// The document of a page after its scripts have run.
fn document(url: &str) -> String {
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
            "--disable-sync",
        ])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first paragraphs of the entries of a list.
fn entries(document: &str, id: &str) -> BTreeSet<String> {
    let Some(list) = document.split(&format!("id=\"{id}\"")).nth(1) else {
        return BTreeSet::new();
    };
    let list = list.split("</ul>").next().unwrap();
    let items = list.split("<li ").skip(1);
    let text = |item: &str| {
        let text = item
            .split("<p>")
            .nth(1)
            .unwrap()
            .split("</p>")
            .next()
            .unwrap();
        plain(
            &text
                .replace("&nbsp;", " ")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
    };
    items.map(text).collect()
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentences(list: &Value) -> BTreeSet<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| plain(item["sentence"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_comparison_in_the_browser_matches_diff() {
    if !has_tool("the_comparison_in_the_browser_matches_diff", "chromium") {
        return;
    }
    let scratch = Scratch::new();
    for date in ["2026-11-02", "2026-11-16"] {
        run_job(
            &scratch,
            "weekly-operations",
            operations(),
            &["--date", date],
        )
        .expect(0);
    }
    let reports = scratch.join("reports");
    let runs = runs(&reports, "weekly-operations");
    let names: Vec<String> = runs
        .iter()
        .map(|run| run.strip_prefix(&reports).unwrap().display().to_string())
        .collect();
    let diff = retrocast_in(scratch.path(), &["diff", &names[0], &names[1], "--json"]).expect(0);
    let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
    let page = document(&format!(
        "file://{}/compare.html#old={}&new={}",
        reports.display(),
        names[0],
        names[1]
    ));
    let findings = &diff["findings"];
    for (id, list) in [
        ("fresh", "new"),
        ("resolved", "gone"),
        ("changed", "changed"),
        ("unchanged", "unchanged"),
    ] {
        assert_eq!(entries(&page, id), sentences(&findings[list]), "{list}");
    }
    assert!(!findings["new"].as_array().unwrap().is_empty());
    // Figures: the same, in the same order.
    let table = page.split("Key figures of both runs").nth(2).unwrap();
    let table = table.split("</table>").next().unwrap();
    let rows = table.split("<th scope=\"row\"").count() - 1;
    let rows = rows.max(table.split("scope=\"row\"").count() - 1);
    assert_eq!(rows, diff["metrics"].as_array().unwrap().len());
    let first = diff["metrics"][0]["name"].as_str().unwrap();
    let first_row = table.split("scope=\"row\"").nth(1).unwrap();
    assert!(
        first_row.split("</th>").next().unwrap().ends_with(first),
        "{first}: {first_row}"
    );
    assert!(table.contains("overlap"));
    for setting in diff["config"]["settings"].as_array().unwrap() {
        let key = setting["key"].as_str().unwrap();
        assert!(page.contains(&format!(">{key}</td>")), "{key}");
    }
}

#[test]
fn the_search_finds_findings_components_stages_and_improvements_from_disk() {
    if !has_tool(
        "the_search_finds_findings_components_stages_and_improvements_from_disk",
        "chromium",
    ) {
        return;
    }
    let (scratch, run) = demo();
    let search = |words: &str| {
        document(&format!(
            "file://{}/search.html?q={words}",
            scratch.join("reports").display()
        ))
    };
    // A component that a finding of this run is about.
    let findings = findings(run);
    let group = findings.iter().find_map(|finding| {
        let (_, group) = finding["subject"].as_str()?.split_once(" = ")?;
        group
            .bytes()
            .all(|b| b.is_ascii_lowercase())
            .then_some(group)
    });
    let group = group.unwrap();
    let page = search(group);
    assert!(
        page.contains(&format!("Finding, <mark>{group}</mark>, 2026-W46")),
        "{page}"
    );
    let page = search("improvement");
    assert!(
        page.contains("href=\"weekly-operations/improvements/"),
        "{page}"
    );
    assert!(search("zzzz").contains("Nothing matches."));
}

/// A workspace with 12 small reports.
fn small_archive(retention: &str) -> Scratch {
    let job = format!(
        "title = \"Small\"\nwindow = \"week\"\n{retention}\n[source.tickets]\nuri = \"records/*.jsonl\"\n\
         contract = \"ticket\"\n[stage.days]\nkind = \"sql\"\nquery = \"select count(*) as n from tickets\"\n\
         [report.technical]\n"
    );
    let scratch = workspace_of("small", &job);
    let mut records = String::new();
    for day in 1..=28 {
        for n in 0..5 {
            records.push_str(&format!(
                "{{\"id\": {}, \"at\": \"2026-09-{day:02}T0{n}:00:00Z\"}}\n",
                day * 10 + n
            ));
        }
    }
    scratch.write("records/a.jsonl", records);
    let arguments = [
        "backfill",
        "small",
        "--from",
        "2026-08-31",
        "--to",
        "2026-09-29",
    ];
    retrocast_in(scratch.path(), &arguments).expect(0);
    scratch
}

fn removed_windows(scratch: &Scratch) -> Vec<String> {
    let runs = runs(&scratch.join("reports"), "small");
    let windows = runs.iter().filter(|run| run.join("removed.json").is_file());
    let name = |run: &Path| {
        run.parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    windows.map(|run| name(run)).collect()
}

#[test]
fn old_runs_are_pruned_but_pinned_and_new_runs_stay() {
    let scratch = small_archive("");
    let archive =
        |arguments: &[&str]| retrocast_in(scratch.path(), &[&["archive"], arguments].concat());
    archive(&["pin", "small/2026-W37", "--why", "asked for by the board"]).expect(0);
    let result = archive(&[
        "prune",
        "--keep",
        "1d",
        "--at-least",
        "1",
        "--dry-run",
        "--json",
    ])
    .expect(0);
    let plan: Value = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!(plan["runs"].as_array().unwrap().len(), 2);
    assert!(removed_windows(&scratch).is_empty());
    // Without a rule nothing is removed.
    let result = archive(&["prune"]).expect(0);
    assert!(
        result.stdout.contains("skipped, without [retention]"),
        "{}",
        result.stdout
    );
    let result = archive(&["prune", "small", "--keep", "1d", "--at-least", "1"]).expect(0);
    assert!(
        result.stdout.contains("files of 2\u{a0}runs removed")
            || result.stdout.contains("files of 2 runs removed"),
        "{}",
        result.stdout
    );
    assert_eq!(removed_windows(&scratch), ["2026-W36", "2026-W38"]);
    let run = &runs(&scratch.join("reports"), "small")[0];
    assert!(run.join("run.json").is_file() && !run.join("technical.pdf").exists());
    let page = fs::read_to_string(run.join("index.html")).unwrap();
    assert!(
        page.contains("The files of this run were removed"),
        "{page}"
    );
    let result = retrocast_in(scratch.path(), &["show", "small/2026-W36"]).expect(2);
    assert_stderr(&result, &["were removed on", "older than 1d"]);
    // A removed run is repeated in a new folder, and its tombstone stays.
    retrocast_in(scratch.path(), &["run", "small", "--window", "2026-W36"]).expect(0);
    assert_eq!(removed_windows(&scratch), ["2026-W36", "2026-W38"]);
    archive(&["unpin", "small/2026-W37"]).expect(0);
    archive(&["prune", "--keep", "1d", "--at-least", "1"]).expect(0);
    assert!(removed_windows(&scratch).contains(&"2026-W37".to_string()));
}

#[test]
fn the_retention_of_the_job_file_decides_what_prune_removes() {
    let scratch = small_archive("[retention]\nkeep = \"1 week\"\nat_least = 2");
    retrocast_in(scratch.path(), &["archive", "prune"]).expect(0);
    assert_eq!(removed_windows(&scratch), ["2026-W36", "2026-W37"]);
    for (arguments, words) in [
        (
            &["archive", "prune", "nowhere"][..],
            "jobs with runs: small",
        ),
        (
            &["archive", "prune", "--keep", "soon"],
            "use a period of at least a day",
        ),
        (&["archive", "pin", "small/2026-W01"], "no run"),
    ] {
        assert_stderr(&retrocast_in(scratch.path(), arguments).expect(2), &[words]);
    }
}

#[test]
fn a_rebuild_restores_every_page() {
    let scratch = small_archive("");
    let page = scratch.join("reports/small/index.html");
    let before = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    fs::write(scratch.join("reports/style.css"), "edited").unwrap();
    let result = retrocast_in(scratch.path(), &["archive", "rebuild", "--json"]).expect(0);
    let update: Value = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!(
        (update["written"].as_u64(), update["runs"].as_u64()),
        (Some(2), Some(4))
    );
    assert_eq!(fs::read(&page).unwrap(), before);
}
