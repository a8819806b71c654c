//! IDs of the figures of a view.

use crate::assemble::{figures, is_same};
use retrocast_domain::{
    Cell, Chart, Figure, FigureKind, Finding, Recommendation, Report, report::EarlierFinding,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// IDs of the figures of a report by JSON pointer.
pub(super) struct FigureIds {
    by_pointer: BTreeMap<String, String>,
    provenance: String,
}

/// IDs of the figures that are plain text.
#[derive(Debug, Default, Serialize)]
pub(super) struct TextFigures {
    window: String,
    verdict: String,
    health: String,
    news: String,
    /// In the order of `notices`.
    notices: Vec<String>,
    /// In the order of `notes`.
    notes: Vec<String>,
}

/// IDs of the figures of one cell.
pub(super) struct CellIds<'a> {
    ids: &'a FigureIds,
    pointer: String,
}

impl CellIds<'_> {
    /// The ID of an item of a list of the cell.
    pub fn at(&self, list: &str, index: usize) -> String {
        self.ids.at(&format!("{}/{list}/{index}", self.pointer))
    }

    /// The ID of the cell.
    pub fn of_cell(&self) -> String {
        self.ids.at(&self.pointer)
    }
}

/// The figures of a report: those that it lists or, if it has no list, those computed from it. A
/// slice has none, because an ID names a figure of the report of all records.
pub(super) fn figures_of(report: &Report) -> Vec<Figure> {
    if report.figures.is_empty() && report.slice.is_none() {
        figures(report)
    } else {
        report.figures.clone()
    }
}

impl FigureIds {
    pub fn new(report: &Report) -> Self {
        let mut by_pointer = BTreeMap::new();
        let mut provenance = String::new();
        for Figure {
            id, kind, pointers, ..
        } in figures_of(report)
        {
            if kind == FigureKind::Provenance {
                provenance.clone_from(&id);
            }
            by_pointer.extend(pointers.into_iter().map(|pointer| (pointer, id.clone())));
        }
        Self {
            by_pointer,
            provenance,
        }
    }

    /// The ID of the figure at a JSON pointer; empty if no figure has this pointer.
    pub fn at(&self, pointer: &str) -> String {
        self.by_pointer.get(pointer).cloned().unwrap_or_default()
    }

    /// The IDs of a cell.
    pub fn cell(&self, index: usize) -> CellIds<'_> {
        CellIds {
            ids: self,
            pointer: format!("/cells/{index}"),
        }
    }

    /// The IDs of the figures that are plain text. The first notes are about printing, so they have
    /// the ID of the provenance.
    pub fn texts(&self, report: &Report, notes_about_printing: usize) -> TextFigures {
        let ids = |list: &str, n: usize| -> Vec<String> {
            (0..n).map(|i| self.at(&format!("/{list}/{i}"))).collect()
        };
        let mut notes = vec![self.provenance.clone(); notes_about_printing];
        notes.extend(ids("notes", report.notes.len()));
        TextFigures {
            window: self.at("/period"),
            verdict: self.at("/verdict"),
            health: self.at("/sources"),
            news: self.at("/earlier"),
            notices: ids("notices", report.notices.len()),
            notes,
        }
    }

    /// The ID of the first matching item of the cells.
    fn find<T>(
        &self,
        report: &Report,
        list: &str,
        items: impl Fn(&Cell) -> &[T],
        is_match: impl Fn(&T) -> bool,
    ) -> String {
        let mut cells = report.cells.iter().enumerate();
        let position =
            cells.find_map(|(i, cell)| Some((i, items(cell).iter().position(&is_match)?)));
        position.map_or_else(String::new, |(i, j)| {
            self.at(&format!("/cells/{i}/{list}/{j}"))
        })
    }

    /// The ID of a finding, or of the headline that starts with it.
    pub fn finding(&self, report: &Report, finding: &Finding) -> String {
        self.find(
            report,
            "findings",
            |cell| &cell.findings,
            |other| is_same(other, finding),
        )
    }

    /// The ID of a chart of the report.
    pub fn chart(&self, report: &Report, chart: &Chart) -> String {
        self.find(
            report,
            "charts",
            |cell| &cell.charts,
            |other| std::ptr::eq(other, chart),
        )
    }

    /// The ID of a recommendation of the report.
    pub fn recommendation(&self, report: &Report, recommendation: &Recommendation) -> String {
        self.find(
            report,
            "recommendations",
            |cell| &cell.recommendations,
            |other| std::ptr::eq(other, recommendation),
        )
    }

    /// The ID of a resolved finding of the earlier report.
    pub fn resolved(&self, report: &Report, finding: &EarlierFinding) -> String {
        let mut findings = report.earlier.iter().flat_map(|earlier| &earlier.findings);
        let index = findings.position(|other| other == finding);
        index.map_or_else(String::new, |index| {
            self.at(&format!("/earlier/findings/{index}"))
        })
    }

    /// The ID of a source or stage, by the full name of its node.
    pub fn node(&self, report: &Report, name: &str) -> String {
        let (kind, name) = name.split_once('.').unwrap_or_default();
        let index = match kind {
            "source" => report.sources.iter().position(|source| source.name == name),
            _ => report.cells.iter().position(|cell| cell.stage == name),
        };
        let list = if kind == "source" { "sources" } else { "cells" };
        index.map_or_else(String::new, |index| self.at(&format!("/{list}/{index}")))
    }
}
