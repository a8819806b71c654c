//! Charts with invented numbers for tests: one chart of each kind, and charts with extreme data.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, date},
};
use retrocast_domain::{
    Chart, ChartKind,
    chart::{Band, Bar, Level, Marker, Panel, Role, Series},
};

/// A title that would break or misuse markup.
pub(crate) const HOSTILE: &str =
    "</title></text><script>alert(1)</script>\u{7}\u{202e}& \"q\" 'q' #read(\"x\") ]]> 漢字 😀";

pub(crate) fn days(start: Date, n: i32) -> Vec<DateTime> {
    (0..n)
        .map(|i| (start + i.days()).to_datetime(jiff::civil::Time::midnight()))
        .collect()
}

/// Deterministic noise between -1 and 1.
fn noise(i: i32) -> f64 {
    (f64::from(i) * 12.9898).sin() * 43_758.545_3 % 1.0
}

fn wave(i: i32) -> f64 {
    let weekday = [12.0, 4.0, 2.0, 1.0, 0.0, -9.0, -11.0][i.rem_euclid(7) as usize];
    40.0 + weekday + 4.0 * noise(i)
}

pub(crate) fn chart(id: &str, unit: &str, kind: ChartKind) -> Chart {
    let title = "Failures peak on Mondays".to_string();
    let alt = "Daily failures over thirteen weeks, highest on Mondays.".to_string();
    Chart {
        id: id.to_string(),
        title,
        unit: unit.to_string(),
        alt,
        kind,
        table: None,
    }
}

fn series(name: &str, times: Vec<DateTime>, values: Vec<Option<f64>>, role: Role) -> Series {
    Series {
        name: name.to_string(),
        times,
        values,
        role,
    }
}

fn bar(label: &str, value: f64, interval: Option<[f64; 2]>, text: &str, highlight: bool) -> Bar {
    Bar {
        label: label.to_string(),
        value,
        interval,
        text: text.to_string(),
        highlight,
    }
}

pub(crate) fn forecast() -> Chart {
    let times = days(date(2026, 8, 17), 91);
    let values = (0..91).map(|i| (i != 40).then(|| wave(i))).collect();
    let ahead = days(date(2026, 11, 16), 28);
    let expected: Vec<f64> = (91..119).map(|i| wave(i) - 4.0 * noise(i)).collect();
    let (lower, upper) = expected
        .iter()
        .enumerate()
        .map(|(i, v)| (v - 7.0 - i as f64 * 0.25, v + 7.0 + i as f64 * 0.25))
        .unzip();
    let kind = ChartKind::Line {
        bands: vec![Band {
            name: "95 % interval".into(),
            times: ahead.clone(),
            lower,
            upper,
        }],
        series: vec![
            series("Observed", times, values, Role::Observed),
            series(
                "Forecast",
                ahead,
                expected.into_iter().map(Some).collect(),
                Role::Expected,
            ),
        ],
        markers: vec![
            Marker {
                time: date(2026, 9, 14).at(0, 0, 0, 0),
                value: None,
                label: "Queue split in two".into(),
            },
            Marker {
                time: date(2026, 9, 21).at(0, 0, 0, 0),
                value: None,
                label: "New retry policy".into(),
            },
            Marker {
                time: date(2026, 11, 12).at(0, 0, 0, 0),
                value: None,
                label: "Outage of the billing gateway".into(),
            },
        ],
        levels: vec![],
    };
    chart("forecast", "failures per day", kind)
}

pub(crate) fn anomalies() -> Chart {
    let times = days(date(2026, 10, 5), 42);
    let mut values: Vec<Option<f64>> = (0..42).map(|i| Some(wave(i))).collect();
    values[20] = Some(93.0);
    values[36] = Some(2.0);
    values[37] = Some(78.0);
    let point = |index: usize, label: &str| Marker {
        time: times[index],
        value: values[index],
        label: label.into(),
    };
    let markers = vec![
        point(20, "93, expected 31"),
        point(36, "2 failures"),
        point(37, "78"),
    ];
    let levels = vec![
        Level {
            start: times[0],
            end: times[20],
            value: 38.2,
            label: "mean 38.2".into(),
        },
        Level {
            start: times[21],
            end: times[41],
            value: 46.9,
            label: "mean 46.9".into(),
        },
    ];
    let kind = ChartKind::Line {
        series: vec![series("Failures", times, values, Role::Observed)],
        bands: vec![],
        markers,
        levels,
    };
    chart("anomalies", "failures per day", kind)
}

