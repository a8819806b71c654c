use super::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// All tables with their contracts, the basic tables first.
const CONTRACTS: [(&str, &str); 18] = [
    ("tickets", "ticket"),
    ("decisions", "decision"),
    ("pipelines", "pipeline_execution"),
    ("metrics", "metric_sample"),
    ("improvements", "improvement"),
    ("tasks", "task"),
    ("task_executions", "task_execution"),
    ("task_dependencies", "task_dependency"),
    ("step_executions", "step_execution"),
    ("pipeline_configurations", "pipeline_configuration"),
    ("resource_usage", "resource_usage"),
    ("integration_events", "integration_event"),
    ("incidents", "incident"),
    ("alerts", "alert"),
    ("message_generations", "message_generation"),
    ("enrichments", "enrichment"),
    ("scrapings", "scraping"),
    ("syncs", "sync"),
];
const BASIC_TABLES: usize = 5;

fn config(folder: &Path, seed: u64, weeks: u32) -> Config {
    let out = folder.join("operations");
    Config {
        seed,
        weeks,
        out,
        ..Config::default()
    }
}

/// Reads all files below a folder, by relative path.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    audit::files(folder)
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(folder).unwrap().into(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn same_seed_gives_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 3, 10);
    simulate(&config).unwrap();
    let first = bytes(&config.out);
    simulate(&config).unwrap();
    assert!(first == bytes(&config.out));
    simulate(&Config {
        seed: 4,
        ..config.clone()
    })
    .unwrap();
    assert!(first != bytes(&config.out));
    let remaining: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(remaining.len(), 1, "{remaining:?}");
}

/// CRC-32 of names and contents. Files are decompressed first, so that a new version of the
/// compression library does not change the checksum.
fn checksum(folder: &Path, source: &str) -> u32 {
    let mut sum = flate2::Crc::new();
    for path in audit::files(&folder.join(source)) {
        let name = path.strip_prefix(folder).unwrap();
        sum.update(name.to_string_lossy().as_bytes());
        sum.update(&audit::content(&path).0);
    }
    sum.sum()
}

/// Published results depend on the bytes of the basic tables.
#[test]
fn the_basic_tables_do_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        records_per_day: 200.0,
        ..config(folder.path(), 1, 26)
    };
    simulate(&config).unwrap();
    let sums = CONTRACTS[..BASIC_TABLES]
        .iter()
        .map(|(source, _)| (*source, checksum(&config.out, source)))
        .collect::<Vec<_>>();
    let pinned = [
        ("tickets", 0x45e4_9f25),
        ("decisions", 0x7e4c_21c3),
        ("pipelines", 0xb4e7_d6f9),
        ("metrics", 0xd807_cdc3),
        ("improvements", 0x8ceb_129e),
    ];
    assert_eq!(sums, pinned);
}

/// Checks that the files match the truth, with a reader that shares no code with the writers.
fn check_counts(seed: u64, compress: bool) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        compress,
        ..config(folder.path(), seed, 20)
    };
    let summary = simulate(&config).unwrap();
    assert_eq!(Truth::read(&summary.truth_path).unwrap(), summary.truth);
    assert_eq!(summary.truth.sources.len(), CONTRACTS.len());
    for (source, contract) in CONTRACTS {
        let contract = audit::contract(contract);
        let (counted, records) = audit::audit(&config.out.join(source), &contract);
        let planted = &summary.truth.sources[source];
        let counts = |truth: &truth::SourceTruth| {
            (
                truth.files,
                truth.records,
                truth.accepted,
                truth.duplicates,
                truth.broken_files,
                truth.quarantined.clone(),
            )
        };
        assert_eq!(counts(&counted), counts(planted), "{source}");
        let quarantined: u64 = planted.quarantined.values().sum();
        assert_eq!(
            planted.records,
            planted.accepted + planted.duplicates + quarantined
        );
        for (field, count) in &planted.unknown_fields {
            let with_field = records
                .iter()
                .filter(|record| record.get(field).is_some())
                .count();
            assert_eq!(with_field as u64, *count, "{source} {field}");
        }
    }
    let tickets = &summary.truth.sources["tickets"];
    assert!(tickets.late > 20 && tickets.duplicates > 5 && tickets.hostile_texts > 50);
    assert_eq!(tickets.quarantined.len(), 7, "{:?}", tickets.quarantined);
}

#[test]
fn truth_counts_match_the_files() {
    check_counts(1, true);
    check_counts(2, false);
}

/// Accepted records of a source with the civil day of each.
fn records(config: &Config, source: &str, contract: &str, time: &str) -> Vec<(Date, Value)> {
    let contract = audit::contract(contract);
    let zone = jiff::tz::TimeZone::get(&config.timezone).unwrap();
    audit::audit(&config.out.join(source), &contract)
        .1
        .into_iter()
        .map(|record| {
            let instant: jiff::Timestamp = record[time].as_str().unwrap().parse().unwrap();
            (zone.to_datetime(instant).date(), record)
        })
        .collect()
}

fn assert_near(name: &str, measured: f64, planted: f64, tolerance: f64) {
    let error = (measured / planted - 1.0).abs();
    assert!(
        error < tolerance,
        "{name}: measured {measured}, planted {planted}"
    );
}

fn per_day(records: &[(Date, Value)], days: i32, is_counted: impl Fn(Date, &Value) -> bool) -> f64 {
    records
        .iter()
        .filter(|(day, record)| is_counted(*day, record))
        .count() as f64
        / f64::from(days)
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).unwrap().get_days()
}

