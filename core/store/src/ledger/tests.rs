use super::{schema::PUBLICATION, *};
use crate::{ResourcePool, Sql, SqlTable, dataset::Properties, maintenance::SweepOptions, sql};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::new(folder.path(), "weekly").unwrap();
    (folder, lake)
}

/// A run for the week with number `week`, finished at `hour` on its Monday.
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

/// A publication of a run with the given findings.
fn publication(run: PublishedRun, finding_ids: &[&str]) -> Publication {
    let findings = finding_ids
        .iter()
        .map(|id| row(json!({"id": id, "times": 1})));
    let status = row(json!({"status": "complete", "date": "2026-01-12", "build": "test"}));
    let rows = BTreeMap::from([
        (FINDINGS.name, findings.collect::<Vec<_>>()),
        (RUNS.name, vec![status]),
    ]);
    Publication::new(run, rows).unwrap()
}

/// Runs a query over the ledger and returns its rows as text.
async fn query_texts(lake: &Lake, query: &str) -> Vec<String> {
    let sql = Sql {
        pool: ResourcePool::without_disk(64 << 20),
        timezone: "UTC".to_string(),
    };
    let result = lake.query(&sql, query, 100).await.unwrap();
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_string());
    let rows = result.rows.into_iter();
    rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(" "))
        .collect()
}

const QUERY: &str = "select \"window\", run, id from ledger.findings";

#[tokio::test]
async fn a_run_is_published_once() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    assert_eq!(query_texts(&lake, QUERY).await, [""; 0], "no rows yet");
    let first = publication(run(2, "a", 9), &["leak", "outage"]);
    let publications = [first.clone()];
    assert_eq!(ledger.publish(&publications).await.unwrap(), 1);
    assert_eq!(ledger.publish(&publications).await.unwrap(), 0);
    let expected = ["2026-W02 a leak", "2026-W02 a outage"];
    assert_eq!(query_texts(&lake, QUERY).await, expected);
    assert_eq!(
        lake.list().await.unwrap().len(),
        2,
        "no figures, no dataset"
    );
    // The same run, finished again after an interruption.
    let resumed = publication(run(2, "a", 11), &["leak", "outage"]);
    assert_eq!(ledger.publish(&[resumed]).await.unwrap(), 0);
    // A run without findings is published, too, and its name is not enough to identify it.
    let rerun = publication(run(2, "a", 12), &[]);
    let both = [first, rerun];
    assert_eq!(ledger.publish(&both).await.unwrap(), 1);
    assert_eq!(
        ledger.runs().await.unwrap(),
        both.map(|published| published.run)
    );
    assert_eq!(
        query_texts(&lake, QUERY).await,
        [""; 0],
        "the newest run has no findings"
    );
}

