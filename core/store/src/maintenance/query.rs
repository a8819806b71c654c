//! Interactive queries over all datasets of a lake, including earlier versions.

use crate::{
    Sql, SqlTable,
    dataset::Lake,
    error::{SqlError, StoreError},
    ledger::{self, Ledger},
    sql,
};
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::StreamExt as _;
use jiff::{Timestamp, tz::TimeZone};
use retrocast_records::read::value::time_text;

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryResult {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// True for numeric columns.
    pub numbers: Vec<bool>,
    /// Rows as text; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
    /// True if there are more rows.
    pub more: bool,
}

impl Lake {
    /// Runs a query and returns at most `limit` rows. A table may have a version: `tickets@42`.
    pub async fn query(
        &self,
        sql: &Sql,
        query: &str,
        limit: usize,
    ) -> Result<QueryResult, StoreError> {
        let zone = TimeZone::get(&sql.timezone).map_err(|_| {
            SqlError::new(format!("{:?} is not a time zone", sql.timezone))
                .help("write an IANA name, such as UTC or Europe/Berlin")
        })?;
        let query = quote_versions(query);
        let mut tables = Vec::new();
        for name in sql::tables(&query)? {
            if let Some(table) = ledger::table_in_query(&name) {
                let table = table.map_err(|name| unknown_ledger_table(&name))?;
                let keys = Ledger::new(self).current_keys(table).await?;
                tables.push(SqlTable::ledger(table, keys));
                continue;
            }
            let (dataset, version) = match name.split_once('@') {
                Some((dataset, version)) => (dataset, Some(parse_version(&name, version)?)),
                None => (name.as_str(), None),
            };
            let existing = self.names().await?;
            if !existing.iter().any(|name| name == dataset) {
                return Err(unknown_dataset(dataset, &existing).into());
            }
            let dataset = self.find(dataset, version).await?;
            tables.push(SqlTable::dataset(name, dataset, None));
        }
        let mut stream = sql.stream_for_display(self, &query, &tables).await?;
        let schema = stream.schema();
        let fields = schema.fields().iter();
        let mut result = QueryResult {
            columns: fields.clone().map(|field| field.name().clone()).collect(),
            numbers: fields.map(|field| field.data_type().is_numeric()).collect(),
            rows: Vec::new(),
            more: false,
        };
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| sql::explain(&error))?;
            let remaining = limit - result.rows.len();
            result.more = batch.num_rows() > remaining;
            result.rows.extend(format_rows(
                &batch.slice(0, remaining.min(batch.num_rows())),
                &zone,
            )?);
            if result.more {
                break;
            }
        }
        Ok(result)
    }
}

fn unknown_ledger_table(name: &str) -> SqlError {
    let names = ledger::TABLES.iter().map(|table| table.name);
    let help = match (
        name.split_once('@'),
        retrocast_domain::suggest::nearest(name, names.clone()),
    ) {
        (Some((name, version)), _) => {
            format!("to read a version, including superseded runs, write ledger__{name}@{version}")
        }
        (_, Some(suggestion)) => format!("did you mean \"ledger.{suggestion}\"?"),
        _ => format!(
            "tables of the ledger: {}",
            names.collect::<Vec<_>>().join(", ")
        ),
    };
    SqlError::new(format!("there is no table \"ledger.{name}\"")).help(help)
}

fn parse_version(name: &str, version: &str) -> Result<u64, SqlError> {
    version.parse().map_err(|_| {
        SqlError::new(format!("{name:?} is not a version of a dataset"))
            .help("expected NAME@VERSION, such as tickets@42")
    })
}

fn unknown_dataset(name: &str, existing: &[String]) -> SqlError {
    let existing: Vec<&str> = existing.iter().map(String::as_str).collect();
    let help = match retrocast_domain::suggest::nearest(name, existing.iter().copied()) {
        Some(suggestion) => format!("did you mean {suggestion:?}?"),
        None if existing.is_empty() => "the lake of this job is empty; run the job".to_string(),
        None => format!("datasets: {}", existing.join(", ")),
    };
    SqlError::new(format!("there is no dataset {name:?}")).help(help)
}

fn format_rows(
    batch: &RecordBatch,
    zone: &TimeZone,
) -> Result<Vec<Vec<Option<String>>>, StoreError> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Ok(format_times(column, zone)),
            _ => format_values(column),
        });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let row = |row: usize| columns.iter().map(|cells| cells[row].clone()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

fn format_values(column: &ArrayRef) -> Result<Vec<Option<String>>, StoreError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let cell = |row| (!column.is_null(row)).then(|| formatter.value(row).to_string());
    Ok((0..column.len()).map(cell).collect())
}

