use super::*;
use arrow::{
    array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray},
    util::display::{ArrayFormatter, FormatOptions},
};
use arrow_schema::Field;

struct Bench {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    tables: Vec<SqlTable>,
}

/// `tickets(at, component, minutes)`, `rows` of them, an hour apart from 2026-06-30T22:30Z.
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

impl Bench {
    fn new(rows: usize, threads: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        let lake = Lake::new(&folder.path().join("lake"), "job").unwrap();
        let batch = batch(rows);
        let parts = (0..rows)
            .step_by(5000)
            .map(|at| batch.slice(at, 5000.min(rows - at)));
        let dataset = runtime
            .block_on(lake.write_batches(
                "tickets",
                batch.schema(),
                parts.collect(),
                &Properties::new(),
            ))
            .unwrap();
        let tables = vec![SqlTable {
            name: "tickets".into(),
            dataset,
            before: None,
        }];
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
            memory_bytes,
            spill,
            timezone: timezone.into(),
        }
    }

    fn query(&self, timezone: &str, query: &str) -> Result<Vec<String>, String> {
        let sql = self.sql(timezone, 256 << 20);
        let found = self
            .runtime
            .block_on(sql.query(&self.lake, query, &self.tables));
        found
            .map(|(_, batches)| text(&batches))
            .map_err(|error| error.to_string())
    }
}

