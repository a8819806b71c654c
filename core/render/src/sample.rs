//! A report as a run of the example job would make it, with hostile texts in it.
//!
//! Tests, benchmarks and the gallery render it; its numbers are made up, but agree with each other.

use crate::assemble::{Assembly, report};
use jiff::{
    ToSpan,
    civil::{DateTime, date},
};
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, DatasetRef, Direction, Effect, Evidence, Finding, Kpi,
    Magnitude, ParamLine, Report, Severity, Table, Verdict, WindowSpec,
    chart::{Band, Bar, Level, Marker, Panel, Role, Series},
    number::{count, percent, sensible},
    report::{PlanNode, Provenance, SourceNote},
};

/// Texts that records may hold and that must stay text wherever they go.
pub const HOSTILE: &[&str] = &[
    "#read(\"secret.txt\")",
    "</script><script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "*bold* _under_ $x^2$ @cite <label> `code` // no comment /* nor this",
    "Größe 支払いエラー 결제 오류 платёж não 😀🚀 ✓",
    "bell\u{7} null\u{0} private \u{e000} bidi \u{202e}reversed\u{202c} tag\u{e0041}",
    "] #panic(\"out\") #[",
    "\\u{23}eval(\"1+1\") {{ 7 * 7 }} {% raw %}",
];

/// The sample report.
pub fn sample() -> Report {
    report(Assembly {
        job: "weekly-operations".to_string(),
        title: "Weekly operations review".to_string(),
        owner: "platform@example.org".to_string(),
        window: WindowSpec::Week.last_complete(date(2026, 11, 16), "Europe/London"),
        date: date(2026, 11, 16),
        cells: cells(),
        sources: sources(),
        plan: plan(),
        provenance: Provenance {
            run: "20261116T090000-7f3a9c".to_string(),
            build: "retrocast 0.1.0".to_string(),
            config_hash: "9c1185a5c5e9fc54612808977ee8f548".to_string(),
            command: "retrocast run weekly-operations --date 2026-11-16".to_string(),
            datasets: vec![
                dataset("tickets", 41, 48_211),
                dataset("decisions", 41, 1_204_530),
                dataset("metrics", 40, 96_768),
                dataset("daily_failures", 12, 4_368),
            ],
        },
    })
}

fn dataset(name: &str, version: u64, rows: u64) -> DatasetRef {
    DatasetRef {
        name: name.to_string(),
        version,
        rows,
    }
}

fn params(items: &[(&str, &str, bool)]) -> Vec<ParamLine> {
    let line = |(name, value, set): &(&str, &str, bool)| ParamLine {
        name: (*name).to_string(),
        value: (*value).to_string(),
        set: *set,
    };
    items.iter().map(line).collect()
}

fn cells() -> Vec<Cell> {
    vec![
        sql(),
        quality(),
        key_figures(),
        rhythm(),
        unusual(),
        change_point(),
        outlook(),
        effectiveness(),
        hostile(),
        too_short(),
        broken(),
    ]
}

struct Claim<'a> {
    stage: &'a str,
    kind: &'a str,
    subject: &'a str,
    what: &'a str,
    severity: Severity,
    sentence: &'a str,
}

fn claim(claim: &Claim, magnitude: Option<Magnitude>, n: u64, p: Option<f64>) -> Finding {
    let mut finding = Finding::new(claim.stage, claim.kind, claim.subject, claim.what);
    finding.severity = claim.severity;
    finding.sentence = claim.sentence.to_string();
    finding.magnitude = magnitude;
    finding.n = n;
    finding.p_adjusted = p;
    finding.confidence = 0.9;
    finding.direction = Direction::Up;
    finding.period = "2026-11-09 to 2026-11-15".to_string();
    finding.evidence = vec![Evidence {
        dataset: "tickets".to_string(),
        version: 41,
        filter: None,
    }];
    finding
}

