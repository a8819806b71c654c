//! Drift between two tables, per column and overall.
//!
//! Types are inferred from the cells of both tables. Times, row numbers and columns of nearly all
//! different strings are not compared, because they always differ between periods. In a column of
//! numbers, cells that are not numbers count as missing. Distances, tests
//! and thresholds are those of [`retrocast_stats::drift`].

use crate::{
    Error,
    table::{parse_rows, read_bytes},
};
use jiff::{Timestamp, civil};
use rayon::prelude::*;
use retrocast_stats::drift::{Comparison, DRIFTED_SHARE_MIN, compare_categories, compare_numbers};
use serde::Serialize;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// Maximum number of distinct strings that are always categories. More strings are categories only
/// if their number is at most half the number of rows.
const CATEGORIES_ALWAYS: usize = 50;
/// Minimum share of numbers among the cells of a column of numbers.
const NUMBERS_MIN: f64 = 0.95;
/// Seconds and milliseconds since 1970 of the years 2001 to 2065: ascending ones are times.
const EPOCHS: [std::ops::Range<f64>; 2] = [1e9..3e9, 1e12..3e12];
/// Strings that denote a missing value, in lower case.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "none"];

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Numbers.
    Number,
    /// Strings that recur.
    Category,
    /// Dates or times.
    Time,
    /// Row numbers, or strings that are nearly all different.
    Identifier,
}

/// A column of both tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDrift {
    /// Name in the header of both tables.
    pub name: String,
    /// Type of the values in both tables.
    pub column_type: ColumnType,
    /// Share of missing cells in the reference and in the current table.
    pub missing: [f64; 2],
    /// The comparison; `None` for types that are not compared and for columns without values.
    pub comparison: Option<Comparison>,
}

/// The drift of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableDrift {
    /// Rows of the reference and of the current table.
    pub rows: [usize; 2],
    /// Columns of both tables, in the order of the reference.
    pub columns: Vec<ColumnDrift>,
    /// Columns of the reference only.
    pub removed: Vec<String>,
    /// Columns of the current table only.
    pub added: Vec<String>,
    /// Number of columns that were compared.
    pub compared: usize,
    /// Number of columns that have drifted.
    pub drifted_columns: usize,
    /// True if at least half of the compared columns have drifted.
    pub drifted: bool,
}

/// A table with named columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    names: Vec<String>,
    /// Cells by column.
    columns: Vec<Vec<String>>,
    path: PathBuf,
}

impl Table {
    /// Reads a CSV file whose first row names the columns.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(path, &read_bytes(path)?)
    }

    /// Parses CSV text; `path` is for errors only.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let mut rows = parse_rows(path, bytes)?.into_iter();
        let advice = "the first row must name the columns, and further rows must follow";
        let header = rows
            .next()
            .ok_or_else(|| Error::new(path, "the file is empty", advice))?;
        let mut names: Vec<String> = Vec::with_capacity(header.cells.len());
        for (i, name) in header.cells.into_iter().enumerate() {
            let name = if name.is_empty() {
                format!("column {}", i + 1)
            } else {
                name
            };
            if names.contains(&name) {
                let reason = format!("two columns are named {name}");
                let error = Error::new(path, reason, "rename one of them");
                return Err(error.with_position(header.line, Some(i as u64 + 1)));
            }
            names.push(name);
        }
        let mut columns = vec![Vec::new(); names.len()];
        for row in rows {
            if row.cells.len() != names.len() {
                let (found, expected) = (row.cells.len(), names.len());
                let reason = format!("{found} cells where the first row has {expected}");
                let error = Error::new(path, reason, "quote cells that contain commas");
                return Err(error.with_position(row.line, None));
            }
            for (column, cell) in columns.iter_mut().zip(row.cells) {
                column.push(cell);
            }
        }
        if columns.first().is_none_or(Vec::is_empty) {
            return Err(Error::new(path, "there are no rows", advice));
        }
        Ok(Self {
            names,
            columns,
            path: path.to_path_buf(),
        })
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    fn column(&self, name: &str) -> Option<&[String]> {
        let i = self.names.iter().position(|other| other == name)?;
        Some(&self.columns[i])
    }
}

/// Compares a table with a reference.
pub fn compare(reference: &Table, current: &Table) -> Result<TableDrift, Error> {
    let pairs: Vec<(&String, &[String], &[String])> = reference
        .names
        .iter()
        .zip(&reference.columns)
        .filter_map(|(name, cells)| Some((name, &cells[..], current.column(name)?)))
        .collect();
    if pairs.is_empty() {
        let reason = format!("no column in common with {}", reference.path.display());
        let advice = "both files must name the same columns in their first row";
        return Err(Error::new(&current.path, reason, advice).with_position(1, None));
    }
    let columns: Vec<ColumnDrift> = pairs
        .par_iter()
        .map(|(name, a, b)| compare_columns(name, a, b))
        .collect();
    let compared = columns.iter().filter_map(|c| c.comparison.as_ref());
    let drifted_columns = compared.clone().filter(|c| c.drifted).count();
    let compared = compared.count();
    let missing_from = |a: &Table, b: &Table| -> Vec<String> {
        let names = a.names.iter();
        names
            .filter(|name| !b.names.contains(name))
            .cloned()
            .collect()
    };
    Ok(TableDrift {
        rows: [reference.rows(), current.rows()],
        removed: missing_from(reference, current),
        added: missing_from(current, reference),
        drifted: compared > 0 && drifted_columns as f64 >= DRIFTED_SHARE_MIN * compared as f64,
        columns,
        compared,
        drifted_columns,
    })
}

