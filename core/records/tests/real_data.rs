//! Reads all real data under contracts: counts match independent programs, and nothing is refused.

use jiff::Timestamp;
use retrocast_records::{Contract, Input, check::check};
use std::path::{Path, PathBuf};

/// Reads a contract by its name.
fn contract(name: &str) -> Contract {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders: [PathBuf; 2] = [root.join("tests/contracts"), root.join("jobs/contracts")];
    let files = folders.map(|folder| folder.join(format!("{name}.toml")));
    let file = files.iter().find(|file| file.exists()).unwrap();
    Contract::read(file).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn real_data_meets_its_contracts() {
    let Some(data) = std::env::var_os("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: RETROCAST_REAL_DATA is not set, so real data was not read");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let check_source = |name: &str, uri: &str, files: u64, records: u64| {
        let contract = contract(name);
        let mut input = Input::new(name, uri);
        input.threads = 2;
        let checking = check(&input, Path::new(&data), &contract, Timestamp::UNIX_EPOCH);
        let checked = runtime
            .block_on(checking)
            .unwrap_or_else(|error| panic!("{error}"));
        let found = (checked.files, checked.records, checked.accepted);
        assert_eq!(found, (files, records, records), "{name}\n{checked}");
        assert!(checked.broken_files.is_empty(), "{checked}");
        checked
    };
    let incidents = check_source(
        "incident_report",
        "github-incidents/incidents.jsonl",
        1,
        819,
    );
    assert_eq!(incidents.duplicates, 0);
    assert_eq!(incidents.unknown_fields, []);
    check_source(
        "downtime_window",
        "github-incidents/downtime_windows.csv",
        1,
        819,
    );
    check_source("status_segment", "github-incidents/segments.csv", 1, 3_751);
    check_source("series_sample", "nab/data/**/*.csv", 58, 365_558);
    check_source("series_score", "nab/results/**/*.csv.gz", 58, 365_558);
    let commits = check_source("history_commit", "git-history/*.jsonl.gz", 1, 2_715);
    assert_eq!(commits.duplicates, 0);
    let parts = check_source("machine_failure", "classification/ai4i2020.csv", 1, 10_000);
    // The file has a column without a name and without a value.
    assert_eq!(parts.unknown_fields, [("(column 8)".to_string(), 10_000)]);
    check_source(
        "service_metrics",
        "root-cause/sock-shop/**/*.csv.gz",
        100,
        28_311,
    );
    let states = check_source("state_year", "causal/california_prop99.csv", 1, 1_209);
    assert_eq!(states.duplicates, 0);
    check_source(
        "controlled_series",
        "causal/[acg]*_data.csv",
        3,
        100 + 108 + 91,
    );
}
