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
        .filter(|caveat| caveat.contains("final"))
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
        ["Measured over its 30 days, final: later data do not change it."]
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
            "Measured over the 21 days before the next improvement, final: later data do not change it."
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
}

#[test]
fn a_total_takes_the_same_records_once() {
    let rows = [
        ("IMP-001", "billing", "2026-10-12"),
        ("IMP-002", "billing", "2026-10-13"),
    ];
    let cell = analyse_with(
        &json!({"unit_value": 10, "currency": "EUR"}),
        &rows,
        "2026-11-16",
    );
    let table = cell.tables.last().expect("a table");
    assert!(
        table.caption.contains("All together does not add IMP-002"),
        "{table:?}"
    );
    let [first, _, total] = &table.rows[..] else {
        panic!("{table:?}");
    };
    assert_eq!(total[3], first[3]);
    assert!(first[4].ends_with(" in 30\u{a0}days"), "{first:?}");
}
