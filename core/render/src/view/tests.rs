//! Tests of this module.

use super::*;
use retrocast_domain::{ActionRequest, Direction, cell::CellStatus, report::EarlierReport};

#[test]
fn charts_of_headlines_have_the_highest_rank() {
    let report = crate::sample::sample();
    let first = |headlines: &[Finding]| -> (String, String) {
        let stage = |chart: &Chart| {
            let cell = report.cells.iter().find(|c| c.charts.contains(chart));
            cell.map(|cell| cell.stage.clone()).unwrap_or_default()
        };
        let chosen = performance_charts(&report.cells, headlines);
        let best = chosen.iter().find(|(rank, _)| *rank == 0);
        let stages = chosen.first().zip(best);
        stages.map_or_else(Default::default, |(first, best)| {
            (stage(first.1), stage(best.1))
        })
    };
    let (first_shown, top_ranked) = first(&[]);
    assert_eq!(first_shown, top_ranked);
    let other = report
        .headlines
        .iter()
        .find(|finding| finding.stage == "outlook");
    let other = other.cloned().unwrap_or_else(|| panic!("an outlook"));
    assert_eq!(first(&[other]), (first_shown, "outlook".to_string()));
}

#[test]
fn a_headline_without_charts_has_those_of_its_series() {
    let chart = |id: &str| Chart {
        id: id.to_string(),
        ..crate::sample::sample()
            .cells
            .iter()
            .flat_map(|cell| cell.charts.clone())
            .find(|chart| matches!(chart.kind, ChartKind::Line { .. }))
            .expect("a line")
    };
    let cell = |stage: &str, chapter: Chapter, severity: Option<Severity>| {
        let mut cell = Cell::new(stage, stage);
        cell.chapter = chapter;
        cell.charts = vec![chart(stage)];
        cell.findings.extend(severity.map(|severity| {
            let mut finding = Finding::new(stage, stage, "pipeline = deploy", "x");
            (finding.severity, finding.chapter) = (severity, chapter);
            (finding.measure, finding.direction) = ("duration".into(), Direction::Up);
            finding.request = Some(ActionRequest::new("duration", "rose", "find out why"));
            finding
        }));
        cell
    };
    let mut suspects = cell("suspects", Chapter::Other, Some(Severity::Warning));
    suspects.charts.clear();
    let cells = [
        cell("unusual", Chapter::Events, None),
        cell("trend", Chapter::Changes, Some(Severity::Warning)),
        cell("step", Chapter::Changes, Some(Severity::Notice)),
        suspects,
    ];
    let of = |stages: [usize; 2]| stages.map(|index| cells[index].findings[0].clone());
    let charts = |headlines: &[Finding]| -> Vec<(String, usize)> {
        let charts = performance_charts(&cells, headlines).into_iter();
        charts
            .map(|(rank, chart)| (chart.id.clone(), rank))
            .collect()
    };
    let expected = |charts: &[(&str, usize)]| -> Vec<(String, usize)> {
        charts
            .iter()
            .map(|(id, rank)| ((*id).to_string(), *rank))
            .collect()
    };
    // The trend covers the step, but the headline of the suspects is about the same series.
    let shown = charts(&of([3, 1]));
    assert_eq!(
        shown,
        expected(&[("unusual", 2), ("trend", 0), ("step", 1)])
    );
    // Without that headline, the step is not shown; a chart without findings comes last.
    let shown = charts(&of([1, 1]));
    assert_eq!(shown, expected(&[("unusual", 1), ("trend", 0)]));
}

#[test]
fn the_most_urgent_forecast_comes_first() {
    let sample = crate::sample::sample();
    let outlook = sample.cells.iter().find(|cell| cell.stage == "outlook");
    let outlook = outlook.expect("an outlook");
    let forecast = |stage: &str, severity: Severity, period: &str| {
        let mut cell = outlook.clone();
        cell.stage = stage.to_string();
        cell.charts[0].id = stage.to_string();
        let finding = &mut cell.findings[0];
        (finding.stage, finding.id) = (stage.to_string(), stage.to_string());
        finding.sentence = format!("{stage}.");
        (finding.severity, finding.period) = (severity, period.to_string());
        cell
    };
    let mut report = sample.clone();
    report.headlines.clear();
    let mut forecasts = vec![
        forecast("calm", Severity::Info, "2026-11-16 to 2026-11-22"),
        forecast("late", Severity::Warning, "2027-01-02 to 2027-01-20"),
        forecast("soon", Severity::Warning, "2026-12-08 to 2026-12-12"),
        forecast("now", Severity::Critical, "2026-11-14 to 2026-11-14"),
    ];
    let orders = [(); 4].map(|()| {
        forecasts.rotate_left(1);
        report.cells.clone_from(&forecasts);
        let view = view(&report, Vec::new(), &|_: &Chart, _| String::new()).view;
        let sentences = view.forecasts.iter();
        let sentences = sentences.map(|forecast| {
            let forecast = serde_json::to_value(forecast).expect("json");
            forecast["sentence"]
                .as_str()
                .expect("a sentence")
                .replace('.', "")
        });
        let charts = performance_charts(&report.cells, &[]).into_iter();
        let charts: Vec<String> = charts.map(|(_, chart)| chart.id.clone()).collect();
        (charts, sentences.collect::<Vec<_>>())
    });
    for (charts, sentences) in orders {
        assert_eq!(charts, ["now", "soon", "late", "calm"]);
        let shown = sentences.len();
        assert_eq!(sentences, charts[..shown]);
    }
}

