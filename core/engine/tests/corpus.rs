//! Runs the corpus of the job file fuzz target, and inputs derived from it, without a fuzzer.

#[path = "../../../tests/fuzz/src/pass.rs"]
mod pass;
#[path = "../../../tests/fuzz/src/job.rs"]
mod target;

use pass::Target;
use std::path::PathBuf;

const JOB: Target = Target {
    name: "job",
    run: target::job,
    words: &[
        "[source.a]\n",
        "[stage.a]\n",
        "[report.executive]\n",
        "[[stage.a.metrics]]\n",
        "[schedule]\ncron = \"0 9 * * MON\"\n",
        "cron = \"* * 31 2 *\"\n",
        "[params.a]\n",
        "[retention]\nkeep = \"26 weeks\"\n",
        "kind = \"count\"\n",
        "input = \"a\"\n",
        "query = \"select 1 from a\"\n",
        "uri = \"s3://a/**/{a,b}/*.jsonl\"\n",
        "contract = \"ticket\"\n",
        "window = \"week\"\n",
        "timezone = \"Europe/London\"\n",
        "compare = [\"previous\", \"99999999 weeks\"]\n",
        "${params.a}",
        "${params.",
        "for_each = { a = [1, 2] }\n",
        "9223372036854775808",
        "1979-05-27T07:32:00Z",
        "nan",
        "\"\"\"",
        "a.b.c.",
        "[[",
        "{a={a={a=",
        "\\u0000",
        "\u{e9}",
    ],
};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus")
}

#[test]
fn the_corpus_causes_no_panic() {
    JOB.replay(&corpus());
}

#[test]
fn damaged_job_files_cause_no_panic() {
    JOB.run_mutated(&corpus(), 4000);
}
