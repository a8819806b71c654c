//! Sample cells of improvements, of hostile text, and of stages without results.

use super::analyses::{chart, days, series, wave};
use super::{Claim, HOSTILE, claim, dataset, params};
use retrocast_domain::{
    Cell, CellStatus, ChartKind, Effect, Severity, Table, Verdict,
    chart::{Band, Role},
};

pub(super) fn effect(
    title: &str,
    date: &str,
    relative: [f64; 3],
    p: f64,
    verdict: Verdict,
) -> Effect {
    let before = 36.4;
    let counterfactual = 35.1;
    let to_absolute = |share: f64| share * counterfactual;
    Effect {
        improvement: title.to_lowercase().replace(' ', "-"),
        title: title.to_string(),
        date: date.to_string(),
        metric: "failures of billing".to_string(),
        unit: "failures per day".to_string(),
        lower_is_better: true,
        before,
        after: counterfactual + to_absolute(relative[0]),
        counterfactual,
        absolute: relative.map(to_absolute),
        relative,
        placebo_p: p,
        test: retrocast_domain::EffectTest::Placebo,
        placebos: 96,
        days_before: 180,
        days_after: 42,
        detectable: None,
        days_needed: None,
        controls: vec!["failures of export".to_string()],
        verdict,
        category: String::new(),
        expected_relative: None,
        worth: None,
        guardrails: Vec::new(),
    }
}

pub(super) fn effectiveness() -> Cell {
    let effects = vec![
        effect(
            "Retry with backoff in billing",
            "2026-10-05",
            [-0.30, -0.41, -0.18],
            0.004,
            Verdict::Works,
        ),
        effect(
            "Larger cache for search",
            "2026-09-21",
            [-0.04, -0.15, 0.09],
            0.41,
            Verdict::Unclear,
        ),
        effect(
            "New routing of tickets",
            "2026-10-12",
            [0.19, 0.06, 0.33],
            0.011,
            Verdict::Harmful,
        ),
        effect(
            "Nightly index rebuild",
            "2026-11-11",
            [-0.08, -0.31, 0.2],
            0.6,
            Verdict::TooEarly,
        ),
    ];
    let n = 222;
    let band = Band {
        name: "95 % interval".to_string(),
        times: days(n),
        lower: (0..n as usize).map(|i| wave(i, 27.0)).collect(),
        upper: (0..n as usize).map(|i| wave(i, 38.0)).collect(),
    };
    Cell {
        title: "Did the improvements work?".to_string(),
        did: "Estimated for each improvement what would have happened without it.".to_string(),
        method: "Structural time series with controls as counterfactual (Brodersen et al. 2015); \
                 placebo-in-time tests."
            .to_string(),
        inputs: vec![dataset("daily_failures", 12, 4_368)],
        params: params(&[("improvements", "\"improvements.toml\"", true)]),
        effects,
        charts: vec![chart(
            "effect-retry",
            "Retry with backoff cut billing failures by 30 %",
            "failures per day",
            ChartKind::BeforeAfter {
                observed: series("observed", n, 29.0, Role::Observed),
                counterfactual: series("without the change", n, 32.0, Role::Expected),
                band,
                change: days(n)[180],
                change_label: "5 October".to_string(),
            },
        )],
        caveats: vec!["The control may itself be touched by the change.".to_string()],
        ..Cell::new("effectiveness", "effectiveness")
    }
}

pub(super) fn hostile() -> Cell {
    let mut table = Table::new("Longest open tickets", &["<title", ">days open", "<team"]);
    for (i, text) in HOSTILE.iter().enumerate() {
        table.push([
            (*text).to_string(),
            (90 - i * 7).to_string(),
            "core".to_string(),
        ]);
    }
    table.push(["x".repeat(500), "12".to_string(), "core".to_string()]);
    let sentence = format!(
        "The oldest open ticket is “{}”, open for 90 days.",
        HOSTILE[0]
    );
    Cell {
        title: HOSTILE[1].to_string(),
        did: "Listed the tickets that have been open longest.".to_string(),
        method: "SQL by Apache DataFusion over Lance datasets.".to_string(),
        inputs: vec![dataset("tickets", 41, 48_211)],
        params: params(&[("title", HOSTILE[7], true)]),
        findings: vec![claim(
            &Claim {
                stage: "oldest",
                kind: "kpi",
                subject: HOSTILE[5],
                what: HOSTILE[2],
                severity: Severity::Info,
                sentence: &sentence,
            },
            None,
            9,
            None,
        )],
        tables: vec![table],
        caveats: HOSTILE.iter().map(ToString::to_string).collect(),
        ..Cell::new("oldest", "command")
    }
}

pub(super) fn too_short() -> Cell {
    Cell {
        title: "Drift of decision scores".to_string(),
        status: CellStatus::NotEnough {
            message: "not enough: 9 days of scores, 21 needed; it will run from 28 November on"
                .to_string(),
        },
        inputs: vec![dataset("decisions", 41, 1_204_530)],
        ..Cell::new("score_drift", "drift")
    }
}

pub(super) fn broken() -> Cell {
    Cell {
        title: "Cost by team".to_string(),
        status: CellStatus::Failed {
            message: "program ./cost.py ended with code 3: KeyError: 'team_cost'".to_string(),
        },
        ..Cell::new("cost", "command")
    }
}
