//! A dataset that is the result of a SQL query over other datasets.
//!
//! The query runs in Apache `DataFusion` and uses its dialect: joins, common table expressions,
//! window functions, `date_trunc`, `unnest` of lists, and more. Tables are the sources and stages
//! of the job, by name; the edges of the plan are derived from them. The query does not see rows at
//! or after the end of the window. Other stages read the result under this stage's name.
//!
//! Results of earlier runs of the job are in `ledger.findings`, `ledger.kpis`, `ledger.effects` and
//! `ledger.runs`: the newest run of each window that ends by the start of this run's window.
//! `ledger.decisions` has the decisions made before the run's date (`retrocast finding`). The run's
//! own findings are not included. `retrocast dictionary` lists the columns.
//!
//! Times without a zone are local times in the job's `timezone`. `TIMESTAMP '2026-03-29 00:00:00'`
//! and `DATE '2026-03-29'` begin at local midnight; `cast(text as timestamp)`,
//! `to_timestamp(text, '%d/%m/%Y %H:%M')` and comparisons with a string read the string as local
//! time unless it has an offset. `date_trunc('day', at)` is the local day,
//! `date_bin(interval '15 minutes', at)` counts from local midnight, `extract(hour from at)` is the
//! local hour, and `at + interval '1 day'` the same local time on the next day. An ambiguous local
//! time means the first of the two; a skipped time is moved forward by the gap. `${window.start}`
//! and `${window.end}` are the first moment of the window and the first moment after it. A literal
//! in another zone is `TIMESTAMPTZ '2026-03-29T00:00:00Z'`; `at AT TIME ZONE 'America/New_York'`
//! converts to another zone, and a string or literal before it is read in that zone. Numbers are
//! seconds since 1970 UTC (`to_timestamp(n)`, `to_timestamp_millis(n)`). Formats are those of
//! `strptime`; if several formats are given, the first that matches is used.
//!
//! Integers are exact: a sum, product or difference beyond 64 bits is an error that names the
//! expression; cast to `double` or `decimal(38, 0)` for larger values. NaN is a missing value:
//! aggregates ignore it, and the result contains none.
//!
//! ```toml
//! [stage.daily_failures]
//! kind  = "sql"
//! query = """
//! select date_trunc('day', created_at) as day, component, count(*) as failures
//! from tickets where type = 'failure' group by 1, 2 order by 1, 2
//! """
//!
//! [stage.recurring]
//! kind  = "sql"
//! query = """
//! select id, max(sentence) as sentence, count(*) as weeks
//! from ledger.findings where state <> 'resolved' group by id having count(*) >= 4
//! """
//! ```
//!
//! If records of a source that the query reads are missing at the window's end, the report says so.
//!
//! The report shows the query, the number of rows excluded by the window, the columns of the result
//! and its first ten rows. With a `sentence`, each of these rows is also a finding:
//! `sentence = "{component} failed {failures} times."`
//!
//! # Method
//! Plain SQL without a statistical test, so these findings have neither interval nor p-value. They
//! have no period either: only the query knows which of the rows it selects.

use crate::{
    Analysis, Context, Inputs, Reads, StageError, StageKind, rows::Batch, series::coverage,
};
use jiff::{civil::Date, tz::TimeZone};
use polars::prelude::*;
use retrocast_domain::{
    Align, Cell, Chapter, Evidence, Finding, Table,
    number::{self, plural},
    sentence::fill,
    window::date_in_words,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Params of `sql`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The query: one `select` over sources and stages of this job, by name.
    query: String,
    /// Sentence of the findings, one per row, at most ten; `{column}` is replaced by the value.
    #[serde(default)]
    sentence: Option<String>,
}

/// Name under which the result of the query is an input.
pub const RESULT: &str = "__result";

/// The kind `sql`.
pub const SQL: StageKind = StageKind {
    name: "sql",
    chapter: Some(Chapter::Rows),
    code_version: 9,
    summary: "The result of a SQL query over other datasets.",
    manual: include_str!("sql.rs"),
    schema: || schemars::schema_for!(Params),
    result: None,
    reads: Reads::Query,
    earlier_values: false,
    ledger: &[],
    run,
};

