//! The history of figures, findings and verdicts over the reports of a job.
//!
//! The report of a period is its newest run that created one. Findings are followed from each
//! report to the next report on a window of the same kind, as reports and `retrocast diff` do: a
//! finding is resolved when its stage completed without it.

use crate::{
    digest::ClosedDigest,
    entries::{JobEntry, RunEntry},
    year_index::{
        EffectRow, FigureMeta, FigureRow, FindingMeta, FindingRow, ImprovementMeta, Row, YearIndex,
        slug,
    },
};
use jiff::civil::Date;
use retrocast_domain::Window;
use std::collections::BTreeMap;

/// A report of the series.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub run: &'a RunEntry,
    pub row: &'a Row,
    /// Kind of its window; reports of one kind follow each other.
    pub spec: String,
    /// Day after the last day of the window.
    pub end: Option<Date>,
    year: usize,
}

/// Recurrence of a finding: its state in a report relative to the reports before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recurrence {
    /// In the first report of the series, with nothing to compare.
    First,
    New,
    Persisting,
    Resolved,
}

impl Recurrence {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::First => "first report",
            Self::New => "new",
            Self::Persisting => "persisting",
            Self::Resolved => "resolved",
        }
    }
}

/// The values of a figure with the positions of their reports, oldest first.
#[derive(Debug)]
pub(crate) struct FigureHistory<'a> {
    pub meta: &'a FigureMeta,
    pub points: Vec<(usize, &'a FigureRow)>,
}

/// A finding in one report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FindingPoint<'a> {
    /// Position of the report.
    pub report: usize,
    pub state: Recurrence,
    /// `None` for a resolved finding.
    pub row: Option<&'a FindingRow>,
}

/// An uninterrupted series of reports with a finding, by the positions of its first and last
/// report.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub from: usize,
    pub to: usize,
    /// Number of reports.
    pub times: u64,
    /// The report that resolved it.
    pub resolved: Option<usize>,
}

/// A finding over the reports, oldest first.
#[derive(Debug)]
pub(crate) struct FindingHistory<'a> {
    pub meta: &'a FindingMeta,
    pub points: Vec<FindingPoint<'a>>,
    pub spans: Vec<Span>,
}

impl<'a> FindingHistory<'a> {
    /// The finding in a report.
    pub(crate) fn point_in(&self, report: usize) -> Option<FindingPoint<'a>> {
        let index = self
            .points
            .binary_search_by_key(&report, |point| point.report);
        index.ok().map(|index| self.points[index])
    }

    /// The series of reports that a report belongs to.
    pub(crate) fn span_with(&self, report: usize) -> Option<&Span> {
        let mut spans = self.spans.iter();
        spans.find(|span| span.from <= report && report <= span.resolved.unwrap_or(span.to))
    }
}

/// The verdicts on an improvement by metric.
#[derive(Debug)]
pub(crate) struct ImprovementHistory<'a> {
    pub metrics: Vec<MetricHistory<'a>>,
    /// The first report after it was closed, and how it was closed.
    pub closed: Option<(usize, &'a ClosedDigest)>,
}

/// The verdicts on one metric, oldest first.
#[derive(Debug)]
pub(crate) struct MetricHistory<'a> {
    pub meta: &'a ImprovementMeta,
    pub points: Vec<(usize, &'a EffectRow)>,
}

/// Kind of a run's window, and the day after its last day.
fn period_of(run: &RunEntry) -> (String, Option<Date>) {
    match Window::parse(&run.names[1], "UTC") {
        Ok(window) => (window.spec.to_string(), Some(window.end)),
        Err(_) => (String::new(), run.summary.date),
    }
}

