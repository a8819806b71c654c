//! The ledger: findings over twelve weeks, queries by stages and users, and decisions.

use super::support::*;
use jiff::civil::Date;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

const OPERATIONS: &str = "weekly-operations";
const BACKFILL: &[&str] = &[
    "backfill",
    OPERATIONS,
    "--from",
    "2026-08-24",
    "--to",
    "2026-11-16",
];

/// The rows of a query over a job's lake.
fn ask(folder: &Path, job: &str, query: &str) -> Vec<Value> {
    let arguments = ["lake", "query", job, query, "--json", "--rows", "100000"];
    let rows = retrocast_in(folder, &arguments).expect(0).stdout;
    serde_json::from_str(&rows).unwrap()
}

/// A row of `ledger.findings`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LedgerFinding {
    window: String,
    id: String,
    state: String,
    since: String,
    times: u64,
    /// Kind, subject and statement; empty if the finding is resolved.
    statement: [String; 3],
    severity: String,
}

fn ledger_findings(folder: &Path) -> Vec<LedgerFinding> {
    let query = "select \"window\", id, state, since, times, severity, kind, subject, what \
                 from ledger.findings order by \"window\", id, state";
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
    let rows = ask(folder, OPERATIONS, query);
    let rows = rows.iter().map(|row| LedgerFinding {
        window: text(row, "window"),
        id: text(row, "id"),
        state: text(row, "state"),
        since: text(row, "since"),
        times: row["times"].as_u64().unwrap(),
        statement: ["kind", "subject", "what"].map(|name| text(row, name)),
        severity: text(row, "severity"),
    });
    rows.collect()
}

fn backfill(folder: &Path, records: &Path) {
    let output = start_command(BACKFILL, folder, records)
        .wait_with_output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

/// Counts the runs that are finished according to their journals.
fn finished_runs(folder: &Path) -> usize {
    let base = folder.join("reports").join(OPERATIONS);
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let runs = entries(&base).flat_map(|window| entries(&window.path()).collect::<Vec<_>>());
    runs.filter(|run| {
        let journal = fs::read_to_string(run.path().join("journal.jsonl"));
        journal.is_ok_and(|text| text.contains("\"run_finished\""))
    })
    .count()
}

/// Starts a backfill, kills it once the fifth run has finished, which may not be published yet,
/// reruns two weeks, and completes the backfill.
fn backfill_with_interruptions(scratch: &Scratch, records: &Path) {
    let folder = scratch.path();
    let mut child = start_command(BACKFILL, folder, records);
    let deadline = Instant::now() + Duration::from_secs(600);
    while finished_runs(folder) < 5 && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "five runs take too long");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for options in [
        &["--window", "2026-W36", "--force"][..],
        &["--window", "2026-W38"],
    ] {
        run_job(scratch, OPERATIONS, records, options).expect(0);
    }
    backfill(folder, records);
}

/// The ISO week of a day, such as 2026-W41.
fn week_of(day: Date) -> String {
    let week = day.iso_week_date();
    format!("{}-W{:02}", week.year(), week.week())
}

/// Checks that a finding is new in its first week, persisting in the following weeks, and resolved
/// in the first week without it.
fn check_state_transitions(rows: &[LedgerFinding], weeks: &[String]) {
    let mut previous: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for week in weeks {
        let rows_of_week = || rows.iter().filter(|row| row.window == *week);
        let current_rows: Vec<&LedgerFinding> = rows_of_week()
            .filter(|row| row.state != "resolved")
            .collect();
        let mut current = BTreeMap::new();
        for row in &current_rows {
            let expected = match previous.get(&*row.id) {
                Some((since, times)) => ("persisting", *since, times + 1),
                None => ("new", week.as_str(), 1),
            };
            let reported = (row.state.as_str(), row.since.as_str(), row.times);
            assert_eq!(reported, expected, "{row:?}");
            current.insert(&*row.id, (expected.1, expected.2));
        }
        for row in rows_of_week().filter(|row| row.state == "resolved") {
            let reported = (row.since.as_str(), row.times);
            assert_eq!(previous.get(&*row.id), Some(&reported), "{row:?}");
            assert!(!current.contains_key(&*row.id), "{row:?}");
        }
        previous = current;
    }
}

