//! The days and the improvements that a stage measures, and what its totals contain.

use super::*;

fn analyse_with(params: &serde_json::Value, rows: &[(&str, &str, &str)], end: &str) -> Cell {
    let mut all = json!({
        "improvements": "improvements", "input": "daily_failures", "time": "day", "value": "failures",
    });
    for (key, value) in params.as_object().expect("an object") {
        all[key] = value.clone();
    }
    let series = [("billing", counts(1, 15.0, 0.6))];
    let inputs = Inputs::from([
        ("daily_failures".to_string(), test_data::daily(&series)),
        ("improvements".to_string(), register(rows)),
    ]);
    run(&test_data::context(end), &all, &inputs)
        .expect("an analysis")
        .cell
}

fn final_caveats(cell: &Cell) -> Vec<String> {
    let caveats = cell.findings.iter().flat_map(|finding| &finding.caveats);
    caveats
        .filter(|caveat| caveat.starts_with("Final"))
        .map(|caveat| caveat.replace('\u{a0}', " "))
        .collect()
}

#[test]
fn a_measurement_is_final_after_its_days() {
    // The records end 35 days after the change.
    let rows = &ROWS[..1];
    let complete = analyse_with(&json!({}), rows, "2026-11-16");
    assert_eq!(
        final_caveats(&complete),
        [
            "Final: measured over its 30 days, later days do not change it; late records of these days can."
        ]
    );
    assert_eq!(complete.tables[1].rows[0][1], "30 (final)");
    let running = analyse_with(&json!({"post_days": 60}), rows, "2026-11-16");
    assert!(final_caveats(&running).is_empty());
    let rows = [
        ("IMP-001", "billing", "2026-10-12"),
        ("IMP-002", "billing", "2026-11-02"),
    ];
    let followed = analyse_with(&json!({"post_days": 60}), &rows, "2026-11-16");
    assert_eq!(
        final_caveats(&followed),
        [
            "Final: measured over the 21 days before the next improvement, later days do not change it; late records of these days can."
        ]
    );
}

#[test]
fn improvements_of_another_metric_are_listed_and_not_measured() {
    let cell = analyse_with(
        &json!({"measure": "time to resolve"}),
        &ROWS[..1],
        "2026-11-16",
    );
    assert!(cell.effects.is_empty() && cell.findings.is_empty());
    assert!(matches!(cell.status, CellStatus::NotEnough { .. }));
    let caveats = cell.caveats.join(" ");
    assert!(
        caveats.contains("this stage measures \"time to resolve\": IMP-001 (failures)."),
        "{caveats}"
    );
    let same = analyse_with(&json!({"measure": "Failures"}), &ROWS[..1], "2026-11-16");
    assert_eq!(same.effects.len(), 1);
    assert_eq!(cell.not_measured, ["IMP-001"]);
    assert!(same.not_measured.is_empty());
}

/// The table of effects in money.
fn money_table(rows: &[(&str, &str, &str)]) -> retrocast_domain::Table {
    let params = json!({"unit_value": 10, "currency": "EUR"});
    let mut cell = analyse_with(&params, rows, "2026-11-16");
    cell.tables.pop().expect("a table")
}

#[test]
fn a_total_takes_the_same_records_once() {
    let rows = [
        ("IMP-001", "billing", "2026-10-12"),
        ("IMP-002", "billing", "2026-10-13"),
    ];
    let table = money_table(&rows);
    assert!(
        table.caption.contains("“All together” leaves out IMP-002"),
        "{table:?}"
    );
    let [first, _, total] = &table.rows[..] else {
        panic!("{table:?}");
    };
    assert_eq!(total[3], first[3]);
    assert!(first[4].ends_with(" in 30\u{a0}days"), "{first:?}");
}

#[test]
fn a_total_takes_proven_effects_only() {
    let rows = [
        ("IMP-001", "billing", "2026-10-12"),
        ("IMP-002", "billing", "2026-05-04"),
    ];
    let table = money_table(&rows);
    assert!(
        table
            .caption
            .ends_with("“all together” leaves out 1\u{a0}such effect."),
        "{table:?}"
    );
    let [unproven, works, total] = &table.rows[..] else {
        panic!("{table:?}");
    };
    assert_eq!(
        (works[1].as_str(), unproven[1].as_str()),
        ("works", "not proven")
    );
    assert_eq!(total[3], works[3]);
    assert!(
        !unproven[3].contains('('),
        "only the interval: {unproven:?}"
    );
    assert_eq!(unproven[6..], ["–", "–"]);
}

#[test]
fn weeks_have_the_season_of_the_year_by_default() {
    // Three years whose level follows the time of the year; the noise is a chaotic sequence.
    let end = jiff::civil::date(2026, 11, 16);
    let weeks: Vec<Date> = (1..=156).rev().map(|i| end - (7 * i).days()).collect();
    let season = |day: Date| {
        let phase = f64::from(day.day_of_year() - 10) / 365.0;
        400.0 + 60.0 * (std::f64::consts::TAU * phase).cos()
    };
    let values = weeks.iter().enumerate().map(|(i, day)| {
        let noise = 17.0 * ((i * i) as f64).sin();
        (season(*day) + noise).round()
    });
    let times: Vec<jiff::civil::DateTime> = weeks.iter().map(|day| day.at(0, 0, 0, 0)).collect();
    let columns = vec![
        test_data::times("day", &times),
        Column::new("component".into(), vec!["billing"; weeks.len()]),
        Column::new("failures".into(), values.collect::<Vec<f64>>()),
    ];
    let frame = DataFrame::new(weeks.len(), columns).expect("a frame");
    let inputs = Inputs::from([
        ("weekly".to_string(), test_data::input("weekly", frame)),
        (
            "improvements".to_string(),
            register(&[("IMP-001", "billing", "2026-08-24")]),
        ),
    ]);
    let params = json!({
        "improvements": "improvements", "input": "weekly", "time": "day", "value": "failures",
        "post_days": 84,
    });
    let analysis = run(&test_data::context("2026-11-16"), &params, &inputs).expect("an analysis");
    let effect = &analysis.cell.effects[0];
    let after: Vec<f64> = weeks[144..].iter().map(|day| season(*day)).collect();
    let expected = after.iter().sum::<f64>() / after.len() as f64;
    assert_eq!(effect.days_before, 144 * 7);
    assert!(
        (effect.counterfactual / expected - 1.0).abs() < 0.03,
        "{} instead of {expected}",
        effect.counterfactual
    );
}
