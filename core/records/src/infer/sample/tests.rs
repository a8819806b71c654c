//! Samples cover all files, and a draft says what it does not know.

use crate::{
    Input, check,
    infer::{Draft, infer},
};
use jiff::Timestamp;
use std::path::Path;
use tokio::runtime::Runtime;

/// Infers a draft, and checks that it accepts all records.
fn draft(uri: &str, folder: &Path, limit: u64) -> Draft {
    let all = Input::new("a", uri);
    let input = Input {
        records: Some(limit),
        ..all.clone()
    };
    let runtime = Runtime::new().unwrap();
    let draft = runtime.block_on(infer(&input, folder)).unwrap();
    let checking = check::check(&all, folder, &draft.contract, Timestamp::UNIX_EPOCH);
    let checked = runtime.block_on(checking).unwrap();
    assert_eq!(checked.accepted, checked.records, "{}", draft.text);
    draft
}

#[test]
fn records_are_sampled_from_all_files() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..4 {
        let records: String = (0..100).map(|i| format!("{{\"f{file}\":{i}}}\n")).collect();
        std::fs::write(folder.path().join(format!("{file}.jsonl")), records).unwrap();
    }
    let sampled = draft("*.jsonl", folder.path(), 10);
    assert_eq!((sampled.records, sampled.files), (10, 4));
    assert_eq!(sampled.contract.fields.len(), 4);
    let again = draft("*.jsonl", folder.path(), 10);
    assert_eq!(sampled, again, "twice the same");
}

#[test]
fn large_files_contribute_more_records_than_small_ones() {
    let folder = tempfile::tempdir().unwrap();
    for (file, count) in [("a.jsonl", 5), ("b.jsonl", 90), ("c.jsonl", 5)] {
        std::fs::write(folder.path().join(file), "{\"n\":1}\n".repeat(count)).unwrap();
    }
    let all = draft("*.jsonl", folder.path(), 100);
    assert_eq!((all.records, all.files), (100, 3));
    assert!(!all.text.contains("sample"), "{}", all.text);
    let sampled = draft("*.jsonl", folder.path(), 99);
    assert_eq!((sampled.records, sampled.files), (99, 3));
    assert!(
        sampled.text.contains("They are a sample"),
        "{}",
        sampled.text
    );
}

#[test]
fn a_sample_closes_no_list_of_values() {
    // The records are sorted: the last value appears after two thirds of them.
    let records = ["bug", "question", "task"]
        .map(|kind| format!("{{\"kind\":\"{kind}\"}}\n").repeat(100))
        .concat();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), records).unwrap();
    let complete = draft("a.jsonl", folder.path(), 300);
    let allowed = "\nallowed = [\"bug\", \"question\", \"task\"]\n";
    assert!(complete.text.contains(allowed), "{}", complete.text);
    let sampled = draft("a.jsonl", folder.path(), 200);
    let seen = "\n# decide: if these, seen 200 times in the sample, are all: allowed = [\"bug\", \"question\"]\n";
    assert!(sampled.text.contains(seen), "{}", sampled.text);
    assert!(
        sampled.text.contains("\nmax_length = 64 "),
        "{}",
        sampled.text
    );
}
