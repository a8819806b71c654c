//! Job files: every text either is a valid job or gets an error with its location.

use retrocast_engine::{CheckOptions, Kinds, SqlError, check, render};
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct TestKinds;

impl Kinds for TestKinds {
    fn names(&self) -> Vec<String> {
        ["sql", "count"].map(str::to_string).into()
    }

    fn schema(&self, kind: &str) -> Option<Value> {
        Some(match kind {
            "sql" => json!({
                "type": "object",
                "properties": { "query": { "type": "string" } },
                "required": ["query"],
            }),
            "count" => json!({
                "type": "object",
                "properties": {
                    "input": { "type": "string", "x-dataset": true },
                    "time": { "type": ["string", "null"], "x-column": "input" },
                    "least": { "type": "number", "default": 1, "minimum": 0, "maximum": 100 },
                    "by": { "type": "array", "items": { "type": "string" } },
                },
                "required": ["input"],
            }),
            _ => return None,
        })
    }

    fn code_version(&self, _kind: &str) -> u32 {
        1
    }

    fn sql_tables(&self, query: &str) -> Result<BTreeSet<String>, SqlError> {
        let words: Vec<&str> = query.split_whitespace().collect();
        let tables = words.windows(2).filter(|pair| pair[0] == "from");
        Ok(tables.map(|pair| pair[1].to_string()).collect())
    }

    fn contract_exists(&self, name: &str) -> bool {
        name == "ticket"
    }

    fn contract_names(&self) -> Vec<String> {
        vec!["ticket".to_string()]
    }

    fn contract_hash(&self, _name: &str) -> String {
        String::new()
    }
}

/// Checks a text as a job file.
pub fn job(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let options = CheckOptions {
        name: "fuzz",
        file: "fuzz.toml",
        kinds: &TestKinds,
        set: &[],
        environment: &|_| None,
    };
    let checked = check(&text, &options);
    assert!(checked.job.is_some() || !checked.diagnostics.is_empty());
    for diagnostic in &checked.diagnostics {
        if let Some(span) = &diagnostic.span {
            let text = diagnostic.text.as_deref().unwrap_or(&text);
            assert!(
                text.get(span.clone()).is_some(),
                "the location is outside the text: {}",
                diagnostic.message
            );
        }
    }
    render(&checked.diagnostics, &text, false);
}
