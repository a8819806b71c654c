//! Queries that are too deep or too long, and queries just within the limits.

use super::*;

#[test]
fn queries_that_are_too_deep_or_long_are_refused_with_a_location() {
    let fixture = Fixture::new(1, 1);
    let schema = [("tickets".to_string(), batch(1).schema())];
    let refused = |query: String, words: &str| {
        let message = tables(&query).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        let checked = fixture.sql("UTC", 64 << 20).check(&query, &schema);
        assert_eq!(checked.unwrap_err().to_string(), message);
        assert_eq!(fixture.query("UTC", &query).unwrap_err(), message);
    };
    let sum = |n: usize| vec!["1"; n].join(" + ");
    let deep = "nested too deep (line 2, column 3 of the query); move a part of it";
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
        "the query has 292 KiB, at most 256 are",
    );
}

#[test]
fn queries_just_below_the_limits_run() {
    let fixture = Fixture::new(1, 1);
    let run = |query: String| fixture.query("UTC", &query).unwrap();
    let column = vec!["minutes"; 256].join(" + ");
    assert_eq!(run(format!("select {column} as x from tickets")), ["0.0"]);
    let terms: Vec<String> = (0..199).map(|n| format!("component = 'd{n}'")).collect();
    assert_eq!(
        run(format!(
            "select 1 as x from tickets where not ({})",
            terms.join(" or ")
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
    // Many values are not deeply nested.
    let values: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    assert_eq!(
        run(format!(
            "select 1 as x from tickets where minutes in ({})",
            values.join(", ")
        )),
        ["1"]
    );
}
