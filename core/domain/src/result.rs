//! What a run leaves behind, table by table and column by column: what the data dictionary says of it.

/// A list or dataset that a run makes.
#[derive(Debug, Clone, Copy)]
pub struct ResultTable {
    /// Name: of the list in its file, or of the stage kind that makes the dataset.
    pub name: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// What a row is, and where the table is found.
    pub description: &'static str,
    /// Columns in order.
    pub columns: &'static [ResultColumn],
}

/// A column of a result.
#[derive(Debug, Clone, Copy)]
pub struct ResultColumn {
    /// Name, with that of the object that contains it: `magnitude.value`.
    pub name: &'static str,
    /// What values it holds.
    pub kind: &'static str,
    /// Unit of a number; empty for none, and where another column names it.
    pub unit: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// A column.
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
