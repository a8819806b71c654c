//! Sample cells of rhythms, anomalies, change points and a forecast.

use super::{Claim, claim, dataset, params};
use jiff::{
    ToSpan,
    civil::{DateTime, date},
};
use retrocast_domain::{
    Cell, Chart, ChartKind, Magnitude, Severity, Table,
    chart::{Band, Bar, Level, Marker, Panel, Role, Series},
    number::{count, sensible},
};

pub(super) fn days(n: i64) -> Vec<DateTime> {
    let start = date(2026, 11, 16) - n.days();
    (0..n).map(|i| (start + i.days()).at(0, 0, 0, 0)).collect()
}

pub(super) fn wave(i: usize, level: f64) -> f64 {
    let weekday = if i.is_multiple_of(7) {
        1.35
    } else if i % 7 >= 5 {
        0.6
    } else {
        1.0
    };
    level * weekday * (1.0 + (i * 29 % 13) as f64 / 60.0)
}

pub(super) fn series(name: &str, n: i64, level: f64, role: Role) -> Series {
    let values = (0..n as usize).map(|i| Some(wave(i, level))).collect();
    Series {
        name: name.to_string(),
        times: days(n),
        values,
        role,
    }
}

pub(super) fn chart(id: &str, title: &str, unit: &str, kind: ChartKind) -> Chart {
    Chart {
        id: id.to_string(),
        title: title.to_string(),
        unit: unit.to_string(),
        alt: format!("{title}. Values run from 41 to 118 {unit}; the highest is on 9 November."),
        kind,
        table: None,
    }
}

pub(super) fn rhythm() -> Cell {
    let ratios = [1.73, 1.02, 0.98, 0.97, 1.0, 0.61, 0.58];
    let bars = retrocast_domain::window::WEEKDAYS
        .iter()
        .zip(ratios)
        .map(|(day, value)| Bar {
            label: (*day).to_string(),
            value,
            interval: Some([value * 0.9, value * 1.1]),
            text: format!("{}×", sensible(value)),
            highlight: *day == "Monday",
        })
        .collect();
    let heat = (0..112)
        .map(|i| (date(2026, 7, 27) + (i as i64).days(), wave(i, 60.0)))
        .collect();
    Cell {
        title: "Rhythm of failures".to_string(),
        did: "Compared weekdays, hours and months, each against all days and against working days."
            .to_string(),
        method: "Rate ratios with quasi-Poisson intervals; chi-square against a uniform week; \
                 Benjamini-Hochberg over all comparisons."
            .to_string(),
        inputs: vec![dataset("tickets", 41, 48_211)],
        params: params(&[
            ("time", "\"created_at\"", true),
            ("by", "[]", false),
            ("false_discovery_rate", "0.05", false),
        ]),
        findings: vec![claim(
            &Claim {
                stage: "rhythm",
                kind: "weekday_effect",
                subject: "all",
                what: "failures on Monday",
                severity: Severity::Warning,
                sentence: "Mondays see 73 % more failures than other weekdays (95 % interval 58 % \
                           to 90 % more), in each of the last 12 weeks.",
            },
            Some(Magnitude::interval95(1.73, 1.58, 1.90, "ratio")),
            4_368,
            Some(0.000_2),
        )],
        charts: vec![
            chart(
                "rhythm-weekday",
                "Failures peak on Mondays",
                "rate ratio to all days",
                ChartKind::Bars {
                    bars,
                    baseline: 1.0,
                    baseline_label: "mean of all days".to_string(),
                    horizontal: true,
                },
            ),
            chart(
                "rhythm-calendar",
                "Mondays stand out in every week since July",
                "failures per day",
                ChartKind::CalendarHeat { days: heat },
            ),
        ],
        caveats: vec![
            "Public holidays are not marked in the records and count as working days.".to_string(),
        ],
        ..Cell::new("rhythm", "temporal_pattern")
    }
}

pub(super) fn unusual() -> Cell {
    let sentence = |component: &str, day: &str, n: u64, low: u64, high: u64| {
        format!(
            "{component} had {n} failures on {day}, where {low} to {high} were to be expected; \
             both detectors agree."
        )
    };
    let spikes = [
        ("billing", "Tuesday 10 November", 118, 31, 62),
        ("search", "Friday 13 November", 44, 9, 27),
    ];
    let mut table = Table::new(
        "Unusual days",
        &[
            "<day",
            "<component",
            ">failures",
            "<expected",
            ">robust z",
            "<detectors",
        ],
    );
    for (component, day, n, low, high) in spikes {
        table.push([
            day.to_string(),
            component.to_string(),
            count(n),
            format!("{low} to {high}"),
            "6.4".to_string(),
            "both".to_string(),
        ]);
    }
    let panels = ["api", "billing", "ingest", "search", "auth", "export"]
        .iter()
        .enumerate()
        .map(|(i, label)| Panel {
            label: (*label).to_string(),
            times: days(56),
            values: (0..56)
                .map(|d| Some(wave(d + i, 20.0 + 6.0 * i as f64)))
                .collect(),
            note: format!("+{} %", 3 * i + 2),
            highlight: *label == "billing",
        })
        .collect();
    let critical = sentence("billing", spikes[0].1, 118, 31, 62);
    let warning = sentence("search", spikes[1].1, 44, 9, 27);
    let spike = |subject, severity, sentence| Claim {
        stage: "unusual",
        kind: "anomaly",
        subject,
        what: "daily failures",
        severity,
        sentence,
    };
    Cell {
        title: "Unusual days".to_string(),
        did: "Looked for days that fit neither the weekly rhythm nor the trend of their component."
            .to_string(),
        method: "Robust seasonal residuals (MSTL, median absolute deviation) and an isolation \
                 forest (Liu, Ting and Zhou 2008); a day is named when both agree."
            .to_string(),
        inputs: vec![dataset("daily_failures", 12, 4_368)],
        params: params(&[
            ("time", "\"day\"", true),
            ("value", "\"failures\"", true),
            ("by", "[\"component\"]", true),
            ("threshold", "3.5", false),
        ]),
        findings: vec![
            claim(
                &spike("component = billing", Severity::Critical, &critical),
                Some(Magnitude::interval95(2.4, 1.9, 3.8, "ratio")),
                364,
                Some(0.000_01),
            ),
            claim(
                &spike("component = search", Severity::Warning, &warning),
                Some(Magnitude::interval95(1.9, 1.4, 2.6, "ratio")),
                364,
                Some(0.004),
            ),
        ],
        charts: vec![chart(
            "unusual-components",
            "Billing left its usual range on 10 November",
            "failures per day",
            ChartKind::SmallMultiples { panels },
        )],
        tables: vec![table],
        ..Cell::new("unusual", "anomaly")
    }
}

