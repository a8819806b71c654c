//! Tests the evaluation with hand-written findings about a drawn company.

use super::{
    claim::Claim,
    rules::{Judgement, judge},
    *,
};
use crate::{
    company::{Company, PIPELINES},
    truth::SourceTruth,
};
use jiff::{ToSpan, civil::Date};
use retrocast_domain::{Direction, Evidence, Magnitude};

fn truth() -> Truth {
    let company = Company::draw(&crate::Config::default()).unwrap();
    let tickets = SourceTruth {
        files: 3,
        records: 12,
        accepted: 9,
        duplicates: 1,
        quarantined: BTreeMap::from([("broken JSON".to_string(), 2)]),
        ..SourceTruth::default()
    };
    Truth {
        schema: 1,
        seed: 1,
        weeks: 60,
        start: company.days[0].date,
        until: jiff::civil::date(2026, 11, 16),
        timezone: "Europe/London".to_string(),
        facts: company.facts(),
        allowed: Company::allowed(),
        names: Company::names(),
        sources: BTreeMap::from([("tickets".to_string(), tickets)]),
    }
}

fn finding(kind: &str, dataset: &str, subject: &str, what: &str, up: bool) -> Finding {
    let mut finding = Finding::new("stage", kind, subject, what);
    finding.direction = if up { Direction::Up } else { Direction::Down };
    finding.evidence = vec![Evidence {
        dataset: dataset.to_string(),
        version: 1,
        filter: None,
    }];
    finding
}

fn ratio(mut finding: Finding, ratio: f64) -> Finding {
    finding.magnitude = Some(Magnitude::point(ratio, "ratio"));
    finding
}

fn dated(finding: Finding, date: Date) -> Finding {
    finding.number("date", date.to_string())
}

fn component(fact: &Fact) -> String {
    format!("component = {}", fact.value())
}

/// Checks the judgement of a finding: "shows ...", "implied", "plain", "false" or "unjudged".
fn check(truth: &Truth, finding: &Finding, expected: &str) {
    let judgement = match judge(truth, &Claim::read(truth, finding), &[]) {
        Judgement::Shows(facts) => format!("shows {}", facts.join(" ")),
        Judgement::Implied(_) => "implied".to_string(),
        Judgement::Informational => "plain".to_string(),
        Judgement::False(_) => "false".to_string(),
        Judgement::Unjudged => "unjudged".to_string(),
    };
    assert_eq!(judgement, expected, "{finding:?}");
}

#[test]
fn weekday_effects_are_judged() {
    let truth = truth();
    let monday = truth.fact("monday").unwrap();
    let ratio_all_days = monday.numbers["ratio_all_days"];
    let effect = |dataset, what, up| finding("weekday_effect", dataset, "all", what, up);
    let failures = |what, up| effect("daily_failures", what, up);
    check(
        &truth,
        &ratio(failures("failures on Monday", true), ratio_all_days),
        "shows monday",
    );
    check(&truth, &failures("failures on Tuesday", false), "implied");
    check(&truth, &failures("failures on Tuesday", true), "false");
    check(&truth, &failures("failures on Monday", false), "false");
    check(
        &truth,
        &ratio(failures("failures on Monday", true), 4.0),
        "false",
    );
    check(
        &truth,
        &ratio(effect("tickets", "tickets on Monday", true), 1.3),
        "implied",
    );
    check(
        &truth,
        &effect("daily_questions", "questions on Monday", true),
        "false",
    );
    check(
        &truth,
        &effect("pipelines", "executions at weekends", false),
        "implied",
    );
    check(&truth, &failures("failures at weekends", true), "false");
    check(
        &truth,
        &effect("pipelines", "executions on Sunday", false),
        "implied",
    );
    check(
        &truth,
        &effect("decisions", "decisions on Wednesday", true),
        "implied",
    );
    check(
        &truth,
        &effect("pipelines", "executions on Wednesday", false),
        "false",
    );
    check(
        &truth,
        &finding("hour_effect", "tickets", "all", "tickets at 09:00", true),
        "false",
    );
}

#[test]
fn thresholds_are_judged() {
    let truth = truth();
    let fact = truth.fact("threshold").unwrap();
    let claim = |subject: &str, threshold: f64| {
        finding(
            "volume_threshold",
            "pipelines",
            subject,
            "failed executions by files",
            true,
        )
        .number("threshold", threshold)
    };
    check(&truth, &claim("all", fact.size * 1.05), "shows threshold");
    check(&truth, &claim("all", 300.0), "false");
    let pipeline = format!("pipeline = {}", PIPELINES[5]);
    check(&truth, &claim(&pipeline, fact.size * 0.97), "implied");
}

