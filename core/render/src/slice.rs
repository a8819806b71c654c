//! Slices: reports on the records with one value of a column, from the analysis of all records.
//!
//! A slice is assembled only from the parts of the cells that are about its value, so its verdict,
//! headlines and notes depend only on these parts. A part is included if its subject, its group or
//! its panel is the value; a part that also names another value ([`Names`]) is left out and
//! counted. Contents about all records (counts of sources, dataset versions, quality, totals) are
//! left out unless the slices share them.

mod names;
#[cfg(test)]
mod tests;

pub use names::Names;

use crate::assemble::{self, ReportInputs};
use retrocast_domain::{
    Cell, CellStatus, Chapter, Chart, ChartKind, Finding, FindingDecision, Report, Table,
    finding::group_values,
    report::{EarlierReport, PlanNode, SliceNote, SourceNote},
};
use serde::Serialize;
use std::{
    cell::Cell as Counter,
    collections::{BTreeMap, BTreeSet},
};

/// Builds the slices of a run.
pub struct Slicer<'a> {
    /// The inputs of the report of all records.
    pub inputs: &'a ReportInputs,
    /// The column whose values have slices.
    pub column: &'a str,
    /// The values of the column, and those of the recipients.
    pub names: &'a Names,
    /// Values of the column that occur in the records.
    pub known: &'a BTreeSet<String>,
    /// True if slices also include contents about all records.
    pub shared: bool,
    /// Health of the data of all records: "good", "fair" or "poor".
    pub health: &'a str,
}

/// The replacement of text that names another value.
const WITHHELD: &str = "described in the report of all records";

impl Slicer<'_> {
    /// Builds the report on one value.
    pub fn report(&self, value: &str) -> Report {
        let part = Part {
            slicer: self,
            value,
            left_out: Counter::new(0),
        };
        let inputs = part.inputs();
        let has_results = inputs.cells.iter().any(has_results);
        let mut report = assemble::report(inputs);
        let (column, window) = (self.column, self.inputs.window.spec.noun());
        if !self.known.contains(value) {
            report.verdict = format!("There is no record with {column} = {value}.");
        } else if !has_results {
            report.verdict = format!("No analysis of this {window} has a result for {value}.");
        }
        let mut notes = vec![if self.shared {
            format!(
                "This report covers {column} = {value}, and what is about all records. Nothing in it is \
                 about other values."
            )
        } else {
            format!(
                "This report covers {column} = {value} only; the analysis itself used all records. Counts \
                 of records, versions of datasets and the quality of the data are in the report of all \
                 records."
            )
        }];
        let left_out = part.left_out.get();
        if left_out > 0 {
            let items = retrocast_domain::number::plural(left_out, "item");
            let (verb, name) = if left_out == 1 {
                ("is", "names")
            } else {
                ("are", "name")
            };
            notes.push(format!(
                "{items} {verb} left out that also {name} another {column}."
            ));
        }
        report.notes.splice(0..0, notes);
        report.slice = Some(SliceNote {
            column: column.to_string(),
            value: value.to_string(),
            health: self.health.to_string(),
        });
        report
    }
}

/// A slice under construction.
struct Part<'a> {
    slicer: &'a Slicer<'a>,
    value: &'a str,
    /// Number of items about the value that also name another value.
    left_out: Counter<u64>,
}

