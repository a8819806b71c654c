//! Slices, notes, themes and languages from the command line.

use super::support::*;
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, time::Instant};

const CONTRACT: &str = r#"title = "Ticket"
key = ["id"]
time = "at"
[field.id]
type = "integer"
required = true
[field.at]
type = "timestamp"
required = true
[field.component]
type = "string"
"#;

const OWNERS: &str = r#"title = "Owner"
[field.component]
type = "string"
[field.mail]
type = "string"
"#;

const JOB: &str = r#"
title = "Tickets"
window = "week"
timezone = "UTC"
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.figures]
kind = "kpi"
input = "tickets"
time = "at"
by = ["component"]
groups_max = 1000
[[stage.figures.metrics]]
name = "Tickets"
kind = "count"
unit = "tickets"
lower_is_better = true
[stage.shifts]
kind = "change_point"
input = "tickets"
time = "at"
by = ["component"]
aggregate = "count"
measure = "tickets"
[stage.rows]
kind = "sql"
query = "select component, count(*) as tickets from tickets group by component order by component"
"#;

/// Values that occur in no other text.
const HOSTILE: [&str; 6] = [
    "zqbilling",
    "zqbilling-eu",
    "ZQBilling",
    "../../zqetc/passwd",
    "</script><b>zqx",
    "支払いzq",
];

/// Tickets of ten weeks: more each day for later components, and a rise in the first.
fn workspace(components: &[&str], report: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("jobs/tickets.toml", format!("{JOB}{report}"));
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    scratch.write("jobs/contracts/owner.toml", OWNERS);
    let mut lines = String::new();
    let mut id = 0;
    for day in 0..70_u32 {
        let date = jiff::civil::date(2026, 9, 7) + jiff::Span::new().days(i64::from(day));
        for (i, component) in components.iter().enumerate() {
            let rise = if i == 0 && day >= 40 { 12 } else { 0 };
            for n in 0..2 + i as u32 % 3 + rise + (day * 7 + i as u32) % 2 {
                id += 1;
                let name = serde_json::to_string(component).unwrap();
                let _ = writeln!(
                    lines,
                    "{{\"id\":{id},\"at\":\"{date}T{:02}:00:00Z\",\"component\":{name}}}",
                    n % 24
                );
            }
        }
    }
    scratch.write("tickets/all.jsonl", lines);
    scratch
}

fn run(scratch: &Scratch, options: &[&str]) -> std::path::PathBuf {
    let arguments = [&["run", "tickets", "--date", "2026-11-16"][..], options].concat();
    retrocast_in(scratch.path(), &arguments).expect(0);
    runs(&scratch.join("reports"), "tickets").pop().unwrap()
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            out.push(key.clone());
            texts(value, out);
        }),
        _ => {}
    }
}

/// The other components that a text names.
fn foreign<'a>(text: &str, component: &str, components: &[&'a str]) -> Vec<&'a str> {
    let without = text.replace(component, "\u{1}");
    let others = components
        .iter()
        .copied()
        .filter(|other| *other != component);
    others
        .filter(|other| {
            if other.contains(component) {
                text.contains(other)
            } else {
                without.contains(other)
            }
        })
        .collect()
}

fn text_of_pdf(path: &Path) -> String {
    let output = std::process::Command::new("pdftotext")
        .args(["-layout"])
        .arg(path)
        .arg("-")
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

#[test]
fn slices_hold_only_their_own_component() {
    let report =
        "[report.executive]\neach = \"component\"\n[report.technical]\neach = \"component\"\n";
    let scratch = workspace(&HOSTILE, report);
    let folder = run(&scratch, &[]);
    let has_pdftotext = has_tool("slices_hold_only_their_own_component", "pdftotext");
    let mut names = BTreeSet::new();
    for report in ["executive", "technical"] {
        let index = json(&folder.join(format!("slices/{report}.json")));
        assert_eq!(index["column"], "component");
        let slices = index["slices"].as_array().unwrap();
        assert_eq!(slices.len(), HOSTILE.len());
        for slice in slices {
            let (value, name) = (
                slice["value"].as_str().unwrap(),
                slice["name"].as_str().unwrap(),
            );
            let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                name.chars().all(is_safe) && names.insert(name.to_string()),
                "{name}"
            );
            let data = json(&folder.join(format!("slices/{name}.json")));
            let mut strings = Vec::new();
            texts(&data, &mut strings);
            assert_eq!(
                foreign(&strings.join("\n"), value, &HOSTILE),
                [""; 0],
                "{value}"
            );
            assert_eq!(data["slice"]["value"], value);
            assert!(
                data["kpis"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|kpi| kpi["subject"] == value)
            );
            assert!(!data["kpis"].as_array().unwrap().is_empty());
            assert_eq!(data["sources"], serde_json::json!([]));
            let page = fs::read_to_string(folder.join(format!("slices/{name}.html"))).unwrap();
            let page = page
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&#x2f;", "/");
            assert_eq!(foreign(&page, value, &HOSTILE), [""; 0], "{value}");
            let pdf = folder.join(format!("slices/{name}.pdf"));
            if has_pdftotext {
                assert_eq!(
                    foreign(&text_of_pdf(&pdf), value, &HOSTILE),
                    [""; 0],
                    "{value}"
                );
            }
        }
    }
    // The report of all records is there, too, and the same inputs give the same bytes.
    assert!(folder.join("executive.pdf").is_file());
    let second = run(
        &scratch,
        &["--from", "report.executive", "--from", "report.technical"],
    );
    for name in &names {
        for extension in ["pdf", "html", "json"] {
            let file = format!("slices/{name}.{extension}");
            assert!(
                fs::read(folder.join(&file)).unwrap() == fs::read(second.join(&file)).unwrap(),
                "{file}"
            );
        }
    }
}

