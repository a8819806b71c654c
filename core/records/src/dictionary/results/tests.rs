use super::*;
use crate::read::quarantine;
use retrocast_domain::{Effect, Finding, Kpi, Magnitude, report::SourceNote};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn table(name: &str) -> ResultTable {
    let all = results();
    let named: Vec<_> = all.iter().filter(|table| table.name == name).collect();
    assert_eq!(named.len(), 1, "{name}");
    *named[0]
}

/// The names of a table's columns, without nested columns.
fn top_level_columns(name: &str) -> BTreeSet<String> {
    let columns = table(name).columns.iter().map(|column| column.name);
    columns
        .filter(|name| !name.contains('.'))
        .map(str::to_string)
        .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// Compares the described columns with the fields of the serialized types.
#[test]
fn descriptions_match_the_serialized_types() {
    let mut finding = Finding::new("rhythm", "weekday_effect", "all", "Monday");
    finding.magnitude = Some(Magnitude::interval95(1.7, 1.5, 1.9, "ratio"));
    let finding = serde_json::to_value(finding).unwrap();
    assert_eq!(keys(&finding), top_level_columns("findings"));
    let nested = keys(&finding["magnitude"]);
    for name in &nested {
        let path = format!("magnitude.{name}");
        assert!(
            table("findings").columns.iter().any(|c| c.name == path),
            "{path}"
        );
    }
    let kpi: Kpi = serde_json::from_value(json!({
        "name": "", "subject": "", "value": null, "interval": null, "unit": "", "text": "",
        "interval_text": "", "previous": null, "delta_text": "", "baseline": null,
        "baseline_delta_text": "", "significant": false, "direction": "none",
        "lower_is_better": false, "target": null, "target_text": "", "history": [], "n": 0,
    }))
    .unwrap();
    assert_eq!(
        keys(&serde_json::to_value(kpi).unwrap()),
        top_level_columns("kpis")
    );
    let effect: Effect = serde_json::from_value(json!({
        "improvement": "", "title": "", "date": "", "metric": "", "unit": "",
        "lower_is_better": true, "before": 1, "after": 1, "counterfactual": 1,
        "absolute": [0, 0, 0], "relative": [0, 0, 0], "placebo_p": 1, "placebos": 0,
        "days_before": 0, "days_after": 0, "controls": [], "verdict": "works",
    }))
    .unwrap();
    assert_eq!(
        keys(&serde_json::to_value(effect).unwrap()),
        top_level_columns("effects")
    );
    let note: SourceNote = serde_json::from_value(json!({
        "name": "", "uri": "", "contract": "", "files": 0, "records": 0, "accepted": 0,
        "quarantined": [], "duplicates": 0, "broken_files": [], "unknown_fields": [],
        "first_time": "", "last_time": "",
    }))
    .unwrap();
    assert_eq!(
        keys(&serde_json::to_value(note).unwrap()),
        top_level_columns("sources")
    );
    let names: Vec<String> = quarantine::schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let columns = table("quarantine").columns.iter().map(|column| column.name);
    assert_eq!(names, columns.collect::<Vec<_>>());
}

#[test]
fn every_column_has_a_description() {
    let mut names = BTreeSet::new();
    for table in results() {
        assert!(names.insert(table.name) && table.description.ends_with('.'));
        for column in table.columns {
            assert!(
                column.description.ends_with('.'),
                "{} {}",
                table.name,
                column.name
            );
        }
    }
}