impl Part<'_> {
    fn names_other(&self, text: &str) -> bool {
        self.slicer.names.names_other(text, self.value)
    }

    /// Returns true if no text of an item names another value; counts the item otherwise.
    fn is_clean<T: Serialize>(&self, item: &T) -> bool {
        let item = serde_json::to_value(item).unwrap_or_default();
        let is_clean = !any_text(&item, &|text| self.names_other(text));
        if !is_clean {
            self.left_out.set(self.left_out.get() + 1);
        }
        is_clean
    }

    /// Like [`Part::is_clean`] for an item about all records, which is not counted.
    fn is_sharable<T: Serialize>(&self, item: &T) -> bool {
        let item = serde_json::to_value(item).unwrap_or_default();
        self.slicer.shared && !any_text(&item, &|text| self.names_other(text))
    }

    fn inputs(&self) -> ReportInputs {
        let inputs = self.slicer.inputs;
        let cells: Vec<Cell> = inputs
            .cells
            .iter()
            .filter_map(|cell| self.cell(cell))
            .collect();
        let sources: Vec<SourceNote> = if self.slicer.shared {
            let sources = inputs.sources.iter();
            sources.map(|source| self.source(source)).collect()
        } else {
            Vec::new()
        };
        let stages: BTreeSet<&str> = cells.iter().map(|cell| cell.stage.as_str()).collect();
        let is_shown = |name: &str| {
            let short = name.split_once('.').map_or(name, |(_, short)| short);
            let is_source = self.slicer.shared && name.starts_with("source.");
            stages.contains(short) || is_source
        };
        let plan = inputs.plan.iter().filter(|node| is_shown(&node.name));
        let plan = plan.map(|node| PlanNode {
            rows: node.rows.filter(|_| self.slicer.shared),
            inputs: node
                .inputs
                .iter()
                .filter(|name| is_shown(name))
                .cloned()
                .collect(),
            ..node.clone()
        });
        let mut provenance = inputs.provenance.clone();
        if !self.slicer.shared {
            provenance.datasets.clear();
        }
        if self.names_other(&provenance.command) {
            provenance.command = format!(
                "retrocast run {} --window {}",
                inputs.job,
                inputs.window.label()
            );
        }
        ReportInputs {
            job: inputs.job.clone(),
            title: format!("{}: {}", inputs.title, self.value),
            owner: inputs.owner.clone(),
            window: inputs.window.clone(),
            date: inputs.date,
            plan: plan.collect(),
            earlier: inputs
                .earlier
                .as_ref()
                .map(|earlier| self.earlier(earlier, &cells)),
            decisions: inputs
                .decisions
                .iter()
                .map(|decision| self.decision(decision))
                .collect(),
            closed: inputs
                .closed
                .iter()
                .filter(|closed| closed.component == self.value && self.is_clean(closed))
                .cloned()
                .collect(),
            cells,
            sources,
            provenance,
        }
    }

    /// A source without the files and fields that name another value.
    fn source(&self, source: &SourceNote) -> SourceNote {
        let mut source = source.clone();
        source.broken_files.retain(|file| self.is_sharable(file));
        source
            .unknown_fields
            .retain(|field| self.is_sharable(field));
        source
            .missing_fields
            .retain(|field| self.is_sharable(field));
        source
            .retyped_fields
            .retain(|field| self.is_sharable(field));
        source.quarantined.retain(|reason| self.is_sharable(reason));
        if self.names_other(&source.uri) {
            source.uri.clear();
        }
        source
    }

    /// A decision without a name or reason that names another value. The decision itself stays in
    /// force.
    fn decision(&self, decision: &FindingDecision) -> FindingDecision {
        let mut decision = decision.clone();
        for text in [&mut decision.who, &mut decision.why] {
            if self.names_other(text) {
                *text = WITHHELD.to_string();
            }
        }
        decision
    }

    /// The earlier findings that are about the value: findings found again, and findings whose
    /// sentence names the value and no other.
    fn earlier(&self, earlier: &EarlierReport, cells: &[Cell]) -> EarlierReport {
        let findings = cells.iter().flat_map(|cell| &cell.findings);
        let ids: BTreeSet<&str> = findings.map(|finding| finding.id.as_str()).collect();
        let stages: BTreeSet<&str> = cells.iter().map(|cell| cell.stage.as_str()).collect();
        let mut earlier = earlier.clone();
        earlier.findings.retain(|known| {
            let is_about =
                stages.contains(known.stage.as_str()) && contains_name(&known.sentence, self.value);
            (ids.contains(known.id.as_str()) || is_about) && !self.names_other(&known.sentence)
        });
        earlier
    }

    /// The part of a cell that is about the value; `None` if nothing in it is.
    fn cell(&self, cell: &Cell) -> Option<Cell> {
        let by = groups_of(cell);
        let is_grouped = by.iter().any(|column| column == self.slicer.column);
        let findings: Vec<Finding> = cell
            .findings
            .iter()
            .filter(|finding| self.is_about(&finding.subject))
            .filter_map(|finding| self.finding(finding))
            .chain(self.shared_findings(cell))
            .collect();
        let improvements: BTreeSet<&str> = findings
            .iter()
            .filter_map(|finding| finding.numbers.get("improvement")?.as_str())
            .collect();
        let effects = cell.effects.iter();
        let effects = effects.filter(|effect| improvements.contains(effect.improvement.as_str()));
        let mut part = Cell::new(&cell.stage, &cell.kind);
        part.effects = effects
            .cloned()
            .map(|mut effect| {
                if effect
                    .controls
                    .iter()
                    .any(|control| self.names_other(control))
                {
                    effect.controls = vec!["others, not named here".to_string()];
                }
                effect
            })
            .filter(|effect| self.is_clean(effect))
            .collect();
        let own_kpis = cell.group_kpis.iter();
        let own_kpis = own_kpis.filter(|kpi| is_grouped && self.is_label(&by, &kpi.subject));
        part.kpis = own_kpis.filter(|kpi| self.is_clean(kpi)).cloned().collect();
        let shared_kpis = cell.kpis.iter().filter(|kpi| self.is_sharable(kpi));
        part.kpis.extend(shared_kpis.cloned());
        let recommendations = cell.recommendations.iter();
        part.recommendations = recommendations
            .filter(|item| item.component == self.value && self.is_clean(item))
            .cloned()
            .collect();
        let health = cell.health.iter();
        part.health = health
            .filter(|health| health.component == self.value && self.is_clean(health))
            .cloned()
            .collect();
        let charts = cell.charts.iter();
        part.charts = charts
            .filter_map(|chart| self.chart(chart, &by, is_grouped))
            .collect();
        let tables = cell.tables.iter();
        part.tables = tables.filter_map(|table| self.table(table, &by)).collect();
        let restated = cell.restated.as_ref();
        part.restated = restated
            .filter(|figures| self.is_sharable(figures))
            .cloned();
        part.status = self.status(&cell.status);
        part.findings = findings;
        let is_data = cell.chapter == Chapter::Data && !self.slicer.shared;
        let has_part = has_results(&part) || is_grouped;
        if !has_part || is_data || self.names_other(&cell.stage) {
            return None;
        }
        self.describe(cell, &mut part);
        Some(part)
    }

    /// Adds the method, parameters and limits that name no other value.
    fn describe(&self, cell: &Cell, part: &mut Cell) {
        let clean = |text: &str| if self.names_other(text) { "" } else { text }.to_string();
        part.chapter = cell.chapter;
        part.title = clean(&cell.title);
        part.method = clean(&cell.method);
        part.query = cell.query.clone().filter(|query| !self.names_other(query));
        part.params.clone_from(&cell.params);
        part.params.retain(|param| !self.names_other(&param.value));
        part.notices.clone_from(&cell.notices);
        part.notices.retain(|notice| !self.names_other(notice));
        part.caveats.clone_from(&cell.caveats);
        // Limits with numbers may count other groups.
        let has_number = |text: &str| text.contains(|c: char| c.is_ascii_digit());
        part.caveats.retain(|caveat| {
            !self.names_other(caveat) && (self.slicer.shared || !has_number(caveat))
        });
        let (column, value) = (self.slicer.column, self.value);
        part.did = match (&part.status, has_results(part)) {
            (CellStatus::Done, true) => format!("Shown is the part on {column} = {value}."),
            (CellStatus::Done, false) => {
                format!("The analysis has no result for {column} = {value}.")
            }
            _ => String::new(),
        };
    }

    /// A finding on the value, without the limits and numbers that name another value; `None` if
    /// its sentence names one.
    fn finding(&self, finding: &Finding) -> Option<Finding> {
        let mut finding = finding.clone();
        finding.caveats.retain(|caveat| !self.names_other(caveat));
        let is_clean = |value: &serde_json::Value| !any_text(value, &|text| self.names_other(text));
        finding.numbers.retain(|_, value| is_clean(value));
        finding.evidence.retain(|evidence| {
            let filter = evidence.filter.as_deref().unwrap_or_default();
            !self.names_other(filter)
        });
        self.is_clean(&finding).then_some(finding)
    }

    fn shared_findings(&self, cell: &Cell) -> Vec<Finding> {
        let findings = cell.findings.iter();
        let about_all = findings.filter(|finding| {
            let is_about_all = ["", "all"].contains(&finding.subject.as_str());
            (is_about_all || cell.chapter == Chapter::Data) && self.is_sharable(finding)
        });
        about_all.cloned().collect()
    }

    /// Returns true if the subject of a finding is the value.
    fn is_about(&self, subject: &str) -> bool {
        let own = (self.slicer.column, self.value);
        group_values(subject).contains(&own)
    }

    /// Returns true if a label of groups by these columns is the value.
    fn is_label(&self, by: &[String], label: &str) -> bool {
        match by {
            [_] => label == self.value,
            by => self.is_about(&format!("{} = {label}", by.join(" / "))),
        }
    }

    /// The status, without messages that name another value.
    fn status(&self, status: &CellStatus) -> CellStatus {
        let safe = |text: &str| {
            if self.names_other(text) {
                WITHHELD
            } else {
                text
            }
            .to_string()
        };
        match status {
            CellStatus::Done => CellStatus::Done,
            CellStatus::NotEnough { message } => CellStatus::NotEnough {
                message: safe(message),
            },
            CellStatus::Failed { message } => CellStatus::Failed {
                message: safe(message),
            },
            CellStatus::NotRun { reason } => CellStatus::NotRun {
                reason: safe(reason),
            },
        }
    }

    /// The part of a chart that is about the value: its panel, or a chart of only this value.
    fn chart(&self, chart: &Chart, by: &[String], is_grouped: bool) -> Option<Chart> {
        if let ChartKind::SmallMultiples { panels } = &chart.kind
            && is_grouped
        {
            let panel = panels
                .iter()
                .find(|panel| self.is_label(by, &panel.label))?;
            let values: Vec<f64> = panel.values.iter().flatten().copied().collect();
            let (first, last) = (values.first()?, values.last()?);
            let subject = chart.title.split(':').next().unwrap_or_default();
            let subject = subject.replace(&format!(" by {}", by.join(" and ")), "");
            let number = retrocast_domain::number::sensible;
            let chart = Chart {
                id: chart.id.clone(),
                title: format!("{subject} in {}: {}", self.value, panel.note),
                unit: chart.unit.clone(),
                alt: format!(
                    "Line chart of {subject} in {}: {} values, from {} to {}.",
                    self.value,
                    values.len(),
                    number(*first),
                    number(*last)
                ),
                kind: ChartKind::SmallMultiples {
                    panels: vec![panel.clone()],
                },
                table: None,
            };
            return self.is_clean(&chart).then_some(chart);
        }
        let names_own = |text: &str| contains_name(text, self.value);
        let is_own = is_grouped && (names_own(&chart.title) || names_own(&chart.id));
        let is_of_group = is_own || self.is_effect(chart);
        if is_of_group {
            return self.is_clean(chart).then(|| chart.clone());
        }
        // A chart of a grouped stage that does not name the value is about another group.
        (!is_grouped && self.is_sharable(chart)).then(|| chart.clone())
    }

    /// Returns true for the chart of an improvement that names the value.
    fn is_effect(&self, chart: &Chart) -> bool {
        let ChartKind::BeforeAfter { observed, .. } = &chart.kind else {
            return false;
        };
        [&chart.title, &chart.alt, &chart.unit, &observed.name]
            .iter()
            .any(|text| contains_name(text, self.value))
    }

    /// The rows of a table with the value in the group column.
    fn table(&self, table: &Table, by: &[String]) -> Option<Table> {
        let title = |index: usize| table.columns[index].title.to_lowercase();
        let column = self.slicer.column.to_lowercase();
        let group = (0..table.columns.len()).find(|index| {
            let title = title(*index);
            title == column || (title == "group" && by.iter().any(|by| *by == self.slicer.column))
        });
        let Some(group) = group else {
            return self.is_sharable(table).then(|| table.clone());
        };
        let is_grouped = title(group) == "group" || by.len() > 1;
        let own = table.rows.iter().filter(|row| {
            let label = row.get(group).map_or("", String::as_str);
            label == self.value || (is_grouped && self.is_label(by, label))
        });
        let rows: Vec<Vec<String>> = own.filter(|row| self.is_clean(row)).cloned().collect();
        let caption = match table.caption.split_once(':') {
            Some((before, _)) if before.starts_with("The ") => "",
            _ if table.caption.starts_with("The ") => "",
            _ => table.caption.as_str(),
        };
        let caption = match (caption, table.more) {
            ("", 0) => "The rows of the result.".to_string(),
            ("", _) => "Rows among the first of the result.".to_string(),
            (caption, _) if self.names_other(caption) => String::new(),
            (caption, _) => caption.to_string(),
        };
        (!rows.is_empty()).then(|| Table {
            caption,
            columns: table.columns.clone(),
            rows,
            more: 0,
        })
    }
}