#[test]
fn tickets_have_the_planted_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 11, 60);
    let truth = simulate(&config).unwrap().truth;
    let tickets = records(&config, "tickets", "ticket", "created_at");
    let is_failure = |record: &Value| record["type"] == "failure";
    let is_monday = |day: Date| day.weekday() == jiff::civil::Weekday::Monday;
    let mondays = per_day(&tickets, 60, |day, r| is_monday(day) && is_failure(r));
    let others = per_day(&tickets, 360, |day, r| !is_monday(day) && is_failure(r));
    assert_near(
        "Monday",
        mondays / others,
        truth.fact("monday").unwrap().size,
        0.06,
    );
    let questions = per_day(&tickets, 60, |day, r| is_monday(day) && !is_failure(r));
    let other_questions = per_day(&tickets, 360, |day, r| !is_monday(day) && !is_failure(r));
    assert_near("other tickets on Mondays", questions, other_questions, 0.06);

    let ratio = |fact: &Fact, failures_only: bool| {
        let date = fact.date.unwrap();
        let matches =
            |r: &Value| r["component"] == fact.value() && (!failures_only || is_failure(r));
        let before = days_between(truth.start, date);
        let before = per_day(&tickets, before, |day, r| day < date && matches(r));
        let after = days_between(date, truth.until);
        per_day(&tickets, after, |day, r| day >= date && matches(r)) / before
    };
    let shift = truth.fact("shift").unwrap();
    assert_near("shift", ratio(shift, false), shift.size, 0.06);
    let works = truth.fact("IMP-001").unwrap();
    assert_near("improvement", ratio(works, true), 1.0 + works.size, 0.15);
    let ineffective = truth.fact("IMP-002").unwrap();
    assert_eq!(ineffective.size, 0.0);
    assert_near(
        "improvement without effect",
        ratio(ineffective, true),
        1.0,
        0.15,
    );
}

#[test]
fn executions_and_metrics_have_the_planted_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 12, 60);
    let truth = simulate(&config).unwrap().truth;
    let runs = records(&config, "pipelines", "pipeline_execution", "started_at");
    let threshold = truth.fact("threshold").unwrap();
    for (name, is_above) in [("share_below", false), ("share_above", true)] {
        let group: Vec<_> = runs
            .iter()
            .filter(|(_, run)| (run["files"].as_f64().unwrap() > threshold.size) == is_above)
            .collect();
        let failed = group
            .iter()
            .filter(|(_, run)| run["status"] == "failed")
            .count();
        assert_near(
            name,
            failed as f64 / group.len() as f64,
            threshold.numbers[name],
            0.08,
        );
    }
    let workday = per_day(&runs, 300, |day, _| !is_weekend(day));
    for id in ["outage-pipelines", "dip-pipelines"] {
        let fact = truth.fact(id).unwrap();
        let on_day = per_day(&runs, 1, |day, _| Some(day) == fact.date);
        assert_near(id, on_day / workday, fact.size, 0.3);
    }
    let weekend = per_day(&runs, 120, |day, _| is_weekend(day));
    assert_near("weekend", weekend / workday, company::WEEKEND_VOLUME, 0.05);

    let drift = truth.fact("drift").unwrap();
    let samples = records(&config, "metrics", "metric_sample", "time");
    let memory = |day: Date| {
        let values: Vec<f64> = samples
            .iter()
            .filter(|(date, sample)| *date == day && sample["service"] == drift.value())
            .filter_map(|(_, sample)| sample["memory_percent"].as_f64())
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert_near(
        "before the drift",
        memory(truth.start),
        drift.numbers["base"],
        0.03,
    );
    let last = truth.until.yesterday().unwrap();
    assert_near("at the end", memory(last), drift.numbers["at_end"], 0.03);
}

fn is_weekend(day: Date) -> bool {
    day.weekday().to_monday_zero_offset() >= 5
}

#[test]
fn the_requested_number_of_records_is_written() {
    let folder = tempfile::tempdir().unwrap();
    // Days vary, so the number is less exact in a short simulation.
    for (records, weeks, tolerance) in [(30_000_u64, 4, 0.03), (200_000, 60, 0.01)] {
        let config = Config {
            records: Some(records),
            ..config(folder.path(), 5, weeks)
        };
        let summary = simulate(&config).unwrap();
        let sources = CONTRACTS.map(|(source, _)| summary.truth.sources[source].records);
        let (requested, additional) = sources.split_at(BASIC_TABLES);
        let [requested, additional] =
            [requested, additional].map(|counts| counts.iter().sum::<u64>() as f64);
        assert_near("records", requested, records as f64, tolerance);
        // The other tables add about half as many records.
        assert_near("additional records", additional, 0.55 * requested, 0.2);
        assert_eq!(summary.records as f64, requested + additional);
    }
}

fn assert_rejected(config: &Config, words: &str) {
    let error = simulate(config).unwrap_err();
    assert!(
        error.is_wrong_usage() && error.to_string().contains(words),
        "{error}"
    );
}

#[test]
fn invalid_requests_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1, 2);
    assert_rejected(
        &Config {
            weeks: 0,
            ..config.clone()
        },
        "0 weeks cannot be simulated: use at least 1",
    );
    assert_rejected(
        &Config {
            records: Some(3),
            ..config.clone()
        },
        "3 records in 14 days cannot be simulated: use at least 700 (50 a day)",
    );
    let timezone = "Europe/Nowhere".to_string();
    assert_rejected(
        &Config {
            timezone,
            ..config.clone()
        },
        "is not a time zone",
    );
    assert_rejected(
        &Config {
            until: Date::MIN,
            ..config.clone()
        },
        "outside the calendar",
    );
    std::fs::create_dir_all(&config.out).unwrap();
    std::fs::write(config.out.join("letter.txt"), "dear").unwrap();
    assert_rejected(&config, "no simulation wrote");
    assert!(config.out.join("letter.txt").is_file());
}
