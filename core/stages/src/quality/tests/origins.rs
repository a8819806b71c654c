//! The origin of refused records is read from their raw text.

use super::*;

/// Two components with 420 records each, and a refused record for each string in `raw`.
fn input_with_refused(raw: &[String]) -> Input {
    let frame = records("2026-10-05", 42, &["a", "b"], |_, _| 10);
    let mut input = input("tickets", frame);
    let count = raw.len() as u64;
    input.source = Some(source(840 + count, count, 0));
    let raw = Column::new("raw".into(), raw.to_vec());
    let frame = DataFrame::new(count as usize, vec![raw]).expect("a frame");
    input.refused = Some(frame.into());
    input
}

fn lines(n: usize, raw: &str) -> Vec<String> {
    vec![raw.to_string(); n]
}

#[test]
fn values_are_read_from_complete_and_truncated_records() {
    let check = |raw: &str, row: &[&str]| {
        let input = input_with_refused(&lines(3, raw));
        let analysis = analyse_with(input, json!({"by": "component"})).expect("an analysis");
        let table = analysis.cell.tables.last().expect("a table");
        assert_eq!(table.caption, "Records of tickets left out, by component.");
        let printed = table.rows.iter().find(|printed| printed[2] == "3");
        let printed = printed.map(|printed| printed[..3].to_vec());
        let printed = printed.unwrap_or_default();
        assert_eq!(printed, row, "{raw}");
    };
    check(r#"{"component": "a", "n": "x"}"#, &["a", "423", "3"]);
    check(
        r#"{"n": 1, "component" : "b", "text": "cut of…"#,
        &["b", "423", "3"],
    );
    // A key in a nested record is not a key of the record itself.
    check(
        r#"{"other": {"component": "a"}, "component": "b"}"#,
        &["b", "423", "3"],
    );
    check(r#"{"component": 7}"#, &["7", "3", "3"]);
    check(r#"{"component": null}"#, &["(not known)", "3", "3"]);
    check(r#"{"component": ["a"]}"#, &["(not known)", "3", "3"]);
    check("a,b,c", &["(not known)", "3", "3"]);
    check(
        r#"{"text": "\"component\" is", "component": "#,
        &["(not known)", "3", "3"],
    );
    // Records after the window are not counted.
    check(r#"{"component": "a", "at": "2026-11-16T00:00:00Z"}"#, &[]);
    check(
        r#"{"component": "a", "at": "2026-11-15T23:59:59Z"}"#,
        &["a", "423", "3"],
    );
    check(r#"{"component": "a", "at": "soon"}"#, &["a", "423", "3"]);
}

#[test]
fn a_component_that_loses_more_than_others_is_reported() {
    let raw = |a: usize, b: usize| {
        let mut raw = lines(a, r#"{"component": "a"}"#);
        raw.extend(lines(b, r#"{"component": "b"}"#));
        input_with_refused(&raw)
    };
    let check = |a: usize, b: usize, expected: &[&str]| {
        let params = json!({"by": "component", "flag_below": {"score": 50}});
        let analysis = analyse_with(raw(a, b), params).expect("an analysis");
        super::check(&analysis, expected);
        analysis
    };
    check(20, 20, &[]);
    check(9, 0, &[]);
    check(30, 20, &[]);
    let analysis = check(60, 12, &["tickets left out"]);
    let finding = &analysis.cell.findings[0];
    assert_eq!(finding.subject, "component = a");
    // 60 of 480 is 12.5 %, 12 of 432 is 2.78 %: 4.5 times.
    assert_eq!(
        plain(&finding.sentence),
        "12.5 % of the records of a in tickets were left out, 60 of 480: 4.5 times as \
         high as the share of all others (95 % interval 2.4 to 8.4 times)."
    );
    assert!(finding.p_adjusted.is_some_and(|p| p < 0.001));
}

#[test]
fn a_column_in_no_source_is_reported() {
    let analysis =
        analyse_with(input_with_refused(&[]), json!({"by": "team"})).expect("an analysis");
    assert!(
        analysis
            .cell
            .caveats
            .iter()
            .any(|c| c.contains("No source has the column team"))
    );
}
