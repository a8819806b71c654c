//! The view of a report for print templates, with every number formatted.
//!
//! Templates compute nothing, so this module determines wording, selection and shortening for
//! print. Text remains plain data without markup, just as in the report.

mod cell;
mod closed;
mod data;
mod drawings;
mod effect;
mod figure;
mod finding;
mod glossary;
mod health;
mod kpi;
mod printed;
mod recommendation;
mod table;

use crate::words::shorten_to_sentence;
pub use crate::words::{date_parts, shorten};

use crate::{
    assemble::{ask_for, findings, printed_count, sort_by_importance},
    stage_map,
    words::long_date,
};
use cell::{CellView, MethodView};
use closed::ClosedView;
use data::{PlanView, ProvenanceView, RestatementView, SourceView};
use drawings::{ChartView, Drawings};
use effect::EffectView;
use figure::{FigureIds, TextFigures};
use finding::FindingView;
pub use health::data_health;
use health::{Health, health};
use kpi::KpiView;
pub use printed::{PrintedFigure, printed};
use recommendation::RecommendationsView;
use retrocast_domain::{
    Cell, Chapter, Chart, ChartKind, Finding, Report, ReportStatus, Severity, Window,
    number::plural, overlap::uncovered_findings, report::EarlierFinding,
};
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Number of points in a millimetre, for lengths in Typst.
pub const POINTS_PER_MILLIMETRE: f64 = 72.0 / 25.4;
/// Width of a chart that fills the text column, in millimetres.
pub const FULL_WIDTH: f64 = 170.0;
/// Width of a chart that shares the column with another, in millimetres.
pub const HALF_WIDTH: f64 = 81.0;
/// Width of a sparkline, in millimetres.
pub const SPARKLINE_WIDTH: f64 = 20.0;

/// Maximum number of charts, forecasts and effects in an executive report.
const CHARTS_MAX: usize = 6;
const FORECASTS_MAX: usize = 3;
const EFFECTS_MAX: usize = 8;
/// Maximum number of effects that leave space for a chart on the page.
const PROOF_EFFECTS_MAX: usize = 5;
/// Maximum number of rows that a report prints of a longer table.
const TABLE_ROWS_MAX: usize = 10;
/// Maximum number of rows of a table that is shown completely, such as a table of hours or months.
const WHOLE_TABLE_ROWS_MAX: usize = 24;
/// Maximum number of findings that the technical report lists first.
const FINDINGS_MAX: usize = 24;

/// Maximum length of a sentence where the number of pages is limited, in characters.
const SHORT_SENTENCE_MAX: usize = 400;
/// Maximum length of a sentence elsewhere, in characters.
const LONG_SENTENCE_MAX: usize = 600;

/// Draws a chart with a width in millimetres.
pub type Draw<'a> = dyn Fn(&Chart, f64) -> String + 'a;