/// Checks that a planted fact is new in its first week, persists from then on, and is not resolved.
/// A verdict on an improvement is a finding of its own, which replaces the one without proof.
fn check_planted_facts(rows: &[LedgerFinding], weeks: &[String], truth: &Value) {
    let day = |fact: &Value| -> Option<Date> { fact["date"].as_str()?.parse().ok() };
    for fact in truth["facts"].as_array().unwrap() {
        let subject = match &fact["subject"] {
            Value::Object(subject) => format!(
                "{} = {}",
                subject["column"].as_str().unwrap(),
                subject["value"].as_str().unwrap()
            ),
            _ => "all".to_string(),
        };
        let name = fact["id"].as_str().unwrap();
        // The kind of finding that reports it, and words of its statement.
        let (kind, words) = match fact["kind"].as_str().unwrap() {
            "weekday_effect" => ("weekday_effect", "failure tickets on Mondays".to_string()),
            "volume_threshold" => ("volume_threshold", "failed executions".to_string()),
            "change_point" => ("change_point", "shift of tickets".to_string()),
            "outage" => {
                let records = match fact["source"].as_str().unwrap() {
                    "pipelines" => "executions",
                    source => source,
                };
                (
                    "anomaly",
                    format!("{records} at {}", fact["date"].as_str().unwrap()),
                )
            }
            "drift" => ("trend", "memory in use".to_string()),
            _ => ("effect", format!("{name} on")),
        };
        let matching: Vec<&LedgerFinding> = rows
            .iter()
            .filter(|row| row.statement[0] == kind && row.statement[2].contains(&words))
            .filter(|row| row.statement[1] == subject || fact["subject"]["column"] == "type")
            .collect();
        let message = |problem: &str| format!("{name}: {problem}: {matching:#?}");
        assert!(!matching.is_empty(), "{}", message("not found"));
        let (resolved, found): (Vec<&LedgerFinding>, Vec<&LedgerFinding>) = matching
            .iter()
            .copied()
            .partition(|row| row.state == "resolved");
        let by_id: Vec<&[&LedgerFinding]> = found.chunk_by(|a, b| a.id == b.id).collect();
        let most = if kind == "effect" { 2 } else { 1 };
        assert!(by_id.len() <= most, "{}", message("more than one"));
        // Earlier facts are new in the first week; a drift is found once it is large enough.
        let expected_first = day(fact)
            .map_or_else(|| weeks[0].clone(), week_of)
            .max(weeks[0].clone());
        let first = &found[0].window;
        if kind == "trend" {
            assert!(*first > expected_first, "{}", message("found too early"));
        } else {
            assert_eq!(
                *first,
                expected_first,
                "{}",
                message("not found in its first week")
            );
        }
        let expected = weeks.iter().filter(|week| *week >= first);
        let windows = found.iter().map(|row| &row.window);
        assert!(
            windows.eq(expected),
            "{}",
            message("not in all weeks since")
        );
        for rows in &by_id {
            for (n, row) in (1..).zip(*rows) {
                let state = if n == 1 { "new" } else { "persisting" };
                let reported = (row.state.as_str(), &row.since, row.times);
                assert_eq!(reported, (state, &rows[0].window, n), "{name}");
            }
        }
        assert!(resolved.is_empty(), "{}", message("resolved"));
    }
    // A day with too few records is a finding in its week, and resolved in the next.
    let outage = truth["facts"].as_array().unwrap().iter();
    let outage = outage
        .filter(|fact| fact["id"] == "outage-pipelines")
        .find_map(day);
    let week = week_of(outage.unwrap());
    let few = rows.iter().find(|row| {
        row.window == week
            && row.statement[0] == "quality"
            && row.statement[2].contains("fewer records")
    });
    let few = few.expect("too few records");
    let of_finding: Vec<_> = rows.iter().filter(|row| row.id == few.id).collect();
    let next = weeks.iter().find(|other| **other > week).unwrap();
    assert_eq!(of_finding.len(), 2, "{of_finding:#?}");
    assert_eq!(
        (&of_finding[1].window, &*of_finding[1].state),
        (next, "resolved")
    );
    assert_eq!((&*of_finding[1].since, of_finding[1].times), (&*week, 1));
}

