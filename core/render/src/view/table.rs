//! Formats tables: fits columns to the page, and splits tables that are too wide for a page.

use super::{FULL_WIDTH, POINTS_PER_MILLIMETRE, TABLE_ROWS_MAX, WHOLE_TABLE_ROWS_MAX};
use crate::chart::text::text_width;
use crate::words::{capitalise, shorten, visible_name};
use retrocast_domain::{Align, Table, cell::DatasetRef, number::plural};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct TableView {
    caption: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<String>>,
    more: String,
    /// True for a long table, which may break across pages.
    breakable: bool,
    /// ID of the figure.
    figure: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ColumnView {
    title: String,
    align: &'static str,
    /// Width in points; `None` for the natural width. Measured here, because measuring in templates
    /// takes longer than the layout of the table.
    width: Option<f64>,
}

/// Formats a table of a stage, in parts if it is wider than a page. With `raw`, headings are names
/// of columns, and values are unchanged. All parts have the ID of the figure.
pub(super) fn tables(
    table: &Table,
    raw: bool,
    output: Option<&DatasetRef>,
    figure: String,
) -> Vec<TableView> {
    let location = full_table_location(table, output);
    let view = TableView {
        figure,
        ..self::table(table, raw, &location)
    };
    let parts = split_wide(view, &location).into_iter();
    parts.map(fit_columns).collect()
}

/// The location of the complete table: the report's data, or the stage's dataset if the stage
/// passed on only its first rows.
fn full_table_location(table: &Table, output: Option<&DatasetRef>) -> String {
    match output {
        Some(output) if table.more > 0 => format!("{}@{}", output.name, output.version),
        _ => "report.json".to_string(),
    }
}

/// Formats a table. With `raw`, headings are names of columns, and values are unchanged.
fn table(table: &Table, raw: bool, location: &str) -> TableView {
    let rows = match table.rows.len() {
        rows if rows <= WHOLE_TABLE_ROWS_MAX && table.more == 0 => rows,
        _ => TABLE_ROWS_MAX,
    };
    let shown = table.clone().top(rows);
    let align = |column: usize| shown.columns.get(column).map(|c| c.align);
    let is_name = |column: usize| align(column) == Some(Align::Left) && (raw || column == 0);
    let is_figure = |column: usize| align(column) == Some(Align::Right);
    let format_cell = |column: usize, text: &String| match shorten(text, 240) {
        text if is_name(column) => visible_name(&text),
        text if is_figure(column) || is_date(&text) => join_figures(&text),
        text => text,
    };
    TableView {
        breakable: false,
        figure: String::new(),
        caption: shorten(shown.caption.trim_end_matches('.'), 200),
        columns: shown
            .columns
            .iter()
            .map(|column| ColumnView {
                title: if raw {
                    shorten(&column.title, 60)
                } else {
                    capitalise(&shorten(&column.title, 60))
                },
                align: match column.align {
                    Align::Left => "left",
                    Align::Right => "right",
                },
                width: None,
            })
            .collect(),
        rows: shown
            .rows
            .iter()
            .map(|row| {
                // A row of the wrong length must not shift the following rows.
                let cells = row.iter().enumerate().map(|(i, text)| format_cell(i, text));
                let padded = cells.chain(std::iter::repeat(String::new()));
                padded.take(shown.columns.len()).collect()
            })
            .collect(),
        more: match shown.more {
            0 => String::new(),
            n => format!(
                "{} not shown; all are in {location}.",
                plural(n, "further row")
            ),
        },
    }
}

/// Returns true if a text is one or two dates: it starts with a digit and is short.
fn is_date(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().count() <= 34
}

/// Joins figures with their units and intervals by no-break spaces; lines break between words or
/// before an interval.
fn join_figures(text: &str) -> String {
    let is_word = |word: &str| word != "to" && word.chars().all(char::is_alphabetic);
    let ends_clause = |word: &str| word.ends_with([':', ',', ';']);
    let mut out = String::new();
    for word in text.split(' ') {
        if !out.is_empty() {
            let before = out.rsplit([' ', '\u{a0}']).next().unwrap_or_default();
            let is_among_words = is_word(before) && is_word(word.trim_end_matches([':', ',', ';']));
            let ends = word.starts_with('(') || ends_clause(before) || is_among_words;
            out.push(if ends { ' ' } else { '\u{a0}' });
        }
        out.push_str(word);
    }
    out
}

/// Font sizes of table text and headings, and the gap between columns, in points; the same as in
/// the templates.
const TABLE_TEXT: f64 = 7.6;
const TABLE_HEAD: f64 = 7.0;
const COLUMN_GAP: f64 = 10.0;
/// Minimum length of a word that the templates may break, in letters.
const BREAKABLE_LETTERS: usize = 16;
/// Maximum number of rows of a table that stays in one piece.
const WHOLE_ROWS_MAX: usize = 8;

/// Sets the widths of columns: the natural widths if they all fit; otherwise, the widest columns
/// shrink, but not below their longest word.
fn fit_columns(mut table: TableView) -> TableView {
    table.breakable = table.rows.len() > WHOLE_ROWS_MAX;
    let width = FULL_WIDTH * POINTS_PER_MILLIMETRE;
    let widths = |table: &TableView, width: &dyn Fn(&str, f64, bool) -> f64| -> Vec<f64> {
        let column = |(i, column): (usize, &ColumnView)| {
            let texts = table
                .rows
                .iter()
                .map(|row| width(&row[i], TABLE_TEXT, false));
            texts.fold(width(&column.title, TABLE_HEAD, true), f64::max) + COLUMN_GAP
        };
        table.columns.iter().enumerate().map(column).collect()
    };
    let natural = widths(&table, &line_width);
    if natural.iter().sum::<f64>() <= width {
        return table;
    }
    let mut minimums = widths(&table, &widest_word);
    let mut shares = share_width(width, &natural, &minimums);
    while shares.is_none() {
        // Figures may break, too, those of the widest column first.
        let is_whole = |i: &usize| table.rows.iter().any(|row| row[*i].contains('\u{a0}'));
        let columns = (0..minimums.len()).filter(is_whole);
        let Some(widest) = columns.max_by(|a, b| minimums[*a].total_cmp(&minimums[*b])) else {
            break;
        };
        for row in &mut table.rows {
            row[widest] = row[widest].replace('\u{a0}', " ");
        }
        minimums = widths(&table, &widest_word);
        shares = share_width(width, &natural, &minimums);
    }
    for (column, width) in table.columns.iter_mut().zip(shares.iter().flatten()) {
        column.width = Some(*width);
    }
    table
}

/// Width of the widest part of a text that does not break, in points.
fn widest_word(text: &str, size: f64, bold: bool) -> f64 {
    let words = text.split(' ').map(|word| {
        let is_whole = word.chars().count() < BREAKABLE_LETTERS || word.contains('\u{a0}');
        let part: String = if is_whole {
            word.to_string()
        } else {
            word.chars().take(BREAKABLE_LETTERS).collect()
        };
        line_width(&part, size, bold)
    });
    words.fold(0.0, f64::max)
}

/// Width of a text in one line, in points. Figures are tabular, so a 1 is as wide as any other
/// digit.
fn line_width(text: &str, size: f64, bold: bool) -> f64 {
    const TABULAR: f64 = 1.05;
    text_width(text, size, bold) * TABULAR
}

/// Computes the widths of columns. The widest columns share the space in proportion to the square
/// roots of their natural widths, which keeps rows low, but none is below its minimum; `None` if
/// not even the minimums fit.
fn share_width(width: f64, natural: &[f64], minimums: &[f64]) -> Option<Vec<f64>> {
    let capped = |cap: f64| -> Vec<f64> {
        let columns = natural.iter().zip(minimums);
        columns
            .map(|(natural, minimum)| natural.min(cap * natural.sqrt()).max(*minimum))
            .collect()
    };
    let fits = |widths: &[f64]| widths.iter().sum::<f64>() <= width;
    let (mut low, mut high) = (0.0, width);
    if !fits(&capped(low)) {
        return None;
    }
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if fits(&capped(middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(capped(low))
}

/// Number of letters that fit side by side on a printed page.
const LETTERS_MAX: usize = 112;
/// Space between two columns, in letters.
const LETTERS_BETWEEN: usize = 3;
/// Number of letters from which the text of a column is set in several lines.
const LETTERS_OF_COLUMN: usize = 28;
/// Number of columns that always fit side by side, with text in several lines.
const COLUMNS_MAX: usize = 10;
/// Maximum number of parts of a table; the other columns are only counted.
const PARTS_MAX: usize = 4;

/// Maximum number of rows of a wide table that is transposed.
const TRANSPOSED_ROWS_MAX: usize = 3;
/// Maximum number of lines of a transposed table.
const TRANSPOSED_LINES_MAX: usize = 60;

/// Transposes a table; the first column, which names the rows, becomes the headings.
fn transpose(table: TableView, location: &str) -> TableView {
    let hidden = table.columns.len().saturating_sub(TRANSPOSED_LINES_MAX + 1);
    let names = table.rows.iter().map(|row| ColumnView {
        title: shorten(&row[0], 60),
        align: "right",
        width: None,
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
        breakable: false,
        figure: table.figure,
        rows: columns.take(TRANSPOSED_LINES_MAX).map(line).collect(),
        columns: std::iter::once(name).chain(names).collect(),
        more: with_hidden_columns(hidden, &table.more, location),
        caption: table.caption,
    }
}

/// Describes the hidden columns and rows of a table.
fn with_hidden_columns(hidden: usize, more: &str, location: &str) -> String {
    if hidden == 0 {
        return more.to_string();
    }
    let columns = plural(hidden as u64, "further column");
    format!("{columns} not shown; all are in {location}. {more}")
        .trim_end()
        .to_string()
}

/// Splits a table that is wider than a page into parts, each with the first column; a table with
/// few rows is transposed instead.
fn split_wide(table: TableView, location: &str) -> Vec<TableView> {
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
    if (1..=TRANSPOSED_ROWS_MAX).contains(&table.rows.len()) {
        return vec![transpose(table, location)];
    }
    let first = width(0);
    let mut groups: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = first;
    for column in 1..n {
        let column_width = width(column);
        if used + column_width > LETTERS_MAX && groups.last().is_some_and(|group| !group.is_empty())
        {
            groups.push(Vec::new());
            used = first;
        }
        used += column_width;
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
            let part_name = if from == to {
                format!("column {from}")
            } else {
                format!("columns {from} to {to}")
            };
            TableView {
                breakable: false,
                figure: table.figure.clone(),
                caption: format!("{} ({part_name} of {n})", table.caption),
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
        last.more = with_hidden_columns(hidden, &table.more, location);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_names_get_a_placeholder_and_missing_values_stay_empty() {
        let mut rows = Table::new("The result: 3 rows.", &["component", "note", ">failures"]);
        rows.push(["billing".into(), "–".into(), "3".into()]);
        rows.push([String::new(), " \u{a0}".into(), String::new()]);
        let view = |raw| table(&rows, raw, "report.json");
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
    fn a_table_of_24_rows_is_shown_completely() {
        for (rows, shown) in [(24, 24), (25, 10)] {
            let mut hours = Table::new("Hours.", &["<hour", ">records"]);
            (0..rows).for_each(|hour| hours.push([format!("{hour}:00"), "7".to_string()]));
            let view = table(&hours, false, "report.json");
            assert_eq!(view.rows.len(), shown);
            assert_eq!(view.more.is_empty(), rows == shown, "{}", view.more);
        }
    }

    #[test]
    fn a_table_wider_than_a_page_is_split_or_transposed() {
        let titles: Vec<String> = (0..40).map(|i| format!(">a column {i}")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let mut wide = Table::new("Wide", &titles);
        let row: Vec<String> = (0..40).map(|i| format!("value-{i}")).collect();
        wide.rows = vec![row; 5];
        let shown = split_wide(table(&wide, false, "t@2"), "t@2");
        assert_eq!(shown.len(), PARTS_MAX);
        assert!(shown.iter().all(|part| part.rows[0][0] == "value-0"));
        assert!(
            shown
                .iter()
                .all(|part| part.columns.len() == part.rows[0].len())
        );
        assert_eq!(shown[0].caption, "Wide (columns 2 to 8 of 40)");
        assert!(
            shown[3]
                .more
                .contains("further columns not shown; all are in t@2."),
            "{}",
            shown[3].more
        );
        wide.rows.truncate(2);
        let transposed = split_wide(table(&wide, false, "t@2"), "t@2");
        assert_eq!((transposed.len(), transposed[0].rows.len()), (1, 39));
        assert_eq!(transposed[0].columns[1].title, "value-0");
        assert_eq!(transposed[0].rows[6], ["a column 7", "value-7", "value-7"]);
        let narrow = Table::new("Narrow", &titles[..6]);
        assert_eq!(split_wide(table(&narrow, false, "t@2"), "t@2").len(), 1);
    }

    #[test]
    fn the_note_names_the_location_of_hidden_rows() {
        let mut rows = Table::new("Rows.", &[">n"]);
        (0..40).for_each(|i| rows.push([i.to_string()]));
        let output = DatasetRef {
            name: "failures".to_string(),
            version: 3,
            rows: 40,
        };
        let note = |rows: &Table| {
            let location = full_table_location(rows, Some(&output));
            table(rows, true, &location).more.replace('\u{a0}', " ")
        };
        // The report's data has the rows that a stage passed on, but no others.
        assert_eq!(
            note(&rows),
            "30 further rows not shown; all are in report.json."
        );
        let first = rows.top(10);
        assert_eq!(
            note(&first),
            "30 further rows not shown; all are in failures@3."
        );
    }

    #[test]
    fn figures_stay_on_one_line_if_other_columns_can_shrink() {
        let mut wide = Table::new(
            "Wide",
            &["Group", ">Change (95 % interval)", ">Before", "Basis"],
        );
        let basis = "a sentence that is long enough to fill more than a line of the page by itself"
            .repeat(2);
        wide.push([
            "a".to_string(),
            "+0.5 % (−0.8 to +1.9)".into(),
            "95 to 97 min".into(),
            basis,
        ]);
        let shown = fit_columns(table(&wide, false, "report.json"));
        assert_eq!(shown.rows[0][1], "+0.5\u{a0}% (−0.8\u{a0}to\u{a0}+1.9)");
        assert_eq!(shown.rows[0][2], "95\u{a0}to\u{a0}97\u{a0}min");
        assert_eq!(
            join_figures("+2 percentage points (1 to 3)"),
            "+2\u{a0}percentage points (1\u{a0}to\u{a0}3)"
        );
        let widths: Vec<f64> = shown
            .columns
            .iter()
            .filter_map(|column| column.width)
            .collect();
        let width = FULL_WIDTH * POINTS_PER_MILLIMETRE;
        assert!(
            (widths.iter().sum::<f64>() - width).abs() < 0.01,
            "{widths:?}"
        );
        for (row, width) in shown.rows[0].iter().zip(&widths).take(3) {
            assert!(
                line_width(row, TABLE_TEXT, false) + COLUMN_GAP <= *width,
                "{row}: {widths:?}"
            );
        }
        assert_eq!(
            join_figures("95.0 %: met, but not clearly"),
            "95.0\u{a0}%: met, but not clearly"
        );
        // If space is too small, figures shrink, too, and columns do not overlap.
        let titles = ["Group", ">A", ">B", ">C", ">D", ">E", ">F"];
        let mut full = Table::new("Full", &titles);
        full.push(std::array::from_fn::<String, 7, _>(|_| {
            "+0.5 percent of 100 records (−0.8 to +1.9)".to_string()
        }));
        let shown = fit_columns(table(&full, false, "report.json"));
        let widths: Vec<f64> = shown.columns.iter().filter_map(|c| c.width).collect();
        assert_eq!(widths.len(), 7);
        assert!(widths.iter().sum::<f64>() <= width + 0.01, "{widths:?}");
        assert_eq!(share_width(10.0, &[9.0, 9.0], &[6.0, 6.0]), None);
        let narrow = share_width(10.0, &[9.0, 2.0], &[3.0, 2.0]).expect("widths that fit");
        assert!(
            (narrow[0] - 8.0).abs() < 1e-6 && narrow[1] == 2.0,
            "{narrow:?}"
        );
    }
}
