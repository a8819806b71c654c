//! From a finding to a measured improvement, week by week, from the command line.

use super::support::*;
use jiff::{ToSpan, civil::date};
use serde_json::Value;
use std::{fmt::Write as _, path::Path};

const JOB: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"

[stage.shifts]
kind = "change_point"
input = "tickets"
time = "at"
by = ["component"]
measure = "tickets"

[stage.register]
kind = "sql"
query = "select * from ledger.improvements where state = 'implemented'"

[stage.effects]
kind = "effectiveness"
input = "tickets"
improvements = "register"
time = "at"
component_column = "component"
measure = "tickets"
unit_value = 10
currency = "EUR"

[stage.health]
kind = "health"
findings = ["shifts", "effects"]

[stage.advice]
kind = "recommendation"
findings = ["shifts", "effects"]
built_in = false

[[stage.advice.rules]]
name = "cache"
when = { kinds = ["change_point"], direction = "up", severity = "info" }
category = "configuration"
title = "Cache what {subject} asks for"
actions = ["Measure the hit rate."]
effort_days = 2
expected = [-0.5, -0.3]

[report.executive]
[report.technical]
"#;

const CONTRACT: &str = r#"title = "Ticket"
key = ["id"]
time = "at"
[field.id]
type = "integer"
[field.at]
type = "timestamp"
[field.component]
type = "string"
"#;

/// Daily tickets: those of billing double on 3 August and fall back on 5 October, those of search
/// double permanently on 7 September.
fn records() -> String {
    let (mut text, mut id) = (String::new(), 0);
    let mut day = date(2026, 3, 2);
    while day < date(2026, 11, 16) {
        let wave = i64::from(day.day() % 5);
        let is_high = date(2026, 8, 3) <= day && day < date(2026, 10, 5);
        let billing = if is_high { 24 } else { 12 };
        let search = if day < date(2026, 9, 7) { 15 } else { 30 };
        for (component, count) in [
            ("billing", billing + wave),
            ("search", search + wave),
            ("web", 20 + wave),
        ] {
            for n in 0..count {
                id += 1;
                let (hour, minute) = (n % 24, n / 24);
                let _ = writeln!(
                    text,
                    "{{\"id\":{id},\"at\":\"{day}T{hour:02}:{minute:02}:00Z\",\"component\":\"{component}\"}}"
                );
            }
        }
        day += 1.days();
    }
    text
}

/// The recommendations of the newest run on a window.
fn recommendations(scratch: &Scratch, window: &str) -> Vec<Value> {
    let report = json(&newest_run(scratch, window).join("report.json"));
    let cells = report["cells"].as_array().unwrap();
    let advice = cells.iter().find(|cell| cell["stage"] == "advice").unwrap();
    advice["recommendations"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn newest_run(scratch: &Scratch, window: &str) -> std::path::PathBuf {
    let folder = scratch.join("reports/small").join(window);
    let runs = std::fs::read_dir(folder).unwrap();
    let mut runs: Vec<_> = runs
        .map(|run| run.unwrap().path())
        .filter(|run| run.is_dir())
        .collect();
    runs.sort_by_key(|run| run.metadata().unwrap().modified().unwrap());
    runs.pop().unwrap()
}

fn for_component<'a>(recommendations: &'a [Value], component: &str) -> &'a Value {
    let mut items = recommendations.iter();
    items
        .find(|recommendation| recommendation["component"] == component)
        .unwrap_or_else(|| panic!("nothing for {component}: {recommendations:?}"))
}

fn run(folder: &Path, day: &str) {
    retrocast_in(folder, &["run", "small", "--date", day]).expect(0);
}