fn compare_columns(name: &str, reference: &[String], current: &[String]) -> ColumnDrift {
    let [mut a, mut b] = [reference, current].map(present_cells);
    let column_type = column_type(&a, &b);
    if column_type == ColumnType::Number {
        for cells in [&mut a, &mut b] {
            cells.retain(|cell| parse_number(cell).is_some());
        }
    }
    let missing = [(reference, &a), (current, &b)]
        .map(|(all, present)| 1.0 - present.len() as f64 / all.len().max(1) as f64);
    let comparison = match column_type {
        ColumnType::Number => compare_numbers(&parse_numbers(&a), &parse_numbers(&b)),
        ColumnType::Category => compare_categories(&a, &b),
        ColumnType::Time | ColumnType::Identifier => None,
    };
    ColumnDrift {
        name: name.to_string(),
        column_type,
        missing,
        comparison,
    }
}

/// Cells that are not missing.
fn present_cells(cells: &[String]) -> Vec<&str> {
    let is_missing = |cell: &str| MISSING.iter().any(|text| cell.eq_ignore_ascii_case(text));
    let cells = cells.iter().map(String::as_str);
    cells.filter(|cell| !is_missing(cell)).collect()
}

fn parse_number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn parse_numbers(cells: &[&str]) -> Vec<f64> {
    cells.iter().filter_map(|cell| parse_number(cell)).collect()
}

fn column_type(a: &[&str], b: &[&str]) -> ColumnType {
    let all_cells = || a.iter().chain(b).copied();
    let cells = a.len() + b.len();
    let numbers = all_cells().filter(|cell| parse_number(cell).is_some());
    if numbers.count() as f64 >= NUMBERS_MIN * cells as f64 {
        let samples = [a, b].map(parse_numbers);
        let are_row_numbers = |values: &Vec<f64>| {
            values.len() > 2 && values.windows(2).all(|pair| pair[1] - pair[0] == 1.0)
        };
        let are_epochs = |values: &Vec<f64>| {
            let is_one = |epochs: &std::ops::Range<f64>| values.iter().all(|v| epochs.contains(v));
            values.len() > 2 && values.is_sorted() && EPOCHS.iter().any(is_one)
        };
        return if samples.iter().all(are_row_numbers) {
            ColumnType::Identifier
        } else if samples.iter().all(are_epochs) {
            ColumnType::Time
        } else {
            ColumnType::Number
        };
    }
    if all_cells().all(is_time) {
        return ColumnType::Time;
    }
    let distinct: HashSet<&str> = all_cells().collect();
    if distinct.len() > CATEGORIES_ALWAYS.max(usize::midpoint(a.len(), b.len())) {
        ColumnType::Identifier
    } else {
        ColumnType::Category
    }
}

