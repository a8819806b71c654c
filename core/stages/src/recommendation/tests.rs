//! Checks recommendations over weeks: they are answered, rejected, expired, and ranked by the
//! effects of earlier recommendations.

use super::*;
use crate::{
    Input,
    series::test_data::{context_of, input, times},
};
use jiff::civil::DateTime;
use polars::prelude::{Column, DataFrame};
use retrocast_domain::{Finding, MeasuredChange, PastSuccess, Severity, Window};
use serde_json::json;

fn finding(kind: &str, group: &str, severity: Severity) -> Finding {
    let mut finding = Finding::new("outlook", kind, &format!("host = {group}"), "memory in use");
    (finding.severity, finding.confidence) = (severity, 0.8);
    finding.sentence = format!("{group} will run out of memory.");
    finding
}

fn context(window: &str, findings: &[Finding]) -> Context {
    let window = Window::parse(window, "UTC").unwrap();
    let mut context = context_of("advice", window);
    let mut cell = Cell::new("outlook", "forecast");
    cell.findings = findings.to_vec();
    context.cells = vec![cell];
    context
}

fn parse_time(text: &str) -> DateTime {
    text.parse().unwrap()
}

/// Recommendations of earlier runs: id, window's end, since, times, expires, severity.
fn earlier(rows: &[(&str, &str, &str, f64, &str, &str)]) -> Input {
    let text = |get: fn(&(&str, &str, &str, f64, &str, &str)) -> String| {
        rows.iter().map(get).collect::<Vec<_>>()
    };
    let ends: Vec<DateTime> = rows.iter().map(|row| parse_time(row.1)).collect();
    let counts: Vec<f64> = rows.iter().map(|row| row.3).collect();
    let frame = DataFrame::new_infer_height(vec![
        Column::new("id".into(), text(|row| row.0.to_string())),
        times("window_end", &ends),
        Column::new("since".into(), text(|row| row.2.to_string())),
        Column::new("times".into(), counts),
        Column::new("expires".into(), text(|row| row.4.to_string())),
        Column::new("severity".into(), text(|row| row.5.to_string())),
    ]);
    input(history::RECOMMENDATIONS, frame.unwrap())
}

/// The register: recommendation, state, time.
fn register(rows: &[(&str, &str, &str)]) -> Input {
    let text = |get: fn(&(&str, &str, &str)) -> String| rows.iter().map(get).collect::<Vec<_>>();
    let changed: Vec<DateTime> = rows.iter().map(|row| parse_time(row.2)).collect();
    let frame = DataFrame::new_infer_height(vec![
        Column::new("id".into(), text(|row| format!("imp-{}", row.0))),
        Column::new("state".into(), text(|row| row.1.to_string())),
        Column::new("recommendation".into(), text(|row| row.0.to_string())),
        times("time", &changed),
    ]);
    input(history::IMPROVEMENTS, frame.unwrap())
}

/// Measured effects: improvement, category, verdict, relative effect.
fn effects(rows: &[(&str, &str, &str, f64)]) -> Input {
    let text =
        |get: fn(&(&str, &str, &str, f64)) -> String| rows.iter().map(get).collect::<Vec<_>>();
    let ends = vec![parse_time("2026-11-02T00:00:00"); rows.len()];
    let relative: Vec<f64> = rows.iter().map(|row| row.3).collect();
    let frame = DataFrame::new_infer_height(vec![
        Column::new("improvement".into(), text(|row| row.0.to_string())),
        Column::new("category".into(), text(|row| row.1.to_string())),
        Column::new("verdict".into(), text(|row| row.2.to_string())),
        Column::new("relative".into(), relative),
        times("window_end", &ends),
    ]);
    input(history::EFFECTS, frame.unwrap())
}

fn recommend(context: &Context, inputs: Vec<Input>, params: Value) -> Vec<Recommendation> {
    let inputs: Inputs = inputs
        .into_iter()
        .map(|input| (input.dataset.name.clone(), input))
        .collect();
    run(context, &params, &inputs).unwrap().cell.recommendations
}

fn default_params() -> Value {
    json!({"findings": ["outlook"]})
}

/// Checks numbers up to rounding.
fn assert_close(left: [f64; 3], right: [f64; 3]) {
    for (left, right) in left.into_iter().zip(right) {
        assert!((left - right).abs() < 1e-9, "{left} {right}");
    }
}

const WEEK: &str = "2026-W46";