fn text(batches: &[RecordBatch]) -> Vec<String> {
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
fn tables_of_a_query() {
    let check = |sql: &str, expected: &[&str]| {
        let found: Vec<String> = tables(sql).unwrap().into_iter().collect();
        assert_eq!(found, expected, "{sql}");
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
fn what_is_not_a_query_is_refused() {
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
    let bench = Bench::new(3, 2);
    let query = "select date_trunc('day', at) as day, cast(at as date) as date, \
                 extract(hour from at) as hour, count(*) as n from tickets group by 1, 2, 3";
    assert_eq!(
        bench.query("UTC", query).unwrap(),
        [
            "2026-06-30T00:00:00Z|2026-06-30|22|1",
            "2026-06-30T00:00:00Z|2026-06-30|23|1",
            "2026-07-01T00:00:00Z|2026-07-01|0|1"
        ]
    );
    // London is an hour ahead in summer; its day begins at 23:00 UTC.
    assert_eq!(
        bench.query("Europe/London", query).unwrap(),
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
    let one = Bench::new(60_000, 1);
    let expected = one.query("UTC", query).unwrap();
    assert_eq!(expected.len(), 5);
    assert!(expected.is_sorted());
    for _ in 0..3 {
        assert_eq!(Bench::new(60_000, 4).query("UTC", query).unwrap(), expected);
    }
    let whole = "select sum(minutes) as total, count(*) as n from tickets";
    assert_eq!(
        Bench::new(60_000, 4).query("UTC", whole).unwrap(),
        one.query("UTC", whole).unwrap()
    );
}

#[test]
fn a_query_that_only_picks_keeps_the_order_of_the_dataset() {
    let bench = Bench::new(20_000, 4);
    let rows = bench
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
    let sorted = bench
        .query(
            "UTC",
            "select minutes from tickets order by at desc limit 2",
        )
        .unwrap();
    assert_eq!(sorted.len(), 2);
    assert!(sorted[0] > sorted[1]);
}

#[test]
fn large_sorts_go_to_disk() {
    let bench = Bench::new(300_000, 2);
    let query = "select at, component, minutes from tickets order by component, minutes desc";
    let sql = bench.sql("UTC", 6 << 20);
    let (_, small) = bench
        .runtime
        .block_on(sql.query(&bench.lake, query, &bench.tables))
        .unwrap();
    assert!(text(&small) == bench.query("UTC", query).unwrap());
}

#[test]
fn later_rows_are_not_seen() {
    let mut bench = Bench::new(48, 2);
    bench.tables[0].before = Some(Before {
        column: "at".into(),
        end: "2026-07-01T00:00:00Z".parse().unwrap(),
        timezone: "UTC".into(),
    });
    let query = "select count(*) as n, max(at) as last from tickets";
    assert_eq!(
        bench.query("Europe/London", query).unwrap(),
        ["2|2026-06-30T23:30:00Z"]
    );
}

#[test]
fn mistakes_are_explained() {
    let bench = Bench::new(3, 1);
    let check = |query: &str, words: &str| {
        let error = bench.query("UTC", query).unwrap_err();
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
        "name them apart with AS",
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
    let bench = Bench::new(3, 1);
    let sql = bench.sql("UTC", 64 << 20);
    let write = |query: &str| {
        bench.runtime.block_on(sql.query_to_dataset(
            &bench.lake,
            query,
            &bench.tables,
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
        bench.runtime.block_on(bench.lake.latest("daily")).unwrap(),
        None
    );
    let written = write("select component, count(*) as n from tickets group by 1").unwrap();
    assert_eq!(
        (written.name.as_str(), written.version, written.rows),
        ("daily", 1, 3)
    );
    let none = write("select component from tickets where minutes > 1e9").unwrap();
    assert_eq!((none.version, none.rows), (2, 0));
    let frame = bench
        .runtime
        .block_on(bench.lake.read_frame(&none, &crate::Scan::default()))
        .unwrap();
    assert_eq!((frame.height(), frame.width()), (0, 1));
}

#[test]
fn a_query_is_checked_without_data() {
    let bench = Bench::new(1, 1);
    let tables = vec![("tickets".to_string(), batch(1).schema())];
    let check = |query: &str| bench.sql("Europe/London", 1 << 20).check(query, &tables);
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

/// Midnights around which clocks change, and ordinary ones: zone, first and last day.
const WEEKS: [(&str, &str, &str); 8] = [
    ("UTC", "2026-06-29", "2026-07-06"),
    ("Europe/Berlin", "2026-06-29", "2026-07-06"),
    ("Europe/Berlin", "2026-03-29", "2026-03-30"),
    ("Europe/Berlin", "2026-10-25", "2026-10-26"),
    ("America/New_York", "2026-11-01", "2026-11-02"),
    ("Asia/Kolkata", "2026-06-29", "2026-07-06"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-05"),
    // Midnight itself is skipped.
    ("America/Santiago", "2026-09-06", "2026-09-07"),
];

#[test]
fn instants_compare_rightly_in_every_zone() {
    for (zone, first, last) in WEEKS {
        let instant = |day: &str| {
            let day: jiff::civil::Date = day.parse().unwrap();
            let tz = jiff::tz::TimeZone::get(zone).unwrap();
            day.to_zoned(tz).unwrap().timestamp()
        };
        let (start, end) = (instant(first), instant(last));
        // A record each quarter of an hour, from a day before to a day after.
        let quarter = 900_000_000;
        let from = start.as_microsecond() - 86_400_000_000;
        let to = end.as_microsecond() + 86_400_000_000;
        let at: Vec<i64> = (from..to).step_by(quarter as usize).collect();
        let inside = (end.as_microsecond() - start.as_microsecond()) / quarter;
        let times = TimestampMicrosecondArray::from(at).with_timezone("UTC");
        let rows = RecordBatch::try_from_iter([("at", Arc::new(times) as ArrayRef)]).unwrap();
        let mut bench = Bench::new(1, 1);
        let written = bench.runtime.block_on(bench.lake.write_batches(
            "tickets",
            rows.schema(),
            vec![rows],
            &Properties::new(),
        ));
        bench.tables[0].dataset = written.unwrap();
        let quarters = |condition: String| {
            let query =
                format!("select count(*) as n, min(at) as first from tickets where {condition}");
            bench.query(zone, &query).unwrap()
        };
        let expected = [format!("{inside}|{start}")];
        let literal = |at: jiff::Timestamp| format!("TIMESTAMPTZ(6) '{at}'");
        let (start, end) = (literal(start), literal(end));
        let found = quarters(format!("at >= {start} and at < {end}"));
        assert_eq!(found, expected, "{zone} {first}");
        // Days begin at midnight in the zone.
        let found = quarters(format!("at >= DATE '{first}' and DATE '{last}' > at"));
        assert_eq!(found, expected, "{zone} {first}");
        let found = quarters(format!(
            "at between DATE '{first}' and DATE '{last}' and at not in (DATE '{last}')"
        ));
        assert_eq!(found, expected, "{zone} {first}");
        let found = quarters(format!(
            "cast(at as date) >= {start} and cast(at as date) < {end}"
        ));
        assert_eq!(found, expected, "{zone} {first}");
        let found = quarters(format!(
            "exists (select 1 from (select DATE '{first}' as a, DATE '{last}' as b) as w \
             where tickets.at >= w.a and tickets.at < w.b)"
        ));
        assert_eq!(found, expected, "{zone} {first}");
        let days = "select cast(at as date) as day, count(*) as n from tickets group by 1";
        let days = bench.query(zone, days).unwrap();
        let of_day = days.iter().find(|row| row.starts_with(first)).unwrap();
        if last.ends_with(&format!("{:02}", first[8..].parse::<u8>().unwrap() + 1)) {
            assert_eq!(*of_day, format!("{first}|{inside}"), "{zone}");
        }
    }
}

#[test]
fn times_inside_of_lists_are_local_too() {
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![1_782_858_600_000_000]).with_timezone("UTC"));
    let of = at.data_type().clone();
    let parts = arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("at", of, true)),
        Arc::clone(&at),
    )]);
    let list = arrow::array::ListArray::new(
        Arc::new(Field::new("item", parts.data_type().clone(), true)),
        arrow::buffer::OffsetBuffer::from_lengths([1]),
        Arc::new(parts),
        None,
    );
    let rows = RecordBatch::try_from_iter([("updates", Arc::new(list) as ArrayRef)]).unwrap();
    let mut bench = Bench::new(1, 1);
    let written = bench.runtime.block_on(bench.lake.write_batches(
        "tickets",
        rows.schema(),
        vec![rows],
        &Properties::new(),
    ));
    bench.tables[0].dataset = written.unwrap();
    let query = "select extract(hour from u['at']) as hour, u \
                 from (select unnest(updates) as u from tickets)";
    assert_eq!(
        bench.query("UTC", query).unwrap(),
        ["22|{at: 2026-06-30T22:30:00Z}"]
    );
    assert_eq!(
        bench.query("Asia/Kolkata", query).unwrap(),
        ["4|{at: 2026-06-30T22:30:00Z}"]
    );
}

#[test]
fn dates_end_with_the_local_day() {
    let check = |zone: &str, end: &str, first_left_out: i32| {
        let before = Before {
            column: "day".into(),
            end: end.parse().unwrap(),
            timezone: zone.into(),
        };
        let text = before.expression(&DataType::Date32).unwrap().to_string();
        let day = jiff::civil::date(2026, 6, first_left_out as i8);
        assert!(text.contains(&day.to_string()), "{zone} {end}: {text}");
    };
    check("UTC", "2026-06-29T00:00:00Z", 29);
    check("UTC", "2026-06-29T00:00:01Z", 30);
    check("Europe/Berlin", "2026-06-28T22:00:00Z", 29);
    check("America/New_York", "2026-06-29T04:00:00Z", 29);
    check("America/New_York", "2026-06-29T00:00:00Z", 29);
}

#[test]
fn queries_that_are_too_deep_or_long_are_refused_at_their_place() {
    let bench = Bench::new(1, 1);
    let schema = [("tickets".to_string(), batch(1).schema())];
    let refused = |query: String, words: &str| {
        let told = tables(&query).unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
        let checked = bench.sql("UTC", 64 << 20).check(&query, &schema);
        assert_eq!(checked.unwrap_err().to_string(), told);
        assert_eq!(bench.query("UTC", &query).unwrap_err(), told);
    };
    let sum = |n: usize| vec!["1"; n].join(" + ");
    let deep = "nested too deep (line 2, column 3 of the query); let a stage of its own";
    refused(format!("select\n  {} as x", sum(20_000)), deep);
    refused(
        format!(
            "select\n  minutes{} as x from tickets",
            "::float".repeat(20_000)
        ),
        deep,
    );
    refused(
        format!("select\n  {} as x", vec!["true"; 9000].join(" and ")),
        deep,
    );
    refused(
        format!("select\n{}1{} as x", "(".repeat(20_000), ")".repeat(20_000)),
        "nested too deep (line 2, column 20000 of the query)",
    );
    refused(
        format!("select {} true as x", "not ".repeat(20_000)),
        "(line 1, column",
    );
    refused(
        format!("select {}1 as x", "- ".repeat(20_000)),
        "nested too deep",
    );
    refused(
        vec!["select 1 as x"; 10_000].join(" union all "),
        "SELECTs and tables (line 1,",
    );
    let joins: String = (0..5000)
        .map(|n| format!(" join tickets t{n} on true"))
        .collect();
    refused(
        format!("select 1 as x from tickets{joins}"),
        "SELECTs and tables (line 1,",
    );
    let parts: Vec<String> = (1..2000)
        .map(|n| format!("t{n} as (select * from t{})", n - 1))
        .collect();
    refused(
        format!(
            "with t0 as (select 1 as x), {} select * from t1999",
            parts.join(", ")
        ),
        "SELECTs and tables (line 1,",
    );
    refused(
        format!("select '{}' as x", "x".repeat(300_000)),
        "the query has 292 KiB, 256 are",
    );
}

#[test]
fn queries_just_below_the_limits_run() {
    let bench = Bench::new(1, 1);
    let run = |query: String| bench.query("UTC", &query).unwrap();
    let column = vec!["minutes"; 256].join(" + ");
    assert_eq!(run(format!("select {column} as x from tickets")), ["0.0"]);
    let any: Vec<String> = (0..199).map(|n| format!("component = 'd{n}'")).collect();
    assert_eq!(
        run(format!(
            "select 1 as x from tickets where not ({})",
            any.join(" or ")
        )),
        ["1"]
    );
    let nested = format!("{}minutes{}", "abs(".repeat(40), ")".repeat(40));
    assert_eq!(run(format!("select {nested} as x from tickets")), ["0.0"]);
    let united = vec!["select 1 as x from tickets"; 50].join(" union all ");
    assert_eq!(run(united).len(), 50);
    let joins: String = (0..98)
        .map(|n| format!(" join tickets t{n} on tickets.at = t{n}.at"))
        .collect();
    assert_eq!(run(format!("select 1 as x from tickets{joins}")), ["1"]);
    let parts: Vec<String> = (1..49)
        .map(|n| format!("t{n} as (select *, {n} as c{n} from t{})", n - 1))
        .collect();
    let chain = format!(
        "with t0 as (select 1 as x), {} select x from t48",
        parts.join(", ")
    );
    assert_eq!(run(chain), ["1"]);
    // Many values are no nesting.
    let many: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    assert_eq!(
        run(format!(
            "select 1 as x from tickets where minutes in ({})",
            many.join(", ")
        )),
        ["1"]
    );
}