fn sql() -> Cell {
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

fn quality() -> Cell {
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

fn kpi(name: &str, unit: &str, values: [f64; 2], texts: [&str; 4], lower_is_better: bool) -> Kpi {
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

fn key_figures() -> Cell {
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

fn days(n: i64) -> Vec<DateTime> {
    let start = date(2026, 11, 16) - n.days();
    (0..n).map(|i| (start + i.days()).at(0, 0, 0, 0)).collect()
}

fn wave(i: usize, level: f64) -> f64 {
    let weekday = if i.is_multiple_of(7) {
        1.35
    } else if i % 7 >= 5 {
        0.6
    } else {
        1.0
    };
    level * weekday * (1.0 + (i * 29 % 13) as f64 / 60.0)
}

fn series(name: &str, n: i64, level: f64, role: Role) -> Series {
    let values = (0..n as usize).map(|i| Some(wave(i, level))).collect();
    Series {
        name: name.to_string(),
        times: days(n),
        values,
        role,
    }
}

fn chart(id: &str, title: &str, unit: &str, kind: ChartKind) -> Chart {
    Chart {
        id: id.to_string(),
        title: title.to_string(),
        unit: unit.to_string(),
        alt: format!("{title}. Values run from 41 to 118 {unit}; the highest is on 9 November."),
        kind,
        table: None,
    }
}

fn rhythm() -> Cell {
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

fn unusual() -> Cell {
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
    let of = |subject, severity, sentence| Claim {
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
                &of("component = billing", Severity::Critical, &critical),
                Some(Magnitude::interval95(2.4, 1.9, 3.8, "ratio")),
                364,
                Some(0.000_01),
            ),
            claim(
                &of("component = search", Severity::Warning, &warning),
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

fn change_point() -> Cell {
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

fn outlook() -> Cell {
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

fn effect(title: &str, date: &str, relative: [f64; 3], p: f64, verdict: Verdict) -> Effect {
    let before = 36.4;
    let counterfactual = 35.1;
    let of = |share: f64| share * counterfactual;
    Effect {
        improvement: title.to_lowercase().replace(' ', "-"),
        title: title.to_string(),
        date: date.to_string(),
        metric: "failures of billing".to_string(),
        unit: "failures per day".to_string(),
        lower_is_better: true,
        before,
        after: counterfactual + of(relative[0]),
        counterfactual,
        absolute: relative.map(of),
        relative,
        placebo_p: p,
        placebos: 96,
        days_before: 180,
        days_after: 42,
        controls: vec!["failures of export".to_string()],
        verdict,
    }
}

fn effectiveness() -> Cell {
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

fn hostile() -> Cell {
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

fn too_short() -> Cell {
    Cell {
        title: "Drift of decision scores".to_string(),
        status: CellStatus::NotEnough {
            message: "not enough: have 9 days of scores, need 21; it will run from 28 November on"
                .to_string(),
        },
        inputs: vec![dataset("decisions", 41, 1_204_530)],
        ..Cell::new("score_drift", "drift")
    }
}

fn broken() -> Cell {
    Cell {
        title: "Cost by team".to_string(),
        status: CellStatus::Failed {
            message: "program ./cost.py ended with code 3: KeyError: 'team_cost'".to_string(),
        },
        ..Cell::new("cost", "command")
    }
}

fn sources() -> Vec<SourceNote> {
    let note = |name: &str, files: u64, records: u64, quarantined: Vec<(String, u64)>| SourceNote {
        name: name.to_string(),
        uri: format!("s3://records/{name}/**/*.jsonl.gz"),
        contract: name.trim_end_matches('s').to_string(),
        files,
        records,
        accepted: records - quarantined.iter().map(|(_, n)| n).sum::<u64>(),
        quarantined,
        duplicates: 0,
        broken_files: Vec::new(),
        unknown_fields: Vec::new(),
        first_time: "2025-11-17T00:00:12Z".to_string(),
        last_time: "2026-11-15T23:59:41Z".to_string(),
    };
    let mut tickets = note(
        "tickets",
        364,
        48_330,
        vec![
            (
                "severity is not one of low, medium, high, critical".to_string(),
                61,
            ),
            ("not JSON: expected value at column 1".to_string(), 33),
            ("created_at is missing".to_string(), 25),
        ],
    );
    tickets.duplicates = 212;
    tickets.unknown_fields = vec![("sentiment".to_string(), 1_204), ("colour".to_string(), 1)];
    let mut metrics = note("metrics", 52, 96_768, Vec::new());
    metrics.broken_files = vec![(
        "metrics/2026-11-11.jsonl.gz".to_string(),
        "gzip stream ends early".to_string(),
    )];
    vec![
        tickets,
        note("decisions", 364, 1_204_530, Vec::new()),
        metrics,
    ]
}

fn plan() -> Vec<PlanNode> {
    let node =
        |name: &str, kind: &str, inputs: &[&str], rows: Option<u64>, status: &str| PlanNode {
            name: name.to_string(),
            kind: kind.to_string(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            rows,
            status: status.to_string(),
        };
    let daily = ["stage.daily_failures"];
    let tickets = ["source.tickets"];
    let decisions = ["source.decisions"];
    vec![
        node("source.tickets", "source", &[], Some(48_211), "done"),
        node("source.decisions", "source", &[], Some(1_204_530), "done"),
        node("source.metrics", "source", &[], Some(96_768), "done"),
        node("stage.daily_failures", "sql", &tickets, Some(4_368), "done"),
        node("stage.ticket_quality", "quality", &tickets, None, "done"),
        node(
            "stage.key_figures",
            "kpi",
            &["source.tickets", "source.decisions"],
            None,
            "done",
        ),
        node("stage.rhythm", "temporal_pattern", &tickets, None, "done"),
        node("stage.unusual", "anomaly", &daily, None, "done"),
        node("stage.shifts", "change_point", &daily, None, "done"),
        node("stage.outlook", "forecast", &daily, None, "done"),
        node("stage.effectiveness", "effectiveness", &daily, None, "done"),
        node("stage.score_drift", "drift", &decisions, None, "not enough"),
        node("stage.cost", "command", &["source.metrics"], None, "failed"),
        node(
            "report.executive",
            "report",
            &[
                "stage.rhythm",
                "stage.unusual",
                "stage.outlook",
                "stage.effectiveness",
            ],
            None,
            "done",
        ),
    ]
}