/// Maximum number of rows of the result that a report shows.
const SHOWN_ROWS_MAX: usize = 10;
/// Maximum length of a value in a report, in characters.
const SHOWN_CHARACTERS_MAX: usize = 60;

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let input = inputs.get(RESULT).ok_or_else(|| {
        StageError::Other("the result of the query is missing; this is a bug".to_string())
    })?;
    let names: Vec<&str> = input.columns().map(|(name, _)| name).collect();
    let batch = input.read_all(&names)?;
    let frame = &batch.frame;
    // The input may have only the first rows of a long result; the dataset has the number of all
    // rows.
    let total = input.dataset.rows.max(frame.height() as u64);
    let rows = plural(total, "row");
    let columns = plural(frame.width() as u64, "column");
    let mut cell = Cell::new(&context.stage, SQL.name);
    cell.title = format!("Query: {}", context.stage.replace('_', " "));
    let hidden = hidden_rows(context, inputs)?;
    cell.did = format!("Ran the query: {rows}, {columns}.{hidden}");
    // Rows of other queries may be rare: those queries judge the records that they read.
    for source in inputs.values().filter(|input| input.source.is_some()) {
        let missing_from = coverage::missing_from(context, source)?;
        cell.missing_from = cell.missing_from.into_iter().chain(missing_from).min();
    }
    cell.method = "SQL (Apache DataFusion)".to_string();
    cell.query = Some(params.query.trim().to_string());
    if frame.height() == 0 {
        cell.caveats.push("The query gave no rows.".to_string());
    }
    cell.tables.push(first_rows(frame, total, &zone(context)));
    if let Some(sentence) = &params.sentence {
        cell.findings = sentences(context, &batch, sentence)?;
    }
    Ok(Analysis {
        cell,
        frame: Some(frame.clone()),
    })
}

/// Sentences on the rows that were hidden from the query; empty if it read all rows.
fn hidden_rows(context: &Context, inputs: &Inputs) -> Result<String, StageError> {
    let mut sentences = String::new();
    for input in inputs.values() {
        let Some(time) = &input.time else { continue };
        let times = input.times(time, &context.window.timezone)?;
        let rows = input.dataset.rows;
        let hidden = rows.saturating_sub(times.records());
        if hidden > 0 {
            sentences.push_str(&fill(
                " It did not see {hidden} of the {rows} of {name}, which {lie} after {last}, the end of \
                 the window.",
                &[
                    ("hidden", &number::count(hidden)),
                    ("rows", &plural(rows, "row")),
                    ("name", &input.dataset.name),
                    ("lie", if hidden == 1 { "lies" } else { "lie" }),
                    ("last", &date_in_words(last_day(context))),
                ],
            ));
        }
    }
    Ok(sentences)
}

/// The last day of the window.
fn last_day(context: &Context) -> Date {
    let end = context.window.end;
    end.yesterday().unwrap_or(end)
}

/// Converts each of the first rows to a finding.
fn sentences(
    context: &Context,
    batch: &Batch<'_>,
    template: &str,
) -> Result<Vec<Finding>, StageError> {
    let (input, frame) = (batch.input, &batch.frame);
    for name in template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
    {
        crate::frame::column(batch, name)?;
    }
    let zone = &zone(context);
    let mut findings = Vec::new();
    for row in 0..frame.height().min(SHOWN_ROWS_MAX) {
        let values: Vec<(&str, String)> = frame
            .columns()
            .iter()
            .map(|column| (column.name().as_str(), format_value(column, row, zone)))
            .collect();
        let replacements: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        // Text columns identify rows, so they are the subject of the finding.
        let texts = frame
            .columns()
            .iter()
            .filter(|column| column.dtype().is_string());
        let subject: Vec<String> = texts
            .map(|column| format!("{} = {}", column.name(), format_value(column, row, zone)))
            .collect();
        let subject = if subject.is_empty() {
            "all".to_string()
        } else {
            subject.join(", ")
        };
        let mut finding = Finding::new(&context.stage, "fact", &subject, template);
        finding.sentence = fill(template, &replacements);
        finding.method = "SQL (Apache DataFusion)".to_string();
        finding.confidence = 1.0;
        finding.evidence = vec![Evidence {
            dataset: input.dataset.name.clone(),
            version: input.dataset.version,
            filter: None,
        }];
        for column in frame.columns() {
            finding
                .numbers
                .insert(column.name().to_string(), json_value(column, row, zone));
        }
        findings.push(finding);
    }
    Ok(findings)
}

/// The time zone of the job.
fn zone(context: &Context) -> TimeZone {
    TimeZone::get(&context.window.timezone).unwrap_or(TimeZone::UTC)
}

