//! Checks that scores are derived from findings, and history from the ledger.

use super::*;
use crate::{
    Input,
    series::test_data::{context_of, input, times},
};
use polars::prelude::{Column, DataFrame};
use retrocast_domain::Window;
use serde_json::json;

fn finding(chapter: Chapter, group: &str, severity: Severity) -> Finding {
    let mut finding = Finding::new("s", "anomaly", &format!("component = {group}"), "x");
    (finding.chapter, finding.severity) = (chapter, severity);
    finding.sentence = format!("{group} is unusual.");
    finding
}

fn context(findings: Vec<Finding>) -> Context {
    let mut context = context_of("health", Window::parse("2026-W46", "UTC").unwrap());
    let mut cell = Cell::new("s", "anomaly");
    cell.findings = findings;
    context.cells = vec![cell];
    context
}

fn score(context: &Context, inputs: Vec<Input>) -> Cell {
    let inputs: Inputs = inputs
        .into_iter()
        .map(|input| (input.dataset.name.clone(), input))
        .collect();
    run(context, &json!({"findings": ["s"]}), &inputs)
        .unwrap()
        .cell
}

fn health_of<'a>(cell: &'a Cell, component: &str) -> &'a Health {
    cell.health
        .iter()
        .find(|health| health.component == component)
        .unwrap()
}

/// Rows of the ledger for the component "billing": end of the window, score, number of successive
/// poor windows, number of successive falls.
fn earlier_scores(rows: &[(&str, f64, f64, f64)]) -> Input {
    let ends: Vec<DateTime> = rows.iter().map(|row| row.0.parse().unwrap()).collect();
    let starts: Vec<DateTime> = ends
        .iter()
        .map(|end| *end - jiff::ToSpan::days(7))
        .collect();
    let values = |get: fn(&(&str, f64, f64, f64)) -> f64| rows.iter().map(get).collect::<Vec<_>>();
    let frame = DataFrame::new_infer_height(vec![
        Column::new("component".into(), vec!["billing"; rows.len()]),
        Column::new("score".into(), values(|row| row.1)),
        Column::new("poor_times".into(), values(|row| row.2)),
        Column::new("falls".into(), values(|row| row.3)),
        times("window_start", &starts),
        times("window_end", &ends),
    ]);
    input(history::TABLE, frame.unwrap())
}

#[test]
fn a_movement_of_one_series_is_one_warning() {
    let movement = |kind: &str| {
        let mut finding = finding(Chapter::Changes, "it", Severity::Warning);
        (finding.kind, finding.id) = (kind.to_string(), kind.to_string());
        finding.direction = Direction::Up;
        finding.request = Some(ActionRequest::new("cost", "rose", "name an owner"));
        finding
    };
    let context = context(vec![movement("trend"), movement("change_point")]);
    let cell = score(&context, Vec::new());
    // 15 points for the warning, 5 for the finding that it covers.
    assert_eq!(health_of(&cell, "it").score, 80.0);
    assert_eq!(cell.tables[1].rows.len(), 1);
}

#[test]
fn points_are_deducted_by_severity_and_at_most_forty_per_chapter() {
    let mut found = vec![
        finding(Chapter::Events, "billing", Severity::Warning),
        finding(Chapter::Changes, "billing", Severity::Notice),
        finding(Chapter::Events, "search", Severity::Info),
        finding(Chapter::Improvements, "search", Severity::Notice),
    ];
    found.extend((0..3).map(|_| finding(Chapter::Events, "web", Severity::Critical)));
    let cell = score(&context(found), Vec::new());
    assert_eq!(
        (
            health_of(&cell, "billing").score,
            health_of(&cell, "billing").state
        ),
        (80.0, HealthState::Good)
    );
    assert_eq!(health_of(&cell, "search").state, HealthState::Excellent);
    assert_eq!(
        (health_of(&cell, "web").score, health_of(&cell, "web").state),
        (60.0, HealthState::NeedsAttention)
    );
    // Halfway between the mean of 80, 100 and 60 and the worst.
    assert_eq!(cell.health[0].component, OVERALL);
    assert_eq!(health_of(&cell, OVERALL).score, 70.0);
    assert!(cell.findings.is_empty(), "{:?}", cell.findings);
}

