//! Identities of findings over weeks in which their estimates move.

use super::support::*;
use jiff::civil::{Date, date};
use serde_json::Value;
use std::{fs, path::Path};

const JOB: &str = r#"title = "Tickets"
window = "week"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.shifts]
kind = "change_point"
input = "tickets"
measure = "tickets"

[stage.rhythm]
kind = "temporal_pattern"
input = "tickets"
effects = ["weekday"]
measure = "tickets"

[report.executive]
[report.technical]
"#;

/// Tickets whose level rises at the end of March, with more on Mondays and slightly fewer of these on
/// Tuesdays. With this noise, the shift is dated in April up to the end of May and in March from
/// then on, and the days that differ alternate.
fn tickets() -> String {
    const PER_WEEKDAY: [f64; 7] = [1.2, 1.12, 0.94, 0.94, 0.94, 0.94, 0.92];
    // The generator of Numerical Recipes.
    let mut state = 1_013_904_226_u64;
    let mut uniform = || {
        state = (state * 1_664_525 + 1_013_904_223) % (1 << 32);
        state as f64 / (1_u64 << 32) as f64
    };
    let days = date(2026, 1, 5).series(jiff::Span::new().days(1));
    let (mut id, mut lines) = (0, String::new());
    for day in days.take_while(|day| *day < date(2026, 6, 8)) {
        let level = match day {
            day if day < date(2026, 3, 30) => 20.0,
            day if day < date(2026, 4, 2) => 23.6,
            _ => 27.0,
        };
        let weekday = day.weekday().to_monday_zero_offset() as usize;
        let noise = uniform() + uniform() + uniform() - 1.5;
        let count = (level * PER_WEEKDAY[weekday] + 8.0 * noise).round() as u64;
        for n in 0..count {
            id += 1;
            let (hour, minute) = (n % 24, n / 24);
            lines.push_str(&format!(
                "{{\"id\":{id},\"at\":\"{day}T{hour:02}:{minute:02}:00Z\"}}\n"
            ));
        }
    }
    lines
}

/// The findings of a run with a claim, by kind.
fn of_kind<'a>(findings: &'a [Value], kind: &str) -> &'a Value {
    let mut findings = findings.iter().filter(|finding| finding["kind"] == kind);
    let finding = findings.next().expect("a finding of the kind");
    assert!(findings.next().is_none(), "{kind}");
    finding
}

/// The page of the history of a finding.
fn history_page(reports: &Path, id: &str) -> String {
    let folder = reports.join("small/findings");
    let mut pages = fs::read_dir(folder).expect("pages").flatten();
    let page = pages.find(|page| page.file_name().to_string_lossy().contains(id));
    fs::read_to_string(page.expect("a page of the finding").path()).expect("a page")
}

#[test]
fn findings_keep_their_identities_when_their_estimates_move() {
    let scratch = workspace_of("small", JOB);
    scratch.write("records/a.jsonl", tickets());
    let weeks = [
        "backfill",
        "small",
        "--from",
        "2026-05-18",
        "--to",
        "2026-06-08",
    ];
    retrocast_in(scratch.path(), &weeks).expect(0);
    let reports = scratch.join("reports");
    let runs = runs(&reports, "small");
    assert_eq!(runs.len(), 3);
    let weeks: Vec<Vec<Value>> = runs.iter().map(|run| findings(run)).collect();

    // The estimates move: the shift to another month, the rhythm to other days.
    let month = |week: &[Value]| {
        let text = of_kind(week, "change_point")["numbers"]["date"].as_str();
        let day: Date = text.expect("a date").parse().expect("a date");
        day.month()
    };
    assert_eq!([month(&weeks[1]), month(&weeks[2])], [4, 3]);
    let days = |week: &[Value]| of_kind(week, "weekday_effect")["numbers"]["bars"].clone();
    assert_ne!(days(&weeks[0]), days(&weeks[1]));

    let [old, new] = [&runs[1], &runs[2]].map(|run| run.display().to_string());
    let diff = retrocast_in(scratch.path(), &["diff", &old, &new, "--json"]).expect(0);
    let diff: Value = serde_json::from_str(&diff.stdout).expect("json");
    for list in ["new", "gone"] {
        assert!(
            diff["findings"][list]
                .as_array()
                .expect("a list")
                .is_empty(),
            "{diff}"
        );
    }
    let query = "select \"window\", state, times from ledger.findings order by kind, \"window\"";
    let lake = ["lake", "query", "small", query, "--json"];
    let rows = retrocast_in(scratch.path(), &lake).expect(0).stdout;
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("rows");
    let states: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["state"].as_str())
        .collect();
    let expected = ["new", "persisting", "persisting"];
    assert_eq!(states, [expected, expected].concat(), "{rows:#?}");
    for kind in ["change_point", "weekday_effect"] {
        let ids = weeks.iter().map(|week| of_kind(week, kind)["id"].clone());
        let ids: Vec<Value> = ids.collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{kind}: {ids:?}");
        let page = history_page(&reports, ids[0].as_str().expect("an id"));
        assert!(page.contains("mark-persisting"), "{page}");
        for mark in ["mark-new", "mark-resolved"] {
            assert!(!page.contains(mark), "{page}");
        }
    }
    for name in ["executive.html", "technical.html"] {
        let page = fs::read_to_string(runs[2].join(name)).expect("a report");
        assert!(!page.contains("no longer found"), "{name}");
        let known = page.contains("in each of the 2 previous reports");
        assert!(known || name == "technical.html", "{name}");
    }

    // A rerun sees the same earlier findings.
    let name = runs[2]
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    retrocast_in(scratch.path(), &["rerun", &name]).expect(0);
    let again = super::support::runs(&reports, "small");
    let again = again
        .iter()
        .filter(|run| run.to_string_lossy().contains("2026-W23"));
    for run in again {
        assert_eq!(findings(run), weeks[2]);
    }
}
