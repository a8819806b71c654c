//! Gives every printed figure an ID, in reading order.
//!
//! An ID is the letter of the [`FigureKind`] and a number: `k1` is the first key figure of the
//! first page, `f2` the second headline. The figures of the first page come first, then those of
//! the stages. A figure that is printed several times has one ID.

use super::{
    asks::{TITLE_MAX, ask_for},
    title,
};
use crate::words::shorten;
use retrocast_domain::{Cell, Chapter, Figure, FigureKind, Finding, Report};
use std::collections::{BTreeMap, BTreeSet};

/// Lists the figures of a report. [`Report::figures`] is ignored.
pub fn figures(report: &Report) -> Vec<Figure> {
    let mut list = FigureList::default();
    let nodes = Nodes { report };
    let single = |pointer: &str| vec![pointer.to_string()];
    list.add(FigureKind::Window, "window", single("/period"), Vec::new());
    list.add(
        FigureKind::Verdict,
        "verdict",
        single("/verdict"),
        nodes.all(),
    );
    list.add(
        FigureKind::Health,
        "health",
        single("/sources"),
        nodes.of_data(),
    );
    for (i, notice) in report.notices.iter().enumerate() {
        let nodes = nodes.of_notice(notice);
        list.add_in_order(FigureKind::Note, "notice", format!("/notices/{i}"), nodes);
    }
    add_kpis(report, &mut list);
    if report.earlier.is_some() {
        list.add(
            FigureKind::News,
            "news",
            single("/earlier"),
            nodes.all_stages(),
        );
    }
    add_findings(report, &mut list);
    for (i, ask) in report.asks.iter().enumerate() {
        let nodes = nodes.of_ask(ask);
        list.add_in_order(FigureKind::Ask, "ask", format!("/asks/{i}"), nodes);
    }
    add_cell_items(report, &mut list);
    for (i, note) in report.notes.iter().enumerate() {
        let nodes = nodes.of_note(note);
        let key = nodes.join(" ");
        list.add_in_order(FigureKind::Note, &key, format!("/notes/{i}"), nodes);
    }
    for (i, source) in report.sources.iter().enumerate() {
        let node = vec![format!("source.{}", source.name)];
        let pointers = vec![format!("/sources/{i}")];
        list.add(FigureKind::Source, &source.name, pointers, node);
    }
    add_resolved(report, &mut list);
    list.add(
        FigureKind::Provenance,
        "provenance",
        single("/provenance"),
        Vec::new(),
    );
    list.figures
}

/// Full name of the node of a stage.
fn stage_node(stage: &str) -> String {
    format!("stage.{stage}")
}

#[derive(Default)]
struct FigureList {
    figures: Vec<Figure>,
    /// Number of IDs by letter.
    counts: BTreeMap<char, u32>,
    keys: BTreeSet<(FigureKind, String)>,
}

impl FigureList {
    /// Adds a figure. A repeated key gets a number.
    fn add(&mut self, kind: FigureKind, key: &str, pointers: Vec<String>, nodes: Vec<String>) {
        let count = self.counts.entry(kind.letter()).or_default();
        *count += 1;
        let id = format!("{}{count}", kind.letter());
        let mut unique = key.to_string();
        let mut repeats = 1;
        while !self.keys.insert((kind, unique.clone())) {
            repeats += 1;
            unique = format!("{key} {repeats}");
        }
        self.figures.push(Figure {
            id,
            kind,
            pointers,
            nodes,
            key: unique,
        });
    }

    /// Adds a sentence that is identified only by its order among the sentences with this key.
    fn add_in_order(&mut self, kind: FigureKind, key: &str, pointer: String, nodes: Vec<String>) {
        self.add(kind, key, vec![pointer], nodes);
    }
}