#[test]
fn findings_of_twelve_weeks_are_new_persisting_and_resolved_as_planted() {
    let records = operations();
    let (undisturbed, interrupted) = (Scratch::new(), Scratch::new());
    backfill(undisturbed.path(), records);
    let rows = ledger_findings(undisturbed.path());
    let windows: BTreeSet<String> = rows.iter().map(|row| row.window.clone()).collect();
    let weeks: Vec<String> = windows.into_iter().collect();
    let expected: Vec<String> = (35..=46).map(|week| format!("2026-W{week}")).collect();
    assert_eq!(weeks, expected);
    check_state_transitions(&rows, &weeks);
    check_planted_facts(&rows, &weeks, &json(&records.join("truth.json")));
    backfill_with_interruptions(&interrupted, records);
    assert_eq!(ledger_findings(interrupted.path()), rows);
    let query = "select count(*) as n, count(distinct publication) as runs from ledger__runs";
    let published = &ask(interrupted.path(), OPERATIONS, query)[0];
    // Each finished run is published once, by its own process or by a later process.
    let finished = finished_runs(interrupted.path());
    assert!(finished >= 14, "{finished}");
    assert_eq!(
        published,
        &serde_json::json!({"n": finished, "runs": finished})
    );
    let query = "select run, id, state, count(*) from ledger__findings \
                 group by 1, 2, 3 having count(*) > 1";
    assert_eq!(ask(interrupted.path(), OPERATIONS, query), [Value::Null; 0]);

    // The next run publishes the runs that are missing in a lost or outdated ledger.
    let lake = interrupted.join("data/lake").join(OPERATIONS);
    for table in ["findings", "kpis", "effects", "runs"] {
        fs::remove_dir_all(lake.join(format!("ledger__{table}.lance"))).unwrap();
    }
    run_job(&interrupted, OPERATIONS, records, &["--window", "2026-W46"]).expect(0);
    assert_eq!(ledger_findings(interrupted.path()), rows);
}

const SMALL: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.tally]
kind = "sql"
query = """
select 'all' as who, count(*) as n from tickets
where at >= ${window.start} and at < ${window.end}
"""
sentence = "{n} tickets came in."

[stage.seen]
kind = "sql"
query = """
select f."window" as week, f.run, f.id, f.sentence, d.decision
from ledger.findings f left join ledger.decisions d on d.noun = 'findings' and d.key = f.id
where f.stage = 'tally'
order by f."window"
"""

[report.technical]
"#;

/// A line for a ticket on a day.
fn ticket(id: u32, day: &str) -> String {
    format!("{{\"id\":{id},\"at\":\"{day}T12:00:00Z\"}}\n")
}

fn run(scratch: &Scratch, window: &str, options: &[&str]) -> CommandResult {
    let command = [&["run", "small", "--window", window][..], options].concat();
    retrocast_in(scratch.path(), &command).expect(0)
}

/// The earlier runs that the stage `seen` read in the last run.
fn earlier_runs(scratch: &Scratch) -> Vec<String> {
    let rows = ask(
        scratch.path(),
        "small",
        "select week, sentence, decision from seen",
    );
    let text = |value: &Value| value.as_str().unwrap_or("none").to_string();
    let rows = rows.iter().map(|row| {
        let cells = ["week", "sentence", "decision"].map(|name| text(&row[name]));
        cells.join(" | ")
    });
    rows.collect()
}

/// Hashes of the results of a run.
fn checksums(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("checksums.b3")).unwrap();
    let lines = text.lines().filter(|line| !line.ends_with("plan.json"));
    lines.map(str::to_string).collect()
}

#[test]
fn a_stage_reads_the_newest_run_of_each_earlier_week_also_in_reruns() {
    let scratch = workspace_of("small", SMALL);
    let days = ["2026-01-06", "2026-01-13", "2026-01-14", "2026-01-20"];
    let lines: String = (1..).zip(days).map(|(id, day)| ticket(id, day)).collect();
    scratch.write("records/a.jsonl", &lines);
    run(&scratch, "2026-W02", &[]);
    assert_eq!(earlier_runs(&scratch), [""; 0], "no earlier week");
    run(&scratch, "2026-W03", &[]);
    let week_2 = "2026-W02 | 1 tickets came in. | none";
    assert_eq!(earlier_runs(&scratch), [week_2]);
    run(&scratch, "2026-W04", &[]);
    let week_3 = "2026-W03 | 2 tickets came in. | none";
    assert_eq!(earlier_runs(&scratch), [week_2, week_3]);
    let newest = || {
        let mut runs = runs(&scratch.join("reports"), "small");
        runs.sort_by_cached_key(|run| json(&run.join("run.json"))["started"].to_string());
        runs.pop().unwrap()
    };
    let first = newest();

    // The same run is reused: its own window and later windows are not read.
    let result = run(&scratch, "2026-W04", &[]);
    assert_stderr(&result, &["reused   stage.seen"]);
    let result = run(&scratch, "2026-W02", &[]);
    assert_stderr(&result, &["reused   stage.seen"]);

    // A late ticket: the second week is run again, so the third week reads another run of the
    // second week.
    scratch.write("records/b.jsonl", ticket(9, "2026-01-15"));
    run(&scratch, "2026-W03", &[]);
    let explain = ["explain", "small", "stage.seen", "--window", "2026-W04"];
    let explained = retrocast_in(scratch.path(), &explain).expect(0).stdout;
    assert!(explained.contains("ledger.findings changed"), "{explained}");
    run(&scratch, "2026-W04", &[]);
    let late_week_3 = "2026-W03 | 3 tickets came in. | none";
    assert_eq!(earlier_runs(&scratch), [week_2, late_week_3]);

    // An exact rerun of the first run of the third week has the same results in spite of later
    // publications, both from the cache and recomputed.
    let name = first.file_name().unwrap().to_str().unwrap();
    let rerun = || retrocast_in(scratch.path(), &["rerun", name]).expect(0);
    assert_stderr(&rerun(), &["reused   stage.seen"]);
    assert_eq!(checksums(&newest()), checksums(&first));
    assert!(remove_outcomes(&scratch.join("data/lake/outcomes"), "stage.seen") > 0);
    assert_stderr(&rerun(), &["done     stage.seen"]);
    assert_eq!(earlier_runs(&scratch), [week_2, week_3]);
}

