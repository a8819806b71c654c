//! Sample cells of a query, data quality and key figures.

use super::{Claim, claim, dataset, params};
use jiff::{ToSpan, civil::date};
use retrocast_domain::{
    Cell, Direction, Kpi, Magnitude, Severity, Table,
    number::{count, percent},
};

pub(super) fn sql() -> Cell {
    let mut table = Table::new(
        "First rows of daily_failures",
        &["<day", "<component", ">failures"],
    );
    for (i, component) in ["api", "billing", "search", "ingest"]
        .iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        let day = date(2026, 11, 15) - ((i / 4) as i64).days();
        table.push([
            day.to_string(),
            (*component).to_string(),
            (i * 7 % 23).to_string(),
        ]);
    }
    Cell {
        title: "Failures per day and component".to_string(),
        did: "Ran the query over version 41 of tickets and wrote its rows as a dataset."
            .to_string(),
        method: "SQL by Apache DataFusion over Lance datasets.".to_string(),
        inputs: vec![dataset("tickets", 41, 48_211)],
        output: Some(dataset("daily_failures", 12, 4_368)),
        query: Some(
            "select date_trunc('day', created_at) as day, component, count(*) as failures\n\
             from tickets\nwhere type = 'failure' -- not 'question'\ngroup by 1, 2\norder by 1, 2"
                .to_string(),
        ),
        tables: vec![table],
        ..Cell::new("daily_failures", "sql")
    }
}

pub(super) fn quality() -> Cell {
    let mut table = Table::new(
        "Completeness by field",
        &["<field", ">missing", ">share", "<first seen"],
    );
    for (i, field) in ["resolved_at", "severity", "assignee", "customer.region"]
        .iter()
        .enumerate()
    {
        let missing = [1_204_u64, 33, 811, 2][i];
        table.push([
            (*field).to_string(),
            count(missing),
            percent(missing as f64 / 48_211.0),
            "2026-03-02".to_string(),
        ]);
    }
    let sentence = "Ticket volume on 11 November was 38 % below the median of the last \
                    8 Wednesdays; 412 records arrived more than a day late.";
    Cell {
        title: "Quality of the ticket records".to_string(),
        did: "Checked freshness, volume, completeness, uniqueness and drift of the schema."
            .to_string(),
        method: "Robust z-scores against the same weekday; Hellinger distance between windows."
            .to_string(),
        inputs: vec![dataset("tickets", 41, 48_211)],
        params: params(&[("late_after", "\"1 day\"", true), ("weeks", "8", false)]),
        findings: vec![claim(
            &Claim {
                stage: "ticket_quality",
                kind: "quality",
                subject: "source = tickets",
                what: "volume on a Wednesday",
                severity: Severity::Notice,
                sentence,
            },
            Some(Magnitude::point(-0.38, "share")),
            412,
            None,
        )],
        tables: vec![table],
        ..Cell::new("ticket_quality", "quality")
    }
}

pub(super) fn kpi(
    name: &str,
    unit: &str,
    values: [f64; 2],
    texts: [&str; 4],
    lower_is_better: bool,
) -> Kpi {
    let [value, previous] = values;
    let [text, interval, delta, target] = texts;
    Kpi {
        name: name.to_string(),
        subject: "all components".to_string(),
        value: Some(value),
        interval: None,
        unit: unit.to_string(),
        text: text.to_string(),
        interval_text: interval.to_string(),
        previous: Some(previous),
        delta_text: delta.to_string(),
        baseline: Some(previous),
        baseline_delta_text: delta.to_string(),
        significant: (value / previous - 1.0).abs() > 0.07,
        direction: if value > previous {
            Direction::Up
        } else {
            Direction::Down
        },
        lower_is_better,
        target: [
            ("98.0 %", 0.98),
            ("4 h 0 min", 240.0),
            ("450 ms", 450.0),
            ("99.0 %", 0.99),
        ]
        .iter()
        .find(|(words, _)| *words == target)
        .map(|(_, target)| *target),
        target_text: target.to_string(),
        earlier: Vec::new(),
        history: (0..12)
            .map(|i| {
                let wave = f64::from(i * 37 % 11) / 11.0 - 0.5;
                (i != 4).then_some(
                    previous + (value - previous) * f64::from(i) / 11.0 + wave * previous * 0.05,
                )
            })
            .collect(),
        n: 1_932,
    }
}

pub(super) fn key_figures() -> Cell {
    let minus = "−";
    let kpis = vec![
        kpi(
            "Failures",
            "per day",
            [84.5, 61.2],
            ["84.5 per day", "78.1 to 91.4", "+38 %", ""],
            true,
        ),
        kpi(
            "Success rate of decisions",
            "share",
            [0.972, 0.976],
            [
                "97.2 %",
                "96.8 % to 97.6 %",
                &format!("{minus}0.4 points"),
                "98.0 %",
            ],
            false,
        ),
        kpi(
            "Median time to resolve",
            "min",
            [200.0, 231.0],
            [
                "3 h 20 min",
                "3 h 1 min to 3 h 42 min",
                &format!("{minus}13 %"),
                "4 h 0 min",
            ],
            true,
        ),
        kpi(
            "Latency, 95th percentile",
            "ms",
            [412.0, 405.0],
            ["412 ms", "402 to 423", "+1.7 %", "450 ms"],
            true,
        ),
        kpi(
            "Reopened tickets",
            "share",
            [0.061, 0.058],
            ["6.1 %", "5.1 % to 7.3 %", "+0.3 points", ""],
            true,
        ),
        kpi(
            "Pipeline runs on time",
            "share",
            [0.914, 0.991],
            [
                "91.4 %",
                "89.6 % to 92.9 %",
                &format!("{minus}7.7 points"),
                "99.0 %",
            ],
            false,
        ),
    ];
    Cell {
        title: "Key figures of the week".to_string(),
        did: "Computed six key figures and compared them with the previous week and the four \
              weeks before."
            .to_string(),
        method: "Wilson intervals for shares; bootstrap intervals (2 000 draws) for the rest."
            .to_string(),
        inputs: vec![
            dataset("tickets", 41, 48_211),
            dataset("decisions", 41, 1_204_530),
        ],
        params: params(&[(
            "figures",
            "[\"failures\", \"success_rate\", \"time_to_resolve\"]",
            true,
        )]),
        kpis,
        ..Cell::new("key_figures", "kpi")
    }
}
