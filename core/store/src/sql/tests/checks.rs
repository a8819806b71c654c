//! Errors that a check finds before a run does.

use super::*;

fn check_query(query: &str) -> Result<SchemaRef, String> {
    let fixture = Fixture::new(1, 1);
    let tables = vec![("tickets".to_string(), batch(1).schema())];
    let sql = fixture.sql("Europe/Berlin", 64 << 20);
    sql.check(query, &tables).map_err(|error| error.to_string())
}

#[test]
fn queries_that_fail_are_rejected_by_the_check() {
    for (query, expected) in [
        (
            "select component, exists (select 1 from tickets t where t.at > tickets.at) as later\n\
             from tickets",
            "EXISTS cannot be computed here (line 1, column 19 of the query); use it as",
        ),
        (
            "select component, (select t.minutes from tickets t where t.at > tickets.at) as later \
             from tickets",
            "must be aggregated",
        ),
        (
            "select component, (select max(at) from tickets t where t.at > tickets.at) as x from tickets",
            "this subquery cannot be computed here; use it as",
        ),
        ("select at + component as x from tickets", "Cannot coerce"),
        (
            "select cast('abc' as integer) as x from tickets",
            "Cannot cast string 'abc'",
        ),
        (
            "select at > 'yesterday' as x from tickets",
            "\"yesterday\" cannot be read as a time",
        ),
        (
            "select 9223372036854775807 + 1 as x from tickets",
            "does not fit in a whole number",
        ),
        (
            "select date_trunc('eon', at) as x from tickets",
            "unknown unit \"eon\"",
        ),
        ("select minutes from tickets where component", "boolean"),
        ("select sum(component) as x from tickets", "sum"),
    ] {
        let error = check_query(query).expect_err(query);
        assert!(error.contains(expected), "{query}: {error}");
        let result = Fixture::new(1, 1).query("Europe/Berlin", query);
        assert!(result.is_err(), "{query}: {result:?}");
    }
}

#[test]
fn accepted_queries_run_with_the_schema_of_the_check() {
    for query in [
        "select to_timestamp(component || ' 2026', '%Y', 'c%d %Y') as x from tickets where false",
        "select component from tickets where exists (select 1 from tickets t where t.at = tickets.at)",
        "select component from tickets where at = (select max(at) from tickets)",
        "select component from tickets where at in (select at from tickets)",
        "select component, (select max(at) from tickets t where t.component = tickets.component) as x from tickets",
        "select median(length(component)) as x, sum(length(component)) as y from tickets",
        "select case when minutes > 5 then 1 / 0 else 1 end as x from tickets",
        "select date_bin(interval '1 day', at) as day, count(*) as n from tickets group by 1",
        "select lag(minutes) over (order by at) as x, row_number() over (order by at) as n from tickets",
        "select unnest(range(3)) as n, now() > at as past, random() < 2 as r from tickets",
        "select array_agg(component order by at) as parts, current_date as d from tickets",
        "select * from tickets t join (values (1, 'c0')) as v (n, c) on v.c = t.component",
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select i from n",
        "select regexp_like(component, '^c') as r, split_part(component, 'c', 2) as s from tickets",
    ] {
        let schema = check_query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let fixture = Fixture::new(1, 1);
        let sql = fixture.sql("Europe/Berlin", 64 << 20);
        let result = fixture
            .runtime
            .block_on(sql.query(&fixture.lake, query, &fixture.tables));
        let (run_schema, _) = result.unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(run_schema, schema, "{query}");
    }
}
