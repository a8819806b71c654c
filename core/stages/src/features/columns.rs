//! A feature, and the table that describes all of them.

use super::{Params, params::Aggregate, params::Every};
use polars::prelude::Column;
use retrocast_domain::{Table, number};

/// A column with its definition.
pub(super) struct Feature {
    pub(super) column: Column,
    /// Definition, as a phrase.
    pub(super) definition: String,
    /// Unit, or possible values.
    pub(super) unit: String,
}

impl Feature {
    /// Creates a column with a definition and a unit.
    pub(super) fn new(
        column: Column,
        definition: impl Into<String>,
        unit: impl Into<String>,
    ) -> Self {
        Self {
            column,
            definition: definition.into(),
            unit: unit.into(),
        }
    }
}

/// The table of all columns with definition, unit and share of missing values.
pub(super) fn table(params: &Params, own: &[Column], features: &[Feature]) -> Table {
    let headings = ["<column", "<definition", "<unit", ">missing"];
    let mut table = Table::new("Columns of the dataset.", &headings);
    let missing = |column: &Column| {
        let share = column.null_count() as f64 / column.len().max(1) as f64;
        number::percent(share)
    };
    for (index, column) in own.iter().enumerate() {
        let (definition, unit) = describe_own_column(params, index);
        table.push([column.name().to_string(), definition, unit, missing(column)]);
    }
    for feature in features {
        table.push([
            feature.column.name().to_string(),
            feature.definition.clone(),
            feature.unit.clone(),
            missing(&feature.column),
        ]);
    }
    table
}

/// Definition and unit of the first columns: time, `by` columns, and the series' own values.
fn describe_own_column(params: &Params, index: usize) -> (String, String) {
    let noun = params.every.column();
    if index == 0 {
        return match noun {
            Some(noun) => (format!("beginning of the {noun}"), "time".to_string()),
            None => ("time of the row".to_string(), "time".to_string()),
        };
    }
    if index <= params.by.len() {
        return ("series".to_string(), "text".to_string());
    }
    let value = match params.aggregate() {
        _ if params.every == Every::None => "value of the row",
        Aggregate::Count => "number of records",
        Aggregate::Sum => "sum of the values",
        Aggregate::Mean => "mean of the values",
        Aggregate::Min => "minimum of the values",
        Aggregate::Max => "maximum of the values",
        Aggregate::Last => "last value",
        Aggregate::P95 => "95th percentile of the values",
    };
    let definition = match noun {
        Some(noun) => format!("{value} in the {noun}"),
        None => value.to_string(),
    };
    (definition, params.unit().to_string())
}