#[test]
fn shifts_of_a_component_are_judged() {
    let truth = truth();
    let shift = truth.fact("shift").unwrap();
    let date = shift.date.unwrap();
    let claim =
        |kind: &str, subject: &str, up| finding(kind, "daily_tickets", subject, "tickets", up);
    let about = component(shift);
    let later = |days: i64| date.checked_add(days.days()).unwrap();
    check(
        &truth,
        &dated(
            ratio(claim("change_point", &about, true), shift.size),
            later(3),
        ),
        "shows shift",
    );
    check(
        &truth,
        &dated(claim("change_point", &about, true), later(30)),
        "false",
    );
    check(
        &truth,
        &dated(claim("change_point", &about, false), date),
        "false",
    );
    check(
        &truth,
        &dated(claim("change_point", "all", true), later(9)),
        "implied",
    );
    check(&truth, &claim("trend", &about, true), "implied");
    check(&truth, &claim("month_effect", &about, true), "implied");
    check(
        &truth,
        &dated(claim("anomaly", &about, true), later(5)),
        "implied",
    );
    check(
        &truth,
        &dated(claim("anomaly", &about, true), later(60)),
        "false",
    );
    let other = truth.names["tickets"]["component"]
        .iter()
        .find(|name| truth.facts.iter().all(|fact| fact.value() != *name))
        .unwrap();
    let other = format!("component = {other}");
    check(
        &truth,
        &dated(claim("change_point", &other, true), date),
        "false",
    );
    check(&truth, &claim("trend", &other, true), "false");
    check(&truth, &claim("kpi", "all", true), "false");
}

#[test]
fn outages_and_drift_are_judged() {
    let truth = truth();
    let outage = truth.fact("outage-pipelines").unwrap().date.unwrap();
    let dip = truth.fact("dip-pipelines").unwrap().date.unwrap();
    let anomaly = |dataset, up| finding("anomaly", dataset, "all", "records per day", up);
    check(
        &truth,
        &dated(anomaly("daily_executions", false), outage),
        "shows outage-pipelines",
    );
    check(
        &truth,
        &dated(anomaly("decisions", false), outage),
        "shows outage-decisions",
    );
    check(
        &truth,
        &dated(anomaly("pipelines", false), dip),
        "shows dip-pipelines",
    );
    check(&truth, &dated(anomaly("decisions", false), dip), "false");
    check(
        &truth,
        &dated(anomaly("daily_tickets", false), outage),
        "false",
    );
    let executions = finding("kpi", "pipelines", "all", "executions per day", false);
    check(&truth, &executions, "implied");
    let success = finding("kpi", "pipelines", "all", "success rate", false);
    check(&truth, &success, "false");
    let decisions = finding("kpi", "decisions", "all", "decisions per day", false);
    check(&truth, &decisions, "false");

    let drift = truth.fact("drift").unwrap();
    let about = format!("service = {}", drift.value());
    let memory = |kind: &str, subject: &str, what: &str, up| {
        finding(kind, "daily_metrics", subject, what, up)
    };
    check(
        &truth,
        &memory("trend", &about, "memory_percent", true),
        "shows drift",
    );
    check(
        &truth,
        &memory("trend", &about, "cpu_percent", true),
        "false",
    );
    check(
        &truth,
        &memory("trend", &about, "memory_percent", false),
        "false",
    );
    check(
        &truth,
        &memory("trend", "all", "memory_percent", true),
        "implied",
    );
    let breach = memory("forecast", &about, "memory_percent reaches its limit", true);
    check(&truth, &breach, "shows drift");
    check(
        &truth,
        &memory("forecast", "all", "cpu_percent next week", true),
        "plain",
    );
    let quality = finding("quality", "metrics", "metrics", "score", false);
    check(&truth, &quality, "plain");
    check(
        &truth,
        &finding("source_quiet", "metrics", "metrics", "silence", false),
        "false",
    );
    check(
        &truth,
        &finding("haiku", "metrics", "metrics", "five", false),
        "unjudged",
    );
}