/// Removes the cached outcomes of a node and returns their number.
fn remove_outcomes(folder: &Path, node: &str) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += remove_outcomes(&path, node);
            continue;
        }
        let outcome = fs::read_to_string(&path).unwrap_or_default();
        if outcome.contains(&format!("\"node\":\"{node}\"")) {
            fs::remove_file(path).unwrap();
            count += 1;
        }
    }
    count
}

#[test]
fn runs_read_decisions_made_before_their_date() {
    let scratch = workspace_of("small", SMALL);
    scratch.write("records/a.jsonl", ticket(1, "2026-01-06"));
    run(&scratch, "2026-W02", &[]);
    let rows = ask(scratch.path(), "small", "select id from ledger.findings");
    let id = rows[0]["id"].as_str().unwrap();
    let decide = |verb: &str, why: &str| {
        let finding = format!("small/2026-W02#{id}");
        let command = ["finding", verb, &finding, "--why", why, "--by", "ann"];
        retrocast_in(scratch.path(), &command)
    };
    decide("wrong", "it's a load test").expect(0);
    decide("reopen", "it was none").expect(0);
    let list = |options: &[&str]| {
        let command = [&["finding", "list", "small", "--json"][..], options].concat();
        let listed = retrocast_in(scratch.path(), &command).expect(0).stdout;
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        listed.len()
    };
    assert_eq!(list(&[]), 0, "a reopened finding has no decision in force");
    assert_eq!(list(&["--all"]), 2);

    // A run dated before the decisions does not read them; a run dated after them does.
    run(&scratch, "2026-W03", &[]);
    assert_eq!(
        earlier_runs(&scratch),
        ["2026-W02 | 1 tickets came in. | none"]
    );
    let tomorrow = jiff::Zoned::now()
        .date()
        .tomorrow()
        .unwrap()
        .tomorrow()
        .unwrap();
    run(&scratch, "2026-W03", &["--date", &tomorrow.to_string()]);
    let mut decided = earlier_runs(&scratch);
    decided.sort();
    let expected = ["reopened", "wrong"];
    let expected = expected.map(|word| format!("2026-W02 | 1 tickets came in. | {word}"));
    assert_eq!(decided, expected);
    // Garbage collection removes versions, but no rows.
    let count = "select count(*) as n from ledger.findings";
    let before = ask(scratch.path(), "small", count);
    assert_eq!(before[0]["n"], 2);
    let gc = ["lake", "gc", "small", "--keep-days", "0"];
    retrocast_in(scratch.path(), &gc).expect(0);
    assert_eq!(list(&["--all"]), 2);
    assert_eq!(ask(scratch.path(), "small", count), before);
}

#[test]
fn unknown_ledger_tables_and_columns_are_reported_by_check() {
    let wrong = SMALL.replace("ledger.findings f", "ledger.finding f");
    let scratch = workspace_of("small", &wrong);
    let checked = retrocast_in(scratch.path(), &["check", "small"]).expect(2);
    assert_stderr(
        &checked,
        &[
            "the ledger has no table `ledger.finding`",
            "did you mean `ledger.findings`",
        ],
    );
    let scratch = workspace_of("small", &SMALL.replace("f.sentence", "f.sentnce"));
    let checked = retrocast_in(scratch.path(), &["check", "small"]).expect(2);
    assert_stderr(
        &checked,
        &["there is no column f.sentnce", "did you mean sentence"],
    );
}
