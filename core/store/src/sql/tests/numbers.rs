//! Whole numbers that do not wrap around, and NaN as a missing value.

use super::*;
use arrow::array::Int64Array;

const QUARTER: i64 = 1 << 62;

/// `tickets(id, bytes, part, zero, grp)`: bytes with a sum of three quarters of 2^64, and parts
/// with a NaN.
fn fixture(descending: bool) -> Fixture {
    let arrange = |mut rows: Vec<f64>| {
        if descending {
            rows.reverse();
        }
        rows
    };
    Fixture::with_columns(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("bytes", Arc::new(Int64Array::from(vec![QUARTER; 3]))),
        (
            "part",
            Arc::new(Float64Array::from(arrange(vec![f64::NAN, 1.0, 3.0]))),
        ),
        ("zero", Arc::new(Float64Array::from(vec![0.0; 3]))),
        ("grp", Arc::new(StringArray::from(vec!["g"; 3]))),
    ])
}

#[test]
fn an_overflow_is_an_error_that_names_the_expression() {
    let fixture = fixture(false);
    for (query, words) in [
        (
            "select sum(bytes) as x from tickets",
            "sum(tickets.bytes) does not fit in",
        ),
        (
            "select grp, sum(bytes) as x from tickets group by grp",
            "does not fit in a whole number",
        ),
        (
            "select sum(bytes) over () as x from tickets",
            "does not fit in a whole number",
        ),
        (
            "select sum(bytes) over (order by id) as x from tickets",
            "does not fit in a whole number",
        ),
        (
            "select sum(distinct bytes - id) over (order by id rows 2 preceding) as x from tickets",
            "does not fit in a whole number",
        ),
        (
            "select bytes * 4 as x from tickets",
            "tickets.bytes * 4 does not fit in",
        ),
        (
            "select bytes + bytes as x from tickets",
            "tickets.bytes + tickets.bytes does not fit in",
        ),
        (
            "select -bytes - bytes - 1 as x from tickets",
            "(0 - tickets.bytes) - tickets.bytes) - 1",
        ),
        (
            "select id from tickets where bytes * 2 > 5",
            "does not fit in a whole number",
        ),
        (
            "select 9223372036854775807 + 1 as x",
            "9223372036854775807 + 1 does not fit in",
        ),
        (
            "select cast(2000000000 as int) * cast(2 as int) as x",
            "of type Int32",
        ),
        (
            "select max(bytes * id) as x from tickets",
            "does not fit in a whole number",
        ),
    ] {
        let error = fixture.query("UTC", query).unwrap_err();
        assert!(error.contains(words), "{query}: {error}");
    }
}

#[test]
fn results_without_overflow_are_exact() {
    let fixture = fixture(false);
    for (query, expected) in [
        (
            "select sum(bytes - 3074457345618258604) as x from tickets",
            "4611686018427387900",
        ),
        (
            "select sum(case when id = 3 then 1 - bytes else bytes end) - 1 as x from tickets",
            "4611686018427387904",
        ),
        (
            "select sum(distinct bytes) as x from tickets",
            "4611686018427387904",
        ),
        (
            "select sum(cast(bytes as double)) as x from tickets",
            "1.3835058055282164e19",
        ),
        (
            "select avg(bytes) as x from tickets",
            "4.611686018427388e18",
        ),
        (
            "select cast(sum(cast(bytes as decimal(20, 0))) as text) as x from tickets",
            "13835058055282163712",
        ),
        ("select sum(id) as x from tickets where id > 5", "null"),
        (
            "select sum(id) filter (where id > 1) as x from tickets",
            "5",
        ),
        ("select sum(cast(id as tinyint)) as x from tickets", "6"),
        ("select median(id) as x from tickets where id < 3", "1.5"),
        (
            "select max(s) as x from (select sum(id) over (order by id rows 1 preceding) as s from tickets)",
            "5",
        ),
        (
            "select max(s) as x from (select sum(distinct id / 2) over (order by id rows 1 preceding) as s from tickets)",
            "1",
        ),
        ("select 2 * 3 - -4 as x limit 1 + 1", "10"),
        ("select cast(-5 as int) - cast(null as int) as x", "null"),
    ] {
        fixture.check_rows("UTC", query, &[expected]);
    }
    // Partial sums may overflow; only the total must fit.
    let rows = Int64Array::from(vec![i64::MAX, i64::MAX, -i64::MAX, -i64::MAX, 7]);
    let fixture = Fixture::with_columns(vec![("n", Arc::new(rows))]);
    fixture.check_rows("UTC", "select sum(n) as x from tickets", &["7"]);
}

#[test]
fn nan_is_missing_in_any_order_of_rows() {
    for descending in [false, true] {
        let fixture = fixture(descending);
        for part in ["part", "part + zero", "zero / zero + part"] {
            let is_part = part.starts_with("part");
            let expected = if is_part {
                "1.0|3.0|2.0|4.0|2|2.0"
            } else {
                "null|null|null|null|0|null"
            };
            let query = format!(
                "select min({part}) as a, max({part}) as b, avg({part}) as c, sum({part}) as d, \
                 count({part}) as e, median({part}) as f from tickets"
            );
            fixture.check_rows("UTC", &query, &[expected]);
            fixture.check_rows("UTC", &format!("{query} group by grp"), &[expected]);
        }
        fixture.check_rows(
            "UTC",
            "select distinct round(stddev(part), 3) as s, approx_percentile_cont(part, 0.5) as p, \
             count(distinct part) as n from tickets",
            &["1.414|2.0|2"],
        );
        fixture.check_rows(
            "UTC",
            "select distinct max(part) over (partition by grp) as m, min(part) over () as n \
             from tickets",
            &["3.0|1.0"],
        );
        // Results contain no NaN.
        fixture.check_rows(
            "UTC",
            "select part, isnan(part) as nan from tickets order by part",
            &["1.0|false", "3.0|false", "null|true"],
        );
    }
}
