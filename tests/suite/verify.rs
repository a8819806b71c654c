//! Reports are rendered again with the same bytes, and `retrocast verify` answers each of its
//! checks.

use super::support::*;
use serde_json::Value;
use std::{fs, path::Path};

const JOB: &str = r#"title = "Numbers"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"

[stage.counted]
kind = "sql"
query = "select count(*) as tickets from tickets"

[report.executive]
"#;

/// A workspace with a finished run on one ticket.
fn small(job: &str) -> Scratch {
    let scratch = workspace_of("numbers", job);
    write_tickets(&scratch, 1);
    run(&scratch);
    scratch
}

fn write_tickets(scratch: &Scratch, count: u32) {
    let lines = (1..=count).map(|id| format!("{{\"id\":{id},\"at\":\"2026-11-10T08:00:00Z\"}}\n"));
    scratch.write("records/all.jsonl", lines.collect::<String>());
}

fn run(scratch: &Scratch) {
    retrocast_in(scratch.path(), &["run", "numbers", "--date", "2026-11-16"]).expect(0);
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The checks of a verification with this exit code.
fn verify(folder: &Path, target: &str, code: i32) -> Vec<Value> {
    let result = retrocast_in(folder, &["verify", target, "--json"]).expect(code);
    let verification: Value = serde_json::from_str(&result.stdout).unwrap();
    let checks = verification["checks"].as_array().unwrap().clone();
    let all_hold = checks.iter().all(|check| check["answer"] == "yes");
    assert_eq!(verification["verified"], all_hold);
    assert_eq!(code == 0, all_hold, "{checks:?}");
    checks
}

/// Checks the answer of one check, and that its reason contains this text.
#[track_caller]
fn check(checks: &[Value], name: &str, answer: &str, reason: &str) {
    let entry = checks.iter().find(|check| check["check"] == name);
    let entry = entry.unwrap_or_else(|| panic!("no check {name} in {checks:?}"));
    assert_eq!(entry["answer"], answer, "{entry}");
    let actual = entry["reason"].as_str().unwrap();
    assert!(actual.contains(reason), "{actual}");
}

#[test]
fn a_fresh_report_is_verified_and_rendered_again_with_the_same_bytes() {
    let (scratch, run) = demo();
    for name in ["executive.pdf", "technical.pdf"] {
        let elsewhere = Scratch::new();
        let copy = elsewhere.write("mail.pdf", fs::read(run.join(name)).unwrap());
        let checks = verify(scratch.path(), &text(&copy), 0);
        let names: Vec<&str> = checks
            .iter()
            .map(|c| c["check"].as_str().unwrap())
            .collect();
        let expected = [
            "contents",
            "run",
            "copy",
            "data",
            "checksums",
            "datasets",
            "render",
        ];
        assert_eq!(names, expected);
        check(&checks, "copy", "yes", name);
    }
    let shown = retrocast_in(scratch.path(), &["verify", "weekly-operations"]).expect(0);
    assert!(shown.stdout.ends_with("verified\n"), "{}", shown.stdout);
    let out = Scratch::new();
    let arguments = [
        "report",
        "render",
        "latest",
        "--out",
        &text(out.path()),
        "--json",
    ];
    let rendered = retrocast_in(scratch.path(), &arguments).expect(0);
    let rendered: Value = serde_json::from_str(&rendered.stdout).unwrap();
    let files = rendered.as_array().unwrap();
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        let name = file["file"].as_str().unwrap();
        assert_eq!(file["same"], true, "{name}");
        assert!(
            fs::read(out.join(name)).unwrap() == fs::read(run.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_changed_byte_is_found() {
    let scratch = small(JOB);
    let run = runs(&scratch.join("reports"), "numbers").remove(0);
    let pdf = fs::read(run.join("executive.pdf")).unwrap();
    let mut changed = pdf.clone();
    let position = pdf
        .windows(8)
        .position(|bytes| bytes == b"/Title (")
        .map_or(100, |position| position + 8);
    changed[position] ^= 1;
    let copy = scratch.write("copy.pdf", &changed);
    let checks = verify(scratch.path(), &text(&copy), 1);
    let reason = format!("the first difference is at byte {}", position + 1);
    let plain = |check: &Value| check["reason"].as_str().unwrap().replace('\u{a0}', "");
    for name in ["copy", "render"] {
        check(&checks, name, "no", "the first difference");
        let entry = checks.iter().find(|check| check["check"] == name).unwrap();
        assert!(plain(entry).contains(&reason), "{entry}");
    }
    for name in ["contents", "run", "data", "checksums", "datasets"] {
        check(&checks, name, "yes", "");
    }
    // In the archive, the checksums show it, too.
    fs::write(run.join("executive.pdf"), &changed).unwrap();
    let checks = verify(scratch.path(), "latest", 1);
    check(
        &checks,
        "checksums",
        "no",
        "changed since the run: executive.pdf",
    );
    fs::remove_file(run.join("executive.html")).unwrap();
    let checks = verify(scratch.path(), "latest", 1);
    check(&checks, "checksums", "no", "missing: executive.html");
    check(&checks, "data", "yes", "report.json");
}

#[test]
fn a_removed_dataset_version_is_found() {
    let scratch = small(JOB);
    let old = runs(&scratch.join("reports"), "numbers").remove(0);
    write_tickets(&scratch, 2);
    run(&scratch);
    verify(scratch.path(), &text(&old), 0);
    // For an empty archive, no version is cited.
    let gc = [
        "lake",
        "gc",
        "numbers",
        "--keep-days",
        "0",
        "--reports",
        "empty",
    ];
    retrocast_in(scratch.path(), &gc).expect(0);
    let checks = verify(scratch.path(), &text(&old), 1);
    check(
        &checks,
        "datasets",
        "no",
        "tickets@1 was removed from the lake",
    );
    check(&checks, "render", "yes", "the same");
    // Its tables cannot be exported any more, but its results can.
    let out = text(&scratch.join("out"));
    let export = ["export", &text(&old), "--format", "csv", "--out", &out];
    let result = retrocast_in(scratch.path(), &export).expect(3);
    assert_stderr(&result, &["warning: stages/counted", "version 1"]);
    assert!(scratch.join("out/tables/findings.csv").is_file());
}

#[test]
fn a_report_of_another_build_or_archive_is_reported_as_such() {
    let scratch = small(JOB);
    let run = runs(&scratch.join("reports"), "numbers").remove(0);
    let contents = fs::read_to_string(run.join("report.json")).unwrap();
    let build = json(&run.join("report.json"))["provenance"]["build"].clone();
    let other = contents.replace(build.as_str().unwrap(), "retrocast 0.0.9 (abcdef)");
    fs::write(run.join("report.json"), other).unwrap();
    // Other templates simulate another build, which renders other bytes.
    let template = fs::read_to_string(root().join("templates/executive.typ.j2")).unwrap();
    let changed = template.replace("t.attachment_description", "\"Contents\"");
    assert_ne!(changed, template);
    scratch.write("other/executive.typ.j2", changed);
    let arguments = [
        "report",
        "render",
        "latest",
        "--templates",
        "other",
        "--out",
        "out",
    ];
    let rendered = retrocast_in(scratch.path(), &arguments).expect(0);
    assert!(
        rendered.stdout.contains("differs  executive.pdf"),
        "{}",
        rendered.stdout
    );
    let checks = verify(scratch.path(), "out/executive.pdf", 1);
    check(&checks, "data", "yes", "");
    check(
        &checks,
        "render",
        "not_possible",
        "created by retrocast 0.0.9 (abcdef)",
    );
    // The templates of this build have changed.
    fs::write(run.join("report.json"), &contents).unwrap();
    let arguments = ["verify", "latest", "--templates", "other", "--json"];
    let result = retrocast_in(scratch.path(), &arguments).expect(1);
    assert!(
        result
            .stdout
            .contains("the templates have changed since the run")
    );
    // Another archive has no such run, and another lake no such datasets.
    let elsewhere = Scratch::new();
    let copy = elsewhere.write("copy.pdf", fs::read(run.join("executive.pdf")).unwrap());
    let checks = verify(elsewhere.path(), &text(&copy), 1);
    check(&checks, "run", "no", "the file is not from this archive");
    check(
        &checks,
        "datasets",
        "not_possible",
        "has no datasets of numbers",
    );
    check(&checks, "render", "yes", "");
    let other = elsewhere.write("other.pdf", "%PDF-1.7 and nothing else");
    let checks = verify(elsewhere.path(), &text(&other), 1);
    check(&checks, "contents", "no", "cross-reference table");
    check(&checks, "render", "not_possible", "the data is missing");
}

#[test]
fn reports_with_other_contents_have_files_of_their_own() {
    let job = format!(
        "{JOB}[report.technical]\ntitle = \"Notebook\"\nstages = []\n\
         [stage.second]\nkind = \"sql\"\nquery = \"select max(id) as id from tickets\"\n"
    );
    let scratch = small(&job);
    let run = runs(&scratch.join("reports"), "numbers").remove(0);
    let [first, second] = ["report.json", "technical.json"].map(|file| json(&run.join(file)));
    assert_eq!([&first["title"], &second["title"]], ["Numbers", "Notebook"]);
    assert_eq!(second["cells"], serde_json::json!([]));
    verify(scratch.path(), "latest", 0);
    let arguments = ["report", "render", "latest", "--report", "technical"];
    let rendered = retrocast_in(scratch.path(), &arguments).expect(0);
    assert!(
        rendered
            .stdout
            .contains("with the same bytes as in the run")
    );
}

#[test]
fn rendered_files_are_not_written_into_the_archive() {
    let scratch = small(JOB);
    let run = runs(&scratch.join("reports"), "numbers").remove(0);
    for out in [text(&run), "reports/numbers".to_string()] {
        for command in [&["report", "render"][..], &["export"]] {
            let mut arguments = command.to_vec();
            arguments.extend(["latest", "--out", &out]);
            let result = retrocast_in(scratch.path(), &arguments).expect(2);
            assert_stderr(&result, &["is in the archive"]);
        }
    }
    let arguments = ["report", "render", "latest", "--report", "technical"];
    let result = retrocast_in(scratch.path(), &arguments).expect(2);
    assert_stderr(&result, &["no report \"technical\"; reports: executive"]);
}
