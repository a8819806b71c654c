//! The register of improvements: from a proposal to a measured effect, from the command line.

use super::support::*;
use jiff::{ToSpan, civil::date};
use serde_json::Value;
use std::fmt::Write as _;

const JOB: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"

[stage.improvements]
kind = "sql"
query = "select * from ledger.improvements where state = 'implemented'"

[stage.effects]
kind = "effectiveness"
input = "tickets"
improvements = "improvements"
time = "at"
component_column = "component"
measure = "tickets"

[report.executive]
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

/// Daily tickets of two components; those of billing halve on 5 October.
fn records() -> String {
    let (mut text, mut id) = (String::new(), 0);
    let mut day = date(2026, 5, 4);
    while day < date(2026, 11, 9) {
        let wave = i64::from(day.day() % 5);
        let billing = if day < date(2026, 10, 5) { 20 } else { 10 };
        for (component, count) in [("billing", billing + wave), ("search", 15 + wave)] {
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

fn effects(run: &std::path::Path) -> Vec<Value> {
    let report = json(&run.join("report.json"));
    report["effects"].as_array().unwrap().clone()
}

#[test]
fn an_improvement_is_proposed_accepted_implemented_measured_and_closed() {
    let scratch = workspace_of("small", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    scratch.write("records/all.jsonl", records());
    let folder = scratch.path();
    let register = |arguments: &[&str]| {
        let command = [&["improvement"], arguments].concat();
        retrocast_in(folder, &command)
    };
    let run = || retrocast_in(folder, &["run", "small", "--date", "2026-11-09"]);

    // The register is still empty.
    run().expect(0);
    let empty = runs(&scratch.join("reports"), "small").remove(0);
    assert!(effects(&empty).is_empty());

    let half = [
        "propose",
        "small",
        "half",
        "--title",
        "Cache sessions",
        "--component",
        "billing",
        "--expect",
        "-40%",
        "--who",
        "ann",
        "--on",
        "2026-09-20",
    ];
    register(&half).expect(0);
    assert_stderr(&register(&half).expect(2), &["is already in the register"]);
    assert_stderr(
        &register(&["implement", "small", "hafl"]).expect(2),
        &["did you mean \"half\"?"],
    );
    let accept = [
        "accept",
        "small",
        "half",
        "--who",
        "bea",
        "--why",
        "cheap",
        "--on",
        "2026-09-25",
    ];
    register(&accept).expect(0);
    let backdated = [
        "reject",
        "small",
        "half",
        "--who",
        "bea",
        "--on",
        "2026-09-24",
    ];
    assert_stderr(
        &register(&backdated).expect(2),
        &["the last change of half is dated 2026-09-25"],
    );
    let premature = ["close", "small", "half", "--who", "bea"];
    assert_stderr(
        &register(&premature).expect(2),
        &["half is accepted, so it cannot become closed"],
    );
    let implement = [
        "implement",
        "small",
        "half",
        "--date",
        "2026-10-05",
        "--cost",
        "4000",
        "--who",
        "ann",
        "--on",
        "2026-10-05",
    ];
    register(&implement).expect(0);
    // An improvement that is only proposed is not measured.
    let propose_other = [
        "propose",
        "small",
        "other",
        "--title",
        "Other",
        "--who",
        "ann",
        "--on",
        "2026-10-01",
    ];
    register(&propose_other).expect(0);

    // Changes on the same day keep their order.
    for (command, state) in [("reject", "rejected"), ("accept", "accepted")] {
        let day = ["--who", "bea", "--on", "2026-10-01"];
        register(&[&[command, "small", "other"], &day[..]].concat()).expect(0);
        let listed = register(&["list", "small", "--state", state])
            .expect(0)
            .stdout;
        assert!(listed.contains("other"), "{listed}");
    }
    let typo = register(&["list", "small", "--state", "acepted"]).expect(2);
    assert_stderr(&typo, &["'accepted'"]);

    run().expect(0);
    let all_runs = runs(&scratch.join("reports"), "small");
    let measured = all_runs
        .iter()
        .find(|run| **run != empty)
        .expect("another run");
    let measured_effects = effects(measured);
    assert_eq!(measured_effects.len(), 1, "{measured_effects:?}");
    assert_eq!(measured_effects[0]["improvement"], "half");
    assert_eq!(
        measured_effects[0]["verdict"], "works",
        "{measured_effects:?}"
    );
    let relative = measured_effects[0]["relative"][0]
        .as_f64()
        .expect("a relative effect");
    assert!((-0.55..-0.35).contains(&relative), "{measured_effects:?}");

    // The register contains person, time and reason of each change.
    let listed = register(&["list", "small", "--json"]).expect(0).stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let states: Vec<_> = listed
        .iter()
        .map(|improvement| improvement["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["implemented", "accepted"]);
    let shown = register(&["show", "small", "half"]).expect(0).stdout;
    for part in [
        "Cache sessions",
        "2026-09-25T00:00:00Z accepted by bea: cheap",
        "first day      2026-10-05",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }

    // Later changes of the register do not change earlier reports.
    let close = [
        "close",
        "small",
        "half",
        "--who",
        "bea",
        "--why",
        "it works",
        "--on",
        "2026-11-12",
    ];
    register(&close).expect(0);
    let result = run().expect(0);
    let stdout = result.stdout.replace('\u{a0}', " ");
    assert!(stdout.contains("0 nodes executed, 4 reused"), "{stdout}");
    retrocast_in(folder, &["run", "small", "--date", "2026-11-16"]).expect(0);
    let all_runs = runs(&scratch.join("reports"), "small");
    let last = all_runs.last().expect("a run");
    assert!(last.to_string_lossy().contains("2026-W46"), "{all_runs:?}");
    assert!(
        effects(last).is_empty(),
        "a closed improvement was measured"
    );
}