/// Adds the key figures of the first page, then those of the stages.
fn add_kpis(report: &Report, list: &mut FigureList) {
    let mut in_cells: Vec<(usize, usize)> = Vec::new();
    for (i, cell) in report.cells.iter().enumerate() {
        in_cells.extend((0..cell.kpis.len()).map(|j| (i, j)));
    }
    let mut add = |(i, j): (usize, usize), first_page: Option<usize>| {
        let (cell, kpi) = (&report.cells[i], &report.cells[i].kpis[j]);
        let key = format!("{} {} {}", cell.stage, kpi.name, kpi.subject);
        let first_page = first_page.map(|n| format!("/kpis/{n}"));
        let pointers = first_page
            .into_iter()
            .chain([format!("/cells/{i}/kpis/{j}")]);
        list.add(
            FigureKind::Kpi,
            &key,
            pointers.collect(),
            vec![stage_node(&cell.stage)],
        );
    };
    for (n, kpi) in report.kpis.iter().enumerate() {
        let is_same_item = |(i, j): &(usize, usize)| report.cells[*i].kpis[*j] == *kpi;
        if let Some(position) = in_cells.iter().position(is_same_item) {
            add(in_cells.remove(position), Some(n));
        }
    }
    for position in in_cells {
        add(position, None);
    }
}

/// Adds the headlines, then the other findings of the stages.
fn add_findings(report: &Report, list: &mut FigureList) {
    let mut in_cells: Vec<(usize, usize)> = Vec::new();
    for (i, cell) in report.cells.iter().enumerate() {
        in_cells.extend((0..cell.findings.len()).map(|j| (i, j)));
    }
    let mut add = |(i, j): (usize, usize), headline: Option<usize>| {
        let finding = &report.cells[i].findings[j];
        let key = format!("{} {}", finding.stage, finding.id);
        let headline = headline.map(|n| format!("/headlines/{n}"));
        let pointers = headline
            .into_iter()
            .chain([format!("/cells/{i}/findings/{j}")]);
        let node = vec![stage_node(&report.cells[i].stage)];
        list.add(FigureKind::Finding, &key, pointers.collect(), node);
    };
    for (n, headline) in report.headlines.iter().enumerate() {
        let is_same_item =
            |(i, j): &(usize, usize)| is_same(&report.cells[*i].findings[*j], headline);
        if let Some(position) = in_cells.iter().position(is_same_item) {
            add(in_cells.remove(position), Some(n));
        }
    }
    for position in in_cells {
        add(position, None);
    }
}

/// Returns true if a headline is about this finding; it may name further groups.
pub(crate) fn is_same(finding: &Finding, headline: &Finding) -> bool {
    (&finding.stage, &finding.id) == (&headline.stage, &headline.id)
        && headline.sentence.starts_with(&finding.sentence)
}

/// Adds the charts, effects, recommendations and tables of the stages, and the stages themselves.
fn add_cell_items(report: &Report, list: &mut FigureList) {
    let mut effects = 0;
    for (i, cell) in report.cells.iter().enumerate() {
        let stage = &cell.stage;
        let node = || vec![stage_node(stage)];
        for (j, chart) in cell.charts.iter().enumerate() {
            let pointers = vec![format!("/cells/{i}/charts/{j}")];
            let key = format!("{stage} {}", chart.id);
            list.add(FigureKind::Chart, &key, pointers, node());
        }
        for (j, effect) in cell.effects.iter().enumerate() {
            let pointers = vec![
                format!("/effects/{effects}"),
                format!("/cells/{i}/effects/{j}"),
            ];
            effects += 1;
            let key = format!("{stage} {} {}", effect.improvement, effect.metric);
            list.add(FigureKind::Effect, &key, pointers, node());
        }
        for (j, recommendation) in cell.recommendations.iter().enumerate() {
            let pointers = vec![format!("/cells/{i}/recommendations/{j}")];
            list.add(
                FigureKind::Recommendation,
                &format!("{stage} {}", recommendation.id),
                pointers,
                node(),
            );
        }
        for j in 0..cell.tables.len() {
            let pointers = vec![format!("/cells/{i}/tables/{j}")];
            list.add(
                FigureKind::Table,
                &format!("{stage} table {j}"),
                pointers,
                node(),
            );
        }
        list.add(
            FigureKind::Stage,
            stage,
            vec![format!("/cells/{i}")],
            node(),
        );
    }
}