#[test]
fn a_forecast_recommends_capacity_with_the_product_of_factors_as_priority() {
    let found = [finding("forecast", "db-1", Severity::Warning)];
    let all = recommend(&context(WEEK, &found), Vec::new(), default_params());
    let [recommendation] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(
        recommendation.title,
        "Add capacity for db-1 before its limit is reached"
    );
    assert_eq!(
        (
            recommendation.category.as_str(),
            recommendation.component.as_str()
        ),
        ("scaling", "db-1")
    );
    assert_eq!(recommendation.state, RecommendationState::Open);
    assert_eq!(
        (
            recommendation.since.as_str(),
            recommendation.times,
            recommendation.expires.as_str()
        ),
        (WEEK, 1, "2027-01-11")
    );
    assert_close(recommendation.expected, [-0.35, -0.5, -0.2]);
    assert!((recommendation.priority() - 35.0 * 0.8 * 0.5 / 3.0).abs() < 1e-9);
    assert_eq!(recommendation.findings, [found[0].id.clone()]);
}

#[test]
fn findings_below_a_notice_are_ignored_and_equal_answers_merged() {
    let found = [
        finding("forecast", "db-1", Severity::Info),
        finding("trend", "db-2", Severity::Notice),
    ];
    let all = recommend(&context(WEEK, &found), Vec::new(), default_params());
    assert!(all.is_empty(), "a trend without a direction: {all:?}");
    let mut rising = [found[1].clone(), found[1].clone()];
    for (copy, severity) in rising.iter_mut().zip([Severity::Notice, Severity::Warning]) {
        copy.direction = retrocast_domain::Direction::Up;
        copy.severity = severity;
    }
    rising[1].id = "other".to_string();
    let all = recommend(&context(WEEK, &rising), Vec::new(), default_params());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].findings, ["other".to_string(), rising[0].id.clone()]);
    assert_eq!(all[0].severity, Severity::Warning);
}

#[test]
fn rules_of_the_job_come_first_and_placeholders_are_replaced_once() {
    let mut found = finding("forecast", "{what}", Severity::Warning);
    found.what = "{subject} memory".to_string();
    let params = json!({"findings": ["outlook"], "built_in": false, "rules": [{
        "name": "second", "when": {"kinds": ["forecast"], "words": ["MEMORY"]}, "category": "scaling",
        "title": "Help {subject} with {what} {other}", "expected": [-0.1, -0.4], "effort_days": 0.5,
        "risk": "high",
    }]});
    let all = recommend(&context(WEEK, &[found]), Vec::new(), params);
    assert_eq!(all[0].title, "Help {what} with {subject} memory {other}");
    assert_close(all[0].expected, [-0.25, -0.4, -0.1]);
    assert_eq!(all[0].risk, Risk::High);
}

#[test]
fn state_follows_from_the_register_and_time() {
    let id = Recommendation::identity("add-capacity", "db-1", None);
    let found = [finding("forecast", "db-1", Severity::Warning)];
    let last_week = (
        &*id,
        "2026-11-09T00:00:00",
        "2026-W43",
        3.0,
        "2026-12-20",
        "warning",
    );
    let check = |rows: &[_], registered: &[(&str, &str, &str)], expected: RecommendationState| {
        let inputs = vec![earlier(rows), register(registered)];
        let all = recommend(&context(WEEK, &found), inputs, default_params());
        assert_eq!(all[0].state, expected, "{rows:?} {registered:?}");
        all[0].clone()
    };
    let continued = check(&[last_week], &[], RecommendationState::Open);
    assert_eq!((continued.since.as_str(), continued.times), ("2026-W43", 4));
    assert_eq!(continued.expires, "2026-12-20");
    // After a longer gap it is a new recommendation.
    let long_ago = (
        &*id,
        "2026-09-14T00:00:00",
        "2026-W30",
        3.0,
        "2026-10-01",
        "warning",
    );
    let restarted = check(&[long_ago], &[], RecommendationState::Open);
    assert_eq!((restarted.since.as_str(), restarted.times), (WEEK, 1));

    let at = "2026-11-10T12:00:00";
    let accepted = check(
        &[last_week],
        &[(&id, "accepted", at)],
        RecommendationState::Accepted,
    );
    assert_eq!(accepted.improvement, format!("imp-{id}"));
    check(
        &[last_week],
        &[(&id, "implemented", at)],
        RecommendationState::Implemented,
    );
    check(
        &[last_week],
        &[(&id, "closed", at)],
        RecommendationState::Closed,
    );
    check(
        &[last_week],
        &[(&id, "rejected", at)],
        RecommendationState::Rejected,
    );
    // New evidence: it is more severe than when it was rejected, or it was absent in between.
    let milder = (
        &*id,
        "2026-11-09T00:00:00",
        "2026-W43",
        3.0,
        "2026-12-20",
        "notice",
    );
    check(
        &[milder],
        &[(&id, "rejected", at)],
        RecommendationState::Open,
    );
    check(
        &[long_ago],
        &[(&id, "rejected", "2026-09-20T00:00:00")],
        RecommendationState::Open,
    );
    check(
        &[long_ago],
        &[(&id, "closed", "2026-09-20T00:00:00")],
        RecommendationState::Open,
    );
    // There was no answer in time.
    let late = (
        &*id,
        "2026-11-09T00:00:00",
        "2026-W36",
        10.0,
        "2026-11-12",
        "warning",
    );
    check(&[late], &[], RecommendationState::Expired);
}

