//! Improvements without a measurement, and sources without all records.

use super::*;

#[test]
fn the_verdict_counts_improvements_that_no_stage_measured() {
    let effect = crate::sample::sample().effects[0].clone();
    let measured = effect.improvement.clone();
    let mut cell = Cell::new("effects", "effectiveness");
    cell.not_measured = vec![measured, "ttr".to_string()];
    let inputs = VerdictInputs {
        cells: &[cell.clone(), cell],
        effects: &[Effect {
            verdict: Verdict::Unclear,
            ..effect
        }],
        timezone: "UTC",
        ..VerdictInputs::default()
    };
    let text = verdict(WindowSpec::Week, &inputs);
    assert!(
        text.contains("of two improvements one has no proven effect and one is not measured"),
        "{text}"
    );
    assert_eq!(
        effect_clause(&[], 2).as_deref(),
        Some("both improvements are not measured")
    );
}

#[test]
fn the_verdict_summarises_improvements() {
    let check = |verdicts: &[Verdict], expected: &str| {
        let effect = crate::sample::sample().effects[0].clone();
        let controls = vec!["billing".to_string()];
        let effects: Vec<Effect> = verdicts
            .iter()
            .map(|verdict| Effect {
                verdict: *verdict,
                controls: controls.clone(),
                ..effect.clone()
            })
            .collect();
        assert_eq!(effect_clause(&effects, 0).unwrap_or_default(), expected);
        let uncontrolled = effects.into_iter().map(|effect| Effect {
            controls: Vec::new(),
            ..effect
        });
        let text = effect_clause(&uncontrolled.collect::<Vec<_>>(), 0).unwrap_or_default();
        assert_eq!(text.replace(" (other causes not ruled out)", ""), expected);
        let works = verdicts.contains(&Verdict::Works);
        assert_eq!(
            text.contains("(other causes not ruled out)"),
            works,
            "{text}"
        );
    };
    check(&[], "");
    check(&[Verdict::Works], "the improvement works");
    check(&[Verdict::Unclear], "the improvement has no proven effect");
    check(
        &[Verdict::Works, Verdict::TooEarly, Verdict::Works],
        "of three improvements two work and one is too recent to judge",
    );
    check(
        &[Verdict::Unclear; 2],
        "both improvements have no proven effect",
    );
    check(
        &[Verdict::Unclear; 11],
        "all eleven improvements have no proven effect",
    );
}

#[test]
fn missing_records_lead_to_one_request() {
    let notices = ["The records end on Wednesday.".to_string()];
    let asks = asks::asks(&[], &[], &notices);
    assert!(
        matches!(&asks[..], [ask] if ask.starts_with("Find out why records are missing")),
        "{asks:?}"
    );
    // A hint requires no action.
    let hint = finding("data", "quality", Severity::Notice, "values alike");
    assert_eq!(asks::asks(&[hint], &[], &notices), asks);
    let quiet = finding("data", "quality", Severity::Warning, "records stopped");
    assert_eq!(
        asks::asks(&[quiet], &[], &notices),
        ["Records stopped: name an owner."]
    );
}

#[test]
fn missing_last_days_are_reported_once() {
    let window = Window::parse("2026-W47", "Europe/London").expect("a window");
    let texts = |cells: &[Cell]| -> Vec<String> {
        let notices = notes::notices(cells, &window);
        notices.iter().map(|notice| plain(notice)).collect()
    };
    let mut cell = Cell::new("figures", "kpi");
    assert!(texts(std::slice::from_ref(&cell)).is_empty());
    let noticed = |cell: &Cell, days: &str| {
        assert_eq!(
            texts(std::slice::from_ref(cell)),
            [format!(
                "Records are missing {days} November 2026: figures of the week do not cover those days."
            )]
        );
    };
    cell.missing_from = Some(jiff::civil::date(2026, 11, 19));
    noticed(&cell, "from 19 to 22");
    cell.missing_from = Some(jiff::civil::date(2026, 11, 22));
    noticed(&cell, "on 22");
    cell.notices = vec!["The records end on Wednesday.".to_string()];
    assert_eq!(
        texts(&[cell.clone(), cell]),
        ["The records end on Wednesday."]
    );
}
