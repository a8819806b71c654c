use super::*;
use arrow::{
    array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray},
    util::display::{ArrayFormatter, FormatOptions},
};
use arrow_schema::Field;

struct Fixture {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    tables: Vec<SqlTable>,
}

/// `tickets(at, component, minutes)` with `rows` rows, an hour apart from 2026-06-30T22:30Z.
fn batch(rows: usize) -> RecordBatch {
    let first = 1_782_858_600_000_000_i64;
    let at = (0..rows).map(|row| first + row as i64 * 3_600_000_000);
    let component = (0..rows).map(|row| format!("c{}", row * 7 % 5));
    let minutes = (0..rows).map(|row| (row as f64).sqrt() * 0.1);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC")),
        ),
        (
            "component",
            Arc::new(StringArray::from_iter_values(component)),
        ),
        ("minutes", Arc::new(Float64Array::from_iter_values(minutes))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

impl Fixture {
    fn new(rows: usize, threads: usize) -> Self {
        Self::with_batch(batch(rows), threads)
    }

    /// A fixture with a table `tickets` of the given columns.
    fn with_columns(columns: Vec<(&str, ArrayRef)>) -> Self {
        Self::with_batch(RecordBatch::try_from_iter(columns).unwrap(), 1)
    }

    fn with_batch(batch: RecordBatch, threads: usize) -> Self {
        let rows = batch.num_rows();
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        let lake = Lake::new(&folder.path().join("lake"), "job").unwrap();
        let parts = (0..rows)
            .step_by(5000)
            .map(|start| batch.slice(start, 5000.min(rows - start)));
        let dataset = runtime
            .block_on(lake.write_batches(
                "tickets",
                batch.schema(),
                parts.collect(),
                &Properties::new(),
            ))
            .unwrap();
        let tables = vec![SqlTable::dataset("tickets", dataset, None)];
        Self {
            folder,
            runtime,
            lake,
            tables,
        }
    }

    fn sql(&self, timezone: &str, memory_bytes: usize) -> Sql {
        let spill = self.folder.path().join("spill");
        Sql {
            pool: pool(memory_bytes, spill),
            timezone: timezone.into(),
        }
    }

    /// Runs a query and compares its rows.
    fn check_rows(&self, timezone: &str, query: &str, expected: &[&str]) {
        let rows = self.query(timezone, query);
        let rows = rows.unwrap_or_else(|error| panic!("{timezone}: {query}: {error}"));
        assert_eq!(rows, expected, "{timezone}: {query}");
    }

    fn query(&self, timezone: &str, query: &str) -> Result<Vec<String>, String> {
        let sql = self.sql(timezone, 256 << 20);
        let result = self
            .runtime
            .block_on(sql.query(&self.lake, query, &self.tables));
        result
            .map(|(_, batches)| format_rows(&batches))
            .map_err(|error| error.to_string())
    }
}

/// A pool that lets a query use `memory_bytes` of memory.
fn pool(memory_bytes: usize, folder: std::path::PathBuf) -> crate::ResourcePool {
    let limits = crate::Limits {
        memory: 2 * memory_bytes as u64,
        spill: 1 << 30,
        folder,
    };
    crate::ResourcePool::new(limits)
}

fn format_rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns.iter().map(|c| c.value(row).to_string()).collect();
            out.push(cells.join("|"));
        }
    }
    out
}

#[test]
fn tables_of_a_query_are_found() {
    let check = |sql: &str, expected: &[&str]| {
        let names: Vec<String> = tables(sql).unwrap().into_iter().collect();
        assert_eq!(names, expected, "{sql}");
    };
    check("select * from tickets", &["tickets"]);
    check("select 1", &[]);
    check(
        "with t as (select * from a) select * from t join b on t.x = b.x",
        &["a", "b"],
    );
    check(
        "select * from (select * from a) as s where x in (select y from c)",
        &["a", "c"],
    );
    check("select * from a, unnest(a.list) as u", &["a"]);
    check("select * from generate_series(1, 3)", &[]);
    check(
        "select * from Tickets union all select * from \"Tickets\"",
        &["Tickets", "tickets"],
    );
}