/// A report, with the field names of the templates.
#[derive(Debug, Serialize)]
pub struct View {
    title: String,
    job: String,
    owner: String,
    /// The value that selects the records of a slice; empty for reports on all records.
    slice: String,
    /// The author's note, by paragraph.
    author_note: Vec<String>,
    window: String,
    /// The previous window in words, such as "the month before".
    before: String,
    period: String,
    timezone: String,
    date: String,
    date_parts: [i64; 3],
    partial: bool,
    health: Health,
    verdict: String,
    /// True for an English verdict in a report in another language.
    verdict_english: bool,
    /// Notices that affect trust in all figures.
    notices: Vec<String>,
    kpis: Vec<KpiView>,
    /// Headlines on the first page.
    headlines: Vec<FindingView>,
    /// Number of warnings among all headlines, including those that are not printed.
    alarms: usize,
    /// Comparison with the earlier report: "2 of these 3 are new since the report on 2026-W45.";
    /// empty without an earlier report.
    news: String,
    asks: Vec<AskView>,
    /// Charts of the performance page.
    charts: Vec<ChartView>,
    forecasts: Vec<FindingView>,
    /// Number of further forecasts.
    forecasts_more: u64,
    effects: Vec<EffectView>,
    /// The effects in short form, for the improvements page.
    ledger: Vec<EffectView>,
    /// Open recommendations.
    recommendations: RecommendationsView,
    /// Closed improvements.
    closed: Vec<ClosedView>,
    /// Number of closed improvements that only the technical report lists.
    closed_more: u64,
    /// True if a stage measured improvements.
    measured: bool,
    /// The chart of the first improvement, for the short ledger.
    proof: Option<ChartView>,
    notes: Vec<String>,
    findings: Vec<FindingView>,
    findings_more: u64,
    /// Findings that a user marked wrong or snoozed.
    set_aside: Vec<FindingView>,
    /// Figures of earlier windows that changed after publication.
    restated: Vec<RestatementView>,
    /// Findings of the earlier report that are resolved.
    gone: Vec<FindingView>,
    map: Option<ChartView>,
    plan: Vec<PlanView>,
    sources: Vec<SourceView>,
    cells: Vec<CellView>,
    methods: Vec<MethodView>,
    provenance: ProvenanceView,
    /// Terms that occur in the report, with their meanings.
    glossary: Vec<[&'static str; 2]>,
    /// IDs of figures that are plain text; the others are in their views.
    figures: TextFigures,
}

/// A view and its pictures by path.
pub struct RenderedView {
    /// The data of the templates.
    pub view: View,
    /// SVG text by path.
    pub drawings: BTreeMap<String, String>,
}

/// A request to the reader.
#[derive(Debug, Serialize)]
struct AskView {
    text: String,
    /// Index of its headline; a page prints the request only with that headline. `None` if the
    /// request belongs to other pages.
    headline: Option<usize>,
    /// ID of the figure.
    figure: String,
}

/// Formats a report for print; `extra_notes` come before the report's own notes.
pub fn view(report: &Report, extra_notes: Vec<String>, draw: &Draw) -> RenderedView {
    let ids = FigureIds::new(report);
    let improvements = report.effects.iter();
    let improvements = improvements.map(|effect| (&*effect.improvement, &*effect.title));
    let mut drawings = Drawings::new(draw, improvements.collect());
    let effects: Vec<EffectView> = report
        .effects
        .iter()
        .enumerate()
        .map(|(i, e)| effect::effect(e, 160, ids.at(&format!("/effects/{i}"))))
        .collect();
    let ledger: Vec<EffectView> = report
        .effects
        .iter()
        .take(EFFECTS_MAX)
        .enumerate()
        .map(|(i, e)| effect::effect(e, 60, ids.at(&format!("/effects/{i}"))))
        .collect();
    let figures = ids.texts(report, extra_notes.len());
    let mut notes = extra_notes;
    notes.extend(
        report
            .notes
            .iter()
            .map(|note| shorten_to_sentence(note, 400)),
    );
    let earlier = report.earlier.as_ref();
    let window = Window::parse(&report.window, &report.timezone).ok();
    let ranked = findings(&report.cells).into_iter().cloned().collect();
    let ranked = sort_by_importance(ranked, earlier, window.as_ref());
    let (set_aside, active): (Vec<Finding>, Vec<Finding>) =
        ranked.into_iter().partition(Finding::is_set_aside);
    let resolved = earlier.map_or_else(Vec::new, |earlier| earlier.no_longer_found(&report.cells));
    let mut forecasts: Vec<&Finding> = active
        .iter()
        .filter(|finding| is_forecast(finding))
        .collect();
    forecasts.sort_by_key(|finding| urgency(finding));
    let view = View {
        title: shorten(&report.title, 90),
        job: report.job.clone(),
        owner: shorten(&report.owner, 90),
        slice: report
            .slice
            .as_ref()
            .map_or_else(String::new, |slice| slice.value.clone()),
        author_note: report.author_note.clone(),
        window: report.window.clone(),
        before: window
            .as_ref()
            .map_or_else(|| "the period before".to_string(), Window::previous_words),
        period: report.period.clone(),
        timezone: report.timezone.clone(),
        date: long_date(&report.date),
        date_parts: date_parts(&report.date),
        partial: report.status == ReportStatus::Partial,
        health: health(report),
        verdict: shorten(&report.verdict, 700),
        verdict_english: false,
        notices: report
            .notices
            .iter()
            .map(|notice| shorten_to_sentence(notice, SHORT_SENTENCE_MAX))
            .collect(),
        set_aside: set_aside
            .iter()
            .map(|f| finding::finding(f, &[], earlier, ids.finding(report, f)))
            .collect(),
        restated: data::restated(&report.cells),
        news: news(report, &resolved),
        gone: resolved
            .iter()
            .map(|finding| {
                let window = earlier.map_or("", |earlier| &earlier.window);
                finding::resolved(finding, window, ids.resolved(report, finding))
            })
            .collect(),
        kpis: report
            .kpis
            .iter()
            .enumerate()
            .map(|(i, kpi)| kpi::kpi(kpi, &mut drawings, ids.at(&format!("/kpis/{i}"))))
            .collect(),
        headlines: report
            .headlines
            .iter()
            .take(printed_count(&report.headlines))
            .map(|finding| finding::headline(finding, earlier, ids.finding(report, finding)))
            .collect(),
        alarms: report
            .headlines
            .iter()
            .filter(|finding| finding.severity >= Severity::Warning)
            .count(),
        asks: report
            .asks
            .iter()
            .enumerate()
            .map(|(i, ask)| AskView {
                figure: ids.at(&format!("/asks/{i}")),
                text: shorten(ask, 220),
                headline: report
                    .headlines
                    .iter()
                    .position(|f| ask_for(f).as_ref() == Some(ask)),
            })
            .collect(),
        charts: drawings.add_pairs(
            performance_charts(&report.cells, &report.headlines)
                .into_iter()
                .map(|(rank, chart)| (rank, chart, ids.chart(report, chart)))
                .collect(),
        ),
        forecasts: forecasts
            .iter()
            .take(FORECASTS_MAX)
            .map(|finding| finding::headline(finding, earlier, ids.finding(report, finding)))
            .collect(),
        forecasts_more: forecasts.len().saturating_sub(FORECASTS_MAX) as u64,
        notes,
        findings: active
            .iter()
            .take(FINDINGS_MAX)
            .map(|f| finding::finding(f, &[], earlier, ids.finding(report, f)))
            .collect(),
        findings_more: active.len().saturating_sub(FINDINGS_MAX) as u64,
        map: stage_map::draw(&report.plan).map(|map| drawings.add_svg(map)),
        plan: report
            .plan
            .iter()
            .map(|node| data::plan_node(node, ids.node(report, &node.name)))
            .collect(),
        sources: report
            .sources
            .iter()
            .enumerate()
            .map(|(i, source)| {
                data::source(source, &report.timezone, ids.at(&format!("/sources/{i}")))
            })
            .collect(),
        cells: report
            .cells
            .iter()
            .enumerate()
            .map(|(i, cell)| cell::cell(cell, &mut drawings, &ids.cell(i)))
            .collect(),
        methods: cell::methods(&report.cells),
        provenance: data::provenance(report, ids.at("/provenance")),
        proof: first_improvement_chart(&report.cells)
            .filter(|_| ledger.len() <= PROOF_EFFECTS_MAX)
            .map(|chart| drawings.add(chart, FULL_WIDTH, true, ids.chart(report, chart))),
        ledger,
        effects,
        recommendations: recommendation::view(report, &ids),
        closed: report
            .closed
            .iter()
            .enumerate()
            .map(closed::closed)
            .collect(),
        closed_more: report.closed.len().saturating_sub(closed::SHOWN_MAX) as u64,
        measured: has_effects(report),
        glossary: Vec::new(),
        figures,
    };
    let words = serde_json::to_value(&view).unwrap_or_default();
    let view = View {
        glossary: glossary::glossary(&words, &glossary::table_headings(&view)),
        ..view
    };
    RenderedView {
        view,
        drawings: drawings.files,
    }
}

/// Names of all fields that templates can use, for suggestions.
pub fn field_names(report: &Report) -> BTreeSet<String> {
    fn collect(value: &serde_json::Value, names: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                names.insert(name.clone());
                collect(value, names);
            }),
            _ => {}
        }
    }
    let printed = view(report, Vec::new(), &|_: &Chart, _| String::new());
    let mut names = BTreeSet::new();
    collect(
        &serde_json::to_value(&printed.view).unwrap_or_default(),
        &mut names,
    );
    names
}

