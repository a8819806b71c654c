//! Runs the corpora of the fuzz targets, and inputs derived from them, without a fuzzer.

#[path = "../../../tests/fuzz/src/pass.rs"]
mod pass;
#[path = "../../../tests/fuzz/src/records.rs"]
mod records;

use pass::Target;
use std::path::PathBuf;

const JSON: &[&str] = &[
    "{\"id\":\"a\",\"n\":1}",
    "\n",
    "\r\n",
    "\u{feff}",
    "[[[[[[[[[[[[[[[[",
    "{\"z\":{\"z\":{\"z\":",
    "\"any\":",
    "\"at\":\"2026-01-01T00:00:00Z\"",
    "\"day\":\"2026-02-30\"",
    "\"tags\":[\"\"]",
    "\"who\":{\"name\":\"a\"}",
    "\"steps\":[{\"at\":0}]",
    "\"mail\":\"a@example.org\"",
    "null",
    "true",
    "-0",
    "1e999",
    "1e-999",
    "9223372036854775808",
    "-9223372036854775809",
    "0.1000000000000000055511151231257827021181583404541015625",
    "9999-12-31T23:59:60Z",
    "\\u0000",
    "\\ud800",
    "\\udfff\\ud800",
    "\\",
];
const CSV: &[&str] = &[
    "id,n,tags,z\n",
    "a,1\n",
    "\"",
    "\"\"",
    "\",\"",
    ",,,,",
    ";",
    "\t",
    "|",
    "'",
    "#",
    "\r",
    "\r\n",
    "\n\n",
    "\u{feff}",
    "[1,",
    "{\"name\":",
    "2026-01-01",
    "1e999",
    "TRUE",
    "\u{a0}",
];
const CONTRACT: &[&str] = &[
    "[field.a]\n",
    "[field.a.field.b]\n",
    "type = \"struct\"\n",
    "type = \"list<struct>\"\n",
    "type = \"timestamp\"\n",
    "key = [\"id\"]\n",
    "latest = \"at\"\n",
    "unknown = \"keep\"\n",
    "personal = \"hash\"\n",
    "pattern = \"(a|b)*c{1,1000}\"\n",
    "pattern = \"[\"\n",
    "allowed = []\n",
    "default = 1\n",
    "min = 1979-05-27T07:32:00Z\n",
    "max = -inf\n",
    "nan",
    "\"\"\"",
    "'''",
    "a.b.c.",
    "[[",
    "]]",
    "{a={a={a=",
    "\\u0000",
    "\u{e9}",
];

const JSONL_TARGET: Target = Target {
    name: "jsonl",
    run: records::jsonl,
    words: JSON,
};
const JSON_ARRAY_TARGET: Target = Target {
    name: "json_array",
    run: records::json_array,
    words: JSON,
};
const CSV_TARGET: Target = Target {
    name: "csv",
    run: records::csv,
    words: CSV,
};
const PARQUET_TARGET: Target = Target {
    name: "parquet",
    run: records::parquet,
    words: &["PAR1", "\0\0\0\0", "\u{7f}\u{7f}\u{7f}\u{7f}"],
};
const CONTRACT_TARGET: Target = Target {
    name: "contract",
    run: records::contract_file,
    words: CONTRACT,
};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus")
}

#[test]
fn the_corpus_causes_no_failure() {
    let targets = [
        JSONL_TARGET,
        JSON_ARRAY_TARGET,
        CSV_TARGET,
        PARQUET_TARGET,
        CONTRACT_TARGET,
    ];
    for target in targets {
        target.replay(&corpus());
    }
}

#[test]
fn damaged_lines_cause_no_failure() {
    JSONL_TARGET.run_mutated(&corpus(), 4000);
}

#[test]
fn damaged_arrays_cause_no_failure() {
    JSON_ARRAY_TARGET.run_mutated(&corpus(), 4000);
}

#[test]
fn damaged_tables_cause_no_failure() {
    CSV_TARGET.run_mutated(&corpus(), 4000);
}

#[test]
fn damaged_columns_cause_no_failure() {
    PARQUET_TARGET.run_mutated(&corpus(), 2000);
}

#[test]
fn damaged_contracts_cause_no_failure() {
    CONTRACT_TARGET.run_mutated(&corpus(), 3000);
}