/// Formats times in the zone, with their offset from UTC.
fn format_times(column: &ArrayRef, zone: &TimeZone) -> Vec<Option<String>> {
    let moments = column.as_primitive::<TimestampMicrosecondType>();
    let cell = |micros: Option<i64>| {
        let Ok(moment) = Timestamp::from_microsecond(micros?) else {
            // Out of range for time zones.
            return time_text(micros?);
        };
        Some(match zone {
            zone if *zone == TimeZone::UTC => moment.to_string(),
            zone => moment
                .display_with_offset(zone.to_offset(moment))
                .to_string(),
        })
    };
    moments.iter().map(cell).collect()
}

/// Quotes each `name@version` in a query. Strings, quoted names and comments are unchanged.
fn quote_versions(query: &str) -> String {
    let mut out = String::with_capacity(query.len() + 8);
    let mut remaining = query;
    while let Some(c) = remaining.chars().next() {
        let length = match c {
            '\'' | '"' => {
                1 + remaining[1..]
                    .find(c)
                    .map_or(remaining.len() - 1, |end| end + 1)
            }
            '-' if remaining.starts_with("--") => remaining.find('\n').unwrap_or(remaining.len()),
            '/' if remaining.starts_with("/*") => {
                remaining.find("*/").map_or(remaining.len(), |end| end + 2)
            }
            c if c.is_alphanumeric() || c == '_' => {
                let in_word = |c: char| c.is_alphanumeric() || c == '_';
                let word = remaining.find(|c| !in_word(c)).unwrap_or(remaining.len());
                let suffix = &remaining[word..];
                let version = suffix.strip_prefix('@').map_or(0, |version| {
                    version.find(|c: char| !in_word(c)).unwrap_or(version.len())
                });
                if version > 0 {
                    let end = word + 1 + version;
                    out.push_str(&format!("\"{}\"", &remaining[..end]));
                    remaining = &remaining[end..];
                    continue;
                }
                word
            }
            c => c.len_utf8(),
        };
        out.push_str(&remaining[..length]);
        remaining = &remaining[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResourcePool, dataset::Properties};

    #[test]
    fn versions_become_part_of_the_name() {
        let check = |query: &str, expected: &str| assert_eq!(quote_versions(query), expected);
        check("select * from tickets@42", "select * from \"tickets@42\"");
        check(
            "select a from t@1 x join t@2 y on x.a=y.a",
            "select a from \"t@1\" x join \"t@2\" y on x.a=y.a",
        );
        check(
            "select 'me@42' -- you@42\n from \"t@1\"",
            "select 'me@42' -- you@42\n from \"t@1\"",
        );
        check("select é@, 'open", "select é@, 'open");
    }

    #[test]
    fn queries_read_earlier_versions() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path(), "review").unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let run = |query: &str, limit| {
            let sql = Sql {
                pool: ResourcePool::without_disk(64 << 20),
                timezone: "UTC".to_string(),
            };
            runtime.block_on(lake.query(&sql, query, limit))
        };
        let frames = [
            polars::df!("n" => [1_i64, 2], "s" => [Some("a"), None]).unwrap(),
            polars::df!("n" => [7_i64], "s" => [Some("z")]).unwrap(),
        ];
        for frame in &frames {
            let properties = Properties::new();
            let written = lake.write_frame("numbers", frame, &properties);
            runtime.block_on(written).unwrap();
        }
        let old = run("select * from numbers@1", 10).unwrap();
        assert_eq!(old.columns, ["n", "s"]);
        assert_eq!(old.numbers, [true, false]);
        let cell = |text: &str| Some(text.to_string());
        assert_eq!(
            old.rows,
            [vec![cell("1"), cell("a")], vec![cell("2"), None]]
        );
        let both = "select a.n, b.n as old from numbers a cross join numbers@1 b order by 2";
        assert_eq!(run(both, 10).unwrap().rows.len(), 2);
        let limited = run("select n from numbers@1", 1).unwrap();
        assert!(limited.more && limited.rows.len() == 1);
        let message = run("select * from numbrs", 1).unwrap_err().to_string();
        assert!(message.contains("did you mean \"numbers\""), "{message}");
        let message = run("select * from numbers@9", 1).unwrap_err().to_string();
        assert!(message.contains("version 9"), "{message}");
        let message = run("select * from numbers@x", 1).unwrap_err().to_string();
        assert!(message.contains("tickets@42"), "{message}");
    }
}