pub(crate) fn weekdays() -> Chart {
    let names = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let values = [1.73, 1.12, 1.04, 0.98, 0.91, 0.55, 0.48];
    let bars = names
        .iter()
        .zip(values)
        .enumerate()
        .map(|(i, (name, v))| {
            bar(
                name,
                v,
                Some([v - 0.12, v + 0.13]),
                &format!("{v:.2}×"),
                i == 0,
            )
        })
        .collect();
    let kind = ChartKind::Bars {
        bars,
        baseline: 1.0,
        baseline_label: "mean of all days".into(),
        horizontal: false,
    };
    chart("weekdays", "relative to the mean of all days", kind)
}

pub(crate) fn components() -> Chart {
    let bars = vec![
        bar(
            "billing-gateway",
            412.0,
            Some([373.0, 454.0]),
            "412 (38 %)",
            true,
        ),
        bar(
            "enrichment",
            301.0,
            Some([268.0, 337.0]),
            "301 (28 %)",
            false,
        ),
        bar(
            "message generation for outbound campaigns in the far east",
            190.0,
            Some([164.0, 219.0]),
            "190 (18 %)",
            false,
        ),
        bar("sync", 94.0, Some([76.0, 115.0]), "94 (9 %)", false),
        bar("scraping", 71.0, Some([56.0, 90.0]), "71 (7 %)", false),
    ];
    let kind = ChartKind::Bars {
        bars,
        baseline: 0.0,
        baseline_label: String::new(),
        horizontal: true,
    };
    chart("components", "failures in the window", kind)
}

pub(crate) fn hours() -> Chart {
    let bars = (0..24)
        .map(|h| {
            let v = 20.0 + 15.0 * (f64::from(h) / 24.0 * std::f64::consts::TAU).sin() + noise(h);
            bar(
                &format!("{h:02}"),
                v,
                Some([v - 3.0, v + 3.0]),
                &format!("{v:.0}"),
                h == 6,
            )
        })
        .collect();
    let kind = ChartKind::Bars {
        bars,
        baseline: 0.0,
        baseline_label: String::new(),
        horizontal: false,
    };
    chart("hours", "failures per hour of day", kind)
}

pub(crate) fn panels() -> Chart {
    let names = [
        "billing",
        "enrichment",
        "scraping",
        "sync",
        "message generation",
        "search",
        "login",
    ];
    let panels = names
        .iter()
        .enumerate()
        .map(|(k, name)| Panel {
            label: (*name).into(),
            times: days(date(2026, 8, 17), 91),
            values: (0..91)
                .map(|i| Some(wave(i + k as i32 * 5) * (0.4 + 0.1 * k as f64)))
                .collect(),
            note: [
                "+12 %",
                "−3 %",
                "not proven",
                "not proven",
                "not proven",
                "+41 %",
                "−8 %",
            ][k]
                .into(),
            highlight: k == 5,
        })
        .collect();
    chart(
        "panels",
        "failures per day",
        ChartKind::SmallMultiples { panels },
    )
}

pub(crate) fn calendar(n: i32) -> Chart {
    let start = date(2026, 11, 15) - (n - 1).days();
    let days = (0..n)
        .filter(|i| i % 50 != 9)
        .map(|i| {
            (
                start + i.days(),
                wave(i).max(0.0) * if i % 61 == 3 { 3.0 } else { 1.0 },
            )
        })
        .collect();
    chart(
        &format!("calendar-{n}"),
        "failures per day",
        ChartKind::CalendarHeat { days },
    )
}

pub(crate) fn effect() -> Chart {
    let times = days(date(2026, 9, 1), 70);
    let truth: Vec<f64> = (0..70).map(wave).collect();
    let observed = (0..70)
        .map(|i| {
            Some(if i >= 45 {
                truth[i] * 0.7 + noise(i as i32)
            } else {
                truth[i]
            })
        })
        .collect();
    let fitted: Vec<f64> = truth
        .iter()
        .enumerate()
        .map(|(i, v)| v - 2.0 * noise(i as i32))
        .collect();
    let band = Band {
        name: "95 % interval".into(),
        times: times.clone(),
        lower: fitted.iter().map(|v| v - 6.0).collect(),
        upper: fitted.iter().map(|v| v + 6.0).collect(),
    };
    let kind = ChartKind::BeforeAfter {
        observed: series("Observed", times.clone(), observed, Role::Observed),
        counterfactual: series(
            "Without the change",
            times,
            fitted.into_iter().map(Some).collect(),
            Role::Expected,
        ),
        band,
        change: date(2026, 10, 16).at(0, 0, 0, 0),
        change_label: "Retry with back-off, 16 October".into(),
    };
    chart("effect", "failures per day", kind)
}

pub(crate) fn sparkline() -> Chart {
    let values = (0..13).map(|i| (i != 4).then(|| wave(i))).collect();
    chart("sparkline", "", ChartKind::Sparkline { values })
}