/// Adds the findings of the earlier report that are no longer found.
fn add_resolved(report: &Report, list: &mut FigureList) {
    let Some(earlier) = &report.earlier else {
        return;
    };
    for resolved in earlier.no_longer_found(&report.cells) {
        let index = earlier.findings.iter().position(|other| other == resolved);
        let pointers = vec![format!("/earlier/findings/{}", index.unwrap_or_default())];
        let key = format!("{} {}", resolved.stage, resolved.id);
        list.add(
            FigureKind::Resolved,
            &key,
            pointers,
            vec![stage_node(&resolved.stage)],
        );
    }
}

/// The nodes that the sentences of a report are computed from.
struct Nodes<'a> {
    report: &'a Report,
}

impl Nodes<'_> {
    fn stages(&self, is_included: impl Fn(&Cell) -> bool) -> Vec<String> {
        let cells = self.report.cells.iter().filter(|cell| is_included(cell));
        cells.map(|cell| stage_node(&cell.stage)).collect()
    }

    fn sources(&self) -> Vec<String> {
        let sources = self.report.sources.iter();
        sources
            .map(|source| format!("source.{}", source.name))
            .collect()
    }

    /// Stages with findings, key figures or effects.
    fn all_stages(&self) -> Vec<String> {
        self.stages(|cell| {
            !(cell.findings.is_empty() && cell.kpis.is_empty() && cell.effects.is_empty())
        })
    }

    fn all(&self) -> Vec<String> {
        [self.sources(), self.all_stages()].concat()
    }

    fn of_data(&self) -> Vec<String> {
        let data = self.stages(|cell| cell.chapter == Chapter::Data);
        [self.sources(), data].concat()
    }

    fn of_notice(&self, notice: &str) -> Vec<String> {
        let has = |cell: &Cell| cell.notices.iter().any(|other| other == notice);
        let stages = self.stages(has);
        if stages.is_empty() {
            self.sources()
        } else {
            stages
        }
    }

    /// The source or the stage that a note starts with; otherwise all sources, and the stages
    /// without records.
    fn of_note(&self, note: &str) -> Vec<String> {
        let is_about = |name: &str, separators: &[&str]| {
            let after_name = note.strip_prefix(name);
            after_name.is_some_and(|text| separators.iter().any(|words| text.starts_with(words)))
        };
        let mut sources = self.report.sources.iter();
        if let Some(source) = sources.find(|source| is_about(&source.name, &[": "])) {
            return vec![format!("source.{}", source.name)];
        }
        let words = [" had too little data", " failed: ", " was not run: "];
        let mut cells = self.report.cells.iter();
        let is_of = |cell: &&Cell| {
            let name = title(cell);
            // Reports of older versions have no quotation marks.
            is_about(&name, &words) || is_about(&format!("“{name}”"), &words)
        };
        if let Some(cell) = cells.find(is_of) {
            return vec![stage_node(&cell.stage)];
        }
        let empty = self.stages(|cell| cell.records == Some(0));
        [self.sources(), empty].concat()
    }

    /// The stage of the finding that a request is about; otherwise those with effects or notices.
    fn of_ask(&self, ask: &str) -> Vec<String> {
        let findings = self.report.cells.iter().flat_map(|cell| &cell.findings);
        let mut asking = findings.filter(|finding| ask_for(finding).as_deref() == Some(ask));
        if let Some(finding) = asking.next() {
            return vec![stage_node(&finding.stage)];
        }
        let names_effect = |cell: &Cell| {
            let mut titles = cell.effects.iter().map(|effect| &effect.title);
            titles.any(|title| ask.contains(&format!("“{}”", shorten(title, TITLE_MAX))))
        };
        let stages = self.stages(names_effect);
        if stages.is_empty() {
            let notices = self.report.notices.iter();
            let nodes: BTreeSet<String> = notices.flat_map(|text| self.of_notice(text)).collect();
            return nodes.into_iter().collect();
        }
        stages
    }
}