/// Selects the charts of the performance page, in reading order, with their ranks. Reading order is
/// that of the stages, but the most urgent forecast comes first. The first charts of all cells rank before the second charts; cells rank in the order of the headlines, then of
/// the report, those without a finding last. A headline of a stage without charts has those of
/// another stage on the same series. Other charts of movements that another stage covers, and
/// charts of single improvements and of data quality, are only in the technical report.
fn performance_charts<'a>(cells: &'a [Cell], headlines: &[Finding]) -> Vec<(usize, &'a Chart)> {
    let is_eligible = |chart: &&Chart| {
        !matches!(
            chart.kind,
            ChartKind::BeforeAfter { .. } | ChartKind::Sparkline { .. }
        )
    };
    let has_charts = |stage: &str| {
        let mut own = cells.iter().filter(|cell| cell.stage == stage);
        own.any(|cell| cell.charts.iter().any(|chart| is_eligible(&chart)))
    };
    let is_about = |cell: &Cell, headline: &Finding| {
        let is_same = |finding: &Finding| {
            (&finding.subject, finding.direction) == (&headline.subject, headline.direction)
                && finding.measure() == headline.measure()
        };
        headline.stage == cell.stage
            || (!has_charts(&headline.stage) && cell.findings.iter().any(is_same))
    };
    let rank = |cell: &Cell| {
        let first = headlines
            .iter()
            .position(|headline| is_about(cell, headline));
        let is_quiet = cell.findings.is_empty() && cell.kpis.is_empty();
        (first.unwrap_or(usize::MAX), is_quiet)
    };
    let uncovered = uncovered_findings(findings(cells));
    let is_shown = |cell: &Cell| {
        cell.findings.is_empty()
            || uncovered.iter().any(|finding| finding.stage == cell.stage)
            || rank(cell).0 < usize::MAX
    };
    let mut by_rank: Vec<&Cell> = cells
        .iter()
        .filter(|cell| cell.chapter != Chapter::Data && is_shown(cell))
        .collect();
    by_rank.sort_by_key(|cell| rank(cell));
    let per_cell: Vec<Vec<&Chart>> = by_rank
        .into_iter()
        .map(|cell| cell.charts.iter().filter(is_eligible).collect())
        .collect();
    let most_charts = per_cell.iter().map(Vec::len).max().unwrap_or(0);
    let ranked = (0..most_charts).flat_map(|rank| per_cell.iter().filter_map(move |c| c.get(rank)));
    let ranked = ranked.copied().take(CHARTS_MAX).enumerate();
    let mut charts: Vec<(usize, &Chart)> = ranked.collect();
    let in_reading_order = most_urgent_first(cells);
    let position = |chart: &Chart| {
        let mut charts = in_reading_order.iter().flat_map(|cell| &cell.charts);
        charts
            .position(|other| other.id == chart.id)
            .unwrap_or(usize::MAX)
    };
    charts.sort_by_key(|(_, chart)| position(chart));
    charts
}

