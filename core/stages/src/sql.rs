//! A dataset made by a SQL query over other datasets.
//!
//! The query runs in Apache `DataFusion`, so its dialect is that of `DataFusion`: joins, common table
//! expressions, window functions, `date_trunc`, `unnest` of lists, and so on. Tables are the
//! sources and stages of the job by their names; edges of the plan follow from them. Times are UTC;
//! rows at or after the end of the window are not shown to the query. Other stages read the result
//! under this stage's name.
//!
//! ```toml
//! [stage.daily_failures]
//! kind  = "sql"
//! query = """
//! select date_trunc('day', created_at) as day, component, count(*) as failures
//! from tickets where type = 'failure' group by 1, 2 order by 1, 2
//! """
//! ```
//!
//! The report shows the query, the shape of its result and its first ten rows.

use crate::{Analysis, Context, Inputs, Kind, StageError};
use polars::prelude::*;
use retrocast_domain::{
    Align, Cell, Table,
    number::{self, plural},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `sql`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The query: one `select` over sources and stages of this job, by name.
    query: String,
}

/// The dataset name under which the result of the query comes in.
pub const RESULT: &str = "__result";

/// The kind `sql`.
pub const SQL: Kind = Kind {
    name: "sql",
    code_version: 1,
    summary: "A dataset made by a SQL query over other datasets.",
    manual: include_str!("sql.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

/// Rows of the result that the report shows.
const SHOWN: usize = 10;
/// Characters of a value that the report shows.
const SHOWN_CHARACTERS: usize = 60;

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = inputs.get(RESULT).ok_or_else(|| {
        StageError::Other("the result of the query did not come in; this is a defect".to_string())
    })?;
    let frame = &input.frame;
    let rows = plural(frame.height() as u64, "row");
    let columns = plural(frame.width() as u64, "column");
    let mut cell = Cell::new(&context.stage, SQL.name);
    cell.did = format!("Ran the query: {rows}, {columns}.");
    cell.method = "SQL (Apache DataFusion)".to_string();
    cell.query = Some(params.query.trim().to_string());
    if frame.height() == 0 {
        cell.caveats.push("The query gave no rows.".to_string());
    }
    cell.tables.push(first_rows(frame));
    Ok(Analysis {
        cell,
        frame: Some(frame.clone()),
    })
}

fn first_rows(frame: &DataFrame) -> Table {
    let shown = frame.height().min(SHOWN);
    let caption = match frame.height() {
        0 => "The result has no rows.".to_string(),
        all if all == shown => format!("The result: {}.", plural(all as u64, "row")),
        all => format!("The first {shown} of {}.", plural(all as u64, "row")),
    };
    let mut table = Table::new(caption, &[]);
    for column in frame.columns() {
        let align = if column.dtype().is_primitive_numeric() {
            Align::Right
        } else {
            Align::Left
        };
        table.columns.push(retrocast_domain::Column {
            title: column.name().to_string(),
            align,
        });
    }
    for row in 0..shown {
        table.rows.push(
            frame
                .columns()
                .iter()
                .map(|column| shown_value(column, row))
                .collect(),
        );
    }
    table.more = (frame.height() - shown) as u64;
    table
}

/// One value for people.
fn shown_value(column: &Column, row: usize) -> String {
    let text = match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => return "–".to_string(),
        Ok(AnyValue::Float64(value)) => number::sensible(value),
        Ok(AnyValue::Float32(value)) => number::sensible(f64::from(value)),
        Ok(AnyValue::String(text)) => text.to_string(),
        Ok(AnyValue::StringOwned(text)) => text.to_string(),
        Ok(AnyValue::Datetime(value, unit, _)) => time_text(value, unit),
        Ok(value) => match value.try_extract::<i64>() {
            Ok(whole) if value.is_primitive_numeric() => number::integer(whole),
            _ => value.to_string(),
        },
    };
    if text.chars().count() <= SHOWN_CHARACTERS {
        return text;
    }
    text.chars().take(SHOWN_CHARACTERS - 1).collect::<String>() + "…"
}

/// "2026-11-09" at midnight, else "2026-11-09 14:30".
fn time_text(value: i64, unit: TimeUnit) -> String {
    let micros = match unit {
        TimeUnit::Nanoseconds => value / 1000,
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    };
    let Ok(time) = jiff::Timestamp::from_microsecond(micros) else {
        return "n/a".to_string();
    };
    let time = jiff::tz::TimeZone::UTC.to_datetime(time);
    let format = if time.time() == jiff::civil::Time::midnight() {
        "%F"
    } else {
        "%F %H:%M"
    };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::{context, input};

    fn of(frame: DataFrame) -> Analysis {
        let inputs = Inputs::from([(RESULT.to_string(), input(RESULT, frame))]);
        let params = serde_json::json!({"query": " select 1 "});
        run(&context("2026-11-16"), &params, &inputs).expect("a result")
    }

    #[test]
    fn the_first_rows_are_shown_and_the_frame_goes_on() {
        let frame = df!(
            "component" => (0..12).map(|i| format!("c{i} {}", "x".repeat(i * 9))).collect::<Vec<_>>(),
            "failures" => (0..12i64).map(|i| (i % 3 > 0).then_some(i * 1000)).collect::<Vec<_>>(),
            "share" => (0..12).map(|i| f64::from(i) / 7.0).collect::<Vec<_>>(),
        )
        .expect("a frame");
        let analysis = of(frame.clone());
        let table = &analysis.cell.tables[0];
        assert_eq!((table.rows.len(), table.more), (10, 2));
        assert_eq!(table.rows[0], ["c0 ", "–", "0"]);
        assert_eq!(table.rows[1][1..], ["1000", "0.14"]);
        assert!(table.rows[9][0].ends_with('…') && table.rows[9][0].chars().count() == 60);
        assert_eq!(analysis.cell.query.as_deref(), Some("select 1"));
        assert!(analysis.frame.expect("a frame").equals_missing(&frame));
    }

    #[test]
    fn no_rows_and_wrong_params_are_told() {
        let empty = df!("n" => Vec::<i64>::new()).expect("a frame");
        assert_eq!(of(empty).cell.caveats, ["The query gave no rows."]);
        let wrong = serde_json::json!({"query": "", "sql": ""});
        assert!(run(&context("2026-11-16"), &wrong, &Inputs::new()).is_err());
    }
}