/// All reports of a job and what they contain.
#[derive(Debug)]
pub(crate) struct History<'a> {
    /// Reports, ordered by the end of their periods.
    pub reports: Vec<Report<'a>>,
    /// Figures by the name of their page.
    pub figures: BTreeMap<&'a str, FigureHistory<'a>>,
    /// Findings by the name of their page.
    pub findings: BTreeMap<&'a str, FindingHistory<'a>>,
    /// Improvements by the name of their page.
    pub improvements: BTreeMap<&'a str, ImprovementHistory<'a>>,
    years: &'a [YearIndex],
    /// Position of each report by the names of its window and run.
    positions: BTreeMap<[&'a str; 2], usize>,
}

impl<'a> History<'a> {
    pub(crate) fn new(job: &'a JobEntry, years: &'a [YearIndex]) -> Self {
        let rows: BTreeMap<[&str; 2], (usize, &Row)> = years
            .iter()
            .enumerate()
            .flat_map(|(year, index)| index.rows.iter().map(move |row| (year, row)))
            .map(|(year, row)| (row.names.each_ref().map(String::as_str), (year, row)))
            .collect();
        let mut reports: Vec<Report<'a>> = job
            .runs
            .iter()
            .filter(|run| !run.superseded && run.summary.status.has_reports())
            .filter_map(|run| {
                let (year, row) = rows.get(&[run.names[1].as_str(), run.names[2].as_str()])?;
                let (spec, end) = period_of(run);
                Some(Report {
                    run,
                    row,
                    spec,
                    end,
                    year: *year,
                })
            })
            .collect();
        reports.sort_by(|a, b| (a.end, &a.run.names).cmp(&(b.end, &b.run.names)));
        let positions = reports
            .iter()
            .enumerate()
            .map(|(position, report)| {
                (
                    [report.run.names[1].as_str(), report.run.names[2].as_str()],
                    position,
                )
            })
            .collect();
        let mut history = Self {
            figures: BTreeMap::new(),
            findings: BTreeMap::new(),
            improvements: BTreeMap::new(),
            years,
            positions,
            reports,
        };
        history.add_figures(years);
        history.add_findings(years);
        history.add_improvements(years);
        history.add_closed_improvements();
        history
    }

