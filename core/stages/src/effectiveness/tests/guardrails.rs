//! Guardrails do not change verdicts, and are reported when they get worse.

use super::*;
use retrocast_domain::Severity;

/// Analyses failures that fall by 40 %, with another column that changes by `factor` on the same
/// day.
fn guarded(factor: f64) -> Cell {
    let frame = test_data::daily(&[("billing", counts(1, 15.0, 0.6))]);
    let names: Vec<&str> = frame.columns().map(|(name, _)| name).collect();
    let rows = frame.read_all(&names).expect("rows").frame;
    let latency = counts(2, 100.0, factor);
    let rows = rows
        .hstack(&[Column::new("latency".into(), latency)])
        .expect("a column");
    let params = json!({
        "improvements": "improvements", "input": "daily_failures", "time": "day",
        "value": "failures",
        "guardrails": [{
            "name": "latency", "aggregate": "mean", "value": "latency", "unit": "ms",
            "filter_column": "component", "filter_equals": ["billing"],
        }],
    });
    let inputs = Inputs::from([
        (
            "daily_failures".to_string(),
            test_data::input("daily_failures", rows),
        ),
        ("improvements".to_string(), register(&ROWS[..1])),
    ]);
    run(&test_data::context("2026-11-16"), &params, &inputs)
        .expect("an analysis")
        .cell
}

fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn a_guardrail_that_got_worse_is_a_warning() {
    let cell = guarded(1.5);
    let effect = &cell.effects[0];
    assert_eq!(effect.verdict, Verdict::Works);
    assert_eq!(effect.verdict_word(), "works, but");
    assert_eq!(effect.guardrails[0].metric, "latency in billing");
    let [warning, main] = &cell.findings[..] else {
        panic!("{:?}", cell.findings);
    };
    let sentence = plain(&main.sentence);
    assert!(
        sentence
            .starts_with("Change IMP-001 works, but latency got worse: failures in billing are"),
        "{sentence}"
    );
    assert_eq!(warning.severity, Severity::Warning);
    assert_ne!(main.id, warning.id);
    let sentence = plain(&warning.sentence);
    assert!(
        sentence.starts_with("Change IMP-001 works, but latency in billing is ")
            && sentence.contains(" % higher since it than expected without it"),
        "{sentence}"
    );
    assert_eq!(cell.tables[1].rows[0][7], "worse");
}

#[test]
fn a_guardrail_without_proven_change_is_a_line_in_a_table() {
    let cell = guarded(1.0);
    assert_eq!(cell.findings.len(), 1);
    assert_eq!(cell.effects[0].verdict_word(), "works");
    let sentence = &cell.findings[0].sentence;
    assert!(sentence.starts_with("Change IMP-001 works: "), "{sentence}");
    let result = plain(&cell.tables[1].rows[0][7]);
    assert!(
        result.starts_with("no proven change, at most ") && result.ends_with(" % higher"),
        "{result}"
    );
}