pub(crate) fn bullet() -> Chart {
    let kind = ChartKind::Bullet {
        value: 0.957,
        target: Some(0.98),
        ranges: vec![0.9, 0.97, 1.0],
        text: "95.7 %".into(),
    };
    chart("bullet", "share of tasks that succeeded", kind)
}

/// One chart of each kind.
pub(crate) fn one_of_each() -> Vec<Chart> {
    vec![
        forecast(),
        anomalies(),
        weekdays(),
        components(),
        hours(),
        panels(),
        calendar(182),
        calendar(700),
        effect(),
        sparkline(),
        bullet(),
    ]
}

/// Charts with extreme or hostile data.
pub(crate) fn extreme() -> Vec<Chart> {
    let long = "word ".repeat(40_000);
    let mut out = Vec::new();
    for values in [
        vec![],
        vec![5.0],
        vec![5.0; 4],
        vec![f64::NAN; 3],
        vec![f64::INFINITY, f64::NEG_INFINITY, 1.0],
        vec![1e308, -1e308],
        vec![1e15, 1e15 + 0.125],
        vec![-5.0, -7.0, -6.0],
        vec![0.0, 0.0],
        (0..50_000).map(|i| f64::from(i) % 97.0).collect(),
    ] {
        for words in [HOSTILE, &long, ""] {
            out.extend(with_values(&values, words));
        }
    }
    for (i, chart) in out.iter_mut().enumerate() {
        chart.id = format!("extreme-{i}");
    }
    out
}

fn with_values(values: &[f64], words: &str) -> Vec<Chart> {
    let name = words.to_string();
    let n = i32::try_from(values.len()).unwrap();
    let times: Vec<DateTime> = (0..n)
        .map(|i| date(1999, 1, 1).at(0, 0, 0, 0) + i64::from(i).hours())
        .collect();
    let some: Vec<Option<f64>> = values.iter().map(|v| Some(*v)).collect();
    let line = |role| series(words, times.clone(), some.clone(), role);
    let band = || Band {
        name: name.clone(),
        times: times.clone(),
        lower: values.to_vec(),
        upper: values.iter().map(|v| v * 2.0).collect(),
    };
    let bars = || {
        values
            .iter()
            .take(300)
            .map(|v| bar(words, *v, Some([v - 1.0, v * 2.0]), words, *v > 3.0))
            .collect()
    };
    let marker = |value| Marker {
        time: date(1999, 1, 1).at(3, 0, 0, 0),
        value,
        label: name.clone(),
    };
    let kinds = vec![
        ChartKind::Line {
            series: vec![
                line(Role::Observed),
                line(Role::Expected),
                line(Role::Context),
                line(Role::Observed),
            ],
            bands: vec![band()],
            markers: vec![
                marker(None),
                marker(None),
                marker(values.first().copied()),
                marker(Some(f64::NAN)),
            ],
            levels: vec![Level {
                start: date(1999, 1, 1).at(0, 0, 0, 0),
                end: date(2003, 1, 1).at(0, 0, 0, 0),
                value: values.first().copied().unwrap_or(0.0),
                label: name.clone(),
            }],
        },
        ChartKind::Bars {
            bars: bars(),
            baseline: values.first().copied().unwrap_or(f64::NAN),
            baseline_label: name.clone(),
            horizontal: true,
        },
        ChartKind::Bars {
            bars: bars(),
            baseline: 0.0,
            baseline_label: name.clone(),
            horizontal: false,
        },
        ChartKind::SmallMultiples {
            panels: (0..45)
                .map(|i| Panel {
                    label: name.clone(),
                    times: times.iter().copied().take(200).collect(),
                    values: some.clone(),
                    note: name.clone(),
                    highlight: i == 2,
                })
                .collect(),
        },
        ChartKind::CalendarHeat {
            days: times
                .iter()
                .map(|t| t.date())
                .zip(values.iter().copied())
                .collect(),
        },
        ChartKind::CalendarHeat {
            days: vec![
                (Date::MIN, 1.0),
                (Date::MAX, values.first().copied().unwrap_or(2.0)),
            ],
        },
        ChartKind::BeforeAfter {
            observed: line(Role::Observed),
            counterfactual: line(Role::Expected),
            band: band(),
            change: date(1999, 1, 1).at(1, 0, 0, 0),
            change_label: name.clone(),
        },
        ChartKind::Sparkline {
            values: some.clone(),
        },
        ChartKind::Bullet {
            value: values.first().copied().unwrap_or(f64::NAN),
            target: values.last().copied(),
            ranges: values.iter().copied().take(9).collect(),
            text: name.clone(),
        },
    ];
    kinds
        .into_iter()
        .map(|kind| Chart {
            id: name.chars().take(99).collect(),
            title: name.clone(),
            unit: name.clone(),
            alt: name.clone(),
            kind,
            table: None,
        })
        .collect()
}