#[test]
fn recipients_get_the_slice_of_their_component() {
    let report = "[source.owners]\nuri = \"owners/*.csv\"\ncontract = \"owner\"\n[report.executive]\n\
                  each = \"component\"\nrecipients = { dataset = \"owners\", to = \"mail\" }\n";
    let scratch = workspace(&HOSTILE[..3], report);
    scratch.write(
        "owners/all.csv",
        "component,mail\nzqbilling,ada@example.org\nzqbilling,bob@example.org\nzqbilling-eu,not an address\n\
         unknown,eve@example.org\n",
    );
    let plan = retrocast_in(scratch.path(), &["plan", "tickets", "--date", "2026-11-16"]).expect(0);
    assert!(
        plan.stdout
            .contains("one slice per component in owners, sent to mail"),
        "{}",
        plan.stdout
    );
    let folder = run(&scratch, &[]);
    let index = json(&folder.join("slices/executive.json"));
    let slices = index["slices"].as_array().unwrap();
    let values: Vec<&str> = slices
        .iter()
        .map(|slice| slice["value"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["unknown", "zqbilling", "zqbilling-eu"]);
    let unknown = json(&folder.join("slices/executive-unknown.json"));
    assert_eq!(
        unknown["verdict"],
        "There is no record with component = unknown."
    );
    let arguments = ["deliver", "latest", "--dry-run", "mail"];
    let result = retrocast_in(scratch.path(), &arguments).expect(0);
    assert_stderr(
        &result,
        &["1\u{a0}recipient of slices of executive without a valid mail address"],
    );
    let files: Vec<_> = fs::read_dir(scratch.join("mail"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 3, "{}", result.stdout);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(
            text.contains("zqbilling"),
            !name.starts_with("eve"),
            "{name}"
        );
        assert!(
            !text.contains("zqbilling-eu") && !text.contains("ZQBilling"),
            "{name}"
        );
    }
}

#[test]
fn errors_in_slices_are_located() {
    let check = |report: &str, words: &[&str]| {
        let scratch = workspace(&HOSTILE[..1], report);
        let result = retrocast_in(scratch.path(), &["check", "tickets"]).expect(2);
        assert_stderr(&result, words);
    };
    check(
        "[report.executive]\neach = \"componnent\"\n",
        &[
            "no dataset has a column `componnent`",
            "did you mean",
            "each = \"componnent\"",
        ],
    );
    check(
        "[report.executive]\neach = \"component\"\nrecipients = { dataset = \"ownres\", to = \"mail\" }\n",
        &["there is no source or stage `ownres`"],
    );
    check(
        "[report.executive]\neach = \"component\"\nrecipients = { dataset = \"tickets\", to = \"mail\" }\n",
        &["`tickets` has no column `mail`"],
    );
    check(
        "[report.executive]\nshared = true\n",
        &["`shared` needs `each`"],
    );
    check(
        "[report.executive]\nlanguage = \"ed\"\n",
        &["`language` is not one of the allowed values"],
    );
}

#[test]
fn notes_languages_and_themes_change_reports() {
    let note = "note = \"\"\"\nThe test on Friday\nwas *planned*.\n\nAsk #read(1) Ada.\"\"\"\n";
    let report = format!("[report.executive]\nlanguage = \"de\"\n{note}[report.technical]\n");
    let scratch = workspace(&HOSTILE[..2], &report);
    let folder = run(&scratch, &["--note", "Of this run."]);
    let page = fs::read_to_string(folder.join("executive.html")).unwrap();
    for words in [
        "<p>The test on Friday was *planned*.</p>",
        "<p>Ask #read(1) Ada.</p>",
        "<p>Of this run.</p>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.contains("<html lang=\"de\">") && page.contains("9. bis 15. November\u{a0}2026"));
    let technical = fs::read_to_string(folder.join("technical.html")).unwrap();
    assert!(
        technical.contains("<html lang=\"en\">")
            && !technical.contains("planned")
            && technical.contains("Of this run.")
    );
    let result = retrocast_in(scratch.path(), &["rerun", "latest"]).expect(0);
    assert!(result.stdout.contains("is complete"), "{}", result.stdout);

    let templates = |arguments: &[&str], code| {
        retrocast_in(scratch.path(), &[&["templates"][..], arguments].concat()).expect(code)
    };
    templates(&["export", "templates"], 0);
    let theme = fs::read_to_string(scratch.join("templates/theme.toml")).unwrap();
    let letter = theme
        .replace("\"a4\"", "\"letter\"")
        .replace("#0b5fa5", "#7a1fa2");
    scratch.write("templates/theme.toml", &letter);
    scratch.write("templates/logo.svg", LOGO);
    let logo = letter.replace("# logo =", "logo =");
    scratch.write("templates/theme.toml", &logo);
    templates(&["check"], 0);
    let folder = run(&scratch, &[]);
    let page = fs::read_to_string(folder.join("technical.html")).unwrap();
    assert!(page.contains("--accent:#7a1fa2") && page.contains("alt=\"Example Ltd\""));
    if has_tool("notes_languages_and_themes_change_reports", "pdfinfo") {
        let info = std::process::Command::new("pdfinfo")
            .arg(folder.join("executive.pdf"))
            .output()
            .unwrap();
        let info = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(info.contains("letter"), "{info}");
    }

    // A changed file is not overwritten, and errors are located.
    let result = retrocast_in(scratch.path(), &["templates", "export", "templates"]).expect(2);
    assert_stderr(
        &result,
        &["1\u{a0}changed file would be replaced", "theme.toml"],
    );
    scratch.write("templates/theme.toml", logo.replace("#7a1fa2", "#ffcc00"));
    let result = templates(&["check"], 2);
    assert!(
        result.stdout.contains("theme.toml:") && result.stdout.contains("contrast"),
        "{}",
        result.stdout
    );
    scratch.write(
        "templates/theme.toml",
        logo.replace("logo.svg", "../jobs/tickets.toml"),
    );
    let result = templates(&["check"], 2);
    assert!(
        result.stdout.contains("must be in the templates folder"),
        "{}",
        result.stdout
    );
    scratch.write("templates/theme.toml", &logo);
    let page = fs::read_to_string(scratch.join("templates/html/executive.html.j2")).unwrap();
    scratch.write(
        "templates/html/executive.html.j2",
        page.replace("report.verdict }}", "report.verdct }}"),
    );
    scratch.write("templates/html/exective.html.j2", "");
    let result = templates(&["check", "--json"], 2);
    let checked: Value = serde_json::from_str(&result.stdout).unwrap();
    let text = checked["mistakes"].to_string();
    for words in [
        "line 15",
        "did you mean verdict instead of verdct?",
        "did you mean html/executive.html.j2?",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 20\" width=\"40\" height=\"20\">\
                    <rect width=\"40\" height=\"20\" fill=\"#7a1fa2\"/></svg>";

#[test]
fn many_slices_take_a_fraction_of_as_many_runs() {
    let names: Vec<String> = (0..120).map(|i| format!("component-{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scratch = workspace(&names, "[report.executive]\n");
    let seconds = |job: &str| {
        scratch.write("jobs/tickets.toml", format!("{JOB}{job}"));
        let start = Instant::now();
        let folder = run(&scratch, &["--from", "report.executive"]);
        (start.elapsed().as_secs_f64(), folder)
    };
    run(&scratch, &[]);
    let (single, _) = seconds("[report.executive]\n");
    let (total, folder) = seconds("[report.executive]\neach = \"component\"\n");
    let index = json(&folder.join("slices/executive.json"));
    assert_eq!(index["slices"].as_array().unwrap().len(), names.len());
    let n = names.len() as f64;
    eprintln!(
        "one report: {single:.2} s; with {n} slices: {total:.2} s, {:.0} ms each",
        1e3 * (total - single) / n
    );
}