/// Returns true if a cell has anything to show besides its status.
fn has_results(cell: &Cell) -> bool {
    !(cell.findings.is_empty()
        && cell.kpis.is_empty()
        && cell.effects.is_empty()
        && cell.recommendations.is_empty()
        && cell.health.is_empty()
        && cell.charts.is_empty()
        && cell.tables.is_empty())
}

/// The columns that a stage groups by, from its params.
fn groups_of(cell: &Cell) -> Vec<String> {
    let params: BTreeMap<&str, &str> = cell
        .params
        .iter()
        .map(|param| (param.name.as_str(), param.value.as_str()))
        .collect();
    let by = params.get("by").copied().unwrap_or_default();
    // A TOML list of plain strings is JSON, too.
    serde_json::from_str(by).unwrap_or_default()
}

/// Returns true if a text contains a name as whole words.
fn contains_name(text: &str, name: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let plain = |text: &str| text.replace('\u{a0}', " ");
    let (text, name) = (plain(text), plain(name));
    !name.is_empty()
        && text.match_indices(&name).any(|(start, _)| {
            let (before, after) = (&text[..start], &text[start + name.len()..]);
            let is_whole_start =
                !is_letter(before.chars().next_back()) || !is_letter(name.chars().next());
            is_whole_start
                && (!is_letter(after.chars().next()) || !is_letter(name.chars().next_back()))
        })
}

/// Fields whose text comes from the job file or the program, never from records.
const OWN_FIELDS: [&str; 9] = [
    "stage",
    "kind",
    "form",
    "role",
    "direction",
    "severity",
    "chapter",
    "dataset",
    "state",
];

/// Returns true if a text from records within a JSON value passes a test.
fn any_text(value: &serde_json::Value, test: &dyn Fn(&str) -> bool) -> bool {
    use serde_json::Value::{Array, Object, String};
    match value {
        String(text) => test(text),
        Array(items) => items.iter().any(|item| any_text(item, test)),
        Object(fields) => fields.iter().any(|(key, value)| match value {
            String(_) if OWN_FIELDS.contains(&key.as_str()) => false,
            value => any_text(value, test),
        }),
        _ => false,
    }
}
