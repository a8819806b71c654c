//! What a stage did and found, in words.

use super::{
    ChartView, Drawings, HALF, TABLE_ROWS_MAX, TABLE_ROWS_WHOLE, WIDE,
    effect::{self, EffectView},
    finding::{self, FindingView},
    kpi::{self, KpiView},
};
use crate::assemble::{self, without_name, without_prefix};
use crate::chart::text::text_width;
use crate::pdf::POINTS_PER_MILLIMETRE;
use crate::words::{capital, named, shorten};
use retrocast_domain::{
    Align, Cell, CellStatus, ChartKind, Table, cell::DatasetRef, number::plural,
};
use serde::Serialize;

const CELL_FINDINGS_MAX: usize = 12;

#[derive(Debug, Serialize)]
pub(super) struct CellView {
    stage: String,
    kind: String,
    title: String,
    /// `done`, `not_enough` or `failed`.
    status: &'static str,
    /// The same in words.
    status_words: &'static str,
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
pub(super) struct ParamView {
    name: String,
    value: String,
    set: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct TableView {
    caption: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<String>>,
    more: String,
    /// Set when it fits a page with each text in one line, so that it need not be measured, which
    /// takes longer than setting it.
    fits: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ColumnView {
    title: String,
    align: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct MethodView {
    kind: String,
    method: String,
    stages: String,
}

pub(super) fn cell(cell: &Cell, drawings: &mut Drawings) -> CellView {
    let (status, status_words, message) = status(cell);
    // A lone chart has the whole width; of several, only those that need it.
    let lone = cell.charts.len() == 1;
    let charts = cell.charts.iter().map(|chart| {
        let wide = lone || needs_width(&chart.kind);
        drawings.add(chart, if wide { WIDE } else { HALF }, wide)
    });
    CellView {
        stage: cell.stage.clone(),
        kind: cell.kind.clone(),
        title: shorten(&assemble::title(cell), 120),
        status,
        status_words,
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
                value: shorten(&param.value, 600),
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
            .map(|finding| finding::finding(finding, &cell.caveats, None))
            .collect(),
        findings_more: cell.findings.len().saturating_sub(CELL_FINDINGS_MAX) as u64,
        kpis: cell
            .kpis
            .iter()
            .map(|kpi| kpi::kpi(kpi, drawings))
            .collect(),
        effects: cell
            .effects
            .iter()
            .map(|e| effect::effect(e, 160))
            .collect(),
        tables: cell
            .tables
            .iter()
            .filter(|table| cell.kind == "sql" || !table.rows.is_empty())
            .flat_map(|table| parts(self::table(table, cell.kind == "sql")))
            .map(|table| TableView {
                fits: natural_width(&table) < WIDE * POINTS_PER_MILLIMETRE,
                ..table
            })
            .collect(),
        caveats: sentences(&cell.caveats),
    }
}

/// How a stage ended: for style, in words, and why.
fn status(cell: &Cell) -> (&'static str, &'static str, String) {
    match &cell.status {
        CellStatus::Done => ("done", "", String::new()),
        CellStatus::NotEnough { message } => (
            "not_enough",
            "Too little data",
            shorten(without_prefix(message), 600),
        ),
        CellStatus::Failed { message } => match message.strip_prefix("not run: ") {
            Some(reason) => ("failed", "This stage was not run", shorten(reason, 600)),
            None => {
                let message = without_name(cell, message);
                ("failed", "This stage failed", shorten(message, 600))
            }
        },
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

/// A table whose headings are `raw` has the names of columns in them and values as they came.
fn table(table: &Table, raw: bool) -> TableView {
    let rows = match table.rows.len() {
        rows if rows <= TABLE_ROWS_WHOLE && table.more == 0 => rows,
        _ => TABLE_ROWS_MAX,
    };
    let shown = table.clone().top(rows);
    let names = |column: usize| {
        let text = shown
            .columns
            .get(column)
            .is_some_and(|c| c.align == Align::Left);
        text && (raw || column == 0)
    };
    let word = |column: usize, text: &String| match shorten(text, 240) {
        text if names(column) => named(&text),
        text => text,
    };
    TableView {
        fits: false,
        caption: shorten(shown.caption.trim_end_matches('.'), 200),
        columns: shown
            .columns
            .iter()
            .map(|column| ColumnView {
                title: if raw {
                    shorten(&column.title, 60)
                } else {
                    capital(&shorten(&column.title, 60))
                },
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
                let cells = row.iter().enumerate().map(|(i, text)| word(i, text));
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

/// Width of a table with each text in one line, in points, as the templates set it.
fn natural_width(table: &TableView) -> f64 {
    // Figures are as wide as each other, which makes a one wider.
    const TABULAR: f64 = 1.05;
    const BETWEEN: f64 = 10.0;
    let column = |(i, column): (usize, &ColumnView)| {
        let texts = table
            .rows
            .iter()
            .map(|row| text_width(&row[i], 7.6, false) * TABULAR);
        let widest = texts.fold(text_width(&column.title, 7.0, true), f64::max);
        widest + BETWEEN
    };
    table.columns.iter().enumerate().map(column).sum()
}

/// Letters that fit beside each other on a printed page, and those that the space between two columns
/// takes.
const LETTERS_MAX: usize = 112;
const LETTERS_BETWEEN: usize = 3;
/// Letters of a column from which on its texts are set in several lines.
const LETTERS_OF_COLUMN: usize = 28;
/// Columns that always have room beside each other, with their texts in several lines.
const COLUMNS_MAX: usize = 10;
/// Parts in which a table is shown; columns beyond are counted.
const PARTS_MAX: usize = 4;

/// Rows up to which a table that is too wide is turned, so that each column is a line.
const TURNED_ROWS_MAX: usize = 3;
/// Lines of such a table.
const TURNED_LINES_MAX: usize = 60;

/// A table with each column as a line; the first, which names the rows, becomes the headings.
fn turned(table: TableView) -> TableView {
    let hidden = table.columns.len().saturating_sub(TURNED_LINES_MAX + 1);
    let names = table.rows.iter().map(|row| ColumnView {
        title: shorten(&row[0], 60),
        align: "right",
    });
    let name = table.columns[0].clone();
    let line = |(i, column): (usize, &ColumnView)| {
        let values = table.rows.iter().map(|row| row[i].clone());
        std::iter::once(column.title.clone())
            .chain(values)
            .collect()
    };
    let columns = table.columns.iter().enumerate().skip(1);
    TableView {
        fits: false,
        rows: columns.take(TURNED_LINES_MAX).map(line).collect(),
        columns: std::iter::once(name).chain(names).collect(),
        more: with_hidden_columns(hidden, &table.more),
        caption: table.caption,
    }
}

/// What is not shown of a table: columns, and what else there is to say.
fn with_hidden_columns(hidden: usize, more: &str) -> String {
    if hidden == 0 {
        return more.to_string();
    }
    let columns = plural(hidden as u64, "further column");
    format!("{columns} not shown; all are in the attached report.json or its dataset. {more}")
        .trim_end()
        .to_string()
}

/// A table that is wider than a page: turned when it has few rows, else in parts below each other, each
/// with the first column.
fn parts(table: TableView) -> Vec<TableView> {
    let width = |column: usize| {
        let longest = |text: &String| text.chars().count();
        let cells = table
            .rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(longest);
        let widest = cells
            .max()
            .unwrap_or(0)
            .max(longest(&table.columns[column].title));
        widest.min(LETTERS_OF_COLUMN) + LETTERS_BETWEEN
    };
    let n = table.columns.len();
    if n <= COLUMNS_MAX || (0..n).map(width).sum::<usize>() <= LETTERS_MAX {
        return vec![table];
    }
    if (1..=TURNED_ROWS_MAX).contains(&table.rows.len()) {
        return vec![turned(table)];
    }
    let first = width(0);
    let mut groups: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = first;
    for column in 1..n {
        let here = width(column);
        if used + here > LETTERS_MAX && groups.last().is_some_and(|group| !group.is_empty()) {
            groups.push(Vec::new());
            used = first;
        }
        used += here;
        if let Some(group) = groups.last_mut() {
            group.push(column);
        }
    }
    let hidden: usize = groups.iter().skip(PARTS_MAX).map(Vec::len).sum();
    let shown = groups.len().min(PARTS_MAX);
    let mut parts: Vec<TableView> = groups[..shown]
        .iter()
        .map(|group| {
            let columns: Vec<usize> = std::iter::once(0).chain(group.iter().copied()).collect();
            let (from, to) = (group[0] + 1, group[group.len() - 1] + 1);
            let which = if from == to {
                format!("column {from}")
            } else {
                format!("columns {from} to {to}")
            };
            TableView {
                fits: false,
                caption: format!("{} ({which} of {n})", table.caption),
                columns: columns
                    .iter()
                    .map(|column| table.columns[*column].clone())
                    .collect(),
                rows: table
                    .rows
                    .iter()
                    .map(|row| columns.iter().map(|column| row[*column].clone()).collect())
                    .collect(),
                more: String::new(),
            }
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.more = with_hidden_columns(hidden, &table.more);
    }
    parts
}

/// Each method once, with the stages that used it.
pub(super) fn methods(cells: &[Cell]) -> Vec<MethodView> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_names_are_seen_and_missing_values_are_not_invented() {
        let mut rows = Table::new("The result: 3 rows.", &["component", "note", ">failures"]);
        rows.push(["billing".into(), "–".into(), "3".into()]);
        rows.push([String::new(), " \u{a0}".into(), String::new()]);
        let view = |raw| table(&rows, raw);
        assert_eq!(view(true).rows[1], ["(blank)", "(blank)", ""]);
        assert_eq!(view(false).rows[1], ["(blank)", " \u{a0}", ""]);
        assert_eq!(view(false).caption, "The result: 3 rows");
        let titles = |raw| -> Vec<String> {
            let columns = view(raw).columns.into_iter();
            columns.map(|column| column.title).collect()
        };
        assert_eq!(titles(true), ["component", "note", "failures"]);
        assert_eq!(titles(false), ["Component", "Note", "Failures"]);
    }

    #[test]
    fn the_hours_of_a_day_are_shown_whole() {
        for (rows, shown) in [(24, 24), (25, 10)] {
            let mut hours = Table::new("Hours.", &["<hour", ">records"]);
            (0..rows).for_each(|hour| hours.push([format!("{hour}:00"), "7".to_string()]));
            let view = table(&hours, false);
            assert_eq!(view.rows.len(), shown);
            assert_eq!(view.more.is_empty(), rows == shown, "{}", view.more);
        }
    }

    #[test]
    fn a_table_wider_than_a_page_comes_in_parts() {
        let titles: Vec<String> = (0..40).map(|i| format!(">a column {i}")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let mut wide = Table::new("Wide", &titles);
        let row: Vec<String> = (0..40).map(|i| format!("value {i}")).collect();
        wide.rows = vec![row; 5];
        let shown = parts(table(&wide, false));
        assert_eq!(shown.len(), PARTS_MAX);
        assert!(shown.iter().all(|part| part.rows[0][0] == "value 0"));
        assert!(
            shown
                .iter()
                .all(|part| part.columns.len() == part.rows[0].len())
        );
        assert_eq!(shown[0].caption, "Wide (columns 2 to 8 of 40)");
        assert!(
            shown[3].more.contains("further columns not shown"),
            "{}",
            shown[3].more
        );
        wide.rows.truncate(2);
        let turned = parts(table(&wide, false));
        assert_eq!((turned.len(), turned[0].rows.len()), (1, 39));
        assert_eq!(turned[0].columns[1].title, "value 0");
        assert_eq!(turned[0].rows[6], ["a column 7", "value 7", "value 7"]);
        let narrow = Table::new("Narrow", &titles[..6]);
        assert_eq!(parts(table(&narrow, false)).len(), 1);
    }

    #[test]
    fn a_stage_that_was_not_run_did_not_fail() {
        let mut cell = Cell::new("after", "trend");
        let mut say = |message: &str| {
            let message = message.to_string();
            cell.status = CellStatus::Failed { message };
            let (_, words, message) = status(&cell);
            format!("{words}: {message}")
        };
        assert_eq!(
            say("not run: stage.one failed"),
            "This stage was not run: stage.one failed"
        );
        assert_eq!(
            say("stage.after: no memory"),
            "This stage failed: no memory"
        );
    }
}
