//! What the print templates read: the report with every number already put into words.
//!
//! Templates lay out and compute nothing, so this is the one place where a print reader's wording,
//! choice and shortening are decided. Text is data in it, as it is in the report.

use crate::{
    assemble::{findings, good_news, misses_target, without_prefix},
    stage_map,
};
use retrocast_domain::{
    Align, Cell, CellStatus, Chart, ChartKind, Direction, Effect, Finding, Kpi, Report,
    ReportStatus, Severity, Table, Verdict,
    cell::DatasetRef,
    number::{NBSP, THIN, change, count, interval, p_value, percent, plural, sensible, with_unit},
    report::SourceNote,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Width of a chart that fills the text column, in millimetres.
pub const WIDE: f64 = 170.0;
/// Width of a chart that shares the column with another, in millimetres.
pub const HALF: f64 = 81.0;
/// Width of a word-sized chart, in millimetres.
pub const WORD: f64 = 20.0;

const CHARTS_MAX: usize = 6;
const FORECASTS_MAX: usize = 3;
const EFFECTS_MAX: usize = 8;
/// With more rows than these, the page has no room for a drawing.
const PROOF_EFFECTS_MAX: usize = 5;
const RECOMMENDATIONS_MAX: usize = 3;
const NOTES_MAX: usize = 10;
const TABLE_ROWS_MAX: usize = 10;
const CELL_FINDINGS_MAX: usize = 12;
const FINDINGS_MAX: usize = 24;

/// Characters of a sentence on a page of a fixed number.
const SHORT: usize = 220;
/// Characters of a sentence elsewhere.
const LONG: usize = 600;

/// Draws a chart at a width in millimetres.
pub type Draw<'a> = dyn Fn(&Chart, f64) -> String + 'a;

/// A report as templates read it.
#[derive(Debug, Serialize)]
pub struct View {
    title: String,
    job: String,
    owner: String,
    window: String,
    period: String,
    timezone: String,
    date: String,
    date_parts: [i64; 3],
    partial: bool,
    health: Health,
    verdict: String,
    kpis: Vec<KpiView>,
    headlines: Vec<FindingView>,
    asks: Vec<String>,
    /// Charts of the performance page.
    charts: Vec<ChartView>,
    forecasts: Vec<FindingView>,
    effects: Vec<EffectView>,
    /// The effects of the improvements page, in fewer words.
    ledger: Vec<EffectView>,
    /// The drawing of one improvement, for the short ledger.
    proof: Option<ChartView>,
    /// How many effects the short ledger leaves out.
    effects_more: u64,
    recommendations: Vec<FindingView>,
    outcomes: Vec<FindingView>,
    notes: Vec<String>,
    notes_more: u64,
    findings: Vec<FindingView>,
    findings_more: u64,
    map: Option<ChartView>,
    plan: Vec<PlanView>,
    sources: Vec<SourceView>,
    cells: Vec<CellView>,
    methods: Vec<MethodView>,
    provenance: ProvenanceView,
}

/// A view and the drawings it names, by path.
pub struct Printed {
    /// What templates read.
    pub view: View,
    /// SVG text by path.
    pub drawings: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Health {
    /// `good`, `fair` or `poor`.
    level: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct KpiView {
    name: String,
    subject: String,
    text: String,
    /// The unit, when it is a noun.
    noun: String,
    interval: String,
    delta: String,
    baseline_delta: String,
    arrow: &'static str,
    /// "good", "bad" or "steady".
    tone: &'static str,
    target: String,
    misses: bool,
    n: String,
    spark: Option<ChartView>,
}

#[derive(Debug, Serialize)]
struct FindingView {
    sentence: String,
    severity: &'static str,
    severity_word: &'static str,
    meta: String,
    stage: String,
    caveats: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct ChartView {
    path: String,
    title: String,
    unit: String,
    alt: String,
    /// Whether it needs the whole width.
    wide: bool,
}

#[derive(Debug, Serialize)]
struct EffectView {
    title: String,
    id: String,
    date: String,
    /// "5 Oct 2026".
    date_short: String,
    metric: String,
    unit: String,
    before: String,
    after: String,
    counterfactual: String,
    relative: String,
    relative_interval: String,
    absolute: String,
    absolute_interval: String,
    p: String,
    placebos: String,
    days: String,
    controls: String,
    verdict: &'static str,
    /// "good", "bad" or "steady".
    tone: &'static str,
}

#[derive(Debug, Serialize)]
struct PlanView {
    name: String,
    kind: String,
    inputs: String,
    rows: String,
    status: String,
}

#[derive(Debug, Serialize)]
struct SourceView {
    name: String,
    uri: String,
    contract: String,
    files: String,
    records: String,
    accepted: String,
    accepted_share: String,
    left_out: String,
    duplicates: String,
    span: String,
    reasons: Vec<[String; 2]>,
    broken: Vec<[String; 2]>,
    unknown: Vec<[String; 2]>,
}

#[derive(Debug, Serialize)]
struct CellView {
    stage: String,
    kind: String,
    title: String,
    /// `done`, `not_enough` or `failed`.
    status: &'static str,
    message: String,
    did: String,
    method: String,
    inputs: String,
    output: String,
    params: Vec<ParamView>,
    query: String,
    findings: Vec<FindingView>,
    findings_more: u64,
    kpis: Vec<KpiView>,
    effects: Vec<EffectView>,
    charts: Vec<ChartView>,
    tables: Vec<TableView>,
    caveats: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ParamView {
    name: String,
    value: String,
    set: bool,
}

#[derive(Debug, Serialize)]
struct TableView {
    caption: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<String>>,
    more: String,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    title: String,
    align: &'static str,
}

#[derive(Debug, Serialize)]
struct MethodView {
    kind: String,
    method: String,
    stages: String,
}

#[derive(Debug, Serialize)]
struct ProvenanceView {
    run: String,
    build: String,
    config_hash: String,
    command: String,
    datasets: Vec<[String; 3]>,
}

/// Puts a report into words for print; `extra_notes` stand before the report's own notes.
pub fn view(report: &Report, extra_notes: Vec<String>, draw: &Draw) -> Printed {
    let mut drawings = Drawings {
        draw,
        files: BTreeMap::new(),
    };
    let effects: Vec<EffectView> = report.effects.iter().map(|e| effect(e, 160)).collect();
    let ledger: Vec<EffectView> = report
        .effects
        .iter()
        .take(EFFECTS_MAX)
        .map(|e| effect(e, 60))
        .collect();
    let effects_more = effects.len().saturating_sub(EFFECTS_MAX) as u64;
    let mut notes = extra_notes;
    notes.extend(report.notes.iter().map(|note| shorten(note, 260)));
    let all = findings(&report.cells);
    let of_kind = |kinds: &[&str], n: usize| -> Vec<FindingView> {
        let chosen = all
            .iter()
            .filter(|finding| kinds.contains(&finding.kind.as_str()));
        chosen
            .take(n)
            .map(|finding| self::finding(finding, SHORT))
            .collect()
    };
    let view = View {
        title: shorten(&report.title, 90),
        job: report.job.clone(),
        owner: shorten(&report.owner, 90),
        window: report.window.clone(),
        period: report.period.clone(),
        timezone: report.timezone.clone(),
        date: words_of_date(&report.date),
        date_parts: date_parts(&report.date),
        partial: report.status == ReportStatus::Partial,
        health: health(report),
        verdict: shorten(&report.verdict, 360),
        kpis: report
            .kpis
            .iter()
            .map(|kpi| self::kpi(kpi, &mut drawings))
            .collect(),
        headlines: report.headlines.iter().map(|f| finding(f, SHORT)).collect(),
        asks: report.asks.iter().map(|ask| shorten(ask, 160)).collect(),
        charts: performance_charts(&report.cells, &report.headlines)
            .into_iter()
            .map(|chart| drawings.add(chart, HALF, false))
            .collect(),
        forecasts: of_kind(&["forecast", "capacity", "prediction"], FORECASTS_MAX),
        recommendations: of_kind(&["recommendation"], RECOMMENDATIONS_MAX),
        outcomes: of_kind(&["recommendation_outcome"], RECOMMENDATIONS_MAX),
        notes_more: notes.len().saturating_sub(NOTES_MAX) as u64,
        notes,
        findings: all
            .iter()
            .take(FINDINGS_MAX)
            .map(|f| finding(f, LONG))
            .collect(),
        findings_more: all.len().saturating_sub(FINDINGS_MAX) as u64,
        map: stage_map::draw(&report.plan).map(|map| drawings.add_svg(map)),
        plan: report.plan.iter().map(plan_node).collect(),
        sources: report.sources.iter().map(source).collect(),
        cells: report
            .cells
            .iter()
            .map(|cell| self::cell(cell, &mut drawings))
            .collect(),
        methods: methods(&report.cells),
        provenance: provenance(report),
        proof: proof(&report.cells)
            .filter(|_| ledger.len() <= PROOF_EFFECTS_MAX)
            .map(|chart| drawings.add(chart, WIDE, true)),
        ledger,
        effects,
        effects_more,
    };
    Printed {
        view,
        drawings: drawings.files,
    }
}

/// SVG files, numbered in order of use: names from records never become paths.
struct Drawings<'a> {
    draw: &'a Draw<'a>,
    files: BTreeMap<String, String>,
}

impl Drawings<'_> {
    fn add(&mut self, chart: &Chart, width: f64, wide: bool) -> ChartView {
        let path = self.file((self.draw)(chart, width));
        let alt = if chart.alt.is_empty() {
            &chart.title
        } else {
            &chart.alt
        };
        ChartView {
            path,
            title: shorten(&chart.title, 110),
            unit: shorten(&chart.unit, 60),
            alt: shorten(alt, 1500),
            wide,
        }
    }

    fn add_svg(&mut self, map: stage_map::StageMap) -> ChartView {
        let path = self.file(map.svg);
        ChartView {
            path,
            title: String::new(),
            unit: String::new(),
            alt: map.alt,
            wide: true,
        }
    }

    fn file(&mut self, svg: String) -> String {
        let path = format!("/charts/{}.svg", self.files.len() + 1);
        self.files.insert(path.clone(), svg);
        path
    }
}

/// The charts of the performance page: the first of each cell, those of stages that have a headline
/// before others, then the second of each; in reading order. Charts of single improvements and of
/// the quality of data stand in the technical report.
fn performance_charts<'a>(cells: &'a [Cell], headlines: &[Finding]) -> Vec<&'a Chart> {
    let fits = |chart: &&Chart| {
        !matches!(
            chart.kind,
            ChartKind::BeforeAfter { .. } | ChartKind::Sparkline { .. }
        )
    };
    let told = |cell: &&Cell| headlines.iter().any(|finding| finding.stage == cell.stage);
    let shown = || cells.iter().filter(|cell| cell.kind != "quality");
    let by_weight = shown()
        .filter(told)
        .chain(shown().filter(|cell| !told(cell)));
    let per_cell: Vec<Vec<&Chart>> = by_weight
        .map(|cell| cell.charts.iter().filter(fits).collect())
        .collect();
    let deepest = per_cell.iter().map(Vec::len).max().unwrap_or(0);
    let ranked = (0..deepest).flat_map(|rank| per_cell.iter().filter_map(move |c| c.get(rank)));
    let mut chosen: Vec<&Chart> = ranked.copied().take(CHARTS_MAX).collect();
    let place = |chart: &Chart| {
        let all = cells.iter().flat_map(|cell| &cell.charts);
        all.into_iter()
            .position(|other| other.id == chart.id)
            .unwrap_or(usize::MAX)
    };
    chosen.sort_by_key(|chart| place(chart));
    chosen
}

/// The first drawing of an improvement: the one its stage puts first.
fn proof(cells: &[Cell]) -> Option<&Chart> {
    let mut charts = cells.iter().flat_map(|cell| &cell.charts);
    charts.find(|chart| matches!(chart.kind, ChartKind::BeforeAfter { .. }))
}

fn health(report: &Report) -> Health {
    let records: u64 = report.sources.iter().map(|source| source.records).sum();
    let accepted: u64 = report.sources.iter().map(|source| source.accepted).sum();
    let share = if records == 0 {
        0.0
    } else {
        accepted as f64 / records as f64
    };
    let empty = report.sources.iter().any(|source| source.accepted == 0);
    let level = if share < 0.95 || empty {
        "poor"
    } else if share < 0.99 || report.status == ReportStatus::Partial {
        "fair"
    } else {
        "good"
    };
    let text = if report.sources.is_empty() {
        "no sources read".to_string()
    } else {
        let sources = plural(report.sources.len() as u64, "source");
        format!(
            "{} of {} accepted, {sources}",
            percent(share),
            plural(records, "record")
        )
    };
    Health {
        level: if report.sources.is_empty() {
            "fair"
        } else {
            level
        },
        text,
    }
}

fn kpi(kpi: &Kpi, drawings: &mut Drawings) -> KpiView {
    let values = kpi.history.iter().flatten().count();
    let spark = (values >= 3).then(|| {
        let chart = Chart {
            id: String::new(),
            title: format!("{}, recent windows", kpi.name),
            unit: kpi.unit.clone(),
            alt: spark_alt(kpi),
            kind: ChartKind::Sparkline {
                values: kpi.history.clone(),
            },
            table: None,
        };
        drawings.add(&chart, WORD, false)
    });
    let tone = match good_news(kpi) {
        Some(true) => "good",
        Some(false) => "bad",
        None => "steady",
    };
    // A noun stands smaller beside its number; "%", "ms" and the like belong to the number.
    let noun = format!("{NBSP}{}", kpi.unit);
    let (number, noun) = match kpi.text.strip_suffix(&noun) {
        Some(number) if kpi.unit.chars().count() > 3 => (number, kpi.unit.as_str()),
        _ => (kpi.text.as_str(), ""),
    };
    KpiView {
        name: shorten(&kpi.name, 48),
        subject: match kpi.subject.as_str() {
            "all" => String::new(),
            subject => shorten(subject, 40),
        },
        text: if kpi.value.is_none() {
            "n/a".to_string()
        } else {
            shorten(number, 30)
        },
        noun: shorten(noun, 30),
        interval: shorten(&kpi.interval_text, 50),
        delta: shorten(&kpi.delta_text, 40),
        baseline_delta: kpi.baseline_delta_text.clone(),
        arrow: match kpi.direction {
            Direction::Up => "▲",
            Direction::Down => "▼",
            Direction::None => "■",
        },
        tone,
        target: shorten(&kpi.target_text, 30),
        misses: misses_target(kpi),
        n: count(kpi.n),
        spark,
    }
}

fn spark_alt(kpi: &Kpi) -> String {
    let known: Vec<f64> = kpi.history.iter().flatten().copied().collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return String::new();
    };
    format!(
        "{} over the last {}: from {} to {}.",
        kpi.name,
        plural(known.len() as u64, "window"),
        with_unit(*first, &kpi.unit),
        with_unit(*last, &kpi.unit)
    )
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("critical", "Critical"),
        Severity::Warning => ("warning", "Warning"),
        Severity::Notice => ("notice", "Notice"),
        Severity::Info => ("info", "Info"),
    }
}

