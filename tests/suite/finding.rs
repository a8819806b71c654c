//! Decisions of users on findings, and where they are shown.

use super::support::*;
use serde_json::Value;
use std::fs;

const JOB: &str = r#"title = "Tickets"
window = "week"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.figures]
kind = "kpi"
input = "tickets"
metrics = [{ name = "Tickets", kind = "count", unit = "tickets", target = 100 }]

[report.executive]
[report.technical]
"#;

const WINDOW: &str = "2026-W02";

/// A job whose only finding is a missed target, after its first run.
fn workspace() -> (Scratch, String) {
    let scratch = workspace_of("small", JOB);
    let lines = (1..=14).map(|id| {
        let day = 5 + id % 7;
        format!("{{\"id\":{id},\"at\":\"2026-01-{day:02}T12:00:00Z\"}}\n")
    });
    scratch.write("records/a.jsonl", lines.collect::<String>());
    run(&scratch, &[]);
    let reported = findings(&last_run(&scratch));
    assert_eq!(reported.len(), 1, "{reported:#?}");
    let id = reported[0]["id"].as_str().unwrap().to_string();
    (scratch, id)
}

fn run(scratch: &Scratch, options: &[&str]) {
    let command = [&["run", "small", "--window", WINDOW][..], options].concat();
    retrocast_in(scratch.path(), &command).expect(0);
}

/// A run dated a number of days from today.
fn run_in(scratch: &Scratch, days: i64) {
    let date = jiff::Zoned::now().date();
    let date = date.checked_add(jiff::Span::new().days(days)).unwrap();
    run(scratch, &["--date", &date.to_string()]);
}

fn last_run(scratch: &Scratch) -> std::path::PathBuf {
    let mut runs = runs(&scratch.join("reports"), "small");
    runs.sort_by_cached_key(|run| json(&run.join("run.json"))["started"].to_string());
    runs.pop().unwrap()
}

fn decide(scratch: &Scratch, verb: &str, id: &str, options: &[&str]) -> CommandResult {
    let finding = format!("small/{WINDOW}#{id}");
    retrocast_in(
        scratch.path(),
        &[&["finding", verb, &finding], options].concat(),
    )
}

fn page(scratch: &Scratch, name: &str) -> String {
    fs::read_to_string(last_run(scratch).join(name)).unwrap()
}

/// The number of headlines of the last report.
fn headlines(scratch: &Scratch) -> usize {
    let report = json(&last_run(scratch).join("report.json"));
    report["headlines"].as_array().unwrap().len()
}