/// True for ISO 8601 dates, times, weeks and months, and for dates as 31.12.2026 or 12/31/2026.
fn is_time(cell: &str) -> bool {
    let is_date = |format: &str| civil::Date::strptime(format, cell).is_ok();
    cell.parse::<Timestamp>().is_ok()
        || cell.parse::<civil::DateTime>().is_ok()
        || cell.parse::<civil::Date>().is_ok()
        || cell.parse::<civil::ISOWeekDate>().is_ok()
        || ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%G-W%V-%u"]
            .into_iter()
            .any(is_date)
        || civil::Date::strptime("%G-W%V-%u", format!("{cell}-1")).is_ok()
        || civil::Date::strptime("%Y-%m-%d", format!("{cell}-01")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_stats::drift::Measure;

    fn table(text: &str) -> Table {
        Table::parse(Path::new("t.csv"), text.as_bytes()).unwrap()
    }

    #[test]
    fn column_types_are_inferred_from_cells() {
        use ColumnType::{Category, Identifier, Number, Time};
        let lines = |shift: usize| -> String {
            (0..200)
                .map(|i| {
                    let day = 1 + (i + shift) % 28;
                    let mood = ["good", "bad", "fair"][i % 3];
                    format!(
                        "{},2026-01-{day:02},{},{mood},k{}\n",
                        i + shift,
                        i * 37 % 101,
                        i + shift
                    )
                })
                .collect()
        };
        let header = ",day,value,mood,key\n";
        let drift = compare(
            &table(&format!("{header}{}", lines(0))),
            &table(&format!("{header}{}", lines(200))),
        )
        .unwrap();
        let types: Vec<ColumnType> = drift.columns.iter().map(|c| c.column_type).collect();
        assert_eq!(types, [Identifier, Time, Number, Category, Identifier]);
        assert_eq!((drift.compared, drift.drifted_columns), (2, 0));
        assert!(!drift.drifted);
        let json = serde_json::to_value(&drift).unwrap();
        assert_eq!(
            json["columns"][2]["comparison"]["measure"],
            "kolmogorov_smirnov"
        );
        assert_eq!(json["columns"][0]["name"], "column 1");
    }

    #[test]
    fn times_of_many_forms_are_times() {
        let rows = |times: &dyn Fn(usize) -> String| -> Table {
            let lines: Vec<String> = (0..40).map(times).collect();
            table(&format!("t\n{}\n", lines.join("\n")))
        };
        let forms: [&dyn Fn(usize) -> String; 6] = [
            &|i| format!("{:02}.02.2026", 1 + i % 28),
            &|i| format!("2026-W{:02}", 1 + i % 40),
            &|i| format!("2026-{:02}", 1 + i % 12),
            &|i| format!("{}", 1_760_000_000 + 3600 * i),
            &|i| format!("{}", 1_760_000_000_000 + 3_600_000 * i),
            &|i| format!("02/{:02}/2026", 1 + i % 28),
        ];
        for form in forms {
            let drift = compare(&rows(form), &rows(form)).unwrap();
            let column = &drift.columns[0];
            assert_eq!(column.column_type, ColumnType::Time, "{}", form(3));
        }
        assert!(!is_time("12") && !is_time("warm"));
    }

    #[test]
    fn a_few_cells_that_are_not_numbers_are_missing() {
        let rows = |odd: &str| -> Table {
            let lines: Vec<String> = (0..100).map(|i| format!("{}", i * 37 % 101)).collect();
            table(&format!("x\n{}\n{odd}\n", lines.join("\n")))
        };
        for odd in ["?", "inf"] {
            let drift = compare(&rows("5"), &rows(odd)).unwrap();
            let column = &drift.columns[0];
            assert_eq!(column.column_type, ColumnType::Number);
            assert!(
                (column.missing[1] - 1.0 / 101.0).abs() < 1e-12,
                "{column:?}"
            );
            assert_eq!(drift.compared, 1);
        }
    }

    #[test]
    fn half_of_the_columns_must_drift() {
        let lines = |shift: usize| -> String {
            (0..100)
                .map(|i| format!("{},{},NA\n", i * 7 % 11 + shift, i * 3 % 13))
                .collect()
        };
        let drift = compare(
            &table(&format!("a,b,c\n{}", lines(0))),
            &table(&format!("b,a,d\n{}", lines(4).replace("NA", "1"))),
        )
        .unwrap();
        assert_eq!(
            (&drift.removed[..], &drift.added[..]),
            (&["c".to_string()][..], &["d".to_string()][..])
        );
        assert_eq!(
            (drift.compared, drift.drifted_columns, drift.drifted),
            (2, 1, true)
        );
        let same = compare(&table("a\n1\n\n"), &table("a\nnull\n")).unwrap();
        assert_eq!((same.compared, same.columns[0].missing), (0, [0.0, 1.0]));
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let error = |text: &str| {
            Table::parse(Path::new("t.csv"), text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert!(error("").starts_with("t.csv: the file is empty"));
        assert!(error("a,a\n1,2\n").starts_with("t.csv:1:2: two columns are named a"));
        assert!(error("a,b\n1,2\n1,2,3\n").starts_with("t.csv:3: 3 cells where"));
        let error = compare(&table("a\n1\n"), &table("b\n1\n")).unwrap_err();
        assert!(
            error.to_string().contains("no column in common with"),
            "{error}"
        );
    }

    /// The tests of `retrocast_stats::drift` check the figures; this test checks reading a file.
    #[test]
    fn two_halves_of_the_taxi_rides_do_not_drift() {
        let Some(folder) = std::env::var_os("RETROCAST_REAL_DATA") else {
            eprintln!("SKIPPED: nab/nyc_taxi: RETROCAST_REAL_DATA is not set");
            return;
        };
        let path = Path::new(&folder).join("nab/data/realKnownCause/nyc_taxi.csv");
        let text = std::fs::read_to_string(path).expect("the file of taxi rides");
        let lines: Vec<&str> = text.lines().collect();
        let half = |lines: &[&str]| table(&format!("timestamp,value\n{}\n", lines.join("\n")));
        let drift = compare(&half(&lines[1..5161]), &half(&lines[5161..])).unwrap();
        assert_eq!(drift.rows, [5160, 5160]);
        assert_eq!(drift.columns[0].column_type, ColumnType::Time);
        let value = drift.columns[1].comparison.as_ref().unwrap();
        assert_eq!(
            (value.measure, value.drifted),
            (Measure::Wasserstein, false)
        );
        assert!(value.p < 1.3e-4 && !drift.drifted);
    }
}