fn finding(finding: &Finding, limit: usize) -> FindingView {
    let (severity, severity_word) = severity(finding.severity);
    FindingView {
        sentence: shorten(&finding.sentence, limit),
        severity,
        severity_word,
        meta: finding_meta(finding),
        stage: finding.stage.clone(),
        // On pages of a fixed number, caveats stand in the technical report.
        caveats: if limit == SHORT {
            Vec::new()
        } else {
            finding.caveats.clone()
        },
    }
}

/// "1.73× (95 % interval 1.50 to 2.00) · p < 0.001, adjusted · n = 1 234 · period, against baseline".
fn finding_meta(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(magnitude) = &finding.magnitude {
        let mut text = with_unit(magnitude.value, &magnitude.unit);
        if let (Some(lower), Some(upper)) = (magnitude.lower, magnitude.upper) {
            let level = percent(magnitude.level.unwrap_or(0.95)).replace(".0", "");
            let ends = match magnitude.unit.as_str() {
                "share" => format!("{} to {}", percent(lower), percent(upper)),
                _ => interval(lower, upper),
            };
            text.push_str(&format!(" ({level} interval {ends})"));
        }
        parts.push(text);
    }
    match (finding.p_adjusted, finding.p) {
        (Some(p), _) => parts.push(format!("{}, adjusted", p_value(p))),
        (None, Some(p)) => parts.push(p_value(p)),
        (None, None) => {}
    }
    if finding.n > 0 {
        parts.push(format!("n = {}", count(finding.n)));
    }
    let baseline = finding.baseline.as_deref().unwrap_or("");
    match (finding.period.is_empty(), baseline.is_empty()) {
        (false, false) => parts.push(format!("{}, against {baseline}", finding.period)),
        (false, true) => parts.push(finding.period.clone()),
        (true, false) => parts.push(format!("against {baseline}")),
        (true, true) => {}
    }
    shorten(&parts.join(" · "), 260)
}