#[tokio::test]
async fn interrupted_publication_is_invisible_until_completed() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let publication = publication(run(2, "a", 9), &["leak"]);
    let key = publication.run.publication.clone();
    // The process dies after it wrote the findings and before it wrote the run.
    let mut finding = publication.run.columns().unwrap();
    finding.extend(row(json!({"id": "leak", "times": 1, "position": 0})));
    let rows = vec![(key, vec![finding])];
    assert_eq!(ledger.append(&FINDINGS, rows).await.unwrap(), 1);
    assert_eq!(query_texts(&lake, QUERY).await, [""; 0]);
    assert_eq!(ledger.publish(&[publication]).await.unwrap(), 1);
    assert_eq!(query_texts(&lake, QUERY).await, ["2026-W02 a leak"]);
    let counts = query_texts(&lake, "select count(*) from ledger__findings").await;
    assert_eq!(counts, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_publishers_publish_each_run_once() {
    let (folder, _) = lake();
    let publications: Vec<Publication> = (2..6)
        .map(|week| publication(run(week, "a", 9), &["leak", "outage"]))
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..4 {
        let mut rotated = publications.clone();
        rotated.rotate_left(first);
        // Another process: only the storage is shared.
        let lake = Lake::new(folder.path(), "weekly").unwrap();
        tasks.spawn(async move {
            let ledger = Ledger::new(&lake);
            for publication in rotated {
                ledger.publish(&[publication]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let lake = Lake::new(folder.path(), "weekly").unwrap();
    let counts = query_texts(&lake, "select count(*) from ledger__findings").await;
    assert_eq!(counts, ["8"]);
    assert_eq!(Ledger::new(&lake).runs().await.unwrap().len(), 4);
}

#[tokio::test]
async fn queries_see_the_newest_run_of_each_window() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let published = [
        publication(run(3, "b", 9), &["three"]),
        publication(run(2, "late", 300), &["two, again"]),
        publication(run(2, "a", 9), &["two"]),
        publication(run(4, "c", 9), &["four"]),
    ];
    for publication in &published {
        let publication = std::slice::from_ref(publication);
        assert_eq!(ledger.publish(publication).await.unwrap(), 1);
    }
    // Ordered by window, not by publication.
    let expected = [
        "2026-W02 late two, again",
        "2026-W03 b three",
        "2026-W04 c four",
    ];
    assert_eq!(query_texts(&lake, QUERY).await, expected);
    let start = run(4, "", 0).window_start;
    let seen = newest_by_window(ledger.runs().await.unwrap(), |run| run.window_end <= start);
    let names: Vec<&str> = seen.iter().map(|run| &*run.run).collect();
    assert_eq!(names, ["late", "b"]);
    // A stage sees the runs that its plan names, even after newer runs were published.
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
async fn the_last_decision_on_a_key_is_in_force() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    let decision = |hour: u32, key: &str, decision: &str| Decision {
        time: run(2, "", hour).finished,
        who: "ann".to_string(),
        noun: "findings".to_string(),
        key: key.to_string(),
        decision: decision.to_string(),
        why: "it's known".to_string(),
        until: None,
        run: None,
    };
    let recorded = [
        decision(2, "leak", "reopened"),
        decision(1, "leak", "dismissed"),
        decision(3, "outage", "accepted"),
    ];
    for decision in recorded.iter().chain(&recorded[..1]) {
        ledger.decide(decision).await.unwrap();
    }
    let decisions = ledger.decisions().await.unwrap();
    assert_eq!(
        decisions,
        [
            recorded[1].clone(),
            recorded[0].clone(),
            recorded[2].clone()
        ]
    );
    let state = decisions_in_force(&decisions);
    let decision_on = |key: &str| &*state[&("findings", key)].decision;
    assert_eq!(
        (decision_on("leak"), decision_on("outage"), state.len()),
        ("reopened", "accepted", 2)
    );
    let query = "select key, decision from ledger.decisions where who = 'ann'";
    let expected = ["leak dismissed", "leak reopened", "outage accepted"];
    assert_eq!(query_texts(&lake, query).await, expected);
}

#[tokio::test]
async fn cleanup_keeps_all_rows() {
    let (_folder, lake) = lake();
    let ledger = Ledger::new(&lake);
    for week in 2..40 {
        let published = publication(run(week, "a", 9), &["leak"]);
        ledger.publish(&[published]).await.unwrap();
    }
    let before = query_texts(&lake, QUERY).await;
    assert_eq!(before.len(), 38);
    let options = SweepOptions {
        keep: SignedDuration::ZERO,
        now: Timestamp::now(),
        dry_run: false,
    };
    for name in lake.names().await.unwrap() {
        let swept = lake.sweep(&name, &BTreeSet::new(), options).await.unwrap();
        assert!(swept.kept.len() <= 1, "{swept:?}");
    }
    assert_eq!(query_texts(&lake, QUERY).await, before);
    let published = publication(run(40, "a", 9), &["leak"]);
    assert_eq!(ledger.publish(&[published]).await.unwrap(), 1);
    assert_eq!(query_texts(&lake, QUERY).await.len(), 39);
}

#[tokio::test]
async fn columns_declared_later_are_added_to_an_older_ledger() {
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
    assert_eq!(query_texts(&lake, query).await, ["leak null null"]);
    let next = publication(run(3, "b", 9), &["outage"]);
    assert_eq!(ledger.publish(&[next]).await.unwrap(), 1);
    assert_eq!(
        query_texts(&lake, query).await,
        ["leak null null", "outage 1 null"]
    );
}

#[tokio::test]
async fn unknown_tables_are_reported_with_suggestions() {
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
            "findings, kpis, effects, health, recommendations, restatements, decisions, improvements, runs",
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
        let message = lake.query(&sql, query, 1).await.unwrap_err().to_string();
        assert!(message.contains(words), "{query}: {message}");
    }
}

#[test]
fn every_column_is_described_and_named_once() {
    for table in TABLES {
        let names: Vec<&str> = table.visible_columns().map(|column| column.name).collect();
        let unique: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        for column in table.visible_columns() {
            assert!(column.description.ends_with('.'), "{}", column.name);
        }
        let schema = table.schema();
        let keys = table.identity.into_iter().chain([table.key()]);
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