pub(super) fn change_point() -> Cell {
    let times = days(180);
    let step = 120;
    let level = |start: usize, end: usize, value: f64, label: &str| Level {
        start: times[start],
        end: times[end],
        value,
        label: label.to_string(),
    };
    let levels = vec![
        level(0, step - 1, 24.0, "24.0 a day"),
        level(step, 179, 31.5, "31.5 a day"),
    ];
    let values = (0..180)
        .map(|i| Some(wave(i, if i < step { 22.0 } else { 29.0 })))
        .collect();
    let series = vec![Series {
        name: "failures".to_string(),
        times: times.clone(),
        values,
        role: Role::Observed,
    }];
    let markers = vec![Marker {
        time: times[step],
        value: None,
        label: "17 September".to_string(),
    }];
    Cell {
        title: "Lasting shifts".to_string(),
        did: "Searched each component's daily failures for lasting shifts of level.".to_string(),
        method: "PELT with a Poisson cost (Killick, Fearnhead and Eckley 2012); p by permutation."
            .to_string(),
        inputs: vec![dataset("daily_failures", 12, 4_368)],
        params: params(&[("minimum_days", "14", false)]),
        findings: vec![claim(
            &Claim {
                stage: "shifts",
                kind: "change_point",
                subject: "component = api",
                what: "level of daily failures",
                severity: Severity::Notice,
                sentence: "Failures of api rose from 24.0 to 31.5 a day on 17 September 2026 and \
                           have stayed there for 60 days.",
            },
            Some(Magnitude::interval95(7.5, 5.1, 9.8, "per day")),
            180,
            Some(0.002),
        )],
        charts: vec![chart(
            "shifts-api",
            "Failures of api rose to a new level in September",
            "failures per day",
            ChartKind::Line {
                series,
                bands: Vec::new(),
                markers,
                levels,
            },
        )],
        ..Cell::new("shifts", "change_point")
    }
}

pub(super) fn outlook() -> Cell {
    let ahead: Vec<DateTime> = (0..28)
        .map(|i| (date(2026, 11, 16) + i.days()).at(0, 0, 0, 0))
        .collect();
    let middle: Vec<f64> = (0..28).map(|i| wave(i, 66.0)).collect();
    let band = Band {
        name: "95 % interval".to_string(),
        times: ahead.clone(),
        lower: middle.iter().map(|v| v * 0.75).collect(),
        upper: middle.iter().map(|v| v * 1.3).collect(),
    };
    let expected = Series {
        name: "forecast".to_string(),
        times: ahead,
        values: middle.into_iter().map(Some).collect(),
        role: Role::Expected,
    };
    Cell {
        title: "Failures in the next four weeks".to_string(),
        did: "Forecast daily failures 28 days ahead; the forecaster was chosen by its past errors."
            .to_string(),
        method: "MSTL with ETS, Theta and seasonal naive, weighted by rolling-origin backtests; \
                 conformal intervals."
            .to_string(),
        inputs: vec![dataset("daily_failures", 12, 4_368)],
        params: params(&[("horizon", "28", true), ("capacity", "110", true)]),
        findings: vec![claim(
            &Claim {
                stage: "outlook",
                kind: "forecast",
                subject: "all",
                what: "failures above the on-call capacity of 110 a day",
                severity: Severity::Warning,
                sentence: "Failures will exceed the on-call capacity of 110 a day on 3 of the next \
                           28 days, all Mondays, if nothing changes (95 % interval: 1 to 4 days).",
            },
            Some(Magnitude::interval95(3.0, 1.0, 4.0, "days")),
            364,
            None,
        )],
        charts: vec![chart(
            "outlook",
            "Three Mondays ahead exceed on-call capacity",
            "failures per day",
            ChartKind::Line {
                series: vec![series("observed", 56, 62.0, Role::Observed), expected],
                bands: vec![band],
                markers: Vec::new(),
                levels: Vec::new(),
            },
        )],
        ..Cell::new("outlook", "forecast")
    }
}