fn effect(effect: &Effect, limit: usize) -> EffectView {
    let [absolute, lower, upper] = effect.absolute;
    let [relative, relative_lower, relative_upper] = effect.relative;
    // Nothing was estimated yet, and a zero would look like an estimate.
    let early = effect.verdict == Verdict::TooEarly;
    let known = |text: String| if early { "–".to_string() } else { text };
    EffectView {
        title: shorten(&effect.title, limit),
        id: effect.improvement.clone(),
        date: words_of_date(&effect.date),
        date_short: short_date(&effect.date),
        metric: shorten(&effect.metric, limit),
        unit: shorten(&effect.unit, 40),
        before: sensible(effect.before),
        after: sensible(effect.after),
        counterfactual: known(sensible(effect.counterfactual)),
        relative: known(change(relative)),
        relative_interval: if early {
            String::new()
        } else {
            format!("{} to {}", change(relative_lower), change(relative_upper))
        },
        absolute: known(signed(absolute)),
        absolute_interval: if early {
            String::new()
        } else {
            format!("{} to {}", signed(lower), signed(upper))
        },
        p: known(
            p_value(effect.placebo_p)
                .trim_start_matches("p = ")
                .replace("p < ", "< "),
        ),
        placebos: plural(effect.placebos, "placebo date"),
        days: format!(
            "{} + {}",
            count(effect.days_before),
            count(effect.days_after)
        ),
        controls: match effect.controls.as_slice() {
            [] => "uncontrolled".to_string(),
            controls => shorten(&controls.join(", "), 90),
        },
        verdict: effect.verdict.word(),
        tone: match effect.verdict {
            Verdict::Works => "good",
            Verdict::Harmful => "bad",
            Verdict::Unclear | Verdict::TooEarly => "steady",
        },
    }
}