#[test]
fn statements_other_than_queries_are_rejected() {
    let check = |sql: &str, words: &str| {
        let error = tables(sql).unwrap_err().to_string();
        assert!(error.contains(words), "{sql}: {error}");
    };
    check("", "the query is empty");
    check("select 1; select 2", "there are 2 statements");
    check("drop table tickets", "DROP is not allowed");
    check("copy tickets to 'x.csv'", "COPY is not allowed");
    check(
        "create external table t stored as csv location 'x'",
        "CREATE is not allowed",
    );
    check("insert into t values (1)", "INSERT is not allowed");
    check("explain select 1", "EXPLAIN is not allowed");
    check(
        "select * from read_csv('/etc/passwd')",
        "table function read_csv is not allowed",
    );
    check(
        "select * from information_schema.tables",
        "there is no table information_schema.tables",
    );
    check("select *\nfrm tickets", "line 2, column");
    check("select 'open", "line 1, column");
}

#[test]
fn days_and_hours_are_local() {
    let fixture = Fixture::new(3, 2);
    let query = "select date_trunc('day', at) as day, cast(at as date) as date, \
                 extract(hour from at) as hour, count(*) as n from tickets group by 1, 2, 3";
    assert_eq!(
        fixture.query("UTC", query).unwrap(),
        [
            "2026-06-30T00:00:00Z|2026-06-30|22|1",
            "2026-06-30T00:00:00Z|2026-06-30|23|1",
            "2026-07-01T00:00:00Z|2026-07-01|0|1"
        ]
    );
    // London is an hour ahead in summer; its day begins at 23:00 UTC.
    assert_eq!(
        fixture.query("Europe/London", query).unwrap(),
        [
            "2026-06-29T23:00:00Z|2026-06-30|23|1",
            "2026-06-30T23:00:00Z|2026-07-01|0|1",
            "2026-06-30T23:00:00Z|2026-07-01|1|1"
        ]
    );
}

#[test]
fn sums_and_order_do_not_depend_on_threads_or_memory() {
    let query = "select component, sum(minutes) as total, avg(minutes) as mean, \
                 stddev(minutes) as spread from tickets group by component";
    let single = Fixture::new(60_000, 1);
    let expected = single.query("UTC", query).unwrap();
    assert_eq!(expected.len(), 5);
    assert!(expected.is_sorted());
    for _ in 0..3 {
        assert_eq!(
            Fixture::new(60_000, 4).query("UTC", query).unwrap(),
            expected
        );
    }
    let totals = "select sum(minutes) as total, count(*) as n from tickets";
    assert_eq!(
        Fixture::new(60_000, 4).query("UTC", totals).unwrap(),
        single.query("UTC", totals).unwrap()
    );
}

#[test]
fn selections_keep_the_order_of_the_dataset() {
    let fixture = Fixture::new(20_000, 4);
    let rows = fixture
        .query(
            "UTC",
            "select component, minutes from tickets where minutes > 1 limit 5",
        )
        .unwrap();
    let components: Vec<_> = rows.iter().map(|row| &row[..2]).collect();
    assert_eq!(
        components,
        ["c2", "c4", "c1", "c3", "c0"],
        "rows 101 to 105"
    );
    let sorted = fixture
        .query(
            "UTC",
            "select minutes from tickets order by at desc limit 2",
        )
        .unwrap();
    assert_eq!(sorted.len(), 2);
    assert!(sorted[0] > sorted[1]);
}

#[test]
fn large_sorts_spill_to_disk() {
    let fixture = Fixture::new(300_000, 2);
    let query = "select at, component, minutes from tickets order by component, minutes desc";
    let sql = fixture.sql("UTC", 6 << 20);
    let (_, spilled) = fixture
        .runtime
        .block_on(sql.query(&fixture.lake, query, &fixture.tables))
        .unwrap();
    assert!(format_rows(&spilled) == fixture.query("UTC", query).unwrap());
}

