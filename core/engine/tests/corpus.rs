//! What the fuzz target of job files found and began with, without a fuzzer.

#[path = "../../../fuzz/src/job.rs"]
mod target;

use std::{fs, path::Path};

#[test]
fn the_corpus_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/job");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        println!("{}", file.display());
        target::job(&fs::read(&file).unwrap());
    }
}
