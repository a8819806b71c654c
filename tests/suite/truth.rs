//! Planted facts are found, and no others.

use super::support::*;

fn check(seed: u64) {
    let scratch = Scratch::new();
    let records = scratch.join("operations");
    simulate(&records, seed);
    run_job(
        &scratch,
        "weekly-operations",
        &records,
        &["--date", "2026-11-16"],
    )
    .expect(0);
    let truth = records.join("truth.json").display().to_string();
    let ended = retrocast_in(scratch.path(), &["evaluate", &truth, "latest", "--json"]).expect(0);
    let verdict: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        verdict["missed"].as_array().unwrap().len(),
        0,
        "seed {seed}: {verdict:#}"
    );
    assert_eq!(
        verdict["false_claims"].as_array().unwrap().len(),
        0,
        "seed {seed}: {verdict:#}"
    );
    assert!(
        verdict["found"].as_array().unwrap().len() >= 7,
        "seed {seed}: {verdict:#}"
    );
}

#[test]
fn seed_1() {
    check(1);
}

#[test]
fn seed_2() {
    check(2);
}

#[test]
fn seed_3() {
    check(3);
}

#[test]
fn seed_4() {
    check(4);
}

#[test]
fn seed_5() {
    check(5);
}