#[test]
fn rows_after_the_time_limit_are_excluded() {
    let mut fixture = Fixture::new(48, 2);
    let SqlRows::Dataset { before, .. } = &mut fixture.tables[0].rows else {
        panic!("the fixture has a dataset");
    };
    *before = Some(TimeLimit {
        column: "at".into(),
        end: "2026-07-01T00:00:00Z".parse().unwrap(),
        timezone: "UTC".into(),
    });
    let query = "select count(*) as n, max(at) as last from tickets";
    assert_eq!(
        fixture.query("Europe/London", query).unwrap(),
        ["2|2026-06-30T23:30:00Z"]
    );
}

#[test]
fn errors_are_explained() {
    let fixture = Fixture::new(3, 1);
    let check = |query: &str, words: &str| {
        let error = fixture.query("UTC", query).unwrap_err();
        assert!(error.contains(words), "{query}: {error}");
    };
    check(
        "select componnt from tickets",
        "there is no column componnt (line 1, column 8 of the query); did you mean component?",
    );
    check(
        "select colour from tickets",
        "columns are: at, component, minutes",
    );
    check("select * from tikets", "there is no dataset tikets");
    check(
        "select *\nfrom tickets\nwhere colour = 1",
        "line 3, column 7",
    );
    check(
        "select count(*), count(*) as n from tickets group by nope",
        "there is no column nope",
    );
    check(
        "select sum(tickets.minutes) from tickets",
        "give it a plain name with AS",
    );
    check(
        "select a.at, b.at from tickets a join tickets b on a.at = b.at",
        "give them different names with AS",
    );
    check(
        "select nosuch(at) as x from tickets",
        "there is no function nosuch (line 1, column 8 of the query)",
    );
    check(
        "select cuont(*) as x from tickets",
        "there is no function cuont (line 1, column 8 of the query); did you mean count?",
    );
    check("select at + component as x from tickets", "Cannot coerce");
}

#[test]
fn a_failing_query_writes_nothing() {
    let fixture = Fixture::new(3, 1);
    let sql = fixture.sql("UTC", 64 << 20);
    let write = |query: &str| {
        fixture.runtime.block_on(sql.query_to_dataset(
            &fixture.lake,
            &fixture.lake,
            query,
            &fixture.tables,
            "daily",
            &Properties::new(),
        ))
    };
    let error = write("select cast(component as integer) as x from tickets").unwrap_err();
    assert!(
        error.to_string().contains("Cannot cast string 'c0'"),
        "{error}"
    );
    assert_eq!(
        fixture
            .runtime
            .block_on(fixture.lake.latest("daily"))
            .unwrap(),
        None
    );
    let written = write("select component, count(*) as n from tickets group by 1").unwrap();
    assert_eq!(
        (written.name.as_str(), written.version, written.rows),
        ("daily", 1, 3)
    );
    let empty = write("select component from tickets where minutes > 1e9").unwrap();
    assert_eq!((empty.version, empty.rows), (2, 0));
    let frame = fixture
        .runtime
        .block_on(fixture.lake.read_frame(&empty, &crate::Scan::default()))
        .unwrap();
    assert_eq!((frame.height(), frame.width()), (0, 1));
}

#[test]
fn a_query_is_checked_without_data() {
    let fixture = Fixture::new(1, 1);
    let tables = vec![("tickets".to_string(), batch(1).schema())];
    let check = |query: &str| fixture.sql("Europe/London", 1 << 20).check(query, &tables);
    let schema =
        check("select date_trunc('day', at) as day, count(*) as n from tickets group by 1")
            .unwrap();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(schema.field(0), &Field::new("day", utc, true));
    assert!(
        check("select minuts from tickets")
            .unwrap_err()
            .to_string()
            .contains("did you mean minutes?")
    );
}

mod checks;
mod limits;
mod numbers;
mod times;
mod zones;