fn effect(fact: &Fact, verdict: Verdict, relative: [f64; 3]) -> Effect {
    Effect {
        improvement: fact.id.clone(),
        title: String::new(),
        date: String::new(),
        metric: "failures".to_string(),
        unit: "failures per day".to_string(),
        lower_is_better: true,
        before: 20.0,
        after: 13.0,
        counterfactual: 20.0,
        absolute: [-7.0, -9.0, -5.0],
        relative,
        placebo_p: 0.01,
        test: retrocast_domain::EffectTest::Placebo,
        placebos: 80,
        days_before: 120,
        days_after: 30,
        detectable: None,
        days_needed: None,
        controls: Vec::new(),
        verdict,
        category: String::new(),
        expected_relative: None,
        worth: None,
        guardrails: Vec::new(),
    }
}

/// Checks whether two verdicts are judged correct: the verdict on the improvement that works, with
/// its estimate, and the verdict on the ineffective improvement.
fn check_verdicts(works: (Verdict, f64), ineffective: Verdict, expected: [bool; 2]) {
    let truth = truth();
    let estimate = works.1;
    let effects = [
        effect(
            truth.fact("IMP-001").unwrap(),
            works.0,
            [estimate, estimate - 0.1, estimate + 0.1],
        ),
        effect(
            truth.fact("IMP-002").unwrap(),
            ineffective,
            [-0.05, -0.15, 0.05],
        ),
    ];
    let checks = check_improvements(&truth, &effects);
    assert_eq!([checks[0].ok, checks[1].ok], expected, "{checks:?}");
    assert_eq!(checks[2].verdict, "no verdict");
    assert!(!checks[2].ok);
}

#[test]
fn verdicts_on_improvements_are_judged() {
    check_verdicts((Verdict::Works, -0.33), Verdict::Unclear, [true, true]);
    check_verdicts((Verdict::Works, -0.80), Verdict::TooEarly, [false, true]);
    check_verdicts((Verdict::Unclear, -0.33), Verdict::Works, [false, false]);
    check_verdicts((Verdict::Harmful, 0.3), Verdict::Harmful, [false, false]);
}

#[test]
fn record_counts_are_compared() {
    let truth = truth();
    let mut note = SourceNote {
        name: "tickets".to_string(),
        uri: String::new(),
        contract: "ticket".to_string(),
        files: 3,
        records: 12,
        accepted: 9,
        quarantined: vec![("broken JSON".to_string(), 2)],
        duplicates: 1,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        missing_fields: Vec::new(),
        retyped_fields: Vec::new(),
        expectation: retrocast_domain::report::Expectation::default(),
        first_time: String::new(),
        last_time: String::new(),
        warnings: Vec::new(),
    };
    assert!(evaluate(&truth, &[], &[], std::slice::from_ref(&note)).sources[0].ok);
    note.quarantined.push(("too long".to_string(), 1));
    let evaluation = evaluate(&truth, &[], &[], &[note]);
    assert_eq!(
        evaluation.sources[0].differences,
        [("too long".to_string(), 0, 1)]
    );
}

#[test]
fn the_table_lists_facts_and_false_claims() {
    let truth = truth();
    let monday = truth.fact("monday").unwrap();
    let shown = finding(
        "weekday_effect",
        "daily_failures",
        "all",
        "failures on Monday",
        true,
    );
    let shown = ratio(shown, monday.numbers["ratio_all_days"]);
    let unsupported = finding(
        "trend",
        "daily_metrics",
        "service = api",
        "cpu_percent",
        true,
    );
    let effects = [
        effect(
            truth.fact("IMP-001").unwrap(),
            Verdict::Works,
            [-0.35, -0.42, -0.27],
        ),
        effect(
            truth.fact("IMP-002").unwrap(),
            Verdict::Unclear,
            [0.02, -0.1, 0.14],
        ),
        effect(
            truth.fact("IMP-003").unwrap(),
            Verdict::TooEarly,
            [0.0, 0.0, 0.0],
        ),
    ];
    let evaluation = evaluate(&truth, &[shown, unsupported], &effects, &[]);
    let text = evaluation.to_string();
    for line in [
        "planted facts      4 of 10 found",
        "  found   monday             failure tickets are",
        "  MISSED  shift              daily tickets of",
        "  FALSE   trend              trend of service = api: cpu_percent [stage]",
        "improvements       3 of 3 judged correctly",
        "result             FAILED",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(!evaluation.passed());
}