#[test]
fn measured_effects_of_the_category_change_expectation_and_rank() {
    let found = [finding("forecast", "db-1", Severity::Warning)];
    let recommend_after = |rows: &[(&str, &str, &str, f64)]| {
        let all = recommend(
            &context(WEEK, &found),
            vec![effects(rows)],
            default_params(),
        );
        all[0].clone()
    };
    let before = recommend_after(&[("a", "quality", "works", -0.9)]);
    assert_eq!((before.past.judged, before.expected[0]), (0, -0.35));
    let good = recommend_after(&[
        ("a", "scaling", "works", -0.55),
        ("b", "scaling", "works", -0.55),
        ("c", "scaling", "too_early", 0.0),
    ]);
    assert_eq!((good.past.worked, good.past.judged), (2, 2));
    assert!((good.expected[0] + 0.45).abs() < 1e-9, "{good:?}");
    assert!(good.priority() > before.priority());
    let bad = recommend_after(&[
        ("a", "scaling", "harmful", 0.2),
        ("b", "scaling", "unclear", 0.0),
    ]);
    assert!(bad.priority() < before.priority());
    assert!(bad.expected[2] - bad.expected[1] < before.expected[2] - before.expected[1]);
}

#[test]
fn actions_counter_findings_and_good_news_needs_none() {
    let mut fall = finding("kpi", "uk", Severity::Warning);
    fall.direction = retrocast_domain::Direction::Down;
    let expected = |finding: &Finding, effects: Vec<Input>| {
        let found = std::slice::from_ref(finding);
        recommend(&context(WEEK, found), effects, default_params())[0].expected
    };
    assert_close(expected(&fall, Vec::new()), [0.125, 0.05, 0.2]);
    // Measured gains count in the same direction, whichever direction was better for their metric.
    let rows = |relative: f64| vec![effects(&[("a", "workflow", "works", relative)])];
    let [mean, ..] = expected(&fall, rows(0.5));
    assert!((mean - 0.25).abs() < 1e-9, "{mean}");
    assert_close(expected(&fall, rows(-0.5)), expected(&fall, rows(0.5)));
    let mut rise = fall.clone();
    rise.direction = retrocast_domain::Direction::Up;
    assert_close(expected(&rise, Vec::new()), [-0.125, -0.2, -0.05]);
    // A good spike is a notice.
    let mut spike = finding("anomaly", "uk", Severity::Notice);
    spike.direction = retrocast_domain::Direction::Up;
    let all = recommend(&context(WEEK, &[spike]), Vec::new(), default_params());
    assert!(all.is_empty(), "{all:?}");
}

/// A finding that a change moved failures in db.
fn harm(kind: &str, what: &str, change: &str, relative: Option<[f64; 3]>) -> Finding {
    let mut finding = Finding::new("effects", kind, "component = db", what);
    (finding.severity, finding.confidence) = (Severity::Warning, 0.97);
    finding.measure = "failures".to_string();
    finding.request = Some(retrocast_domain::ActionRequest::new(what, "", "review it"));
    finding.change = Some(MeasuredChange {
        name: change.to_string(),
        relative,
    });
    finding
}

const HARM: Option<[f64; 3]> = Some([0.38, 0.25, 0.6]);

#[test]
fn undoing_a_measured_harm_comes_first_with_the_effect_reversed() {
    let found = [
        finding("anomaly", "db", Severity::Warning),
        harm("effect", "D3 on failures", "D3", HARM),
    ];
    // Other changes of configuration failed.
    let others = effects(&[
        ("a", "configuration", "harmful", 0.4),
        ("b", "configuration", "unclear", 0.1),
    ]);
    let all = recommend(&context(WEEK, &found), vec![others], default_params());
    let titles: Vec<&str> = all.iter().map(|each| each.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Undo D3 in db, or change it again",
            "Alert on memory in use in db outside the usual range"
        ]
    );
    let undo = &all[0];
    assert_close(undo.expected, [1.0 / 1.38 - 1.0, 1.0 / 1.6 - 1.0, -0.2]);
    assert!(undo.is_measured && undo.past == PastSuccess::default());
    assert_eq!(undo.metric, "failures");
    let expected = 100.0 * (1.0 - 1.0 / 1.38) * 0.97;
    assert!((undo.priority() - expected).abs() < 1e-9, "{undo:?}");
}

