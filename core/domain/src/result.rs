//! The tables and columns that a run writes, for the data dictionary.

/// A list or dataset that a run writes.
#[derive(Debug, Clone, Copy)]
pub struct ResultTable {
    /// Name of the list in its file, or of the stage kind that writes the dataset.
    pub name: &'static str,
    /// Title for readers.
    pub title: &'static str,
    /// Meaning of a row, and location of the table.
    pub description: &'static str,
    /// Columns in order.
    pub columns: &'static [ResultColumn],
}

/// A column of a result.
#[derive(Debug, Clone, Copy)]
pub struct ResultColumn {
    /// Name, with the containing object: `magnitude.value`.
    pub name: &'static str,
    /// Type of the values.
    pub kind: &'static str,
    /// Unit of a number; empty for none, or if another column names it.
    pub unit: &'static str,
    /// Meaning.
    pub description: &'static str,
}

/// Creates a column.
pub const fn column(
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    description: &'static str,
) -> ResultColumn {
    ResultColumn {
        name,
        kind,
        unit,
        description,
    }
}