#[test]
fn decisions_appear_in_later_reports_and_are_never_lost() {
    let (scratch, id) = workspace();
    let by = ["--by", "ann", "--why", "known since May"];
    let stdout = decide(&scratch, "acknowledge", &id[..6], &by)
        .expect(0)
        .stdout;
    assert!(
        stdout.contains(&id) && stdout.contains("acknowledged"),
        "{stdout}"
    );
    // A run dated before the decision does not see it.
    run(&scratch, &["--date", "2026-01-13"]);
    assert!(!page(&scratch, "technical.html").contains("Acknowledged"));
    run_in(&scratch, 2);
    assert_eq!(headlines(&scratch), 1);
    for name in ["technical.html", "executive.html"] {
        let page = page(&scratch, name);
        assert!(page.contains("Acknowledged by ann on ") && page.contains("known since May"));
    }
    let reported = &findings(&last_run(&scratch))[0];
    assert_eq!(reported["decision"]["state"], "acknowledged");
    let shown = retrocast_in(scratch.path(), &["show", "small"])
        .expect(0)
        .stdout;
    assert!(shown.contains("Acknowledged by ann"), "{shown}");

    // A finding marked wrong is listed separately, not deleted.
    decide(
        &scratch,
        "wrong",
        &id,
        &["--by", "bob", "--why", "a load test"],
    )
    .expect(0);
    run_in(&scratch, 3);
    assert_eq!(headlines(&scratch), 0);
    let technical = page(&scratch, "technical.html");
    assert!(technical.contains("Set aside") && technical.contains("Marked wrong by bob"));
    assert!(!page(&scratch, "executive.html").contains("Marked wrong"));
    assert_eq!(findings(&last_run(&scratch)).len(), 1);
    let all_runs = runs(&scratch.join("reports"), "small");
    let [old, new] = [&all_runs[0], &last_run(&scratch)].map(|run| run.display().to_string());
    let diff = retrocast_in(scratch.path(), &["diff", &old, &new])
        .expect(0)
        .stdout;
    assert!(
        diff.contains("Decisions") && diff.contains("Marked wrong by bob"),
        "{diff}"
    );

    // A snoozed finding returns on its own after the day.
    let until = jiff::Zoned::now().date();
    let until = until
        .checked_add(jiff::Span::new().days(10))
        .unwrap()
        .to_string();
    let snooze = ["--by", "ann", "--why", "next release", "--until", &until];
    decide(&scratch, "snooze", &id, &snooze).expect(0);
    run_in(&scratch, 9);
    assert_eq!(headlines(&scratch), 0);
    assert!(page(&scratch, "technical.html").contains(&format!("Snoozed until {until} by ann")));
    run_in(&scratch, 10);
    assert_eq!(headlines(&scratch), 1);
    assert!(!page(&scratch, "technical.html").contains("Snoozed"));

    decide(&scratch, "reopen", &id, &["--by", "ann", "--why", "again"]).expect(0);
    run_in(&scratch, 4);
    assert_eq!(headlines(&scratch), 1);
    let list = |options: &[&str]| -> Vec<Value> {
        let command = [&["finding", "list", "small", "--json"][..], options].concat();
        let listed = retrocast_in(scratch.path(), &command).expect(0).stdout;
        serde_json::from_str(&listed).unwrap()
    };
    assert_eq!(list(&[]), [Value::Null; 0], "reopened");
    let states: Vec<Value> = list(&["--all"])
        .iter()
        .map(|finding| finding["decision"].clone())
        .collect();
    assert_eq!(states, ["reopened", "snoozed", "wrong", "acknowledged"]);
    assert!(
        list(&["--all"])[0]["run"]
            .as_str()
            .unwrap()
            .starts_with(WINDOW)
    );
}

#[test]
fn text_of_decisions_is_data() {
    let (scratch, id) = workspace();
    let who = "<script>alert(1)</script>";
    let why = "#panic(\"x\") $y$ {{ z }} \\ ]] <b>'\" \u{202e}txet";
    decide(&scratch, "acknowledge", &id, &["--by", who, "--why", why]).expect(0);
    run_in(&scratch, 2);
    for name in ["technical.html", "executive.html"] {
        let page = page(&scratch, name);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{name}");
        assert!(!page.contains(who) && !page.contains("<b>'"), "{name}");
    }
    assert!(last_run(&scratch).join("technical.pdf").is_file());
    let listed = retrocast_in(scratch.path(), &["finding", "list", "--json"])
        .expect(0)
        .stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["who"], who);
    assert_eq!(listed[0]["why"], why);
}

#[test]
fn wrong_decisions_are_refused() {
    let (scratch, id) = workspace();
    let by = ["--by", "ann", "--why", "a test"];
    let check = |result: CommandResult, words: &[&str]| assert_stderr(&result.expect(2), words);
    check(
        decide(&scratch, "wrong", "nonsense", &by),
        &["no finding \"nonsense\""],
    );
    check(
        decide(&scratch, "wrong", &id, &["--by", "ann", "--why", " "]),
        &["--why is empty"],
    );
    check(
        decide(&scratch, "wrong", &id, &["--by", "a\nb", "--why", "x"]),
        &["--by must be one line"],
    );
    let past = [&by[..], &["--until", "2026-01-01"]].concat();
    check(decide(&scratch, "snooze", &id, &past), &["not after today"]);
    check(decide(&scratch, "snooze", &id, &by), &["--until"]);
    let without_id = [&["finding", "wrong", "small"][..], &by].concat();
    check(
        retrocast_in(scratch.path(), &without_id),
        &["expected RUN#FINDING"],
    );
}