#[test]
fn proven_harm_stays_worth_undoing() {
    let found = [harm("effect", "D3 on failures", "D3", HARM)];
    let first = recommend(&context(WEEK, &found), Vec::new(), default_params());
    let late = (
        &*first[0].id,
        "2026-11-09T00:00:00",
        "2026-W36",
        10.0,
        "2026-11-12",
        "warning",
    );
    let all = recommend(
        &context(WEEK, &found),
        vec![earlier(&[late])],
        default_params(),
    );
    assert_eq!(
        (all[0].state, all[0].times),
        (RecommendationState::Open, 11)
    );
}

#[test]
fn the_hours_of_demand_are_no_reason_to_move_work() {
    let busy = |what: &str| {
        let mut finding = finding("hour_effect", "all", Severity::Notice);
        finding.what = what.to_string();
        let all = recommend(&context(WEEK, &[finding]), Vec::new(), default_params());
        all.iter().any(|each| each.rule == "move-work")
    };
    assert!(busy("failures between 08:00 and 20:00"));
    assert!(!busy("calls between 08:00 and 20:00"));
}

#[test]
fn without_a_relative_effect_undoing_has_the_range_of_its_rule() {
    let found = [harm("effect", "D3 on failures", "D3", None)];
    let others = effects(&[("a", "configuration", "harmful", 0.4)]);
    let all = recommend(&context(WEEK, &found), vec![others], default_params());
    assert_close(all[0].expected, [-0.25, -0.4, -0.1]);
    assert!(!all[0].is_measured && all[0].past == PastSuccess::default());
}

#[test]
fn each_harmful_deployment_and_switch_has_a_recommendation() {
    let found = [
        harm("candidate", "failures after change 482", "change 482", HARM),
        harm("candidate", "failures after change 490", "change 490", HARM),
        harm(
            "candidate",
            "failures while fast_path is on",
            "fast_path",
            HARM,
        ),
    ];
    let all = recommend(&context(WEEK, &found), Vec::new(), default_params());
    let mut titles: Vec<&str> = all.iter().map(|each| each.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(
        titles,
        [
            "Check change 482 in db, and undo it if nothing else happened that day",
            "Check change 490 in db, and undo it if nothing else happened that day",
            "Turn fast_path off in db, or fix what it turns on",
        ]
    );
    let metrics = all
        .iter()
        .all(|each| each.metric == "failures" && each.is_measured);
    assert!(metrics, "{all:?}");
    // Improvements that nobody registered are no harm.
    let mut good = found[0].clone();
    good.severity = Severity::Notice;
    let all = recommend(&context(WEEK, &[good]), Vec::new(), default_params());
    assert!(all.is_empty(), "{all:?}");
}

#[test]
fn actions_on_records_lower_the_number_of_their_faults() {
    let mut cut = finding("quality", "a", Severity::Warning);
    cut.chapter = Chapter::Data;
    cut.direction = retrocast_domain::Direction::Down;
    cut.request = Some(retrocast_domain::ActionRequest::new(
        "one file in a",
        "was cut off",
        "send it again",
    ));
    let all = recommend(&context(WEEK, &[cut]), Vec::new(), default_params());
    assert_eq!(all[0].rule, "fix-source");
    assert_eq!(all[0].metric, "faults in the records");
    assert_close(all[0].expected, [-0.4, -0.6, -0.2]);
}

#[test]
fn built_in_rules_cover_all_categories() {
    let rules = built_in_rules().unwrap();
    for category in [
        "configuration",
        "resources",
        "performance",
        "scaling",
        "alert thresholds",
        "settings",
        "workflow",
        "quality",
        "cost",
        "message generation",
        "enrichment",
        "scraping",
        "sync",
    ] {
        assert!(
            rules.iter().any(|rule| rule.category == category),
            "{category}"
        );
    }
    for rule in &rules {
        assert!(
            rule.expected.len() == 2 && rule.effort_days > 0.0,
            "{}",
            rule.name
        );
    }
}

#[test]
fn recommendations_beyond_the_limit_are_only_rows() {
    let found: Vec<Finding> = (0..15)
        .map(|i| finding("forecast", &format!("db-{i}"), Severity::Warning))
        .collect();
    let context = context(WEEK, &found);
    let analysis = run(
        &context,
        &json!({"findings": ["outlook"], "top": 4}),
        &Inputs::new(),
    )
    .unwrap();
    assert_eq!(analysis.cell.recommendations.len(), 4);
    assert_eq!(analysis.cell.tables[0].more, 11);
    assert_eq!(analysis.frame.unwrap().height(), 15);
}