    /// The figure of a row of a report.
    pub(crate) fn figure_of(&self, report: usize, row: &FigureRow) -> &'a FigureMeta {
        &self.years[self.reports[report].year].figures[row.of as usize]
    }

    /// The finding of a row of a report, worded as in that year.
    pub(crate) fn finding_of(&self, report: usize, row: &FindingRow) -> &'a FindingMeta {
        &self.years[self.reports[report].year].findings[row.of as usize]
    }

    /// The position of a run in the series; `None` if the series does not contain it.
    pub(crate) fn position(&self, run: &RunEntry) -> Option<usize> {
        let names = [run.names[1].as_str(), run.names[2].as_str()];
        self.positions.get(&names).copied()
    }

    /// The reports before and after a period of the same kind.
    pub(crate) fn neighbours(&self, run: &RunEntry) -> [Option<&Report<'a>>; 2] {
        let (spec, end) = period_of(run);
        let key = (end, run.names[1].as_str());
        let key_of = |report: &Report<'a>| (report.end, report.run.names[1].as_str());
        let after = self.reports.partition_point(|report| key_of(report) <= key);
        let before = self.reports.partition_point(|report| key_of(report) < key);
        let is_same_kind = |report: &&Report| report.spec == spec;
        [
            self.reports[..before].iter().rev().find(is_same_kind),
            self.reports[after..].iter().find(is_same_kind),
        ]
    }

    fn add_figures(&mut self, years: &'a [YearIndex]) {
        for (position, report) in self.reports.iter().enumerate() {
            for row in &report.row.figures {
                let meta = &years[report.year].figures[row.of as usize];
                let figure = self.figures.entry(&meta.slug);
                let figure = figure.or_insert_with(|| FigureHistory {
                    meta,
                    points: Vec::new(),
                });
                figure.meta = meta;
                figure.points.push((position, row));
            }
        }
    }

    fn add_improvements(&mut self, years: &'a [YearIndex]) {
        for (position, report) in self.reports.iter().enumerate() {
            for row in &report.row.effects {
                let meta = &years[report.year].improvements[row.of as usize];
                let improvement = self.improvements.entry(&meta.slug);
                let improvement = improvement.or_insert_with(|| ImprovementHistory {
                    metrics: Vec::new(),
                    closed: None,
                });
                let is_same = |metric: &&mut MetricHistory| {
                    (&metric.meta.node, &metric.meta.metric) == (&meta.node, &meta.metric)
                };
                match improvement.metrics.iter_mut().find(is_same) {
                    Some(metric) => {
                        metric.meta = meta;
                        metric.points.push((position, row));
                    }
                    None => improvement.metrics.push(MetricHistory {
                        meta,
                        points: vec![(position, row)],
                    }),
                }
            }
        }
    }

    /// Marks improvements that were measured before and are closed.
    fn add_closed_improvements(&mut self) {
        for (position, report) in self.reports.iter().enumerate() {
            let row: &'a Row = report.row;
            for closed in &row.closed {
                let slug = slug(&closed.improvement);
                if let Some(improvement) = self.improvements.get_mut(slug.as_str()) {
                    improvement.closed.get_or_insert((position, closed));
                }
            }
        }
    }

    fn add_findings(&mut self, years: &'a [YearIndex]) {
        let mut specs: Vec<&str> = self.reports.iter().map(|r| r.spec.as_str()).collect();
        specs.sort_unstable();
        specs.dedup();
        let nodes: Vec<BTreeMap<&str, u32>> = years
            .iter()
            .map(|year| year.nodes.iter().map(String::as_str).zip(0..).collect())
            .collect();
        for spec in specs {
            // Findings of the last report that searched for them.
            let mut open: BTreeMap<&str, &FindingMeta> = BTreeMap::new();
            let of_spec = self.reports.iter().enumerate();
            for (n, (position, report)) in of_spec
                .filter(|(_, report)| report.spec == spec)
                .enumerate()
            {
                let mut resolved = open.clone();
                for row in &report.row.findings {
                    let meta = &years[report.year].findings[row.of as usize];
                    resolved.remove(meta.slug.as_str());
                    let finding = self.findings.entry(&meta.slug);
                    let finding = finding.or_insert_with(|| FindingHistory {
                        meta,
                        points: Vec::new(),
                        spans: Vec::new(),
                    });
                    let is_open = open.insert(&meta.slug, meta).is_some();
                    let last = finding.spans.last_mut().filter(|_| is_open);
                    let state = match last {
                        Some(span) => {
                            span.to = position;
                            span.times += 1;
                            Recurrence::Persisting
                        }
                        None => {
                            finding.spans.push(Span {
                                from: position,
                                to: position,
                                times: 1,
                                resolved: None,
                            });
                            if n == 0 {
                                Recurrence::First
                            } else {
                                Recurrence::New
                            }
                        }
                    };
                    finding.points.push(FindingPoint {
                        report: position,
                        state,
                        row: Some(row),
                    });
                }
                for (slug, meta) in resolved {
                    let node = nodes[report.year].get(meta.node.as_str());
                    if !node.is_some_and(|node| report.row.done.contains(node)) {
                        continue;
                    }
                    open.remove(slug);
                    if let Some(finding) = self.findings.get_mut(slug) {
                        if let Some(span) = finding.spans.last_mut() {
                            span.resolved = Some(position);
                        }
                        finding.points.push(FindingPoint {
                            report: position,
                            state: Recurrence::Resolved,
                            row: None,
                        });
                    }
                }
            }
        }
        for finding in self.findings.values_mut() {
            finding.points.sort_by_key(|point| point.report);
            finding.spans.sort_by_key(|span| (span.from, span.to));
            // Uses the newest wording, even if kinds of windows alternate.
            let newest = finding.points.iter().rev().find_map(|point| {
                let (report, row) = (&self.reports[point.report], point.row?);
                Some(&years[report.year].findings[row.of as usize])
            });
            finding.meta = newest.unwrap_or(finding.meta);
        }
    }
}