#[test]
fn poor_health_escalates_and_falling_scores_are_early_warnings() {
    let poor = || {
        vec![
            finding(Chapter::Events, "billing", Severity::Critical),
            finding(Chapter::Changes, "billing", Severity::Notice),
        ]
    };
    let check = |rows: &[(&str, f64, f64, f64)],
                 poor_times: u64,
                 falls: u64,
                 severity: Option<Severity>| {
        let cell = score(&context(poor()), vec![earlier_scores(rows)]);
        let health = health_of(&cell, "billing");
        assert_eq!(
            (health.score, health.poor_times, health.falls),
            (65.0, poor_times, falls),
            "{rows:?}"
        );
        assert_eq!(
            cell.findings.first().map(|found| found.severity),
            severity,
            "{rows:?}"
        );
        cell
    };
    check(&[], 1, 0, None);
    let two = ("2026-11-02T00:00:00", 70.0, 1.0, 1.0);
    let cell = check(
        &[two, ("2026-11-09T00:00:00", 68.0, 2.0, 2.0)],
        3,
        3,
        Some(Severity::Warning),
    );
    let sentence = cell.findings[0].sentence.replace('\u{a0}', " ");
    assert!(
        sentence.starts_with("billing needs attention for 3 weeks in a row: 65 of 100"),
        "{sentence}"
    );
    assert_eq!(cell.tables[0].rows[1][6], "fell 3 times in a row");
    assert_eq!(cell.charts.len(), 1);
    // A window without a score starts the count again.
    check(&[two], 1, 0, None);
    // Critical health is a warning from the first window on.
    let mut worse = poor();
    worse.push(finding(Chapter::Outlook, "billing", Severity::Critical));
    let cell = score(&context(worse), Vec::new());
    assert_eq!(cell.findings[0].severity, Severity::Warning);
    assert_eq!(health_of(&cell, "billing").state, HealthState::Critical);
}

#[test]
fn critical_weeks_are_counted_apart_from_poor_ones() {
    let mut found = vec![
        finding(Chapter::Events, "billing", Severity::Critical),
        finding(Chapter::Outlook, "billing", Severity::Critical),
    ];
    let sentence = |score_before: f64| {
        let before = earlier_scores(&[("2026-11-09T00:00:00", score_before, 1.0, 0.0)]);
        let cell = score(&context(found.clone()), vec![before]);
        assert_eq!(health_of(&cell, "billing").poor_times, 2);
        // The overall score of one component is that of the component.
        assert_eq!(cell.findings.len(), 1);
        let request = cell.findings[0].request.clone().expect("a request");
        assert_eq!(request.subject, "health");
        cell.findings[0].sentence.replace('\u{a0}', " ")
    };
    let expected = |duration: &str, before: &str| {
        format!(
            "billing is in critical health{duration}: 40 of 100 points, {before} the week before \
             (less 30 for events and 30 for outlook)."
        )
    };
    assert_eq!(sentence(50.0), expected("", "50"));
    assert_eq!(sentence(49.0), expected(" for 2 weeks in a row", "49"));
    found.push(finding(Chapter::Events, "web", Severity::Critical));
    found[2].subject = ALL.to_string();
    let cell = score(&context(found), Vec::new());
    let sentences: Vec<&str> = cell.findings.iter().map(|f| f.sentence.as_str()).collect();
    let overall: Vec<&&str> = sentences
        .iter()
        .filter(|sentence| sentence.starts_with("Overall health is critical: 48"))
        .collect();
    assert_eq!((sentences.len(), overall.len()), (2, 1), "{sentences:?}");
}

#[test]
fn no_components_give_no_scores() {
    let cell = score(&context(Vec::new()), Vec::new());
    assert!(cell.health.is_empty() && cell.tables.is_empty());
}

#[test]
fn a_silent_component_is_not_in_good_health() {
    let mut finding = Finding::new("odd", "anomaly", "component = worker", "silence");
    finding.chapter = Chapter::Events;
    finding.severity = Severity::Warning;
    assert_eq!(points(&finding), 15.0);
    let silent = points(&finding.number("type", SILENCE));
    assert!(
        HealthState::from_score(100.0 - silent).is_poor(),
        "{silent}"
    );
}

#[test]
fn the_figures_of_a_group_are_those_of_its_component() {
    let figure = |group: &str, interval: [f64; 2]| -> Kpi {
        let json = json!({
            "name": "Failed orders", "subject": group, "value": 0.1, "interval": interval,
            "unit": "share", "text": "", "interval_text": "", "previous": null, "delta_text": "",
            "baseline": null, "baseline_delta_text": "", "significant": false, "direction": "none",
            "lower_is_better": true, "target": 0.05, "target_text": "", "history": [], "n": 400,
        });
        serde_json::from_value(json).expect("a key figure")
    };
    let mut context = context(vec![finding(Chapter::Changes, "UK", Severity::Notice)]);
    context.cells[0].group_kpis = vec![figure("UK", [0.08, 0.12]), figure("DACH", [0.04, 0.2])];
    let cell = score(&context, Vec::new());
    // The target of UK is missed; that of DACH is not clearly missed.
    assert_eq!(health_of(&cell, "UK").score, 85.0);
    assert_eq!(health_of(&cell, "DACH").score, 100.0);
}