/// A value as JSON: a number, or the formatted value as a string.
fn json_value(column: &Column, row: usize, zone: &TimeZone) -> serde_json::Value {
    let Ok(value) = column.get(row) else {
        return serde_json::Value::Null;
    };
    match &value {
        AnyValue::Null => serde_json::Value::Null,
        value if value.is_integer() => value
            .try_extract::<i64>()
            .map_or(serde_json::Value::Null, Into::into),
        value if value.is_primitive_numeric() => value
            .try_extract::<f64>()
            .map_or(serde_json::Value::Null, Into::into),
        _ => format_value(column, row, zone).into(),
    }
}

fn first_rows(frame: &DataFrame, total: u64, zone: &TimeZone) -> Table {
    let shown = frame.height().min(SHOWN_ROWS_MAX);
    let caption = match total as usize {
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
                .map(|column| format_value(column, row, zone))
                .collect(),
        );
    }
    table.more = total - shown as u64;
    table
}

/// Returns true if the integers of a column are identifiers, such as ids and years, which have no
/// thousands separators.
fn is_identifier(column: &str) -> bool {
    const NAMES: [&str; 9] = [
        "id", "ids", "year", "number", "nr", "no", "key", "code", "port",
    ];
    let spaced: String = column
        .chars()
        .flat_map(|c| {
            c.is_uppercase()
                .then_some(' ')
                .into_iter()
                .chain(c.to_lowercase())
        })
        .collect();
    let last = spaced
        .rsplit(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty());
    last.is_some_and(|word| NAMES.contains(&word)) || column == "ID"
}

/// Formats a value; times are local to the zone.
fn format_value(column: &Column, row: usize, zone: &TimeZone) -> String {
    let text = match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => return "–".to_string(),
        Ok(AnyValue::Float64(value)) => number::recorded(value),
        Ok(AnyValue::Float32(value)) => number::sensible(f64::from(value)),
        Ok(AnyValue::String(text)) => text.to_string(),
        Ok(AnyValue::StringOwned(text)) => text.to_string(),
        Ok(AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _)) => {
            format_time(value, unit, zone)
        }
        Ok(value) => match value.try_extract::<i64>() {
            Ok(whole) if value.is_primitive_numeric() && is_identifier(column.name()) => {
                whole.to_string()
            }
            Ok(whole) if value.is_primitive_numeric() => number::integer(whole),
            _ => value.to_string(),
        },
    };
    if text.chars().count() <= SHOWN_CHARACTERS_MAX {
        return text;
    }
    text.chars()
        .take(SHOWN_CHARACTERS_MAX - 1)
        .collect::<String>()
        + "…"
}

