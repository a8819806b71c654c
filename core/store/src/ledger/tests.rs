use super::{nouns::PUBLICATION, *};
use crate::{ResourcePool, Sql, SqlTable, dataset::Properties, maintenance::Sweep, sql};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::new(folder.path(), "weekly").unwrap();
    (folder, lake)
}

/// A run for the week with this number, finished at this hour of its Monday.
fn run(week: u32, name: &str, hour: u32) -> PublishedRun {
    let monday = |week: u32| -> Timestamp {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        start + SignedDuration::from_hours(i64::from(week - 2) * 168)
    };
    PublishedRun {
        job: "weekly".to_string(),
        window: format!("2026-W{week:02}"),
        window_kind: "week".to_string(),
        window_start: monday(week),
        window_end: monday(week + 1),
        run: name.to_string(),
        finished: monday(week + 1) + SignedDuration::from_hours(i64::from(hour)),
        publication: String::new(),
    }
}

fn row(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A publication of a run: one finding per name.
fn publication(run: PublishedRun, found: &[&str]) -> Publication {
    let findings = found.iter().map(|id| row(json!({"id": id, "times": 1})));
    let status = row(json!({"status": "complete", "date": "2026-01-12", "build": "test"}));
    let rows = BTreeMap::from([
        (FINDINGS.name, findings.collect::<Vec<_>>()),
        (RUNS.name, vec![status]),
    ]);
    Publication::new(run, rows).unwrap()
}

/// The rows that a query over the ledger gives, as text.
async fn ask(lake: &Lake, query: &str) -> Vec<String> {
    let sql = Sql {
        pool: ResourcePool::without_disk(64 << 20),
        timezone: "UTC".to_string(),
    };
    let answer = lake.ask(&sql, query, 100).await.unwrap();
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_string());
    let rows = answer.rows.into_iter();
    rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(" "))
        .collect()
}

const FOUND: &str = "select \"window\", run, id from ledger.findings";

#[tokio::test]
async fn a_run_is_published_once() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    assert_eq!(ask(&lake, FOUND).await, [""; 0], "nothing is there yet");
    let first = publication(run(2, "a", 9), &["leak", "outage"]);
    let publications = [first.clone()];
    assert_eq!(ledger.publish(&publications).await.unwrap(), 1);
    assert_eq!(ledger.publish(&publications).await.unwrap(), 0);
    let expected = ["2026-W02 a leak", "2026-W02 a outage"];
    assert_eq!(ask(&lake, FOUND).await, expected);
    assert_eq!(
        lake.list().await.unwrap().len(),
        2,
        "no figures, no dataset"
    );
    // The same run, finished again after an interruption.
    let resumed = publication(run(2, "a", 11), &["leak", "outage"]);
    assert_eq!(ledger.publish(&[resumed]).await.unwrap(), 0);
    // A run without findings is still a run, and names alone do not identify one.
    let again = publication(run(2, "a", 12), &[]);
    let both = [first, again];
    assert_eq!(ledger.publish(&both).await.unwrap(), 1);
    assert_eq!(ledger.runs().await.unwrap(), both.map(|one| one.run));
    assert_eq!(ask(&lake, FOUND).await, [""; 0], "the newest found nothing");
}

