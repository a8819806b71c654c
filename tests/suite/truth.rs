//! A run on simulated records finds the planted facts and makes no false claims.

use super::support::*;

fn check_seed(seed: u64) {
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
    let result = retrocast_in(scratch.path(), &["evaluate", &truth, "latest", "--json"]).expect(0);
    let evaluation: serde_json::Value = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!(
        evaluation["missed"].as_array().unwrap().len(),
        0,
        "seed {seed}: {evaluation:#}"
    );
    assert_eq!(
        evaluation["false_claims"].as_array().unwrap().len(),
        0,
        "seed {seed}: {evaluation:#}"
    );
    assert!(
        evaluation["found"].as_array().unwrap().len() >= 7,
        "seed {seed}: {evaluation:#}"
    );
}

#[test]
fn seed_1() {
    check_seed(1);
}

#[test]
fn seed_2() {
    check_seed(2);
}

#[test]
fn seed_3() {
    check_seed(3);
}

#[test]
fn seed_4() {
    check_seed(4);
}

#[test]
fn seed_5() {
    check_seed(5);
}