/// Formats a time in the zone: "2026-11-09" at midnight, else "2026-11-09 14:30".
fn format_time(value: i64, unit: TimeUnit, zone: &TimeZone) -> String {
    let micros = match unit {
        TimeUnit::Nanoseconds => value / 1000,
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    };
    let Ok(time) = jiff::Timestamp::from_microsecond(micros) else {
        return "n/a".to_string();
    };
    let time = zone.to_datetime(time);
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
    use crate::series::test_data::{context, input, times};
    use jiff::ToSpan;

    fn analyse(frame: DataFrame) -> Analysis {
        let inputs = Inputs::from([(RESULT.to_string(), input(RESULT, frame))]);
        let params = serde_json::json!({"query": " select 1 "});
        run(&context("2026-11-16"), &params, &inputs).expect("a result")
    }

    #[test]
    fn the_first_rows_are_shown_and_all_are_returned() {
        let frame = df!(
            "component" => (0..12).map(|i| format!("c{i} {}", "x".repeat(i * 9))).collect::<Vec<_>>(),
            "failures" => (0..12i64).map(|i| (i % 3 > 0).then_some(i * 1000)).collect::<Vec<_>>(),
            "share" => (0..12).map(|i| f64::from(i) / 7.0).collect::<Vec<_>>(),
        )
        .expect("a frame");
        let analysis = analyse(frame.clone());
        let table = &analysis.cell.tables[0];
        assert_eq!((table.rows.len(), table.more), (10, 2));
        assert_eq!(table.rows[0], ["c0 ", "–", "0"]);
        assert_eq!(table.rows[1][1..], ["1000", "0.14"]);
        assert!(table.rows[9][0].ends_with('…') && table.rows[9][0].chars().count() == 60);
        assert_eq!(analysis.cell.query.as_deref(), Some("select 1"));
        assert!(analysis.frame.expect("a frame").equals_missing(&frame));
    }

    #[test]
    fn rows_become_sentences_without_nested_placeholders() {
        let frame = df!("component" => ["{n}", "mail"], "n" => [3i64, 2]).expect("a frame");
        let inputs = Inputs::from([(RESULT.to_string(), input(RESULT, frame))]);
        let params = serde_json::json!({"query": "q", "sentence": "{component} failed {n} times."});
        let findings = run(&context("2026-11-16"), &params, &inputs)
            .expect("a result")
            .cell
            .findings;
        assert_eq!(findings[0].sentence, "{n} failed 3 times.");
        assert_eq!(findings[1].subject, "component = mail");
        assert_eq!(findings[1].numbers["n"], 2);
        let wrong = serde_json::json!({"query": "q", "sentence": "{nothing}"});
        let error = run(&context("2026-11-16"), &wrong, &inputs).expect_err("no such column");
        assert!(error.to_string().contains("nothing"));
    }

    #[test]
    fn rows_hidden_from_a_query_are_counted() {
        let run_with = |rows_read: i64| {
            let first = jiff::civil::date(2026, 11, 2).at(9, 0, 0, 0);
            let at: Vec<_> = (0..rows_read).map(|i| first + i.days()).collect();
            let mut table = input(
                "tickets",
                DataFrame::new(at.len(), vec![times("at", &at)]).expect("a frame"),
            );
            table.time = Some("at".to_string());
            table.dataset.rows = 12;
            let frame = df!("n" => [9i64]).expect("a frame");
            let inputs = Inputs::from([
                (RESULT.to_string(), input(RESULT, frame)),
                ("tickets".to_string(), table),
            ]);
            let params = serde_json::json!({"query": "q", "sentence": "{n} tickets."});
            let cell = run(&context("2026-11-16"), &params, &inputs)
                .expect("a result")
                .cell;
            (
                cell.did.replace('\u{a0}', " "),
                cell.findings[0].period.clone(),
            )
        };
        let (did, period) = run_with(9);
        let expected = "Ran the query: 1 row, 1 column. It did not see 3 of the 12 rows of tickets, which lie \
                    after 15 November 2026, the end of the window.";
        assert_eq!(did, expected);
        // The query may select any part of the rows, such as those of the window.
        assert_eq!(period, "");
        assert_eq!(run_with(12).0, "Ran the query: 1 row, 1 column.");
    }

    #[test]
    fn identifiers_have_no_thousands_separators() {
        let names = ["id", "ticket_id", "TicketId", "ID", "Year", "order number"];
        assert!(names.into_iter().all(is_identifier));
        let amounts = [
            "failures",
            "paid",
            "idle",
            "n",
            "total_of_ids_seen",
            "count",
        ];
        assert!(!amounts.into_iter().any(is_identifier));
        let frame = df!("ticket_id" => [10_001i64], "n" => [10_001i64]).expect("a frame");
        assert_eq!(
            analyse(frame).cell.tables[0].rows,
            [["10001", "10\u{202f}001"]]
        );
    }

    #[test]
    fn times_are_local_to_the_zone_of_the_job() {
        // 2026-06-28T22:00Z, as returned by `date_trunc` in Berlin, and a time one and a half hours
        // later.
        let times = Series::new(
            "at".into(),
            [1_782_684_000_000_000i64, 1_782_689_400_000_000],
        )
        .cast(&DataType::Datetime(
            TimeUnit::Microseconds,
            Some(polars::prelude::TimeZone::UTC),
        ))
        .expect("times");
        let frame = DataFrame::new(2, vec![times.into_column()]).expect("a frame");
        let inputs = Inputs::from([(RESULT.to_string(), input(RESULT, frame))]);
        let params = serde_json::json!({"query": "q", "sentence": "At {at}."});
        let mut context = context("2026-06-29");
        context.window.timezone = "Europe/Berlin".to_string();
        let cell = run(&context, &params, &inputs).expect("a result").cell;
        assert_eq!(cell.tables[0].rows, [["2026-06-29"], ["2026-06-29 01:30"]]);
        assert_eq!(cell.findings[0].sentence, "At 2026-06-29.");
    }

    #[test]
    fn empty_results_and_unknown_params_are_reported() {
        let empty = df!("n" => Vec::<i64>::new()).expect("a frame");
        assert_eq!(analyse(empty).cell.caveats, ["The query gave no rows."]);
        let wrong = serde_json::json!({"query": "", "sql": ""});
        assert!(run(&context("2026-11-16"), &wrong, &Inputs::new()).is_err());
    }
}
