//! A record of any table, before it is formatted as JSON or CSV.

use crate::{hostile::Flaw, output::quoted, truth::reason};
use jiff::Timestamp;
use std::fmt::Display;

/// Output format of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RecordFormat {
    /// One JSON object per line.
    Json,
    /// CSV with this delimiter and a header.
    Csv(char),
}

#[derive(Debug, Clone)]
enum Cell {
    Text(String),
    /// A number, `true`, `false`, or raw JSON.
    Raw(String),
    Null,
}

/// A record: its fields by name, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    cells: Vec<(&'static str, Cell)>,
    /// True if it contains a string designed to break programs.
    pub hostile: bool,
}

impl Row {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &'static str, cell: Cell) -> Self {
        self.cells.push((name, cell));
        self
    }

    /// Adds a string.
    pub(crate) fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with(name, Cell::Text(text.into()))
    }

    /// Adds a string, or null.
    pub(crate) fn maybe_text(self, name: &'static str, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self.with(name, Cell::Null),
        }
    }

    /// Adds a number, `true` or `false`, or raw JSON.
    pub(crate) fn raw(self, name: &'static str, value: impl Display) -> Self {
        self.with(name, Cell::Raw(value.to_string()))
    }

    /// Adds a number, or null.
    pub(crate) fn maybe_raw(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.raw(name, value),
            None => self.with(name, Cell::Null),
        }
    }

    /// Adds an instant, in seconds since 1970.
    pub(crate) fn time(self, name: &'static str, second: i64) -> Self {
        self.text(name, format_timestamp(second))
    }

    /// Adds an instant, or null.
    pub(crate) fn maybe_time(self, name: &'static str, second: Option<i64>) -> Self {
        self.maybe_text(name, second.map(format_timestamp))
    }

    /// Sets whether it contains a string designed to break programs.
    pub(crate) fn hostile(mut self, hostile: bool) -> Self {
        self.hostile = hostile;
        self
    }

    /// Adds a list of strings.
    pub(crate) fn list<T: AsRef<str>>(self, name: &'static str, texts: &[T]) -> Self {
        let items: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
        self.raw(name, format!("[{}]", items.join(",")))
    }

    /// Formats the record as a line without a line break.
    pub(crate) fn line(&self, format: RecordFormat) -> Vec<u8> {
        match format {
            RecordFormat::Json => self.json(),
            RecordFormat::Csv(delimiter) => join_cells(&self.csv_cells(delimiter), delimiter),
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut line = String::with_capacity(512);
        for (name, cell) in &self.cells {
            line.push(if line.is_empty() { '{' } else { ',' });
            line.push_str(&format!("\"{name}\":"));
            match cell {
                Cell::Text(text) => line.push_str(&quoted(text)),
                Cell::Raw(value) => line.push_str(value),
                Cell::Null => line.push_str("null"),
            }
        }
        line.push('}');
        line.into_bytes()
    }

    fn csv_cells(&self, delimiter: char) -> Vec<String> {
        let cells = self.cells.iter().map(|(_, cell)| match cell {
            Cell::Text(text) if text.contains([delimiter, '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Cell::Text(text) | Cell::Raw(text) => text.clone(),
            Cell::Null => String::new(),
        });
        cells.collect()
    }

    /// Formats the record with a flaw; also returns the reason for quarantine.
    pub(crate) fn flawed_line(&self, format: RecordFormat, flaw: Flaw) -> (Vec<u8>, &'static str) {
        let delimiter = match format {
            RecordFormat::Json => return flaw.apply(&String::from_utf8_lossy(&self.json())),
            RecordFormat::Csv(delimiter) => delimiter,
        };
        let mut cells = self.csv_cells(delimiter);
        let column = |key: &str| self.cells.iter().position(|(name, _)| *name == key);
        let mut replace = |key: &str, text: String| {
            if let Some(column) = column(key) {
                cells[column] = text;
            }
        };
        let reason = match flaw {
            Flaw::Value(key, text, reason) => {
                replace(key, text.to_string());
                reason
            }
            Flaw::MissingField(key) => {
                replace(key, String::new());
                reason::MISSING
            }
            Flaw::LongText(key) => {
                replace(key, "long ".repeat(200_000));
                reason::TOO_LONG
            }
            Flaw::InvalidUtf8(key) => {
                replace(key, "caf?".to_string());
                let mut line = join_cells(&cells, delimiter);
                if let Some(start) = line.windows(4).position(|bytes| bytes == b"caf?") {
                    line[start + 3] = 0xe9;
                }
                return (line, reason::INVALID_TEXT);
            }
            // CSV has no nesting, so the remaining flaw is a line with too few cells.
            Flaw::Truncated | Flaw::Garbage | Flaw::RawNull(_) | Flaw::DeepNesting => {
                cells.truncate(self.cells.len() / 2);
                reason::BROKEN_CSV
            }
        };
        (join_cells(&cells, delimiter), reason)
    }
}

fn join_cells(cells: &[String], delimiter: char) -> Vec<u8> {
    cells.join(&delimiter.to_string()).into_bytes()
}

/// Formats an instant, in seconds since 1970.
pub(crate) fn format_timestamp(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new()
            .text("id", "T-1")
            .text("title", "a \"b\"; c")
            .maybe_raw("n", Some(4.5))
            .maybe_text("error", None::<String>)
            .time("at", 1_794_211_530)
    }

    fn line(format: RecordFormat) -> String {
        String::from_utf8(row().line(format)).unwrap()
    }

    #[test]
    fn records_are_formatted_as_json_or_csv() {
        assert_eq!(
            line(RecordFormat::Json),
            r#"{"id":"T-1","title":"a \"b\"; c","n":4.5,"error":null,"at":"2026-11-09T08:05:30Z"}"#
        );
        assert_eq!(
            line(RecordFormat::Csv(';')),
            r#"T-1;"a ""b""; c";4.5;;2026-11-09T08:05:30Z"#
        );
    }

    #[test]
    fn flaws_change_csv_as_documented() {
        let flawed = |flaw| {
            let (line, reason) = row().flawed_line(RecordFormat::Csv(','), flaw);
            (String::from_utf8_lossy(&line).into_owned(), reason)
        };
        let (line, reason) = flawed(Flaw::Value("n", "many", reason::WRONG_TYPE));
        assert_eq!(line, "T-1,\"a \"\"b\"\"; c\",many,,2026-11-09T08:05:30Z");
        assert_eq!(reason, reason::WRONG_TYPE);
        assert_eq!(
            flawed(Flaw::Truncated),
            ("T-1,\"a \"\"b\"\"; c\"".into(), reason::BROKEN_CSV)
        );
        assert_eq!(flawed(Flaw::MissingField("id")).1, reason::MISSING);
        assert!(flawed(Flaw::InvalidUtf8("title")).0.contains("caf\u{fffd}"));
    }
}