/// The cells of a report, with those of forecasts in order of urgency among themselves.
fn most_urgent_first(cells: &[Cell]) -> Vec<&Cell> {
    let is_outlook = |cell: &&Cell| cell.chapter == Chapter::Outlook;
    let mut outlook: Vec<&Cell> = cells.iter().filter(is_outlook).collect();
    outlook.sort_by_cached_key(|cell| {
        let most_urgent = cell.findings.iter().map(urgency).min();
        (most_urgent.is_none(), most_urgent)
    });
    let mut outlook = outlook.into_iter();
    let next = |cell| {
        let urgent = is_outlook(&cell).then(|| outlook.next()).flatten();
        urgent.unwrap_or(cell)
    };
    cells.iter().map(next).collect()
}

/// Order of forecasts: the most severe first, then the soonest, by the ISO days of their periods.
fn urgency(finding: &Finding) -> (Reverse<Severity>, String) {
    (Reverse(finding.severity), finding.period.clone())
}

/// The first chart of an improvement, in the order of the stages.
fn first_improvement_chart(cells: &[Cell]) -> Option<&Chart> {
    let mut charts = cells.iter().flat_map(|cell| &cell.charts);
    charts.find(|chart| matches!(chart.kind, ChartKind::BeforeAfter { .. }))
}

/// Returns true if there is a chart or a forecast to show.
pub(crate) fn has_performance(report: &Report) -> bool {
    let mut findings = report.cells.iter().flat_map(|cell| &cell.findings);
    !performance_charts(&report.cells, &report.headlines).is_empty() || findings.any(is_forecast)
}

fn is_forecast(finding: &Finding) -> bool {
    finding.chapter == Chapter::Outlook
}

/// Returns true if improvements were measured or closed, or some are recommended.
pub(crate) fn has_improvements(report: &Report) -> bool {
    has_effects(report)
        || !report.closed.is_empty()
        || !recommendation::open(&report.cells).is_empty()
}

fn has_effects(report: &Report) -> bool {
    let mut cells = report.cells.iter();
    !report.effects.is_empty() || cells.any(|cell| cell.chapter == Chapter::Improvements)
}

/// States how many of the headlines are new.
fn news(report: &Report, resolved: &[&EarlierFinding]) -> String {
    let Some(earlier) = &report.earlier else {
        return String::new();
    };
    let shown = &report.headlines[..printed_count(&report.headlines)];
    let new = shown.iter().filter(|finding| !earlier.has(finding)).count();
    let window = &earlier.window;
    let news = match (new, shown.len()) {
        (_, 0) => String::new(),
        (0, _) => format!("Nothing here is new since the report on {window}."),
        (new, total) if new == total => format!("New since the report on {window}."),
        (new, total) => {
            let verb = if new == 1 { "is" } else { "are" };
            format!("{new} of these {total} {verb} new since the report on {window}.")
        }
    };
    let resolved = resolved
        .iter()
        .filter(|finding| finding.severity > Severity::Notice);
    let resolved = match resolved.count() {
        0 => String::new(),
        n => {
            let verb = if n == 1 { "is" } else { "are" };
            let warnings = plural(n as u64, "warning");
            format!("{warnings} of the report on {window} {verb} no longer found.")
        }
    };
    [news, resolved].join(" ").trim().to_string()
}

#[cfg(test)]
mod tests;
