//! Checks the comparison of volumes with the contract and with earlier windows.

use super::*;

#[test]
fn the_expected_number_of_the_contract_has_precedence() {
    let check = |min: Option<f64>, max: Option<f64>, found: &[&str], sentence: &str| {
        // Eight records per day, without any change.
        let mut input = input("tickets", records("2026-08-03", 105, &["a"], |_, _| 8));
        let mut note = source(840, 0, 0);
        note.expectation.daily_records_min = min;
        note.expectation.daily_records_max = max;
        input.source = Some(note);
        let analysis = analyse(input);
        super::check(&analysis, found);
        let basis = &analysis.cell.tables[1].rows[3];
        assert_eq!(plain(&format!("{} {}", basis[2], basis[5])), sentence);
    };
    check(
        Some(5.0),
        Some(10.0),
        &[],
        "100 % 56 records; the contract expects 35 to 70",
    );
    check(
        Some(10.0),
        None,
        &["fewer records than usual"],
        "80.0 % 56 records; the contract expects at least 70",
    );
    check(
        None,
        Some(7.0),
        &["more records than usual"],
        "87.5 % 56 records; the contract expects 0 to 49",
    );
}

#[test]
fn four_earlier_windows_are_needed_and_a_flood_is_reported() {
    let volume = |days_before: usize, now: usize| {
        let frame = records("2026-11-09", 7, &["a"], |_, _| now);
        let before = jiff::civil::date(2026, 11, 9) - jiff::ToSpan::days(days_before as i64);
        let old = records(&before.to_string(), days_before, &["a"], |_, _| 20);
        let frame = old.vstack(&frame).expect("a frame");
        analyse(input("tickets", frame))
    };
    check(&volume(21, 2), &[]);
    check(&volume(28, 20), &[]);
    let flood = volume(56, 60);
    check(&flood, &["more records than usual"]);
    let finding = finding_named(&flood, "more records than usual");
    assert_eq!(finding.severity, Severity::Notice);
    assert!(finding.p.is_some_and(|p| p < 0.001));
    // Growth does not lower the score.
    assert!((score(&flood) - 100.0).abs() < 1e-9);
}

#[test]
fn one_steady_window_in_a_hundred_is_reported() {
    let mut reported = 0;
    for seed in 0..300 {
        // Days vary by more than chance: each week has its own level.
        let mut noise = Noise(1_000 + seed);
        let levels: Vec<f64> = (0..15).map(|_| (0.1 * noise.normal()).exp()).collect();
        let frame = records("2026-08-03", 105, &["a"], |day, _| {
            let usual = if day % 7 < 5 { 20.0 } else { 3.0 };
            noise.poisson(usual * levels[day / 7])
        });
        let analysis = analyse(input("tickets", frame));
        reported += analysis.cell.findings.len();
    }
    assert!(reported <= 9, "{reported} of 300");
}