#[tokio::test]
async fn what_died_half_way_is_completed_and_not_seen_before() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let whole = publication(run(2, "a", 9), &["leak"]);
    let key = whole.run.publication.clone();
    // The process dies after it wrote the findings and before it wrote the run.
    let mut found = whole.run.columns().unwrap();
    found.extend(row(json!({"id": "leak", "times": 1, "position": 0})));
    let rows = vec![(key, vec![found])];
    assert_eq!(ledger.append(&FINDINGS, rows).await.unwrap(), 1);
    assert_eq!(ask(&lake, FOUND).await, [""; 0]);
    assert_eq!(ledger.publish(&[whole]).await.unwrap(), 1);
    assert_eq!(ask(&lake, FOUND).await, ["2026-W02 a leak"]);
    let all = ask(&lake, "select count(*) from ledger__findings").await;
    assert_eq!(all, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_publish_at_once_each_run_is_there_once() {
    let (folder, _) = lake();
    let publications: Vec<Publication> = (2..6)
        .map(|week| publication(run(week, "a", 9), &["leak", "outage"]))
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..4 {
        let mut mine = publications.clone();
        mine.rotate_left(first);
        // Another process: only the storage is shared.
        let lake = Lake::new(folder.path(), "weekly").unwrap();
        tasks.spawn(async move {
            let ledger = Ledger::new(&lake);
            for one in mine {
                ledger.publish(&[one]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let lake = Lake::new(folder.path(), "weekly").unwrap();
    let all = ask(&lake, "select count(*) from ledger__findings").await;
    assert_eq!(all, ["8"]);
    assert_eq!(Ledger::new(&lake).runs().await.unwrap().len(), 4);
}

#[tokio::test]
async fn the_newest_run_of_each_window_counts() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let published = [
        publication(run(3, "b", 9), &["three"]),
        publication(run(2, "late", 300), &["two, again"]),
        publication(run(2, "a", 9), &["two"]),
        publication(run(4, "c", 9), &["four"]),
    ];
    for one in &published {
        let one = std::slice::from_ref(one);
        assert_eq!(ledger.publish(one).await.unwrap(), 1);
    }
    // By window, in whatever order they were published.
    let expected = [
        "2026-W02 late two, again",
        "2026-W03 b three",
        "2026-W04 c four",
    ];
    assert_eq!(ask(&lake, FOUND).await, expected);
    let start = run(4, "", 0).window_start;
    let seen = newest(ledger.runs().await.unwrap(), |run| run.window_end <= start);
    let names: Vec<&str> = seen.iter().map(|run| &*run.run).collect();
    assert_eq!(names, ["late", "b"]);
    // A stage sees the runs that its plan names, also later.
    let sql = Sql {
        pool: ResourcePool::without_disk(64 << 20),
        timezone: "UTC".to_string(),
    };
    let named = vec![published[2].run.publication.clone()];
    let tables = [SqlTable::ledger(&FINDINGS, named)];
    let query = "select id from ledger.findings";
    let (_, rows) = sql.query(&lake, query, &tables).await.unwrap();
    let rows: usize = rows.iter().map(arrow::array::RecordBatch::num_rows).sum();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn what_people_decide_is_folded() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let decision = |hour: u32, key: &str, decision: &str| Decision {
        time: run(2, "", hour).finished,
        who: "ann".to_string(),
        noun: "findings".to_string(),
        key: key.to_string(),
        decision: decision.to_string(),
        why: "it's known".to_string(),
    };
    let recommendations = [
        decision(2, "leak", "reopened"),
        decision(1, "leak", "dismissed"),
        decision(3, "outage", "accepted"),
    ];
    for one in recommendations.iter().chain(&recommendations[..1]) {
        ledger.decide(one).await.unwrap();
    }
    let all = ledger.decisions().await.unwrap();
    assert_eq!(
        all,
        [
            recommendations[1].clone(),
            recommendations[0].clone(),
            recommendations[2].clone()
        ]
    );
    let state = present(&all);
    let of = |key: &str| &*state[&("findings", key)].decision;
    assert_eq!(
        (of("leak"), of("outage"), state.len()),
        ("reopened", "accepted", 2)
    );
    let query = "select key, decision from ledger.decisions where who = 'ann'";
    let expected = ["leak dismissed", "leak reopened", "outage accepted"];
    assert_eq!(ask(&lake, query).await, expected);
}

#[tokio::test]
async fn cleaning_up_loses_no_row() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    for week in 2..40 {
        let one = publication(run(week, "a", 9), &["leak"]);
        ledger.publish(&[one]).await.unwrap();
    }
    let before = ask(&lake, FOUND).await;
    assert_eq!(before.len(), 38);
    let sweep = Sweep {
        keep: SignedDuration::ZERO,
        now: Timestamp::now(),
        dry: false,
    };
    for name in lake.names().await.unwrap() {
        let swept = lake.sweep(&name, &BTreeSet::new(), sweep).await.unwrap();
        assert!(swept.kept.len() <= 1, "{swept:?}");
    }
    assert_eq!(ask(&lake, FOUND).await, before);
    let one = publication(run(40, "a", 9), &["leak"]);
    assert_eq!(ledger.publish(&[one]).await.unwrap(), 1);
    assert_eq!(ask(&lake, FOUND).await.len(), 39);
}

#[tokio::test]
async fn a_ledger_of_an_older_program_gets_the_columns_that_are_new() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    ledger
        .publish(&[publication(run(2, "a", 9), &["leak"])])
        .await
        .unwrap();
    // As if `state` and `times` had not been declared yet.
    let name = FINDINGS.dataset();
    let latest = lake.latest(&name).await.unwrap().unwrap();
    let frame = lake.read_frame(&latest, &Scan::default()).await.unwrap();
    let older = frame.drop_many(["state", "times"]);
    let properties = Properties::new();
    lake.write_frame(&name, &older, &properties).await.unwrap();
    let query = "select id, times, state from ledger.findings";
    assert_eq!(ask(&lake, query).await, ["leak null null"]);
    let next = publication(run(3, "b", 9), &["outage"]);
    assert_eq!(ledger.publish(&[next]).await.unwrap(), 1);
    assert_eq!(ask(&lake, query).await, ["leak null null", "outage 1 null"]);
}

#[tokio::test]
async fn tables_that_are_not_there_are_reported_with_those_that_are() {
    let (_folder, lake) = lake();
    let sql = Sql {
        pool: ResourcePool::without_disk(64 << 20),
        timezone: "UTC".to_string(),
    };
    for (query, words) in [
        (
            "select * from ledger.finding",
            "did you mean \"ledger.findings\"",
        ),
        (
            "select * from ledger.x",
            "findings, kpis, effects, health, recommendations, decisions, improvements, runs",
        ),
        ("select * from ledger.findings@3", "ledger__findings@3"),
        (
            "select sentnce from ledger.findings",
            "did you mean sentence",
        ),
        (
            "select * from other.findings",
            "there is no table other.findings",
        ),
    ] {
        let message = lake.ask(&sql, query, 1).await.unwrap_err().to_string();
        assert!(message.contains(words), "{query}: {message}");
    }
}

#[test]
fn every_column_is_described_and_named_once() {
    for noun in NOUNS {
        let names: Vec<&str> = noun.shown().map(|column| column.name).collect();
        let unique: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        for column in noun.shown() {
            assert!(column.description.ends_with('.'), "{}", column.name);
        }
        let schema = noun.schema();
        let keys = noun.identity.into_iter().chain([noun.key()]);
        assert!(
            keys.into_iter()
                .all(|key| schema.field_with_name(key).is_ok())
        );
    }
}

#[test]
fn queries_are_checked_against_the_columns_of_the_ledger() {
    let check = |query: &str| {
        let schema = sql::check(query, &tables(), "Europe/London");
        schema.map_err(|error| error.to_string())
    };
    let query = "select \"window\", count(*) as n from ledger.findings \
                 where state = 'new' and window_end < now() group by 1";
    assert_eq!(check(query).unwrap().fields().len(), 2);
    let wrong = check("select kpi from ledger.kpis").unwrap_err();
    assert!(wrong.contains("no column"), "{wrong}");
    for (name, schema) in tables() {
        assert!(schema.field_with_name(PUBLICATION).is_err(), "{name}");
    }
}
