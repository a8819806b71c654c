//! A small table of formatted text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Alignment of text in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column's heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Heading, with the unit if there is one.
    pub title: String,
    /// Alignment.
    pub align: Align,
}

/// Rows of text under headings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Caption of the table.
    pub caption: String,
    /// Headings.
    pub columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// Number of further rows that are not included.
    pub more: u64,
}

impl Table {
    /// An empty table; `<` before a heading aligns left, `>` right: `Table::new("...", &["<day",
    /// ">n"])`.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns
            .iter()
            .map(|text| {
                let (align, title) = match text.strip_prefix('>') {
                    Some(title) => (Align::Right, title),
                    None => (Align::Left, text.strip_prefix('<').unwrap_or(text)),
                };
                Column {
                    title: title.to_string(),
                    align,
                }
            })
            .collect();
        Self {
            caption: caption.into(),
            columns,
            rows: Vec::new(),
            more: 0,
        }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }

    /// Keeps the first `n` rows and counts the others in `more`.
    #[must_use]
    pub fn top(mut self, n: usize) -> Self {
        if self.rows.len() > n {
            self.more += (self.rows.len() - n) as u64;
            self.rows.truncate(n);
        }
        self
    }
}
