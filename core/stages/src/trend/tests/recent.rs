//! Steps and ramps of the last weeks.

use super::*;

/// Durations of 315 days around 600 s with a standard deviation of 120 s, 40 % higher in the last
/// five weeks.
fn recent_step(seed: u64) -> DataFrame {
    let mut noise = Noise(seed * 7919 + 41);
    let (mut at, mut value) = (Vec::new(), Vec::new());
    for day in 0..315 {
        let level = if day < 280 { 600.0 } else { 840.0 };
        at.push((jiff::civil::date(2026, 1, 5) + day.days()).at(12, 0, 0, 0));
        value.push(level + 120.0 * noise.normal());
    }
    let columns = vec![times("at", &at), Column::new("seconds".into(), value)];
    DataFrame::new(at.len(), columns).expect("a frame")
}

#[test]
fn a_step_is_not_also_a_ramp() {
    let params = serde_json::json!({
        "input": "metrics", "value": "seconds", "measure": "duration", "unit": "s"
    });
    let (mut stepped, mut ramps) = (0, 0);
    for seed in 0..20 {
        let inputs = Inputs::from([("metrics".to_string(), input("metrics", recent_step(seed)))]);
        let context = context("2026-11-16");
        let trend = run(&context, &params, &inputs).expect("an analysis").cell;
        let shift = (crate::change_point::CHANGE_POINT.run)(&context, &params, &inputs);
        let shift = shift.expect("an analysis").cell;
        let trend = trend.findings.first().expect("a trend");
        let sentence = plain(&trend.sentence);
        ramps += usize::from(sentence.contains("fitted line"));
        let mut findings = [Some(trend), shift.findings.first()].into_iter().flatten();
        let is_info = |finding: &Finding| finding.severity == retrocast_domain::Severity::Info;
        assert!(findings.any(is_info), "{sentence}");
        if let Some(rest) = sentence.strip_prefix("Duration rose in a step around ") {
            stepped += 1;
            assert!(trend.numbers["bend"].is_null(), "{sentence}");
            // The levels are those of the shift.
            let shift = plain(&shift.findings.first().expect("a shift").sentence);
            let levels = |text: &str| {
                let (_, levels) = text.split_once(" from a mean of ").expect("levels");
                levels
                    .split(';')
                    .next()
                    .map(|text| text.trim_end_matches('.').to_string())
            };
            assert_eq!(levels(rest), levels(&shift));
        }
    }
    assert!(
        stepped >= 17 && stepped + ramps == 20,
        "{stepped} steps, {ramps} ramps"
    );
}

/// Mean memory per day over a year, with autocorrelation 0.5 and a standard deviation of 1.5, that
/// rises by 10 % of its level over the last `days`.
fn ramp(seed: u64, days: i64) -> DataFrame {
    let mut noise = Noise(seed * 7919 + 29);
    let mut wave = noise.normal();
    let (mut at, mut value) = (Vec::new(), Vec::new());
    for day in 0..365 {
        wave = 0.5 * wave + 0.75_f64.sqrt() * noise.normal();
        let rise = 4.7 * (day - (364 - days)).max(0) as f64 / days as f64;
        at.push((jiff::civil::date(2025, 11, 16) + day.days()).at(12, 0, 0, 0));
        value.push(47.0 + 1.5 * wave + rise);
    }
    let columns = vec![times("at", &at), Column::new("memory".into(), value)];
    DataFrame::new(at.len(), columns).expect("a frame")
}

#[test]
fn ramps_of_the_last_weeks_are_trends_and_not_steps() {
    let params = serde_json::json!({
        "input": "metrics", "value": "memory", "measure": "mean memory", "unit": "%"
    });
    for days in [21, 28, 56] {
        let (mut found, mut steps, mut gradual) = (0, 0, 0);
        for seed in 0..20 {
            let inputs =
                Inputs::from([("metrics".to_string(), input("metrics", ramp(seed, days)))]);
            let context = context("2026-11-16");
            let trend = run(&context, &params, &inputs).expect("an analysis").cell;
            let shift = (crate::change_point::CHANGE_POINT.run)(&context, &params, &inputs);
            let shift = shift.expect("an analysis").cell;
            let finding = trend.findings.first();
            found += usize::from(
                finding.is_some_and(|finding| finding.numbers["bend"] != serde_json::Value::Null),
            );
            let is_step = finding.is_some_and(|finding| finding.sentence.contains("in a step"));
            let is_shift =
                |finding: &Finding| !finding.sentence.contains("a gradual rise describes");
            steps += usize::from(is_step || shift.findings.iter().any(is_shift));
            let is_bend = |finding: &&Finding| !finding.numbers["bend"].is_null();
            if let Some(finding) = finding.filter(is_bend) {
                let sentence = plain(&finding.sentence);
                let start = "Mean memory rose over ";
                assert!(
                    sentence.starts_with(start) && sentence.contains(" days, since about "),
                    "{sentence}"
                );
            }
            let mut caveats = shift.caveats.iter();
            if let Some(caveat) = caveats.find(|caveat| caveat.starts_with("Moving gradually")) {
                assert!(caveat.contains("mean memory (since about "), "{caveat}");
                gradual += 1;
            }
        }
        assert!(
            found >= 18 && steps <= 2 && gradual >= 5,
            "{days} days: {found} found, {steps} steps, {gradual} gradual, of 20"
        );
    }
}