#[test]
fn a_recommendation_is_accepted_implemented_and_measured() {
    let scratch = workspace_of("small", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    scratch.write("records/all.jsonl", records());
    let folder = scratch.path();
    let register =
        |arguments: &[&str]| retrocast_in(folder, &[&["improvement"], arguments].concat());

    // Two components shifted: each gets a recommendation.
    run(folder, "2026-09-21");
    let first = recommendations(&scratch, "2026-W38");
    let billing = for_component(&first, "billing").clone();
    assert_eq!(billing["title"], "Cache what billing asks for");
    assert_eq!(
        (&billing["state"], &billing["since"]),
        (&"open".into(), &"2026-W38".into())
    );
    let id = billing["id"].as_str().unwrap();
    let listed = register(&["recommended", "small", "--json"])
        .expect(0)
        .stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), first.len());
    assert!(
        listed
            .iter()
            .any(|row| row["id"] == id && row["past_judged"] == 0),
        "{listed:?}"
    );

    assert_stderr(
        &register(&["accept", "small", "b", "--recommendation", "none"]).expect(2),
        &[
            "the ledger has no recommendation \"none\"",
            "improvement recommended small",
        ],
    );
    let accept = [
        "accept",
        "small",
        "cache-billing",
        "--recommendation",
        id,
        "--who",
        "ann",
        "--on",
        "2026-09-22",
    ];
    register(&accept).expect(0);
    let search = for_component(&first, "search")["id"]
        .as_str()
        .unwrap()
        .to_string();

    run(folder, "2026-09-28");
    let second = recommendations(&scratch, "2026-W39");
    let accepted = for_component(&second, "billing");
    assert_eq!(
        (&accepted["state"], &accepted["times"]),
        (&"accepted".into(), &2.into())
    );
    assert_eq!(accepted["improvement"], "cache-billing");
    assert_eq!(for_component(&second, "search")["state"], "open");

    let implement = [
        "implement",
        "small",
        "cache-billing",
        "--date",
        "2026-10-05",
        "--cost",
        "400",
        "--who",
        "ann",
        "--on",
        "2026-10-05",
    ];
    register(&implement).expect(0);
    for day in ["2026-10-12", "2026-10-19", "2026-10-26", "2026-11-02"] {
        run(folder, day);
    }
    let report = json(&newest_run(&scratch, "2026-W44").join("report.json"));
    let effect = &report["effects"][0];
    assert_eq!(
        (&effect["verdict"], &effect["category"]),
        (&"works".into(), &"configuration".into())
    );
    // About twelve tickets a day at 10 EUR each.
    let gain = effect["worth"]["per_day"][0].as_f64().unwrap();
    assert!((90.0..150.0).contains(&gain), "{effect}");
    let close = [
        "close",
        "small",
        "cache-billing",
        "--who",
        "ann",
        "--why",
        "half the tickets",
        "--on",
        "2026-11-03",
    ];
    register(&close).expect(0);

    // The measured effect lowers the expected effect of the same category.
    run(folder, "2026-11-09");
    let last = recommendations(&scratch, "2026-W45");
    let (before, after) = (
        for_component(&second, "search"),
        for_component(&last, "search"),
    );
    assert_eq!(after["id"], search.as_str());
    assert_eq!(after["past"], serde_json::json!({"worked": 1, "judged": 1}));
    assert!(
        after["expected"][0].as_f64() < before["expected"][0].as_f64(),
        "{after}"
    );
    let technical =
        std::fs::read_to_string(newest_run(&scratch, "2026-W45").join("technical.html")).unwrap();
    let technical = technical.replace('\u{a0}', " ");
    assert!(
        technical.contains("0.67: 1 of 1"),
        "no reason in the report"
    );
    let executive =
        std::fs::read_to_string(newest_run(&scratch, "2026-W39").join("executive.html")).unwrap();
    assert!(executive.contains("Cache what search asks for."));

    // A closed improvement stays in the reports and on its page, with its lesson.
    let pages = ["executive.html", "technical.html"]
        .map(|name| newest_run(&scratch, "2026-W45").join(name))
        .into_iter()
        .chain([scratch.join("reports/small/improvements/cache-billing.html")]);
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let lesson = "Closed by ann on 3 November 2026: half the tickets.";
        assert!(
            text.replace('\u{a0}', " ").contains(lesson),
            "no lesson in {}",
            page.display()
        );
    }
    assert!(technical.contains("Last verdict: works, tickets in billing"));

    // A new run of the second week has the same recommendations.
    retrocast_in(folder, &["run", "small", "--date", "2026-09-28", "--force"]).expect(0);
    assert_eq!(recommendations(&scratch, "2026-W39"), second);
    let health =
        "select count(distinct window) as weeks from ledger.health where component = 'overall'";
    let weeks = retrocast_in(folder, &["lake", "query", "small", health, "--csv"])
        .expect(0)
        .stdout;
    assert_eq!(weeks, "weeks\n7\n");

    // A rejected recommendation stays rejected while its findings do not change.
    let reject = [
        "reject",
        "small",
        "no-cache",
        "--recommendation",
        &search,
        "--who",
        "bea",
        "--on",
        "2026-11-10",
    ];
    register(&reject).expect(0);
    run(folder, "2026-11-16");
    assert_eq!(
        for_component(&recommendations(&scratch, "2026-W46"), "search")["state"],
        "rejected"
    );
}