#[test]
fn known_new_and_resolved_findings_are_distinguished() {
    let mut report = crate::sample::sample();
    let stage = report
        .cells
        .iter()
        .find(|cell| cell.status == CellStatus::Done);
    let stage = stage.map(|cell| cell.stage.clone()).expect("a stage");
    let mut resolved = Finding::new(&stage, "anomaly", "component = mail", "outage");
    resolved.severity = Severity::Warning;
    resolved.sentence = "Mail was down.".to_string();
    // A failed stage does not resolve its earlier findings.
    let mut silent = Finding::new("not there", "anomaly", "all", "outage");
    silent.severity = Severity::Warning;
    let known = report.headlines[0].clone();
    let findings = [known.clone(), resolved.clone(), silent];
    let first = EarlierReport::new("2026-W44", &findings[..1], None);
    report.earlier = Some(EarlierReport::new("2026-W45", &findings, Some(&first)));
    let view = view(&report, Vec::new(), &|_: &Chart, _| String::new()).view;
    let meta = |finding: &FindingView| serde_json::to_value(finding).expect("json")["meta"].clone();
    let headline = meta(&view.headlines[0]).to_string();
    assert!(
        headline.contains("in each of the 2 previous reports, since 2026-W44"),
        "{headline}"
    );
    assert!(meta(&view.headlines[1]).to_string().contains("new"));
    assert_eq!(view.gone.len(), 1);
    assert_eq!(meta(&view.gone[0]), "in the report on 2026-W45");
    let news = view.news.replace('\u{a0}', " ");
    assert!(
        news.ends_with("1 warning of the report on 2026-W45 is no longer found."),
        "{news}"
    );
}

#[test]
fn data_with_warnings_or_missing_records_is_not_good() {
    let mut report = crate::sample::sample();
    report.notices.clear();
    report.status = ReportStatus::Complete;
    report.cells.retain(|cell| cell.chapter != Chapter::Data);
    for source in &mut report.sources {
        (source.records, source.accepted, source.duplicates) = (1000, 1000, 0);
    }
    let plain = |report: &Report| {
        let health = health(report);
        (health.level, health.text.replace('\u{a0}', " "))
    };
    let n = report.sources.len();
    let accepted = format!("100 % of {} records accepted, {n} sources", n * 1000);
    assert_eq!(plain(&report), ("good", accepted.clone()));
    // Newer versions of records are not refused ones.
    (report.sources[0].accepted, report.sources[0].duplicates) = (500, 500);
    assert_eq!(plain(&report), ("good", accepted.clone()));
    report.sources[0].duplicates = 0;
    assert_eq!(plain(&report).0, "poor");
    report.sources[0].accepted = 1000;
    report.notices = vec!["The records end on Wednesday.".to_string()];
    assert_eq!(
        plain(&report),
        ("fair", format!("{accepted}; some are missing"))
    );
    let mut cell = Cell {
        chapter: Chapter::Data,
        ..Cell::new("quality", "quality")
    };
    for (severity, level) in [(Severity::Warning, "fair"), (Severity::Critical, "poor")] {
        let mut stopped = Finding::new("quality", "quality", "all", "records stopped");
        stopped.severity = severity;
        cell.findings = vec![stopped];
        report.cells.push(cell.clone());
        assert_eq!(plain(&report).0, level);
    }
}

#[test]
fn an_improvement_far_outside_its_history_is_doubted() {
    let mut report = crate::sample::sample();
    let mut kpi = report.kpis[0].clone();
    kpi.history = [240e3, 260e3, 250e3].map(Some).to_vec();
    kpi.previous = Some(250e3);
    kpi.history.push(Some(4.4e6));
    (kpi.value, kpi.direction) = (Some(4.4e6), Direction::Up);
    (kpi.significant, kpi.lower_is_better) = (true, false);
    report.kpis = vec![kpi.clone()];
    let page =
        |report: &Report| crate::html::report(report, crate::Layout::Executive).expect("a page");
    assert!(page(&report).contains("far outside its history: check the records"));
    report.kpis[0].value = Some(400e3);
    *report.kpis[0].history.last_mut().expect("a value") = Some(400e3);
    let page = page(&report);
    assert!(!page.contains("far outside its history") && page.contains(", better"));
}