fn signed(value: f64) -> String {
    let text = sensible(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

fn plan_node(node: &retrocast_domain::report::PlanNode) -> PlanView {
    PlanView {
        name: shorten(&node.name, 80),
        kind: shorten(&node.kind, 40),
        inputs: shorten(&node.inputs.join(", "), 160),
        rows: node.rows.map(count).unwrap_or_default(),
        status: node.status.clone(),
    }
}

fn source(source: &SourceNote) -> SourceView {
    let share = source.accepted as f64 / source.records.max(1) as f64;
    let counted = |items: &[(String, u64)]| -> Vec<[String; 2]> {
        items
            .iter()
            .take(TABLE_ROWS_MAX)
            .map(|(name, n)| [shorten(name, 200), count(*n)])
            .collect()
    };
    SourceView {
        name: source.name.clone(),
        uri: shorten(&source.uri, 160),
        contract: source.contract.clone(),
        files: count(source.files),
        records: count(source.records),
        accepted: count(source.accepted),
        accepted_share: if source.records == 0 {
            "n/a".to_string()
        } else {
            percent(share)
        },
        left_out: count(source.quarantined.iter().map(|(_, n)| n).sum()),
        duplicates: count(source.duplicates),
        span: match (source.first_time.is_empty(), source.last_time.is_empty()) {
            (false, false) => format!(
                "{} to {}",
                minute(&source.first_time),
                minute(&source.last_time)
            ),
            _ => String::new(),
        },
        reasons: counted(&source.quarantined),
        broken: source
            .broken_files
            .iter()
            .take(TABLE_ROWS_MAX)
            .map(|(file, reason)| [shorten(file, 160), shorten(reason, 200)])
            .collect(),
        unknown: counted(&source.unknown_fields),
    }
}

/// "2026-11-15T23:59:59Z" -> "2026-11-15 23:59".
fn minute(time: &str) -> String {
    time.chars()
        .take(16)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

fn cell(cell: &Cell, drawings: &mut Drawings) -> CellView {
    let (status, message) = match &cell.status {
        CellStatus::Done => ("done", String::new()),
        CellStatus::NotEnough { message } => ("not_enough", shorten(without_prefix(message), 600)),
        CellStatus::Failed { message } => ("failed", shorten(message, 600)),
    };
    // A lone chart has the whole width; of several, only those that need it.
    let lone = cell.charts.len() == 1;
    let charts = cell.charts.iter().map(|chart| {
        let wide = lone || needs_width(&chart.kind);
        drawings.add(chart, if wide { WIDE } else { HALF }, wide)
    });
    CellView {
        stage: cell.stage.clone(),
        kind: cell.kind.clone(),
        title: shorten(
            if cell.title.is_empty() {
                &cell.stage
            } else {
                &cell.title
            },
            120,
        ),
        status,
        message,
        did: shorten(&cell.did, 800),
        method: shorten(&cell.method, 500),
        charts: charts.collect(),
        inputs: cell
            .inputs
            .iter()
            .map(dataset)
            .collect::<Vec<_>>()
            .join("; "),
        output: cell.output.as_ref().map(dataset).unwrap_or_default(),
        params: cell
            .params
            .iter()
            .map(|param| ParamView {
                name: shorten(&param.name, 60),
                value: shorten(&param.value, 240),
                set: param.set,
            })
            .collect(),
        query: cell
            .query
            .as_deref()
            .map(|query| shorten(query.trim(), 4000))
            .unwrap_or_default(),
        findings: cell
            .findings
            .iter()
            .take(CELL_FINDINGS_MAX)
            .map(|f| finding(f, LONG))
            .collect(),
        findings_more: cell.findings.len().saturating_sub(CELL_FINDINGS_MAX) as u64,
        kpis: cell
            .kpis
            .iter()
            .map(|kpi| self::kpi(kpi, drawings))
            .collect(),
        effects: cell.effects.iter().map(|e| effect(e, 160)).collect(),
        tables: cell.tables.iter().map(table).collect(),
        caveats: sentences(&cell.caveats),
    }
}

fn sentences(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| shorten(text, 400)).collect()
}

fn needs_width(kind: &ChartKind) -> bool {
    match kind {
        ChartKind::BeforeAfter { .. }
        | ChartKind::CalendarHeat { .. }
        | ChartKind::SmallMultiples { .. } => true,
        ChartKind::Line { series, .. } => series.iter().any(|series| series.values.len() > 120),
        ChartKind::Bars { bars, .. } => bars.len() > 12,
        ChartKind::Sparkline { .. } | ChartKind::Bullet { .. } => false,
    }
}

/// "tickets, version 3 (12 345 rows)".
fn dataset(dataset: &DatasetRef) -> String {
    format!(
        "{}, version {} ({})",
        dataset.name,
        dataset.version,
        plural(dataset.rows, "row")
    )
}

fn table(table: &Table) -> TableView {
    let shown = table.clone().top(TABLE_ROWS_MAX);
    TableView {
        caption: shorten(&shown.caption, 200),
        columns: shown
            .columns
            .iter()
            .map(|column| ColumnView {
                title: shorten(&column.title, 60),
                align: match column.align {
                    Align::Left => "left",
                    Align::Right => "right",
                },
            })
            .collect(),
        rows: shown
            .rows
            .iter()
            .map(|row| {
                // A row that is too short or too long must not shift the ones after it.
                let cells = row.iter().map(|text| shorten(text, 240));
                let padded = cells.chain(std::iter::repeat(String::new()));
                padded.take(shown.columns.len()).collect()
            })
            .collect(),
        more: match shown.more {
            0 => String::new(),
            n => format!(
                "{} not shown; all are in the attached report.json or its dataset.",
                plural(n, "further row")
            ),
        },
    }
}

/// Each method once, with the stages that used it.
fn methods(cells: &[Cell]) -> Vec<MethodView> {
    let mut methods: Vec<MethodView> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.method.is_empty()) {
        match methods
            .iter_mut()
            .find(|m| m.kind == cell.kind && m.method == cell.method)
        {
            Some(known) => known.stages = format!("{}, {}", known.stages, cell.stage),
            None => methods.push(MethodView {
                kind: cell.kind.clone(),
                method: shorten(&cell.method, 500),
                stages: cell.stage.clone(),
            }),
        }
    }
    methods
}

fn provenance(report: &Report) -> ProvenanceView {
    let provenance = &report.provenance;
    ProvenanceView {
        run: provenance.run.clone(),
        build: provenance.build.clone(),
        config_hash: provenance.config_hash.clone(),
        command: provenance.command.clone(),
        datasets: provenance
            .datasets
            .iter()
            .map(|dataset| {
                [
                    dataset.name.clone(),
                    dataset.version.to_string(),
                    count(dataset.rows),
                ]
            })
            .collect(),
    }
}

/// Year, month and day; the epoch for a date that cannot be read.
pub fn date_parts(date: &str) -> [i64; 3] {
    let date: jiff::civil::Date = date.parse().unwrap_or(jiff::civil::date(1970, 1, 1));
    [
        i64::from(date.year()),
        i64::from(date.month()),
        i64::from(date.day()),
    ]
}

fn words_of_date(date: &str) -> String {
    date.parse()
        .map_or_else(|_| date.to_string(), retrocast_domain::window::long)
}

/// "5 Oct 2026".
fn short_date(date: &str) -> String {
    let words = words_of_date(date);
    match words.split(' ').collect::<Vec<_>>()[..] {
        [day, month, year] => {
            format!("{day} {} {year}", month.chars().take(3).collect::<String>())
        }
        _ => shorten(&words, 20),
    }
}

/// The first `limit` characters, cut at a word where one ends near, with an ellipsis.
pub fn shorten(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else {
        return text.to_string();
    };
    let head = &text[..end];
    let cut = head
        .rfind([' ', '\n'])
        .filter(|at| *at * 10 > end * 7)
        .unwrap_or(end);
    format!(
        "{}{THIN}…",
        head[..cut].trim_end_matches([' ', ',', ';', '.', '\n'])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortening_ends_at_a_word_and_shows_it() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(
            shorten("one, two, three four", 12),
            format!("one, two{THIN}…")
        );
        assert_eq!(
            shorten(&"x".repeat(50), 10),
            format!("{}{THIN}…", "x".repeat(10))
        );
    }

    #[test]
    fn dates_in_words() {
        assert_eq!(words_of_date("2026-11-15"), "15 November 2026");
        assert_eq!(words_of_date("soon"), "soon");
        assert_eq!(short_date("2026-09-21"), "21 Sep 2026");
        assert_eq!(date_parts("soon"), [1970, 1, 1]);
        assert_eq!(minute("2026-11-15T23:59:59Z"), "2026-11-15 23:59");
    }
}
